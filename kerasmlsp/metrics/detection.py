"""Measures of boxes: average precision, here for selection and intervals, and COCO's own by pycocotools."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasmlsp.extras import required
from kerasmlsp.metrics.classification import bootstrap
from kerasmlsp.targets.boxes import iou

RECALLS = np.linspace(0, 1, 101)
"""Where precision is read, as COCO does."""
Boxes = Mapping[str, np.ndarray]
"""Of one picture: `boxes` `(n, 4)`, left, top, right, bottom; `classes` `(n,)` from 0; of found ones also `scores`."""


def matched(truth: Boxes, found: Boxes, number: int, overlap: float = 0.5) -> tuple[np.ndarray, np.ndarray, int]:
    """Tells which boxes of one class are found in a picture, the surest first.

    Each found box takes the true one that it overlaps most and that no surer one has taken, if by `overlap` or more.

    Args:
        truth: True boxes.
        found: Found boxes with their scores.
        number: The class.
        overlap: Least intersection over union, above 0.

    Returns:
        Scores and whether right of the found boxes, and the number of true ones.

    Example:
        >>> truth = {"boxes": np.array([[0.0, 0, 2, 2]]), "classes": np.array([0])}
        >>> found = {"boxes": np.array([[0.0, 0, 2, 2], [0, 0, 2, 3]]), "classes": np.zeros(2), "scores": np.ones(2)}
        >>> matched(truth, found, number=0)  # one box cannot be found twice
        (array([1., 1.]), array([ True, False]), 1)
    """
    true = np.reshape(truth["boxes"], (-1, 4))[np.asarray(truth["classes"]) == number]
    own = np.flatnonzero(np.asarray(found["classes"]) == number)
    own = own[np.argsort(-np.asarray(found["scores"])[own], kind="stable")]
    overlaps = iou(np.reshape(found["boxes"], (-1, 4))[own], true)
    right = np.zeros(len(own), bool)
    for row, each in enumerate(overlaps):
        if len(true) and each.max() >= overlap:
            right[row] = True
            overlaps[:, each.argmax()] = -1
    return np.asarray(found["scores"])[own], right, len(true)


def average_precision(scores: np.ndarray, right: np.ndarray, total: float, weights: np.ndarray | None = None) -> float:
    """Area under the curve of precision over recall, read at `RECALLS`, where precision is the best at no less recall.

    Reference: Lin et al. 2014, "Microsoft COCO: Common Objects in Context".

    Args:
        scores: Of all found boxes of a class, `(n,)`.
        right: Whether each is right, `(n,)`.
        total: Number of true boxes.
        weights: How often each counts; None for once.

    Returns:
        From 0 to 1; NaN where there is no true box.

    Example:
        >>> scores, right = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
        >>> average_precision(scores, right, total=2)  # 51 times 1 and 50 times 2/3
        0.834983...
    """
    if not total:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    counts = np.ones(len(scores)) if weights is None else weights[order]
    hits, misses = np.cumsum(counts * right[order]), np.cumsum(counts * ~right[order])
    precision = hits / np.maximum(hits + misses, 1e-12)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / total, RECALLS - 1e-12)
    return float(np.append(best, 0.0)[np.minimum(places, len(best))].mean())


def mean_average_precision(
    truth: Sequence[Boxes], found: Sequence[Boxes], names: Sequence[str], *, overlap: float = 0.5, samples: int = 0
) -> dict[str, Any]:
    """Mean over the classes of `average_precision`, with a 95 % interval of a bootstrap over pictures.

    Args:
        truth: True boxes of each picture.
        found: Found boxes of each.
        names: Name of each class.
        overlap: As in `matched`.
        samples: Resamples; 0 for no interval.

    Returns:
        `value`, `low` and `high`, and by name of the class `classes`, None where there is no true box.

    Example:
        >>> truth = {"boxes": np.array([[0.0, 0, 2, 2]]), "classes": np.array([0])}
        >>> found = {**truth, "scores": np.array([0.9])}
        >>> mean_average_precision([truth], [found], ["cell", "platelet"])["classes"]
        {'cell': 1.0, 'platelet': None}
    """
    columns = []
    for number in range(len(names)):
        each = [matched(one, other, number, overlap) for one, other in zip(truth, found, strict=True)]
        pictures = np.repeat(np.arange(len(each)), [len(scores) for scores, _, _ in each])
        scores, right = (np.concatenate([row[part] for row in each]) for part in range(2))
        columns.append((pictures, scores, right, np.array([total for _, _, total in each])))

    def values(rows):
        times = np.bincount(rows, minlength=len(truth)).astype(float)
        return np.array(
            [
                average_precision(scores, right, float(times @ totals), times[pictures])
                for pictures, scores, right, totals in columns
            ]
        )

    def mean(rows):
        known = (each := values(rows))[np.isfinite(each)]
        return float(known.mean()) if len(known) else float("nan")

    whole = np.arange(len(truth))
    low, high = bootstrap(mean, len(truth), samples) if samples else (None, None)
    classes = {name: float(ap) if np.isfinite(ap) else None for name, ap in zip(names, values(whole), strict=True)}
    return {"value": mean(whole), "low": low, "high": high, "classes": classes}


def best_threshold(truth: Sequence[Boxes], found: Sequence[Boxes], num_classes: int) -> dict[str, float]:
    """Returns the score from which boxes are best shown: that of the best F1 over all classes.

    Args:
        truth: True boxes of each picture.
        found: Found boxes of each.
        num_classes: Number of classes.

    Returns:
        `threshold`, and the `precision` and `recall` of the boxes from it on; 0.5 and zeros where none is right.

    Example:
        >>> truth = {"boxes": np.array([[0.0, 0, 2, 2]]), "classes": np.array([0])}
        >>> found = {"boxes": np.array([[0.0, 0, 2, 2], [5, 5, 6, 6]]), "classes": [0, 0], "scores": [0.9, 0.2]}
        >>> best_threshold([truth], [found], num_classes=1)
        {'threshold': 0.9, 'precision': 1.0, 'recall': 1.0}
    """
    rows = [matched(*pair, number) for pair in zip(truth, found, strict=True) for number in range(num_classes)]
    scores, right = (np.concatenate([row[part] for row in rows]) for part in range(2))
    total = sum(row[2] for row in rows)
    if not right.any():
        return {"threshold": 0.5, "precision": 0.0, "recall": 0.0}
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + total)
    place = int(f1.argmax())
    shares = {"precision": float(hits[place] / (place + 1)), "recall": float(hits[place] / total)}
    return {"threshold": float(scores[order][place]), **shares}


def coco(truth: Sequence[Boxes], found: Sequence[Boxes], names: Sequence[str], sizes: np.ndarray) -> dict[str, Any]:
    """Measures boxes as COCO does, by pycocotools, the extra `detect`.

    Reference: Lin et al. 2014, "Microsoft COCO: Common Objects in Context".

    Args:
        truth: True boxes of each picture, in pixels.
        found: Found boxes of each, in pixels.
        names: Name of each class.
        sizes: Width and height of each picture, `(pictures, 2)`.

    Returns:
        `AP` (mean over overlaps of 0.5 to 0.95), `AP50` and `AP75`, and `classes`: the same by name; None where there
        is no true box.

    Raises:
        ModuleNotFoundError: pycocotools is not installed.

    Example:
        >>> truth = {"boxes": np.array([[0.0, 0, 20, 20]]), "classes": np.array([0])}
        >>> found = {**truth, "boxes": np.array([[0.0, 0, 20, 22]]), "scores": np.array([0.9])}
        >>> coco([truth], [found], ["cell"], np.array([[30, 30]]))["classes"]  # an overlap of 0.909
        {'cell': {'AP': 0.9, 'AP50': 1.0, 'AP75': 1.0}}
    """
    api, evaluation = required("pycocotools.coco"), required("pycocotools.cocoeval")
    given, seen = (_records(each) for each in (truth, found))
    for number, row in enumerate(given, 1):
        row |= {"id": number, "iscrowd": 0, "area": row["bbox"][2] * row["bbox"][3]}
    pictures = [{"id": i, "width": int(width), "height": int(height)} for i, (width, height) in enumerate(sizes, 1)]
    with contextlib.redirect_stdout(io.StringIO()):
        known = api.COCO()
        categories = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
        known.dataset = {"images": pictures, "annotations": given, "categories": categories, "info": {}}
        known.createIndex()
        run = evaluation.COCOeval(known, known.loadRes(seen) if seen else _nothing(api, known), "bbox")
        run.evaluate()
        run.accumulate()
    precision = run.eval["precision"][:, :, :, 0, -1]  # overlaps, recalls, classes; all areas, most boxes
    parts = {"AP": slice(None), "AP50": slice(0, 1), "AP75": slice(5, 6)}
    whole = {name: _mean(precision[part]) for name, part in parts.items()}
    classes = {
        each: {name: _mean(precision[part][:, :, k]) for name, part in parts.items()} for k, each in enumerate(names)
    }
    return {**whole, "classes": classes}


def _records(pictures):
    """Boxes as COCO lists them: left, top, width and height."""
    rows = []
    for number, each in enumerate(pictures, 1):
        boxes = np.reshape(each["boxes"], (-1, 4)).astype(float)
        scores = each.get("scores", [None] * len(boxes))
        for (left, top, right, bottom), kind, score in zip(boxes, each["classes"], scores, strict=True):
            row = {"image_id": number, "category_id": int(kind) + 1, "bbox": [left, top, right - left, bottom - top]}
            rows.append(row if score is None else {**row, "score": float(score)})
    return rows


def _nothing(api, known):
    """No boxes at all, which pycocotools does not take as a list."""
    empty = api.COCO()
    empty.dataset = {**known.dataset, "annotations": []}
    empty.createIndex()
    return empty


def _mean(values):
    known = values[values > -1]
    # Of a hundred ones it falls short of 1 by rounding.
    return round(float(known.mean()), 9) if known.size else None
