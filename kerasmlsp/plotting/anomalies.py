"""Figures of signals and of where they are abnormal."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.plotting._canvas import _figure, _save


def signal_errors(
    signals: np.ndarray,
    reconstructions: np.ndarray,
    errors: ArrayLike,
    path: str | Path,
    *,
    threshold: float | None = None,
    marks: Sequence[int] = (),
    spans: Sequence[tuple[int, int]] = (),
    channels: Sequence[str] = (),
    title: str | None = None,
    measure: str = "error",
) -> None:
    """Draws a signal with what a net makes of it, and below by step how far they are apart.

    Args:
        signals: `(steps, channels)`.
        reconstructions: `(steps, channels)`.
        errors: What is drawn below, `(steps,)`.
        path: File to write, PNG, 1,200 pixels wide.
        threshold: Level that is drawn below; None for none.
        marks: Steps that are marked, such as alarms.
        spans: First and last steps that are shaded, such as those known to be abnormal.
        channels: Names of the channels.
        title: Text above the figure.
        measure: What `errors` are.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path, beat = f"{tempfile.mkdtemp()}/beat.png", np.sin(np.arange(50.0))[:, None]
        >>> signal_errors(beat, 0.9 * beat, np.abs(0.1 * beat[:, 0]), path, threshold=0.05)
        >>> imread(path).shape
        (504, 1200, 4)
    """
    count = signals.shape[1]
    figure = _figure(10, 2.6 + 1.6 * count)
    axes = figure.subplots(count + 1, 1, sharex=True)
    steps = np.arange(len(signals))
    for place, axis in enumerate(axes[:-1]):
        name = channels[place] if len(channels) > place else "signal"
        axis.plot(steps, signals[:, place], color="0.2", linewidth=1, label=name)
        axis.plot(steps, reconstructions[:, place], color="tab:blue", linewidth=1, label="as the net has it")
        axis.legend(loc="upper right", fontsize=8)
    axes[-1].fill_between(steps, np.asarray(errors), color="tab:orange", step="mid")
    axes[-1].set(xlabel="step", ylabel=measure, xlim=(0, max(len(signals) - 1, 1)))
    if threshold is not None:
        axes[-1].axhline(threshold, color="tab:red", linestyle=":", label="threshold")
        axes[-1].legend(loc="upper right", fontsize=8)
    for axis in axes:
        for first, last in spans:
            axis.axvspan(first, last, color="tab:red", alpha=0.12)
    for mark in marks:
        axes[0].axvline(mark, color="tab:red", linewidth=1)
    if title:
        axes[0].set_title(title)
    _save(figure, path)


def stream_scores(
    signals: np.ndarray,
    expected: np.ndarray,
    scores: np.ndarray,
    path: str | Path,
    *,
    threshold: float,
    alarms: Sequence[int] = (),
    spans: Sequence[tuple[int, int]] = (),
    times: Sequence[str] = (),
    channels: Sequence[str] = (),
    most: int = 2000,
) -> None:
    """Draws the part of a stream around its highest score: the signal, what was expected, and the score by row.

    Args:
        signals: `(rows, channels)`.
        expected: What the net makes of each row, `(rows, channels)`; NaN where it says nothing.
        scores: `(rows,)`.
        path: File to write, PNG.
        threshold: Score from which on a row is abnormal.
        alarms: Rows that are marked.
        spans: First and last rows that are shaded.
        times: Time of each row, as text.
        channels: Names of the channels.
        most: Rows that are drawn at most.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path, wave = f"{tempfile.mkdtemp()}/stream.png", np.sin(np.arange(90.0))[:, None]
        >>> stream_scores(wave, wave, np.abs(wave[:, 0]), path, threshold=2.0, most=50)
        >>> imread(path).shape
        (504, 1200, 4)
    """
    begin = max(0, min(int(np.argmax(scores)) - most // 2, len(scores) - most))
    part = slice(begin, begin + most)
    where = f"from row {begin:,}" + (f", {times[begin]}" if len(times) > begin else "")
    signal_errors(
        signals[part],
        expected[part],
        np.maximum(scores[part], 0),
        path,
        threshold=threshold,
        marks=[row - begin for row in alarms if begin <= row < begin + most],
        spans=[(first - begin, last - begin) for first, last in spans if last >= begin and first < begin + most],
        channels=channels,
        title=where,
        measure="score",
    )
