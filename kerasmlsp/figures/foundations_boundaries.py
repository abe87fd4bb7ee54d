"""Foundations: what one layer can tell apart, what features add to that, and what a hidden layer does."""

import itertools
import math
from collections.abc import Callable

import numpy as np

from kerasmlsp import layers, models
from kerasmlsp.figures import _data
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, classes, logarithmic, panels, regions, sheet
from kerasmlsp.figures._fitting import bending_nets, descend, numpy, solve


@checked
def linear_boundaries(*, count: int = 60, epochs: int = 12, seed: int = 0) -> Drawing:
    """The perceptron's rule moves its line until no point is on the wrong side, or for ever where no line will do.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Summary of Linear/Logistic Regression"; Rosenblatt 1958,
    "The Perceptron".

    Args:
        count: Points of two clouds.
        epochs: Passes over all points.
        seed: Seed of the points.

    Returns:
        The figure; `mistakes` in each epoch for "two clouds" and "exclusive or", and the `lines` `(epochs, 3)` of
        weights and bias after each epoch.

    Example:
        >>> figure, numbers = linear_boundaries(epochs=8)
        >>> numbers["mistakes"]["two clouds"][-1], numbers["mistakes"]["exclusive or"][-1] > 0
        (0, True)
    """
    cloud, corners = _data.clouds(count, seed), _exclusive_or(count, seed)
    runs = {"two clouds": _rule(cloud[0], cloud[1], epochs), "exclusive or": _rule(corners[0], corners[1], epochs)}
    figure, ((left, middle, right),) = panels(1, 3)
    for axes, (name, (lines, _)), (points, labels) in zip((left, middle), runs.items(), (cloud, corners), strict=True):
        classes(axes, points, labels)
        low, high = points.min() - 0.4, points.max() + 0.4
        for epoch, line in enumerate(lines):
            shade = 0.25 + 0.75 * (epoch + 1) / epochs
            axes.plot(*_ends(line, high), color="black", alpha=shade, linewidth=2.5 if epoch + 1 == epochs else 0.8)
        axes.set(title=f"{name}: a line for every epoch", xlim=(low, high), ylim=(low, high), aspect="equal")
    left.legend(loc="lower right", fontsize=8)
    for (name, (_, mistakes)), colour, mark in zip(runs.items(), COLOURS[2:], "o^", strict=False):
        right.plot(range(1, epochs + 1), mistakes, color=colour, marker=mark, label=name)
    right.set(title="corrections of the rule", xlabel="epoch", ylabel="points on the wrong side", ylim=(-0.5, None))
    right.legend(fontsize=8)
    numbers = {"mistakes": {name: mistakes for name, (_, mistakes) in runs.items()}}
    return Drawing(figure, {**numbers, "lines": {name: lines for name, (lines, _) in runs.items()}})


def _exclusive_or(count, seed):
    random, corner = np.random.default_rng(seed), np.arange(count) % 4
    centres = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])[corner]
    return random.normal(centres, 0.3).astype("float32"), corner % 2


def _rule(points, labels, epochs):
    """`w <- w + (t - y) x`, point after point: weights and bias after each epoch, and how many points moved them."""
    inputs, weights = np.column_stack([points, np.ones(len(points))]), np.zeros(points.shape[1] + 1)
    lines, mistakes = [], []
    for _ in range(epochs):
        wrong = 0
        for x, target in zip(inputs, labels, strict=True):
            error = target - float(weights @ x >= 0)
            weights, wrong = weights + error * x, wrong + int(error != 0)
        lines.append(weights)
        mistakes.append(wrong)
    return np.array(lines), mistakes


def _ends(line, limit):
    """Two points of the line `w . x + b = 0`, beyond a square."""
    w, b = line[:2], line[2]
    foot, along = -b * w / (w @ w), np.array([-w[1], w[0]]) / np.linalg.norm(w)
    return np.stack([foot - 4 * limit * along, foot + 4 * limit * along], axis=1)


