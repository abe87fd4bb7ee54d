"""Recordings as labelled windows, and windows as batches."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.apps.motion.config import Config
from kerasmlsp.data import batching, labelled, motion, splits

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

ARRANGEMENTS = 15
"""Other orders in which the activities of a recording come."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """Labelled windows and the recordings that they are cut from.

    Args:
        recordings: Recordings at an even rate.
        windows: Their windows.
        labels: Class of each window, that of most of its samples.
        groups: Who each window is of, or its recording where persons are not known.
        persons: Whether the groups are persons.
    """

    recordings: list[motion.Recording]
    windows: motion.Windows
    labels: np.ndarray
    groups: np.ndarray
    persons: bool

    def fingerprint(self) -> str:
        return labelled.fingerprint(self.windows.values, self.labels.tolist())

    def taken(self, indices: np.ndarray) -> "Examples":
        """Returns some of the windows, with all recordings."""
        old = self.windows
        parts = (old.values[indices], old.labels[indices], old.sources[indices], old.starts[indices])
        return dataclasses.replace(
            self, windows=motion.Windows(*parts, old.context), labels=self.labels[indices], groups=self.groups[indices]
        )


def read(config: Config, path: str | Path, channels: Sequence[str] = ()) -> list[motion.Recording]:
    """Reads labelled recordings as a configuration says.

    Args:
        config: The run's configuration.
        path: File or folder.
        channels: Columns of a table that hold the signals; those of the configuration by default.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: The data cannot be used, or recordings have other channels than the first.
    """
    found = motion.read_recordings(
        path,
        config.rate,
        channels=tuple(channels) or config.columns,
        time_column=config.time_column,
        label_column=config.label_column,
        subject_column=config.subject_column,
        subject_pattern=config.subject_pattern,
        name_pattern=config.name_pattern,
        max_gap=config.max_gap,
    )
    counts = {each.values.shape[1]: each.name for each in found}
    if len(counts) > 1:
        told = ", ".join(f"{count} in {name}" for count, name in counts.items())
        raise ValueError(
            f"`path` must hold recordings of the same channels: name them by `--channels`. Received: {told}"
        )
    return found


def examples(config: Config, recordings: list[motion.Recording]) -> Examples:
    """Cuts recordings into windows; those without a class, and recordings shorter than a window, are left out.

    Raises:
        ValueError: No recording is as long as a window, or no window has a class.
    """
    if short := sum(len(each.values) < config.length for each in recordings):
        log.warning("Left out %d of %d recordings, shorter than a window.", short, len(recordings))
    found = motion.windows(recordings, config.length, config.step, config.around)
    labels = found.main_labels()
    names = np.array([recording.subject for recording in recordings])
    persons = bool((names != "").all())
    groups = names[found.sources] if persons else found.sources
    kept = np.flatnonzero(labels != "")
    if not len(kept):
        raise ValueError(f"`--label-column` must hold the class of some windows. Received: {config.label_column!r}")
    if len(kept) < len(labels):
        log.warning("Left out %d of %d windows, without a class.", len(labels) - len(kept), len(labels))
    return Examples(recordings, found, labels, groups, persons).taken(kept)


def read_own(config: Config) -> tuple[Examples, list[str]]:
    """Reads the examples that a run is trained on, without classes of too few windows.

    Of equal recordings the first is kept, so that none is both trained on and held out.

    Returns:
        `Examples`, and the classes that are left out.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: The data cannot be used.
    """
    recordings = read(config, str(config.data))
    unlike = splits.unlike(splits.array_keys([each.values for each in recordings]), "recordings", config.data)
    found = examples(config, [recordings[i] for i in unlike])
    labelled.check_classes(str(config.data), found.labels.tolist())
    kept, rare = labelled.frequent(found.labels.tolist(), config.min_count)
    return found.taken(np.asarray(kept)) if rare else found, rare


def split(found: Examples, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices to train on and those that are held out, whole persons or recordings.

    Raises:
        ValueError: Too few are left to train on every class.
    """
    if not config.validation_share:
        return np.arange(len(found.labels)), np.arange(0)
    if len(np.unique(found.groups)) < 2:
        what = "person" if found.persons else "recording"
        raise ValueError(
            f"There is one {what} only, and whole ones are held out: give more, or train on all with "
            "`--validation-share 0`."
        )
    return splits.split_groups(found.labels, found.groups, config.validation_share, config.seed)


