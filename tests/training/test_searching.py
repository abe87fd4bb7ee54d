"""A search for options: its ranges, its best run, and what is left of one that was killed."""

import contextlib
import dataclasses
import json
import math
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from kerasmlsp import training
from kerasmlsp.data import batching
from kerasmlsp.files import locked
from kerasmlsp.training import fitting, searching
from kerasmlsp.training.checkpoint import Keeper
from kerasmlsp.training.settings import Settings, option, same, share

optuna = pytest.importorskip("optuna")


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    app: str = "toy"
    units: int = option(8, "Units.", least=1, searched=2)
    dropout: float = share(0.1, "Drop probability.", searched=(0.0, 0.6))
    epochs: int | None = same("epochs", 3)
    batch_size: int | None = same("batch_size", 4)
    learning_rate: float | None = same("learning_rate", 0.05)


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def train(config, place, *, resume=False, killed_after=None, data="monday"):
    """Does what a training does to its run and to those that look on, without a net: a rate of 0.02 is the best."""
    run = training.Run(place)
    with run.claimed(resume=resume):
        run.start(config, {"fingerprint": data}, resume=resume)
        path = run / "checkpoint.npz"
        rows = json.loads(str(np.load(path)["state"]))["rows"] if path.exists() else []
        for watcher in fitting.watchers.get():
            watcher.settings, watcher.sign = dataclasses.replace(config, learning_rate=config.learning_rate or 0.05), -1
            watcher.on_train_begin()
        for epoch in range(len(rows), config.epochs):
            if epoch == killed_after:
                raise Killed
            loss = abs(math.log((config.learning_rate or 0.05) / 0.02)) + 1 / (epoch + 1)
            rows.append({"epoch": epoch + 1, "val_loss": loss})
            state = {**dict.fromkeys(Keeper.STATE), "rows": rows, "best": loss, "best_epoch": epoch + 1}
            np.savez(path, state=json.dumps(state))
            for watcher in fitting.watchers.get():
                watcher.on_epoch_end(epoch, {"val_loss": loss})
        (run / "model.keras").touch()


def train_a_line(config, place, *, resume=False):
    """Fits a line, for which the rate matters."""
    run, x = training.Run(place), np.linspace(-1, 1, 16, dtype="float32")[:, None]
    batches = batching.Batches(
        batching.shuffled(16, config.batch_size), lambda rows, key: (tf.gather(x, rows), 2 * tf.gather(x, rows))
    )

    def build():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
        model.compile(keras.optimizers.SGD(config.learning_rate), "mse")
        return model

    with run.claimed(resume=resume):
        run.start(config, {}, resume=resume)
        held_out = tf.data.Dataset.from_tensors((x, 2 * x))
        training.fit(build, batches, run, config, validation=held_out, resume=resume)


def trials(run):
    return sorted(int(path.parent.name) for path in Path(run).glob("trials/*/config.json"))


def test_the_best_trial_becomes_the_run(tmp_path):
    run = tmp_path / "toy"
    found = searching.search(train_a_line, Config(), run, 3, fixed=["batch_size"])
    table = pd.read_csv(run / "search.csv")
    assert trials(run) == table["trial"].tolist() == [0, 1, 2]
    whole = table[table["state"] == "complete"]
    best = whole.loc[whole["value"].idxmin()]
    assert found["best"]["trial"] == best["trial"] and found["best"]["value"] == best["value"]
    # A run like any other, with the values of the best trial.
    config, _ = training.Run(run).configuration(Config)
    assert config.learning_rate == pytest.approx(best["learning_rate"]) and config.batch_size == 4
    assert training.Run(run).best_row()["val_loss"] == pytest.approx(best["value"])
    training.Run(run).model()
    assert (run / "search.png").stat().st_size > 1000


def test_ranges_lie_about_the_first_trial_which_is_the_configuration_as_it_is(tmp_path):
    run = tmp_path / "toy"
    searching.search(train, Config(), run, 6, fixed=["learning_rate"])
    table = pd.read_csv(run / "search.csv")
    assert table.loc[0, ["units", "dropout", "batch_size"]].tolist() == [8, 0.1, 4]
    assert "learning_rate" not in table and "epochs" not in table
    assert table["dropout"].between(0, 0.6).all() and set(table["units"]) <= {4, 6, 8, 11, 16}
    assert table["dropout"].nunique() == 6


def test_what_the_architecture_decides_is_searched_about_its_value(tmp_path):
    searching.search(train, Config(learning_rate=None), tmp_path / "toy", 6, fixed=["units", "dropout", "batch_size"])
    rates = pd.read_csv(tmp_path / "toy/search.csv")["learning_rate"]
    assert rates[0] == 0.05 and rates.between(0.01, 0.25).all() and rates.nunique() == 6


