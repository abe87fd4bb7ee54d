"""The command `kerasmlsp score` with shipped models: files, tables, and what is said where something is wrong."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from commands import command
from PIL import Image
from pyarrow import parquet

from kerasmlsp import exporting
from kerasmlsp.serving import scoring


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_pictures_are_answered_as_by_the_model_itself():
    Path("hands/left").mkdir(parents=True)
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40 + number, 3), dtype="uint8")
        Image.fromarray(pixels).save(f"hands/left/{number}.png")
    Path("hands/notes.png").write_text("no picture")
    words = ("score", "--shipped", "--model", "gesture", "--input", "hands/**/*.png", "--output", "scored", "--json")
    result = command(*words)
    told = json.loads(result.stdout)
    assert told["rows"] == 4 and "in scored/_rejected.jsonl" in result.stderr
    # Loading takes seconds, the four pictures do not.
    assert 0 < told["seconds to start"] < told["seconds"]
    assert told["rows per second"] > 4 / told["seconds"]
    rejected = json.loads(Path("scored/_rejected.jsonl").read_text())
    assert rejected["input_file"] == "hands/notes.png" and "A picture must be" in rejected["reason"]
    rows = parquet.read_table("scored").to_pylist()
    assert [row["input_file"] for row in rows] == [f"hands/left/{number}.png" for number in range(3)]
    model = exporting.load(exporting.find("gesture"))
    encoded = [Path(row["input_file"]).read_bytes() for row in rows]
    answer = model.call("serving_bytes", encoded=encoded)
    assert [row["label"] for row in rows] == [label.decode() for label in answer["label"]]
    np.testing.assert_allclose([row["probabilities"] for row in rows], answer["probabilities"], rtol=1e-4)
    assert json.loads(command(*words).stdout)["rows"] == 4
    assert "finished before" in command(*words[:-1]).stdout
    assert "has `--part-rows` 4096, not 2" in command(*words, "--part-rows", "2", code=1).stderr


def test_a_table_of_arrays_becomes_csv():
    signals = np.random.default_rng(0).normal(size=(5, 140)).astype("float32")
    parquet.write_table(pa.table({"id": list("abcde"), "wave": signals.tolist()}), "signals.parquet")
    words = ("--model", "anomaly", "--input", "signals.parquet", "--output", "out", "--format", "csv")
    command("score", "--shipped", *words, "--column", "signals=wave", "--keep-all")
    with open("out/part-000000-0000000000.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    answer = exporting.load(exporting.find("anomaly"))(signals=signals[..., None])
    assert [row["id"] for row in rows] == list("abcde") and len(json.loads(rows[0]["wave"])) == 140
    np.testing.assert_allclose([float(row["score"]) for row in rows], answer["score"], rtol=1e-4)
    assert np.shape(json.loads(rows[0]["reconstruction"])) == (140, 1)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--input", "none.csv"], 1, "Error: `--input` must name files that are there: check the pattern."),
        (["--input", "a.csv", "--column", "text=review"], 1, "Error: `--column` must name for the input text a column"),
        (["--input", "a.csv", "--column", "text"], 2, "must be INPUT=COLUMN. Received: 'text'"),
        (["--input", "a.csv", "--endpoint", "none"], 1, "Error: `--endpoint` must be one of serving_default, explain."),
        (["--input", "a.csv", "--keep", "id", "--keep-all"], 2, "`--keep-all` keeps every column: leave `--keep` out."),
        (["--input", "a.csv", "--gpus", "1"], 2, "It is for `--ray`: leave `--gpus` out."),
        (["--input", "a.csv", "--output", "a.csv"], 2, "Directory 'a.csv' is a file."),
        (["--input", "a.csv", "--output", "."], 1, "Error: `--output` must be another folder than that of `--input`."),
    ],
)
def test_wrong_options_are_one_sentence_and_write_nothing(words, code, told):
    Path("a.csv").write_text("text,id\nA fine film.,1\n")
    output = [] if "--output" in words else ["--output", "scored"]
    result = command("score", "--shipped", "--model", "sentiment", *output, *words, code=code)
    assert told in result.stderr and "Traceback" not in result.stderr
    assert [path.name for path in Path().iterdir()] == ["a.csv"]
    assert Path("a.csv").read_text() == "text,id\nA fine film.,1\n"


def test_rows_none_of_which_is_answered_are_a_failure():
    Path("a.jsonl").write_text('{"text": 1}\n{"text": null}\n')
    result = command("score", "--shipped", "--model", "sentiment", "--input", "a.jsonl", "--output", "scored", code=1)
    assert "Why rows were left out is in scored/_rejected.jsonl." in result.stderr
    assert len(Path("scored/_rejected.jsonl").read_text().splitlines()) == 2
    assert Path("scored/part-000000-0000000000.jsonl").read_text() == ""


def test_ctrl_c_says_how_to_go_on(monkeypatch):
    def stopped(*_, **__):
        def work(units):
            raise KeyboardInterrupt

        return work

    monkeypatch.setattr(scoring, "here", stopped)
    Path("a.csv").write_text("text\nA fine film.\n")
    words = ("score", "--shipped", "--model", "sentiment", "--input", "a.csv", "--output", "scored")
    assert "Stopped. Go on by the same command." in command(*words, code=130).stderr
    assert Path("scored/_manifest.json").exists() and not list(Path("scored").glob("part-*"))


@pytest.mark.slow
# Ray warns of its own settings.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_ray_gives_the_labels_of_this_process():
    pytest.importorskip("ray", reason="needs the extra `ray`")
    texts = [f"{word} film, {number} of ten" for number in range(30) for word in ("A fine", "An awful")]
    texts[7] = None
    parquet.write_table(pa.table({"text": texts}), "reviews.parquet", row_group_size=20)
    words = ("score", "--shipped", "--model", "sentiment", "--input", "reviews.parquet", "--output")
    command(*words, "here")
    command(*words, "there", "--ray", "--workers", "2")
    for name in ("part-000000-0000000020.parquet", "_rejected.jsonl"):
        assert Path("here", name).read_bytes() == Path("there", name).read_bytes()
    labels = [parquet.read_table(folder).column("label").to_pylist() for folder in ("here", "there")]
    assert labels[0] == labels[1] and len(labels[0]) == 59
