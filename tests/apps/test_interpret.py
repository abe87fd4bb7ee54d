"""`kerasmlsp interpret` and `kerasmlsp imagenet` on small networks and on pictures that the tests write."""

import csv
import dataclasses
import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from commands import command
from PIL import Image

from kerasmlsp.apps import cli, options
from kerasmlsp.apps.gesture.config import Config

NAMES = ("dark", "red", "blue")


def network():
    """Classes by the mean colour: nothing, red, blue."""
    keras.utils.set_random_seed(0)
    images = keras.Input((16, 16, 3), name="images")
    maps = keras.layers.Rescaling(1 / 255, name="scaled")(images)
    maps = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="maps")(maps)
    shares = keras.layers.Dense(3, "softmax", name="classes")(keras.layers.GlobalAveragePooling2D(name="pooled")(maps))
    model = keras.Model(images, shares)
    kernel = 0.01 * model.get_layer("maps").get_weights()[0]
    kernel[1, 1] += np.eye(3)
    model.get_layer("maps").set_weights([kernel, np.zeros(3)])
    weights = np.array([[0.0, 9, -9], [0, 0, 0], [0, -9, 9]])
    model.get_layer("classes").set_weights([weights, np.array([1.0, 0, 0])])
    return model


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A user's folder: pictures by class, a bad one, a network as a file and as a run of gesture."""
    path = tmp_path_factory.mktemp("interpret")
    before = Path.cwd()
    os.chdir(path)
    random = np.random.default_rng(0)
    for number, colour in enumerate(((20, 20, 20), (190, 40, 30), (40, 30, 180))):
        place = path / "photos" / NAMES[number]
        place.mkdir(parents=True)
        for copy in range(2):
            pixels = np.clip(np.array(colour) + random.normal(0, 12, (20, 30, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{copy}.png")
    (path / "bad.png").write_bytes(b"\x89PNG broken")
    Image.new("L", (11_000, 9_200)).save(path / "huge.png")
    (path / "names.txt").write_text("\n".join(NAMES))
    model = network()
    model.save(path / "net.keras")
    run = path / "runs/gesture/mine"
    run.mkdir(parents=True)
    model.save(run / "model.keras")
    config = {**dataclasses.asdict(Config(data="photos")), "kind": "images", "classes": NAMES}
    (run / "config.json").write_text(json.dumps(config))
    yield path
    os.chdir(before)


def run(*words, model="mine", code=0):
    return command("interpret", *words, "--model", model, code=code)


def run_json(*words, **options):
    return json.loads(run(*words, "--json", **options).stdout)


def height(name):
    with Image.open(name) as picture:
        return picture.height


def test_layers_are_listed_with_what_they_see():
    rows = {row["layer"]: row for row in run_json("layers")}
    assert list(rows) == ["scaled", "maps", "pooled", "classes"]
    assert rows["maps"] == {"layer": "maps", "output": "16 x 16 x 3", "sees": "3 x 3"}


@pytest.mark.parametrize("method", ["smooth", "integrated", "guided"])
def test_saliency_is_drawn_of_every_picture(method):
    rows = run_json("saliency", "photos/red", "photos/blue/1.png", "--method", method, "--output", "why.png")
    assert [row["label"] for row in rows] == ["red", "red", "blue"] and height("why.png") > 800


def test_other_classes_and_files_are_explained():
    options = ("--class-names", "names.txt", "--class", "BLUE", "--output", "cam.png")
    told = run("cam", "photos/red/0.png", *options, model="net.keras")
    assert "red" in told.stdout and "The figure is in cam.png." in told.stderr and height("cam.png") > 200
    with open("photos/red/0.png", "rb") as picture:
        piped = CliRunner().invoke(cli.root, ["interpret", "cam", "-", "--model", "mine"], input=picture.read())
    assert piped.exit_code == 0 and "red" in piped.stdout


def test_maps_and_filters_are_drawn():
    facts = run_json("maps", "photos/red/0.png", "--layer", "maps", "--count", 2)
    assert (facts["maps"], facts["drawn"], facts["rows"]) == (3, 2, 16) and height("maps.png") > 200
    assert run_json("filters") == {"filters": 3, "drawn": 3, "height": 3, "width": 3, "channels": 3}
    assert height("filters.png") > 200


def test_the_receptive_field_is_told_and_drawn():
    facts = run_json("receptive", "--layer", "maps")
    assert facts["by kernels and strides"][0] == {"along": "rows", "sees": 3, "first": -1, "last": 1, "stride": 1}
    assert (facts["rows moved"], facts["columns moved"]) == (3, 3) and height("receptive.png") > 200
    run("receptive", "photos/red/0.png", "--layer", "maps")


def test_pictures_are_made_that_excite_a_class_or_a_map():
    rows = run_json("maximise", "--class", "blue", "--class", "1", "--steps", 30, "--jitter", 1, "--smoothness", 0.5)
    assert [(row["excited"], row["seen as"]) for row in rows] == [("blue", "blue"), ("red", "red")]
    assert len(run_json("maximise", "--layer", "maps", "--steps", 2)) == 3 and height("maximise.png") > 200


def test_a_picture_is_made_again_from_layers():
    photo = "photos/red/0.png"
    layers = ("--layer", "scaled", "--layer", "pooled")
    near, far = run_json("reconstruct", photo, *layers, "--steps", 40)
    assert near["layer"] == "scaled" and 0 <= near["relative distance"] < 0.2 and far["layer"] == "pooled"
    (back,) = run_json("reconstruct", photo, "--layer", "maps", "--method", "guided")
    assert 0 < back["pixels that count"] <= 9 / 256 and height("reconstruct.png") > 200


def test_what_the_error_depends_on_is_measured():
    rows = run_json("sensitivity", "photos", "--labels", "folders")
    assert [row["pruned"] for row in rows] == [0, 0.25, 0.5, 0.75, 0.9] and rows[0]["least sensitive"] == 1
    assert height("sensitivity.png") > 200 and height("sensitivity_map.png") > 200


@pytest.mark.parametrize("method", ["fgsm", "pgd", "deepfool"])
def test_pictures_are_changed_until_they_fool(method):
    options = () if method == "deepfool" else ("--epsilon", 120)
    words = ("photos/red", "photos/blue", "--method", method, "--labels", "folders", *options)
    result = run_json("fool", *words, "--rates", "rates.png", "--table", "all.csv")
    assert (result["pictures"], result["left out, wrong beforehand"]) == (4, 0)
    assert result["success rate"] > 0.5 and result["mean L2 of those, of 255"] > 0
    assert all(row["largest"] <= 120.01 or method == "deepfool" for row in result["each"])
    shares = [row["fooled"] for row in result["success by epsilon"]]
    assert shares == sorted(shares) or method == "pgd"
    with open("all.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["true"] for row in rows] == ["red"] * 2 + ["blue"] * 2
    assert height("fool.png") > 1000 and height("rates.png") > 200


def test_rates_are_drawn_where_nothing_is_fooled():
    words = ("photos/red", "--method", "deepfool", "--steps", 1, "--rates", "none.png")
    network_of_one = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.GlobalAveragePooling2D()])
    network_of_one.add(keras.layers.Dense(3, "softmax", kernel_initializer="zeros", bias_initializer="zeros"))
    network_of_one.layers[-1].set_weights([np.zeros((3, 3)), np.array([0.0, 9, 0])])
    network_of_one.save("one.keras")  # whatever it sees, it says red
    told = json.loads(run("fool", *words, "--json", model="one.keras").stdout)
    assert (told["fooled"], told["success by epsilon"]) == (0, []) and height("none.png") > 200


def test_wrong_pictures_are_left_out_and_targets_aimed_at():
    Path("wrong/red").mkdir(parents=True)
    Path("wrong/red/0.png").write_bytes(Path("photos/blue/0.png").read_bytes())
    words = ("wrong", "photos/red/0.png", "--labels", "folders", "--epsilon", 150, "--target", "blue")
    told = run("fool", *words).stdout
    assert "left out, wrong beforehand  1" in told
    refused = run("fool", "wrong", "--labels", "folders", code=1)
    assert "must leave a picture that is answered rightly" in refused.stderr


def test_methods_are_judged_beside_edges_and_chance():
    rows = {row["method"]: row for row in run_json("judge", "photos/red")}
    assert {"gradient", "cam", "edges", "random"} < set(rows) and rows["edges"]["same when randomised"] == 1
    assert all(0 <= row["insertion"] <= 1 and 0 <= row["deletion"] <= 1 for row in rows.values())


def test_pictures_that_cannot_be_read_are_left_out():
    told = run("cam", "photos/red/0.png", "bad.png", "huge.png", code=1)
    assert "Left out 2 of 3" in told.stderr and "red" in told.stdout
    assert "million pixels" in run("cam", "huge.png", code=1).stderr


REFUSED = [
    ("cam photos --model none", "`--model` must be imagenet, a run of gesture or a .keras file. Received: none"),
    ("cam photos --model none.keras", "none.keras"),
    ("cam photos --model words.keras", "`--model` must take pictures, grey or in colour, of a known size"),
    ("cam photos --model net.keras --class-names short.txt", "`--class-names` must name 3 classes. Received: 1"),
    ("cam nothing --model mine", "nothing is not there"),
    ("cam photos --model mine --class green", "`--class` must be a class of the network, such as dark, red, blue"),
    ("cam photos --model mine --layer pooled", "`--layer` must be one with maps: scaled, maps. Received"),
    ("maps photos/red/0.png --model mine --layer other", "`--layer` must be one of the model's: scaled, maps"),
    ("maps photos/red/0.png --model mine --layer pooled", "`--layer` must be one with maps"),
    ("filters --model mine --layer pooled", "`--layer` must be a convolution of images: maps. Received"),
    ("maximise --model mine --layer maps --unit 3", "must be numbers from 0 to 2. Received: [3]"),
    ("fool photos --model mine --labels files", "begin with the WordNet id of its class"),
    ("fool photos --model mine --output none/a.png", "`--output` must be in a folder that is there already"),
]


@pytest.mark.parametrize(("words", "told"), REFUSED)
def test_failures_are_one_sentence_and_leave_no_figure(words, told, folder):
    Path("short.txt").write_text("one")
    if "words.keras" in words and not Path("words.keras").exists():
        tokens = keras.Input((4,), dtype="int32")
        keras.Model(tokens, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Embedding(5, 2)(tokens)))).save(
            "words.keras"
        )
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    result = command("interpret", *words.split(), code=1)
    assert told in result.stderr and len(result.stderr.strip().splitlines()) <= 2, result.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*.png")} == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("cam photos --class-names names.txt", "leave `--class-names` out"),
        ("cam photos --model net.keras --box 1 0", "must be from low to high"),
        ("cam photos --model net.keras --box 0 nan", "is not a finite number"),
        ("fool photos --method deepfool --epsilon 3", "leave `--epsilon` out"),
        ("fool photos --steps 3", "leave `--steps` out"),
        ("maximise", "Give either `--class` or `--layer`"),
        ("maximise --class a --unit 3", "leave `--unit` out"),
        ("saliency photos --seed 3", "leave `--seed` out"),
        ("saliency photos --output a.jpg", "must end in .png"),
    ],
)
def test_options_that_do_not_apply_are_wrong_usage(words, told):
    assert told in command("interpret", *words.split(), code=2).stderr


