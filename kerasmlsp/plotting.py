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


def word_maps(image, words, maps, path, *, title=None):
    """Draws an image, and beside it once for every word of its caption, bright where the word was looked up.

    Args:
        image: uint8 `(height, width, 3)`.
        words: Strings.
        maps: Weights `(words, rows, columns)`, at least 0, of any resolution.
        path: File to write, PNG.
        title: Text above the figure.
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
    figure.savefig(path, format="png", dpi=120)
