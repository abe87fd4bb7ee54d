"""Figures are PNG files, drawn without a display or pyplot's global state."""

import struct
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasmlsp import plotting
from kerasmlsp.plotting import figures
from kerasmlsp.plotting.fonts import _installed, families

ROWS = [
    {"epoch": epoch, "loss": 1 / epoch, "val_loss": 1.2 / epoch, "accuracy": 0.5, "learning_rate": 1e-3}
    for epoch in (1, 2, 3)
]
NORMS = [
    {"epoch": epoch, "step": step, "layer": layer, "gradient": gradient, "update": 1e-3 * epoch}
    for epoch in (1, 2)
    for step in (5, 10)
    for layer, gradient in (("first", 0.0), ("second", 0.1), ("last", float("nan")))
]
FIGURES = {
    "curves": lambda path: plotting.curves(ROWS, path),
    "update_norms": lambda path: plotting.update_norms(NORMS, path),
    "one row": lambda path: plotting.update_norms(NORMS[:1], path),
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
    "contact_sheet": lambda path: plotting.contact_sheet(np.zeros((5, 8, 9, 3), np.uint8), path, titles=list("abcde")),
    "one picture": lambda path: plotting.contact_sheet([np.zeros((8, 9, 3), np.uint8)], path, columns=1),
    "heat_maps": lambda path: plotting.heat_maps(
        [np.zeros((40, 30, 3), np.uint8), np.ones((9, 9, 3), np.uint8)],
        [np.eye(4), np.zeros((2, 2))],
        path,
        titles=["one", "two"],
    ),
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


@pytest.fixture
def fonts(monkeypatch):
    """Sets which fonts are installed beside the one that matplotlib takes by itself."""
    from matplotlib import font_manager

    def installed(*paths):
        _installed.cache_clear()
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: list(map(str, paths)))
        # As in a list that was made before they were installed.
        monkeypatch.setattr(font_manager.fontManager, "ttflist", own)

    own = [each for each in font_manager.fontManager.ttflist if each.name == "DejaVu Sans"]
    yield installed
    _installed.cache_clear()


def test_letters_are_drawn_in_an_installed_font_that_has_them(tmp_path, fonts, caplog):
    import matplotlib

    # Letters that STIX has and DejaVu Sans lacks; STIX comes with matplotlib.
    letters = "\u2312\u231a"
    stix = Path(matplotlib.get_data_path(), "fonts", "ttf", "STIXGeneral.ttf")
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(b"no font")
    pictures = []
    for paths in ((), (damaged, stix)):
        fonts(*paths)
        for draw in (
            lambda path: plotting.confusion_matrix([[1, 0], [0, 1]], ["a", letters], path),
            lambda path: plotting.token_weights(["a", letters], [0.5, 0.1], path, title=letters),
            lambda path: plotting.word_maps(np.zeros((9, 9, 3), np.uint8), [letters], np.ones((1, 2, 2)), path),
        ):
            draw(tmp_path / "a.png")
            pictures.append((tmp_path / "a.png").read_bytes())
        if not paths:
            (record,) = caplog.records
            assert record.getMessage() == (
                f"No installed font has {''.join(sorted(letters))}, which figures show as boxes: install one, as with "
                "`apt install fonts-symbola` on Debian."
            )
            caplog.clear()
    assert not caplog.records
    assert all(box != letter for box, letter in zip(pictures[:3], pictures[3:], strict=True))
    assert families("a" + letters) == ["STIXGeneral"] and families("aé") == []


@pytest.mark.parametrize(
    ("letters", "package"),
    [("नम", "fonts-noto-core"), ("正한か", "fonts-noto-cjk"), ("😀🎬", "fonts-symbola")],
)
def test_the_package_of_a_font_is_named_and_nothing_is_warned_of(tmp_path, fonts, caplog, letters, package):
    fonts()
    plotting.token_weights([letters], [1.0], tmp_path / "a.png", title=letters)
    plotting.contact_sheet([np.zeros((9, 9, 3), np.uint8)], tmp_path / "a.png", titles=[letters])
    (record,) = caplog.records
    assert f"`apt install {package}`" in record.getMessage()


