"""The sentiment application through its command line, on reviews that the tests write."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import command, stop_and_resume, within

from kerasmlsp import training
from kerasmlsp.apps.sentiment import data, export, predict, train
from kerasmlsp.apps.sentiment.config import ARCHITECTURES, Config
from kerasmlsp.exporting import loading, model_cards

GOOD = ["wonderful", "excellent", "brilliant", "charming", "superb"]
BAD = ["terrible", "boring", "awful", "dreadful", "dull"]
FILLER = "the film story actor scene music plot of and in was is a very this with".split()  # noqa: SIM905 (reads better)


def write_reviews(path, count, seed):
    """Writes reviews whose class hangs on one word among others."""
    random = np.random.default_rng(seed)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for index in range(count):
            words = list(random.choice(FILLER, random.integers(4, 30)))
            words.insert(random.integers(len(words)), random.choice(GOOD if index % 2 else BAD))
            writer.writerow([" ".join(words), "pos" if index % 2 else "neg"])
    return path


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with data and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_reviews(folder / "train.csv", 240, seed=0)
    write_reviews(folder / "test.csv", 60, seed=1)
    command("sentiment", "train", "--data", "train.csv", "--architecture", "ngrams", "--run", "whole", "--epochs", 3)
    measured = command("sentiment", "evaluate", "--run", "whole", "--data", "test.csv", "--json").stdout
    (folder / "measured.json").write_text(measured)
    command("sentiment", "export", "--run", "whole", "--licence", "none", "--data-note", "reviews of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/sentiment/whole"
    assert {"config.json", "vocabulary.json", "model.keras", "ngrams"} <= {each.name for each in run.iterdir()}
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["neg", "pos"] and config["versions"]["keras"] and len(config["fingerprint"]) == 16


def test_evaluation_measures_figures_and_mistakes(workshop):
    result = json.loads((workshop / "measured.json").read_text())
    for values in result["metrics"].values():
        assert within(values)
    assert result["metrics"]["accuracy"]["value"] > 0.9
    assert result["short"]["words"] == 20
    for file in result["files"]:
        assert Path(file).stat().st_size > 0


def test_the_curves_of_all_nets_are_in_the_run(workshop):
    assert Path("runs/sentiment/whole/curves.png").stat().st_size > 1000


def test_predict_answers_texts(workshop):
    rows = json.loads(command("sentiment", "predict", "--json", "a superb film", "the plot is dull").stdout)
    assert [row["label"] for row in rows] == ["pos", "neg"]
    for row in rows:
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert row["confidence"] == max(row["probabilities"].values()) and row["unsure"] is False


def test_texts_without_a_known_word_and_below_the_threshold_are_unsure(workshop):
    words = ("sentiment", "predict", "--json", "", "qwrtzp", "a superb film")
    kept = json.loads(Path("runs/sentiment/whole/threshold.json").read_text())
    assert kept["coverage"] >= 0.95 and kept["answers"] == 2 * 24 and 0.5 < kept["accuracy"] <= 1
    assert json.loads(Path("saved_models/sentiment/1/card.json").read_text())["reject_below"] == kept
    rows = json.loads(command(*words).stdout)
    assert [row["unsure"] for row in rows] == [True, True, False] and rows[0]["confidence"] == 0
    rows = json.loads(command(*words, "the film", "--reject-below", "0.999").stdout)
    assert [row["unsure"] for row in rows] == [True, True, rows[2]["confidence"] < 0.999, True]
    assert rows[3]["confidence"] > 0.5
    told = command("sentiment", "predict", "text", "--reject-below", "1.5", code=2).stderr
    assert "--reject-below" in told and "1.5" in told


def test_every_answer_names_the_model_that_gave_it(workshop):
    words = ("sentiment", "predict", "a superb film", "--json")
    own = command(*words)
    assert own.stderr == "Model: saved_models/sentiment/1\n"
    assert {row["model"] for row in json.loads(own.stdout)} == {"saved_models/sentiment/1"}
    shipped = command(*words, "--shipped")
    assert shipped.stderr == "Model: shipped sentiment/1\n"
    assert json.loads(shipped.stdout)[0]["model"] == "shipped sentiment/1"
    assert command(*words, "--models", "saved_models").stderr == own.stderr
    table = command("sentiment", "predict", "--file", "test.csv", "--output", "own.csv", "--json")
    assert json.loads(table.stdout)["model"] == "saved_models/sentiment/1"
    shutil.copytree("saved_models/sentiment", "others/gan")
    told = command("gan", "generate", "--models", "others", "--grid", "x.png", code=1).stderr
    assert "gan/1/card.json must name the application gan" in told and "Received: sentiment" in told


def test_predict_writes_a_table(workshop):
    result = json.loads(command("sentiment", "predict", "--file", "test.csv", "--output", "out.csv", "--json").stdout)
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert result["rows"] == len(rows) == 60
    assert np.mean([row["label"] == row["predicted"] for row in rows]) > 0.9
    assert set(rows[0]) == {"text", "label", "predicted", "unsure", "p_neg", "p_pos"}
    assert result["unsure"] == sum(row["unsure"] == "yes" for row in rows)
    with open("test.csv", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == [row["text"] for row in rows]


def test_rows_without_text_stay_blank_and_are_counted(workshop):
    Path("gaps.csv").write_bytes("id;text\n1;a superb film\n2;\n3;  \n4;a dull caf\u00e9\n".encode("cp1252"))
    words = ("sentiment", "predict", "--file", "gaps.csv", "--output", "gaps-out.csv")
    assert "--encoding cp1252" in command(*words, code=1).stderr and not Path("gaps-out.csv").exists()
    result = json.loads(command(*words, "--encoding", "cp1252", "--json").stdout)
    assert (result["rows"], result["without text"], sum(result["labels"].values())) == (4, 2, 2)
    with open("gaps-out.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted"] for row in rows] == ["pos", "", "", "neg"] and rows[2]["p_pos"] == ""
    assert rows[3]["text"] == "a dull caf\u00e9"
    assert "such as utf-8, cp1252" in command(*words, "--encoding", "windows", code=2).stderr


def test_a_start_that_fails_frees_the_name_and_loses_no_run(workshop):
    before = {path: path.read_bytes() for path in Path("runs/sentiment/whole").rglob("*") if path.is_file()}
    fails = ("sentiment", "train", "--data", "train.csv", "--architecture", "ngrams", "--monitor", "nonsense")
    assert "nonsense" in command(*fails, "--run", "new", code=1).stderr and not Path("runs/sentiment/new").exists()
    assert "nonsense" in command(*fails, "--run", "whole", "--overwrite", code=1).stderr
    assert before == {path: path.read_bytes() for path in Path("runs/sentiment/whole").rglob("*") if path.is_file()}
    command("sentiment", "train", "--run", "whole", "--resume", "--overwrite", code=2)


def test_a_class_of_one_row_is_left_out_on_demand(workshop):
    with open("train.csv", newline="") as file:
        rows = list(csv.reader(file))
    with open("rare.csv", "w", newline="") as file:
        csv.writer(file).writerows([*rows[:41], ["the actor was there", "odd"]])
    told = command("sentiment", "train", "--data", "rare.csv", "--run", "rare", code=1).stderr
    assert "--min-count 2" in told and "odd" in told and not Path("runs/sentiment/rare").exists()
    texts, _, rare = train._read(Config(data="rare.csv", min_count=2))
    assert len(texts) == 40 and rare == ["odd"]
    shutil.copytree("runs/sentiment/whole", "runs/sentiment/rare")
    path = Path("runs/sentiment/rare/config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "rare": rare}))
    assert "Left out 1 of 41" in command("sentiment", "evaluate", "--run", "rare", "--data", "rare.csv").stderr


def test_the_columns_that_were_trained_on_need_not_be_repeated(workshop):
    shutil.copytree("runs/sentiment/whole", "runs/sentiment/named")
    path = Path("runs/sentiment/named/config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "text_column": "review", "label_column": "stars"}))
    with open("test.csv", newline="") as file:
        rows = [[row["label"], row["text"]] for row in csv.DictReader(file)]
    with open("review.csv", "w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([["stars", "review"], *rows])
    words = ("sentiment", "evaluate", "--run", "named", "--data")
    assert json.loads(command(*words, "review.csv", "--json").stdout)["texts"] == 60
    told = command(*words, "test.csv", code=1).stderr
    assert "`--text-column` must be a column" in told and "Received: 'review'" in told
    # What is given counts more.
    assert "Received: 'stars'" in command(*words, "test.csv", "--text-column", "text", code=1).stderr
    model = loading.SavedModel(loading.find("sentiment"))  # not the one that the other tests use
    assert model.card["training"]["text_column"] == "text"
    model.card["training"]["text_column"] = "review"
    assert predict.predict_file(model, "review.csv", "out-review.csv")["rows"] == 60
    with open("out-review.csv", newline="") as file:
        assert next(csv.reader(file)) == ["stars", "review", "predicted", "unsure", "p_neg", "p_pos"]


def test_a_test_of_one_class_is_measured_without_auc_and_fits_a_card(workshop):
    shutil.copytree("runs/sentiment/whole", "runs/sentiment/single")
    Path("single.csv").write_text("text,label\na superb film,pos\nsuperb,pos\n")
    result = json.loads(command("sentiment", "evaluate", "--run", "single", "--data", "single.csv", "--json").stdout)
    assert "auc" not in result["metrics"] and "not defined for 2 examples of 1 class" in result["not measured"]["auc"]
    # Two of two right is no proof that all are.
    accuracy = result["metrics"]["accuracy"]
    assert accuracy["value"] == 1 == accuracy["high"] and accuracy["low"] == pytest.approx(0.34237, abs=1e-4)
    assert result["metrics"]["macro_f1"]["low"] is None
    assert "not measured" in command("sentiment", "evaluate", "--run", "single", "--data", "single.csv").stdout
    text = Path("runs/sentiment/single/evaluation/metrics.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    run = Path("runs/sentiment/single")
    told = export._measured(training.Run(run), json.loads((run / "config.json").read_text()))
    assert told["metrics"]["macro_f1"] == {"value": 0.5, "low": None, "high": None} and "auc" not in told["metrics"]
    card = {"title": "t", "data": "d", "licence": "l", "limits": "m", **told}
    model_cards.check(card)
    assert "| macro_f1 | 0.5 |  |" in model_cards.render(card)


def test_predict_file_in_pieces_is_the_same(workshop, monkeypatch):
    command("sentiment", "predict", "--file", "test.csv", "--output", "whole.csv")
    monkeypatch.setattr(predict, "CHUNK", 7)
    monkeypatch.setattr(predict, "BATCH", 3)
    command("sentiment", "predict", "--file", "test.csv", "--output", "pieces.csv")
    with open("whole.csv", newline="") as whole, open("pieces.csv", newline="") as pieces:
        for one, other in zip(csv.DictReader(whole), csv.DictReader(pieces), strict=True):
            assert float(one.pop("p_pos")) == pytest.approx(float(other.pop("p_pos")), abs=1e-5)
            assert float(one.pop("p_neg")) == pytest.approx(float(other.pop("p_neg")), abs=1e-5)
            assert one == other


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "missing.csv", "--run", "x"), 1, "missing.csv"),
        (("train", "--run", "x"), 2, "--data"),
        (("train", "--data", "train.csv", "--text-column", "review", "--run", "x"), 1, "text, label"),
        (("train", "--data", "train.csv", "--architecture", "magic"), 2, "attention-lstm"),
        (("train", "--data", "train.csv", "--run", "whole"), 1, "--resume"),
        (("train", "--run", "whole", "--resume", "--epochs", "9"), 1, "epochs=3"),
        (("train", "--data", "train.csv", "--run", "../x"), 2, "--run"),
        (("train", "--run", "nothing", "--resume"), 1, "no run"),
        (("evaluate", "--run", "nothing", "--data", "test.csv"), 1, "no run"),
        (("evaluate", "--run", "whole", "--data", "other.csv"), 1, "neutral"),
        (("export", "--run", "nothing"), 1, "no run"),
        (("export", "--run", "whole", "--format", "coreml"), 2, "onnx"),
        (("export", "--run", "whole", "--format", "litert"), 1, "ngrams cannot become a file of the format litert"),
        (("export", "--run", "whole", "--format", "litert"), 1, "give `--format onnx`, or train one of lstm"),
        (("export", "--run", "whole", "--format", "onnx", "--licence", "x"), 2, "leave `--licence` out"),
        (("export", "--run", "whole", "--output", "x.onnx"), 2, "leave `--output` out"),
        (("predict",), 2, "--file"),
        (("predict", "text", "--file", "test.csv"), 2, "--file"),
        (("predict", "text", "--version", "9"), 1, "version 9"),
        (("predict", "text", "--explain"), 1, "attention"),
        (("predict", "--file", "test.csv", "--text-column", "review"), 1, "text, label"),
        (("predict", "--file", "test.csv", "--output", "./test.csv"), 2, "another file"),
        (("predict", "--file", "test.csv", "--output", "nowhere/out.csv"), 1, "`--output` must be in a folder"),
        (("predict", "--file", "test.csv", "--output", "folder.csv"), 2, "is a directory"),
    ],
)
def test_failures_are_one_sentence(workshop, words, code, told):
    Path("other.csv").write_text("text,label\nhm,neutral\nfine,pos\n")
    Path("folder.csv").mkdir(exist_ok=True)
    files = sorted(Path().rglob("*"))
    result = command("sentiment", *words, code=code)
    assert told in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""
    assert sorted(Path().rglob("*")) == files


def test_one_class_is_refused(workshop):
    Path("one.csv").write_text("text,label\n" + "fine,pos\n" * 5)
    assert "two classes" in command("sentiment", "train", "--data", "one.csv", "--run", "one", code=1).stderr


def test_run_of_another_app(workshop):
    other = Path("runs/sentiment/other")
    other.mkdir(parents=True)
    (other / "config.json").write_text('{"app": "music"}')
    assert "'music'" in command("sentiment", "evaluate", "--run", "other", "--data", "test.csv", code=1).stderr


def test_truncated_model_is_named(workshop):
    run = Path("runs/sentiment/broken")
    run.mkdir()
    for name in ("config.json", "vocabulary.json", "model.keras"):
        (run / name).write_bytes((Path("runs/sentiment/whole") / name).read_bytes())
    model = (run / "model.keras").read_bytes()
    (run / "model.keras").write_bytes(model[: len(model) // 2])
    assert "model.keras" in command("sentiment", "evaluate", "--run", "broken", "--data", "test.csv", code=1).stderr


def test_long_and_odd_texts_are_answered(workshop):
    from kerasmlsp.exporting import loading

    model = loading.load(loading.find("sentiment"))
    texts = ["", " ", "\x00", "🎬 <br />", "a superb film " * 700_000]
    rows = predict.predict_texts(model, texts)
    assert [row["text"] for row in rows] == texts
    assert rows[-1]["label"] == "pos"
    for row in rows:
        assert all(np.isfinite(list(row["probabilities"].values())))


def test_encoding_of_tfds_like_and_plain_lists():
    encoded = data.encode(["good film", "", "bad"], [1, 0, 0], ["film", "good"], 10)
    assert encoded.lengths.tolist() == [2, 0, 1]
    assert [row.tolist() for row in encoded.tokens] == [[3, 2], [], [1]]
    ids, labels = data.loader(encoded)(np.array([1, 0]))
    assert ids.shape == (2, data.LENGTH_STEP) and labels.numpy().tolist() == [0, 1]


@pytest.mark.parametrize("values", [{"architecture": "magic"}, {"validation_share": 1.0}, {"max_tokens": 1}])
def test_configuration_is_checked(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        Config(**values)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "ngrams"])
def test_every_architecture_learns_and_exports(workshop, architecture):
    options = ("--epochs", 12, "--learning-rate", 0.005, "--batch-size", 16, "--jit", "off")
    command(
        "sentiment", "train", "--data", "train.csv", "--architecture", architecture, "--run", architecture, *options
    )
    result = command("sentiment", "evaluate", "--run", architecture, "--data", "test.csv", "--json")
    assert json.loads(result.stdout)["metrics"]["accuracy"]["value"] > 0.8
    command("sentiment", "export", "--run", architecture, "--models", f"models-{architecture}")
    words = ("sentiment", "predict", "a superb film", "--models", f"models-{architecture}", "--json")
    attentive = architecture in ("ensemble", "attention-lstm", "transformer")
    rows = json.loads(command(*words, *(["--explain"] if attentive else [])).stdout)
    assert rows[0]["label"] == "pos"
    if attentive:
        assert [token for token, _ in rows[0]["attention"]] == ["a", "superb", "film"]
        assert sum(weight for _, weight in rows[0]["attention"]) == pytest.approx(1, abs=1e-3)
        told = command(*words[:3], *words[3:5], "--figure", "attention.png").stderr
        assert "The figure is in attention.png." in told
        assert Path("attention.png").stat().st_size > 1000


def test_a_run_that_was_not_evaluated_is_exported_with_its_held_out_values(workshop):
    shutil.copytree("runs/sentiment/whole", "runs/sentiment/fresh")
    shutil.rmtree("runs/sentiment/fresh/evaluation")
    command("sentiment", "export", "--run", "fresh", "--models", "fresh-models")
    card = json.loads(Path("fresh-models/sentiment/1/card.json").read_text())
    assert set(card["metrics"]) == {"held-out accuracy of ngrams"}


@pytest.mark.slow
def test_a_cnn_becomes_onnx(workshop):
    for package in ("tf2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed: kerasmlsp[onnx]")
    command("sentiment", "train", "--data", "train.csv", "--architecture", "cnn", "--run", "onnx", "--epochs", 1)
    command("sentiment", "export", "--run", "onnx", "--format", "onnx", "--output", "cnn.onnx")
    assert json.loads(Path("cnn.onnx.json").read_text())["classes"] == ["neg", "pos"]


@pytest.mark.slow
def test_killed_training_is_resumed_by_the_command_it_names(workshop):
    words = ["--data", "train.csv", "--architecture", "lstm", "--epochs", "8", "--batch-size", "4"]
    stop_and_resume("sentiment", words, "lstm/history.csv")


@pytest.mark.parametrize(
    ("content", "told"), [(None, "must name the application"), ("{", "damaged"), ("[1]", "damaged")]
)
def test_a_damaged_model_card_is_named(workshop, tmp_path, content, told):
    shutil.copytree("saved_models/sentiment/1", tmp_path / "sentiment/1")
    card = tmp_path / "sentiment/1/card.json"
    card.unlink() if content is None else card.write_text(content)
    stderr = command("sentiment", "predict", "text", "--models", tmp_path, code=1).stderr
    assert str(card) in stderr and told in stderr


def test_a_damaged_vocabulary_is_named(workshop):
    run = Path("runs/sentiment/wordless")
    run.mkdir()
    for name in ("config.json", "model.keras"):
        shutil.copy(Path("runs/sentiment/whole") / name, run)
    (run / "vocabulary.json").write_text('["a",')
    assert str(run / "vocabulary.json") in command("sentiment", "export", "--run", "wordless", code=1).stderr


def test_empty_cells_beside_the_text_stay_empty(workshop):
    Path("notes.csv").write_text("text,note\nfine,\ndull,NA\n")
    command("sentiment", "predict", "--file", "notes.csv", "--output", "notes.out.csv")
    with open("notes.out.csv", newline="") as file:
        assert [row["note"] for row in csv.DictReader(file)] == ["", "NA"]
