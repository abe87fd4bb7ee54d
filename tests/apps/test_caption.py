"""The caption application through its command line, on pictures and captions that the tests write."""

import csv
import itertools
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import forked
import keras
import numpy as np
import pytest
from commands import command, stop_and_resume, within
from PIL import Image

from kerasmlsp.apps.caption import baselines, data, evaluate, features, model, reinforce, variety
from kerasmlsp.apps.caption.config import ARCHITECTURES, Config, refined
from kerasmlsp.data import images, tfds
from kerasmlsp.exporting import loading

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 230), "white": (240, 240, 240)}
SHAPES = ("square", "bar", "frame")
SIDES = ("left", "right")
FORMS = (
    "A {colour} {shape} on the {side} .",
    "There is a {colour} {shape}, {side}.",
    "a {colour} {shape} at the {side}",
)
MEASURES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D", "words")
# The captions tell left from right.
TINY = ("--no-mirror", "--units", 48, "--image-size", 32, "--batch-size", 16, "--min-count", 1, "--max-words", 9)
TINY += ("--beams", 2)
SCRATCH = ("--encoder", "cnn", *TINY)


def picture(colour, shape, side, noise):
    pixels = np.full((40, 40, 3), 20, np.int64)
    begin = 2 if side == "left" else 22
    pixels[12:28, begin : begin + (16 if shape != "bar" else 5)] = COLOURS[colour]
    if shape == "frame":
        pixels[16:24, begin + 4 : begin + 12] = 20
    return np.clip(pixels + np.random.default_rng(noise).integers(-12, 13, pixels.shape), 0, 255).astype(np.uint8)


