"""The video application through its command line, on clips that the tests write."""

import csv
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from commands import command, stop_and_resume, within
from PIL import Image

from kerasmlsp.apps import cli
from kerasmlsp.apps.video import data, evaluate, model, moving
from kerasmlsp.apps.video import train as app
from kerasmlsp.apps.video.config import ARCHITECTURES, RECIPES, Config
from kerasmlsp.exporting import loading

pytest.importorskip("av", reason="the extra video is not installed")

TINY = ("--frames", 6, "--size", 16, "--batch-size", 8, "--learning-rate", 0.01)


def clip(kind, random, count=8):
    """A reddish block on a dark canvas that becomes lighter or darker, uint8 `(count, 20, 28, 3)`."""
    frames = np.full((count, 20, 28, 3), random.integers(5, 30), np.uint8)
    row, column = random.integers(0, (8, 16))
    light = np.linspace(0.2, 1, count) if kind == "rise" else np.linspace(1, 0.2, count)
    colour = np.array([1, 0.6, 0.5]) * random.integers(180, 255)
    frames[:, row : row + 12, column : column + 12] = (light[:, None] * colour)[:, None, None]
    return frames


def save(frames, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.fromarray(frame) for frame in frames]
    first.save(path, "GIF", save_all=True, append_images=others, duration=100)


def write(folder, each, seed):
    random = np.random.default_rng(seed)
    for number in range(each):
        for kind in ("fall", "rise"):
            save(clip(kind, random), folder / kind / f"{number:02}.gif")
    return folder


