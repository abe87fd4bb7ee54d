"""The gan application through its command line, on images that the tests write."""

import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from commands import command, stop_and_resume
from PIL import Image

from kerasmlsp import training
from kerasmlsp.apps.gan import anomalies, data, evaluate, features, model, watching
from kerasmlsp.apps.gan.config import ARCHITECTURES, PIX2PIX, Config
from kerasmlsp.data import image_sets, tfds
from kerasmlsp.exporting import loading

TINY = ("--size", 12, "--filters", 4, "--latent-dim", 8, "--batch-size", 8, "--metric-samples", 16, "--features", "own")


def images(count, seed=0):
    """Discs and bars of several places and greys, uint8 `(2 * count, 12, 12)`, the discs first."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:12, :12]
    places, greys = random.integers(3, 9, (2 * count, 2)), random.integers(120, 256, 2 * count)
    drawn = [
        (np.hypot(rows - y, columns - x) < 3) * grey if i < count else (np.abs(columns - x) < 2) * grey
        for i, ((y, x), grey) in enumerate(zip(places, greys, strict=True))
    ]
    return np.stack(drawn).astype(np.uint8)


def write_folder(folder, count, seed=0):
    for number, pixels in enumerate(images(count, seed)):
        place = folder / ("bar" if number >= count else "disc")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with images and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    least, data.LEAST_STEPS = data.LEAST_STEPS, 1
    write_folder(folder / "shapes", 24)
    command("gan", "train", "--data", "shapes", "--run", "whole", "--epochs", 2, *TINY)
    command("gan", "evaluate", "--run", "whole", "--samples", 40)
    command("gan", "export", "--run", "whole", "--licence", "none", "--data-note", "shapes of a test")
    yield folder
    data.LEAST_STEPS = least
    os.chdir(before)


@pytest.fixture(scope="module")
def flat(workshop):
    """A run `flat` on grey images in RGB files, without classes."""
    folder = workshop / "flat"
    folder.mkdir()
    for number, pixels in enumerate(images(8)):
        Image.fromarray(pixels).convert("RGB").save(folder / f"{number}.png")
    words = ("--data", "flat", "--architecture", "dcgan", "--run", "flat", "--epochs", 1, *TINY[:-2], "--json")
    command("gan", "train", *words)
    return workshop / "runs/gan/flat"


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/gan/whole"
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["bar", "disc"] and config["image"] == [12, 12, 1]
    assert config["images"] == {"train": 44, "test": 4} and config["features_used"] == "own"
    assert {"model.keras", "history.csv", "curves.png", "film", "film.gif", "features"} <= set(os.listdir(run))
    head, *rows = (run / "history.csv").read_text().splitlines()
    assert {"frechet_distance", "kernel_distance", "discriminator_loss", "generator_loss"} <= set(head.split(","))
    assert len(rows) == 2


def test_the_film_has_a_frame_for_every_epoch(workshop):
    with Image.open(workshop / "runs/gan/whole/film.gif") as film:
        assert film.n_frames == 2 and film.info["loop"] == 0
    frames = sorted((workshop / "runs/gan/whole/film").iterdir())
    assert [frame.name for frame in frames] == ["0001.png", "0002.png"]
    with Image.open(frames[0]) as first, Image.open(frames[1]) as second:
        assert first.size == second.size == (9 * (4 * 14 + 2), 9 * (4 * 14 + 2))
        assert (np.asarray(first) != np.asarray(second)).any()


SOME = ("conditional", *(pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURES[1:] if name != PIX2PIX))


@pytest.mark.parametrize("architecture", SOME)
def test_every_architecture_trains_and_is_measured(workshop, architecture):
    words = ("--data", "shapes", "--architecture", architecture, "--run", architecture, "--epochs", 1, "--json")
    options = ("--spectral-norm", "--augment") if architecture != "wgan-gp" else ()
    result = json.loads(command("gan", "train", *words, *TINY, *options).stdout)
    assert result["parameters"]["generator"] > 100 and result["best epoch"]["frechet_distance"] > 0
    found = json.loads(command("gan", "evaluate", "--run", architecture, "--samples", 20, "--json").stdout)
    assert [row["set"] for row in found["distances"]] == ["drawn", "training images (floor)", "Gaussian mixture"]
    assert ("as asked" in found) == (architecture == "conditional")


def test_images_without_classes_are_measured_by_random_weights(flat):
    assert not (flat / "features").exists()
    found = json.loads(command("gan", "evaluate", "--run", "flat", "--samples", 20, "--json").stdout)
    assert "random weights" in found["features"] and "no FID" in found["features"]
    assert found["classes"]["shares"] == [] and found["not measured"][0] == features.NO_CLASSES
    drawn, floor, _ = (row["frechet"] for row in found["distances"])
    assert floor < drawn
    with Image.open(flat / "evaluation/samples.png") as grid, Image.open(flat / "evaluation/nearest.png") as rows:
        assert grid.width >= 400
        assert rows.width >= 1000
    told = command("gan", "train", "--data", "flat", "--run", "x", *TINY[:-2], code=1).stderr
    assert "--architecture dcgan" in told


def test_evaluation_tells_copies_from_new_images(workshop):
    found = data.read(Config(data="shapes", size=12))
    copies = found.train.pixels[:10]
    drawn, test = evaluate.memorising(copies, found, 10)
    assert drawn["copies"] == 1.0 and drawn["median distance"] == 0.0
    assert test["median distance"] > 0
    fresh = evaluate.memorising(255 - copies, found, 10)[0]
    assert fresh["copies"] == 0.0


def test_noise_and_plain_grey_are_no_copies():
    """They are nearer to dark training images than test images are, but about equally near to many."""
    train, test = (data.Images(images(200, seed)[..., None], np.zeros(400, np.int32)) for seed in (0, 1))
    found = data.Data(train, test, [], "")
    random = np.random.default_rng(0)
    grey = np.full((50, 12, 12, 1), train.pixels.mean(), np.uint8)
    noise = np.clip(grey + random.normal(0, 3, grey.shape), 0, 255).astype(np.uint8)
    for drawn in (grey, noise):
        assert evaluate.memorising(drawn, found, 50)[0]["copies"] <= 0.02
    assert evaluate.memorising(train.pixels[::8], found, 50)[0]["copies"] == 1.0


@pytest.mark.parametrize(
    ("classes", "shape", "kind"),
    [
        (image_sets.FASHION, (28, 28, 1), "shipped"),
        (image_sets.FASHION, (32, 32, 3), "own"),
        (("0", "1"), (28, 28, 1), "own"),
        ((), (28, 28, 1), "random"),
        ((), (64, 64, 3), "random"),
    ],
)
def test_only_clothes_are_measured_by_the_net_that_knows_them(classes, shape, kind):
    part = data.Images(np.zeros((2, *shape), np.uint8), np.zeros(2, np.int32))
    assert features.chosen(Config(), part, list(classes)) == kind
    assert features.shipped(["0", "1"]).classes == []


def test_random_weights_are_the_same_every_time_and_tell_images_apart():
    first, second = features.untrained(12, 1), features.untrained(12, 1)
    real, others, noise = images(30)[..., None], images(30, 1)[..., None], np.full((60, 12, 12, 1), 90, np.uint8)
    found = [first(each)[0] for each in (real, others, noise)]
    assert (second(real)[0] == found[0]).all() and found[0].shape == (60, 84)
    near, far = (np.abs(found[0].mean(0) - each.mean(0)).mean() for each in found[1:])
    assert near < far / 3


def test_class_balance_is_against_what_the_net_makes_of_real_images():
    wrong = np.eye(2)[[0] * 70 + [1] * 30]
    # The net takes some of the second class for the first, in both sets alike.
    assert evaluate.class_balance(["a", "b"], wrong, wrong)["probability"] == pytest.approx(1.0)
    found = evaluate.class_balance(["a", "b"], np.eye(2)[[0] * 95 + [1] * 5], wrong)
    assert found["probability"] < 0.01 and found["shares"][1] == {"class": "b", "drawn": 0.05, "test": 0.3}


def test_the_mixture_has_the_mean_of_each_class(workshop):
    found = data.read(Config(data="shapes", size=12)).train
    drawn = evaluate.mixture(found, 400, 0)
    assert drawn.shape == (400, 12, 12, 1) and drawn.dtype == np.uint8
    # Clipping to 0 to 255 shifts the dark pixels a little.
    for part, kind in ((drawn[:200], 0), (drawn[200:], 1)):
        assert np.abs(part.mean(0) - found.pixels[found.labels == kind].mean(0)).mean() < 15


def test_sets_are_also_compared_by_pixels_and_a_second_net(workshop, monkeypatch):
    """The net of ImageNet, whose weights need not be there, is one that tells the mean colour."""

    def colours(pixels):
        return {"features": pixels.mean((1, 2)), "probabilities": np.zeros((len(pixels), 0))}

    monkeypatch.setattr(features, "imagenet", lambda: features.Features(colours, 12, 3, [], "colours"))
    found = data.read(Config(data="shapes", size=12))
    sets = {"itself": found.test.pixels, "dark": found.test.pixels // 4}
    rows = evaluate._other_distances(sets, found)
    for name in ("frechet, pixels", "frechet, ImageNet"):
        assert rows["itself"][name] == pytest.approx(0, abs=1e-3) and rows["dark"][name] > 0.1
    monkeypatch.setattr(features, "imagenet", lambda: None)
    result = json.loads(command("gan", "evaluate", "--run", "whole", "--samples", 20, "--json").stdout)
    assert features.NO_IMAGENET in result["not measured"] and "imagenet" in features.NO_IMAGENET
    drawn, floor, _ = (row["frechet, pixels"] for row in result["distances"])
    assert floor < drawn and "Frechet distance of components of pixels, drawn" in result["metrics"]


def test_what_is_unlike_all_classes_scores_higher(workshop):
    found = data.read(Config(data="shapes", size=12))
    noise = np.random.default_rng(0).integers(0, 256, (30, 12, 12, 1)).astype(np.uint8)
    measured = features.untrained(12, 1)
    gan = training.Run("runs/gan/whole").model()
    result = anomalies.measure(gan, measured, found, data.Images(noise, np.zeros(30, np.int32)))
    assert result["images"] == {"usual": 4, "unusual": 30}
    scores = {row["score"]: row["auc"] for row in result["scores"]}
    assert len(scores) == 6 and all(0 <= each["value"] <= 1 for each in scores.values())
    assert scores["pixels (no net)"]["value"] == 1 and scores["features of the critic"]["value"] > 0.9
    assert scores["pixels (no net)"]["low"] is None or scores["pixels (no net)"]["low"] > 0.9
    logits, vectors = anomalies.critic(gan, found.test.pixels, 2)
    image = found.test.pixels.astype("float32") / 127.5 - 1
    each = [gan.discriminator({"image": image, "label": np.full(4, kind, "int32")}, training=False) for kind in (0, 1)]
    np.testing.assert_allclose(logits, np.max([np.asarray(one)[:, 0] for one in each], axis=0), atol=1e-5)
    assert vectors.shape == (4, 6 * 6 * 4)


def test_a_class_that_is_held_out_is_not_trained_on():
    part = data.Images(np.arange(6, dtype=np.uint8)[:, None, None, None], np.array([0, 1, 2, 0, 1, 2], np.int32))
    found = data.Data(part, part[:3], ["a", "b", "c"], "halves")
    rest, unusual = anomalies.without(found, "b")
    assert rest.classes == ["a", "c"] and rest.train.labels.tolist() == [0, 1, 0, 1] and "class b" in rest.split
    assert rest.train.pixels.ravel().tolist() == [0, 2, 3, 5] and unusual.pixels.ravel().tolist() == [1]
    assert anomalies.without(found, None) == (found, None)
    with pytest.raises(ValueError, match="`hold_out` must be one of three classes at least: a, b, c"):
        anomalies.without(found, "d")
    with pytest.raises(ValueError, match="`hold_out` must be one of three"):
        anomalies.without(rest, "a")


@pytest.mark.slow
def test_a_run_without_a_class_tells_how_unusual_it_is(workshop):
    shutil.copytree("shapes", "three")
    write_folder(workshop / "others", 24, seed=7)
    shutil.copytree("others/disc", "three/third")
    for file in (workshop / "three/third").iterdir():
        Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    words = ("--data", "three", "--hold-out", "third", "--run", "rest", "--epochs", 1)
    command("gan", "train", *words, *TINY)
    found = json.loads(command("gan", "evaluate", "--run", "rest", "--samples", 20, "--json").stdout)
    assert found["anomaly"]["images"] == {"usual": 4, "unusual": 2}
    assert "AUC of the held-out class, critic" in found["metrics"]
    assert "brightness" in command("gan", "evaluate", "--run", "rest", "--samples", 20).stdout
    assert "third" in command("gan", "train", *words[:3], "fourth", "--run", "y", *TINY, code=1).stderr


def test_generate_writes_a_grid_and_single_files(workshop):
    command("gan", "generate", "--num", 6, "--grid", "grid.png", "--columns", 3, "--scale", 2)
    with Image.open("grid.png") as grid:
        assert grid.size == (2 * (3 * 14 + 2), 2 * (2 * 14 + 2))
    words = ("gan", "generate", "--class", "disc", "--num", 2, "--seed", 7, "--output", "discs", "--json")
    result = json.loads(command(*words).stdout)
    assert [Path(path).name for path in result["files"]] == ["0000000007-disc.png", "0000000008-disc.png"]
    with Image.open(result["files"][0]) as image:
        assert image.size == (12, 12)


def test_the_same_seed_draws_the_same_image_in_any_batch(workshop):
    saved = loading.load(loading.find("gan"))
    seeds = np.arange(33)
    together = saved(seed=seeds, label=["disc"] * 33)["image"]
    assert together.dtype == np.uint8 and together.shape == (33, 12, 12, 1)
    for seed in (0, 17, 32):
        assert (saved(seed=[seed], label=["disc"])["image"][0] == together[seed]).all()
    assert len({image.tobytes() for image in together}) > 1
    assert (saved(seed=[3], label=["bar"])["image"][0] != together[3]).any()
    with pytest.raises(ValueError, match="bar, disc"):
        saved(seed=[0], label=["square"])


def test_the_way_between_seeds_begins_and_ends_at_their_images(workshop):
    saved = loading.load(loading.find("gan"))
    rows = {"seed": [4, 4, 4], "other_seed": [9, 9, 9], "share": [0.0, 0.5, 1.0], "label": ["bar"] * 3}
    first, middle, last = saved.call("interpolate", **rows)["image"]
    ends = saved(seed=[4, 9], label=["bar", "bar"])["image"]
    assert np.abs(first.astype(int) - ends[0]).max() <= 1 and np.abs(last.astype(int) - ends[1]).max() <= 1
    assert (middle != ends[0]).any() and (middle != ends[1]).any()


def test_interpolate_writes_an_animation_or_a_grid(workshop):
    command("gan", "interpolate", "--seeds", "1,2", "--steps", 3, "--scale", 2, "--grid", "path.gif")
    with Image.open("path.gif") as animation:
        assert animation.size == (24, 24) and animation.n_frames > 1
    words = ("--seeds", "1,2,3", "--steps", 4, "--class", "bar", "--grid", "path.png", "--json")
    assert json.loads(command("gan", "interpolate", *words).stdout)["class"] == "bar"
    with Image.open("path.png") as grid:
        assert grid.size == (9 * (4 * 14 + 2), 9 * (3 * 14 + 2))
    result = command("gan", "interpolate", "--seeds", "1,2", "--steps", 1, "--grid", "large.gif")
    assert "The figure is in large.gif." in result.stderr
    with Image.open("large.gif") as animation:
        assert animation.size == (504, 504)


def test_a_run_without_classes_gives_a_model_without_labels(flat):
    command("gan", "export", "--run", "flat", "--models", "others")
    saved = loading.load(loading.find("gan", models="others"))
    assert set(saved.endpoints["serving_default"]["inputs"]) == {"seed"}
    assert saved(seed=[1, 2])["image"].shape == (2, 12, 12, 1)
    words = ("gan", "generate", "--class", "disc", "--grid", "x.png", "--models", "others")
    assert "has none" in command(*words, code=1).stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "missing", "--run", "x"), 1, "missing"),
        (("train", "--run", "x"), 2, "--data"),
        (("train", "--data", "bare", "--run", "x"), 1, "must hold pictures"),
        (("train", "--data", "broken", "--architecture", "dcgan", "--run", "x"), 1, "none can"),
        (("train", "--data", "shapes", "--run", "x", "--size", "13"), 2, "`--size` must be a multiple of 4"),
        (("train", "--data", "shapes", "--run", "x", "--batch-size", "99"), 1, "--batch-size"),
        (("train", "--data", "shapes", "--architecture", "magic"), 2, "wgan-gp"),
        (("train", "--data", "shapes", "--run", "x", "--hold-out", "bar"), 1, "three classes at least"),
        (("train", "--data", "shapes", "--run", "x", "--masks", "shapes"), 2, "for `--architecture pix2pix`"),
        (("train", "--data", "shapes", "--run", "x", "--architecture", "pix2pix"), 2, "--masks FOLDER"),
        (("evaluate", "--run", "whole", "--data", "shapes"), 2, "own test images"),
        (("train", "--data", "shapes", "--run", "whole"), 1, "--resume"),
        (("train", "--run", "whole", "--resume", "--epochs", "9"), 1, "epochs=2"),
        (("train", "--run", "nothing", "--resume"), 1, "no run"),
        (("evaluate", "--run", "nothing"), 1, "no run"),
        (("export", "--run", "nothing"), 1, "no run"),
        (("generate",), 2, "--grid FILE.png"),
        (("generate", "--grid", "x.jpg"), 2, ".png"),
        (("generate", "--class", "square", "--grid", "x.png"), 1, "bar, disc"),
        (("generate", "--grid", "x.png", "--version", "9"), 1, "no version 9"),
        (("generate", "--grid", "nowhere/x.png"), 1, "nowhere"),
        (("interpolate", "--seeds", "1", "--grid", "x.gif"), 2, "two or more"),
        (("interpolate", "--seeds", "1,b", "--grid", "x.gif"), 2, "two or more"),
        (("interpolate", "--grid", "x.jpg"), 2, ".gif"),
    ],
)
def test_mistakes_are_told_in_one_sentence(workshop, words, code, told):
    Path("bare").mkdir(exist_ok=True)
    Path("broken").mkdir(exist_ok=True)
    Path("broken/a.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    before = sorted(str(path) for path in Path("runs").rglob("*"))
    stderr = command("gan", *words, code=code).stderr
    assert told in stderr and "Traceback" not in stderr
    assert sorted(str(path) for path in Path("runs").rglob("*")) == before


def test_changed_images_are_no_longer_the_runs_own(workshop):
    write_folder(workshop / "mine", 24, seed=1)
    shutil.copytree("runs/gan/whole", "runs/gan/mine")
    path = Path("runs/gan/mine/config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": str(workshop / "mine")}))
    assert "has changed" in command("gan", "evaluate", "--run", "mine", code=1).stderr.replace("have", "has")


def compiled(generator_rate=0.0, discriminator_rate=0.0, scale=1.0):
    """A small DCGAN whose generator's first weights are multiplied, and the images that it is shown."""
    keras.utils.set_random_seed(0)
    gan = model.compiled(Config(architecture="dcgan", filters=4, latent_dim=8).complete(), 12, 1, 0, 100)
    gan.jit_compile = False
    gan.compile(keras.optimizers.Adam(generator_rate), keras.optimizers.Adam(discriminator_rate), jit_compile=False)
    gan.generator.set_weights([weight * scale if weight.ndim > 1 else weight for weight in gan.generator.get_weights()])
    return gan


