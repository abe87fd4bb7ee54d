"""Recordings of any kind, rate and number of channels, and those that are refused."""

import numpy as np
import pytest

from kerasmlsp.data import audio

soundfile = pytest.importorskip("soundfile", reason="the extra signals is not installed")
RATE = 16_000
TONE = (0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE)).astype("float32")


def written(path, samples=TONE, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_24"}),
        ("a.wav", {"subtype": "PCM_U8"}),
        ("a.wav", {"subtype": "FLOAT"}),
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.mp3", {}),
        ("a.aiff", {}),
    ],
)
def test_kinds_widths_and_channels_give_one_waveform(tmp_path, name, options):
    # What is only in one channel is half as loud in the mean.
    path = written(tmp_path / name, np.stack([TONE, 0 * TONE], 1), **options)
    read = audio.read_waveform(path)
    assert read.dtype == np.float32 and read.shape == TONE.shape
    np.testing.assert_allclose(read[RATE:-RATE], TONE[RATE:-RATE] / 2, atol=0.02)
    np.testing.assert_array_equal(audio.read_waveform(path.read_bytes()), read)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100])
def test_a_tone_has_its_pitch_at_every_rate(tmp_path, rate):
    read = audio.read_waveform(written(tmp_path / "a.wav"), rate)
    assert len(read) == pytest.approx(3 * rate, abs=1)
    assert np.abs(np.fft.rfft(read[:rate])).argmax() == 440


@pytest.mark.parametrize("rate", [RATE, 11_025])
def test_pieces_are_those_of_the_whole(tmp_path, rate):
    path = written(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 5 * RATE // 2))
    whole = audio.read_waveform(path, rate)
    for length, hop in ((rate, rate // 3), (7 * rate, rate), (rate, rate)):
        found = list(audio.pieces(path, rate, length=length, hop=hop))
        assert [begin for begin, _ in found] == [hop * number for number in range(len(found))]
        for begin, piece in found:
            expected = whole[begin : begin + length]
            np.testing.assert_allclose(piece[: len(expected)], expected, atol=1e-6)
            assert len(piece) == length and not piece[len(expected) :].any()
        assert found[-1][0] + length >= len(whole) > found[-1][0]
        assert len(found) == 1 or found[-1][0] + length - hop < len(whole)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.mp3", "a.ogg"])
def test_what_is_cut_off_is_refused(tmp_path, name, capfd):
    path = written(tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"cut off|whole file"):
        audio.read_waveform(path)


def test_what_a_pipe_wrote_has_no_length(tmp_path):
    path = written(tmp_path / "a.wav", subtype="PCM_16")
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 4 + whole[8:])
    assert audio.read_waveform(path).shape == TONE.shape


def test_what_is_no_recording_is_refused(tmp_path):
    (tmp_path / "text.wav").write_text("no recording" * 9)
    written(tmp_path / "empty.wav", TONE[:0])
    written(tmp_path / "nan.wav", np.array([0.1, np.nan]), subtype="FLOAT")
    for source, told in (
        (tmp_path / "text.wav", "whole file of .wav"),
        (b"", "whole file of .wav"),
        (tmp_path / "empty.wav", "holds none"),
        (tmp_path / "nan.wav", "NaN"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(ValueError, match=told):
            audio.read_waveform(source)
    with pytest.raises(FileNotFoundError, match=r"gone\.wav"):
        audio.read_waveform(tmp_path / "gone.wav")
    with pytest.raises(ValueError, match="at most 2 seconds"):
        audio.read_waveform(written(tmp_path / "long.wav"), longest=2)
    with pytest.raises(ValueError, match="hop=3"):
        next(audio.pieces(tmp_path / "long.wav", length=2, hop=3))


def test_clipping_is_told(tmp_path, caplog):
    audio.read_waveform(written(tmp_path / "loud.wav", np.clip(9 * TONE, -1, 1)))
    assert "is clipped: " in caplog.text and "loud.wav" in caplog.text
    caplog.clear()
    audio.read_waveform(written(tmp_path / "quiet.wav"))
    assert not caplog.text
