"""Jobs over many rows: parts, rows that are refused, and a job that is killed at any moment.

The model is a folder with a card and an object that reverses texts, so that no test waits for TensorFlow.
"""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from kerasmlsp.serving import scoring
from kerasmlsp.serving.scoring import answering, reading

OUTPUTS = {
    "label": {"dtype": "string", "shape": [None]},
    "size": {"dtype": "int32", "shape": [None]},
    "halves": {"dtype": "float32", "shape": [None, 2]},
    "raw_bytes": {"dtype": "string", "shape": [None]},
}
ENDPOINTS = {
    "serving_default": {
        "inputs": {
            "text": {"dtype": "string", "shape": [None], "default": None},
            "seed": {"dtype": "int32", "shape": [None], "default": 0},
        },
        "outputs": OUTPUTS,
    },
    "arrays": {
        "inputs": {"signal": {"dtype": "float32", "shape": [None, 2, 3], "default": None}},
        "outputs": {"total": {"dtype": "float32", "shape": [None]}},
    },
    "lengths": {
        "inputs": {"wave": {"dtype": "float32", "shape": [None, None], "default": None}},
        "outputs": {"total": {"dtype": "float32", "shape": [None]}},
    },
    "scalar": {
        "inputs": {
            "steps": {"dtype": "int32", "shape": [], "default": 4},
            "text": {"dtype": "string", "shape": [None]},
        },
        "outputs": {"label": {"dtype": "string", "shape": [None]}},
    },
    "whole": {
        "inputs": {"text": {"dtype": "string", "shape": [None], "default": None}},
        "outputs": {"loss": {"dtype": "float32", "shape": []}},
    },
}


class Model:
    """Reverses texts, adds numbers, and refuses a batch with a text that says bad."""

    def __init__(self):
        self.batches = []

    def call(self, endpoint, **inputs):
        (rows,) = {len(each) for each in inputs.values()}
        self.batches.append(rows)
        if endpoint in ("arrays", "lengths"):
            array = np.asarray(next(iter(inputs.values())), "float32")
            if array.ndim != len(ENDPOINTS[endpoint]["inputs"]["signal" if endpoint == "arrays" else "wave"]["shape"]):
                raise ValueError(f"`signal` must have another shape. Received: {array.shape}")
            return {"total": array.reshape(rows, -1).sum(1)}
        texts = inputs["text"]
        if wrong := [each for each in texts if not isinstance(each, str | bytes) or "bad" in str(each)]:
            raise ValueError(f"`text` must be good in every row. Received: {wrong[0]!r}")
        texts = [each.encode() if isinstance(each, str) else each for each in texts]
        sizes = np.array([len(each) for each in texts], "int32")
        return {
            "label": np.array([each[::-1] for each in texts], object),
            "size": sizes,
            "halves": np.stack([sizes / 2, sizes % 2], 1).astype("float32"),
            "raw_bytes": np.array([b"\xff" + each for each in texts], object),
        }


def write_model(folder):
    (folder / "mine/1/variables").mkdir(parents=True)
    (folder / "mine/1/saved_model.pb").write_bytes(b"graph")
    (folder / "mine/1/card.json").write_text(json.dumps({"app": "mine", "endpoints": ENDPOINTS}))
    return folder / "mine/1"


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_model(tmp_path)


def texts(count, seed=0):
    draw = random.Random(seed)
    return ["".join(draw.choices("acefgh", k=draw.randint(1, 40))) for _ in range(count)]


def write_table(path, rows):
    table = pa.table(rows)
    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=7)
    elif path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


def score(model, inputs, *, output="scored", call=None, **options):
    job = scoring.plan(model, inputs, Path(output), scoring.Options(**options))
    return scoring.score(job, scoring.here(job, lambda: call or Model(), workers=2))


def read(folder="scored"):
    """All rows of the output, in the order of its files."""
    rows = []
    for path in sorted(Path(folder).glob("part-*")):
        if path.suffix == ".parquet":
            rows += parquet.read_table(path).to_pylist()
        elif path.suffix == ".csv":
            rows += csv.read_csv(path).to_pylist()
        else:
            rows += [json.loads(line) for line in path.read_text().splitlines()]
    return rows


