"""Measures of scores, thresholds from normal ones, and the score of the Numenta anomaly benchmark."""

import math

import numpy as np
import pytest

from kerasmlsp.metrics import anomalies, nab


def test_area_and_precision_are_those_of_all_pairs_and_places():
    random = np.random.default_rng(0)
    labels, scores = random.random(60) < 0.3, np.round(random.random(60), 1)
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[labels] for b in scores[~labels]]
    assert anomalies.roc_auc(labels, scores) == pytest.approx(np.mean(pairs))
    precision = {value: labels[scores >= value].mean() for value in scores}
    expected = np.mean([precision[value] for value in scores[labels]])
    assert anomalies.average_precision(labels, scores) == pytest.approx(expected)
    assert math.isnan(anomalies.roc_auc([1, 1], [0, 1])) and math.isnan(anomalies.average_precision([0], [1]))


@pytest.mark.parametrize("method", anomalies.METHODS)
def test_new_normals_reach_the_threshold_as_often_as_said(method):
    random = np.random.default_rng(1)
    shares = [
        np.mean(random.lognormal(size=5000) >= anomalies.threshold(random.lognormal(size=300), 0.02, method))
        for _ in range(200)
    ]
    assert 0.01 < np.mean(shares) < 0.03


def test_the_fit_to_the_tail_finds_the_parameters():
    random = np.random.default_rng(2)
    scores = random.pareto(4, 200_000)  # reaches x with probability (1 + x)^-4
    assert anomalies.threshold(scores, 1e-4, "extreme") == pytest.approx(9, rel=0.1)
    assert anomalies.threshold(random.random(100_000), 1e-3, "extreme") == pytest.approx(0.999, abs=1e-3)


def test_a_threshold_beyond_all_scores_does_not_trust_a_bound():
    scores = np.random.default_rng(3).random(200)
    above = np.sort(scores)[-20:] - np.sort(scores)[-21]
    expected = np.sort(scores)[-21] + above.mean() * np.log(0.1 / 0.001)
    assert anomalies.threshold(scores, 0.001, "extreme") == pytest.approx(expected) and expected > 1.1


def test_few_scores_have_the_largest_as_threshold():
    assert anomalies.threshold([3.0, 1.0, 2.0], 0.01) == 3.0 == anomalies.threshold([3.0, 1.0, 2.0], 0.01, "extreme")
    for wrong in (([], 0.1), ([1.0], 0.0), ([1.0], 0.1, "guess")):
        with pytest.raises(ValueError, match="`scores` must not be empty"):
            anomalies.threshold(*wrong)


def test_measures_lie_in_their_intervals_and_blocks_widen_them():
    random = np.random.default_rng(0)
    labels = np.repeat(random.random(60) < 0.3, 20)
    scores = labels + np.repeat(random.normal(0, 1, 60), 20)
    one, _ = anomalies.measure(labels, scores, scores > 1, samples=100)
    blocks, _ = anomalies.measure(labels, scores, scores > 1, block=20, samples=100)
    for name, each in blocks.items():
        assert each["low"] <= each["value"] <= each["high"] and one[name]["value"] == each["value"]
        assert each["high"] - each["low"] > one[name]["high"] - one[name]["low"]


def test_what_is_not_defined_is_left_out_with_its_reason():
    found, lacking = anomalies.measure([0, 0], [1, 2], [0, 0])
    assert (
        set(found) == {"false alarms"} and "all 2 are normal" in lacking["auc"] and "threshold" in lacking["precision"]
    )


def published(scores, windows, threshold):
    """The score of one series by the words of the paper and its program, point by point."""

    def scaled(place):
        return -1.0 if place >= 3 else 2 / (1 + math.exp(5 * place)) - 1

    total, found, inside, before = 0.0, {}, None, None
    for point, score in enumerate(scores):
        inside = inside or next((window for window in windows if window[0] == point), None)
        if inside:
            width = inside[1] - inside[0] + 1
            worth = scaled(-(inside[1] - point + 1) / width) / scaled(-1.0)
        else:
            worth = 0.11 * scaled((point - before[1]) / (before[1] - before[0]) if before else 3.0)
        if point >= min(math.floor(0.15 * len(scores)), 750):
            if inside:
                found[inside] = max(found.get(inside, -1.0), worth if score >= threshold else -1.0)
            else:
                total += worth * (score >= threshold)
        if inside and point == inside[1]:
            inside, before = None, inside
    return total + sum(found.values()), len(found)


def test_the_benchmark_is_scored_as_published():
    random = np.random.default_rng(0)
    windows = [(100, 120), (200, 240)]
    series = [np.round(random.random(400), 2) for _ in range(4)]
    corpus = [nab.scored(each, windows) for each in series]

    def total(threshold):
        raw, count = np.sum([published(each, windows, threshold) for each in series], axis=0)
        return 100 * (raw + count) / (2 * count)

    for threshold in (0.2, 0.9, 0.97, 2.0):
        assert nab.at_threshold(corpus, threshold) == pytest.approx(total(threshold))
    best, score = nab.best_threshold(corpus)
    assert score == pytest.approx(max(map(total, np.unique(series)))) == pytest.approx(total(best))


def test_windows_out_of_order_and_a_corpus_without_any_are_refused():
    with pytest.raises(ValueError, match="in order"):
        nab.scored(np.zeros(50), [(20, 30), (10, 15)])
    with pytest.raises(ValueError, match="must have a window"):
        nab.at_threshold([nab.scored(np.zeros(50), [])], 1.0)
