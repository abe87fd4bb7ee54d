"""Tables from files: CSV, TSV, JSON Lines, Parquet and Excel, whole or in pieces.

pandas, pyarrow and openpyxl are imported where they are used, so that importing this module costs nothing.
"""

import bz2
import contextlib
import csv
import gzip
import io
import itertools
import json
import logging
import lzma
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from kerasmlsp.data import encodings
from kerasmlsp.extras import required
from kerasmlsp.files import existing, visible_files

_log = logging.getLogger("kerasmlsp")

_ENDINGS = (
    ".csv, .tsv, .jsonl (or .json, .ndjson), each also with .gz, .bz2, .xz, .zip or .zst after it, .parquet or .xlsx"
)
_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")
# Characters of which the separator is told.
_SAMPLE = 1 << 16
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")


def read_table(
    path: str | Path, *, chunk_size: int | None = None, encoding: str = "utf-8", allow_empty: bool = False
) -> Any:
    """Reads a table: CSV, TSV, JSON Lines, Parquet or the first sheet of an Excel file, text also compressed.

    CSV and TSV carry no types, so every column is text: "NA", "null" and "001" stay as written, and only an empty cell
    is missing. Values of the other formats keep their own types. Text is UTF-8, with or without a byte-order mark,
    where no `encoding` is given. The cells of CSV and TSV may stand between commas, semicolons, tabs or bars, with or
    without a space behind: what fits the first rows best is taken, and logged where it is not what the ending says.

    Args:
        path: File, its format told by its ending: .csv, .tsv, .jsonl (.json, .ndjson), .parquet, .xlsx.
        chunk_size: Rows per chunk, at least 1; None for the whole table at once.
        encoding: That of CSV, TSV and JSON Lines, as Python names it, such as "cp1252".
        allow_empty: With `chunk_size`, whether a table without rows gives no chunk, and no error.

    Returns:
        A `pandas.DataFrame`; with `chunk_size` an iterator of them, which holds one chunk in memory at a time.

    Raises:
        FileNotFoundError: There is no such file.
        ModuleNotFoundError: openpyxl, the extra `excel`, is not installed, and `path` is an Excel file.
        ValueError: `path` is a folder, has an unknown ending, is damaged, empty or in another encoding, or a row has
            more or fewer cells than its header; while iterating where `chunk_size` is given.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "reviews.csv")
        >>> _ = path.write_text("text;label\\ngood film;001\\n")
        >>> print(read_table(path))  # the separator is found, and 001 stays as it is
                text label
        0  good film   001
    """
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
        raise ValueError(f"`chunk_size` must be a positive integer or None. Received: {chunk_size!r}")
    path = existing(path)
    if path.is_dir():
        raise ValueError(f"`path` must be a file ending in {_ENDINGS}, not a folder. Received: {path}")
    chunks = _checked(path, encoding, _chunks(path, chunk_size, encoding), allow_empty)
    if chunk_size is not None:
        return chunks
    [table] = chunks
    return table


def is_table(path: str | Path) -> bool:
    """Whether a file is a table by its ending, plain or compressed.

    Example:
        >>> is_table("reviews.csv.gz"), is_table("novel.txt"), is_table("text8")
        (True, False, False)
    """
    return _endings(Path(path))[0] in _TABLES


def check_columns(
    path: str | Path, there: Iterable | None = None, /, *, encoding: str = "utf-8", **wanted: str | None
) -> None:
    """Refuses columns that a table lacks.

    Args:
        path: The table.
        there: Names of its columns; None to read its beginning, for CSV and TSV without pandas.
        encoding: As in `read_table`.
        **wanted: Column by the argument that names it; None for any.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is not there, or the table cannot be read.

    Example:
        >>> check_columns("reviews.csv", ["text", "label"], text_column="review")
        Traceback (most recent call last):
        ValueError: `text_column` must be a column of reviews.csv: text, label. Received: 'review'
    """
    there = columns(path, encoding=encoding) if there is None else list(there)
    for argument, column in wanted.items():
        if column is not None and column not in there:
            known = ", ".join(map(str, there))
            raise ValueError(f"`{argument}` must be a column of {path}: {known}. Received: {column!r}")


