"""The traffic application through its command line, on a network of roads that the tests write."""

import csv
import itertools
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import forked
import numpy as np
import pytest
from click.testing import CliRunner
from commands import command, stop_and_resume, within

from kerasmlsp.apps import cli
from kerasmlsp.apps.traffic import predict
from kerasmlsp.apps.traffic.config import ARCHITECTURES, Config
from kerasmlsp.exporting import loading

LSTM = ("train", "--data", "speeds.csv", "--graph", "graph.csv", "--architecture", "graph-lstm")
ROADS = ("A1", "A2", "B1", "B2", "C1")
STEPS = 24  # of a day: one an hour
HOURLY = ("--step-minutes", 60, "--horizons", "60,120", "--length", 4)
SMALL = (*HOURLY, "--features", 8, "--rank", 2)


def made(days, seed=0):
    """Days with a jam in the morning, which moves along the roads; `(steps, roads)`."""
    random = np.random.default_rng(seed)
    hours, roads = np.arange(STEPS)[:, None], np.arange(len(ROADS))
    return np.concatenate(
        [
            60
            - random.uniform(20, 40) * np.exp(-np.square((hours - 8 - random.normal() - roads / 2) / 2))
            + random.normal(0, 1, (STEPS, len(ROADS)))
            for _ in range(days)
        ]
    )


def write_speeds(path, speeds, roads=ROADS, first=None):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(["time"] if first else []), *roads])
        for step, row in enumerate(speeds):
            day, hour = divmod(step + (first or 0), STEPS)
            writer.writerow([*([f"2024-05-{day + 1:02d} {hour:02d}:00"] if first else []), *np.round(row, 2)])
    return path


def write_network(path):
    apart = np.abs(np.subtract.outer(range(len(ROADS)), range(len(ROADS))))
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(np.exp(-apart).round(3) * (apart < 2))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with data and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_speeds("speeds.csv", made(20))
    write_network("graph.csv")
    train("whole", "--epochs", 3)
    Path("measured.json").write_text(command("traffic", "evaluate", "--run", "whole", "--json").stdout)
    command("traffic", "export", "--run", "whole", "--licence", "none", "--data-note", "days of a test")
    yield folder
    os.chdir(before)


@pytest.fixture
def measured(workshop):
    """What `evaluate` said of the run `whole`."""
    return json.loads((workshop / "measured.json").read_text())


def train(run, *words, code=0, **files):
    places = {"--data": "speeds.csv", "--graph": "graph.csv", **{f"--{name}": place for name, place in files.items()}}
    own = HOURLY if "--architecture" in words else SMALL
    return command("traffic", "train", "--run", run, *sum(places.items(), ()), *own, *words, code=code)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/traffic/whole"
    assert {"config.json", "model.keras", "net-1", "net-1-refit", "curves.png"} <= {each.name for each in run.iterdir()}
    config = json.loads((run / "config.json").read_text())
    assert config["roads"] == list(ROADS) and len(config["fingerprint"]) == 16
    assert config["parts"] == {"train": [0, 336], "validation": [336, 384], "test": [384, 480]}


def test_evaluation_measures_both_conventions_and_draws(measured):
    result = measured
    names = {
        f"{what} {where} {ahead} min" for what in ("RMSE", "MAE") for where in ("at", "up to") for ahead in (60, 120)
    }
    assert result["metrics"].keys() == result["persistence"].keys() == result["usual day"].keys() == names
    assert result["windows"] == 96 - 2 + 1  # the first sees what is before the test
    for measures in (result["metrics"], result["persistence"]):
        for values in measures.values():
            assert within(values)
    # One step ahead, "at" and "up to" are the same.
    assert result["metrics"]["RMSE at 60 min"] == result["metrics"]["RMSE up to 60 min"]
    assert result["metrics"]["RMSE at 120 min"]["value"] < result["persistence"]["RMSE at 120 min"]["value"]
    assert all(Path(file).stat().st_size > 100 for file in result["files"])


def test_persistence_is_what_a_spreadsheet_says(measured):
    with open("speeds.csv") as file:
        speeds = np.array(list(csv.reader(file))[1:], float)
    errors = speeds[385:] - speeds[383:-2]  # the first forecast of the test is made at the step before it
    expected = np.sqrt(np.square(errors).mean())
    assert measured["persistence"]["RMSE at 120 min"]["value"] == pytest.approx(expected, rel=1e-5)


