"""Tables whole or in pieces, their columns and their rows."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasmlsp.data.tables._formats import _ENDINGS, _chunks, _empty, _excel_rows, _names, _separated
from kerasmlsp.data.tables._opening import _endings, _explained, open_text
from kerasmlsp.files import existing

_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx")


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
