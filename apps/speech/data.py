"""Spoken commands from files or TensorFlow Datasets, as arrays and batches with random changes."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp.apps.speech.config import Config
from kerasmlsp.data import audio, batching, clips, labelled, splits, tfds

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

_NOHASH = "_nohash_"
"""What the names of Speech Commands have behind the speaker."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """Recordings in memory.

    Args:
        samples: int16 `(examples, length)`.
        labels: Class of each, as text.
        names: Path of each; empty for a data set of TensorFlow Datasets.
        groups: Speaker of each, `(examples,)`; None where that is not known.
        left_out: How many recordings were left out, by reason.
    """

    samples: np.ndarray
    labels: list[str]
    names: list[str]
    groups: np.ndarray | None = None
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)

    def fingerprint(self) -> str:
        return labelled.fingerprint(self.samples, self.labels)

    def taken(self, indices: np.ndarray) -> "Examples":
        """Returns some of the examples."""
        groups = None if self.groups is None else self.groups[indices]
        labels = [self.labels[i] for i in indices]
        names = [self.names[i] for i in indices] if self.names else []
        return Examples(self.samples[indices], labels, names, groups, self.left_out)


def read(
    config: Config,
    path: str | Path | None = None,
    *,
    dataset: str | None = None,
    manual_dir: str | Path | None = None,
    split: str = "train",
) -> Examples:
    """Reads labelled recordings. Of equal ones the first is kept, so that none is both trained on and held out.

    Args:
        config: The run's configuration, which says how to read.
        path: Folder or table.
        dataset: Name in TensorFlow Datasets.
        manual_dir: Folder with the original files of `dataset`.
        split: Which part of `dataset`.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: Neither or both of `path` and `dataset` are given, or the data cannot be used.
    """
    if (path is None) == (dataset is None):
        raise ValueError("Give the data with either `--data FILE_OR_FOLDER` or `--dataset NAME`.")
    if dataset is not None:
        examples = _from_tfds(dataset, split, manual_dir, config)
        return splits.first_of_kind(examples, splits.array_keys(examples.samples), "recordings", dataset)
    found = clips.read_clips(
        str(path),
        config.rate,
        config.length,
        **config.columns,
        encoding=config.encoding,
        least_classes=1,
        cut=config.silence,
    )
    speakers = _speakers(found.names, config)
    examples = Examples(found.samples, found.labels, found.names, speakers, found.left_out)
    return splits.first_of_kind(examples, splits.array_keys(found.samples), "recordings", path)


def read_own(config: Config) -> tuple[Examples, list[str]]:
    """Reads the recordings that a run is trained on, without classes of too few.

    Returns:
        `Examples`, and the classes that are left out.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: The data cannot be used.
    """
    examples = read(config, config.data, dataset=config.dataset, manual_dir=config.manual_dir)
    if config.group_pattern is None and any(_NOHASH in name for name in examples.names):
        log.warning('The names tell speakers: keep them together by `--group-pattern "([0-9a-f]{8})_nohash_"`.')
    labelled.check_classes(str(config.data or config.dataset), examples.labels)
    kept, rare = labelled.frequent(examples.labels, config.min_count)
    return examples.taken(kept) if rare else examples, rare


def _speakers(names, config):
    if config.group_pattern is None:
        return None
    # Noise is nobody's.
    return splits.matched(names, config.group_pattern, alone=True)


def _from_tfds(dataset, split, manual_dir, config):
    features = ("audio", config.label_column)
    rows, info = tfds.load_tfds(dataset, split, features=features, manual_dir=manual_dir)
    label, rate = info.features[config.label_column], getattr(info.features["audio"], "sample_rate", None)
    name, samples, labels = label.int2str if hasattr(label, "int2str") else str, [], []
    for row in rows.as_numpy_iterator():
        # Whole numbers of 16 bits, whatever their type.
        waveform = audio.resampled(np.asarray(row["audio"], "float32") / 2**15, rate or config.rate, config.rate)
        samples.append(clips.as_int16(clips.loudest(waveform, config.length, config.rate)))
        labels.append(name(row[config.label_column]))
    return Examples(np.stack(samples), labels, [])


def split(examples: Examples, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices to train on and those that are held out, none of them where the share is 0."""
    if not config.validation_share:
        return np.arange(len(examples.labels)), np.arange(0)
    if examples.groups is not None:
        return splits.split_groups(examples.labels, examples.groups, config.validation_share, config.seed)
    return splits.split_indices(examples.labels, config.validation_share, config.seed)


