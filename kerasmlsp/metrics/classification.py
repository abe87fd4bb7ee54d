"""Measures of classifiers with their uncertainty, and of rankings, in NumPy."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

FEWEST = 20
"""Examples that an interval of a bootstrap needs."""
FEWEST_GROUPS = 8
"""Groups of examples that such an interval needs."""


def accuracy(labels: ArrayLike, probabilities: np.ndarray) -> float:
    """Share of examples whose most probable class is the true one.

    Example:
        >>> accuracy([0, 1], np.array([[0.9, 0.1], [0.6, 0.4]]))
        0.5
    """
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))


def confusion(labels: ArrayLike, probabilities: np.ndarray) -> np.ndarray:
    """Counts of true (rows) against predicted (columns) classes, int64 `(classes, classes)`.

    Example:
        >>> confusion([0, 1], np.array([[0.9, 0.1], [0.6, 0.4]]))
        array([[1, 0],
               [1, 0]])
    """
    classes = probabilities.shape[1]
    cells = np.asarray(labels, np.int64) * classes + np.argmax(probabilities, axis=1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def macro_f1(labels: ArrayLike, probabilities: np.ndarray) -> float:
    """Mean over classes of the harmonic mean of precision and recall; 0 for a class never met nor predicted.

    Example:
        >>> macro_f1([0, 1], np.array([[0.9, 0.1], [0.6, 0.4]]))  # 2/3 of the first class, 0 of the second
        0.3333333333333333
    """
    matrix = confusion(labels, probabilities)
    return float(np.mean(2 * np.diag(matrix) / np.maximum(matrix.sum(0) + matrix.sum(1), 1)))


def auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the receiver operating characteristic, each class against the rest, mean over classes.

    The share of pairs of one example of the class and one of the rest in which the first has the higher probability;
    ties count half. Classes that `labels` lacks are left out; NaN where fewer than two are there.

    Example:
        >>> scores = np.array([0.1, 0.6, 0.4, 0.8])  # three of four pairs are in order
        >>> auc(np.array([0, 0, 1, 1]), np.stack([1 - scores, scores], axis=1))
        0.75
    """
    areas = [_area(labels == k, probabilities[:, k]) for k in range(probabilities.shape[1])]
    areas = [area for area in areas if area is not None]
    return float(np.mean(areas)) if areas else float("nan")


