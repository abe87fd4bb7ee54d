"""Clips from files, or made of images, as arrays on disk and batches."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.apps.video import moving
from kerasmlsp.apps.video.config import SIZES, Config
from kerasmlsp.data import batching, idx, image_sets, labelled, splits, tfds, videos

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")


@dataclasses.dataclass(frozen=True)
class Clips:
    """Clips of one number of frames and size, on disk.

    Args:
        frames: uint8 `(clips, frames, size, size, 1 or 3)`, a memory map.
        rows: Which of these there are, `(clips,)`; the others are copies or of rare classes.
        labels: Class of each row, as text.
        names: Path of each row; empty for clips that were made.
        keys: What tells the pixels of each row apart.
        groups: Whom each row belongs to, `(clips,)`; None where that is not known.
        left_out: How many clips were left out, by reason.
    """

    frames: np.ndarray
    rows: np.ndarray
    labels: list[str]
    names: list[str]
    keys: list[bytes]
    groups: np.ndarray | None = None
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def channels(self) -> int:
        """1 where all clips are grey, else 3."""
        return image_sets.channels_of(self.frames[self.rows[:: max(1, len(self.rows) // 100)]])

    def pixels(self, places: np.ndarray | slice) -> np.ndarray:
        """Returns some of the clips, uint8 `(clips, frames, size, size, 1 or 3)`."""
        return np.asarray(self.frames[self.rows[places]])

    def taken(self, places: np.ndarray) -> "Clips":
        """Returns some of the clips, which stay where they are."""
        groups = None if self.groups is None else self.groups[places]
        labels, keys = ([each[place] for place in places] for each in (self.labels, self.keys))
        names = [self.names[place] for place in places] if self.names else []
        return Clips(self.frames, self.rows[places], labels, names, keys, groups, self.left_out)

    def fingerprint(self) -> str:
        return labelled.fingerprint((key.hex() for key in self.keys), self.labels)


def size_of(config: Config) -> int:
    """Returns the height and width of the frames that a run's net sees."""
    return config.size or SIZES["made" if moving.are_made(config.data, config.dataset) else "clips"]


def read(
    config: Config,
    path: str | Path | None = None,
    *,
    place: Path,
    dataset: str | None = None,
    manual_dir: str | Path | None = None,
    split: str = "train",
) -> Clips:
    """Reads labelled clips. Of equal ones the first is kept, so that none is both trained on and held out.

    Args:
        config: The run's configuration, which says how to read; its `size` must be given.
        path: Folder or table of clips, or folder with the files of Fashion-MNIST or MNIST.
        place: Folder on whose disk the clips are kept.
        dataset: Name in TensorFlow Datasets of a set of images.
        manual_dir: Folder with the original files of `dataset`.
        split: Which part of images, "train" or "test".

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: Neither or both of `path` and `dataset` are given, or the data cannot be used.
    """
    if (path is None) == (dataset is None):
        raise ValueError("Give the data with either `--data FILE_OR_FOLDER` or `--dataset NAME`.")
    if path is None:
        return _made(_downloaded(str(dataset), split, manual_dir), config, place, split)
    if moving.are_made(path):
        return _made(idx.read_labelled_idx(path, split)[0][..., None], config, place, split)
    clips = _of_files(files.existing(path, "data"), config, place)
    return splits.first_of_kind(clips, clips.keys, "clips", path)


def read_own(config: Config, place: Path) -> tuple[Clips, list[str]]:
    """Reads the clips that a run is trained on, without classes of too few.

    Returns:
        `Clips`, and the classes that are left out.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: The data cannot be used.
    """
    config = dataclasses.replace(config, size=size_of(config))
    clips = read(config, config.data, place=place, dataset=config.dataset, manual_dir=config.manual_dir)
    if config.forecasts:
        return clips, []
    labelled.check_classes(str(config.data or config.dataset), clips.labels)
    kept, rare = labelled.frequent(clips.labels, config.min_count)
    return clips.taken(kept) if rare else clips, rare


def _of_files(path, config, place):
    rows, gaps, base = _listed(path, config)
    good: list[int] = []
    problems: list[str] = []

    def read_clip(source):
        # One frame shows no movement, unless one is all that the net sees.
        least = min(2, config.frames)
        return videos.read_clip(source, config.frames, config.size, stride=config.spacing, least=least)

    def decoded():
        found = files.side_by_side([base / name for name, _ in rows], read_clip)
        for row, each in enumerate(found):
            if isinstance(each, Exception):
                problems.append(str(each))
            else:
                good.append(row)
                yield each

    frames = _kept(decoded(), (config.frames, config.size, config.size, 3), place, path, problems)
    if problems:
        told = files.listed(videos.reasons(problems))
        log.warning("Left out %d of %d clips of %s: %s. %s", len(problems), len(rows), path, told, problems[0])
    labels, names = [rows[row][1] for row in good], [rows[row][0] for row in good]
    labelled.check_read(rows, labels, "clip", videos.reasons(problems))
    left_out = videos.reasons(problems) | ({"rows without path or label": gaps} if gaps else {})
    groups = splits.matched(names, config.group_pattern) if config.group_pattern else None
    return Clips(frames, np.arange(len(frames)), labels, names, _keys(frames), groups, left_out)


