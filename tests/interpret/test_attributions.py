"""Gradients of scores: against networks for which they are known, and their sums."""

import keras
import nets
import numpy as np
import pytest

from kerasmlsp import interpret


def test_the_gradient_of_a_linear_network_is_its_weights():
    model = nets.linear([[2.0, -1.0], [3.0, 5.0]])
    images = np.random.default_rng(0).normal(size=(4, 1, 2, 1))
    for k in (0, 1):
        expected = np.tile(model.get_weights()[0][:, k], (4, 1))
        for found in (
            interpret.saliency(model, images, k),
            interpret.smooth_saliency(model, images, [k] * 4, samples=3),
            interpret.integrated_gradients(model, images, k, steps=2) / images,
        ):
            np.testing.assert_allclose(found.reshape(4, 2), expected, rtol=1e-4)


@pytest.mark.parametrize("end", ["softmax", None, "layer", "activation", "sigmoid"])
def test_scores_are_taken_before_the_last_activation(end):
    """Also where the probability is 1 in float32, so that its own gradient is 0."""
    if end == "sigmoid":
        model = nets.linear([[2.0], [3.0]], [0.0], end="sigmoid")
        expected = [2, 3]
    else:
        model = nets.linear([[-2.0, 2.0], [-3.0, 3.0]], end="softmax" if end == "softmax" else None)
        expected = [2, 3]
        if end in ("layer", "activation"):
            model.add(keras.layers.Softmax() if end == "layer" else keras.layers.Activation("softmax"))
    images = np.full((1, 1, 2, 1), 40.0)
    np.testing.assert_allclose(interpret.saliency(model, images, [1]).ravel(), expected, rtol=1e-5)
    assert interpret.outcome(model, images, images).before == [1]


def test_models_that_end_otherwise_are_told_by_logarithms():
    images = keras.Input((1, 2, 1))
    shares = keras.layers.Dense(2, "softmax", name="classes")(keras.layers.Flatten()(images))
    model = keras.Model(images, keras.ops.clip(shares, 0.0, 1.0))
    model.get_layer("classes").set_weights([np.array([[1.0, 0.0], [0.0, 2.0]]), np.zeros(2)])
    found = interpret.saliency(model, np.zeros((1, 1, 2, 1)), [0]).ravel()
    np.testing.assert_allclose(found, [0.5, -1.0], atol=1e-5)  # of log(p), at p = 1/2


def test_integrated_gradients_sum_up_to_the_difference_of_the_scores():
    model, images = nets.convolutional(), nets.pictures()
    baseline = np.full(images.shape[1:], 30.0, "float32")
    chosen = [0, 1, 2, 0, 1]
    found = interpret.integrated_gradients(model, images, chosen, baseline=baseline, steps=256)
    logits = keras.Model(model.layers[-1].inputs, model.layers[-1].get_layer("pooled").output)
    dense = model.layers[-1].get_layer("classes")

    def score(x):
        maps = model.get_layer("first")(model.get_layer("scaled")(x))
        return keras.ops.convert_to_numpy(logits(maps) @ dense.kernel + dense.bias)

    expected = (score(images) - score(baseline[None]))[np.arange(5), chosen]
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), expected, rtol=2e-2, atol=1e-4)


def test_gradients_agree_with_differences_through_models_within():
    model, images = nets.convolutional(), nets.pictures(2)
    slope = interpret.saliency(model, images, 1)
    step = np.random.default_rng(1).normal(size=images.shape).astype("float32")
    step /= np.abs(step).max()
    before, after = (nets.scores(model, images + sign * step) for sign in (-1, 1))
    difference = (after - after[:, :1] - before + before[:, :1])[:, 1] / 2
    others = interpret.saliency(model, images, 0)
    np.testing.assert_allclose(((slope - others) * step).sum(axis=(1, 2, 3)), difference, rtol=0.05, atol=1e-5)


def test_rectifiers_pass_back_by_their_rule():
    images = keras.Input((1, 3, 1))
    hidden = keras.layers.Activation("relu")(keras.layers.Flatten()(images))
    model = keras.Model(images, keras.layers.Dense(2, name="classes")(hidden))
    model.get_layer("classes").set_weights([np.array([[1.0, 0], [-1.0, 0], [1.0, 0]]), np.zeros(2)])
    image = np.array([[[[1.0], [1.0], [-1.0]]]])  # the third rectifier gives 0
    expected = {"plain": [1, -1, 0], "deconvolution": [1, 0, 1], "guided": [1, 0, 0]}
    for rule, values in expected.items():
        np.testing.assert_array_equal(interpret.saliency(model, image, 0, rule=rule).ravel(), values)


