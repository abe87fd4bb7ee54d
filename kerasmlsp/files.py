"""Files that must be there, and files that are never half written."""

import contextlib
import errno
import json
import os
from pathlib import Path

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def existing(path, argument: str = "path") -> Path:
    """Returns the path of a file or folder that is there, with `~` taken as the home folder.

    Raises:
        FileNotFoundError: It is not there; `argument` is named.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"`{argument}` must be there already: check its spelling. Received: {path}")
    return path


def read_json(path):
    """Returns what a JSON file holds.

    Raises:
        ValueError: The file is damaged; the message names it.
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        advice = "restore it, or make it again with the command that made it"
        raise ValueError(f"{path} is damaged: {advice} ({error}).") from error


def write_atomically(path, write):
    """Calls `write` with a temporary name beside `path`, then renames: readers see the old file or the new one.

    Args:
        path: The file to make, `str` or `Path`. Its ending is kept by the temporary name.
        write: Function of one `Path`.

    Returns:
        What `write` returns.

    Raises:
        OSError: The folder is not there, `path` is a folder, or the file cannot be written; names `path`, not the
            temporary file.
    """
    path = Path(path)
    # Before `write`, whose work may take hours.
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        result = write(temporary)
        os.replace(temporary, path)
        return result
    except OSError as error:
        if error.filename == str(temporary) or (error.filename is None and error.errno in _NO_SPACE):
            error.filename = str(path)
        raise
    finally:
        # On a read-only file system even a file that is not there cannot be deleted.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
