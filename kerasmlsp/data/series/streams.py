"""Streams of numbers: one row after the other, with the time if there is one."""

import csv
import dataclasses
import datetime
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp.data import tables
from kerasmlsp.extras import required
from kerasmlsp.files import existing, visible_files

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("kerasmlsp")
TIMES = ("timestamp", "time", "datetime", "date", "timer", "ts", "t")
"""Names of columns that are taken for the time."""
GAP = 10
"""Usual intervals from which on a step in time is told as a gap."""
_SEPARATORS = (",", ";", "\t", "|")
_ENDINGS = (".csv", ".tsv", ".xlsx", ".hea")


@dataclasses.dataclass(frozen=True)
class Stream:
    """Rows in the order of time.

    Args:
        name: The file, relative to the folder that was read.
        times: Time of each row as it is written, or the number of the row from 0 on.
        values: float64 `(rows, channels)`; NaN for an empty cell.
        channels: Names of the channels.
        labels: Label of each row as it is written; None where no column of labels was named.

    Example:
        >>> Stream("pulse.csv", ["0", "20"], np.zeros((2, 3)), ("R", "G", "B")).values.shape
        (2, 3)
    """

    name: str
    times: list[str]
    values: np.ndarray
    channels: tuple[str, ...]
    labels: list[str] | None = None


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where in a row the time, the channels and the label stand.

    Args:
        channels: Names of the channels.
        places: Their places.
        time: Place of the time; None where there is none.
        label: Place of the label; None where there is none.
        width: Cells of a row.

    Example:
        >>> found, header = layout(["timestamp", "value"], ["2014-04-01 00:00:00", "20.5"])
        >>> found.channels, header, found.row(["2014-04-01 00:05:00", "21.5"])
        (('value',), True, ('2014-04-01 00:05:00', [21.5]))
    """

    channels: tuple[str, ...]
    places: tuple[int, ...]
    time: int | None
    label: int | None
    width: int

    def row(self, cells: Sequence[str]) -> tuple[str | None, list[float]]:
        """Returns the time of a row and its values; NaN for an empty cell.

        Raises:
            ValueError: The row has another number of cells, or a cell of a channel is no number.
        """
        if len(cells) != self.width:
            raise ValueError(f"a row must have {self.width} cells as the first one. Received: {len(cells)}")
        values = [number(cells[place]) for place in self.places]
        for value, place in zip(values, self.places, strict=True):
            if value is None:
                raise ValueError(f"a channel must hold numbers. Received: {cells[place].strip()[:40]!r}")
        return None if self.time is None else cells[self.time].strip(), values  # type: ignore[return-value]


def number(cell: str) -> float | None:
    """Reads a number, with a point or a comma; NaN for an empty cell, None for what is no finite number.

    Example:
        >>> number("0,5"), number(" "), number("high"), number("inf")
        (0.5, nan, None, None)
    """
    cell = cell.strip()
    if not cell or cell.lower() in ("nan", "na", "null", "none"):
        return math.nan
    try:
        value = float(cell if "." in cell else cell.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def numbers(column: "pd.Series") -> np.ndarray:
    """Reads a column of a table as numbers, with a point or a comma; NaN for what is none.

    Example:
        >>> import pandas as pd
        >>> numbers(pd.Series(["61,5", "62.5", None, "fast"]))
        array([61.5, 62.5,  nan,  nan])
    """
    import pandas as pd

    found = pd.to_numeric(column, errors="coerce").to_numpy("float64", copy=True)
    if (rest := np.isnan(found)).any():
        texts = column[rest].astype(object).str.replace(",", ".", regex=False)
        found[rest] = pd.to_numeric(texts, errors="coerce").to_numpy("float64")
    return found


def layout(
    head: Sequence[str],
    first: Sequence[str] | None,
    *,
    channels: Sequence[str] = (),
    time_column: str | None = None,
    label_column: str | None = None,
) -> tuple[Layout, bool]:
    """Tells what the cells of a file's rows are.

    Args:
        head: Cells of the first row: a header where none is a number, else the channels are named by their numbers.
        first: Cells of the second row; None where there is none.
        channels: Names of the channels; all columns of numbers where none is named.
        time_column: Column of the time; where it is None, one of `TIMES`, or the first column if it holds no numbers.
        label_column: Column of the label.

    Returns:
        The layout, and whether the first row is a header.

    Raises:
        ValueError: A column is not there, or none holds numbers.

    Example:
        >>> found, header = layout(["530"], ["518"])
        >>> found.channels, found.time, header
        (('1',), None, False)
    """
    header = all(number(cell) is None or not cell.strip() for cell in head)
    names = [cell.strip() for cell in head] if header else [str(place) for place in range(1, len(head) + 1)]
    for argument, wanted in (("time_column", time_column), ("label_column", label_column)):
        if wanted is not None and wanted not in names:
            raise ValueError(f"`{argument}` must be a column: {', '.join(names)}. Received: {wanted!r}")
    if missing := [name for name in channels if name not in names]:
        raise ValueError(f"`channels` must be columns: {', '.join(names)}. Received: {missing[0]!r}")
    row = first if header else head
    time = names.index(time_column) if time_column is not None else _time(names, row)
    label = None if label_column is None else names.index(label_column)
    if channels:
        places = tuple(names.index(name) for name in channels)
    else:
        others = [place for place in range(len(names)) if place not in (time, label)]
        there = row or []
        places = tuple(place for place in others if place >= len(there) or number(there[place]) is not None)
    if not places:
        raise ValueError(f"there must be a column of numbers. Received: {', '.join(names)}")
    return Layout(tuple(names[place] for place in places), places, time, label, len(names)), header


def _time(names, row):
    named = [place for place, name in enumerate(names) if name.lower() in TIMES]
    if named and len(names) > 1:
        return named[0]
    return 0 if row and len(names) > 1 and number(row[0]) is None and seconds(row[0]) is not None else None


def seconds(time: str) -> float | None:
    """Reads a time: a number, or a date as ISO 8601 has it, in seconds since 1970; None for what is neither.

    Example:
        >>> seconds("2014-04-01 00:05:00") - seconds("2014-04-01T00:00:00Z"), seconds("12.5"), seconds("noon")
        (300.0, 12.5, None)
    """
    value = number(time)
    if value is not None:
        return None if math.isnan(value) else value
    try:
        date = datetime.datetime.fromisoformat(time.strip())
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=datetime.UTC)).timestamp()


def cells(lines: Iterable[str]) -> Iterator[list[str]]:
    """Splits the lines of a stream as they come, by the separator of which the first line has most.

    Example:
        >>> list(cells(["time;hr\\n", "0;515\\n", "\\n"]))
        [['time', 'hr'], ['0', '515']]
    """
    separator = None
    for line in lines:
        if not line.strip():
            continue
        separator = separator or max(_SEPARATORS, key=line.count)
        yield next(csv.reader([line], delimiter=separator))


def read_streams(
    path: str | Path,
    *,
    channels: Sequence[str] = (),
    time_column: str | None = None,
    label_column: str | None = None,
    encoding: str = "utf-8",
) -> list[Stream]:
    """Reads tables of one row a time, with or without a header and time stamps, or records of PhysioNet (`.hea`).

    Time stamps that repeat, go back or leave a gap are told; the rows keep the order of the file, in which a stream
    would bring them.

    Args:
        path: File (an Excel file, too), or a folder with such files below it.
        channels: Columns to read; all that hold numbers where none is named.
        time_column: Column of the time, as of `layout`.
        label_column: Column of labels.
        encoding: That of the tables.

    Returns:
        The streams in the order of their files.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A file cannot be read, or has other channels than the first.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "pulse.csv")
        >>> _ = path.write_text("timer,hr\\n0.0,515\\n8.5,514\\n")
        >>> [stream] = read_streams(path)
        >>> stream.channels, stream.times, stream.values[:, 0].tolist()
        (('hr',), ['0.0', '8.5'], [515.0, 514.0])
    """
    path = existing(path)
    files = visible_files(path, _ENDINGS) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"`path` must hold streams ({', '.join(_ENDINGS)}). Received: {path}, which holds none")
    columns = {"time_column": time_column, "label_column": label_column}
    found = [_stream(file, _name(file, path), channels, columns, encoding) for file in files]
    for other in found[1:]:
        if len(other.channels) != len(found[0].channels):
            raise ValueError(
                f"`path` must hold streams of the same channels. Received: {', '.join(found[0].channels)} in "
                f"{found[0].name}, and {', '.join(other.channels)} in {other.name}"
            )
    return found


def _name(file, path):
    return file.relative_to(path).as_posix() if path.is_dir() else file.name


def _stream(file, name, channels, columns, encoding):
    if file.suffix.lower() == ".hea":
        rate, names, values = _record(file)
        if missing := [each for each in channels if each not in names]:
            raise ValueError(f"`channels` must be those of {file}: {', '.join(names)}. Received: {missing[0]!r}")
        chosen = [names.index(each) for each in channels] or list(range(len(names)))
        times = [f"{row / rate:.6g}" for row in range(len(values))]
        return Stream(name, times, values[:, chosen], tuple(names[place] for place in chosen))
    rows = tables.read_rows(file, encoding=encoding)[0]
    try:
        found, header = layout(rows[0], rows[1] if len(rows) > 1 else None, channels=channels, **columns)
    except ValueError as error:
        raise ValueError(f"{error} in {file}") from error
    times, values = [], []
    for line, row in enumerate(rows[header:], 1 + header):
        try:
            time, numbers = found.row(row)
        except ValueError as error:
            raise ValueError(f"{error} in row {line} of {file}") from error
        times.append(str(len(times)) if time is None else time)
        values.append(numbers)
    if not values:
        raise ValueError(f"`path` must hold rows below its header. Received: {file}, which holds none")
    if found.time is not None:
        _tell_order(times, file)
    labels = None if found.label is None else [row[found.label].strip() for row in rows[header:]]
    return Stream(name, times, np.array(values, "float64"), found.channels, labels)


def _record(file):
    """Samples per second, names and values `(samples, signals)` of a record of PhysioNet, NaN where not valid."""
    wfdb = required("wfdb")
    try:
        found = wfdb.rdrecord(str(file.with_suffix("")))
        if found.p_signal is None:
            raise ValueError("it has no signals")
    except OSError:
        raise
    except Exception as error:  # of a damaged header the package raises whatever its parts come to
        raise ValueError(f"`path` must be a whole record of PhysioNet. Received: {file} ({error})") from error
    names = [name or f"signal {place}" for place, name in enumerate(found.sig_name)]
    return found.fs, names, found.p_signal


def _tell_order(times, file):
    known = np.array([value for value in map(seconds, times) if value is not None])
    steps = np.diff(known)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else np.inf
    kinds = {"go back": steps < 0, "repeat the one before": steps == 0, "come after a gap": steps > GAP * usual}
    for what, found in kinds.items():
        if found.any():
            _log.warning(
                "%d time stamps of %s %s: the rows are taken as neighbours, in the order of the file.",
                int(found.sum()),
                file,
                what,
            )
