"""The pixelcnn application through its command line, on images that the tests write."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from commands import command, stop_and_resume, within
from PIL import Image

from kerasmlsp.apps import cli
from kerasmlsp.apps.pixelcnn import baselines, data, evaluate, generate
from kerasmlsp.exporting import loading

TINY = ("--size", 8, "--features", 6, "--hidden", 16, "--num-blocks", 1, "--batch-size", 8, "--validation-share", 0.1)


def stripes(count, seed=0):
    """Bright stripes that lie or stand, of several greys and places, uint8 `(2 * count, 8, 8)`, lying ones first."""
    random = np.random.default_rng(seed)
    drawn = np.zeros((2 * count, 8, 8), np.uint8)
    for number, image in enumerate(drawn):
        place, grey = random.integers(0, 7), random.integers(200, 256)
        (image if number < count else image.T)[place : place + 2] = grey
        image[random.integers(0, 8), random.integers(0, 8)] = random.integers(0, 256)
    return drawn


def write_folder(folder, count, colour="L"):
    for number, pixels in enumerate(stripes(count)):
        place = folder / ("standing" if number >= count else "lying")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).convert(colour).save(place / f"{number:03d}.png")


def run_json(*words):
    return json.loads(command("pixelcnn", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with images and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_folder(folder / "stripes", 60)
    (folder / "stripes/lying/broken.png").write_bytes(b"half of one")
    words = ("--data", "stripes", "--run", "whole", "--epochs", 4, "--learning-rate", 0.02, *TINY)
    told = command("pixelcnn", "train", *words).output
    (folder / "told.txt").write_text(told)
    command("pixelcnn", "evaluate", "--run", "whole", "--samples", 2)
    command("pixelcnn", "export", "--run", "whole", "--licence", "none", "--data-note", "stripes of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/pixelcnn/whole"
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["lying", "standing"] and config["image"] == [8, 8, 1]
    assert sum(config["images"].values()) + config["left_out"].get("copies of others", 0) == 120
    assert (
        config["left_out"]["of no format that is read"] == 1
        and "Left out 1 of 121" in (workshop / "told.txt").read_text()
    )
    assert {"model.keras", "history.csv", "curves.png"} <= set(os.listdir(run))


def test_evaluation_measures_bits_beside_simpler_means(workshop):
    found = json.loads((workshop / "runs/pixelcnn/whole/evaluation/metrics.json").read_text())
    rows = found["measures"]
    assert next(iter(rows)) == "net" and {"PNG, 100 images a file", "lossless WebP, 100 images a file"} < set(rows)
    net, place = (rows[name]["bits per dimension"] for name in ("net", "histogram of each place"))
    assert within(net) and net["value"] < place["value"] < 8
    assert rows["net"]["bits given that it is not 0"]["value"] > 0
    assert found["bits of the class per dimension"] == pytest.approx(1 / 64)
    for name in ("samples.png", "completed.png"):
        assert (workshop / "runs/pixelcnn/whole/evaluation" / name).stat().st_size > 0


def test_bits_are_those_of_the_net(workshop):
    net, config, _ = evaluate.load(Path("runs/pixelcnn/whole"))
    part = data.read(config).test[:5]
    found, others = evaluate.model.bits(net, part.pixels, part.labels)
    logits = np.asarray(net({"label": part.labels, "levels": part.pixels.astype("int32")}), "float64")
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log2(np.take_along_axis(shares, part.pixels[..., None].astype(int), -1)[..., 0])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_allclose(others, expected + np.log2(1 - shares[..., 0]), atol=1e-4)
    saved = loading.load(loading.find("pixelcnn"))
    label = [saved.card["classes"][each] for each in part.labels]
    score = saved.call("score", images=part.pixels, label=label)["bits"]
    np.testing.assert_allclose(score, expected.mean((1, 2, 3)), atol=1e-4)


def test_histograms_are_probabilities():
    random = np.random.default_rng(0)
    train, test = (random.integers(0, 3, (count, 4, 4, 1)).astype(np.uint8) for count in (300, 20))
    for measure in (baselines.place_histogram, baselines.neighbour_histogram):
        bits, others = measure(train, test)
        assert bits.shape == test.shape and bits.mean() == pytest.approx(np.log2(3), abs=0.35)
        # Of three levels alike, two are left where it is not 0.
        assert others[test > 0].mean() == pytest.approx(1, abs=0.35)
        every = np.zeros((256, 4, 4, 1), np.uint8)
        every[:, 3, 3, 0] = np.arange(256)
        assert (0.5 ** measure(train, every)[0][:, 3, 3, 0]).sum() == pytest.approx(1)
    alone, together = (baselines.file_bits(test, "PNG", together=count) for count in (1, 20))
    assert alone > 8 > together and baselines.file_bits(test, "WEBP", most=3) > 0


def test_the_same_seed_draws_the_same_image_in_any_batch(workshop):
    saved = loading.load(loading.find("pixelcnn"))
    # Of two batch sizes, since each is compiled.
    seeds, labels = np.arange(4), ["standing"] * 4
    together = saved(seed=seeds, label=labels)["image"]
    assert together.dtype == np.uint8 and together.shape == (4, 8, 8, 1)
    for seed in (0, 3):
        assert (saved(seed=[seed], label=["standing"])["image"][0] == together[seed]).all()
    assert len({image.tobytes() for image in together}) == 4
    assert saved(seed=[], label=[])["image"].shape == (0, 8, 8, 1)
    likeliest = generate.generate(saved, [1, 2], ["lying"] * 2, temperature=0.0)[0]
    assert (likeliest[0] == likeliest[1]).all()


def test_images_are_completed_below_what_is_given(workshop):
    whole = next(iter(sorted(Path("stripes/lying").glob("0*.png"))))
    with Image.open(whole) as picture:
        upper = np.asarray(picture)[:5]
    Image.fromarray(upper).save("top.png")
    words = ("--num", 3, "--label", "lying", "--seed", 7)
    result = run_json("complete", "--primer", "top.png", *words, "--output", "done", "--grid", "grid.png", "--scale", 2)
    assert [Path(path).name for path in result["files"]] == [f"{seed:010d}-lying.png" for seed in (7, 8, 9)]
    with Image.open(result["files"][0]) as image:
        assert image.size == (8, 8) and (np.asarray(image)[:5] == upper).all()
    again = run_json("complete", "--primer", whole, "--rows", 5, *words, "--output", "again")
    for first, second in zip(result["files"], again["files"], strict=True):
        assert Path(first).read_bytes() == Path(second).read_bytes()
    piped = CliRunner().invoke(
        cli.root, ["pixelcnn", "complete", "--primer", "-", "--grid", "piped.png"], input=Path("top.png").read_bytes()
    )
    assert piped.exit_code == 0 and Path("piped.png").stat().st_size > 0


def test_images_are_drawn_into_a_grid(workshop):
    result = run_json("generate", "--num", 3, "--grid", "three.png", "--columns", 3, "--scale", 1, "--top-k", 9)
    assert result["model"] == "saved_models/pixelcnn/1"
    with Image.open("three.png") as grid:
        assert grid.size == (3 * 10 + 2, 12)


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(workshop):
    stop_and_resume("pixelcnn", ["--data", "stripes", "--epochs", 12, *TINY], "history.csv")


@pytest.mark.slow
def test_colours_without_classes(workshop):
    folder = workshop / "coloured"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number, pixels in enumerate(stripes(20)):
        tinted = pixels[..., None] * np.array([1.0, 0.5, 0.2]) + random.integers(0, 9, (8, 8, 3))
        Image.fromarray(tinted.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
    command("pixelcnn", "train", "--data", "coloured", "--run", "coloured", "--epochs", 2, *TINY)
    found = run_json("evaluate", "--run", "coloured", "--samples", 2)
    assert found["bits of the class per dimension"] == 0
    command("pixelcnn", "export", "--run", "coloured", "--models", "others")
    result = run_json("generate", "--models", "others", "--num", 2, "--output", "colours")
    with Image.open(result["files"][0]) as image:
        assert image.mode == "RGB" and Path(image.filename).name == "0000000000.png"
    told = command("pixelcnn", "generate", "--models", "others", "--label", "red", "--grid", "x.png", code=1).stderr
    assert "`--label` must be left out" in told


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--run", "x"), 2, "Give the data with either"),
        (("train", "--data", "no", "--run", "x"), 1, "must be there already"),
        (("train", "--data", "empty", "--run", "x"), 1, "must hold pictures"),
        (("train", "--data", "stripes", "--size", 3, "--run", "x"), 2, "--size"),
        (("train", "--data", "stripes", "--run", "whole"), 1, "holds a run already"),
        (("evaluate", "--run", "no"), 1, "There is no run"),
        (("export", "--run", "whole", "--format", "onnx"), 2, "is not possible for pixelcnn"),
        (("generate",), 2, "Say where the images go"),
        (("generate", "--label", "round", "--grid", "x.png"), 1, "must be one of lying, standing"),
        (("generate", "--output", "x", "--columns", 2), 2, "in no grid"),
        (("generate", "--grid", "x.jpg"), 2, "must end in .png"),
        (("complete", "--primer", "no.png", "--grid", "x.png"), 1, "no.png is not there"),
        (("complete", "--primer", "text.png", "--grid", "x.png"), 1, "of a format that is read"),
        (("complete", "--primer", "wide.png", "--grid", "x.png"), 1, "8 pixels wide and at most 7 high"),
        (("complete", "--primer", "stripes/lying/000.png", "--grid", "x.png"), 1, "Received: 8 x 8"),
        (("complete", "--primer", "wide.png", "--rows", 8, "--grid", "x.png"), 1, "`--rows` must be from 1 to 7"),
    ],
)
def test_wrong_inputs_are_one_sentence_and_lose_nothing(workshop, words, code, told):
    Path("empty").mkdir(exist_ok=True)
    Path("text.png").write_text("no picture")
    Image.new("L", (20, 5)).save("wide.png")
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}
    result = CliRunner().invoke(cli.root, ["pixelcnn", *map(str, words)])
    assert result.exit_code == code and told in " ".join(result.stderr.split()), result.output
    assert "Traceback" not in result.output and not Path("x.png").exists()
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}


def test_changed_images_are_told(workshop):
    extra = Path("stripes/lying/extra.png")
    Image.new("L", (8, 8), 77).save(extra)
    try:
        assert "have changed since" in command("pixelcnn", "evaluate", "--run", "whole", code=1).stderr
    finally:
        extra.unlink()


def test_the_card_says_what_was_measured(workshop):
    card = json.loads(Path("saved_models/pixelcnn/1/card.json").read_text())
    assert "bits per dimension, net" in card["metrics"] and card["size_bytes"] < 5e6
    assert card["classes"] == ["lying", "standing"] and "data" not in card["training"]
