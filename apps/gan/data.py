"""Images from folders, Fashion-MNIST's files or TensorFlow Datasets, of one size, as batches."""

import dataclasses
import logging
from typing import Any

import numpy as np

from kerasmlsp.apps.gan.config import Config
from kerasmlsp.data import batching, idx, images, labelled, splits, tfds
from kerasmlsp.files import existing, visible_folders

log = logging.getLogger("kerasmlsp")

LEAST_STEPS = 100
"""Training steps of an epoch: fewer images than fill them are gone through several times in one epoch."""
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
"""Classes of Fashion-MNIST, whose files hold numbers alone and are told by the fingerprint of the training classes."""
_FASHION_LABELS = "6c17496fa54fa748"


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of one size.

    Args:
        pixels: uint8 `(images, size, size, 1 or 3)`.
        labels: Class numbers, int32 `(images,)`; zeros where there are no classes.
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, rows):
        return Images(self.pixels[rows], self.labels[rows])


@dataclasses.dataclass(frozen=True)
class Data:
    """What a run is trained on and measured against.

    Args:
        train: Images to train on.
        test: Images that only `evaluate` sees.
        classes: Names of the classes; empty where there are none.
        split: How the test images came about, in words.
        left_out: How many images were left out, by reason.
    """

    train: Images
    test: Images
    classes: list[str]
    split: str
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)

    def fingerprint(self) -> str:
        parts = (self.train, self.test)
        return labelled.fingerprint(*(part.pixels for part in parts), *(part.labels for part in parts), self.classes)


def read(config: Config) -> Data:
    """Reads the images that a configuration names.

    A folder may hold `train` and `test`, subfolders of classes, or images alone. Where there is no test part, a share
    of every class is held out. Of equal images the first is kept, and none of the test is trained on.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: Neither or both of `data` and `dataset` are given, or there are too few images.
    """
    problems: list[str] = []
    if config.data is not None and config.dataset is None:
        parts, classes = _folder(existing(config.data, "data"), config, problems)
    elif config.data is None and config.dataset is not None:
        parts, classes = _downloaded(config)
    else:
        raise ValueError("Give the images with either `--data FOLDER` or `--dataset NAME`.")
    split = "the data's own test part"
    parts = _without_copies(parts, config, problems)
    if len(parts) == 1:
        parts, split = (
            _held_out(parts[0], config, classes),
            f"a share of {config.held_out_share:g} held out, seed {config.seed}",
        )
    if min(map(len, parts)) < 2:
        raise ValueError(f"There must be two images at least to train on and to test. Received: {len(parts[0])}")
    channels = _channels(parts[0].pixels, config.colour)
    train, test = (Images(coloured(part.pixels, channels), part.labels) for part in parts)
    return Data(train, test, classes if len(classes) > 1 else [], split, images.reasons(problems))


def _folder(folder, config, problems):
    if idx.holds_idx(folder):
        there = [split for split in ("train", "test") if idx.holds_idx(folder, split)]
        parts = [idx.read_labelled_idx(folder, split) for split in there]
        fashion = labelled.fingerprint(parts[0][1]) == _FASHION_LABELS
        names = list(FASHION) if fashion else [str(number) for number in range(int(parts[0][1].max()) + 1)]
        size = config.size or 28
        return [_sized(pixels[..., None], labels, size) for pixels, labels in parts], names
    size, places = config.size or 32, [folder]
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        places = [folder / "train", folder / "test"]
    classes = sorted({each.name for place in places for each in visible_folders(place) if each.name[0] != "_"})
    return [_pictures(place, classes, size, problems) for place in places], classes


def _pictures(folder, classes, size, problems):
    """Reads the pictures of one folder; with classes, those that lie beside the subfolders are left out."""
    paths = images.list_images(folder)
    places = [path.relative_to(folder).parts for path in paths]
    if len(classes) > 1:
        kept = [(path, place[0]) for path, place in zip(paths, places, strict=True) if place[0] in classes]
    else:
        kept = [(path, "") for path in paths]
    if not kept:
        raise ValueError(f"`data` must hold images in its subfolders. Received: {folder}, which has none there")
    if beside := len(paths) - len(kept):
        log.warning("Left out %d of %d images of %s: they are in no class's folder.", beside, len(paths), folder)
    found: list[Any] = list(images.read_each([path for path, _ in kept], size))
    good, unreadable = images.kept(found, folder)
    problems += [*unreadable, *["beside the folders of the classes"] * beside]
    if not good:
        raise ValueError(f"`data` must hold images that can be read. Received: {folder}, where none can")
    labels = [classes.index(kept[row][1]) if len(classes) > 1 else 0 for row in good]
    return Images(np.stack([found[row] for row in good]), np.array(labels, np.int32))


