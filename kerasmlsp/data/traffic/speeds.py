"""Speeds of roads over time."""

import collections
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.data import series, tables
from kerasmlsp.files import listed

_log = logging.getLogger("kerasmlsp")
DAY = 1440
"""Minutes of a day."""
_TIMES = ("timestamp", "time", "datetime", "date")
# Steps that time stamps may skip for each that is there, beyond which they are taken for a mistake.
_MOST_GAPS = 10


@dataclasses.dataclass(frozen=True)
class Speeds:
    """Speeds of roads at even steps.

    Args:
        values: float32 `(steps, roads)`; where none was measured, the last one before.
        missing: Whether none was measured, bool `(steps, roads)`.
        roads: Their names.
        first_minute: Minute of the day of the first step, from 0.
        step_minutes: Minutes from step to step.
        start: Time of the first step as text; "" for a file without time stamps.

    Example:
        >>> speeds = Speeds(np.ones((3, 1), "float32"), np.zeros((3, 1), bool), ("A1",), first_minute=1430)
        >>> speeds.minutes().tolist()  # the last is after midnight
        [1430, 1435, 0]
    """

    values: np.ndarray
    missing: np.ndarray
    roads: tuple[str, ...]
    first_minute: int = 0
    step_minutes: int = 5
    start: str = ""

    def minutes(self) -> np.ndarray:
        """Returns the minute of the day of each step, int64 `(steps,)`."""
        return (self.first_minute + self.step_minutes * np.arange(len(self.values))) % DAY


def read_speeds(
    path: str | Path,
    *,
    time_column: str | None = None,
    first_time: str = "00:00",
    step_minutes: int = 5,
    zeros_missing: bool = True,
    roads: Sequence[str] = (),
    encoding: str = "utf-8",
) -> Speeds:
    """Reads a table with a column of speeds for each road and a row for each step.

    Rows with time stamps are sorted and put on even steps; of several at one time the mean is taken, and steps without
    a row are missing. Cells that are empty, no numbers or below 0 are missing, as are zeros where `zeros_missing`. What
    is missing gets the last speed before, and before the first that one. The log counts all that.

    Args:
        path: The table, of a format of `tables.read_table`.
        time_column: Column of time stamps; None for one named timestamp, time, datetime or date, if there is one.
        first_time: Time of the day of the first row, where there are no time stamps, as "07:30".
        step_minutes: Minutes from step to step, a divisor of a day's.
        zeros_missing: Whether a speed of 0 means that nothing was measured.
        roads: Columns to take, in this order; all but the time stamps by default.
        encoding: Encoding of a table of text.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A column is missing, time stamps cannot be read or have other steps, or a road has no speed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "speeds.csv")
        >>> _ = path.write_text("time,A1,A2\\n2024-05-01 08:00,60,50\\n2024-05-01 08:10,40,0\\n")
        >>> speeds = read_speeds(path)
        >>> speeds.values.tolist(), speeds.missing.tolist(), speeds.first_minute
        ([[60.0, 50.0], [60.0, 50.0], [40.0, 50.0]], [[False, False], [True, True], [False, True]], 480)
    """
    if step_minutes < 1 or DAY % step_minutes:
        raise ValueError(f"`step_minutes` must divide the {DAY} minutes of a day. Received: {step_minutes}")
    table = tables.read_table(path, encoding=encoding)
    stamps = _stamp_column(path, table, time_column)
    chosen = tuple(roads) or tuple(str(name) for name in table.columns if name != stamps)
    if absent := [name for name in chosen if name not in table.columns]:
        raise ValueError(
            f"`path` must have a column for every road; {len(absent)} of {len(chosen)} are missing, such as "
            f"{absent[0]!r}. Received: {path}"
        )
    if not chosen or not len(table):
        raise ValueError(f"`path` must have a column of speeds for each road, and rows. Received: {path}")
    problems: collections.Counter = collections.Counter()
    values = np.stack([_numbers(table[name], zeros_missing, problems) for name in chosen], 1)
    first, start = _minute(first_time), ""
    if stamps is not None:
        values, begin = _even(values, _parsed(path, table[stamps]), step_minutes, problems)
        first, start = begin.hour * 60 + begin.minute, str(begin)
    for name, column in zip(chosen, values.T, strict=True):
        if np.isnan(column).all():
            raise ValueError(f"`path` must have a speed in every road's column. Received: {path}, none for {name!r}")
    missing = np.isnan(values)
    if problems:
        _log.warning("Speeds of %s: %s.", path, listed(problems))
    return Speeds(filled(values), missing, chosen, first, step_minutes, start)


