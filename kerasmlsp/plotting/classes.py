"""How well classes are told."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.plotting._canvas import _figure, _ink, _save


def confusion_matrix(matrix: np.ndarray, labels: Sequence[str], path: str | Path, *, summaries: bool = False) -> None:
    """Draws counts of true (rows) against predicted (columns) classes, coloured by share of the row.

    Reference: Pilanci, EE269 lecture 16 (2020), "Confusion Matrix" with its summaries.

    Args:
        matrix: Counts, `(classes, classes)`.
        labels: Class names.
        path: File to write, PNG.
        summaries: Whether to write the right and wrong shares of each row beside it, and of each column below.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/confusion.png"
        >>> confusion_matrix([[5, 1], [0, 4]], ["negative", "positive"], path)
        >>> imread(path).shape
        (384, 456, 4)
    """
    size = max(3.2, 0.55 * len(labels) + 2)
    figure = _figure(size + 0.6, size)
    _confusion(figure, np.asarray(matrix), labels, summaries)
    _save(figure, path)


def _confusion(figure, matrix, labels, summaries):
    """Draws a confusion matrix into a figure."""
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the true class")
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(labels)), labels, rotation=90 if len(labels) > 4 else 0)
    axes.set_yticks(range(len(labels)), labels)
    for row in range(len(labels)):
        for column in range(len(labels)):
            ink = _ink(image.to_rgba(shares[row, column]))
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=ink)
    if summaries:
        _summarize(axes, matrix)


def _summarize(axes, matrix):
    """Writes what share of each row, to the right, and of each column, below, is right and wrong."""
    count = len(matrix)
    for axis, sums in enumerate((matrix.sum(1), matrix.sum(0))):
        for place, (right, total) in enumerate(zip(np.diag(matrix), sums, strict=True)):
            share = right / total if total else float("nan")
            for column, value, colour in ((0, share, "tab:blue"), (1, 1 - share, "tab:red")):
                spot = (count + 0.1 + column, place) if axis == 0 else (place, count + 0.1 + column)
                text = f"{100 * value:.1f}" if total else "-"
                axes.text(*spot, text, ha="center", va="center", fontsize=7, color=colour)
    axes.set(xlim=(-0.5, count + 1.7), ylim=(count + 1.7, -0.5))
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axes.set(xlabel="predicted; right and wrong, % of the column", ylabel="true; right and wrong, % of the row")


def reliability_diagram(confidence: np.ndarray, accuracy: np.ndarray, counts: np.ndarray, path: str | Path) -> None:
    """Draws how often a prediction is right against how sure it was.

    Args:
        confidence: Mean confidence of each bin.
        accuracy: Share of right predictions in each bin.
        counts: Number of predictions in each bin.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/reliability.png"
        >>> reliability_diagram([0.6, 0.9], [0.5, 1.0], [4, 8], path)
        >>> imread(path).shape
        (552, 480, 4)
    """
    figure = _figure(4, 4.6)
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    above.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    filled = np.asarray(counts) > 0
    above.plot(np.asarray(confidence)[filled], np.asarray(accuracy)[filled], marker="o", label="this model")
    above.set(ylabel="share right", ylim=(0, 1.02))
    above.legend()
    below.bar(np.asarray(confidence)[filled], np.asarray(counts)[filled], width=0.04)
    below.set(xlabel="confidence of the predicted class", ylabel="predictions", xlim=(0, 1))
    _save(figure, path)
