"""Measures of masks and boxes against plain loops, and against pycocotools."""

import numpy as np
import pytest

from kerasmlsp.metrics import detection, segmentation


def test_confusion_and_iou_are_those_of_loops():
    random = np.random.default_rng(0)
    truth, found = random.integers(-1, 4, (9, 11)), random.integers(0, 4, (9, 11))
    matrix = segmentation.confusion(truth, found, 4)
    for true in range(4):
        for told in range(4):
            assert matrix[true, told] == ((truth == true) & (found == told)).sum()
    known = truth >= 0
    ious = [((truth == k) & (found == k)).sum() / ((truth == k) | ((found == k) & known)).sum() for k in range(4)]
    np.testing.assert_allclose(segmentation.class_iou(matrix), ious)
    assert segmentation.mean_iou(matrix) == pytest.approx(np.mean(ious))
    assert segmentation.pixel_accuracy(matrix) == pytest.approx((truth == found)[known].mean())


def test_a_class_that_is_nowhere_has_no_iou():
    result = segmentation.measure(np.array([[[2, 0], [0, 0]]]), ["sky", "road"])
    assert result["classes"]["road"] == {"IoU": None, "share": 0.0}
    assert result["metrics"]["mean IoU"] == {"value": 1.0, "low": None, "high": None}
    assert np.isnan(segmentation.mean_iou(np.zeros((2, 2)))) and np.isnan(segmentation.pixel_accuracy(np.zeros((2, 2))))


def test_intervals_are_of_pictures():
    random = np.random.default_rng(0)
    matrices = random.integers(1, 9, (40, 3, 3))
    measured = segmentation.measure(matrices, list("abc"), samples=200)["metrics"]["mean IoU"]
    assert measured["low"] < measured["value"] < measured["high"] < measured["low"] + 0.2


def scenes(pictures=12, classes=3, seed=0):
    """Things, and found boxes that are near them, elsewhere, or twice."""
    random = np.random.default_rng(seed)
    truth, found = [], []
    for _ in range(pictures):
        corners = random.uniform(0, 70, (5, 2))
        boxes = np.concatenate([corners, corners + random.uniform(10, 30, (5, 2))], 1)
        kinds = random.integers(0, classes - 1, 5)  # the last class is never there
        near = boxes + random.normal(0, 2.5, (5, 4))
        other = np.concatenate([near, near[:2] + 1, random.permutation(boxes)[:2] * 0.5 + [0, 0, 20, 20]])
        numbers = np.concatenate([kinds, kinds[:2], random.integers(0, classes, 2)])
        scores = random.uniform(0.1, 1, len(other))
        truth.append({"boxes": boxes, "classes": kinds})
        found.append({"boxes": other, "classes": numbers, "scores": scores})
    return truth, found, [f"class {k}" for k in range(classes)]


def test_average_precision_is_that_of_pycocotools():
    pytest.importorskip("pycocotools")
    truth, found, names = scenes()
    sizes = np.full((len(truth), 2), 100)
    theirs = detection.coco(truth, found, names, sizes)
    for name, overlap in (("AP50", 0.5), ("AP75", 0.75)):
        ours = detection.mean_average_precision(truth, found, names, overlap=overlap)
        assert ours["value"] == pytest.approx(theirs[name], abs=1e-6)
        for each in names:
            expected = theirs["classes"][each][name]
            assert ours["classes"][each] == (None if expected is None else pytest.approx(expected, abs=1e-6))
    assert 0.02 < theirs["AP75"] < theirs["AP50"] < 1 and theirs["classes"]["class 2"]["AP"] is None


def test_nothing_found_is_a_precision_of_nothing():
    pytest.importorskip("pycocotools")
    truth, found, names = scenes()
    nothing = [{"boxes": np.zeros((0, 4)), "classes": np.zeros(0, int), "scores": np.zeros(0)} for _ in found]
    assert detection.coco(truth, nothing, names, np.full((12, 2), 100))["AP"] == 0
    assert detection.mean_average_precision(truth, nothing, names)["value"] == 0
    assert detection.best_threshold(truth, nothing, 3) == {"threshold": 0.5, "precision": 0.0, "recall": 0.0}


def test_the_interval_is_of_pictures():
    truth, found, names = scenes(pictures=30)
    measured = detection.mean_average_precision(truth, found, names, samples=100)
    assert measured["low"] < measured["value"] < measured["high"] < measured["low"] + 0.4


def test_the_threshold_is_that_of_the_best_f1():
    truth, found, _ = scenes()
    best = detection.best_threshold(truth, found, 3)

    def f1(least):
        some = []
        for each in found:
            kept = each["scores"] >= least
            some.append({name: values[kept] for name, values in each.items()})
        pairs = [detection.matched(*pair, k) for pair in zip(truth, some, strict=True) for k in range(3)]
        right, told = sum(row[1].sum() for row in pairs), sum(len(row[1]) for row in pairs)
        return 2 * right / max(told + sum(row[2] for row in pairs), 1)

    assert f1(best["threshold"]) == pytest.approx(max(f1(least) for least in np.linspace(0, 1, 200)), abs=0.01)
