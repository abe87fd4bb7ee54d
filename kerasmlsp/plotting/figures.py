"""Every figure of the package. Functions draw into a file and need no display."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.plotting import fonts

if TYPE_CHECKING:
    import keras


def _figure(width, height):
    # The object interface: pyplot keeps global state and may ask for a display.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure, path, dpi=120):
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if text.get_text()]
    fallback = fonts.families(frozenset("".join(text.get_text() for text in texts)))
    for text in texts:
        # A price is no formula.
        text.set_parse_math(False)
        if fallback:
            text.set_fontfamily([*text.get_fontfamily(), *fallback])
    with warnings.catch_warnings():
        # `families` has said it in one sentence.
        warnings.filterwarnings("ignore", r"(?s).*Glyph \d+", UserWarning)
        figure.savefig(path, format="png", dpi=dpi)


def curves(rows: list[dict[str, Any]], path: str | Path) -> None:
    """Draws the log of a run: one panel a metric, training and validation together.

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
    columns = dict.fromkeys(name for row in rows for name in row if name != "epoch")
    names = list(dict.fromkeys(name.removeprefix("val_") for name in columns))
    figure = _figure(3.4 * len(names), 3)
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            points = [(row["epoch"], row[key]) for row in rows if key in row]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=label)
        axes.set(xlabel="epoch", title=name.replace("_", " "))
        axes.xaxis.get_major_locator().set_params(integer=True)
        if f"val_{name}" in columns:
            axes.legend()
    _save(figure, path)


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