def test_other_days_are_measured_whole_and_by_the_names_of_roads(workshop):
    write_speeds("other.csv", made(2, seed=1)[:, ::-1], roads=ROADS[::-1])
    file = Path("runs/traffic/whole/evaluation/metrics.json")
    before, words = file.read_text(), ("--data", "other.csv", "--road", "B2", "--strongest", 2)
    told = command("traffic", "evaluate", "--run", "whole", *words).stdout
    result = json.loads(file.read_text())
    file.write_text(before)
    assert f"{48 - 4 - 2 + 1} windows: data given" in told and "usual day" in told and "forecasts.png" in told
    assert result["influence"].keys() == {"B2"} and len(result["influence"]["B2"]) == 2
    assert result["metrics"]["RMSE at 60 min"]["value"] < 12


def test_predict_continues_a_table_and_stdin(workshop):
    write_speeds("now.csv", made(1, seed=2)[:8], first=24 + 3)
    result = command("traffic", "predict", "now.csv", "--output", "next.csv", "--figure", "next.png", "--json")
    rows = json.loads(result.stdout)
    assert [row["minutes"] for row in rows] == [60, 120] and rows[0]["time"] == "2024-05-02 11:00:00"
    assert rows[0]["speeds"].keys() == set(ROADS) and "Model: saved_models/traffic/1" in result.stderr
    with open("next.csv", newline="") as file:
        written = list(csv.DictReader(file))
    assert float(written[1]["B1"]) == pytest.approx(rows[1]["speeds"]["B1"], abs=1e-3)
    assert Path("next.png").stat().st_size > 1000
    again = CliRunner().invoke(cli.root, ["traffic", "predict", "-", "--json"], input=Path("now.csv").read_bytes())
    assert json.loads(again.stdout) == rows
    shown = command("traffic", "predict", "now.csv", "--road", "A1").stdout
    assert "A1" in shown.splitlines()[0] and len(shown.splitlines()) == 3
    strong = json.loads(command("traffic", "predict", "now.csv", "--influence", "A2", "--json").stdout)
    assert {row["road"] for row in strong} == set(ROADS)
    sizes = [abs(row["change"]) for row in strong]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0


def test_without_time_stamps_the_first_time_tells_the_hour(workshop):
    write_speeds("plain.csv", made(1, seed=2)[:8])
    rows = json.loads(command("traffic", "predict", "plain.csv", "--first-time", "03:00", "--json").stdout)
    assert [row["time"] for row in rows] == ["11:00", "12:00"]
    stamped = json.loads(command("traffic", "predict", "now.csv", "--json").stdout)
    assert rows[0]["speeds"] == stamped[0]["speeds"]
    other = json.loads(command("traffic", "predict", "plain.csv", "--json").stdout)
    assert other[0]["speeds"] != rows[0]["speeds"]


def test_the_saved_model_takes_raw_speeds(workshop):
    model = loading.load(loading.find("traffic"))
    speeds = made(1, seed=3)[None, 4:8].astype("float32")
    whole = model(speeds=speeds, minute=[420])["forecasts"]
    assert whole.shape == (1, 2, 5)
    gap, held = speeds.copy(), speeds.copy()
    gap[0, 2, 1], held[0, 2, 1] = 0, speeds[0, 1, 1]  # not measured: the last speed before
    assert np.allclose(model(speeds=gap, minute=[420])["forecasts"], model(speeds=held, minute=[420])["forecasts"])
    assert model(speeds=speeds[:0], minute=[])["forecasts"].shape == (0, 2, 5)
    with pytest.raises(ValueError, match=r"`speeds` must be a list or array of rows, shape \(None, 4, 5\)"):
        model(speeds=speeds[0], minute=[420])
    with pytest.raises(ValueError, match=r"`minute` must be 0 to 1,439\. Received: 1440"):
        model(speeds=speeds, minute=[1440])
    card = model.card
    assert card["roads"] == list(ROADS) and card["step_minutes"] == 60 and card["metrics"]["RMSE at 60 min"]["low"]
    assert not {"data", "graph"} & card["training"].keys()


