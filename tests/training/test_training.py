"""Training that survives SIGKILL: run as a script, this file is the processes that the tests kill and start again."""

import csv
import dataclasses
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

EPOCHS, BATCHES = 9, 11
# What a run does differently from the others, by the first word of its name.
VARIANTS = {
    "usual": {},
    "single": {"steps_per_execution": 1},
    "jit": {"jit": "on"},
    "jax": {"steps_per_execution": 1},
    "plain": {"ema": None, "steps_per_execution": 1},
    "plateau": {"ema": None, "steps_per_execution": 1},
    "words": {"ema": None, "steps_per_execution": 1},
    "streams": {"ema": None, "steps_per_execution": 1},
}
# Epoch and batch, from 0: `at` names the callback method that kills, `checkpoints` are the batches that are saved.
KILLS = {
    "inside": {"at": "on_train_batch_end", "epoch": 2, "batch": 7, "checkpoints": [1, 3]},
    "again": {"at": "on_train_batch_end", "epoch": 2, "batch": 9, "checkpoints": [5]},
    "validated": {"at": "on_epoch_end", "epoch": 2, "checkpoints": range(100)},
    "validating": {"at": "on_test_begin", "epoch": 2, "checkpoints": range(100)},
    "between": {"at": "on_epoch_begin", "epoch": 2, "checkpoints": []},
    "early": {"at": "on_train_batch_end", "epoch": 0, "batch": 5, "checkpoints": []},
    "finished": {"at": "on_train_end", "epoch": None, "checkpoints": []},
    "nowhere": {"at": None, "checkpoints": []},
}


def test_killed_runs_end_as_one_never_stopped(tmp_path):
    kills = ("nowhere", "whole"), ("inside", "a"), ("again", "a"), ("nowhere", "a")
    process(tmp_path, *(("usual", run, kill) for kill, run in kills))
    assert stopped_early(tmp_path / "whole")
    assert same(tmp_path / "whole", tmp_path / "a")


# `tests/models/test_generative.py` resumes one in its own process.
@pytest.mark.slow
def test_a_killed_model_with_two_optimizers_ends_as_one_never_stopped(tmp_path):
    process(
        tmp_path, ("adversarial", "whole", "nowhere"), ("adversarial", "a", "inside"), ("adversarial", "a", "nowhere")
    )
    assert len(rows(tmp_path / "whole")) == EPOCHS
    assert same(tmp_path / "whole", tmp_path / "a")


def test_a_killed_run_goes_on_with_the_state_of_its_callbacks(tmp_path):
    """Keras's own halves the rate after an epoch without progress: what it remembers decides the epochs to come."""
    process(tmp_path, ("plateau", "whole", "nowhere"), ("plateau", "a", "inside"), ("plateau", "a", "nowhere"))
    rates = [float(row["learning_rate"]) for row in rows(tmp_path / "whole")]
    # It last lowers the rate later than the epoch in which the runs were killed.
    assert len(set(rates)) > 2 and rates[3] > rates[-1]
    assert same(tmp_path / "whole", tmp_path / "a")


# Their batches follow from seed and position, as `tests/targets` shows.
@pytest.mark.slow
def test_killed_word_vectors_end_as_those_never_stopped(tmp_path):
    process(tmp_path, ("words", "whole", "nowhere"), ("words", "a", "inside"), ("words", "a", "nowhere"))
    assert same(tmp_path / "whole", tmp_path / "a")


