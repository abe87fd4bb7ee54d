"""Measures against numbers worked out by hand and against loops."""

import math

import numpy as np
import pytest

from kerasmlsp import metrics

LABELS = np.array([0, 0, 1, 1, 2])
# Predicted: 0, 1, 1, 1, 0.
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.25, 0.5, 0.25], [0.4, 0.3, 0.3]])


def random_case(examples, classes, seed=0):
    random = np.random.default_rng(seed)
    # Rounded, so that there are ties.
    scores = np.round(random.dirichlet(np.ones(classes), examples), 1)
    return random.integers(0, classes, examples), scores


def test_accuracy_by_hand():
    assert metrics.accuracy(LABELS, PROBABILITIES) == pytest.approx(3 / 5)


def test_confusion_by_hand():
    assert metrics.confusion(LABELS, PROBABILITIES).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert metrics.confusion(LABELS, PROBABILITIES).dtype == np.int64


def test_macro_f1_by_hand():
    # Class 0: precision 1/2, recall 1/2. Class 1: 2/3 and 1, F1 4/5. Class 2 is never predicted.
    assert metrics.macro_f1(LABELS, PROBABILITIES) == pytest.approx((1 / 2 + 4 / 5 + 0) / 3)


def test_macro_f1_counts_a_class_never_met_as_0():
    assert metrics.macro_f1(np.array([0, 1]), np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])) == pytest.approx(2 / 3)


def test_macro_f1_is_the_mean_of_harmonic_means():
    labels, scores = random_case(200, 4)
    predicted, values = scores.argmax(1), []
    for k in range(4):
        hits = np.sum((predicted == k) & (labels == k))
        precision, recall = hits / np.sum(predicted == k), hits / np.sum(labels == k)
        values.append(2 * precision * recall / (precision + recall))
    assert metrics.macro_f1(labels, scores) == pytest.approx(np.mean(values))


def test_auc_by_hand():
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    # Positives 0.35 and 0.8 against negatives 0.1 and 0.4: three of four pairs are in order.
    assert metrics.auc(np.array([0, 0, 1, 1]), np.stack([1 - scores, scores], 1)) == pytest.approx(3 / 4)
    assert metrics.auc(np.array([0, 1]), np.full((2, 2), 0.5)) == 0.5


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_auc_counts_pairs(classes):
    labels, scores = random_case(120, classes)
    areas = []
    for k in range(classes):
        pairs = [(a, b) for a in scores[labels == k, k] for b in scores[labels != k, k]]
        areas.append(np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs]))
    assert metrics.auc(labels, scores) == pytest.approx(np.mean(areas))


def test_auc_leaves_out_classes_that_are_not_there():
    labels, scores = np.array([0, 1, 1]), np.array([[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.2, 0.4, 0.4]])
    assert metrics.auc(labels, scores) == 1.0
    assert math.isnan(metrics.auc(np.array([1, 1]), scores[1:]))


def test_reliability_and_calibration_error_by_hand():
    labels = np.array([0, 1, 0, 0])
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [1.0, 0.0]])
    sure, right, counts = metrics.reliability(labels, scores, bins=2)
    assert counts.tolist() == [0, 4] and sure[1] == pytest.approx(0.825) and right[1] == 0.75
    sure, right, counts = metrics.reliability(labels, scores, bins=4)
    # Bins [0.5, 0.75) and [0.75, 1]; 1 falls into the last.
    assert counts.tolist() == [0, 0, 1, 3]
    assert sure[2:] == pytest.approx([0.6, 0.9]) and right[2:] == pytest.approx([1, 2 / 3])
    assert metrics.calibration_error(labels, scores, bins=4) == pytest.approx((0.4 + 3 * (0.9 - 2 / 3)) / 4)


def test_calibration_error_of_sure_and_right_is_0():
    assert metrics.calibration_error(np.array([0, 1]), np.eye(2)) == 0
    assert metrics.calibration_error(np.array([1, 0]), np.eye(2)) == 1


def test_the_interval_holds_the_value_and_narrows():
    def width(examples):
        labels, scores = random_case(examples, 3)
        found = metrics.with_interval(metrics.accuracy, labels, scores, samples=200)
        assert found["low"] <= found["value"] <= found["high"]
        assert found["value"] == metrics.accuracy(labels, scores)
        return found["high"] - found["low"]

    # Twice 1.96 standard deviations of a share.
    assert width(400) == pytest.approx(2 * 1.96 * math.sqrt(1 / 3 * 2 / 3 / 400), rel=0.25)
    assert width(1600) < 0.7 * width(400)


