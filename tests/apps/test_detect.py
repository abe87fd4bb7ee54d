"""The detect application through its command line, on pictures and boxes that the tests write."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from commands import command, stop_and_resume, within
from PIL import Image

from kerasmlsp.apps import cli
from kerasmlsp.apps.detect import baselines, data, evaluate, model
from kerasmlsp.apps.detect.config import Config
from kerasmlsp.data import images
from kerasmlsp.exporting import loading
from kerasmlsp.targets import boxes as targets

pytest.importorskip("pycocotools", reason="the extra detect is not installed")

WIDTH, HEIGHT = 80, 60
OFF = ("--zoom", 0, "--crop", 0, "--brightness", 0, "--contrast", 0, "--saturation", 0, "--ema", 0)
QUICK = ("--image-size", 64, "--width", 4, "--num-scales", 2, "--learning-rate", 0.01, *OFF)


def scene(random):
    """Dark cells and small red platelets on a bright ground, and their boxes."""
    pixels = np.full((HEIGHT, WIDTH, 3), 220.0)
    things = []
    for place in random.permutation(6)[: random.integers(2, 5)]:
        left, top = 4 + 26 * (place % 3), 4 + 28 * (place // 3)
        kind = random.integers(2)
        size = (20, 9)[kind] + random.integers(-2, 3)
        left, top = left + random.integers(0, 4), top + random.integers(0, 4)
        pixels[top : top + size, left : left + size] = ((60, 60, 120), (200, 40, 40))[kind]
        things.append((("cell", "platelet")[kind], left, top, left + size, top + size))
    return np.clip(pixels + random.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8), things


def write(folder, table, count, seed):
    random, rows = np.random.default_rng(seed), []
    folder.mkdir(exist_ok=True)
    for number in range(count):
        pixels, things = scene(random)
        name = folder / f"{'ab'[number % 2]}{number:02}.png"
        Image.fromarray(pixels).save(name)
        rows += [(f"{folder.name}/{name.name}", *thing) for thing in things]
    with open(table, "w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "xmin", "ymin", "xmax", "ymax"), *rows])


def run_json(*words):
    return json.loads(command("detect", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with pictures and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write(folder / "pictures", folder / "train.csv", 48, seed=0)
    write(folder / "test", folder / "test.csv", 8, seed=1)
    (folder / "pictures/broken.png").write_bytes(b"\x89PNG broken")
    with open("train.csv", "a") as file:
        file.write("pictures/broken.png,cell,1,1,9,9\npictures/a00.png,cell,900,1,950,9\n")
    words = ("--data", "train.csv", "--run", "whole", "--epochs", 12, "--flip", "both", *QUICK)
    told = command("detect", "train", *words)
    (folder / "told.txt").write_text(told.output)
    (folder / "measured.json").write_text(json.dumps(run_json("evaluate", "--run", "whole", "--data", "test.csv")))
    command("detect", "export", "--run", "whole", "--licence", "none", "--data-note", "scenes of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/detect/whole"
    names = {"config.json", "model.keras", "net", "curves.png", "threshold.json", "blobs.json"}
    assert names <= {each.name for each in run.iterdir()}
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["cell", "platelet"] and (config["examples"], config["held_out"]) == (48, 7)
    assert config["left_out"] == {"of no format that is read": 1} and config["dropped"] == {
        "outside of their picture": 1
    }
    small, large = config["starts"]["scales"]
    assert 0.1 < small < 0.17 and 0.26 < large < 0.36  # of 9 and 20 pixels
    told = (workshop / "told.txt").read_text()
    assert "Left out 1 of 49 pictures" in told and "Left out 1 of " in told.partition("pictures")[2]
    assert "val_map50" in (run / "net/history.csv").read_text().splitlines()[0]


def test_evaluation_measures_and_draws(workshop):
    result = json.loads((workshop / "measured.json").read_text())
    assert all(within(values) for values in result["metrics"].values())
    assert result["metrics"]["mAP50"]["value"] > 0.5 and set(result["metrics"]) == {"mAP50", "AP", "AP75"}
    mean = np.mean([each["AP50"] for each in result["classes"].values()])
    assert result["metrics"]["mAP50"]["value"] == pytest.approx(mean, abs=1e-6)  # ours is pycocotools'
    assert result["beside"]["blob detector"]["value"] > 0.8  # what it was made for
    assert all(Path(file).stat().st_size > 0 for file in result["files"])
    shown = command("detect", "evaluate", "--run", "whole").stdout
    assert "held-out pictures" in shown and "mAP50: blob detector" in shown


def test_a_class_that_the_run_does_not_know_is_refused(workshop):
    Path("other.csv").write_text("path,label,xmin,ymin,xmax,ymax\ntest/a00.png,star,1,1,9,9\n")
    failed = command("detect", "evaluate", "--run", "whole", "--data", "other.csv", code=1)
    assert "The run knows the labels cell, platelet. Received: star" in failed.output


def test_targets_move_with_their_pictures(workshop):
    config = Config(data="train.csv", image_size=64, num_scales=2, flip="both", seed=3).complete()
    examples = data.read(config)
    classes, chosen = data.classes_of(examples), data.chosen_starts(examples, ["cell", "platelet"], config)
    anchors = data.starts(config, chosen)
    load = data.training_batches(examples, classes, anchors, config, model.augmentation(config)).load
    (first, wanted), (again, _), (other, _) = (load(np.arange(8), key) for key in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1 and wanted.shape == (8, len(anchors), 5)
    for pixels, target in zip(np.asarray(first), np.asarray(wanted), strict=True):
        found = targets.decode(target[:, 1:], anchors)
        for (left, top, right, bottom), kind in zip(np.asarray(found) * 64, target[:, 0], strict=True):
            if kind:
                middle = pixels[int((top + bottom) / 2), int((left + right) / 2)]
                # Cells are blue, platelets red.
                assert (middle[2] > middle[0]) == (kind == 1)


def test_what_is_left_of_a_box_at_the_edge_is_no_target():
    config = Config(image_size=64)
    anchors = targets.anchors((64, 64, 3), num_stages=3, scales=(0.2,))
    slivers = np.array([[[0.0, 0.0, 0.01, 0.5], [0.2, 0.2, 0.5, 0.5]]])
    wanted = data.matched(slivers, np.array([[0, 1]]), anchors, config)
    assert set(np.unique(wanted[..., 0])) == {0, 2}


def test_regions_hang_together_by_their_sides():
    rows = ["##..#", ".#..#", "###..", "....#", "#.###"]
    found = baselines.regions(np.array([[each == "#" for each in row] for row in rows]))
    assert sorted((*box.astype(int).tolist(), area) for box, area in found) == [
        (0, 0, 3, 3, 6), (0, 4, 1, 5, 1), (2, 3, 5, 5, 4), (4, 0, 5, 2, 2)
    ]  # fmt: skip
    assert baselines.regions(np.zeros((3, 3), bool)) == []


def test_the_threshold_is_the_one_of_least_variance():
    values = np.random.default_rng(0).permutation(np.repeat([40, 60, 200, 210], [30, 30, 10, 20])).reshape(9, 10)

    def within_both(least):
        low, high = values[values <= least], values[values > least]
        return low.var() * len(low) + high.var() * len(high)

    found = baselines.otsu(values)
    assert within_both(found) == pytest.approx(min(within_both(least) for least in range(40, 210)))


def test_the_saved_model_finds_boxes_in_pictures_of_any_size_and_files(workshop):
    saved = loading.load(loading.find("detect"))
    path = Path("test/a00.png")
    pixels = images.read_image(path)
    answer = saved(images=pixels[None])
    assert set(answer) == {"boxes", "labels", "scores"} and answer["boxes"].shape == (1, 100, 4)
    sure = answer["scores"][0] > 0
    assert set(answer["labels"][0][sure]) <= {b"cell", b"platelet"} and set(answer["labels"][0][~sure]) <= {b""}
    assert (np.diff(answer["scores"][0]) <= 0).all()
    net, config, stored = evaluate.load(Path("runs/detect/whole"))
    small = images.read_image(path, size=64)[None]
    anchors, size = data.starts(config, stored["starts"]), np.array([[WIDTH, HEIGHT]])
    (own,) = model.found(net, small, anchors, size, config.max_overlap)
    best = answer["boxes"][0][:2] * [WIDTH, HEIGHT, WIDTH, HEIGHT]
    np.testing.assert_allclose(best, own["boxes"][:2], atol=0.5)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.NEAREST).save(stream, "BMP")
    packed = saved.call("serving_bytes", encoded=[path.read_bytes(), stream.getvalue()])
    np.testing.assert_allclose(packed["boxes"][0, :2], answer["boxes"][0, :2], atol=1e-3)
    np.testing.assert_allclose(packed["boxes"][1, 0], answer["boxes"][0, 0], atol=0.03)
    assert saved.card["classes"] == ["cell", "platelet"] and saved.card["size_bytes"] < 5e6
    assert "8 pictures (data given)" in saved.card["evaluated"] and "mAP50 of a blob detector" in saved.card["metrics"]


def test_predict_takes_files_folders_and_stdin(workshop):
    words = ["detect", "predict", "test", "train.csv", "--output", "things.csv", "--figure", "boxes.png"]
    result = CliRunner().invoke(cli.root, words)
    assert result.exit_code == 1 and "train.csv" in result.stderr  # it is no picture
    with Image.open("boxes.png") as figure:
        assert min(figure.size) > 300
    with open("things.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["path"] for row in rows}) == 8 and {row["label"] for row in rows} <= {"cell", "platelet", ""}
    assert data.read(Config(image_size=64), "things.csv").names[0].endswith("a00.png")
    stdin = Path("test/a00.png").read_bytes()
    piped = CliRunner().invoke(cli.root, ["detect", "predict", "-", "--json", "--min-score", "0"], input=stdin)
    (row,) = json.loads(piped.stdout)
    assert row["file"] == "-" and row["model"] == "saved_models/detect/1" and len(row["things"]) > 1
    left, top, right, bottom = row["things"][0]["box"]
    assert 0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT
    assert "nothing" in command("detect", "predict", "test/a00.png", "--min-score", 1).stdout


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(workshop):
    words = ["--data", "train.csv", "--epochs", 6, *QUICK]
    stop_and_resume("detect", words, "net/history.csv")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--run", "x"), 2, "with `--data PATH`"),
        (("train", "--data", "nowhere", "--run", "x"), 1, "`--data` must be there already"),
        (("train", "--data", "test", "--run", "x"), 1, "must hold XML files of Pascal VOC"),
        (("train", "--data", "train.csv", "--label-column", "kind", "--run", "x"), 1, "kind"),
        (("train", "--data", "train.csv", "--box-columns", "a,b", "--run", "x"), 2, "four names of columns"),
        (("train", "--data", "train.csv", "--split", "train", "--run", "x"), 1, "list of a folder of Pascal VOC"),
        (("train", "--data", "flat.csv", "--run", "x"), 1, "must hold boxes within its pictures"),
        (("train", "--data", "lost.csv", "--run", "x"), 1, "must hold pictures that can be read"),
        (("train", "--data", "broken.json", "--run", "x"), 1, "must be a JSON file of COCO"),
        (("train", "--data", "train.csv", "--holdout-pattern", "zzz", "--run", "x"), 1, "matches no path"),
        (("train", "--data", "train.csv", "--run", "whole"), 1, "holds a run already"),
        (("evaluate", "--run", "whole", "--split", "val"), 2, "It belongs to `--data`"),
        (("evaluate", "--run", "no"), 1, "There is no run"),
        (("export", "--run", "whole", "--format", "onnx"), 2, "is not possible for detect"),
        (("predict", "train.csv"), 1, "which is no picture"),
        (("predict", "huge.png"), 1, "at most 64 million pixels"),
        (("predict", "no.png"), 1, "no.png is not there"),
    ],
)
def test_wrong_inputs_are_one_sentence_and_lose_nothing(workshop, words, code, told):
    head = "path,label,xmin,ymin,xmax,ymax\n"
    if not Path("huge.png").exists():
        Path("flat.csv").write_text(head + "test/a00.png,cell,9,9,9,20\n")
        Path("lost.csv").write_text(head + "test/gone.png,cell,1,1,9,20\n")
        Path("broken.json").write_text('{"images": 3}')
        Image.new("1", (10_000, 10_000)).save("huge.png")
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}
    result = CliRunner().invoke(cli.root, ["detect", *map(str, words)])
    assert result.exit_code == code and told in " ".join(result.stderr.split()), result.output
    assert "Traceback" not in result.output
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in Path().rglob("*") if path.is_file()}


def test_pycocotools_is_named_where_it_is_missing(workshop, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    told = command("detect", "evaluate", "--run", "whole", code=1).output
    assert "'.[detect]'" in told and "Traceback" not in told


def test_copies_of_pictures_are_left_out(tmp_path):
    write(tmp_path / "pictures", tmp_path / "train.csv", 3, seed=0)
    (tmp_path / "pictures/z.png").write_bytes((tmp_path / "pictures/a00.png").read_bytes())
    with open(tmp_path / "train.csv", "a") as file:
        file.write("pictures/z.png,cell,1,1,9,9\n")
    config = Config(data=str(tmp_path / "train.csv"), image_size=32)
    found = data.read(config)
    assert [path.name for path in found.files] == ["a00.png", "b01.png", "a02.png"]
    assert len(found.pixels) == 3 and found.left_out == {"copies of others": 1}
    assert len(data.read(config, config.data).files) == 4
