"""Images and what they are to be made of: masks with the numbers of classes, or pictures in colours."""

import contextlib
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.apps.gan.config import Config
from kerasmlsp.data import batching, images, labelled, splits
from kerasmlsp.files import existing

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

SIZE = 128
"""Height and width that images are stretched to where nothing is said."""
MOST_CLASSES = 64
"""Different numbers up to which masks hold classes; grey pictures hold more."""
LEAST_STEPS = 100
"""Training steps of an epoch: fewer pairs than fill them are gone through several times in one epoch."""
# Formats that change the numbers of a mask.
_LOSSY = ("JPEG", "WEBP", "AVIF", "HEIF")
_REASONS = {
    "no mask of the same name": "without a mask",
    "must be as large as": "of another size than the mask",
    "must hold the numbers": "with unknown numbers in the mask",
}


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Images of one size with their sources.

    Args:
        pixels: uint8 `(pairs, size, size, 3)`.
        sources: Class numbers as the files have them, uint8 `(pairs, size, size)`, or colours, uint8 `(pairs, size,
            size, 3)`.
        names: Path of each image in its folder.
        left_out: How many images were left out, by reason.
    """

    pixels: np.ndarray
    sources: np.ndarray
    names: list[str]
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: np.ndarray | slice) -> "Pairs":
        names = [self.names[row] for row in np.arange(len(self))[rows]]
        return Pairs(self.pixels[rows], self.sources[rows], names, self.left_out)

    @property
    def numbers(self) -> list[int]:
        """The class numbers that there are; none where sources have colours."""
        return [] if self.sources.ndim == 4 else np.flatnonzero(np.bincount(self.sources.ravel())).tolist()

    def fingerprint(self) -> str:
        return labelled.fingerprint(self.pixels, self.sources)


def read(folder: str | Path, masks: str | Path, size: int, *, numbers: Sequence[int] | None = None) -> Pairs:
    """Reads images and the mask of each, which has the same name, whatever its ending.

    Masks hold class numbers where all are palette or grey pictures, saved without loss, of at most `MOST_CLASSES`
    different numbers; else they are pictures in colours.

    Args:
        folder: Images, in it or below.
        masks: Masks, in folders of the same names.
        size: Height and width to stretch to; a mask of numbers by the nearest pixel.
        numbers: Numbers that the masks may hold; an empty list for colours, None for what there is.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: It holds no pictures, or there is no image with a mask that can be read.
    """
    folder, masks = existing(folder, "data"), existing(masks, "masks")
    found = images.list_images(folder)
    there = {path.relative_to(masks).with_suffix(""): path for path in images.list_images(masks)}
    pairs = [(path, there.get(path.relative_to(folder).with_suffix(""))) for path in found]
    kept = list(files.side_by_side(pairs, lambda pair: _read_pair(pair[0], pair[1], size, numbers)))
    problems = [str(each) for each in kept if isinstance(each, Exception)]
    good = [place for place, each in enumerate(kept) if not isinstance(each, Exception)]
    left_out = reasons(problems)
    if not good:
        raise ValueError(
            f"`data` must hold images with masks that can be read. Received: {folder}, where {problems[0]}"
        )
    if problems:
        told = files.listed(left_out)
        log.warning("Left out %d of %d images of %s: %s. %s", len(problems), len(found), folder, told, problems[0])
    pixels = np.stack([kept[place][0] for place in good])
    sources = _alike([kept[place][1] for place in good], numbers)
    return Pairs(pixels, sources, [pairs[place][0].relative_to(folder).as_posix() for place in good], left_out)


def reasons(problems: Sequence[str]) -> dict[str, int]:
    """Counts why images were left out."""
    own = [each for each in problems if any(part in each for part in _REASONS)]
    return files.reasons(own, _REASONS) | images.reasons(each for each in problems if each not in own)


def _read_pair(path, mask, size, numbers):
    if mask is None:
        raise ValueError(f"There is no mask of the same name. Received: {path}")
    pixels, source = images.read_image(path), read_source(mask)
    if pixels.shape[:2] != source.shape[:2]:
        sizes = [" x ".join(map(str, each.shape[1::-1])) for each in (pixels, source)]
        raise ValueError(f"An image must be as large as its mask. Received: {path} of {sizes[0]}, {mask} of {sizes[1]}")
    if numbers:
        check_numbers(source, numbers, mask)
    return images.resize(pixels, size), stretched(source, size)


def read_source(source: bytes | str | Path) -> np.ndarray:
    """Reads a mask: class numbers, uint8 `(height, width)`, where it may hold such, else RGB `(height, width, 3)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no picture that can be read.
    """
    # What is wrong with it is said by `read_image`.
    with contextlib.suppress(Exception):
        numbers = _numbers(source)
        if numbers is not None:
            return numbers
    return images.read_image(source)


def _numbers(source):
    import io

    from PIL import Image

    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
        small = picture.width * picture.height <= images.MOST_PIXELS
        if not small or picture.format in _LOSSY or picture.mode not in ("P", "L", "1", "I;16", "I"):
            return None
        numbers = np.asarray(picture)
    return numbers.astype(np.uint8) if numbers.max(initial=0) <= 255 else None


def check_numbers(source: np.ndarray, numbers: Sequence[int], name: object) -> None:
    """Refuses a mask in colours, or of other numbers.

    Raises:
        ValueError: It has colours, or a number that is not among `numbers`.
    """
    known = ", ".join(map(str, numbers))
    if source.ndim == 3:
        raise ValueError(f"A mask must hold the numbers {known}: save it as palette or grey PNG. Received: {name}")
    if (unknown := np.setdiff1d(source, numbers)).size:
        told = ", ".join(map(str, unknown[:5]))
        raise ValueError(f"A mask must hold the numbers {known}. Received: {told} in {name}")


def stretched(source: np.ndarray, size: int) -> np.ndarray:
    """Stretches a mask of numbers by the nearest pixel, a picture in colours as `images.resize`."""
    if source.ndim == 3:
        return images.resize(source, size)
    # The middles of the new pixels, in whole numbers.
    rows, columns = (np.minimum((2 * np.arange(size) + 1) * old // (2 * size), old - 1) for old in source.shape)
    return source[rows[:, None], columns]


def _alike(sources, numbers):
    """All as class numbers or, where one has colours or there are too many numbers, all in colours."""
    of_numbers = all(source.ndim == 2 for source in sources)
    if numbers or (numbers is None and of_numbers and len(np.unique(sources)) <= MOST_CLASSES):
        return np.stack(sources)
    return np.stack([source if source.ndim == 3 else np.repeat(source[..., None], 3, -1) for source in sources])


def split(pairs: Pairs, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows to train on and those held out: neighbours in the order of their names, as frames of a film."""
    if len(pairs) < 4:
        raise ValueError(f"`data` must hold four images with masks at least. Received: {len(pairs)}")
    return splits.split_indices(np.zeros(len(pairs), int), config.held_out_share, config.seed, blocks=1)


def training_batches(pairs: Pairs, numbers: Sequence[int], config: Config) -> batching.Batches:
    """Returns `Batches` of images and sources as the nets take them, whose order follows from seed and epoch."""
    import tensorflow as tf

    if len(pairs) < config.batch_size:  # type: ignore[operator]  # complete
        raise ValueError(f"`batch_size` must be at most the {len(pairs)} images. Received: {config.batch_size}")
    pixels, sources = tf.constant(pairs.pixels), tf.constant(pairs.sources)

    def load(indices, key):
        image = tf.cast(tf.gather(pixels, indices), tf.float32) / 127.5 - 1.0
        source = encoded(tf.gather(sources, indices), numbers)
        if config.augment:
            seed = tf.stack([key[0], key[1] + config.seed % 2**31 * 2**32])
            mirrored = batching.uniform([tf.size(indices), 1, 1, 1], seed) < 0.5
            image, source = (tf.where(mirrored, each[:, :, ::-1], each) for each in (image, source))
        # A tuple: Keras takes the first of it for the inputs.
        return ({"image": image, "source": source},)

    size: int = config.batch_size  # type: ignore[assignment]  # complete
    once = batching.shuffled(len(pairs), size, seed=config.seed, drop_remainder=True)
    times = -(-LEAST_STEPS // (len(pairs) // size))
    return batching.Batches(lambda epoch: [b for turn in range(times) for b in once(epoch * times + turn)], load)


def encoded(sources: Any, numbers: Sequence[int]) -> "tf.Tensor":
    """Returns sources as the nets take them: a channel of 0 and 1 for each number, or colours from -1 to 1."""
    import tensorflow as tf

    if not numbers:
        return tf.cast(sources, tf.float32) / 127.5 - 1.0
    return tf.cast(sources[..., None] == tf.constant(list(numbers), tf.uint8), tf.float32)
