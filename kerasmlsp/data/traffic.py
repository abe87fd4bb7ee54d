"""Speeds on a network of roads: from files to an even series without gaps, and what is known of the network.

pandas is imported where it is used, so that importing this module costs nothing.
"""

import collections
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.data import series, tables
from kerasmlsp.files import listed

_log = logging.getLogger("kerasmlsp")

DAY = 1440
"""Minutes of a day."""
_TIMES = ("timestamp", "time", "datetime", "date")
_DISTANCES = ("distance", "cost")
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


@dataclasses.dataclass(frozen=True)
class Network:
    """What is known of how roads hang together.

    Args:
        adjacency: float32 `(roads, roads)`, at least 0: the weight of each edge.
        distances: float64 `(roads, roads)`, infinite where there is no edge; None where only weights are known.

    Example:
        >>> network = Network(np.eye(2, dtype="float32"))
        >>> network.distances is None
        True
    """

    adjacency: np.ndarray
    distances: np.ndarray | None = None


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


def read_network(path: str | Path, roads: Sequence[str], *, encoding: str = "utf-8") -> Network:
    """Reads how roads hang together: a square matrix of weights or distances, or a list of distances.

    A matrix may have a header, and a first column, with the names of the roads; else its order is theirs. It holds
    weights where no number is above 1, else distances, 0 or empty where there is no edge. A list has the columns
    `from`, `to` and `distance` (or `cost`).

    Distances `d` become weights `exp(-(d / s)^2)`, `s` being their standard deviation, and 0 below 0.1. Traffic goes
    one way and jams grow the other, so that of two directions the larger weight counts for both.

    Reference: Li et al. 2018, "Diffusion Convolutional Recurrent Neural Network: Data-Driven Traffic Forecasting".

    Args:
        path: The file.
        roads: Names of the roads.
        encoding: Encoding of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither, has other roads, or holds what is no number or below 0.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "distances.csv")
        >>> _ = path.write_text("from,to,distance\\nA1,A2,100\\nA2,A3,300\\n")
        >>> network = read_network(path, ["A1", "A2", "A3"])
        >>> network.distances[0].tolist(), bool(network.adjacency[0, 1] > network.adjacency[0, 2])
        ([0.0, 100.0, inf], True)
    """
    rows, _ = tables.read_rows(path, encoding=encoding)
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    measure = next((name for name in _DISTANCES if name in head), None)
    if {"from", "to"} <= set(head) and measure:
        cells = [[row[head.index(name)] for name in ("from", "to", measure)] for row in rows[1:]]
        return _of_distances(path, _listed_distances(path, cells, roads))
    matrix = _matrix(path, rows, roads)
    if (matrix <= 1).all():
        return Network(np.maximum(matrix, matrix.T).astype("float32"))
    apart = np.where(matrix > 0, matrix, np.inf)
    np.fill_diagonal(apart, 0.0)
    return _of_distances(path, apart)


def _listed_distances(path, cells, roads):
    places = {name: place for place, name in enumerate(roads)}
    apart, unknown = np.full((len(roads),) * 2, np.inf), 0
    np.fill_diagonal(apart, 0.0)
    for number, (origin, goal, text) in enumerate(cells, 2):
        distance = _number(path, number, text)
        if origin.strip() in places and goal.strip() in places:
            edge = places[origin.strip()], places[goal.strip()]
            apart[edge] = min(apart[edge], distance)
        else:
            unknown += 1
    if unknown:
        _log.warning("Left out %d of %d distances of %s, of roads without speeds.", unknown, len(cells), path)
    return apart