def scenes():
    """Pictures of all scenes, three of each, the last of some for validation and test."""
    for number, (colour, shape, side, copy) in enumerate(itertools.product(COLOURS, SHAPES, SIDES, range(3))):
        split = "train" if copy < 2 else ("val", "test")[number // 3 % 2]
        lines = [form.format(colour=colour, shape=shape, side=side) for form in FORMS]
        yield f"{colour}_{shape}_{side}_{copy}.png", picture(colour, shape, side, number), lines, split


def write_table(path, rows, header=("image", "caption", "split")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_data(folder):
    (folder / "images").mkdir(parents=True)
    rows = []
    for name, pixels, lines, split in scenes():
        Image.fromarray(pixels).save(folder / "images" / name)
        rows += [(name, line, split) for line in lines]
    write_table(folder / "captions.csv", rows)
    return rows


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with pictures and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_data(folder)
    command(
        "caption", "train", "--data", "captions.csv", "--run", "whole", "--epochs", 14, "--cache", "cache", *SCRATCH,
        "--num-layers", 1, "--learning-rate", 0.003, "--dropout", 0.1, "--weight-decay", 0, "--label-smoothing", 0.05,
    )  # fmt: skip
    command("caption", "evaluate", "--run", "whole")
    command("caption", "export", "--run", "whole", "--licence", "none", "--data-note", "squares of a test")
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def evaluated(workshop):
    return json.loads((workshop / "runs/caption/whole/evaluation/metrics.json").read_text())


def test_training_leaves_a_whole_run(workshop):
    config = json.loads((workshop / "runs/caption/whole/config.json").read_text())
    assert config["pictures"] == {"train": 48, "validation": 12, "test": 12} and config["captions"] == 144
    words = json.loads((workshop / "runs/caption/whole/vocabulary.json").read_text())
    assert set(words) == {*data.MARKS, *COLOURS, *SHAPES, *SIDES, "a", "on", "the", "there", "is", "at"}
    assert {"model.keras", "history.csv", "curves.png"} <= {each.name for each in Path("runs/caption/whole").iterdir()}


def test_captions_say_what_is_there(evaluated):
    metrics = evaluated["metrics"]
    assert list(metrics) == ["greedy", "beams of 2", "fixed sentence", "consensus of neighbours"]
    assert evaluated["pictures"] == 12 and evaluated["references"] == 36
    for measures in metrics.values():
        # These captions have no verb but "is".
        assert list(measures) == [*MEASURES, "distinct words", "new sentences", "nouns"]
        assert all(map(within, measures.values()))
    fixed = metrics["fixed sentence"]
    assert fixed["new sentences"]["value"] == 0 and fixed["distinct words"]["value"] < 8
    assert metrics["greedy"]["distinct words"]["value"] > fixed["distinct words"]["value"]
    assert metrics["greedy"]["nouns"]["value"] > fixed["nouns"]["value"]
    for name in ("greedy", "beams of 2"):
        assert metrics[name]["CIDEr-D"]["value"] > 2 * fixed["CIDEr-D"]["value"]
        assert metrics[name]["BLEU-4"]["value"] > fixed["BLEU-4"]["value"] + 20
    with open("runs/caption/whole/evaluation/captions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    right = [all(word in row["greedy"].split() for word in row["image"].split("_")[:3]) for row in rows]
    assert np.mean(right) > 0.7


def test_the_saved_model_captions_as_the_evaluation_did(workshop):
    with open("runs/caption/whole/evaluation/captions.csv", newline="") as file:
        expected = {row["image"]: row["beams of 2"] for row in csv.DictReader(file)}
    names = [f"images/{name}" for name in expected]
    rows = json.loads(command("caption", "predict", *names, "--json").stdout)
    assert [row["caption"] for row in rows] == list(expected.values())
    for row in rows:
        assert row["captions"][0] == row["caption"] and row["scores"] == sorted(row["scores"], reverse=True)
        assert [word for word, _ in row["attention"]] == row["caption"].split()
        maps = np.array([weights for _, weights in row["attention"]])
        assert maps.shape[1:] == (2, 2)
        np.testing.assert_allclose(maps.sum((1, 2)), 1, atol=1e-4)


def test_the_saved_model_takes_bytes_and_pictures_of_any_size(workshop):
    saved = loading.load(loading.find("caption"))
    file = Path("images/red_square_left_2.png").read_bytes()
    pixels = images.read_image("images/red_square_left_2.png")
    answers = saved.call("serving_bytes", encoded=[file] * 2), saved(images=pixels[None])
    assert answers[0]["captions"].shape == (2, 2)
    assert answers[0]["captions"][0, 0] == answers[1]["captions"][0, 0] != b""
    with pytest.raises(ValueError, match="refuses"):
        saved.call("serving_bytes", encoded=[file[:50]])


def test_predict_tells_what_it_left_out(workshop, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    Image.fromarray(picture("blue", "bar", "right", 1)).save(tmp_path / "good.png")
    result = command("caption", "predict", tmp_path, "--output", "out.csv", "--models", "saved_models")
    assert "blue bar" in result.stdout and "broken.jpg" in result.stderr
    with open("out.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["problem"]) for row in rows] == [False, True] and "blue bar" in rows[0]["caption"]
    told = command("caption", "predict", tmp_path / "good.png", "--figure", "why.png").stderr
    assert "The figure is in why.png." in told
    with Image.open("why.png") as figure:
        assert figure.width > 300


# The workshop trains a transformer.
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_trains_on_kept_features(workshop, architecture):
    words = ("--data", "captions.csv", "--architecture", architecture, "--run", architecture, "--epochs", 1, *TINY)
    options = ("--encoder-weights", "random", "--seed", 3, "--cache", "cache", "--json")
    result = json.loads(command("caption", "train", *words, *options).stdout)
    assert result["parameters"] > 1000 and result["best epoch"]["epoch"] == 1
    metrics = json.loads(command("caption", "evaluate", "--run", architecture, "--json").stdout)["metrics"]
    assert len(metrics) == 4
    attention = Path("runs/caption", architecture, "evaluation/attention_1.png")
    assert attention.exists() == (architecture != "lstm")


@pytest.mark.slow
def test_a_net_learns_from_its_own_captions(workshop):
    words = ("--data", "captions.csv", "--run", "first", "--epochs", 2, "--cache", "cache", *TINY)
    command("caption", "train", *words, "--encoder-weights", "random", "--learning-rate", 0.003)
    options = ("--epochs", 6, "--batch-size", 8, "--learning-rate", 0.002)
    command("caption", "refine", "--start", "first", "--run", "second", *options)
    with open("runs/caption/second/history.csv", newline="") as file:
        rewards = [float(row["reward"]) for row in csv.DictReader(file)]
    assert len(rewards) == 6 and rewards[-1] > 1.1 * rewards[0]
    command("caption", "evaluate", "--run", "second")
    config = json.loads(Path("runs/caption/second/config.json").read_text())
    assert config["start"] == os.path.abspath("runs/caption/first") and config["units"] == 48
    assert "kept as it is" in command("caption", "refine", "--start", "whole", "--run", "x", code=1).stderr


@pytest.mark.slow
def test_what_is_rewarded_gets_likely():
    config = Config(units=16, num_layers=1, dropout=0.0, learning_rate=0.02, max_words=5, warmup=0.0).complete()
    net = reinforce.SelfCritical(model.build(config, (4, 3), 9), lambda split, tokens, _: rewarded(tokens), 4, 5)
    net.compile(model.optimizer(config, 30))
    inputs = {"features": np.ones((8, 4, 3), "float32"), "picture": np.arange(8)}

    def rewarded(tokens):
        return (np.asarray(tokens) == 7).mean(1).astype("float32")

    first = net.train_on_batch(inputs, return_dict=True)["reward"]
    for _ in range(29):
        net.train_on_batch(inputs)
    assert first < 0.9 and net.test_on_batch(inputs, return_dict=True)["reward"] == 1


@pytest.mark.slow
def test_refining_that_was_stopped_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    config = refined(Config(units=16, num_layers=1, max_words=5, min_count=1), tmp_path, epochs=2, batch_size=4)
    random = np.random.default_rng(0)
    values, encoded = random.normal(size=(12, 4, 3)).astype("float32"), {}
    for split, rows in (("train", np.arange(8)), ("validation", np.arange(8, 12))):
        tokens = np.array([[data.START, *random.integers(4, 9, 3), data.STOP] for _ in rows])
        encoded[split] = data.Encoded(rows, tokens.ravel(), np.arange(0, tokens.size + 1, 5), 0)
    config = config.complete()
    start = model.build(config, (4, 3), 9)

    def fitted(run, resume=False):
        return reinforce.fit(config, tmp_path / run, encoded, values, values + 1, start, resume)

    whole, calls, rewarded = fitted("whole"), [], reinforce.Rewards.__call__

    def failing(self, *arguments):
        calls.append(arguments)
        if len(calls) > 4:  # in the second epoch: two batches of the first, and its validation, are over
            raise RuntimeError("stopped")
        return rewarded(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(reinforce.Rewards, "__call__", failing)
        with pytest.raises(Exception, match="stopped"):
            fitted("stopped")
    again = fitted("stopped", resume=True)
    for before, after in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_allclose(before, after, rtol=0, atol=1e-6)
    assert any(np.abs(before - first).max() > 1e-5 for before, first in zip(whole.weights, start.weights, strict=True))


def test_a_run_whose_data_changed_is_told(workshop, tmp_path):
    rows = write_data(tmp_path / "mine")
    shutil.copytree("runs/caption/whole", "runs/caption/mine")
    path = Path("runs/caption/mine/config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": str(tmp_path / "mine/captions.csv")}))
    write_table(tmp_path / "mine/captions.csv", rows[1:])
    assert "have changed" in command("caption", "evaluate", "--run", "mine", code=1).stderr
    # As another table, without the baselines that need the run's own training captions.
    write_table(tmp_path / "mine/few.csv", [row[:2] for row in rows[:9]], ("image", "caption"))
    other = command("caption", "evaluate", "--run", "mine", "--data", tmp_path / "mine/few.csv", "--json").stdout
    assert list(json.loads(other)["metrics"]) == ["greedy", "beams of 2"] and json.loads(other)["pictures"] == 3


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "missing.csv", "--run", "x"), 1, "missing.csv"),
        (("train", "--run", "x"), 2, "--data"),
        (("train", "--data", "captions.csv", "--images", "nowhere", "--run", "x"), 1, "nowhere"),
        (("train", "--data", "captions.csv", "--caption-column", "text", "--run", "x"), 1, "--caption-column"),
        (("train", "--data", "alone.csv", "--run", "x"), 1, "none of validation, test (1 missing image files)"),
        (("train", "--data", "captions.csv", "--min-count", "999", "--run", "x", *SCRATCH[:2]), 1, "--min-count"),
        (("train", "--data", "captions.csv", "--beams", "9", "--run", "x", *SCRATCH[:-2]), 1, "half of the 17 words"),
        (("train", "--data", "captions.csv", "--encoder", "nonsense", "--run", "x"), 1, "MobileNetV2"),
        (("train", "--data", "captions.csv", "--encoder-weights", "no.h5", "--run", "x"), 1, "no.h5"),
        (("train", "--data", "captions.csv", "--encoder-weights", "captions.csv", "--run", "x"), 1, "this net"),
        (("train", "--data", "captions.csv", "--architecture", "magic"), 2, "transformer"),
        (("train", "--data", "captions.csv", "--run", "whole"), 1, "--resume"),
        (("train", "--run", "whole", "--resume", "--epochs", "9"), 1, "epochs=14"),
        (("evaluate", "--run", "nothing"), 1, "no run"),
        (("evaluate", "--run", "whole", "--data", "a", "--dataset", "b"), 2, "--dataset"),
        (("export", "--run", "nothing"), 1, "no run"),
        (("predict", "nowhere.jpg"), 1, "nowhere.jpg is not there"),
        (("predict", "captions.csv"), 1, "must be a JPEG"),
        (("predict", "images", "--figure", "x.png"), 2, "just one"),
        (("predict", "images/red_bar_left_0.png", "--version", "9"), 1, "no version 9"),
        (("predict", "-"), 1, "stdin"),
    ],
)
def test_mistakes_are_told_in_one_sentence(workshop, words, code, told):
    write_table("alone.csv", [("red_bar_left_0.png", "a red bar", "train"), ("gone.png", "a bar", "test")])
    before = sorted(str(path) for path in Path("runs").rglob("*"))
    stderr = command("caption", *words, code=code).stderr
    assert told in stderr and "Traceback" not in stderr
    assert sorted(str(path) for path in Path("runs").rglob("*")) == before


