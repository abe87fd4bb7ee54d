"""Figures of pictures with masks and with boxes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.plotting._canvas import _figure, _ink, _save


def overlaid(pixels: np.ndarray, colours: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Blends a picture with the colours of its pixels' classes.

    Args:
        pixels: uint8 `(height, width, 3)`.
        colours: uint8 `(height, width, 3)`.
        share: Of the colours.

    Returns:
        uint8 `(height, width, 3)`.

    Example:
        >>> overlaid(np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 128, np.uint8)).tolist()
        [[[64, 64, 64]]]
    """
    return np.round((1 - share) * pixels + share * colours).astype(np.uint8)


def picture_table(
    columns: Mapping[str, Sequence[np.ndarray]],
    path: str | Path,
    *,
    titles: Sequence[str],
    legend: Mapping[str, Sequence[int]],
) -> None:
    """Draws pictures in a table, such as photograph, truth and answer, with what each colour means.

    Args:
        columns: uint8 pictures `(height, width, 3)` of any size, by the head of the column.
        path: File to write, PNG.
        titles: Text above each row.
        legend: Red, green and blue, 0 to 255, by what they mean.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/table.png"
        >>> pictures = [np.zeros((6, 8, 3), np.uint8)]
        >>> columns, legend = {"photograph": pictures, "truth": pictures}, {"sky": (0, 0, 9)}
        >>> picture_table(columns, path, titles=["a.jpg"], legend=legend)
        >>> imread(path).shape
        (312, 624, 4)
    """
    from matplotlib.patches import Patch

    rows = len(titles)
    height, width = next(iter(columns.values()))[0].shape[:2]
    tall = 2.6 * min(height / width, 2) + 0.3
    figure = _figure(2.6 * len(columns), round(tall * rows, 1) + 0.2 * (1 + -(-len(legend) // 6)))
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for column, (name, pictures) in enumerate(columns.items()):
        for row, picture in enumerate(pictures):
            axes = grid[row, column]
            axes.imshow(picture)
            axes.set_axis_off()
            axes.set_title(titles[row] if column == 0 else name, fontsize=8, loc="left")
    patches = [Patch(color=np.array(colour) / 255, label=name) for name, colour in legend.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(6, len(patches)), fontsize=8)
    _save(figure, path)


def boxed(
    pictures: Sequence[np.ndarray],
    boxes: Sequence[Sequence[tuple[Sequence[float], str, Sequence[int]]]],
    path: str | Path,
    *,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
) -> None:
    """Draws pictures with boxes.

    Args:
        pictures: List of uint8 `(height, width, 3)` of any size.
        boxes: Of each picture a list of box (left, top, right, bottom in pixels), text, and colour (red, green and
            blue, 0 to 255).
        path: File to write, PNG.
        titles: Text above each picture.
        columns: Pictures in a row; by default about as many as rows.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/boxes.png"
        >>> boxed([np.zeros((30, 40, 3), np.uint8)], [[((5, 5, 20, 25), "cell 0.9", (200, 0, 0))]], path)
        >>> imread(path).shape
        (540, 720, 4)
    """
    from matplotlib.patches import Rectangle

    columns = columns or int(np.ceil(np.sqrt(len(pictures))))
    rows = -(-len(pictures) // columns)
    wide = 6.0 if columns == 1 else 3.6
    height, width = pictures[0].shape[:2]
    figure = _figure(wide * columns, round((wide * min(height / width, 2) + (0.3 if titles else 0)) * rows, 2))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for place, (picture, own) in enumerate(zip(pictures, boxes, strict=True)):
        axes = grid[place]
        axes.imshow(picture)
        for (left, top, right, bottom), text, colour in own:
            shade = tuple(each / 255 for each in colour)
            axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=shade, linewidth=1))
            if text:
                around = {"facecolor": shade, "edgecolor": "none", "pad": 0.5}
                axes.text(left, top, text, fontsize=6, color=_ink(shade), bbox=around, clip_on=True, va="bottom")
        if titles:
            axes.set_title(titles[place], fontsize=8, loc="left")
    _save(figure, path)
