"""Recordings of motion sensors from the files that people have, at one rate."""

import collections
import dataclasses
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp.data import series, tables
from kerasmlsp.files import existing, visible_files

_log = logging.getLogger("kerasmlsp")
# A sensor is read from once to a thousand times a second, so that the mean interval tells the unit of the time stamps.
_UNITS = ((1, 1.0), (1e3, 1e-3), (1e6, 1e-6), (np.inf, 1e-9))
_ENDINGS = (".csv", ".tsv", ".xlsx", ".parquet", ".ts")
HAR_CHANNELS = tuple(f"{kind}_{axis}" for kind in ("total_acc", "body_gyro") for axis in "xyz")


@dataclasses.dataclass(frozen=True)
class Recording:
    """Signals of one person at an even rate.

    Args:
        name: File that it comes from, relative to the folder that was read.
        subject: The person; "" where that is not known.
        values: float32 `(samples, channels)`.
        labels: Class of each sample, text `(samples,)`; "" where there is none.
        start: Seconds from the beginning of the file to the first sample: a file with gaps gives several recordings.
        channels: Names of the channels, where they have any.

    Example:
        >>> recording = Recording("s01/1.csv", "s01", np.zeros((200, 3), "float32"), np.full(200, "walking"))
        >>> recording.values.shape, recording.labels.shape
        ((200, 3), (200,))
    """

    name: str
    subject: str
    values: np.ndarray
    labels: np.ndarray
    start: float = 0.0
    channels: tuple[str, ...] = ()


def read_recordings(
    path: str | Path,
    rate: float,
    *,
    channels: Sequence[str] = (),
    time_column: str = "timestamp",
    label_column: str | None = "label",
    subject_column: str | None = None,
    subject_pattern: str | None = None,
    name_pattern: str | None = None,
    max_gap: float = 0.5,
) -> list[Recording]:
    """Reads recordings and brings them to an even rate.

    Read are tables with one row a sample, as GeoTec's, alone or in a folder with others below it; WISDM's
    `WISDM_ar_v1.1_raw.txt`; the folder `UCI HAR Dataset`, whose windows of 2.56 s become recordings of their own; and
    `.ts` files of the UEA archive, which have no time stamps: their samples are taken to come at `rate`.

    Time stamps may be seconds, milli-, micro- or nanoseconds, which their distance tells, or dates. Samples of one time
    are averaged, unsorted ones are sorted, those with a cell that is no number are left out, and a gap begins another
    recording; the log counts all these. A slower signal is interpolated, of a faster one each new sample is the mean
    over its interval.

    Args:
        path: File or folder.
        rate: Samples per second, above 0.
        channels: Columns of the signals; all that hold numbers by default.
        time_column: Column of the time stamps.
        label_column: Column of the classes; None for recordings without.
        subject_column: Column of a table that names the person.
        subject_pattern: Regular expression whose first group in a file's path names the person.
        name_pattern: Regular expression that the path of a file in a folder must have: `_sp` for the phones of GeoTec.
        max_gap: Most seconds between two samples of one recording.

    Returns:
        The recordings in the order of their files.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A column is missing, or nothing can be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "walk.csv")
        >>> _ = path.write_text("timestamp,x,label\\n0,1.0,sit\\n100,3.0,sit\\n200,5.0,walk\\n")
        >>> [recording] = read_recordings(path, rate=20)
        >>> recording.values[:, 0].tolist(), recording.labels.tolist()
        ([1.0, 2.0, 3.0, 4.0, 5.0], ['sit', 'sit', 'sit', 'sit', 'walk'])
    """
    if not rate > 0:
        raise ValueError(f"`rate` must be above 0. Received: rate={rate}")
    path, problems = existing(path), collections.Counter()
    if (path / "activity_labels.txt").exists():
        return _resampled_all(_har(path), rate, max_gap, problems)
    if path.suffix.lower() == ".txt":
        return _resampled_all(_wisdm(path, problems), rate, max_gap, problems)
    columns = _Columns(tuple(channels), time_column, label_column, subject_column)
    parts = (
        part
        for file, name in _files(path, name_pattern)
        for part in _of_file(file, name, columns, _subject(name, subject_pattern), rate, problems)
    )
    return _resampled_all(parts, rate, max_gap, problems)


@dataclasses.dataclass(frozen=True)
class _Columns:
    channels: tuple[str, ...]
    time: str
    label: str | None
    subject: str | None


@dataclasses.dataclass(frozen=True)
class _Raw:
    """Samples as a file has them: seconds `(samples,)`, signals `(samples, channels)` and classes `(samples,)`."""

    name: str
    subject: str
    times: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    channels: tuple[str, ...] = ()


