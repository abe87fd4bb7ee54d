"""The figure of a search for options. It is drawn into a file and needs no display."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.plotting._canvas import _figure, _save


def search(
    values: Sequence[float], direction: str, importance: Mapping[str, float], path: str | Path, *, name: str = "value"
) -> None:
    """Draws the value of each whole trial with the best so far, and how much each option matters.

    Args:
        values: Of the trials that ran to their end, in order.
        direction: "MINIMIZE" or "MAXIMIZE".
        importance: Share of each option; none for one panel.
        path: File to write, PNG.
        name: What the value is.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/search.png"
        >>> search([0.7, 0.4, 0.5], "MINIMIZE", {"learning_rate": 0.8, "dropout": 0.2}, path)
        >>> imread(path).shape
        (456, 1080, 4)
    """
    figure = _figure(9 if importance else 5, 3.8)
    panels = np.ravel(figure.subplots(1, 2 if importance else 1))
    best = np.minimum.accumulate(values) if direction == "MINIMIZE" else np.maximum.accumulate(values)
    order = np.arange(1, len(values) + 1)
    panels[0].plot(order, values, "o", color="C0", label="trial")
    panels[0].step(order, best, where="post", color="C1", label="best so far")
    panels[0].set(xlabel="trial", ylabel=name)
    panels[0].legend()
    if importance:
        names = sorted(importance, key=lambda each: importance[each])
        panels[1].barh(names, [importance[each] for each in names], color="C0")
        panels[1].set(xlabel="share of the difference between good and other trials")
    _save(figure, path)
