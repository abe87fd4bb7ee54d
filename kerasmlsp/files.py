"""Files that must be there, and files that are never half written."""

import os
from pathlib import Path


def existing(path, argument: str = "path") -> Path:
    """Returns the path of a file or folder that is there, with `~` taken as the home folder.

    Raises:
        FileNotFoundError: It is not there; `argument` is named.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"`{argument}` must be there already: check its spelling. Received: {path}")
    return path


def write_atomically(path, write):
    """Calls `write` with a temporary name beside `path`, then renames: readers see the old file or the new one.

    Args:
        path: The file to make, `str` or `Path`. Its ending is kept by the temporary name.
        write: Function of one `Path`.

    Returns:
        What `write` returns.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        result = write(temporary)
        os.replace(temporary, path)
        return result
    finally:
        temporary.unlink(missing_ok=True)
