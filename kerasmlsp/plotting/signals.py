"""Figures of recordings and of what a net hears in them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.plotting._canvas import _figure, _save

_COLOURS = ("tab:blue", "tab:red", "tab:green", "tab:orange")


def score_histogram(
    groups: Mapping[str, ArrayLike],
    path: str | Path,
    *,
    label: str = "score",
    limits: tuple[float, float] | None = None,
    threshold: float | None = None,
) -> None:
    """Draws how many examples of each group have which score.

    Args:
        groups: Scores `(examples,)` by the name of the group, such as right and wrong answers; four at most.
        path: File to write, PNG.
        label: What the scores are.
        limits: Where the axis begins and ends. By default it holds 99.9 % of the scores, which then stand in steps of
            equal ratio where all are above 0.
        threshold: Where to draw a line.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/scores.png"
        >>> score_histogram({"normal": [0.1, 0.2], "abnormal": [0.9]}, path, threshold=0.5)
        >>> imread(path).shape
        (420, 720, 4)
    """
    figure = _figure(6, 3.5)
    axes = figure.subplots()
    parts = {name: np.asarray(scores, float) for name, scores in groups.items()}
    scores = np.concatenate([[], *parts.values()])
    ratios = limits is None and bool(len(scores)) and scores.min() > 0
    low, high = limits or (np.quantile(scores, [0, 0.999]) if len(scores) else (0.0, 1.0))
    high = max(high, low + 1e-9, *([] if threshold is None else [threshold]))
    bins = np.geomspace(low, high, 41) if ratios else np.linspace(low, high, 41)
    for (name, part), colour in zip(parts.items(), _COLOURS, strict=False):
        if len(part):
            axes.hist(np.minimum(part, high), bins, color=colour, alpha=0.6, label=f"{name} ({len(part):,})")
    if threshold is not None:
        axes.axvline(threshold, color="black", linestyle=":", label="threshold")
    axes.set(xlabel=label, ylabel="examples", xscale="log" if ratios else "linear", yscale="symlog", xlim=limits)
    if len(scores) or threshold is not None:
        axes.legend()
    _save(figure, path)


def label_counts(counts: dict[str, dict[str, int]], path: str | Path) -> None:
    """Draws how many examples each class has.

    Args:
        counts: Number by class, for each kind, such as "true" and "predicted", which stand side by side.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/counts.png"
        >>> label_counts({"true": {"no": 3, "yes": 4}, "predicted": {"no": 2, "yes": 5}}, path)
        >>> imread(path).shape
        (240, 720, 4)
    """
    names = list(next(iter(counts.values())))
    figure = _figure(6, 1 + 0.25 * len(names) * len(counts))
    axes = figure.subplots()
    height, places = 0.8 / len(counts), np.arange(len(names))
    for kind, (title, numbers) in enumerate(counts.items()):
        bars = axes.barh(places + height * kind, [numbers[name] for name in names], height, label=title)
        axes.bar_label(bars, fontsize=7, padding=2)
    axes.set(xlabel="examples")
    axes.set_yticks(places + height * (len(counts) - 1) / 2, names)
    axes.invert_yaxis()
    axes.legend()
    _save(figure, path)


def waveform_attention(
    waveforms: Sequence[np.ndarray], weights: Sequence[np.ndarray], rate: float, titles: Sequence[str], path: str | Path
) -> None:
    """Draws waveforms, each under the attention that a net gave to its steps.

    Args:
        waveforms: `(samples,)` each.
        weights: `(steps,)` each, which cover the waveform evenly.
        rate: Samples per second.
        titles: What stands over each.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/attention.png"
        >>> waveform_attention([np.zeros(160)], [np.ones(4) / 4], 160, ["yes"], path)
        >>> imread(path).shape
        (192, 840, 4)
    """
    figure = _figure(7, 1.6 * len(waveforms))
    rows = figure.subplots(len(waveforms), 1, squeeze=False)[:, 0]
    for axes, waveform, weight, title in zip(rows, waveforms, weights, titles, strict=True):
        seconds = len(waveform) / rate
        axes.plot(np.arange(len(waveform)) / rate, waveform, color="0.6", linewidth=0.5)
        axes.set(xlim=(0, seconds), title=title, yticks=[])
        over = axes.twinx()
        edges = np.linspace(0, seconds, len(weight) + 1)
        over.stairs(weight, edges, fill=True, color="tab:orange", alpha=0.6)
        over.set(ylim=(0, 1.1 * np.max(weight)), ylabel="attention")
    rows[-1].set(xlabel="seconds")
    _save(figure, path)


def waveforms(rows: Mapping[str, np.ndarray], rate: float, path: str | Path, *, given: float = 0.0) -> None:
    """Draws waveforms under each other.

    Args:
        rows: Title to `(samples,)`, from -1 to 1.
        rate: Samples per second.
        path: File to write, PNG.
        given: Seconds at the beginning that are shaded, as they were given; 0 for none.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/waves.png"
        >>> waveforms({"yes": np.zeros(160), "no": np.ones(160)}, 160, path, given=0.5)
        >>> imread(path).shape
        (312, 840, 4)
    """
    figure = _figure(7, 1.3 * len(rows))
    each = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (title, samples) in zip(each, rows.items(), strict=True):
        axes.plot(np.arange(len(samples)) / rate, samples, color="tab:blue", linewidth=0.5)
        if given:
            axes.axvspan(0, given, color="0.9")
        axes.set(ylim=(-1.05 * np.abs(samples).max(initial=1e-3), 1.05 * np.abs(samples).max(initial=1e-3)), yticks=[])
        axes.set_title(title, fontsize=8)
    each[-1].set(xlabel="seconds")
    _save(figure, path)


def heard(
    spectrogram: np.ndarray, seconds: float, found: Iterable[Any], path: str | Path, *, threshold: float | None = None
) -> None:
    """Draws the spectrogram of a recording, and over it what was heard when.

    Args:
        spectrogram: `(columns, bands)`, which cover the recording evenly.
        seconds: Length of the recording.
        found: Objects with `label`, `begin`, `end` (seconds) and `confidence`.
        path: File to write, PNG.
        threshold: Least confidence that was reported, for the title.

    Example:
        >>> import tempfile
        >>> from types import SimpleNamespace
        >>> from matplotlib.image import imread
        >>> path, word = f"{tempfile.mkdtemp()}/heard.png", SimpleNamespace(label="yes", begin=0, end=1, confidence=0.9)
        >>> heard(np.zeros((98, 40)), 3.0, [word], path)
        >>> imread(path).shape
        (432, 1080, 4)
    """
    figure = _figure(9, 3.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
    # What is quieter than nearly all the rest would take half of the colours.
    low, high = np.percentile(spectrogram, [5, 99.8])
    extent = (0, seconds, 0, spectrogram.shape[1])
    below.imshow(spectrogram.T, origin="lower", aspect="auto", extent=extent, vmin=low, vmax=high + 1e-9)
    below.set(xlabel="seconds", ylabel="mel band")
    for each in found:
        above.bar(each.begin, each.confidence, each.end - each.begin, align="edge", color="tab:orange", alpha=0.6)
        above.text((each.begin + each.end) / 2, 0.05, each.label, ha="center", fontsize=8)
    if threshold is not None:
        above.axhline(threshold, color="0.4", linestyle=":", linewidth=1)
    above.set(ylim=(0, 1.05), xlim=(0, seconds), ylabel="probability")
    _save(figure, path)