@checked
def cover(*, count: int = 120, epochs: int = 60, seed: int = 0) -> Drawing:
    """A ring around a disc, which no line parts, lifted by `(x1^2, sqrt(2) x1 x2, x2^2)` to where a plane parts them.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Cover's Theorem"; Cover 1965, "Geometrical and
    Statistical Properties of Systems of Linear Inequalities with Applications in Pattern Recognition".

    Args:
        count: Points.
        epochs: Passes of the perceptron's rule.
        seed: Seed of the points.

    Returns:
        The figure; `accuracy` of the perceptron after the last pass, on the points as "given" (where other lines do
        better, though none well) and "lifted", and the `plane` that it found: three weights and the bias.

    Example:
        >>> figure, numbers = cover()
        >>> numbers["accuracy"]["given"] < 0.8, numbers["accuracy"]["lifted"]
        (True, 1.0)
    """
    if epochs < 1:
        raise ValueError(f"`epochs` must be a whole number, at least 1. Received: {epochs!r}")
    points, labels = _data.rings(count, seed)
    lifted = numpy(layers.PolynomialFeatures(2, constant=0.0)(points))
    line, plane = _rule(points, labels, epochs)[0][-1], _rule(lifted, labels, epochs)[0][-1]
    accuracy = {"given": _share_right(points, line, labels), "lifted": _share_right(lifted, plane, labels)}
    figure = sheet(9, 4)
    flat, space = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2, projection="3d")
    classes(flat, points, labels)
    flat.plot(*_ends(line, 2.2), color="black")
    flat.set_title(f"given: the rule's line gets {accuracy['given']:.0%}")
    flat.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
    flat.legend(loc="upper right", fontsize=8)
    _draw_lifted(space, lifted, labels, plane)
    space.set_title(f"lifted: a plane gets {accuracy['lifted']:.0%}")
    return Drawing(figure, {"accuracy": accuracy, "plane": plane})


def _share_right(inputs, weights, labels):
    """Accuracy of the perceptron of the library with these weights."""
    model = models.perceptron(inputs.shape[1])
    model.set_weights([weights[:-1, None], weights[-1:]])
    return float(np.mean(numpy(model(inputs))[:, 0] == labels))


def _draw_lifted(axes, lifted, labels, plane):
    for label, mark in zip((0, 1), "os", strict=True):
        axes.scatter(*lifted[labels == label].T[[0, 2, 1]], c=COLOURS[label], marker=mark, s=14)
    first, mixed = np.meshgrid(np.linspace(0, 4, 5), np.linspace(-3, 3, 5))
    # The plane stands upright: x1^2 + x2^2 decides, and the mixed product hardly.
    second = -(plane[3] + plane[0] * first + plane[1] * mixed) / plane[2]
    second = np.where((second >= 0) & (second <= 4), second, np.nan)
    axes.plot_surface(first, second, mixed, color=COLOURS[2], alpha=0.35)
    axes.set(xlabel="x₁²", ylabel="x₂²", zlabel="√2 x₁x₂", xlim=(0, 4), ylim=(0, 4))
    axes.view_init(18, -62)


@checked
def kernels(
    *,
    degrees: tuple[int, ...] = (1, 2, 5),
    widths: tuple[float, ...] = (0.02, 0.5, 50.0),
    count: int = 80,
    units: int = 600,
    l2: float = 1e-4,
    seed: int = 0,
) -> Drawing:
    """Boundaries of a linear model on features of the polynomial and of the Gaussian kernel: from stiff to overfitted.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Data Independent Transformation".

    Args:
        degrees: `n` of `(x . y + 1)^n`.
        widths: `h` of `exp(-|x - y|^2 / h)`.
        count: Points to learn from.
        units: Random features that stand for the Gaussian kernel.
        l2: Factor of the squared weights in the error.
        seed: Seed of points and features.

    Returns:
        The figure; for each panel by its title the accuracy on the points that were `learnt` and on 1,000 `new` ones,
        and the largest difference between `phi(x) . phi(y)` and the kernel, `off`.

    Example:
        >>> figure, numbers = kernels(degrees=(1, 2), widths=(1.0,), count=20, units=50)
        >>> sorted(numbers["new"])
        ['Gaussian, h = 1', 'polynomial, n = 1', 'polynomial, n = 2']
        >>> bool(numbers["off"]["polynomial, n = 2"] < 1e-4)
        True
    """
    maps = {f"polynomial, n = {n}": (layers.PolynomialFeatures(n), _polynomial(n)) for n in degrees}
    maps |= {f"Gaussian, h = {h:g}": (layers.RandomFourierFeatures(units, h, seed=seed), _gaussian(h)) for h in widths}
    (points, labels), (others, answers) = _data.moons(count, seed), _data.moons(1000, seed + 1)
    figure, grid = panels(2, max(len(degrees), len(widths)), width=3, height=3.1)
    numbers: dict = {"learnt": {}, "new": {}, "off": {}}
    places = [*grid[0][: len(degrees)], *grid[1][: len(widths)]]
    for axes, (title, (features, kernel)) in zip(places, maps.items(), strict=True):
        decide = _fitted(features, points, labels, l2)
        regions(axes, decide, -2.2, 2.2)
        classes(axes, points, labels, 12)
        numbers["learnt"][title] = float(np.mean((decide(points) >= 0.5) == labels))
        numbers["new"][title] = float(np.mean((decide(others) >= 0.5) == answers))
        mapped = numpy(features(points))
        numbers["off"][title] = float(np.abs(mapped @ mapped.T - kernel(points)).max())
        axes.set_title(f"{title}\nlearnt {numbers['learnt'][title]:.0%}, new {numbers['new'][title]:.0%}", fontsize=9)
    for axes in set(grid.ravel()) - set(places):
        axes.set_axis_off()
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return Drawing(figure, numbers)


