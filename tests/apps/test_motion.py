"""The motion application through its command line, on recordings that the tests write."""

import csv
import itertools
import json
import os
import shutil
from pathlib import Path

import click.testing
import numpy as np
import pytest
import tensorflow as tf
from commands import command, stop_and_resume, within

from kerasmlsp.apps import cli
from kerasmlsp.apps.motion import data, model, predict
from kerasmlsp.apps.motion.config import ARCHITECTURES, Config
from kerasmlsp.data import motion
from kerasmlsp.exporting import loading

HEADER = ("ax", "ay", "az", "gx", "gy", "gz", "timestamp", "label")
SUBJECT = ("--subject-pattern", r"^(s\d+)")
QUICK = ("--rate", 20, "--epochs", 3, "--batch-size", 16, *SUBJECT)


def signals(kinds, random, rate, seconds=3):
    """Accelerometer and gyroscope of a person who does one thing after the other, and what."""
    labels = np.repeat(kinds, seconds * rate)
    times, moves = np.arange(len(labels)) / rate, (labels != "sit") * 1.0
    swing = np.sin(2 * np.pi * np.where(labels == "run", 4, 1.5) * times + random.uniform(0, 6))
    still = random.normal(0, 0.05, (len(labels), 6))
    still[:, 2] += 9.8
    return times, still + (moves * swing)[:, None] * [0.5, 4, 2, 0.2, 1, 0.1], labels


def write(folder, people, seed, rate=30, kinds=("sit", "walk", "run")):
    random = np.random.default_rng(seed)
    for number in range(people):
        times, values, labels = signals(random.permutation(kinds), random, rate)
        path = folder / f"s{number}" / f"{number}_sp.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="") as file:
            csv.writer(file).writerow(HEADER)
            rows = zip(values.round(4), (times * 1000).round(), labels, strict=True)
            csv.writer(file).writerows([*row, int(time), label] for row, time, label in rows)
    return folder