def _sized(pixels, labels, size):
    """Stretches arrays to a size where they have another one."""
    if pixels.shape[1:3] != (size, size):
        pixels = np.stack([images.resize(each, size) for each in pixels])
    return Images(np.ascontiguousarray(pixels), np.asarray(labels, np.int32))


def _downloaded(config):
    _, info = tfds.load_tfds(config.dataset, "train", features=("image",), manual_dir=config.manual_dir)
    # Labels that are numbers without names are no classes.
    classes = list(getattr(info.features.get("label"), "names", None) or [])
    shape = info.features["image"].shape
    size = config.size or (28 if shape[:2] == (28, 28) else 32)
    parts = []
    for split in [each for each in ("train", "test") if each in info.splits]:
        examples, _ = tfds.load_tfds(config.dataset, split, manual_dir=config.manual_dir)
        rows = [
            (_square(each["image"], size), each["label"] if classes else 0) for each in examples.as_numpy_iterator()
        ]
        parts.append(Images(np.stack([row[0] for row in rows]), np.array([row[1] for row in rows], np.int32)))
    return parts, classes


def _square(pixels, size):
    if pixels.dtype != np.uint8 or pixels.shape[-1] not in (1, 3):
        raise ValueError(
            "`dataset` must have grey or RGB images of 8 bits. "
            f"Received: {pixels.dtype} with {pixels.shape[-1]} channels"
        )
    return pixels if pixels.shape[:2] == (size, size) else _as(images.resize(pixels, size), pixels.shape[-1])


def _held_out(part, config, classes):
    lone = [name for name, count in zip(classes, np.bincount(part.labels), strict=False) if count == 1]
    if lone and len(classes) > 1:
        raise ValueError(f"`data` must hold two images of every class at least. Received: one of {lone[0]!r}")
    chosen, others = splits.split_indices(part.labels, config.held_out_share, config.seed)
    return part[chosen], part[others]


def _without_copies(parts, config, problems):
    """Parts without images that occur twice, or in the part that comes after, which is the test."""
    keys, kept, seen = [splits.array_keys(part.pixels) for part in parts], [], ()
    for own in reversed(keys):
        kept.insert(0, splits.without(own, seen))
        seen = own
    counts = [len(part) - len(rows) for part, rows in zip(parts, kept, strict=True)]
    if lost := sum(counts):
        log.warning("Left out %d images of %s: copies of others.", lost, config.data or config.dataset)
        problems += ["copies of others"] * lost
    return [part[rows] for part, rows in zip(parts, kept, strict=True)]


def _channels(pixels, colour):
    if colour != "auto":
        return {"grey": 1, "rgb": 3}[colour]
    sample = pixels[:: max(1, len(pixels) // 1000)]
    return 1 if (sample == sample[..., :1]).all() else 3


def coloured(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Returns images with 1 or 3 channels: grey as three equal ones, or the luma of coloured ones."""
    if pixels.shape[-1] == channels:
        return pixels
    return np.concatenate([_as(pixels[begin : begin + 4096], channels) for begin in range(0, len(pixels), 4096)])


def _as(pixels, channels):
    """Grey pixels as three equal channels, or the luma of ITU-R BT.601 of coloured ones."""
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return pixels.repeat(3, -1)
    return np.round(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]


def labels_like(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns so many labels in the shares of others and in random order, int32 `(count,)`."""
    ordered = np.sort(labels)[np.arange(count) * len(labels) // count]
    return np.random.default_rng([seed, 2]).permutation(ordered).astype(np.int32)


def training_batches(part: Images, config: Config) -> batching.Batches:
    """Returns `Batches` of images in `[-1, 1]`, with the classes where the architecture is conditional.

    An epoch has at least `LEAST_STEPS`.

    Raises:
        ValueError: There are fewer images than in a batch.
    """
    import tensorflow as tf

    if len(part) < config.batch_size:
        raise ValueError(
            f"`batch_size` must be at most the {len(part)} images to train on. Received: {config.batch_size}"
        )
    pixels, labels = tf.constant(part.pixels), tf.constant(part.labels)

    def load(indices, key=None):
        image = tf.cast(tf.gather(pixels, indices), tf.float32) / 127.5 - 1.0
        # A tuple: Keras takes the first of it for the inputs.
        if config.architecture != "conditional":
            return (image,)
        return ({"image": image, "label": tf.gather(labels, indices)},)

    once = batching.shuffled(len(part), config.batch_size, seed=config.seed, drop_remainder=True)
    times = -(-LEAST_STEPS // (len(part) // config.batch_size))

    def order(epoch):
        return [batch for turn in range(times) for batch in once(epoch * times + turn)]

    return batching.Batches(order, load)
