"""What the layers of a network hold: their outputs for an input, their filters, and how much of the input they see."""

import dataclasses

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasmlsp.interpret import _network

# What leaves every place where it is.
_PLACEWISE = (
    *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "Softmax", "BatchNormalization", "Rescaling", "Normalization"),
    *("Dropout", "SpatialDropout2D", "GaussianNoise", "Identity", "ImageAugmentation", "Relu", "Relu6", "Cast"),
    *("Add", "Concatenate", "Multiply", "Subtract", "Average", "Maximum", "Minimum"),
)
_WINDOWED = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D")


@dataclasses.dataclass(frozen=True)
class Field:
    """What one unit of a map sees of the input, along one axis: of unit `i`, `first + i stride` to `last + i stride`.

    Args:
        first: First place of the input that the first unit sees; below 0 in the padding.
        last: Last such place.
        stride: Places of the input from one unit to the next.

    Example:
        >>> Field(-1, 1, 2).size
        3
    """

    first: int
    last: int
    stride: int

    @property
    def size(self) -> int:
        """Places that a unit sees."""
        return self.last - self.first + 1


def layers(model: keras.Model) -> dict[str, tuple[int | None, ...]]:
    """Returns the shapes of the outputs of a model's layers by name, also of those within its models, in their order.

    Example:
        >>> layers(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="scores")]))
        {'scores': (None, 2)}
    """
    return dict(_network.network(model).layers)


def feature_maps(model: keras.Model, images: ArrayLike, layer: str) -> np.ndarray:
    """Returns what a layer gives for each input.

    Reference: Ganapathy, MLSP 2025, "Multiple levels of filtering and subsampling"; Sri Rama Murty, IIT Hyderabad
    (2021), "CNN Feature Map Visualization"; Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional
    Networks".

    Args:
        model: A model of one input.
        images: Inputs as the model takes them.
        layer: Name of the layer, one of `layers`.

    Returns:
        float32, of a convolution `(batch, rows, columns, filters)`.

    Raises:
        ValueError: The model has no such layer.

    Example:
        >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.ReLU(name="relu")])
        >>> feature_maps(model, np.array([[[[-1.0], [2.0]], [[3.0], [-4.0]]]]), "relu")[0, ..., 0]
        array([[0., 2.],
               [3., 0.]], dtype=float32)
    """
    network = _network.network(model)
    network.check(layer)
    keep = _network.compiled(
        model, ("layer", layer), lambda: lambda x: network.run(x, keep=(layer,), scores=False)[1][layer]
    )
    return _network.in_batches(keep, _network.as_inputs(images)).astype("float32")


def filters(model: keras.Model, layer: str | None = None) -> np.ndarray:
    """Returns the filters of a convolution of images.

    Reference: Pilanci, EE269 lecture 16 (2020), "Alexnet Filter Weights".

    Args:
        model: A model with convolutions.
        layer: Name of the layer; None for the first convolution.

    Returns:
        float32 `(filters, height, width, input channels)`; of a depthwise convolution, one channel.

    Raises:
        ValueError: There is no such layer, or it has no filters for images.

    Example:
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(5, (2, 4))])
        >>> filters(model).shape
        (5, 2, 4, 3)
    """
    found = {name: _kernel(each) for name, each in _network.network(model).operations.items()}
    found = {name: kernel for name, kernel in found.items() if kernel is not None}
    if layer is None and found:
        layer = next(iter(found))
    if layer not in found:
        there = ", ".join(found) or "it has none"
        raise ValueError(f"`layer` must be a convolution of images: {there}. Received: layer={layer!r}")
    return found[layer]


def _kernel(layer):
    kernel = getattr(layer, "kernel", None)
    if kernel is None or len(kernel.shape) != 4:
        return None
    values = ops.convert_to_numpy(kernel).astype("float32")
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        values = values.reshape(*values.shape[:2], 1, -1)
    elif isinstance(layer, keras.layers.Conv2DTranspose):
        values = values.swapaxes(2, 3)
    return values.transpose(3, 0, 1, 2)


def receptive_field(model: keras.Model, layer: str) -> tuple[Field, Field]:
    """Works out how much of the image a unit of a layer sees, from the sizes of kernels and strides.

    A convolution or pooling of kernel `k`, dilation `d` and stride `s` makes of a field of size `r` and stride `j` one
    of size `r + (k - 1) d j` and stride `j s`. Branches that meet see what any of them sees.

    Reference: Ganapathy, MLSP 2025, "Properties of CNN"; Araujo, Norris and Sim 2019, "Computing Receptive Fields of
    Convolutional Neural Networks".

    Args:
        model: A model of images of known height and width.
        layer: Name of a layer with maps.

    Returns:
        The fields along rows and along columns.

    Raises:
        ValueError: There is no such layer, or one before it sees the whole image, or is of a kind that is not known
            here: then `effective_field` tells by gradient.

    Example:
        >>> parts = keras.layers.Conv2D(1, 3, padding="same"), keras.layers.MaxPooling2D(name="half")
        >>> model = keras.Sequential([keras.Input((9, 9, 1)), *parts])
        >>> receptive_field(model, "half")[0]
        Field(first=-1, last=2, stride=2)
    """
    network = _network.network(model)
    network.check(layer, rank=4)
    found: dict[str, tuple[Field, Field]] = {}
    _follow(network, network.graph, [(Field(0, 0, 1), Field(0, 0, 1))], found, layer)
    return found[layer]


