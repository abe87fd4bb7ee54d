"""Vision: deeper nets that learn worse, and the skips that turn this round."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasmlsp import models
from kerasmlsp.figures import _vision
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, panels
from kerasmlsp.figures._fitting import without_graphs


@checked
def resnet_vs_plain(
    *,
    data: str | Path | None = None,
    depths: tuple[int, int] = (20, 56),
    seeds: int = 3,
    steps: int = 90,
    looks: int = 9,
    width: int = 4,
    rate: float = 0.05,
) -> Drawing:
    """Training loss of nets of 20 and of 56 layers: without skips the deeper one hardly learns, with them it does.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep
    Residual Learning for Image Recognition", figure 6.

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits of 16 x 16 pixels.
        depths: Layers of the shallow and the deep nets, each `6 n + 2`.
        seeds: Starts of each net.
        steps: Steps of gradient descent with momentum, each on 32 images.
        looks: Parts in which the loss is averaged.
        width: Filters of the first stage; the paper has 16.
        rate: Learning rate.

    Returns:
        The figure; by "plain" and "residual" and depth the `loss` `(seeds, looks)`; and the `last`, its mean over the
        last third of the parts, of each seed.

    Raises:
        ValueError: A depth is not `6 n + 2`.

    Example:
        >>> figure, numbers = resnet_vs_plain(depths=(8, 14), seeds=1, steps=1, looks=1, width=1)
        >>> {kind: list(losses) for kind, losses in numbers["loss"].items()}
        {'plain': [8, 14], 'residual': [8, 14]}
    """
    if any(depth < 8 or depth % 6 != 2 for depth in depths):
        raise ValueError(f"`depths` must be numbers 6 n + 2 of at least 8. Received: depths={tuple(depths)}")
    digits = _vision.digits(data, 1600, 1, 0, 16)
    builders = {"plain": models.plain20, "residual": models.resnet20}
    loss: dict = {kind: {} for kind in builders}
    for kind, build in builders.items():
        for depth in depths:
            sizes: dict[str, Any] = {"width": width, "repeats": ((depth - 2) // 6,) * 3, "name": f"{kind}_{depth}"}
            net = build(digits.classes, input_shape=digits.shape, **sizes)
            loss[kind][depth] = _losses(net, digits, seeds, steps, looks, rate)
    last = {
        kind: {depth: each[:, -max(1, looks // 3) :].mean(1) for depth, each in losses.items()}
        for kind, losses in loss.items()
    }
    figure, (axes,) = panels(1, 2, width=4.2, height=3.6)
    places = steps // looks * np.arange(1, looks + 1)
    highest = max(each.max() for losses in loss.values() for each in losses.values())
    for panel, (kind, losses) in zip(axes, loss.items(), strict=True):
        for (depth, each), colour, style in zip(losses.items(), COLOURS, ("--", "-"), strict=False):
            panel.plot(places, each.T, style, color=colour, linewidth=0.8, alpha=0.6)
            label = f"{depth} layers: {last[kind][depth].mean():.2f} in the last third"
            panel.plot(places, each.mean(0), style, color=colour, linewidth=2.2, label=label)
        panel.set(title=kind, xlabel="steps", ylim=(0, 1.05 * highest))
        panel.legend(fontsize=8)
    axes[0].set_ylabel("training loss")
    return Drawing(figure, {"loss": loss, "last": last})


def _losses(net, digits, seeds, steps, looks, rate):
    """Mean losses `(seeds, looks)`; the graph of a net is made once for all its starts."""
    start, each = net.get_weights(), steps // looks
    with without_graphs(steps):
        net.compile(keras.optimizers.SGD(rate, momentum=0.9), "sparse_categorical_crossentropy", jit_compile=False)
        found = []
        for seed in range(seeds):
            random = np.random.default_rng(seed)
            net.set_weights([_drawn(values, random) for values in start])
            for variable in net.optimizer.variables[2:]:
                variable.assign(np.zeros(variable.shape, "float32"))
            losses = []
            for _ in range(looks):
                rows = random.integers(len(digits.images), size=32 * each)
                history = net.fit(digits.images[rows], digits.labels[rows], batch_size=32, shuffle=False, verbose=0)
                losses.extend(history.history["loss"])
            found.append(losses)
    return np.array(found)


def _drawn(values, random):
    """New normal weights of He's deviation; what is no kernel starts as it was made."""
    if values.ndim < 2:
        return values
    return random.normal(0, np.sqrt(2 / np.prod(values.shape[:-1])), values.shape)
