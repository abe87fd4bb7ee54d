"""Every figure of the package. Functions draw into a file and need no display."""

import contextlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.files import write_atomically
from kerasmlsp.plotting import fonts


def _figure(width, height):
    # The object interface: pyplot keeps global state and may ask for a display.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure, path, dpi=120, kind="png"):
    _set_fonts(figure)
    with _missing_glyphs_told():
        figure.savefig(path, format=kind, dpi=dpi)


def _set_fonts(figure):
    """Gives all texts the fonts that have their letters."""
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if text.get_text()]
    fallback = fonts.families(frozenset("".join(text.get_text() for text in texts)))
    for text in texts:
        # A price is no formula.
        text.set_parse_math(False)
        if fallback:
            text.set_fontfamily(list(dict.fromkeys([*text.get_fontfamily(), *fallback])))


@contextlib.contextmanager
def _missing_glyphs_told():
    with warnings.catch_warnings():
        # `fonts.families` has said it in one sentence.
        warnings.filterwarnings("ignore", r"(?s).*Glyph \d+", UserWarning)
        yield


def _ink(colour):
    """Black or white, whichever can be read on a colour `(red, green, blue, ...)` of 0 to 1."""
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in colour[:3])
    # White is read more easily on strong colours than its contrast by WCAG 2, equal at 0.18, would have it.
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.3 else "white"


# Times of an even share, from hardly any attention to nearly all of it: of words, and of places in a picture.
_WORD_SHARES, _PLACE_SHARES = (0.5, 1, 2, 4, 8, 16), (0.5, 1, 2, 4, 8)


def _share_scale(marks, colours):
    """Maps weights in times of an even share to colours, on a logarithmic scale that is the same in every figure."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    return ScalarMappable(LogNorm(marks[0], marks[-1], clip=True), colours)


def _share_bar(figure, scale, marks, axes, count):
    """Draws the colours of `_share_scale` with what they say of `count` weights."""
    from matplotlib.ticker import NullLocator

    bar = figure.colorbar(scale, cax=axes, orientation="horizontal", extend="both")
    bar.set_ticks(marks, labels=[f"{each:g}x" for each in marks])
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.set_label(f"attention: 1x is an even share, 1/{count}", fontsize=10)


def _shares(weights):
    """Weights in times of an even share; all 1 where there is no weight at all."""
    weights = np.asarray(weights, float)
    total = weights.sum()
    return np.maximum(weights / total * weights.size, 1e-9) if total > 0 else np.ones_like(weights)


def curves(rows: list[dict[str, Any]], path: str | Path) -> None:
    """Draws the log of a run: one panel a metric, four in a row, training and validation together.

    Args:
        rows: List of dicts with `epoch` and numbers; `val_x` is drawn with `x`. A row may lack any of them.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/curves.png"
        >>> curves([{"epoch": 1, "loss": 0.7, "val_loss": 0.8, "accuracy": 0.5}], path)
        >>> imread(path).shape  # two panels
        (360, 816, 4)
    """
    found = dict.fromkeys(name for row in rows for name in row if name != "epoch")
    names = list(dict.fromkeys(name.removeprefix("val_") for name in found))
    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    figure = _figure(3.4 * columns, 3 * lines)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, names, strict=False):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            points = [(row["epoch"], row[key]) for row in rows if key in row]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=label)
        axes.set(xlabel="epoch", title=name.replace("_", " "))
        _whole_numbers(axes.xaxis, [row["epoch"] for row in rows])
        if f"val_{name}" in found:
            axes.legend()
    _save(figure, path)


def _whole_numbers(axis, values):
    """Ticks at whole numbers only, also where there is just one."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    if min(values) == max(values):
        axis.axes.set_xlim(values[0] - 0.5, values[0] + 0.5)