@pytest.fixture
def classifier(monkeypatch):
    """1000 classes at random, in place of weights that need not be installed."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input((224, 224, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 9, 8)]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1000, "softmax")]
    model = keras.Sequential(layers)
    monkeypatch.setattr(options, "load_imagenet", lambda: model)
    return model


def test_photographs_are_classified(classifier):
    rows = json.loads(command("imagenet", "classify", "photos", "--top", 3, "--json").stdout)
    shares = [each["probability"] for each in rows[0]["top"]]
    assert len(rows) == 6 and len(shares) == 3 and shares == sorted(shares, reverse=True)
    assert rows[0]["label"] == rows[0]["top"][0]["label"] and rows[0]["top"][0]["wnid"].startswith("n0")
    words = ("photos/red/0.png", "bad.png", "--output", "labels.csv", "--explain")
    told = command("imagenet", "classify", *words, code=1)
    assert "Left out 1 of 2" in told.stderr and "The figure is in imagenet.png." in told.stderr
    with open("labels.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert first["label_5"] and 0 < float(first["p_1"]) < 1 and not first["problem"]
    assert second["file"] == "bad.png" and second["problem"] and height("imagenet.png") > 200
    with open("photos/red/0.png", "rb") as picture:
        piped = CliRunner().invoke(cli.root, ["imagenet", "classify", "-"], input=picture.read())
    assert piped.exit_code == 0 and rows[4]["label"] in piped.stdout


def test_photographs_that_cannot_be_read_are_refused(classifier):
    assert "million pixels" in command("imagenet", "classify", "huge.png", code=1).stderr
    assert "is not there" in command("imagenet", "classify", "missing.png", code=1).stderr


def test_interpretation_of_the_network_of_imagenet(classifier):
    """The square in the middle is what is shown, and files may tell their class."""
    Image.open("photos/red/0.png").save("n01440764_tench.png")
    result = run_json("fool", "n01440764_tench.png", "--epsilon", 0.5, model="imagenet")
    assert result["pictures"] == 1
    refused = run("fool", "n01440764_tench.png", "--labels", "files", model="imagenet", code=1)
    assert "must leave a picture that is answered rightly" in refused.stderr
