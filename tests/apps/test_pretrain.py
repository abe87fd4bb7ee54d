"""The pretrain application through its command line, on pictures, texts and recordings that the tests write."""

import csv
import json
import os
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest
from commands import command, stop_and_resume, within
from PIL import Image

from kerasmlsp.apps.pretrain import baselines, batches, data, finetune, model
from kerasmlsp.apps.pretrain.config import LAYERWISE, PICTURES, TASKS, Config, Tuning
from kerasmlsp.data import splits
from kerasmlsp.exporting import loading

CLASSES = ("bars", "disc", "square")
SMALL = ("--size", 16, "--width", 4, "--stages", 2, "--batch-size", 32)
QUICK = ("--rates", 0.01, "--steps", 80, "--ema", 0, "--zoom", 0, "--erasing", 0, "--rotation", 0)
QUICK = (*QUICK, "--contrast", 0, "--brightness", 0)


def picture(kind, random, size=16):
    """A grey shape somewhere on a darker ground."""
    rows, columns = np.mgrid[:size, :size] - random.integers(6, 10, 2)[:, None, None]
    shapes = {"disc": np.hypot(rows, columns) < 5, "square": np.maximum(abs(rows), abs(columns)) < 4}
    shape = shapes.get(kind, rows % 3 == 0)
    pixels = random.integers(0, 60, (size, size))
    pixels[shape] = random.integers(140, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def write_pictures(folder, count, seed, *, classes=True):
    random = np.random.default_rng(seed)
    for number in range(count):
        kind = CLASSES[number % 3]
        file = folder / (kind if classes else "") / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(kind, random).save(file)
    return folder


def write_texts(path, count, seed):
    """Texts in which a word tells which other stands beside it, and the class."""
    random = np.random.default_rng(seed)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(count):
            good = number % 2
            pair = ("good", "joy") if good else ("bad", "pain")
            filler = random.choice(["the", "film", "actor", "plot", "scene", "a"], 6)
            writer.writerow([" ".join([*filler[:3], *pair, *filler[3:], str(random.integers(10**9))]), "np"[good]])
    return path


def write_recordings(folder, count, seed):
    random, time = np.random.default_rng(seed), np.arange(4000) / 4000
    for number in range(count):
        kind = number % 2
        samples = np.sin(2 * np.pi * random.uniform(200, 260) * (1 + 3 * kind) * time) * random.uniform(0.3, 1)
        file = folder / ("high" if kind else "low") / f"ann{number % 5}_{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as opened:
            opened.setparams((1, 2, 4000, 0, "NONE", ""))
            opened.writeframes((9000 * samples).astype("<i2").tobytes())
    return folder


def run_json(*words):
    return json.loads(command("pretrain", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with pictures and a run `whole` that is trained, evaluated, fine-tuned and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_pictures(folder / "photos", 150, seed=0, classes=False)
    write_pictures(folder / "labelled", 60, seed=1)
    (folder / "photos" / "broken.png").write_bytes(b"\x89PNG broken")
    command("pretrain", "train", "--data", "photos", "--run", "whole", "--epochs", 5, *SMALL)
    shown = command("pretrain", "evaluate", "--run", "whole").stdout
    assert "views that find each other" in shown
    words = ("--run", "whole", "--data", "labelled", "--per-class", 8, *QUICK)
    (folder / "finetuned.json").write_text(command("pretrain", "finetune", *words, "--json").stdout)
    command("pretrain", "export", "--run", "whole", "--licence", "none", "--data-note", "shapes of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/pretrain/whole"
    assert {"config.json", "model.keras", "net", "seen.npy", "curves.png"} <= {each.name for each in run.iterdir()}
    config = json.loads((run / "config.json").read_text())
    assert config["task"] == "simclr" and config["shape"] == [16, 16, 1] and config["left_out"]
    # A fifth is kept for tests.
    assert config["test"] == 30 and config["examples"] == 120 == len(np.load(run / "seen.npy"))


def test_evaluation_measures_the_task_and_draws_neighbours(workshop):
    result = run_json("evaluate", "--run", "whole", "--data", "labelled")
    assert result["examples"] == 60 and all(map(within, result["metrics"].values()))
    # With labels, it tells what the neighbours are; by chance it would be a third.
    assert result["metrics"]["same class"]["value"] > 0.5
    assert "views that find each other among 60" in result["metrics"]
    for file in result["files"]:
        assert Path(file).stat().st_size > 0


def test_all_methods_stand_in_one_table(workshop):
    result = json.loads((workshop / "finetuned.json").read_text())
    rows = {row["method"]: row for row in result["table"]}
    assert list(rows) == list(finetune.methods_of("pictures"))
    # Nothing of the labelled data was pre-trained on: a fifth is held out to test on.
    assert {row["labels"] for row in rows.values()} == {24} and (result["labelled"], result["test"]) == (48, 12)
    for row in rows.values():
        assert within(row["accuracy"]) and within(row["macro_f1"]) and "answers" not in row
    assert rows["svm"]["chosen"]["C"] and rows["fine-tuned"]["chosen"]["learning rate"] == 0.01
    assert rows["fine-tuned"]["accuracy"]["value"] > 0.6
    gain = rows["linear probe"]["accuracy"]["value"] - rows["from scratch"]["accuracy"]["value"]
    assert rows["linear probe"]["gain"]["value"] == pytest.approx(gain) and "gain" not in rows["from scratch"]
    assert Path("runs/pretrain/whole/finetuned/labels.png").stat().st_size > 1000


def test_fine_tuning_goes_on_where_it_was_and_takes_more_labels(workshop):
    words = ("--run", "whole", "--data", "labelled", *QUICK)
    table = Path("runs/pretrain/whole/finetuned/table.json")
    before = json.loads(table.read_text())
    result = run_json("finetune", *words, "--per-class", 8, "--labels", "0.1", "--methods", "linear probe,svm")
    after = json.loads(table.read_text())
    assert after[: len(before)] == before and [row["draw"] for row in after[len(before) :]] == ["0.1"] * 2
    assert [row["labels"] for row in result["table"]] == [24] * 5 + [6] * 2
    told = command("pretrain", "finetune", *words, "--label-smoothing", 0.3, "--labels", 1, code=1).stderr
    assert "another configuration: label_smoothing was 0.1, now 0.3" in told
    assert json.loads(table.read_text()) == after


def test_the_saved_model_tells_labels_and_features(workshop):
    files = sorted(Path("labelled/disc").iterdir())
    rows = run_json("predict", files[0], "labelled/square")
    assert [row["file"] for row in rows] == [str(files[0]), *map(str, sorted(Path("labelled/square").iterdir()))]
    assert np.mean([row["label"] == "square" for row in rows[1:]]) > 0.6
    for row in rows:
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    told = command("pretrain", "predict", "labelled", "--output", "labels.csv").stdout
    assert "labels.csv" in told and len(Path("labels.csv").read_text().splitlines()) == 61
    saved = loading.load(loading.find("pretrain"))
    answers = saved(images=np.asarray(Image.open(files[0]).convert("RGB"))[None])
    assert answers["features"].shape == (1, 8) and answers["label"][0].decode() == rows[0]["label"]
    of_bytes = saved.call("serving_bytes", encoded=[files[0].read_bytes()])
    np.testing.assert_allclose(of_bytes["probabilities"], answers["probabilities"], atol=1e-4)
    card = saved.card
    assert card["classes"] == list(CLASSES) and "24 labels" in card["description"]
    assert card["metrics"]["accuracy"]["value"] == pytest.approx(
        json.loads((workshop / "finetuned.json").read_text())["table"][0]["accuracy"]["value"]
    )


def test_no_test_example_is_pretrained_on(tmp_path):
    write_pictures(tmp_path / "photos", 40, seed=0, classes=False)
    write_pictures(tmp_path / "test", 12, seed=0)  # the first twelve of the same
    config = Config(data=str(tmp_path / "photos"), exclude=str(tmp_path / "test"), size=16)
    parts = data.read_own(config)
    assert len(parts.train) + len(parts.held_out) == 28 and parts.test == 12
    assert parts.left_out == {"copies of others or of the test": 12}
    held = data.read(config, tmp_path / "test", channels=1)[0]
    assert not set(held.digests()) & set(parts.train.digests() + parts.held_out.digests())
    seen = parts.seen()
    assert {bytes(key) for key in seen} == set(parts.train.digests() + parts.held_out.digests())


def test_what_a_run_left_out_is_what_it_is_tested_on(tmp_path):
    write_pictures(tmp_path / "photos", 40, seed=0)
    config = Config(data=str(tmp_path / "photos"), size=16)
    parts = data.read_own(config)
    tuning = Tuning(data=str(tmp_path / "photos"))
    train, test = data.read_labelled(config, tuning, parts.seen(), 1)
    assert len(test) == parts.test == 8 and len(train) == 32
    assert not set(test.digests()) & {bytes(key) for key in parts.seen()}
    # Test examples that were seen are left out; where all were, there is nothing to test on.
    everything = np.frombuffer(b"".join(train.digests() + test.digests()), np.uint8).reshape(-1, 16)
    with pytest.raises(ValueError, match=r"Every example was seen in pre-training"):
        data.read_labelled(config, Tuning(data=tuning.data, test=tuning.data), everything, 1)


def test_speakers_are_in_one_part_only(tmp_path):
    pytest.importorskip("soundfile", reason="soundfile is not installed")
    write_recordings(tmp_path / "sounds", 40, seed=0)
    config = Config(task="wav2vec", data=str(tmp_path / "sounds"), rate=4000, group_pattern=r"(ann\d)_")
    parts = data.read_own(config)
    train, test = data.read_labelled(
        config, Tuning(data=config.data, group_pattern=config.group_pattern), parts.seen(), None
    )
    assert len(test) == parts.test > 0 and not set(train.groups) & set(test.groups)
    assert set(train.labels) == {"high", "low"} and train.inputs.shape[1] == 4000


@pytest.mark.parametrize(
    ("share", "count", "expected"), [(0.1, None, [1, 2]), (None, 5, [5, 5]), (1.0, None, [10, 20])]
)
def test_labels_are_drawn_by_class(share, count, expected):
    labels = ["a"] * 10 + ["b"] * 20
    rows = data.few(labels, share, count, seed=3)
    assert [sum(labels[row] == name for row in rows) for name in "ab"] == expected
    assert len(set(rows.tolist())) == sum(expected)
    # Of one seed, more labels hold fewer.
    assert set(data.few(labels, None, 1, seed=3)) <= set(data.few(labels, None, 7, seed=3))
    with pytest.raises(ValueError, match=r"`per_class` must be at most the 10 examples of 'a'"):
        data.few(labels, None, 11, seed=3)


def test_places_of_hidden_words_come_first():
    targets = np.array([[-1, 7, -1, 9], [-1, -1, -1, -1]])
    places, wanted = batches.hidden_places(targets, 3)
    assert places.tolist() == [[1, 3, 0], [0, 0, 0]] and wanted.tolist() == [[7, 9, -1], [-1, -1, -1]]


def inputs_of(task, count=8):
    random = np.random.default_rng(0)
    if task == "mlm":
        ids = random.integers(2, 20, (count, 40)).astype(np.int32)
        ids[::2, 20:] = 0
        return ids
    if task == "wav2vec":
        return random.integers(-900, 900, (count, 4000)).astype(np.int16)
    return random.integers(0, 256, (count, 16, 16, 1)).astype(np.uint8)


@pytest.mark.parametrize("task", ["rotation", "simclr", "mae", "mlm", "wav2vec"])
def test_batches_follow_from_seed_epoch_and_step(task):
    import keras

    config = Config(task=task, batch_size=4, patch_size=4, seed=5).complete()

    def batch(epoch, step, seed=5):
        found = batches.task_batches(inputs_of(task), Config(**{**vars(config), "seed": seed}), 21)
        return [np.asarray(each) for each in keras.tree.flatten(next(iter(found.dataset(lambda: (epoch, step)))))]

    first, again, other = batch(0, 1), batch(0, 1), batch(1, 1)
    for one, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, same)
    assert any(one.shape != two.shape or (one != two).any() for one, two in zip(first, other, strict=True))


def test_hidden_patches_alone_weigh():
    config = Config(task="mae", batch_size=4, patch_size=4).complete()
    found = batches.task_batches(inputs_of("mae"), config)
    given, wanted, weights = next(iter(found.dataset(lambda: (0, 0))))
    assert wanted.shape == (4, 16, 16) and (weights.numpy().sum(1) == round(0.6 * 16)).all()
    np.testing.assert_array_equal(given["masked"], weights.numpy() == 1)
    np.testing.assert_allclose(
        wanted[0, 0].numpy(), given["images"][0, :4, :4, 0].numpy().ravel() / 127.5 - 1, atol=1e-6
    )


def test_features_of_patches_are_their_formula():
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (3, 8, 9, 2)).astype(np.uint8)
    mean, matrix, centres = random.normal(size=72), random.normal(size=(72, 72)), random.normal(size=(4, 72))
    found = baselines.patch_features(pictures, (mean, matrix), centres)
    expected = np.zeros((3, 2, 2, 4))
    for number, top, left in np.ndindex(3, 3, 4):
        patch = pictures[number, top : top + 6, left : left + 6].astype(float).ravel()
        white = ((patch - patch.mean()) / np.sqrt(patch.var() + 10) - mean) @ matrix
        far = np.linalg.norm(white - centres, axis=1)
        # `array_split` gives the first half the middle row.
        expected[number, int(top >= 2), int(left >= 2)] += np.maximum(far.mean() - far, 0)
    np.testing.assert_allclose(found, expected.reshape(3, -1), rtol=1e-4, atol=1e-4)


def test_a_constant_is_chosen_on_the_labelled_examples():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.svm import SVC

    random = np.random.default_rng(0)
    inputs = random.normal(size=(60, 3))
    labels = (np.linalg.norm(inputs, axis=1) > 1.5).astype(int)
    found, told = baselines.chosen(lambda constant: SVC(C=constant), (1e-4, 30.0), inputs, labels, 0)
    assert told == {"C": 30.0} and found.score(inputs, labels) > 0.9
    # One example of a class leaves nothing to choose by.
    lone = np.array([0] * 59 + [1])
    assert baselines.chosen(lambda constant: SVC(C=constant), (1.0, 2.0, 3.0), inputs, lone, 0)[1] == {"C": 2.0}


def test_the_copy_of_a_net_for_gaps_tells_what_the_whole_tells():
    config = Config(task="mlm", features=8, num_layers=1, num_heads=2, max_tokens=32).complete()
    whole = model.compiled(config, (32,), 10, 21)
    net = model.net_of(whole, config, (32,), 21)
    ids = inputs_of("mlm")[:, :32]
    places = np.tile(np.array([[3, 0, 7]], np.int32), (8, 1))
    alone = np.asarray(net.predict_on_batch(ids))
    np.testing.assert_allclose(
        whole.predict_on_batch({"token_ids": ids, "places": places}),
        np.take_along_axis(alone, places[:, :, None], axis=1),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("train --data photos --task mae --crop 0.1", 2, "no meaning for `--task mae`: leave `--crop` out"),
        ("train --data photos --task rotation --flip both", 2, "`--flip` must be none for rotation"),
        ("train --data photos --task mae --features 30", 2, "`--features` must be a multiple of `--num-heads`, 4"),
        ("train --data photos --task clusters --epochs 3", 2, "`--rounds` must be at most the 3 epochs"),
        ("train --data photos --exclude photos --test-share 0.1", 2, "leave `--test-share` out"),
        ("train", 2, "Give the data with `--data PATH`."),
        ("finetune --run whole --labels 1", 2, "Give the data with `--data PATH`."),
        ("train --data none", 1, "`--data` must be there already"),
        ("train --data empty", 1, "`--data` must hold pictures"),
        ("finetune --run whole --data none --labels 1", 1, "`--data` must be there already"),
        ("finetune --run whole --data photos --test none --labels 1", 1, "`--test` must be there already"),
        ("train --data list.csv", 1, "`--data` must be a folder of pictures"),
        ("train --data list.csv --task mlm", 1, "`--text-column` must be a column of"),
        ("train --data empty --task wav2vec", 1, "`--data` must hold recordings"),
        ("evaluate --run none", 1, "There is no run in runs/pretrain/none"),
        ("finetune --run none --data photos --labels 1", 1, "There is no run in runs/pretrain/none"),
        ("finetune --run none --data photos", 2, "`--labels` or `--per-class`"),
        ("finetune --run none --data photos --labels 1.5", 2, "shares above 0 and at most 1"),
        ("finetune --run none --data photos --per-class 1,a", 2, "whole numbers at least 1"),
        ("finetune --run whole --data photos --labels 1 --rates a", 2, "`--rates` must be numbers above 0"),
        ("finetune --run whole --data photos --labels 1 --methods magic", 2, "Received: 'magic'"),
        ("export --run none", 1, "There is no run in runs/pretrain/none"),
        ("export --run whole --format onnx", 2, "`--format onnx` is not possible for pretrain"),
        ("predict none.png", 1, "none.png is not there"),
        ("predict photos --figure a.png", 2, "a text with [MASK]: leave `--figure` out"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(workshop, words, code, told):
    Path("empty").mkdir(exist_ok=True)
    Path("list.csv").write_text("file,label\na,1\nb,2\n")
    result = command("pretrain", *words.split(), code=code)
    assert told in " ".join(result.stderr.split())
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1


def test_a_test_may_be_of_one_class(tmp_path):
    write_pictures(tmp_path / "photos", 12, seed=0)
    write_pictures(tmp_path / "test", 12, seed=1)
    for name in ("bars", "square"):
        shutil.rmtree(tmp_path / "test" / name)
    tuning = Tuning(data=str(tmp_path / "photos"), test=str(tmp_path / "test"))
    train, test = data.read_labelled(Config(data=tuning.data, size=16), tuning, np.zeros((0, 16), np.uint8), 1)
    assert set(train.labels) == set(CLASSES) and test.labels == ["disc"] * 4


def test_labels_of_one_class_are_refused(workshop):
    shutil.copytree("labelled/disc", "single/disc")
    told = command("pretrain", "finetune", "--run", "whole", "--data", "single", "--labels", 1, *QUICK, code=1).stderr
    assert "two classes" in told


TINY = {
    "rotation": ("--width", 4, "--stages", 2),
    "clusters": ("--width", 4, "--stages", 2, "--rounds", 2, "--clusters", 4),
    "mae": ("--features", 16, "--num-layers", 1, "--num-heads", 2),
    "rbm": ("--units", 20),
    "autoencoder": ("--units", 20),
    "mlm": ("--features", 16, "--num-layers", 1, "--num-heads", 2, "--max-tokens", 32),
    "wav2vec": ("--features", 16, "--num-layers", 1, "--num-heads", 2, "--rate", 4000),
}
DRAWN = {"clusters": "clusters", "mae": "masked", "mlm": "gaps", "wav2vec": "codes", "rbm": "filters"}


def words_of(task):
    """The data of a task, and options for a small net."""
    if task in PICTURES:
        return write_pictures(Path("shapes"), 90, seed=2), ("--size", 16)
    if task == "mlm":
        return write_texts(Path("texts.csv"), 120, seed=0), ()
    return write_recordings(Path("sounds"), 40, seed=0), ("--group-pattern", r"(ann\d)_")


@pytest.mark.slow
@pytest.mark.parametrize("task", [task for task in TASKS if task != "simclr"])
def test_every_task_from_training_to_answers(workshop, task):
    place, options = words_of(task)
    command("pretrain", "train", "--task", task, "--data", place, "--run", task, "--epochs", 3, *options, *TINY[task])
    result = run_json("evaluate", "--run", task)
    assert result["examples"] > 2 and all(map(within, result["metrics"].values()))
    if task in DRAWN:
        assert any(Path(file).stem == DRAWN[task] for file in result["files"])
    pattern = options if task == "wav2vec" else ()
    methods = "fine-tuned,from scratch,linear probe,svm" + ",self-trained" * (task == "rotation")
    few = ("--labels", 1, "--methods", methods, *QUICK[:6], *pattern)
    table = run_json("finetune", "--run", task, "--data", place, *few)["table"]
    assert [row["method"] for row in table] == methods.split(",")
    assert {row["method"]: row["accuracy"]["value"] for row in table}["svm"] > 0.6
    command("pretrain", "export", "--run", task, "--models", f"models-{task}")
    model_options = ("--models", f"models-{task}")
    if task == "mlm":
        (row,) = run_json("predict", "the film good [MASK] plot a scene", *model_options)
        assert len(row["words"]) == 5 and row["words"][0][1] >= row["words"][4][1] > 0
        command("pretrain", "predict", "the film good [MASK] plot", *model_options, "--figure", "gap.png")
        assert Path("gap.png").stat().st_size > 1000
        (row,) = run_json("predict", "the film bad pain plot a scene", *model_options)
        assert row["label"] in ("n", "p")
        shown = loading.load(loading.find("pretrain", models=Path(f"models-{task}")))
        assert shown.call("fill", text=["no gap", "a [MASK]"])["gap"].tolist() == [False, True]
    else:
        rows = run_json("predict", place, *model_options)
        assert len(rows) == (40 if task == "wav2vec" else 90)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["simclr", "mlm", "wav2vec", "clusters", *LAYERWISE])
def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch, task):
    monkeypatch.chdir(tmp_path)
    place, options = words_of(task)
    words = ("--task", task, "--data", place, "--epochs", 40, *options, *TINY.get(task, TINY["rotation"]))
    folder = {"clusters": "round-1", **dict.fromkeys(LAYERWISE, "hidden_1")}.get(task, "net")
    stop_and_resume("pretrain", words, f"{folder}/history.csv")
    # The last stage, too.
    last = max(Path("runs/pretrain/steady").glob("*/history.csv"))
    assert last.read_text() == Path("runs/pretrain/stopped", *last.parts[-2:]).read_text()


def test_without_labels_a_saved_model_gives_features_alone(workshop):
    shutil.copytree("runs/pretrain/whole", "runs/pretrain/bare", ignore=shutil.ignore_patterns("finetuned"))
    command("pretrain", "export", "--run", "bare", "--models", "bare")
    told = command("pretrain", "predict", "labelled/disc", "--models", "bare", code=1).stderr
    assert "tells no classes: fine-tune its run" in told
    saved = loading.load(loading.find("pretrain", models=Path("bare")))
    assert set(saved.endpoints["serving_default"]["outputs"]) == {"features"}


def test_texts_are_told_apart_by_what_they_say():
    examples = data.Examples("texts", np.array(["A film", "a  film", "other"], object))
    assert len(splits.without(examples.digests())) == 2