def columns(path: str | Path, *, encoding: str = "utf-8") -> list[str]:
    """Returns the names of the columns of a table, from its beginning.

    Args:
        path: The table.
        encoding: As in `read_table`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no table, or a damaged one.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "reviews.csv")
        >>> _ = path.write_text("text;label\\ngood film;pos\\n")
        >>> columns(path)
        ['text', 'label']
    """
    path = existing(path)
    if path.is_dir() or _endings(path)[0] not in (".csv", ".tsv"):
        return list(next(read_table(path, chunk_size=50_000, encoding=encoding)).columns)
    with open_text(path, encoding) as text:
        # Whoever reads the rows tells of the separator.
        head = next(_separated(path, text, told=False)[1], None)
        if head is None:
            raise _empty(path)
        return _names(head[1])


def read_rows(path: str | Path, *, encoding: str = "utf-8") -> tuple[list[list[str]], str]:
    """Reads a CSV or TSV, plain or compressed, or an Excel file, that may be without a header.

    Args:
        path: The file.
        encoding: As in `read_table`.

    Returns:
        The cells of all rows that are not blank, as text, and the separator, found as by `read_table`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is a folder, damaged or in another encoding.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "frames.csv")
        >>> _ = path.write_text("1,0.5\\n2,0.25\\n")
        >>> read_rows(path)
        ([['1', '0.5'], ['2', '0.25']], ',')
    """
    path = existing(path)
    if path.is_dir():
        raise ValueError(f"`path` must be a file of rows, not a folder. Received: {path}")
    if path.suffix.lower() == ".xlsx":
        return _excel_rows(path), ","
    with open_text(path, encoding) as text:
        separator, rows = _separated(path, text)
        return [row for _, row in rows], separator


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


def _chunks(path: Path, chunk_size: int | None, encoding: str):
    ending = _endings(path)[0]
    if ending in (".csv", ".tsv"):
        return _delimited_chunks(path, chunk_size, encoding)
    if ending in (".json", ".jsonl", ".ndjson"):
        return _json_chunks(path, chunk_size, encoding)
    if ending == ".parquet" and path.suffix.lower() == ".parquet":
        return _parquet_chunks(path, chunk_size)
    if ending == ".xlsx" and path.suffix.lower() == ".xlsx":
        return _excel_chunks(path, chunk_size)
    raise ValueError(f"`path` must end in {_ENDINGS}. Received: {path}")


def _endings(path: Path) -> tuple[str, str]:
    """Returns the endings of the format and of the compression, either may be empty."""
    compression = path.suffix.lower() if path.suffix.lower() in _COMPRESSED else ""
    stem = path.with_suffix("") if compression else path
    return stem.suffix.lower(), compression


def _checked(path: Path, encoding: str, chunks, allow_empty: bool):
    """Passes chunks on, says in one sentence what is wrong with the file, and refuses one without rows."""
    rows = 0
    with _explained(path, encoding):
        for chunk in chunks:
            rows += len(chunk)
            if rows:
                yield chunk
    if not rows and not allow_empty:
        raise ValueError(f"`path` must hold at least one row below its header. Received: {path}, which holds none")


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


def _delimited_chunks(path: Path, chunk_size: int | None, encoding: str):
    with open_text(path, encoding) as text:
        rows = _separated(path, text)[1]
        head = next(rows, None)
        if head is None:
            raise _empty(path)
        names, cells = _names(head[1]), _fitting(path, rows, len(head[1]))
        yield from _tables(names, cells, chunk_size)


def _empty(path: Path):
    return ValueError(f"`path` must hold a header and rows. Received: {path}, which is empty")


def _names(head) -> list[str]:
    """Names of columns, each its own, as pandas makes them where some are empty or equal."""
    names: list[str] = []
    for place, cell in enumerate(head):
        name = str("" if cell is None else cell).strip() or f"Unnamed: {place}"
        copies = (f"{name}.{number}" for number in itertools.count(1))
        names.append(name if name not in names else next(copy for copy in copies if copy not in names))
    return names


def _fitting(path: Path, rows, width: int):
    for line, row in rows:
        if len(row) != width:
            advice = "quote cells that hold the separator" if len(row) > width else "fill in what it lacks"
            raise ValueError(
                f"`path` must have {width} cells in every row as in its header, but line {line} has {len(row)}: "
                f"{advice}. Received: {path}"
            )
        yield [cell or None for cell in row]


def _tables(names, rows, chunk_size: int | None):
    import pandas as pd

    while part := list(itertools.islice(rows, chunk_size)):
        yield pd.DataFrame(part, columns=names, dtype=object)