def _files(path, pattern):
    if not path.is_dir():
        return [(path, path.name)]
    found = [(file, file.relative_to(path).as_posix()) for file in visible_files(path, _ENDINGS)]
    found = [(file, name) for file, name in found if pattern is None or re.search(pattern, name)]
    if not found:
        wanted = "" if pattern is None else f" whose path has {pattern!r}"
        kinds = ", ".join(_ENDINGS)
        raise ValueError(f"`path` must hold recordings ({kinds}){wanted}. Received: {path}, which holds none")
    return found


def _subject(name, pattern):
    if pattern is None:
        return ""
    match = re.search(pattern, name)
    if not match or not match.groups():
        raise ValueError(
            f"`subject_pattern` must match every path and have a group (...). Received: {pattern!r} for {name}"
        )
    return match[1]


def _of_file(path, name, columns, subject, rate, problems) -> Iterator[_Raw]:
    if path.suffix.lower() == ".ts":
        return _of_ts(path, name, subject, rate, problems)
    return _of_table(path, name, columns, subject, problems)


def _of_ts(path, name, subject, rate, problems) -> Iterator[_Raw]:
    """Lines `channel:channel:class` of numbers between commas, after a header of lines that begin with # or @."""
    lines = [line.strip() for line in tables.read_text(path).splitlines()]
    marks = [line[1:].lower().split(maxsplit=1) for line in lines if line.startswith("@")]
    header = {mark[0]: mark[1] for mark in marks if len(mark) == 2}
    if header.get("timestamps", "false") != "false":
        raise ValueError(f"`path` must be without time stamps where it is a .ts file. Received: {path}")
    labelled = header.get("classlabel", "false").startswith("true")
    rows = [line for line in lines if line and line[0] not in "#@"]
    for number, row in enumerate(rows, 1):
        *signals, label = row.split(":") if labelled else (*row.split(":"), "")
        try:
            values = np.array([[float(cell.replace("?", "nan")) for cell in each.split(",")] for each in signals]).T
        except ValueError:
            raise ValueError(
                f"`path` must hold as many numbers in every channel of a series. Received: {path}, row {number}"
            ) from None
        whole = np.isfinite(values).all(1)
        problems["samples that are no numbers"] += int((~whole).sum())
        times = np.arange(len(values)) / rate
        yield _Raw(f"{name}/{number}", subject, times[whole], values[whole], np.full(int(whole.sum()), label.strip()))


def _of_table(path, name, columns, subject, problems) -> Iterator[_Raw]:
    table = tables.read_table(path)
    wanted = [("time_column", columns.time), ("label_column", columns.label), ("subject_column", columns.subject)]
    for argument, column in (*wanted, *(("channels", each) for each in columns.channels)):
        if column is not None and column not in table.columns:
            there = ", ".join(map(str, table.columns))
            raise ValueError(f"`{argument}` must be a column of {path}: {there}. Received: {column!r}")
    others = {columns.time, columns.label, columns.subject}
    numbers = {column: series.numbers(table[column]) for column in table.columns if column not in others}
    chosen = columns.channels or tuple(column for column, each in numbers.items() if np.isfinite(each).any())
    if not chosen:
        raise ValueError(f"`path` must have columns of numbers besides {columns.time!r}. Received: {path}")
    values, times = np.stack([numbers[column] for column in chosen], 1), _seconds(table[columns.time], path)
    labels = np.full(len(table), "") if columns.label is None else _texts(table[columns.label])
    subjects = np.full(len(table), subject) if columns.subject is None else _texts(table[columns.subject])
    whole = np.isfinite(values).all(1) & np.isfinite(times)
    problems["samples that are no numbers"] += int((~whole).sum())
    for person in dict.fromkeys(subjects[whole].tolist()):
        mine = whole & (subjects == person)
        yield _Raw(name, person, times[mine], values[mine], labels[mine], tuple(map(str, chosen)))


def _texts(column) -> np.ndarray:
    return column.fillna("").astype(str).str.strip().to_numpy(str)


def _seconds(column, path) -> np.ndarray:
    import pandas as pd

    times = series.numbers(column)
    if not np.isfinite(times).any():
        dates = pd.to_datetime(column, errors="coerce", utc=True, format="mixed")
        if dates.isna().all():
            raise ValueError(
                f"`time_column` must hold numbers or dates. Received: {column.name!r} of {path} with {column.iloc[0]!r}"
            )
        times = (dates - dates.min()).dt.total_seconds().to_numpy("float64")
        return times
    return _scaled(times)


def _scaled(times):
    known = np.unique(times[np.isfinite(times)])
    mean = float(np.median(np.diff(known))) if len(known) > 1 else 0.0
    unit = next(unit for most, unit in _UNITS if mean <= most)
    return (times - known[0]) * unit


