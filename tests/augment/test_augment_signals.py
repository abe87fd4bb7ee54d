"""Augmentation of waveforms, spectrograms and windows of motion."""

import keras
import numpy as np
import pytest

from kerasmlsp import augment

RANDOM = np.random.default_rng(0)
WAVEFORMS = RANDOM.uniform(-1, 1, (64, 200)).astype("float32")
SPECTROGRAMS = RANDOM.normal(size=(64, 30, 20)).astype("float32")
WINDOWS = RANDOM.normal(size=(64, 50, 6)).astype("float32")
# Arguments, and what the layer takes.
CASES = {
    "AdditiveNoise": ({"min_snr": 0.0, "max_snr": 20.0, "seed": 4}, WAVEFORMS),
    "RandomHalfTurn": ({"seed": 4}, WINDOWS),
    "RandomAxisRotation": ({"max_degrees": 90.0, "seed": 4}, WINDOWS),
    "RandomGain": ({"min_decibels": -20.0, "max_decibels": 0.0, "seed": 4}, WAVEFORMS),
    "RandomScaling": ({"deviation": 0.2, "seed": 4}, WINDOWS),
    "RandomTimeShift": ({"max_shift": 30, "seed": 4}, WAVEFORMS),
    "SpecAugment": (
        {"max_frames": 8, "max_bands": 5, "num_time_masks": 1, "num_band_masks": 1, "seed": 4},
        SPECTROGRAMS,
    ),
    "TimeWarp": ({"deviation": 0.3, "knots": 5, "seed": 4}, WINDOWS),
}
EACH = pytest.mark.parametrize("name", CASES)


def made(name, **changes):
    return getattr(augment, name)(**{**CASES[name][0], **changes})


def call(layer, inputs, **options):
    return keras.ops.convert_to_numpy(layer(inputs, **options))


@EACH
def test_layers_keep_their_arguments(name):
    layer, options = made(name), CASES[name][0]
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config()
    assert {key: layer.get_config()[key] for key in options} == options
    assert keras.saving.get_registered_name(type(layer)) == f"kerasmlsp>{name}"


@EACH
def test_layers_are_off_at_inference_and_repeat_with_their_seed(name):
    inputs, layer = CASES[name][1], made(name)
    assert np.array_equal(call(layer, inputs), inputs)
    first, second = (call(layer, inputs, training=True) for _ in range(2))
    assert first.shape == inputs.shape == layer.compute_output_shape(inputs.shape) and first.dtype == np.float32
    assert not np.array_equal(first, inputs) and not np.array_equal(first, second)
    again = made(name)
    assert np.array_equal(call(again, inputs, training=True), first)
    assert np.array_equal(call(again, inputs, training=True), second)
    assert not np.array_equal(call(made(name, seed=5), inputs, training=True), first)


def test_layers_work_in_a_compiled_step():
    start, outputs = [], []
    for inputs, shape in ((WAVEFORMS, (None,)), (SPECTROGRAMS, (None, 20)), (WINDOWS, (50, 6))):
        start.append(keras.Input(shape))
        states = start[-1]
        for name in (name for name, (_, own) in CASES.items() if own is inputs):
            states = made(name)(states)
        assert states.shape == start[-1].shape
        outputs.append(keras.ops.mean(states, axis=tuple(range(1, len(states.shape)))))
    summed = keras.ops.stack(outputs, axis=1)
    model = keras.Model(start, keras.layers.Dense(1)(summed))
    model.compile("sgd", "mean_squared_error", jit_compile=keras.backend.backend() == "jax")
    signals = [WAVEFORMS, SPECTROGRAMS, WINDOWS]
    loss = model.fit(signals, np.ones((64, 1)), batch_size=16, verbose=0).history["loss"]
    assert np.isfinite(loss).all()
    np.testing.assert_array_equal(*(model.predict(signals, verbose=0) for _ in range(2)))


