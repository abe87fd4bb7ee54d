"""The anomaly application through its command line, on beats and streams that the tests write."""

import csv
import itertools
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from commands import command, stop_and_resume, within

from kerasmlsp.apps import cli
from kerasmlsp.apps.anomaly import data, evaluate, model, predict, train
from kerasmlsp.apps.anomaly.config import ARCHITECTURES, Config
from kerasmlsp.data import series
from kerasmlsp.exporting import loading

TINY = ("--epochs", 3, "--units", 8, "--code", 3)
PARTS = ("--folds", 2)
STREAM = ("--data", "stream.csv", "--label-column", "fault", "--normal-share", 0.4, "--window", 16)


def write_beats(path, count, seed):
    """Writes waves of label 1, and every fourth of label 2 with a bump."""
    random = np.random.default_rng(seed)
    with open(path, "w") as file:
        for row in range(count):
            wave = np.sin(np.linspace(0, 6, 20) + random.normal(0, 0.1)) + random.normal(0, 0.05, 20)
            wave[8:12] += 2 * (row % 4 == 3)
            file.write("\t".join([str(1 + (row % 4 == 3)), *(f"{value:.4f}" for value in wave)]) + "\n")


def write_stream(path, rows=600):
    """Writes two channels that go together but for four rows."""
    random = np.random.default_rng(0)
    values = np.sin(np.arange(rows) / 2.5) + random.normal(0, 0.05, rows)
    faults = (np.arange(rows) // 4) == 120
    with open(path, "w") as file:
        file.write("time,first,second,fault\n")
        for row, value in enumerate(values):
            file.write(f"{row},{value + 3 * faults[row]:.4f},{100 - 10 * value:.4f},{int(faults[row])}\n")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with data, and a run of beats and one of a stream, both exported, the beats evaluated."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_beats(folder / "train.tsv", 64, seed=0)
    write_beats(folder / "test.tsv", 40, seed=1)
    write_stream(folder / "stream.csv")
    command("anomaly", "train", "--data", "train.tsv", "--normal-label", 1, "--run", "beats", *TINY, *PARTS)
    measured = command("anomaly", "evaluate", "--run", "beats", "--data", "test.tsv", "--json").stdout
    (folder / "measured.json").write_text(measured)
    command("anomaly", "export", "--run", "beats", "--licence", "none", "--data-note", "waves of a test")
    command("anomaly", "train", *STREAM, "--run", "stream", *TINY)
    command("anomaly", "export", "--run", "stream", "--models", "streams")
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def watcher(workshop):
    return loading.load(loading.find("anomaly", models="streams"))


def test_training_leaves_a_whole_run_of_the_normal_alone(workshop):
    run = workshop / "runs/anomaly/beats"
    assert {"config.json", "threshold.json", "model.keras", "net_1", "net_2"} <= {each.name for each in run.iterdir()}
    config = json.loads((run / "config.json").read_text())
    assert (config["normals"], config["left_out"]) == (48, {"rows of other labels": 16})
    known = json.loads((run / "threshold.json").read_text())
    assert known["scores"] == 48 and known["false_alarms"] == 0.02 and known["reached"] <= 0.05


def test_evaluation_measures_rows_and_draws(workshop):
    result = json.loads((workshop / "measured.json").read_text())
    assert set(result["metrics"]) >= {"auc", "average precision", "f1", "recall", "false alarms"}
    assert all(within(each) for each in result["metrics"].values())
    assert result["metrics"]["auc"]["value"] > 0.95 and (result["examples"], result["abnormal"]) == (40, 10)
    assert result["threshold"] == json.loads(Path("runs/anomaly/beats/threshold.json").read_text())["threshold"]
    for file in result["files"]:
        assert Path(file).stat().st_size > 0


def test_the_saved_model_scores_raw_series_and_knows_its_threshold(workshop):
    rows = json.loads(command("anomaly", "predict", "test.tsv", "--json", "--figure", "where.png").stdout)
    assert Path("where.png").stat().st_size > 1000 and len(rows) == 40
    model, known = (
        loading.load(loading.find("anomaly")),
        json.loads(Path("runs/anomaly/beats/threshold.json").read_text()),
    )
    assert model.card["threshold"] == known and predict.task(model) == "segments"
    for row in rows:
        assert row["abnormal"] == (row["score"] >= known["threshold"]) and len(row["errors"]) == 20
    bumps = [row["score"] for row in rows if row["row"] % 4 == 0]
    assert np.mean(bumps) > 2 * np.mean([row["score"] for row in rows if row["row"] % 4])
    answer = model(signals=np.zeros((0, 20, 1)))
    assert answer["score"].shape == (0,) and answer["reconstruction"].shape == (0, 20, 1)
    with pytest.raises(ValueError, match="shape"):
        model(signals=np.zeros((2, 20)))
    detector, *_ = evaluate.load(Path("runs/anomaly/beats"))
    wave = series.read_segments("test.tsv").values[:4]
    expected = detector.predict(wave, verbose=0)
    np.testing.assert_allclose(model(signals=wave)["reconstruction"], expected["reconstruction"], atol=1e-4)
    np.testing.assert_allclose([row["score"] for row in rows[:4]], expected["score"], rtol=1e-4)


def test_many_rows_are_summed_up_and_written_and_stdin_is_read(workshop):
    write_beats("many.tsv", 60, seed=2)
    told = command("anomaly", "predict", "many.tsv", "--output", "scores.csv").stdout
    assert "series" in told and "scores.csv" in told
    with open("scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60 and set(rows[0]) == {"file", "row", "score", "abnormal", "worst step"}
    unlabelled = "\n".join(line.split("\t", 1)[1] for line in Path("many.tsv").read_text().splitlines()[:3])
    result = CliRunner().invoke(
        cli.root, ["anomaly", "predict", "-", "--json"], input=unlabelled, catch_exceptions=False
    )
    assert [row["score"] for row in json.loads(result.stdout)] == pytest.approx(
        [float(row["score"]) for row in rows[:3]], abs=1e-5
    )


def test_a_stream_is_answered_line_by_line_as_it_comes(workshop, watcher):
    def lines():
        yield "time,first,second\n"
        for row in itertools.count():
            yield f"{row},{np.sin(row / 2.5)},{100 - 10 * np.sin(row / 2.5)}\n"

    found = list(itertools.islice(predict.watch(watcher, lines()), 40))
    assert [row["time"] for row in found] == [str(row) for row in range(40)]
    assert {row["score"] for row in found[:15]} == {0.0} and all(row["score"] != 0 for row in found[15:])


def test_the_command_prints_csv_or_lines_of_json_and_draws(workshop, watcher):
    result = command("anomaly", "predict", "stream.csv", "--models", "streams", "--figure", "stream.png")
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert len(rows) == 600 and set(rows[0]) == set(predict.COLUMNS) and Path("stream.png").stat().st_size > 1000
    assert max(rows, key=lambda row: float(row["score"]))["time"] in {"480", "481", "482", "483"}
    Path("begun.csv").write_text("".join(Path("stream.csv").read_text().splitlines(keepends=True)[:41]))
    told = command("anomaly", "predict", "begun.csv", "--models", "streams", "--json").stdout.splitlines()
    assert json.loads(told[-1])["time"] == "39" and len(told) == 40
    row = {"time": 'May 1, "early"', "score": 1.0, "abnormal": True, "alarm": False}
    assert next(csv.reader([predict.line(row)])) == ['May 1, "early"', "1.0000", "yes", "no"]
    command("anomaly", "predict", "begun.csv", "--models", "streams", "--output", "lines.csv")
    assert Path("lines.csv").read_text().splitlines() == result.stdout.splitlines()[:41]


def test_the_evaluation_of_a_stream_scores_it_as_the_saved_model_does(workshop, watcher):
    detector, config, _, known = evaluate.load(Path("runs/anomaly/stream"))
    [stream] = series.read_streams("stream.csv", label_column="fault")
    stream.values[200] = np.nan
    found = evaluate.scores(detector, stream, known, config.complete("stream"))
    told = list(predict.watch(watcher, ["first,second", *(f"{a:.9g},{b:.9g}" for a, b in stream.values)]))
    assert told[200]["score"] is None and told[200]["alarm"] is None and found["score"][200] == 0
    scores = [row["score"] or 0 for row in told]
    np.testing.assert_allclose(scores, found["score"], atol=1e-2, rtol=1e-3)
    alarms = found["first"] & (found["score"] >= known["threshold"])
    assert np.mean(alarms == [bool(row["alarm"]) for row in told]) > 0.99


def test_a_stream_is_measured_by_a_column_or_by_windows(workshop):
    words = ("anomaly", "evaluate", "--run", "stream", "--data", "stream.csv", "--json")
    by_column = json.loads(command(*words).stdout)
    assert (by_column["examples"], by_column["abnormal"]) == (360, 4) and by_column["metrics"]["auc"]["value"] > 0.9
    Path("windows.json").write_text(json.dumps({"some/stream.csv": [["480", "483"]]}))
    by_windows = json.loads(command(*words, "--windows", "windows.json").stdout)
    assert by_windows["abnormal"] == 4
    # In the part that was trained on, and too early for the benchmark.
    Path("windows.json").write_text(json.dumps({"stream.csv": [["5", "8"]]}))
    early = json.loads(command(*words, "--windows", "windows.json").stdout)
    assert early["abnormal"] == 0 and "auc" in early["not measured"] and "false alarms" in early["metrics"]
    Path("others.json").write_text("{}")
    told = command(*words[:-1], "--windows", "others.json", code=1).stderr
    assert "must name every stream" in told


def test_the_state_needs_constant_memory_and_an_alarm_is_not_given_twice():
    config, start = Config(rest=5, memory=50), {"mean": 1.0, "variance": 0.01, "count": 20}
    errors = np.ones(40)
    errors[10:13], errors[14] = 2.0, 30.0
    scores, first = model.followed(errors, start, config)
    assert scores[0] == pytest.approx(0) and scores[11] < scores[10]
    # Ten errors as usual have lowered the variance, each by what it weighs among those before it.
    variance = 0.01 * np.prod([1 - 1 / min(20 + row, 50) for row in range(1, 11)])
    assert scores[10] == pytest.approx(1 / np.sqrt(variance))
    assert first[[0, 10, 14]].all() and not first[[11, 12, 13]].any() and first[20]
    state = np.zeros((3, len(model.STATE)))
    for error in errors:
        _, _, state = model.advanced(np, np.full(3, error), state, start, config, 1)
    assert state.shape == (3, len(model.STATE)) and state[0, 2] == 40


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--run", "x"), 2, "--data"),
        (("train", "--data", "missing.csv", "--run", "x"), 1, "missing.csv"),
        (("train", "--data", "train.tsv", "--run", "x"), 1, "`--normal-label` must say which rows are normal"),
        (("train", "--data", "bare.tsv", "--task", "segments", "--run", "x"), 1, "'0.9' (1 rows) and 20 more: give it"),
        (("train", "--data", "train.tsv", "--normal-label", "9", "--run", "x"), 1, "'1' (48 rows), '2' (16 rows)"),
        (("train", "--data", "train.tsv", "--normal-label", 2, "--folds", 9, "--run", "x"), 1, "half of the normal"),
        (("train", "--data", "train.tsv", "--normal-label", "1", "--window", 8, "--run", "x"), 1, "leave --window out"),
        (("train", "--data", "stream.csv", "--normal-label", "1", "--run", "x"), 1, "leave --normal-label out"),
        (("train", "--data", "stream.csv", "--score", "both", "--run", "x"), 1, "must be error for a stream"),
        (("train", "--data", "stream.csv", "--window", 400, "--run", "x"), 1, "lower `--window`"),
        (("train", "--data", "stream.csv", "--channels", "third", "--run", "x"), 1, "time, first, second, fault"),
        (("train", "--data", "short.tsv", "--task", "segments", "--run", "x"), 1, "line 2 has 1"),
        (("train", "--data", "holes.tsv", "--task", "segments", "--run", "x"), 1, "line 1 lacks one"),
        (("train", "--data", "few.tsv", "--task", "segments", "--run", "x"), 1, "at least 10 normal rows"),
        (("train", "--data", "train.tsv", "--normal-label", "1", "--run", "beats"), 1, "--resume"),
        (("evaluate", "--run", "nothing", "--data", "test.tsv"), 1, "no run"),
        (("evaluate", "--run", "beats", "--data", "stream.csv"), 1, "lacks one"),
        (("evaluate", "--run", "beats", "--data", "few.tsv"), 1, "20 steps"),
        (("evaluate", "--run", "beats", "--data", "test.tsv", "--windows", "w.json"), 1, "are for streams"),
        (("evaluate", "--run", "stream", "--data", "one.csv", "--windows", "w.json"), 1, "be a column: x"),
        (("evaluate", "--run", "stream", "--data", "stream.csv", "--windows", "odd.json"), 1, "pairs of times"),
        (("predict", "empty.csv", "--models", "streams"), 1, "at least one row"),
        (("export", "--run", "nothing"), 1, "no run"),
        (("predict", "few.tsv"), 1, "20 steps and 1 channels"),
        (("predict", "missing.tsv"), 1, "missing.tsv"),
        (("predict", "test.tsv", "--channels", "a"), 2, "leave `--channels` out"),
        (("predict", "one.csv", "--models", "streams"), 1, "2 channels"),
        (("predict", "stream.csv", "one.csv", "--models", "streams"), 2, "one file"),
        (("predict", "test.tsv", "--output", "nowhere/out.csv"), 1, "make nowhere"),
    ],
)  # fmt: skip
def test_failures_are_one_sentence(workshop, words, code, told):
    Path("short.tsv").write_text("1\t2\t3\n1\t2\n")
    Path("bare.tsv").write_text("".join(f"{row / 10}\t1\t2\n" for row in range(30)))
    Path("holes.tsv").write_text("1\t2\tNaN\n")
    Path("few.tsv").write_text("1\t2\t3\n1\t3\t4\n")
    Path("one.csv").write_text("x\n1\n2\n")
    Path("empty.csv").write_text("")
    Path("odd.json").write_text('{"stream.csv": ["480", "483"]}')
    Path("w.json").write_text('{"one.csv": []}')
    files = sorted(Path().rglob("*"))
    result = command("anomaly", *words, code=code)
    assert told in result.stderr and "Traceback" not in result.stderr
    assert result.stdout.strip() in ("", ",".join(predict.COLUMNS))
    assert sorted(Path().rglob("*")) == files


