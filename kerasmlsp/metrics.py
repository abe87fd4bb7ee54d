"""Measures of classifiers with their uncertainty, and of rankings, in NumPy."""

import numpy as np


def accuracy(labels, probabilities):
    """Share of examples whose most probable class is the true one."""
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))


def confusion(labels, probabilities):
    """Counts of true (rows) against predicted (columns) classes, int64 `(classes, classes)`."""
    classes = probabilities.shape[1]
    cells = np.asarray(labels, np.int64) * classes + np.argmax(probabilities, axis=1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def macro_f1(labels, probabilities):
    """Mean over classes of the harmonic mean of precision and recall; 0 for a class never met nor predicted."""
    matrix = confusion(labels, probabilities)
    return float(np.mean(2 * np.diag(matrix) / np.maximum(matrix.sum(0) + matrix.sum(1), 1)))


def auc(labels, probabilities):
    """Area under the receiver operating characteristic, each class against the rest, mean over classes.

    The share of pairs of one example of the class and one of the rest in which the first has the higher probability;
    ties count half. Classes that `labels` lacks are left out; NaN where fewer than two are there.
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


def spearman(first, second):
    """Spearman's rank correlation: the correlation of the ranks, ties sharing the mean of theirs.

    NaN for fewer than two values, or where all are equal.

    Reference: Spearman 1904, "The Proof and Measurement of Association between Two Things".
    """
    a, b = (ranks - ranks.mean() if len(ranks) else ranks for ranks in map(_ranks, (first, second)))
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale else float("nan")


def reliability(labels, probabilities, bins=15):
    """Compares confidence with accuracy.

    Returns:
        Mean confidence, share right, and number of predictions in each of `bins` equal parts of `[0, 1]`.
    """
    sure = np.max(probabilities, axis=1)
    right = np.argmax(probabilities, axis=1) == labels
    part = np.minimum((sure * bins).astype(int), bins - 1)
    counts = np.bincount(part, minlength=bins)
    filled = np.maximum(counts, 1)
    return np.bincount(part, sure, bins) / filled, np.bincount(part, right, bins) / filled, counts


def calibration_error(labels, probabilities, bins=15):
    """Expected calibration error: mean gap between confidence and accuracy, weighted by predictions.

    Reference: Guo et al. 2017, "On Calibration of Modern Neural Networks".
    """
    sure, right, counts = reliability(labels, probabilities, bins)
    return float(np.sum(np.abs(sure - right) * counts) / max(counts.sum(), 1))


def with_interval(measure, labels, probabilities, *, samples=1000, seed=0):
    """Measures, with the 95 % interval of a bootstrap over examples.

    Args:
        measure: Function of labels and probabilities.
        labels: Class numbers `(examples,)`.
        probabilities: `(examples, classes)`.
        samples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Dict of `value`, `low` and `high`.

    Reference: Efron and Tibshirani 1993, "An Introduction to the Bootstrap".
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    random = np.random.default_rng(seed)
    draws = (random.integers(0, len(labels), len(labels)) for _ in range(samples))
    low, high = np.nanpercentile([measure(labels[d], probabilities[d]) for d in draws], [2.5, 97.5])
    return {"value": measure(labels, probabilities), "low": float(low), "high": float(high)}
