"""Texts: one file, all files of a folder, or line after line."""

from collections.abc import Iterator
from pathlib import Path

from kerasmlsp.data import encodings
from kerasmlsp.data.tables._opening import _explained, open_text
from kerasmlsp.files import existing, visible_files


def read_lines(path: str | Path, *, encoding: str = "utf-8") -> Iterator[str]:
    """Yields the lines of a text file, plain or compressed, with or without a byte-order mark.

    Args:
        path: The file; .gz, .bz2, .xz, .zip or .zst at the end of its name says that it is compressed.
        encoding: As in `read_table`.

    Yields:
        The lines without their ends, blank ones too, since files may go line by line with each other.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is a folder, damaged or in another encoding.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "train.de.gz")
        >>> import gzip
        >>> _ = path.write_bytes(gzip.compress("Hallo!\\n\\nTsch\\u00fcss!\\n".encode()))
        >>> list(read_lines(path))
        ['Hallo!', '', 'Tschüss!']
    """
    path = existing(path)
    if path.is_dir():
        raise ValueError(f"`path` must be a text file, not a folder. Received: {path}")
    with _explained(path, encoding), open_text(path, encoding) as text:
        held = ""
        for part in text:
            held += part
            # A carriage return alone ends no line.
            if held.endswith("\n"):
                yield held[:-1].removesuffix("\r")
                held = ""
        if held:
            yield held


def read_text(path: str | Path, *, encoding: str = "utf-8") -> str:
    """Reads a whole text file, with or without a byte-order mark.

    Args:
        path: The file.
        encoding: As in `read_table`.

    Raises:
        ValueError: It is in another encoding, or no text; the message says which, or names line and byte.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "review.txt")
        >>> _ = path.write_bytes("caf\xe9".encode("latin-1"))
        >>> read_text(path, encoding="cp1252")
        'café'
        >>> read_text(path)
        Traceback (most recent call last):
        ValueError: `path` must be text in utf-8: ... where line 1 has the byte 0xe9 at position 4
    """
    path = Path(path)
    with open(path, "rb") as stream:
        encodings.check(path, stream.read(4096), encoding)
    try:
        return path.read_text(encodings.reader(encoding))
    except UnicodeError as error:
        with open(path, "rb") as stream:
            raise encodings.wrong(path, stream, encoding) from error


def read_texts(path: str | Path, *, encoding: str = "utf-8") -> Iterator[str]:
    """Yields the text of a file, or of all `.txt` files in a folder and below it in the order of their paths.

    Args:
        path: The file or folder.
        encoding: As in `read_table`.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: As of `read_text`, or the folder holds no such file.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "b.txt").write_text("second"), (folder / "a.txt").write_text("first")
        >>> list(read_texts(folder))
        ['first', 'second']
    """
    for each in text_files(path):
        yield read_text(each, encoding=encoding)


def text_files(path: str | Path, argument: str = "path") -> list[Path]:
    """Returns a file, or all `.txt` files in a folder and below it in the order of their paths.

    Args:
        path: The file or folder.
        argument: What errors call it.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: The folder holds no such file.

    Example:
        >>> import tempfile
        >>> text_files(tempfile.mkdtemp())
        Traceback (most recent call last):
        ValueError: `path` must hold .txt files, itself or in its folders. Received: ..., which has none
    """
    path = existing(path, argument)
    paths = visible_files(path, (".txt",)) if path.is_dir() else [path]
    if not paths:
        raise ValueError(
            f"`{argument}` must hold .txt files, itself or in its folders. Received: {path}, which has none"
        )
    return paths