def test_an_evaluation_stays_with_the_trial_that_it_measured(tmp_path):
    run, rates = tmp_path / "toy", iter([0.1, 0.2, 0.02])

    def drawn(config, place, *, resume=False):
        train(dataclasses.replace(config, learning_rate=next(rates)), place, resume=resume)

    searching.search(drawn, Config(), run, 2)
    training.Run(run).write("evaluation/metrics.json", {"metrics": {}})
    searching.search(drawn, Config(), run, 2)
    assert training.Run(run).evaluation() == {"metrics": {}}
    assert searching.search(drawn, Config(), run, 3)["best"]["trial"] == 2
    assert training.Run(run).evaluation() is None


def test_a_search_that_was_killed_goes_on_in_the_middle_of_a_trial(tmp_path):
    run, calls = tmp_path / "toy", []

    def killed(config, place, *, resume=False):
        calls.append((Path(place).name, resume))
        train(config, place, resume=resume, killed_after=2 if len(calls) == 3 else None)

    with pytest.raises(Killed):
        searching.search(killed, Config(), run, 4)
    drawn = json.loads((run / "trials/2/config.json").read_text())
    found = searching.search(killed, Config(), run, 4)
    assert calls == [("0", False), ("1", False), ("2", False), ("2", True), ("3", False)]
    table = pd.read_csv(run / "search.csv")
    assert table.loc[2, "learning_rate"] == pytest.approx(drawn["learning_rate"])
    assert sum(found["trials"].values()) == 4
    # More trials may follow; those that are there are not done again.
    searching.search(killed, Config(), run, 5)
    assert calls[5:] == [("4", False)]


def test_a_search_that_was_killed_behind_the_last_epoch_of_its_first_trial_goes_on(tmp_path):
    calls = []

    def killed(config, place, *, resume=False):
        calls.append((Path(place).name, resume))
        train_a_line(config, place, resume=resume)
        if len(calls) == 1:
            raise Killed

    for _ in range(2):
        with contextlib.suppress(Killed):
            found = searching.search(killed, Config(epochs=1), tmp_path / "toy", 2)
    assert calls == [("0", False), ("0", True), ("1", False)] and found["trials"] == {"complete": 2}


def test_a_trial_that_another_process_works_on_is_left_to_it(tmp_path):
    run = tmp_path / "toy"
    searching.search(train, Config(), run, 2)
    backend = optuna.storages.journal.JournalFileBackend(str(run / "search.journal"))
    study = optuna.load_study(study_name="toy", storage=optuna.storages.JournalStorage(backend))
    space = study.get_trials()[0].distributions
    with locked(run / "trials/2"):
        assert study.ask(space).number == 2
        found = searching.search(train, Config(), run, 4)
    assert trials(run) == [0, 1, 3] and found["trials"]["running"] == 1


def test_hopeless_trials_are_stopped_early(tmp_path):
    run = tmp_path / "toy"
    found = searching.search(
        train, Config(epochs=6, learning_rate=0.1), run, 12, fixed=["units", "dropout", "batch_size"]
    )
    table = pd.read_csv(run / "search.csv")
    stopped = table[table["state"] == "pruned"]
    assert len(stopped) == found["trials"]["pruned"] > 0
    for number in stopped["trial"]:
        rows = json.loads(str(np.load(run / "trials" / str(number) / "checkpoint.npz")["state"]))["rows"]
        assert 1 < len(rows) < 6


def test_what_fails_is_left_out_and_time_ends_a_search(tmp_path):
    def failing(config, place, *, resume=False):
        if Path(place).name == "1":
            raise ValueError("Training diverged.")
        train(config, place, resume=resume)

    found = searching.search(failing, Config(), tmp_path / "toy", 3)
    assert found["trials"] == {"complete": 2, "fail": 1}
    found = searching.search(train, Config(), tmp_path / "short", 50, seconds=1e-9)
    assert found["trials"] == {"complete": 1} and found["importance"] == {}


def test_other_searches_and_nothing_to_search_are_refused(tmp_path):
    run = tmp_path / "toy"
    searching.search(train, Config(), run, 2)
    with pytest.raises(ValueError, match="holds a search with other options"):
        searching.search(train, Config(seed=1), run, 2)
    with pytest.raises(ValueError, match="no option to search over"):
        names = ["units", "dropout", "batch_size", "learning_rate"]
        searching.search(train, Config(), tmp_path / "none", 2, fixed=names)
    with pytest.raises(ValueError, match="`trials` must be at least 2"):
        searching.search(train, Config(), run, 1)
    train(Config(), tmp_path / "run")
    with pytest.raises(ValueError, match="holds a run that no search made: name another run"):
        searching.search(train, Config(), tmp_path / "run", 2)


def test_trials_of_other_data_end_the_search(tmp_path):
    def on(data):
        return lambda config, place, *, resume=False: train(config, place, resume=resume, data=data)

    searching.search(on("monday"), Config(), tmp_path, 2)
    with pytest.raises(ValueError, match="data are not those of the search's first trial"):
        searching.search(on("tuesday"), Config(), tmp_path, 4)
    assert searching.search(on("monday"), Config(), tmp_path, 4)["trials"] == {"complete": 3, "fail": 1}
