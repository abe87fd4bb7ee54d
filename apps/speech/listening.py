"""Commands in a recording of any length, heard window by window in constant memory."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import metrics
from kerasmlsp.data import audio

# Windows answered in one call, and windows of one length: a word is in several of them.
BATCH, HOPS = 32, 10


@dataclasses.dataclass
class Detection:
    """A command that was heard.

    Args:
        label: Its class.
        begin: Seconds to the beginning of the first window in which it was heard.
        end: Seconds to the end of the last.
        peak: Seconds to the middle of the window in which it was surest.
        confidence: The largest probability.
    """

    label: str
    begin: float
    end: float
    peak: float
    confidence: float


def commands(classes: Sequence[str]) -> list[str]:
    """Returns the classes that are commands: their names do not begin with `_`."""
    return [name for name in classes if not name.startswith("_")]


def detections(
    windows: Iterable[tuple[int, np.ndarray]],
    answer: Callable[[np.ndarray], np.ndarray],
    classes: Sequence[str],
    threshold: float,
    rate: int,
) -> Iterator[Detection]:
    """Hears windows one after the other.

    Probabilities are averaged over three windows that follow each other. Windows of one command that are less than a
    window apart are one detection.

    Args:
        windows: Number of the first sample, and the samples, as of `kerasmlsp.data.audio.pieces`.
        answer: From waveforms `(batch, length)` to class probabilities.
        classes: Names of the classes.
        threshold: Least probability of a command that is reported.
        rate: Samples per second.

    Yields:
        The detections in the order in which they end.
    """
    spoken, open_, kept = commands(classes), {}, []
    for window in _answered(windows, answer):
        kept = [*kept[-2:], window]
        mean = np.mean([probabilities for _, _, probabilities in kept], axis=0)
        # The mean is about the one in the middle.
        begin, length, _ = kept[len(kept) // 2]
        start, stop = begin / rate, (begin + length) / rate
        for label in [name for name, found in open_.items() if found.end < start]:
            yield open_.pop(label)
        best = int(np.argmax(mean))
        if classes[best] in spoken and mean[best] >= threshold:
            _extend(open_, classes[best], start, stop, float(mean[best]))
    yield from sorted(open_.values(), key=lambda each: each.end)


def _extend(found, label, start, stop, confidence):
    """Adds a window to the detection that is open, or opens one."""
    known = found.setdefault(label, Detection(label, start, stop, (start + stop) / 2, confidence))
    known.end = stop
    if confidence > known.confidence:
        known.peak, known.confidence = (start + stop) / 2, confidence


def _answered(windows, answer):
    windows = iter(windows)
    while batch := list(itertools.islice(windows, BATCH)):
        probabilities = answer(np.stack([window for _, window in batch]))
        for (begin, window), row in zip(batch, probabilities, strict=True):
            yield begin, len(window), row


def false_alarms(
    recordings: Iterable[np.ndarray | Path],
    answer: Callable[[np.ndarray], np.ndarray],
    classes: Sequence[str],
    threshold: float,
    *,
    rate: int,
    length: int,
) -> dict[str, Any]:
    """Counts the commands that are heard where there are none.

    Args:
        recordings: Waveforms at the rate, or files.
        answer, classes, threshold, rate: As of `detections`.
        length: Samples of a window.

    Returns:
        Dict of `threshold`, `hours`, `alarms`, and `per hour` with its 95 % interval; None where there is nothing to
        hear.
    """
    count, samples = 0, 0
    for each in recordings:
        last = [-length]
        windows = _told(_windows(each, rate, length), last)
        count += sum(1 for _ in detections(windows, answer, classes, threshold, rate))
        samples += last[0] + length
    hours, per_hour = samples / rate / 3600, None
    if hours:
        low, high = metrics.count_interval(count)
        per_hour = {"value": count / hours, "low": low / hours, "high": high / hours}
    return {"threshold": threshold, "hours": hours, "alarms": count, "per hour": per_hour}


def _told(windows, last):
    """The windows, where each leaves its beginning in `last`."""
    for begin, window in windows:
        last[0] = begin
        yield begin, window


def _windows(recording, rate, length):
    hop = length // HOPS
    if isinstance(recording, Path):
        return audio.pieces(recording, rate, length=length, hop=hop)
    begins = range(0, len(recording) - length + 1, hop)
    return ((begin, recording[begin : begin + length]) for begin in begins)


class Spectrogram:
    """The logarithmic power of a recording in bands of the mel scale, over columns that grow so that they stay few.

    Args:
        rate: Samples per second.
        bands: Number of bands.
        most: Columns at which of each two the louder one stays, an even number.
    """

    def __init__(self, rate: int, bands: int = 40, most: int = 2048):
        self.size, self.most, self.width = max(2 * bands, rate // 50), most, 1
        mel = np.log1p(np.fft.rfftfreq(self.size, 1 / rate) / 700)
        shape = np.maximum(0, 1 - np.abs(mel[:, None] / mel[-1] * (bands + 1) - np.arange(1, bands + 1)))
        self.filters = shape / np.maximum(shape.sum(0), 1e-9)
        self.rest, self.frames = np.zeros(0, "float32"), np.zeros((0, bands))
        self.columns: list[np.ndarray] = []

    def add(self, samples: np.ndarray) -> None:
        """Takes the samples that follow."""
        self.rest = np.concatenate([self.rest, samples])
        whole = len(self.rest) // self.size * self.size
        parts, self.rest = self.rest[:whole].reshape(-1, self.size), self.rest[whole:]
        power = np.abs(np.fft.rfft(parts * np.hanning(self.size))) ** 2 @ self.filters
        self.frames = np.concatenate([self.frames, power])
        while len(self.frames) >= self.width:
            self.columns.append(self.frames[: self.width].max(axis=0))
            self.frames = self.frames[self.width :]
            if len(self.columns) == self.most:
                self.columns = list(np.array(self.columns).reshape(-1, 2, power.shape[1]).max(axis=1))
                self.width *= 2

    def values(self) -> np.ndarray:
        """Returns `(columns, bands)`."""
        return np.log10(np.array(self.columns or [np.zeros(self.filters.shape[1])]) + 1e-6)