def test_killed_streams_go_on_with_the_state_they_carry(tmp_path):
    process(tmp_path, ("streams", "whole", "nowhere"), ("streams", "a", "inside"), ("streams", "a", "nowhere"))
    assert same(tmp_path / "whole", tmp_path / "a")


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["single", "jit", "plain"])
def test_killed_variants_end_as_one_never_stopped(tmp_path, variant):
    process(tmp_path, (variant, "whole", "nowhere"), (variant, "a", "inside"), (variant, "b", "validating"))
    process(tmp_path, (variant, "a", "again"), (variant, "a", "nowhere"), (variant, "b", "nowhere"))
    assert same(tmp_path / "whole", tmp_path / "a") and same(tmp_path / "whole", tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize("kill", ["validated", "between", "early", "finished"])
def test_runs_killed_elsewhere_end_as_one_never_stopped(tmp_path, kill):
    process(tmp_path, ("usual", "whole", "nowhere"), ("usual", "a", kill))
    assert not (tmp_path / "a/model.keras").exists()
    process(tmp_path, ("usual", "a", "nowhere"))
    assert same(tmp_path / "whole", tmp_path / "a")


@pytest.mark.slow
def test_killed_runs_on_jax_end_as_one_never_stopped(tmp_path):
    pytest.importorskip("jax", reason="JAX is not installed")
    process(tmp_path, ("jax", "whole", "nowhere"), ("jax", "a", "inside"), ("jax", "b", "validated"), backend="jax")
    process(tmp_path, ("jax", "a", "again"), ("jax", "a", "nowhere"), ("jax", "b", "nowhere"), backend="jax")
    assert same(tmp_path / "whole", tmp_path / "a") and same(tmp_path / "whole", tmp_path / "b")


# ---- what else fit promises ----------------------------------------------------------------------------------------


def small_fit(run, build=None, drawn=False, **options):
    """Two epochs of one layer in this process, without a figure."""
    from kerasmlsp import plotting, training

    options = {"epochs": 2, "validation": validation(), "checkpoint_seconds": math.inf, **options}
    with pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr(plotting, "curves", no_figure)
        return training.fit(build or one_layer, options.pop("batches", batches(24)), run=run, **options)


def no_figure(rows, path):
    path.touch()


def one_layer(units=1):
    import keras

    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(units, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9), "binary_crossentropy")
    return model


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run, and its model."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    return run, small_fit(run, drawn=True)


def copy_of(finished, tmp_path):
    return Path(shutil.copytree(finished[0], tmp_path / "run"))


def test_a_run_leaves_its_files(finished):
    run, _ = finished
    assert {each.name for each in run.iterdir()} == {
        "checkpoint.npz", "history.csv", "curves.png", "tensorboard", "model.keras"
    }  # fmt: skip
    assert list(rows(run)[0]) == ["epoch", "loss", "val_loss", "learning_rate"] and len(rows(run)) == 2
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert list((run / "tensorboard").rglob("events.out*"))


def test_the_model_has_the_weights_of_the_best_epoch(finished):
    from kerasmlsp import training

    run, model = finished
    best = min(rows(run), key=lambda row: float(row["val_loss"]))
    assert training.Run(run).best_row()["epoch"] == int(best["epoch"])
    # Without metrics, evaluate returns the loss.
    assert model.evaluate(validation(), verbose=0) == pytest.approx(float(best["val_loss"]), abs=1e-5)
    loaded = training.Run(run).model()
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True))


def test_a_finished_run_is_only_restored(finished, tmp_path):
    run = copy_of(finished, tmp_path)
    (run / "model.keras").unlink()
    before = {name: (run / name).read_bytes() for name in ("checkpoint.npz", "history.csv")}
    model = small_fit(run, resume=True)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), finished[1].get_weights(), strict=True))
    assert {name: (run / name).read_bytes() for name in before} == before and (run / "model.keras").exists()


def test_a_finished_run_can_be_made_longer(finished, tmp_path):
    run = copy_of(finished, tmp_path)
    small_fit(run, resume=True, epochs=3)
    assert rows(run)[:2] == rows(finished[0]) and [row["epoch"] for row in rows(run)] == ["1", "2", "3"]


def test_a_run_is_not_overwritten_unasked(finished):
    with pytest.raises(ValueError, match=f"{finished[0]} holds a run already"):
        small_fit(finished[0])


def test_a_broken_checkpoint_is_named(finished, tmp_path):
    run = copy_of(finished, tmp_path)
    whole = (run / "checkpoint.npz").read_bytes()
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 0xFF
    for broken in (whole[: len(whole) // 2], whole[:-3], b"", b"no archive", bytes(changed)):
        (run / "checkpoint.npz").write_bytes(broken)
        with pytest.raises(ValueError, match=f"The checkpoint {run}/checkpoint.npz is damaged"):
            small_fit(run, resume=True)
        assert (run / "checkpoint.npz").read_bytes() == broken


def test_a_checkpoint_without_its_state_is_damaged(finished, tmp_path):
    run = copy_of(finished, tmp_path)
    np.savez(run / "checkpoint.npz", **{**arrays(run), "state": np.array("{}")})
    with pytest.raises(ValueError, match="is damaged"):
        small_fit(run, resume=True)


def test_the_checkpoint_of_another_model_is_refused(finished):
    with pytest.raises(ValueError, match="of another model"):
        small_fit(finished[0], lambda: one_layer(units=2), resume=True)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"precision": "float8"}, "`precision` must be .* Received: 'float8'"),
        ({"jit": "always"}, "`jit` must be .* Received: 'always'"),
    ],
)
def test_unknown_values_are_refused_before_training(tmp_path, options, named):
    with pytest.raises(ValueError, match=named):
        small_fit(tmp_path / "run", **options)
    assert not (tmp_path / "run/checkpoint.npz").exists()