def watched(tmp_path, gan, **options):
    """Trains for an epoch of 24 steps under watch; returns the warnings, and the steps that were done."""
    real = data.Images(images(96)[..., None], np.zeros(192, np.int32))
    alarms = watching.Alarms(tmp_path)
    watch = watching.Watch(alarms, real, Config(architecture="dcgan", latent_dim=8), window=6, **options)
    inputs = real.pixels.astype("float32") / 127.5 - 1
    gan.fit(inputs, batch_size=8, epochs=1, verbose=0, callbacks=[watch])
    return alarms.lines()


def test_windows_go_on_over_short_epochs(tmp_path):
    alarms, seen = watching.Alarms(tmp_path), []
    real = data.Images(images(12)[..., None], np.zeros(24, np.int32))
    watch = watching.Watch(alarms, real, Config(architecture="dcgan", latent_dim=8), window=4, grace=1000)
    watch._judge = seen.append
    inputs, gan = real.pixels.astype("float32") / 127.5 - 1, compiled(1e-3, 1e-3)
    logs = gan.fit(inputs, batch_size=8, epochs=4, shuffle=False, verbose=0, callbacks=[watch]).history
    # Three steps an epoch: of the four steps of the first window one is in the second epoch.
    assert len(seen) == 3 and set(seen[0]) == {mean.name for mean in gan.means}
    assert min(logs["discriminator_loss"]) * 0.8 < seen[0]["discriminator_loss"] < max(logs["discriminator_loss"]) * 1.2


