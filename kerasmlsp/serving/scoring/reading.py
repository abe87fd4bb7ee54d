"""What a job reads: tables and files, in parts of a bounded size whose limits are the same each time.

pandas and pyarrow are imported where they are used, so that importing this module costs nothing.
"""

import contextlib
import dataclasses
import glob
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kerasmlsp.files import visible_files

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".json", ".ndjson", ".xlsx")
"""Endings of tables; all but Parquet and Excel also with that of a compression behind."""
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
MIXED = b"mixed"
"""Marks the field of a column whose values are of several kinds, each as JSON."""
# Rows by which the size of all is estimated, and bytes of a part at most.
_SAMPLE, _LARGEST = 64, 64 << 20


@dataclasses.dataclass(frozen=True)
class Unit:
    """What one worker reads from its beginning to its end: a table, a row group of Parquet, or a list of files.

    Args:
        name: Names its parts, in the order of the units.
        paths: The table alone, or the files.
        group: Number of the row group; None for a whole table and for files.
        first: Number of its first row in the table, or of its first file in the job.
        rows: How many it has; None where only reading tells.

    Example:
        >>> Unit("000000", ("reviews.csv",)).is_table
        True
    """

    name: str
    paths: tuple[str, ...]
    group: int | None = None
    first: int = 0
    rows: int | None = None

    @property
    def is_table(self) -> bool:
        """Whether it is a table, not files of which each is a row."""
        return ending(self.paths[0]) in TABLES


@dataclasses.dataclass(frozen=True)
class Part:
    """Some rows of a unit.

    Args:
        first: Number of the first row in the table, or of the first file in the job.
        rows: The columns, as a `pyarrow.Table`; None for files.
        files: The files, of which each is a row; none for a table.

    Example:
        >>> len(Part(0, None, ("a.jpg", "b.jpg")))
        2
    """

    first: int
    rows: "pa.Table | None"
    files: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.files) if self.rows is None else self.rows.num_rows


