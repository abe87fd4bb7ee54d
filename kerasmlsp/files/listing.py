"""Files that must be there, those in folders, and what they are called."""

import collections
import concurrent.futures
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

# Thumbnails and bins of Windows, archives of macOS, and network drives of Synology and QNAP.
_HIDDEN = frozenset(
    ("thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "__macosx", "@eadir", ".@__thumb")
)


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