def _follow(network, graph, fields, found, wanted):
    """Fields of a graph's outputs, given those of its inputs; or those of the wanted layer, once it is met."""
    of = {id(tensor): field for tensor, field in zip(graph.inputs, fields, strict=True)}
    for node in _network.nodes(graph):
        before = [of[id(each)] for each in node.input_tensors]
        inner = _network.graph_of(node.operation)
        after = _seen(node, before) if inner is None else _follow(network, inner, before, found, wanted)
        name = network._names.get(id(node.operation))
        if inner is None and name is not None:
            found[name] = after
        if wanted in found:
            return found[wanted]
        for tensor in node.outputs:
            of[id(tensor)] = after
    return of[id(keras.tree.flatten(graph.outputs)[0])]


def _seen(node, before):
    kind, operation = _kind(node.operation), node.operation
    merged = tuple(_joined([each[axis] for each in before]) for axis in (0, 1))
    if kind in _PLACEWISE:
        return merged
    if kind == "ZeroPadding2D":
        steps = [pair[0] * field.stride for pair, field in zip(operation.padding, merged, strict=True)]
        return tuple(Field(f.first - step, f.last - step, f.stride) for f, step in zip(merged, steps, strict=True))
    if kind not in _WINDOWED:
        raise ValueError(
            f"`layer` must come after convolutions and poolings only; {operation.name} before it is a {kind}: "
            f"tell its field by gradient (`effective_field`). Received: a layer behind {operation.name}"
        )
    sizes = getattr(operation, "kernel_size", None) or operation.pool_size
    spread = getattr(operation, "dilation_rate", None) or (1, 1)
    shape = node.input_tensors[0].shape[1:3]
    found = []
    for axis, field in enumerate(merged):
        reach, stride = (sizes[axis] - 1) * spread[axis] + 1, operation.strides[axis]
        left = _padding(shape[axis], reach, stride) if operation.padding == "same" else 0
        first, last = field.first - left * field.stride, field.last + (reach - 1 - left) * field.stride
        found.append(Field(first, last, field.stride * stride))
    return tuple(found)


def _kind(operation):
    """The name of the class, or of the one of Keras that it extends."""
    names = [each.__name__ for each in type(operation).__mro__]
    return next((name for name in names if name in _PLACEWISE or name in _WINDOWED), names[0])


def _padding(size, reach, stride):
    """Places that 'same' pads before the first."""
    if size is None:
        raise ValueError("`model` must take images of a known height and width. Received: an open size")
    return max((-(-size // stride) - 1) * stride + reach - size, 0) // 2


def _joined(fields):
    if len({field.stride for field in fields}) > 1:
        raise ValueError(
            "`layer` must come after branches of one stride: tell its field by gradient (`effective_field`)"
        )
    return Field(min(each.first for each in fields), max(each.last for each in fields), fields[0].stride)


def effective_field(model: keras.Model, images: ArrayLike, layer: str) -> np.ndarray:
    """Tells by gradient how much each place of the image moves the unit in the middle of a layer's maps.

    Where the images are random, zero means outside of the receptive field; inside, the middle counts most.

    Reference: Luo et al. 2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks".

    Args:
        model: A model of images.
        images: `(batch, height, width, channels)`; what is returned is the mean over them.
        layer: Name of a layer with maps.

    Returns:
        float32 `(height, width)`, the largest 1.

    Raises:
        ValueError: There is no such layer.

    Example:
        >>> model = keras.Sequential([keras.Input((5, 5, 1)), keras.layers.Conv2D(1, 3, padding="same", name="conv")])
        >>> (effective_field(model, np.ones((1, 5, 5, 1)), "conv") > 0).sum(axis=0)
        array([0, 3, 3, 3, 0])
    """
    network = _network.network(model)
    network.check(layer, rank=4)

    def make():
        def gradient(images):
            def middle(images):
                maps = network.run(images, keep=(layer,), scores=False)[1][layer]
                rows, columns = (ops.shape(maps)[axis] // 2 for axis in (1, 2))
                return ops.sum(ops.cast(maps[:, rows, columns], "float32")), None

            return _network.differentiated(middle, ops.convert_to_tensor(images))[2]

        return gradient

    found = _network.in_batches(_network.compiled(model, ("middle", layer), make), _network.as_inputs(images))
    field = np.abs(found).mean(axis=(0, 3))
    return (field / max(field.max(), 1e-30)).astype("float32")
