"""Class activation maps: where in an image a convolutional network finds what it decides by."""

import keras
from keras import ops
from numpy.typing import ArrayLike


def grad_cam(
    model: keras.Model, images: ArrayLike, classes: ArrayLike | None = None, *, layer: str | None = None
) -> keras.KerasTensor:
    """Weighs the maps of a convolutional layer by how much each raises the score of a class.

    With `A_k` the maps of the layer, `y` the score of the class before the softmax, and the mean taken over places,
    `relu(sum_k mean(dy / dA_k) A_k)`, divided by its largest value.

    Reference: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization"; Ganapathy, MLSP 2025, "Visualizing and Understanding Convolutional Networks".

    Args:
        model: A functional or sequential classifier of images. Where it ends in a dense layer, scores are taken before
            its activation, elsewhere they are the logarithms of the outputs.
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
    maps_of, score = _parts(model, layer)
    maps = ops.cast(maps_of(images), "float32")
    if classes is None:
        classes = ops.argmax(score(maps), axis=-1)
    chosen = ops.one_hot(classes, ops.shape(score(maps))[-1])
    gradient = _gradient(lambda values: ops.sum(score(values) * chosen), maps)
    weights = ops.mean(gradient, axis=(1, 2), keepdims=True)
    heat = ops.relu(ops.sum(weights * maps, axis=-1))
    return heat / ops.maximum(ops.max(heat, axis=(1, 2), keepdims=True), 1e-12)


def _parts(model, name):
    """Functions from images to maps, and from maps to the scores of the classes."""
    ends = _ends(model)
    with_maps = [each for each, (_, output) in ends.items() if len(getattr(output, "shape", ())) == 4]
    if name is None and with_maps:
        name = with_maps[-1]
    if name not in with_maps:
        there = ", ".join(with_maps) or "it has none"
        raise ValueError(f"`layer` must be one with maps: {there}. Received: layer={name!r}")
    (_, middle), last = ends[name], model.layers[-1]
    before_last, probabilities = ends[last.name]
    maps_of = keras.Model(model.inputs[0], middle)
    if not isinstance(last, keras.layers.Dense):
        whole = keras.Model(middle, probabilities)
        return _inference(maps_of), lambda maps: ops.log(ops.maximum(whole(maps, training=False), 1e-12))
    before = keras.Model(middle, before_last)

    def score(maps):
        features = ops.cast(before(maps, training=False), "float32")
        sums = ops.matmul(features, last.kernel)
        return sums if last.bias is None else sums + last.bias

    return _inference(maps_of), score


def _inference(model):
    return lambda images: model(images, training=False)


def _ends(model):
    """Inputs and outputs of the layers by name, from the first after the input to the last."""
    if not isinstance(model, keras.Sequential):
        inner = [each for each in model.layers if not isinstance(each, keras.layers.InputLayer)]
        used_once = [each for each in inner if isinstance(getattr(each, "output", None), keras.KerasTensor)]
        return {each.name: (each.input, each.output) for each in used_once}
    # One to which layers were added has each of them in several graphs, so that it has no single output.
    ends, output = {}, model.inputs[0]
    for layer in model.layers:
        before, output = output, layer(output)
        ends[layer.name] = before, output
    return ends


def _gradient(function, values):
    """Gradient of a scalar function; Keras has no operation for it."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(function)(values)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(values)
        result = function(values)
    return tape.gradient(result, values)
