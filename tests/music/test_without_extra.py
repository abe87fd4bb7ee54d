"""Music where neither music21 nor pretty_midi is installed."""

import importlib.metadata
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from kerasmlsp import music
from kerasmlsp.extras import install, required

INSTALL = re.escape(install("music21"))


@pytest.fixture(autouse=True)
def hidden(monkeypatch):
    version = importlib.metadata.version
    hidden = {"music21", "pretty_midi", "mido"}
    for package in hidden:
        monkeypatch.setitem(sys.modules, package, None)

    def visible(name):
        if name in hidden:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", visible)


def test_a_package_that_is_there_is_returned():
    assert required("json") is json


def test_the_library_is_imported_without_them():
    code = "import sys; sys.modules.update(dict.fromkeys(['music21', 'pretty_midi', 'mido'])); import kerasmlsp.music"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


def test_abc_json_and_pictures_do_without(tmp_path):
    (tmp_path / "a.abc").write_text("X:1\nM:4/4\nL:1/4\nK:G\nGABc|")
    (tmp_path / "a.json").write_text("[[[72, 67, 64, 48]], [[60]]]")
    assert music.read_melody(tmp_path / "a.abc").pitches[::4].tolist() == [67, 69, 71, 72]
    assert music.read_chorales(tmp_path / "a.abc")[0].pitches.shape == (16, 4)
    assert [chorale.name for chorale in music.read_chorales(tmp_path / "a.json")] == ["a-0", "a-1"]
    assert len(music.read_rolls(tmp_path / "a.json")) == 2
    music.write_piano_roll(tmp_path / "a.png", np.array([60, 62]))
    assert (tmp_path / "a.png").stat().st_size > 100


@pytest.mark.parametrize("name", ["a.mid", "a.musicxml"])
@pytest.mark.parametrize("read", [music.read_melody, music.read_rolls, music.read_chorales])
def test_reading_tells_what_to_install(tmp_path, read, name):
    (tmp_path / name).write_bytes(b"MThd")
    with pytest.raises(ModuleNotFoundError, match=INSTALL):
        read(tmp_path / name)
    with pytest.raises(ModuleNotFoundError, match=INSTALL):
        music.read_chorales(tmp_path)  # not taken for a damaged file in a folder


def test_the_corpus_tells_what_to_install(tmp_path):
    for cache in (None, tmp_path / "cache.npz"):
        with pytest.raises(ModuleNotFoundError, match=INSTALL):
            music.read_chorales(cache=cache)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.mid", "a.wav", "a.musicxml"])
def test_writing_tells_what_to_install_and_keeps_what_is_there(tmp_path, name):
    (tmp_path / name).write_bytes(b"before")
    pitches = np.array([[72, 67, 64, 48]], np.int16)
    with pytest.raises(ModuleNotFoundError, match=INSTALL):
        if name == "a.musicxml":
            music.write_musicxml(tmp_path / name, music.Chorale("a", pitches, pitches > 0))
        else:
            {"a.mid": music.write_midi, "a.wav": music.write_wav}[name](tmp_path / name, pitches)
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_bytes() == b"before"
