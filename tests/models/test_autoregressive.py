"""Autoregressive networks: what they see, what they sample, and their loss, against NumPy."""

import keras
import numpy as np
import pytest

from kerasmlsp import generation, layers, losses, models
from kerasmlsp.layers.autoregressive import mu_law, mu_law_inverse
from kerasmlsp.models import autoregressive


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


# ---- gated convolutions --------------------------------------------------------------------------------------------


def gated(condition=None, kernel_size=3, dilations=(1, 2)):
    layer, random = layers.GatedConvolutions(4, dilations, kernel_size), np.random.default_rng(0)
    layer.build((None, None, 3), condition)
    for weight in layer.weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return layer


def reference(layer, inputs, condition):
    """The formula by loops over time."""
    states, total = inputs, 0
    for i, dilation in enumerate(layer.dilations):
        block = {name: numpy(value) for name, value in layer.blocks[i].items()}
        fields = np.zeros((*states.shape[:2], 6))
        for t in range(states.shape[1]):
            for k in range(layer.kernel_size):
                past = t - (layer.kernel_size - 1 - k) * dilation
                if past >= 0:
                    fields[:, t] += states[:, past] @ block["kernel"][3 * k : 3 * k + 3]
        fields += block["bias"] + condition @ block["condition"]
        outputs = np.tanh(fields[..., :3]) * sigmoid(fields[..., 3:]) @ block["outputs"] + block["outputs_bias"]
        total = total + outputs[..., :4]
        if i + 1 < len(layer.dilations):
            states = states + outputs[..., 4:]
    return total


@pytest.mark.parametrize("length", [1, 7])
def test_gated_convolutions_are_their_formula(length):
    random = np.random.default_rng(1)
    inputs, condition = random.normal(size=(2, 7, 3)), random.normal(size=(2, length, 5))
    layer = gated((None, None, 5))
    found = numpy(layer(inputs.astype("float32"), condition.astype("float32")))
    np.testing.assert_allclose(found, reference(layer, inputs, condition), atol=1e-4)
    assert layer.compute_output_shape((2, 7, 3)) == (2, 7, 4)


def test_steps_are_the_whole():
    layer, inputs = gated(), np.random.default_rng(1).normal(size=(2, 9, 3)).astype("float32")
    state, found = layer.initial_state(2), []
    for t in range(9):
        outputs, state = layer.step(inputs[:, t], state, t)
        found.append(numpy(outputs))
    np.testing.assert_allclose(np.stack(found, 1), numpy(layer(inputs)), atol=1e-5)


# As many units behind the ReLUs that one is never without an effect.
SIZES = {"features": 4, "skip_features": 32, "num_stacks": 1, "blocks_per_stack": 3}


def test_a_wavenet_sees_as_far_as_its_dilations_say():
    model = models.mixture_wavenet(1, **SIZES)
    # Dilations 1, 2, 4 of two steps each: 8 steps.
    samples = np.zeros((1, 20, 1), "float32")
    changed = samples.copy()
    changed[0, 5] = 1
    differs = np.abs(numpy(model(samples)) - numpy(model(changed)))[0].max(1) > 1e-7
    assert np.flatnonzero(differs).tolist() == list(range(5, 13))


def test_the_published_reach():
    # 30 blocks in stacks of 10 see 3 * 1023 steps before the present one.
    model = models.wavenet(256, features=2, skip_features=2, num_stacks=3, blocks_per_stack=10)
    assert 1 + sum(model.get_layer("convolutions").dilations) == 3070


def test_frames_and_labels_condition_a_wavenet():
    model = models.conditional_wavenet(6, num_features=2, num_classes=3, hop=3, embedding_dim=4, **SIZES)
    random = np.random.default_rng(0)
    given = {
        "frames": random.normal(size=(2, 3, 2)).astype("float32"),
        "label": np.array([0, 1]),
        "levels": random.integers(0, 6, (2, 9)),
    }
    before = numpy(model(given))
    assert before.shape == (2, 9, 6)
    frames = given["frames"].copy()
    frames[:, 1] += 1
    after = numpy(model({**given, "frames": frames}))
    assert np.array_equal(after[:, :3], before[:, :3]) and (np.abs(after - before)[:, 3:6].max((0, 2)) > 1e-6).all()
    after = numpy(model({**given, "label": np.array([0, 2])}))
    assert np.array_equal(after[0], before[0]) and (np.abs(after - before)[1].max(1) > 1e-6).all()


@pytest.mark.parametrize("conditions", ["frames", "label", "both"])
def test_cached_steps_of_a_conditional_wavenet_are_the_whole(conditions):
    options = {"frames": {"num_features": 2, "hop": 3}, "label": {"num_classes": 3}}
    options["both"] = {**options["frames"], **options["label"]}
    model = models.conditional_wavenet(6, **options[conditions], **SIZES)
    random = np.random.default_rng(0)
    given = {"frames": random.normal(size=(2, 3, 2)).astype("float32"), "label": np.array([0, 1])}
    given = {name: value for name, value in given.items() if conditions in (name, "both")}
    levels = random.integers(0, 6, (2, 9)).astype("int32")
    decoder = autoregressive.conditional_decoder(model, given)
    state, found = decoder.initial_state(2), []
    for t in range(9):
        logits, state = decoder.step(levels[:, t], state, t)
        found.append(numpy(logits))
    np.testing.assert_allclose(np.stack(found, 1), numpy(model({**given, "levels": levels})), atol=1e-5)


