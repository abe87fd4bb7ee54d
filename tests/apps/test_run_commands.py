"""The command `kerasmlsp runs` on folders as the applications write them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import command

from kerasmlsp.files import locked
from kerasmlsp.training import Run, comparing


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Two evaluated runs of sentiment, and one of gan that was stopped."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name, share in (("lstm", 0.7), ("cnn", 0.9)):
        run = Run(Path("runs/sentiment", name))
        run.write("config.json", {"app": "sentiment", "architecture": name, "classes": ["neg", "pos"] * 40})
        right = random.random(200) < share
        measure = {"value": float(right.mean()), "low": None, "high": None}
        run.write("evaluation/metrics.json", {"fingerprint": "same", "metrics": {"accuracy": measure}})
        scores = {"accuracy": right, "cross-entropy": np.where(right, 0.1, 2.3)}
        comparing.write_examples(run / "evaluation", scores)
        (run / "model.keras").touch()
    Run(Path("runs/gan/try")).write("config.json", {"app": "gan"})


def test_list_tells_each_run():
    told = command("runs", "list").stdout.splitlines()
    assert sorted(line.split()[:2] for line in told[1:]) == [
        ["gan/try", "stopped"],
        ["sentiment/cnn", "finished"],
        ["sentiment/lstm", "finished"],
    ]
    (row,) = json.loads(command("runs", "list", "--app", "gan", "--json").stdout)
    assert row["state"] == "stopped" and row["evaluation"] is None
    assert "There are no runs of music in runs." in command("runs", "list", "--app", "music").stderr


def test_list_keeps_what_tensorflow_says_away():
    # In a process of its own, where it is imported anew.
    told = subprocess.run([sys.executable, "-m", "kerasmlsp.apps.cli", "runs", "list"], capture_output=True, text=True)
    assert (told.stderr, told.returncode) == ("", 0)


def test_compare_tells_what_differs_and_by_how_much():
    told = command("runs", "compare", "sentiment/lstm", "runs/sentiment/cnn").stdout
    assert "architecture" in told and "classes" not in told
    found = json.loads(command("runs", "compare", "sentiment/lstm", "sentiment/cnn", "--json").stdout)
    accuracy = found["paired"]["accuracy"]
    assert 0.1 < accuracy["low"] < accuracy["difference"] < accuracy["high"] < 0.5
    assert found["paired"]["cross-entropy"]["high"] < 0
    assert f"accuracy       {accuracy['difference']:.4f} ({accuracy['low']:.4f} to" in told
    assert "must be of one application" in command("runs", "compare", "sentiment/lstm", "gan/try", code=1).stderr
    assert (
        "There is no run in runs/sentiment/gru"
        in command("runs", "compare", "sentiment/lstm", "sentiment/gru", code=1).stderr
    )


def test_clean_deletes_what_was_named_and_nothing_else():
    assert "Name runs, or say which" in command("runs", "clean", code=2).stderr
    assert "There is no run in runs/gan/other" in command("runs", "clean", "gan/other", "--yes", code=1).stderr
    command("runs", "clean", "--state", "stopped", code=1)  # nobody says yes
    assert Path("runs/gan/try").exists()
    with locked("runs/gan/try"):
        told = command("runs", "clean", "--app", "gan", "--older-than", "0", "--yes").stderr
    assert "Kept: runs/gan/try is being trained." in told and "nothing to delete" in told
    command("runs", "clean", "gan/try", "--yes")
    assert sorted(path.name for path in Path("runs").glob("*/*")) == ["cnn", "lstm"]
    assert "nothing to delete" in command("runs", "clean", "--older-than", "1").stderr


def test_clean_deletes_a_link_and_not_the_run_behind_it():
    Path("runs/gan/link").symlink_to(Path("runs/gan/try").absolute())
    assert "Deleted 1 runs" in command("runs", "clean", "gan/link", "--yes").stderr
    assert [path.name for path in Path("runs/gan").iterdir()] == ["try"]
