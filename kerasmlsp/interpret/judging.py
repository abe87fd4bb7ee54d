"""Whether what is said to decide does decide: insertion and deletion, and a check with randomised weights."""

from collections.abc import Callable, Iterable

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasmlsp.interpret import _network
from kerasmlsp.metrics import spearman

_SOBEL = np.array([[1, 2, 1], [0, 0, 0], [-1, -2, -1]], "float32")


def insertion_deletion(
    model: keras.Model,
    images: ArrayLike,
    maps: np.ndarray,
    classes: ArrayLike | None = None,
    *,
    steps: int = 28,
    blur: float = 10.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Measures maps by the probability of a class while pixels come or go, the most important first.

    Insertion puts the pixels of the image into a blurred copy of it, deletion puts the mean colour of the image in the
    place of its pixels. The area under the probability, by the share of the pixels, is large for insertion and small
    for deletion where the map finds what decides.

    Reference: Petsiuk, Das and Saenko 2018, "RISE: Randomized Input Sampling for Explanation of Black-box Models".

    Args:
        model: A classifier of images.
        images: `(batch, height, width, channels)`.
        maps: Importance of the places, `(batch, rows, columns)`; smaller maps are enlarged.
        classes: Class numbers; None for what the network says of each image.
        steps: Parts in which the pixels come or go.
        blur: Standard deviation of the blur, in pixels of an image 224 wide.

    Returns:
        The areas for insertion and for deletion, `(batch,)` each, in `[0, 1]`.

    Raises:
        ValueError: An argument is not allowed.

    Example:
        >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
        >>> model.set_weights([np.array([[9.0, -9], [0, 0], [0, 0], [0, 0]]), np.array([-4.5, 4.5])])
        >>> image = np.array([[[[1.0], [0.0]], [[0.0], [0.0]]]])
        >>> good, bad = np.array([[[3, 2], [1, 0]]]), np.array([[[0, 1], [2, 3]]])
        >>> found, wrong = (insertion_deletion(model, image, each, steps=4, blur=500) for each in (good, bad))
        >>> bool(found[0] > wrong[0]), bool(found[1] < wrong[1])
        (True, True)
    """
    images, maps = _network.as_inputs(images), np.asarray(maps, "float32")
    if maps.ndim != 3 or len(maps) != len(images) or steps < 1 or not blur > 0:
        raise ValueError(
            f"`maps` must be ({len(images)}, rows, columns), `steps` at least 1 and `blur` above 0. "
            f"Received: maps of shape {maps.shape}, steps={steps}, blur={blur}"
        )
    chosen = _network.class_numbers(classes, _network.scores_of(model, images))
    ranks = _ranks(_enlarged(maps, images.shape[1:3]))
    empty = np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    inserted = _curve(model, _blurred(images, blur * images.shape[2] / 224), images, ranks, chosen, steps)
    deleted = _curve(model, images, empty, ranks, chosen, steps)
    return np.trapezoid(inserted, axis=0) / steps, np.trapezoid(deleted, axis=0) / steps


def _curve(model, before, after, ranks, chosen, steps):
    """Probability of the class when the first places are those of `after`, `(steps + 1, batch)`."""
    rows, found = np.arange(len(before)), []
    for step in range(steps + 1):
        shown = np.where(ranks[..., None] < step / steps, after, before)
        found.append(_network.probabilities_of(_network.scores_of(model, shown))[rows, chosen])
    return np.stack(found)


def _ranks(maps):
    """The place of each pixel in the order of importance, as a share from 0."""
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(flat.shape[1])[None], axis=1)
    return ranks.reshape(maps.shape) / flat.shape[1]


def _enlarged(maps, shape):
    if maps.shape[1:] == tuple(shape):
        return maps
    return ops.convert_to_numpy(ops.image.resize(maps[..., None], shape, interpolation="bilinear"))[..., 0]


def _blurred(images, sigma):
    """A Gaussian blur, by rows and by columns, with the edges continued."""
    reach = max(1, min(round(3 * sigma), min(images.shape[1:3]) - 1))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype("float32")
    for axis in (1, 2):
        pads = [(0, 0)] * 4
        pads[axis] = (reach, reach)
        padded, size = np.pad(images, pads, mode="edge"), images.shape[axis]
        images = sum(w * np.take(padded, range(i, i + size), axis=axis) for i, w in enumerate(weights))
    return images


def edges(images: ArrayLike) -> np.ndarray:
    """Returns the strength of the edges in images, by Sobel's filters: what a map must beat to tell more than outlines.

    Args:
        images: `(batch, height, width, channels)`.

    Returns:
        float32 `(batch, height, width)`.

    Example:
        >>> edges(np.tile([[[[0.0], [0.0], [1.0], [1.0]]]], (1, 3, 1, 1)))[0, 1]
        array([0., 4., 4., 0.], dtype=float32)
    """
    grey = np.asarray(images, "float32").mean(axis=-1)
    padded = np.pad(grey, [(0, 0), (1, 1), (1, 1)], mode="edge")
    rows, columns = grey.shape[1:]
    sums = [
        sum(kernel[i, j] * padded[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3))
        for kernel in (_SOBEL, _SOBEL.T)
    ]
    return np.hypot(*sums).astype("float32")


def sanity_check(
    model: keras.Model,
    attribute: Callable[[keras.Model], np.ndarray],
    *,
    shares: Iterable[float] = (0.25, 0.5, 0.75, 1.0),
    seed: int = 0,
) -> dict[float, float]:
    """Compares maps of a network with those of itself, its layers randomised from the last on.

    A map that stays when the weights are shuffled does not tell what the network learned. The model's weights are put
    back at the end.

    Reference: Adebayo et al. 2018, "Sanity Checks for Saliency Maps".

    Args:
        model: The model.
        attribute: Makes maps `(batch, ...)` of the model.
        shares: Shares of the weighted layers that are randomised, from the last on: the values of each of their weights
            are shuffled.
        seed: Seed of the shuffling.

    Returns:
        By share, the mean size of Spearman's rank correlation between the maps before and after.

    Example:
        >>> net = keras.Sequential([keras.Input((64,)), keras.layers.Dense(9), keras.layers.Dense(3, "softmax")])
        >>> same = sanity_check(net, lambda net: np.eye(8), shares=[1.0])  # maps that do not ask the network
        >>> found = sanity_check(net, lambda net: net.get_weights()[0].T, shares=[1.0])
        >>> round(same[1.0], 6), found[1.0] < 0.3
        (1.0, True)
    """
    network, random = _network.network(model), np.random.default_rng(seed)
    weighted = [each for each in network.operations.values() if each.weights]
    kept = [(layer, layer.get_weights()) for layer in weighted]
    before, found = attribute(model), {}
    try:
        for share in sorted(shares):
            for layer, values in kept[len(kept) - round(share * len(kept)) :]:
                layer.set_weights([random.permutation(each.ravel()).reshape(each.shape) for each in values])
            after = attribute(model)
            pairs = zip(before, after, strict=True)
            found[share] = float(np.mean([_agreement(np.ravel(a), np.ravel(b)) for a, b in pairs]))
    finally:
        for layer, values in kept:
            layer.set_weights(values)
    return found


def _agreement(first, second):
    """The size of the rank correlation; 0 where one of them is constant."""
    found = spearman(first, second)
    return abs(found) if np.isfinite(found) else 0.0