def _separated(path: Path, text, *, told: bool = True) -> tuple[str, Iterator]:
    """Returns the separator of delimited text, and an iterator of the line and the cells of every row."""
    # Reviews may be longer than what Python takes for a cell at most.
    csv.field_size_limit(2**31 - 1)
    sample, length = [], 0
    for line in text:
        sample.append(line)
        length += len(line)
        if length > _SAMPLE:
            break
    own = "\t" if _endings(path)[0] == ".tsv" else ","
    separator, spaced = _separator(sample, own, whole=length <= _SAMPLE)
    if told and (separator != own or spaced):
        _log.info("Took %s%s for the separator of %s.", _SEPARATORS[separator], " and a space" * spaced, path)
    return separator, _rows(path, itertools.chain(sample, text), separator, spaced)


def _separator(sample, own: str, *, whole: bool) -> tuple[str, bool]:
    """Tells the separator, and whether spaces follow it: with which most of the rows have as many cells as the first.

    One column counts against any. Of equally good ones that is taken with which no name of the header begins with a
    space, and then that with more numbers, as rows of 0,5 may have as many commas as semicolons.
    """
    # A header of one cell may be prose, but one that another separator cuts is a header of several.
    single = all(len(row) < 2 for row in csv.reader(sample[:1], delimiter=own))
    best, found = (0.0 if single else 0.5, False, 0), (own, False)
    for separator in (own, *(each for each in _SEPARATORS if each != own)):
        for spaced in (False, True):
            rows = [row for row in csv.reader(sample, delimiter=separator, skipinitialspace=spaced) if row]
            # What stands last may be cut.
            rows = rows if whole else rows[:-1] or rows
            if not rows or len(rows[0]) < 2:
                continue
            fit = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            numbers = sum(bool(_NUMBER.fullmatch(cell)) for row in rows for cell in row)
            score = fit, not any(cell.startswith(" ") for cell in rows[0][1:]), numbers
            if score > best:
                best, found = score, (separator, spaced)
    return found


def _rows(path: Path, lines, separator: str, spaced: bool):
    """Line and cells of every row that is not blank."""
    ended = False

    def counted():
        nonlocal ended
        yield from lines
        ended = True

    reader, begin = csv.reader(counted(), delimiter=separator, skipinitialspace=spaced), 1
    for row in reader:
        # More was asked for in the middle of a row.
        if ended:
            raise ValueError(
                f"`path` must close every quote, but one opened in line {begin} stays open. Received: {path}"
            )
        if len(row) > 1 or (row and row[0].strip()):
            yield begin, row
        begin = reader.line_num + 1


def _json_chunks(path: Path, chunk_size: int | None, encoding: str):
    import pandas as pd

    with open_text(path, encoding) as text:
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


def _excel_chunks(path: Path, chunk_size: int | None):
    openpyxl = required("openpyxl")
    with contextlib.closing(_workbook(openpyxl, path)) as book:
        sheet, *others = book.worksheets
        if others:
            _log.info("Took the first of %d sheets of %s: %s.", 1 + len(others), path, sheet.title)
        rows = (row for row in enumerate(sheet.iter_rows(values_only=True), 1) if any(c is not None for c in row[1]))
        head = next(rows, None)
        if head is None:
            raise _empty(path)
        width = max(place for place, cell in enumerate(head[1], 1) if cell is not None)
        yield from _tables(_names(head[1][:width]), _within(path, rows, width), chunk_size)


def _excel_rows(path: Path) -> list[list[str]]:
    with contextlib.closing(_workbook(required("openpyxl"), path)) as book:
        rows = [row for row in book.worksheets[0].iter_rows(values_only=True) if any(cell is not None for cell in row)]
    width = max((place for row in rows for place, cell in enumerate(row, 1) if cell is not None), default=0)
    return [["" if cell is None else str(cell) for cell in row] for row in _within(path, enumerate(rows, 1), width)]


def _workbook(openpyxl, path: Path):
    with warnings.catch_warnings():  # of styles and other things that are no cells
        warnings.simplefilter("ignore")
        try:
            return openpyxl.load_workbook(path, read_only=True, data_only=True)
        except (KeyError, ValueError, SyntaxError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"`path` must be a whole Excel file without a password: save it again as .xlsx or .csv ({error}). "
                f"Received: {path}"
            ) from error


def _within(path: Path, rows, width: int):
    """Rows of a sheet, which has no empty cells behind the last that is filled."""
    for line, row in rows:
        if any(cell is not None for cell in row[width:]):
            raise ValueError(
                f"`path` must have {width} cells in every row as in its header, but row {line} has more. "
                f"Received: {path}"
            )
        yield [*row[:width], *[None] * (width - len(row))]
