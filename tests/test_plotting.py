"""Figures are PNG files, drawn without a display or pyplot's global state."""

import struct
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasmlsp import models, plotting
from kerasmlsp.plotting import _canvas, classes, diagrams
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
BY_LENGTH = [
    {"from": 1, "to": 9, "length": 6.5, "sentences": 99, "BLEU": {"value": 30.0, "low": 28.0, "high": 33.0}},
    {"from": 10, "to": None, "length": 12.5, "sentences": 9, "BLEU": {"value": 20.0, "low": None, "high": None}},
]
LINES = {"A1": np.array([1, np.nan, 3]), "A2": np.ones(3)}
FIGURES = {
    "curves": lambda path: plotting.curves(ROWS, path),
    "update_norms": lambda path: plotting.update_norms(NORMS, path),
    "alignment": lambda path: plotting.alignment(["a", "dog", "end"], ["ein", "Hund"], np.eye(2, 3), path, title="two"),
    "score_by_length": lambda path: plotting.score_by_length({"net": BY_LENGTH, "words": BY_LENGTH[:1]}, path),
    "forecast_lines": lambda path: plotting.forecast_lines(LINES, LINES, path, hours=np.arange(3)),
    "space_time": lambda path: plotting.space_time(
        {"speeds": np.array([[1, np.nan], [2, 3]]), "errors": np.array([[-1, 0], [2, np.nan]])},
        path,
        hours=np.arange(2),
    ),
    "strongest": lambda path: plotting.strongest({"A1": [("A1", 0.5), ("A2", -0.2)], "A2": [("A2", 1.0)]}, path),
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
    "fooled_pictures": lambda path: plotting.fooled_pictures(
        [np.zeros((9, 12, 3), np.uint8)] * 2,
        [np.full((9, 12, 3), 300.0), np.zeros((9, 12, 3))],
        path,
        before=["hen", "hen"],
        after=["fox", "hen"],
        changes=["L2 3", "none"],
    ),
    "share_curves": lambda path: plotting.share_curves(
        {"fgsm": {0.5: 0.1, 4.0: 1.0}, "none": {}}, path, along="epsilon", share="fooled", logarithmic=True
    ),
    "boxed": lambda path: plotting.boxed(
        [np.zeros((30, 40, 3), np.uint8)] * 3,
        [[((2, 2, 9, 30), "cell 0.90", (0, 128, 0)), ((5, 5, 20, 8), "", (255, 255, 255))], [], []],
        path,
        titles=list("abc"),
    ),
    "picture_table": lambda path: plotting.picture_table(
        {"photograph": [np.zeros((9, 12, 3), np.uint8)] * 2, "mask": [np.ones((9, 12, 3), np.uint8)] * 2},
        path,
        titles=["a.jpg", "b.jpg"],
        legend={f"class {number}": (number, 0, 0) for number in range(8)},
    ),
    "timeline": lambda path: plotting.timeline(
        np.zeros((4, 6)),
        {"true": ["sit", "sit", "", "walk"], "predicted": ["sit", "walk", "walk", "walk"]},
        path,
        rate=2,
        channels=list("abcdef"),
        title="one.csv",
    ),
    "timeline without classes": lambda path: plotting.timeline(np.zeros((4, 1)), {}, path),
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


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    from matplotlib.figure import Figure

    figures, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *_, **more: figures.append(figure) or save(figure, *_, **more)
    )
    return figures


def test_prices_are_no_formulas_and_powers_are(tmp_path, drawn):
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
    many = {"epoch": 1, **{f"metric {number}": 0.1 for number in range(9)}}
    plotting.curves([many], tmp_path / "nine.png")
    assert size(tmp_path / "nine.png") == (4 * 408, 3 * 360)


def test_epochs_are_whole_numbers(tmp_path, drawn):
    for count in (1, 2, 3, 40):
        plotting.curves([{"epoch": epoch + 1, "loss": 0.3} for epoch in range(count)], tmp_path / "curves.png")
        (axes,) = drawn[-1].axes
        assert all(tick == round(tick) for tick in axes.get_xticks()) and 1 <= len(axes.get_xticks()) <= 10


