"""Tables in pieces, by the format of their file."""

import contextlib
import csv
import itertools
import json
import logging
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

from kerasmlsp.data.tables._opening import _endings, open_text
from kerasmlsp.extras import required

_log = logging.getLogger("kerasmlsp")
_ENDINGS = (
    ".csv, .tsv, .jsonl (or .json, .ndjson), each also with .gz, .bz2, .xz, .zip or .zst after it, .parquet or .xlsx"
)
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")
# Characters of which the separator is told.
_SAMPLE = 1 << 16


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
