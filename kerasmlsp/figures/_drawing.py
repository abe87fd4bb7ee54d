"""What the figures of the lectures are drawn with."""

import functools
import inspect
import io
import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from kerasmlsp.plotting._canvas import _figure, _save

# Those of Okabe and Ito, which people with any kind of colour vision tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = "os^DvP*"


class Drawing(NamedTuple):
    """A figure, and the numbers that it shows by name."""

    figure: Figure
    numbers: dict[str, Any]

    def save(self, path: str | Path, kind: str = "png") -> None:
        """Writes the figure into a file: "png", "pdf" or "svg"."""
        _save(self.figure, path, kind=kind)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        content = io.BytesIO()
        _save(self.figure, content, dpi=100)
        return content.getvalue()


_Arguments = ParamSpec("_Arguments")
# Nets that have learnt nothing yet can be drawn, too.
_FROM_0 = {"seed", "digit", "steps", "epochs", "updates", "lag", "draws", "perturbed"}


def checked(function: Callable[_Arguments, Drawing]) -> Callable[_Arguments, Drawing]:
    """Refuses arguments that no figure can be made of, by their names: it would fail somewhere inside.

    Whole numbers are at least 1, those of `_FROM_0` at least 0; other numbers are finite, and there is something in
    what holds several.
    """
    kinds = {name: str(each.annotation) for name, each in inspect.signature(function).parameters.items()}

    @functools.wraps(function)
    def figure(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Drawing:
        for name, value in kwargs.items():
            if wanted := _wanted(name, kinds.get(name, ""), value):
                raise ValueError(f"`{name}` must be {wanted}. Received: {value!r}")
        return function(*args, **kwargs)

    return figure


def _wanted(name, kind, value):
    """What an argument must be that is not; else nothing."""
    if "int" in kind and isinstance(value, int | float):
        least = 0 if name in _FROM_0 else 1
        return "" if math.isfinite(value) and value == int(value) >= least else f"a whole number, at least {least}"
    if isinstance(value, float) and not math.isfinite(value):
        return "finite"
    if isinstance(value, Collection) and not isinstance(value, str):
        if not len(value):
            return "some values, not none"
        if any(isinstance(each, float) and not math.isfinite(each) for each in value):
            return "finite values"
    return ""


def panels(rows: int, columns: int, width: float = 3.5, height: float = 3.2) -> tuple[Figure, np.ndarray]:
    """A figure with a grid of axes, each so many inches wide and high."""
    figure = _figure(width * columns, height * rows)
    return figure, figure.subplots(rows, columns, squeeze=False)


def sheet(width: float, height: float) -> Any:
    """An empty Matplotlib figure, so many inches wide and high; its `subfigures` are arrays or not, by their number."""
    return _figure(width, height)


def grid(low: float, high: float, count: int) -> np.ndarray:
    """Points `(count * count, 2)` of a square, row by row."""
    ticks = np.linspace(low, high, count, dtype="float32")
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def classes(axes, points: np.ndarray, labels: ArrayLike, size: float = 18) -> None:
    """Draws points of two classes, each with a colour and a mark."""
    for label, colour, mark in zip((0, 1), COLOURS, MARKS, strict=False):
        own = points[np.asarray(labels) == label]
        axes.scatter(*own.T, s=size, c=colour, marker=mark, edgecolors="white", linewidths=0.5, label=f"class {label}")
    axes.set(xlabel="x₁", ylabel="x₂")


def regions(axes, decide: Callable, low: float, high: float, count: int = 60) -> np.ndarray:
    """Colours a square by what a function of points `(n, 2)` gives, 0 to 1, with a line at 0.5; returns the values."""
    values = np.clip(np.asarray(decide(grid(low, high, count))), 0, 1).reshape(count, count)
    ticks = np.linspace(low, high, count)
    axes.contourf(ticks, ticks, values, levels=np.linspace(0, 1, 11), cmap="PuOr_r", alpha=0.45)
    axes.contour(ticks, ticks, values, levels=[0.5], colors="black", linewidths=1)
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    return values


def logarithmic(axes, *names: str) -> None:
    """Gives axes ("x", "y") a logarithmic scale with plain numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for name in names:
        axes.set(**{f"{name}scale": "log"})
        axis = getattr(axes, f"{name}axis")
        low, high = axis.get_view_interval()
        if high < 100 * low:
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def pixels(axes, image: np.ndarray, title: str = "", **options: Any) -> Any:
    """Draws an array as a picture without ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=9)
    return axes.imshow(image, **{"cmap": "gray_r", "interpolation": "nearest", **options})