def test_a_timeline_has_a_band_for_each_stretch_of_a_class(tmp_path, drawn):
    bands = {"true": ["sit", "sit", "", "walk"], "predicted": ["sit"] * 4}
    plotting.timeline(np.zeros((4, 3)), bands, tmp_path / "a.png", rate=2)
    _, true, predicted = drawn[0].axes
    assert [(each.get_x(), each.get_width()) for each in true.patches] == [(0, 1), (1.5, 0.5)]
    assert [(each.get_x(), each.get_width()) for each in predicted.patches] == [(0, 2)]
    # A class has one colour in all bands.
    assert true.patches[0].get_facecolor() == predicted.patches[0].get_facecolor() != true.patches[1].get_facecolor()
    with pytest.raises(ValueError, match=r"`bands` must have a class for each sample\. Received: 3 of 'true'"):
        plotting.timeline(np.zeros((4, 3)), {"true": ["sit"] * 3}, tmp_path / "b.png")


def luminance(colour):
    from matplotlib.colors import to_rgb

    return to_rgb(colour) @ np.array([0.2126, 0.7152, 0.0722])


def words(figure):
    """Texts that have a patch behind them."""
    return [text for text in figure.texts if text.get_bbox_patch()]


def test_words_can_be_read_on_their_shades(tmp_path, drawn):
    plotting.token_weights(["so", "very", "good"], [0.0, 0.05, 0.95], tmp_path / "a.png")
    plotting.token_weights(["word"] * 40, [1 / 40 + 0.5 * (place == 3) for place in range(40)], tmp_path / "b.png")
    shades = [(luminance(word.get_bbox_patch().get_facecolor()[:3]), word.get_color()) for word in words(drawn[1])]
    assert min(shades)[1] == "white" and max(shades)[1] == "black" and min(shades)[0] < 0.3
    for shade, colour in shades:
        assert abs(luminance(colour) - shade) > 0.4


def test_equal_weights_are_pale_whatever_their_number(tmp_path, drawn):
    for count in (1, 5, 90):
        plotting.token_weights(["word"] * count, np.full(count, 1 / count), tmp_path / "a.png")
    shades = {word.get_bbox_patch().get_facecolor() for figure in drawn for word in words(figure)}
    assert len(shades) == 1 and luminance(shades.pop()[:3]) > 0.8
    assert drawn[0].axes[-1].get_xlabel() == "attention: 1x is an even share, 1/1"


def test_long_words_do_not_overlap_and_are_within_the_figure(tmp_path, drawn):
    tokens = ["antidisestablishmentarianism", "of", "internationalisation", "W" * 300, "pneumonoultramicroscopic"] * 4
    plotting.token_weights(tokens, np.ones(20), tmp_path / "a.png")
    (figure,) = drawn
    figure.dpi = 120  # as it was drawn
    boxes = [word.get_bbox_patch().get_window_extent() for word in words(figure)]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert min(box.x0 for box in boxes) >= 0 and max(box.x1 for box in boxes) <= figure.bbox.width
    assert min(box.y0 for box in boxes) > figure.axes[0].bbox.y1


def test_maps_of_words_and_heat_have_a_scale(tmp_path, drawn):
    image = np.zeros((9, 9, 3), np.uint8)
    plotting.word_maps(image, ["even", "one"], [np.ones((3, 3)), np.eye(9)[:1].reshape(3, 3)], tmp_path / "a.png")
    even, one = (axes.images[1].get_array() for axes in drawn[0].axes[1:3])
    assert len(np.unique(even[..., 3])) == 1 and one[0, 0, 3] > 2 * even[0, 0, 3] > one[1, 1, 3]
    assert drawn[0].subfigs[1].axes[0].get_xlabel() == "attention: 1x is an even share, 1/9"
    plotting.heat_maps([image], [np.eye(3)], tmp_path / "b.png", titles=["rock"])
    assert drawn[1].axes[2].get_xlabel() == "1: what spoke most in its picture, 0: nothing"


def test_no_figure_is_left_open(tmp_path):
    plotting.curves(ROWS, tmp_path / "curves.png")
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def small(name, *sizes, **options):
    """A model without its weights."""
    with keras.StatelessScope(initialize_variables=False):
        return getattr(models, name)(*sizes, **options)


def test_blocks_tell_activations_with_their_layers_and_pass_through_what_lies_between():
    inputs = keras.Input((4,), name="signal")
    wide = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Dense(3, name="wide")(inputs)))
    same = keras.layers.Dense(3, "tanh", name="same")(keras.ops.tanh(wide))
    model = keras.Model(inputs, keras.layers.Dense(2, name="answer")(keras.ops.cast(same > 0, "float32") * wide + same))
    boxes = plotting.blocks(model)
    assert [(box.name, box.what, box.output, box.parameters, box.parents) for box in boxes] == [
        ("signal", "", "4", 0, []),
        ("wide", "Dense, norm, relu", "3", 27, ["signal"]),
        ("same", "Dense, tanh", "3", 12, ["wide"]),
        ("answer", "Dense", "2", 8, ["same"]),
    ]
    assert [box.skipped for box in boxes] == [False, False, True, False]