def _kept(clips, shape, place, path, problems):
    """The clips on disk; where none can be read, the reason of the first."""
    try:
        return videos.stored(clips, shape, place)
    except ValueError as error:
        if not problems:
            raise
        raise ValueError(f"`path` must hold clips that can be read. Received: {path}, where {problems[0]}") from error


def _listed(path, config):
    """Path and class of each clip; to forecast, there need be no classes."""
    if config.forecasts and path.is_dir():
        found = videos.list_clips(path)
        return [(file.relative_to(path).as_posix(), "") for file in found], 0, path
    columns = {**config.columns, "encoding": config.encoding}
    return labelled.list_files(path, videos.class_folders, videos.list_clips, **columns)


def _keys(frames):
    return splits.array_keys(frames[row] for row in range(len(frames)))


def _made(stills, config, place, split):
    # Other clips of the test images than of those that are trained on, also with the same seed.
    seed = 2 * config.seed + (split == "test")
    chosen = np.random.default_rng([seed, 0]).permutation(len(stills))[: config.made]
    labels = moving.labels(len(chosen), seed)
    made = moving.clips(stills[chosen], labels, config.frames, config.size, seed)
    frames = videos.stored(made, (config.frames, config.size, config.size, stills.shape[-1]), place)
    return Clips(frames, np.arange(len(frames)), labels, [], _keys(frames))


def _downloaded(dataset, split, manual_dir):
    examples, info = tfds.load_tfds(dataset, split, features=("image",), manual_dir=manual_dir)
    shape = info.features["image"].shape
    if None in shape:
        raise ValueError(f"`dataset` must have images of one size. Received: {dataset}, whose are of {shape}")
    return np.stack([row["image"] for row in examples.as_numpy_iterator()])


def split(clips: Clips, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the places to train on and those that are held out, none of them where the share is 0."""
    if not config.validation_share:
        return np.arange(len(clips)), np.arange(0)
    if clips.groups is not None:
        return splits.split_groups(clips.labels, clips.groups, config.validation_share, config.seed)
    return splits.split_indices(clips.labels, config.validation_share, config.seed)


def training_batches(
    clips: Clips, targets: np.ndarray, weights: np.ndarray, config: Config, channels: int, *, drop_remainder: bool
) -> batching.Batches:
    """Returns `Batches` of clips whose order and random changes follow from seed and epoch.

    Args:
        clips: The clips.
        targets: `(clips, classes)`; not looked at to forecast.
        weights: What each clip counts, `(clips,)`.
        config: The complete configuration.
        channels: Channels that the net sees.
        drop_remainder: As of `batching.shuffled`.
    """
    size: int = config.batch_size  # type: ignore[assignment]  # complete
    order = batching.shuffled(len(clips), size, seed=config.seed, drop_remainder=drop_remainder)
    return batching.Batches(order, loader(clips, targets, weights, config, channels, training=True))


def loader(
    clips: Clips, targets: np.ndarray, weights: np.ndarray, config: Config, channels: int, *, training: bool
) -> Callable:
    """Returns the function from places and a key to clips, targets and weights.

    A forecaster's inputs are all frames but the last, its targets, 0 to 1, all but the first.
    """
    import tensorflow as tf

    given, counts = tf.constant(targets, tf.float32), tf.constant(weights, tf.float32)
    shape = [None, *clips.frames.shape[1:-1], channels]

    def read(places):
        return image_sets.recoloured(clips.pixels(places), channels)

    def load(places, key):
        # In NumPy: a constant of the graph would take all clips into memory.
        found = tf.ensure_shape(tf.numpy_function(read, [places], tf.uint8), shape)
        seeds = tf.random.split(tf.stack([key[0], key[1] + config.seed % 2**31 * 2**32]), 2)
        if training and config.flip:
            chance = batching.uniform([tf.size(places), 1, 1, 1, 1], seeds[0])
            found = tf.where(chance < 0.5, found[:, :, :, ::-1], found)
        if config.shuffle_frames:
            found = shuffled(found, seeds[1])
        found = tf.cast(found, tf.float32)
        if config.forecasts:
            return found[:, :-1], found[:, 1:] / 255
        return found, tf.gather(given, places), tf.gather(counts, places)

    return load


def shuffled(clips: "tf.Tensor", seed: "tf.Tensor | Sequence[int]") -> "tf.Tensor":
    """Returns clips `(batch, frames, ...)`, the frames of each in an order of its own."""
    import tensorflow as tf

    return tf.gather(clips, tf.argsort(batching.uniform(tf.unstack(tf.shape(clips)[:2]), seed)), batch_dims=1)


def dataset(
    clips: Clips, targets: np.ndarray, config: Config, channels: int, batch_size: int = 64
) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of all clips in their order; where frames are shuffled, alike in every pass."""
    import tensorflow as tf

    load = loader(clips, targets, np.ones(len(clips), "float32"), config, channels, training=False)
    places = tf.data.Dataset.range(len(clips)).batch(batch_size).enumerate()
    # Epochs are counted from 0, so that this is the key of none.
    pairs = places.map(lambda step, places: load(places, tf.stack([tf.constant(-1, tf.int64), step]))[:2])
    return pairs.prefetch(2)


def one_hot(labels: Sequence[str], classes: Sequence[str]) -> Any:
    """Returns targets of labels; of a forecaster, which has no classes, zeros."""
    from kerasmlsp import classification

    return classification.one_hot(labels, classes) if classes else np.zeros((len(labels), 1), "float32")
