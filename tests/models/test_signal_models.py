"""Networks on motion and speech: published sizes, recordings of any length, and blocks in NumPy."""

import keras
import numpy as np
import pytest

from kerasmlsp import models


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def test_motion_networks_have_the_parameters_of_the_lecture():
    dense, cnn = models.motion_dense(), models.motion_cnn()
    assert dense.count_params() == 68_606 and cnn.count_params() == 520_486
    assert dense.input_shape == cnn.input_shape == (None, 80, 3)
    assert sum(isinstance(layer, keras.layers.Dense) for layer in dense.layers) == 4


def test_the_shortest_window_of_the_motion_cnn_is_taken():
    # 75 steps: two convolutions leave 57, pooled 19, of which two convolutions leave 1.
    assert models.motion_cnn(75).count_params() == 520_486
    with pytest.raises(ValueError, match=r"`num_steps` must be at least 75 for these sizes\. Received: num_steps=74"):
        models.motion_cnn(74)


def test_deep_conv_lstm_mixes_channels_in_the_lstm_only():
    model = models.deep_conv_lstm(24, 3, 4, filters=2, units=3)
    before = keras.Model(model.input, model.get_layer("features").output)
    window = np.random.default_rng(0).normal(size=(1, 24, 3)).astype("float32")
    changed = window.copy()
    changed[..., 1] += 1
    moved = np.abs(numpy(before(window)) - numpy(before(changed))).max(axis=(0, 1)).reshape(3, 2) > 0
    assert not moved[[0, 2]].any() and moved[1].any()
    # Four convolutions of the paper take away sixteen of 24 samples.
    assert before.output_shape == (None, 8, 6)


def test_a_sample_of_the_motion_tcn_sees_as_many_others_as_it_says():
    keras.utils.set_random_seed(0)
    model = models.motion_tcn(1, 2, filters=16, num_blocks=3, kernel_size=3)
    signal = np.random.default_rng(0).normal(size=(1, 41, 1)).astype("float32")
    changed = signal.copy()
    changed[:, 20] += 1
    moved = np.abs(numpy(model(signal)) - numpy(model(changed)))[0].max(-1) > 1e-7
    # The first convolution and those dilated by 1, 2 and 4 reach 1 + 1 + 2 + 4 samples to either side.
    assert np.flatnonzero(moved).tolist() == list(range(12, 29))
    # Of any length.
    assert model(signal[:, :5]).shape == (1, 5, 2)