def folds(examples: Examples, count: int, seed: int) -> np.ndarray:
    """Deals the examples into folds: by speaker where that is known, else one by one.

    Returns:
        Number of the fold of each example.
    """
    groups = np.arange(len(examples.labels)) if examples.groups is None else examples.groups
    return splits.folds(groups, count, seed)


def training_batches(
    examples: Examples, targets: np.ndarray, weights: np.ndarray, config: Config, *, drop_remainder: bool = False
) -> batching.Batches:
    """Returns `Batches` of changed waveforms, targets and weights whose order follows from seed and epoch.

    Args:
        examples: The examples.
        targets: `(examples, classes)`.
        weights: What each example counts, `(examples,)`.
        config: The complete configuration.
        drop_remainder: As of `batching.shuffled`.
    """
    size: int = config.batch_size  # type: ignore[assignment]  # complete
    order = batching.shuffled(len(targets), size, seed=config.seed, drop_remainder=drop_remainder)
    return batching.Batches(order, changing(examples, targets, weights, config))


def changing(examples: Examples, targets: np.ndarray, weights: np.ndarray, config: Config) -> Callable:
    """Returns the function from example indices and a key to changed waveforms, targets and weights.

    A waveform is played faster or slower and moved, gets noise of the class `config.silence` at a random ratio, and
    becomes louder or softer. All follows from the seed and the key, a pair of epoch and step.
    """
    import tensorflow as tf

    samples, given, counts = (tf.constant(each) for each in (examples.samples, targets, weights))
    quiet = np.flatnonzero(np.array(examples.labels) == config.silence)
    if config.noise and not len(quiet):
        log.warning("No noise is mixed in: there are no recordings of the class %s.", config.silence)
    pool = tf.constant(examples.samples[quiet]) if config.noise and len(quiet) else None

    def load(indices, key):
        seeds = tf.random.split(tf.stack([key[0], key[1] + config.seed % 2**31 * 2**32]), 4)
        found = moved(clips.floats(tf.gather(samples, indices)), config, seeds[0])
        if pool is not None:
            drawn = batching.uniform([tf.size(indices)], seeds[1], maxval=len(quiet), dtype=tf.int32)
            found = mixed(found, clips.floats(tf.gather(pool, drawn)), config, seeds[2])
        decibels = config.gain * batching.uniform([tf.size(indices), 1], seeds[3], minval=-1.0, maxval=1.0)
        return found * 10.0 ** (decibels / 20), tf.gather(given, indices), tf.gather(counts, indices)

    return load


def moved(waveforms: "tf.Tensor", config: Config, seed: "tf.Tensor") -> "tf.Tensor":
    """Plays each waveform `(batch, length)` faster or slower, earlier or later; zeros fill the gaps."""
    import tensorflow as tf

    count, length = tf.shape(waveforms)[0], waveforms.shape[1]
    draw = batching.uniform([2, count, 1], seed, axis=1, minval=-1.0, maxval=1.0)
    speed, shift = tf.exp(draw[0] * config.stretch), draw[1] * config.shift * config.rate
    place = (tf.range(length, dtype=tf.float32) - length / 2 - shift) * speed + length / 2
    before = tf.floor(place)

    def at(places):
        heard = tf.gather(waveforms, tf.clip_by_value(places, 0, length - 1), batch_dims=1)
        return tf.where((places >= 0) & (places < length), heard, 0.0)

    whole = tf.cast(before, tf.int32)
    return at(whole) + (place - before) * (at(whole + 1) - at(whole))


def mixed(waveforms: "tf.Tensor", noise: "tf.Tensor", config: Config, seed: "tf.Tensor") -> "tf.Tensor":
    """Adds noise `(batch, length)` to some waveforms at a ratio of powers that is uniform in decibels."""
    import tensorflow as tf

    draw = batching.uniform([2, tf.shape(waveforms)[0], 1], seed, axis=1)
    power, own = (tf.reduce_mean(tf.square(each), axis=1, keepdims=True) for each in (waveforms, noise))
    ratio = config.min_snr + draw[0] * (config.max_snr - config.min_snr)
    # Noise that is nearly silent is not blown up more than a thousand times.
    level = tf.sqrt(power / tf.maximum(own, 1e-6 * power + 1e-12)) * 10.0 ** (-ratio / 20)
    return waveforms + tf.where(draw[1] < config.noise, level * noise, 0.0)


def dataset(examples: Examples, targets: np.ndarray, batch_size: int = 256) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of all examples in their order, unchanged."""
    import tensorflow as tf

    pairs = tf.data.Dataset.from_tensor_slices((examples.samples, targets)).batch(batch_size)
    return pairs.map(lambda samples, target: (clips.floats(samples), target)).prefetch(2)
