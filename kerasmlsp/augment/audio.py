"""Data augmentation for waveforms and spectrograms."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.augment._checks import check_batch


@keras.saving.register_keras_serializable("kerasmlsp")
class RandomTimeShift(keras.layers.Layer):
    """Moves each waveform earlier or later while training; silence fills the gap.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation"; Warden 2018, "Speech Commands: A Dataset for
    Limited-Vocabulary Speech Recognition".

    Args:
        max_shift: Largest shift in samples, at least 0; each from `-max_shift` to `max_shift` is as likely.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Waveforms `(batch, samples)`.
        training: Whether to shift.

    Returns:
        The same shape.

    Raises:
        ValueError: `max_shift` is negative.

    Example:
        >>> click = keras.ops.one_hot([4], 9)
        >>> moved = RandomTimeShift(max_shift=2)(click, training=True)
        >>> abs(int(keras.ops.argmax(moved[0])) - 4) <= 2
        True
    """

    def __init__(self, max_shift: int, seed: int | None = None, **kwargs: Any):
        # The samples of a waveform need more digits than half precision has.
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if max_shift < 0:
            raise ValueError(f"`max_shift` must be at least 0. Received: max_shift={max_shift}")
        self.max_shift, self.seed = max_shift, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        check_batch(inputs, "batch", "samples")
        if not training or not self.max_shift:
            return inputs
        batch, samples = ops.shape(inputs)
        shift = keras.random.randint((batch, 1), -self.max_shift, self.max_shift + 1, seed=self.seed_generator)
        source = ops.arange(samples, dtype="int32") - shift
        moved = ops.take_along_axis(inputs, ops.clip(source, 0, samples - 1), axis=1)
        return ops.where(ops.logical_and(source >= 0, source < samples), moved, 0.0)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "max_shift": self.max_shift, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasmlsp")
class RandomGain(keras.layers.Layer):
    """Makes each waveform louder or softer while training, by a gain that is uniform in decibels.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation".

    Args:
        min_decibels: Smallest gain in dB.
        max_decibels: Largest gain in dB, at least `min_decibels`. What goes beyond [-1, 1] is not clipped.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Waveforms `(batch, samples)`.
        training: Whether to amplify.

    Returns:
        The same shape.

    Raises:
        ValueError: `max_decibels` is less than `min_decibels`.

    Example:
        >>> louder = RandomGain(min_decibels=20.0, max_decibels=20.0)(keras.ops.array([[0.01, -0.05]]), training=True)
        >>> print(keras.ops.convert_to_numpy(louder).round(3))  # ten times the amplitude
        [[ 0.1 -0.5]]
    """

    def __init__(self, min_decibels: float = -6.0, max_decibels: float = 6.0, seed: int | None = None, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        _check_order("decibels", min_decibels, max_decibels)
        self.min_decibels, self.max_decibels, self.seed = min_decibels, max_decibels, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        check_batch(inputs, "batch", "samples")
        if not training:
            return inputs
        shape = (ops.shape(inputs)[0], 1)
        decibels = keras.random.uniform(shape, self.min_decibels, self.max_decibels, seed=self.seed_generator)
        return inputs * ops.cast(10.0 ** (decibels / 20), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("min_decibels", "max_decibels", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasmlsp")
class AdditiveNoise(keras.layers.Layer):
    """Adds white noise to each waveform while training, at a ratio of signal to noise that is uniform in decibels.

    Silence stays silent, since the noise is measured by the waveform's own power.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation"; Sri Rama Murty, (Deep) Neural Networks
    (2021), "Regularization Techniques".

    Args:
        min_snr: Smallest ratio of the powers of signal and noise in dB.
        max_snr: Largest ratio in dB, at least `min_snr`.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Waveforms `(batch, samples)`.
        training: Whether to add.

    Returns:
        The same shape.

    Raises:
        ValueError: `max_snr` is less than `min_snr`.

    Example:
        >>> noisy = AdditiveNoise(min_snr=20.0, max_snr=20.0)(keras.ops.ones((1, 100_000)), training=True)
        >>> round(float(keras.ops.std(noisy)), 2)  # 20 dB below the signal, a tenth of its amplitude
        0.1
    """

    def __init__(self, min_snr: float = 10.0, max_snr: float = 40.0, seed: int | None = None, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        _check_order("snr", min_snr, max_snr)
        self.min_snr, self.max_snr, self.seed = min_snr, max_snr, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        check_batch(inputs, "batch", "samples")
        if not training:
            return inputs
        shape = (ops.shape(inputs)[0], 1)
        ratio = keras.random.uniform(shape, self.min_snr, self.max_snr, seed=self.seed_generator)
        noise = keras.random.normal(ops.shape(inputs), dtype=inputs.dtype, seed=self.seed_generator)
        power = ops.mean(ops.square(inputs), axis=1, keepdims=True)
        return inputs + noise * ops.sqrt(power) * ops.cast(10.0 ** (-ratio / 20), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("min_snr", "max_snr", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasmlsp")
class SpecAugment(keras.layers.Layer):
    """Hides stretches of time and of frequency of each spectrogram while training, under its mean.

    A mask's width is uniform from 0 to its largest, then its place uniform where it fits. Time is not warped.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation"; Park et al. 2019, "SpecAugment: A Simple
    Data Augmentation Method for Automatic Speech Recognition".

    Args:
        max_frames: Largest width of a mask over time, in frames, at least 0.
        max_bands: Largest width of a mask over frequency, in bands, at least 0.
        num_time_masks: Masks over time, at least 0.
        num_band_masks: Masks over frequency, at least 0.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Spectrograms `(batch, frames, bands)`.
        training: Whether to hide.

    Returns:
        The same shape.

    Raises:
        ValueError: A number is negative.

    Example:
        >>> bright = keras.ops.tile(keras.ops.array([[[0.0], [1.0]]]), (1, 3, 8))
        >>> hidden = SpecAugment(max_frames=3)(bright, training=True)  # of 6 frames; the mean is 0.5
        >>> set(keras.ops.convert_to_numpy(hidden).ravel().tolist()) <= {0.0, 0.5, 1.0}
        True
    """

    def __init__(
        self,
        max_frames: int = 25,
        max_bands: int = 7,
        num_time_masks: int = 2,
        num_band_masks: int = 2,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.max_frames, self.max_bands, self.seed = max_frames, max_bands, seed
        self.num_time_masks, self.num_band_masks = num_time_masks, num_band_masks
        for name in ("max_frames", "max_bands", "num_time_masks", "num_band_masks"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must be at least 0. Received: {name}={getattr(self, name)}")
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        check_batch(inputs, "batch", "frames", "bands")
        if not training:
            return inputs
        batch, frames, bands = ops.shape(inputs)
        hidden = ops.zeros((batch, 1, 1), "bool")
        for _ in range(self.num_time_masks):
            hidden = ops.logical_or(hidden, self._stretch(batch, frames, self.max_frames)[:, :, None])
        for _ in range(self.num_band_masks):
            hidden = ops.logical_or(hidden, self._stretch(batch, bands, self.max_bands)[:, None, :])
        return ops.where(hidden, ops.mean(inputs, axis=(1, 2), keepdims=True), inputs)

    def _stretch(self, batch, length, widest):
        """`(batch, length)`, True in a random stretch of each row."""
        draw = keras.random.uniform((2, batch, 1), dtype="float32", seed=self.seed_generator)
        width = ops.minimum(ops.floor(draw[0] * (widest + 1)), ops.cast(length, "float32"))
        start = ops.floor(draw[1] * (ops.cast(length, "float32") - width + 1))
        places = ops.arange(length, dtype="float32")
        return ops.logical_and(places >= start, places < start + width)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("max_frames", "max_bands", "num_time_masks", "num_band_masks", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _check_order(name, least, most):
    if most < least:
        raise ValueError(f"`max_{name}` must be at least `min_{name}`, which is {least}. Received: max_{name}={most}")
