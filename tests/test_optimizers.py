"""Optimizers: the same steps as Keras's own, in fewer operations."""

import keras
import numpy as np
import pytest
from backends import XLA

from kerasmlsp import optimizers
from kerasmlsp.training import Settings

RATE = Settings(learning_rate=0.05, schedule="constant", warmup=0.0, clip_norm=0.0)


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def trained(kind, **options):
    """A small net after some steps."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(2)])
    model.compile(kind(**options), "mse", jit_compile=XLA)
    random = np.random.default_rng(0)
    data = random.normal(size=(24, 4)), random.normal(size=(24, 2))
    model.fit(*data, batch_size=4, epochs=2, shuffle=False, verbose=0)
    return model


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": 0.05},
        {"learning_rate": 0.05, "weight_decay": 0.3, "epsilon": 0.01, "beta_1": 0.5, "beta_2": 0.9},
        {"learning_rate": 0.05, "global_clipnorm": 0.1, "use_ema": True, "ema_momentum": 0.5},
        {"learning_rate": 0.05, "amsgrad": True},
        {"learning_rate": keras.optimizers.schedules.CosineDecay(0.1, 8)},
    ],
    ids=["plain", "decay", "clipped and averaged", "amsgrad", "schedule"],
)
def test_adamw_is_that_of_keras(options):
    ours = trained(optimizers.AdamW, **options)
    theirs = trained(keras.optimizers.AdamW, **{"weight_decay": 0.0, **options})
    for mine, other in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(numpy(mine), numpy(other), rtol=1e-4, atol=1e-5)
    for mine, other in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
        np.testing.assert_allclose(numpy(mine), numpy(other), rtol=1e-4, atol=1e-5)


def test_adamw_is_read_again(tmp_path):
    model = trained(optimizers.AdamW, learning_rate=0.05, weight_decay=0.3)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is optimizers.AdamW and again.optimizer.get_config() == model.optimizer.get_config()
    assert int(numpy(again.optimizer.iterations)) == 12


IDS, SLOPES = np.array([[1, 1, 1, 1, 2]]), np.ones((1, 5, 3), "float32")
SUMMED = np.array([[0.0] * 3, [4.0] * 3, [1.0] * 3, [0.0] * 3])


def summed(weights, found):
    return keras.ops.sum(weights * found)


def first_step(optimizer):
    """What one step adds to a table of four rows whose gradient is `SUMMED`: four rows of one token, one of another."""
    words = keras.Input((5,), dtype="int32")
    model = keras.Model(words, keras.layers.Embedding(4, 3, embeddings_initializer="zeros")(words))
    model.compile(optimizer, summed, jit_compile=XLA)
    model.train_on_batch(IDS, SLOPES)
    return numpy(model.weights[0])


CLIPPED = {
    "global_clipnorm": SUMMED * 0.5 / np.sqrt(3 * 16 + 3),
    "clipnorm": SUMMED * 0.5 / np.sqrt(3 * 16 + 3),
    "clipvalue": np.clip(SUMMED, 0, 0.5),
}


@pytest.mark.parametrize("clip", CLIPPED)
def test_rows_are_summed_before_they_are_clipped(clip):
    expected = CLIPPED[clip]
    np.testing.assert_allclose(first_step(optimizers.SGD(1.0, **{clip: 0.5})), -expected, rtol=1e-5)
    # The first steps of Adam and RMSprop with an epsilon of 1, which keeps the size of the gradient in them.
    adam = -np.sqrt(0.001) * expected / (np.sqrt(0.001) * expected + 1.0)
    for kind in (optimizers.Adam, optimizers.AdamW):
        np.testing.assert_allclose(first_step(kind(1.0, epsilon=1.0, **{clip: 0.5})), adam, rtol=1e-4)
    root = -expected / np.sqrt(0.1 * expected**2 + 1.0)
    np.testing.assert_allclose(first_step(optimizers.RMSprop(1.0, epsilon=1.0, **{clip: 0.5})), root, rtol=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_plain_descent_adds_every_row(momentum):
    np.testing.assert_allclose(first_step(optimizers.SGD(0.5, momentum=momentum)), -0.5 * SUMMED, rtol=1e-6)


def test_an_infinity_in_a_repeated_row_is_found_in_half_precision():
    """Of the rows of one token all but the last overflow: the step is left out, and the scale halved."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        words = keras.Input((3,), dtype="int32")
        model = keras.Model(words, keras.layers.Embedding(4, 2, embeddings_initializer="ones")(words))
        model.compile(optimizers.build(RATE, 1), summed, jit_compile=XLA)
    finally:
        keras.config.set_dtype_policy(before)
    assert type(model.optimizer) is optimizers.LossScaleOptimizer
    model.optimizer.build(model.trainable_variables)
    scale = float(numpy(model.optimizer.dynamic_scale))
    slopes = np.array([[[100.0, 100.0], [100.0, 100.0], [0.5, 0.5]]], "float32")
    model.train_on_batch(np.array([[1, 1, 1]]), slopes)
    assert (numpy(model.weights[0]) == 1).all() and float(numpy(model.optimizer.dynamic_scale)) == scale / 2
    model.train_on_batch(np.array([[1, 1, 1]]), slopes / 1000)
    np.testing.assert_allclose(numpy(model.weights[0])[1], 0.95, atol=1e-3)


