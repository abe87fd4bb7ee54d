"""Clips of one rate and length from labelled recordings, and what is left out."""

import logging
import os

import numpy as np
import pytest

from kerasmlsp.data import audio, clips, labelled

soundfile = pytest.importorskip("soundfile", reason="the extra signals is not installed")
RATE = 8000


def written(path, samples, rate=RATE, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **options)
    return path


def noise(samples, seed=0):
    return (0.1 * np.random.default_rng(seed).normal(size=samples)).astype("float32")


@pytest.fixture
def folder(tmp_path):
    """Two classes of commands and one whose name begins with `_`, of several lengths, rates and channels."""
    written(tmp_path / "yes/a.wav", noise(4000))
    written(tmp_path / "yes/b.flac", noise(16_000, 1), 16_000)
    written(tmp_path / "no/c.ogg", np.stack([noise(9000, 2)] * 2, 1))
    written(tmp_path / "_silence_/d.wav", 0 * noise(8000))
    return tmp_path


def test_recordings_get_one_rate_and_length(folder, caplog):
    caplog.set_level(logging.INFO, "kerasmlsp")
    found = clips.read_clips(folder, RATE, RATE)
    assert found.samples.shape == (4, RATE) and found.samples.dtype == np.int16 and found.left_out == {}
    assert dict(zip(found.names, found.labels, strict=True)) == {
        "_silence_/d.wav": "_silence_",
        "no/c.ogg": "no",
        "yes/a.wav": "yes",
        "yes/b.flac": "yes",
    }
    short = found.samples[found.names.index("yes/a.wav")]
    np.testing.assert_allclose(clips.floats(short[:4000]), noise(4000), atol=2**-15)
    assert not short[4000:].any()
    assert "0.50 to 1.12 s; 1 of 4 filled up to 1.00 s, of 1 the loudest stretch kept" in caplog.text


def test_what_cannot_be_read_is_counted_by_reason(folder, caplog):
    (folder / "yes/e.wav").write_bytes(b"RIFF broken")
    whole = (folder / "yes/a.wav").read_bytes()
    (folder / "no/f.wav").write_bytes(whole[: len(whole) // 2])
    written(folder / "no/g.wav", noise(0))
    written(folder / "no/h.wav", noise(99) + np.nan, subtype="FLOAT")
    (folder / "yes/notes.txt").touch()
    found = clips.read_clips(folder, RATE, RATE)
    assert len(found.labels) == 4
    assert found.left_out == {
        "cut off": 1,
        "empty": 1,
        "with NaN or infinity": 1,
        "damaged or of no format that is read": 1,
    }
    assert "Left out 4 of 8 recordings" in caplog.text
    os.remove(folder / "no/c.ogg")
    with pytest.raises(ValueError, match=r"a recording that can be read for every class\. Received: none for 'no'"):
        clips.read_clips(folder, RATE, RATE)


def test_clipped_recordings_are_told_once(folder, caplog):
    for name in ("yes/loud.wav", "no/loud.wav"):
        written(folder / name, np.clip(100 * noise(8000), -1, 1))
    clips.read_clips(folder, RATE, RATE)
    assert caplog.text.count("are clipped") == 1 and "2 of 6 recordings" in caplog.text and "no/loud.wav" in caplog.text


def test_long_recordings_of_one_class_are_cut(folder):
    written(folder / "_silence_/long.wav", noise(3 * RATE + 99))
    found = clips.read_clips(folder, RATE, RATE, cut="_silence_")
    places = [i for i, name in enumerate(found.names) if name == "_silence_/long.wav"]
    assert len(places) == 3 and found.samples.shape == (7, RATE) and len(found.labels) == 7
    # Files of 16 bits are written with the digits cut off.
    np.testing.assert_allclose(found.samples[places].ravel(), clips.as_int16(noise(3 * RATE + 99)[: 3 * RATE]), atol=1)
    # The others are as without.
    whole = clips.read_clips(folder, RATE, RATE)
    assert whole.samples.shape == (5, RATE)
    np.testing.assert_array_equal(found.samples[-3:], whole.samples[-3:])


def test_tables_name_paths_beside_them(folder):
    table = folder / "clips.csv"
    table.write_text("file,word\nyes/a.wav,ja\nno/c.ogg,nein\n,ja\nyes/no.wav,ja\n")
    found = clips.read_clips(table, RATE, RATE, path_column="file", label_column="word")
    assert found.labels == ["ja", "nein"] and found.left_out == {"not there": 1, "rows without path or label": 1}


def test_folders_that_are_no_classes_are_refused(folder, tmp_path):
    for name, told in (("train", "must be .*train"), ("empty", "one folder of recordings per class")):
        place = tmp_path / f"other-{name}"
        (place / name).mkdir(parents=True)
        (place / "test").mkdir()
        if name == "empty":
            place = place / name
        with pytest.raises(ValueError, match=told):
            clips.read_clips(place, RATE, RATE)
    # What begins with `_` is left out where it is not asked for.
    assert "_silence_" not in labelled.class_folders(folder) and "_silence_" in clips.class_folders(folder)


@pytest.mark.parametrize("samples", [1, 799, 800, 801, 880, 1234, 5000])
def test_the_graph_keeps_the_same_stretch(samples):
    waves = np.stack([noise(samples, seed) * np.linspace(0.1, 1, samples) ** seed for seed in range(3)]).astype("f4")
    kept = np.stack([clips.loudest(wave, 800, RATE) for wave in waves])
    np.testing.assert_array_equal(clips.loudest_in_graph(waves, 800, RATE), kept)
    # Zeros on the right make no difference.
    padded = np.pad(waves, ((0, 0), (0, 777)))
    np.testing.assert_array_equal(clips.loudest_in_graph(padded, 800, RATE), kept)


def test_the_loudest_stretch_has_the_most_energy():
    wave = noise(4000, 3)
    wave[2400:2800] *= 5
    kept = clips.loudest(wave, 800, RATE)
    best = max(float((wave[b : b + 800] ** 2).sum()) for b in range(0, 3201, 80))
    assert float((kept**2).sum()) == pytest.approx(best, rel=1e-3)
    assert not clips.loudest(0 * wave, 800, RATE).any()


def test_bytes_of_wav_files_are_decoded_in_the_graph(tmp_path):
    import tensorflow as tf

    stereo = np.stack([noise(3000), 0 * noise(3000)], 1)
    path = written(tmp_path / "a.wav", stereo)
    answer = clips.decoded(tf.constant([path.read_bytes()]), 800, RATE)
    np.testing.assert_allclose(answer[0], clips.loudest(audio.read_waveform(path, RATE), 800, RATE), atol=1e-6)
    other = written(tmp_path / "b.wav", stereo, 16_000)
    with pytest.raises(tf.errors.InvalidArgumentError, match="`encoded` must have 8000 samples a second"):
        clips.decoded(tf.constant([other.read_bytes()]), 800, RATE)
    with pytest.raises(tf.errors.InvalidArgumentError):
        clips.decoded(tf.constant([b"no file"]), 800, RATE)


def test_16_bits_hold_every_sample():
    every = np.arange(-(2**15), 2**15, dtype=np.int16)
    np.testing.assert_array_equal(clips.as_int16(clips.floats(every)), every)
    assert clips.as_int16(np.array([1.5, -1.5])).tolist() == [2**15 - 1, -(2**15)]