def test_a_broken_stream_is_told_after_what_was_answered(workshop):
    Path("broken.csv").write_text("first,second\n1,2\n1,x\n")
    result = command("anomaly", "predict", "broken.csv", "--models", "streams", code=1)
    assert "row 2 of the stream" in result.stderr and len(result.stdout.splitlines()) == 2
    command("anomaly", "predict", "broken.csv", "--models", "streams", "--output", "broken.out.csv", code=1)
    assert not Path("broken.out.csv").exists()


def test_parts_of_a_stream_share_no_row():
    stream = series.Stream("a", [""] * 200, np.random.default_rng(0).normal(size=(200, 1)), ("x",))
    examples = data.Examples("stream", np.zeros((0, 0, 0)), np.zeros(0, str), (stream,))
    for folds in (1, 3):
        config = Config(normal_share=1.0, window=10, folds=folds)
        found = data.normals(examples, config)
        for chosen, held in data.parts(found, config, "stream"):
            rows = [set(itertools.chain(*(range(a, b + 1) for a, b in found.blocks[part]))) for part in (chosen, held)]
            assert rows[0] and rows[1] and not rows[0] & rows[1]


def test_a_channel_that_never_changes_and_copies_do_no_harm():
    mean, deviation = data.scale(np.stack([np.full((9, 5), 4.0), np.zeros((9, 5))], 2))
    assert mean.tolist() == [4, 0] and deviation.tolist() == [0.4, 1e-3]
    values = np.repeat(np.random.default_rng(0).normal(size=(12, 6, 1)), 2, axis=0)
    found = data.normals(data.Examples("segments", values, np.full(24, "")), Config())
    assert len(found.values) == 12 and found.left_out == {"copies of others": 12}