def numbered(labels: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Returns class numbers of any shape, int32; -1 for what is none of the classes."""
    places = np.searchsorted(classes, labels)
    known = np.asarray(classes)[np.minimum(places, len(classes) - 1)] == labels
    return np.where(known, places, -1).astype(np.int32)


def training_batches(
    found: Examples, classes: Sequence[str], config: Config, weights: np.ndarray, *, drop_remainder: bool = False
) -> batching.Batches:
    """Returns `Batches` of windows, targets and weights whose order and random changes follow from seed and epoch.

    Args:
        found: The examples to train on.
        classes: Names of the classes.
        config: The configuration.
        weights: What each class counts, `(classes,)`.
        drop_remainder: As of `batching.shuffled`.
    """
    size = config.batch_size or len(found.labels)
    order = batching.shuffled(len(found.labels), size, seed=config.seed, drop_remainder=drop_remainder)
    return batching.Batches(order, loader(found, classes, config, weights))


def loader(found: Examples, classes: Sequence[str], config: Config, weights: np.ndarray) -> Callable:
    """Returns the function from numbers of windows to samples, targets and weights.

    With `shift`, a window begins up to a hop earlier or later; with `speed`, it is played slower or faster, and its
    labels with it; with `reorder`, it is cut from a recording whose activities come in another order. Targets are
    classes of each sample `(batch, steps, classes)` where the architecture tells those, else `(batch, classes)`. What
    has no class weighs nothing.
    """
    import tensorflow as tf

    used, inverse = np.unique(found.windows.sources, return_inverse=True)
    lengths, orders = np.array([len(found.recordings[i].values) for i in used]), arrangements(found, used, config)
    signal = tf.constant(np.concatenate([found.recordings[i].values for i in used]))
    names = tf.constant(numbered(np.concatenate([found.recordings[i].labels for i in used]), classes))
    firsts, lasts = (tf.constant(each[inverse]) for each in (np.cumsum(lengths) - lengths, lengths - 1))
    flat = tf.constant(orders.ravel())
    counts, middle = tf.constant(weights, tf.float32), (config.length - 1) / 2
    centres = tf.constant(found.windows.starts + middle, tf.float32)
    steps = tf.range(-config.around, config.length + config.around, dtype=tf.float32) - middle

    def places(indices, seeds):
        """Where in its recording each sample of the windows lies, `(batch, steps)`."""
        shape, last = [tf.size(indices), 1], tf.cast(tf.gather(lasts, indices)[:, None], tf.float32)
        shift = batching.uniform(shape, seeds[0], minval=-config.step, maxval=config.step) * float(config.shift)
        speed = batching.uniform(shape, seeds[1], minval=1 - config.speed, maxval=1 + config.speed)
        centre = tf.clip_by_value(tf.gather(centres, indices)[:, None] + shift, middle, last - middle)
        return tf.clip_by_value(centre + steps * speed, 0.0, last)

    def load(indices, key):
        seeds = tf.random.split(tf.stack([key[0], key[1] + config.seed % 2**31 * 2**32]), 4)
        place, first = places(indices, seeds[:2]), tf.gather(firsts, indices)[:, None]
        rows = [tf.size(indices), 1]
        order = batching.uniform(rows, seeds[2], minval=1, maxval=max(2, len(orders)), dtype=tf.int64)
        changed = batching.uniform(rows, seeds[3]) < config.reorder
        row = tf.where(changed, order, 0) * signal.shape[0] + first

        def taken(values, places):
            return tf.gather(values, tf.gather(flat, row + places))

        before = tf.cast(tf.floor(place), first.dtype)
        after = tf.minimum(before + 1, tf.gather(lasts, indices)[:, None])
        share = (place - tf.cast(before, tf.float32))[..., None]
        one, other = taken(signal, before), taken(signal, after)
        targets = tf.one_hot(taken(names, tf.cast(tf.round(place), first.dtype)), len(classes))
        return (one + share * (other - one), *weighed(targets, counts, config))

    return load


def arrangements(found: Examples, used: np.ndarray, config: Config) -> np.ndarray:
    """Returns orders of all samples of some recordings, the first as they are, int64 `(orders, samples)`."""
    labels = [found.recordings[i].labels for i in used]
    firsts = np.cumsum([0, *map(len, labels)])
    rows = [np.arange(firsts[-1])]
    for number in range(ARRANGEMENTS if config.reorder else 0):
        seeds = np.random.default_rng([config.seed, number]).integers(2**31, size=len(labels))
        parts = zip(labels, firsts, seeds, strict=False)
        rows.append(np.concatenate([first + motion.shuffled_order(each, int(seed)) for each, first, seed in parts]))
    return np.stack(rows)


def weighed(targets: "tf.Tensor", counts: "tf.Tensor", config: Config) -> "tuple[tf.Tensor, tf.Tensor]":
    """Returns targets, and what they weigh, of samples or of windows, as the architecture tells.

    Args:
        targets: One-hot classes of samples, zeros for none, `(batch, steps, classes)`.
        counts: What each class counts, `(classes,)`.
        config: The configuration.
    """
    import tensorflow as tf

    if not config.per_sample:
        shares = tf.reduce_sum(targets[:, config.around : config.around + config.length], axis=1)
        known = tf.cast(tf.reduce_max(shares, axis=1, keepdims=True) > 0, tf.float32)
        targets = tf.one_hot(tf.argmax(shares, axis=1), targets.shape[-1]) * known
    return targets, tf.reduce_sum(targets * counts, axis=-1)


def dataset(found: Examples, classes: Sequence[str], config: Config, batch_size: int = 256) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of the windows as they are, in their order, with their targets."""
    import tensorflow as tf

    names = numbered(found.windows.labels, classes)
    found_batches = tf.data.Dataset.from_tensor_slices((found.windows.values, names)).batch(batch_size)

    def targets(values: Any, names: Any) -> Any:
        return (values, *weighed(tf.one_hot(names, len(classes)), tf.ones([len(classes)]), config))

    return found_batches.map(targets).prefetch(2)
