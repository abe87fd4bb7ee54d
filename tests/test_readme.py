"""What README and the pages of the applications show is run as it stands."""

import csv
import json
import os
import re
import runpy
import shlex
import shutil
import socket
import subprocess
import sys
import textwrap
import wave
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from kerasmlsp.apps import cli, serve

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


pytestmark = pytest.mark.usefixtures("replayed_here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder: the shipped saved models, and reviews, plays and pictures of their own."""
    path = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "saved_models", path / "saved_models")
    (path / "plays.txt").write_text("ROMEO:\nIs the day so young?\n\nBENVOLIO:\nBut new struck nine.\n\n" * 90)
    write_pictures(path)
    write_recordings(path)
    write_signals(path)
    write_walks(path)
    write_clips(path)
    write_speeds(path / "speeds.csv")
    write_scenes(path)
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


def write_clips(path):
    """Blocks that go to the left and to the right, as animations."""
    for number in range(24):
        frames = np.full((8, 24, 24), number, np.uint8)
        for place in range(8):
            columns = (number + (place if number % 2 else -place) + np.arange(8)) % 24
            frames[place, 8:16, columns] = 220
        file = path / "clips" / ("right" if number % 2 else "left") / f"{number}.gif"
        file.parent.mkdir(parents=True, exist_ok=True)
        first, *others = map(Image.fromarray, frames)
        first.save(file, "GIF", save_all=True, append_images=others)


def write_pictures(path):
    """Bright squares and bars in place of photographs of hands, and the pictures that README shows."""
    random = np.random.default_rng(0)
    for number in range(24):
        pixels = random.integers(0, 90, (64, 64, 3)).astype(np.uint8)
        pixels[20:44, 20 : 44 if number % 2 else 28] = 220
        file = path / "photos" / ("square" if number % 2 else "bar") / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    for name in ("hand.jpg", "camera.jpg", "words.ogg", "beats.tsv"):
        shutil.copy(ROOT / "docs" / name, path)


