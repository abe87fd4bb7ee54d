"""Scores of series and streams, with nothing but the saved model."""

import csv
import io
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.data import encodings, series, tables
from kerasmlsp.files import as_file, existing, write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

BATCH = 256
"""Series answered in one call."""
COLUMNS = ("time", "score", "abnormal", "alarm")
"""What is told of each row of a stream."""


def task(model: "SavedModel") -> str:
    """Returns what a loaded saved model is for: "segments" or "stream"."""
    return "stream" if "step" in model.endpoints else "segments"


def predict_segments(model: "SavedModel", values: np.ndarray) -> list[dict[str, Any]]:
    """Scores series.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`) of series in rows.
        values: `(rows, steps, channels)`.

    Returns:
        List of dicts of `row` from 1 on, `score`, `abnormal`, `errors` and `reconstruction`.

    Raises:
        ValueError: The series have another shape than the model takes.
    """
    found = []
    for begin in range(0, len(values), BATCH):
        answers = model(signals=values[begin : begin + BATCH])
        for place in range(len(answers["score"])):
            found.append(
                {
                    "row": begin + place + 1,
                    "score": float(answers["score"][place]),
                    "abnormal": bool(answers["abnormal"][place]),
                    "errors": answers["errors"][place],
                    "reconstruction": answers["reconstruction"][place],
                }
            )
    return found


def read_series(model: "SavedModel", path: str | Path, encoding: str = "utf-8") -> np.ndarray:
    """Reads the series of a file, or of stdin by "-"; a label in front of the values is left out.

    Raises:
        ValueError: The file has series of another length or number of channels than the model takes.
    """
    steps, channels = model.endpoints["serving_default"]["inputs"]["signals"].shape[1:]
    with as_file(path) as place:
        found = series.read_segments(place, labels=False, encoding=encoding).values
    if found.shape[1:] == (steps + 1, channels):
        found = found[:, 1:]
    if found.shape[1:] != (steps, channels):
        raise ValueError(
            f"The series must have {steps} steps and {channels} channels as the model's. Received: "
            f"{found.shape[1]} and {found.shape[2]} in {path}"
        )
    return found


class Monitor:
    """A saved model that reads a stream row by row, in constant memory.

    Args:
        model: A loaded saved model of streams.

    Raises:
        ValueError: The model is for series in rows.
    """

    def __init__(self, model: "SavedModel") -> None:
        if task(model) != "stream":
            raise ValueError(f"The saved model {model.path} takes series in rows, not a stream: give a file of rows.")
        import tensorflow as tf

        specs = model.endpoints["step"]["inputs"]
        self.channels = specs["values"].shape[1]
        self._step = model._signatures["step"]
        self._carried = {name: tf.zeros([1, *specs[name].shape[1:]]) for name in ("window", "state")}

    def __call__(self, values: Sequence[float]) -> dict[str, Any]:
        """Returns `score`, `abnormal`, `alarm` and `expected` `(channels,)` of the next row."""
        import tensorflow as tf

        answer = self._step(values=tf.constant([values], tf.float32), **self._carried)
        self._carried = {name: answer[name] for name in self._carried}
        told = {"score": float(answer["score"][0]), "expected": answer["expected"][0].numpy()}
        return {**told, **{name: bool(answer[name][0]) for name in ("abnormal", "alarm")}}


