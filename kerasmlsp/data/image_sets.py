"""Sets of images of one size: folders with or without classes and parts, and the files of MNIST and Fashion-MNIST."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp.data import idx, images, labelled, splits, tfds
from kerasmlsp.files import existing, visible_folders

_log = logging.getLogger("kerasmlsp")

FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
"""Classes of Fashion-MNIST, whose files hold numbers alone and are told by the fingerprint of the training classes."""
_FASHION_LABELS = "6c17496fa54fa748"


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of one size.

    Args:
        pixels: uint8 `(images, size, size, 1 or 3)`.
        labels: Class numbers, int32 `(images,)`; zeros where there are no classes.

    Example:
        >>> both = Images(np.zeros((2, 8, 8, 1), np.uint8), np.array([0, 1], np.int32))
        >>> len(both), both[1:].labels.tolist()
        (2, [1])
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, rows):
        return Images(self.pixels[rows], self.labels[rows])


def read_parts(folder: Path, size: int | None, problems: list[str]) -> tuple[list[Images], list[str]]:
    """Reads the images of a folder, and of its part to test on, where it has one.

    A folder may hold the files of MNIST or Fashion-MNIST, the folders `train` and `test`, subfolders of classes, or
    images alone. With classes, images that lie beside their folders are left out; folders whose names begin with `_`
    are none.

    Args:
        folder: The folder.
        size: Height and width to which images are stretched; None for 28 of MNIST's files and 32 of others.
        problems: List that is appended to: why images were left out.

    Returns:
        One or two `Images`, those to train on before those to test on, and the names of the classes; fewer than two
        names mean that there are no classes.

    Raises:
        ValueError: There is no image that can be read, or a file is damaged.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("bag", "boot"):
        ...     (folder / name).mkdir()
        ...     Image.new("RGB", (9, 9)).save(folder / name / "1.png")
        >>> (part,), classes = read_parts(folder, 8, [])
        >>> part.pixels.shape, part.labels.tolist(), classes
        ((2, 8, 8, 3), [0, 1], ['bag', 'boot'])
    """
    if idx.holds_idx(folder):
        there = [split for split in ("train", "test") if idx.holds_idx(folder, split)]
        parts = [idx.read_labelled_idx(folder, split) for split in there]
        fashion = labelled.fingerprint(parts[0][1]) == _FASHION_LABELS
        names = list(FASHION) if fashion else [str(number) for number in range(int(parts[0][1].max()) + 1)]
        return [_sized(pixels[..., None], labels, size or 28) for pixels, labels in parts], names
    places = [folder]
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        places = [folder / "train", folder / "test"]
    classes = sorted({each.name for place in places for each in visible_folders(place) if each.name[0] != "_"})
    return [_pictures(place, classes, size or 32, problems) for place in places], classes


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images to train on and to test on.

    Args:
        train: Images to train on.
        test: Images that only an evaluation sees.
        classes: Names of the classes; empty where there are none.
        split: How the test images came about, in words.
        left_out: How many images were left out, by reason.

    Example:
        >>> part = Images(np.zeros((2, 8, 8, 1), np.uint8), np.zeros(2, np.int32))
        >>> len(ImageSet(part, part, [], "none").fingerprint())
        16
    """

    train: Images
    test: Images
    classes: list[str]
    split: str
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)

    def fingerprint(self) -> str:
        """What tells in a run whether the data are still the same."""
        parts = (self.train, self.test)
        return labelled.fingerprint(*(part.pixels for part in parts), *(part.labels for part in parts), self.classes)