def test_the_interval_repeats_with_its_seed():
    labels, scores = random_case(50, 3)
    first, again, other = (
        metrics.with_interval(metrics.auc, labels, scores, samples=50, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_the_interval_bears_resamples_that_lack_a_class():
    labels, scores = np.array([0] * 29 + [1]), random_case(30, 2)[1]
    found = metrics.with_interval(metrics.auc, labels, scores, samples=100)
    assert all(math.isfinite(value) for value in found.values())


def test_lists_are_taken_too():
    found = metrics.with_interval(metrics.accuracy, LABELS.tolist(), PROBABILITIES.tolist(), samples=10)
    assert found["value"] == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("right", "examples", "low", "high"),
    # Worked out by Wilson's formula; the second is n / (n + z^2) = 2 / 5.8416.
    [(0, 1, 0.0, 0.79346), (2, 2, 0.34237, 1.0), (9, 10, 0.59585, 0.98212), (50, 100, 0.40383, 0.59617)],
)
def test_the_interval_of_a_share_is_wilsons(right, examples, low, high):
    labels = np.zeros(examples, int)
    scores = np.eye(2)[(np.arange(examples) >= right).astype(int)]
    found = metrics.with_interval(metrics.accuracy, labels, scores)
    assert found["value"] == right / examples
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-5)
    assert found["low"] <= found["value"] <= found["high"]


def test_few_examples_and_resamples_that_agree_have_no_interval():
    labels, scores = random_case(metrics.FEWEST, 2)
    assert metrics.with_interval(metrics.macro_f1, labels, scores)["low"] is not None
    assert metrics.with_interval(metrics.macro_f1, labels[1:], scores[1:])["low"] is None
    perfect = metrics.with_interval(metrics.macro_f1, labels, np.eye(2)[labels])
    assert perfect == {"value": 1.0, "low": None, "high": None}


def test_measures_that_are_not_defined_are_left_out_with_their_reason():
    measures = {"accuracy": metrics.accuracy, "auc": metrics.auc}
    found, lacking = metrics.measured(measures, np.ones(5, int), random_case(5, 2)[1])
    assert list(found) == ["accuracy"] and lacking == {"auc": "not defined for 5 examples of 1 class"}
    found, lacking = metrics.measured(measures, LABELS, PROBABILITIES)
    assert list(found) == ["accuracy", "auc"] and not lacking


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.390)])
def test_intervals_of_counts_are_those_of_the_tables(count, low, high):
    assert metrics.count_interval(count) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))
    large = metrics.count_interval(10_000)
    assert large[0] < 10_000 < large[1] and large[1] - large[0] == pytest.approx(2 * 1.96 * 100, rel=0.02)


def test_examples_of_one_person_count_as_one_in_an_interval_over_persons():
    # Ten persons, all of whose hundred examples are right or wrong: an interval as of ten examples.
    persons = np.arange(1000) // 100
    scores = np.eye(2)[(persons % 2).astype(int)]
    over = metrics.with_interval(metrics.accuracy, np.zeros(1000, int), scores, groups=persons)
    each = metrics.with_interval(metrics.accuracy, np.zeros(1000, int), scores)
    assert over["value"] == each["value"] == 0.5
    assert over["high"] - over["low"] == pytest.approx(0.6, abs=0.11) and each["high"] - each["low"] < 0.07
    # Names do, too, and their order does not matter.
    mixed = np.random.default_rng(0).permutation(1000)
    again = metrics.with_interval(
        metrics.accuracy, np.zeros(1000, int), scores[mixed], groups=persons[mixed].astype(str)
    )
    assert again == over
    found, _ = metrics.measured({"accuracy": metrics.accuracy}, np.zeros(1000, int), scores, persons)
    assert found["accuracy"] == over


def test_few_persons_have_no_interval():
    labels, scores = random_case(700, 2)
    persons = np.arange(700) % metrics.FEWEST_GROUPS
    assert metrics.with_interval(metrics.macro_f1, labels, scores, groups=persons)["low"] is not None
    fewer = persons % (metrics.FEWEST_GROUPS - 1)
    assert metrics.with_interval(metrics.macro_f1, labels, scores, groups=fewer)["low"] is None
