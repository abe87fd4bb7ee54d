"""Runs beside each other: what is listed, what differs, and differences of pairs."""

import json

import numpy as np
import pytest

from kerasmlsp import classification
from kerasmlsp.files import locked
from kerasmlsp.training import Run, comparing
from kerasmlsp.training.checkpoint import Keeper


def made(folder, *, right=None, fingerprint="a", groups=None, **values):
    """A run as the applications write it, with an evaluation where it is told what was right."""
    run = Run(folder)
    run.write("config.json", {"app": "sentiment", "monitor": "val_loss", "seed": 0, **values})
    if right is not None:
        measure = {"value": float(np.mean(right)) if len(right) else 0.0, "low": None, "high": None}
        run.write("evaluation/metrics.json", {"fingerprint": fingerprint, "metrics": {"accuracy": measure}})
        comparing.write_examples(run / "evaluation", {"accuracy": right}, groups)
    return run


def finish(run, rows, best):
    state = {**dict.fromkeys(Keeper.STATE), "rows": rows, "best_epoch": best}
    np.savez(run / "checkpoint.npz", state=json.dumps(state))
    (run / "model.keras").touch()


def test_a_list_tells_states_epochs_and_measures_the_latest_first(tmp_path):
    finish(
        made(tmp_path / "sentiment/done", right=[1, 1, 0, 1], architecture="lstm"),
        [{"epoch": 1, "val_loss": 0.7}, {"epoch": 2, "val_loss": 0.5}, {"epoch": 3, "val_loss": 0.6}],
        2,
    )
    made(tmp_path / "gan/begun", app="gan")
    made(tmp_path / "gan/.begun.replaced", app="gan")
    with locked(tmp_path / "gan/begun"):
        rows = {row["run"].removeprefix(f"{tmp_path}/"): row for row in comparing.listed(tmp_path)}
    assert rows.keys() == {"sentiment/done", "gan/begun"}
    assert rows["gan/begun"]["state"] == comparing.IN_TRAINING
    done = rows["sentiment/done"]
    assert (done["state"], done["architecture"], done["epochs"]) == (comparing.FINISHED, "lstm", 3)
    assert (done["best"], done["evaluation"]) == ("val_loss 0.5 in epoch 2", "accuracy 0.75")
    assert [row["state"] for row in comparing.listed(tmp_path, "gan")] == [comparing.STOPPED]


def test_what_a_search_works_on_is_in_training_and_not_deleted(tmp_path):
    run = made(tmp_path / "sentiment/best")
    made(run / "trials/3")
    with locked(run / "trials/3"):
        assert [row["state"] for row in comparing.listed(tmp_path)] == [comparing.IN_TRAINING]
        assert not comparing.delete(run) and run.folder.exists()
    with locked(run / "trials/4"):  # reads its data, and has no folder yet
        assert not comparing.delete(run) and run.folder.exists()
    assert comparing.delete(run) and not run.folder.exists()


def test_a_search_that_was_stopped_before_its_end_is_listed(tmp_path):
    run = Run(tmp_path / "sentiment/best")
    run.write("search.json", {"configuration": {"app": "sentiment", "monitor": "val_loss"}, "fixed": []})
    (row,) = comparing.listed(tmp_path)
    assert (row["app"], row["state"], row["epochs"]) == ("sentiment", comparing.STOPPED, 0)
    finish(made(run / "trials/0"), [{"epoch": 1, "val_loss": 0.5}], 1)
    (row,) = comparing.listed(tmp_path)
    assert (row["run"], row["state"], row["epochs"]) == (str(run), comparing.STOPPED, 1)


@pytest.mark.parametrize("damage", ["config.json", "checkpoint.npz"])
def test_a_damaged_run_is_listed_as_such(tmp_path, damage):
    run = made(tmp_path / "sentiment/mine")
    (run / damage).write_text("{")
    (row,) = comparing.listed(tmp_path)
    assert (row["state"], row["app"], row["epochs"]) == (comparing.DAMAGED, "sentiment", None)


def test_pairs_tell_what_intervals_of_each_run_do_not(tmp_path):
    random = np.random.default_rng(0)
    first = random.random(1000) < 0.8
    # The second is right wherever the first is, and in a quarter of the rest.
    second = first | (random.random(1000) < 0.25)
    runs = [made(tmp_path / str(seed), right=right, seed=seed) for seed, right in enumerate((first, second))]
    found = comparing.compare(*runs)
    assert found["configuration"] == [{"name": "seed", str(runs[0]): 0, str(runs[1]): 1}]
    (measure,) = found["measures"]
    assert measure["difference"] == pytest.approx(second.mean() - first.mean())
    paired = found["paired"]["accuracy"]
    assert paired["difference"] == pytest.approx(second.mean() - first.mean(), abs=1e-6) and paired["examples"] == 1000
    assert 0 < paired["low"] < paired["difference"] < paired["high"] < 0.1


def test_classification_keeps_what_pairs_are_made_of(tmp_path):
    runs = [made(tmp_path / name, right=[]) for name in "ab"]
    labels, sure = np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]])
    for run, probabilities in zip(runs, (sure, sure[:, ::-1]), strict=True):
        classification.report(run / "evaluation", labels, probabilities, ["no", "yes"], {}, "text")
    found = comparing.compare(*runs)["paired"]
    assert found["accuracy"]["difference"] == 0  # each has one of two right
    expected = np.mean(np.log(sure[[0, 1], labels]) - np.log(sure[[0, 1], 1 - labels]))
    assert found["cross-entropy"]["difference"] == pytest.approx(expected, abs=1e-6)


def test_examples_of_one_person_count_together(tmp_path):
    persons = np.repeat(np.arange(10), 100)
    better = np.repeat(np.arange(10) % 2, 100)
    runs = [made(tmp_path / str(k), right=right, groups=persons) for k, right in enumerate((np.zeros(1000), better))]
    of_persons = comparing.compare(*runs)["paired"]["accuracy"]
    assert of_persons["high"] - of_persons["low"] > 0.4


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"right": None}, "both runs must be evaluated first"),
        ({"right": [1, 0], "fingerprint": "b"}, "the runs were evaluated on different examples"),
        ({"right": [1, 0, 1]}, "the runs were evaluated on different examples"),
    ],
)
def test_what_is_no_pair_has_no_interval(tmp_path, change, reason):
    runs = made(tmp_path / "a", right=[1, 0]), made(tmp_path / "b", **change)
    assert comparing.compare(*runs)["paired"] == reason


def test_evaluations_of_older_versions_are_to_be_done_again(tmp_path):
    runs = made(tmp_path / "a", right=[1, 0]), made(tmp_path / "b", right=[1, 0])
    (runs[1] / "evaluation" / comparing.EXAMPLES).unlink()
    assert "evaluate both runs again" in comparing.compare(*runs)["paired"]
    (runs[1] / "evaluation" / comparing.EXAMPLES).write_bytes(b"PK")
    with pytest.raises(ValueError, match="damaged: evaluate the run again"):
        comparing.compare(*runs)


def test_runs_that_cannot_be_compared_are_refused(tmp_path):
    run, other = made(tmp_path / "a"), made(tmp_path / "b", app="gan")
    with pytest.raises(ValueError, match=r"must be of one application\. Received: sentiment and gan"):
        comparing.compare(run, other)
    with pytest.raises(ValueError, match="must be two"):
        comparing.compare(run, run)
    with pytest.raises(FileNotFoundError, match="There is no run in"):
        comparing.compare(run, tmp_path / "c")
