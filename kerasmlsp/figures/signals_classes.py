"""Signals by their classes: what activities look like, how many examples each class has, and what is confused."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from kerasmlsp import classification, layers, metrics, models
from kerasmlsp.data import audio, clips
from kerasmlsp.data import motion as recordings
from kerasmlsp.figures import _signals
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, panels, sheet
from kerasmlsp.figures._fitting import learn, numpy
from kerasmlsp.plotting.classes import _confusion


def _motion(data, count, seed) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Windows of 4 s at 20 Hz with the numbers and names of their activities."""
    if data is None:
        return *_signals.motion(count, seed), list(_signals.ACTIVITIES)
    found = recordings.windows(
        recordings.read_recordings(data, _signals.MOTION_RATE), _signals.MOTION_STEPS, _signals.MOTION_STEPS // 2
    )
    names, labels = np.unique(found.main_labels(), return_inverse=True)
    chosen = np.random.default_rng(seed).permutation(len(labels))[:count]
    return found.values[chosen], labels[chosen], names.tolist()


@checked
def har_signals(*, data: str | Path | None = None, seed: int = 0) -> Drawing:
    """Four seconds of an accelerometer in each activity, and the spectrum of how strongly it is pushed.

    Reference: Pilanci, EE269 lecture 16 (2020), "Signals and Dense Neural Nets" (human activity recognition); Kwapisz,
    Weiss and Moore 2011, "Activity Recognition Using Cell Phone Accelerometers" (WISDM).

    Args:
        data: Recordings of one's own, as `kerasmlsp.data.motion.read_recordings` takes them; by default synthetic ones.
        seed: Seed of the synthetic signals, and of the order of one's own.

    Returns:
        The figure; by the name of the activity the standard `deviation` of the size of the acceleration, in m/s^2 where
        the data are, and the `frequency` in hertz in which it swings most, at rest that of the noise; both as medians
        over the windows.

    Example:
        >>> figure, numbers = har_signals()
        >>> numbers["deviation"]["jogging"] > numbers["deviation"]["walking"] > 5 * numbers["deviation"]["sitting"]
        True
    """
    windows, labels, names = _motion(data, 600, seed)
    sizes, rate = np.linalg.norm(windows, axis=-1), _signals.MOTION_RATE
    layer = layers.ShortTimeFourierTransform(_signals.MOTION_STEPS, 1, 256, "hann", onesided=True)
    parts = (numpy(part)[:, 0] for part in layer(sizes - sizes.mean(1, keepdims=True)))
    spectra, hertz = np.hypot(*parts), np.arange(129) * rate / 256
    figure, grid = panels(len(names), 2, width=3.9, height=1.35)
    numbers: dict = {"deviation": {}, "frequency": {}}
    for number, (name, (left, right)) in enumerate(zip(names, grid, strict=True)):
        own = np.flatnonzero(labels == number)
        numbers["deviation"][name] = float(np.median(sizes[own].std(1)))
        numbers["frequency"][name] = float(np.median(hertz[spectra[own].argmax(1)]))
        for axis, colour, style in zip(windows[own[0]].T, COLOURS, ("-", "--", "-.", ":", "-", "--"), strict=False):
            left.plot(np.arange(len(axis)) / rate, axis, style, color=colour, linewidth=1)
        left.set_ylabel(name, fontsize=8)
        right.plot(hertz, spectra[own].mean(0), color=COLOURS[0])
        right.axvline(numbers["frequency"][name], color=COLOURS[1], linestyle=":")
        right.set_title(f"{numbers['frequency'][name]:.1f} Hz, {numbers['deviation'][name]:.1f} m/s²", fontsize=8)
    highest = max(axes.get_ylim()[1] for axes in grid[:, 1])
    for axes in grid[:, 1]:
        axes.set(ylim=(0, highest), yticks=[])
    grid[0, 0].set_title("acceleration along the axes, m/s²", fontsize=9)
    grid[-1, 0].set_xlabel("seconds")
    grid[-1, 1].set_xlabel("hertz: spectrum of its size")
    return Drawing(figure, numbers)


# The table of the slide.
_COUNTS = {
    "down": 1842,
    "go": 1861,
    "left": 1839,
    "no": 1853,
    "off": 1839,
    "on": 1864,
    "right": 1852,
    "stop": 1885,
    "unknown": 6483,
    "up": 1843,
    "yes": 1860,
}