def test_what_is_left_out_is_counted(tmp_path):
    rows = write_data(tmp_path)
    (tmp_path / "images/broken.png").write_bytes(b"\x89PNG no picture")
    (tmp_path / "images/copy.png").write_bytes((tmp_path / "images" / rows[-1][0]).read_bytes())
    assert rows[-1][2] == "test"
    odd = [
        (rows[0][0], " ... ", "train"),
        ("", "a caption without picture", "train"),
        ("gone.png", "what is not there", "train"),
        (rows[0][0], rows[0][1], "train"),
        (rows[-1][0], "a test picture in training", "train"),
        ("copy.png", "a copy of a test picture", "train"),
        ("broken.png", "what cannot be read", "train"),
        (rows[0][0], "of no split", "unused"),
    ]
    write_table(tmp_path / "captions.csv", rows + odd)
    table = data.read(Config(data=str(tmp_path / "captions.csv")))
    assert table.problems == {
        "captions without words": 1,
        "rows without picture": 1,
        "missing image files": 1,
        "repeated rows, which were kept": 1,
        "pictures named in several splits": 1,
        "copies of pictures of another split": 1,
        "captions of other splits": 1,
    }
    assert len(table.rows("train")) == 49 and len(table.rows("test")) == 12
    assert table.splits[table.names.index(rows[-1][0])] == "test" and "copy.png" not in table.names
    found = features.cached(table, None, 32, tmp_path / "cache")
    (broken,) = found.unreadable
    assert table.names[broken] == "broken.png" and found.values.shape == (73, 32, 32, 3)
    kept = data.without(table, [broken])
    assert "broken.png" not in kept.names and len(kept.names) == 72
    last = list(kept.read(32, [70, 71]))
    np.testing.assert_array_equal(last[1], images.read_image(tmp_path / "images" / kept.names[71], size=32))


