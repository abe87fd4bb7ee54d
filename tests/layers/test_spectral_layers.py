"""Spectral layers against sums and convolutions that are written out in NumPy."""

import cmath
import math

import keras
import numpy as np
import pytest

from kerasmlsp import layers

TENSORFLOW = keras.backend.backend() == "tensorflow"


def numpy(value):
    return keras.ops.convert_to_numpy(value)


@pytest.fixture(scope="module")
def waveforms():
    return np.random.default_rng(0).uniform(-1, 1, (2, 23)).astype("float32")


# ---- the short-time Fourier transform ------------------------------------------------------------------------------


def literal(x, window, hop, bins):
    """The lecture's sum, term by term."""
    length = len(window)
    places = range(0, len(x) - length + 1, hop)
    return np.array(
        [
            [
                sum(x[n + m] * window[m] * cmath.exp(-2j * math.pi * k * m / bins) for m in range(length))
                for k in range(bins)
            ]
            for n in places
        ]
    )


@pytest.mark.parametrize(("length", "hop", "size"), [(6, 1, None), (6, 2, 8), (5, 3, None), (5, 5, 9), (23, 4, 23)])
@pytest.mark.parametrize("window", ["boxcar", "hann"])
def test_the_transform_is_the_sum_of_the_lecture(waveforms, length, hop, size, window):
    m = np.arange(length)
    weights = {"boxcar": np.ones(length), "hann": np.sin(np.pi * m / length) ** 2}[window]
    layer = layers.ShortTimeFourierTransform(length, hop, size, window)
    real, imaginary = (numpy(each) for each in layer(waveforms))
    expected = np.stack([literal(row, weights, hop, size or length) for row in waveforms])
    np.testing.assert_allclose(real + 1j * imaginary, expected, atol=1e-5)
    assert layer.compute_output_shape((2, 23)) == (expected.shape, expected.shape)
    half = layers.ShortTimeFourierTransform(length, hop, size, window, onesided=True)
    real, imaginary = (numpy(each) for each in half(waveforms))
    np.testing.assert_allclose(real + 1j * imaginary, expected[..., : (size or length) // 2 + 1], atol=1e-5)
    assert half.compute_output_shape((None, None))[0] == (None, None, (size or length) // 2 + 1)


@pytest.mark.parametrize("window", ["boxcar", "hann", "hamming", "blackman"])
def test_windows_are_those_of_scipy(window):
    signal = pytest.importorskip("scipy.signal", reason="SciPy is not installed")
    layer = layers.ShortTimeFourierTransform(8, 1, window=window)
    # Bin 0 of a pulse is the weight at its place.
    found = numpy(layer(np.eye(8, dtype="float32"))[0])[:, 0, 0]
    np.testing.assert_allclose(found, signal.get_window(window, 8), atol=1e-6)


def test_the_transform_refuses_what_has_no_frame():
    layer = layers.ShortTimeFourierTransform(6, 2)
    with pytest.raises(ValueError, match=r"`inputs` must have at least 6 samples. Received: shape=\(2, 5\)"):
        layer(np.zeros((2, 5), "float32"))
    for layer in (layers.ShortTimeFourierTransform(6, 2), layers.LogMelSpectrogram(), layers.Scalogram()):
        with pytest.raises(ValueError, match=r"`inputs` must be waveforms \(batch, samples\). Received: shape="):
            layer(np.zeros((2, 900, 1), "float32"))


# ---- log-mel spectrograms ------------------------------------------------------------------------------------------


def test_log_mel_spectrograms_are_their_formula():
    x = np.random.default_rng(1).uniform(-1, 1, (2, 1000)).astype("float32")
    found = numpy(layers.LogMelSpectrogram(10, 8000, 0.02, 0.005, 60.0, 3000.0, 1e-3)(x))
    m, f = np.arange(160), np.arange(129) * 8000 / 256
    frames = np.stack([x[:, n : n + 160] for n in range(0, 1000 - 160 + 1, 40)], axis=1)
    power = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi * m / 160)), 256)) ** 2
    mel = 1127 * np.log(1 + f / 700)
    low, high = 1127 * np.log(1 + 60 / 700), 1127 * np.log(1 + 3000 / 700)
    for band in range(10):
        left, centre, right = (low + (high - low) * (band + i) / 11 for i in range(3))
        triangle = np.interp(mel, [left, centre, right], [0, 1, 0])
        np.testing.assert_allclose(found[..., band], np.log10(power @ triangle + 1e-3), atol=1e-4)