@checked
def class_counts(*, data: str | Path | None = None) -> Drawing:
    """How many recordings each command has, and the weights under which all count the same in the loss.

    Reference: Pilanci, EE269 lecture 16 (2020), "Speech Commands Dataset" (table of labels) and "Training and
    Validation" (weighted classification).

    Args:
        data: A folder with a folder of recordings for each class; by default the counts of the slide.

    Returns:
        The figure; the `counts`, the `weights` and the `shares` of the loss by them, by class; and the accuracy of
        always answering the most `frequent` class.

    Example:
        >>> figure, numbers = class_counts()
        >>> numbers["counts"]["unknown"], round(numbers["weights"]["unknown"], 2), round(numbers["frequent"], 2)
        (6483, 0.35, 0.26)
    """
    counts = _COUNTS
    if data is not None:
        counts = {name: len(audio.list_audio(folder)) for name, folder in clips.class_folders(data).items()}
    numbers = np.array(list(counts.values()))
    weights = classification.class_weights(np.repeat(np.arange(len(numbers)), numbers), len(numbers))
    shares = weights * numbers / (weights * numbers).sum()
    figure, (axes,) = panels(1, 2, width=3.8, height=1 + 0.25 * len(counts))
    shown = (("recordings", numbers, "{:,.0f}"), ("weight of each in the loss", weights, "{:.2f}"))
    for panel, (label, values, form), colour in zip(axes, shown, COLOURS, strict=False):
        bars = panel.barh(list(counts), values, color=colour)
        panel.bar_label(bars, fmt=form.format, fontsize=7, padding=2)
        panel.set(xlabel=label, xlim=(0, 1.2 * values.max()))
        panel.invert_yaxis()
    found = {"counts": counts}
    for name, values in (("weights", weights), ("shares", shares)):
        found[name] = dict(zip(counts, values.tolist(), strict=True))
    return Drawing(figure, {**found, "frequent": float(numbers.max() / numbers.sum())})


@checked
def confusion(
    *,
    data: str | Path | None = None,
    count: int = 1200,
    filters: tuple[int, int] = (12, 24),
    steps: int = 400,
    seed: int = 0,
) -> Drawing:
    """Which activities a convolutional net over time takes for which, with the right shares of each row and column.

    Reference: Pilanci, EE269 lecture 16 (2020), "Confusion Matrix" and "1D Convolutional Nets".

    Args:
        data: Recordings of one's own, as of `har_signals`; by default synthetic ones.
        count: Windows, of which a half is learnt from and a half told.
        filters: Filters of the net before and after its pooling; the lecture has 100 and 160.
        steps: Steps of Adam, each on 64 windows.
        seed: Seed of windows and weights.

    Returns:
        The figure; the `matrix` of true (rows) against predicted classes, `recall` and `precision` by class, and the
        `accuracy`.

    Example:
        >>> figure, numbers = confusion(count=24, filters=(1, 1), steps=1)
        >>> numbers["matrix"].shape, int(numbers["matrix"].sum())
        ((6, 6), 12)
    """
    keras.utils.set_random_seed(seed)
    windows, labels, names = _motion(data, count, seed)
    net = models.motion_cnn(windows.shape[1], windows.shape[2], len(names), filters=filters)
    half = len(windows) // 2
    centre, scale = windows[:half].mean((0, 1)), windows[:half].std((0, 1))
    windows = (windows - centre) / scale
    learn(net, windows[:half], labels[:half], steps=steps, rate=3e-3, seed=seed)
    matrix = metrics.confusion(labels[half:], numpy(net(windows[half:])))
    right = np.diag(matrix)
    recall, precision = _shares(names, right, matrix.sum(1)), _shares(names, right, matrix.sum(0))
    figure = sheet(6.6, 6)
    _confusion(figure, matrix, names, True)
    return Drawing(
        figure,
        {"matrix": matrix, "recall": recall, "precision": precision, "accuracy": float(right.sum() / matrix.sum())},
    )


def _shares(names: Sequence[str], right: np.ndarray, total: np.ndarray) -> dict[str, float]:
    """0 where there is none."""
    return dict(zip(names, (right / np.maximum(total, 1)).tolist(), strict=True))