def update_norms(rows: list[dict[str, Any]], path: str | Path) -> None:
    """Draws the norms of every layer's gradients and updates over the epochs, on a logarithmic scale.

    Args:
        rows: List of dicts with `epoch`, `step`, `layer`, `gradient` and `update`, as of
            `kerasmlsp.callbacks.UpdateNorms`; layers are coloured from dark to light in their order.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/norms.png"
        >>> update_norms([{"epoch": 1, "step": 5, "layer": "dense", "gradient": 0.1, "update": 1e-3}], path)
        >>> imread(path).shape
        (408, 1080, 4)
    """
    from matplotlib import colormaps

    layers = list(dict.fromkeys(row["layer"] for row in rows))
    last = {row["epoch"]: row["step"] for row in rows}
    figure = _figure(9, 3.4)
    for axes, name in zip(figure.subplots(1, 2), ("gradient", "update"), strict=True):
        for place, layer in enumerate(layers):
            own = [row for row in rows if row["layer"] == layer]
            epochs = [row["epoch"] - 1 + row["step"] / last[row["epoch"]] for row in own]
            # A logarithm has no place for 0.
            norms = np.maximum([row[name] for row in own], 1e-12)
            colour = colormaps["viridis"](place / max(1, len(layers)))
            axes.plot(epochs, norms, marker=".", color=colour, label=layer)
        axes.set(xlabel="epoch", title=f"norm of the {name}", yscale="log")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=7)
    _save(figure, path)


