"""Callbacks, with Keras's own `fit` and with that of the package, on the backend that KERAS_BACKEND names."""

import csv

import keras
import numpy as np
import pytest

from kerasmlsp import models
from kerasmlsp.callbacks import UpdateNorms

TENSORFLOW = keras.backend.backend() == "tensorflow"


def points(size, features=3):
    random = np.random.default_rng(0)
    return random.normal(size=(size, features)).astype("float32"), random.normal(size=(size, 1)).astype("float32")


def linear(optimizer=None, **options):
    keras.utils.set_random_seed(0)
    model = models.multilayer_perceptron(3, 1, hidden_units=(), output_activation="linear")
    model.compile(optimizer or keras.optimizers.SGD(0.1), "mean_squared_error", jit_compile=not TENSORFLOW, **options)
    return model


def written(path):
    with open(path, newline="") as file:
        return [
            {key: value if key == "layer" else float(value) for key, value in row.items()}
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("every", [1, 2, None])
def test_norms_are_means_over_steps_of_gradient_and_update(tmp_path, every):
    (x, t), model = points(20), linear()
    kernel, bias = (weight.astype("float64") for weight in model.get_weights())
    expected = []
    for _ in range(2):
        steps = []
        for start in range(0, 20, 4):
            inputs, targets = x[start : start + 4], t[start : start + 4]
            error = 2 * (inputs @ kernel + bias - targets) / 4
            slopes = inputs.T @ error, error.sum(0)
            steps.append(np.sqrt(sum((slope**2).sum() for slope in slopes)))
            kernel, bias = kernel - 0.1 * slopes[0], bias - 0.1 * slopes[1]
        size = every or 5
        expected += [np.mean(steps[i : i + size]) for i in range(0, 5, size)]
    norms = UpdateNorms(tmp_path / "norms.csv", every)
    model.fit(x, t, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[norms])
    rows = written(tmp_path / "norms.csv")
    assert [row["layer"] for row in rows] == ["outputs"] * len(expected)
    ends = {1: [1, 2, 3, 4, 5], 2: [2, 4, 5], None: [5]}[every]
    assert [(row["epoch"], row["step"]) for row in rows] == [(epoch, step) for epoch in (1, 2) for step in ends]
    np.testing.assert_allclose([row["gradient"] for row in rows], expected, rtol=1e-4)
    np.testing.assert_allclose([row["update"] for row in rows], 0.1 * np.array(expected), rtol=1e-4)
    np.testing.assert_allclose(model.get_weights()[0], kernel, atol=1e-5)


def test_several_steps_in_one_call_count_one_by_one(tmp_path):
    found = []
    for steps in (1, 3):
        path = tmp_path / f"{steps}.csv"
        linear(steps_per_execution=steps).fit(
            *points(20), batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[UpdateNorms(path, every=3)]
        )
        found.append(written(path))
    assert [(row["epoch"], row["step"]) for row in found[1]] == [(1, 3), (1, 5), (2, 3), (2, 5)]
    for column in ("epoch", "step", "gradient", "update"):
        one, several = ([row[column] for row in rows] for rows in found)
        np.testing.assert_allclose(several, one, rtol=1e-5)


def test_training_is_the_same_and_the_optimizer_is_left_as_it_was(tmp_path):
    x, t = points(20)
    results = []
    for callbacks in ([], [UpdateNorms(tmp_path / "norms.csv")]):
        model = linear(keras.optimizers.Adam(0.01, clipnorm=0.1))
        # Compiled before the callback comes, and once more after it has gone.
        for call in ([], callbacks, []):
            model.fit(x, t, batch_size=4, epochs=1, shuffle=False, verbose=0, callbacks=call)
        results.append(model.get_weights())
        assert "apply" not in vars(model.optimizer)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    rows = written(tmp_path / "norms.csv")
    assert len(rows) == 1
    # The gradient is that before clipping.
    assert rows[0]["gradient"] > 0.1


def test_an_epoch_that_starts_anew_replaces_its_rows(tmp_path):
    (x, t), path = points(8), tmp_path / "norms.csv"
    linear().fit(x, t, batch_size=4, epochs=3, verbose=0, callbacks=[UpdateNorms(path)])
    first = written(path)
    linear().fit(x, t, batch_size=4, initial_epoch=2, epochs=4, verbose=0, callbacks=[UpdateNorms(path)])
    rows = written(path)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4] and rows[:2] == first[:2] and rows[2] != first[2]
    linear().fit(x, t, batch_size=4, epochs=1, verbose=0, callbacks=[UpdateNorms(path)])
    assert [row["epoch"] for row in written(path)] == [1]


