"""The gesture application through its command line, on pictures and numbers that the tests write."""

import csv
import dataclasses
import io
import json
import os
import re
import shutil
from pathlib import Path

import click.testing
import numpy as np
import pytest
from commands import command, stop_and_resume, within
from PIL import Image

from kerasmlsp import classification
from kerasmlsp.apps import cli
from kerasmlsp.apps.gesture import data, evaluate, model, predict
from kerasmlsp.apps.gesture.config import ARCHITECTURES, Config
from kerasmlsp.data import images
from kerasmlsp.exporting import converting, loading

CLASSES = ("disc", "ring", "square")
PLAIN = ("--rotation", 0, "--zoom", 0, "--shift", 0, "--brightness", 0.1, "--contrast", 0, "--saturation", 0)
QUICK = ("--image-size", 32, "--learning-rate", 0.005, "--ema", 0, *PLAIN)


def picture(kind, random, size=40):
    """A shape of any colour somewhere on a darker ground."""
    grid = np.mgrid[:size, :size] - random.integers(15, 26, 2)[:, None, None]
    distance = np.abs(grid).max(0) if kind == "square" else np.hypot(*grid)
    shape = (distance < 11) & ~((kind == "ring") & (distance < 6))
    pixels = random.integers(0, 60, (size, size, 3))
    pixels[shape] = random.integers(140, 255, 3)
    return Image.fromarray(pixels.astype(np.uint8))


def write_pictures(folder, persons, seed):
    """Every person shows all classes in turn, and the pictures are numbered."""
    random, number = np.random.default_rng(seed), 100
    for _ in range(persons):
        for kind in CLASSES:
            (folder / kind).mkdir(parents=True, exist_ok=True)
            picture(kind, random).save(folder / kind / f"IMG_{number}.png")
            number += 1
    return folder


def write_numbers(path, points, rows, seed=0):
    """Points in a direction that depends on the class."""
    random = np.random.default_rng(seed)
    with open(path, "w", newline="") as file:
        for index in range(rows):
            angles = 2.1 * (index % 3) + random.normal(0, 0.3, points)
            reach = np.linspace(0, 1, points)
            values = np.stack([reach * np.cos(angles), reach * np.sin(angles)], 1).ravel()
            csv.writer(file).writerow([index % 3, *values.round(5)])
    return path


