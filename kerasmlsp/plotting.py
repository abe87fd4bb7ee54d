"""Every figure of the package. Functions draw into a file and need no display."""

import numpy as np


def _figure(width, height):
    # The object interface: pyplot keeps global state and may ask for a display.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def curves(rows, path):
    """Draws the log of a run: one panel a metric, training and validation together.

    Args:
        rows: List of dicts with `epoch` and numbers; `val_x` is drawn with `x`.
        path: File to write, PNG.
    """
    names = [name for name in rows[0] if name != "epoch" and not name.startswith("val_")]
    figure = _figure(3.4 * len(names), 3)
    epochs = [row["epoch"] for row in rows]
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in rows[0]:
                axes.plot(epochs, [row[key] for row in rows], marker=".", label=label)
        axes.set(xlabel="epoch", title=name.replace("_", " "))
        axes.xaxis.get_major_locator().set_params(integer=True)
        if f"val_{name}" in rows[0]:
            axes.legend()
    figure.savefig(path, format="png", dpi=120)


def image_grid(images, *, columns=None, gap=2, scale=1):
    """Lays images side by side, row by row, each pixel as it is.

    Args:
        images: uint8 `(images, height, width, 1 or 3)`.
        columns: Images in a row; by default about as many as rows.
        gap: White pixels between images.
        scale: Times that every pixel is repeated in both directions.

    Returns:
        uint8 `(height, width, 1 or 3)`.
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


def picture(pixels, path):
    """Writes uint8 pixels `(height, width, 1 or 3)` to a file, PNG."""
    _pillow(pixels).save(path, format="PNG")


def animation(frames, path, *, milliseconds=150, hold=1500):
    """Writes frames as a GIF that repeats.

    Args:
        frames: uint8 `(frames, height, width, 1 or 3)`.
        path: File to write, GIF.
        milliseconds: Time of a frame.
        hold: Time of the last frame in milliseconds.
    """
    first, *others = [_pillow(frame) for frame in frames]
    times = [milliseconds] * len(others) + [hold]
    # One time for a single frame: Pillow takes a list for several.
    first.save(path, format="GIF", save_all=True, append_images=others, duration=times if others else hold, loop=0)


def _pillow(pixels):
    from PIL import Image

    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def confusion_matrix(matrix, labels, path):
    """Draws counts of true (rows) against predicted (columns) classes, coloured by share of the row.

    Args:
        matrix: Counts, `(classes, classes)`.
        labels: Class names.
        path: File to write, PNG.
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
    figure.savefig(path, format="png", dpi=120)


def reliability_diagram(confidence, accuracy, counts, path):
    """Draws how often a prediction is right against how sure it was.

    Args:
        confidence: Mean confidence of each bin.
        accuracy: Share of right predictions in each bin.
        counts: Number of predictions in each bin.
        path: File to write, PNG.
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
    figure.savefig(path, format="png", dpi=120)


def token_weights(tokens, weights, path, *, title=None):
    """Draws a text with every token shaded by its attention weight.

    Args:
        tokens: Strings.
        weights: One number a token, at least 0.
        path: File to write, PNG.
        title: Text above the figure.
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
    figure.savefig(path, format="png", dpi=120)
