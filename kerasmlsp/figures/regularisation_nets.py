"""Regularisation: dropout as an average of nets, seven ways to regularise one net, and changed copies of a picture."""

import itertools
from pathlib import Path

import keras
import numpy as np

from kerasmlsp import augment, models
from kerasmlsp.data import images
from kerasmlsp.figures import _data
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, classes, logarithmic, panels, pixels, regions
from kerasmlsp.figures._fitting import descend, numpy


@checked
def dropout(
    *, units: int = 10, count: int = 100, steps: int = 400, draws: int = 300, rate: float = 0.02, seed: int = 0
) -> Drawing:
    """All nets that dropout can make of one hidden layer, averaged, beside the one net with scaled weights.

    With a softmax output the scaled net gives the normalised geometric mean of the `2^M` nets exactly, and comes near
    their arithmetic mean.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Dropout Implementation"; Hota, BITS F464 (2024),
    "Stochastic Regularization: Dropout"; Baldi and Sadowski 2013, "Understanding Dropout".

    Args:
        units: Hidden units `M`; all `2^M` masks are tried.
        count: Points of two classes to learn from, with dropout of 1/2.
        steps: Steps of Adam.
        draws: Masks of the average that grows.
        rate: Learning rate.
        seed: Seed of points, weights and masks.

    Returns:
        The figure; probabilities of class 1 of new points: `scaled`, `geometric` and `arithmetic`; the largest
        `difference` of the scaled net from the geometric mean; and the mean `distance` of the arithmetic mean of so
        many drawn masks from that of all.

    Example:
        >>> figure, numbers = dropout(units=3, steps=1, draws=10)
        >>> numbers["difference"] < 1e-5
        True
    """
    keras.utils.set_random_seed(seed)
    (points, labels), (others, _) = _data.moons(count, seed), _data.moons(60, seed + 1)
    net = models.multilayer_perceptron(2, 2, hidden_units=(units,), activation="tanh", dropout=0.5, name="net")
    descend([net], points, labels, steps=steps, rate=rate, loss="sparse_categorical_crossentropy")
    masks = np.array(list(itertools.product((0.0, 1.0), repeat=units)))
    each = _masked(net, others, masks)
    geometric = np.exp(np.log(each).mean(0))
    geometric = (geometric / geometric.sum(1, keepdims=True))[:, 1]
    arithmetic, scaled = each.mean(0)[:, 1], numpy(net(others))[:, 1]
    drawn = np.random.default_rng(seed).integers(len(masks), size=draws)
    running = each[drawn, :, 1].cumsum(0) / np.arange(1, draws + 1)[:, None]
    distance = np.abs(running - arithmetic).mean(1)
    figure, ((left, right),) = panels(1, 2, width=4.4, height=3.8)
    left.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    left.plot(scaled, arithmetic, "s", color=COLOURS[1], markersize=5, label="arithmetic mean")
    left.plot(scaled, geometric, "o", color=COLOURS[0], markersize=4, label="geometric mean, normalised")
    left.set(
        xlabel="probability by the net with scaled weights",
        ylabel=f"mean over all {len(masks):,} masks",
        aspect="equal",
    )
    left.set(title=f"differs from the geometric mean by {np.abs(scaled - geometric).max():.1g}")
    right.plot(np.arange(1, draws + 1), np.maximum(distance, 1e-6), color=COLOURS[1], label="so many drawn masks")
    right.axhline(np.abs(scaled - arithmetic).mean(), color=COLOURS[0], linestyle="--", label="one net, scaled weights")
    logarithmic(right, "x", "y")
    right.set(xlabel="masks", ylabel="mean distance", title="how near to the arithmetic mean of all masks")
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    means = {"scaled": scaled, "geometric": geometric, "arithmetic": arithmetic}
    return Drawing(figure, {**means, "difference": float(np.abs(scaled - geometric).max()), "distance": distance})


def _masked(net, points, masks):
    """Probabilities `(masks, points, 2)` of the nets with some of their hidden units, which count twice."""
    kernel, bias, outer, level = net.get_weights()
    hidden = np.tanh(points @ kernel + bias)
    sums = np.einsum("ku,pu,uc->kpc", 2 * masks, hidden, outer) + level
    sums -= sums.max(-1, keepdims=True)
    return np.exp(sums) / np.exp(sums).sum(-1, keepdims=True)


_WAYS: dict[str, dict] = {
    "none": {},
    "L1 0.001": {"l1": 1e-3},
    "L2 0.003": {"l2": 3e-3},
    "activity 0.01": {"activity": 1e-2},
    "max-norm 1": {"max_norm": 1.0},
    "dropout 0.5": {"dropout": 0.5},
    "input noise 0.2": {"input_noise": 0.2},
}


