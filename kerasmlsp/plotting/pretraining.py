"""Figures of what was learned without labels, and of what few labels then give."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.plotting._canvas import _figure, _save

_MARKS = ("o", "s", "^", "D", "v", "P", "X")


def label_curves(
    curves: Mapping[str, Sequence[tuple[int, Mapping[str, Any]]]], path: str | Path, *, measure: str = "accuracy"
) -> None:
    """Draws how good methods are with more and more labels.

    Args:
        curves: By method, pairs of the number of labels and a measure: `value`, and `low` and `high`, which may be
            None.
        path: File to write, PNG.
        measure: What is measured.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/labels.png"
        >>> label_curves({"from scratch": [(60, {"value": 0.7, "low": 0.6, "high": 0.8})]}, path)
        >>> imread(path).shape
        (480, 780, 4)
    """
    figure = _figure(6.5, 4)
    axes = figure.subplots()
    for number, (method, points) in enumerate(curves.items()):
        labels, found = zip(*points, strict=True)
        values = [each["value"] for each in found]
        reach = [[_reach(each, side) for each in found] for side in ("low", "high")]
        mark = _MARKS[number % len(_MARKS)]
        # Beside each other, so that no interval hides another.
        places = np.array(labels) * 1.03 ** (number - (len(curves) - 1) / 2)
        axes.errorbar(places, values, yerr=reach, marker=mark, markersize=5, capsize=3, label=method)
    axes.set(xscale="log", xlabel="labels", ylabel=measure)
    ticks = sorted({each for points in curves.values() for each, _ in points})
    axes.set_xticks(ticks, [f"{each:,}" for each in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    _save(figure, path)


def _reach(measure, side):
    bound = measure[side]
    return 0.0 if bound is None else abs(bound - measure["value"])


def code_use(
    shares: ArrayLike, names: Sequence[str], path: str | Path, *, title: str = "entries of the codebooks"
) -> None:
    """Draws how often each entry of codebooks is used, one row for each kind of input.

    Entries stand in the order of the row in which they are most frequent, so that what is peculiar to a row is seen;
    those that nothing uses come last.

    Args:
        shares: `(rows, entries)`, at least 0; the shares of a row add up to 1.
        names: Names of the rows, such as words.
        path: File to write, PNG.
        title: Text below.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/codes.png"
        >>> code_use(np.eye(3, 8), ["yes", "no", "go"], path)
        >>> imread(path).shape
        (240, 960, 4)
    """
    shares = np.asarray(shares, float)
    order = np.lexsort([-shares.max(0), shares.argmax(0), shares.max(0) == 0])
    figure = _figure(8, 0.25 * len(shares) + 1.25)
    axes = figure.subplots()
    drawn = axes.imshow(shares[:, order], aspect="auto", interpolation="nearest", cmap="viridis", vmin=0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks([])
    axes.set_xlabel(f"{shares.shape[1]} {title}")
    figure.colorbar(drawn, ax=axes, label="share")
    _save(figure, path)


def top_words(
    gaps: Sequence[tuple[str, str | None, Sequence[tuple[str, float]]]], path: str | Path, *, columns: int = 2
) -> None:
    """Draws the likeliest words of gaps in texts as bars; the word that was there is green.

    Args:
        gaps: Of each, the text around it, the word that was there (None where that is not known), and pairs of a word
            and its probability, the largest first.
        path: File to write, PNG.
        columns: Gaps in a row.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/gaps.png"
        >>> top_words([("a [MASK] film", "good", [("good", 0.5), ("bad", 0.2)])], path)
        >>> imread(path).shape
        (216, 540, 4)
    """
    columns = min(columns, len(gaps))
    rows = -(-len(gaps) // columns)
    figure = _figure(4.5 * columns, 1.8 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(gaps) :]:
        axes.set_axis_off()
    for axes, (text, word, told) in zip(panels, gaps, strict=False):
        names, shares = [name for name, _ in told], [share for _, share in told]
        axes.barh(range(len(told)), shares, color=["C2" if name == word else "C0" for name in names])
        axes.set_yticks(range(len(told)), names, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.tick_params(axis="x", labelsize=7)
        axes.set_title("\n".join(textwrap.wrap(text, 60)), fontsize=8, loc="left")
    _save(figure, path)