def test_the_saved_model_needs_tensorflow_alone(workshop):
    script = (
        "import numpy as np, sys, tensorflow as tf\n"
        "model = tf.saved_model.load('saved_models/traffic/1').signatures['serving_default']\n"
        "print(model(speeds=tf.fill([1, 4, 5], 50.0), minute=tf.constant([480]))['forecasts'].shape)\n"
        "assert 'kerasmlsp' not in sys.modules\n"
    )
    done = forked.run(forked.execute, script)
    assert "(1, 2, 5)" in done.stdout, done.stderr


@pytest.mark.parametrize("architecture", [ARCHITECTURES[1], pytest.param(ARCHITECTURES[2], marks=pytest.mark.slow)])
def test_other_architectures_and_members(workshop, architecture):
    write_list("distances.csv")
    words = ("--architecture", architecture, "--no-refit", "--epochs", 1)
    if architecture == "graph-lstm":
        words = (*words, "--members", 2, "--speed-limit", 60, "--free-flow-steps", 1)
    else:
        words = (*words, "--filters", 2)
    train(architecture, *words, graph="distances.csv")
    run = workshop / "runs/traffic" / architecture
    assert (run / "net-2").exists() == (architecture == "graph-lstm") and not (run / "net-1-refit").exists()
    reached = json.loads((run / "config.json").read_text())["reachable"]
    assert reached == (13 if architecture == "graph-lstm" else None)  # each of five roads, and its neighbours
    result = json.loads(command("traffic", "evaluate", "--run", architecture, "--part", "validation", "--json").stdout)
    assert result["windows"] == 48 - 2 + 1


def write_list(path):
    """Roads in a row, 50 kilometres from one to the next: an hour at 60 km/h reaches the neighbours."""
    pairs = [[first, second, 50] for first, second in itertools.pairwise(ROADS)]
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([["from", "to", "distance"], *pairs])


@pytest.mark.slow
def test_a_stopped_training_goes_on_the_same(workshop):
    words = ["--data", "speeds.csv", "--graph", "graph.csv", *SMALL, "--epochs", 9]
    stop_and_resume("traffic", words, "net-1-refit/history.csv")


# That a training which is taken up ends the same is held by tests/training.
@pytest.mark.slow
def test_a_resumed_run_ends_the_same(measured):
    shutil.copytree("runs/traffic/whole", "runs/traffic/again")
    (Path("runs/traffic/again") / "model.keras").unlink()
    shutil.rmtree("runs/traffic/again/net-1-refit")
    command("traffic", "train", "--run", "again", "--resume")
    again = json.loads(command("traffic", "evaluate", "--run", "again", "--json").stdout)["metrics"]
    for name, each in measured["metrics"].items():
        assert again[name]["value"] == pytest.approx(each["value"], rel=1e-3)