def test_a_second_has_98_frames_and_no_band_is_empty():
    layer = layers.LogMelSpectrogram()
    silence = numpy(layer(np.zeros((1, 16_000), "float32")))
    assert silence.shape == (1, 98, 40) == layer.compute_output_shape((1, 16_000))
    np.testing.assert_allclose(silence, -6, atol=1e-6)
    for bands in (40, 50):
        layer = layers.LogMelSpectrogram(bands)
        layer.build((None, 16_000))
        assert (layer.filters.sum(0) > 0).all()


def test_mel_filters_are_those_of_keras():
    layer = layers.LogMelSpectrogram(40)
    layer.build((None, None))
    own = keras.layers.MelSpectrogram().linear_to_mel_weight_matrix(40, 257, 16_000, 20.0, 8000.0)
    np.testing.assert_allclose(layer.filters, numpy(own), atol=1e-4)


def test_a_tone_shows_in_its_band():
    tones = np.sin(2 * np.pi * np.array([[300.0], [1000.0], [4000.0]]) * np.arange(16_000) / 16_000)
    found = numpy(layers.LogMelSpectrogram()(tones.astype("float32"))).mean(1)
    edges = 700 * np.expm1(np.linspace(*1127 * np.log1p(np.array([20, 8000]) / 700), 42) / 1127)
    for row, frequency in zip(found, (300, 1000, 4000), strict=True):
        assert edges[row.argmax()] < frequency < edges[row.argmax() + 2]