def run_json(*words):
    return json.loads(command("gesture", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with pictures and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_pictures(folder / "photos", 24, seed=0)
    write_pictures(folder / "test", 8, seed=1)
    (folder / "photos" / "ring" / "IMG_999.png").write_bytes(b"\x89PNG broken")
    command("augment", "backgrounds", "--output", "walls", "--count", 40, "--size", 32)
    options = ("--rounds", "--epochs", 14, "--background", "walls", *QUICK)
    command("gesture", "train", "--data", "photos", "--run", "whole", *options)
    measured = run_json("evaluate", "--run", "whole", "--data", "test", "--background", "walls")
    (folder / "measured.json").write_text(json.dumps(measured))
    command("gesture", "export", "--run", "whole", "--licence", "none", "--data-note", "shapes of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/gesture/whole"
    assert {"config.json", "model.keras", "net"} <= {each.name for each in run.iterdir()}
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == list(CLASSES) and config["kind"] == "images" and config["trained"] == "resnet"
    assert (config["examples"], config["left_out"], config["groups"]) == (72, {"of no format that is read": 1}, 24)
    assert config["backgrounds"] == 40 and Path(config["background"]) == workshop / "walls"
    # Whole persons are held out.
    assert config["held_out"] in (6, 9)


def test_evaluation_on_other_pictures_measures_and_draws(workshop):
    result = run_json("evaluate", "--run", "whole", "--data", "test")
    for values in result["metrics"].values():
        assert within(values)
    assert result["metrics"]["accuracy"]["value"] > 0.8 and result["examples"] == 24
    assert {name: each["examples"] for name, each in result["classes"].items()} == dict.fromkeys(CLASSES, 8)
    for file in result["files"]:
        assert Path(file).stat().st_size > 0


def test_a_test_of_one_class_is_measured(workshop):
    shutil.copytree("test/ring", "single/ring")
    result = run_json("evaluate", "--run", "whole", "--data", "single")
    assert result["metrics"]["accuracy"]["value"] > 0.6 and "1 class" in result["not measured"]["auc"]


def test_evaluation_measures_other_light_and_what_is_unknown(workshop):
    result = json.loads((workshop / "measured.json").read_text())
    measured = result["metrics"]
    assert {"accuracy in grey", "accuracy before the background pictures", "above 0.9 of background"} < set(measured)
    # Shapes look the same in a mirror, and light makes no difference.
    assert all(measured[f"accuracy {name}"]["value"] > 0.8 for name in ("in a mirror", "in the dark (x 0.3)"))
    assert measured["sure of background"]["value"] < measured["sure"]["value"]
    kept = json.loads(Path("runs/gesture/whole/threshold.json").read_text())
    assert result["reject_below"] == kept["threshold"] and kept["answers"] in (6 * 8, 9 * 8)
    assert kept["coverage"] >= 0.99 and 0.5 < kept["accuracy"] <= 1
    card = json.loads(Path("saved_models/gesture/1/card.json").read_text())
    assert card["reject_below"] == kept and "background" not in card["training"]
    assert card["metrics"] == measured and "40 background pictures" in card["evaluated"]
    assert "right and left hands" in card["limits"] and "40 pictures of none of the classes" in card["limits"]
    shown = command("gesture", "evaluate", "--run", "whole", "--data", "test").stdout
    assert "accuracy in grey" in shown and "unsure below" in shown


# The steps of such a training are those of tests/interpret.
@pytest.mark.slow
def test_a_net_trains_on_adversarial_pictures_and_is_measured_under_attack(workshop):
    options = ("--architecture", "lenet", "--epochs", 1, "--adversarial", 4, *QUICK)
    command("gesture", "train", "--data", "photos", "--run", "firm", *options)
    measured = run_json("evaluate", "--run", "firm", "--data", "test")["metrics"]
    assert 0 <= measured["accuracy under FGSM of 4"]["value"] <= measured["accuracy"]["value"]
    told = command("gesture", "train", "--data", "photos", "--run", "firmer", "--adversarial", -1, code=2)
    assert "'--adversarial'" in told.stderr


def test_what_is_below_the_threshold_is_unsure(workshop):
    threshold = json.loads(Path("runs/gesture/whole/threshold.json").read_text())["threshold"]
    rows = run_json("predict", "test", "walls")
    assert {row["unsure"] for row in rows} == {True, False}
    assert [row["unsure"] for row in rows] == [row["confidence"] < threshold for row in rows]
    saved = loading.load(loading.find("gesture"))
    pictures = np.stack([images.read_image(row["file"], size=32) for row in rows[::8]])
    assert saved(images=pictures)["unsure"].tolist() == [row["unsure"] for row in rows[::8]]
    assert "unsure" in command("gesture", "predict", "test/disc/IMG_100.png").stdout
    told = {share: run_json("predict", "test", "--reject-below", share) for share in (0, 1)}
    assert {row["unsure"] for row in told[0]} == {False} and {row["unsure"] for row in told[1]} == {True}


def test_a_picture_that_shows_nothing_is_unsure(workshop):
    Image.new("RGB", (1, 1), (200, 30, 30)).save("pixel.png")
    Image.new("RGB", (300, 200), (200, 30, 30)).save("plain.png")
    noise = np.random.default_rng(0).integers(0, 256, (7, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save("low.png")
    for row in run_json("predict", "pixel.png", "plain.png", "low.png", "--reject-below", "0"):
        assert row["unsure"] is True and row["confidence"] == 0
    saved = loading.load(loading.find("gesture"))
    files = [Path(name).read_bytes() for name in ("pixel.png", "plain.png", "low.png")]
    assert saved.call("serving_bytes", encoded=files)["confidence"].tolist() == [0, 0, 0]


def test_a_batch_has_other_backgrounds_and_pictures_of_no_class():
    walls = np.stack([np.full((32, 32, 3), shade, np.uint8) for shade in (10, 20)])
    pictures = np.full((8, 32, 32, 3), 200, np.uint8)
    pictures[:, 14:26, 8:24] = (150, 90, 60)
    examples = data.Examples("images", pictures, ["a", "b"] * 4)
    targets, weights = classification.one_hot(examples.labels, ["a", "b"]), np.arange(8, dtype="float32")

    def batch(config, epoch=0):
        batches = data.training_batches(examples, targets, weights, config, walls)
        return [value.numpy() for value in next(iter(batches.dataset(lambda: (epoch, 0))))]

    config = Config(batch_size=8, backdrop=0.999, background_share=0.5)
    found, wanted, counts = batch(config)
    assert found.shape == (13, 32, 32, 3) and sorted(counts[:8]) == list(range(8))
    np.testing.assert_array_equal(found[:8, 16:24, 10:22], pictures[:, 16:24, 10:22])
    assert not (found[:8, 0] == 200).all(axis=(1, 2)).any()
    # A target goes with its weight: every second example is of "b".
    np.testing.assert_array_equal(wanted[:8, 1], counts[:8] % 2)
    assert (wanted[8:] == 0.5).all() and (counts[8:] == 1).all()
    assert set(np.unique(found[8:12])) <= {10, 20}
    # The last is the first in four pieces: the same pixels elsewhere.
    assert (found[12] != found[0]).any()
    np.testing.assert_array_equal(np.sort(found[12], axis=None), np.sort(found[0], axis=None))
    np.testing.assert_array_equal(batch(config)[0], found)
    assert (batch(config, epoch=1)[0] != found).any()
    plain = batch(Config(batch_size=8, backdrop=0.0, background_share=0.0))
    np.testing.assert_array_equal(plain[0][:8], pictures)


def test_light_makes_no_difference_to_a_net():
    net = model.build("resnet", Config(image_size=32), (32, 32, 3), 3)
    pictures = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3)).astype("float32")
    told = net.predict(pictures, verbose=0)
    for light in (0.3, np.array([1, 0.7, 0.5], "float32")):
        np.testing.assert_allclose(net.predict(pictures * light, verbose=0), told, atol=1e-4)


def test_pictures_of_no_class_are_right_where_no_class_stands_out():
    targets = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0.25] * 4, [0.25] * 4], "float32")
    answers = np.array([[0.4, 0.3, 0.2, 0.1], [0, 1, 0, 0], [0.6, 0.2, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1]], "float32")
    assert np.array(model.accuracy(targets, answers)).tolist() == [1, 0, 1, 0]