def test_an_unknown_monitor_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"`monitor` must be one of loss, val_loss\. Received: monitor='val_beauty'"):
        small_fit(tmp_path / "run", monitor="val_beauty")


def test_an_unknown_monitor_is_refused_before_the_first_epoch(tmp_path):
    with pytest.raises(ValueError, match=r"`monitor` must be one of .*val_auc.* Received: monitor='val_beauty'"):
        small_fit(tmp_path / "run", classifier, monitor="val_beauty", callbacks=())
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("monitor", ["beauty", "val_accuracy_loss"])
def test_a_column_of_no_known_direction_is_refused_before_the_first_epoch(tmp_path, monitor):
    import keras

    with pytest.raises(ValueError, match=f'`mode` must be "min" or "max".*monitor={monitor!r}'):
        small_fit(tmp_path / "run", monitor=monitor, callbacks=[keras.callbacks.Callback()])
    assert not list((tmp_path / "run").iterdir())


def test_the_direction_is_the_metric_s_own():
    """Keras's metrics by whatever name, names that Keras makes of them, and measures that callbacks add."""
    import keras

    from kerasmlsp import losses
    from kerasmlsp.training import selection

    higher = ["acc", "AUC", keras.metrics.AUC(name="pr_auc_1"), keras.metrics.AUC(name="wrong"), "precision", "recall"]
    higher += [keras.metrics.F1Score(threshold=0.5), keras.metrics.BinaryIoU(name="overlap"), "r2_score"]
    lower = ["mean_squared_error", keras.metrics.MeanAbsoluteError(name="accuracy_of_it"), keras.losses.Huber()]
    inputs = keras.Input((2,))
    outputs = {name: keras.layers.Dense(1, name=name)(inputs) for name in ("one", "two")}
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse", metrics={"one": [*higher, losses.NatsPerFrame()], "two": lower})
    zeros = np.zeros((2, 1), "float32")
    names = list(model.test_on_batch(np.zeros((2, 2)), {"one": zeros, "two": zeros}, return_dict=True))
    found = {name: selection.direction(model, f"val_{name}", "auto") for name in names}
    up = {name for name, sign in found.items() if sign == 1}
    expected = "acc auc pr_auc_1 wrong precision recall f1_score overlap r2_score"
    assert {name.removeprefix("one_").lower() for name in up} == set(expected.split()), found
    assert {name for name, sign in found.items() if sign != 1} == {name for name, sign in found.items() if sign == -1}
    for name, sign in (("bleu", 1), ("map", 1), ("val_reward", 1), ("bleu_4", 1), ("map50", 1), ("mean_iou", 1)):
        assert selection.direction(model, name, "auto") == sign, name
    for name in ("frechet_distance", "word_error", "perplexity"):
        assert selection.direction(model, name, "auto") == -1, name
    assert selection.direction(model, "beauty", "auto") is None
    assert selection.direction(model, "two_loss", "max") == 1 and selection.direction(model, "acc", "min") == -1


@pytest.mark.parametrize(("mode", "epoch"), [("min", 2), ("max", 3)])
def test_a_given_direction_counts(tmp_path, mode, epoch):
    from kerasmlsp import training

    options = {"monitor": "beauty", "callbacks": [adding("beauty", [2.0, 1.0, 3.0])]}
    small_fit(tmp_path / "run", epochs=3, mode=mode, **options)
    assert training.Run(tmp_path / "run").best_row()["epoch"] == epoch


