"""Training that survives SIGKILL: run as a script, this file is the processes that the tests kill and start again."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

KEYS = ("loss", "accuracy", "auc", "val_loss", "val_accuracy", "val_auc")
EPOCHS, BATCHES = 9, 11
# What a run does differently from the others, by the first word of its name.
VARIANTS = {
    "usual": {},
    "single": {"steps_per_execution": 1},
    "jit": {"jit": True},
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
    process(tmp_path, ("adversarial", "whole", "nowhere"), ("adversarial", "a", "inside"), ("adversarial", "a", "nowhere"))
    assert len(rows(tmp_path / "whole")) == EPOCHS
    assert same(tmp_path / "whole", tmp_path / "a")


@pytest.mark.slow
@pytest.mark.parametrize("variant", [name for name in VARIANTS if name != "usual"])
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
    process(
        tmp_path, ("usual", "whole", "nowhere"), ("usual", "a", "inside"), ("usual", "b", "validated"), backend="jax"
    )
    process(tmp_path, ("usual", "a", "again"), ("usual", "a", "nowhere"), ("usual", "b", "nowhere"), backend="jax")
    assert same(tmp_path / "whole", tmp_path / "a") and same(tmp_path / "whole", tmp_path / "b")


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


def batches(size=84, batch_size=8, labelled=True):
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
    import h5py
    import io
    import zipfile

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
