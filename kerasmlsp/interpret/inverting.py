"""Images made by a network: what excites a unit most, and what is left of an image in a layer."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasmlsp.interpret import _network, attributions

_BETAS = 0.9, 0.999
"""Of Adam, as in its paper."""


def maximise(
    model: keras.Model,
    units: Sequence[int],
    *,
    layer: str | None = None,
    steps: int = 200,
    learning_rate: float = 0.02,
    jitter: int = 8,
    decay: float = 0.01,
    smoothness: float = 20.0,
    box: tuple[float, float] = (0.0, 255.0),
    seed: int = 0,
) -> np.ndarray:
    """Finds images that excite units of a network most, by gradient ascent from noise.

    In every step the image is moved by some pixels, so that no pixel can be tuned alone, goes up the gradient by Adam,
    and shrinks towards grey. Differences of neighbours cost, so that it stays smooth.

    Reference: Pilanci, EE269 lecture 16 (2020), "Find an image that maximizes the activation of a single neuron"; Erhan
    et al. 2009, "Visualizing Higher-Layer Features of a Deep Network"; Mordvintsev, Olah and Tyka 2015, "Inceptionism:
    Going Deeper into Neural Networks" (jitter); Yosinski et al. 2015, "Understanding Neural Networks Through Deep
    Visualization" (decay).

    Args:
        model: A classifier of images of a known size.
        units: Class numbers, or numbers of maps (or of features) of the layer.
        layer: Name of the layer; None for the scores of the classes. Of maps, the mean over places counts.
        steps: Steps of the ascent.
        learning_rate: Length of a step, as a share of the box.
        jitter: Most pixels by which the image is moved.
        decay: Share by which it shrinks towards grey in a step, in `[0, 1)`.
        smoothness: What differences of neighbours cost.
        box: Least and largest value of a pixel.
        seed: Seed of the noise and the moves.

    Returns:
        float32 `(units, height, width, channels)` within the box.

    Raises:
        ValueError: An argument is not allowed, or there is no such layer or unit.

    Example:
        >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Conv2D(1, 1, kernel_initializer="ones")])
        >>> model.add(keras.layers.Flatten(name="pixels"))
        >>> maximise(model, [3], layer="pixels", steps=300, jitter=0, smoothness=0.0)[0, 1, 1] > 230
        array([ True])
    """
    attributions._check_least(1, steps=steps)
    if not 0 <= decay < 1 or jitter < 0 or not learning_rate > 0 or not box[0] < box[1]:
        raise ValueError(
            "`decay` must be in [0, 1), `jitter` at least 0, `learning_rate` above 0 and `box` from low to high. "
            f"Received: decay={decay}, jitter={jitter}, learning_rate={learning_rate}, box={box}"
        )
    network = _network.network(model)
    shape, count = _image_shape(model), _units(network, layer)
    units = np.asarray(units, "int32").reshape(-1)
    if not len(units) or units.min() < 0 or units.max() >= count:
        raise ValueError(f"`units` must be numbers from 0 to {count - 1}. Received: {units.tolist()}")
    random, span = np.random.default_rng(seed), box[1] - box[0]
    middle = (box[0] + box[1]) / 2
    ascend = _network.compiled(model, ("excite", layer), lambda: _excited(network, layer))
    images = middle + 0.05 * span * random.standard_normal((len(units), *shape), "float32")
    climber = _Adam(images.shape, learning_rate * span)
    weight = np.float32(smoothness / span)
    for _ in range(steps):
        move = random.integers(-jitter, jitter + 1, 2)
        moved = np.roll(images, move, axis=(1, 2)).astype("float32")
        # Adam makes every unit's gradient the same size.
        gradient = _network.in_batches(lambda x, u: ascend(x, u, weight), moved, units)
        images = images + climber.step(np.roll(gradient, -move, axis=(1, 2)))
        images = np.clip(middle + (1 - decay) * (images - middle), *box)
    return images.astype("float32")


def reconstruct(
    model: keras.Model,
    images: ArrayLike,
    layer: str,
    *,
    steps: int = 300,
    learning_rate: float = 0.02,
    smoothness: float = 0.02,
    box: tuple[float, float] = (0.0, 255.0),
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Finds, from noise, images for which a layer gives what it gives for others: what it still knows of them.

    Minimises `|f(x) - f(x0)|^2 / |f(x0)|^2` and differences of neighbours by Adam.

    Reference: Mahendran and Vedaldi 2015, "Understanding Deep Image Representations by Inverting Them".

    Args:
        model: A model of images.
        images: `(batch, height, width, channels)`.
        layer: Name of the layer.
        steps, learning_rate, smoothness, box, seed: As of `maximise`, for a descent.

    Returns:
        float32 images of the same shape within the box, and the first of the two terms for each, `(batch,)`.

    Raises:
        ValueError: An argument is not allowed, or there is no such layer.

    Example:
        >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Conv2D(1, 1, name="scaled")])
        >>> again, distance = reconstruct(model, np.full((1, 2, 2, 1), 200.0), "scaled", smoothness=0.0)
        >>> abs(again - 200).max() < 9, distance[0] < 0.01
        (np.True_, np.True_)
    """
    attributions._check_least(1, steps=steps)
    images = _network.as_inputs(images)
    network = _network.network(model)
    network.check(layer)
    wanted = _network.compiled(model, ("layer, any", layer), lambda: lambda x: _output(network, x, layer))
    compare = _network.compiled(model, ("resemble", layer), lambda: _resembling(network, layer))
    found, distances = [], []
    for image in np.array_split(images, -(-len(images) // _network.BATCH)):
        again, distance = _descended(compare, wanted(image), image.shape, steps, learning_rate, smoothness, box, seed)
        found.append(again)
        distances.append(distance)
    return np.concatenate(found), np.concatenate(distances)


def project(
    model: keras.Model, images: ArrayLike, layer: str, *, unit: int | None = None, rule: str = "deconvolution"
) -> np.ndarray:
    """Projects what a layer's map saw most strongly back to the pixels that caused it (a deconvolutional network).

    The largest activation of the map, all others set to 0, is passed back through the layers to the image.

    Reference: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks"; Springenberg et al. 2015,
    "Striving for Simplicity: The All Convolutional Net".

    Args:
        model: A model of images.
        images: `(batch, height, width, channels)`.
        layer: Name of a layer with maps.
        unit: Number of the map; None for the one with the largest activation in each image.
        rule: As of `saliency`.

    Returns:
        float32 of the shape of the images; its sign tells what would have been more of it.

    Raises:
        ValueError: An argument is not allowed.

    Example:
        >>> conv = keras.layers.Conv2D(1, 1, kernel_initializer="ones", name="conv")
        >>> model = keras.Sequential([keras.Input((2, 2, 1)), conv])
        >>> project(model, np.array([[[[1.0], [5.0]], [[2.0], [3.0]]]]), "conv")[0, ..., 0]
        array([[0., 1.],
               [0., 0.]], dtype=float32)
    """
    if rule not in attributions.RULES:
        raise ValueError(f"`rule` must be one of {', '.join(attributions.RULES)}. Received: rule={rule!r}")
    network = _network.network(model)
    network.check(layer, rank=4)
    count = network.layers[layer][-1] or 0
    if unit is not None and not 0 <= unit < count:
        raise ValueError(f"`unit` must be a number from 0 to {count - 1} or None. Received: unit={unit}")

    def make():
        def gradient(images):
            def strongest(images):
                maps = network.run(images, keep=(layer,), scores=False, rule=attributions._rule(rule))[1][layer]
                maps = maps if unit is None else maps[..., unit : unit + 1]
                return ops.sum(ops.max(ops.reshape(maps, (ops.shape(maps)[0], -1)), axis=-1)), None

            return _network.differentiated(strongest, ops.convert_to_tensor(images))[2]

        return gradient

    projected = _network.compiled(model, ("project", layer, unit, rule), make)
    return _network.in_batches(projected, _network.as_inputs(images))


class _Adam:
    """The steps of Adam up a gradient, in NumPy, of each image by itself."""

    def __init__(self, shape, rate):
        self.rate, self.count = rate, 0
        self.mean, self.square = np.zeros(shape, "float32"), np.zeros(shape, "float32")

    def step(self, gradient):
        self.count += 1
        axes = tuple(range(1, gradient.ndim))
        # Whatever the size of the activations is.
        gradient = gradient / np.maximum(np.sqrt((gradient**2).mean(axis=axes, keepdims=True)), 1e-20)
        self.mean += (1 - _BETAS[0]) * (gradient - self.mean)
        self.square += (1 - _BETAS[1]) * (gradient**2 - self.square)
        mean, square = self.mean / (1 - _BETAS[0] ** self.count), self.square / (1 - _BETAS[1] ** self.count)
        return self.rate * mean / (np.sqrt(square) + 1e-8)


def _descended(compare, wanted, shape, steps, learning_rate, smoothness, box, seed):
    random, span = np.random.default_rng(seed), box[1] - box[0]
    images = (box[0] + box[1]) / 2 + 0.05 * span * random.standard_normal(shape, "float32")
    climber, best = _Adam(shape, learning_rate * span), np.full(len(images), np.inf, "float32")
    found, weight = images, np.float32(smoothness / span)
    for step in range(steps + 1):
        gradient, distance = (ops.convert_to_numpy(each) for each in compare(images, wanted, weight))
        better = distance < best
        best = np.where(better, distance, best)
        found = np.where(better[:, None, None, None], images, found)
        # Ever shorter steps, so that it settles.
        climber.rate = learning_rate * span * (1 - step / (steps + 1))
        images = np.clip(images - climber.step(gradient), *box).astype("float32")
    return found.astype("float32"), best


def _excited(network, layer):
    """From images, units and a weight to the gradient of what excites them."""

    def gradient(images, units, weight):
        def excited(images):
            if layer is None:
                values, _ = network.run(images)
            else:
                values = _output(network, images, layer)
                axes = tuple(range(1, len(values.shape) - 1))
                values = ops.mean(values, axis=axes) if axes else values
            score = ops.sum(values * ops.one_hot(units, values.shape[-1]))
            return score - weight * ops.sum(_roughness(images)), None

        return _network.differentiated(excited, ops.convert_to_tensor(images))[2]

    return gradient


def _resembling(network, layer):
    """From images, what the layer should give, and a weight to the gradient of the distance, and the distance."""

    def gradient(images, wanted, weight):
        def distance(images):
            axes = tuple(range(1, len(wanted.shape)))
            gap = ops.sum(ops.square(_output(network, images, layer) - wanted), axis=axes)
            relative = gap / ops.maximum(ops.sum(ops.square(wanted), axis=axes), 1e-12)
            return ops.sum(relative) + weight * ops.sum(_roughness(images)), relative

        _, relative, found = _network.differentiated(distance, ops.convert_to_tensor(images))
        return found, relative

    return gradient


def _roughness(images):
    """Mean size of the differences of neighbours, of each image."""
    down, right = images[:, 1:] - images[:, :-1], images[:, :, 1:] - images[:, :, :-1]
    return sum(ops.mean(ops.sqrt(ops.square(each) + 1.0), axis=(1, 2, 3)) for each in (down, right))


def _output(network, images, layer):
    return ops.cast(network.run(images, keep=(layer,), scores=False)[1][layer], "float32")


def _image_shape(model):
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) != 3 or None in shape:
        raise ValueError(f"`model` must take images of a known size. Received: inputs of shape {shape}")
    return shape


def _units(network, layer):
    """How many units a layer, or the model, has."""
    if layer is not None:
        return network.layers[network.check(layer)][-1]
    shape = keras.tree.flatten(network.model.outputs)[0].shape
    if len(shape) != 2:
        raise ValueError(f"`model` must end in classes `(batch, classes)`. Received: outputs of shape {tuple(shape)}")
    return max(shape[-1], 2)
