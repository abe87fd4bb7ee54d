"""Piano rolls as batches for next-frame prediction: padded, weighted, and transposed at random while training."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp.data import batching

if TYPE_CHECKING:
    import tensorflow as tf


def free_shifts(roll: np.ndarray, semitones: tuple[int, int] = (-5, 6)) -> tuple[int, int]:
    """Returns the least and greatest number of keys by which a roll can be moved without losing a note.

    Args:
        roll: Bool `(steps, keys)`.
        semitones: Least and greatest number allowed; 0 lies between.

    Returns:
        A pair around 0, within `semitones`.

    Example:
        >>> roll = np.zeros((2, 88), bool)
        >>> roll[:, 3] = True  # the fourth key: down by three at most
        >>> free_shifts(roll)
        (-3, 6)
    """
    keys = np.flatnonzero(np.any(roll, axis=0))
    if not len(keys):
        return semitones[0], semitones[1]
    return max(semitones[0], -int(keys[0])), min(semitones[1], roll.shape[1] - 1 - int(keys[-1]))


def training_batches(
    rolls: Sequence[np.ndarray],
    batch_size: int,
    *,
    length: int | None = None,
    semitones: tuple[int, int] = (-5, 6),
    share: float = 0.0,
    seed: int = 0,
) -> batching.Batches:
    """Makes batches of pieces of similar length for `kerasmlsp.training.fit`.

    Reference: Boulanger-Lewandowski, Bengio and Vincent 2012, "Modeling Temporal Dependencies in High-Dimensional
    Sequences" (the task).

    Args:
        rolls: Bool arrays `(steps, keys)` of at least 2 steps.
        batch_size: Pieces in a batch, at least 1.
        length: Frames to predict, at most: of a longer piece, another part is drawn each time. None for whole pieces.
        semitones: Least and greatest transposition; each piece is moved evenly among those that lose no note.
        share: Share of the pieces in a batch that are transposed, in `[0, 1]`.
        seed: Seed of order, parts and transpositions.

    Returns:
        `Batches` that load frames `(batch, steps, keys)`, the frames that follow them, and weights `(batch, steps)`,
        0 on padding; all float32.

    Raises:
        ValueError: A piece is too short, or an argument out of range.

    Example:
        >>> rolls = [np.ones((5, 88), bool), np.ones((9, 88), bool)]
        >>> batches = training_batches(rolls, batch_size=2)
        >>> frames, following, weights = next(iter(batches.dataset(lambda: (0, 0))))
        >>> tuple(frames.shape), weights.numpy().sum(axis=1).tolist()  # what follows each frame but the last
        ((2, 8, 88), [4.0, 8.0])
    """
    if not 0 <= share <= 1:
        raise ValueError(f"`share` must be in [0, 1]. Received: share={share}")
    if not semitones[0] <= 0 <= semitones[1]:
        raise ValueError(f"`semitones` must be a pair around 0. Received: semitones={semitones}")
    if length is not None and length < 1:
        raise ValueError(f"`length` must be at least 1. Received: length={length}")
    store = _Store(rolls)
    limits = np.array([free_shifts(roll, semitones) for roll in rolls], np.int32)
    most = int(store.lengths.max()) if length is None else length + 1

    def load(indices, key):
        import tensorflow as tf

        def drawn(number, low, high):
            seeds = tf.random.experimental.stateless_fold_in(tf.cast(key, tf.int32), seed * 3 + number)
            shares = batching.uniform([tf.size(indices)], seeds)
            return low + tf.cast(shares * tf.cast(high - low + 1, tf.float32), tf.int32)

        chosen = tf.gather(limits, indices)
        some = tf.cast(drawn(0, 0, 999) < round(1000 * share), tf.int32)
        shifts = some * drawn(1, chosen[:, 0], chosen[:, 1])
        spare = tf.maximum(tf.gather(store.lengths, indices) - most, 0)
        frames, weights = store.load(indices, drawn(2, tf.zeros_like(spare), spare), most)
        return _pairs(_moved(frames, shifts), weights)

    order = batching.bucketed(np.minimum(store.lengths, most), batch_size, seed=seed, window=4)
    return batching.Batches(order, load)


def validation_dataset(rolls: Sequence[np.ndarray], batch_size: int) -> "tf.data.Dataset":
    """Makes a `tf.data.Dataset` of whole pieces, sorted by length: `(frames, next frames, weights)` a batch.

    Args:
        rolls: Bool arrays `(steps, keys)` of at least 2 steps.
        batch_size: Pieces in a batch, at least 1.

    Raises:
        ValueError: A piece is too short.

    Example:
        >>> rolls = [np.ones((9, 88), bool), np.ones((5, 88), bool)]
        >>> [tuple(frames.shape) for frames, following, weights in validation_dataset(rolls, batch_size=1)]
        [(1, 4, 88), (1, 8, 88)]
    """
    import tensorflow as tf

    store = _Store(rolls)
    batches = batching.sorted_by_length(store.lengths, batch_size)
    dataset = tf.data.Dataset.from_generator(lambda: batches, output_signature=tf.TensorSpec([None], tf.int64))
    most = int(store.lengths.max())
    dataset = dataset.map(lambda indices: _pairs(*store.load(indices, tf.zeros_like(indices, tf.int32), most)))
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))


class _Store:
    """All pieces behind each other: padded copies of Nottingham would take ten times the memory."""

    def __init__(self, rolls):
        self.lengths = np.array([len(roll) for roll in rolls], np.int32)
        if not len(rolls) or self.lengths.min() < 2:
            raise ValueError(
                f"`rolls` must be pieces of at least 2 steps. Received: {len(rolls)} pieces, "
                f"the shortest of {min(self.lengths, default=0)}"
            )
        self.frames = np.concatenate([np.asarray(roll, np.uint8) for roll in rolls])
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]]).astype(np.int32)

    def load(self, indices, skip, most):
        """Frames from `skip` on, `most` or fewer, padded to the longest: `(batch, steps, keys)`, and where they are."""
        import tensorflow as tf

        lengths = tf.minimum(tf.gather(self.lengths, indices) - skip, most)
        places = tf.range(tf.reduce_max(lengths))[None]
        there = tf.cast(places < lengths[:, None], tf.float32)
        places = tf.gather(self.starts, indices)[:, None] + skip[:, None] + tf.minimum(places, lengths[:, None] - 1)
        return tf.cast(tf.gather(self.frames, places), tf.float32) * there[:, :, None], there


def _moved(frames, shifts):
    import tensorflow as tf

    keys = frames.shape[-1]
    places = tf.math.floormod(tf.range(keys)[None] - shifts[:, None], keys)
    return tf.gather(frames, places, axis=2, batch_dims=1)


def _pairs(frames, weights):
    return frames[:, :-1], frames[:, 1:], weights[:, 1:]