def find(patterns: Iterable[str]) -> list[str]:
    """Returns the files that patterns, folders and paths name, each once, in the order of the patterns.

    Args:
        patterns: Such as `"reviews/*.parquet"`, where `**` stands for any folders.

    Raises:
        FileNotFoundError: A pattern names no file.
        ValueError: There are tables among files that are none.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.csv", "a.csv", "notes.txt"):
        ...     (folder / name).touch()
        >>> [Path(each).name for each in find([f"{folder}/*.csv"])]
        ['a.csv', 'b.csv']
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        here = [str(each) for each in _matching(pattern)]
        if not here:
            raise FileNotFoundError(
                f"`inputs` (--input) must name files that are there: check the pattern. Received: {pattern}"
            )
        found |= dict.fromkeys(here)
    files = list(found)
    tables = [each for each in files if ending(each) in TABLES]
    if tables and len(tables) < len(files):
        other = next(each for each in files if ending(each) not in TABLES)
        raise ValueError(
            "`inputs` (--input) must be tables alone or files of which each is a row alone: give a pattern. "
            f"Received: {tables[0]} and {other}"
        )
    return files


def _matching(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if path.is_dir():
        return visible_files(path)
    if path.exists():
        return [path]
    return [Path(each) for each in sorted(glob.glob(str(path), recursive=True)) if os.path.isfile(each)]


def ending(path: str | Path) -> str:
    """Returns the ending that tells what a file holds, without that of a compression.

    Example:
        >>> ending("reviews.csv.gz"), ending("hand.JPG")
        ('.csv', '.jpg')
    """
    path = Path(path)
    return Path(path.stem if path.suffix.lower() in _COMPRESSED else path.name).suffix.lower()


def units(files: Sequence[str], part_rows: int) -> Iterator[Unit]:
    """Yields what can be worked on side by side: row groups of Parquet, other tables, lists of files.

    Args:
        files: What `find` returned.
        part_rows: Files in a list.

    Example:
        >>> [unit.paths for unit in units(["a.jpg", "b.jpg", "c.jpg"], 2)]
        [('a.jpg', 'b.jpg'), ('c.jpg',)]
    """
    if files and ending(files[0]) not in TABLES:
        for first in range(0, len(files), part_rows):
            paths = tuple(files[first : first + part_rows])
            yield Unit(f"{first:09d}", paths, first=first, rows=len(paths))
        return
    for number, file in enumerate(files):
        if ending(file) != ".parquet":
            yield Unit(f"{number:06d}", (file,))
            continue
        first = 0
        for group, rows in enumerate(_row_groups(file)):
            yield Unit(f"{number:06d}-{group:06d}", (file,), group, first, rows)
            first += rows


def _row_groups(file):
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        told = opened.metadata
        return [told.row_group(group).num_rows for group in range(told.num_row_groups)]


def columns(file: str, encoding: str) -> list[str]:
    """Returns the names of the columns of a table.

    Args:
        file: The table.
        encoding: That of its text.

    Raises:
        ValueError: It is damaged or in another encoding.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "reviews.csv")
        >>> _ = path.write_text("text,stars\\nA fine film.,5\\n")
        >>> columns(str(path), "utf-8")
        ['text', 'stars']
    """
    if ending(file) == ".parquet":
        return _parquet_columns(file)
    if ending(file) in (".csv", ".tsv"):
        from kerasmlsp.data import tables

        return tables.columns(file, encoding=encoding)
    first = next(_tables(Unit("", (file,)), None, _SAMPLE, encoding), None)
    return [] if first is None else first.column_names


def _parquet_columns(file):
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_schema(file).names
    except pa.ArrowInvalid as error:
        raise ValueError(f"`path` must be a whole Parquet file: fetch it again. Received: {file} ({error})") from error


def parts(unit: Unit, wanted: Sequence[str] | None, part_rows: int, encoding: str) -> Iterator[Part]:
    """Yields the rows of a unit, in parts that a second reading cuts at the same places.

    Args:
        unit: Of `units`.
        wanted: Columns to read; None for all.
        part_rows: Rows of a part at most; fewer where the first rows say that these would be more than 64 MiB.
        encoding: That of the text of tables other than Parquet.

    Raises:
        ValueError: While iterating, where a table is damaged or in another encoding.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "reviews.csv")
        >>> _ = path.write_text("text\\nA fine film.\\nTwo dull hours.\\nGo and see it.\\n")
        >>> [(part.first, len(part)) for part in parts(Unit("000000", (str(path),)), None, 2, "utf-8")]
        [(0, 2), (2, 1)]
    """
    if not unit.is_table:
        yield Part(unit.first, None, unit.paths)
        return
    rows, first = part_rows, unit.first
    with contextlib.suppress(ValueError):  # which is raised again where it belongs
        for sample in itertools.islice(_tables(unit, wanted, _SAMPLE, encoding), 1):
            rows = min(part_rows, max(1, _LARGEST * sample.num_rows // max(1, sample.nbytes)))
    for table in _tables(unit, wanted, rows, encoding):
        yield Part(first, table)
        first += table.num_rows


def _tables(unit, wanted, rows, encoding) -> "Iterator[pa.Table]":
    if ending(unit.paths[0]) == ".parquet":
        yield from _parquet_tables(unit, wanted, rows)
        return
    from kerasmlsp.data import tables

    for frame in tables.read_table(unit.paths[0], chunk_size=rows, encoding=encoding, allow_empty=True):
        names = list(frame.columns) if wanted is None else [name for name in wanted if name in frame.columns]
        yield _arrow(frame[names])


def _parquet_tables(unit, wanted, rows):
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Else pyarrow reads ahead until it holds the whole file.
        with parquet.ParquetFile(unit.paths[0], pre_buffer=False, buffer_size=1 << 20) as file:
            there = wanted and [name for name in wanted if name in file.schema_arrow.names]
            for batch in file.iter_batches(rows, row_groups=[unit.group], columns=there):
                yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"`path` must be a whole Parquet file: fetch it again. Received: {unit.paths[0]} ({error})"
        ) from error


def _arrow(frame):
    """A table of what CSV, JSON and Excel hold; values of several kinds in one column become JSON."""
    import pyarrow as pa

    found, marks = {}, {}
    for given in frame.columns:
        name, column = str(given), frame[given].astype(object)
        values = column.where(column.notna(), None).tolist()
        try:
            found[name] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            kept = [None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in values]
            found[name], marks[name] = pa.array(kept, pa.string()), {MIXED: b""}
    schema = pa.schema([pa.field(name, array.type, metadata=marks.get(name)) for name, array in found.items()])
    return pa.table(found, schema) if found else pa.table({}).select([])
