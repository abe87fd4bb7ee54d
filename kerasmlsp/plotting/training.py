"""Figures of a training."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp.plotting._canvas import _figure, _save


def curves(rows: list[dict[str, Any]], path: str | Path) -> None:
    """Draws the log of a run: one panel a metric, four in a row, training and validation together.

    Args:
        rows: List of dicts with `epoch` and numbers; `val_x` is drawn with `x`. A row may lack any of them.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/curves.png"
        >>> curves([{"epoch": 1, "loss": 0.7, "val_loss": 0.8, "accuracy": 0.5}], path)
        >>> imread(path).shape  # two panels
        (360, 816, 4)
    """
    found = dict.fromkeys(name for row in rows for name in row if name != "epoch")
    names = list(dict.fromkeys(name.removeprefix("val_") for name in found))
    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    figure = _figure(3.4 * columns, 3 * lines)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            points = [(row["epoch"], row[key]) for row in rows if key in row]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=label)
        axes.set(xlabel="epoch", title=name.replace("_", " "))
        _whole_numbers(axes.xaxis, [row["epoch"] for row in rows])
        if f"val_{name}" in found:
            axes.legend()
    _save(figure, path)


def _whole_numbers(axis, values):
    """Ticks at whole numbers only, also where there is just one."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    if min(values) == max(values):
        axis.axes.set_xlim(values[0] - 0.5, values[0] + 0.5)


def update_norms(rows: list[dict[str, Any]], path: str | Path) -> None:
    """Draws the norms of every layer's gradients and updates over the epochs, on a logarithmic scale.

    Args:
        rows: List of dicts with `epoch`, `step`, `layer`, `gradient` and `update`, as of
            `kerasmlsp.callbacks.UpdateNorms`; layers are coloured from dark to light in their order.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/norms.png"
        >>> update_norms([{"epoch": 1, "step": 5, "layer": "dense", "gradient": 0.1, "update": 1e-3}], path)
        >>> imread(path).shape
        (408, 1080, 4)
    """
    from matplotlib import colormaps

    layers = list(dict.fromkeys(row["layer"] for row in rows))
    last = {row["epoch"]: row["step"] for row in rows}
    figure = _figure(9, 3.4)
    for axes, name in zip(figure.subplots(1, 2), ("gradient", "update"), strict=True):
        for place, layer in enumerate(layers):
            own = [row for row in rows if row["layer"] == layer]
            epochs = [row["epoch"] - 1 + row["step"] / last[row["epoch"]] for row in own]
            # A logarithm has no place for 0.
            norms = np.maximum([row[name] for row in own], 1e-12)
            colour = colormaps["viridis"](place / max(1, len(layers)))
            axes.plot(epochs, norms, marker=".", color=colour, label=layer)
        axes.set(xlabel="epoch", title=f"norm of the {name}", yscale="log")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=7)
    _save(figure, path)
