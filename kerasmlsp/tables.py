"""Tables from files: CSV, TSV, JSON Lines and Parquet, whole or in pieces.

pandas and pyarrow are imported where they are used, so that importing this module costs nothing.
"""

import bz2
import codecs
import contextlib
import gzip
import io
import itertools
import json
import lzma
import re
import warnings
import zipfile
import zlib
from pathlib import Path

from kerasmlsp.files import existing

_ENDINGS = ".csv, .tsv, .jsonl (or .json, .ndjson), each also with .gz, .bz2, .xz, .zip or .zst after it, or .parquet"
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")


def read_table(path, *, chunk_size: int | None = None):
    """Reads a table: CSV, TSV, JSON Lines or Parquet, the text formats also compressed.

    CSV and TSV carry no types, so every column is text: "NA", "null" and "001" stay as written, and only an empty cell
    is missing. JSON and Parquet values keep their own types. Text must be UTF-8, with or without a byte-order mark.

    Args:
        path: File, its format told by its ending: .csv, .tsv, .jsonl (.json, .ndjson), .parquet.
        chunk_size: Rows per chunk, at least 1; None for the whole table at once.

    Returns:
        A `pandas.DataFrame`; with `chunk_size` an iterator of them, which holds one chunk in memory at a time.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: `path` is a folder, has an unknown ending, is damaged, empty or not UTF-8, or its rows do not fit
            its header; while iterating where `chunk_size` is given.
    """
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
        raise ValueError(f"`chunk_size` must be a positive integer or None. Received: {chunk_size!r}")
    path = existing(path)
    if path.is_dir():
        raise ValueError(f"`path` must be a file ending in {_ENDINGS}, not a folder. Received: {path}")
    chunks = _checked(path, _chunks(path, chunk_size))
    if chunk_size is not None:
        return chunks
    [table] = chunks
    return table


def read_text(path) -> str:
    """Reads a whole text file, which must be UTF-8, with or without a byte-order mark.

    Raises:
        ValueError: It is not UTF-8; the message names line and byte.
    """
    path = Path(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(path)) from error


def _chunks(path: Path, chunk_size: int | None):
    ending = _endings(path)[0]
    if ending in (".csv", ".tsv"):
        return _delimited_chunks(path, chunk_size, "," if ending == ".csv" else "\t")
    if ending in (".json", ".jsonl", ".ndjson"):
        return _json_chunks(path, chunk_size)
    if ending == ".parquet" and path.suffix.lower() == ".parquet":
        return _parquet_chunks(path, chunk_size)
    raise ValueError(f"`path` must end in {_ENDINGS}. Received: {path}")


def _endings(path: Path) -> tuple[str, str]:
    """Returns the endings of the format and of the compression, either may be empty."""
    compression = path.suffix.lower() if path.suffix.lower() in _COMPRESSED else ""
    stem = path.with_suffix("") if compression else path
    return stem.suffix.lower(), compression


def _checked(path: Path, chunks):
    """Passes chunks on, says in one sentence what is wrong with the file, and refuses one without rows."""
    rows = 0
    with _explained(path):
        for chunk in chunks:
            rows += len(chunk)
            if rows:
                yield chunk
    if not rows:
        raise ValueError(f"`path` must hold at least one row below its header. Received: {path}, which holds none")


@contextlib.contextmanager
def _explained(path: Path):
    import pandas as pd

    damaged = f"`path` must be a whole file of the kind its ending says: fetch or pack it again. Received: {path}"
    try:
        yield
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(path)) from error
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"`path` must hold a header and rows. Received: {path}, which is empty") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{_ragged(error)}: quote cells that hold the separator. Received: {path}") from error
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ValueError(f"{damaged} ({error})") from error
    except OSError as error:  # damaged gzip and bzip2 have no error number, full disks and permissions have
        if error.errno is not None:
            raise
        raise ValueError(f"{damaged} ({error})") from error


def _ragged(error: Exception) -> str:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
    if found:
        expected, row, saw = found.groups()
        return f"`path` must have {expected} cells in every row, but row {row} (the header is row 1) has {saw}"
    if "inside string" in str(error):
        row = re.search(r"row (\d+)", str(error))
        return f"`path` must close every quote, but one opened in row {int(row[1]) + 1 if row else '?'} stays open"
    return "`path` must have as many cells in every row as in its header"


def _not_utf8(path: Path) -> str:
    with _open_binary(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                place = f"line {number} has the byte 0x{line[error.start]:02x} at position {error.start + 1}"
                return (
                    f"`path` must be UTF-8 text: convert it, for example with "
                    f"`iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}`. Received: {path}, where {place}"
                )
    return f"`path` must be UTF-8 text. Received: {path}"


def _open_binary(path: Path):
    compression = _endings(path)[1]
    if compression == ".zip":
        return _open_zip(path)
    if compression == ".zst":
        return _open_zst(path)
    return {"": open, ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[compression](path, "rb")


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
def _open_text(path: Path):
    with _open_binary(path) as stream:
        start = stream.read(4096)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        advice = f"convert it with `iconv -f utf-16 -t utf-8 {path.name} > utf8-{path.name}`"
        raise ValueError(f"`path` must be UTF-8 text, not UTF-16: {advice}. Received: {path}")
    if _is_binary(start):
        raise ValueError(f"`path` must be a table of text. Received: {path}, which holds binary data")
    with _open_binary(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        yield text


def _is_binary(start: bytes) -> bool:
    """Whether a file that starts so is no text: a stray NUL may be in one, many or other bytes than UTF-8 may not."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return b"\0" in start
    return start.count(0) > 1 + len(start) // 100


def _delimited_chunks(path: Path, chunk_size: int | None, separator: str):
    import pandas as pd

    with _open_text(path) as text:
        # index_col=False: otherwise rows one cell longer than the header would silently become an index.
        options = {"dtype": str, "keep_default_na": False, "na_values": [""], "index_col": False}
        reader = pd.read_csv(text, sep=separator, iterator=True, **options)
        while True:
            with warnings.catch_warnings():  # a first row longer than the header is a warning in pandas, and loses data
                warnings.simplefilter("error", pd.errors.ParserWarning)
                try:
                    chunk = reader.read(chunk_size)
                except StopIteration:
                    return
            yield chunk
            if chunk_size is None:
                return


def _json_chunks(path: Path, chunk_size: int | None):
    import pandas as pd

    with _open_text(path) as text:
        rows = _json_rows(path, text)
        while part := list(itertools.islice(rows, chunk_size)):
            yield pd.DataFrame(part, dtype=object)  # object: otherwise one missing value turns the label 1 into 1.0


def _json_rows(path: Path, lines):
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            row = error
        if not isinstance(row, dict):
            advice = "one array is turned into lines by `jq -c '.[]'`"
            raise ValueError(
                f"`path` must hold one JSON object per line ({advice}). Received: {path}, "
                f"where line {number} is {line.strip()[:40]!r}"
            )
        yield row


def _parquet_chunks(path: Path, chunk_size: int | None):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Without pre_buffer=False and a buffer size, pyarrow reads ahead until it holds the whole file.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            whole = [file.read()] if chunk_size is None else file.iter_batches(chunk_size)
            for part in whole:
                # Integers beside missing values would become floats, and the label 1 become 1.0.
                yield part.to_pandas(integer_object_nulls=True)
    except pa.ArrowInvalid as error:
        raise ValueError(f"`path` must be a whole Parquet file: fetch it again. Received: {path} ({error})") from error