def contents(folder):
    """Every file and what is in it, without the times of the input."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    manifest = json.loads(found.pop("_manifest.json"))
    return found, {**manifest, "inputs": [{**each, "modified": 0} for each in manifest["inputs"]]}


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_every_row_is_answered_and_says_where_it_came_from(model, ending):
    given = texts(50)
    for name, part in (("a", given[:30]), ("b", given[30:])):
        write_table(Path(f"{name}.{ending}"), {"label": [f"{name}{row}" for row in range(len(part))], "text": part})
    summary = score(model, [f"*.{ending}"], keep=("label",), part_rows=8, batch_size=3)
    assert (summary["rows"], summary["rejected"]) == (50, 0)
    rows = read()
    assert [row["label"] for row in rows] == [each[::-1] for each in given]
    assert [(row["input_file"], row["input_row"]) for row in rows] == [
        *((f"a.{ending}", row) for row in range(30)),
        *((f"b.{ending}", row) for row in range(20)),
    ]
    assert [row["input_label"] for row in rows[:3]] == ["a0", "a1", "a2"] and "text" not in rows[0]
    assert rows[4]["size"] == len(given[4])
    halves = rows[4]["halves"]
    assert (json.loads(halves) if ending == "csv" else halves) == [len(given[4]) / 2, len(given[4]) % 2]
    assert rows[0]["raw_bytes"] in (b"\xff" + given[0].encode(), _base64(b"\xff" + given[0].encode()))
    assert all(len(read_one(path)) <= 8 for path in Path("scored").glob("part-*"))
    assert not Path("scored/_rejected.jsonl").exists() and not Path("scored/.unfinished").exists()


def read_one(path):
    return (
        parquet.read_table(path)
        if path.suffix == ".parquet"
        else path.read_text().splitlines()[path.suffix == ".csv" :]
    )


def _base64(data):
    import base64

    return base64.b64encode(data).decode()


def test_bad_rows_stand_aside_with_the_reason_and_the_others_are_answered(model):
    given = texts(40)
    for row in (0, 17, 18, 39):
        given[row] = None if row == 17 else f"bad {row}"
    write_table(Path("a.parquet"), {"text": given, "id": list(range(40))})
    summary = score(model, ["a.parquet"], part_rows=16, batch_size=8, keep=None)
    assert (summary["rows"], summary["rejected"]) == (40, 4)
    assert [row["id"] for row in read()] == [row for row in range(40) if row not in (0, 17, 18, 39)]
    rejected = [json.loads(line) for line in Path("scored/_rejected.jsonl").read_text().splitlines()]
    assert [row["input_row"] for row in rejected] == [0, 17, 18, 39]
    assert rejected[0] == {
        "input_file": "a.parquet",
        "input_row": 0,
        "reason": "`text` must be good in every row. Received: 'bad 0'",
    }


def test_texts_beside_numbers_are_taken_as_they_are(model):
    Path("a.jsonl").write_text('{"text": "ace"}\n{"text": 5}\n{"text": null}\n{"text": ["ace"]}\n{"text": "5"}\n')
    assert score(model, ["a.jsonl"])["rejected"] == 3
    assert [(row["input_row"], row["label"]) for row in read()] == [(0, "eca"), (4, "5")]
    rejected = [json.loads(line) for line in Path("scored/_rejected.jsonl").read_text().splitlines()]
    assert [row["reason"].partition("Received: ")[2] for row in rejected] == ["5", "None", "['ace']"]


def test_a_bad_row_costs_few_calls():
    calls = []

    def call(number):
        calls.append(len(number))
        if 5 in number:
            raise ValueError("five")
        return {"twice": np.array(number) * 2}

    with answering_pool() as pool:
        answers, refused = answering.answer(
            {"number": list(range(64))}, 64, call, batch_size=64, pool=pool, done=lambda rows: None
        )
    assert refused == {5: "five"} and len(calls) == 13  # twice for each halving of 64 rows, and once for all
    assert sorted(row for rows, _ in answers for row in rows) == [row for row in range(64) if row != 5]


def answering_pool():
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(1)


def test_texts_of_like_length_and_arrays_of_one_shape_share_a_batch(model):
    waves = [[1.0] * (1 + row % 3) for row in range(9)]
    write_table(Path("a.jsonl"), {"wave": waves})
    own = Model()
    score(model, ["a.jsonl"], endpoint="lengths", batch_size=2, call=own)
    assert sorted(own.batches) == [1, 1, 1, 2, 2, 2]
    assert [row["total"] for row in read()] == [1 + row % 3 for row in range(9)]


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_arrays_are_lists_flat_ones_and_json_in_cells(model, ending):
    nested = np.arange(24, dtype="float64").reshape(4, 2, 3)
    flat = [each.ravel().tolist() for each in nested]
    wrong = [*flat[:2], flat[2][:5], flat[3]]
    for name, rows in (("nested", nested.tolist()), ("flat", flat), ("wrong", wrong)):
        write_table(
            Path(f"{name}.{ending}"), {"signal": [json.dumps(row) for row in rows] if ending == "csv" else rows}
        )
        summary = score(model, [f"{name}.{ending}"], endpoint="arrays", output=name)
        expected = nested.sum((1, 2)).tolist()
        assert summary["rejected"] == (name == "wrong")
        assert [row["total"] for row in read(name)] == (expected[:2] + expected[3:] if name == "wrong" else expected)


def test_files_are_rows(model):
    Path("notes/deep").mkdir(parents=True)
    for row, text in enumerate(texts(7)):
        Path("notes/deep", f"{row}.txt").write_text(text)
    Path("notes/7.txt").write_bytes("bad \xe9".encode("latin-1"))
    summary = score(model, ["notes/**/*.txt"], part_rows=3)
    assert (summary["rows"], summary["rejected"], summary["parts"]) == (8, 1, 3)
    assert [row["input_file"] for row in read()] == [f"notes/deep/{row}.txt" for row in range(7)]
    assert [row["label"] for row in read()] == [each[::-1] for each in texts(7)]
    assert "input_row" not in read()[0]
    rejected = json.loads(Path("scored/_rejected.jsonl").read_text())
    assert rejected["input_file"] == "notes/7.txt" and "must be text in utf-8" in rejected["reason"]


def test_a_table_that_is_damaged_further_on_loses_its_rest_alone(model):
    write_table(Path("a.csv"), {"text": texts(20)})
    Path("a.csv").write_text(Path("a.csv").read_text() + '"one","cell too many"\n"never read"\n')
    write_table(Path("b.csv"), {"text": texts(5)})
    summary = score(model, ["*.csv"], part_rows=10)
    assert summary["files not read to their end"] == 1 and summary["rows"] == 25
    assert len(read()) == 25
    rejected = json.loads(Path("scored/_rejected.jsonl").read_text())
    assert rejected["input_row"] == 20 and "line 22 has 2" in rejected["reason"]


def test_an_empty_table_has_no_rows(model):
    Path("a.csv").write_text("text\n")
    parquet.write_table(pa.table({"text": pa.array([], pa.string())}), "b.parquet")
    assert score(model, ["a.csv"], output="a")["rows"] == score(model, ["b.parquet"], output="b")["rows"] == 0


def test_the_output_may_be_within_the_input(model):
    Path("data").mkdir()
    write_table(Path("data/a.parquet"), {"text": texts(9)})
    for _ in range(2):
        assert score(model, ["data"], output="data/scored")["rows"] == 9


@pytest.mark.parametrize(
    ("inputs", "options", "told"),
    [
        (["none/*"], {}, r"`inputs` \(--input\) must name files that are there"),
        (["a.csv", "note.txt"], {}, r"must be tables alone or files .* Received: a\.csv and note\.txt"),
        (["a.csv"], {"endpoint": "other"}, r"`endpoint` must be one of serving_default, .* Received: other"),
        (["a.csv"], {"endpoint": "whole"}, r"`endpoint` must answer row by row, and the output loss of whole"),
        (["a.csv"], {"columns": {"text": "review"}}, r"must name for the input text a column of a\.csv: text\. Rec"),
        (["a.csv"], {"columns": {"words": "text"}}, r"must name inputs of serving_default: text, seed\. Received: wo"),
        (["a.csv"], {"columns": {"steps": "text"}, "endpoint": "scalar"}, r"must not name steps, of which the model"),
        (["a.csv"], {"keep": ("id",)}, r"`keep` must name a column of a\.csv: text\. Received: 'id'"),
        (["a.csv"], {"encoding": "utf-16"}, r"`path` must be text in utf-16, and this is utf-8"),
        (["note.txt"], {"endpoint": "arrays"}, r"must be tables .* for the endpoint arrays, which takes signal"),
        (["note.txt"], {"keep": ("id",)}, r"`keep` \(--keep\) are of tables"),
        (["damaged.parquet"], {}, r"`path` must be a whole Parquet file: fetch it again\. Received: damaged"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(model, inputs, options, told):
    write_table(Path("a.csv"), {"text": ["one"]})
    Path("note.txt").write_text("note")
    Path("damaged.parquet").write_text("no table")
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        score(model, inputs, **options)
    assert not Path("scored").exists()


def test_a_finished_job_is_not_done_again_and_another_does_not_get_into_its_folder(model):
    write_table(Path("a.csv"), {"text": texts(20)})
    score(model, ["a.csv"])
    before = contents("scored")

    class Unused:
        def call(self, *args, **inputs):
            raise AssertionError("The job is finished.")

    assert score(model, ["a.csv"], call=Unused())["rows"] == 20
    os.utime("a.csv", (1, 1))  # another time, the same rows
    assert score(model, ["a.csv"], call=Unused())["rows"] == 20
    with pytest.raises(ValueError, match=r"The job in `output` has `--batch-size` 32, not 16: take the same"):
        score(model, ["a.csv"], batch_size=16)
    write_table(Path("b.csv"), {"text": ["more"]})
    with pytest.raises(ValueError, match=r"of other files \(b\.csv was changed, added or taken away\)"):
        score(model, ["a.csv", "b.csv"])
    (model / "saved_model.pb").write_bytes(b"another graph")
    with pytest.raises(ValueError, match=r"is of the model mine/1 \(\w{8}\), not of mine/1 \(\w{8}\): give another"):
        score(model, ["a.csv"])
    (model / "saved_model.pb").write_bytes(b"graph")
    Path("a.csv").write_text(Path("a.csv").read_text().replace("a", "b"))
    with pytest.raises(ValueError, match=r"of other files \(a\.csv was changed"):
        score(model, ["a.csv"])
    assert contents("scored")[0] == before[0]
    Path("full").mkdir()
    Path("full/thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"`output` must be a new folder, .* which holds thesis\.txt"):
        score(model, ["a.csv"], output="full")
    assert [path.name for path in Path("full").iterdir()] == ["thesis.txt"]


def test_a_part_that_was_taken_away_is_missed(model):
    write_table(Path("a.csv"), {"text": texts(20)})
    score(model, ["a.csv"], part_rows=10)
    next(Path("scored").glob("part-*")).unlink()
    with pytest.raises(ValueError, match=r"lacks some of the 2 parts"):
        score(model, ["a.csv"], part_rows=10)


KILLED = """
import sys
import time
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_scoring as tests
from kerasmlsp.serving import scoring

