"""Vision: what the layers of a trained convolutional net hold."""

from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasmlsp import interpret, models
from kerasmlsp.figures import _vision
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, panels, pixels, sheet
from kerasmlsp.figures._fitting import learn, numpy, without_graphs


def _alexnet(digits, filters=(16, 24, 32, 32, 24), units=64):
    """The AlexNet for small images, thin enough to learn digits in seconds."""
    return models.small_alexnet(digits.classes, input_shape=digits.shape, filters=filters, units=units)


@checked
def first_filters(
    *,
    data: str | Path | None = None,
    filters: int = 24,
    count: int = 1500,
    steps: int = 250,
    start: float = 0.1,
    seed: int = 0,
) -> Drawing:
    """The filters of the first convolution before and after learning: from noise to edges and blobs.

    Its weights start smaller than usual: a few hundred steps do not take away the noise of larger ones.

    Reference: Pilanci, EE269 lecture 16 (2020), "Alexnet Filter Weights".

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits.
        filters: Filters of the first convolution, 5 x 5.
        count: Images to learn from.
        steps: Steps of Adam, each on 64 images.
        start: Size of the first convolution's weights at the start, of the usual one.
        seed: Seed of images and weights.

    Returns:
        The figure; the filters `before` and `after`, `(filters, 5, 5)`; and the `correlation` of neighbouring weights
        before and after.

    Example:
        >>> figure, numbers = first_filters(filters=4, count=20, steps=1)
        >>> numbers["after"].shape
        (4, 5, 5)
    """
    keras.utils.set_random_seed(seed)
    digits = _vision.digits(data, count, 1, seed)
    net = _alexnet(digits, (filters, 24, 32, 32, 24))
    first = net.get_layer("conv_1")
    first.kernel.assign(start * first.kernel)
    numbers = {"before": interpret.filters(net)[..., 0]}
    learn(net, digits.images, digits.labels, steps=steps, rate=2e-3, seed=seed)
    numbers["after"] = interpret.filters(net)[..., 0]
    correlation = {name: _vision.correlation(_even(each)) for name, each in numbers.items()}
    figure = sheet(8, 0.8 + filters / 8)
    for part, (name, each) in zip(figure.subfigures(1, 2), list(numbers.items()), strict=True):
        part.suptitle(f"{name} learning: neighbours correlate by {correlation[name]:.2f}", fontsize=9)
        for axes, kernel in zip(part.subplots(-(-filters // 6), 6, squeeze=False).ravel(), each, strict=False):
            most = np.abs(kernel).max()
            pixels(axes, kernel, cmap="RdBu_r", vmin=-most, vmax=most)
    return Drawing(figure, {**numbers, "correlation": correlation})


def _even(kernels):
    """Each filter with its largest weight 1, so that all count alike."""
    return kernels / np.abs(kernels).max(axis=(1, 2), keepdims=True)


@checked
def feature_maps(
    *, data: str | Path | None = None, digit: int = 5, count: int = 1000, steps: int = 150, seed: int = 0
) -> Drawing:
    """The maps that each layer of LeNet-5 makes of a digit, and of the same digit moved by four pixels.

    A convolution moves its maps with the picture: after two poolings by one place.

    Reference: Ganapathy, MLSP 2025, "Multiple levels of filtering and subsampling"; Sri Rama Murty, (Deep) Neural
    Networks (2021), "CNN Feature Map Visualization"; Pilanci, EE269 lecture 16 (2020), "MNIST digit classification
    using LeNet".

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits.
        digit: Class of the picture.
        count: Images to learn from.
        steps: Steps of Adam, each on 64 images.
        seed: Seed of images and weights.

    Returns:
        The figure; the `shapes` of the layers' outputs; and how much the maps change when the picture moves by four
        pixels, as a share of their deviation: where they `stay`, and `moved` back by four pixels over the stride.

    Example:
        >>> figure, numbers = feature_maps(count=20, steps=1)
        >>> numbers["shapes"]["pool_2"], numbers["moved"]["pool_2"] < 1e-3
        ((4, 4, 16), True)
    """
    keras.utils.set_random_seed(seed)
    digits = _vision.digits(data, count, 50, seed)
    net = models.lenet5(digits.classes, input_shape=digits.shape)
    learn(net, digits.images, digits.labels, steps=steps, rate=2e-3, seed=seed)
    image = digits.others[np.flatnonzero(digits.answers == digit)[0]]
    pair = np.stack([_framed(image, 0), _framed(image, 4)])
    numbers: dict = {"shapes": {}, "stay": {}, "moved": {}}
    names = ("conv_1", "pool_1", "conv_2", "pool_2")
    figure = sheet(8.5, 1.35 * len(names))
    for part, name in zip(figure.subfigures(len(names), 1), names, strict=True):
        with without_graphs(0):
            still, moved = interpret.feature_maps(net, pair, name)
        places = 4 // interpret.receptive_field(net, name)[1].stride
        numbers["shapes"][name] = still.shape
        numbers["stay"][name] = float(np.abs(moved - still).mean() / still.std())
        numbers["moved"][name] = float(np.abs(moved[:, places:] - still[:, :-places]).mean() / still.std())
        size = " x ".join(map(str, still.shape))
        part.suptitle(f"{name}, {size}: as the picture moves by 4 pixels, the maps move by {places}", fontsize=9)
        axes = part.subplots(1, 10)
        for half, picture, maps in ((axes[:5], pair[0], still), (axes[5:], pair[1], moved)):
            pixels(half[0], picture[..., 0])
            for panel, each in zip(half[1:], np.moveaxis(maps, -1, 0), strict=False):
                pixels(panel, each, cmap="viridis", vmin=-1, vmax=1)
    return Drawing(figure, numbers)


def _framed(image, move):
    """A picture with its outermost pixels black, so that nothing leaves it, moved to the right."""
    framed = image.copy()
    framed[:, :4] = framed[:, -8:] = 0
    return np.roll(framed, move, axis=1)


_LEVELS = ("conv_1", "conv_2", "conv_3", "conv_5")


@checked
def layer_hierarchy(
    *,
    data: str | Path | None = None,
    units: int = 5,
    count: int = 1500,
    steps: int = 600,
    tested: int = 400,
    seed: int = 0,
) -> Drawing:
    """What units of each layer respond to most: first to edges, at last to large parts of a digit.

    Beside each patch of a held-out picture is what a deconvolutional net projects back to it from the unit.

    Reference: Ganapathy, MLSP 2025, "Model learns a hierarchy"; Zeiler and Fergus 2014,
    "Visualizing and Understanding Convolutional Networks".

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits.
        units: Units of each layer, those that respond most strongly.
        count: Images to learn from.
        steps: Steps of Adam, each on 64 images.
        tested: Held-out images.
        seed: Seed of images and weights.

    Returns:
        The figure; by layer the `sizes` of its fields in pixels, the share of the projections `outside` of them, which
        is 0; and the `nearest` accuracy on held-out images of the class whose mean is nearest, in the pixels and in
        each layer's maps.

    Example:
        >>> figure, numbers = layer_hierarchy(units=1, count=20, steps=1, tested=20)
        >>> list(numbers["sizes"].values())
        [5, 15, 27, 43]
    """
    keras.utils.set_random_seed(seed)
    digits = _vision.digits(data, count, tested, seed)
    net = _alexnet(digits)
    learn(net, digits.images, digits.labels, steps=steps, rate=2e-3, seed=seed)
    numbers: dict = {"sizes": {}, "outside": {}, "nearest": {"pixels": _nearest(digits, lambda x: x)}}
    figure = sheet(1.8 * units, 1.25 * len(_LEVELS))
    for part, name in zip(figure.subfigures(len(_LEVELS), 1), _LEVELS, strict=True):
        fields = interpret.receptive_field(net, name)
        numbers["sizes"][name], outside = fields[0].size, []
        with without_graphs(steps):
            maps = interpret.feature_maps(net, digits.others, name)
            numbers["nearest"][name] = _nearest(digits, lambda x, name=name: interpret.feature_maps(net, x, name))
        row = part.subplots(1, 2 * units)
        strongest = np.argsort(maps.max((0, 1, 2)))[::-1][:units]
        for place, unit in enumerate(strongest):
            picture, *spot = np.unravel_index(maps[..., unit].argmax(), maps.shape[:3])
            image = digits.others[picture]
            seen = tuple(_window(field, at) for field, at in zip(fields, spot, strict=True))
            with without_graphs(0):
                projected = interpret.project(net, image[None], name, unit=int(unit))[0, ..., 0]
            inside, patch = projected[_within(seen, image.shape)], _cut(image[..., 0], seen)
            most, total = np.abs(projected).max() + 1e-9, np.abs(projected).sum() + 1e-9
            outside.append(float(1 - (np.abs(inside).sum() + 1e-9) / total))
            pixels(row[2 * place], patch, vmin=0, vmax=1)
            pixels(row[2 * place + 1], _cut(projected, seen), cmap="RdBu_r", vmin=-most, vmax=most)
        numbers["outside"][name] = max(outside)
        title = f"{name}: fields of {fields[0].size} pixels; nearest class mean right {numbers['nearest'][name]:.0%}"
        part.suptitle(title, fontsize=9)
    return Drawing(figure, numbers)


def _window(field, unit):
    return field.first + unit * field.stride, field.last + unit * field.stride


def _within(seen, shape):
    """The part of a picture that a unit sees."""
    return tuple(slice(max(0, first), min(side, last + 1)) for (first, last), side in zip(seen, shape, strict=False))


def _cut(picture, seen):
    """That part, with zeros where the field leaves the picture."""
    found = np.zeros([1 + last - first for first, last in seen])
    inside = _within(seen, picture.shape)
    begin = [part.start - first for part, (first, _) in zip(inside, seen, strict=True)]
    found[tuple(slice(low, low + part.stop - part.start) for low, part in zip(begin, inside, strict=True))] = picture[
        inside
    ]
    return found


def _nearest(digits, features):
    """Accuracy of the class whose mean is nearest."""
    learnt, new = (features(each).reshape(len(each), -1) for each in (digits.images, digits.others))
    present = np.unique(digits.labels)
    means = np.stack([learnt[digits.labels == label].mean(0) for label in present])
    distances = (means**2).sum(1) - 2 * new @ means.T
    return float(np.mean(present[distances.argmin(1)] == digits.answers))


@checked
def maximisation(
    *,
    data: str | Path | None = None,
    count: int = 1500,
    steps: int = 400,
    ascent: int = 250,
    smoothness: float = 80.0,
    seed: int = 0,
) -> Drawing:
    """Images that excite the output of each class most, found by gradient ascent from noise, without and with a prior.

    Without a prior that neighbours are alike the net is sure, and nobody sees a digit.

    Reference: Pilanci, EE269 lecture 16 (2020), "Which input images activate a particular neuron?"; Erhan et al. 2009,
    "Visualizing Higher-Layer Features of a Deep Network".

    Args:
        data: A folder of IDX files, such as MNIST; by default printed digits.
        count: Images to learn from.
        steps: Steps of Adam, each on 64 images.
        ascent: Steps of the gradient ascent.
        smoothness: What differences of neighbours cost, with the prior.
        seed: Seed of images, weights and noise.

    Returns:
        The figure; by "start", "without prior" and "smooth" the `images` `(classes, height, width)`, the `probability`
        of the class in its image, and the `correlation` of neighbouring pixels.

    Example:
        >>> figure, numbers = maximisation(count=20, steps=1, ascent=1)
        >>> list(numbers["probability"])
        ['start', 'without prior', 'smooth']
    """
    keras.utils.set_random_seed(seed)
    digits = _vision.digits(data, count, 1, seed)
    net = _alexnet(digits)
    learn(net, digits.images, digits.labels, steps=steps, rate=2e-3, seed=seed)
    classes, options = range(digits.classes), {"box": (0.0, 1.0), "jitter": 1, "decay": 0.01, "seed": seed}
    ways: dict[str, dict[str, Any]] = {
        "start": {"steps": 1, "learning_rate": 1e-6, "decay": 0.0, "smoothness": 0.0},
        "without prior": {"steps": ascent, "jitter": 0, "smoothness": 0.0},
        "smooth": {"steps": ascent, "smoothness": smoothness},
    }
    numbers: dict = {"images": {}, "probability": {}, "correlation": {}}
    figure, grid = panels(len(ways), len(classes), width=0.95, height=1.2)
    for row, (name, given) in zip(grid, ways.items(), strict=True):
        with without_graphs(ascent):
            found = interpret.maximise(net, classes, **{**options, **given})
        numbers["images"][name] = found[..., 0]
        numbers["probability"][name] = np.diag(numpy(net(found))).tolist()
        numbers["correlation"][name] = _vision.correlation(found)
        for axes, image, share in zip(row, found, numbers["probability"][name], strict=True):
            pixels(axes, image[..., 0], vmin=0, vmax=1)
            axes.set_xlabel(f"{share:.0%}", fontsize=8, color=COLOURS[0])
        row[0].set_ylabel(name, fontsize=8)
    for label, axes in zip(classes, grid[0], strict=True):
        axes.set_title(f"{label}", fontsize=9)
    return Drawing(figure, numbers)
