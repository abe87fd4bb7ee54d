"""Figures of forecasts for the nodes of a network. Functions draw into a file and need no display."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.plotting._canvas import _figure, _save


def forecast_lines(
    truth: Mapping[str, np.ndarray],
    forecasts: Mapping[str, np.ndarray],
    path: str | Path,
    *,
    hours: np.ndarray,
    unit: str = "speed",
    label: str = "forecast",
) -> None:
    """Draws what was forecast over what came, one panel a node.

    Args:
        truth: By name of a node, what came, `(steps,)`; NaN is left out.
        forecasts: By the same names, what had been forecast for these steps, `(steps,)`.
        path: File to write, PNG.
        hours: When, `(steps,)`.
        unit: What is on the vertical axis.
        label: What to call the forecasts.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path, waves = f"{tempfile.mkdtemp()}/lines.png", {"A1": np.sin(np.arange(9.0))}
        >>> forecast_lines(waves, waves, path, hours=np.arange(9))
        >>> imread(path).shape
        (252, 1080, 4)
    """
    figure = _figure(9, 1.6 * len(truth) + 0.5)
    panels = figure.subplots(len(truth), 1, squeeze=False, sharex=True).ravel()
    for axes, (name, values) in zip(panels, truth.items(), strict=True):
        axes.plot(hours, values, color="0.45", linewidth=1.2, label="measured")
        axes.plot(hours, forecasts[name], color="C1", linewidth=1.2, label=label)
        axes.set_ylabel(unit)
        axes.set_title(name, fontsize=9, loc="left", pad=2)
    panels[0].legend(loc="lower left", ncols=2, fontsize=8)
    panels[-1].set_xlabel("hours")
    _save(figure, path)


def space_time(
    values: Mapping[str, np.ndarray], path: str | Path, *, hours: np.ndarray, rows: str = "roads", unit: str = "speed"
) -> None:
    """Draws a heat plot of nodes over time, one panel for each of several series.

    Args:
        values: By title, `(steps, nodes)`; panels with a number below 0 have colours for both signs.
        path: File to write, PNG.
        hours: When, `(steps,)`, rising.
        rows: What the rows are.
        unit: What the colours are.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/heat.png"
        >>> space_time({"measured": np.ones((9, 4))}, path, hours=np.arange(9))
        >>> imread(path).shape
        (312, 1080, 4)
    """
    figure = _figure(9, 2.3 * len(values) + 0.3)
    panels = figure.subplots(len(values), 1, squeeze=False, sharex=True).ravel()
    for axes, (title, each) in zip(panels, values.items(), strict=True):
        low, high, colours = np.nanmin(each), np.nanmax(each), "viridis"
        if low < 0:
            high = np.nanquantile(np.abs(each), 0.995) or 1.0
            low, colours = -high, "RdBu"
        extent = (float(hours[0]), float(hours[-1]), each.shape[1] - 0.5, -0.5)
        options = {"aspect": "auto", "interpolation": "nearest", "vmin": low, "vmax": high}
        drawn = axes.imshow(each.T, extent=extent, cmap=colours, **options)
        figure.colorbar(drawn, ax=axes, label=unit)
        axes.set(ylabel=rows)
        axes.set_title(title, fontsize=9, loc="left", pad=2)
    panels[-1].set_xlabel("hours")
    _save(figure, path)


def strongest(
    rows: Mapping[str, Sequence[tuple[str, float]]], path: str | Path, *, xlabel: str = "change of the forecast"
) -> None:
    """Draws what counts most for each of several nodes, as bars, one panel a node.

    Args:
        rows: By name of a node, pairs of a name and a number, which may be below 0, the largest first.
        path: File to write, PNG.
        xlabel: What the numbers are.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/bars.png"
        >>> strongest({"A1": [("A1", 0.7), ("A2", -0.1)]}, path)
        >>> imread(path).shape
        (324, 360, 4)
    """
    figure = _figure(3 * len(rows), 0.25 * max(map(len, rows.values())) + 2.2)
    panels = figure.subplots(1, len(rows), squeeze=False).ravel()
    for axes, (name, pairs) in zip(panels, rows.items(), strict=True):
        names, numbers = [each for each, _ in pairs], [number for _, number in pairs]
        axes.barh(range(len(pairs)), numbers, color=["C0" if number >= 0 else "C3" for number in numbers])
        axes.set_yticks(range(len(pairs)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel(xlabel, fontsize=8)
        axes.set_title(name, fontsize=9)
    _save(figure, path)
