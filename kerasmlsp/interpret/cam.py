"""Class activation maps: where in an image a convolutional network finds what it decides by."""

import keras
from keras import ops
from numpy.typing import ArrayLike

from kerasmlsp.interpret import _network


def grad_cam(
    model: keras.Model, images: ArrayLike, classes: ArrayLike | None = None, *, layer: str | None = None
) -> keras.KerasTensor:
    """Weighs the maps of a convolutional layer by how much each raises the score of a class.

    With `A_k` the maps of the layer, `y` the score of the class before the softmax, and the mean taken over places,
    `relu(sum_k mean(dy / dA_k) A_k)`, divided by its largest value.

    Reference: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization"; Ganapathy, MLSP 2025, "Visualizing and Understanding Convolutional Networks".

    Args:
        model: A functional or sequential classifier of images, also one that has models within it. Where it ends in a
            dense layer or a softmax, scores are taken before the activation, elsewhere they are the logarithms of the
            outputs.
        images: `(batch, height, width, channels)`, as the model takes them.
        classes: Class number of each image; None for the class that the model finds most probable.
        layer: Name of the layer; None for the last that has maps.

    Returns:
        `(batch, rows, columns)`, float32 in `[0, 1]`, of the layer's resolution; all 0 where nothing speaks for the
        class.

    Raises:
        ValueError: The model has no such layer, or none with maps.

    Example:
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((2, 2, 1)),
        ...         keras.layers.Conv2D(1, 1, kernel_initializer="ones"),
        ...         keras.layers.GlobalAveragePooling2D(),
        ...         keras.layers.Dense(2, "softmax", kernel_initializer="ones"),
        ...     ]
        ... )
        >>> heat = grad_cam(model, keras.ops.array([[[[0.0], [2.0]], [[4.0], [0.0]]]]))
        >>> print(keras.ops.convert_to_numpy(heat))
        [[[0.  0.5]
          [1.  0. ]]]
    """
    network = _network.network(model)
    layer = network.check(layer or _last_with_maps(network), rank=4)
    maps = ops.cast(network.run(images, keep=(layer,))[1][layer], "float32")

    def chosen_score(maps):
        scores, _ = network.run(images, change={layer: lambda before: ops.cast(maps, before.dtype)})
        chosen = ops.argmax(scores, axis=-1) if classes is None else classes
        return ops.sum(scores * ops.one_hot(chosen, scores.shape[-1])), None

    gradient = _network.differentiated(chosen_score, maps)[2]
    weights = ops.mean(gradient, axis=(1, 2), keepdims=True)
    heat = ops.relu(ops.sum(weights * maps, axis=-1))
    return heat / ops.maximum(ops.max(heat, axis=(1, 2), keepdims=True), 1e-12)


def _last_with_maps(network):
    names = [name for name, shape in network.layers.items() if len(shape) == 4]
    return names[-1] if names else None