def test_labels_have_the_shares_of_others():
    labels = data.labels_like(np.repeat([0, 3], [30, 10]), 400, 0)
    assert labels.dtype == np.int32 and np.bincount(labels).tolist() == [300, 0, 0, 100]
    assert 0 < (labels[:200] == 3).sum() < 100


def test_a_discriminator_that_is_always_right_is_told(tmp_path):
    (line,) = watched(tmp_path, compiled(discriminator_rate=3e-2), grace=1000)
    assert line.startswith("epoch 1, discriminator always right: it told 100.0% of real and 100.0% of drawn images")


def test_mode_collapse_is_told(tmp_path):
    # Without weights, all noise gives one image.
    (line,) = watched(tmp_path, compiled(scale=0.0), grace=0)
    assert line.startswith("epoch 1, mode collapse: drawn images differ from each other 0.00 times")


def test_mode_collapse_waits_for_the_first_images(tmp_path):
    assert watched(tmp_path, compiled(scale=0.0), grace=1000) == []


def test_images_as_diverse_as_real_ones_are_no_collapse(tmp_path):
    assert watched(tmp_path, compiled(scale=40.0), grace=0) == []


def test_a_loss_that_is_not_finite_stops_at_once(tmp_path):
    gan = compiled(generator_rate=1e30, discriminator_rate=1e30)
    with pytest.raises(ValueError, match=r"diverged in epoch 1: .* after batch [1-9]\."):
        watched(tmp_path, gan)
    assert int(gan.optimizer.iterations) < 10
    assert watching.Alarms(tmp_path).lines()[0].startswith("epoch 1, diverged")