def test_pictures_are_drawn_by_lot_where_no_split_is_named(tmp_path):
    rows = write_data(tmp_path)
    write_table(tmp_path / "captions.csv", [row[:2] for row in rows], ("image", "caption"))
    copy = rows[5][0]
    (tmp_path / "images/copy.png").write_bytes((tmp_path / "images" / copy).read_bytes())
    copies = [*(row[:2] for row in rows), ("copy.png", "the same picture")]
    write_table(tmp_path / "copies.csv", copies, ("image", "caption"))
    for seed in range(9):
        table = data.read(Config(data=str(tmp_path / "copies.csv"), seed=seed))
        assert table.splits[table.names.index("copy.png")] == table.splits[table.names.index(copy)]
    tables = [data.read(Config(data=str(tmp_path / "captions.csv"), seed=seed)) for seed in (0, 0, 1)]
    assert [len(tables[0].rows(split)) for split in ("train", "validation", "test")] == [58, 7, 7]
    assert tables[0].splits == tables[1].splits != tables[2].splits


def flickr(folder, style):
    """Writes pictures, and captions with commas and quotes as Kaggle or Flickr8k has them; returns the captions."""
    names = [name for name, *_ in scenes()][:9]
    lines = {name: [f'A "{name[:3]}" , and 2 more', f"{name[:3]}; one | two"] for name in names}
    pictures = folder / ("Images" if style == "kaggle" else "Flicker8k_Dataset/Flicker8k_Dataset")
    pictures.mkdir(parents=True)
    for number, name in enumerate(names):
        Image.fromarray(np.full((8, 8, 3), 20 * number, np.uint8)).save(pictures / name)
    if style == "kaggle":
        rows = [f"{name},{first}\n{name},{second}" for name, (first, second) in lines.items()]
        quoted = '"' + lines[names[0]][0].replace('"', '""') + '"'
        rows[0] = f"{names[0]},{quoted}\n{names[0]},{lines[names[0]][1]}"
        (folder / "captions.txt").write_text("\n".join(["image,caption", *rows]))
        return lines
    (folder / "Flickr8k_text").mkdir()
    rows = [f"{name}#{place}\t{line}" for name, both in lines.items() for place, line in enumerate(both)]
    for kind in ("", "lemma."):
        (folder / f"Flickr8k_text/Flickr8k.{kind}token.txt").write_text("\n".join([*rows, "gone.jpg.1#0\tA dog"]))
    for place, name in enumerate(("train", "dev", "test")):
        listed = [name for number, name in enumerate(names[:8]) if number % 4 == place]
        (folder / f"Flickr8k_text/Flickr_8k.{name}Images.txt").write_text("\n".join(listed))
    return lines