def _polynomial(n):
    return lambda x: (x @ x.T + 1) ** n


def _gaussian(h):
    return lambda x: np.exp(-np.square(x[:, None] - x[None]).sum(-1) / h)


def _fitted(features, points, labels, l2):
    """What a linear model of the features, fitted to labels 0 and 1, gives for points."""
    mapped = numpy(features(points))
    model = models.linear_regression(mapped.shape[1])
    model.set_weights(solve(mapped, labels, l2))
    return lambda x: numpy(model(features(x)))[:, 0]


_FUNCTIONS: dict[str, Callable] = {
    "x²": np.square,
    "sin πx": lambda x: np.sin(np.pi * x),
    "|x|": np.abs,
    "sign x": np.sign,
}


@checked
def universal_approximator(
    *, units: int = 3, count: int = 50, steps: int = 2000, rate: float = 0.05, seed: int = 1
) -> Drawing:
    """Four functions learnt by one hidden layer of three units, and what each of the units gives.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Universal Approximator"; Cybenko 1989, "Approximation by
    Superpositions of a Sigmoidal Function".

    Args:
        units: Hidden units, tanh.
        count: Points of each function in [-1, 1].
        steps: Steps of Adam.
        rate: Learning rate.
        seed: Seed of the weights.

    Returns:
        The figure; for each function the mean squared `error`, and of what a constant leaves, `variance`.

    Example:
        >>> figure, numbers = universal_approximator(steps=1, count=5)
        >>> list(numbers["error"])
        ['x²', 'sin πx', '|x|', 'sign x']
    """
    x = np.linspace(-1, 1, count, dtype="float32")[:, None]
    nets = bending_nets([units] * len(_FUNCTIONS), seed)
    targets = [function(x) for function in _FUNCTIONS.values()]
    descend(nets, x, targets, steps=steps, rate=rate)
    figure, grid = panels(2, 2, height=2.8)
    numbers: dict = {"error": {}, "variance": {}}
    for axes, net, (name, target) in zip(grid.ravel(), nets, zip(_FUNCTIONS, targets, strict=True), strict=True):
        kernel, bias = net.get_weights()[:2]
        for place, unit in enumerate(np.tanh(x @ kernel + bias).T):
            style = (":", "--", "-.")[place % 3]
            axes.plot(x, unit, style, color="grey", linewidth=1, label="hidden units" if not place else None)
        axes.plot(x, target, "o", color=COLOURS[0], markersize=3, label="function")
        axes.plot(x, numpy(net(x)), color=COLOURS[1], linewidth=2, label="net")
        numbers["error"][name] = float(np.mean((numpy(net(x)) - target) ** 2))
        numbers["variance"][name] = float(np.var(target))
        axes.set(title=f"{name}: mean squared error {numbers['error'][name]:.2g}", xlabel="x", ylim=(-1.5, 1.5))
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Drawing(figure, numbers)


