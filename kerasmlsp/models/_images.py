"""What the image models share: the input, and convolutions that are normalised."""

import keras
from keras import layers

from kerasmlsp.layers import BatchNormalization


def images(input_shape, least):
    """The input of every image model: `(batch, height, width, channels)`.

    Raises:
        ValueError: `input_shape` has no three sizes, or is less than `least` high or wide.
    """
    sizes = [size or 0 for size in input_shape]  # an open size, None, is refused too
    if len(sizes) != 3 or min(sizes[:2]) < least or sizes[2] < 1:
        raise ValueError(
            f"`input_shape` must be (height, width, channels) of at least ({least}, {least}, 1). "
            f"Received: input_shape={tuple(input_shape)}"
        )
    return keras.Input(tuple(input_shape), name="images")


def convolution(maps, filters, size, name, *, strides=1, activation="relu", **normalisation):
    """A convolution with 'same' padding and without bias, a batch normalisation, and the activation, if any."""
    maps = layers.Conv2D(
        filters,
        size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(maps)
    return normalised(maps, name, activation, **normalisation)


def normalised(maps, name, activation="relu", *, momentum=0.9, epsilon=1e-5):
    """A batch normalisation and the activation, if any."""
    maps = BatchNormalization(momentum=momentum, epsilon=epsilon, name=f"{name}_norm")(maps)
    return maps if activation is None else layers.Activation(activation, name=f"{name}_{activation}")(maps)
