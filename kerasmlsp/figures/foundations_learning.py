"""Foundations: errors, the paths that gradients take down, and what they cost."""

import time
from collections.abc import Callable

import keras
import numpy as np

from kerasmlsp import models
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, logarithmic, panels
from kerasmlsp.figures._fitting import gradients, numpy, slopes, solve

_BINARY, _HINGE = keras.losses.binary_crossentropy, keras.losses.hinge


@checked
def losses(*, limit: float = 4.0, count: int = 161) -> Drawing:
    """Losses of regression and of classification, and the slopes by which they correct a sum.

    The squared error of a sigmoid hardly corrects what is badly wrong; the cross-entropy corrects it most.

    Reference: Pilanci, EE269 lecture 16 (2020), "Training Multilayer Neural Networks"; Sri Rama Murty, (Deep) Neural
    Networks (2021), "Parameter Estimation".

    Args:
        limit: Largest error, and largest sum, that is drawn.
        count: Points, odd, so that 0 is one of them.

    Returns:
        The figure; `x`, `regression` losses of the error `x`, `classification` losses of the sum `x` where class 1 is
        right, and their `slopes`.

    Example:
        >>> figure, numbers = losses(count=3)
        >>> [round(float(each), 3) for each in numbers["slopes"]["cross-entropy"]]  # of the sums -4, 0 and 4
        [-0.982, -0.5, -0.018]
    """
    x = np.linspace(-limit, limit, count, dtype="float32")
    errors = {"squared error / 2": _half_square, "absolute error": keras.ops.abs, "Huber": _huber}
    regression = {name: numpy(loss(x)) for name, loss in errors.items()}
    classification = {name: numpy(loss(x)) for name, loss in _OF_SUMS.items()}
    found = {name: slopes(loss, x) for name, loss in _OF_SUMS.items()}
    figure, (axes,) = panels(1, 3)
    for panel, curves in zip(axes, (regression, classification, found), strict=True):
        for (name, values), colour, style in zip(curves.items(), COLOURS, ("-", "--", "-."), strict=False):
            panel.plot(x, values, style, color=colour, label=name, linewidth=2)
    for panel in axes[:2]:
        panel.legend(fontsize=8)
    axes[0].set(title="regression", xlabel="error y - t", ylabel="loss")
    axes[1].set(title="classification, class 1 is right", xlabel="sum a before the sigmoid", ylabel="loss")
    axes[2].set(title="slope of these losses by a", xlabel="sum a before the sigmoid", ylabel="dJ / da")
    return Drawing(figure, {"x": x, "regression": regression, "classification": classification, "slopes": found})


def _half_square(error):
    return keras.ops.square(error) / 2


def _huber(error):
    return keras.losses.huber(keras.ops.zeros_like(error)[:, None], keras.ops.convert_to_tensor(error)[:, None])


_OF_SUMS: dict[str, Callable] = {
    "cross-entropy": lambda a: _BINARY(keras.ops.ones_like(a)[:, None], keras.ops.expand_dims(a, 1), from_logits=True),
    "squared error / 2": lambda a: _half_square(keras.ops.sigmoid(a) - 1),
    "hinge": lambda a: _HINGE(keras.ops.ones_like(a)[:, None], keras.ops.expand_dims(a, 1)),
}


