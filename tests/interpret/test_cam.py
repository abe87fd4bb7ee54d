"""Grad-CAM against a network for which it is known, and on a trained one."""

import keras
import numpy as np
import pytest

from kerasmlsp import interpret
from kerasmlsp.models import gesture_resnet


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def linear_net(activation="softmax", after=None):
    """Two maps that are the image's channels, pooled, and classes with known weights."""
    images = keras.Input((6, 6, 2), name="images")
    maps = keras.layers.Conv2D(2, 1, use_bias=False, name="maps")(images)
    scores = keras.layers.Dense(3, activation=activation, name="probabilities")(
        keras.layers.GlobalAveragePooling2D()(maps)
    )
    model = keras.Model(images, after(scores) if after else scores)
    model.get_layer("maps").set_weights([np.eye(2)[None, None]])
    model.get_layer("probabilities").set_weights([np.array([[2.0, -1.0, 0.0], [1.0, 3.0, -5.0]]), np.zeros(3)])
    return model


def test_scores_of_pooled_maps_weigh_them_by_the_dense_layer():
    images = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")
    heat = numpy(interpret.grad_cam(linear_net(), images, [0, 1, 2]))
    for row, weights in enumerate(([2, 1], [-1, 3], [0, -5])):
        expected = np.maximum(images[row] @ np.array(weights), 0)
        np.testing.assert_allclose(heat[row], expected / expected.max(), atol=1e-5)


def test_the_class_is_the_most_probable_by_default():
    images = np.random.default_rng(1).uniform(0, 1, (4, 6, 6, 2)).astype("float32")
    model = linear_net()
    chosen = numpy(model(images)).argmax(1)
    np.testing.assert_array_equal(
        numpy(interpret.grad_cam(model, images)), numpy(interpret.grad_cam(model, images, chosen))
    )


def test_a_sequential_model_to_which_layers_were_added_is_explained():
    model = linear_net()
    stack = keras.Sequential()
    stack.add(keras.Input((6, 6, 2)))
    stack.add(keras.layers.Conv2D(2, 1, use_bias=False))
    stack.add(keras.layers.GlobalAveragePooling2D())
    stack.add(keras.layers.Dense(3, activation="softmax"))
    stack.set_weights(model.get_weights())
    images = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")
    expected = numpy(interpret.grad_cam(model, images, [0, 1, 2]))
    np.testing.assert_allclose(numpy(interpret.grad_cam(stack, images, [0, 1, 2])), expected, atol=1e-5)


def test_where_nothing_speaks_for_the_class_all_is_zero():
    images = np.ones((1, 6, 6, 2), "float32")
    assert not numpy(interpret.grad_cam(linear_net(), images, [2])).any()


def test_a_softmax_may_be_a_layer_and_the_classifier_a_model_within():
    images = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype("float32")
    expected = numpy(interpret.grad_cam(linear_net(), images, [0, 1, 2]))
    outer = keras.Input((6, 6, 2))
    for model in (linear_net(None, keras.layers.Softmax()), keras.Model(outer, linear_net()(outer))):
        np.testing.assert_allclose(numpy(interpret.grad_cam(model, images, [0, 1, 2])), expected, atol=1e-5)


def test_models_that_end_otherwise_are_explained_by_logarithms():
    images = np.random.default_rng(0).uniform(0.1, 1, (2, 6, 6, 2)).astype("float32")
    model = linear_net("softmax", keras.layers.Rescaling(1.0))
    heat = numpy(interpret.grad_cam(model, images, [0, 0]))
    shares = numpy(model(images))
    weights = np.array([[2.0, -1.0, 0.0], [1.0, 3.0, -5.0]])
    for row in range(2):
        expected = np.maximum(images[row] @ (weights[:, 0] - weights @ shares[row]), 0)
        np.testing.assert_allclose(heat[row], expected / max(expected.max(), 1e-12), atol=1e-4)


def test_a_trained_net_looks_at_what_tells_the_classes_apart():
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    images = random.uniform(0, 60, (64, 32, 32, 3)).astype("float32")
    labels, corners = np.arange(64) % 2, random.integers(0, 20, (64, 2))
    for row, (top, left) in enumerate(corners):
        images[row, top : top + 10, left : left + 10, labels[row]] += 180
    model = gesture_resnet(2, input_shape=(32, 32, 3), width=8, num_stages=2, dropout=0.0)
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy", jit_compile=False)
    model.fit(images, labels, batch_size=16, epochs=8, verbose=0)
    heat = numpy(interpret.grad_cam(model, images))
    assert heat.shape == (64, 8, 8) and heat.min() >= 0 and heat.max() <= 1 + 1e-6
    rows, columns = np.unravel_index(heat.reshape(64, -1).argmax(1), (8, 8))
    near = np.abs(np.stack([rows, columns], 1) * 4 + 2 - (corners + 5)).max(1) <= 8
    assert near.mean() > 0.7
    first = numpy(interpret.grad_cam(model, images, layer="stem_relu"))
    assert first.shape == (64, 16, 16)


@pytest.mark.parametrize("layer", ["pooled", "nothing"])
def test_layers_without_maps_are_refused(layer):
    with pytest.raises(ValueError, match=f"`layer` must be one with maps: maps. Received: layer='{layer}'"):
        interpret.grad_cam(linear_net(), np.zeros((1, 6, 6, 2)), layer=layer)
    dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="it has none"):
        interpret.grad_cam(dense, np.zeros((1, 3)))
