"""Windows of recordings."""

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np

from kerasmlsp.data.motion.recordings import Recording


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of recordings.

    Args:
        values: float32 `(windows, context + length + context, channels)`.
        labels: Class of each sample, text `(windows, context + length + context)`.
        sources: Number of the recording of each window, `(windows,)`.
        starts: Number of the first sample of each within its recording, after its context, `(windows,)`.
        context: Samples before and after a window that belong to its neighbours.

    Example:
        >>> found = windows([Recording("1.csv", "s01", np.zeros((5, 3)), np.array(list("aabbb")))], length=4, hop=1)
        >>> found.labels.tolist(), found.main_labels().tolist()
        ([['a', 'a', 'b', 'b'], ['a', 'b', 'b', 'b']], ['a', 'b'])
    """

    values: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    starts: np.ndarray
    context: int = 0

    def main_labels(self) -> np.ndarray:
        """Returns the class that most samples of each window have, of several the one that comes first."""
        inside = self.labels[:, self.context : self.labels.shape[1] - self.context]
        return np.array([collections.Counter(row.tolist()).most_common(1)[0][0] for row in inside])


def windows(recordings: Sequence[Recording], length: int, hop: int, context: int = 0) -> Windows:
    """Cuts recordings into windows that may overlap; what is left at the end of one is left out.

    Args:
        recordings: Recordings of the same channels.
        length: Samples of a window, at least 1.
        hop: Samples from the beginning of one to the next, at least 1.
        context: Samples before and after each that are cut out with it, at least 0; beyond the ends of a recording,
            its first and last sample are repeated.

    Raises:
        ValueError: A size is too small, or no recording is as long as a window.

    Example:
        >>> recordings = [Recording(name, "", np.zeros((7, 1)), np.full(7, "a")) for name in ("1.csv", "2.csv")]
        >>> found = windows(recordings, length=4, hop=2)
        >>> found.sources.tolist(), found.starts.tolist()
        ([0, 0, 1, 1], [0, 2, 0, 2])
    """
    for name, size, least in (("length", length, 1), ("hop", hop, 1), ("context", context, 0)):
        if size < least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {name}={size}")
    places = [
        (number, start)
        for number, recording in enumerate(recordings)
        for start in range(0, len(recording.values) - length + 1, hop)
    ]
    if not places:
        longest = max((len(each.values) for each in recordings), default=0)
        raise ValueError(
            f"`length` must be at most the samples of the longest recording, {longest}. Received: length={length}"
        )
    around = np.arange(-context, length + context)
    parts = [
        (recordings[number], np.clip(start + around, 0, len(recordings[number].values) - 1)) for number, start in places
    ]
    sources, starts = np.array(places).T
    return Windows(
        np.stack([recording.values[part] for recording, part in parts]).astype("float32"),
        np.stack([recording.labels[part] for recording, part in parts]),
        sources,
        starts,
        context,
    )


def shuffled_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """Returns the indices of samples under which the activities of a recording come in another order.

    Each run of one label stays as it is. Where activities always follow each other in one order, a net that sees more
    than one of them learns the order, which this takes away.

    Args:
        labels: Class of each sample, `(samples,)`.
        seed: Decides the order.

    Example:
        >>> labels = np.array(list("aabc"))
        >>> "".join(labels[shuffled_order(labels, seed=0)])
        'caab'
    """
    runs = np.split(np.arange(len(labels)), np.flatnonzero(labels[1:] != labels[:-1]) + 1)
    return np.concatenate([runs[i] for i in np.random.default_rng(seed).permutation(len(runs))])
