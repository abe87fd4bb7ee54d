"""Figures of translations. Functions draw into a file and need no display."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.plotting._canvas import _figure, _save


def alignment(
    source: Sequence[str], target: Sequence[str], weights: ArrayLike, path: str | Path, *, title: str | None = None
) -> None:
    """Draws where a net looked in a sentence while it wrote each unit of another: the alignment matrix.

    Reference: Ganapathy, MLSP 2025, "Encoder - Decoder Networks with Attention"; Bahdanau, Cho and Bengio 2015, "Neural
    Machine Translation by Jointly Learning to Align and Translate" (figure 3).

    Args:
        source: Units that were read, the columns.
        target: Units that were written, the rows.
        weights: `(target, source)`, each row of which sums to 1.
        path: File to write, PNG.
        title: Text above the figure.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/alignment.png"
        >>> alignment(["a", "dog"], ["ein", "Hund"], np.eye(2), path)
        >>> imread(path).shape
        (384, 456, 4)
    """
    weights = np.asarray(weights, float)
    if weights.shape != (len(target), len(source)):
        raise ValueError(
            f"`weights` must have {len(target)} rows and {len(source)} columns, as there are units. Received: shape "
            f"{weights.shape}"
        )
    figure = _figure(3.0 + 0.4 * len(source), 2.4 + 0.4 * len(target))
    axes = figure.subplots()
    image = axes.imshow(weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(source)), source, rotation=60, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(target)), target)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    bar = figure.colorbar(image, ax=axes, fraction=0.05)
    bar.set_label("share of attention")
    if title:
        figure.suptitle(title, fontsize=11)
    _save(figure, path)


def score_by_length(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    path: str | Path,
    *,
    measure: str = "BLEU",
    label: str = "words of the source",
) -> None:
    """Draws how a measure goes with the length of sentences, a line with its 95 % intervals for each net.

    Reference: Ganapathy, MLSP 2025, "Encoder - Decoder Networks with Attention"; Bahdanau, Cho and Bengio 2015, "Neural
    Machine Translation by Jointly Learning to Align and Translate" (figure 2).

    Args:
        rows: By name of a net, the rows of `kerasmlsp.metrics.translation.by_length`.
        path: File to write, PNG.
        measure: Name of the measure in the rows.
        label: What is on the horizontal axis.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path, bleu = f"{tempfile.mkdtemp()}/lengths.png", {"value": 30.0, "low": 28.0, "high": 33.0}
        >>> score_by_length({"net": [{"from": 1, "to": 9, "length": 6.5, "sentences": 99, "BLEU": bleu}]}, path)
        >>> imread(path).shape
        (504, 840, 4)
    """
    figure = _figure(7, 4.2)
    axes = figure.subplots()
    ranges: dict[str, float] = {}
    for number, (name, several) in enumerate(rows.items()):
        places = np.array([row["length"] for row in several])
        values = np.array([row[measure]["value"] for row in several])
        axes.plot(places, values, marker="o", color=f"C{number}", label=name)
        known = [row for row in several if row[measure]["low"] is not None]
        for row in known:
            axes.plot([row["length"]] * 2, [row[measure]["low"], row[measure]["high"]], color=f"C{number}", alpha=0.5)
        for row in several:
            shown = f"{row['from']} or more" if row["to"] is None else f"{row['from']} to {row['to']}"
            ranges.setdefault(f"{shown}\n({row['sentences']} sentences)", row["length"])
    axes.set_xticks(list(ranges.values()), list(ranges), fontsize=8)
    axes.set(xlabel=label, ylabel=measure, ylim=(0, None))
    axes.grid(axis="y", color="0.9")
    axes.legend()
    _save(figure, path)