def test_evaluation_without_data_is_of_what_was_held_out(workshop):
    shutil.copytree("runs/gesture/whole", "runs/gesture/held")
    result = run_json("evaluate", "--run", "held")
    held_out = json.loads(Path("runs/gesture/held/config.json").read_text())["held_out"]
    assert result["examples"] == held_out and "selected" in result["on"]


@pytest.mark.slow
def test_cross_validation_keeps_persons_together_and_is_taken_up(workshop):
    options = ("--data", "photos", "--rounds", "--epochs", 1, "--validation-share", 0)
    command("gesture", "train", *options, "--run", "folds", *QUICK)
    result = run_json("evaluate", "--run", "folds", "--folds", 2)
    assert len(result["folds"]) == 2 and result["examples"] == 72 and "persons" in result["on"]
    again = run_json("evaluate", "--run", "folds", "--folds", 2)
    assert again["folds"] == result["folds"]
    assert "held out nothing" in command("gesture", "evaluate", "--run", "folds", code=1).stderr


def test_predict_answers_files_folders_and_bytes(workshop, monkeypatch):
    files = sorted(Path("test/disc").iterdir())
    rows = run_json("predict", files[0], "test/square")
    assert [row["file"] for row in rows] == [str(files[0]), *map(str, sorted(Path("test/square").iterdir()))]
    assert np.mean([row["label"] for row in rows] == np.array(["disc", *["square"] * 8])) > 0.7
    for row in rows:
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert row["confidence"] == max(row["probabilities"].values())
    words = ["gesture", "predict", "-", "--json"]
    result = click.testing.CliRunner().invoke(cli.root, words, input=files[0].read_bytes())
    assert result.exit_code == 0, result.output
    (alone,) = json.loads(result.stdout)
    assert alone["file"] == "-" and alone["probabilities"] == pytest.approx(rows[0]["probabilities"], abs=1e-5)
    empty = click.testing.CliRunner().invoke(cli.root, words, input=b"")
    assert empty.exit_code == 1 and "stdin" in empty.stderr


