"""The order in which training sees examples: a function of seed and epoch alone, to be taken up anywhere."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp import distribution

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Batches:
    """Training data as index batches and the function that loads them.

    Args:
        order: Maps an epoch number to the list of int64 index arrays of that epoch; the same epoch gives the
            same list in every process.
        load: Maps `(indices, key)`, int64 tensors `(batch,)` and `(2,)`, to `(inputs, targets)` inside
            `tf.data`. `key` is the pair of epoch and step: the seed of `tf.random.stateless_*` for random
            augmentation that survives a restart. In one of several processes `indices` are its rows alone, and
            `uniform` draws what they get in any number of processes.
        lengths: Length of every example, `(examples,)`, or of its sequences, `(examples, sequences)`, where rows are
            padded. `load` then gets a third argument, int64 `()` or `(sequences,)`: the longest of the whole batch, to
            pad to, since one of several processes has only its rows.

    Example:
        >>> import tensorflow as tf
        >>> squares = tf.constant([0, 1, 4, 9])
        >>> order = [np.array([3, 0]), np.array([1, 2])]
        >>> batches = Batches(lambda epoch: order, lambda indices, key: tf.gather(squares, indices))
        >>> [batch.tolist() for batch in batches.dataset(lambda: (0, 1)).as_numpy_iterator()]  # one batch is done
        [[1, 4]]
    """

    order: Callable[[int], list[np.ndarray]]
    load: Callable
    lengths: ArrayLike | None = None

    def dataset(self, position: Callable[[], tuple[int, int]]) -> "tf.data.Dataset":
        """Makes a `tf.data.Dataset` that yields the rest of one epoch each time it is iterated.

        All epochs have as many batches; a data set that starts inside an epoch is for that epoch only.

        Args:
            position: Called at the start of every pass; returns the epoch and the number of batches of it
                that are already done.

        Raises:
            ValueError: A batch cannot be shared among the processes and devices of `kerasmlsp.distribution`.
        """
        import tensorflow as tf

        lengths = None if self.lengths is None else np.asarray(self.lengths, np.int64)

        def remaining():
            epoch, done = position()
            for step, indices in enumerate(self.order(epoch)[done:], start=done):
                longest = () if lengths is None else (lengths[indices].max(axis=0),)
                yield distribution.share(indices), np.array([epoch, step], np.int64), *longest

        signature = (tf.TensorSpec([None], tf.int64), tf.TensorSpec([2], tf.int64))
        if lengths is not None:
            signature = (*signature, tf.TensorSpec(lengths.shape[1:], tf.int64))
        dataset = tf.data.Dataset.from_generator(remaining, output_signature=signature)
        with distribution.own_rows():
            dataset = dataset.map(self.load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(4)
        if distribution.place()[1] > 1 and lengths is None:
            _check_shapes(dataset.element_spec)
        epoch, done = position()
        rest = self.order(epoch)[done:]
        distribution.check(map(len, rest))
        return dataset.apply(tf.data.experimental.assert_cardinality(len(rest)))


def _check_shapes(specs):
    for spec in keras.tree.flatten(specs):
        if spec.shape.rank is None or None in spec.shape.as_list()[1:]:
            raise ValueError(
                "Every batch must have arrays of one shape for several processes, each of which knows its own rows "
                "alone: give `Batches` the `lengths` of what is padded to the longest. "
                f"Received: shape {spec.shape}"
            )


def uniform(shape: Sequence[Any], seed: Any, *, axis: int = 0, **options: Any) -> "tf.Tensor":
    """Draws as `tf.random.stateless_uniform` for a batch; the `load` of `Batches` draws by it.

    Of several processes each gets the numbers of its rows: those that they have where one process draws for all.

    Args:
        shape: Of the numbers for the rows that are loaded; may hold scalar tensors.
        seed: Pair of whole numbers.
        axis: That of the rows.
        **options: Further arguments of `tf.random.stateless_uniform`.

    Example:
        >>> uniform([3, 1], (0, 1)).shape.as_list()
        [3, 1]
    """
    import tensorflow as tf

    return distribution.drawn(lambda shape: tf.random.stateless_uniform(shape, seed, **options), shape, axis)


def source(batches: Any) -> Any:
    """Returns what `kerasmlsp.training.fit` takes as `batches` with a method `dataset` as of `Batches`.

    Raises:
        ValueError: It is nothing that knows its position.

    Example:
        >>> source([1, 2])
        Traceback (most recent call last):
        ValueError: `batches` must be a `kerasmlsp.data.batching.Batches`, ... Received: list
    """
    if distribution.place()[1] > 1 and not isinstance(batches, Batches):
        raise ValueError(
            "`batches` must be a `kerasmlsp.data.batching.Batches` for several processes, each of which loads its rows "
            f"alone. Received: {type(batches).__name__}"
        )
    if isinstance(batches, keras.utils.PyDataset):
        return _Counted(batches)
    if any(each.__module__.startswith("tensorflow.python.data") for each in type(batches).__mro__):
        raise ValueError(
            "`batches` must know which examples come next, so that a stopped training goes on exactly, which a "
            "tf.data.Dataset does not. Give `Batches(shuffled(count, batch_size), load)`, whose `load(indices, key)` "
            "returns the inputs and targets of a batch, as docs/how-to/library.md shows, or call Keras's `model.fit`. "
            f"Received: {type(batches).__name__}"
        )
    if not hasattr(batches, "dataset"):
        raise ValueError(
            "`batches` must be a `kerasmlsp.data.batching.Batches`, a `keras.utils.PyDataset`, or have a method "
            f"`dataset(position)` like that of `Batches`. Received: {type(batches).__name__}"
        )
    return batches


class _Counted:
    """A `keras.utils.PyDataset` that goes to an epoch by ending those before it."""

    def __init__(self, items):
        if items.num_batches is None:
            raise ValueError("`batches` must have a known number of batches. Received: num_batches=None")
        self.items, self.epoch = items, 0

    def dataset(self, position):
        epoch, done = position()
        while self.epoch < epoch:
            self.items.on_epoch_begin()
            self.end_epoch()
        return _Rest(self, done)

    def end_epoch(self):
        self.items.on_epoch_end()
        self.epoch += 1


class _Rest(keras.utils.PyDataset):
    """The rest of one epoch, or the whole of several."""

    def __init__(self, counted, done):
        items = counted.items
        options = {name: getattr(items, name) for name in ("workers", "use_multiprocessing", "max_queue_size")}
        super().__init__(**options)
        self.counted, self.items, self.done, self.begun = counted, items, done, False

    def __getitem__(self, index):
        return self.items[self.done + index]

    @property
    def num_batches(self):
        return self.items.num_batches - self.done

    def on_epoch_begin(self):
        self.begun = True
        self.items.on_epoch_begin()

    def on_epoch_end(self):
        # Keras ends an epoch, too, before the first has begun.
        if self.begun:
            self.begun = False
            self.counted.end_epoch()


def shuffled(
    size: int, batch_size: int, *, seed: int = 0, drop_remainder: bool = False
) -> Callable[[int], list[np.ndarray]]:
    """Returns an `order` that shuffles `size` examples anew in every epoch.

    Raises:
        ValueError: `size` or `batch_size` is less than 1.

    Example:
        >>> order = shuffled(5, batch_size=2)
        >>> [len(batch) for batch in order(0)].count(2), sorted(np.concatenate(order(0)).tolist())
        (2, [0, 1, 2, 3, 4])
    """
    return bucketed(np.zeros(size, np.int64), batch_size, seed=seed, drop_remainder=drop_remainder)


def bucketed(
    lengths: ArrayLike, batch_size: int, *, seed: int = 0, window: int = 50, drop_remainder: bool = False
) -> Callable[[int], list[np.ndarray]]:
    """Returns an `order` that shuffles, yet puts examples of similar length into one batch.

    Within a window of `window * batch_size` shuffled examples, batches are cut from the examples sorted by length;
    then the batches are shuffled. Padding is thus small while a batch stays close to a random sample.

    Args:
        lengths: Length of every example.
        batch_size: Examples in a batch, at least 1.
        seed: Seed of the order.
        window: Batches that are sorted together, at least 1; 1 is a plain shuffle.
        drop_remainder: Leaves out the few examples (others in every epoch) that do not fill a batch, which spares
            a compiled training step a second batch size.

    Raises:
        ValueError: There is no example, or `batch_size` or `window` is less than 1.

    Example:
        >>> lengths = np.array([9, 1, 8, 2])
        >>> order = bucketed(lengths, batch_size=2)
        >>> sorted(lengths[batch].tolist() for batch in order(0))
        [[1, 2], [8, 9]]
    """
    lengths = np.asarray(lengths)
    if not len(lengths):
        raise ValueError("`lengths` must hold at least one example. Received: none")
    if batch_size < 1 or window < 1:
        raise ValueError(
            f"`batch_size` and `window` must be at least 1. Received: batch_size={batch_size}, window={window}"
        )

    def order(epoch):
        random = np.random.default_rng([seed, epoch])
        indices = random.permutation(len(lengths))
        if drop_remainder and len(indices) > batch_size:
            indices = indices[: len(indices) // batch_size * batch_size]
        span = window * batch_size
        windows = (indices[start : start + span] for start in range(0, len(indices), span))
        ordered = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in windows])
        batches = [ordered[start : start + batch_size] for start in range(0, len(ordered), batch_size)]
        return [batches[i] for i in random.permutation(len(batches))]

    return order


def by_tokens(
    lengths: ArrayLike, tokens: int, *, seed: int = 0, multiple: int = 1, rows: int = 1
) -> Callable[[int], list[np.ndarray]]:
    """Returns an `order` whose batches hold about as many tokens each, padding included, and hence long examples fewer.

    Examples are sorted by length and cut where a batch is full; examples of the same length change places in every
    epoch, and so do the batches, while the cuts stay: all epochs have as many batches, of the same shapes.

    Reference: Vaswani et al. 2017, "Attention Is All You Need" (training data and batching).

    Args:
        lengths: Length of every example, at least 1, `(examples,)`; or of its sequences, such as source and target,
            `(examples, sequences)`, which are sorted by the last and then by those before it.
        tokens: Most tokens of a batch, at least 1, in the sequence that has most. A longer example is a batch of its
            own.
        seed: Seed of the order.
        multiple: Batches are padded to a multiple of this length.
        rows: Every batch has a multiple of so many examples, to be shared among as many devices, even where those are
            too long for `tokens`. A few examples, less than `rows` and always the same, are left out for it.

    Raises:
        ValueError: There are fewer examples than `rows`, a length is less than 1, or `tokens`, `multiple` or `rows` is.

    Example:
        >>> lengths = np.array([9, 1, 2, 3, 3, 2])
        >>> order = by_tokens(lengths, tokens=9)
        >>> sorted(lengths[batch].tolist() for batch in order(0))
        [[1, 2, 2], [3, 3], [9]]
    """
    lengths = np.asarray(lengths)
    if not len(lengths) or lengths.min() < 1:
        least = "none" if not len(lengths) else f"a length of {lengths.min()}"
        raise ValueError(f"`lengths` must hold at least one example, and lengths of at least 1. Received: {least}")
    if tokens < 1 or multiple < 1 or not 1 <= rows <= len(lengths):
        raise ValueError(
            f"`tokens` and `multiple` must be at least 1, and `rows` from 1 to the {len(lengths)} examples. "
            f"Received: tokens={tokens}, multiple={multiple}, rows={rows}"
        )
    lengths = lengths.reshape(len(lengths), -1)
    kept = np.sort(np.random.default_rng(seed).permutation(len(lengths))[len(lengths) % rows :])
    own = lengths[kept]
    padded = -(-own[np.lexsort(own.T)] // multiple) * multiple
    cuts, begin = [], 0
    while begin < len(padded):
        # No batch has more rows than tokens, but for those of `rows`.
        longest = np.maximum.accumulate(padded[begin : begin + max(tokens, rows)]).max(axis=1)
        full = longest * np.arange(1, len(longest) + 1) > tokens
        most = int(np.argmax(full)) if full.any() else len(full)
        begin += max(1, most // rows) * rows
        cuts.append(begin)

    def order(epoch):
        random = np.random.default_rng([seed, epoch])
        indices = kept[random.permutation(len(kept))]
        batches = np.split(indices[np.lexsort(lengths[indices].T)], cuts[:-1])
        return [batches[i] for i in random.permutation(len(batches))]

    return order


def streams(length: int, batch_size: int, window: int, *, seed: int = 0) -> Callable[[int], list[np.ndarray]]:
    """Returns an `order` for truncated backpropagation through time over one long sequence.

    The sequence is cut into `batch_size` streams, and each batch holds the next `window` places of every stream, so
    that a state carried from batch to batch (`kerasmlsp.layers.Stateful`) fits. The cuts move in every epoch.

    Args:
        length: Places of the sequence that have a place after them, to predict.
        batch_size: Streams, at least 1.
        window: Places in a row of a batch, at least 1.
        seed: Seed of the cuts.

    Returns:
        A function from the epoch to index batches: where each row of `window` places begins.

    Raises:
        ValueError: The sequence is too short for one batch, or an argument is less than 1.

    Example:
        >>> order = streams(12, batch_size=2, window=3)
        >>> [batch.tolist() for batch in order(0)]  # each stream goes on where it was
        [[0, 6], [3, 9]]
    """
    steps = _full_windows(length, batch_size, window) // batch_size

    def order(epoch):
        room = length - steps * batch_size * window
        begin = np.random.default_rng([seed, epoch]).integers(room + 1)
        rows = begin + np.arange(batch_size, dtype=np.int64) * steps * window
        return [rows + step * window for step in range(steps)]

    return order


def windows(length: int, batch_size: int, window: int, *, seed: int = 0) -> Callable[[int], list[np.ndarray]]:
    """Returns an `order` that cuts one long sequence into windows and shuffles them; the cuts move in every epoch.

    Args:
        length: Places of the sequence that have a place after them, to predict.
        batch_size: Windows in a batch, at least 1.
        window: Places in a window, at least 1.
        seed: Seed of cuts and order.

    Returns:
        A function from the epoch to index batches: where each window begins.

    Raises:
        ValueError: The sequence is too short for one batch, or an argument is less than 1.

    Example:
        >>> order = windows(6, batch_size=1, window=2)
        >>> sorted(int(begin) for batch in order(0) for begin in batch)
        [0, 2, 4]
    """
    count = _full_windows(length, batch_size, window) // batch_size * batch_size

    def order(epoch):
        random = np.random.default_rng([seed, epoch])
        begin = random.integers(length - count * window + 1)
        return list((begin + random.permutation(count).astype(np.int64) * window).reshape(-1, batch_size))

    return order


def _full_windows(length, batch_size, window):
    if batch_size < 1 or window < 1:
        raise ValueError(
            f"`batch_size` and `window` must be at least 1. Received: batch_size={batch_size}, window={window}"
        )
    if length < batch_size * window:
        raise ValueError(
            f"`length` must be at least batch_size * window = {batch_size * window}. Received: length={length}"
        )
    return length // window


def sorted_by_length(lengths: ArrayLike, batch_size: int) -> list[np.ndarray]:
    """Returns index batches of examples sorted by length, for validation and prediction.

    Example:
        >>> [batch.tolist() for batch in sorted_by_length([9, 1, 8], batch_size=2)]
        [[1, 2], [0]]
    """
    indices = np.argsort(np.asarray(lengths), kind="stable")
    return [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
