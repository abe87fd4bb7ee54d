"""The benchmark of speech: its features, its table, and that a cell is trained once."""

import sys

import numpy as np
import pytest

from benchmarks import speech


def row(method, seed, fold, right, **more):
    return {
        **{"method": method, "seed": seed, "fold": fold, "examples": 100, "right": right, "minutes": 1.0},
        **{"words": 80, "right words": right - 20, **more},
    }


def test_slopes_are_those_of_a_line():
    line = 3.0 * np.arange(20.0)[None, :, None] + 1
    np.testing.assert_allclose(speech._slopes(line)[0, 2:-2, 0], 3.0)


def test_features_do_not_know_where_in_a_recording_a_word_is_spoken():
    random = np.random.default_rng(0)
    word = (np.hanning(8000) * random.normal(size=8000)).astype("float32")
    early, late = (np.pad(word, (begin, 8000 - begin)) for begin in (800, 6400))
    found = speech.mfcc(np.stack([early, late]) + 1e-4 * random.normal(size=16_000).astype("float32"))
    assert found.shape == (2, 16 * 13 + 8 * 13 + 3 * 4 * 20)
    np.testing.assert_allclose(found[0, : 24 * 13], found[1, : 24 * 13], atol=0.05)


def test_the_table_counts_whole_seeds_only():
    whole = [
        row("resnet", seed, fold, 90 + seed, parameters=9, alarms=1, hours=0.1) for seed in (0, 1) for fold in range(5)
    ]
    rows = [*whole, row("resnet", 2, 0, 10, parameters=9, alarms=0, hours=0.1), row("svm", 0, 0, 80)]
    lines = speech.summary(rows).splitlines()
    assert lines[2] == "| resnet | 9 | 2 | 90.50 | 0.71 | 88.12 | 10.00 to 91.00 | 9.1 | 1.0 |"
    assert lines[3] == "| svm | - | 0 (1 folds only) | 80.00 | - | 75.00 | 80.00 to 80.00 | - | 1.0 |"


def test_a_cell_that_is_there_is_not_trained_again(tmp_path, monkeypatch, capsys):
    soundfile = pytest.importorskip("soundfile", reason="the extra signals is not installed")
    random = np.random.default_rng(0)
    for number in range(5):
        for name in ("no", "yes"):
            (tmp_path / "words" / name).mkdir(parents=True, exist_ok=True)
            samples = random.normal(0, 0.1, 16_000)
            soundfile.write(tmp_path / f"words/{name}/0000000{number}_nohash_0.wav", samples, 16_000)
    asked = []

    def measure(method, examples, classes, seed, fold, fold_of, folder, epochs):
        assert classes == ["no", "yes"] and len(examples.labels) == len(fold_of) == 10
        asked.append((method, seed, fold))
        return row(method, seed, fold, 90)

    monkeypatch.setattr(speech, "measure", measure)
    words = ["speech", "--data", str(tmp_path / "words"), "--runs", str(tmp_path / "runs"), "--methods", "cnn,svm"]
    for seeds, count in (("1", 10), ("1,2", 15)):
        monkeypatch.setattr(sys, "argv", [*words, "--seeds", seeds])
        speech.main()
        assert len(asked) == len(set(asked)) == count  # the machine has no seed
    assert len((tmp_path / "runs/cells.jsonl").read_text().splitlines()) == 15
    assert "| cnn | - | 2 | 90.00 |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*words, "--split", str(tmp_path / "parts")])
    speech.main()
    assert len(list((tmp_path / "parts").rglob("*.wav"))) == 10 and len(asked) == 15
    assert len(list((tmp_path / "parts/test").rglob("*.wav"))) == 2