def test_diverging_is_one_sentence(workshop):
    words = ("--data", "shapes", "--architecture", "dcgan", "--run", "wild", "--epochs", 3, "--learning-rate", 1e30)
    stderr = command("gan", "train", *words, *TINY, code=1).stderr
    assert "diverged in epoch 1" in stderr and "--spectral-norm" in stderr and "Traceback" not in stderr
    assert not (workshop / "runs/gan/wild/model.keras").exists()


def test_lost_classes_are_told_after_their_epoch(tmp_path, caplog):
    found = images(20)[..., None]
    part = data.Images(found, np.repeat([0, 1], 20).astype(np.int32))
    config, alarms = Config(architecture="dcgan", latent_dim=8, metric_samples=16), watching.Alarms(tmp_path)

    def told(pixels):
        # Takes images for discs where any pixel is bright, as no drawn one is.
        bright = (pixels.reshape(len(pixels), -1) > 250).any(1).astype(int)
        return pixels.reshape(len(pixels), -1)[:, ::20].astype(float), np.eye(2)[bright]

    part.pixels[:20, 5, 5] = 255
    part.pixels[20:][part.pixels[20:] > 250] = 250
    told.classes = ["bar", "disc"]
    measure, logs = watching.Measure(tmp_path, alarms, part, told, config), {}
    measure.set_model(compiled())
    measure.on_epoch_end(4, logs)
    assert alarms.lines() == ["epoch 5, classes lost: hardly any drawn image is taken for disc."]
    assert logs["frechet_distance"] > 0 and "kernel_distance" in logs