def image_grid(images: np.ndarray, *, columns: int | None = None, gap: int = 2, scale: int = 1) -> np.ndarray:
    """Lays images side by side, row by row, each pixel as it is.

    Args:
        images: uint8 `(images, height, width, 1 or 3)`.
        columns: Images in a row; by default about as many as rows.
        gap: White pixels between images.
        scale: Times that every pixel is repeated in both directions.

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
    return grid.repeat(scale, 0).repeat(scale, 1)


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


def animation(frames: np.ndarray, path: str | Path, *, milliseconds: int = 150, hold: int = 1500) -> None:
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


def confusion_matrix(matrix: np.ndarray, labels: Sequence[str], path: str | Path) -> None:
    """Draws counts of true (rows) against predicted (columns) classes, coloured by share of the row.

    Args:
        matrix: Counts, `(classes, classes)`.
        labels: Class names.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/confusion.png"
        >>> confusion_matrix([[5, 1], [0, 4]], ["negative", "positive"], path)
        >>> imread(path).shape
        (384, 456, 4)
    """
    matrix = np.asarray(matrix)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    size = max(3.2, 0.55 * len(labels) + 2)
    figure = _figure(size + 0.6, size)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of the true class")
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(labels)), labels, rotation=90 if len(labels) > 4 else 0)
    axes.set_yticks(range(len(labels)), labels)
    for row in range(len(labels)):
        for column in range(len(labels)):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour)
    _save(figure, path)


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

    Args:
        tokens: Strings.
        weights: One number a token, at least 0.
        path: File to write, PNG.
        title: Text above the figure.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/weights.png"
        >>> token_weights(["a", "good", "film"], [0.1, 0.7, 0.2], path, title="positive")
        >>> imread(path).shape
        (138, 1200, 4)
    """
    columns = 10
    rows = -(-len(tokens) // columns)
    figure = _figure(10, 0.45 * rows + 0.7)
    axes = figure.subplots()
    shade = np.asarray(weights, float) / max(float(np.max(weights)), 1e-9)
    grid = np.full(rows * columns, np.nan)
    grid[: len(tokens)] = shade[: len(tokens)]
    axes.imshow(grid.reshape(rows, columns), cmap="Oranges", vmin=0, vmax=1.2, aspect="auto")
    for place, token in enumerate(tokens):
        axes.text(place % columns, place // columns, token, ha="center", va="center", fontsize=9)
    axes.set_axis_off()
    if title:
        axes.set_title(title)
    _save(figure, path)


def diagram(model: "keras.Model", path: str | Path) -> None:
    """Draws the graph of a model: a box for each layer with its name, class, output shape and parameters.

    Args:
        model: A Keras model. One that is no graph of layers becomes a column of its layers.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/net.png"
        >>> diagram(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)]), path)
        >>> imread(path).shape
        (169, 352, 4)
    """
    boxes, arrows = _graph(model)
    rows = {}
    for name, (depth, _) in boxes.items():
        rows.setdefault(depth, []).append(name)
    widest = max(map(len, rows.values()))
    places = {
        name: (column - (len(names) - 1) / 2, -depth)
        for depth, names in rows.items()
        for column, name in enumerate(names)
    }
    figure = _figure(2.8 * widest + 0.4, 0.62 * len(rows) + 0.3)
    axes = figure.subplots()
    axes.set(xlim=(-widest / 2, widest / 2), ylim=(-max(rows) - 0.6, 0.6))
    axes.axis("off")
    for begin, end in arrows:
        axes.annotate(
            "",
            places[end],
            places[begin],
            arrowprops={"arrowstyle": "->", "color": "0.5", "shrinkA": 11, "shrinkB": 11},
        )
    for name, (_, text) in boxes.items():
        style = {"boxstyle": "round", "facecolor": "#e8f0fa", "edgecolor": "0.4"}
        axes.text(*places[name], text, ha="center", va="center", fontsize=7, bbox=style)
    _save(figure, path, dpi=min(110, 30000 / (0.62 * len(rows) + 0.3)))


def _graph(model):
    """Depth and text of every layer by name, and the pairs of names that a tensor connects."""
    import keras  # an answer from a saved model is drawn without it

    if not getattr(model, "inputs", None) or not hasattr(model, "operations"):
        layers = model.layers
        boxes = {layer.name: (depth, _label(layer)) for depth, layer in enumerate(layers)}
        return boxes or {model.name: (0, _label(model))}, []
    # Bookkeeping between layers (comparisons, casts, sums) is drawn as the arrows that pass through it.
    origins, boxes, arrows = {}, {}, []
    for operation in model.operations:
        tensors = [tensor for node in operation._inbound_nodes for tensor in node.input_tensors]
        before = [origins.get(tensor._keras_history.operation.name, ()) for tensor in tensors]
        parents = list(dict.fromkeys(name for names in before for name in names))
        if isinstance(operation, keras.layers.Layer):
            boxes[operation.name] = 1 + max((boxes[name][0] for name in parents), default=-1), _label(operation)
            arrows += [(parent, operation.name) for parent in parents]
            parents = [operation.name]
        origins[operation.name] = parents
    return boxes, arrows


def _label(layer):
    shape = getattr(layer.output, "shape", None) if layer._inbound_nodes else None
    facts = [type(layer).__name__, "" if shape is None else str(tuple(shape))]
    if layer.built and layer.count_params():
        facts.append(f"{layer.count_params():,}")
    return f"{layer.name}\n" + "  ".join(filter(None, facts))


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
    images: Sequence[np.ndarray], maps: Sequence[np.ndarray], path: str | Path, *, titles: Sequence[str]
) -> None:
    """Draws images, each beside itself under a heat map of what decided.

    Args:
        images: List of uint8 `(height, width, 3)`.
        maps: One map each, values from 0 to 1, of any resolution.
        path: File to write, PNG.
        titles: Text above each pair.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/maps.png"
        >>> heat_maps([np.zeros((8, 8, 3), np.uint8)], [np.eye(4)], path, titles=["rock"])
        >>> imread(path).shape
        (288, 528, 4)
    """
    figure = _figure(4.4, 2.4 * len(images))
    for row, (image, heat, title) in enumerate(zip(images, maps, titles, strict=True)):
        plain, under = figure.add_subplot(len(images), 2, 2 * row + 1), figure.add_subplot(len(images), 2, 2 * row + 2)
        extent = (0, image.shape[1], image.shape[0], 0)
        for axes in (plain, under):
            axes.imshow(image, extent=extent)
            axes.set_axis_off()
        under.imshow(heat, cmap="jet", alpha=0.45, vmin=0, vmax=1, interpolation="bilinear", extent=extent)
        plain.set_title(title, fontsize=9, loc="left")
    _save(figure, path)


def word_maps(
    image: np.ndarray, words: Sequence[str], maps: np.ndarray, path: str | Path, *, title: str | None = None
) -> None:
    """Draws an image, and beside it once for every word of its caption, bright where the word was looked up.

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
        (228, 612, 4)
    """
    columns = min(6, len(words) + 1)
    rows = -(-(len(words) + 1) // columns)
    figure = _figure(1.7 * columns, 1.9 * rows + (0.4 if title else 0))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    extent = (0, image.shape[1], image.shape[0], 0)
    for axes in grid:
        axes.set_axis_off()
    grid[0].imshow(image, extent=extent)
    for axes, word, weights in zip(grid[1:], words, np.asarray(maps), strict=False):
        axes.imshow(image, extent=extent)
        # Black, and clearer the more was looked at.
        shade = np.zeros((*weights.shape, 4))
        shade[..., 3] = 0.75 * (1 - weights / max(float(weights.max()), 1e-9))
        axes.imshow(shade, interpolation="bilinear", extent=extent)
        axes.set_title(word, fontsize=9)
    if title:
        figure.suptitle(title)
    _save(figure, path)
