"""Series of numbers from files: one series in each row of a file, or streams of rows with one or several channels.

Only NumPy is imported here; what reads tables imports the rest where it is used.
"""

from kerasmlsp.data.series.segments import Segments, read_segments
from kerasmlsp.data.series.streams import (
    GAP,
    TIMES,
    Layout,
    Stream,
    cells,
    layout,
    number,
    numbers,
    read_streams,
    seconds,
)

__all__ = [
    "GAP",
    "TIMES",
    "Layout",
    "Segments",
    "Stream",
    "cells",
    "layout",
    "number",
    "numbers",
    "read_segments",
    "read_streams",
    "seconds",
]
