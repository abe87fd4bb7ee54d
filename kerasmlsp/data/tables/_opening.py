"""Files of text, packed or not, opened or refused in one sentence."""

import bz2
import contextlib
import csv
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from kerasmlsp.data import encodings

_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")


def _endings(path: Path) -> tuple[str, str]:
    """Returns the endings of the format and of the compression, either may be empty."""
    compression = path.suffix.lower() if path.suffix.lower() in _COMPRESSED else ""
    stem = path.with_suffix("") if compression else path
    return stem.suffix.lower(), compression


@contextlib.contextmanager
def _explained(path: Path, encoding: str):
    damaged = f"`path` must be a whole file of the kind its ending says: fetch or pack it again. Received: {path}"
    try:
        yield
    except UnicodeError as error:
        with _open_binary(path) as stream:
            raise encodings.wrong(path, stream, encoding) from error
    except (csv.Error, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"{damaged} ({error})") from error
    except OSError as error:  # damaged gzip and bzip2 have no error number, full disks and permissions have
        if error.errno is not None:
            raise
        raise ValueError(f"{damaged} ({error})") from error


def _open_binary(path: Path):
    compression = _endings(path)[1]
    if compression == ".zip":
        return _open_zip(path)
    if compression == ".zst":
        return _open_zst(path)
    openers: dict[str, Callable] = {"": open, ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers[compression](path, "rb")


def _open_zip(path: Path):
    archive = zipfile.ZipFile(path)
    members = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(members) != 1:
        raise ValueError(f"`path` must hold one file where it is a .zip: unpack it. Received: {path}")
    if archive.getinfo(members[0]).flag_bits & 1:
        raise ValueError(f"`path` must be without a password where it is a .zip: unpack it. Received: {path}")
    return archive.open(members[0])


def _open_zst(path: Path):
    import pyarrow as pa

    # pyarrow and not zstandard: the latter takes a truncated file for a whole one, and would be one more package.
    return io.BufferedReader(pa.input_stream(path, compression="zstd"))


@contextlib.contextmanager
def open_text(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    """Opens a text file, plain or compressed as its ending says, with the ends of lines as they are.

    Args:
        path: The file.
        encoding: As in `read_table`.

    Raises:
        ValueError: It is damaged, no text, or one in another encoding; also while it is read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "novel.txt.gz")
        >>> _ = path.write_bytes(gzip.compress(b"It was a dark night."))
        >>> with open_text(path, "utf-8") as text:
        ...     text.read()
        'It was a dark night.'
    """
    with _explained(path, encoding):
        with _open_binary(path) as stream:
            encodings.check(path, stream.read(4096), encoding)
        with _open_binary(path) as stream, io.TextIOWrapper(stream, encodings.reader(encoding), newline="") as text:
            yield text
