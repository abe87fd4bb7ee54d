"""Figures are PNG files, drawn without a display or pyplot's global state."""

import struct
import sys

import numpy as np
import pytest

from kerasmlsp import plotting

ROWS = [
    {"epoch": epoch, "loss": 1 / epoch, "val_loss": 1.2 / epoch, "accuracy": 0.5, "learning_rate": 1e-3}
    for epoch in (1, 2, 3)
]
FIGURES = {
    "curves": lambda path: plotting.curves(ROWS, path),
    "one epoch, one metric": lambda path: plotting.curves([{"epoch": 1, "loss": 0.3}], path),
    "confusion_matrix": lambda path: plotting.confusion_matrix([[5, 1], [0, 0]], ["negative", "positive"], path),
    "many classes": lambda path: plotting.confusion_matrix(
        np.eye(12, dtype=int), [f"class {i}" for i in range(12)], path
    ),
    "reliability_diagram": lambda path: plotting.reliability_diagram([0, 0.6, 0.9], [0, 0.5, 1], [0, 4, 8], path),
    "token_weights": lambda path: plotting.token_weights(
        ["a", "good", "film"], [0.1, 0.7, 0.2], path, title="positive"
    ),
    "long text": lambda path: plotting.token_weights(["word"] * 73, np.linspace(0, 1, 73), path),
    "word_maps": lambda path: plotting.word_maps(
        np.zeros((9, 12, 3), np.uint8), list("abcdefg"), np.random.default_rng(0).random((7, 2, 3)), path, title="seven"
    ),
    "one word, no weight": lambda path: plotting.word_maps(np.zeros((9, 9, 3), np.uint8), ["a"], [[[0.0]]], path),
    "no weight": lambda path: plotting.token_weights(["word"], [0.0], path),
}


def size(path):
    """Width and height in pixels of a PNG file."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_written(name, tmp_path):
    # The ending of the file does not decide on the format: files are written under temporary names first.
    path = tmp_path / "figure.part"
    FIGURES[name](path)
    assert min(size(path)) > 50


def test_curves_have_a_panel_for_each_metric(tmp_path):
    plotting.curves(ROWS, tmp_path / "three.png")
    plotting.curves([{"epoch": 1, "loss": 0.3}], tmp_path / "one.png")
    assert size(tmp_path / "three.png")[0] == 3 * size(tmp_path / "one.png")[0]


def test_no_figure_is_left_open(tmp_path):
    plotting.curves(ROWS, tmp_path / "curves.png")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
