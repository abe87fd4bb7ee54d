"""What README and the pages of the applications show is run as it stands."""

import csv
import json
import re
import runpy
import shlex
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasmlsp.apps import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language, text=README):
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def commands(page):
    """Commands in blocks of the language sh; what takes long or needs data stands indented, without a block."""
    lines = [line for block in blocks("sh", page.read_text()) for line in block.splitlines()]
    return [line for line in lines if line.startswith("kerasmlsp ")]


def paths(pages):
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder: the shipped saved models, and reviews, plays and pictures of their own."""
    path = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "saved_models", path / "saved_models")
    (path / "plays.txt").write_text("ROMEO:\nIs the day so young?\n\nBENVOLIO:\nBut new struck nine.\n\n" * 90)
    write_pictures(path)
    write_speeds(path / "speeds.csv")
    with open(ROOT / "benchmarks/one_sentence_reviews.csv", newline="") as file:
        rows = list(csv.reader(file))
    for name, part in (("reviews.csv", rows[1:61]), ("test.csv", rows[61:])):
        with open(path / name, "w", newline="") as file:
            csv.writer(file).writerows([rows[0], *part])
    return path


def write_speeds(path):
    """An hour and a half of free roads, for those of the shipped model."""
    roads = json.loads((ROOT / "saved_models/traffic/1/card.json").read_text())["roads"]
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([roads, *([60 + step % 3] * len(roads) for step in range(18))])


def write_pictures(path):
    """Bright squares and bars in place of photographs of hands, and the pictures that README shows."""
    random = np.random.default_rng(0)
    for number in range(24):
        pixels = random.integers(0, 90, (64, 64, 3)).astype(np.uint8)
        pixels[20:44, 20 : 44 if number % 2 else 28] = 220
        file = path / "photos" / ("square" if number % 2 else "bar") / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    for name in ("hand.jpg", "camera.jpg"):
        shutil.copy(ROOT / "docs" / name, path)


def test_commands(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert len(commands(ROOT / "README.md")) >= 6
    run(commands(ROOT / "README.md"))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES[1:], ids=paths(PAGES[1:]))
def test_commands_of_other_pages(folder, monkeypatch, page):
    monkeypatch.chdir(folder)
    run(commands(page))


def run(lines):
    for line in lines:
        result = CliRunner().invoke(cli.root, shlex.split(line)[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}"
        assert result.stdout.strip()


def test_make_targets():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"\bmake ([a-z-]+)\b", "\n".join(blocks("sh"))))
    assert shown and shown <= targets


# Those of lectures.md and conversion.md are run beside what else is tested of these pages.
@pytest.mark.parametrize("page", ["README.md", "docs/apps/chargen.md"])
def test_python(folder, monkeypatch, capsys, page):
    monkeypatch.chdir(folder)
    codes = blocks("python", (ROOT / page).read_text())
    assert codes
    for code in codes:
        exec(compile(code, page, "exec"), {})
        assert capsys.readouterr().out.strip()


def test_the_page_of_the_library_is_one_script(tmp_path, monkeypatch, capsys):
    """It counts right once it is trained, and its saved model writes what the net writes."""
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "library.py"
    script.write_text("\n".join(blocks("python", (ROOT / "docs/how-to/library.md").read_text())))
    runpy.run_path(str(script))
    accuracy, written, saved = capsys.readouterr().out.splitlines()
    assert float(accuracy.split()[1]) > 0.8 and written.startswith("one two ") and saved.startswith("three four five")
    assert {"model.keras", "curves.png", "history.csv"} <= {each.name for each in Path("runs/counting").iterdir()}


def test_every_page_with_python_is_run_somewhere():
    shown = {str(page.relative_to(ROOT)) for page in PAGES if blocks("python", page.read_text())}
    assert shown == {
        "README.md",
        "docs/apps/chargen.md",
        "docs/conversion.md",
        "docs/how-to/library.md",
        "docs/lectures.md",
    }


@pytest.mark.parametrize("page", PAGES, ids=paths(PAGES))
def test_links(page):
    for link, anchor in re.findall(r"\]\(([\w./-]+)(?:#([\w-]+))?\)", page.read_text()):
        target = page.parent / link
        assert target.exists(), link
        if anchor:
            assert re.search(rf"^#+ {anchor.replace('-', ' ')}$", target.read_text(), re.MULTILINE | re.IGNORECASE), (
                anchor
            )


def test_readme_is_a_front_page():
    assert len(README.splitlines()) <= 150