def test_repeated_rows_of_an_embedding_count_together(tmp_path):
    embedding = keras.layers.Embedding(5, 2, embeddings_initializer="zeros")
    model = keras.Sequential([keras.Input((3,), dtype="int32"), embedding])
    model.compile(keras.optimizers.SGD(0.1), "mean_squared_error", jit_compile=not TENSORFLOW)
    ids, targets = np.array([[1, 1, 2]]), np.ones((1, 3, 2), "float32")
    model.fit(ids, targets, verbose=0, callbacks=[UpdateNorms(tmp_path / "norms.csv")])
    # Six numbers, slope -2 / 6 each; token 1 comes twice.
    assert written(tmp_path / "norms.csv")[0]["gradient"] == pytest.approx(np.sqrt(2 * (4 / 6) ** 2 + 2 * (2 / 6) ** 2))


def test_gradients_that_explode_are_written_and_do_not_stay(tmp_path):
    x, t = points(12)
    x[4:8] = np.nan
    model = linear(keras.optimizers.SGD(0.0))
    norms = UpdateNorms(tmp_path / "norms.csv", every=1)
    model.fit(x, t, batch_size=4, shuffle=False, verbose=0, callbacks=[norms])
    gradients = [row["gradient"] for row in written(tmp_path / "norms.csv")]
    assert np.isfinite(gradients[0]) and np.isnan(gradients[1])


def test_gradients_vanish_in_the_first_layers_of_a_deep_sigmoid_network(tmp_path):
    from kerasmlsp import plotting, training
    from kerasmlsp.data import batching

    x, t = points(64)

    def build():
        model = models.multilayer_perceptron(
            3, 1, hidden_units=(16,) * 6, activation="sigmoid", output_activation="linear"
        )
        model.compile(keras.optimizers.SGD(0.01), "mean_squared_error")
        return model

    def load(indices, key):
        import tensorflow as tf

        return tf.gather(x, indices), tf.gather(t, indices)

    norms = UpdateNorms(tmp_path / "norms.csv")
    batches = batching.Batches(batching.shuffled(64, 16, seed=0), load)
    training.fit(build, batches, run=tmp_path / "run", epochs=2, callbacks=[norms])
    rows = [row for row in written(tmp_path / "norms.csv") if row["epoch"] == 1]
    assert [row["layer"] for row in rows] == [*(f"hidden_{i}" for i in range(6)), "outputs"]
    gradients = [row["gradient"] for row in rows]
    # The slope of a sigmoid is at most 1/4, and Glorot's weights keep the size of what comes back about the same.
    assert gradients[0] < 1e-3 * gradients[-1]
    assert (np.diff(gradients[1:]) > 0).all()
    plotting.update_norms(norms.rows, tmp_path / "norms.png")
    assert (tmp_path / "norms.png").stat().st_size > 1000


def test_several_optimizers_are_watched_each_for_its_layers(tmp_path):
    if not TENSORFLOW:
        pytest.skip("the step below is TensorFlow's")
    import tensorflow as tf

    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.left, self.right = keras.layers.Dense(1, name="left"), keras.layers.Dense(1, name="right")
            self.left_optimizer, self.right_optimizer = keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.2)

        def call(self, inputs):
            return self.left(inputs), self.right(inputs)

        def train_step(self, batch):
            for layer, optimizer, times in ((self.left, self.left_optimizer, 1), (self.right, self.right_optimizer, 2)):
                for _ in range(times):
                    with tf.GradientTape() as tape:
                        loss = tf.reduce_mean((layer(batch[0]) - batch[1]) ** 2)
                    weights = layer.trainable_variables
                    optimizer.apply(tape.gradient(loss, weights), weights)
            return {"loss": loss}

    model, (x, t) = Pair(), points(8)
    model(x)
    model.compile()
    model.fit(x, t, batch_size=4, verbose=0, callbacks=[UpdateNorms(tmp_path / "norms.csv")])
    rows = {row["layer"].split("/")[-1]: row for row in written(tmp_path / "norms.csv")}
    # Means over the calls of an optimizer, however often a step calls it.
    assert rows["left"]["update"] == pytest.approx(0.1 * rows["left"]["gradient"], rel=1e-4)
    assert rows["right"]["update"] == pytest.approx(0.2 * rows["right"]["gradient"], rel=1e-4)


def test_rows_of_no_steps_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`every` must be at least 1 or None\. Received: every=0"):
        UpdateNorms(tmp_path / "norms.csv", every=0)
