"""Pictures with their masks."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasmlsp import files
from kerasmlsp.data import images
from kerasmlsp.data.masks.numbers import MOST_UNNAMED, check_numbers
from kerasmlsp.files import existing, visible_files

_log = logging.getLogger("kerasmlsp")
ENDINGS = (".png", ".gif", ".bmp", ".tif", ".tiff")
"""Endings of the files that are taken for masks, which lose nothing."""
MOST_CLASSES = 254
"""One number is left for pixels of no class."""


@dataclasses.dataclass(frozen=True)
class MaskedImages:
    """Pictures of one size with their masks.

    Args:
        pixels: uint8 `(images, size, size, 3)`.
        masks: Number of each pixel's class as the files have it, uint8 `(images, size, size)`; or colours, uint8
            `(images, size, size, 3)`.
        names: Path of each picture in its folder.
        files: Path of each mask, whose size is that of the picture.
        left_out: How many pictures were left out, by reason.

    Example:
        >>> pixels, masks = np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8), np.uint8)
        >>> len(MaskedImages(pixels, masks, ["road.jpg"], [Path("road.png")], {}).names)
        1
    """

    pixels: np.ndarray
    masks: np.ndarray
    names: list[str]
    files: list[Path]
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def numbers(self) -> list[int]:
        """The class numbers that there are; none where masks have colours."""
        return [] if self.masks.ndim == 4 else np.flatnonzero(np.bincount(self.masks.ravel())).tolist()

    def taken(self, indices: np.ndarray) -> "MaskedImages":
        """Returns some of the pictures."""
        names, paths = ([each[i] for i in indices] for each in (self.names, self.files))
        return MaskedImages(self.pixels[indices], self.masks[indices], names, paths, self.left_out)


def read_mask(source: bytes | str | Path, *, colours: bool = False) -> np.ndarray:
    """Reads the class numbers of a mask: the palette indices of a palette PNG, or the values of a grey one.

    Args:
        source: Path of a file, or the bytes of one.
        colours: Whether a picture that holds no such numbers is read in its colours.

    Returns:
        uint8 `(height, width)`, or `(height, width, 3)` of a picture in colours.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no whole picture; or, without `colours`, it has colours in place of numbers, or was compressed
            with a loss.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.fromarray(np.array([[0, 11]], np.uint8)).save(file, "PNG")
        >>> read_mask(file.getvalue())
        array([[ 0, 11]], dtype=uint8)
    """
    name = "the bytes given" if isinstance(source, bytes) else str(source)
    with images.opened(source) as picture:
        lossy, numbers = picture.format in ("JPEG", "WEBP", "AVIF", "HEIF"), None
        if not lossy and picture.mode in ("P", "L", "1", "I;16", "I"):
            numbers = np.asarray(picture)
        elif not colours:
            raise ValueError(
                "`path` must be a mask with the number of one class a pixel: save it as palette PNG or grey PNG. "
                f"Received: {name}, a {picture.format} of the mode {picture.mode}"
            )
    if numbers is not None and numbers.min(initial=0) >= 0 and numbers.max(initial=0) <= MOST_CLASSES + 1:
        return numbers.astype(np.uint8)
    if colours or numbers is None:
        return images.read_image(source)
    wrong = numbers.min() if numbers.min() < 0 else numbers.max()
    raise ValueError(f"`path` must be a mask of numbers from 0 to 255. Received: {name}, with {wrong}")


def list_pairs(
    folder: str | Path, masks: str | Path, suffix: str = "", *, colours: bool = False
) -> list[tuple[Path, Path | None]]:
    """Finds the mask of each picture of a folder by its name, whatever the endings.

    Args:
        folder: Pictures, in it or below.
        masks: Masks, in folders of the same names.
        suffix: What the names of masks have behind those of the pictures, as "_L".
        colours: Whether masks may be pictures of any format.

    Returns:
        Path of each picture, and of its mask or None.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: One holds no picture, both are the same (without `colours`), or no picture has a mask.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("train/a.jpg", "train/b.jpg", "masks/a_L.png"):
        ...     (folder / name).parent.mkdir(exist_ok=True)
        ...     (folder / name).touch()
        >>> [mask and mask.name for _, mask in list_pairs(folder / "train", folder / "masks", "_L")]
        ['a_L.png', None]
    """
    folder, masks = existing(folder, "data"), existing(masks, "masks")
    if folder.resolve() == masks.resolve() and not colours:
        raise ValueError(f"`masks` must be another folder than that of the pictures. Received: {masks}")
    pictures = images.list_images(folder)
    endings = images.ENDINGS if colours else ENDINGS
    there = {path.relative_to(masks).with_suffix("").as_posix(): path for path in visible_files(masks, endings)}
    if not there:
        raise ValueError(f"`masks` must hold masks ({', '.join(endings)}). Received: {masks}, which holds none")
    pairs = [(path, there.get(path.relative_to(folder).with_suffix("").as_posix() + suffix)) for path in pictures]
    if not any(mask for _, mask in pairs):
        first = pictures[0].relative_to(folder).with_suffix("").as_posix() + suffix
        raise ValueError(
            f"`masks` must hold a mask for each picture, of the same name. Received: {masks}, which has none called "
            f"{first}"
        )
    return pairs


def read_masked_images(
    folder: str | Path,
    masks: str | Path,
    size: int,
    *,
    suffix: str = "",
    colours: bool = False,
    numbers: Sequence[int] | None = None,
) -> MaskedImages:
    """Reads pictures and their masks, stretched to one size; a mask of numbers by the nearest pixel.

    Pictures that cannot be read, have no mask or one of another size, are left out; the log says how many, and why.

    Args:
        folder: As in `list_pairs`.
        masks: As in `list_pairs`.
        size: Height and width.
        suffix: As in `list_pairs`.
        colours: Whether masks may be pictures in colours: all are then taken for such where one has colours, or where
            they hold more than `MOST_UNNAMED` numbers.
        numbers: Numbers that masks may hold, so that pictures whose masks hold others are left out, and with `colours`
            an empty list for colours; None for what there is.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: There is no picture with a mask that can be read.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name, mode in (("a/1.png", "RGB"), ("b/1.png", "L")):
        ...     (folder / name).parent.mkdir()
        ...     Image.new(mode, (6, 4)).save(folder / name)
        >>> found = read_masked_images(folder / "a", folder / "b", 8)
        >>> found.pixels.shape, found.masks.shape
        ((1, 8, 8, 3), (1, 8, 8))
    """
    pairs = list_pairs(folder, masks, suffix, colours=colours)
    found = list(files.side_by_side(pairs, lambda pair: _read_pair(pair[0], pair[1], size, colours, numbers)))
    problems = [str(each) for each in found if isinstance(each, Exception)]
    left_out = images.reasons(problems)
    if len(problems) == len(found):
        raise ValueError(f"`data` must hold pictures with masks that can be read. Received: {folder}: {problems[0]}")
    if problems:
        told = files.listed(left_out)
        _log.warning("Left out %d of %d pictures of %s: %s. %s", len(problems), len(found), folder, told, problems[0])
    kept = [place for place, each in enumerate(found) if not isinstance(each, Exception)]
    names = [pairs[place][0].relative_to(existing(folder)).as_posix() for place in kept]
    paths = [path for place in kept if (path := pairs[place][1]) is not None]
    own = [found[place][1] for place in kept]
    if colours and not numbers and (numbers is not None or not _hold_classes(own)):
        own = [mask if mask.ndim == 3 else images.read_image(p, size=size) for mask, p in zip(own, paths, strict=True)]
    return MaskedImages(np.stack([found[place][0] for place in kept]), np.stack(own), names, paths, left_out)


def _hold_classes(masks):
    return all(mask.ndim == 2 for mask in masks) and len(np.unique(masks)) <= MOST_UNNAMED


def _read_pair(picture, mask, size, colours, numbers):
    if mask is None:
        raise ValueError(f"`path` must have a mask of its name. Received: {picture}")
    pixels, source = images.read_image(picture), read_mask(mask, colours=colours)
    if pixels.shape[:2] != source.shape[:2]:
        sizes = [f"{width} x {height}" for height, width in (pixels.shape[:2], source.shape[:2])]
        raise ValueError(
            f"`path` must be as large as its mask. Received: {picture} of {sizes[0]} pixels, and {mask} of {sizes[1]}"
        )
    if numbers:
        check_numbers(source, numbers, mask)
    own = images.resize(source, size) if source.ndim == 3 else stretched(source, size, size)
    return images.resize(pixels, size), own


def stretched(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Stretches a mask to another size; every pixel gets the class of the nearest.

    Example:
        >>> stretched(np.array([[1, 2]], np.uint8), 1, 4)
        array([[1, 1, 2, 2]], dtype=uint8)
    """
    # The middles of the new pixels, in whole numbers as in the graph of a saved model.
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip((height, width), mask.shape, strict=True)
    )
    return mask[rows[:, None], columns]