def test_predict_leaves_out_what_it_cannot_read(workshop):
    result = command("gesture", "predict", "photos/ring", "--output", "labels.csv")
    assert "IMG_999.png" in result.stderr and "Left out" in result.stderr
    with open("labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 25 and set(rows[0]) == {"file", "label", "unsure", "p_disc", "p_ring", "p_square", "problem"}
    assert {row["unsure"] for row in rows} <= {"yes", "no", ""}
    assert [row["file"] for row in rows if row["problem"]] == ["photos/ring/IMG_999.png"]
    assert "Left out 1 of 25: 1 of no format that is read." in result.stderr
    # A file that was named and cannot be read is a failure, after the others were answered.
    named = command("gesture", "predict", "photos/ring/IMG_999.png", "test/disc/IMG_100.png", code=1)
    assert "IMG_100.png" in named.stdout and "Left out 1 of 2: 1 of no format that is read." in named.stderr
    assert "IMG_999.png" in command("gesture", "predict", "photos/ring/IMG_999.png", code=1).stderr


def test_many_answers_are_summed_up(workshop):
    told = command("gesture", "predict", "photos").stdout
    assert "IMG_100" not in told and "written by `--output FILE`" in told and len(told.splitlines()) < 10
    rows = run_json("predict", "photos")
    assert len(rows) == 73
    assert re.search(r"^unsure +(\d+)$", told, re.MULTILINE)[1] == str(sum(row.get("unsure", 0) for row in rows))


def test_predict_explains_with_a_figure(workshop):
    command("gesture", "predict", "test/disc/IMG_100.png", "test/ring/IMG_101.png", "--explain", "--figure", "why.png")
    with Image.open("why.png") as figure:
        assert min(figure.size) > 200
    assert Path("runs/gesture/whole/curves.png").exists()
    told = command("gesture", "predict", "test/disc/IMG_100.png", "--explain").stderr
    assert "The figure is in grad_cam.png." in told
    assert Path("grad_cam.png").stat().st_size > 1000
    model = loading.load(loading.find("gesture"))
    rows, _ = predict.predict_pictures(model, ["test/disc/IMG_100.png"], explain=True)
    assert rows[0]["heat"].ndim == 2 and rows[0]["heat"].max() == pytest.approx(1, abs=1e-5)


def encoded(image, format):
    stream = io.BytesIO()
    image.save(stream, format)
    return stream.getvalue()


def test_the_saved_model_takes_pixels_of_any_size_and_bytes_of_files(workshop):
    model = loading.load(loading.find("gesture"))
    image = picture("square", np.random.default_rng(5)).resize((80, 80))
    pixels = np.asarray(image)
    default = model(images=pixels[None])
    files = model.call("serving_bytes", encoded=[encoded(image, format) for format in ("PNG", "BMP", "GIF")])
    np.testing.assert_allclose(files["probabilities"][:2], np.repeat(default["probabilities"], 2, 0), atol=1e-4)
    assert files["label"].tolist() == [default["label"][0]] * 3
    # Pictures that the command stretches itself differ by the rounding of pixels only.
    (row,), _ = predict.predict_pictures(model, [encoded(image, "PNG")])
    assert list(row["probabilities"].values()) == pytest.approx(default["probabilities"][0].tolist(), abs=0.02)
    with pytest.raises(ValueError, match="refuses its inputs"):
        model.call("serving_bytes", encoded=[b"no picture"])


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_the_net_becomes_a_file_for_uint8_pictures(workshop, format):
    for package in converting._CONVERTERS[format][1]:
        pytest.importorskip(package, reason=f"{package} is not installed")
    file = Path("net.onnx" if format == "onnx" else "net.tflite")
    command("gesture", "export", "--run", "whole", "--format", format, "--output", file)
    facts = json.loads(Path(f"{file}.json").read_text())
    assert facts["classes"] == list(CLASSES) and facts["image_size"] == 32 and facts["reject_below"]["threshold"] > 0
    pixels = images.read_image("test/disc/IMG_100.png", size=32)[None]
    answer = converting._CONVERTERS[format][3](file)({"images": pixels})
    expected = loading.load(loading.find("gesture"))(images=pixels)["probabilities"]
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-4)


