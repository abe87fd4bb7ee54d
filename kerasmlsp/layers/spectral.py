"""Layers from waveforms to images of time and frequency, and a normalisation for such images."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

# Periodic windows of scipy.signal.get_window: factors of 1, -cos(x), cos(2x) over one turn.
WINDOWS = {
    "boxcar": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
}


@keras.saving.register_keras_serializable("kerasmlsp")
class ShortTimeFourierTransform(keras.layers.Layer):
    """The discrete Fourier transform of a window that moves over a signal.

    `X[n, k] = sum_{m=0}^{L-1} x[n + m] w[m] e^{-j 2 pi k m / N}` at `n = 0, H, 2H, ...`, as far as whole frames reach.

    Reference: Pilanci, EE269 lecture 16 (2020), "Short-time Fourier Transform".

    Args:
        frame_length: `L`, samples of a frame, at least 2.
        hop: `H`, samples from one frame to the next, at least 1.
        fft_length: `N`, at least `frame_length`; None for `frame_length`.
        window: `w` by its name in `scipy.signal.get_window`: "boxcar" for the rectangle, "hann", "hamming" or
            "blackman"; periodic.
        onesided: Whether to return only `k = 0 ... N // 2`; the rest of a real signal's spectrum mirrors them.

    Call arguments:
        inputs: Waveforms `(batch, samples)` of at least one frame.

    Returns:
        Real and imaginary parts, `(batch, frames, bins)` each, with `1 + (samples - L) // H` frames and `N` bins.
        Computed in float32 whatever the layer's type, which is float32 where none is given.

    Raises:
        ValueError: A size is too small, the window is unknown, or the waveform shorter than a frame.

    Example:
        >>> layer = ShortTimeFourierTransform(frame_length=4, hop=4, window="boxcar")
        >>> real, imaginary = layer(keras.ops.array([[1.0, 0.0, -1.0, 0.0]]))  # one turn of a cosine
        >>> print(keras.ops.convert_to_numpy(real).round(3))
        [[[0. 2. 0. 2.]]]
    """

    def __init__(
        self,
        frame_length: int,
        hop: int,
        fft_length: int | None = None,
        window: str = "hann",
        onesided: bool = False,
        **kwargs: Any,
    ):
        # The samples of a waveform need more digits than half precision has: what it says is cast in the end.
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        _check(2, frame_length=frame_length)
        _check(1, hop=hop)
        if fft_length is not None and fft_length < frame_length:
            raise ValueError(
                f"`fft_length` must be at least `frame_length`, which is {frame_length}. "
                f"Received: fft_length={fft_length}"
            )
        if window not in WINDOWS:
            raise ValueError(f"`window` must be one of {', '.join(WINDOWS)}. Received: window={window!r}")
        self.frame_length, self.hop, self.fft_length = frame_length, hop, fft_length
        self.window, self.onesided = window, onesided

    @property
    def size(self) -> int:
        """`N`."""
        return self.fft_length or self.frame_length

    def build(self, input_shape):
        _check_samples(input_shape, self.frame_length)
        turn = 2 * np.pi * np.arange(self.frame_length) / self.frame_length
        terms = [(-1) ** i * factor * np.cos(i * turn) for i, factor in enumerate(WINDOWS[self.window])]
        self.weighting = sum(terms).astype("float32")

    def call(self, inputs):
        frames = ops.extract_sequences(ops.cast(inputs, "float32"), self.frame_length, self.hop)
        parts = ops.rfft(frames * ops.convert_to_tensor(self.weighting), fft_length=self.size)
        real, imaginary = (ops.cast(part, self.compute_dtype) for part in parts)
        if self.onesided:
            return real, imaginary
        # X[N - k] is the conjugate of X[k].
        mirror = slice(1, (self.size + 1) // 2)
        return (
            ops.concatenate([real, ops.flip(real[..., mirror], -1)], -1),
            ops.concatenate([imaginary, -ops.flip(imaginary[..., mirror], -1)], -1),
        )

    def compute_output_shape(self, input_shape):
        bins = self.size // 2 + 1 if self.onesided else self.size
        shape = (input_shape[0], _frames(input_shape[1], self.frame_length, self.hop), bins)
        return shape, shape

    def compute_output_spec(self, inputs):
        return tuple(keras.KerasTensor(shape, self.compute_dtype) for shape in self.compute_output_shape(inputs.shape))

    def get_config(self):
        names = ("frame_length", "hop", "fft_length", "window", "onesided")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasmlsp")
class LogMelSpectrogram(keras.layers.Layer):
    """The logarithm of a signal's power in bands that are evenly spaced on the mel scale.

    `log10(sum_k M[k, b] |X[n, k]|^2 + epsilon)` with Hann windows and triangles `M` of height 1, whose edges are
    evenly spaced in `mel(f) = 1127 ln(1 + f / 700)`. Frames are not padded: one second at the default sizes gives 98.
    They are transformed at the next power of two of samples; a band between two bins of this transform is empty.

    Reference: Pilanci, EE269 lecture 16 (2020), "Spectrograms"; Davis and Mermelstein 1980, "Comparison of Parametric
    Representations for Monosyllabic Word Recognition in Continuously Spoken Sentences".

    Args:
        num_bands: Number of bands, at least 1.
        sampling_rate: Samples per second, at least 1.
        frame_seconds: Length of a frame, above 0.
        hop_seconds: Time from one frame to the next, above 0.
        min_frequency: Lower edge of the first band in hertz, at least 0.
        max_frequency: Upper edge of the last band in hertz, above `min_frequency` and at most half the sampling rate,
            which None means.
        epsilon: Added before the logarithm, above 0.

    Call arguments:
        inputs: Waveforms `(batch, samples)` in [-1, 1], of at least one frame.

    Returns:
        `(batch, frames, num_bands)`, computed in float32 whatever the layer's type, which is float32 where none is
        given.

    Raises:
        ValueError: A value is out of range, or the waveform shorter than a frame.

    Example:
        >>> silence = LogMelSpectrogram()(keras.ops.zeros((1, 16_000)))
        >>> tuple(silence.shape), round(float(silence[0, 0, 0]), 3)  # log10 of `epsilon`
        ((1, 98, 40), -6.0)
    """

    def __init__(
        self,
        num_bands: int = 40,
        sampling_rate: int = 16_000,
        frame_seconds: float = 0.025,
        hop_seconds: float = 0.010,
        min_frequency: float = 20.0,
        max_frequency: float | None = None,
        epsilon: float = 1e-6,
        **kwargs: Any,
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        _check(1, num_bands=num_bands, sampling_rate=sampling_rate)
        _check_above_0(frame_seconds=frame_seconds, hop_seconds=hop_seconds, epsilon=epsilon)
        _check_band(min_frequency, max_frequency, sampling_rate)
        self.num_bands, self.sampling_rate = num_bands, sampling_rate
        self.frame_seconds, self.hop_seconds = frame_seconds, hop_seconds
        self.min_frequency, self.max_frequency, self.epsilon = min_frequency, max_frequency, epsilon
        length = max(2, round(frame_seconds * sampling_rate))
        hop = max(1, round(hop_seconds * sampling_rate))
        # The next power of two: fast, and bins that are narrower than the lowest bands.
        size = 2 ** math.ceil(math.log2(length))
        self.transform = ShortTimeFourierTransform(length, hop, size, "hann", onesided=True, name="transform")

    def build(self, input_shape):
        self.transform.build(input_shape)
        lowest, highest = (_mel(np.array(f)) for f in self._edges())
        edges = np.linspace(lowest, highest, self.num_bands + 2)
        bins = _mel(np.arange(self.transform.size // 2 + 1) * self.sampling_rate / self.transform.size)[:, None]
        rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
        self.filters = np.maximum(0, np.minimum(rising, falling)).astype("float32")

    def call(self, inputs):
        real, imaginary = self.transform(inputs)
        power = ops.matmul(real**2 + imaginary**2, ops.convert_to_tensor(self.filters))
        return ops.cast(ops.log10(power + self.epsilon), self.compute_dtype)

    def _edges(self):
        return self.min_frequency, self.max_frequency or self.sampling_rate / 2

    def compute_output_shape(self, input_shape):
        return (*self.transform.compute_output_shape(input_shape)[0][:2], self.num_bands)

    def get_config(self):
        names = ("num_bands", "sampling_rate", "frame_seconds", "hop_seconds")
        names += ("min_frequency", "max_frequency", "epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasmlsp")
class Scalogram(keras.layers.Layer):
    """The magnitude of the continuous wavelet transform with Morlet's wavelet.

    `|sum_m x[n + m] conj(psi(m / s))| / sqrt(s)` with `psi(t) = pi^(-1/4) e^{j w t} e^{-t^2 / 2}` for scales `s`
    in samples, `w` the `cycles`, and zeros around the signal. A scale's wavelet swings with the frequency
    `w * sampling_rate / (2 pi s)`; the bands' frequencies grow by a constant factor. The sum ends at `|m| = 5 s`, where
    the wavelet has fallen to 4e-6 of its height.

    Each band costs as many products as the longest wavelet has samples, at every `hop`-th sample.

    Reference: Pilanci, EE269 lecture 16 (2020), "2D Convolutional Networks for Signal Classification"; Torrence and
    Compo 1998, "A Practical Guide to Wavelet Analysis".

    Args:
        num_bands: Number of frequencies, at least 2.
        sampling_rate: Samples per second, above 0.
        min_frequency: Frequency of the first band in hertz, above 0.
        max_frequency: Frequency of the last band in hertz, above `min_frequency` and at most half the sampling rate;
            None for a quarter of the rate.
        hop: Samples from one column to the next, at least 1.
        cycles: `w`, above 0: larger tells frequencies better apart, smaller times.

    Call arguments:
        inputs: Waveforms `(batch, samples)`.

    Returns:
        `(batch, columns, num_bands)` with `1 + (samples - 1) // hop` columns, the lowest frequency first.
        Computed in float32 whatever the layer's type, which is float32 where none is given.

    Raises:
        ValueError: A value is out of range.

    Example:
        >>> layer = Scalogram(num_bands=3, sampling_rate=1000, min_frequency=50.0, max_frequency=200.0)
        >>> found = layer(np.sin(2 * np.pi * 100 * np.arange(200) / 1000)[None])
        >>> tuple(found.shape), int(keras.ops.argmax(found[0, 100]))  # 100 Hz, of 50, 100 and 200
        ((1, 200, 3), 1)
    """

    def __init__(
        self,
        num_bands: int = 40,
        sampling_rate: float = 16_000,
        min_frequency: float = 50.0,
        max_frequency: float | None = None,
        hop: int = 1,
        cycles: float = 6.0,
        **kwargs: Any,
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        _check(2, num_bands=num_bands)
        _check(1, hop=hop)
        _check_above_0(sampling_rate=sampling_rate, min_frequency=min_frequency, cycles=cycles)
        _check_band(min_frequency, max_frequency or sampling_rate / 4, sampling_rate)
        self.num_bands, self.sampling_rate, self.hop, self.cycles = num_bands, sampling_rate, hop, cycles
        self.min_frequency, self.max_frequency = min_frequency, max_frequency

    def build(self, input_shape):
        _check_samples(input_shape, 1)
        frequencies = np.geomspace(self.min_frequency, self.max_frequency or self.sampling_rate / 4, self.num_bands)
        scales = self.cycles * self.sampling_rate / (2 * np.pi * frequencies)
        self.reach = math.ceil(5 * scales[0])
        time = np.arange(-self.reach, self.reach + 1)[:, None] / scales
        envelope = np.pi**-0.25 * np.exp(-(time**2) / 2) / np.sqrt(scales) * (np.abs(time) <= 5)
        # Real and imaginary parts as filters of one convolution; the conjugate's sign is lost in the magnitude.
        parts = [envelope * np.cos(self.cycles * time), envelope * np.sin(self.cycles * time)]
        self.wavelets = np.concatenate(parts, axis=1)[:, None].astype("float32")

    def call(self, inputs):
        signal = ops.pad(ops.cast(inputs, "float32"), ((0, 0), (self.reach, self.reach)))[..., None]
        found = ops.conv(signal, ops.convert_to_tensor(self.wavelets), strides=self.hop, padding="valid")
        real, imaginary = ops.split(found, 2, axis=-1)
        return ops.cast(_magnitude(real, imaginary), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], _frames(input_shape[1], 1, self.hop), self.num_bands)

    def get_config(self):
        names = ("num_bands", "sampling_rate", "min_frequency", "max_frequency", "hop", "cycles")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _mel(frequency):
    return 1127 * np.log1p(frequency / 700)


def _magnitude(real, imaginary):
    # The slope of a root is infinite at 0, which silence is.
    return ops.sqrt(ops.maximum(real**2 + imaginary**2, 1e-24))


def _frames(samples, length, hop):
    return None if samples is None else 1 + (samples - length) // hop


def _check(least, **sizes):
    for name, value in sizes.items():
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")


def _check_above_0(**values):
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"`{name}` must be above 0. Received: {name}={value}")


def _check_band(low, high, rate):
    if low < 0:
        raise ValueError(f"`min_frequency` must be at least 0. Received: min_frequency={low}")
    if high is not None and not low < high <= rate / 2:
        raise ValueError(
            f"`max_frequency` must be above `min_frequency` and at most {rate / 2} Hz. Received: max_frequency={high}"
        )
    if low >= rate / 2:
        raise ValueError(f"`min_frequency` must be less than {rate / 2} Hz. Received: min_frequency={low}")


def _check_samples(shape, least):
    if len(shape) != 2:
        raise ValueError(f"`inputs` must be waveforms (batch, samples). Received: shape={tuple(shape)}")
    if shape[1] is not None and shape[1] < least:
        raise ValueError(f"`inputs` must have at least {least} samples. Received: shape={tuple(shape)}")
