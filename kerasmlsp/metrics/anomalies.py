"""Measures of scores that are high for what is abnormal, and thresholds from normal ones alone.

F1 is that of single rows or points. It is never adjusted so that one hit in a stretch counts for the whole stretch:
random scores look good then (Kim et al. 2022, "Towards a Rigorous Evaluation of Time-Series Anomaly Detection").
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.metrics.classification import auc, bootstrap, share_interval

METHODS = ("quantile", "extreme")
_TAIL, _FEWEST = 0.1, 10


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the receiver operating characteristic: how often something abnormal has a higher score than something
    normal. NaN where either is missing.

    Args:
        labels: Whether each is abnormal, `(examples,)`.
        scores: Its score, `(examples,)`.

    Example:
        >>> roc_auc([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.8])  # three of four pairs are in order
        0.75
    """
    scores = np.asarray(scores, float)
    return auc(np.asarray(labels, bool).astype(int), np.stack([-scores, scores], axis=1))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean of the precision at each abnormal example, of all that score at least as high. NaN where there is none.

    Args:
        labels: Whether each is abnormal, `(examples,)`.
        scores: Its score, `(examples,)`.

    Example:
        >>> average_precision([0, 1, 0, 1], [0.1, 0.6, 0.7, 0.8])  # 1 at the first, 2/3 at the second
        0.8333333333333333
    """
    labels, scores = np.asarray(labels, bool), np.asarray(scores, float)
    if not labels.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found, values = np.cumsum(labels[order]), scores[order]
    last = np.append(values[1:] != values[:-1], True)  # equal scores are found together
    precision, recall = found[last] / (np.flatnonzero(last) + 1), found[last] / labels.sum()
    return float(np.sum(np.diff(recall, prepend=0) * precision))


def f1(labels: ArrayLike, alarms: ArrayLike) -> float:
    """Harmonic mean of precision and recall of alarms; 0 where nothing abnormal is found.

    Args:
        labels: Whether each is abnormal, `(examples,)`.
        alarms: Whether it is said to be, `(examples,)`.

    Example:
        >>> f1([0, 0, 1, 1], [0, 1, 1, 0])
        0.5
    """
    labels, alarms = np.asarray(labels, bool), np.asarray(alarms, bool)
    return float(2 * (labels & alarms).sum() / max(labels.sum() + alarms.sum(), 1))


def threshold(scores: ArrayLike, false_alarms: float, method: str = "quantile") -> float:
    """Returns the score that so many of the normal are expected to reach.

    "quantile" is that of the scores, and of few scores the largest. "extreme" fits a generalised Pareto distribution to
    the tenth of the scores that are highest, by probability-weighted moments, which also tells of rarer ones: where
    none of the scores would be expected above the threshold, the tail is taken to fall no faster than exponentially.

    Reference: Hosking and Wallis 1987, "Parameter and Quantile Estimation for the Generalized Pareto Distribution";
    Siffer et al. 2017, "Anomaly Detection in Streams with Extreme Value Theory".

    Args:
        scores: Scores of what is normal and was not trained on, `(examples,)`.
        false_alarms: Share of the normal that may reach the threshold, between 0 and 1.
        method: "quantile" or "extreme".

    Raises:
        ValueError: There is no score, or an argument is not allowed.

    Example:
        >>> scores = np.random.default_rng(0).exponential(size=1000)
        >>> round(threshold(scores, 0.01), 1), round(threshold(scores, 0.01, "extreme"), 1)  # about -log(0.01) = 4.6
        (4.7, 4.6)
    """
    scores = np.sort(np.asarray(scores, float))
    if not len(scores) or not 0 < false_alarms < 1 or method not in METHODS:
        raise ValueError(
            f"`scores` must not be empty, `false_alarms` between 0 and 1, and `method` one of {', '.join(METHODS)}. "
            f"Received: {len(scores)} scores, {false_alarms}, {method!r}"
        )
    tail = max(_TAIL, 2 * false_alarms)
    count = int(len(scores) * tail)
    if method == "quantile" or count < _FEWEST:
        # One more than there are, as the next score may be the largest.
        place = int(np.ceil((len(scores) + 1) * (1 - false_alarms))) - 1
        return float(scores[min(place, len(scores) - 1)])
    base = scores[-count - 1]
    above = scores[-count:] - base
    mean, moment = above.mean(), float(np.mean(above * np.arange(count - 1, -1, -1) / (count - 1)))
    shape = 2 - mean / max(mean - 2 * moment, 1e-12)
    scale = 2 * mean * moment / max(mean - 2 * moment, 1e-12)
    if false_alarms * len(scores) < 1 and shape < 0:
        shape, scale = 0.0, mean  # a bound that few scores seem to have is none to rely on
    rare = false_alarms * len(scores) / count
    reach = -np.log(rare) if abs(shape) < 1e-6 else (rare**-shape - 1) / shape
    return float(base + scale * reach)


def measure(
    labels: ArrayLike, scores: ArrayLike, alarms: ArrayLike, *, block: int = 1, samples: int = 500
) -> tuple[dict[str, Any], dict[str, str]]:
    """Measures scores and alarms, each with its 95 % interval of a bootstrap over blocks of neighbours.

    Args:
        labels: Whether each is abnormal, `(examples,)`.
        scores: Its score, `(examples,)`.
        alarms: Whether its score reached the threshold, `(examples,)`.
        block: Neighbours that are drawn together: 1 for rows that have nothing to do with each other.
        samples: Number of resamples.

    Returns:
        By name `value`, `low` and `high` of `auc`, `average precision`, `f1`, `precision`, `recall` and
        `false alarms`, the share of the normal that gave an alarm; and by name why others are not defined.

    Example:
        >>> found, lacking = measure([0, 0, 1], [0.1, 0.2, 0.9], [0, 0, 1])
        >>> found["auc"], lacking
        ({'value': 1.0, 'low': None, 'high': None}, {})
    """
    labels, scores, alarms = np.asarray(labels, bool), np.asarray(scores, float), np.asarray(alarms, bool)
    measures: dict[str, Callable] = {
        "auc": lambda rows: roc_auc(labels[rows], scores[rows]),
        "average precision": lambda rows: average_precision(labels[rows], scores[rows]),
        "f1": lambda rows: f1(labels[rows], alarms[rows]) if labels.any() else float("nan"),
        "precision": lambda rows: _share(labels[rows][alarms[rows]]),
        "recall": lambda rows: _share(alarms[rows][labels[rows]]),
        "false alarms": lambda rows: _share(alarms[rows][~labels[rows]]),
    }
    everything, blocks = np.arange(len(labels)), -(-len(labels) // block)
    found, lacking = {}, {}
    for name, each in measures.items():
        value = each(everything)
        if not np.isfinite(value):
            lacking[name] = _reason(name, labels, alarms)
            continue
        low, high = _interval(each, value, labels, block, blocks, samples, name)
        found[name] = {"value": value, "low": low, "high": high}
    return found, lacking


def _interval(measure, value, labels, block, blocks, samples, name):
    if block == 1 and name in ("recall", "false alarms"):
        return share_interval(value, int((labels if name == "recall" else ~labels).sum()))

    def of(drawn):
        rows = (drawn[:, None] * block + np.arange(block)).reshape(-1)
        return measure(rows[rows < len(labels)])

    return bootstrap(of, blocks, samples)


def _share(values):
    return float(values.mean()) if len(values) else float("nan")


def _reason(name, labels, alarms):
    if name == "precision":
        return "not defined where nothing reached the threshold"
    kinds = "abnormal" if labels.all() else "normal"
    return f"not defined where all {len(labels)} are {kinds}"
