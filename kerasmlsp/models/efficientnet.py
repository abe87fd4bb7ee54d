"""EfficientNet-Lite: image classifiers for small devices, and encoders of images."""

import functools
import math
from collections.abc import Callable

import keras
from keras import layers

from kerasmlsp.models import _checks, _heads, _images

# Repeats, kernel size, stride of the first, expansion, filters.
STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192))
STAGES = (*STAGES, (1, 3, 1, 6, 320))
NORMALISATION = {"momentum": 0.99, "epsilon": 1e-3}

_convolution: Callable = functools.partial(_images.convolution, activation="relu6", **NORMALISATION)


def efficientnet_lite0(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    width: float = 1.0,
    depth: float = 1.0,
    dropout: float = 0.2,
    name: str = "efficientnet_lite0",
) -> keras.Model:
    """Builds EfficientNet-Lite0: inverted residual blocks with ReLU6 and without squeeze-and-excitation.

    `kerasmlsp.imagenet.load_efficientnet_lite0` gives it weights trained on ImageNet. With 1000 classes it has
    4,694,024 parameters, 4,652,008 of them trainable.

    Reference: Pilanci, EE269 lecture 16 (2020), "ImageNet Challenge"; Tan and Le 2019, "EfficientNet: Rethinking Model
    Scaling for Convolutional Neural Networks"; Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear
    Bottlenecks".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 32, and channels.
        width: Factor of the filters of the blocks, above 0; they are rounded to multiples of 8.
        depth: Factor of the repeats of the inner stages, above 0, rounded up.
        dropout: Drop probability of the pooled features, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values from 0 to 255 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = efficientnet_lite0(5, input_shape=(32, 32, 3), width=0.25, depth=0.25)
        >>> model.get_layer("probabilities").count_params()  # (1280 + 1) * 5
        6405
    """
    _checks.check_sizes(2, num_classes=num_classes)
    _checks.check_rates(dropout=dropout)
    images, maps = _encoder(input_shape, width, depth)
    features = layers.GlobalAveragePooling2D(name="pooled")(maps)
    features = layers.Dropout(dropout, name="dropout")(features)
    return keras.Model(images, _heads.class_probabilities(features, num_classes), name=name)


def efficientnet_lite0_features(
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    width: float = 1.0,
    depth: float = 1.0,
    name: str = "efficientnet_lite0_features",
) -> keras.Model:
    """Builds the encoder of `efficientnet_lite0`: its last feature map, before pooling.

    Reference: as of `efficientnet_lite0`.

    Args:
        input_shape: Height and width of at least 32, and channels.
        width: Factor of the filters of the blocks, above 0; they are rounded to multiples of 8.
        depth: Factor of the repeats of the inner stages, above 0, rounded up.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values from 0 to 255 to `features`
        `(batch, rows, columns, 1280)`, float32, not negative, with one row for 32 rows of pixels, rounded up.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = efficientnet_lite0_features(input_shape=(64, 100, 3), width=0.25, depth=0.25)
        >>> model.output_shape  # 64 / 32 and 100 / 32, rounded up
        (None, 2, 4, 1280)
    """
    images, maps = _encoder(input_shape, width, depth)
    return keras.Model(images, layers.Identity(dtype="float32", name="features")(maps), name=name)


def _encoder(input_shape, width, depth):
    """The input and the last feature map; stem, head, and the repeats of the outer stages are never scaled."""
    for argument, value in (("width", width), ("depth", depth)):
        if not value > 0:
            raise ValueError(f"`{argument}` must be above 0. Received: {argument}={value}")
    images = _images.images(input_shape, 32)
    # In float32, since half precision would round the pixels.
    maps = layers.Rescaling(1 / 128, -127 / 128, dtype="float32", name="scaled")(images)
    maps = _convolution(maps, 32, 3, "stem", strides=2)
    number = 0
    for place, (repeats, size, strides, expansion, filters) in enumerate(STAGES):
        inner = 0 < place < len(STAGES) - 1
        for repeat in range(math.ceil(depth * repeats) if inner else repeats):
            number += 1
            maps = _block(maps, _rounded(width * filters), size, 1 if repeat else strides, expansion, f"block_{number}")
    return images, _convolution(maps, 1280, 1, "head")


def _block(inputs, filters, size, strides, expansion, name):
    """Widens, filters each channel by itself, narrows; added to the inputs where the shapes agree."""
    maps = inputs
    if expansion > 1:
        maps = _convolution(maps, expansion * inputs.shape[-1], 1, f"{name}_expand")
    maps = layers.DepthwiseConv2D(
        size,
        strides,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depthwise_conv",
    )(maps)
    maps = _images.normalised(maps, f"{name}_depthwise", "relu6", **NORMALISATION)
    maps = _convolution(maps, filters, 1, f"{name}_project", activation=None)
    if strides == 1 and inputs.shape[-1] == filters:
        maps = layers.Add(name=f"{name}_add")([inputs, maps])
    return maps


def _rounded(filters):
    """The nearest multiple of 8 that is not below nine tenths of `filters`."""
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * filters else nearest