def test_shifted_waveforms_are_the_same_with_silence_beside():
    changed = call(made("RandomTimeShift"), WAVEFORMS, training=True)
    found = []
    for before, after in zip(WAVEFORMS, changed, strict=True):
        padded = np.pad(before, 30)
        found.append(next(s for s in range(-30, 31) if np.array_equal(after, padded[30 - s : 230 - s])))
    assert min(found) < -20 and max(found) > 20


def test_gains_are_between_their_bounds():
    ratios = call(made("RandomGain"), WAVEFORMS, training=True) / WAVEFORMS
    np.testing.assert_allclose(ratios, np.broadcast_to(ratios[:, :1], ratios.shape), rtol=1e-4)
    decibels = 20 * np.log10(ratios[:, 0])
    assert -20 <= decibels.min() < -15 and -5 < decibels.max() <= 1e-3


def test_noise_has_the_power_that_is_asked_for():
    layer = made("AdditiveNoise", min_snr=10.0, max_snr=10.0)
    quiet = WAVEFORMS * np.linspace(0, 1, 64, dtype="float32")[:, None]
    noise = call(layer, quiet, training=True) - quiet
    assert not noise[0].any()
    ratios = (quiet[1:] ** 2).mean(1) / (noise[1:] ** 2).mean(1)
    # Powers of 200 samples deviate by a tenth.
    assert ratios.mean() == pytest.approx(10, rel=0.1) and ratios.min() > 5


def test_masks_cover_stretches_with_the_mean():
    changed = call(made("SpecAugment"), SPECTROGRAMS, training=True)
    hidden = changed != SPECTROGRAMS
    means = SPECTROGRAMS.mean((1, 2))[:, None, None]
    np.testing.assert_allclose(changed, np.where(hidden, means, SPECTROGRAMS), atol=1e-5)
    frames, bands = hidden.all(2), hidden.all(1)
    assert np.array_equal(hidden, frames[:, :, None] | bands[:, None, :])
    for masks, widest in ((frames, 8), (bands, 5)):
        widths = masks.sum(1)
        assert widths.min() == 0 and widths.max() == widest
        # In one piece: no more than one place where a mask begins.
        assert (np.diff(np.pad(masks, ((0, 0), (1, 0))).astype(int), axis=1) == 1).sum(1).max() == 1


def test_masks_that_are_wider_than_the_spectrogram_cover_it_at_most():
    short = SPECTROGRAMS[:, :3]
    changed = call(made("SpecAugment", max_frames=50, num_band_masks=0), short, training=True)
    hidden = (changed != short).all(2)
    assert hidden.all(1).any() and np.isfinite(changed).all()


def test_channels_are_scaled_each_by_its_factor():
    factors = call(made("RandomScaling"), WINDOWS, training=True) / WINDOWS
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1], factors.shape), rtol=1e-3)
    # 384 factors: the standard errors are 0.01 and 0.007.
    assert factors[:, 0].mean() == pytest.approx(1, abs=0.04) and factors[:, 0].std() == pytest.approx(0.2, abs=0.03)


def test_sensors_are_turned_together_and_keep_lengths_and_angles():
    changed = call(made("RandomAxisRotation"), WINDOWS, training=True)
    before, after = (each.reshape(64, 100, 3).astype("float64") for each in (WINDOWS, changed))
    angles = []
    for one, other in zip(before, after, strict=True):
        matrix = np.linalg.lstsq(one, other, rcond=None)[0]
        np.testing.assert_allclose(one @ matrix, other, atol=1e-4)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-4)
        assert np.linalg.det(matrix) == pytest.approx(1, abs=1e-4)
        angles.append(np.degrees(np.arccos(np.clip((np.trace(matrix) - 1) / 2, -1, 1))))
    assert max(angles) <= 90.1 and max(angles) > 75 and min(angles) < 15