def test_a_metric_of_one_value_for_each_class_is_logged_as_their_mean(tmp_path):
    import keras

    from kerasmlsp import training

    def build():
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="softmax")])
        model.compile("sgd", "categorical_crossentropy", metrics=[keras.metrics.F1Score()])
        return model

    points, classes = data(40, seed=1)[0], np.eye(3, dtype="float32")[np.arange(40) % 3]
    import tensorflow as tf

    whole = tf.data.Dataset.from_tensors((points, classes))
    model = small_fit(tmp_path / "run", build, validation=whole, monitor="val_f1_score", batches=Whole(whole))
    each = keras.metrics.F1Score()
    each.update_state(classes, model(points))
    expected = float(np.mean(each.result()))
    assert training.Run(tmp_path / "run").best_row()["val_f1_score"] == pytest.approx(expected, abs=1e-6)


class Whole:
    """One batch an epoch: the least that knows its position."""

    def __init__(self, dataset):
        self.batch = dataset

    def dataset(self, position):
        return self.batch


@pytest.mark.parametrize("batches", [[1, 2], np.zeros((3, 2))])
def test_batches_that_know_no_position_are_refused(tmp_path, batches):
    with pytest.raises(ValueError, match=r"`batches` must be .*Received: (list|ndarray)"):
        small_fit(tmp_path / "run", batches=batches)


@pytest.mark.parametrize("weights", [{0: 1.0}, {1: 2.0}])
def test_weights_that_lack_a_class_are_refused_before_training(tmp_path, weights):
    lacking = 1 - next(iter(weights))
    with pytest.raises(
        ValueError, match=f"`class_weight` must .* every class from 0 to 1. Received: none for {lacking}"
    ):
        small_fit(tmp_path / "run", class_weight=weights)
    assert not list((tmp_path / "run").iterdir())