def test_a_table_of_paths_is_as_good_as_a_folder(workshop):
    rows = [[f"photos/{kind}/{file.name}", kind] for kind in CLASSES for file in sorted(Path("photos", kind).iterdir())]
    with open("list.csv", "w", newline="") as file:
        csv.writer(file).writerows([["file", "sign"], *rows])
    config = Config(image_size=32, path_column="file", label_column="sign", group_pattern=r"IMG_(\d)")
    table, folder = data.read(config, "list.csv"), data.read(Config(image_size=32, rounds=True), "photos")
    assert table.fingerprint() == folder.fingerprint() and len(np.unique(folder.groups)) == 24
    assert table.left_out == {"of no format that is read": 1} and len(np.unique(table.groups)) == 1


def test_a_run_is_loaded_by_the_path_of_its_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run"):
        evaluate.load(tmp_path)


def test_copies_of_pictures_are_left_out(tmp_path, caplog):
    random = np.random.default_rng(0)
    for place, kind in enumerate(("disc", "ring")):
        (tmp_path / kind).mkdir()
        for number in range(place, 12, 2):
            picture(kind, random).save(tmp_path / kind / f"{number}.png")
        shutil.copy(tmp_path / kind / f"{place}.png", tmp_path / kind / f"copy of {place}.png")
    shutil.copytree(tmp_path / "ring", tmp_path / "__MACOSX" / "ring")
    shutil.copytree(tmp_path / "ring", tmp_path / "ring" / ".thumbnails")
    config = Config(image_size=32, rounds=True, validation_share=0.5)
    with caplog.at_level("WARNING", "kerasmlsp"):
        found = data.read(config, tmp_path)
    assert found.labels == ["disc"] * 6 + ["ring"] * 6 and len(found.groups) == 12
    assert "Left out 2 of 14 pictures" in caplog.text
    chosen, held_out = data.split(found, dataclasses.replace(config, rounds=False))
    pixels = [{found.inputs[i].tobytes() for i in part} for part in (chosen, held_out)]
    assert len(pixels[0]) + len(pixels[1]) == 12 and not pixels[0] & pixels[1]


def test_numbers_of_other_countries_are_read(tmp_path, caplog):
    values = np.round(np.random.default_rng(0).normal(0, 0.3, (4, 32)), 3)
    rows = ["a;" + ";".join(map(str, row)).replace(".", ",") for row in values]
    (tmp_path / "paths.csv").write_text("\n".join([*rows[:2], *(row.replace("a", "b", 1) for row in rows[2:])]) + "\n")
    with caplog.at_level("INFO", "kerasmlsp"):
        found = data.read(Config(), tmp_path / "paths.csv")
    assert found.kind == "history" and found.labels == ["a", "a", "b", "b"]
    assert found.inputs.reshape(4, 32) == pytest.approx(values, abs=1e-6) and "Took semicolons" in caplog.text


def test_an_image_data_set_of_tfds_is_read(workshop, monkeypatch):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    pixels = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1)).astype(np.uint8)
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(shape=(28, 28, 1)), "label": tfds.features.ClassLabel(names=["a", "b"])}
    )
    rows = tf.data.Dataset.from_tensor_slices({"image": pixels, "label": np.arange(6) % 2})
    info = type("Info", (), {"features": features})
    monkeypatch.setattr(data.tfds, "load_tfds", lambda *_, **__: (rows, info))
    found = data.read(Config(image_size=16), dataset="anything")
    assert found.inputs.shape == (6, 16, 16, 3) and found.labels == ["a", "b"] * 3