@checked
def weight_symmetry(*, units: int = 4, count: int = 40, resolution: int = 81, seed: int = 0) -> Drawing:
    """Exchanged and negated hidden units: every minimum of the error is there `2^M M!` times.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Weight Space Symmetry".

    Args:
        units: Most hidden units `M` for which all nets are counted, at least 2.
        count: Points that a net is asked at.
        resolution: Points of the error surface in each direction.
        seed: Seed of the nets' weights.

    Returns:
        The figure; `counted` different nets for each `M` from 1, the largest `difference` of what they give, and the
        `minima` `(8, 2)` of the surface with the largest `error` at them.

    Example:
        >>> figure, numbers = weight_symmetry(units=3, resolution=9)
        >>> numbers["counted"], numbers["difference"] < 1e-5
        ([2, 8, 48], True)
    """
    x, best = np.linspace(-2, 2, count, dtype="float32")[:, None], np.array([0.8, 2.5])
    ticks = np.linspace(-4, 4, resolution)
    targets = np.tanh(x @ best[None]) @ np.array([1.0, -0.6])
    errors = _least_errors(np.tanh(np.outer(ticks, x)), targets)
    minima = np.array([flip * best[order] for order in ([0, 1], [1, 0]) for flip in _signs(2)])
    figure, ((left, right),) = panels(1, 2, width=4.4, height=3.8)
    shown = left.contourf(ticks, ticks, np.log10(errors.T + 1e-6), levels=12, cmap="viridis")
    figure.colorbar(shown, ax=left, label="log₁₀ of the error, second layer at its best")
    left.plot(*minima.T, "*", color=COLOURS[1], markersize=13, markeredgecolor="white", label="the same net, 8 times")
    left.set(xlabel="weight into hidden unit 1", ylabel="weight into hidden unit 2", title="M = 2", aspect="equal")
    left.legend(loc="upper center", fontsize=8)
    numbers = _count_nets(units, x, seed)
    ms = np.arange(1, units + 1)
    right.plot(ms, [2**m * math.factorial(int(m)) for m in ms], color=COLOURS[0], label="2ᴹ M!")
    right.plot(ms, numbers["counted"], "s", color=COLOURS[1], label="nets that give the same, counted")
    logarithmic(right, "y")
    right.set(xlabel="hidden units M", ylabel="nets", xticks=ms, title=f"outputs differ by {numbers['difference']:.1g}")
    right.legend(fontsize=8)
    at_minima = [_least_errors(np.tanh(np.outer(each, x)), targets)[0, 1] for each in minima]
    return Drawing(figure, {**numbers, "minima": minima, "error": float(np.max(at_minima))})


def _signs(count):
    return [np.array(each) for each in itertools.product((1, -1), repeat=count)]


def _least_errors(outputs, targets):
    """Mean squared error of the best `v_i z_i + v_j z_j` for each pair of unit outputs, rows of `(weights, points)`."""
    gram, wanted = outputs @ outputs.T / len(targets), outputs @ targets / len(targets)
    own = np.diag(gram) + 1e-9
    first, second = np.meshgrid(wanted, wanted, indexing="ij")
    solved = (own[None] * first**2 + own[:, None] * second**2 - 2 * gram * first * second) / (
        own[:, None] * own[None] - gram**2
    )
    return np.maximum(np.mean(targets**2) - solved, 0)


def _count_nets(units, x, seed):
    """How many nets of up to so many units differ in their weights alone, and by how much their outputs differ."""
    random, counted, difference = np.random.default_rng(seed), [], 0.0
    for m in range(1, units + 1):
        model, found = models.universal_approximator(units=m), set()
        kernel, bias, outer, level = (random.normal(size=weight.shape) for weight in model.get_weights())
        model.set_weights([kernel, bias, outer, level])
        first = numpy(model(x))
        for order, flips in itertools.product(itertools.permutations(range(m)), _signs(m)):
            changed = kernel[:, order] * flips, bias[list(order)] * flips, outer[list(order)] * flips[:, None]
            found.add(np.concatenate([each.ravel() for each in changed]).tobytes())
            if len(found) <= 48:  # enough to see that they agree
                model.set_weights([*changed, level])
                difference = max(difference, float(np.abs(numpy(model(x)) - first).max()))
        counted.append(len(found))
    return {"counted": counted, "difference": difference}