@checked
def batch_size(*, count: int = 40, mini: int = 8, epochs: int = 12, rate: float = 0.25, seed: int = 0) -> Drawing:
    """The same descent by all examples at once, by mini-batches and by single examples, on one error surface.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Weight Updates"; Pilanci, EE269 lecture 16 (2020),
    "Training Multilayer Neural Networks".

    Args:
        count: Examples of a line with noise.
        mini: Examples of a mini-batch.
        epochs: Passes over all examples.
        rate: Learning rate of the mean gradient of a batch.
        seed: Seed of the examples and of their order.

    Returns:
        The figure; for "batch", "mini-batch" and "online" the `paths` `(steps + 1, 2)` of weight and bias, and the
        `errors` after each epoch, from the start on; `best`, the weight and bias of the least error.

    Example:
        >>> figure, numbers = batch_size(epochs=3)
        >>> {name: len(path) - 1 for name, path in numbers["paths"].items()}
        {'batch': 3, 'mini-batch': 15, 'online': 120}
    """
    if epochs < 1:
        raise ValueError(f"`epochs` must be a whole number, at least 1. Received: {epochs!r}")
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 1))
    t = 1.5 * x + 0.5 + random.normal(0, 0.5, (count, 1))
    sizes = {"batch": count, "mini-batch": mini, "online": 1}
    paths = {name: _path(x, t, size, epochs, rate, seed) for name, size in sizes.items()}
    best = np.concatenate([each.ravel() for each in solve(x, t)])
    errors = {name: _errors(x, t, path[:: (len(path) - 1) // epochs]) for name, path in paths.items()}
    figure, ((left, right),) = panels(1, 2, width=4.3, height=3.8)
    weight, bias = np.meshgrid(np.linspace(-1.4, 2.4, 60), np.linspace(-1.4, 1.6, 60))
    heights = _errors(x, t, np.stack([weight, bias], axis=-1).reshape(-1, 2)).reshape(weight.shape)
    left.contour(weight, bias, heights, levels=14, colors="grey", linewidths=0.6)
    for (name, path), colour, mark in zip(
        list(paths.items())[::-1], (COLOURS[5], COLOURS[1], COLOURS[6]), ".so", strict=True
    ):
        left.plot(*path.T, color=colour, marker=mark, markersize=4, linewidth=1, label=f"{name}, {len(path) - 1} steps")
        right.plot(range(epochs + 1), errors[name], color=colour, marker=mark, label=name)
    left.plot(*best, "*", color=COLOURS[2], markersize=14, label="least error", zorder=5)
    left.set(xlabel="weight", ylabel="bias", title="paths on the error of all examples")
    right.set(xlabel="epoch", ylabel="mean squared error / 2", title="error of all examples")
    logarithmic(right, "y")
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return Drawing(figure, {"paths": paths, "errors": errors, "best": best})


def _path(x, t, size, epochs, rate, seed):
    """Weight and bias after each step, by the gradient `mean (y - t) x`; examples are shuffled for each epoch."""
    random, where = np.random.default_rng(seed), np.array([-1.2, -1.2])
    path, inputs = [where], np.column_stack([x, np.ones(len(x))])
    for _ in range(epochs):
        order = random.permutation(len(x))
        for first in range(0, len(x), size):
            rows = order[first : first + size]
            where = where - rate * (inputs[rows] @ where - t[rows, 0]) @ inputs[rows] / len(rows)
            path.append(where)
    return np.array(path)


def _errors(x, t, lines):
    """Half the mean squared error of each weight and bias, rows of `lines`."""
    return np.mean((x * lines[:, 0] + lines[:, 1] - t) ** 2, axis=0) / 2


@checked
def backprop_cost(
    *, widths: tuple[int, ...] = (16, 64, 256, 1024), batch: int = 128, repeats: int = 5, perturbed: int = 1000
) -> Drawing:
    """What the gradient of all `W` weights costs: backpropagation about two passes, perturbation `2 W` of them.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Virtues & Limitations of BP".

    Args:
        widths: Units of all three layers of a net, for each net.
        batch: Examples.
        repeats: Times that each is timed; the least counts.
        perturbed: Most weights of a net whose weights are all perturbed in earnest. Of larger ones the time of a pass
            is measured, and taken `2 W` times.

    Returns:
        The figure; `weights` of each net, seconds of `backpropagation` and of `perturbation`, and the largest
        `difference` between both gradients, as a share of the largest slope, of the nets that were perturbed in
        earnest.

    Example:
        >>> figure, numbers = backprop_cost(widths=(2, 4), batch=8, repeats=1)
        >>> numbers["weights"], bool(numbers["difference"] < 0.01)
        ([12, 40], True)
    """
    rows = [_costs(width, batch, repeats, perturbed) for width in widths]
    weights, by_slopes, by_changes = ([row[place] for row in rows] for place in range(3))
    figure, ((axes,),) = panels(1, 1, width=5.2, height=4)
    for values, label, colour, mark in (
        (
            by_changes,
            f"weight perturbation: 2 W forward passes\n(above {perturbed:,} weights: 2 W times one pass)",
            COLOURS[1],
            "s",
        ),
        (by_slopes, "backpropagation", COLOURS[0], "o"),
    ):
        axes.plot(weights, values, color=colour, marker=mark, label=label)
    for power, style in ((1, ":"), (2, "--")):
        last = (by_slopes, by_changes)[power - 1][-1]
        line = last * (np.array(weights) / weights[-1]) ** power
        axes.plot(weights, line, style, color="grey", label=f"slope of W{'²' if power == 2 else ''}")
    logarithmic(axes, "x", "y")
    axes.set(xlabel="weights W", ylabel="seconds for one gradient", title=f"nets of three layers, {batch} examples")
    axes.legend(fontsize=8)
    difference = max((row[3] for row in rows if row[3] is not None), default=float("nan"))
    times = {"backpropagation": by_slopes, "perturbation": by_changes}
    return Drawing(figure, {"weights": weights, **times, "difference": difference})


def _costs(width, batch, repeats, perturbed):
    """Number of weights, seconds of both ways to the gradient, and the largest difference between them."""
    import tensorflow as tf

    model = models.multilayer_perceptron(
        width, width, hidden_units=(width,), activation="tanh", output_activation="linear"
    )
    random = np.random.default_rng(0)
    x, t = (tf.constant(random.normal(size=(batch, width)), tf.float32) for _ in range(2))

    @tf.function
    def error():
        return tf.reduce_mean(tf.square(model(x) - t)) / 2

    @tf.function
    def slopes_of_all():
        with tf.GradientTape() as tape:
            value = error()
        return tape.gradient(value, model.trainable_variables)

    count, by_slopes = model.count_params(), _seconds(slopes_of_all, repeats)
    if count > perturbed:
        return count, by_slopes, 2 * count * _seconds(error, repeats), None
    error()
    start = time.perf_counter()
    estimates = [_perturbed(weight, error) for weight in model.trainable_variables]
    seconds = time.perf_counter() - start
    exact = gradients(model, x, t)
    largest = max(np.abs(each).max() for each in exact)
    off = max(np.abs(estimate - each).max() for estimate, each in zip(estimates, exact, strict=True))
    return count, by_slopes, seconds, float(off / largest)


def _seconds(function, repeats):
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def _perturbed(weight, error, change=1e-2):
    """Slopes of the error by each number of a weight, from its values a little more and a little less."""
    values = numpy(weight)
    slopes = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        sides = []
        for sign in (1, -1):
            moved = values.copy()
            moved[place] += sign * change
            weight.assign(moved)
            sides.append(float(error()))
        slopes[place] = (sides[0] - sides[1]) / (2 * change)
    weight.assign(values)
    return slopes


@checked
def saddle(*, steps: int = 120, rate: float = 0.1, starts: tuple[float, ...] = (0.3, 0.03, 0.003)) -> Drawing:
    """Gradient descent lingers at a saddle point, the longer the nearer it comes.

    The net `y = w2 w1 x` of two linear units is to learn `y = x`: its error `(w1 w2 - 1)^2 / 2` has a saddle point
    where both weights are 0, and valleys of error 0 on both sides.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Virtues & Limitations of BP".

    Args:
        steps: Steps of gradient descent.
        rate: Learning rate.
        starts: How far from the ridge each path starts: at `(s + 1, s - 1)`.

    Returns:
        The figure; for each start the `paths` `(steps + 1, 2)`, the `errors` and the `norms` of the gradient; the
        `curvatures` of the error at the saddle point, and `steps` until the error is below 0.1, None if never.

    Example:
        >>> figure, numbers = saddle(steps=60)
        >>> numbers["curvatures"], numbers["steps"][0] < numbers["steps"][1]
        ([-1.0, 1.0], True)
    """
    paths = [_descent(np.array([start + 1, start - 1]), steps, rate) for start in starts]
    errors, norms = [_error(path) for path in paths], [np.linalg.norm(_slope(path), axis=-1) for path in paths]
    figure, ((left, middle, right),) = panels(1, 3, width=4, height=3.6)
    first, second = np.meshgrid(np.linspace(-1.8, 1.8, 80), np.linspace(-1.8, 1.8, 80))
    heights = _error(np.stack([first, second], axis=-1))
    shown = left.contourf(first, second, heights, levels=np.linspace(0, 3, 16), cmap="Greys", extend="max")
    figure.colorbar(shown, ax=left, label="error")
    for start, path, error, norm, colour, style in zip(
        starts, paths, errors, norms, COLOURS, ("-", "--", "-."), strict=False
    ):
        left.plot(*path.T, style, color=colour, marker=".", markersize=3)
        middle.plot(error, style, color=colour, label=f"starts {start:g} from the ridge")
        right.plot(norm, style, color=colour)
    left.plot(0, 0, "X", color=COLOURS[4], markersize=10, markeredgecolor="black", label="saddle point")
    left.set(xlabel="w₁", ylabel="w₂", title="paths", aspect="equal")
    middle.set(xlabel="step", ylabel="error", title="the error stands still ...")
    right.set(xlabel="step", ylabel="norm of the gradient", title="... where the gradient vanishes")
    left.legend(fontsize=8, loc="lower left")
    middle.legend(fontsize=8)
    below = [int(np.argmax(error < 0.1)) if (error < 0.1).any() else None for error in errors]
    # Second derivatives at 0: those by w1 and w2 alone are 0, the mixed one is -1.
    curvatures = np.linalg.eigvalsh([[0.0, -1.0], [-1.0, 0.0]]).tolist()
    found = {"paths": paths, "errors": errors, "norms": norms}
    return Drawing(figure, {**found, "curvatures": curvatures, "steps": below})


def _error(weights):
    return (weights[..., 0] * weights[..., 1] - 1) ** 2 / 2


def _slope(weights):
    return ((weights[..., 0] * weights[..., 1] - 1)[..., None]) * weights[..., ::-1]


def _descent(where, steps, rate):
    path = [where]
    for _ in range(steps):
        path.append(path[-1] - rate * _slope(path[-1]))
    return np.array(path)