def adding(name, values):
    """A callback that adds a column to the log where the value is not None."""
    import keras

    class Adding(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if values[epoch] is not None:
                logs[name] = values[epoch]

    return Adding()


def test_a_column_may_come_late_and_be_left_out(tmp_path):
    from kerasmlsp import training

    added = [adding("late", [None, 2.0, None, 1.0]), adding("distance", [2.0, None, 1.0, None])]
    small_fit(tmp_path / "run", epochs=4, callbacks=added, monitor="distance", patience=1, drawn=True)
    assert [row["late"] for row in rows(tmp_path / "run")] == ["", "2.0", "", "1.0"]
    assert [row["distance"] for row in rows(tmp_path / "run")] == ["2.0", "", "1.0", ""]
    assert training.Run(tmp_path / "run").best_row()["epoch"] == 3
    assert (tmp_path / "run/curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_that_fails_costs_no_model(tmp_path, monkeypatch, caplog):
    from kerasmlsp import plotting

    def fail(rows, path):
        assert (tmp_path / "run/model.keras").exists()
        raise RuntimeError("no fonts")

    monkeypatch.setattr(plotting, "curves", fail)
    small_fit(tmp_path / "run", epochs=1, drawn=True)
    assert (tmp_path / "run/model.keras").exists() and not (tmp_path / "run/curves.png").exists()
    own = [record for record in caplog.records if record.name == "kerasmlsp"]
    [warning] = [record.getMessage() for record in own if record.levelname == "WARNING"]
    assert warning == f"{tmp_path / 'run/curves.png'} was not drawn (RuntimeError: no fonts)."


def test_one_process_at_a_time_trains_a_run(finished, tmp_path):
    from kerasmlsp import files, training

    run = copy_of(finished, tmp_path)
    (run / ".checkpoint.4711.npz").write_bytes(b"half of a killed process's")
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with files.locked(run / "checkpoint.npz"), pytest.raises(ValueError, match=f"Another process trains the run {run}"):
        small_fit(run, resume=True)
    assert before == {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    second = training.Run(tmp_path / "new").claimed()
    with training.Run(tmp_path / "new").claimed(), pytest.raises(ValueError, match="Another process trains"), second:
        pytest.fail("two at a time")
    small_fit(run, resume=True)
    assert not (run / ".checkpoint.4711.npz").exists() and not (tmp_path / "new").exists()


def test_the_state_of_a_stream_does_not_cross_epochs(tmp_path):
    import keras

    found = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            found.append(max(float(np.abs(state).max()) for state in self.model.get_layer("stateful_1").states))

    small_fit(tmp_path / "run", stream_reader, batches=streams(), validation=None, callbacks=[Look()])
    assert len(found) == 2 * BATCHES
    assert [place for place, largest in enumerate(found) if largest == 0] == [0, BATCHES]


def test_a_run_stopped_in_its_first_epoch_has_no_best_row(tmp_path):
    import keras

    from kerasmlsp import training

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        small_fit(tmp_path / "run", checkpoint_seconds=0.0, callbacks=[Stop()])
    with pytest.raises(ValueError, match=f"The run {tmp_path / 'run'} was stopped in its first epoch: go on"):
        training.Run(tmp_path / "run").best_row()
    with pytest.raises(FileNotFoundError, match="There is no checkpoint"):
        training.Run(tmp_path).best_row()


def test_the_state_of_callbacks_is_what_has_changed(tmp_path):
    """Arrays, tuples, dicts and lists come back; what was set before training, and what is no state, stays."""
    import keras

    class Remembers(keras.callbacks.Callback):
        def __init__(self, setting):
            super().__init__()
            self.setting, self.seen, self.hidden, self.other = setting, (), {}, object()

        def on_epoch_end(self, epoch, logs=None):
            assert len(self.seen) == epoch
            self.seen = (*self.seen, np.arange(epoch + 1.0))
            self.hidden = {"last": [epoch, np.float32(0.5), None]}

    small_fit(tmp_path / "run", epochs=1, callbacks=[Remembers("first")])
    callback = Remembers("second")
    small_fit(tmp_path / "run", epochs=2, resume=True, callbacks=[callback])
    assert [each.tolist() for each in callback.seen] == [[0], [0, 1]] and callback.setting == "second"
    assert callback.hidden == {"last": [1, np.float32(0.5), None]}


@pytest.mark.parametrize("algorithm", ["adamw", "adam", "rmsprop", "sgd"])
def test_every_algorithm_trains_and_its_file_can_go_on(tmp_path, algorithm):
    import kerasmlsp
    from kerasmlsp import optimizers, training

    def build():
        model = classifier(None, metrics=False)
        options = {"schedule": "step", "step_epochs": 1, "epochs": 2, "warmup": 0.1, "weight_decay": 0.1}
        settings = training.Settings(optimizer=algorithm, learning_rate=0.01, **options)
        model.compile(optimizers.build(settings, 22), "binary_crossentropy")
        return model

    model = small_fit(tmp_path / "run", build)
    again = kerasmlsp.load_model(tmp_path / "run/model.keras", compile=True)
    assert type(again.optimizer) is type(model.optimizer) and int(again.optimizer.iterations) == 6
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert float(rows(tmp_path / "run")[1]["loss"]) < float(rows(tmp_path / "run")[0]["loss"])


def test_divergence_ends_training_with_a_word_on_it(tmp_path):
    def build():
        import keras

        model = one_layer()
        model.compile(keras.optimizers.SGD(1e30), "mse")
        model.layers[-1].activation = keras.activations.linear
        return model

    with pytest.raises(ValueError, match=r"diverged in epoch 1: .* is (nan|inf).* smaller learning rate"):
        small_fit(tmp_path / "run", build)
    assert not (tmp_path / "run/model.keras").exists()


def test_the_wish_of_another_callback_to_stop_is_heard(tmp_path):
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    small_fit(tmp_path / "run", epochs=6, patience=5, callbacks=[Stop()])
    assert len(rows(tmp_path / "run")) == 2 and (tmp_path / "run/model.keras").exists()


def test_without_validation_the_last_epoch_is_the_best(tmp_path):
    from kerasmlsp import training

    small_fit(tmp_path / "run", validation=None, class_weight={0: 2.0, 1: 1.0})
    assert training.Run(tmp_path / "run").best_row()["epoch"] == 2


def test_a_callback_may_add_what_selects_the_epoch(tmp_path):
    import keras

    from kerasmlsp import training

    class Distance(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["distance"] = [3.0, 1.0, 2.0][epoch]

    options = {"validation": None, "monitor": "distance", "callbacks": [Distance()]}
    model = small_fit(tmp_path / "run", epochs=3, **options)
    assert training.Run(tmp_path / "run").best_row()["epoch"] == 2
    until_then = small_fit(tmp_path / "two", epochs=2, **options)
    for weight, expected in zip(model.trainable_variables, until_then.trainable_variables, strict=True):
        assert (np.array(weight.value) == np.array(expected.value)).all()


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    from kerasmlsp.files import write_atomically

    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail(target):
        assert target.parent == tmp_path and target.suffix == ".txt" and target != path
        target.write_text("half of the ne")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
    assert write_atomically(path, lambda target: target.write_text("new")) == 3
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


def test_the_configuration_is_kept_and_compared(tmp_path):
    from kerasmlsp import training

    @dataclasses.dataclass(frozen=True)
    class Toy(training.Settings):
        app: str = "toy"

    @dataclasses.dataclass(frozen=True)
    class Other(training.Settings):
        app: str = "other"

    run = training.Run(tmp_path)
    run.start(Toy(epochs=3), {"shape": (2, 3)})
    config, stored = run.configuration(Toy)
    assert config == Toy(epochs=3) and stored["shape"] == [2, 3]
    assert {"python", "keras", "tensorflow"} <= set(stored["versions"])
    run.start(Toy(epochs=3), {"shape": (2, 3)}, resume=True)
    with pytest.raises(ValueError, match="epochs was 3, now 4"):
        run.start(Toy(epochs=4), {"shape": (2, 3)}, resume=True)
    # A run of a version that knew fewer options has their defaults.
    run.write("config.json", {name: value for name, value in stored.items() if name != "momentum"})
    run.start(Toy(epochs=3), {"shape": (2, 3)}, resume=True)
    with pytest.raises(ValueError, match=r"momentum was 0\.9, now 0\.5"):
        run.start(Toy(epochs=3, momentum=0.5), {"shape": (2, 3)}, resume=True)
    with pytest.raises(ValueError, match="of the application 'toy'"):
        run.configuration(Other)
    with pytest.raises(FileNotFoundError, match="train one first"):
        training.Run(tmp_path / "nowhere").configuration(Toy)
    (tmp_path / "config.json").write_text('{"app": ')
    with pytest.raises(ValueError, match="is damaged"):
        run.configuration(Toy)


def test_models_that_are_not_there_or_broken_are_named(tmp_path):
    from kerasmlsp import training

    with pytest.raises(FileNotFoundError, match="not finished"):
        training.Run(tmp_path).model()
    (tmp_path / "model.keras").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match="is damaged"):
        training.Run(tmp_path).model()


def test_a_whole_file_that_names_a_class_not_imported_says_which(tmp_path):
    """Written by a process that knows the class; a damaged copy of it is told apart."""
    import forked

    import kerasmlsp

    path = tmp_path / "model.keras"
    code = (
        "import sys, keras\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "class Twice(keras.layers.Layer):\n    def call(self, x): return 2 * x\n"
        "@keras.saving.register_keras_serializable('mine')\n"
        "def thrice(x): return 3 * x\n"
        "x = keras.Input((2,))\n"
        "keras.Model(x, keras.layers.Dense(1, activation=thrice)(Twice()(x))).save(sys.argv[1])"
    )
    assert forked.run(forked.execute, code, str(path)).returncode == 0
    with pytest.raises(ValueError, match=f"{path} names what is not registered: mine>Twice, mine>thrice. Import"):
        kerasmlsp.load_model(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    # As of a class of an application, which the library does not import.
    place = {"module": "kerasmlsp.apps.mine"}
    config = json.loads(
        parts["config.json"],
        object_hook=lambda each: each | place if str(each.get("registered_name")).startswith("mine>") else each,
    )
    parts["config.json"] = json.dumps(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    with pytest.raises(ValueError, match=r"mine>Twice, mine>thrice\. Import kerasmlsp\.apps\.mine, then"):
        kerasmlsp.load_model(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=f"{path} is damaged"):
        kerasmlsp.load_model(path)
    with pytest.raises(FileNotFoundError, match="`path` must be there"):
        kerasmlsp.load_model(tmp_path / "nothing.keras")


def test_the_package_itself_imports_nothing_heavy():
    code = "import sys, kerasmlsp; kerasmlsp.load_model; assert not {'keras', 'tensorflow', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- the processes -------------------------------------------------------------------------------------------------


def process(folder, *runs, backend="tensorflow"):
    """Makes runs, triples of variant, folder and kill, each in a process of its own that dies or ends as it says."""
    import forked

    if backend == os.environ.get("KERAS_BACKEND", "tensorflow"):
        result = forked.run(main, str(folder), json.dumps(runs))
        assert result.returncode == 0, result.stderr[-4000:]
        return
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run(
        [sys.executable, __file__, str(folder), json.dumps(runs)], capture_output=True, text=True, env=environment
    )
    assert result.returncode == 0, result.stderr[-4000:]


def main(folder, runs):
    # TensorFlow is imported once and started in the children only: each is a process that can be killed.
    import keras
    import tensorflow as tf  # noqa: F401

    from kerasmlsp import plotting, training  # noqa: F401

    plotting.curves = no_figure
    for variant, name, kill in json.loads(runs):
        child = os.fork()
        if not child:
            train(Path(folder) / name, variant, KILLS[kill])
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        expected = 0 if kill == "nowhere" else signal.SIGKILL
        assert status == expected, f"{variant} {name} {kill} ended with {status} under {keras.backend.backend()}"


def train(run, variant, kill):
    import keras

    from kerasmlsp import training

    options = {"steps_per_execution": 2, **VARIANTS.get(variant, {})}
    ema = options.pop("ema", 0.9)
    build, data, validated = {
        "adversarial": (adversarial, batches, None),
        "words": (words, running_text, None),
        "streams": (stream_reader, streams, None),
        "plateau": (lambda: classifier(None, schedule=None), batches, validation()),
    }.get(variant, (lambda: classifier(ema), batches, validation()))
    interval = Batchwise(kill["checkpoints"])
    halving = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0.01)
    training.fit(
        build,
        data(),
        run=run,
        epochs=EPOCHS,
        validation=validated,
        patience=None if variant == "plateau" else 2,
        seed=3,
        deterministic=True,
        checkpoint_seconds=interval,
        resume=run.exists(),
        callbacks=[*[halving] * (variant == "plateau"), killer(kill, run / "checkpoint.npz", interval)],
        **options,
    )


class Batchwise:
    """An interval that is over, however much time has passed, after the given batches only."""

    def __init__(self, batches):
        self.batches, self.batch = batches, None

    def __le__(self, elapsed):
        return self.batch in self.batches


def killer(kill, checkpoint, interval):
    """A callback that kills its process with SIGKILL, and tells `Batchwise` the batch."""
    import keras

    class Killer(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch, self.start = epoch, None
            self.die("on_epoch_begin", epoch=epoch)

        def on_train_batch_begin(self, batch, logs=None):
            if self.start is None:
                # A broken-off epoch is taken up after its last saved batch, while Keras counts from 0.
                state = json.loads(str(np.load(checkpoint)["state"])) if checkpoint.exists() else {"epoch": -1}
                self.start = state["step"] if state["epoch"] == self.epoch else 0

        def on_train_batch_end(self, batch, logs=None):
            interval.batch = self.start + batch
            self.die("on_train_batch_end", epoch=self.epoch, batch=self.start + batch)

        def on_test_begin(self, logs=None):
            self.die("on_test_begin", epoch=self.epoch)

        def on_epoch_end(self, epoch, logs=None):
            self.die("on_epoch_end", epoch=epoch)

        def on_train_end(self, logs=None):
            self.die("on_train_end", epoch=None)

        def die(self, at, **where):
            if at == kill["at"] and all(kill[name] == value for name, value in where.items()):
                os.kill(os.getpid(), signal.SIGKILL)

    return Killer()


def data(size, seed):
    """Points, and labels of which a fifth is wrong, so that validation soon gets worse."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(size, 6)).astype("float32")
    wrong = random.random(size) < 0.2
    return points, ((points[:, 0] * points[:, 1] > 0) ^ wrong).astype("float32")[:, None]


def batches(size=84, batch_size=8):
    import tensorflow as tf

    from kerasmlsp.data import batching

    points, labels = (tf.constant(each) for each in data(size, seed=0))

    def load(indices, key):
        noise = tf.random.stateless_normal([tf.size(indices), 6], key, stddev=0.1)
        return tf.gather(points, indices) + noise, tf.gather(labels, indices)

    return batching.Batches(batching.shuffled(size, batch_size, seed=1), load)


def validation():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(data(40, seed=1)).batch(16)


def running_text():
    """Batches of the words of a text, which are others in every epoch: eleven, as of `batches`."""
    from kerasmlsp.targets import word2vec

    random = np.random.default_rng(0)
    texts = [random.integers(2, 30, 800) for _ in range(4)]
    options = {"window": 2, "block": 4, "shared": 4, "batch_size": 70, "threshold": 1.0}
    made = word2vec.TrainingBatches(texts, np.bincount(np.concatenate(texts), minlength=30), **options)
    assert made.num_batches == BATCHES
    return made


def words():
    from kerasmlsp import losses, models, optimizers

    model = models.skip_gram(30, embedding_dim=4)
    model.compile(optimizers.SGD(0.01, momentum=0.9), losses.NegativeSampling(2))
    return model


def streams():
    import tensorflow as tf

    from kerasmlsp.data import batching

    values = tf.constant(np.random.default_rng(0).integers(0, 5, 4 * 6 * BATCHES + 7))

    def load(starts, key):
        rows = tf.gather(values, starts[:, None] + tf.range(7, dtype=tf.int64))
        return rows[:, :-1], rows[:, 1:]

    return batching.Batches(batching.streams(len(values) - 1, 4, 6, seed=1), load)


def stream_reader():
    from kerasmlsp import models, optimizers

    model = models.lstm_language_model(5, units=6, num_layers=1, stateful_batch=4)
    model.compile(optimizers.Adam(0.01), keras_loss())
    return model


def keras_loss():
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def classifier(ema=0.9, units=8, learning_rate=0.1, metrics=True, schedule="cosine"):
    import keras

    from kerasmlsp import optimizers, training

    model = keras.Sequential(
        [
            keras.Input((6,), name="points"),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    rate = {"schedule": schedule, "warmup": 0.1} if schedule else {"schedule": "constant", "warmup": 0.0}
    settings = training.Settings(learning_rate=learning_rate, weight_decay=0.01, ema=ema, **rate)
    optimizer = optimizers.build(settings, EPOCHS * BATCHES)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC(name="auc")] * metrics)
    return model


def adversarial():
    """A generator and a critic, each with its optimizer, and noise from a random state of the model's own."""
    import keras
    import tensorflow as tf

    class Adversarial(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(6)])
            self.critic = keras.Sequential([keras.Input((6,)), keras.layers.Dropout(0.2), keras.layers.Dense(1)])
            self.noise = keras.random.SeedGenerator(7)
            self.tracker = keras.metrics.Mean(name="gap")
            self.built = True

        def compile(self):
            super().compile()
            self.generator_optimizer = keras.optimizers.Adam(0.01)
            self.critic_optimizer = keras.optimizers.Adam(0.02)

        def call(self, inputs):
            return self.critic(inputs)

        def get_config(self):
            return {}

        @property
        def metrics(self):
            return [self.tracker]

        def train_step(self, batch):
            real = batch[0]
            noise = keras.random.normal((tf.shape(real)[0], 3), seed=self.noise)
            with tf.GradientTape(persistent=True) as tape:
                made = self.critic(self.generator(noise, training=True), training=True)
                gap = tf.reduce_mean(tf.nn.softplus(made) + tf.nn.softplus(-self.critic(real, training=True)))
                fooled = tf.reduce_mean(tf.nn.softplus(-made))
            for net, optimizer, loss in (
                (self.critic, self.critic_optimizer, gap),
                (self.generator, self.generator_optimizer, fooled),
            ):
                optimizer.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
            self.tracker.update_state(gap)
            return {"gap": self.tracker.result()}

    model = Adversarial()
    model.compile()
    return model


# ---- what is compared ----------------------------------------------------------------------------------------------


def rows(run):
    with open(run / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def arrays(run):
    with np.load(run / "checkpoint.npz") as file:
        return dict(file)


def same(one, other):
    """Whether two runs have the same log, checkpoint (weights, optimizers, random state, best epoch) and model."""
    import io
    import zipfile

    import h5py

    assert (one / "history.csv").read_bytes() == (other / "history.csv").read_bytes()
    first, second = arrays(one), arrays(other)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)

    def weights(run):
        found = {}
        with zipfile.ZipFile(run / "model.keras") as archive:
            file = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
            file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None)
        return found

    first, second = weights(one), weights(other)
    assert first.keys() == second.keys() and first
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    return True


def stopped_early(run):
    state = json.loads(str(arrays(run)["state"]))
    return state["stopped"] and state["best_epoch"] == len(rows(run)) - 2 and len(rows(run)) < EPOCHS


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
