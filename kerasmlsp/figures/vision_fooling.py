"""Vision: which pixels an answer hangs on, and how it is altered by changes that nobody sees."""

from pathlib import Path

import keras
import numpy as np

from kerasmlsp import interpret, models
from kerasmlsp.figures import _vision
from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, pixels, sheet
from kerasmlsp.figures._fitting import learn, without_graphs

_BOX = (0.0, 1.0)


def _lenet(data, count, steps, tested, seed):
    """LeNet-5 that has learnt digits, and the digits."""
    keras.utils.set_random_seed(seed)
    digits = _vision.digits(data, count, tested, seed)
    net = models.lenet5(digits.classes, input_shape=digits.shape)
    learn(net, digits.images, digits.labels, steps=steps, rate=2e-3, seed=seed)
    return net, digits


@checked
def feature_pruning(
    *,
    data: str | Path | None = None,
    shares: tuple[float, ...] = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0),
    count: int = 1500,
    steps: int = 200,
    tested: int = 500,
    seed: int = 0,
) -> Drawing:
    """Pixels that the error of a net does not hang on can be left out: half of them and more cost next to nothing.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Sensitivity of Error to Changes in Input" and "Feature
    Selection / Adversarial Examples".

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits.
        shares: Shares of the pixels that are put to their mean.
        count: Images to learn from, and to measure the sensitivity on.
        steps: Steps of Adam, each on 64 images.
        tested: Held-out images.
        seed: Seed of images and weights.

    Returns:
        The figure; the `sensitivity` of the error to each pixel `(height, width)`; and the `accuracy` on held-out
        images by share, where the "least sensitive", "random" or the "most sensitive" pixels are pruned.

    Example:
        >>> figure, numbers = feature_pruning(count=20, steps=1, tested=10, shares=(0.5,))
        >>> numbers["sensitivity"].shape, list(numbers["accuracy"])
        ((28, 28), ['least sensitive', 'random', 'most sensitive'])
    """
    net, digits = _lenet(data, count, steps, tested, seed)
    with without_graphs(steps):
        sensitivity = interpret.error_sensitivity(net, digits.images, digits.labels)
        curves = interpret.pruning_curves(net, digits.others, digits.answers, sensitivity, shares=shares, seed=seed)
    figure = sheet(9.5, 3.6)
    left, right = figure.subfigures(1, 2, width_ratios=(1.2, 1))
    axes = left.subplots(2, 3)
    shown = pixels(axes[0, 0], sensitivity[..., 0], "sensitivity", cmap="viridis")
    left.colorbar(shown, ax=axes[0, 0], shrink=0.8)
    pixels(axes[1, 0], digits.others[0, ..., 0], "picture", vmin=0, vmax=1)
    for column, share in enumerate((0.5, 0.8), 1):
        for panel, sign, name in ((axes[0, column], 1, "least"), (axes[1, column], -1, "most")):
            left_over = interpret.pruned(digits.others, sign * sensitivity, share)[0, ..., 0]
            pixels(panel, left_over, f"{share:.0%} {name} sensitive\npruned", vmin=0, vmax=1)
    panel = right.subplots()
    for (name, curve), colour, mark in zip(curves.items(), COLOURS, MARKS, strict=False):
        panel.plot(list(curve), list(curve.values()), color=colour, marker=mark, label=name)
    panel.set(xlabel="share of the pixels pruned", ylabel="accuracy on held-out digits", ylim=(0, 1.03))
    panel.legend(fontsize=8, loc="lower left")
    return Drawing(figure, {"sensitivity": sensitivity[..., 0], "accuracy": curves})


@checked
def fgsm(
    *,
    data: str | Path | None = None,
    epsilons: tuple[float, ...] = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3),
    count: int = 1500,
    steps: int = 200,
    tested: int = 200,
    seed: int = 0,
) -> Drawing:
    """Every pixel moved by epsilon along the sign of the gradient fools a net that random signs hardly trouble.

    With the minus of the slide the error falls: small steps alter no answer, large ones fewer than half as many.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Feature Selection / Adversarial Examples" (fast gradient
    sign method); Pilanci, EE269 lecture 16 (2020), "Adversarial Examples"; Goodfellow, Shlens and Szegedy 2015,
    "Explaining and Harnessing Adversarial Examples".

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits.
        epsilons: By how much each pixel is moved, of 1.
        count: Images to learn from.
        steps: Steps of Adam, each on 64 images.
        tested: Held-out images to change.
        seed: Seed of images, weights and random signs.

    Returns:
        The figure; by the name of the way the share that is `fooled` of the images that were answered rightly, at each
        epsilon; and the `answers` to the first of them by FGSM, with their `confidence`.

    Example:
        >>> figure, numbers = fgsm(count=20, steps=1, tested=10, epsilons=(0.0, 0.3))
        >>> list(numbers["fooled"]), len(numbers["answers"])
        (['FGSM', 'random signs', 'minus, as on the slide'], 2)
    """
    net, digits = _lenet(data, count, steps, tested, seed)
    images, labels = digits.others, digits.answers
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], images.shape).astype("float32")
    ways = {
        "FGSM": lambda size: interpret.fgsm(net, images, labels, epsilon=size, box=_BOX),
        "random signs": lambda size: np.clip(images + size * signs, *_BOX),
        "minus, as on the slide": lambda size: interpret.fgsm(net, images, epsilon=size, targets=labels, box=_BOX),
    }
    fooled: dict = {name: [] for name in ways}
    first, rows = None, []
    with without_graphs(steps):
        for size in epsilons:
            for name, change in ways.items():
                changed = change(size)
                found = interpret.outcome(net, images, changed, labels)
                fooled[name].append(found.success_rate)
                if name == "FGSM":
                    first = int(found.attacked.argmax()) if first is None else first
                    rows.append((changed[first, ..., 0], int(found.after[first]), float(found.confidence_after[first])))
    numbers = {"fooled": fooled, "answers": [row[1] for row in rows], "confidence": [row[2] for row in rows]}
    return Drawing(_draw_fgsm(epsilons, fooled, rows), numbers)


