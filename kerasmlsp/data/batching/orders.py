"""In which order examples are taken, and which are in a batch together."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp import distribution

if TYPE_CHECKING:
    import tensorflow as tf


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
