"""The table of docs/conversion.md holds every builder, and each of its rows is true."""

import re

import keras
import pytest
from conversion import CASES, COLUMNS, PAGE, cell, rows

from kerasmlsp import models

# Hashes and large whole numbers, and a format that lacks operations.
SOME = ("naive_bayes_ngrams",)

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="Converters read TensorFlow's graphs.")


def test_every_builder_has_a_row():
    assert set(rows()) == set(CASES) == set(models.__all__)
    assert all(len(cells) == len(COLUMNS) for cells in rows().values())


def needs_converters():
    for package in ("tf2onnx", "onnxruntime", "ai_edge_litert"):
        pytest.importorskip(package)


def test_the_example_of_the_page(tmp_path, monkeypatch):
    needs_converters()
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def holds(name):
    needs_converters()
    assert tuple(cell(name, column) for column in COLUMNS) == rows()[name]


@pytest.mark.parametrize("name", SOME)
def test_some_rows_are_true(name):
    holds(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name not in SOME])
def test_every_row_is_true(name):
    holds(name)