def filled(values: np.ndarray) -> np.ndarray:
    """Returns `values (steps, roads)` with the last number before each NaN in its place, float32; first, the next one.

    Example:
        >>> filled(np.array([[np.nan], [2.0], [np.nan], [4.0]]))[:, 0].tolist()
        [2.0, 2.0, 2.0, 4.0]
    """
    known = ~np.isnan(values)
    last = np.maximum.accumulate(np.where(known, np.arange(len(values))[:, None], -1), axis=0)
    place = np.where(last < 0, known.argmax(0), last)
    return np.take_along_axis(values, place, axis=0).astype("float32")


def _stamp_column(path, table, time_column):
    if time_column is not None:
        tables.check_columns(path, table.columns, time_column=time_column)
        return time_column
    return next((name for name in table.columns if str(name).lower() in _TIMES), None)


def _numbers(column, zeros_missing, problems):
    values = series.numbers(column)
    problems.update(
        {
            name: int(count)
            for name, count in {
                "cells without a number": np.isnan(values).sum(),
                "speeds that are below 0 or infinite": ((values < 0) | np.isinf(values)).sum(),
                "zeros, taken for missing": zeros_missing * (values == 0).sum(),
            }.items()
            if count
        }
    )
    values[(values < 0) | np.isinf(values) | (zeros_missing & (values == 0))] = np.nan
    return values


def _minute(text):
    try:
        hour, minute = map(int, text.split(":"))
    except ValueError:
        hour = minute = -1
    if not (0 <= hour < 24 and 0 <= minute < 60):
        raise ValueError(f"`first_time` must be a time of the day, such as 07:30. Received: {text!r}")
    return hour * 60 + minute


def _parsed(path, column):
    import pandas as pd

    times = pd.to_datetime(column, errors="coerce", format="mixed")
    if times.isna().any():
        row = int(times.isna().to_numpy().argmax())
        raise ValueError(
            f"`time_column` must hold dates with times, such as 2024-05-01 08:05. Received: {path} with "
            f"{column.iloc[row]!r} in row {row + 1}"
        )
    return times.dt.tz_localize(None) if times.dt.tz is not None else times


def _even(values, times, step_minutes, problems):
    """The values at even steps, NaN where there is no row, and the time of the first."""
    import pandas as pd

    times = times.dt.floor("min")
    if not times.is_monotonic_increasing:
        problems["rows out of order, which were sorted"] += int((times.diff().dt.total_seconds() < 0).sum())
    frame = pd.DataFrame(values, index=pd.DatetimeIndex(times))
    if repeated := int(frame.index.duplicated().sum()):
        problems["rows of a time that had one already, of which the mean was taken"] += repeated
    frame = frame.groupby(level=0).mean()
    apart = pd.Series(frame.index).diff().dropna().dt.total_seconds() / 60
    if len(apart) and apart.min() < step_minutes:
        raise ValueError(
            f"`step_minutes` must be the minutes from time stamp to time stamp, here {apart.median():g} and at least "
            f"{apart.min():g}. Received: {step_minutes}"
        )
    steps = np.rint(np.concatenate([[0], np.cumsum(apart)]) / step_minutes).astype(int)
    if steps[-1] + 1 > _MOST_GAPS * len(frame):
        raise ValueError(
            f"`time_column` must have a row at most steps: {len(frame)} rows cover {steps[-1] + 1} steps of "
            f"{step_minutes} minutes. Received: {frame.index[0]} to {frame.index[-1]}; check `step_minutes`"
        )
    if absent := steps[-1] + 1 - len(frame):
        problems["steps without a row"] += int(absent)
    even = np.full((steps[-1] + 1, values.shape[1]), np.nan)
    even[steps] = frame.to_numpy()
    return even, frame.index[0]