def test_blocks_that_are_alike_are_told_once(tmp_path):
    found = {box.name: box for box in plotting.blocks(small("resnet50", 10))}
    # 3, 4, 6 and 3 blocks, the first of each with a convolution on its way around.
    counts = [box.times for name, box in found.items() if name.startswith("stage")]
    assert counts == [1, 2, 1, 3, 1, 5, 1, 2] and len(found) == 13
    first, others = found["stage_1_block_1"], found["stage_1_block_2-3"]
    assert "skip: Conv2D 1x1" in first.what and "skip" not in others.what and first.skipped and others.skipped
    assert sum(box.parameters for box in found.values()) == small("resnet50", 10).count_params()
    plotting.diagram(small("resnet50", 10), tmp_path / "resnet50.png")
    assert max(size(tmp_path / "resnet50.png")) < 2500


def test_masks_are_no_arrows_and_stacks_of_both_sides_are_one_box():
    found = {box.name: box for box in plotting.blocks(small("attention_lstm", 50, 2))}
    assert found["backward"].parents == found["forward"].parents == ["embedding"]
    found = {box.name: box for box in plotting.blocks(small("transformer_translator", 50, 60, num_layers=3))}
    assert found["encoder_1-3"].times == found["decoder_1-3"].times == 3 and found["encoder_1-3"].skipped
    assert found["decoder_1-3"].parents == ["position", "memory"] and found["memory"].what == "norm"
    assert [box.times for box in plotting.blocks(small("gpt", 50))] == [1, 1, 4, 1]


def test_a_gan_is_drawn_as_two_nets(tmp_path):
    boxes = plotting.blocks(small("dcgan", 28, 28, 1))
    assert [box.name for box in boxes if not box.parents] == ["image", "latent"]
    plotting.diagram(small("dcgan", 28, 28, 1), tmp_path / "gan.png")
    assert size(tmp_path / "gan.png")[0] > 600


def test_arrows_have_heads_and_skips_a_lane_each(tmp_path, drawn):
    from matplotlib.patches import FancyArrowPatch

    plotting.diagram(small("segmentation_net", 3, input_shape=(32, 32, 3)), tmp_path / "net.png")
    arrows = drawn[0].findobj(FancyArrowPatch)
    boxes = plotting.blocks(small("segmentation_net", 3, input_shape=(32, 32, 3)))
    assert len(arrows) == sum(len(box.parents) for box in boxes)
    net = diagrams._placed(boxes)
    assert sorted(lane for *_, lane in net.lanes) == [0, 1, 2]


def test_a_model_that_is_no_graph_is_a_row_of_its_layers(tmp_path):
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = keras.layers.Dense(2, name="one"), keras.layers.Dense(2, name="two")

        def call(self, inputs):
            return self.two(self.one(inputs))

    assert [box.name for box in plotting.blocks(Pair())] == ["one", "two"]
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


def test_the_summaries_of_a_confusion_matrix_are_shares_of_rows_and_columns(tmp_path):
    axes = _canvas._figure(4, 4).subplots()
    classes._summarize(axes, np.array([[3, 1], [2, 0]]))
    told = {tuple(text.get_position()): text.get_text() for text in axes.texts}
    rows, columns = [told[(2.1, 0)], told[(3.1, 0)], told[(2.1, 1)]], [told[(0, 2.1)], told[(0, 3.1)], told[(1, 2.1)]]
    assert rows == ["75.0", "25.0", "0.0"] and columns == ["60.0", "40.0", "0.0"]
    plotting.confusion_matrix(np.array([[3, 0], [2, 0]]), ["a", "b"], tmp_path / "c.png", summaries=True)
    assert (tmp_path / "c.png").stat().st_size > 0  # of a class that was never told there is no share


def test_values_around_zero_are_grey_and_maps_are_coloured_each_by_itself():
    filters = plotting.stretched_values(np.array([[[[-2.0, 0, 1]]], [[[0.0, 0, 0]]]]))
    assert filters[:, 0, 0].tolist() == [[0, 127, 191], [127, 127, 127]]
    assert plotting.stretched_values(np.ones((1, 2, 2, 5))).shape == (1, 2, 2, 3)
    maps = plotting.coloured(np.array([[[0.0, 1.0]], [[5.0, 9.0]]]))
    assert maps.shape == (2, 1, 2, 3) and (maps[0] == maps[1]).all() and (maps[0, 0, 0] != maps[0, 0, 1]).any()
