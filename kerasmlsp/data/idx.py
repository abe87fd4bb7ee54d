"""Files in the IDX format, in which MNIST, Fashion-MNIST and others of their kind are published."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from kerasmlsp.files import existing

# The third byte of a file names the type of its numbers; all are big-endian.
_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
# How much longer than itself a gzip file can become at most (zlib's technical notes).
_MOST_INFLATED = 1032
_NAMES = {"train": "train", "test": "t10k"}


def read_idx(path: str | Path) -> np.ndarray:
    """Reads a file in the IDX format, plain or with gzip.

    Two zero bytes, the type of the numbers and the count of axes are followed by the sizes, each in four bytes, and by
    the numbers, the last axis fastest.

    Args:
        path: File such as `train-images-idx3-ubyte.gz`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or of another format.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "labels-idx1-ubyte")
        >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))  # unsigned bytes, one axis, three of them
        >>> read_idx(path)
        array([7, 2, 1], dtype=uint8)
    """
    path = existing(path)
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    try:
        with (gzip.open if packed else open)(path, "rb") as stream:
            return _array(stream, path)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"`path` must be a whole gzip file: fetch it again ({error}). Received: {path}") from error


def _array(stream, path):
    """Reads the head first, so that nothing longer than what it says is taken into memory."""
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES:
        raise ValueError(f"`path` must be a file in the IDX format. Received: {path}")
    kind, sizes = np.dtype(_TYPES[start[2]]), stream.read(4 * start[3])
    shape = np.frombuffer(sizes[: len(sizes) // 4 * 4], ">u4").tolist()
    length = kind.itemsize * math.prod(shape)
    whole = len(shape) == start[3] and length <= _MOST_INFLATED * path.stat().st_size
    # One byte more than there should be, which tells a longer file.
    content = stream.read(length + 1) if whole else b""
    if not whole or len(content) != length:
        raise ValueError(f"`path` must be as long as it says in its head: fetch it again. Received: {path}")
    return np.frombuffer(content, kind).reshape(shape)


def holds_idx(folder: str | Path, split: str = "train") -> bool:
    """Whether a folder holds images of `split` under the names of MNIST and Fashion-MNIST.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "t10k-images-idx3-ubyte.gz").touch()
        >>> holds_idx(folder, "train"), holds_idx(folder, "test")
        (False, True)
    """
    return _file(Path(folder), f"{_NAMES[split]}-images-idx3-ubyte").exists()


def read_labelled_idx(folder: str | Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads images and classes under the names of MNIST and Fashion-MNIST, plain or with gzip.

    Args:
        folder: Folder with `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`, and the same of `t10k`.
        split: "train" or "test".

    Returns:
        Images, uint8 `(images, height, width)`, and class numbers, uint8 `(images,)`.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A file is damaged, or there are not as many classes as images.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "t10k-images-idx3-ubyte").write_bytes(bytes([0, 0, 8, 3, *[0, 0, 0, 1] * 3, 255]))
        >>> _ = (folder / "t10k-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
        >>> read_labelled_idx(folder, "test")  # one image of one pixel
        (array([[[255]]], dtype=uint8), array([7], dtype=uint8))
    """
    folder = existing(folder)
    images, labels = (
        read_idx(_file(folder, f"{_NAMES[split]}-{each}")) for each in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"`folder` must hold as many classes as images of {split}. "
            f"Received: shapes {labels.shape} and {images.shape} in {folder}"
        )
    return images, labels


def _file(folder, name):
    plain = folder / name
    return plain if plain.exists() else folder / f"{name}.gz"