def _area(positive, scores):
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return None
    return (_ranks(scores)[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives)


def _ranks(values):
    """Places in the sorted order, from 1; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation: the correlation of the ranks, ties sharing the mean of theirs.

    NaN for fewer than two values, or where all are equal.

    Reference: Spearman 1904, "The Proof and Measurement of Association between Two Things".

    Example:
        >>> spearman([1, 2, 3], [10, 100, 1000]), spearman([1, 2, 3], [9, 8, 7])
        (1.0, -1.0)
    """
    a, b = (ranks - ranks.mean() if len(ranks) else ranks for ranks in map(_ranks, (first, second)))
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale else float("nan")


def reliability(
    labels: ArrayLike, probabilities: np.ndarray, bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compares confidence with accuracy.

    Returns:
        Mean confidence, share right, and number of predictions in each of `bins` equal parts of `[0, 1]`.

    Example:
        >>> reliability([0, 1], np.array([[0.9, 0.1], [0.6, 0.4]]), bins=2)
        (array([0.  , 0.75]), array([0. , 0.5]), array([0, 2]))
    """
    sure = np.max(probabilities, axis=1)
    right = np.argmax(probabilities, axis=1) == labels
    part = np.minimum((sure * bins).astype(int), bins - 1)
    counts = np.bincount(part, minlength=bins)
    filled = np.maximum(counts, 1)
    return np.bincount(part, sure, bins) / filled, np.bincount(part, right, bins) / filled, counts


def calibration_error(labels: ArrayLike, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: mean gap between confidence and accuracy, weighted by predictions.

    Reference: Guo et al. 2017, "On Calibration of Modern Neural Networks".

    Example:
        >>> calibration_error([0, 1], np.array([[0.9, 0.1], [0.6, 0.4]]), bins=2)  # 0.75 sure, 0.5 right
        0.25
    """
    sure, right, counts = reliability(labels, probabilities, bins)
    return float(np.sum(np.abs(sure - right) * counts) / max(counts.sum(), 1))


def with_interval(
    measure: Callable,
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, float | None]:
    """Measures, with a 95 % interval.

    That of `accuracy` is Wilson's, which is honest for a single example, too; that of other measures is of `bootstrap`.
    Where examples belong together, such as those of one person, that of every measure is of a bootstrap over groups.

    Args:
        measure: Function of labels and probabilities.
        labels: Class numbers `(examples,)`.
        probabilities: `(examples, classes)`.
        groups: Group of each example `(examples,)`; None where each stands for itself.
        samples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Dict of `value`, `low` and `high`, the last two None where there is no interval.

    Example:
        >>> found = with_interval(accuracy, [0] * 10, np.tile([0.8, 0.2], (10, 1)))
        >>> {name: round(number, 3) for name, number in found.items()}
        {'value': 1.0, 'low': 0.722, 'high': 1.0}
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    value = measure(labels, probabilities)
    if groups is not None:
        low, high = group_bootstrap(lambda rows: measure(labels[rows], probabilities[rows]), groups, samples, seed)
    elif measure is accuracy:
        low, high = share_interval(value, len(labels))
    else:
        low, high = bootstrap(lambda rows: measure(labels[rows], probabilities[rows]), len(labels), samples, seed)
    return {"value": value, "low": low, "high": high}


def measured(
    measures: dict[str, Callable], labels: np.ndarray, probabilities: ArrayLike, groups: ArrayLike | None = None
) -> tuple[dict, dict[str, str]]:
    """Measures by name, as of `with_interval`, and by name why others could not be measured.

    A measure that is NaN is left out: neither JSON nor a reader of a model card has a use for it.

    Example:
        >>> found, lacking = measured({"accuracy": accuracy, "auc": auc}, [0] * 10, np.tile([0.8, 0.2], (10, 1)))
        >>> list(found), lacking
        (['accuracy'], {'auc': 'not defined for 10 examples of 1 class'})
    """
    found = {name: with_interval(each, labels, probabilities, groups=groups) for name, each in measures.items()}
    count = len(np.unique(labels))
    reason = f"not defined for {len(labels)} examples of {count} {'class' if count == 1 else 'classes'}"
    lacking = {name: reason for name, each in found.items() if not math.isfinite(each["value"])}  # type: ignore[arg-type]
    return {name: each for name, each in found.items() if name not in lacking}, lacking


def share_interval(share: float, examples: int) -> tuple[float, float]:
    """Returns Wilson's 95 % interval of a share of so many examples.

    Reference: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".

    Example:
        >>> low, high = share_interval(1.0, 10)  # of ten examples all right
        >>> round(low, 3), high
        (0.722, 1.0)
    """
    z = 1.96
    middle = (share + z**2 / (2 * examples)) / (1 + z**2 / examples)
    reach = z / (1 + z**2 / examples) * math.sqrt(share * (1 - share) / examples + z**2 / (4 * examples**2))
    # Rounding would put a share of 1 a little outside.
    return min(share, max(0.0, middle - reach)), max(share, min(1.0, middle + reach))


def measured_share(right: ArrayLike) -> dict[str, float]:
    """Returns the `value` of a share, and `low` and `high` of its interval as of `share_interval`.

    Args:
        right: Which examples count, bool `(examples,)`, at least one.

    Example:
        >>> found = measured_share([True, True, False, True])
        >>> found["value"], round(found["low"], 3), round(found["high"], 3)
        (0.75, 0.301, 0.954)
    """
    right = np.asarray(right)
    value = float(right.mean())
    low, high = share_interval(value, len(right))
    return {"value": value, "low": low, "high": high}


def count_interval(count: int) -> tuple[float, float]:
    """Returns the exact 95 % interval of the mean of events of which so many happened, such as false alarms.

    Reference: Garwood 1936, "Fiducial Limits for the Poisson Distribution".

    Example:
        >>> [round(bound, 2) for bound in count_interval(0)], [round(bound, 2) for bound in count_interval(10)]
        ([0.0, 3.69], [4.8, 18.39])
    """

    def mean_of(most, wanted):
        """The mean at which `most` events or fewer have the probability `wanted`."""
        low, high = 1e-9, 10.0 + 3 * most
        for _ in range(60):
            middle = (low + high) / 2
            logs = np.cumsum(np.log(middle / np.maximum(np.arange(most + 1), 1))) - np.log(middle) - middle
            low, high = (middle, high) if np.exp(logs).sum() > wanted else (low, middle)
        return low

    return mean_of(count - 1, 0.975) if count else 0.0, mean_of(count, 0.025)


def bootstrap(
    measure: Callable, examples: int, samples: int = 1000, seed: int = 0
) -> tuple[float, float] | tuple[None, None]:
    """Returns the 95 % percentile interval of a bootstrap over examples.

    There is none of fewer than `FEWEST` examples, where it is much too narrow, nor where all resamples agree, as where
    nothing is wrong, since they say nothing then of what else might have been drawn.

    Reference: Efron and Tibshirani 1993, "An Introduction to the Bootstrap"; Hesterberg 2015, "What Teachers Should
    Know About the Bootstrap" (few examples).

    Args:
        measure: Function of the rows drawn, int64 `(examples,)`, to a number; resamples where it is NaN are left out.
        examples: Number of examples.
        samples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Low and high, or twice None.

    Example:
        >>> scores = np.arange(100)
        >>> low, high = bootstrap(lambda rows: scores[rows].mean(), len(scores))
        >>> round(high - low)  # about 2 * 1.96 * 28.9 / sqrt(100)
        11
        >>> bootstrap(lambda rows: scores[rows].mean(), 10)
        (None, None)
    """
    if examples < FEWEST:
        return None, None
    random = np.random.default_rng(seed)
    return _percentiles([measure(random.integers(0, examples, examples)) for _ in range(samples)])


def measured_mean(totals: ArrayLike, counts: ArrayLike | None = None) -> dict[str, float | None]:
    """Returns the `value` of a mean over examples of several items each, and `low` and `high` as of `bootstrap`.

    Args:
        totals: Sum over the items of each example, such as the bits of its pixels, `(examples,)`.
        counts: Items of each example; None for one.

    Example:
        >>> found = measured_mean(np.arange(20.0), np.full(20, 2))
        >>> found["value"], round(found["low"], 1), round(found["high"], 1)
        (4.75, 3.5, 6.0)
    """
    totals = np.asarray(totals, float)
    counts = np.ones(len(totals)) if counts is None else np.asarray(counts, float)

    def mean(rows):
        count = counts[rows].sum()
        return totals[rows].sum() / count if count else float("nan")

    low, high = bootstrap(mean, len(totals))
    return {"value": float(mean(np.arange(len(totals)))), "low": low, "high": high}


def group_bootstrap(
    measure: Callable, groups: ArrayLike, samples: int = 1000, seed: int = 0
) -> tuple[float, float] | tuple[None, None]:
    """Returns the 95 % percentile interval of a bootstrap over groups of examples that belong together.

    Examples of one person are alike, so that an interval over examples says nothing of other persons. There is none of
    fewer than `FEWEST_GROUPS` groups, nor where all resamples agree.

    Reference: Davison and Hinkley 1997, "Bootstrap Methods and their Application" (hierarchical data).

    Args:
        measure: As of `bootstrap`; a group that is drawn twice has its rows twice.
        groups: Group of each example, `(examples,)`.
        samples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Low and high, or twice None.

    Example:
        >>> persons, scores = np.arange(1000) // 100, np.repeat(np.arange(10), 100)
        >>> low, high = group_bootstrap(lambda rows: scores[rows].mean(), persons)
        >>> round(high - low)  # of ten persons, not of a thousand scores
        4
    """
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    members = [np.flatnonzero(codes == code) for code in range(codes.max(initial=-1) + 1)]
    if len(members) < FEWEST_GROUPS:
        return None, None
    random = np.random.default_rng(seed)
    drawn = (random.integers(0, len(members), len(members)) for _ in range(samples))
    return _percentiles([measure(np.concatenate([members[i] for i in each])) for each in drawn])


def _percentiles(found):
    values = np.array(found, float)
    values = values[np.isfinite(values)]
    if not len(values) or values.min() == values.max():
        return None, None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
