"""What in an input speaks for a class: gradients, plain, averaged over noise, or along a path."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasmlsp.interpret import _network

RULES = ("plain", "guided", "deconvolution")


def saliency(
    model: keras.Model,
    images: ArrayLike,
    classes: ArrayLike | None = None,
    *,
    layer: str | None = None,
    rule: str = "plain",
) -> np.ndarray:
    """Differentiates the score of a class before the softmax by every value of the input.

    Reference: Simonyan, Vedaldi and Zisserman 2014, "Deep Inside Convolutional Networks"; Zeiler and Fergus 2014,
    "Visualizing and Understanding Convolutional Networks" (deconvolution); Springenberg et al. 2015, "Striving for
    Simplicity: The All Convolutional Net" (guided); Sri Rama Murty, IIT Hyderabad (2021), "Sensitivity of Error to
    Changes in Input".

    Args:
        model: A classifier of one input.
        images: `(batch, height, width, channels)` as the model takes them, or any other input of it.
        classes: Class number of each; None for the class that the model finds most probable.
        layer: Name of the layer whose output stands for the input, such as an embedding or a spectrogram; None for the
            input itself.
        rule: What rectifiers pass back: "plain", the gradient; "deconvolution", only what is above 0; "guided", what is
            above 0 where their input was.

    Returns:
        float32 of the shape of the input, or of the layer's output.

    Raises:
        ValueError: An argument is not allowed, or the model does not end in classes.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax", kernel_initializer="ones")])
        >>> saliency(model, np.zeros((1, 3)))
        array([[1., 1., 1.]], dtype=float32)
    """
    if rule not in RULES:
        raise ValueError(f"`rule` must be one of {', '.join(RULES)}. Received: rule={rule!r}")
    images = _network.as_inputs(images)
    gradient = _gradient(model, layer, rule)
    chosen = _network.class_numbers(classes, _network.scores_of(model, images))
    return _network.in_batches(gradient, _base(model, images, layer), images, chosen)


def smooth_saliency(
    model: keras.Model,
    images: ArrayLike,
    classes: ArrayLike | None = None,
    *,
    layer: str | None = None,
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
) -> np.ndarray:
    """Averages the gradient of `saliency` over noise that is added to the input (SmoothGrad).

    Reference: Smilkov et al. 2017, "SmoothGrad: removing noise by adding noise".

    Args:
        model, images, classes, layer: As of `saliency`.
        samples: Number of noisy inputs.
        noise: Standard deviation of the noise, as a share of the range of each input.
        seed: Seed of the noise.

    Returns:
        As of `saliency`.

    Raises:
        ValueError: An argument is not allowed.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax", kernel_initializer="ones")])
        >>> smooth_saliency(model, np.eye(3)[:1], samples=4).round(3)
        array([[1., 1., 1.]], dtype=float32)
    """
    _check_least(1, samples=samples)
    if not noise >= 0:
        raise ValueError(f"`noise` must be at least 0. Received: noise={noise}")
    random = np.random.default_rng(seed)

    def points(base):
        axes = tuple(range(1, base.ndim))
        span = base.max(axis=axes, keepdims=True) - base.min(axis=axes, keepdims=True)
        for _ in range(samples):
            yield base + (noise * span * random.standard_normal(base.shape, "float32")).astype("float32")

    return _averaged(model, images, classes, layer, points)[0]


def integrated_gradients(
    model: keras.Model,
    images: ArrayLike,
    classes: ArrayLike | None = None,
    *,
    layer: str | None = None,
    baseline: ArrayLike = 0.0,
    steps: int = 32,
) -> np.ndarray:
    """Attributes the score of a class to the values of the input, by the gradient on the way from a baseline.

    `(x - b) * mean_t(dy / dx at b + t (x - b))`; over all values they sum up to the score of `x` less that of `b`.

    Reference: Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks".

    Args:
        model, images, classes, layer: As of `saliency`.
        baseline: The input that says nothing: a number, or an array that fits the input (or the layer's output).
        steps: Points on the way, in the middle of equal parts.

    Returns:
        As of `saliency`.

    Raises:
        ValueError: An argument is not allowed.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax", kernel_initializer="ones")])
        >>> integrated_gradients(model, np.array([[1.0, 2.0, 0.0]]), steps=2)  # sums up to the score, 3
        array([[1., 2., 0.]], dtype=float32)
    """
    _check_least(1, steps=steps)
    start = np.asarray(baseline, "float32")

    def points(base):
        return (start + (step + 0.5) / steps * (base - start) for step in range(steps))

    mean, base = _averaged(model, images, classes, layer, points)
    return mean * (base - start)


def strength(attributions: np.ndarray) -> np.ndarray:
    """Makes of attributions a map for each input, as it is drawn: the largest size over channels, up to 1.

    Args:
        attributions: `(batch, rows, columns, channels)`, or with any sizes between the first and the last.

    Returns:
        float32 in `[0, 1]` without the channels; 1 is the 99th percentile of each map and all above.

    Example:
        >>> strength(np.array([[[[0.0, -2.0], [1.0, 0.5]]]])).round(2)
        array([[[1. , 0.5]]], dtype=float32)
    """
    sizes = np.abs(attributions).max(axis=-1)
    most = np.percentile(sizes, 99, axis=tuple(range(1, sizes.ndim)), keepdims=True)
    return np.minimum(sizes / np.maximum(most, 1e-30), 1).astype("float32")


def _gradient(model, layer, rule="plain"):
    """Compiled function from the values of the input or layer, the inputs and the classes to gradients."""
    network = _network.network(model)
    given = None if layer is None else network.check(layer)

    def make():
        def gradient(values, inputs, chosen):
            def score(values):
                change = {given: lambda _: values} if given else None
                scores, _ = network.run(inputs if given else values, change=change, rule=_rule(rule))
                return ops.sum(scores * ops.one_hot(chosen, scores.shape[-1])), None

            return _network.differentiated(score, ops.convert_to_tensor(values))[2]

        return gradient

    return _network.compiled(model, ("gradient", layer, rule), make)


def _rule(name: str) -> Callable | None:
    """What makes of a rectifier one that passes back otherwise."""
    if name == "plain":
        return None

    def ruled(activation):
        @ops.custom_gradient
        def rectified(values):
            output = activation(values)

            def back(*arguments, upstream=None):
                upstream = arguments[0] if upstream is None else upstream
                passed = ops.maximum(upstream, 0)
                return passed * ops.cast(output > 0, passed.dtype) if name == "guided" else passed

            return output, back

        return rectified

    return ruled


def _base(model, images, layer):
    """The values by which is differentiated: the input, or the output of a layer."""
    if layer is None:
        if np.issubdtype(images.dtype, np.integer):
            raise ValueError("`layer` must be given for whole numbers, as the name of the embedding. Received: None")
        return images
    network = _network.network(model)
    keep = _network.compiled(model, ("layer", layer), lambda: lambda x: network.run(x, keep=(layer,))[1][layer])
    return _network.in_batches(keep, images).astype("float32")


def _averaged(model, images, classes, layer, points) -> tuple[Any, Any]:
    """The mean gradient over points made of the input, and the input."""
    images = _network.as_inputs(images)
    chosen = _network.class_numbers(classes, _network.scores_of(model, images))
    gradient, base = _gradient(model, layer), _base(model, images, layer)
    total, count = np.zeros_like(base), 0
    for values in points(base):
        total += _network.in_batches(gradient, np.asarray(values, "float32"), images, chosen)
        count += 1
    return total / count, base


def _check_least(least, **values):
    for name, value in values.items():
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")
