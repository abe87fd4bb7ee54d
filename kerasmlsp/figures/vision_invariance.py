"""Vision: what a convolutional net knows of pictures beforehand, and a dense one does not."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasmlsp import augment, models
from kerasmlsp.figures import _vision
from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, panels, pixels, sheet
from kerasmlsp.figures._fitting import learn, numpy


def _dense(digits, units=128):
    """A dense net on pixels."""
    inputs = keras.Input(digits.shape, name="image")
    net = models.multilayer_perceptron(int(np.prod(digits.shape)), digits.classes, hidden_units=(units,))
    return keras.Model(inputs, net(keras.layers.Flatten(name="flat")(inputs)))


def _accuracy(net, images, labels):
    return float(np.mean(numpy(net(images)).argmax(1) == labels))


@checked
def shuffled_pixels(
    *, data: str | Path | None = None, count: int = 1500, steps: int = 250, tested: int = 500, seed: int = 0
) -> Drawing:
    """Digits whose pixels are all shuffled in one way: a dense net learns them as well, a convolutional one worse.

    A dense net ignores which pixels are neighbours. Start it with its weights in the order of the shuffled pixels, and
    it does the same step by step.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Motivation for CNNs"; Ganapathy, MLSP 2025, "What makes
    DNN suboptimal for images".

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits.
        count: Images to learn from.
        steps: Steps of Adam, each on 64 images.
        tested: Held-out images.
        seed: Seed of images, order and weights.

    Returns:
        The figure; the `accuracy` on held-out images of the "dense" and the "convolutional" net (LeNet-5), on "plain"
        and "shuffled" pixels; the largest `difference` between the probabilities of both dense nets; and the
        `correlation` of neighbouring pixels, plain and shuffled.

    Example:
        >>> figure, numbers = shuffled_pixels(count=20, steps=1, tested=20)
        >>> numbers["correlation"]["plain"] > 0.5 > 0.1 > abs(numbers["correlation"]["shuffled"])
        True
    """
    keras.utils.set_random_seed(seed)
    digits = _vision.digits(data, count, tested, seed)
    order = np.random.default_rng(seed).permutation(int(np.prod(digits.shape)))
    kinds: dict[str, Any] = {"plain": (digits.images, digits.others)}
    kinds["shuffled"] = tuple(each.reshape(len(each), -1)[:, order].reshape(each.shape) for each in kinds["plain"])
    accuracy: dict = {"dense": {}, "convolutional": {}}
    first, second = _dense(digits), _dense(digits)
    kernel, *rest = first.get_weights()
    second.set_weights([kernel[order], *rest])
    shares = []
    for (kind, (images, others)), net in zip(kinds.items(), (first, second), strict=True):
        learn(net, images, digits.labels, steps=steps, seed=seed)
        shares.append(numpy(net(others)))
        accuracy["dense"][kind] = float(np.mean(shares[-1].argmax(1) == digits.answers))
        keras.utils.set_random_seed(seed)
        lenet = models.lenet5(digits.classes, input_shape=digits.shape)
        learn(lenet, images, digits.labels, steps=steps, seed=seed)
        accuracy["convolutional"][kind] = _accuracy(lenet, others, digits.answers)
    correlation = {kind: _vision.correlation(others) for kind, (_, others) in kinds.items()}
    difference = float(np.abs(shares[0] - shares[1]).max())
    numbers = {"accuracy": accuracy, "correlation": correlation, "difference": difference}
    return Drawing(_draw_shuffled(kinds, numbers), numbers)


def _draw_shuffled(kinds, numbers):
    figure = sheet(8, 3)
    left, right = figure.subfigures(1, 2)
    for part, (kind, (_, others)) in zip(left.subfigures(2, 1), kinds.items(), strict=True):
        part.suptitle(f"{kind}: neighbours correlate by {numbers['correlation'][kind]:.2f}", fontsize=9)
        for axes, image in zip(part.subplots(1, 4), others, strict=False):
            pixels(axes, image[..., 0])
    axes = right.subplots()
    for place, (name, values) in enumerate(numbers["accuracy"].items()):
        bars = axes.bar(
            np.arange(2) + 0.4 * place, [1 - each for each in values.values()], 0.4, color=COLOURS[place], label=name
        )
        axes.bar_label(bars, fmt="{:.1%}".format, fontsize=8)
    axes.set_xticks(np.arange(2) + 0.2, list(kinds))
    axes.set(ylabel="error on held-out digits", xlabel="pixels")
    axes.margins(y=0.3)
    axes.legend(fontsize=8, loc="upper center", ncols=2)
    return figure


# What is done to digits that no net has seen so, and by how much.
_CHANGES = {
    "moved by pixels": (0, 1, 2, 3, 4, 6),
    "turned by degrees": (0, 10, 20, 30, 45, 60),
    "grown by": (0.6, 0.75, 0.9, 1.0, 1.15, 1.3),
    "deformed, alpha": (0, 20, 34, 50, 70, 100),
}


@checked
def invariance(
    *, data: str | Path | None = None, count: int = 1500, steps: int = 300, tested: int = 300, seed: int = 0
) -> Drawing:
    """How well digits are still read that are moved, turned, of another size, or deformed as no net has seen them.

    A convolutional net stands more of it than a dense one, yet is invariant only to what it has learnt from changed
    copies.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Motivation for CNNs"; Hota, BITS F464 (2024), "CNN:
    Pooling (or Sub-sampling) Layer" (spatial invariance); Simard, Steinkraus and Platt 2003 (elastic deformation).

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits.
        count: Images to learn from.
        steps: Steps of Adam, each on 64 images; for changed copies, of which there are five times as many, five times
            as many.
        tested: Held-out images.
        seed: Seed of images and weights.

    Returns:
        The figure; by the change the `amounts`, and the `accuracy` at each of a "dense" net, a "convolutional" one
        (LeNet-5), and a convolutional one that has learnt from "changed copies".

    Example:
        >>> figure, numbers = invariance(count=20, steps=1, tested=10)
        >>> list(numbers["accuracy"])
        ['moved by pixels', 'turned by degrees', 'grown by', 'deformed, alpha']
    """
    keras.utils.set_random_seed(seed)
    digits = _vision.digits(data, count, tested, seed)
    nets = {"dense": _dense(digits)}
    for name in ("convolutional", "changed copies"):
        nets[name] = models.lenet5(digits.classes, input_shape=digits.shape)
    changed = _copies(digits.images, seed)
    for name, net in nets.items():
        images = changed if name == "changed copies" else digits.images
        labels, passes = np.resize(digits.labels, len(images)), len(images) // len(digits.images)
        learn(net, images, labels, steps=passes * steps, rate=2e-3, seed=seed)
    accuracy: dict = {change: {name: [] for name in nets} for change in _CHANGES}
    figure, grid = panels(2, len(_CHANGES), width=2.9, height=2.2)
    for (above, below), (change, amounts) in zip(grid.T, _CHANGES.items(), strict=True):
        several = [_changed(digits.others, change, amount, seed) for amount in amounts]
        strip = np.concatenate([each[:2, ..., 0].reshape(-1, each.shape[2]) for each in several[1::2]], axis=1)
        pixels(above, strip, f"{change} {', '.join(f'{each:g}' for each in amounts[1::2])}")
        for (name, net), colour, mark in zip(nets.items(), COLOURS, MARKS, strict=False):
            accuracy[change][name] = [_accuracy(net, each, digits.answers) for each in several]
            below.plot(amounts, accuracy[change][name], color=colour, marker=mark, label=name)
        below.set(xlabel=change, ylim=(0, 1.03))
    grid[1, 0].set_ylabel("accuracy on held-out digits")
    figure.legend(*grid[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Drawing(figure, {"amounts": dict(_CHANGES), "accuracy": accuracy})


def _copies(images, seed, times=4):
    """Each image in several forms: in another place, size and position, and deformed."""
    affine = augment.RandomAffine(rotation=30.0, zoom=0.3, shift=0.15, fill_mode="constant", seed=seed)
    elastic = augment.RandomElasticDeformation(alpha=40.0, seed=seed)
    forms = [numpy(elastic(affine(images, training=True), training=True)) for _ in range(times)]
    return np.concatenate([images, *forms])


def _changed(images, change, amount, seed):
    """Images all changed by as much: moved along a random diagonal, turned either way."""
    random, count = np.random.default_rng(seed), len(images)
    if change.startswith("deformed"):
        return numpy(augment.RandomElasticDeformation(alpha=amount, seed=seed)(images, training=True))
    signs = random.choice([-1.0, 1.0], (count, 2))
    moves = amount * signs if change.startswith("moved") else np.zeros((count, 2))
    angles = np.radians(amount) * signs[:, 0] if change.startswith("turned") else np.zeros(count)
    scale = 1 / amount if change.startswith("grown") else 1.0
    middle = (np.array(images.shape[1:3]) - 1) / 2
    cosine, sine = scale * np.cos(angles), scale * np.sin(angles)
    x = middle[1] - cosine * (middle[1] + moves[:, 0]) + sine * (middle[0] + moves[:, 1])
    y = middle[0] - sine * (middle[1] + moves[:, 0]) - cosine * (middle[0] + moves[:, 1])
    zero = np.zeros(count)
    transform = np.stack([cosine, -sine, x, sine, cosine, y, zero, zero], axis=1).astype("float32")
    return numpy(ops.image.affine_transform(images.astype("float32"), transform, "bilinear", "constant", 0.0))
