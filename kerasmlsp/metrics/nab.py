"""The score of the Numenta anomaly benchmark, for detectors that read a series point by point.

Reference: Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly Benchmark".
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

HIT, FALSE_ALARM, MISS = 1.0, 0.11, 1.0
"""Weights of the standard profile: A_TP, -A_FP and -A_FN."""
PROBATION, LONGEST = 0.15, 5000
"""Share of a series that is not scored, and how many rows at most it is a share of."""


@dataclasses.dataclass(frozen=True)
class Scored:
    """What each point of a series is worth where it is above the threshold.

    Args:
        scores: Anomaly scores of the points after the probationary part, `(points,)`.
        worth: What an alarm there adds, `(points,)`: up to 1 within a window, below 0 outside.
        windows: Number of the window of each point, -1 outside, `(points,)`.

    Example:
        >>> made = scored(np.zeros(100), [(60, 69)])
        >>> len(made.scores), round(float(made.worth[45]), 3), round(float(made.worth[54]), 3), float(made.worth[0])
        (85, 1.0, 0.248, -0.11)
    """

    scores: np.ndarray
    worth: np.ndarray
    windows: np.ndarray


def scored(scores: ArrayLike, windows: Iterable[tuple[int, int]]) -> Scored:
    """Weighs the points of a series by the scaled sigmoid: early in a window much, after it less and less.

    Args:
        scores: Anomaly score of each point, the higher the more abnormal.
        windows: Indices of the first and the last point of each window in which something is abnormal, in order.

    Raises:
        ValueError: A window is not within the series, or they are not in order.

    Example:
        >>> scored([0.1, 0.2], [(1, 2)])
        Traceback (most recent call last):
        ValueError: `windows` must be pairs of indices below 2, in order. Received: [(1, 2)]
    """
    scores, windows = np.asarray(scores, float), [(int(first), int(last)) for first, last in windows]
    ends = [-1, *(end for pair in windows for end in pair), len(scores)]
    if any(b < a for a, b in itertools.pairwise(ends)) or (windows and windows[-1][1] >= len(scores)):
        raise ValueError(f"`windows` must be pairs of indices below {len(scores)}, in order. Received: {windows}")
    places, number = np.full(len(scores), 3.0), np.full(len(scores), -1)
    for index, (first, last) in enumerate(windows):
        width, points = last - first + 1, np.arange(first, len(scores))
        # The distance to the end of the window that came last; its own points are before it.
        places[first:] = np.where(points <= last, (points - last - 1) / width, (points - last) / max(width - 1, 1))
        number[first : last + 1] = index
    worth = np.where(places >= 3, -1.0, _sigmoid(places))
    worth *= np.where(number >= 0, HIT / _sigmoid(np.array(-1.0)), FALSE_ALARM)
    begin = probation(len(scores))
    return Scored(scores[begin:], worth[begin:], number[begin:])


def probation(rows: int) -> int:
    """Returns how many of the first rows of a series are not scored, since a detector may learn on them.

    Example:
        >>> probation(1000), probation(22695)
        (150, 750)
    """
    return int(min(np.floor(PROBATION * rows), PROBATION * LONGEST))


def at_threshold(corpus: Sequence[Scored], threshold: float) -> float:
    """Returns the score of the standard profile, 0 for a detector that says nothing and 100 for a perfect one.

    Every point whose score is at least the threshold is an alarm. Within a window only the one that is worth most
    counts; a window without any is a miss.

    Args:
        corpus: The series, as of `scored`.
        threshold: The threshold.

    Raises:
        ValueError: No series has a window, so that there is nothing to find.

    Example:
        >>> made = scored(np.where(np.arange(100) == 60, 0.9, 0.1), [(60, 69)])
        >>> at_threshold([made], 0.5), at_threshold([made], 1.0)
        (100.0, 0.0)
    """
    return _normalised(corpus, sum(_raw(each, each.scores >= threshold) for each in corpus))


def best_threshold(corpus: Sequence[Scored]) -> tuple[float, float]:
    """Returns the threshold for all series at which the score is highest, and that score.

    This is the benchmark's own rule. The threshold is thus chosen on what is measured: such a score compares detectors
    and says nothing of how one does on series whose anomalies are not known.

    Args:
        corpus: The series, as of `scored`, with comparable scores.

    Raises:
        ValueError: As of `at_threshold`.

    Example:
        >>> best_threshold([scored(np.where(np.arange(100) == 60, 0.9, 0.1), [(60, 69)])])
        (0.9, 100.0)
    """
    values = np.concatenate([each.scores for each in corpus])
    gains = np.concatenate([_gains(each) for each in corpus])
    order = np.argsort(-values, kind="stable")
    values, totals = values[order], np.cumsum(gains[order])
    last = np.append(values[1:] != values[:-1], True)  # all points of one score are alarms together
    values, totals = np.append(np.inf, values[last]), np.append(0.0, totals[last])
    misses = -MISS * sum(len(np.unique(each.windows[each.windows >= 0])) for each in corpus)
    best = int(np.argmax(totals))
    return float(values[best]), _normalised(corpus, misses + float(totals[best]))


def _gains(one):
    """What each point adds to the score when the threshold falls to its own."""
    gains = np.where(one.windows < 0, one.worth, 0.0)
    for index in np.unique(one.windows[one.windows >= 0]):
        inside = np.flatnonzero(one.windows == index)
        inside = inside[np.argsort(-one.scores[inside], kind="stable")]
        reached = np.maximum.accumulate(one.worth[inside])
        gains[inside] = np.diff(reached, prepend=-MISS)
    return gains


def _raw(one, alarms):
    total = float(one.worth[alarms & (one.windows < 0)].sum())
    for index in np.unique(one.windows[one.windows >= 0]):
        found = one.worth[alarms & (one.windows == index)]
        total += float(found.max()) if len(found) else -MISS
    return total


def _normalised(corpus, raw):
    count = sum(len(np.unique(each.windows[each.windows >= 0])) for each in corpus)
    if not count:
        raise ValueError("`corpus` must have a window in which something is abnormal. Received: none")
    return float(100 * (raw + MISS * count) / ((HIT + MISS) * count))


def _sigmoid(places):
    return 2 / (1 + np.exp(np.minimum(5 * places, 50))) - 1