def read_set(
    data: str | Path | None,
    *,
    dataset: str | None = None,
    manual_dir: str | Path | None = None,
    size: int | None = None,
    colour: str = "auto",
    held_out_share: float = 0.1,
    seed: int = 0,
) -> ImageSet:
    """Reads the images of a folder as `read_parts`, or those of a data set of TensorFlow Datasets.

    Where there is no test part, a share of every class is held out. Of equal images the first is kept, and none of the
    test is trained on.

    Args:
        data: The folder; None for a data set.
        dataset: Name of the data set; None for a folder.
        manual_dir: Folder with the original files of the data set.
        size: Height and width to which images are stretched; None for 28 where images have that, else 32.
        colour: As of `channels_of`.
        held_out_share: Share of the images that is held out where there is no test part.
        seed: Decides which.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: Neither or both of `data` and `dataset` are given, or there are too few images.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for grey in range(10):
        ...     Image.new("L", (8, 8), grey).save(folder / f"{grey}.png")
        >>> found = read_set(folder, size=8, held_out_share=0.2)
        >>> len(found.train), len(found.test), found.split
        (8, 2, 'a share of 0.2 held out, seed 0')
    """
    problems: list[str] = []
    if data is not None and dataset is None:
        parts, classes = read_parts(existing(data, "data"), size, problems)
    elif data is None and dataset is not None:
        parts, classes = _downloaded(dataset, manual_dir, size)
    else:
        raise ValueError("Give the images with either `--data FOLDER` or `--dataset NAME`.")
    split = "the data's own test part"
    parts = _without_copies(parts, data or dataset, problems)
    if len(parts) == 1:
        parts = _held_out(parts[0], held_out_share, seed, classes)
        split = f"a share of {held_out_share:g} held out, seed {seed}"
    if min(map(len, parts)) < 2:
        raise ValueError(f"There must be two images at least to train on and to test. Received: {len(parts[0])}")
    channels = channels_of(parts[0].pixels, colour)
    train, test = (Images(coloured(part.pixels, channels), part.labels) for part in parts)
    return ImageSet(train, test, classes if len(classes) > 1 else [], split, images.reasons(problems))


def _downloaded(dataset, manual_dir, size):
    _, info = tfds.load_tfds(dataset, "train", features=("image",), manual_dir=manual_dir)
    # Labels that are numbers without names are no classes.
    classes = list(getattr(info.features.get("label"), "names", None) or [])
    shape = info.features["image"].shape
    size = size or (28 if shape[:2] == (28, 28) else 32)
    parts = []
    for split in [each for each in ("train", "test") if each in info.splits]:
        examples, _ = tfds.load_tfds(dataset, split, manual_dir=manual_dir)
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
    if pixels.shape[:2] == (size, size):
        return pixels
    return recoloured(images.resize(pixels, size), pixels.shape[-1])


def _held_out(part, share, seed, classes):
    lone = [name for name, count in zip(classes, np.bincount(part.labels), strict=False) if count == 1]
    if lone and len(classes) > 1:
        raise ValueError(f"`data` must hold two images of every class at least. Received: one of {lone[0]!r}")
    chosen, others = splits.split_indices(part.labels, share, seed)
    return part[chosen], part[others]


def _without_copies(parts, source, problems):
    """Parts without images that occur twice, or in the part that comes after, which is the test."""
    keys, kept, seen = [splits.array_keys(part.pixels) for part in parts], [], ()
    for own in reversed(keys):
        kept.insert(0, splits.without(own, seen))
        seen = own
    counts = [len(part) - len(rows) for part, rows in zip(parts, kept, strict=True)]
    if lost := sum(counts):
        _log.warning("Left out %d images of %s: copies of others.", lost, source)
        problems += ["copies of others"] * lost
    return [part[rows] for part, rows in zip(parts, kept, strict=True)]


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
        _log.warning("Left out %d of %d images of %s: they are in no class's folder.", beside, len(paths), folder)
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


def channels_of(pixels: np.ndarray, colour: str = "auto") -> int:
    """Returns how many channels images are to have: 1 where `colour` is "grey", 3 for "rgb", else what they need.

    Example:
        >>> channels_of(np.full((2, 8, 8, 3), 90, np.uint8)), channels_of(np.zeros((1, 8, 8, 1), np.uint8), "rgb")
        (1, 3)
    """
    if colour != "auto":
        return {"grey": 1, "rgb": 3}[colour]
    sample = pixels[:: max(1, len(pixels) // 1000)]
    return 1 if (sample == sample[..., :1]).all() else 3


def coloured(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Returns images with 1 or 3 channels: grey as three equal ones, or the luma of coloured ones.

    Example:
        >>> coloured(np.array([[[[255, 0, 0]]]], np.uint8), 1).tolist()  # red is dark
        [[[[76]]]]
    """
    if pixels.shape[-1] == channels:
        return pixels
    return np.concatenate([recoloured(pixels[start : start + 4096], channels) for start in range(0, len(pixels), 4096)])


def recoloured(pixels: np.ndarray, channels: int) -> np.ndarray:
    """As `coloured`, of pixels `(..., 1 or 3)` all at once: the luma is that of ITU-R BT.601.

    Example:
        >>> recoloured(np.array([[[9]]], np.uint8), 3).tolist()
        [[[9, 9, 9]]]
    """
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return pixels.repeat(3, -1)
    return np.round(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)[..., None]