class Slow(tests.Model):
    def call(self, endpoint, **inputs):
        time.sleep(0.02)
        return super().call(endpoint, **inputs)

job = scoring.plan(Path("mine/1"), ["data/*"], Path("stopped"), scoring.Options(part_rows=20, batch_size=6, keep=None))
print("ready", flush=True)
scoring.score(job, scoring.here(job, Slow, workers=2))
"""


def test_a_job_that_is_killed_again_and_again_ends_like_one_that_was_not(model):
    Path("data").mkdir()
    for number, ending in enumerate(("csv", "csv.gz", "jsonl", "parquet")):
        given = texts(150, number)
        given[number::40] = ["bad"] * len(given[number::40])
        if ending == "csv.gz":
            import gzip

            Path(f"data/{number}.csv.gz").write_bytes(gzip.compress(("text\n" + "\n".join(given) + "\n").encode()))
        else:
            write_table(Path(f"data/{number}.{ending}"), {"text": given})
    options = {"part_rows": 20, "batch_size": 6, "keep": None, "format": None}
    whole = score(model, ["data/*"], output="steady", **options)
    assert whole["rows"] == 600 and whole["rejected"] == 16
    script, draw, kills = KILLED.format(tests=str(Path(__file__).parent)), random.Random(1), 0
    while True:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "ready\n"
        with process.stdout:
            try:
                process.wait(0.05 + 0.2 * draw.random() if kills < 4 else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
                continue
        assert process.returncode == 0
        break
    assert kills >= 2
    assert contents("stopped") == contents("steady")


def test_two_jobs_do_not_write_to_one_folder(model):
    write_table(Path("a.csv"), {"text": texts(20)})

    class Second(Model):
        def call(self, endpoint, **inputs):
            with pytest.raises(ValueError, match=r"must be a folder that no other job writes to"):
                score(model, ["a.csv"])
            return super().call(endpoint, **inputs)

    assert score(model, ["a.csv"], call=Second())["rows"] == 20


def test_memory_is_bounded_by_the_size_of_rows(model, monkeypatch):
    monkeypatch.setattr(reading, "_LARGEST", 10_000)
    write_table(Path("a.jsonl"), {"text": ["x" * 1000] * 50})
    score(model, ["a.jsonl"])
    assert len(list(Path("scored").glob("part-*"))) == 6  # of 9 rows each
    job = scoring.plan(model, ["a.jsonl"], Path("scored"), scoring.Options())
    assert dataclasses.replace(job, files=()).columns == ["text"]
