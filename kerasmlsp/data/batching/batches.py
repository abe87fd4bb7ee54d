"""Batches that know their place in the epoch, so that a training goes on where it was."""

import dataclasses
from collections.abc import Callable
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
