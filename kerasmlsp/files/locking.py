"""Files that one process at a time may write."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def locked(path: str | Path, refusal: str | None = None) -> Iterator[None]:
    """Lets one process, and one of its threads, at a time into a `with` block about a file or folder.

    The lock is a file beside `path`, `.<name>.lock`, which is deleted at the end. The operating system releases it
    when the process ends, however it ends, so that a killed one locks nobody out. It binds only those that ask for
    it. Within the block the same lock cannot be taken again. A network file system without locks gives none.

    Args:
        path: What only one may work on. It need not be there; its folder must be.
        refusal: What to say where another holds the lock; None to wait until it is released.

    Raises:
        ValueError: Another holds the lock, and there is a `refusal`, which is the message.
        OSError: The folder is not there, or may not be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "run")
        >>> with locked(path), locked(path, "Another process works on it."):
        ...     pass
        Traceback (most recent call last):
        ValueError: Another process works on it.
    """
    path = Path(path)
    lock = path.with_name(f".{path.name}.lock")
    with _held(lock, refusal):
        try:
            yield
        finally:
            # Before it is released, since the next may already wait for it. Windows deletes no open file.
            with contextlib.suppress(OSError):
                lock.unlink()


def _held(lock, refusal):
    """Opens a file and locks it: closing it releases it."""
    while True:
        with contextlib.ExitStack() as opened:
            file = opened.enter_context(open(lock, "ab"))
            _lock(file.fileno(), refusal)
            # Whoever held it before may have deleted it, and another made it anew.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(lock)):
                    opened.pop_all()
                    return file


def _lock(descriptor, refusal):
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        else:
            import msvcrt

            mode = msvcrt.LK_NBLCK if refusal else msvcrt.LK_LOCK  # type: ignore[attr-defined]
            msvcrt.locking(descriptor, mode, 1)  # type: ignore[attr-defined]
    except (BlockingIOError, PermissionError) as error:
        raise ValueError(refusal) from error
    except OSError as error:
        # Some network file systems have no locks: then there is none, as there was none before.
        if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK):
            raise
