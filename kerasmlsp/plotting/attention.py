"""Weights of attention over words and over places of a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.plotting._canvas import _figure, _ink, _missing_glyphs_told, _save, _set_fonts

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