@checked
def regularisers(*, units: int = 100, count: int = 40, steps: int = 2500, rate: float = 0.01, seed: int = 3) -> Drawing:
    """One net on few noisy points without regularisation and in six ways with it: boundaries, and errors on new points.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Regularization Techniques"; Srivastava et al. 2014,
    "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (max-norm).

    Args:
        units: Hidden units, ReLU, of two layers.
        count: Points to learn from.
        steps: Steps of Adam on all points.
        rate: Learning rate.
        seed: Seed of points and weights.

    Returns:
        The figure; by the name of the way the accuracy on the points `learnt` and on 2,000 `new` ones, the
        cross-entropy `loss` on these, and the largest norm of the weights into a `unit`.

    Example:
        >>> figure, numbers = regularisers(units=4, steps=1)
        >>> len(numbers["new"])
        7
    """
    keras.utils.set_random_seed(seed)
    (points, labels), (others, answers) = _data.moons(count, seed, 0.35), _data.moons(2000, seed + 1, 0.35)
    nets = [
        models.multilayer_perceptron(2, 2, hidden_units=(units, units), **options, name=f"net_{place}")
        for place, options in enumerate(_WAYS.values())
    ]
    descend(nets, points, labels, steps=steps, rate=rate, loss="sparse_categorical_crossentropy")
    numbers: dict = {"learnt": {}, "new": {}, "loss": {}, "unit": {}}
    figure, grid = panels(2, 4, width=2.8, height=3)
    for axes, name, net in zip(grid.ravel(), _WAYS, nets, strict=False):
        shares, right = numpy(net(others))[:, 1], numpy(net(points))[:, 1]
        numbers["learnt"][name] = float(np.mean((right >= 0.5) == labels))
        numbers["new"][name] = float(np.mean((shares >= 0.5) == answers))
        numbers["loss"][name] = float(-np.log(np.maximum(np.where(answers, shares, 1 - shares), 1e-7)).mean())
        hidden = [net.get_layer(f"hidden_{place}").get_weights()[0] for place in range(2)]
        numbers["unit"][name] = float(max(np.linalg.norm(kernel, axis=0).max() for kernel in hidden))
        regions(axes, lambda x, net=net: numpy(net(x))[:, 1], -2.4, 2.4)
        classes(axes, points, labels, 12)
        axes.set_title(f"{name}\nlearnt {numbers['learnt'][name]:.0%}, new {numbers['new'][name]:.1%}", fontsize=9)
    axes = grid.ravel()[len(nets)]
    axes.barh(list(numbers["loss"]), list(numbers["loss"].values()), color=COLOURS[0])
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=7)
    axes.set_title("cross-entropy\non new points", fontsize=9)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return Drawing(figure, numbers)


# Each change alone, by how it is told.
_CHANGES: dict[str, dict] = {
    "rotation ± 30°": {"rotation": 30},
    "scale ± 30 %": {"zoom": 0.3},
    "shift ± 20 %": {"shift": 0.2},
    "flip": {"flip": "horizontal"},
    "brightness ± 30 %": {"brightness": 0.3},
    "contrast ± 50 %": {"contrast": 0.5},
    "saturation ± 70 %": {"saturation": 0.7},
    "noise of 25": {"noise": 25.0},
    "erasing": {"erasing": 0.99},
}


@checked
def augmentation(*, picture: str | Path | None = None, copies: int = 5, size: int = 160, seed: int = 0) -> Drawing:
    """What each change of augmentation makes of a picture whose class stays what it is.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation".

    Args:
        picture: A file with a picture; by default the portrait that comes with Matplotlib.
        copies: Changed copies in a row.
        size: Longest side of the picture, in pixels.
        seed: Seed of the changes.

    Returns:
        The figure; by the name of the change the mean absolute `difference` from the picture, of 255, of all copies.

    Example:
        >>> figure, numbers = augmentation(copies=1, size=32)
        >>> len(numbers["difference"]), min(numbers["difference"].values()) > 0
        (9, True)
    """
    from matplotlib.cbook import get_sample_data

    source = picture or get_sample_data("grace_hopper.jpg", asfileobj=False)
    original = images.read_image(source, longest=size)
    figure, grid = panels(len(_CHANGES), copies + 1, width=1.15, height=1.1 * original.shape[0] / original.shape[1])
    difference = {}
    for row, (name, options) in zip(grid, _CHANGES.items(), strict=True):
        layer = augment.ImageAugmentation(**options, seed=seed)
        batch = np.stack([original] * copies).astype("float32")
        changed = np.clip(numpy(layer(batch, training=True)), 0, 255)
        difference[name] = float(np.abs(changed - original).mean())
        pixels(row[0], original, "picture" if row is grid[0] else "")
        row[0].set_ylabel(name, fontsize=7)
        for axes, copy in zip(row[1:], changed, strict=True):
            pixels(axes, copy.round().astype(np.uint8))
    return Drawing(figure, {"difference": difference})
