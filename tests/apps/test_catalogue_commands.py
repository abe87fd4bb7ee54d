"""The commands that list the builders and show what one of them makes."""

import json
import re
import subprocess
import sys

import pytest
from commands import command

from kerasmlsp import models
from kerasmlsp.apps import catalogue
from kerasmlsp.apps.parameters import PARAMETERS
from kerasmlsp.plotting import diagrams

PNG = b"\x89PNG"


def test_every_builder_is_listed_with_its_parameters_and_lecture():
    rows = {row["builder"]: row for row in json.loads(command("models", "--json").stdout)}
    assert list(rows) == models.__all__
    assert all(isinstance(row["parameters"], int) and row["parameters"] > 0 for row in rows.values())
    # 10,000 words of 16 numbers; four gates of 32 units that see input, state and bias; ten classes.
    assert rows["lstm_classifier"]["parameters"] == 10_000 * 16 + 4 * 32 * (16 + 32 + 1) + 10 * 33
    assert 'Hota, BITS F464 (2024), "RNN Architectures"' in rows["lstm_classifier"]["lecture"]
    assert rows["calibrated_ensemble"]["lecture"] == "beyond the lectures"


@pytest.fixture(scope="module")
def built():
    return {name: catalogue.build(getattr(models, name), {})[0] for name in models.__all__}


def test_listed_parameters_are_those_of_the_builders(built):
    assert {name: model.count_params() for name, model in built.items()} == PARAMETERS


def test_every_builder_can_be_drawn(built):
    """Every box is named once and comes after those that it takes its input from, and no weight counts twice."""
    for model in built.values():
        for net in diagrams._nets(model):
            boxes, seen = diagrams._blocks(net), set()
            for box in boxes:
                assert set(box.parents) <= seen, (model.name, box)
                seen.add(box.name)
            assert len(seen) == len(boxes) <= 40, model.name
            assert sum(box.parameters for box in boxes) <= net.count_params(), model.name
            diagrams._placed(boxes)


def test_the_list_needs_neither_keras_nor_tensorflow():
    code = (
        "import sys; sys.modules['keras'] = sys.modules['tensorflow'] = None\n"
        "from kerasmlsp.apps import cli; cli.root(['models'], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    assert len(done.stdout.splitlines()) == 1 + len(models.__all__)


def test_a_builder_is_shown_and_drawn(tmp_path):
    sizes = ["--size", "vocabulary_size=50", "--size", "num-classes=2", "--size", "kernel_sizes=(2, 3)"]
    shown = command("models", "show", "text_cnn", *sizes, "--figure", tmp_path / "cnn.png").stdout
    assert (
        re.search(r"conv_3 +Conv1D 3, relu +n x 128 +49,280 ", shown) and "conv_1" not in shown and "Kim 2014" in shown
    )
    # 50 words of 128 numbers; 128 filters of widths 2 and 3; one unit.
    assert str(50 * 128 + 128 * (2 * 128 + 1) + 128 * (3 * 128 + 1) + 257) in shown
    assert (tmp_path / "cnn.png").read_bytes().startswith(PNG)
    facts = json.loads(command("models", "show", "lstm_classifier", "--json").stdout)
    assert facts["arguments"] == {"vocabulary_size": 10_000, "num_classes": 10}
    assert {"layer": "lstm", "class": "LSTM"} in facts["layers"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nix"], "a builder that `kerasmlsp models` lists"),
        (["gpt", "--size", "colour=3"], "`--size` must name arguments of gpt: vocabulary_size"),
        (["gpt", "--size", "features=7"], "with `--size features=7`: `num_heads` must divide the 7 features"),
        (["lenet5", "--size", "num_classes='x'"], "lenet5 cannot be built with `--size num_classes='x'`"),
        (["lenet5", "--size", "num_classes"], "Invalid value for '--size': must be ARGUMENT=VALUE"),
    ],
)
def test_what_cannot_be_shown_is_told(words, told):
    assert told in command("models", "show", *words, code=2).stderr


def test_a_size_is_a_name_and_a_value():
    assert "must be ARGUMENT=VALUE" in command("models", "show", "gpt", "--size", "features=x y", code=2).stderr
    assert catalogue._size("num-classes = 3") == ("num_classes", 3)