def write_images(folder, count):
    """Squares of several sizes under the names of Fashion-MNIST."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for part, seen in (("train", count), ("t10k", count // 2)):
        pixels = np.zeros((seen, 28, 28), np.uint8)
        for image, side in zip(pixels, random.integers(10, 26, seen), strict=True):
            image[:side, :side] = random.integers(100, 255)
        head = bytes([0, 0, 8, 3]) + np.array(pixels.shape, ">u4").tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        labels = bytes([0, 0, 8, 1]) + np.array([seen], ">u4").tobytes() + bytes(seen)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)


def run_json(*words):
    return json.loads(command("video", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with clips and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write(folder / "clips", 32, seed=0)
    write(folder / "test", 10, seed=1)
    (folder / "clips/fall/broken.mp4").write_bytes(b"no clip")
    random = np.random.default_rng(2)
    save(clip("fall", random, count=1), folder / "clips/fall/lone.gif")
    shutil.copy("clips/rise/00.gif", "clips/rise/copy.gif")
    told = command("video", "train", "--data", "clips", "--run", "whole", "--epochs", 12, *TINY)
    (folder / "told.txt").write_text(told.output)
    (folder / "measured.json").write_text(json.dumps(run_json("evaluate", "--run", "whole", "--data", "test")))
    command("video", "export", "--run", "whole", "--licence", "none", "--data-note", "blocks of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run_and_no_clips(workshop):
    run = workshop / "runs/video/whole"
    assert {"config.json", "model.keras", "history.csv", "curves.png", "threshold.json"} <= set(os.listdir(run))
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["fall", "rise"] and config["examples"] == 64 and config["seen"] == [6, 16, 3]
    reasons = {"damaged or of no format that is read": 1, "too short": 1, "copies of others": 1}
    assert config["left_out"] == reasons
    assert "Left out 2 of 67 clips" in (workshop / "told.txt").read_text()
    assert not list((workshop / "runs").rglob("tmp*"))


def test_evaluation_stands_beside_what_needs_no_order(workshop):
    result = json.loads((workshop / "measured.json").read_text())
    measures = result["metrics"]
    assert all(within(values) for values in measures.values())
    assert measures["accuracy"]["value"] > 0.8 and result["examples"] == 20
    assert measures["accuracy, one frame"]["value"] <= 0.7 and measures["accuracy, most frequent class"]["value"] == 0.5
    assert measures["accuracy, frames shuffled"]["value"] < measures["accuracy"]["value"]
    assert {"confusion_matrix.png", "mistakes.csv", "clips.png"} <= {Path(file).name for file in result["files"]}
    assert all(Path(file).stat().st_size > 0 for file in result["files"])


def test_the_saved_model_answers_frames_of_any_number_and_size_and_gif_files(workshop):
    saved, net = loading.load(loading.find("video")), evaluate.load(Path("runs/video/whole"))[0]
    path = Path("test/fall/00.gif")
    frames = np.stack([np.asarray(frame) for frame in gif(path)])
    alone = saved(frames=frames[None])
    assert alone["label"].tolist() == [b"fall"] and set(alone) == {"label", "probabilities", "confidence", "unsure"}
    clips = data.read(Config(frames=6, size=16), "test", place=Path())
    seen = app.predict(net, clips.taken(np.array([clips.names.index("fall/00.gif")])), 3)
    # A GIF is decoded by two libraries, and stretched by two.
    np.testing.assert_allclose(alone["probabilities"], seen, atol=0.02)
    packed = saved.call("serving_bytes", encoded=[path.read_bytes()])
    np.testing.assert_allclose(packed["probabilities"], alone["probabilities"], atol=0.02)
    # Frames of zeros are padding; one frame, and a single colour, show nothing.
    longer = np.pad(frames, ((0, 5), (0, 0), (0, 0), (0, 0)))
    still = np.repeat(frames[:1], 13, axis=0)
    still[1:] = 0
    plain = np.full_like(longer, 90)
    answers = saved(frames=np.stack([longer, still, plain]))
    np.testing.assert_allclose(answers["probabilities"][0], alone["probabilities"][0], atol=1e-5)
    assert answers["unsure"].tolist()[1:] == [True, True] and answers["confidence"].tolist()[1:] == [0, 0]
    assert saved(frames=np.zeros((0, 4, 9, 9, 3), np.uint8))["probabilities"].shape == (0, 2)
    card = saved.card
    assert (card["frames"], card["size"], card["licence"]) == (6, 16, "none") and "20 clips" in card["evaluated"]


def gif(path):
    with Image.open(path) as film:
        for place in range(film.n_frames):
            film.seek(place)
            yield film.convert("RGB").copy()


def test_predict_takes_files_folders_and_stdin(workshop):
    (workshop / "mixed").mkdir(exist_ok=True)
    shutil.copy("test/fall/00.gif", "mixed/fall.gif")
    random = np.random.default_rng(9)
    save(np.repeat(clip("rise", random), 2, axis=1), workshop / "mixed/large.gif")
    save(clip("rise", random, count=1), workshop / "mixed/lone.gif")
    (workshop / "mixed/empty.mp4").write_bytes(b"")
    result = CliRunner().invoke(cli.root, ["video", "predict", "mixed", "--output", "labels.csv"])
    assert result.exit_code == 0 and "1 too short" in result.stderr and "1 without frames" in result.stderr
    with open("labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows[:2]] == ["fall", "rise"] and rows[2]["problem"] and rows[3]["problem"]
    piped = CliRunner().invoke(
        cli.root, ["video", "predict", "-", "--json"], input=Path("test/fall/01.gif").read_bytes()
    )
    (row,) = json.loads(piped.stdout)
    assert row["file"] == "-" and row["label"] == "fall" and row["model"] == "saved_models/video/1"


@pytest.mark.slow
def test_forecasts_stand_beside_a_copy_of_the_last_frame(workshop):
    words = ("--data", "clips", "--architecture", "forecast", "--frames", 5, "--size", 16, "--epochs", 1)
    result = run_json("train", *words, "--run", "next", "--batch-size", 16)
    assert result["best epoch"]["val_loss"] > 0 and result["clips"] == 64
    found = run_json("evaluate", "--run", "next", "--data", "test/fall")
    assert found["examples"] == 10 and [row["step"] for row in found["by step"]] == [1, 2, 3] and found["seen"] == 2
    assert set(found["by step"][0]) == {"step", "forecast", "copy of the last frame", "last change once more"}
    assert Path("runs/video/next/evaluation/forecasts.png").stat().st_size > 0
    assert "squared error" in command("video", "evaluate", "--run", "next").stdout
    assert "`--worst`" in command("video", "evaluate", "--run", "next", "--worst", 3, code=2).stderr


@pytest.mark.slow
def test_a_forecast_is_drawn_by_the_saved_model_alone(workshop):
    test_forecasts_stand_beside_a_copy_of_the_last_frame(workshop) if not Path("runs/video/next").exists() else None
    command("video", "export", "--run", "next")
    saved = loading.load(loading.find("video_forecast"))
    assert saved.card["frames"] == 4 and saved.card["stride"] == 1
    result = run_json("forecast", "test/fall/00.gif", "--steps", 3, "--figure", "next.png")
    assert (result["seen"], result["forecast"]) == (4, 3) and Path("next.png").stat().st_size > 0
    command("video", "forecast", "test/fall/00.gif", "--figure", "next.gif")
    with Image.open("next.gif") as film:
        assert film.n_frames <= 8 and film.size == (496, 496)
    frames = np.stack([np.asarray(frame) for frame in gif("test/fall/00.gif")])
    net = evaluate.load(Path("runs/video/next"))[0]
    clips = data.read(Config(frames=4, size=16, stride=1), "test", place=Path())
    # The saved model takes the last frames, so that a clip of four has them all.
    place = clips.names.index("fall/00.gif")
    expected = evaluate.ahead(net, clips.pixels(np.array([place])), 2)
    middle = frames[2:6]
    told = saved(frames=middle[None], steps=2)["next"]
    assert told.shape == (1, 2, 16, 16, 3)
    np.testing.assert_allclose(told, expected, atol=0.02)
    save(clip("fall", np.random.default_rng(3), count=3), workshop / "short.gif")
    assert "at least 4 frames" in command("video", "forecast", "short.gif", code=1).stderr


def test_clips_are_made_of_images(workshop):
    write_images(workshop / "images", 40)
    config = Config(data="images", frames=5, size=32, made=32)
    clips, rare = data.read_own(config, Path())
    assert len(clips) == 32 and rare == [] and set(clips.labels) == set(moving.DIRECTIONS) and clips.channels == 1
    again, _ = data.read_own(config, Path())
    assert clips.fingerprint() == again.fingerprint() and clips.frames.shape == (32, 5, 32, 32, 1)
    test = data.read(config, "images", place=Path(), split="test")
    assert len(test) == 20 and not set(test.keys) & set(clips.keys)
    # Each frame is the one before, moved by one to three pixels in the direction of the label.
    for place in range(32):
        down, right = moving.DIRECTIONS[clips.labels[place]]
        frames = clips.pixels(place)
        moves = [(step * down, step * right) for step in moving.SPEEDS]
        assert any((np.roll(frames[:-1], move, axis=(1, 2)) == frames[1:]).all() for move in moves)


def test_places_say_nothing_of_the_direction():
    """In every frame the image is as likely at one place as at another."""
    stills, names = np.zeros((4000, 28, 28, 1), np.uint8), moving.labels(4000, 0)
    stills[:, 0, 0] = 255
    columns = np.array([each[3, :, :, 0].max(0).argmax() for each in moving.clips(stills, names, 4, 32, 0)])
    for direction in moving.DIRECTIONS:
        counts = np.bincount(columns[[name == direction for name in names]] // 8, minlength=4)
        assert counts.min() > 85  # of 125 that are expected
    counts = [names.count(direction) for direction in moving.DIRECTIONS]
    assert counts == [500] * 8


def test_controls_lose_the_order_alone():
    frames = np.arange(2 * 6).reshape(2, 6, 1, 1, 1)
    mixed = app.shuffled(0)(frames)
    assert (np.sort(mixed, axis=1) == frames).all() and (mixed != frames).any()
    assert evaluate.one_frame(frames)[:, :, 0, 0, 0].tolist() == [[3] * 6, [9] * 6]
    in_graph = data.shuffled(frames, [0, 1]).numpy()
    assert (np.sort(in_graph, axis=1) == frames).all() and (in_graph == data.shuffled(frames, [0, 1]).numpy()).all()


def test_every_batch_follows_from_seed_epoch_and_step(workshop):
    config = Config(data="test", frames=4, size=16, flip=True, shuffle_frames=True, seed=3).complete()
    clips = data.read(config, "test", place=Path())
    targets = data.one_hot(clips.labels, ["fall", "rise"])
    batches = data.training_batches(clips, targets, np.ones(20, "float32"), config, 1, drop_remainder=False)
    rows = np.arange(12)
    (first, target, _), (again, *_), (other, *_) = (batches.load(rows, key) for key in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert (first.numpy() != other.numpy()).any() and first.shape == (12, 4, 16, 16, 1)
    np.testing.assert_array_equal(target, targets[:12])
    ahead = data.loader(clips, targets, np.ones(20), Config(architecture="forecast", frames=4), 3, training=True)
    seen, following = ahead(rows, (0, 0))
    np.testing.assert_allclose(seen[:, 1:] / 255, following[:, :-1], atol=1e-6)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_sees_frames(architecture):
    config = Config(architecture=architecture).complete()
    net = model.build(config, 32, 1, 8)
    assert net.output_shape == ((None, None, 32, 32, 1) if config.forecasts else (None, 8))
    assert net.count_params() < 900_000
    own = {name for name, each in vars(Config()).items() if each is None}
    assert set(RECIPES[architecture]) == own & {"epochs", "learning_rate", "weight_decay", "batch_size", "dropout"}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--run", "x"), 2, "--data"),
        (("train", "--data", "no", "--run", "x"), 1, "must be there already"),
        (("train", "--data", "clips", "--architecture", "magic"), 2, "convlstm"),
        (("train", "--data", "clips", "--size", 20, "--run", "x"), 2, "`--size` must be a multiple of 8"),
        (("train", "--data", "clips", "--architecture", "forecast", "--frames", 2, "--run", "x"), 2, "at least 3"),
        (("train", "--data", "clips", "--architecture", "forecast", "--class-weights", "--run", "x"), 2, "no classes"),
        (("train", "--data", "clips", "--made", 99, "--run", "x"), 2, "made of images"),
        (("train", "--data", "clips/fall", "--run", "x"), 1, "one folder of clips per class"),
        (("train", "--data", "hollow", "--run", "x"), 1, "must hold clips"),
        (("train", "--data", "stills", "--run", "x"), 1, "at least 2 frames"),
        (("train", "--data", "clips", "--group-pattern", r"scene(\d)", "--run", "x"), 1, "must match every path"),
        (("train", "--data", "clips", "--run", "whole"), 1, "holds a run already"),
        (("evaluate", "--run", "no"), 1, "There is no run"),
        (("evaluate", "--run", "whole", "--data", "other"), 1, "The run knows the labels"),
        (("export", "--run", "no"), 1, "There is no run"),
        (("predict", "notes.txt"), 1, "whole file"),
        (("predict", "no.mp4"), 1, "no.mp4 is not there"),
        (("predict", "clips/fall/lone.gif"), 1, "at least 2 frames"),
        (("forecast", "test/fall/00.gif", "--models", "nowhere"), 1, "video_forecast"),
        (("forecast", "test/fall/00.gif", "--figure", "a.jpg"), 2, "must end in .png or .gif"),
    ],
)
def test_wrong_inputs_are_one_sentence_and_lose_nothing(workshop, words, code, told):
    for name in ("hollow/a", "hollow/b", "stills/a", "stills/b", "other/fall", "other/up"):
        Path(name).mkdir(parents=True, exist_ok=True)
    for name in ("stills/a/1.gif", "stills/b/1.gif"):
        shutil.copy("clips/fall/lone.gif", name)
    shutil.copy("test/fall/00.gif", "other/fall")
    shutil.copy("test/fall/01.gif", "other/up")
    Path("notes.txt").write_text("no clip")
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}
    result = CliRunner().invoke(cli.root, ["video", *map(str, words)])
    assert result.exit_code == code and told in " ".join(result.stderr.split()), result.output
    assert "Traceback" not in result.output
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}


def test_who_lacks_the_extra_is_told_before_anything_is_read(workshop, monkeypatch):
    from kerasmlsp.data import videos

    def gone(name):
        raise ModuleNotFoundError(f"This needs the package {name}: install it.", name=name)

    monkeypatch.setattr(videos, "required", gone)
    for words in (("train", "--data", "clips", "--run", "x"), ("predict", "test"), ("evaluate", "--run", "whole")):
        told = CliRunner().invoke(cli.root, ["video", *words])
        assert told.exit_code == 1 and "needs the package av" in " ".join(told.stderr.split())
    assert not Path("runs/video/x").exists()


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(workshop):
    stop_and_resume("video", ["--data", "clips", "--epochs", 6, "--flip", *TINY], "history.csv")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["convlstm", "cnn-lstm"])
def test_every_classifier_trains_on_moving_images(workshop, architecture):
    if not Path("images").exists():
        write_images(workshop / "images", 40)
    words = ("--data", "images", "--architecture", architecture, "--epochs", 1, "--frames", 4, "--batch-size", 8)
    result = run_json("train", *words, "--run", architecture)
    assert result["clips"] == 40 and result["best epoch"]["loss"] > 0
    found = run_json("evaluate", "--run", architecture, "--data", "images")
    assert found["examples"] == 20 and len(found["classes"]) == 8


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_the_net_becomes_a_file_of_another_format(workshop, format):
    pytest.importorskip({"onnx": "tf2onnx", "litert": "ai_edge_litert"}[format])
    if format == "litert":
        assert "cannot become a file" in command("video", "export", "--run", "whole", "--format", format, code=1).stderr
        return
    command("video", "export", "--run", "whole", "--format", format)
    (facts,) = [json.loads(path.read_text()) for path in Path().glob("whole.*.json")]
    assert facts["classes"] == ["fall", "rise"] and facts["frames"] == 6


def test_the_examples_of_an_export_are_gif_files():
    from kerasmlsp.apps.video import export

    with Image.open(io.BytesIO(export._gif(export._clips(16, 4)[0]))) as film:
        assert film.n_frames == 6 and film.size == (20, 20)