def _draw_fgsm(epsilons, fooled, rows):
    figure = sheet(8.5, 5)
    above, below = figure.subfigures(2, 1, height_ratios=(1, 2))
    for axes, size, (image, answer, share) in zip(above.subplots(1, len(rows)), epsilons, rows, strict=True):
        pixels(axes, image, f"ε = {size:g}\n{answer}: {share:.0%}", vmin=0, vmax=1)
    axes = below.subplots()
    for (name, values), colour, mark in zip(fooled.items(), COLOURS, MARKS, strict=False):
        axes.plot(epsilons, values, color=colour, marker=mark, label=name)
    axes.set(xlabel="ε, of 1", ylabel="share that is fooled", ylim=(-0.03, 1.03))
    axes.legend(fontsize=8, loc="upper left")
    return figure


@checked
def deepfool(
    *,
    data: str | Path | None = None,
    drawn: int = 4,
    count: int = 1500,
    steps: int = 200,
    tested: int = 60,
    seed: int = 0,
) -> Drawing:
    """The smallest change that alters the answer, found by DeepFool: about half as large as that of FGSM.

    On digits whose pixels are nearly all at an end of their range DeepFool does not reach every boundary.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Deep Fool"; Moosavi-Dezfooli, Fawzi and Frossard 2016,
    "DeepFool: a simple and accurate method to fool deep neural networks".

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits.
        drawn: Images in the figure.
        count: Images to learn from.
        steps: Steps of Adam, each on 64 images.
        tested: Held-out images to change.
        seed: Seed of images and weights.

    Returns:
        The figure; of the images that both fool, the mean Euclidean norm `l2` of the change by "DeepFool" and by
        "FGSM" at the least epsilon of a list that fools; the share that is `fooled` by each; and the mean norm of the
        `images`.

    Example:
        >>> figure, numbers = deepfool(drawn=1, count=40, steps=1, tested=2)
        >>> sorted(numbers), list(numbers["l2"])
        (['fooled', 'images', 'l2'], ['DeepFool', 'FGSM'])
    """
    net, digits = _lenet(data, count, steps, tested, seed)
    images, labels = digits.others, digits.answers
    changed = interpret.deepfool(net, images, labels, box=_BOX)
    small = interpret.outcome(net, images, changed, labels)
    epsilons = np.geomspace(0.005, 0.6, 16)
    _, least = interpret.success_rates(interpret.fgsm, net, images, labels, epsilons=list(epsilons), box=_BOX)
    signed = np.array([
        interpret.fgsm(net, image[None], label[None], epsilon=size, box=_BOX)[0] if np.isfinite(size) else image
        for image, label, size in zip(images, labels, least, strict=True)
    ])  # fmt: skip
    norms = {"DeepFool": small.l2, "FGSM": np.sqrt(((signed - images) ** 2).sum((1, 2, 3)))}
    both = small.fooled & np.isfinite(least)
    reached = float(np.isfinite(least[small.attacked]).mean()) if small.attacked.any() else float("nan")
    numbers = {
        "l2": {name: float(each[both].mean()) if both.any() else float("nan") for name, each in norms.items()},
        "fooled": {"DeepFool": small.success_rate, "FGSM": reached},
        "images": float(np.sqrt((images**2).sum((1, 2, 3))).mean()),
    }
    chosen = np.flatnonzero(both)[:drawn]
    return Drawing(_draw_deepfool(images, changed, chosen, small, {k: v[both] for k, v in norms.items()}), numbers)


def _draw_deepfool(images, changed, chosen, found, norms):
    figure = sheet(9, 1 + 1.5 * max(1, len(chosen)))
    left, right = figure.subfigures(1, 2)
    for row, number in zip(left.subplots(max(1, len(chosen)), 3, squeeze=False), chosen, strict=False):
        difference = (changed - images)[number, ..., 0]
        most = np.abs(difference).max()
        pixels(row[0], images[number, ..., 0], f"{found.before[number]}: {found.confidence_before[number]:.0%}")
        title = f"difference, ‖·‖ = {found.l2[number]:.2f}"
        pixels(row[1], difference, title, cmap="RdBu_r", vmin=-most, vmax=most)
        title = f"{found.after[number]}: {found.confidence_after[number]:.0%}"
        pixels(row[2], changed[number, ..., 0], title, vmin=0, vmax=1)
    axes = right.subplots()
    edges = np.linspace(0, max(each.max(initial=0.1) for each in norms.values()), 25)
    for (name, values), colour, hatch in zip(norms.items(), COLOURS, ("", "//"), strict=False):
        label = f"{name}, mean {values.mean():.2f}" if len(values) else name
        axes.hist(values, edges, color=colour, alpha=0.6, hatch=hatch, edgecolor="white", label=label)
    axes.set(xlabel="Euclidean norm of the change that fools", ylabel="images")
    axes.legend(fontsize=8)
    return figure
