"""Arrays and texts in a temporary file: as those in memory."""

import concurrent.futures

import numpy as np
import pytest

from kerasmlsp.data import on_disk
from kerasmlsp.data.labelled import fingerprint


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3)).astype(np.uint8)


@pytest.fixture
def stored(pixels):
    found = on_disk.Arrays("uint8", (4, 5, 3))
    for each in pixels:
        found.append(each)
    return found


@pytest.mark.parametrize("which", [3, -1, slice(2, 7), slice(None, None, 2), np.array([5, 0, 5]), np.arange(9) > 4])
def test_pictures_are_read_as_from_an_array(pixels, stored, which):
    np.testing.assert_array_equal(stored[which], pixels[which])


def test_some_are_taken_and_some_of_those(pixels, stored):
    some = stored.taken([8, 2, 4])
    assert some.shape == (3, 4, 5, 3) and len(some) == 3
    np.testing.assert_array_equal(np.stack(list(some.taken([2, 0]))), pixels[[4, 8]])
    assert fingerprint(some) == fingerprint(pixels[[8, 2, 4]])
    with pytest.raises(ValueError, match=r"behind all others. Received: shape \(4, 5, 3\)"):
        some.append(pixels[0])


def test_what_is_written_after_reading_is_read(pixels, stored):
    assert len(stored[:]) == 9
    stored.append(pixels[1])
    np.testing.assert_array_equal(stored[9], pixels[1])
    with pytest.raises(ValueError, match=r"of shape \(4, 5, 3\)"):
        stored.append(pixels[:2])
    with pytest.raises(IndexError):
        stored[10]


@pytest.mark.parametrize("system", ["with pread", "without"])
def test_threads_read_side_by_side(pixels, stored, system, monkeypatch):
    if system == "without":
        monkeypatch.delattr("os.pread")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number, found in zip(range(900), pool.map(lambda number: stored[number % 9], range(900)), strict=True):
            np.testing.assert_array_equal(found, pixels[number % 9])


def test_a_pipeline_takes_rows_from_memory_and_from_disk(pixels, stored):
    indices = np.array([7, 7, 0])
    for values in (pixels, stored):
        np.testing.assert_array_equal(on_disk.taker(values)(indices), pixels[indices])


def test_texts_are_a_list_on_disk():
    words = ["", "Ein schöner Film 🎬", "lone \ud800 surrogate", "end"]
    texts = on_disk.Texts(words)
    assert list(texts) == words and texts[1:3] == words[1:3] and texts[np.int64(-1)] == "end"
    assert fingerprint(texts.taken([3, 0])) == fingerprint(["end", ""])
    with pytest.raises(IndexError):
        texts[4]