def run_json(*words):
    return json.loads(command("motion", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with recordings and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write(folder / "recordings", 10, seed=0)
    write(folder / "others", 8, seed=1, rate=50)
    command("motion", "train", "--data", "recordings", "--run", "whole", *QUICK, "--epochs", 8)
    (folder / "measured.json").write_text(json.dumps(run_json("evaluate", "--run", "whole", "--data", "others")))
    command("motion", "export", "--run", "whole", "--licence", "none", "--data-note", "waves of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/motion/whole"
    assert {"config.json", "model.keras", "history.csv", "curves.png", "threshold.json"} <= {
        each.name for each in run.iterdir()
    }
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["run", "sit", "walk"] and config["persons"] == 10
    assert config["channel_names"] == list(HEADER[:6]) and config["recordings"] == 10
    # Whole persons are held out.
    assert config["held_out"] % (config["windows"] // 10) == 0


def test_evaluation_on_other_people_measures_and_draws(workshop):
    result = json.loads((workshop / "measured.json").read_text())
    for values in result["metrics"].values():
        assert within(values)
    assert result["metrics"]["macro_f1"]["value"] > 0.7 and result["intervals"] == "over 8 persons"
    assert set(result["persons"]) == {f"s{number}" for number in range(8)}
    assert set(result["classes"]) == {"run", "sit", "walk"} and 0 < result["classes"]["run"]["f1"] <= 1
    for file in result["files"]:
        assert Path(file).stat().st_size > 0
    shown = command("motion", "evaluate", "--run", "whole", "--data", "others").stdout
    assert "macro f1" in shown and "over 8 persons" in shown
    card = json.loads(Path("saved_models/motion/1/card.json").read_text())
    assert card["metrics"] == result["metrics"] and card["recording"]["rate"] == 20
    assert "data" not in card["training"] and "20 a second" in card["limits"]


def test_evaluation_without_data_is_of_who_was_held_out(workshop):
    shutil.copytree("runs/motion/whole", "runs/motion/held")
    result = run_json("evaluate", "--run", "held")
    assert result["windows"] == json.loads(Path("runs/motion/held/config.json").read_text())["held_out"]
    assert "selected" in result["on"]


def test_predict_tells_segments_and_windows(workshop):
    files = sorted(Path("others").rglob("*.csv"))
    rows = run_json("predict", "others")
    assert {row["file"] for row in rows} == {str(file.relative_to("others")) for file in files}
    for name in {row["file"] for row in rows}:
        own = [row for row in rows if row["file"] == name]
        assert own[0]["start"] == 0 and own[-1]["end"] == pytest.approx(9, abs=0.1)
        assert all(row["end"] == after["start"] for row, after in itertools.pairwise(own))
        assert all(row["label"] != after["label"] for row, after in itertools.pairwise(own))
    windows = run_json("predict", files[0], "--per", "window")
    assert [row["start"] for row in windows] == [0.5 * number for number in range(len(windows))]
    assert all(sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5) for row in windows)
    command("motion", "predict", files[0], "--output", "told.csv", "--figure", "told.png")
    assert Path("told.csv").read_text().startswith("file,start,end,label,") and Path("told.png").stat().st_size > 0
    result = click.testing.CliRunner().invoke(
        cli.root, ["motion", "predict", "-", "--per", "window", "--json"], input=files[0].read_bytes()
    )
    assert result.exit_code == 0, result.output
    alone = json.loads(result.stdout)
    assert [row["label"] for row in alone] == [row["label"] for row in windows] and alone[0]["file"] == "-"


def test_the_saved_model_answers_windows_and_recordings(workshop):
    saved = loading.load(loading.find("motion"))
    [recording] = predict.read(saved, "others/s0/0_sp.csv")
    answers = saved.call("recordings", signals=recording.values[None])
    assert answers["label"].shape == (1, len(recording.values))
    np.testing.assert_allclose(answers["probabilities"].sum(-1), 1, atol=1e-5)
    # Nothing moves.
    still = np.broadcast_to(recording.values[:1], recording.values.shape)[None]
    assert saved.call("recordings", signals=still)["unsure"].all()
    broken = predict.motion.windows([recording], 20, 20, 20).values[:2].copy()
    broken[0, 3, 1] = np.nan
    with pytest.raises(ValueError, match="`windows` must be a number in every row"):
        saved(windows=broken)
    served = tf.saved_model.load("saved_models/motion/1").signatures["serving_default"]
    told = served(windows=tf.constant(broken))
    assert told["unsure"][0] and told["confidence"][0] == 0 and np.isfinite(told["probabilities"]).all()
    assert len(saved.call("recordings", signals=np.zeros((0, 40, 6), "float32"))["label"]) == 0
    with pytest.raises(ValueError, match="at least the 20 samples of a window"):
        saved.call("recordings", signals=recording.values[None, :19])
    # In pieces, a long recording is told as in one.
    whole = predict.predict_samples(saved, recording)
    before, predict.PIECE = predict.PIECE, 50
    try:
        pieces = predict.predict_samples(saved, recording)
    finally:
        predict.PIECE = before
    assert pieces.shape == whole.shape and np.mean(pieces.argmax(1) == whole.argmax(1)) > 0.9


def test_random_changes_follow_from_seed_epoch_and_batch(workshop):
    config = Config(data="recordings", rate=20, subject_pattern=r"^(s\d+)", batch_size=8, context=0.5).complete()
    examples, _ = data.read_own(config)
    classes = ["run", "sit", "walk"]

    def batch(epoch, **changes):
        changed = Config(**{**vars(config), **changes})
        batches = data.training_batches(examples, classes, changed, np.ones(3))
        return [value.numpy() for value in next(iter(batches.dataset(lambda: (epoch, 0))))]

    values, targets, weights = batch(0)
    assert values.shape == (8, 40, 6) and targets.shape == (8, 40, 3) and weights.shape == (8, 40)
    np.testing.assert_array_equal(batch(0)[0], values)
    assert (batch(1)[0] != values).any() and (batch(0, seed=1)[0] != values).any()
    # Without changes, it is the windows themselves and their labels.
    plain = {"shift": False, "speed": 0.0, "reorder": 0.0}
    values, targets, _ = batch(0, **plain)
    order = data.training_batches(examples, classes, config, np.ones(3)).order(0)[0]
    np.testing.assert_allclose(values, examples.windows.values[order], atol=1e-5)
    np.testing.assert_array_equal(np.array(classes)[targets.argmax(-1)], examples.windows.labels[order])
    values, targets, _ = batch(0, **plain, architecture="dense")
    np.testing.assert_array_equal(np.array(classes)[targets.argmax(-1)], examples.labels[order])


def test_samples_without_a_class_and_short_recordings_are_left_out(caplog):
    names = np.array(["a"] * 30 + [""] * 30)
    recordings = [motion.Recording(f"{n}.csv", "", np.ones((n, 3), "float32"), names[:n]) for n in (60, 10)]
    examples = data.examples(Config(rate=10, window=2, hop=1).complete(), recordings)
    assert examples.labels.tolist() == ["a", "a", "a"] and not examples.persons
    assert "1 of 2 recordings" in caplog.text and "2 of 5 windows" in caplog.text


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_answers_windows(architecture):
    config = Config(architecture=architecture, rate=25).complete()
    values = np.random.default_rng(0).normal(size=(4, config.length + 2 * config.around, 6)).astype("float32")
    net = model.build(config, values, 3)
    answers = model.of_windows(net.predict(values, verbose=0), config)
    assert answers.shape == (4, 3) and answers.sum(1) == pytest.approx(np.ones(4), abs=1e-5)


def test_what_overlaps_is_averaged():
    config = Config(rate=2, window=2, hop=1)
    starts = model.window_starts(7, config)
    assert starts.numpy().tolist() == [0, 2, 3]
    values = np.arange(3, dtype="float32").reshape(1, 3, 1, 1) * np.ones((1, 3, 4, 1), "float32")
    assert model.averaged(values, starts, 7).numpy().ravel().tolist() == [0, 0, 0.5, 1, 1.5, 1.5, 2]


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_it_had_not_been(workshop):
    stop_and_resume("motion", ["--data", "recordings", *QUICK, "--epochs", 12], "history.csv")


@pytest.mark.slow
def test_cross_validation_keeps_persons_together_and_windows_flatter(workshop):
    options = ("--data", "recordings", *QUICK, "--epochs", 1, "--validation-share", 0)
    command("motion", "train", *options, "--run", "folds")
    result = run_json("evaluate", "--run", "folds", "--folds", 2)
    assert len(result["folds"]) == 2 and "persons" in result["on"]
    assert run_json("evaluate", "--run", "folds", "--folds", 2)["folds"] == result["folds"]
    assert "single windows" in run_json("evaluate", "--run", "folds", "--folds", 2, "--by-window")["on"]
    assert "held out nothing" in command("motion", "evaluate", "--run", "folds", code=1).stderr


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_becomes_files_of_other_formats(workshop, architecture):
    for package in ("tf2onnx", "onnxruntime", "ai_edge_litert"):
        pytest.importorskip(package)
    command(
        "motion",
        "train",
        "--data",
        "recordings",
        *QUICK,
        "--epochs",
        1,
        "--run",
        architecture,
        "--architecture",
        architecture,
    )
    for format, ending in (("onnx", ".onnx"), ("litert", ".tflite")):
        command("motion", "export", "--run", architecture, "--format", format)
        facts = json.loads(Path(f"{architecture}{ending}.json").read_text())
        assert facts["classes"] == ["run", "sit", "walk"] and facts["recording"]["rate"] == 20


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("train", 2, "`--data PATH`"),
        ("train --data none", 1, "`--data`"),
        ("train --data recordings --label-column what", 1, "`--label-column` must be a column of"),
        ("train --data recordings --time-column what", 1, "`--time-column` must be a column of"),
        ("train --data recordings --channels ax,what", 1, "`--channels` must be a column of"),
        ("train --data recordings --subject-pattern (", 2, "must be a regular expression"),
        ("train --data recordings --name-pattern _sw", 1, "_sw"),
        ("train --data recordings --window 60", 1, "samples of the longest recording"),
        ("train --data recordings --window 0.01", 2, "at least two samples"),
        ("train --data one --subject-pattern ^(s.)", 1, "one person only"),
        ("train --data still --run still", 1, "two classes"),
        ("train --data mixed", 1, "same channels"),
        ("train --data recordings --run no --no-augmentation --speed 0.1", 2, "`--speed`"),
        ("evaluate --run nobody", 1, "There is no run in runs/motion/nobody"),
        ("evaluate --run whole --data few", 1, "`channels` must be a column of"),
        ("evaluate --run whole --data strange", 1, "jump"),
        ("evaluate --run whole --folds 3 --data others", 2, "`--data`"),
        ("evaluate --run whole --by-window", 2, "`--by-window`"),
        ("evaluate --run whole --label-column x", 2, "`--label-column`"),
        ("predict nothing.csv", 1, "nothing.csv is not there"),
        ("predict few", 1, "`--channels`"),
        ("predict short.csv", 1, "shorter than a window of 1 s"),
        ("predict empty.csv", 1, "empty.csv"),
        ("predict others/s0/0_sp.csv --figure told.jpg", 2, "must end in .png"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence_and_loses_nothing(workshop, words, code, told):
    if not Path("one").exists():
        shutil.copytree("recordings/s0", "one/s0")
        write(workshop / "still", 3, seed=2, kinds=("sit",))
        write(workshop / "strange", 2, seed=2, kinds=("sit", "jump"))
        shutil.copytree("recordings", "mixed")
        few = [line.split(",", 1)[1] for line in Path("recordings/s0/0_sp.csv").read_text().splitlines()]
        for path in (Path("mixed/s0/few.csv"), Path("few/s0/few.csv")):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(few) + "\n")
        lines = Path("recordings/s0/0_sp.csv").read_text().splitlines()
        Path("short.csv").write_text("\n".join(lines[:20]) + "\n")
        Path("empty.csv").write_text("")
    before = sorted(Path("runs").rglob("*"))
    result = command("motion", *words.split(), code=code)
    assert told in result.stderr and "Traceback" not in result.output, result.output
    assert len(result.stderr.strip().splitlines()) <= 4
    assert sorted(Path("runs").rglob("*")) == before


def test_gaps_wrong_cells_and_disorder_are_told(workshop):
    header, *lines = Path("others/s1/1_sp.csv").read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[0], "nan", 1)
    lines[10], lines[11] = lines[11], lines[10]
    Path("gap.csv").write_text("\n".join([header, *lines[:150], *lines[250:]]) + "\n")
    told = command("motion", "predict", "gap.csv", "--json")
    rows = json.loads(told.stdout)
    assert "1 gaps of more than 0.5 s" in told.stderr and "1 samples that are no numbers" in told.stderr
    assert "out of order" in told.stderr
    assert rows[-1]["end"] == pytest.approx(9, abs=0.1) and not any(row["start"] < 4 < row["end"] for row in rows)


def test_copies_of_recordings_are_left_out(tmp_path):
    write(tmp_path, 2, seed=0)
    config = Config(data=str(tmp_path), rate=20, subject_pattern=r"^(s\d+)")
    count = len(data.read_own(config)[0].recordings)
    shutil.copytree(tmp_path / "s0", tmp_path / "s9")
    found, _ = data.read_own(config)
    assert len(found.recordings) == count and set(found.groups) == {"s0", "s1"}