def _wisdm(path, problems) -> Iterator[_Raw]:
    """Lines `person,activity,nanoseconds,x,y,z;`, of which some are broken."""
    rows = collections.defaultdict(list)
    for line in re.split(r"[;\n]", tables.read_text(path)):
        cells = [cell.strip() for cell in line.strip().rstrip(",").split(",")]
        try:
            subject, label, *numbers = cells
            time, *values = map(float, numbers)
            if len(values) != 3:
                raise ValueError
        except ValueError:
            problems["lines that are broken"] += bool(line.strip())
            continue
        rows[subject].append((time * 1e-9, values, label))
    if not rows:
        raise ValueError(f"`path` must hold lines `person,activity,nanoseconds,x,y,z;`. Received: {path}")
    for subject, samples in rows.items():
        times, values, labels = (np.array(each) for each in zip(*samples, strict=True))
        yield _Raw(path.name, subject, times, values, labels, ("x", "y", "z"))


def _har(folder) -> Iterator[_Raw]:
    names = dict(line.split() for line in tables.read_text(folder / "activity_labels.txt").splitlines() if line.strip())
    for part in ("train", "test"):
        inside = folder / part / "Inertial Signals"
        signals = np.stack([np.loadtxt(inside / f"{channel}_{part}.txt", ndmin=2) for channel in HAR_CHANNELS], 2)
        labels = tables.read_text(folder / part / f"y_{part}.txt").split()
        subjects = tables.read_text(folder / part / f"subject_{part}.txt").split()
        for number, (values, label, subject) in enumerate(zip(signals, labels, subjects, strict=True)):
            times = np.arange(len(values)) / 50
            yield _Raw(f"{part}/{number + 1}", subject, times, values, np.full(len(values), names[label]), HAR_CHANNELS)


def _resampled_all(parts: Iterable[_Raw], rate, max_gap, problems: Any) -> list[Recording]:
    found = [recording for part in parts for recording in _even(part, rate, max_gap, problems)]
    for what, count in problems.items():
        if count:
            _log.warning("Recordings: %d %s.", count, what)
    if not found:
        raise ValueError("`path` must hold at least two samples of a recording. Received: none that can be read")
    return found


def _even(raw: _Raw, rate, max_gap, problems) -> Iterator[Recording]:
    times, values, labels = raw.times, raw.values, raw.labels
    if (np.diff(times) < 0).any():
        problems["samples out of order, which were sorted"] += int((np.diff(times) < 0).sum())
        order = np.argsort(times, kind="stable")
        times, values, labels = times[order], values[order], labels[order]
    times, first, counts = np.unique(times, return_index=True, return_counts=True)
    if len(times) < len(values):
        problems["samples of a time that had one already, of which the mean was taken"] += len(values) - len(times)
        values, labels = np.add.reduceat(values, first, axis=0) / counts[:, None], labels[first]
    edges = np.flatnonzero(np.diff(times) > max_gap) + 1
    problems[f"gaps of more than {max_gap:g} s, which begin another recording"] += len(edges)
    for begin, end in zip([0, *edges], [*edges, len(times)], strict=True):
        if end - begin > 1:
            part = slice(begin, end)
            new, signal = _at_rate(times[part], values[part], rate)
            place = np.searchsorted(times[part], new, side="right") - 1
            start = float(times[begin] - times[0])
            yield Recording(raw.name, raw.subject, signal, labels[part][place], start, raw.channels)


def _at_rate(times, values, rate):
    """New times from the first to the last, and the signals there, float32."""
    new = times[0] + np.arange(int((times[-1] - times[0]) * rate + 1e-6) + 1) / rate
    new = np.minimum(new, times[-1])
    if (len(times) - 1) / (times[-1] - times[0]) <= 1.01 * rate:
        return new, np.stack([np.interp(new, times, channel) for channel in values.T], 1).astype("float32")
    # Means over the intervals, without which what is faster than the new rate would look slow.
    ends = np.clip([new - 0.5 / rate, new + 0.5 / rate], times[0], times[-1])
    return new, np.stack([_means(times, channel, *ends) for channel in values.T], 1).astype("float32")


def _means(times, signal, begin, end):
    """Means of the line through the samples, from `begin` to `end` each."""
    whole = np.concatenate([[0], np.cumsum(np.diff(times) * (signal[1:] + signal[:-1]) / 2)])

    def integral(at):
        place = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
        return whole[place] + (at - times[place]) * (signal[place] + np.interp(at, times, signal)) / 2

    return (integral(end) - integral(begin)) / (end - begin)
