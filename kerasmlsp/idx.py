"""Files in the IDX format, in which MNIST, Fashion-MNIST and others of their kind are published."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from kerasmlsp.files import existing

# The third byte of a file names the type of its numbers; all are big-endian.
_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_NAMES = {"train": "train", "test": "t10k"}


def read_idx(path) -> np.ndarray:
    """Reads a file in the IDX format, plain or with gzip.

    Two zero bytes, the type of the numbers and the count of axes are followed by the sizes, each in four bytes, and by
    the numbers, the last axis fastest.

    Args:
        path: File such as `train-images-idx3-ubyte.gz`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or of another format.
    """
    path = existing(path)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"`path` must be a whole gzip file: fetch it again ({error}). Received: {path}") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise ValueError(f"`path` must be a file in the IDX format. Received: {path}")
    kind, begin = np.dtype(_TYPES[content[2]]), 4 + 4 * content[3]
    shape = np.frombuffer(content[4:begin], ">u4").tolist()
    if len(shape) != content[3] or len(content) != begin + kind.itemsize * math.prod(shape):
        raise ValueError(f"`path` must be as long as it says in its head: fetch it again. Received: {path}")
    return np.frombuffer(content, kind, offset=begin).reshape(shape)


def holds_idx(folder, split="train") -> bool:
    """Whether a folder holds images of `split` under the names of MNIST and Fashion-MNIST."""
    return _file(Path(folder), f"{_NAMES[split]}-images-idx3-ubyte").exists()


def read_labelled_idx(folder, split) -> tuple[np.ndarray, np.ndarray]:
    """Reads images and classes under the names of MNIST and Fashion-MNIST, plain or with gzip.

    Args:
        folder: Folder with `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`, and the same of `t10k`.
        split: "train" or "test".

    Returns:
        Images, uint8 `(images, height, width)`, and class numbers, uint8 `(images,)`.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A file is damaged, or there are not as many classes as images.
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
