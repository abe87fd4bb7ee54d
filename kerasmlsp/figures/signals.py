"""Signals as pictures of time and frequency, which nets for images can take."""

from pathlib import Path

import numpy as np

from kerasmlsp import layers
from kerasmlsp.figures import _signals
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, logarithmic, panels, sheet
from kerasmlsp.figures._fitting import numpy
from kerasmlsp.layers.spectral import WINDOWS


@checked
def stft(*, frames: tuple[int, int] = (64, 512), gap: float = 80.0, rate: int = 8000, length: int = 64) -> Drawing:
    """What the window of a short-time Fourier transform decides: leakage by its shape, and by its length what it parts.

    A long window tells two near tones apart and smears a click; a short one does the opposite.

    Reference: Pilanci, EE269 lecture 16 (2020), "Short-time Fourier Transform"; Harris 1978, "On the Use of Windows for
    Harmonic Analysis with the Discrete Fourier Transform".

    Args:
        frames: Samples `L` of the short and the long window.
        gap: Hertz between the two tones.
        rate: Samples per second of the signal, which lasts one second.
        length: Samples of the windows whose own transforms are drawn.

    Returns:
        The figure; by the name of the window its highest `side_lobe` in dB under the peak; by `L` how many `tones` are
        seen, and how many seconds the `click` takes, at half its height.

    Example:
        >>> figure, numbers = stft()
        >>> round(numbers["side_lobe"]["boxcar"]), round(numbers["side_lobe"]["hann"]), numbers["tones"]
        (-13, -31, {64: 1, 512: 2})
    """
    shapes = {name: _transform(length, name) for name in WINDOWS}
    time = np.arange(rate) / rate
    samples = sum(np.sin(2 * np.pi * tone * time) for tone in (1000, 1000 + gap)) + 20.0 * (np.arange(rate) == rate / 2)
    numbers: dict = {"side_lobe": {name: _side_lobe(values) for name, values in shapes.items()}}
    numbers |= {"tones": {}, "click": {}}
    figure, (axes,) = panels(1, 3, width=4, height=3.4)
    for (name, values), colour, style in zip(shapes.items(), COLOURS, ("-", "--", "-.", ":"), strict=False):
        shown = values[: len(values) // 3]
        label = f"{name}: {numbers['side_lobe'][name]:.0f} dB"
        axes[0].plot(np.arange(len(shown)) * length / 4096, shown, style, color=colour, linewidth=1.2, label=label)
    axes[0].set(xlim=(0, 10), ylim=(-90, 3), xlabel="bins from the tone", ylabel="dB", title=f"windows, L = {length}")
    axes[0].legend(fontsize=8, loc="upper right")
    for panel, frame in zip(axes[1:], frames, strict=True):
        power, hop = _power(samples, frame), max(1, frame // 8)
        numbers["tones"][frame] = _peaks(power[: int(0.4 * len(power))].mean(0))
        numbers["click"][frame] = float(_width(power[:, int(0.75 * power.shape[1])]) * hop / rate)
        decibels = 10 * np.log10(power.T / power.max() + 1e-8)
        extent = (frame / 2 / rate, 1 - frame / 2 / rate, 0, rate / 2000)
        panel.imshow(decibels, origin="lower", aspect="auto", extent=extent, vmin=-60, vmax=0, cmap="magma")
        told = f"{numbers['tones'][frame]} tone{'s' * (numbers['tones'][frame] > 1)} seen"
        panel.set(xlabel="seconds", ylabel="kHz", ylim=(0, 2.5))
        panel.set_title(f"L = {frame}: {told},\nclick of {1000 * numbers['click'][frame]:.0f} ms", fontsize=10)
    return Drawing(figure, numbers)


def _transform(length, window, size=4096):
    """Size of a window's own transform in dB, from 0 at the first of `size // 2 + 1` bins."""
    layer = layers.ShortTimeFourierTransform(length, length, size, window, onesided=True)
    real, imaginary = (numpy(part)[0, 0] for part in layer(np.ones((1, length), "float32")))
    magnitude = np.hypot(real, imaginary)
    return 20 * np.log10(magnitude / magnitude[0] + 1e-6)


def _side_lobe(decibels):
    """The highest value behind the first valley."""
    valley = int(np.argmax(np.diff(decibels) > 0))
    return float(decibels[valley:].max())


def _power(samples, frame, window="hann"):
    """Power `(frames, bins)` in frames that move on by an eighth."""
    layer = layers.ShortTimeFourierTransform(frame, max(1, frame // 8), max(1024, frame), window, onesided=True)
    real, imaginary = (numpy(part)[0] for part in layer(np.asarray(samples, "float32")[None]))
    return real**2 + imaginary**2


def _peaks(values):
    """Local maxima of at least half the largest."""
    inside = values[1:-1]
    return int(np.sum((inside > values[:-2]) & (inside >= values[2:]) & (inside > values.max() / 2)))


def _width(values):
    """Samples of at least half the largest."""
    return int(np.sum(values >= values.max() / 2))


@checked
def spectrogram(*, data: str | Path | None = None, bands: int = 40, seed: int = 0) -> Drawing:
    """A second of a spoken word as waveform, as short-time spectrum, and as the 98 x 40 numbers that the net takes.

    Reference: Pilanci, EE269 lecture 16 (2020), "Spectrograms": frames of 25 ms every 10 ms in 40 bands.

    Args:
        data: A recording of one's own, of which the first second is taken; by default a synthetic "stop".
        bands: Mel bands.
        seed: Seed of the noises in the synthetic word.

    Returns:
        The figure; the `log_mel` spectrogram `(frames, bands)`, `seconds` of the middle of each frame and middle
        `frequencies` of the bands in hertz, and how many `samples` and spectrogram `values` there are.

    Example:
        >>> figure, numbers = spectrogram()
        >>> numbers["log_mel"].shape, numbers["samples"], numbers["values"]
        ((98, 40), 16000, 3920)
    """
    waveform, rate = _signals.recording(data, seed), _signals.RATE
    layer = layers.LogMelSpectrogram(num_bands=bands)
    log_mel, power = numpy(layer(waveform[None]))[0], _power(waveform, 400)
    low, high = 1127 * np.log(1 + np.array([20, rate / 2]) / 700)
    edges = np.linspace(low, high, bands + 2)
    frequencies = 700 * (np.exp(edges[1:-1] / 1127) - 1)
    seconds = 0.0125 + 0.01 * np.arange(len(log_mel))
    figure = sheet(7.5, 7)
    wave, linear, mel = figure.subplots(3, 1, sharex=True, height_ratios=(1, 2, 2))
    wave.plot(np.arange(len(waveform)) / rate, waveform, color=COLOURS[0], linewidth=0.5)
    wave.set(ylabel="amplitude", title=f"waveform: {len(waveform):,} samples", xlim=(0, 1))
    options = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": -6}
    linear.imshow(np.log10(power.T + 1e-6), extent=(0.0125, 0.9875, 0, rate / 2000), **options)
    linear.set(ylabel="kHz", title="log power of the Fourier transform")
    mel.imshow(log_mel.T, extent=(0.0075, seconds[-1] + 0.005, -0.5, bands - 0.5), **options)
    ticks = np.arange(bands // 10, bands, max(1, bands // 5))
    mel.set_yticks(ticks, [f"{frequencies[tick]:,.0f}" for tick in ticks])
    mel.set(xlabel="seconds", ylabel="Hz, mel bands", title=f"log mel spectrogram: {log_mel.size:,} values")
    sizes = {"samples": len(waveform), "values": log_mel.size}
    return Drawing(figure, {"log_mel": log_mel, "seconds": seconds, "frequencies": frequencies, **sizes})


@checked
def scalogram(*, bands: int = 48, frame: int = 256, cycles: float = 6.0, rate: int = 4000) -> Drawing:
    """A rising tone and two clicks, by wavelets and by the short-time Fourier transform.

    A wavelet lasts as many cycles at every frequency: at high ones it tells times well, at low ones frequencies. The
    frame of the Fourier transform is the same for all.

    Reference: Pilanci, EE269 lecture 16 (2020), "2D Convolutional Networks for Signal Classification".

    Args:
        bands: Frequencies of the scalogram, from 50 Hz to a quarter of the rate.
        frame: Samples of a frame of the Fourier transform.
        cycles: How long the wavelet is.
        rate: Samples per second of the signal, which lasts one second.

    Returns:
        The figure; by "scalogram" and "spectrogram" the seconds that a click `lasts` at 100 Hz and at 800 Hz, at half
        its power; and the largest error of the `ridge` of the scalogram, as a ratio of frequencies.

    Example:
        >>> figure, numbers = scalogram(bands=24)
        >>> low, high = numbers["lasts"]["scalogram"].values()
        >>> 6 < low / high < 10  # as the frequencies
        True
    """
    time, highest = np.arange(rate) / rate, rate / 4
    tone = 80 * 8**time  # hertz: three octaves in a second
    clicks = np.isin(np.arange(rate), [rate // 5, rate * 4 // 5])
    layer = layers.Scalogram(num_bands=bands, sampling_rate=rate, min_frequency=50.0, cycles=cycles)
    signals = np.stack([np.sin(2 * np.pi * 80 * 8**time / np.log(8)), 1.0 * clicks])
    alone = numpy(layer(signals.astype("float32"))) ** 2
    both = numpy(layer(signals.sum(0, keepdims=True) + 20 * clicks)) ** 2
    frequencies = np.geomspace(50, highest, bands)
    # Wavelets of equal energy pass what lasts as strongly as they are long.
    ridge = frequencies[np.argmax(alone[0] * frequencies, axis=1)]
    middle = slice(rate // 5, rate * 9 // 10)
    error = np.maximum(ridge / tone, tone / ridge)[middle].max() - 1
    power, hop = _power(signals[1], frame), max(1, frame // 8)
    half, bins = rate // 2, (power.shape[1] - 1) * 2 / rate
    lasts: dict = {"scalogram": {}, "spectrogram": {}}
    for hertz in (100, 800):
        band = int(np.argmin(np.abs(frequencies - hertz)))
        lasts["scalogram"][hertz] = float(_width(alone[1, :half, band]) / rate)
        lasts["spectrogram"][hertz] = float(_width(power[: len(power) // 2, round(hertz * bins)]) * hop / rate)
    figure, ((left, right),) = panels(1, 2, width=4.8, height=3.8)
    _draw_time_frequency(left, (both[0] * frequencies).T, np.arange(rate) / rate, frequencies, tone)
    _draw_time_frequency(
        right,
        _power(signals[0] + 20 * clicks, frame).T[1:],
        (frame / 2 + hop * np.arange(len(power))) / rate,
        np.arange(1, power.shape[1]) / bins,
        tone,
    )
    for axes, name in zip((left, right), lasts, strict=True):
        low, high = (1000 * each for each in lasts[name].values())
        axes.set_title(f"{name}: a click lasts {low:.0f} ms\nat 100 Hz, {high:.0f} ms at 800 Hz", fontsize=10)
        axes.set(xlim=(0, 1), ylim=(50, highest))
    return Drawing(figure, {"lasts": lasts, "ridge": float(error)})


def _draw_time_frequency(axes, power, seconds, frequencies, tone):
    levels = 10 * np.log10(power / power.max() + 1e-6)
    axes.pcolormesh(seconds, frequencies, levels, vmin=-40, vmax=0, cmap="magma", shading="nearest", rasterized=True)
    axes.plot(np.linspace(0, 1, len(tone)), tone, ":", color="white", linewidth=1)
    logarithmic(axes, "y")
    axes.set(xlabel="seconds", ylabel="Hz")


@checked
def log_histogram(*, data: str | Path | None = None, epsilon: float = 1e-6, seed: int = 0) -> Drawing:
    """Values of a spectrogram before and after the logarithm: nearly all near 0, and spread out.

    A small offset keeps silence, whose logarithm is minus infinity, near the rest.

    Reference: Pilanci, EE269 lecture 16 (2020), "Spectrograms" (data with a smoother distribution).

    Args:
        data: A recording of one's own, of which the first second is taken; by default a synthetic "stop".
        epsilon: The offset.
        seed: Seed of the noises in the synthetic word.

    Returns:
        The figure; of the power, of its logarithm with the offset, and of that with a millionth of the offset, the
        `skewness` of the values, the share in the fullest of 40 `bins`, and the `least` value.

    Example:
        >>> figure, numbers = log_histogram()
        >>> powers, logarithms, _ = numbers["skewness"].values()
        >>> powers > 5 > 1 > abs(logarithms)
        True
    """
    waveform = _signals.recording(data, seed)[None]
    logs = {each: numpy(layers.LogMelSpectrogram(epsilon=each)(waveform)).ravel() for each in (epsilon, epsilon * 1e-6)}
    values = {"power": 10.0 ** logs[epsilon * 1e-6]}
    values |= {f"log10(power + {each:g})": found for each, found in logs.items()}
    numbers: dict = {"skewness": {}, "bins": {}, "least": {}}
    figure, (axes,) = panels(1, 3, width=3.4, height=3)
    for panel, (name, found), colour in zip(axes, values.items(), COLOURS, strict=False):
        centred = found - found.mean()
        numbers["skewness"][name] = float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)
        counts, *_ = panel.hist(found, 40, color=colour)
        numbers["bins"][name] = float(counts.max() / len(found))
        numbers["least"][name] = float(found.min())
        panel.set_title(f"{name}\nskewness {numbers['skewness'][name]:.1f}", fontsize=10)
        panel.set(xlabel="value", ylabel=f"of {len(found):,} values")
    axes[0].set(yscale="log")
    return Drawing(figure, numbers)