# ---- scalograms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hop", [1, 3])
def test_scalograms_are_convolutions_with_wavelets(hop):
    x = np.random.default_rng(2).normal(size=(2, 61)).astype("float32")
    layer = layers.Scalogram(4, 100, 4.0, 30.0, hop, cycles=5.0)
    found = numpy(layer(x))
    assert found.shape == layer.compute_output_shape(x.shape) == (2, 1 + 60 // hop, 4)
    for band, frequency in enumerate(4.0 * (30 / 4) ** (np.arange(4) / 3)):
        scale = 5.0 * 100 / (2 * np.pi * frequency)
        # Longer than the layer's: what it cuts off must not count.
        t = np.arange(-400, 401) / scale
        wavelet = np.pi**-0.25 * np.exp(5j * t - t**2 / 2) / np.sqrt(scale)
        for row in range(2):
            # np.convolve turns its second argument round, which conjugates this wavelet.
            expected = np.abs(np.convolve(x[row], wavelet))[400:461:hop]
            np.testing.assert_allclose(found[row, :, band], expected, atol=1e-4)


def test_a_scalogram_finds_frequency_and_place():
    t = np.arange(800)
    x = np.where(t < 400, np.sin(2 * np.pi * 5 * t / 100), np.sin(2 * np.pi * 20 * t / 100)).astype("float32")[None]
    found = numpy(layers.Scalogram(9, 100, 2.5, 40.0)(x))[0]
    # Frequencies double every two bands from 2.5 Hz on.
    assert found[200].argmax() == 2 and found[600].argmax() == 6


# ---- what all have in common ---------------------------------------------------------------------------------------

EACH = {
    "transform": lambda: layers.ShortTimeFourierTransform(6, 2, 8),
    "log-mel": lambda: layers.LogMelSpectrogram(4, 1000, 0.02, 0.01),
    "scalogram": lambda: layers.Scalogram(3, 100, 10.0, 30.0, hop=2),
}


@pytest.mark.parametrize("name", EACH)
def test_slopes_are_finite_in_silence_and_sound(name):
    layer = EACH[name]()
    if TENSORFLOW:
        import tensorflow as tf

        def slope(x):
            with tf.GradientTape() as tape:
                x = tf.constant(x)
                tape.watch(x)
                loss = sum(tf.reduce_sum(each) for each in keras.tree.flatten(layer(x)))
            return tape.gradient(loss, x).numpy()

    else:
        import jax

        def slope(x):
            layer.build(x.shape)
            return numpy(jax.grad(lambda x: sum(each.sum() for each in keras.tree.flatten(layer(x))))(x))

    for x in (np.zeros((1, 40), "float32"), np.random.default_rng(0).normal(size=(1, 40)).astype("float32")):
        assert np.isfinite(slope(x)).all()


@pytest.mark.parametrize("name", EACH)
def test_waveforms_stay_in_float32(name, waveforms):
    policy = keras.config.dtype_policy()
    long = np.tile(waveforms, 3)
    expected = keras.tree.map_structure(numpy, EACH[name]()(long))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = keras.tree.map_structure(numpy, EACH[name]()(long))
    finally:
        keras.config.set_dtype_policy(policy)
    for one, other in zip(keras.tree.flatten(expected), keras.tree.flatten(found), strict=True):
        assert other.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_models_with_spectral_layers_are_saved_and_exported(tmp_path, waveforms):
    long = np.tile(waveforms, 3)
    waveform = keras.Input((None,), name="waveform")
    outputs = keras.tree.flatten([make()(waveform) for make in EACH.values()])
    model = keras.Model(waveform, outputs)
    expected = [numpy(each) for each in model(long)]
    assert all(
        None in (size, shape) or size == shape
        for value, output in zip(expected, outputs, strict=True)
        for size, shape in zip(value.shape, output.shape, strict=True)
    )
    model.save(tmp_path / "model.keras")
    found = [keras.saving.load_model(tmp_path / "model.keras")(long)]
    if TENSORFLOW:
        import tensorflow as tf

        model.export(tmp_path / "exported", verbose=False)
        found.append(tf.saved_model.load(str(tmp_path / "exported")).serve(long))
    for answers in found:
        for one, other in zip(expected, answers, strict=True):
            np.testing.assert_allclose(numpy(other), one, atol=1e-5)


# ---- normalisation of sub-bands ------------------------------------------------------------------------------------


def test_sub_bands_are_normalised_each_on_its_own():
    x = np.random.default_rng(3).normal(2, 3, (4, 5, 6, 3)).astype("float32")
    layer = layers.SubSpectralNormalization(2, momentum=0.5, epsilon=1e-2)
    found = numpy(layer(x, training=True))
    for part in (slice(0, 3), slice(3, 6)):
        group = x[:, :, part]
        mean, variance = group.mean((0, 1, 2)), group.var((0, 1, 2))
        np.testing.assert_allclose(found[:, :, part], (group - mean) / np.sqrt(variance + 1e-2), atol=1e-4)
    # Half of the way from 0.
    moving_mean = numpy(layer.normalization.moving_mean)
    for part, moving in zip((slice(0, 3), slice(3, 6)), np.split(moving_mean, 2), strict=True):
        np.testing.assert_allclose(moving, x[:, :, part].mean((0, 1, 2)) / 2, atol=1e-4)
    assert layer.count_params() == 4 * 2 * 3 and layer.compute_output_shape(x.shape) == x.shape
    whole = layers.SubSpectralNormalization(1)(x, training=True)
    same = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x, training=True)
    np.testing.assert_allclose(numpy(whole), numpy(same), atol=1e-4)


def test_sub_bands_that_do_not_divide_the_bands_are_refused():
    with pytest.raises(ValueError, match=r"`sub_bands` must divide the 6 bands\. Received: sub_bands=4"):
        layers.SubSpectralNormalization(4)(np.zeros((1, 2, 6, 3), "float32"))


@pytest.mark.parametrize(
    "make",
    [
        lambda dtype=None: layers.ShortTimeFourierTransform(8, 4, dtype=dtype),
        lambda dtype=None: layers.LogMelSpectrogram(3, 1000, dtype=dtype),
        lambda dtype=None: layers.Scalogram(3, 100, 20.0, hop=4, dtype=dtype),
    ],
)
def test_half_precision_rounds_the_answer_and_nothing_before(make):
    # Of samples near 1, half precision would keep three digits.
    waves = (1 + 0.001 * np.random.default_rng(0).normal(size=(2, 64))).astype("float32")
    for found, whole in zip(*(keras.tree.flatten(layer(waves)) for layer in (make("float16"), make())), strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(whole).astype("float16")
        )