def _matrix(path, rows, roads):
    if (rows and any(cell.strip() and not _is_number(cell) for cell in rows[0])) or len(rows) == len(roads) + 1:
        names, rows = [cell.strip() for cell in rows[0]], rows[1:]
    else:
        names = list(roads)
    if rows and len(rows[0]) == len(roads) + 1:
        names, rows = names[-len(roads) :], [row[1:] for row in rows]
    if len(rows) != len(roads) or any(len(row) != len(roads) for row in rows):
        widest = max(map(len, rows), default=0)
        raise ValueError(
            f"`path` must be a square matrix of the {len(roads)} roads, or a list with the columns from, to and "
            f"distance. Received: {path} with {len(rows)} rows of {widest}"
        )
    if sorted(names) != sorted(roads):
        other = next(name for name in names if name not in roads)
        raise ValueError(f"`path` must have the names of the roads in its header. Received: {path} with {other!r}")
    numbers = np.array([[_number(path, i, cell or "0") for cell in row] for i, row in enumerate(rows, 1)])
    order = [names.index(name) for name in roads]
    return numbers[np.ix_(order, order)]


def _is_number(text):
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _number(path, row, text):
    value = float(text.replace(",", ".")) if _is_number(text) else -1.0
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"`path` must hold numbers of at least 0. Received: {path} with {text!r} in row {row}")
    return value


def _of_distances(path, apart):
    edges = np.isfinite(apart) & (apart > 0)
    if not edges.any():
        raise ValueError(f"`path` must hold a distance between two of the roads. Received: {path}, which has none")
    spread = apart[edges].std() or apart[edges].mean()
    weights = np.where(np.isfinite(apart), np.exp(-np.square(np.where(np.isfinite(apart), apart, 0) / spread)), 0)
    weights[weights < 0.1] = 0
    return Network(np.maximum(weights, weights.T).astype("float32"), apart)


def reachable(distances: ArrayLike, speed: float, minutes: float) -> np.ndarray:
    """Which roads a car gets to at free flow: the mask of free-flow reachability.

    Reference: Hota, BITS F464 (2024), "FFR: Free Flow Reachability"; Cui et al. 2019, "Traffic Graph Convolutional
    Recurrent Neural Network: A Deep Learning Framework for Network-Scale Traffic Learning and Forecasting".

    Args:
        distances: `(roads, roads)` along edges, from the row to the column, infinite where there is none.
        speed: Speed at free flow, in units of the distances an hour.
        minutes: Time to go.

    Returns:
        float32 `(roads, roads)`: 1 where the shortest way from the column to the row, or back, is short enough.

    Example:
        >>> apart = np.array([[0, 2, np.inf], [np.inf, 0, 5], [np.inf, np.inf, 0]])  # kilometres
        >>> reachable(apart, speed=60, minutes=5).tolist()  # 5 kilometres
        [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    shortest = np.array(distances, "float64")
    for via in range(len(shortest)):  # Floyd and Warshall
        shortest = np.minimum(shortest, shortest[:, via, None] + shortest[None, via])
    within = shortest <= speed * minutes / 60
    return (within | within.T).astype("float32")


def spectral_order(adjacency: ArrayLike) -> np.ndarray:
    """Puts the nodes of a graph in a row in which neighbours are near: by the Fiedler vector.

    That is the eigenvector of the second smallest eigenvalue of the normalised Laplacian.

    Reference: Barnard, Pothen and Simon 1995, "A Spectral Algorithm for Envelope Reduction of Sparse Matrices".

    Args:
        adjacency: `(nodes, nodes)`, at least 0; of two directions the mean counts.

    Returns:
        Numbers of the nodes, int64 `(nodes,)`.

    Example:
        >>> chain = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]])  # 0 - 2 - 3 - 1
        >>> spectral_order(chain).tolist() in ([0, 2, 3, 1], [1, 3, 2, 0])
        True
    """
    weights = np.array(adjacency, "float64")
    weights = (weights + weights.T) / 2
    np.fill_diagonal(weights, 0)
    root = 1 / np.sqrt(np.maximum(weights.sum(1), 1e-9))
    vectors = np.linalg.eigh(np.eye(len(weights)) - root[:, None] * weights * root[None])[1]
    found = vectors[:, min(1, len(weights) - 1)] * root
    return np.argsort(found * np.sign(found[np.abs(found).argmax()]), kind="stable")
