"""Pictures: alone, in grids and sheets, in motion, and under maps."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.files import write_atomically
from kerasmlsp.plotting._canvas import _figure, _save


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
