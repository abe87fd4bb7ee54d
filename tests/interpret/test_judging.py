"""Sensitivity and pruning, insertion and deletion, and the check with randomised weights."""

import keras
import nets
import numpy as np
import pytest

from kerasmlsp import interpret


def test_the_sensitivity_is_that_of_the_formula_of_the_slide():
    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(4, "tanh", name="hidden")
    model = keras.Sequential([keras.Input((3,)), hidden, keras.layers.Dense(2, "softmax", name="out")])
    inputs, labels = np.random.default_rng(0).normal(size=(5, 3)).astype("float32"), np.array([0, 1, 0, 1, 1])
    (first, below), (second, above) = (each.get_weights() for each in model.layers)
    z = np.tanh(inputs @ first + below)
    logits = z @ second + above
    y = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    error = y - np.eye(2)[labels]
    # Of the squared error through the softmax, then through the hidden layer.
    delta = y * (error - (error * y).sum(axis=1, keepdims=True))
    slope = ((delta @ second.T) * (1 - z**2)) @ first.T
    np.testing.assert_allclose(
        interpret.error_sensitivity(model, inputs, labels), np.abs(slope).mean(axis=0), rtol=1e-4
    )
    slope = ((error @ second.T) * (1 - z**2)) @ first.T
    found = interpret.error_sensitivity(model, inputs, labels, error="crossentropy")
    np.testing.assert_allclose(found, np.abs(slope).mean(axis=0), rtol=1e-4)


def test_features_that_do_not_matter_can_be_pruned():
    model = nets.linear([[3.0, -3.0], [0.01, 0.0], [0.0, 0.02], [-2.0, 2.0]], shape=(2, 2, 1))
    inputs = np.random.default_rng(0).normal(size=(60, 2, 2, 1)).astype("float32")
    labels = interpret.outcome(model, inputs, inputs).before
    sensitivity = interpret.error_sensitivity(model, inputs, labels)
    assert sensitivity.shape == (2, 2, 1)
    curves = interpret.pruning_curves(model, inputs, labels, sensitivity, shares=[0.0, 0.5])
    assert curves["least sensitive"][0.5] > 0.95 > 0.8 > curves["most sensitive"][0.5]
    assert {curve[0.0] for curve in curves.values()} == {1.0}
    pruned = interpret.pruned(inputs, sensitivity, 0.5, fill=np.full((2, 2, 1), 7.0))
    assert (pruned[:, 0, 1] == 7).all() and (pruned[:, 0, 0] == inputs[:, 0, 0]).all()


def net_of_a_corner():
    """Class 1 where the upper left is bright."""
    weights = np.zeros((64, 2), "float32")
    weights.reshape(8, 8, 2)[:3, :3, 1] = 0.01
    return nets.linear(weights, [9.0, 0.0], shape=(8, 8, 1))


def test_maps_of_what_decides_have_large_insertion_and_small_deletion():
    images = np.random.default_rng(0).uniform(0, 60, (3, 8, 8, 1)).astype("float32")
    images[:, :3, :3] = 200
    right = np.zeros((3, 8, 8))
    right[:, :3, :3] = 1
    inserted, deleted = interpret.insertion_deletion(net_of_a_corner(), images, right, 1, steps=16, blur=100)
    other_inserted, other_deleted = interpret.insertion_deletion(
        net_of_a_corner(), images, 1 - right, 1, steps=16, blur=100
    )
    assert inserted.shape == (3,) and (inserted > other_inserted).all() and (deleted < other_deleted).all()
    small = interpret.insertion_deletion(net_of_a_corner(), images, np.array([[[1, 0], [0, 0]]] * 3), 1, blur=100)
    assert (small[0] > other_inserted).all()


def test_the_area_is_that_of_the_curve():
    """All classes are alike, whatever is shown."""
    model = nets.linear(np.zeros((64, 2)), shape=(8, 8, 1))
    found = interpret.insertion_deletion(model, np.ones((1, 8, 8, 1)), np.ones((1, 8, 8)), 0, steps=5)
    np.testing.assert_allclose(found, [[0.5], [0.5]], rtol=1e-6)


def test_edges_are_where_values_change():
    images = np.zeros((1, 6, 6, 3))
    images[:, :, 3:] = 10
    found = interpret.edges(images)
    np.testing.assert_array_equal(found[0, 2], [0, 0, 40, 40, 0, 0])


def test_maps_change_with_the_weights_which_come_back():
    model, images = nets.convolutional(), nets.pictures(4)
    before = model.get_weights()

    def attribute(model):
        return interpret.strength(interpret.saliency(model, images, 0))

    found = interpret.sanity_check(model, attribute, shares=[0.5, 1.0])
    assert list(found) == [0.5, 1.0] and found[1.0] < 0.7
    outlines = interpret.sanity_check(model, lambda _: interpret.edges(images), shares=[1.0])
    assert outlines[1.0] > 0.999
    for first, second in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    with pytest.raises(RuntimeError):
        interpret.sanity_check(model, failing(), shares=[1.0])
    np.testing.assert_array_equal(before[0], model.get_weights()[0])


def failing():
    calls = []

    def attribute(model):
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("no maps")
        return np.eye(4)

    return attribute


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: interpret.insertion_deletion(m, x, np.ones((2, 12, 12))), r"`maps` must be \(3, rows, columns\)"),
        (lambda m, x: interpret.insertion_deletion(m, x, np.ones((3, 4, 4)), steps=0), "`steps` at least 1"),
        (lambda m, x: interpret.error_sensitivity(m, x, [0, 1, 2], error="l1"), "`error` must be one of squared"),
        (lambda m, x: interpret.error_sensitivity(m, x, [0, 1, 5]), "`labels` must be 3 numbers from 0 to 2"),
        (lambda m, x: interpret.pruned(x, np.ones(x.shape[1:]), 1.5), r"`share` must be in \[0, 1\]"),
        (lambda m, x: interpret.pruned(x, np.ones(4), 0.5), "`sensitivity` of the shape"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(nets.convolutional(), nets.pictures(3))