@pytest.mark.parametrize(("kind", "points"), [("landmarks", 21), pytest.param("history", 16, marks=pytest.mark.slow)])
def test_numbers_are_trained_on_evaluated_and_predicted(workshop, kind, points):
    write_numbers(f"{kind}.csv", points, 120)
    write_numbers(f"{kind}-test.csv", points, 30, seed=1)
    Path("names.txt").write_text("\ufeffzero\none\ntwo\n", encoding="utf-8")
    for architecture in ARCHITECTURES[kind]:
        name = f"{kind}-{architecture}"
        options = ("--architecture", architecture, "--epochs", 8, "--run", name, "--ema", 0)
        result = run_json("train", "--data", f"{kind}.csv", "--class-names", "names.txt", *options)
        assert result["examples"] == 120 and result["held out"] == 12
        assert run_json("evaluate", "--run", name, "--data", f"{kind}-test.csv")["metrics"]["accuracy"]["value"] > 0.9
    command("gesture", "export", "--run", name, "--models", f"{kind}-models")
    rows = run_json("predict", f"{kind}-test.csv", "--models", f"{kind}-models")
    right = [row["label"] == ("zero", "one", "two")[i % 3] for i, row in enumerate(rows)]
    assert len(rows) == 30 and np.mean(right) > 0.9 and rows[1]["file"] == f"{kind}-test.csv:2"
    card = json.loads(Path(f"{kind}-models/gesture/1/card.json").read_text())
    assert card["classes"] == ["one", "two", "zero"] and list(card["endpoints"]) == ["serving_default"]
    told = command("gesture", "predict", f"{kind}-test.csv", "--models", f"{kind}-models", "--explain", code=1).stderr
    assert "takes numbers" in told


def test_folds_of_runs_of_neighbours(workshop):
    write_numbers("film.csv", 21, 90)
    examples = data.read(Config(), "film.csv")
    config = Config(holdout_blocks=2)
    fold_of = data.folds(examples, 3, config)
    codes = np.array(examples.labels)
    for code in set(codes):
        changes = np.flatnonzero(np.diff(fold_of[codes == code]))
        assert len(changes) <= 5 and len(np.unique(fold_of[codes == code])) > 1
    chosen, held_out = data.split(examples, config)
    assert len(held_out) == 9 and not set(chosen) & set(held_out)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "missing", "--run", "x"), 1, "missing"),
        (("train", "--run", "x"), 2, "--data"),
        (("train", "--data", "photos", "--run", "whole"), 1, "--resume"),
        (("train", "--run", "whole", "--resume", "--epochs", "9"), 1, "epochs=14"),
        (("train", "--run", "nothing", "--resume"), 1, "no run"),
        (("train", "--data", "photos", "--architecture", "magic"), 2, "resnet"),
        (("train", "--data", "photos", "--architecture", "mlp", "--run", "x"), 1, "efficientnet for images"),
        (("train", "--data", "photos", "--input", "landmarks", "--run", "x"), 1, "the data are images"),
        (("train", "--data", "photos", "--group-pattern", "(", "--run", "x"), 2, "regular expression"),
        (("train", "--data", "photos", "--group-pattern", r"person(\d)", "--run", "x"), 1, "must match every path"),
        (("train", "--data", "photos", "--group-pattern", r"person(\d)|o", "--run", "x"), 1, "must match every path"),
        (("train", "--data", "photos", "--group-pattern", r"(\d)", "--rounds", "--run", "x"), 2, "either"),
        (("train", "--data", "photos/ring", "--run", "x"), 1, "one folder of pictures per class"),
        (("train", "--data", "bad/empty", "--run", "x"), 1, "must hold pictures"),
        (("train", "--data", "bad/one", "--run", "x"), 1, "two classes"),
        (("train", "--data", "bad/short.csv", "--run", "x"), 1, "42 numbers (landmarks)"),
        (("train", "--data", "bad/ragged.csv", "--run", "x"), 1, "Row 2"),
        (("train", "--data", "photos", "--background", "bad/empty", "--run", "x"), 1, "must hold pictures"),
        (("train", "--data", "numbers.csv", "--background", "walls", "--run", "x"), 1, "for pictures"),
        (("evaluate", "--run", "whole", "--folds", "2", "--background", "walls"), 2, "leave `--background` out"),
        (("train", "--data", "bad/ragged.csv", "--image-size", "8", "--run", "x"), 2, "--image-size"),
        (("evaluate", "--run", "nothing"), 1, "no run"),
        (("evaluate", "--run", "whole", "--data", "bad/other"), 1, "star"),
        (("evaluate", "--run", "whole", "--data", "test", "--folds", "3"), 2, "leave `--data` out"),
        (("train", "--data", "bad/marks.csv", "--rotation", "5", "--rounds", "--run", "x"), 1, "leave --rounds, --rot"),
        (("evaluate", "--run", "whole", "--folds", "999"), 1, "24 groups"),
        (("export", "--run", "nothing"), 1, "no run"),
        (("predict",), 2, "FILE"),
        (("predict", "missing.png"), 1, "missing.png"),
        (("predict", "bad/empty"), 1, "must hold pictures"),
        (("predict", "test", "--version", "9"), 1, "version 9"),
        (("predict", "bad/huge.png"), 1, "million pixels"),
        (("predict", "test", "--output", "nowhere/out.csv"), 1, "`--output` must be in a folder"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_sentence(workshop, words, code, told):
    if not Path("bad").exists():
        for name in ("empty/a", "one/a", "other/disc", "other/star"):
            Path("bad", name).mkdir(parents=True)
        for name in ("one/a", "other/disc"):
            shutil.copy("test/disc/IMG_100.png", Path("bad", name))
        shutil.copy("test/ring/IMG_101.png", "bad/other/star")
        Path("bad/short.csv").write_text(",".join(["1"] * 30) + "\n")
        Path("bad/ragged.csv").write_text("a," + ",".join(["1"] * 42) + "\nb," + ",".join(["1"] * 41) + ",x\n")
        Path("bad/marks.csv").write_text("".join(f"{row % 2}," + ",".join(["1"] * 42) + "\n" for row in range(40)))
        Image.new("1", (10_000, 10_000)).save("bad/huge.png")
        write_numbers("numbers.csv", 21, 30)
    before = sorted(Path().rglob("*"))
    result = command("gesture", *words, code=code)
    assert told in result.stderr and "Traceback" not in result.stderr and result.stdout == ""
    assert sorted(Path().rglob("*")) == before


def test_changed_pictures_are_no_longer_the_runs_own(workshop):
    shutil.copytree("photos", "mine")
    shutil.copytree("runs/gesture/whole", "runs/gesture/mine")
    path = Path("runs/gesture/mine/config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": str(workshop / "mine")}))
    picture("disc", np.random.default_rng(9)).save("mine/disc/IMG_100.png")
    assert "have changed" in command("gesture", "evaluate", "--run", "mine", code=1).stderr


