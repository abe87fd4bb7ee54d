"""Rules of harmony as numbers, to compare generated chorales with Bach's.

Notation: `p[t, v]` is the MIDI pitch of voice `v` (0 soprano, 1 alto, 2 tenor, 3 bass) at step `t`, 0 for a rest.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.music.pieces import REST, Chorale, begins

RANGES = ((60, 79), (55, 74), (48, 67), (40, 60))
"""Lowest and highest pitch of each voice by the textbook: soprano C4 to G5, alto G3 to D5, tenor C3 to G4 (Open Music
Theory, "Chords in SATB style"), bass E2 to C4 (as textbooks on part writing have it; Bach goes beyond)."""

_BAR = 16  # steps, of 4/4, where a piece tells none
_PAIRS = list(itertools.combinations(range(4), 2))


def parallels(pitches: ArrayLike, interval: int) -> int:
    """Counts parallel fifths (`interval` 7) or parallel octaves and unisons (0) of all six pairs of voices.

    A pair (v, w) has one at step t where both voices sing at t - 1 and t, both move in the same direction, and
    `|p[t-1, v] - p[t-1, w]| mod 12 = |p[t, v] - p[t, w]| mod 12 = interval`.

    Args:
        pitches: `(steps, 4)`.
        interval: Semitones, 0 to 11.

    Example:
        >>> parallels([[67, 0, 0, 48], [69, 0, 0, 50]], 7)  # G over C, then A over D
        1
    """
    pitches = np.asarray(pitches, int)
    upper, lower = (pitches[:, side] for side in np.transpose(_PAIRS))
    moved = np.sign(np.diff(upper, axis=0)) * np.sign(np.diff(lower, axis=0)) > 0
    apart = (np.abs(upper - lower) % 12 == interval) & (upper != REST) & (lower != REST)
    return int((moved & apart[:-1] & apart[1:]).sum())


def crossings(pitches: ArrayLike) -> int:
    """Counts voice crossings of neighbours, once each however long.

    Step t starts one where `p[t, v] < p[t, v+1]`, both singing, and this was not so at t - 1.

    Args:
        pitches: `(steps, 4)`.

    Example:
        >>> crossings([[72, 67, 64, 48], [65, 67, 64, 48], [65, 67, 64, 48]])  # the soprano stays below
        1
    """
    pitches = np.asarray(pitches, int)
    sung = pitches != REST
    crossed = (pitches[:, :-1] < pitches[:, 1:]) & sung[:, :-1] & sung[:, 1:]
    return int((crossed & ~np.vstack([np.zeros((1, 3), bool), crossed[:-1]])).sum())


def out_of_range(pitches: ArrayLike, onsets: ArrayLike | None = None, ranges: ArrayLike = RANGES) -> int:
    """Counts notes below the lowest or above the highest pitch of their voice, once each however long.

    Args:
        pitches: `(steps, 4)`.
        onsets: Where notes begin, bool `(steps, 4)`; None to take every change of pitch for one.
        ranges: Lowest and highest pitch of each voice, `(4, 2)`.

    Example:
        >>> out_of_range([[84, 67, 64, 48], [84, 67, 64, 48]])  # one long C6
        1
    """
    pitches = np.asarray(pitches, int)
    low, high = np.transpose(ranges)
    return int((begins(pitches, onsets) & ((pitches < low) | (pitches > high))).sum())


def rules(chorales: Sequence[Chorale], *, ranges: ArrayLike = RANGES) -> dict[str, float]:
    """Counts breaches of the rules of part writing, per bar: all breaches in all pieces over all their bars.

    A piece has `steps / bar` bars, with 16 steps a bar where it does not tell.

    Args:
        chorales: `Chorale`s, at least one step in all.
        ranges: Lowest and highest pitch of each voice, `(4, 2)`.

    Returns:
        Numbers of at least 0: `parallel_fifths`, `parallel_octaves`, `voice_crossings`, `range_violations`.

    Raises:
        ValueError: There is nothing to count in.

    Example:
        >>> pitches = np.array([[67, 0, 0, 48], [69, 0, 0, 50]])
        >>> rules([Chorale("parallel fifths", pitches, begins(pitches), bar=2)])["parallel_fifths"]
        1.0
    """
    bars = sum(len(chorale.pitches) / (chorale.bar or _BAR) for chorale in chorales)
    if not bars:
        raise ValueError(f"`chorales` must hold at least one step of music. Received: {chorales!r}")
    return {
        "parallel_fifths": sum(parallels(chorale.pitches, 7) for chorale in chorales) / bars,
        "parallel_octaves": sum(parallels(chorale.pitches, 0) for chorale in chorales) / bars,
        "voice_crossings": sum(crossings(chorale.pitches) for chorale in chorales) / bars,
        "range_violations": sum(out_of_range(chorale.pitches, chorale.onsets, ranges) for chorale in chorales) / bars,
    }


def pitch_classes(chorales: Sequence[Chorale]) -> np.ndarray:
    """Returns how many steps of all voices sing each pitch class, C first: int `(12,)`.

    Example:
        >>> pitches = np.array([[72, 67, 64, 48]] * 2)
        >>> pitch_classes([Chorale("C major", pitches, begins(pitches))]).tolist()  # C twice as often as E and G
        [4, 0, 0, 0, 2, 0, 0, 2, 0, 0, 0, 0]
    """
    pitches = np.concatenate([np.ravel(chorale.pitches) for chorale in chorales])
    return np.bincount(pitches[pitches != REST] % 12, minlength=12)


def melodic_intervals(chorales: Sequence[Chorale]) -> np.ndarray:
    """Returns how often a voice goes from a note to its next one by each interval, also across a rest.

    Returns:
        int `(25,)`: from -12 to 12 semitones, 0 in the middle for repeated notes; wider leaps count at the ends.

    Example:
        >>> pitches = np.array([[72, 67, 64, 48], [71, 67, 62, 55]])
        >>> (np.flatnonzero(melodic_intervals([Chorale("C, G", pitches, begins(pitches))])) - 12).tolist()
        [-2, -1, 7]
    """
    counts = np.zeros(25, int)
    for chorale in chorales:
        starts = begins(chorale.pitches, chorale.onsets)
        for voice in range(4):
            leaps = np.diff(chorale.pitches[starts[:, voice], voice].astype(int))
            counts += np.bincount(np.clip(leaps, -12, 12) + 12, minlength=25)
    return counts


def jensen_shannon(first: ArrayLike, second: ArrayLike) -> float:
    """Returns the Jensen-Shannon divergence of two histograms in bits, 0 (the same shape) to 1 (nothing in common).

    With `p` and `q` the histograms divided by their sums, `m = (p + q) / 2` and `KL(a, b) = sum(a * log2(a / b))`, it
    is `(KL(p, m) + KL(q, m)) / 2`.

    Reference: Lin, IEEE Transactions on Information Theory 1991, "Divergence measures based on the Shannon entropy".

    Args:
        first: Counts of at least 0, not all 0.
        second: Counts, of the same shape.

    Raises:
        ValueError: The shapes differ, or a histogram is empty.

    Example:
        >>> jensen_shannon([3, 1], [6, 2]), jensen_shannon([1, 0], [0, 1])
        (0.0, 1.0)
        >>> round(jensen_shannon([1, 0], [1, 1]), 3)
        0.311
    """
    p, q = np.asarray(first, float), np.asarray(second, float)
    if p.shape != q.shape or not p.sum() > 0 or not q.sum() > 0:
        received = f"shapes {p.shape} and {q.shape}, sums {p.sum():g} and {q.sum():g}"
        raise ValueError(f"`first` and `second` must be histograms of one shape, not all 0. Received: {received}")
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float(np.clip((_relative(p, middle) + _relative(q, middle)) / 2, 0, 1))


def divergences(chorales: Sequence[Chorale], reference: Sequence[Chorale]) -> dict[str, float]:
    """Compares histograms of two sets of chorales by their Jensen-Shannon divergences in bits, 0 to 1.

    Pitch classes are absolute: bring both sets into the same keys before, or let both hold all of them.

    Args:
        chorales: `Chorale`s, with at least one voice of two notes.
        reference: `Chorale`s to compare with, likewise.

    Returns:
        `pitch_class_divergence` and `melodic_interval_divergence`.

    Raises:
        ValueError: A set has too few notes.

    Example:
        >>> from kerasmlsp.music import transpose
        >>> pitches = np.array([[72, 67, 64, 48], [74, 67, 64, 48]])
        >>> piece = Chorale("C major", pitches, begins(pitches))
        >>> divergences([piece], [transpose(piece, 1)])  # no pitch class in common, and the same melody
        {'pitch_class_divergence': 1.0, 'melodic_interval_divergence': 0.0}
    """
    return {
        "pitch_class_divergence": jensen_shannon(pitch_classes(chorales), pitch_classes(reference)),
        "melodic_interval_divergence": jensen_shannon(melodic_intervals(chorales), melodic_intervals(reference)),
    }


def _relative(first: np.ndarray, second: np.ndarray) -> float:
    """The Kullback-Leibler divergence in bits; `second` is above 0 where `first` is."""
    filled = first > 0
    return float((first[filled] * np.log2(first[filled] / second[filled])).sum())