def test_prices_are_no_formulas_and_powers_are(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **more: drawn.append(figure) or save(figure, *_, **more))
    plotting.confusion_matrix([[1, 0], [0, 1]], ["$5_a", "from $6 to $7^"], tmp_path / "a.png")
    labels = drawn[0].axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["$5_a", "from $6 to $7^"]
    assert not any(label.get_parse_math() for label in labels)
    plotting.update_norms(NORMS, tmp_path / "b.png")
    assert any(label.get_text() and label.get_parse_math() for label in drawn[1].axes[0].get_yticklabels())


def test_curves_have_a_panel_for_each_metric(tmp_path):
    plotting.curves(ROWS, tmp_path / "three.png")
    plotting.curves([{"epoch": 1, "loss": 0.3}], tmp_path / "one.png")
    assert size(tmp_path / "three.png")[0] == 3 * size(tmp_path / "one.png")[0]


def test_no_figure_is_left_open(tmp_path):
    plotting.curves(ROWS, tmp_path / "curves.png")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_diagram_draws_layers_and_passes_through_what_lies_between(tmp_path):
    inputs = keras.Input((4,), name="signal")
    wide = keras.layers.Dense(3, name="wide")(inputs)
    skipped = keras.ops.tanh(wide) + keras.layers.Dense(3, name="same")(wide)
    model = keras.Model(inputs, keras.layers.Dense(2, name="answer")(skipped))
    boxes, arrows = figures._graph(model)
    assert {name: depth for name, (depth, _) in boxes.items()} == {"signal": 0, "wide": 1, "same": 2, "answer": 3}
    assert set(arrows) == {("signal", "wide"), ("wide", "same"), ("wide", "answer"), ("same", "answer")}
    assert boxes["wide"][1] == "wide\nDense  (None, 3)  15"
    plotting.diagram(model, tmp_path / "model.png")
    assert (tmp_path / "model.png").read_bytes().startswith(b"\x89PNG")


def test_diagram_of_a_model_that_is_no_graph_is_a_column(tmp_path):
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = keras.layers.Dense(2, name="one"), keras.layers.Dense(2, name="two")

        def call(self, inputs):
            return self.two(self.one(inputs))

    boxes, arrows = figures._graph(Pair())
    assert {name: depth for name, (depth, _) in boxes.items()} == {"one": 0, "two": 1} and not arrows
    plotting.diagram(Pair(), tmp_path / "pair.png")
    assert (tmp_path / "pair.png").stat().st_size > 1000


def test_images_in_a_grid_keep_their_pixels():
    images = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4, 1)
    grid = plotting.image_grid(images, columns=2, gap=1)
    assert grid.shape == (2 * 3 + 1, 2 * 5 + 1, 1)
    assert (grid[1:3, 1:5] == images[0]).all() and (grid[1:3, 6:10] == images[1]).all()
    assert (grid[4:6, 1:5] == images[2]).all() and (grid[4:6, 6:10] == 255).all() and (grid[:, 5] == 255).all()
    twice = plotting.image_grid(images, columns=2, gap=1, scale=2)
    assert (twice[::2, ::2] == grid).all() and (twice[1::2, 1::2] == grid).all()
    assert plotting.image_grid(np.zeros((10, 2, 2, 3), np.uint8), gap=0).shape == (3 * 2, 4 * 2, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_and_animations_are_read_back(tmp_path, channels):
    from PIL import Image

    frames = np.stack([np.full((3, 5, channels), shade, np.uint8) for shade in (0, 128, 255)])
    plotting.picture(frames[1], tmp_path / "picture.part")
    with Image.open(tmp_path / "picture.part") as found:
        assert found.format == "PNG" and found.size == (5, 3) and (np.asarray(found) == 128).all()
    plotting.animation(frames, tmp_path / "film.part", milliseconds=50, hold=400)
    with Image.open(tmp_path / "film.part") as film:
        assert film.format == "GIF" and film.n_frames == 3 and film.info["loop"] == 0
        for place, time in enumerate((50, 50, 400)):
            film.seek(place)
            assert film.info["duration"] == time
            assert (np.asarray(film.convert("RGB")) == frames[place]).all()
    plotting.animation(frames[:1], tmp_path / "one.part")
    with Image.open(tmp_path / "one.part") as film:
        assert film.n_frames == 1
