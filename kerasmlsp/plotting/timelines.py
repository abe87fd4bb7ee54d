"""A recording over time, and what happens in it."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.plotting._canvas import _figure, _save


def timeline(
    signals: np.ndarray,
    bands: Mapping[str, Sequence[str]],
    path: str | Path,
    *,
    rate: float = 1.0,
    channels: Sequence[str] = (),
    title: str | None = None,
) -> None:
    """Draws the channels of a recording, and under them bands with the class of each sample.

    Args:
        signals: `(samples, channels)`; one panel for every three channels.
        bands: By name, such as "true" and "predicted", the classes `(samples,)`; "" where there is none.
        path: File to write, PNG.
        rate: Samples per second.
        channels: Names of the channels.
        title: Title of the figure.

    Raises:
        ValueError: A band has another length than the signals.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/timeline.png"
        >>> timeline(np.zeros((4, 3)), {"true": ["sit", "sit", "walk", "walk"]}, path, rate=2)
        >>> imread(path).shape
        (288, 1080, 4)
    """
    for name, classes in bands.items():
        if len(classes) != len(signals):
            raise ValueError(f"`bands` must have a class for each sample. Received: {len(classes)} of {name!r}")
    parts = np.array_split(np.arange(signals.shape[1]), -(-signals.shape[1] // 3))
    figure = _figure(9, 1.2 * len(parts) + 0.4 * len(bands) + 0.8)
    ratios = [*[3.0] * len(parts), *[1.0] * len(bands)]
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    times = np.arange(len(signals)) / rate
    for axes, part in zip(panels, parts, strict=False):
        for channel in part:
            axes.plot(times, signals[:, channel], lw=0.8, label=channels[channel] if len(channels) else None)
        if len(channels):
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=8)
    colours = _colours(bands)
    for axes, (name, classes) in zip(panels[len(parts) :], bands.items(), strict=True):
        for begin, end, label in segments(classes):
            axes.axvspan(begin / rate, end / rate, color=colours[label])
        axes.set_yticks([0.5], [name])
    panels[-1].set(xlabel="seconds" if rate != 1 else "samples", xlim=(0, len(signals) / rate))
    marks = [_mark(colour) for colour in colours.values()]
    figure.legend(marks, list(colours), loc="outside lower center", ncols=min(6, max(1, len(marks))), frameon=False)
    if title:
        figure.suptitle(title)
    _save(figure, path)


def segments(classes: Sequence[str]) -> list[tuple[int, int, str]]:
    """Returns where each run of one class begins and ends, and the class; runs of "" are left out.

    Example:
        >>> segments(["sit", "sit", "", "walk"])
        [(0, 2, 'sit'), (3, 4, 'walk')]
    """
    names = np.asarray(classes, str)
    edges = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    return [(begin, end, str(names[begin])) for begin, end in itertools.pairwise(edges) if end > begin and names[begin]]


def _colours(bands):
    from matplotlib import colormaps

    names = sorted({str(name) for classes in bands.values() for name in set(classes) if name})
    return {name: colormaps["tab20" if len(names) > 10 else "tab10"](i % 20) for i, name in enumerate(names)}


def _mark(colour):
    from matplotlib.patches import Patch

    return Patch(color=colour)