@pytest.mark.parametrize("place", ["", "captions.txt"])
def test_captions_of_kaggle_are_read(tmp_path, place):
    lines = flickr(tmp_path, "kaggle")
    table = data.read(Config(data=str(tmp_path / place)))
    assert dict(zip(table.names, table.captions, strict=True)) == lines
    assert {split: len(table.rows(split)) for split in set(table.splits)} == {"train": 7, "validation": 1, "test": 1}
    assert len(list(table.read(8, range(9)))) == 9


def test_a_split_may_be_the_first_column_of_lines(tmp_path):
    lines = flickr(tmp_path, "kaggle")
    path = tmp_path / "captions.txt"
    head, *rows = path.read_text().split("\n")
    path.write_text(
        "\n".join([f"split,{head}", *(f"{('train', 'val', 'test')[n // 2 % 3]},{r}" for n, r in enumerate(rows))])
    )
    table = data.read(Config(data=str(path)))
    assert dict(zip(table.names, table.captions, strict=True)) == lines
    assert table.splits == ["train", "validation", "test"] * 3


@pytest.mark.parametrize("place", ["", "Flickr8k_text", "Flickr8k_text/Flickr8k.token.txt"])
def test_the_files_of_flickr8k_are_read(tmp_path, place, caplog):
    lines = flickr(tmp_path, "original")
    for name in ("Flickr8k.token.txt", "Flickr_8k.trainImages.txt"):  # what macOS keeps beside them
        (tmp_path / "Flickr8k_text" / f"._{name}").write_bytes(b"\0\5\x16\7\xff")
    table = data.read(Config(data=str(tmp_path / place)))
    assert dict(zip(table.names, table.captions, strict=True)) == {
        name: lines[name] for number, name in enumerate(lines) if number % 4 < 3 and number < 8
    }
    assert table.splits == ["train", "validation", "test"] * 2
    assert table.problems == {"missing image files": 1, "captions of other splits": 6}
    assert f"not in {tmp_path / 'Flicker8k_Dataset/Flicker8k_Dataset'}, as gone.jpg.1" in caplog.text


def test_the_folder_that_was_searched_is_named(tmp_path):
    flickr(tmp_path, "kaggle")
    (tmp_path / "Images").rename(tmp_path.with_name("elsewhere"))
    with pytest.raises(
        ValueError, match=rf"--images\) must be the folder.*Received: {tmp_path}, .*none of them, such as"
    ):
        data.read(Config(data=str(tmp_path)))
    (tmp_path / "captions.txt").unlink()
    with pytest.raises(ValueError, match=r"captions\.csv, captions\.txt"):
        data.read(Config(data=str(tmp_path)))


