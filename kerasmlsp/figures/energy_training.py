"""Energy: what a Boltzmann machine learns without labels, and what deep nets gain when they start from that."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasmlsp import models
from kerasmlsp.figures import _data
from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, panels, pixels, sheet
from kerasmlsp.figures._fitting import numpy, without_graphs
from kerasmlsp.models import layerwise


@checked
def rbm(
    *,
    data: str | Path | None = None,
    count: int = 4000,
    hidden: int = 64,
    epochs: int = 30,
    batch: int = 50,
    rate: float = 0.1,
    chain: tuple[int, ...] = (0, 1, 10, 100, 1000),
    seed: int = 0,
) -> Drawing:
    """What the hidden units of a restricted Boltzmann machine look for, and images that it dreams from digits on.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Restricted Boltzmann Machine"; Hinton 2002, "Training
    Products of Experts by Minimizing Contrastive Divergence".

    Args:
        data: Folder of MNIST or another set in IDX files; by default printed digits, made from the seed.
        count: Images to learn from.
        hidden: Hidden units.
        epochs: Passes of contrastive divergence over all images.
        batch: Images of a step.
        rate: Learning rate.
        chain: Steps of Gibbs sampling after which an image is shown, ascending.
        seed: Seed of images, weights and sampling.

    Returns:
        The figure; the mean squared `error` of reconstructed new images "before" and "after" training; the mean
        `free_energy` of "new" images and of "noise" with the same pixels in any order; the `filters` `(hidden, height,
        width)` and the `samples` `(images, shown, height, width)`.

    Example:
        >>> figure, numbers = rbm(count=20, hidden=4, epochs=1, chain=(0, 1))
        >>> numbers["filters"].shape, numbers["samples"].shape
        ((4, 16, 16), (6, 2, 16, 16))
    """
    keras.utils.set_random_seed(seed)
    (images, _), (others, _) = _data.digits(data, count, seed), _data.digits(data, 200, seed, "test")
    shape, flat, new = images.shape[1:], images.reshape(len(images), -1), others.reshape(len(others), -1)
    machine = models.restricted_boltzmann_machine(flat.shape[1], hidden, seed=seed)
    layer, before = machine.get_layer("hidden"), _reconstruction(machine, new)
    layer.visible_bias.assign(np.log((flat.mean(0) + 0.01) / (1.01 - flat.mean(0))))
    machine.compile(keras.optimizers.SGD(rate), jit_compile=False)
    with without_graphs(epochs * len(flat) // batch):
        machine.fit(flat, batch_size=batch, epochs=epochs, verbose=0)
    noise = np.random.default_rng(seed).permuted(new, axis=1)
    energies = {name: float(numpy(layer.free_energy(each)).mean()) for name, each in (("new", new), ("noise", noise))}
    samples = _dream(layer, new[:6], chain).reshape(6, len(chain), *shape)
    filters = numpy(layer.kernel).T.reshape(hidden, *shape)
    figure = _draw_machine(filters, samples, chain)
    error = {"before": before, "after": _reconstruction(machine, new)}
    return Drawing(figure, {"error": error, "free_energy": energies, "filters": filters, "samples": samples})


def _reconstruction(machine, images):
    return float(np.mean((numpy(machine.get_layer("hidden").reconstruct(images)) - images) ** 2))


def _dream(layer, images, chain):
    """What the machine makes of images after so many steps of sampling; the first column are the images."""
    states, done, shown = images, 0, []
    for steps in chain:
        states, done = layer.gibbs(states, steps - done), steps
        shown.append(numpy(layer.reconstruct(states)) if steps else images)
    return np.stack(shown, axis=1)


def _draw_machine(filters, samples, chain):
    figure = sheet(10, 4.6)
    halves: Any = figure.subfigures(1, 2)
    left, right = halves
    side = int(np.ceil(np.sqrt(len(filters))))
    most = np.abs(filters).max()
    for place, axes in enumerate(left.subplots(side, side, squeeze=False).ravel()):
        if place < len(filters):
            shown = pixels(axes, filters[place], cmap="PuOr", vmin=-most, vmax=most)
        else:
            axes.set_axis_off()
    left.suptitle(f"weights of {len(filters)} hidden units", fontsize=10)
    left.colorbar(shown, ax=left.axes, location="bottom", aspect=40, fraction=0.03)
    for row, axes in enumerate(right.subplots(len(samples), len(chain), squeeze=False)):
        for panel, steps, image in zip(axes, chain, samples[row], strict=True):
            pixels(panel, image, _after(steps) if row == 0 else "", vmin=0, vmax=1)
    right.suptitle("Gibbs sampling from images on", fontsize=10)
    return figure


def _after(steps):
    return "image" if not steps else f"{steps} step{'s' * (steps > 1)}"


_STARTS = ("random", "RBMs", "autoencoders", "labels, layer by layer")


@checked
def pretraining(
    *,
    data: str | Path | None = None,
    labelled: tuple[int, ...] = (600, 6000),
    images: int = 6000,
    hidden_units: tuple[int, ...] = (100, 100, 100),
    epochs: int = 8,
    updates: int = 1000,
    tested: int = 2000,
    noise: float = 0.1,
    seed: int = 0,
) -> Drawing:
    """A deep sigmoid net that learns digits from four starts, with few and with many labels.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Unsupervised Pretraining", "Pretraining using
    Autoencoders" and "Supervised Pretraining"; Bengio et al. 2007, "Greedy Layer-Wise Training of Deep Networks".

    Args:
        data: Folder of MNIST or another set in IDX files; by default printed digits, made from the seed.
        labelled: How many labels there are, for each panel.
        images: Images without labels for pre-training, at least as many as labels.
        hidden_units: Units of the hidden layers.
        epochs: Passes of pre-training over the images, for each layer.
        updates: Steps of the training with labels, on 50 images each.
        tested: New images that the errors are measured on.
        noise: Deviation of the noise on all images, which are then cut to [0, 1].
        seed: Seed of images and weights.

    Returns:
        The figure; by the number of labels and the name of the start, the `error` on new images at the end, and
        the `curves` of errors over the steps.

    Example:
        >>> figure, numbers = pretraining(labelled=(20,), images=20, hidden_units=(4,), epochs=1, updates=2, tested=20)
        >>> list(numbers["error"][20])
        ['random', 'RBMs', 'autoencoders', 'labels, layer by layer']
    """
    random = np.random.default_rng(seed)
    train, test = (
        _noisy(*_data.digits(data, *part), noise, random) for part in ((images, seed), (tested, seed, "test"))
    )
    curves: dict = {count: {} for count in labelled}
    with without_graphs(max(updates, epochs * images // 50)):
        for start in _STARTS:
            net = _started(start, hidden_units, train[0], epochs, seed)
            weights = net.get_weights()
            for count, each in curves.items():
                few = train[0][:count], train[1][:count]
                net.set_weights(weights)
                if start == _STARTS[-1]:
                    passes = max(1, epochs * images // count)
                    layerwise.pretrain_with_labels(net, *few, epochs=passes, batch_size=50)
                each[start] = _taught(net, few, test, updates)
    error = {count: {start: curve[1][-1] for start, curve in each.items()} for count, each in curves.items()}
    figure, (axes,) = panels(1, len(labelled), width=4.3, height=3.7)
    for panel, (count, each) in zip(axes, curves.items(), strict=True):
        for (start, curve), colour, mark in zip(each.items(), COLOURS, MARKS, strict=False):
            panel.plot(*curve, color=colour, marker=mark, markersize=4, label=f"{start}: {curve[1][-1]:.1%}")
        panel.set(title=f"{count:,} labels", xlabel="steps with labels", ylabel="error on new images", ylim=(0, 1))
        title = f"start of {len(hidden_units)} sigmoid layers: error at the end"
        panel.legend(fontsize=8, title=title, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return Drawing(figure, {"error": error, "curves": curves})


def _noisy(images, labels, noise, random):
    flat = images.reshape(len(images), -1)
    return np.clip(flat + random.normal(0, noise, flat.shape), 0, 1).astype("float32"), labels


def _started(start, hidden_units, images, epochs, seed):
    keras.utils.set_random_seed(seed)
    net = models.deep_belief_network(images.shape[1], 10, hidden_units=hidden_units)
    if start == "RBMs":
        return layerwise.pretrain_with_rbms(net, images, epochs=epochs, batch_size=50, seed=seed)
    if start == "autoencoders":
        return layerwise.pretrain_with_autoencoders(net, images, epochs=epochs, batch_size=50)
    return net


def _taught(net, few, test, updates, looks=10):
    """Steps and errors on the test images while the whole net learns from the labels."""
    net.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=False)
    random, done, errors = np.random.default_rng(0), [0], [_error(net, *test)]
    for _ in range(looks):
        steps = max(1, updates // looks)
        rows = random.integers(len(few[0]), size=50 * steps)
        net.fit(few[0][rows], few[1][rows], batch_size=50, shuffle=False, verbose=0)
        done.append(done[-1] + steps)
        errors.append(_error(net, *test))
        if done[-1] >= updates:
            break
    return done, errors


def _error(net, images, labels):
    return float(np.mean(numpy(net(images)).argmax(1) != labels))
