"""Files that are never half written."""

import contextlib
import errno
import json
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def read_json(path: str | Path) -> Any:
    """Returns what a JSON file holds.

    Raises:
        ValueError: The file is damaged; the message names it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "config.json")
        >>> _ = path.write_text('{"epochs": 3')
        >>> read_json(path)
        Traceback (most recent call last):
        ValueError: ...config.json is damaged: restore it, or make it again with the command that made it (...).
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        advice = "restore it, or make it again with the command that made it"
        raise ValueError(f"{path} is damaged: {advice} ({error}).") from error


def write_json(path: str | Path, value: Any) -> Path:
    """Writes a value as a JSON file, see `write_atomically`, and returns its path.

    Raises:
        ValueError: The value holds NaN or an infinity, which JSON lacks.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> path = write_json(Path(tempfile.mkdtemp(), "config.json"), {"epochs": 3})
        >>> read_json(path)
        {'epochs': 3}
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(path, lambda place: place.write_text(text, encoding="utf-8"))
    return Path(path)


def write_atomically(path: str | Path, write: Callable) -> Any:
    """Calls `write` with a temporary name beside `path`, then renames: readers see the old file or the new one.

    The new file is on the disk before it gets its name, so that not even a power failure leaves half of it. Where
    several processes or threads write the same file, one of their files stays whole; `locked` lets in one at a time.

    Args:
        path: The file to make, `str` or `Path`. Its ending is kept by the temporary name.
        write: Function of one `Path`.

    Returns:
        What `write` returns.

    Raises:
        OSError: The folder is not there, `path` is a folder, or the file cannot be written; names `path`, not the
            temporary file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "notes.txt")
        >>> write_atomically(path, lambda place: place.write_text("whole"))
        5
        >>> path.read_text()
        'whole'
    """
    path = Path(path)
    # Before `write`, whose work may take hours.
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # Not of the process alone, since two of its threads may write the file.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")
    try:
        result = write(temporary)
        _to_disk(temporary, os.O_RDWR)
        os.replace(temporary, path)
        # Not on Windows, and not on some network file systems.
        with contextlib.suppress(OSError):
            _to_disk(path.parent, os.O_RDONLY)
        return result
    except OSError as error:
        if error.filename == str(temporary) or (error.filename is None and error.errno in _NO_SPACE):
            error.filename = str(path)
        raise
    finally:
        # On a read-only file system even a file that is not there cannot be deleted.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(*paths: str | Path) -> None:
    """Deletes the temporary files of `write_atomically` that killed processes left beside these files.

    Those of a living process look the same: call it where no other may write the files, as within `locked`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / ".model.1234-5e2a91c0.keras").touch()
        >>> remove_leftovers(folder / "model.keras")
        >>> list(folder.iterdir())
        []
    """
    for path in map(Path, paths):
        # Up to version 0.1.0 the name held the number of the process only.
        name = re.compile(rf"\.{re.escape(path.stem)}\.\d+(-[0-9a-f]+)?{re.escape(path.suffix)}")
        for each in path.parent.iterdir():
            if name.fullmatch(each.name):
                each.unlink(missing_ok=True)


def _to_disk(path, flags):
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