@pytest.mark.parametrize("rectifier", [keras.layers.ReLU, lambda: keras.layers.Conv2D(1, 1, activation="relu6")])
def test_every_kind_of_rectifier_is_ruled(rectifier):
    layers = [keras.Input((1, 3, 1)), rectifier(), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    for layer in model.layers:
        layer.set_weights([np.abs(each) for each in layer.get_weights()])
    model.layers[-1].set_weights([-np.ones((3, 2)), np.zeros(2)])
    image = np.ones((1, 1, 3, 1))
    assert (interpret.saliency(model, image, 0) < 0).all()
    assert not interpret.saliency(model, image, 0, rule="guided").any()
    # What was taken in its place for the while is gone.
    assert (interpret.saliency(model, image, 0) < 0).all()


def test_texts_are_attributed_by_their_embedding():
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    vectors = keras.layers.Embedding(6, 3, mask_zero=True, name="embedding")(tokens)
    model = keras.Model(tokens, keras.layers.Dense(2, "softmax")(keras.layers.LSTM(5)(vectors)))
    texts = np.array([[1, 2, 0, 0], [3, 4, 5, 1]])
    found = interpret.saliency(model, texts, [0, 1], layer="embedding")
    assert found.shape == (2, 4, 3) and found[0, :2].any() and found[1].any()
    assert not found[0, 2:].any()  # padding, which is masked, says nothing
    assert interpret.integrated_gradients(model, texts, layer="embedding", steps=4).shape == (2, 4, 3)
    with pytest.raises(ValueError, match="`layer` must be given for whole numbers, as the name of the embedding"):
        interpret.saliency(model, texts)


def test_weights_that_change_are_seen():
    model = nets.linear([[2.0, -1.0], [3.0, 5.0]])
    images = np.ones((1, 1, 2, 1))
    before = interpret.saliency(model, images, 0)
    model.set_weights([-each for each in model.get_weights()])
    np.testing.assert_array_equal(interpret.saliency(model, images, 0), -before)


def test_a_model_that_gets_layers_is_looked_at_anew():
    model = nets.linear([[2.0, -1.0], [3.0, 5.0]], end=None)
    assert list(interpret.layers(model)) == [model.layers[0].name, "classes"]
    interpret.saliency(model, np.ones((1, 1, 2, 1)), 0)
    model.add(keras.layers.Dense(3, "softmax", kernel_initializer="ones", name="more"))
    assert "more" in interpret.layers(model)
    np.testing.assert_allclose(interpret.saliency(model, np.ones((1, 1, 2, 1)), 0).ravel(), [1, 8], rtol=1e-5)


def test_a_model_that_is_no_graph_is_taken_as_a_whole():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2, "softmax", kernel_initializer="ones")

        def call(self, inputs):
            return self.dense(keras.ops.reshape(inputs, (-1, 2)))

    found = interpret.saliency(Own(), np.ones((1, 1, 2, 1), "float32"), 0)
    np.testing.assert_allclose(found, 0, atol=1e-6)
    assert interpret.layers(Own()) == {}


def test_strength_is_of_the_largest_channel_and_ends_at_one():
    values = np.zeros((1, 10, 10, 3))
    values[0, 3, 4] = [0.1, -2, 1]
    found = interpret.strength(values)
    assert found.shape == (1, 10, 10) and found[0, 3, 4] == 1 and found.sum() == 1
    assert not interpret.strength(0 * values).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "other"}, "`rule` must be one of plain, guided, deconvolution. Received: rule='other'"),
        ({"layer": "other"}, "`layer` must be one of the model's: scaled, first, second, pooled, classes. Received"),
        ({"classes": [3]}, "`classes` must be 2 numbers from 0 to 2. Received"),
        ({"classes": [0, 1, 2]}, "`classes` must be 2 numbers from 0 to 2. Received"),
        ({"images": np.zeros((0, 12, 12, 3))}, "`images` must hold at least one"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        interpret.saliency(nets.convolutional(), **{"images": nets.pictures(2), **arguments})


def test_models_of_several_inputs_or_without_classes_are_refused():
    inputs = [keras.Input((2,)), keras.Input((2,))]
    with pytest.raises(ValueError, match="`model` must have one input"):
        interpret.saliency(keras.Model(inputs, keras.layers.Add()(inputs)), np.zeros((1, 2)))
    maps = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 1)])
    with pytest.raises(ValueError, match="`model` must end in classes"):
        interpret.saliency(maps, np.zeros((1, 4, 4, 1)))
    with pytest.raises(ValueError, match="`samples` must be at least 1"):
        interpret.smooth_saliency(nets.convolutional(), nets.pictures(1), samples=0)


def test_a_model_that_was_looked_into_is_saved_as_before(tmp_path):
    model, images = nets.convolutional(), nets.pictures(2)
    interpret.saliency(model, images)
    interpret.fgsm(model, images)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(*(keras.ops.convert_to_numpy(each(images)) for each in (model, again)), rtol=1e-5)
