"""The numbers of the figures of signals, in their quick forms, and what the whole ones show."""

import numpy as np
import pytest

from kerasmlsp import figures
from kerasmlsp.data import audio
from kerasmlsp.figures import _signals


def quick(name, **options):
    return getattr(figures, name)(**{**figures.QUICK.get(name, {}), **options})


def test_har_signals():
    _, numbers = quick("har_signals")
    deviation, frequency = numbers["deviation"], numbers["frequency"]
    assert deviation["jogging"] > deviation["walking"] > 3 * deviation["standing"]
    # What was put in, to about a bin.
    for name in ("walking", "jogging", "upstairs"):
        assert frequency[name] == pytest.approx(_signals.ACTIVITIES[name][1], abs=0.15)


def test_har_signals_of_recordings_of_ones_own(tmp_path):
    time = np.arange(400) / 20
    rows = [f"{1000 * t:.0f},{9.8 + 2 * np.cos(2 * np.pi * 1.25 * t)},0,0,walk" for t in time]
    rows += [f"{20_000 + 1000 * t:.0f},0,9.8,0,sit" for t in time]
    (tmp_path / "own.csv").write_text("\n".join(["timestamp,x,y,z,label", *rows]) + "\n")
    figure, numbers = figures.har_signals(data=tmp_path)
    assert list(numbers["frequency"]) == ["sit", "walk"] and len(figure.axes) == 4
    assert numbers["frequency"]["walk"] == pytest.approx(1.25, abs=0.08) and numbers["deviation"]["sit"] < 0.1


def test_stft():
    _, numbers = quick("stft")
    # Harris 1978, table 1.
    for name, wanted in {"boxcar": -13, "hann": -32, "hamming": -43, "blackman": -58}.items():
        assert numbers["side_lobe"][name] == pytest.approx(wanted, abs=1.0)
    assert numbers["tones"] == {64: 1, 512: 2} and numbers["click"][512] > 4 * numbers["click"][64]


def test_spectrogram(tmp_path):
    _, numbers = quick("spectrogram")
    assert numbers["log_mel"].shape == (98, 40) and numbers["values"] == 3920
    seconds, frequencies = numbers["seconds"], numbers["frequencies"]
    loudest = {}
    for name, (begin, end) in _signals.SOUNDS.items():
        inside = (seconds > begin + 0.02) & (seconds < end - 0.02)
        if inside.any():
            loudest[name] = frequencies[numbers["log_mel"][inside].mean(0).argmax()]
    assert loudest["s"] > 3000 and 450 < loudest["o"] < 800
    # Before the word there are zeros.
    np.testing.assert_allclose(numbers["log_mel"][seconds < 0.08], -6, atol=1e-4)
    path = tmp_path / "tone.wav"
    audio.write_wav(path, (0.5 * np.sin(2 * np.pi * 2000 * np.arange(8000) / 16_000)).astype("float32"), 16_000)
    found = figures.spectrogram(data=path).numbers
    heard = found["log_mel"][found["seconds"] < 0.4].mean(0)
    assert frequencies[heard.argmax()] == pytest.approx(2000, rel=0.08)


def test_scalogram():
    _, numbers = quick("scalogram")
    wavelets, frames = numbers["lasts"].values()
    # Eight times the frequency, an eighth of the time; of the Fourier transform the same.
    assert wavelets[100] / wavelets[800] == pytest.approx(8, rel=0.25)
    assert frames[100] == pytest.approx(frames[800], rel=0.3)
    # To half of a step between two of 24 bands.
    assert numbers["ridge"] < 20 ** (1 / 23) - 1


def test_log_histogram():
    _, numbers = quick("log_histogram")
    power, logarithm, tiny = numbers["skewness"]
    assert numbers["skewness"][power] > 5 > 1 > abs(numbers["skewness"][logarithm])
    assert numbers["bins"][power] > 0.8 > numbers["bins"][logarithm]
    assert numbers["least"][logarithm] == pytest.approx(-6, abs=1e-3) and numbers["least"][tiny] < -11


def test_class_counts(tmp_path):
    _, numbers = quick("class_counts")
    assert len(numbers["counts"]) == 11 and sum(numbers["counts"].values()) == 25_021
    assert all(share == pytest.approx(1 / 11) for share in numbers["shares"].values())
    for name, count in (("no", 3), ("yes", 1)):
        (tmp_path / name).mkdir()
        for number in range(count):
            audio.write_wav(tmp_path / name / f"{number}.wav", np.zeros(160, "float32"), 16_000)
    numbers = figures.class_counts(data=tmp_path).numbers
    assert numbers["counts"] == {"no": 3, "yes": 1} and numbers["frequent"] == 0.75
    assert numbers["weights"]["yes"] == pytest.approx(3 * numbers["weights"]["no"])


def test_confusion():
    figure, numbers = quick("confusion")
    matrix = numbers["matrix"]
    assert matrix.sum() == 120 and (matrix.sum(1) == 20).all()
    np.testing.assert_allclose(list(numbers["recall"].values()), np.diag(matrix) / 20)
    assert numbers["accuracy"] == pytest.approx(np.trace(matrix) / 120) and numbers["accuracy"] > 0.3
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {str(each) for each in matrix.ravel()} <= texts


@pytest.mark.slow
def test_ways_of_going_are_confused_and_rest_is_not():
    _, numbers = figures.confusion()
    matrix, recall = numbers["matrix"], numbers["recall"]
    assert min(recall[name] for name in ("jogging", "sitting", "standing")) > 0.95
    assert recall["walking"] < min(recall["sitting"], recall["jogging"]) and matrix[[0, 2, 3]][:, [4, 5]].sum() == 0