def test_a_warning_is_told_once_in_an_epoch(tmp_path):
    for text in ("first", "again"):
        watching.Alarms(tmp_path)(0, "mode collapse", text)
    watching.Alarms(tmp_path)(1, "mode collapse", "later")
    assert watching.Alarms(tmp_path).lines() == ["epoch 1, mode collapse: first", "epoch 2, mode collapse: later"]


def test_folders_may_have_their_own_test_part(tmp_path):
    write_folder(tmp_path / "train", 6)
    write_folder(tmp_path / "test", 3, seed=1)
    found = data.read(Config(data=str(tmp_path), size=12))
    assert (len(found.train), len(found.test), found.classes) == (12, 6, ["bar", "disc"])
    assert found.train.labels.tolist() == [0] * 6 + [1] * 6 and "own test part" in found.split


def test_copies_are_neither_twice_nor_on_both_sides(tmp_path, caplog):
    folder = write_folder(tmp_path / "train", 10)
    for file in sorted((folder / "disc").iterdir())[:4]:
        shutil.copy(file, folder / "disc" / f"copy-{file.name}")
    found = data.read(Config(data=str(folder), size=12))
    assert len(found.train) + len(found.test) == 20 and "Left out 4 images" in caplog.text
    pixels = [{each.tobytes() for each in part.pixels} for part in (found.train, found.test)]
    assert not pixels[0] & pixels[1]
    # Of those of the data's own test part, the copies to train on go.
    shutil.copytree(folder / "bar", tmp_path / "test" / "bar")
    write_folder(tmp_path / "test" / ".thumbnails", 2, seed=1)
    found = data.read(Config(data=str(tmp_path), size=12))
    assert (len(found.train), len(found.test), found.classes) == (10, 10, ["bar", "disc"])