def test_a_wavenet_is_a_chain_that_generates():
    model = models.wavenet(6, **SIZES)
    decoder = generation.stepwise(model)
    template = np.full((2, 5), generation.FREE, "int32")
    tokens, _, _ = generation.fill(decoder, template, seeds=np.array([1, 2]), temperature=0)
    tokens = numpy(tokens)
    logits = numpy(model(np.c_[np.zeros((2, 1), "int32"), tokens[:, :-1]]))
    np.testing.assert_array_equal(tokens, logits.argmax(-1))


# ---- samples -------------------------------------------------------------------------------------------------------


def test_mu_law_is_its_formula_and_comes_back():
    samples = np.linspace(-1, 1, 501).astype("float32")
    levels = numpy(mu_law(samples))
    expected = np.sign(samples) * np.log1p(255 * np.abs(samples)) / np.log(256)
    np.testing.assert_array_equal(levels, np.floor((expected + 1) / 2 * 255 + 0.5))
    assert levels.min() == 0 and levels.max() == 255
    np.testing.assert_array_equal(numpy(mu_law(mu_law_inverse(np.arange(256)))), np.arange(256))
    assert np.abs(numpy(mu_law_inverse(levels)) - samples).max() < 0.025


def mixture(random, shape, count=3):
    return np.concatenate([random.normal(size=(*shape, 2 * count)), random.uniform(-4, 0, (*shape, count))], axis=-1)


def test_logistic_mixture_is_its_formula():
    random, num_levels = np.random.default_rng(0), 9
    parameters = mixture(random, (5,))
    levels = np.linspace(-1, 1, num_levels)
    half = 1 / (num_levels - 1)
    upper, lower = np.append(levels[:-1] + half, np.inf), np.append(-np.inf, levels[1:] - half)
    weights = np.exp(parameters[:, :3]) / np.exp(parameters[:, :3]).sum(1, keepdims=True)
    means, scales = parameters[:, 3:6], np.exp(parameters[:, 6:])
    shares = 0
    with np.errstate(over="ignore"):
        for k in range(3):
            edges = [
                sigmoid((edge - means[:, k : k + 1]) / scales[:, k : k + 1]) for edge in (upper[None], lower[None])
            ]
            shares = shares + weights[:, k : k + 1] * (edges[0] - edges[1])
    np.testing.assert_allclose(shares.sum(1), 1)
    targets = np.repeat(levels[None], 5, axis=0)
    given = np.repeat(parameters[:, None], num_levels, axis=1)
    found = numpy(losses.logistic_mixture_nats(targets, given, num_levels))
    np.testing.assert_allclose(found, -np.log(shares), rtol=1e-2, atol=1e-4)
    loss = losses.LogisticMixture(num_levels)(targets[..., None], given)
    np.testing.assert_allclose(float(loss), -np.log(shares).mean(), rtol=1e-3)


def test_logistic_mixture_of_impossible_samples_is_finite():
    parameters = np.array([[0.0, -0.5, -30.0], [0.0, 0.5, -30.0], [0.0, 1e4, 0.0]], "float32")
    found = numpy(losses.logistic_mixture_nats(np.array([0.9, 0.5, -1.0], "float32"), parameters, 256))
    assert np.isfinite(found).all() and found[0] > 100 and found[1] < 0.1 and found[2] > 100


def test_logistic_mixture_comes_back_from_its_configuration():
    loss = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(losses.LogisticMixture(17)))
    assert isinstance(loss, losses.LogisticMixture) and loss.num_levels == 17
    with pytest.raises(ValueError, match="`num_levels` must be at least 2"):
        losses.LogisticMixture(1)


def test_samples_of_a_mixture_have_its_distribution():
    model = models.mixture_wavenet(2, **SIZES)
    # Whatever came before: 3/4 at -0.5 and 1/4 at 0.5, both narrow.
    last = model.get_layer("mixture")
    last.kernel.assign(np.zeros(last.kernel.shape))
    last.bias.assign(np.array([np.log(3), 0, -0.5, 0.5, -4, -4]))
    drawn = numpy(autoregressive.sample_mixture(model, 4, batch=2000, seed=1))
    assert drawn.shape == (2000, 4)
    low = drawn[drawn < 0]
    assert len(low) / drawn.size == pytest.approx(0.75, abs=0.03)
    assert low.mean() == pytest.approx(-0.5, abs=0.01)
    # The standard deviation of a logistic distribution.
    assert low.std() == pytest.approx(np.exp(-4) * np.pi / 3**0.5, rel=0.1)
    cold = numpy(autoregressive.sample_mixture(model, 3, batch=5, seed=1, temperature=0.0))
    np.testing.assert_allclose(np.abs(cold), 0.5)


