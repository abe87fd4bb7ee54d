"""A gated PixelCNN: what it sees, and that its cached steps are the whole net."""

import keras
import numpy as np
import pytest

from kerasmlsp import generation, layers, models
from kerasmlsp.models.pixels import pixel_decoder


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def shaken(model, seed=0):
    """The model with biases too, so that no two levels are alike."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(random.normal(0, 0.4, weight.shape))
    return model


def net(channels=1, **options):
    sizes = {"features": 6, "hidden": 8, "num_blocks": 2, **options}
    return shaken(models.gated_pixelcnn(4, 5, channels, 4, **sizes))


def test_levels_are_described_and_channels_stay_apart():
    found = numpy(layers.LevelFeatures(5)(np.array([[0, 2], [4, 1]])))
    np.testing.assert_allclose(found, [[-1, 1, 0, 0, 0, 0, 1], [1, 0, 1, -0.5, 0, 0, 1]])


@pytest.mark.parametrize(("rows", "columns", "left", "own"), [(1, 3, 1, True), (2, 5, 3, False), (3, 1, 1, True)])
def test_a_convolution_is_its_formula_and_its_steps(rows, columns, left, own):
    random, height, width = np.random.default_rng(0), 4, 6
    layer = layers.RasterConv2D(3, rows, columns, left, own=own, by_place=not own)
    inputs = random.normal(size=(2, height, width, 2)).astype("float32")
    layer.build(inputs.shape)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape))
    kernel, half = numpy(layer.kernel).reshape(-1, 2, 3), columns // 2
    taps = [(i, j) for i in range(-rows, 0) for j in range(-half, half + 1)]
    taps += [(0, -k) for k in range(left, -int(own), -1)]
    expected = np.zeros((2, height, width, 3)) + numpy(layer.bias)
    for r in range(height):
        for c in range(width):
            for weights, (i, j) in zip(kernel, taps, strict=True):
                if r + i >= 0 and 0 <= c + j < width:
                    expected[:, r, c] += inputs[:, r + i, c + j] @ weights
    np.testing.assert_allclose(numpy(layer(inputs)), expected, atol=1e-4)
    state, found = layer.initial_state(2), []
    for place in range(height * width):
        here = inputs[:, place // width, place % width]
        if own:
            state = layer.write(here, state, place)
        found.append(numpy(layer.read(state, place)))
        if not own:
            state = layer.write(here, state, place)
    np.testing.assert_allclose(np.stack(found, 1).reshape(expected.shape), expected, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_causal_and_sees_what_is_above_on_both_sides(channels):
    model, random = net(channels), np.random.default_rng(0)
    places = 4 * 5 * channels
    levels = random.integers(0, 4, (1, 4, 5, channels))
    before = numpy(model(levels)).reshape(-1, 4)
    changed = np.repeat(levels.reshape(1, -1), places, axis=0)
    changed[np.arange(places), np.arange(places)] = (changed[0] + 2) % 4
    after = numpy(model(changed.reshape(places, 4, 5, channels))).reshape(places, places, 4)
    differs = np.abs(after - before).max(-1) > 1e-5
    assert not np.tril(differs).any(), "a place sees itself or what comes later"
    # All of the second row and of those below see what stands at the right end of the first.
    assert differs[4 * channels, 5 * channels :: channels].all()


@pytest.mark.parametrize(("channels", "num_classes"), [(1, 0), (1, 3), (3, 2)])
def test_cached_steps_are_the_whole(channels, num_classes):
    model, random = net(channels, num_classes=num_classes), np.random.default_rng(0)
    levels, label = random.integers(0, 4, (2, 4, 5, channels)).astype("int32"), np.array([1, 0], "int32")
    given = {"label": label, "levels": levels} if num_classes else levels
    expected = numpy(model(given)).reshape(2, -1, 4)
    decoder, flat = pixel_decoder(model), levels.reshape(2, -1)
    state, found = decoder.initial_state(2), []
    for position, tokens in enumerate(np.c_[label, flat[:, :-1]].T):
        logits, state = decoder.step(tokens, state, position)
        found.append(numpy(logits))
    np.testing.assert_allclose(np.stack(found, 1), expected, atol=1e-4)
    # After the last pixel there is nothing to foretell, but the loop ends with a step.
    decoder.step(flat[:, -1], state, flat.shape[1])


def naive(model, shape):
    """A decoder that reads the whole image again for every place."""
    places = int(np.prod(shape))

    def step(tokens, levels, position):
        written = keras.ops.equal(keras.ops.arange(places), position - 1)
        levels = keras.ops.where(written, tokens[:, None], levels)
        logits = keras.ops.reshape(model(keras.ops.reshape(levels, (-1, *shape)), training=False), (-1, places, 4))
        return keras.ops.take(logits, keras.ops.minimum(position, places - 1), axis=1), levels

    return generation.Decoder(lambda batch: keras.ops.zeros((batch, places), "int32"), step, 4)


@pytest.mark.parametrize("channels", [1, pytest.param(3, marks=pytest.mark.slow)])  # the steps of three are held above
def test_the_same_seed_draws_what_the_whole_net_draws(channels):
    model, shape = net(channels), (4, 5, channels)
    template = np.full((6, 20 * channels), generation.FREE, "int32")
    template[:, :4] = 2
    options = {"seeds": np.arange(6), "temperature": 0.9, "top_k": 3}
    fast, scores, _ = generation.fill(pixel_decoder(model), template, **options)
    slow, others, _ = generation.fill(naive(model, shape), template, **options)
    np.testing.assert_array_equal(numpy(fast), numpy(slow))
    np.testing.assert_allclose(numpy(scores), numpy(others), atol=1e-4)
    assert len(np.unique(numpy(fast), axis=0)) == 6
