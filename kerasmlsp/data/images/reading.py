"""Many pictures: those in folders, read side by side or in batches, and with their classes."""

import dataclasses
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.data import labelled, on_disk
from kerasmlsp.data.images.decoding import MOST_PIXELS, _read, read_image
from kerasmlsp.extras import install
from kerasmlsp.files import existing, visible_files

_log = logging.getLogger("kerasmlsp")
ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif"),
    *(".pbm", ".pgm", ".ppm", ".pnm"),
)
"""Endings of the files that are taken for pictures in a folder, in either case."""
_UNREAD = (".svg", ".jp2", ".jxl", ".tga", ".psd", ".xcf", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2")
# Why pictures are left out, by what `read_image` says.
_REASONS = {
    "must be a whole picture": "damaged",
    "which is empty": "empty",
    "million pixels": "too large",
    "must hold whole numbers": "of numbers with a fraction",
    "is no picture of a format that is read": "of no format that is read",
    install("pillow_heif"): f"HEIC, which needs {install('pillow_heif')}",
    "must be as large as its mask": "with a mask of another size",
    "must have a mask": "without a mask",
    "must be a mask": "with a mask that holds no class numbers",
    "must hold the numbers": "with unknown numbers in the mask",
    "must have boxes": "without boxes that are listed",
    "must be of the size that its boxes are for": "of another size than their boxes are for",
    "must be there already": "not there",
    "Permission denied": "without permission",
}


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Pictures of one size with their classes.

    Args:
        pixels: uint8 `(images, height, width, 3)`, in memory or on disk.
        labels: Class of each, as text.
        names: Path of each as its folder or table names it; empty for pictures without files.
        unreadable: Path and reason of every file or row that was left out.

    Example:
        >>> pixels, names = np.zeros((2, 8, 8, 3), np.uint8), ["rock/1.jpg", "paper/1.jpg"]
        >>> images = LabelledImages(pixels, labels=["rock", "paper"], names=names, unreadable=[])
        >>> dict(zip(images.names, images.labels, strict=True))
        {'rock/1.jpg': 'rock', 'paper/1.jpg': 'paper'}
    """

    pixels: Any
    labels: list
    names: list
    unreadable: list


def listed(sources: Iterable) -> list[Path | bytes]:
    """Returns the pictures of a list of files, folders and "-", which stands for the bytes on stdin.

    Raises:
        FileNotFoundError: A folder holds no picture.
        ValueError: There are no bytes on stdin.

    Example:
        >>> listed(["hand.jpg"])
        [PosixPath('hand.jpg')]
    """
    return files.given(sources, list_images, "picture")


def read_batches(
    sources: Sequence, size: int, batch_size: int
) -> Iterator[tuple[list[str], np.ndarray, list[int], list[dict]]]:
    """Reads pictures, stretched to one size, in batches.

    Args:
        sources: Paths of files, or bytes of such.
        size: Height and width.
        batch_size: Most pictures of a batch.

    Yields:
        The names of the pictures that could be read, their pixels, uint8 `(pictures, size, size, 3)`, the shorter side
        of each in its file, and a list of dicts of `file` and `problem` for the others.

    Example:
        >>> [(names, pixels, sides, problems)] = read_batches([Path("hand.jpg")], size=64, batch_size=8)
        >>> names, pixels.shape, problems[0]["file"]  # it is not there
        ([], (0, 64, 64, 3), 'hand.jpg')
    """
    for start in range(0, len(sources), batch_size):
        chosen = sources[start : start + batch_size]
        names, pixels, sides, bad = [], [], [], []
        for source, found in zip(chosen, files.side_by_side(chosen, lambda each: _read(each, size)), strict=True):
            if isinstance(found, Exception):
                bad.append({"file": files.named(source), "problem": str(found)})
            else:
                names.append(files.named(source))
                pixels.append(found[0])
                sides.append(found[1])
        yield names, np.array(pixels, np.uint8).reshape(-1, size, size, 3), sides, bad


def read_each(sources: Sequence, size: int, *, most_pixels: int = MOST_PIXELS) -> Iterator[np.ndarray | Exception]:
    """Reads pictures side by side, stretched to one size.

    Args:
        sources: Paths of files, or bytes of such.
        size: Height and width.
        most_pixels: As in `read_image`.

    Yields:
        uint8 `(size, size, 3)` of each, or the error of one that cannot be read.

    Example:
        >>> [found] = read_each(["hand.jpg"], size=64)
        >>> type(found).__name__  # it is not there
        'FileNotFoundError'
    """

    return files.side_by_side(sources, lambda source: read_image(source, size=size, most_pixels=most_pixels))


def reasons(problems: Iterable[object]) -> dict[str, int]:
    """Counts why pictures could not be read, the most frequent reason first.

    Args:
        problems: The error of each, or its message.

    Example:
        >>> reasons(read_each(["hand.jpg", "face.jpg"], size=64))
        {'not there': 2}
    """
    return files.reasons(problems, _REASONS)


def kept(found: Sequence, what: object) -> tuple[list[int], list[str]]:
    """Tells which pictures could be read, and logs how many could not, and why.

    Args:
        found: What `read_each` yields, or anything that is no error in the place of a picture.
        what: What the log calls them all.

    Returns:
        The places of those that could be read, and what is wrong with the others.

    Example:
        >>> kept([np.zeros((8, 8, 3), np.uint8)], "photos")
        ([0], [])
    """
    good = [place for place, each in enumerate(found) if not isinstance(each, Exception)]
    problems = [str(each) for each in found if isinstance(each, Exception)]
    if problems:
        told = files.listed(reasons(problems))
        _log.warning("Left out %d of %d pictures of %s: %s. %s", len(problems), len(found), what, told, problems[0])
    return good, problems


def list_images(folder: str | Path) -> list[Path]:
    """Returns the pictures in a folder and below it, told by their endings, in the order of their paths.

    With them are those of some formats that cannot be read, so that they are counted.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no picture.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.JPG", "a.png", "notes.txt"):
        ...     (folder / name).touch()
        >>> [path.name for path in list_images(folder)]
        ['a.png', 'b.JPG']
    """
    folder = existing(folder)
    found = visible_files(folder, ENDINGS + _UNREAD)
    if not found:
        raise ValueError(f"`path` must hold pictures ({', '.join(ENDINGS)}). Received: {folder}, which holds none")
    return found


def read_labelled_images(
    path: str | Path,
    size: int,
    *,
    path_column: str = "path",
    label_column: str = "label",
    encoding: str = "utf-8",
    least_classes: int = 2,
    most_pixels: int = MOST_PIXELS,
    stored: bool = False,
) -> LabelledImages:
    """Reads pictures and their classes from a folder that has one subfolder per class, or from a table of paths.

    Files that cannot be read, and rows without path or label, are left out; the log says how many, and why.

    Args:
        path: A folder such as `rock/*.jpg paper/*.png`, or a table (see `kerasmlsp.data.tables.read_table`) whose paths
            are relative to its own folder, or absolute.
        size: Height and width to which every picture is stretched.
        path_column: Column of a table that holds the paths.
        label_column: Column of a table that holds the classes.
        encoding: That of a table of text.
        least_classes: Classes that there must be: two to train on, while a test set may be of one.
        most_pixels: As in `read_image`.
        stored: Whether to keep the pixels on disk, as `kerasmlsp.data.on_disk.Arrays`.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A column is missing, there are fewer than two classes, or a class has no picture that can be read.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("rock", "paper"):
        ...     (folder / name).mkdir()
        ...     Image.new("RGB", (30, 20)).save(folder / name / "1.png")
        >>> images = read_labelled_images(folder, size=8)
        >>> images.labels, images.pixels.shape
        (['paper', 'rock'], (2, 8, 8, 3))
    """
    columns: dict[str, Any] = {"path_column": path_column, "label_column": label_column, "encoding": encoding}
    rows, gaps, base = labelled.list_files(path, class_folders, list_images, **columns)
    pixels: Any = on_disk.Arrays("uint8", (size, size, 3)) if stored else []
    found: list[Any] = []
    for each in read_each([base / name for name, _ in rows], size, most_pixels=most_pixels):
        if isinstance(each, np.ndarray):
            pixels.append(each)
        found.append(each if isinstance(each, Exception) else None)
    good, problems = kept(found, path)
    bad = [name for (name, _), each in zip(rows, found, strict=True) if each is not None]
    unreadable = [*zip(bad, problems, strict=True), *[("", "rows without path or label")] * gaps]
    labels = [rows[i][1] for i in good]
    labelled.check_classes(path, {label for _, label in rows}, least_classes)
    labelled.check_read(rows, labels, "picture", reasons(problems))
    return LabelledImages(pixels if stored else np.stack(pixels), labels, [rows[i][0] for i in good], unreadable)


def class_folders(folder: str | Path) -> dict[str, Path]:
    """Returns the folders of the classes of pictures in a folder by name, as `labelled.class_folders`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("rock", "paper"):
        ...     (folder / name).mkdir()
        >>> list(class_folders(folder))
        ['paper', 'rock']
    """
    return labelled.class_folders(folder, "pictures", "rock/ and paper/")