def test_a_data_set_of_tfds_is_read_by_its_features(monkeypatch):
    import tensorflow as tf

    counts = {"train": 3, "val": 1, "restval": 1, "test": 2}
    pixels = np.arange(7 * 5 * 4 * 3, dtype=np.uint8).reshape(7, 5, 4, 3)

    def load(name, split, *, features=(), manual_dir=None):
        assert name == "coco_captions" and set(features) <= {"image", "captions"}
        begin = sum(count for each, count in counts.items() if list(counts).index(each) < list(counts).index(split))
        part = pixels[begin : begin + counts[split]]
        lines = [[f"{split} {i} says one", f"{split} {i} says two", " "] for i in range(len(part))]
        examples = tf.data.Dataset.from_tensor_slices({"image": part, "captions": {"text": lines}})
        return examples, SimpleNamespace(splits=dict(counts), full_name="coco_captions/2014:1.1.0")

    monkeypatch.setattr(tfds, "load_tfds", load)
    table = data.read(Config(dataset="coco_captions"))
    assert [len(table.rows(split)) for split in ("train", "validation", "test")] == [4, 1, 2]
    assert table.problems == {"captions without words": 7} and len(set(table.digests)) == 7
    assert table.captions[int(table.rows("validation")[0])] == ["val 0 says one", "val 0 says two"]
    found = list(data.without(table, [0]).read(8, [0, 5]))
    np.testing.assert_array_equal(found, [images.resize(pixels[1], 8), images.resize(pixels[6], 8)])


def test_features_are_computed_once_and_told_apart(tmp_path, monkeypatch):
    write_data(tmp_path)
    table = data.read(Config(data=str(tmp_path / "captions.csv")))
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    encoder = keras.Model(inputs, keras.layers.AveragePooling2D(8)(inputs), name="means")
    first = features.cached(table, encoder, 16, tmp_path / "cache")
    one = np.stack(list(table.read(16, [5]))).astype("float32")
    np.testing.assert_allclose(first.values[5], encoder(one)[0], atol=0.1)
    assert first.values.dtype == np.float16 and first.values.shape == (72, 2, 2, 3)
    mirrored = features.cached(table, encoder, 16, tmp_path / "cache", mirrored=True)
    np.testing.assert_allclose(mirrored.values, first.values[:, :, ::-1], atol=0.1)
    monkeypatch.setattr(features, "_compute", None)  # would fail if it were called again
    again = features.cached(table, encoder, 16, tmp_path / "cache")
    np.testing.assert_array_equal(first.values, again.values)
    prints = {features.fingerprint(table.digests, encoder, 16), features.fingerprint(table.digests, None, 16)}
    prints |= {features.fingerprint(table.digests, None, 17), features.fingerprint(table.digests[1:], encoder, 16)}
    assert len(prints) == 4


def test_several_processes_compute_the_same_features_once(tmp_path):
    write_data(tmp_path)
    # The script computes the features of pictures; the first to come is slow, so that others meet it.
    script = """
import logging, sys, time
from kerasmlsp.apps.caption import data, features
from kerasmlsp.apps.caption.config import Config
logging.basicConfig(level="INFO", format="%(message)s")
table = data.read(Config(data=sys.argv[1] + "/captions.csv"))
def slow(size, rows):
    for each in table.read(size, rows):
        time.sleep(0.03)
        yield each
features.cached(data.dataclasses.replace(table, read=slow), None, 16, sys.argv[1] + "/cache")
"""
    finished = [forked.start(forked.execute, script, str(tmp_path)) for _ in range(2)]
    processes = [each() for each in finished]
    told = "".join(process.stderr for process in processes)
    assert all(process.returncode == 0 for process in processes), told
    assert told.count("Computing the features") == 1
    table = data.read(Config(data=str(tmp_path / "captions.csv")))
    found = features.cached(table, None, 16, tmp_path / "cache")
    np.testing.assert_array_equal(found.values, list(table.read(16, range(72))))
    assert {file.suffix for file in (tmp_path / "cache").iterdir()} == {".npy", ".json"}


@pytest.mark.parametrize("damage", ["longer", "shorter", "another header", "no notes"])
def test_damaged_features_are_computed_again(tmp_path, caplog, damage):
    write_data(tmp_path)
    table = data.read(Config(data=str(tmp_path / "captions.csv")))
    found = features.cached(table, None, 16, tmp_path / "cache")
    whole, path = found.path.read_bytes(), found.path
    contents = {"longer": whole + bytes(768), "shorter": whole[:-768], "another header": b"x" + whole[1:]}
    path.write_bytes(contents.get(damage, whole))
    if damage == "no notes":
        path.with_suffix(".json").unlink()
    features.cached(table, None, 16, tmp_path / "cache")
    assert path.read_bytes() == whole and path.with_suffix(".json").read_text() == "{}"
    assert "are damaged: they are computed again" in caplog.text