def write_scenes(path):
    """Bright squares on a dark ground, with masks and with boxes."""
    random, rows = np.random.default_rng(0), [("path", "label", "xmin", "ymin", "xmax", "ymax")]
    for name in ("scenes", "masks"):
        (path / name).mkdir()
    for number in range(12):
        pixels, mask = random.integers(0, 90, (48, 64, 3)).astype(np.uint8), np.zeros((48, 64), np.uint8)
        left, top = (int(each) for each in random.integers(2, 24, 2))
        pixels[top : top + 20, left : left + 20], mask[top : top + 20, left : left + 20] = 220, 1
        Image.fromarray(pixels).save(path / "scenes" / f"{number}.png")
        Image.fromarray(mask).save(path / "masks" / f"{number}.png")
        rows.append((f"scenes/{number}.png", "square", left, top, left + 20, top + 20))
    with open(path / "boxes.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_recordings(path):
    """High and low tones in place of words, 12 of each, as WAV files of 16 bits."""
    random, time = np.random.default_rng(0), np.arange(16_000) / 16_000
    for number in range(24):
        samples = np.sin(2 * np.pi * random.uniform(200, 300) * (1 + 3 * (number % 2)) * time) * np.hanning(len(time))
        file = path / "recordings" / ("high" if number % 2 else "low") / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as opened:
            opened.setparams((1, 2, 16_000, 0, "NONE", ""))
            opened.writeframes((9000 * samples).astype("<i2").tobytes())


def write_signals(path):
    """Waves of which some have a bump, as series in rows and as a stream."""
    random = np.random.default_rng(0)
    for name in ("train.tsv", "test.tsv"):
        waves = np.sin(np.linspace(0, 6, 20) + random.normal(0, 0.1, (40, 1)))
        waves[::4, 8:12] += 2
        rows = [[1 + (row % 4 == 0), *np.round(wave, 3)] for row, wave in enumerate(waves)]
        (path / name).write_text("\n".join("\t".join(map(str, row)) for row in rows))
    faults = (np.arange(400) // 4) == 80
    values = np.sin(np.arange(400) / 2) + random.normal(0, 0.05, 400) + 3 * faults
    rows = [f"{row},{value:.3f},{int(fault)}" for row, (value, fault) in enumerate(zip(values, faults, strict=True))]
    (path / "sensor.csv").write_text("\n".join(["time,value,fault", *rows]))


def write_walks(path):
    """People who sit and walk, with a phone that is read fifty times a second."""
    random = np.random.default_rng(0)
    for number in range(4):
        times = np.arange(400) / 50
        swing = np.where(times < 4, 0, np.sin(12 * times + number))[:, None] * [1, 3, 2, 0.5, 1, 0.2]
        values = random.normal(swing + np.array([0, 0, 9.8, 0, 0, 0]), 0.1)
        file = path / "walks" / f"s{number:02}" / "walk.csv"
        file.parent.mkdir(parents=True)
        with open(file, "w", newline="") as stream:
            csv.writer(stream).writerow(["x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro", "timestamp", "label"])
            for time, row in zip(times, values, strict=True):
                csv.writer(stream).writerow([*row.round(3), int(time * 1000), "sitting" if time < 4 else "walking"])
    shutil.copy(path / "walks/s00/walk.csv", path / "walk.csv")


INLINE = re.findall(r"`(kerasmlsp \w+ \w+ [^`]+)`", README)
LINES = [*commands(ROOT / "README.md"), *INLINE]
# Their saved models take longest to load, and then to write.
LONG = ("caption", "music", "translate")


def test_commands(folder, monkeypatch):
    monkeypatch.chdir(folder)
    long = [line for line in LINES if line.split()[1] in LONG]
    assert len(INLINE) >= 5 and len(LINES) >= 9 and len(long) == len(LONG)
    for line in long:  # there are such commands with such options
        context, words = click.Context(cli.root), shlex.split(line)[1:]
        while isinstance(context.command, click.Group):
            command, words = context.command.get_command(context, words[0]), words[1:]
            context = click.Context(command, parent=context)
        command.make_context(command.name, words)
    run([line for line in LINES if line not in long])


@pytest.mark.slow
def test_commands_that_take_long(folder, monkeypatch):
    monkeypatch.chdir(folder)
    run([line for line in LINES if line.split()[1] in LONG])


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
@pytest.mark.parametrize("page", ["README.md", pytest.param("docs/apps/chargen.md", marks=pytest.mark.slow)])
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


@pytest.mark.slow
def test_the_page_of_the_server_is_one_script(tmp_path):
    """From a table to a server that is asked, takes a new version, is asked by label, and is stopped."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = (ROOT / "docs/how-to/serve.md").read_text()
    script = "\n".join(blocks("bash", page)).replace(":8501", f":{port}").replace("serve --", f"serve --port {port} --")
    # What waits for the server in the page waits for ever.
    words = ["timeout", "--kill-after", "30", "600", "bash", "-euo", "pipefail", "-c", script]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    run = subprocess.run(words, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.findall(r'"label":"(\w+)"', run.stdout) == ["delivery", "billing", "delivery"]
    assert (
        '"model_name":"sentiment"' in run.stdout and 'kerasmlsp_request_seconds_count{model="sentiment"' in run.stdout
    )
    assert '"POST /v1/models/sentiment/labels/canary:predict" 200' in (tmp_path / "access.log").read_text()


def test_metrics_on_the_page_of_the_server_are_those_there_are():
    source = (ROOT / "kerasmlsp/serving/metrics.py").read_text() + (ROOT / "kerasmlsp/serving/engine.py").read_text()
    named = set(re.findall(r"\b(?:kerasmlsp|process)_[a-z_]+\b", (ROOT / "docs/how-to/serve.md").read_text()))
    assert len(named) >= 8
    for name in named - {"kerasmlsp_"}:
        assert re.sub("_(bucket|count)$", "", name) in source, name


def test_every_option_of_the_server_is_on_its_page():
    rows = (ROOT / "docs/how-to/serve.md").read_text().partition("## Options")[2]
    options = {name for each in serve.serve.params for name in (*each.opts, *each.secondary_opts)}
    assert options == set(re.findall(r"--[a-z][a-z-]+", rows))


def test_every_page_with_python_is_run_somewhere():
    shown = {str(page.relative_to(ROOT)) for page in PAGES if blocks("python", page.read_text())}
    assert shown == {
        "README.md",
        "docs/apps/chargen.md",
        "docs/conversion.md",
        "docs/how-to/clients.md",
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
