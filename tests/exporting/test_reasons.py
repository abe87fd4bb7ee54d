"""What saved models say of files and values that they refuse: a sentence of ours, never TensorFlow's own words."""

import io
import struct

import numpy as np
import pytest
import soundfile
from PIL import Image

from kerasmlsp.exporting import loading, reasons
from kerasmlsp.serving import graphs, worker

WAV = "A recording must be a WAV file of 16-bit PCM. Received: "
PICTURE = "A picture must be a whole JPEG, PNG, GIF or BMP file. Received: "


@pytest.fixture(scope="module")
def shipped():
    """What each of the shipped models says of inputs, in a worker."""
    graph = {}

    def refused(name, endpoint, **inputs):
        if name not in graph:
            graph[name] = graphs.Graph(loading.find(name, models=loading.shipped()))
        arrays = {key: each if isinstance(each, np.ndarray) else np.array(each, object) for key, each in inputs.items()}
        with pytest.raises(Exception) as error:
            graph[name].run(endpoint, arrays)
        told = worker.describe(error.value, arrays)
        assert told["code"] == "INVALID_ARGUMENT"
        return told["message"]

    return refused


def recording(rate=16_000, channels=1, samples=16_000, **options):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, (samples, channels))
    soundfile.write(stream, noise, rate, **{"format": "WAV", "subtype": "PCM_16", **options})
    return stream.getvalue()


def behind(file, kind):
    """A WAV file with a part before its format."""
    return file[:12] + kind + struct.pack("<I", 4) + bytes(4) + file[12:]


WHOLE = recording()


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"", f"{WAV}a file that ends too early"),
        (b"ID3\x04 no WAV at all", f"{WAV}a file of another kind"),
        (b"\xff\xfb\x90\n\n\x00", f"{WAV}a file of another kind"),
        (WHOLE[:8] + b"AVI " + WHOLE[12:], f"{WAV}a file of another kind"),
        (WHOLE[:20], f"{WAV}a file that ends too early"),
        (WHOLE[:9000], f"{WAV}a file that ends too early"),
        (WHOLE[:36], f"{WAV}a file without samples"),
        (recording(subtype="PCM_U8"), f"{WAV}8 bits"),
        (recording(subtype="PCM_24"), f"{WAV}24 bits"),
        (recording(subtype="FLOAT"), f"{WAV}floats"),
        (recording(subtype="ULAW"), f"{WAV}mu-law"),
        (recording(format="WAVEX"), f"{WAV}a header of another form, as of the extensible format"),
        (behind(WHOLE, b"fact"), f"{WAV}a file whose format stands behind a part 'fact', which is not read"),
        (WHOLE[:22] + b"\0\0" + WHOLE[24:], f"{WAV}a damaged header"),
        (recording(rate=8000), "`encoded` must have 16000 samples a second. Received: 8000"),
    ],
)
def test_of_a_recording_it_says_what_is_wrong(shipped, file, told):
    assert shipped("speech", "serving_bytes", encoded=[file]) == told


def picture(kind, mode="RGB"):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"", f"{PICTURE}no bytes"),
        (b"no picture", f"{PICTURE}a file of another kind"),
        (picture("TIFF"), f"{PICTURE}a file of another kind"),
        (picture("JPEG")[:200], f"{PICTURE}a damaged JPEG file"),
        (picture("PNG")[:40], f"{PICTURE}a damaged PNG file"),
        (picture("PNG")[:-500], f"{PICTURE}a damaged PNG file"),
        (picture("GIF")[:40], f"{PICTURE}a damaged GIF file"),
        (picture("BMP")[:500], f"{PICTURE}a damaged file"),
    ],
)
def test_of_a_picture_it_says_what_is_wrong(shipped, file, told):
    assert shipped("gesture", "serving_bytes", encoded=[file]) == told


def test_of_signals_that_are_too_short_it_says_how_long_they_were(shipped):
    told = shipped("motion", "recordings", signals=np.zeros((2, 20, 6), np.float32))
    assert told == "`signals` must hold at least the 25 samples of a window. Received: 20"


def test_of_a_road_that_is_not_there_it_says_the_range(shipped):
    inputs = {"speeds": np.full((2, 12, 207), 60, np.float32), "minute": np.array([480, 490], np.int32)}
    for road in (207, 2**31 - 1):
        told = shipped("traffic", "influence", **inputs, road=np.array([3, road], np.int32))
        assert told == f"`road` must be 0 to 206. Received: {road}"
    told = shipped("traffic", "influence", **inputs, road=np.array([-1, 3], np.int32))
    assert told.startswith("`road` must be at least 0")


def test_bytes_that_are_no_text_are_refused_to_python_as_well():
    """TensorFlow repeats them in its error, which Python then cannot read."""
    model = loading.load(loading.find("speech", models=loading.shipped()))
    with pytest.raises(ValueError, match=r"refuses its inputs: A recording must be a WAV file"):
        model.call("serving_bytes", encoded=[b"\xff\xfb\x90\n\n\x00 an MP3"])


def test_a_number_that_two_inputs_hold_is_not_said_of_one():
    inputs = {"a": np.array([7]), "b": np.array([1, 7]), "c": np.array([7.0]), "d": np.array([1])}
    assert reasons.of_inputs("indices[0] = 7 is not in [0, 5)", inputs).startswith("One of `a`, `b` must be 0 to 4.")
    assert reasons.of_inputs("indices[0] = 9 is not in [0, 5)", inputs) == "indices[0] = 9 is not in [0, 5)"