def test_half_turns_are_those_about_an_axis_and_each_is_as_likely():
    changed = call(made("RandomHalfTurn"), WINDOWS, training=True)
    ways = (changed / WINDOWS).round(3)
    assert (ways == ways[:, :1]).all() and (ways[..., :3] == ways[..., 3:]).all()
    kinds, counts = np.unique(ways[:, 0, :3], axis=0, return_counts=True)
    assert sorted(kinds.tolist()) == [[-1, -1, 1], [-1, 1, -1], [1, -1, -1], [1, 1, 1]]
    # Of 64 windows, 16 each; the standard deviation is 3.5.
    assert counts.min() > 5


def test_warped_windows_are_read_in_order_from_first_to_last():
    ramps = np.broadcast_to(np.arange(50, dtype="float32")[None, :, None], (64, 50, 6))
    times = call(made("TimeWarp"), ramps, training=True)[..., 0]
    np.testing.assert_allclose(times[:, 0], 0, atol=1e-4)
    np.testing.assert_allclose(times[:, -1], 49, atol=1e-3)
    speeds = np.diff(times, axis=1)
    assert speeds.min() > 0 and np.abs(times - ramps[..., 0]).max() > 2
    # Between knots the speed is linear: its second difference vanishes but at the three inner knots.
    bends = np.abs(np.diff(speeds, 2, axis=1)) > 1e-3
    assert bends.any(0).sum() <= 2 * 3
    # Between samples a signal is linear.
    changed = call(made("TimeWarp"), WINDOWS, training=True)
    for row in range(4):
        expected = [np.interp(times[row], np.arange(50), WINDOWS[row, :, channel]) for channel in range(6)]
        np.testing.assert_allclose(changed[row].T, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "options", "pattern"),
    [
        ("AdditiveNoise", {"min_snr": 21.0}, "`max_snr` must be at least `min_snr`.* Received: max_snr=20.0"),
        ("RandomAxisRotation", {"max_degrees": 181}, "`max_degrees` must be in .* Received: max_degrees=181"),
        ("RandomGain", {"max_decibels": -21}, "`max_decibels` must be at least .* Received: max_decibels=-21"),
        ("RandomScaling", {"deviation": -0.1}, "`deviation` must be at least 0. Received: deviation=-0.1"),
        ("RandomTimeShift", {"max_shift": -1}, "`max_shift` must be at least 0. Received: max_shift=-1"),
        ("SpecAugment", {"max_frames": -1}, "`max_frames` must be at least 0. Received: max_frames=-1"),
        ("SpecAugment", {"num_band_masks": -1}, "`num_band_masks` must be at least 0. Received: num_band_masks=-1"),
        ("TimeWarp", {"deviation": -0.1}, "`deviation` must be at least 0. Received: deviation=-0.1"),
        ("TimeWarp", {"knots": 1}, "`knots` must be at least 2. Received: knots=1"),
    ],
)
def test_values_out_of_range_are_refused(name, options, pattern):
    with pytest.raises(ValueError, match=pattern):
        made(name, **options)


@pytest.mark.parametrize("name", ["AdditiveNoise", "RandomAxisRotation", "SpecAugment", "TimeWarp", "TokenDropout"])
@pytest.mark.parametrize("others", [1, 2])
def test_tuples_of_inputs_labels_and_weights_end_in_a_sentence(name, others):
    layer = augment.TokenDropout(0.5) if name == "TokenDropout" else made(name)
    with pytest.raises(ValueError, match=r"`inputs` must be one tensor.* Received: a tuple"):
        layer((WINDOWS, *[np.zeros(len(WINDOWS))] * others), training=True)


def test_windows_that_cannot_be_turned_or_warped_are_refused():
    with pytest.raises(ValueError, match=r"`inputs` must have three channels .* Received: shape=\(64, 50, 4\)"):
        made("RandomAxisRotation")(WINDOWS[..., :4])
    with pytest.raises(ValueError, match="`inputs` must have three channels"):
        made("RandomHalfTurn")(WINDOWS[..., :4])
    with pytest.raises(ValueError, match="`inputs` must have a fixed number of steps"):
        made("TimeWarp")(keras.Input((None, 3)))