@pytest.mark.parametrize("names", [["disc", "bar"], None])
def test_data_sets_of_tfds_are_read_in_their_splits(monkeypatch, names):
    import types

    import tensorflow as tf

    feature = types.SimpleNamespace(names=names) if names else types.SimpleNamespace()
    shape = types.SimpleNamespace(shape=(12, 12, 1))
    info = types.SimpleNamespace(features={"image": shape, "label": feature}, splits=["test", "train"])
    parts = {"train": images(3)[..., None], "test": images(2, seed=1)[..., None]}

    def load(name, split, *, features=(), manual_dir=None):
        pixels = parts[split]
        rows = {"image": pixels, "label": np.repeat([0, 1], len(pixels) // 2)}
        return tf.data.Dataset.from_tensor_slices(rows), info

    monkeypatch.setattr(tfds, "load_tfds", load)
    found = data.read(Config(dataset="shapes", size=12))
    assert (found.train.pixels == parts["train"]).all() and (found.test.pixels == parts["test"]).all()
    assert found.classes == (names or []) and found.train.labels.tolist() == ([0, 0, 0, 1, 1, 1] if names else [0] * 6)
    assert data.read(Config(dataset="shapes")).train.pixels.shape == (6, 32, 32, 1)


def test_colours_and_sizes(tmp_path):
    tmp_path = write_folder(tmp_path, 4)
    grey = data.read(Config(data=str(tmp_path), size=16))
    assert grey.train.pixels.shape[1:] == (16, 16, 1)
    assert data.read(Config(data=str(tmp_path), size=16, colour="rgb")).train.pixels.shape[1:] == (16, 16, 3)
    Image.new("RGB", (12, 12), (255, 0, 0)).save(tmp_path / "disc" / "red.png")
    mixed = data.read(Config(data=str(tmp_path), size=16, held_out_share=0.2))
    assert mixed.train.pixels.shape[1:] == (16, 16, 3)
    luma = data.coloured(np.array([[[[255, 0, 0]]], [[[10, 10, 10]]]], np.uint8), 1)
    assert luma.ravel().tolist() == [76, 10]


def test_few_images_are_repeated_in_an_epoch(monkeypatch):
    monkeypatch.setattr(data, "LEAST_STEPS", 7)
    part = data.Images(images(12)[..., None], np.zeros(24, np.int32))
    order = data.training_batches(part, Config(architecture="dcgan", batch_size=8)).order
    first, second = order(0), order(1)
    assert len(first) == len(second) == 9
    passes = [np.concatenate(epoch[begin : begin + 3]).tolist() for epoch in (first, second) for begin in (0, 3, 6)]
    assert all(sorted(each) == list(range(24)) for each in passes) and len(set(map(tuple, passes))) == 6


def test_sizes_are_halved_to_the_smallest_map():
    assert {size: model.num_blocks(size) for size in (12, 28, 32, 64)} == {12: 1, 28: 2, 32: 3, 64: 4}


def test_the_shipped_features_know_clothes():
    measured = features.shipped()
    found, probabilities = measured(np.zeros((3, 40, 30, 3), np.uint8))
    assert found.shape == (3, 84) and probabilities.shape == (3, 10) and measured.classes == list(image_sets.FASHION)
    assert (found[0] == found[1]).all() and probabilities.sum(1) == pytest.approx([1, 1, 1], abs=1e-5)


@pytest.mark.slow
def test_killed_training_is_resumed_by_the_command_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "shapes", 24)
    stop_and_resume("gan", ["--data", "shapes", "--epochs", "8", *TINY], "history.csv")
    runs = [tmp_path / "runs/gan" / name for name in ("steady", "stopped")]
    films = [(run / "film.gif").read_bytes() for run in runs]
    assert films[0] == films[1]
    weights = [training.Run(run).model().get_weights() for run in runs]
    assert len(weights[0]) > 20
    assert all((first == second).all() for first, second in zip(*weights, strict=True))