@pytest.mark.parametrize("values", [{"input": "sound"}, {"architecture": "magic"}, {"validation_share": 1.0}])
def test_configuration_is_checked(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        Config(**values)


def test_augment_preview_draws_a_contact_sheet(workshop):
    words = ("augment", "preview", "test/disc/IMG_100.png", "--output", "sheet.png", "--count", 8)
    command(*words, "--flip", "both", "--noise", 8)
    first = Path("sheet.png").read_bytes()
    command(*words, "--flip", "both", "--noise", 8)
    assert Path("sheet.png").read_bytes() == first
    command(*words, "--rand-augment", 0.6)
    assert Path("sheet.png").read_bytes() != first
    assert "missing.png" in command("augment", "preview", "missing.png", "--output", "sheet.png", code=1).stderr


def test_made_backgrounds_follow_from_the_seed_and_leave_a_folder_alone(workshop):
    Path("rooms").mkdir()
    Path("rooms/mine.txt").write_text("kept")
    told = command("augment", "backgrounds", "--output", "rooms", "--count", 2, code=1).stderr
    assert "already there" in told and [path.name for path in Path("rooms").iterdir()] == ["mine.txt"]
    command("augment", "backgrounds", "--output", "others", "--count", 2, "--size", 32)
    for path in sorted(Path("others").iterdir()):
        assert path.read_bytes() == Path("walls", path.name).read_bytes()


@pytest.mark.slow
def test_lenet_trains_and_explains(workshop):
    command("gesture", "train", "--data", "photos", "--architecture", "lenet", "--run", "lenet", "--epochs", 2, *QUICK)
    command("gesture", "export", "--run", "lenet", "--models", "lenet-models")
    command("gesture", "predict", "test/disc", "--models", "lenet-models", "--explain", "--figure", "lenet.png")
    assert Path("lenet.png").stat().st_size > 1000


@pytest.mark.slow
def test_killed_training_is_resumed_by_the_command_it_names(workshop):
    words = ["--data", "photos", "--epochs", "8", "--image-size", "32", "--batch-size", "8"]
    stop_and_resume("gesture", words, "net/history.csv")