def damaged(name):
    """Writes a table that cannot be used, and returns its path."""
    speeds = made(20)
    if name == "short":
        speeds = speeds[:20]
    if name == "silent":
        speeds[:, 2] = 0
    path = write_speeds(f"{name}.csv", speeds, first=24 if name in ("stamps", "minutes") else None)
    text = path_text = Path(path).read_text()
    if name == "stamps":
        text = path_text.replace("2024-05-02 05:00", "yesterday")
    if name == "empty":
        text = ",".join(ROADS) + "\n"
    Path(path).write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("short", "`--data` must have more rows: of 20, 2 are the validation part"),
        ("silent", "must have a speed in every road's column"),
        ("stamps", "`--time-column` must hold dates with times"),
        ("empty", "at least one row below its header"),
    ],
)
def test_speeds_that_cannot_be_used(workshop, name, told):
    path = damaged(name)
    result = train("new", code=1, data=path)
    assert told in result.stderr and "Traceback" not in result.stderr
    assert not Path("runs/traffic/new").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "speeds.csv", "--run", "x"), 2, "--graph FILE"),
        (("train", "--data", "no.csv", "--graph", "graph.csv", "--run", "x"), 1, "no.csv"),
        (("train", "--data", "speeds.csv", "--graph", "no.csv", "--run", "x"), 1, "no.csv"),
        (("train", "--data", "speeds.csv", "--graph", "speeds.csv", "--run", "x"), 1, "square matrix of the 5 roads"),
        ((*LSTM, "--speed-limit", "60"), 1, "needs distances"),
        ((*LSTM, "--rank", "2"), 2, "It is for `--architecture graph-mlp`: leave `--rank` out"),
        (("train", "--data", "speeds.csv", "--graph", "graph.csv", "--speed-limit", "60"), 2, "graph-lstm"),
        (("train", "--data", "speeds.csv", "--graph", "graph.csv", "--free-flow-steps", "2"), 2, "--free-flow-steps"),
        (("train", "--data", "speeds.csv", "--graph", "graph.csv", "--time-column", "when"), 1, "`--time-column` must"),
        (("train", "--data", "speeds.csv", "--graph", "graph.csv", "--horizons", "7"), 2, "multiples of the 5"),
        (("train", "--data", "speeds.csv", "--graph", "graph.csv", "--step-minutes", "7"), 2, "must divide"),
        (("train", "--data", "speeds.csv", "--graph", "graph.csv", "--first-time", "25:00"), 1, "time of the day"),
        (("train", "--test-share", "0.9", "--validation-share", "0.1"), 2, "must leave a part"),
        (("train", "--data", "speeds.csv", "--graph", "graph.csv", "--run", "whole"), 1, "--resume"),
        (("train", "--run", "whole", "--resume", "--epochs", "9"), 1, "epochs=3"),
        (("evaluate", "--run", "nothing"), 1, "no run"),
        (("evaluate", "--run", "whole", "--road", "Z9"), 1, "must be a column"),
        (("evaluate", "--run", "whole", "--data", "lacking.csv"), 1, "a column for every road"),
        (("evaluate", "--run", "whole", "--data", "speeds.csv", "--part", "test"), 2, "leave `--part` out"),
        (("export", "--run", "nothing"), 1, "no run"),
        (("export", "--run", "whole", "--format", "onnx"), 2, "looks up known days"),
        (("predict",), 2, "FILE"),
        (("predict", "no.csv"), 1, "no.csv"),
        (("predict", "lacking.csv"), 1, "a column for every road"),
        (("predict", "speeds.csv", "--road", "Z9"), 1, "must be a road of the model, such as A1"),
        (("predict", "speeds.csv", "--influence", "Z9"), 1, "must be a road of the model, such as A1"),
        (("predict", "speeds.csv", "--influence", "A1", "--road", "A2"), 2, "leave `--road` out"),
        (("predict", "few.csv"), 1, "at least 4 steps of 60 minutes"),
        (("predict", "speeds.csv", "--version", "9"), 1, "version 9"),
        (("predict", "speeds.csv", "--output", "nowhere/out.csv"), 1, "make nowhere"),
    ],
)  # fmt: skip
def test_failures_are_one_sentence(workshop, words, code, told):
    write_speeds("lacking.csv", made(2)[:, :4], roads=ROADS[:4])
    write_speeds("few.csv", made(1)[:3])
    files = sorted(Path().rglob("*"))
    result = command("traffic", *words, code=code)
    assert told in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""
    assert sorted(Path().rglob("*")) == files


def test_changed_data_are_told(workshop):
    before = Path("speeds.csv").read_text()
    write_speeds("speeds.csv", made(20, seed=9))
    told = command("traffic", "evaluate", "--run", "whole", code=1).stderr
    Path("speeds.csv").write_text(before)
    assert "have changed since" in told


def test_horizons_are_steps():
    assert Config(horizons="60, 15,30").ahead() == (3, 6, 12)
    assert Config(step_minutes=15).ahead() == (1, 2, 3, 4)


def test_the_column_of_times_that_was_trained_on_need_not_be_repeated(tmp_path):
    facts = {"roads": ["A"], "step_minutes": 60, "length": 2, "horizons": [1], "zeros_missing": True}
    model = SimpleNamespace(card={**facts, "training": {"time_column": "when"}}, path=tmp_path)
    path = tmp_path / "a.csv"
    path.write_text("when,A\n2024-05-01 08:00,60\n2024-05-01 09:00,50\n")
    assert predict.read(model, path).first_minute == 480
    path.write_text("A\n60\n50\n")
    assert predict.read(model, path).first_minute == 0