def test_a_signal_that_never_changes_does_not_alarm():
    known = train.calibrated(np.zeros(20), Config(), "stream")
    scores, _ = model.followed(np.zeros(30), known["start"], Config())
    assert known["threshold"] == 1 and not (scores >= known["threshold"]).any()


def test_a_run_that_was_not_evaluated_is_exported_with_what_is_known_of_the_normal(workshop, watcher):
    assert list(watcher.card["metrics"]) == ["held-out normals that reach the threshold"]
    assert watcher.card["channels"] == ["first", "second"] and set(watcher.endpoints) == {"serving_default", "step"}


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "dense"])
@pytest.mark.parametrize("task", ["segments", "stream"])
def test_every_architecture_learns_and_exports(workshop, architecture, task):
    words = ("--data", "train.tsv", "--normal-label", 1, *PARTS) if task == "segments" else STREAM
    run = f"{architecture}-{task}"
    command("anomaly", "train", *words, "--architecture", architecture, "--run", run, *TINY)
    file = "test.tsv" if task == "segments" else "stream.csv"
    result = json.loads(command("anomaly", "evaluate", "--run", run, "--data", file, "--json").stdout)
    assert result["metrics"]["auc"]["value"] > 0.9
    command("anomaly", "export", "--run", run, "--models", f"models-{run}")


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_becomes_a_file(workshop, architecture, format):
    for package in ("tf2onnx", "onnxruntime", "ai_edge_litert"):
        pytest.importorskip(package)
    run = f"{architecture}-{format}"
    words = ("--data", "train.tsv", "--normal-label", 1, *TINY, *PARTS, "--epochs", 1)
    command("anomaly", "train", *words, "--architecture", architecture, "--run", run)
    command(
        "anomaly",
        "export",
        "--run",
        run,
        "--format",
        format,
        "--output",
        f"{run}.{'onnx' if format == 'onnx' else 'tflite'}",
    )


@pytest.mark.slow
def test_killed_training_is_resumed_by_the_command_it_names(workshop):
    words = ["--data", "train.tsv", "--normal-label", "1", "--epochs", "40", "--batch-size", "4", "--folds", "2"]
    stop_and_resume("anomaly", words, "net_1/history.csv")
    shutil.rmtree("runs/anomaly/stopped")


def test_the_column_of_times_that_was_trained_on_need_not_be_repeated(monkeypatch):
    class Monitor:
        channels = 1

        def __call__(self, values):
            return {"score": values[0], "abnormal": False, "alarm": False, "expected": values}

    monkeypatch.setattr(predict, "Monitor", lambda model: Monitor())
    model = SimpleNamespace(card={"channels": ["x"], "training": {"time_column": "stamp"}})
    assert [row["time"] for row in predict.watch(model, ["x,stamp\n", "1,12\n", "2,15\n"])] == ["12", "15"]
    assert [row["time"] for row in predict.watch(model, ["x\n", "1\n"])] == ["0"]
