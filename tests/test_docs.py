"""The lecture map names every builder and nothing that is not there, and its examples run."""

import re
from pathlib import Path

import keras
import pytest

from kerasmlsp import augment, interpret, layers, models

ROOT = Path(__file__).resolve().parents[1]
MAP = (ROOT / "docs/lectures.md").read_text()
ROWS = [line.split("|")[1:-1] for line in MAP.splitlines() if line.startswith("| ") and not line.startswith("| slide")]


def test_every_builder_is_in_the_lecture_map():
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[1])}
    assert set(models.__all__) <= named, sorted(set(models.__all__) - named)
    own = {*models.__all__, *layers.__all__, *interpret.__all__, *augment.__all__}
    options = {"num_layers", "clip_norm"}
    known = {*own, *dir(keras.layers), *options, "UpdateNorms", "beam_search", "class_weights", "confusion"}
    assert named <= known, sorted(named - known)


def test_applications_of_the_lecture_map_are_there():
    for row in ROWS:
        for app in filter(None, (name.strip() for name in row[2].split(","))):
            assert (ROOT / "apps" / app / "cli.py").exists() or (ROOT / "apps" / f"{app}.py").exists(), app


def test_links_of_the_lecture_map_lead_somewhere():
    links = re.findall(r"\]\(([\w./-]+)\)", MAP)
    assert len(links) >= len(ROWS)
    for link in links:
        assert (ROOT / "docs" / link).exists(), link


@pytest.mark.parametrize("code", re.findall(r"^```python\n(.*?)^```", MAP, re.MULTILINE | re.DOTALL))
def test_examples_of_the_lecture_map(capsys, code):
    exec(compile(code, "docs/lectures.md", "exec"), {})
    assert capsys.readouterr().out.strip()