def test_what_a_row_gets_several_times_is_summed_first():
    """The first step of Adam is the rate times the sign of the gradient, also of a word that occurs twice."""
    words = keras.Input((3,), dtype="int32")
    model = keras.Model(words, keras.layers.Embedding(4, 2, embeddings_initializer="zeros")(words))
    model.compile(optimizers.build(RATE, 1), summed, jit_compile=XLA)
    model.train_on_batch(np.array([[0, 0, 1]]), np.array([[[1.0, 2.0], [1.0, -3.0], [0.5, 0.5]]], "float32"))
    expected = [[-0.05, 0.05], [-0.05, -0.05], [0, 0], [0, 0]]
    np.testing.assert_allclose(numpy(model.weights[0]), expected, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has the operation")
def test_a_step_is_one_operation_for_each_weight():
    import tensorflow as tf

    model = trained(lambda: optimizers.build(RATE, 1))
    step = tf.function(lambda: model.train_step((tf.zeros((2, 4)), tf.zeros((2, 2)))))
    operations = [each.type for each in step.get_concrete_function().graph.get_operations()]
    assert operations.count("ResourceApplyAdam") == len(model.trainable_variables) == 4
    assert "Sqrt" not in operations


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has the operation")
def test_adamw_steps_under_a_strategy():
    import tensorflow as tf

    plain = trained(optimizers.AdamW, learning_rate=0.05)
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        mirrored = trained(optimizers.AdamW, learning_rate=0.05)
    for mine, other in zip(plain.variables, mirrored.variables, strict=True):
        np.testing.assert_allclose(numpy(mine), numpy(other), rtol=1e-4, atol=1e-5)


def rate(**changes):
    return optimizers.build(Settings(**changes), changes.pop("steps", 100))._learning_rate


@pytest.mark.parametrize(("schedule", "last"), [("constant", 0.2), ("cosine", 0.0)])
def test_the_rate_rises_and_falls_as_its_schedule_says(schedule, last):
    found = rate(learning_rate=0.2, schedule=schedule, warmup=0.2)
    assert [float(found(step)) for step in (0, 10, 20, 100)] == pytest.approx([0, 0.1, 0.2, last], abs=1e-6)
    assert float(found(60)) == pytest.approx(0.2 if schedule == "constant" else 0.1, abs=1e-6)


def test_the_rate_is_divided_by_ten_after_so_many_epochs():
    """The lecture's recipe of spoken commands: 25 epochs, divided by 10 after 20; here of 4 steps each."""
    found = rate(learning_rate=0.1, schedule="step", warmup=0.0, epochs=25)
    assert [float(found(step)) for step in (0, 79, 80, 99)] == pytest.approx([0.1, 0.1, 0.01, 0.01])
    found = rate(learning_rate=0.1, schedule="step", warmup=0.1, epochs=10, step_epochs=4)
    numbers = [float(found(step)) for step in (0, 5, 10, 39, 40, 79, 80)]
    assert numbers == pytest.approx([0, 0.05, 0.1, 0.1, 0.01, 0.01, 0.001])
    # Fewer epochs than that keep the rate.
    settings = Settings(learning_rate=0.1, schedule="step", warmup=0.0, epochs=3)
    assert float(optimizers.build(settings, 9).learning_rate) == pytest.approx(0.1)


def test_the_rate_falls_in_a_line_to_its_last():
    found = rate(learning_rate=0.2, schedule="linear", warmup=0.2)
    assert [float(found(step)) for step in (10, 20, 60, 100, 200)] == pytest.approx([0.1, 0.2, 0.1, 0, 0], abs=1e-7)
    found = rate(learning_rate=0.2, schedule="linear", warmup=0.0, final_rate=0.5)
    assert [float(found(step)) for step in (0, 50, 100)] == pytest.approx([0.2, 0.15, 0.1])


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match=r"`learning_rate` must be given.*learning_rate=None"):
        optimizers.build(Settings(), 1)
    with pytest.raises(ValueError, match=r"`steps` be at least 1.*steps=0"):
        optimizers.build(RATE, 0)
    with pytest.raises(ValueError, match="`epochs` must be given"):
        optimizers.build(Settings(learning_rate=0.1, schedule="step"), 5)