def watch(
    model: "SavedModel",
    lines: Iterable[str],
    *,
    channels: Sequence[str] = (),
    time_column: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Scores the lines of a CSV as they come, one answer for each row.

    Args:
        model: A loaded saved model of streams.
        lines: Lines of text, with or without a header.
        channels: Columns to read; where none is named, those that were trained on, or all of numbers.
        time_column: Column of the time; None for the one that was trained on, or as of `kerasmlsp.data.series.layout`.

    Yields:
        Dicts of `time`, or the number of the row from 0 on, `values`, and what `Monitor` tells; a row with an empty
        cell has None for score, abnormal and alarm, and the next one is taken for its neighbour.

    Raises:
        ValueError: A row has other cells than the first, or the file other channels than the model.
    """
    monitor, rows = Monitor(model), series.cells(lines)
    head = next(rows, None)
    if head is None:
        raise ValueError("The stream must have at least one row. Received: none")
    # Without a header the first row is answered before a second one comes.
    second = next(rows, None) if all(series.number(cell) is None or not cell.strip() for cell in head) else None
    trained, names = model.card.get("channels") or (), {cell.strip() for cell in head}
    if not channels and set(trained) <= names:
        channels = trained
    if time_column is None and (known := model.card.get("training", {}).get("time_column")) in names:
        time_column = known
    layout, header = series.layout(head, second, channels=channels, time_column=time_column)
    if len(layout.channels) != monitor.channels:
        raise ValueError(
            f"The stream must have {monitor.channels} channels as the model's: name them by `--channels`. Received: "
            f"{', '.join(layout.channels)}"
        )
    pending = [row for row in (None if header else head, second) if row is not None]
    for number, row in enumerate(itertools.chain(pending, rows)):
        try:
            time, values = layout.row(row)
        except ValueError as error:
            raise ValueError(f"{error} in row {number + 1} of the stream") from error
        whole = bool(np.isfinite(values).all())
        told = monitor(values) if whole else {"score": None, "abnormal": None, "alarm": None, "expected": None}
        yield {"time": str(number) if time is None else time, "values": values, **told}


def read_lines(source: str | Path, *, channels: Sequence[str] = (), encoding: str = "utf-8") -> Iterator[str]:
    """Yields the lines of a file or of stdin ("-") as they come, or what an Excel file or a record of PhysioNet holds.

    Raises:
        FileNotFoundError: There is no such file.
    """
    if str(source) == "-":
        yield from sys.stdin
    elif Path(source).suffix.lower() == ".hea":
        [found] = series.read_streams(source, channels=channels)
        yield ",".join(["time", *found.channels])
        for time, values in zip(found.times, found.values, strict=True):
            yield ",".join([time, *("" if np.isnan(value) else f"{value:.9g}" for value in values)])
    elif Path(source).suffix.lower() == ".xlsx":
        for row in tables.read_rows(source)[0]:
            csv.writer(text := io.StringIO()).writerow(row)
            yield text.getvalue()
    else:
        with open(existing(source), encoding=encodings.reader(encoding), newline="") as lines:
            yield from lines


def line(row: dict[str, Any], as_json: bool = False) -> str:
    """Returns one line for an answer of `watch`: CSV of `COLUMNS`, or JSON."""
    if as_json:
        return json.dumps({name: row[name] for name in COLUMNS}, ensure_ascii=False)
    time = row["time"]
    if "," in time or '"' in time:
        quoted = time.replace('"', '""')
        time = f'"{quoted}"'
    if row["score"] is None:
        return f"{time},,,"
    flags = ("yes" if row[name] else "no" for name in ("abnormal", "alarm"))
    return f"{time},{row['score']:.4f},{','.join(flags)}"


def write_table(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Writes answers about series as CSV: row, score, abnormal (yes or no), and the step of the largest error."""

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "row", "score", "abnormal", "worst step"])
            for row in rows:
                told = "yes" if row["abnormal"] else "no"
                writer.writerow([row["file"], row["row"], f"{row['score']:.6f}", told, int(np.argmax(row["errors"]))])

    write_atomically(path, write)


def write_lines(rows: Iterable[dict[str, Any]], path: Path) -> dict[str, int]:
    """Writes answers of `watch` as CSV of `COLUMNS`, which appears when it is whole.

    Returns:
        Number of `rows`, of those `without a number`, of `abnormal` ones and of `alarms`.
    """
    counts = {"rows": 0, "without a number": 0, "abnormal": 0, "alarms": 0}

    def write(place):
        with open(place, "w", encoding="utf-8") as file:
            file.write(",".join(COLUMNS) + "\n")
            for row in rows:
                file.write(line(row) + "\n")
                counts["rows"] += 1
                counts["without a number"] += row["score"] is None
                counts["abnormal"] += bool(row["abnormal"])
                counts["alarms"] += bool(row["alarm"])

    write_atomically(path, write)
    return counts


def draw_series(row: dict[str, Any], values: np.ndarray, path: Path) -> None:
    """Draws a series `(steps, channels)` under what `predict_segments` says of it, and its errors by step."""
    from kerasmlsp import plotting

    title = f"row {row['row']}: score {row['score']:.3g}, {'abnormal' if row['abnormal'] else 'normal'}"
    parts = (values, row["reconstruction"], row["errors"])
    write_atomically(path, lambda place: plotting.signal_errors(*parts, place, title=title))


def draw_stream(model: "SavedModel", rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draws the part of a stream around its highest score, from the answers of `watch`.

    Raises:
        ValueError: There is no row.
    """
    from kerasmlsp import plotting

    if not rows:
        raise ValueError("`--figure` needs a stream with rows. Received: none")
    values = np.array([row["values"] for row in rows], float)
    blank = np.full(values.shape[1], np.nan)
    expected = np.array([blank if row["expected"] is None else row["expected"] for row in rows])
    scores = np.array([row["score"] or 0.0 for row in rows])
    shown = {
        "threshold": model.card["threshold"]["threshold"],
        "alarms": [place for place, row in enumerate(rows) if row["alarm"]],
        "times": [row["time"] for row in rows],
        "channels": model.card.get("channels") or (),
    }
    write_atomically(path, lambda place: plotting.stream_scores(values, expected, scores, place, **shown))
