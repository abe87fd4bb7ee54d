"""Training that survives SIGKILL: run as a script, this file is the processes that the tests kill and start again."""

import csv
import functools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EPOCHS, BATCHES = 9, 11
# What a run does differently from the others, by the first word of its name.
VARIANTS = {
    "usual": {},
    "single": {"steps_per_execution": 1},
    "jit": {"jit": True},
    "jax": {"steps_per_execution": 1},
    "plain": {"ema": None, "steps_per_execution": 1},
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
    process(tmp_path, ("usual", "whole", "nowhere"), ("usual", "a", "inside"), ("usual", "b", "validated"))
    process(tmp_path, ("usual", "a", "again"), ("usual", "a", "nowhere"), ("usual", "b", "nowhere"))
    assert stopped_early(tmp_path / "whole")
    assert same(tmp_path / "whole", tmp_path / "a") and same(tmp_path / "whole", tmp_path / "b")


def test_a_killed_model_with_two_optimizers_ends_as_one_never_stopped(tmp_path):
    process(
        tmp_path, ("adversarial", "whole", "nowhere"), ("adversarial", "a", "inside"), ("adversarial", "a", "nowhere")
    )
    assert len(rows(tmp_path / "whole")) == EPOCHS
    assert same(tmp_path / "whole", tmp_path / "a")


@pytest.mark.slow
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name not in ("usual", "jax")])
def test_killed_variants_end_as_one_never_stopped(tmp_path, variant):
    process(tmp_path, (variant, "whole", "nowhere"), (variant, "a", "inside"), (variant, "b", "validating"))
    process(tmp_path, (variant, "a", "again"), (variant, "a", "nowhere"), (variant, "b", "nowhere"))
    assert same(tmp_path / "whole", tmp_path / "a") and same(tmp_path / "whole", tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize("kill", ["between", "early", "finished"])
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


def small_fit(run, build=None, **options):
    """Two epochs in this process."""
    from kerasmlsp import training

    build = build or functools.partial(classifier, metrics=False)
    options = {"epochs": 2, "validation": validation(), "checkpoint_seconds": math.inf, **options}
    return training.fit(build, batches(24), run=run, **options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run, and its model."""
    run = tmp_path_factory.mktemp("runs") / "finished"
    return run, small_fit(run)


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
    assert training.best_row(run)["epoch"] == int(best["epoch"])
    # Without metrics, evaluate returns the loss.
    assert model.evaluate(validation(), verbose=0) == pytest.approx(float(best["val_loss"]), abs=1e-5)
    loaded = training.load_model(run / "model.keras")
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
        small_fit(finished[0], lambda: classifier(units=5, metrics=False), resume=True)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"precision": "float8"}, "`precision` must be .* Received: precision='float8'"),
        ({"jit": "always"}, "`jit` must be .* Received: jit='always'"),
    ],
)
def test_unknown_values_are_refused_before_training(tmp_path, options, named):
    with pytest.raises(ValueError, match=named):
        small_fit(tmp_path / "run", **options)
    assert not (tmp_path / "run/checkpoint.npz").exists()


def test_an_unknown_monitor_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"`monitor` must be one of loss, val_loss\. Received: monitor='val_beauty'"):
        small_fit(tmp_path / "run", monitor="val_beauty")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"schedule": "square"}, "`schedule`"),
        ({"learning_rate": 0}, "`learning_rate`"),
        ({"warmup": 1.0, "steps": 5}, "`warmup`"),
        ({"schedule": "cosine"}, "`steps`"),
        ({"warmup": 0.1}, "`steps`"),
        ({"weight_decay": -0.1}, "`weight_decay`"),
        ({"clip_norm": 0.0}, "`clip_norm`"),
        ({"ema": 0.0}, "`ema`"),
        ({"ema": 1.0}, "`ema`"),
    ],
)
def test_optimizers_refuse_values_out_of_range(options, named):
    from kerasmlsp import training

    with pytest.raises(ValueError, match=f"{named} must be"):
        training.optimizer(**options)


@pytest.mark.parametrize(("schedule", "last"), [("constant", 0.2), ("cosine", 0.0)])
def test_the_rate_rises_and_falls_as_its_schedule_says(schedule, last):
    from kerasmlsp import training

    rate = training.optimizer(0.2, schedule=schedule, steps=100, warmup=0.2)._learning_rate
    assert [float(rate(step)) for step in (0, 10, 20, 100)] == pytest.approx([0, 0.1, 0.2, last], abs=1e-6)
    middle = 0.2 if schedule == "constant" else 0.1 * (1 + math.cos(math.pi / 2))
    assert float(rate(60)) == pytest.approx(middle)


def test_divergence_ends_training_with_a_word_on_it(tmp_path):
    def build():
        import keras

        model = classifier(None, metrics=False)
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
    assert training.best_row(tmp_path / "run")["epoch"] == 2


def test_a_callback_may_add_what_selects_the_epoch(tmp_path):
    import keras

    from kerasmlsp import training

    class Distance(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["distance"] = [3.0, 1.0, 2.0][epoch]

    options = {"validation": None, "monitor": "distance", "callbacks": [Distance()]}
    model = small_fit(tmp_path / "run", epochs=3, **options)
    assert training.best_row(tmp_path / "run")["epoch"] == 2
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

    config = {"app": "toy", "epochs": 3, "shape": (2, 3)}
    training.write_config(tmp_path, config)
    read = training.read_config(tmp_path, "toy")
    assert read["shape"] == [2, 3] and {"python", "keras", "tensorflow"} <= set(read["versions"])
    training.write_config(tmp_path, config, resume=True)
    with pytest.raises(ValueError, match="epochs was 3, now 4"):
        training.write_config(tmp_path, {**config, "epochs": 4}, resume=True)
    with pytest.raises(ValueError, match="of the application 'toy'"):
        training.read_config(tmp_path, "other")
    with pytest.raises(FileNotFoundError, match="train one first"):
        training.read_config(tmp_path / "nowhere", "toy")
    (tmp_path / "config.json").write_text('{"app": ')
    with pytest.raises(ValueError, match="is damaged"):
        training.read_config(tmp_path, "toy")


def test_models_that_are_not_there_or_broken_are_named(tmp_path):
    from kerasmlsp import training

    with pytest.raises(FileNotFoundError, match="not finished"):
        training.load_model(tmp_path / "model.keras")
    (tmp_path / "model.keras").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match="is damaged"):
        training.load_model(tmp_path / "model.keras")


# ---- the processes -------------------------------------------------------------------------------------------------


def process(folder, *runs, backend="tensorflow"):
    """Makes runs, triples of variant, folder and kill, each in a process of its own that dies or ends as it says."""
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

    for variant, name, kill in json.loads(runs):
        child = os.fork()
        if not child:
            train(Path(folder) / name, variant, KILLS[kill])
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        expected = 0 if kill == "nowhere" else signal.SIGKILL
        assert status == expected, f"{variant} {name} {kill} ended with {status} under {keras.backend.backend()}"


def train(run, variant, kill):
    from kerasmlsp import training

    options = {"steps_per_execution": 2, **VARIANTS.get(variant, {})}
    ema = options.pop("ema", 0.9)
    supervised = variant != "adversarial"
    training.fit(
        (lambda: classifier(ema)) if supervised else adversarial,
        batches(),
        run=run,
        epochs=EPOCHS,
        validation=validation() if supervised else None,
        patience=2,
        seed=3,
        deterministic=True,
        checkpoint_seconds=(interval := Batchwise(kill["checkpoints"])),
        resume=run.exists(),
        callbacks=[killer(kill, run / "checkpoint.npz", interval)],
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

    from kerasmlsp import batching

    points, labels = (tf.constant(each) for each in data(size, seed=0))

    def load(indices, key):
        noise = tf.random.stateless_normal([tf.size(indices), 6], key, stddev=0.1)
        return tf.gather(points, indices) + noise, tf.gather(labels, indices)

    return batching.Batches(batching.shuffled(size, batch_size, seed=1), load)


def validation():
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(data(40, seed=1)).batch(16)


def classifier(ema=0.9, units=8, learning_rate=0.1, metrics=True):
    import keras

    from kerasmlsp import training

    model = keras.Sequential(
        [
            keras.Input((6,), name="points"),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    optimizer = training.optimizer(
        learning_rate, schedule="cosine", steps=EPOCHS * BATCHES, warmup=0.1, weight_decay=0.01, clip_norm=1.0, ema=ema
    )
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
