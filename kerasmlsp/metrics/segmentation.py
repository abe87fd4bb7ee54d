"""Measures of masks: how well the pixels of each class are found."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasmlsp.metrics.classification import bootstrap


def confusion(truth: np.ndarray, found: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts the pixels of a picture by true and found class.

    Args:
        truth: Class of each pixel, of any shape; one below 0 is of no class and counts for nothing.
        found: Class of each, from 0.
        num_classes: Number of classes.

    Returns:
        int64 `(num_classes, num_classes)`, true classes in rows.

    Example:
        >>> confusion(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 1]), num_classes=2)
        array([[1, 1],
               [0, 1]])
    """
    known = truth >= 0
    cells = truth[known].astype(np.int64) * num_classes + found[known]
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_iou(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union of each class: `n_kk / (sum_j n_kj + sum_j n_jk - n_kk)`.

    Reference: Long, Shelhamer and Darrell 2015, "Fully Convolutional Networks for Semantic Segmentation".

    Args:
        matrix: As of `confusion`, or the sum of several.

    Returns:
        `(num_classes,)`, NaN for a class of which no pixel is true or found.

    Example:
        >>> class_iou(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]]))
        array([0.5, 0.5, nan])
    """
    both = np.diag(matrix).astype(float)
    either = matrix.sum(0) + matrix.sum(1) - both
    return np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)


def mean_iou(matrix: np.ndarray) -> float:
    """Mean of `class_iou` over the classes that have one; NaN where none has.

    Example:
        >>> mean_iou(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]]))
        0.5
    """
    each = class_iou(matrix)
    known = each[np.isfinite(each)]
    return float(known.mean()) if len(known) else float("nan")


def pixel_accuracy(matrix: np.ndarray) -> float:
    """Share of the pixels whose class is found; NaN where there is none.

    Example:
        >>> pixel_accuracy(np.array([[1, 1], [0, 2]]))
        0.75
    """
    total = matrix.sum()
    return float(np.trace(matrix) / total) if total else float("nan")


def measure(matrices: np.ndarray, names: Sequence[str], samples: int = 1000) -> dict[str, dict[str, Any]]:
    """Measures masks, with 95 % intervals of a bootstrap over pictures.

    Frames of one film are alike: an interval over them says little of other films.

    Args:
        matrices: `confusion` of each picture, `(pictures, num_classes, num_classes)`.
        names: Name of each class.
        samples: Resamples.

    Returns:
        `metrics`: `mean IoU` and `pixel accuracy`, each with `value`, `low` and `high`; `classes`: by name the `IoU`,
        None where no pixel is of the class, and the `share` of the pixels.

    Example:
        >>> found = measure(np.array([[[1, 1], [0, 2]]]), ["sky", "road"])
        >>> round(found["metrics"]["mean IoU"]["value"], 3), found["classes"]["sky"]
        (0.583, {'IoU': 0.5, 'share': 0.5})
    """
    whole = matrices.sum(0)
    metrics = {}
    for name, function in (("mean IoU", mean_iou), ("pixel accuracy", pixel_accuracy)):
        low, high = bootstrap(lambda rows, function=function: function(matrices[rows].sum(0)), len(matrices), samples)
        metrics[name] = {"value": function(whole), "low": low, "high": high}
    shares = whole.sum(1) / max(whole.sum(), 1)
    classes = {
        name: {"IoU": float(iou) if np.isfinite(iou) else None, "share": float(share)}
        for name, iou, share in zip(names, class_iou(whole), shares, strict=True)
    }
    return {"metrics": metrics, "classes": classes}