@pytest.mark.parametrize("bands", [40, 50])
def test_the_speech_command_network_is_that_of_the_lecture(bands):
    model = models.speech_command_cnn(num_bands=bands)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [12, 24, 48, 48, 48]
    weights = 9 * (12 + 12 * 24 + 24 * 48 + 2 * 48 * 48) + 4 * (12 + 24 + 3 * 48)
    assert model.count_params() == weights + (-(-bands // 8) * 48 + 1) * 12


# BC-ResNet-1 and -3 in thousands, as the paper rounds them.
@pytest.mark.parametrize(("width", "thousands"), [(1, 9.2), (3, 54.2)])
def test_bc_resnet_has_the_parameters_of_the_paper(width, thousands):
    trained = sum(int(np.prod(each.shape)) for each in models.bc_resnet(width=width).trainable_weights)
    assert round(trained / 1000, 1) == thousands


def test_recordings_may_have_any_length():
    random = np.random.default_rng(0)
    for model in (
        models.speech_command_cnn(3, 16),
        models.bc_resnet(3, 16, width=1, sub_bands=2, num_blocks=(1, 1, 1, 1)),
        models.speech_resnet(3, 16, filters=(4, 6), num_blocks=(1, 1)),
        models.speech_attention_lstm(3, 16, filters=4, units=3),
    ):
        for frames in (1, 5, 31):
            answer = numpy(model(random.normal(size=(2, frames, 16)).astype("float32")))
            np.testing.assert_allclose(answer.sum(1), 1, atol=1e-5)


def test_the_speech_command_network_takes_the_loudest_moment():
    # Far from borders, what is heard earlier or later gives the same answer.
    model = models.speech_command_cnn(3, 8)
    sound = np.random.default_rng(0).normal(size=(1, 8, 8)).astype("float32")
    early, late = np.zeros((1, 160, 8), "float32"), np.zeros((1, 160, 8), "float32")
    early[:, 64:72], late[:, 88:96] = sound, sound
    np.testing.assert_allclose(numpy(model(early)), numpy(model(late)), atol=1e-6)


def test_a_block_of_bc_resnet_broadcasts_what_it_finds_over_time():
    """The second block of the first stage, from its weights, by loops over steps and bands."""
    keras.utils.set_random_seed(0)
    model = models.bc_resnet(3, 16, width=1, num_blocks=(2, 1, 1, 1), sub_bands=2)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.2, 1, weight.shape) for weight in model.get_weights()])
    layer = model.get_layer
    block = keras.Model(layer("stage_0_block_0_relu").output, layer("stage_0_block_1_relu").output)
    x = random.normal(size=(1, 5, 8, 8)).astype("float32")

    def normalized(values, normalization, part=slice(None)):
        scale, shift, mean, variance = (numpy(each)[part] for each in normalization.variables)
        return (values - mean) / np.sqrt(variance + 1e-5) * scale + shift

    kernel = numpy(layer("stage_0_block_1_bands").kernel)[0, :, :, 0]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    bands = sum(padded[:, :, i : i + 8] * kernel[i] for i in range(3))
    sub = layer("stage_0_block_1_bands_normalization").normalization
    bands = np.concatenate(
        [normalized(bands[:, :, :4], sub, slice(0, 8)), normalized(bands[:, :, 4:], sub, slice(8, 16))], axis=2
    )
    kernel = numpy(layer("stage_0_block_1_time").kernel)[..., 0]
    padded = np.pad(bands.mean(2), ((0, 0), (1, 1), (0, 0)))
    time = normalized(
        sum(padded[:, i : i + 5] * kernel[i] for i in range(3)), layer("stage_0_block_1_time_normalization")
    )
    time = (time / (1 + np.exp(-time))) @ numpy(layer("stage_0_block_1_mix").kernel)
    expected = np.maximum(x + bands + time[:, :, None], 0)
    np.testing.assert_allclose(numpy(block(x)), expected, rtol=1e-4, atol=1e-4)


def test_a_block_of_the_speech_resnet_adds_to_what_it_was_given():
    """With scales of 0 at its end a block is its shortcut: the mean over 2x2 where it halves, else what it gets."""
    model = models.speech_resnet(3, 16, filters=(4, 6), num_blocks=(2, 1))
    layer = model.get_layer
    for name in ("stage_0_block_1_1", "stage_1_block_0_1"):
        layer(f"{name}_normalization").gamma.assign(np.zeros(layer(f"{name}_normalization").gamma.shape))
    parts = ("stage_0_block_0_relu", "stage_0_block_1_relu", "stage_1_block_0_widen", "stage_1_block_0_shrink")
    told = keras.Model(model.input, [layer(name).output for name in parts])
    before, after, widened, shrunk = map(numpy, told(np.random.default_rng(0).normal(size=(2, 12, 16)).astype("f4")))
    np.testing.assert_allclose(after, before, atol=1e-6)
    np.testing.assert_allclose(shrunk, after.reshape(2, 3, 2, 4, 2, 4).mean((2, 4)), atol=1e-5)
    np.testing.assert_allclose(widened, shrunk @ numpy(layer("stage_1_block_0_widen").kernel)[0, 0], atol=1e-5)


def test_the_attention_of_the_speech_lstm_is_that_of_the_recording_alone():
    model = models.speech_attention_lstm(3, 16, filters=4, units=3)
    looking = keras.Model(model.input, model.get_layer("attention").output[1])
    for frames in (7, 8):
        sound = np.random.default_rng(frames).normal(size=(1, frames, 16)).astype("float32")
        alone = numpy(looking(sound))
        filled = numpy(looking(np.pad(sound, ((0, 0), (0, 5), (0, 0)))))
        assert alone.shape == (1, 4)
        np.testing.assert_allclose(filled[:, :4], alone, atol=1e-6)
        np.testing.assert_allclose(filled[:, 4:], 0, atol=1e-6)
