"""The catalogue of figures is whole, and the command that draws them tells what is wrong."""

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kerasmlsp import figures
from kerasmlsp.apps import cli

ROOT = Path(__file__).resolve().parents[2]
# In the map of the lectures, and in the list of figures.
MAP, PAGE = ((ROOT / "docs" / name).read_text() for name in ("lectures.md", "figures.md"))
NAMES = [name.replace("_", "-") for name in figures.__all__]


def command(*words, code=0):
    result = CliRunner().invoke(cli.root, ["figures", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def functions():
    """Functions of the tests of figures by name."""
    trees = [ast.parse(path.read_text()) for path in Path(__file__).parent.glob("test_*.py")]
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", figures.__all__)
def test_every_figure_has_a_function_a_slide_and_an_assertion(name):
    function, test = getattr(figures, name), functions()[f"test_{name}"]
    assert callable(function) and any(isinstance(node, ast.Assert) for node in ast.walk(test))
    unknown = figures.QUICK.get(name, {}).keys() - inspect.signature(function).parameters.keys()
    assert not unknown, unknown


def test_every_figure_is_in_the_map_of_the_lectures_and_on_its_page():
    rows = [line.split("|")[1:-1] for line in MAP.splitlines() if line.startswith("| ")]
    mapped = {name for row in rows for name in re.findall(r"`([\w-]+)`", row[4])}
    assert mapped == set(NAMES)
    assert set(re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE)) == set(NAMES)


def test_every_figure_is_in_one_group():
    grouped = [name for names in figures.GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(figures.__all__) and figures.QUICK.keys() <= set(grouped)


def test_the_list_needs_neither_keras_nor_tensorflow():
    code = (
        "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None\n"
        "from kerasmlsp.apps import cli; cli.root(['figures', '--list'], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    found = re.findall(r"^  ([\w-]+) ", done.stdout, re.MULTILINE)
    assert sorted(found) == sorted(NAMES)


def test_the_list_as_json_names_the_lecture():
    rows = {row["figure"]: row for row in json.loads(command("--list", "--json").stdout)}
    assert "Cover's Theorem" in rows["cover"]["lecture"] and rows["rbm"]["group"] == "Energy"


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_is_drawn_and_its_numbers_printed(tmp_path, kind, start):
    output = tmp_path / f"depth.{kind}"
    result = command("depth", "--output", output, "--quick")
    assert output.read_bytes().startswith(start) and str(output) in result.stderr
    assert re.search(r"^pieces\n  deep +32", result.stdout, re.MULTILINE)


def test_the_figure_is_named_after_itself_where_no_file_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    numbers = json.loads(command("linear_boundaries", "--json").stdout)
    assert (tmp_path / "linear-boundaries.png").exists() and len(numbers["lines"]["two clouds"]) == 12


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 2, "Name a figure: `kerasmlsp figures --list` lists them."),
        (["nix"], 2, "Received: 'nix'"),
        (["cover", "--output", "cover.gif"], 2, ".png"),
        (["cover", "--data", "here"], 2, "`--data` is for figures of data, which cover is not"),
        (["rbm", "--quick", "--data", "nowhere"], 1, "nowhere"),
        (["cover", "--output", "nowhere/cover.png"], 1, "`--output` must be in a folder that is there already"),
    ],
)
def test_what_cannot_be_drawn_is_told(tmp_path, monkeypatch, words, code, told):
    monkeypatch.chdir(tmp_path)
    assert told in command(*words, code=code).stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "argument", "value", "wanted"),
    [
        ("cover", "epochs", 0, "a whole number, at least 1"),
        ("linear_boundaries", "count", 2.5, "a whole number, at least 1"),
        ("saddle", "steps", float("nan"), "a whole number, at least 0"),
        ("batch_size", "epochs", 0, "a whole number, at least 1"),
        ("initialisation", "depth", float("inf"), "a whole number, at least 1"),
        ("batch_size", "seed", -1, "a whole number, at least 0"),
        ("batch_size", "rate", float("nan"), "finite"),
        ("backprop_cost", "widths", (), "some values, not none"),
        ("kernels", "widths", (1.0, float("inf")), "finite values"),
    ],
)
def test_arguments_that_no_figure_can_be_made_of_are_refused(name, argument, value, wanted):
    with pytest.raises(ValueError, match=f"`{argument}` must be {wanted}. Received: "):
        getattr(figures, name)(**{argument: value})


def test_nets_that_have_learnt_nothing_are_drawn():
    for name, argument in (("shuffled_pixels", "steps"), ("rbm", "epochs")):
        assert getattr(figures, name)(**{**figures.QUICK[name], argument: 0}).numbers