def test_steps_of_a_mixture_wavenet_know_what_was_drawn():
    model = models.mixture_wavenet(1, **SIZES)
    model.get_layer("mixture").bias.assign(np.array([0, 0.3, -3]))
    drawn = numpy(autoregressive.sample_mixture(model, 6, batch=2, seed=1, temperature=0.0))
    before = np.c_[np.zeros((2, 1)), drawn[:, :-1]].astype("float32")[..., None]
    np.testing.assert_allclose(drawn, np.clip(numpy(model(before))[..., 1], -1, 1), atol=1e-5)


# ---- images --------------------------------------------------------------------------------------------------------


def test_masks_let_through_what_came_before():
    for mask, own in (("A", 0), ("B", 1)):
        layer = layers.MaskedConv2D(1, 3, mask, kernel_initializer="ones")
        image = np.zeros((1, 5, 5, 1), "float32")
        image[0, 2, 2] = 1
        expected = np.zeros((5, 5))
        # Who has the pixel above or to the left.
        expected[2, 2:4], expected[3, 1:4] = (own, 1), 1
        np.testing.assert_array_equal(numpy(layer(image))[0, ..., 0], expected)


def test_channels_follow_each_other():
    allowed = {"A": [[0, 1, 1], [0, 0, 1], [0, 0, 0]], "B": [[1, 1, 1], [0, 1, 1], [0, 0, 1]]}
    for mask, expected in allowed.items():
        layer = layers.MaskedConv2D(6, 1, mask, channels=3)
        found = layer._seen(1, 1, 3, 6)[0, 0]
        np.testing.assert_array_equal(found, np.repeat(expected, 2, axis=1))


def shaken(model):
    """The model with biases too, so that no two levels are alike."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return model


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pixelcnn_is_causal_over_rows_columns_and_channels(channels):
    model, random = shaken(models.pixelcnn(4, 5, channels, 4, filters=24, num_blocks=2)), np.random.default_rng(0)
    levels = random.integers(0, 4, (1, 4, 5, channels))
    before = numpy(model(levels)).reshape(-1, 4)
    # Every place changed in one batch.
    places = 4 * 5 * channels
    changed = np.repeat(levels.reshape(1, -1), places, axis=0)
    changed[np.arange(places), np.arange(places)] = (changed[0] + 2) % 4
    after = numpy(model(changed.reshape(places, 4, 5, channels))).reshape(places, places, 4)
    differs = np.abs(after - before).max(-1) > 1e-3
    assert not np.tril(differs).any(), "a place sees itself or what comes later"
    # Most are seen by the next one in the row; a ReLU may hide some.
    assert np.mean([differs[i, i + 1] for i in range(places - 1) if (i + 1) % (5 * channels)]) > 0.6


def test_pixels_are_drawn_in_turn():
    model = shaken(models.pixelcnn(2, 3, 1, 4, filters=4, num_blocks=1))
    drawn = numpy(autoregressive.sample_pixels(model, 3, seed=1, temperature=1e-6))
    assert drawn.shape == (3, 2, 3, 1) and drawn.dtype == np.int32
    np.testing.assert_array_equal(drawn, numpy(model(drawn)).argmax(-1))
    last = model.get_layer("channels")
    last.kernel.assign(np.zeros(last.kernel.shape))
    last.bias.assign(np.log([0.1, 0.2, 0.3, 0.4]))
    counts = np.bincount(numpy(autoregressive.sample_pixels(model, 500, seed=2)).ravel(), minlength=4)
    np.testing.assert_allclose(counts / 3000, [0.1, 0.2, 0.3, 0.4], atol=0.04)
    with pytest.raises(ValueError, match="`temperature` must be above 0"):
        autoregressive.sample_pixels(model, 1, temperature=0)


# ---- classes as the token before the first -------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [0, 3])
def test_one_loop_serves_rows_of_several_classes(classes):
    options = {"num_classes": classes, "embedding_dim": 4} if classes else {}
    build = models.conditional_wavenet if classes else models.wavenet
    model, random = build(6, **options, **SIZES), np.random.default_rng(0)
    levels, label = random.integers(0, 6, (3, 9)).astype("int32"), np.array([0, 2, 1], "int32")
    heard = np.c_[np.full((3, 1), 4), levels[:, :-1]].astype("int32")
    expected = numpy(model({"label": label, "levels": heard} if classes else heard))
    decoder = autoregressive.labelled_decoder(model, start=4)
    state, found = decoder.initial_state(3), []
    for position, tokens in enumerate(np.c_[label, levels[:, :-1]].T.astype("int32")):
        logits, state = decoder.step(tokens, state, position)
        found.append(numpy(logits))
    np.testing.assert_allclose(np.stack(found, 1), expected, atol=1e-5)


def test_what_has_frames_or_too_many_classes_is_refused():
    for options in ({"num_features": 2}, {"num_classes": 7}):
        with pytest.raises(ValueError, match="`model` must have no frames, and at most 6 classes"):
            autoregressive.labelled_decoder(models.conditional_wavenet(6, **options, **SIZES), start=0)