def image_grid(images: np.ndarray, *, columns: int | None = None, gap: int = 2, scale: int | None = 1) -> np.ndarray:
    """Lays images side by side, row by row, each pixel as it is.

    Args:
        images: uint8 `(images, height, width, 1 or 3)`.
        columns: Images in a row; by default about as many as rows.
        gap: White pixels between images.
        scale: Times that every pixel is repeated in both directions; None for as many as `enlargement` has.

    Returns:
        uint8 `(height, width, 1 or 3)`.

    Example:
        >>> image_grid(np.zeros((3, 2, 4, 1), np.uint8), columns=2, gap=1).shape  # 2 (2 + 1) + 1, and 2 (4 + 1) + 1
        (7, 11, 1)
    """
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows, (height, width, channels) = -(-len(images) // columns), images.shape[1:]
    grid = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = (
            gap + each * (size + gap) for each, size in zip(divmod(place, columns), (height, width), strict=True)
        )
        grid[top : top + height, left : left + width] = image
    scale = scale or enlargement(grid)
    return grid.repeat(scale, 0).repeat(scale, 1)


def enlargement(image: np.ndarray, *, pixels: int = 500) -> int:
    """How often to repeat the pixels of an image `(height, width, ...)` so that its longer side has about `pixels`.

    Example:
        >>> enlargement(np.zeros((28, 28, 1))), enlargement(np.zeros((242, 242, 1))), enlargement(np.zeros((9, 900, 3)))
        (18, 2, 1)
    """
    return max(1, round(pixels / max(image.shape[:2])))


def image_rows(rows: dict[str, np.ndarray], path: str | Path) -> None:
    """Draws images in rows, each with its name above.

    Args:
        rows: uint8 images `(images, height, width, 1 or 3)` by what they are.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/rows.png"
        >>> image_rows({"drawn": np.zeros((4, 8, 8, 1), np.uint8), "nearest": np.zeros((4, 8, 8, 1), np.uint8)}, path)
        >>> imread(path).shape
        (312, 480, 4)
    """
    columns = max(map(len, rows.values()))
    figure = _figure(columns, 1.3 * len(rows))
    for part, (name, images) in zip(np.atleast_1d(figure.subfigures(len(rows), 1)), rows.items(), strict=True):
        part.suptitle(name, fontsize=11, x=0.01, ha="left")
        for axes in (panels := part.subplots(1, columns, squeeze=False).ravel()):
            axes.set_axis_off()
        for axes, image in zip(panels, images, strict=False):
            axes.imshow(image.repeat(3, -1) if image.shape[-1] == 1 else image, interpolation="nearest")
    _save(figure, path)


def picture(pixels: np.ndarray, path: str | Path) -> None:
    """Writes uint8 pixels `(height, width, 1 or 3)` to a file, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/picture.png"
        >>> picture(np.full((2, 3, 1), 255, np.uint8), path)
        >>> imread(path)
        array([[1., 1., 1.],
               [1., 1., 1.]], dtype=float32)
    """
    _pillow(pixels).save(path, format="PNG")


def save_grid(images: np.ndarray, path: str | Path, *, columns: int | None = None, scale: int | None = None) -> None:
    """Writes images as one grid to a file, PNG; `columns` and `scale` as of `image_grid`.

    Raises:
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/grid.png"
        >>> save_grid(np.zeros((3, 2, 4, 3), np.uint8), path, columns=3, scale=1)
        >>> imread(path).shape
        (6, 20, 3)
    """
    grid = image_grid(images, columns=columns, scale=scale)
    write_atomically(path, lambda place: picture(grid, place))


def save_pictures(images: np.ndarray, names: Iterable[str], folder: str | Path) -> list[Path]:
    """Writes every image to a PNG file of its own in a folder, which is made where missing; returns the paths.

    Raises:
        OSError: The folder or a file cannot be written.

    Example:
        >>> import tempfile
        >>> paths = save_pictures(np.zeros((2, 2, 4, 1), np.uint8), ["a", "b"], tempfile.mkdtemp())
        >>> [path.name for path in paths]
        ['a.png', 'b.png']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for image, name in zip(images, names, strict=True):
        paths.append(folder / f"{name}.png")
        write_atomically(paths[-1], lambda place, image=image: picture(image, place))
    return paths


def animation(
    frames: Sequence[np.ndarray] | np.ndarray, path: str | Path, *, milliseconds: int = 150, hold: int = 1500
) -> None:
    """Writes frames as a GIF that repeats.

    Args:
        frames: uint8 `(frames, height, width, 1 or 3)`.
        path: File to write, GIF.
        milliseconds: Time of a frame.
        hold: Time of the last frame in milliseconds.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> path = f"{tempfile.mkdtemp()}/film.gif"
        >>> animation(np.arange(0, 250, 50, np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2), path)
        >>> with Image.open(path) as film:
        ...     print(film.n_frames, film.size)
        5 (8, 8)
    """
    first, *others = [_pillow(frame) for frame in frames]
    times = [milliseconds] * len(others) + [hold]
    # One time for a single frame: Pillow takes a list for several.
    first.save(path, format="GIF", save_all=True, append_images=others, duration=times if others else hold, loop=0)


def _pillow(pixels):
    from PIL import Image

    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def confusion_matrix(matrix: np.ndarray, labels: Sequence[str], path: str | Path, *, summaries: bool = False) -> None:
    """Draws counts of true (rows) against predicted (columns) classes, coloured by share of the row.

    Reference: Pilanci, EE269 lecture 16 (2020), "Confusion Matrix" with its summaries.

    Args:
        matrix: Counts, `(classes, classes)`.
        labels: Class names.
        path: File to write, PNG.
        summaries: Whether to write the right and wrong shares of each row beside it, and of each column below.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/confusion.png"
        >>> confusion_matrix([[5, 1], [0, 4]], ["negative", "positive"], path)
        >>> imread(path).shape
        (384, 456, 4)
    """
    size = max(3.2, 0.55 * len(labels) + 2)
    figure = _figure(size + 0.6, size)
    _confusion(figure, np.asarray(matrix), labels, summaries)
    _save(figure, path)


def _confusion(figure, matrix, labels, summaries):
    """Draws a confusion matrix into a figure."""
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the true class")
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(labels)), labels, rotation=90 if len(labels) > 4 else 0)
    axes.set_yticks(range(len(labels)), labels)
    for row in range(len(labels)):
        for column in range(len(labels)):
            ink = _ink(image.to_rgba(shares[row, column]))
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=ink)
    if summaries:
        _summarize(axes, matrix)


def _summarize(axes, matrix):
    """Writes what share of each row, to the right, and of each column, below, is right and wrong."""
    count = len(matrix)
    for axis, sums in enumerate((matrix.sum(1), matrix.sum(0))):
        for place, (right, total) in enumerate(zip(np.diag(matrix), sums, strict=True)):
            share = right / total if total else float("nan")
            for column, value, colour in ((0, share, "tab:blue"), (1, 1 - share, "tab:red")):
                spot = (count + 0.1 + column, place) if axis == 0 else (place, count + 0.1 + column)
                text = f"{100 * value:.1f}" if total else "-"
                axes.text(*spot, text, ha="center", va="center", fontsize=7, color=colour)
    axes.set(xlim=(-0.5, count + 1.7), ylim=(count + 1.7, -0.5))
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axes.set(xlabel="predicted; right and wrong, % of the column", ylabel="true; right and wrong, % of the row")


def reliability_diagram(confidence: np.ndarray, accuracy: np.ndarray, counts: np.ndarray, path: str | Path) -> None:
    """Draws how often a prediction is right against how sure it was.

    Args:
        confidence: Mean confidence of each bin.
        accuracy: Share of right predictions in each bin.
        counts: Number of predictions in each bin.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/reliability.png"
        >>> reliability_diagram([0.6, 0.9], [0.5, 1.0], [4, 8], path)
        >>> imread(path).shape
        (552, 480, 4)
    """
    figure = _figure(4, 4.6)
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    above.plot([0, 1], [0, 1], color="grey", linestyle=":", label="perfect")
    filled = np.asarray(counts) > 0
    above.plot(np.asarray(confidence)[filled], np.asarray(accuracy)[filled], marker="o", label="this model")
    above.set(ylabel="share right", ylim=(0, 1.02))
    above.legend()
    below.bar(np.asarray(confidence)[filled], np.asarray(counts)[filled], width=0.04)
    below.set(xlabel="confidence of the predicted class", ylabel="predictions", xlim=(0, 1))
    _save(figure, path)


def token_weights(tokens: Sequence[str], weights: ArrayLike, path: str | Path, *, title: str | None = None) -> None:
    """Draws a text with every token shaded by its attention weight.

    The shades tell how many times a weight is an even share of all attention, on a scale that is the same in every
    figure: equal weights are pale, whatever their number.

    Args:
        tokens: Strings; what is longer than 50 letters is cut.
        weights: One number a token, at least 0.
        path: File to write, PNG, 1,200 pixels wide.
        title: Text above the figure.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/weights.png"
        >>> token_weights(["a", "good", "film"], [0.1, 0.7, 0.2], path, title="positive")
        >>> imread(path).shape
        (206, 1200, 4)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, margin, line = 10.0, 0.15, 0.42
    figure, scale = Figure(figsize=(width, 1)), _share_scale(_WORD_SHARES, "Oranges")
    words = [_word(figure, token, scale.to_rgba(share)) for token, share in zip(tokens, _shares(weights), strict=False)]
    heading = figure.text(0.5, 0, title or "", fontsize=14, ha="center", va="center")
    _set_fonts(figure)
    renderer = FigureCanvasAgg(figure).get_renderer()
    with _missing_glyphs_told():
        widths = [word.get_window_extent(renderer).width / figure.dpi for word in words]
    places, lines = _wrapped(widths, width - 2 * margin)
    above, below = (0.45 if title else 0.1), 0.85
    height = above + line * lines + below
    figure.set_size_inches(width, height)
    heading.set_y(1 - above / 2 / height)
    for word, (left, row) in zip(words, places, strict=True):
        word.set_position(((margin + left) / width, 1 - (above + line * (row + 0.5)) / height))
    _share_bar(figure, scale, _WORD_SHARES, figure.add_axes((0.25, 0.55 / height, 0.5, 0.13 / height)), len(words))
    _save(figure, path)


def _word(figure, token, colour):
    token = token if len(token) <= 50 else f"{token[:49]}…"
    patch = {"boxstyle": "round,pad=0.25", "facecolor": colour, "edgecolor": "none"}
    return figure.text(0, 0, token, fontsize=13, va="center", color=_ink(colour), bbox=patch)


def _wrapped(widths, most, gap=0.16):
    """Where each of some words begins, as distance from the left and number of the line, and how many lines there are.

    Example:
        >>> _wrapped([3, 3, 5], 7, gap=1)
        ([(0, 0), (4, 0), (0, 1)], 2)
    """
    places, left, line = [], 0, 0
    for width in widths:
        if left and left + width > most:
            left, line = 0, line + 1
        places.append((left, line))
        left += width + gap
    return places, line + 1


def contact_sheet(
    images: Sequence[np.ndarray] | np.ndarray,
    path: str | Path,
    *,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
) -> None:
    """Draws images side by side.

    Args:
        images: uint8 `(images, height, width, 3)`, or a list of such images of any size.
        path: File to write, PNG.
        titles: Text above each image.
        columns: Images in a row; by default about as many as rows.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/sheet.png"
        >>> contact_sheet(np.zeros((4, 8, 8, 3), np.uint8), path)
        >>> imread(path).shape  # two rows of two
        (384, 384, 4)
    """
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    figure = _figure(1.6 * columns, (1.9 if titles else 1.6) * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for place, image in enumerate(images):
        grid[place].imshow(image)
        if titles:
            grid[place].set_title(titles[place], fontsize=8)
    _save(figure, path)


def heat_maps(
    images: Sequence[np.ndarray],
    maps: Sequence[np.ndarray],
    path: str | Path,
    *,
    titles: Sequence[str],
    what: str = "what spoke for it",
    most: str = "what spoke most in its picture",
) -> None:
    """Draws images, each beside itself under a heat map, such as of what decided.

    Args:
        images: List of uint8 `(height, width, 3)`.
        maps: One map each, values from 0 to 1, of any resolution.
        path: File to write, PNG.
        titles: Text above each pair.
        what: What the maps show.
        most: What 1 means.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/maps.png"
        >>> heat_maps([np.zeros((8, 8, 3), np.uint8)], [np.eye(4)], path, titles=["rock"])
        >>> imread(path).shape
        (372, 624, 4)
    """
    figure = _figure(5.2, 2.5 * len(images) + 0.6)
    grid = figure.subplots(len(images), 2, squeeze=False)
    for (plain, under), image, heat, title in zip(grid, images, maps, titles, strict=True):
        extent = (0, image.shape[1], image.shape[0], 0)
        for axes in (plain, under):
            axes.imshow(image, extent=extent)
            axes.set_axis_off()
        shown = under.imshow(heat, cmap="jet", alpha=0.45, vmin=0, vmax=1, interpolation="bilinear", extent=extent)
        plain.set_title(title, fontsize=11, loc="left")
        under.set_title(what, fontsize=11, loc="left")
    bar = figure.colorbar(shown, ax=grid, location="bottom", aspect=30, fraction=0.2 / len(images))
    bar.set_label(f"1: {most}, 0: nothing")
    _save(figure, path)


def word_maps(
    image: np.ndarray, words: Sequence[str], maps: ArrayLike, path: str | Path, *, title: str | None = None
) -> None:
    """Draws an image, and beside it once for every word of its caption, coloured where the word was looked up.

    The shades tell how many times a weight is an even share of a word's attention, on the same scale in every figure.

    Args:
        image: uint8 `(height, width, 3)`.
        words: Strings.
        maps: Weights `(words, rows, columns)`, at least 0, of any resolution.
        path: File to write, PNG.
        title: Text above the figure.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/words.png"
        >>> word_maps(np.zeros((8, 8, 3), np.uint8), ["a", "dog"], np.ones((2, 3, 3)), path)
        >>> imread(path).shape  # the picture and two words
        (312, 612, 4)
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    columns = min(6, len(words) + 1)
    rows = -(-(len(words) + 1) // columns)
    figure = _figure(1.7 * columns, 1.9 * rows + 0.7 + (0.4 if title else 0))
    above, below = figure.subfigures(2, 1, height_ratios=(1.9 * rows + (0.4 if title else 0), 0.7))
    grid = above.subplots(rows, columns, squeeze=False).ravel()
    extent = (0, image.shape[1], image.shape[0], 0)
    for axes in grid:
        axes.set_axis_off()
    grid[0].imshow(image, extent=extent)
    # Clear where little was looked at, so that the picture is seen, red where much was.
    veil = colormaps["YlOrRd"](np.linspace(0, 1, 256))
    veil[:, 3] = np.linspace(0, 0.85, 256)
    scale = _share_scale(_PLACE_SHARES, ListedColormap(veil))
    maps = np.asarray(maps)
    for axes, word, weights in zip(grid[1:], words, maps, strict=False):
        axes.imshow(image, extent=extent)
        axes.imshow(scale.to_rgba(_shares(weights)), interpolation="bilinear", extent=extent)
        axes.set_title(word, fontsize=11)
    if title:
        above.suptitle(title, fontsize=14)
    _share_bar(below, scale, _PLACE_SHARES, below.add_axes((0.1, 0.75, 0.8, 0.2)), maps[0].size)
    _save(figure, path)
