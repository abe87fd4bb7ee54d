"""The next-frame benchmark: its split, ensembles and table, and one run on pieces that the test writes."""

import json

import numpy as np
import pytest

from benchmarks import music_frames as benchmark
from benchmarks import ratios


def test_a_division_is_fixed_keeps_groups_together_and_has_its_shares():
    names = [f"tune{n}" for n in range(300)]
    groups = [n // 3 for n in range(300)]
    parts = benchmark.divided(names, groups, (8, 1, 1))
    assert sorted(place for part in parts for place in part) == list(range(300))
    assert [len(part) for part in parts] == pytest.approx([240, 30, 30], abs=3)
    assert not {n // 3 for n in parts[0]} & {n // 3 for n in parts[1] + parts[2]}
    # The order of the files does not matter.
    backwards = benchmark.divided(names[::-1], groups[::-1], (8, 1, 1))
    assert [sorted(299 - n for n in part) for part in backwards] == parts


def test_a_beginning_is_the_same_in_every_key():
    roll = np.random.default_rng(0).random((40, 88)) < 0.1
    roll[:, :10] = roll[:, -10:] = False
    later = roll.copy()
    later[35] = ~later[35]
    assert benchmark.beginning(roll) == benchmark.beginning(np.roll(roll, 3, 1)) == benchmark.beginning(later)
    assert benchmark.beginning(roll) != benchmark.beginning(np.roll(roll, 1, 0))
    assert benchmark.beginning(np.zeros((4, 88), bool)) == ()


def members():
    random = np.random.default_rng(0)
    truth = random.normal(0, 2, (500, 6))
    targets = random.random(truth.shape) < 1 / (1 + np.exp(-truth))
    return [2 * truth + random.normal(0, 2, truth.shape) for _ in range(3)], targets


def test_the_mean_is_of_probabilities():
    logits = [np.log([[0.2 / 0.8]]), np.log([[0.6 / 0.4]])]
    np.testing.assert_allclose(benchmark.averaged(logits), np.log([[0.4 / 0.6]]))


def test_the_stack_has_the_least_nats():
    logits, targets = members()
    stack = benchmark.stacked(logits, targets, ridge=1e-6)
    best = benchmark.nats(stack(logits), targets)
    assert best < benchmark.nats(benchmark.averaged(logits), targets) < benchmark.nats(logits[0], targets)
    for scale in (0.98, 1.02):
        assert best < benchmark.nats(scale * stack(logits), targets)
    far = benchmark.stacked(logits, targets, ridge=1e9)
    assert np.ptp(far(logits) - np.mean(logits, axis=0)) < 1e-3


def test_the_table_joins_seeds():
    run = {"architecture": "lstm", "parameters": 1234, "minutes": 2.0}
    rows = [benchmark.summary([{**run, "valid": 8.0, "test": 8.1}, {**run, "valid": 8.2, "test": 8.3}])]
    rows.append({"architecture": "ensemble", "validation": "7.9", "test": "8.0"})
    assert ratios.markdown(rows).splitlines() == [
        "| architecture | parameters | seeds | validation | test | minutes |",
        "|---|---|---|---|---|---|",
        "| lstm | 1,234 | 2 | 8.100 (8.000 to 8.200) | 8.200 (8.100 to 8.300) | 2.0 |",
        "| ensemble | - | - | 7.9 | 8.0 | - |",
    ]


def test_one_run_is_trained_once_and_measured_without_padding(tmp_path):
    random = np.random.default_rng(0)
    pieces = {
        split: [[random.choice(range(60, 66), 2, False).tolist() for _ in range(4 + n)] for n in range(5)]
        for split in benchmark.SPLITS
    }
    (tmp_path / "chorales.json").write_text(json.dumps(pieces))
    rolls, recipes = benchmark.read(tmp_path / "chorales.json")
    assert recipes is benchmark.JSB and [len(rolls[split]) for split in benchmark.SPLITS] == [5, 5, 5]
    recipe = benchmark.Recipe(0.01, epochs=2, shifted=0.5, batch_size=2, arguments={"units": 4})
    row, predictions = benchmark.run_row("lstm", 0, recipe, rolls, tmp_path / "run")
    targets = benchmark.targets_of(rolls["test"])
    assert targets.shape == predictions["test"].shape == (sum(3 + n for n in range(5)), 88)
    assert row["test"] == pytest.approx(benchmark.nats(predictions["test"], targets), rel=1e-6)
    history = (tmp_path / "run" / "history.csv").read_text().splitlines()
    column = history[0].split(",").index("val_nats")
    assert row["valid"] == pytest.approx(min(float(line.split(",")[column]) for line in history[1:]), rel=1e-5)
    assert benchmark.run_row("lstm", 0, recipe, rolls, tmp_path / "run")[0] == row
