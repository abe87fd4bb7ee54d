"""Files that must be there, files that are never half written, and files that one process at a time may write."""

import collections
import concurrent.futures
import contextlib
import errno
import json
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Thumbnails and bins of Windows, archives of macOS, and network drives of Synology and QNAP.
_HIDDEN = frozenset(
    ("thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "__macosx", "@eadir", ".@__thumb")
)
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def existing(path: str | Path, argument: str = "path") -> Path:
    """Returns the path of a file or folder that is there, with `~` taken as the home folder.

    Raises:
        FileNotFoundError: It is not there; `argument` is named.

    Example:
        >>> existing("no/such/file", "data")
        Traceback (most recent call last):
        FileNotFoundError: `data` must be there already: check its spelling. Received: no/such/file
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"`{argument}` must be there already: check its spelling. Received: {path}")
    return path


def visible_files(folder: str | Path, endings: tuple[str, ...] | None = None) -> list[Path]:
    """Returns the files in a folder and below it in the order of their paths, without those that systems hide in it.

    Hidden are names that begin with a dot, and what Windows, macOS and network drives keep beside the data, as
    `Thumbs.db` and `__MACOSX`, each with all that is below.

    Args:
        folder: `str` or `Path`.
        endings: Endings to take, in lower case, as `(".txt",)`; None for all.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.txt", "b.csv", ".hidden.txt", "Thumbs.db"):
        ...     (folder / name).touch()
        >>> [path.name for path in visible_files(folder)]
        ['a.txt', 'b.csv']
    """
    folder = Path(folder)
    return sorted(
        path
        for path in folder.rglob("*")
        if (endings is None or path.suffix.lower() in endings)
        and not any(map(_hidden, path.relative_to(folder).parts))
        and path.is_file()
    )


def visible_folders(folder: str | Path) -> list[Path]:
    """Returns the folders in a folder in the order of their names, without those that systems hide in it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("rock", "paper", "__MACOSX"):
        ...     (folder / name).mkdir()
        >>> [path.name for path in visible_folders(folder)]
        ['paper', 'rock']
    """
    return sorted(path for path in Path(folder).iterdir() if path.is_dir() and not _hidden(path.name))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _HIDDEN


def given(sources: Iterable, files_in: Callable[[Path], Sequence[Path]], what: str) -> list[Path | bytes]:
    """Returns the files of a list of files, folders and "-", which stands for the bytes on stdin.

    Args:
        sources: The list.
        files_in: Lists the files of a folder.
        what: What the message calls a file, as "picture".

    Raises:
        ValueError: There are no bytes on stdin.

    Example:
        >>> given(["hand.jpg"], visible_files, "picture")
        [PosixPath('hand.jpg')]
    """
    found: list[Path | bytes] = []
    for source in map(str, sources):
        if source == "-":
            found.append(_from_stdin(what))
        else:
            found += files_in(Path(source)) if Path(source).is_dir() else [Path(source)]
    return found


@contextlib.contextmanager
def as_file(source: str | Path, ending: str = "") -> Iterator[Path]:
    """Gives the path of a file; what is on stdin, "-", is written into one first, which is deleted behind the block.

    Args:
        source: The path.
        ending: That of the file for stdin, as readers go by endings.

    Example:
        >>> with as_file("speeds.csv") as path:
        ...     path.name
        'speeds.csv'
    """
    if str(source) != "-":
        yield Path(source)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"stdin{ending}")
        path.write_bytes(sys.stdin.buffer.read())
        yield path


def _from_stdin(what: str) -> bytes:
    data = sys.stdin.buffer.read()
    if not data:
        raise ValueError(f"`-` reads a {what} from stdin, which is empty: add `< FILE` to the command.")
    return data


def named(source: Path | str | bytes) -> str:
    """Returns what a source of `given` is called: "-" for bytes.

    Example:
        >>> named(Path("hand.jpg")), named(b"...")
        ('hand.jpg', '-')
    """
    return "-" if isinstance(source, bytes) else str(source)


def drawn_name(seed: int, label: str = "") -> str:
    """Returns the name of a file, without ending, for what was drawn with a seed, of a class if any.

    Example:
        >>> drawn_name(7, "T-shirt/top"), drawn_name(8)
        ('0000000007-T-shirt_top', '0000000008')
    """
    return f"{seed:010d}{'-' + safe_name(label) if label else ''}"


def safe_name(text: str) -> str:
    """Returns a text, such as the name of a class, as a part of a file's name.

    Example:
        >>> safe_name("T-shirt/top")
        'T-shirt_top'
    """
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)


def side_by_side(sources: Sequence, function: Callable) -> Iterator:
    """Yields what a function makes of each source, or its error, several at a time.

    Args:
        sources: Its arguments.
        function: Reads one source; what reads and decodes in C leaves Python's lock meanwhile.

    Example:
        >>> [type(each).__name__ for each in side_by_side(["1", "one"], int)]
        ['int', 'ValueError']
    """

    def read(source):
        try:
            return function(source)
        except (OSError, ValueError, ImportError) as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        # In pieces, so that what was read does not pile up.
        for begin in range(0, len(sources), 256):
            yield from pool.map(read, sources[begin : begin + 256])


def reasons(messages: Iterable[object], words: Mapping[str, str]) -> dict[str, int]:
    """Counts why files were left out, the most frequent reason first.

    Args:
        messages: What was said of each, such as errors.
        words: What to call the reason of a message that holds a text, by that text; other messages are taken as they
            are up to what was received.

    Example:
        >>> errors = [ValueError("`path` must be whole. Received: a.jpg"), "`path` must be whole. Received: b.jpg"]
        >>> reasons(errors, {"must be whole": "damaged"})
        {'damaged': 2}
    """
    texts = map(str, messages)
    named = (next((words[part] for part in words if part in text), text.split(". Received: ")[0]) for text in texts)
    return dict(collections.Counter(named).most_common())


def listed(counts: Mapping[str, int]) -> str:
    """Returns what was counted in words.

    Example:
        >>> listed({"damaged": 2, "empty": 1})
        '2 damaged, 1 empty'
    """
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


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


def _to_disk(path, flags):
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
