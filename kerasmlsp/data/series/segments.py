"""Series of one length with a label each, as the UCR and UEA archives have them."""

import dataclasses
import math
import re
from pathlib import Path

import numpy as np

from kerasmlsp.data import tables
from kerasmlsp.data.series.streams import number
from kerasmlsp.files import existing


@dataclasses.dataclass(frozen=True)
class Segments:
    """Series of one length.

    Args:
        values: float32 `(rows, steps, channels)`.
        labels: Class of each row as it is written, text `(rows,)`; "" where there is none.

    Example:
        >>> Segments(np.zeros((2, 140, 1), "float32"), np.array(["1", "2"])).values.shape
        (2, 140, 1)
    """

    values: np.ndarray
    labels: np.ndarray


def read_segments(path: str | Path, *, labels: bool = True, encoding: str = "utf-8") -> Segments:
    """Reads one series a row: `.ts` of aeon and sktime, or the layout of the UCR archive.

    In the layout of UCR each row is the label and then the values, between tabs, commas or spaces, without a header.

    Args:
        path: The file.
        labels: Whether the rows of the layout of UCR begin with a label; a `.ts` says so itself.
        encoding: That of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is none of these, its series differ in length, or a value is missing.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "beats.ts")
        >>> _ = path.write_text("@univariate false\\n@data\\n1,2,3:4,5,6:normal\\n")
        >>> found = read_segments(path)
        >>> found.values[0].tolist(), found.labels.tolist()
        ([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]], ['normal'])
    """
    path = existing(path)
    if path.is_dir():
        raise ValueError(f"`path` must be a file with one series in each row, not a folder. Received: {path}")
    lines = tables.read_text(path, encoding=encoding).splitlines()
    marked = any(line.strip().lower() == "@data" for line in lines)
    if path.suffix.lower() == ".ts" and not marked:
        raise ValueError(f"`path` must have a line @data where it is a .ts. Received: {path}")
    names, parts = [], []
    for line, label, rows in _of_ts(lines) if marked else _of_ucr(lines, labels):
        names.append(label)
        parts.append(_checked(rows, parts[0].shape if parts else None, line, path))
    if not parts:
        raise ValueError(f"`path` must hold at least one series. Received: {path}, which holds none")
    return Segments(np.stack(parts).astype("float32"), np.array(names))


def _of_ts(lines):
    begun, labelled = False, True
    for line, text in enumerate(map(str.strip, lines), 1):
        if text.lower() == "@data":
            begun = True
        elif text.lower().startswith(("@classlabel", "@targetlabel")):
            labelled = "true" in text.lower().split()
        elif begun and text and not text.startswith("#"):
            *rows, label = text.split(":") if labelled else [*text.split(":"), ""]
            yield line, label.strip(), [row.split(",") for row in rows]


def _of_ucr(lines, labels):
    for line, text in enumerate(lines, 1):
        row = re.split(r"[,;\t ]+", text.strip(" ,;\t\r"))
        if row != [""]:
            yield line, (row[0] if labels else ""), [row[1:] if labels else row]


def _checked(rows, shape, line, path):
    values = [[number(cell) for cell in row] for row in rows]
    if any(value is None or math.isnan(value) for row in values for value in row) or not values or not values[0]:
        raise ValueError(f"`path` must hold a number in every place of a series, but line {line} lacks one: {path}")
    if len({len(row) for row in values}) > 1 or (shape and (len(values[0]), len(values)) != shape):
        wanted = f" {shape[0]} steps" if shape else " one length"
        raise ValueError(
            f"`path` must hold series of{wanted}, but line {line} has {len(values[0])}: cut or fill them first, or "
            f"train on it as a stream. Received: {path}"
        )
    return np.array(values, "float64").T