def test_features_are_not_published_where_pictures_are_lacking(tmp_path):
    write_data(tmp_path)
    table = data.read(Config(data=str(tmp_path / "captions.csv")))
    fewer = data.dataclasses.replace(table, read=lambda size, rows: table.read(size, list(rows)[:-1]))
    with pytest.raises(ValueError, match="have changed while"):
        features.cached(fewer, None, 16, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npy")) and not list((tmp_path / "cache").glob(".*.npy"))


def test_half_of_the_pictures_are_seen_as_in_a_mirror():
    rows, shown = np.arange(400), np.zeros((400, 2), "float16")
    take = data.taker(shown, shown + 1, 5)
    flipped = take(rows, (3, 7)).numpy()[:, 0]
    assert set(flipped) == {0, 1} and 150 < flipped.sum() < 250
    np.testing.assert_array_equal(flipped, take(rows, (3, 7)).numpy()[:, 0])
    for other in (take(rows, (3, 8)), data.taker(shown, shown + 1, 6)(rows, (3, 7))):
        assert (flipped != other.numpy()[:, 0]).any()
    assert not data.taker(shown)(rows, (3, 7)).numpy().any()


def test_a_stopped_computation_of_features_goes_on(tmp_path, monkeypatch):
    write_data(tmp_path)
    table = data.read(Config(data=str(tmp_path / "captions.csv")))
    whole = np.array(features.cached(table, None, 16, tmp_path / "whole").values)
    asked = []

    def read(size, rows):
        asked.append(list(rows))
        for count, each in enumerate(table.read(size, rows)):
            if len(asked) == 1 and count == 50:
                raise KeyboardInterrupt
            yield each

    watched = data.dataclasses.replace(table, read=read)
    with pytest.raises(KeyboardInterrupt):
        features.cached(watched, None, 16, tmp_path / "parts")
    # What a kill leaves: a batch that is not whole.
    (partial,) = (tmp_path / "parts").glob(".*.npy")
    with open(partial, "ab") as file:
        file.write(b"half a row")
    np.testing.assert_array_equal(features.cached(watched, None, 16, tmp_path / "parts").values, whole)
    assert [rows[0] for rows in asked] == [0, 32]


def test_captions_become_tokens_and_unknown_words_weigh_nothing():
    table = data.Captioned(["b", "a"], [["Two dogs, RUNNING!", "..."], ["it's a zebra"]], ["train"] * 2, [], None, {})
    words = [*data.MARKS, "a", "dogs", "it's", "running", "two"]
    encoded = data.encode(table, "train", words, 4, np.array([7, 3]))
    assert encoded.pictures.tolist() == [7, 7, 3] and encoded.lengths.tolist() == [5, 2, 5] and encoded.cut == 0
    assert encoded.tokens.tolist() == [2, 8, 5, 7, 3, 2, 3, 2, 6, 4, 1, 3]
    values = np.arange(16, dtype=np.float16).reshape(8, 1, 2)
    inputs, targets, weights = data.loader(encoded, "features", data.taker(values))(np.array([2, 1]))
    assert inputs["token_ids"].numpy().tolist() == [[2, 6, 4, 1, 3, 0, 0], [2, 3, 0, 0, 0, 0, 0]]
    assert targets.numpy().tolist() == [[6, 4, 1, 3, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0]]
    assert weights.numpy().tolist() == [[1, 1, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(inputs["features"], [[[6, 7]], [[14, 15]]])
    assert data.encode(table, "train", words, 3, np.array([7, 3])).cut == 2
    assert data.normalised(["Two  dogs, RUNNING!", "...", "It's 3 o'clock"]) == [
        "two dogs running",
        "",
        "it's 3 o'clock",
    ]


def test_the_consensus_is_the_caption_most_like_those_of_the_neighbours():
    captions = [
        ["a dog runs", "the dog runs fast"],
        ["a dog runs fast", "a dog is there"],
        ["a boat", "one boat sails"],
    ]
    vectors = np.array([[1, 0.1], [1, 0], [0, 1]])
    assert baselines.consensus([[1, 0.05]], vectors, captions, neighbours=2) == ["a dog runs fast"]
    assert baselines.consensus([[0, 2]], vectors, captions, neighbours=1)[0] in captions[2]
    said = [["a b c d e", "a b c d f"], ["a b c d e"], ["x y z"]]
    assert baselines.fixed(said) == "a b c d e"


def test_greedy_captions_take_the_likeliest_word_that_is_allowed():
    keras.utils.set_random_seed(1)
    config = Config(architecture="attention", units=8).complete()
    captioner = model.build(config, (3, 5), 9)
    captioner.set_weights([weight * 3 for weight in captioner.get_weights()])
    seen = np.random.default_rng(0).normal(size=(6, 3, 5)).astype("float32")
    tokens, scores = model.search(captioner, seen, beams=1, length=5, length_penalty=0.0)
    for row in range(6):
        written, total = [data.START], 0.0
        while len(written) < 6 and written[-1] != data.STOP:
            logits = captioner({"features": seen[row : row + 1], "token_ids": np.array([written], "int32")})[
                0, -1
            ].numpy()
            logits[: data.STOP + (len(written) == 1)] = -1e9
            total += float(logits.max() - np.log(np.exp(logits - logits.max()).sum()) - logits.max())
            written.append(int(logits.argmax()))
        expected = written[1:] + [data.STOP] * (6 - len(written))
        assert tokens[row, 0].numpy().tolist() == expected
        assert float(scores[row, 0]) == pytest.approx(total, abs=1e-4)


def test_captions_find_their_picture_by_a_net_that_tells_pictures_apart():
    keras.utils.set_random_seed(1)
    words, config = [*data.MARKS, "red", "blue", "green"], Config(units=16, num_layers=1, dropout=0.0, max_words=4)
    judge = SimpleNamespace(
        captioner=model.build(config.complete(), (2, 3), len(words) + 2), words=words, config=config
    )
    pictures = np.eye(3, dtype="float32")[:, None] * np.ones((1, 2, 1), "float32")
    tokens = variety.tokens_of(["red red", "blue unheard blue", "green"], words, 4)
    assert tokens.tolist() == [[4, 4, 3, 3], [5, 5, 3, 3], [6, 3, 3, 3]]
    given = np.concatenate([np.full((3, 1), data.START), tokens[:, :-1]], axis=1)
    inputs = {"features": np.repeat(pictures, 3, axis=0), "token_ids": np.tile(given, (3, 1))}
    logits = np.array(model.allowed(judge.captioner(inputs), np.arange(4)[:, None]), "float64")
    shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    each = np.take_along_axis(shares, np.tile(tokens, (3, 1))[..., None], axis=-1)[..., 0]
    # The stop token counts, what is behind it does not.
    expected = [(each[row] * (np.arange(4) < [3, 3, 2][row % 3])).sum() for row in range(9)]
    found = variety.fits(judge, pictures, tokens)
    np.testing.assert_allclose(found, np.reshape(expected, (3, 3)).T, rtol=1e-4)
    lines = ["red", "blue", "green"]
    best = np.argmax(variety.fits(judge, pictures, variety.tokens_of(lines, words, 4)), axis=1)
    assert (variety.places(judge, pictures, lines) == 1).tolist() == (best == np.arange(3)).tolist()


def test_a_judge_of_another_encoder_is_refused(workshop):
    told = command("caption", "evaluate", "--run", "whole", "--judge", "whole", code=1).stderr
    assert "must see pictures by the encoder cnn, kept as it is" in told


def test_unknown_words_are_counted():
    assert evaluate.unknown_share([["a red cat", "a cat"], ["a dog"]], ["a", "red"]) == {"share": 3 / 7, "different": 2}


def test_an_application_of_keras_is_an_encoder(tmp_path):
    net = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3), alpha=1.0)
    net.save_weights(tmp_path / "mobile.weights.h5")
    config = Config(encoder="MobileNetV2", encoder_weights=str(tmp_path / "mobile.weights.h5"), image_size=32)
    encoder = model.build_encoder(config)
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    np.testing.assert_allclose(encoder(pixels), net(pixels / 127.5 - 1), atol=1e-4)
    assert model.regions(encoder).output_shape == (None, 1, 1280)


@pytest.mark.slow
def test_killed_training_is_resumed_by_the_command_it_names(workshop):
    words = ["--data", "captions.csv", "--epochs", "8", "--cache", "cache", *SCRATCH]
    stop_and_resume("caption", words, "history.csv")
