"""Losses against their formulas in NumPy."""

import keras
import numpy as np
import pytest

from kerasmlsp import losses


def example():
    random = np.random.default_rng(0)
    return (random.random((3, 4, 5)) < 0.3).astype("float32"), random.normal(0, 3, (3, 4, 5)).astype("float32")


def test_frame_nats_is_the_log_likelihood_of_independent_keys():
    targets, logits = example()
    share = 1 / (1 + np.exp(-logits.astype("float64")))
    expected = -np.log(np.where(targets > 0, share, 1 - share)).sum(-1)
    found = losses.frame_nats(targets > 0, logits)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), expected, rtol=1e-5)


def test_frame_nats_of_certain_logits_is_finite():
    found = losses.frame_nats(np.array([[[1.0, 0.0]]]), np.array([[[100.0, 100.0]]]))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), [[100.0]])


def test_the_loss_is_the_mean_over_frames_that_weigh():
    targets, logits = example()
    weights = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]], "float32")
    each = keras.ops.convert_to_numpy(losses.frame_nats(targets, logits))
    found = losses.FrameNats()(targets, logits, sample_weight=weights)
    np.testing.assert_allclose(float(found), (each * weights).sum() / weights.sum(), rtol=1e-5)


def test_the_loss_comes_back_from_its_configuration():
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(losses.FrameNats(name="mine")))
    assert isinstance(loss, losses.FrameNats) and loss.name == "mine" and loss.reduction == "mean_with_sample_weight"
    assert keras.saving.get_registered_name(losses.frame_nats) == "kerasmlsp>frame_nats"


def test_the_metric_weighs_frames_alike_in_batches_of_any_length():
    targets, logits = example()
    each = keras.ops.convert_to_numpy(losses.frame_nats(targets, logits))
    metric = losses.NatsPerFrame()
    metric.update_state(targets[:1], logits[:1])
    metric.update_state(targets[1:, :3], logits[1:, :3], sample_weight=np.array([[1, 1, 0], [1, 0, 0]]))
    expected = (each[0].sum() + each[1, :2].sum() + each[2, 0]) / 7
    np.testing.assert_allclose(float(metric.result()), expected, rtol=1e-5)
    metric.reset_state()
    assert float(metric.result()) == 0
    assert keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric)).name == "nats"


def test_smoothing_moves_a_share_of_the_target_to_all_tokens():
    random = np.random.default_rng(0)
    logits, targets = random.normal(size=(2, 3, 5)).astype("float32"), random.integers(0, 5, (2, 3))
    shares = np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))
    wanted = 0.8 * np.eye(5)[targets] + 0.2 / 5
    weights = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    expected = -((wanted * shares).sum(-1) * weights).sum() / 3
    found = losses.SmoothedCrossentropy(0.2)(targets, logits, sample_weight=weights)
    np.testing.assert_allclose(float(found), expected, rtol=1e-5)
    plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(targets, logits)
    np.testing.assert_allclose(float(losses.SmoothedCrossentropy(0.0)(targets, logits)), float(plain), rtol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(losses.SmoothedCrossentropy(0.3)))
    assert again.label_smoothing == 0.3 and again.reduction == "mean_with_sample_weight"
    with pytest.raises(ValueError, match=r"`label_smoothing` must be in \[0, 1\)"):
        losses.SmoothedCrossentropy(1.0)


def test_slope_error_is_the_square_of_the_slopes_of_smoothed_errors():
    random = np.random.default_rng(0)
    targets, outputs = random.normal(size=(2, 3, 30, 2)).astype("float32")
    offsets = np.arange(-12, 13)
    weights = np.exp(-(offsets**2) / 18.0)
    weights = weights * offsets / (weights * offsets**2).sum() * 3
    padded = np.pad(outputs - targets, ((0, 0), (12, 12), (0, 0)), "edge")
    slopes = sum(weight * padded[:, place : place + 30] for place, weight in enumerate(weights))
    expected = np.mean(slopes**2) + 0.1 * np.mean((outputs - targets) ** 2)
    found = losses.SlopeError(3.0)
    np.testing.assert_allclose(float(found(targets, outputs)), expected, rtol=1e-4)
    np.testing.assert_allclose(
        float(losses.SlopeError(0.0)(targets, outputs)), np.mean((outputs - targets) ** 2), rtol=1e-5
    )
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(losses.SlopeError(2.0, plain=0.5))
    )
    assert (again.width, again.plain) == (2.0, 0.5)


def test_squared_errors_of_what_is_not_known_count_for_nothing():
    random = np.random.default_rng(0)
    truth, forecasts = random.normal(size=(2, 4, 3, 5)).astype("float32")
    truth[1, 0], truth[2] = np.nan, np.nan
    expected = np.mean([np.nanmean(np.square((forecasts - truth)[i] / 2)) for i in (0, 1, 3)]) * 3 / 4
    loss = losses.KnownSquaredError(scale=2.0)
    np.testing.assert_allclose(float(loss(truth, forecasts)), expected, rtol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.scale == 2.0
    net = keras.Sequential([keras.Input((3, 5)), keras.layers.Dense(5)])
    net.compile("sgd", loss, jit_compile=keras.backend.backend() != "tensorflow")
    net.fit(forecasts, truth, verbose=0)
    assert all(np.isfinite(weight).all() for weight in net.get_weights())


def test_bits_per_dimension_are_those_of_the_levels():
    random = np.random.default_rng(0)
    logits, levels = random.normal(size=(2, 3, 4, 5)).astype("float32"), random.integers(0, 5, (2, 3, 4))
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log2(np.take_along_axis(shares, levels[..., None], axis=-1)).mean()
    loss = losses.BitsPerDimension()
    np.testing.assert_allclose(float(loss(levels, logits)), expected, rtol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert isinstance(again, losses.BitsPerDimension)
