"""Masks to images with the gan application, through its command line, on pairs that the tests write."""

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
from kerasmlsp.apps.gan import pairs, pix2pix
from kerasmlsp.apps.gan.config import Config
from kerasmlsp.data import masks
from kerasmlsp.exporting import loading
from kerasmlsp.training import Run

NUMBERS, COLOURS = (0, 3, 11), np.array([(30, 60, 200), (90, 90, 90), (20, 160, 40)])
TINY = ("--architecture", "pix2pix", "--size", 16, "--filters", 4, "--batch-size", 4, "--learning-rate", 0.005)


def scene(random, height=20, width=24):
    """Sky above ground with a block on it: the mask, and a picture of it in noisy colours."""
    mask = np.zeros((height, width), int)
    mask[random.integers(6, 14) :] = 1
    row, column = random.integers(2, 12, 2)
    mask[row : row + 7, column : column + 8] = 2
    noise = random.normal(0, 12, (height, width, 3))
    return np.array(NUMBERS, np.uint8)[mask], np.clip(COLOURS[mask] + noise, 0, 255).astype(np.uint8)


def write(folder, count, seed):
    """Photographs and palette masks, some of these in grey."""
    random = np.random.default_rng(seed)
    for name in ("photos", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        mask, photo = scene(random)
        Image.fromarray(photo).save(folder / "photos" / f"{number:02}.png")
        picture = Image.fromarray(mask)
        if number % 2:
            picture = Image.frombytes("P", picture.size, mask.tobytes())
            picture.putpalette([0] * 768)
        picture.save(folder / "masks" / f"{number:02}.png")
    return folder


def run_json(*words):
    return json.loads(command("gan", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with pairs and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before, least = Path.cwd(), pairs.LEAST_STEPS
    os.chdir(folder)
    pairs.LEAST_STEPS = 1
    write(folder / "streets", 24, seed=0)
    write(folder / "test", 6, seed=1)
    Image.new("RGB", (24, 20)).save("streets/photos/alone.png")
    Image.new("RGB", (30, 20)).save("streets/photos/wide.png")
    Image.new("L", (24, 20)).save("streets/masks/wide.png")
    Path("streets/photos/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    Image.new("L", (24, 20)).save("streets/masks/broken.png")
    source = ("--data", "streets/photos", "--masks", "streets/masks")
    told = command("gan", "train", *source, "--augment", "--run", "whole", "--epochs", 8, *TINY)
    (folder / "told.txt").write_text(told.output)
    command("gan", "export", "--run", "whole", "--licence", "none", "--data-note", "blocks of a test")
    yield folder
    os.chdir(before)
    pairs.LEAST_STEPS = least


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/gan/whole"
    assert {"config.json", "model.keras", "history.csv", "curves.png", "film", "film.gif"} <= set(os.listdir(run))
    config = json.loads((run / "config.json").read_text())
    assert config["numbers"] == list(NUMBERS) and config["images"] == {"train": 22, "test": 2}
    head, *rows = (run / "history.csv").read_text().splitlines()
    assert {"l1", "held_out_l1", "discriminator_loss", "generator_loss"} <= set(head.split(",")) and len(rows) == 8
    told = (workshop / "told.txt").read_text()
    for reason in ("1 without a mask", "1 with a mask of another size", "1 of no format that is read"):
        assert reason in told
    first, last = (float(row.split(",")[head.split(",").index("l1")]) for row in (rows[0], rows[-1]))
    assert last < 0.8 * first


def test_evaluation_stands_beside_the_mean_colour_of_each_class(workshop):
    found = run_json("evaluate", "--run", "whole", "--data", "test/photos", "--masks", "test/masks")
    assert found["images"] == {"test": 6, "train": 22} and "images given" in found["on"]
    assert set(found["measures"]) == {"translated", "mean colour of the class", "mean image"}
    for row in found["measures"].values():
        assert all(within(each) for each in row.values())
        assert 0 < row["mean absolute difference"]["value"] < 150 and -1 <= row["structural similarity"]["value"] < 1
    # The colours differ from their mean by noise alone: 12 times the root of 2 / pi.
    plain = found["measures"]["mean colour of the class"]["mean absolute difference"]["value"]
    assert plain < 12 < found["measures"]["mean image"]["mean absolute difference"]["value"]
    assert Path("runs/gan/whole/evaluation/samples.png").stat().st_size > 0
    shown = command("gan", "evaluate", "--run", "whole")
    assert "structural similarity" in shown.stdout and "2" in shown.stdout


def test_the_saved_model_makes_images_of_the_size_of_their_masks(workshop):
    saved = loading.load(loading.find("gan_translate"))
    mask = masks.read_mask("test/masks/00.png")
    image = saved(masks=mask[None])["image"]
    assert image.shape == (1, 20, 24, 3) and image.dtype == np.float32 and 0 <= image.min() <= image.max() <= 255
    small = masks.stretched(mask, 16, 16)
    generator = Run("runs/gan/whole").model().averaged_generator
    expected = pix2pix.translated(generator, small[None], NUMBERS)
    np.testing.assert_allclose(saved(masks=small[None])["image"], expected, atol=0.51)
    with pytest.raises(ValueError, match="must be one of 0, 3, 11"):
        saved(masks=np.full((1, 9, 9), 7, np.uint8))
    card = saved.card
    assert card["numbers"] == list(NUMBERS) and card["licence"] == "none" and "held_out" not in str(card["metrics"])


def test_translate_takes_files_folders_and_stdin(workshop):
    (workshop / "mixed").mkdir(exist_ok=True)
    shutil.copy("test/masks/01.png", "mixed/a.png")
    Image.fromarray(np.full((9, 9), 7, np.uint8)).save("mixed/unknown.png")
    Image.new("RGB", (9, 9)).save("mixed/colours.png")
    result = CliRunner().invoke(cli.root, ["gan", "translate", "mixed", "test/masks", "--output", "made"])
    assert result.exit_code == 0 and "Left out 2 of 9" in result.stderr, result.output
    assert sorted(path.name for path in Path("made").iterdir())[:2] == ["00.png", "01.png"]
    with Image.open("made/a.png") as image:
        assert image.size == (24, 20) and image.mode == "RGB"
    mask = Path("test/masks/00.png").read_bytes()
    piped = CliRunner().invoke(cli.root, ["gan", "translate", "-", "--output", "made", "--json"], input=mask)
    (row,) = json.loads(piped.stdout)
    assert row["file"] == "-" and Path(row["image"]).name == "stdin.png"
    assert row["model"] == "saved_models/gan_translate/1"
    assert (np.asarray(Image.open("made/stdin.png")) == np.asarray(Image.open("made/00.png"))).all()
    command("gan", "translate", "test/masks/00.png", "--output", "one.png")
    assert (np.asarray(Image.open("one.png")) == np.asarray(Image.open("made/00.png"))).all()
    assert "takes one image" in command("gan", "translate", "test/masks", "--output", "two.png", code=2).stderr
    shutil.copytree("mixed", "again", dirs_exist_ok=True)
    names = ["mixed/a.png", "again/a.png", "b.png", "-"]
    from kerasmlsp.apps.gan import translate

    told = [path.name for path in translate.targets(names, Path("x"))]
    assert told == ["mixed-a.png", "again-a.png", "b.png", "stdin.png"]


def test_masks_hold_numbers_or_colours(tmp_path):
    read = masks.read_masked_images
    grey = np.random.default_rng(0).integers(0, 256, (2, 12, 12)).astype(np.uint8)
    for name, pixels in {"a": grey[0], "b": grey[1]}.items():
        for folder in ("photos", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}.png")
    # More numbers than classes have.
    found = read(tmp_path / "photos", tmp_path / "masks", 12, colours=True)
    assert found.numbers == [] and found.masks.shape == (2, 12, 12, 3) and (found.masks == found.pixels).all()
    assert np.abs(pairs.encoded(found.masks, [])).max() <= 1
    # A palette picture of many colours is taken by its colours, not by their numbers.
    spectrum = Image.fromarray(np.arange(144, dtype=np.uint8).reshape(12, 12), "L").convert("P")
    spectrum.putpalette(list(range(255, -1, -1)) * 3)
    spectrum.save(tmp_path / "masks/b.png")
    found = read(tmp_path / "photos", tmp_path / "masks", 12, colours=True)
    assert (found.masks[1] == np.asarray(spectrum.convert("RGB"))).all()
    Image.fromarray(grey[0] // 64).save(tmp_path / "masks/a.png")
    Image.fromarray(grey[1] // 64).save(tmp_path / "masks/b.png")
    found = read(tmp_path / "photos", tmp_path / "masks", 6, colours=True)
    assert found.numbers == [0, 1, 2, 3] and (found.masks == grey[:, 1::2, 1::2] // 64).all()
    source = pairs.encoded(found.masks, found.numbers).numpy()
    assert source.shape == (2, 6, 6, 4) and (source.argmax(-1) == found.masks).all() and (source.sum(-1) == 1).all()
    with pytest.raises(ValueError, match=r"A mask must hold the numbers 0, 1\. Received: 2, 3"):
        read(tmp_path / "photos", tmp_path / "masks", 6, colours=True, numbers=[0, 1])


def test_pairs_are_mirrored_alike(workshop):
    found = masks.read_masked_images("test/photos", "test/masks", 16)
    from kerasmlsp.apps.gan.config import Config

    config = Config(architecture="pix2pix", augment=True, batch_size=6).complete()
    batches = pairs.training_batches(found, found.numbers, config)
    (inputs,) = batches.load(np.arange(6), (0, 1))
    plain = pairs.encoded(found.masks, found.numbers).numpy()
    turned = [(inputs["source"][row].numpy() == plain[row][:, ::-1]).all() for row in range(6)]
    assert any(turned) and not all(turned)
    for row, is_turned in enumerate(turned):
        image = found.pixels[row][:, ::-1] if is_turned else found.pixels[row]
        np.testing.assert_allclose((inputs["image"][row] + 1) * 127.5, image, atol=0.01)


def test_halvings_leave_a_map_of_four_pixels():
    assert {size: pix2pix.halvings(size) for size in (16, 32, 48, 128, 256)} == {16: 2, 32: 3, 48: 3, 128: 5, 256: 5}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "streets/photos", "--masks", "no", "--run", "x", *TINY), 1, "must be there already"),
        (("train", "--data", "streets/photos", "--masks", "hollow", "--run", "x", *TINY), 1, "must hold masks"),
        (
            ("train", "--data", "streets/photos", "--masks", "mixed2", "--run", "x", *TINY),
            1,
            "which has none called",
        ),
        (("train", "--data", "one", "--masks", "one", "--run", "x", *TINY), 1, "four images with masks"),
        (("train", "--data", "a", "--masks", "b", "--run", "x", *TINY, "--size", "20"), 2, "multiple of 16"),
        (("train", "--data", "a", "--masks", "b", "--run", "x", *TINY, "--hold-out", "z"), 2, "not of noise"),
        (("evaluate", "--run", "whole", "--data", "test/photos"), 2, "Give both"),
        (("evaluate", "--run", "whole", "--samples", "9"), 2, "draws nothing from noise"),
        (("evaluate", "--run", "whole", "--data", "one", "--masks", "unknown"), 1, "must hold the numbers 0, 3, 11"),
        (("translate", "no.png", "--output", "x"), 1, "no.png is not there"),
        (("translate", "unknown/00.png", "--output", "x"), 1, "must hold the numbers 0, 3, 11"),
        (("translate", "test/masks", "--output", "x", "--models", "nowhere"), 1, "gan_translate"),
        (("translate", "test/masks"), 2, "--output"),
    ],
)
def test_wrong_inputs_are_one_sentence_and_lose_nothing(workshop, words, code, told):
    for name in ("hollow", "mixed2", "one", "unknown", "a", "b"):
        Path(name).mkdir(exist_ok=True)
    shutil.copy("test/photos/00.png", "mixed2/other.png")
    shutil.copy("test/photos/00.png", "one")
    Image.fromarray(np.full((20, 24), 7, np.uint8)).save("unknown/00.png")
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}
    result = CliRunner().invoke(cli.root, ["gan", *map(str, words)])
    assert result.exit_code == code and told in " ".join(result.stderr.split()), result.output
    assert "Traceback" not in result.output
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_pictures_in_colours_are_translated_too(workshop):
    source = ("--data", "streets/photos", "--masks", "streets/photos")
    command("gan", "train", *source, "--run", "same", "--epochs", 1, *TINY)
    found = run_json("evaluate", "--run", "same")
    assert found["measures"]["source"]["mean absolute difference"]["value"] == 0
    command("gan", "export", "--run", "same", "--models", "others")
    command("gan", "translate", "test/photos/00.png", "--output", "coloured", "--models", "others")
    with Image.open("coloured/00.png") as image:
        assert image.size == (24, 20)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_the_generator_becomes_a_file_of_another_format(workshop, format):
    pytest.importorskip({"onnx": "tf2onnx", "litert": "ai_edge_litert"}[format])
    command("gan", "export", "--run", "whole", "--format", format)
    (facts,) = [json.loads(path.read_text()) for path in Path().glob("whole.*.json")]
    assert facts["numbers"] == list(NUMBERS)
    for path in Path().glob("whole.*"):
        path.unlink()


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(workshop):
    words = ["--data", "streets/photos", "--masks", "streets/masks", "--epochs", 6, *TINY]
    stop_and_resume("gan", words, "history.csv")


def test_copies_of_images_are_left_out(tmp_path):
    write(tmp_path / "streets", 4, seed=0)
    for place in ("photos", "masks"):
        shutil.copy(tmp_path / f"streets/{place}/00.png", tmp_path / f"streets/{place}/99.png")
    found = pix2pix._read(Config(data=f"{tmp_path}/streets/photos", masks=f"{tmp_path}/streets/masks"), 16)
    assert found.names == [f"{number:02}.png" for number in range(4)] and found.left_out == {"copies of others": 1}
