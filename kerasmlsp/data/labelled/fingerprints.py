"""What tells data apart."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from kerasmlsp.data import on_disk
from kerasmlsp.files import existing, visible_files


def fingerprint(*sources: str | Path | np.ndarray | on_disk.Arrays | Iterable[str | float]) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of data, to tell in a run whether it is still the same.

    Args:
        *sources: Paths of files or folders, NumPy arrays, the same on disk, or iterables of strings or numbers. A
            folder counts with the names and contents of all its files that are not hidden.

    Raises:
        FileNotFoundError: There is no such file or folder.

    Example:
        >>> fingerprint(["ab", "c"]) == fingerprint(["ab", "c"]), fingerprint(["ab", "c"]) == fingerprint(["a", "bc"])
        (True, False)
    """
    digest = hashlib.sha256()
    for source in sources:
        if isinstance(source, np.ndarray) and source.dtype != object:
            _add(digest, f"{source.dtype.str}{source.shape}".encode(), np.ascontiguousarray(source).tobytes())
        elif isinstance(source, on_disk.Arrays):
            _add(digest, f"{source.dtype.str}{source.shape}".encode())
            digest.update((int(source.lengths.sum()) * source.dtype.itemsize).to_bytes(8, "big"))
            for values in source:
                digest.update(values.tobytes())
        elif isinstance(source, (str, Path)):
            _add_path(digest, existing(source))
        else:
            _add(digest, *(str(value).encode("utf-8", "surrogatepass") for value in source))
        digest.update(b"/")
    return digest.hexdigest()[:16]


def _add(digest, *parts: bytes):
    for part in parts:  # with lengths, so that ["ab", "c"] differs from ["a", "bc"]
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)


def _add_path(digest, path: Path):
    files = visible_files(path) if path.is_dir() else [path]
    for file in files:
        _add(digest, file.relative_to(path).as_posix().encode())
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
