"""Networks that give every pixel of an image a class."""

import keras
import numpy as np
from keras import layers

from kerasmlsp.models import _checks, _images


def fcn_32s(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    filters: tuple[int, int, int, int, int] = (32, 64, 128, 256, 256),
    units: int = 512,
    dropout: float = 0.5,
    encoder: keras.Model | None = None,
    name: str = "fcn_32s",
) -> keras.Model:
    """Builds a fully convolutional network that classifies cells of 32x32 pixels and interpolates to pixels.

    Five stages of two convolutions and a pooling each, after VGG, are followed by a 7x7 and a 1x1 convolution in place
    of dense layers, and by the scores of the classes, which fixed bilinear interpolation brings to the size of the
    image. Unlike the paper's, the stages are normalised, so that they can be trained from scratch.

    Reference: Hota, BITS F464 (2024), "Other types of Convolutional Networks: FCN, SSMD"; Long, Shelhamer and Darrell
    2015, "Fully Convolutional Networks for Semantic Segmentation".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 32, which 32 need not divide, and channels.
        filters: Filters of the five stages.
        units: Features of a cell before it is classified.
        dropout: Drop probability of those features, in `[0, 1)`.
        encoder: Net whose last feature maps of each size take the place of the stages, such as
            `efficientnet_lite0_features`; its images are those of the model then. None for stages of its own.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1, or as the encoder takes them,
        to class probabilities of the pixels `(batch, height, width, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = fcn_32s(3, input_shape=(64, 96, 3), filters=(2, 2, 2, 2, 2), units=4)
        >>> model.get_layer("scores_32").output.shape, model.output_shape
        ((None, 2, 3, 3), (None, 64, 96, 3))
    """
    options = (num_classes, input_shape, filters, units, dropout)
    return _fcn(*options, 0, encoder, name)


def fcn_16s(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    filters: tuple[int, int, int, int, int] = (32, 64, 128, 256, 256),
    units: int = 512,
    dropout: float = 0.5,
    encoder: keras.Model | None = None,
    name: str = "fcn_16s",
) -> keras.Model:
    """Builds `fcn_32s` with scores of the fourth stage added, so that cells of 16x16 pixels are classified.

    The coarse scores are brought to the size of the finer ones by a transposed convolution, which begins as bilinear
    interpolation and is learned; the scores of the fourth stage begin as zeros.

    Reference: as of `fcn_32s`.

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 32, which 32 need not divide, and channels.
        filters: Filters of the five stages.
        units: Features of a cell before it is classified.
        dropout: Drop probability of those features, in `[0, 1)`.
        encoder: Net whose last feature maps of each size take the place of the stages, such as
            `efficientnet_lite0_features`; its images are those of the model then. None for stages of its own.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1, or as the encoder takes them,
        to class probabilities of the pixels `(batch, height, width, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = fcn_16s(3, input_shape=(64, 96, 3), filters=(2, 2, 2, 2, 2), units=4)
        >>> model.get_layer("sum_16").output.shape
        (None, 4, 6, 3)
    """
    options = (num_classes, input_shape, filters, units, dropout)
    return _fcn(*options, 1, encoder, name)


def fcn_8s(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    filters: tuple[int, int, int, int, int] = (32, 64, 128, 256, 256),
    units: int = 512,
    dropout: float = 0.5,
    encoder: keras.Model | None = None,
    name: str = "fcn_8s",
) -> keras.Model:
    """Builds `fcn_16s` with scores of the third stage added, so that cells of 8x8 pixels are classified.

    Reference: as of `fcn_32s`.

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 32, which 32 need not divide, and channels.
        filters: Filters of the five stages.
        units: Features of a cell before it is classified.
        dropout: Drop probability of those features, in `[0, 1)`.
        encoder: Net whose last feature maps of each size take the place of the stages, such as
            `efficientnet_lite0_features`; its images are those of the model then. None for stages of its own.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1, or as the encoder takes them,
        to class probabilities of the pixels `(batch, height, width, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = fcn_8s(3, input_shape=(64, 96, 3), filters=(2, 2, 2, 2, 2), units=4)
        >>> model.get_layer("sum_16").output.shape, model.get_layer("sum_8").output.shape
        ((None, 4, 6, 3), (None, 8, 12, 3))
    """
    options = (num_classes, input_shape, filters, units, dropout)
    return _fcn(*options, 2, encoder, name)


def segmentation_net(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (128, 128, 3),
    filters: tuple[int, ...] = (16, 32, 64, 128),
    encoder: keras.Model | None = None,
    name: str = "segmentation_net",
) -> keras.Model:
    """Builds a light U-Net: an encoder that halves the image, a decoder that doubles it, and skips between them.

    Reference: Hota, BITS F464 (2024), "Other types of Convolutional Networks: FCN, SSMD"; Ronneberger, Fischer and Brox
    2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least `2 ** (len(filters) - 1)`, which need not divide them, and channels.
        filters: Filters at each size of the image, for two sizes at least; each is half of the one before.
        encoder: Net whose last feature maps of each size below the image's own take the place of the encoder's, such
            as `efficientnet_lite0_features`; its images are those of the model then. None for an encoder of its own.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1, or as the encoder takes them,
        to class probabilities of the pixels `(batch, height, width, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = segmentation_net(3, input_shape=(20, 30, 3), filters=(2, 4, 6))
        >>> model.get_layer("pool_3").output.shape, model.output_shape  # 30, 15, 8, and back
        ((None, 5, 8, 4), (None, 20, 30, 3))
    """
    _checks.check_sizes(2, num_classes=num_classes)
    if len(filters) < 2 or min(filters) < 1:
        raise ValueError(f"`filters` must be two numbers or more of at least 1. Received: filters={tuple(filters)}")
    if encoder is None:
        images = _images.images(input_shape, 2 ** (len(filters) - 1))
        skipped = _encoded(images, filters)
    else:
        images, coarser = _encoder_maps(encoder, input_shape, len(filters) - 1)
        skipped = [_twice(images, filters[0], "encoder_1"), *coarser]
    maps = skipped.pop()
    for level in range(len(skipped), 0, -1):
        finer = skipped.pop()
        maps = layers.UpSampling2D(2, interpolation="bilinear", name=f"up_{level}")(maps)
        maps = layers.Concatenate(name=f"skip_{level}")([_cropped(maps, finer, f"crop_{level}"), finer])
        maps = _twice(maps, filters[level - 1], f"decoder_{level}")
    scores = layers.Conv2D(num_classes, 1, name="scores")(maps)
    return keras.Model(images, _probabilities(scores), name=name)


def _encoded(images, filters):
    """The feature maps of an encoder, the largest first."""
    found = [_twice(images, filters[0], "encoder_1")]
    for level, count in enumerate(filters[1:], start=2):
        maps = layers.MaxPooling2D(2, padding="same", name=f"pool_{level}")(found[-1])
        found.append(_twice(maps, count, f"encoder_{level}"))
    return found


def _encoder_maps(encoder, input_shape, count):
    """The images of an encoder, and its last feature map of each of `count` sizes, each half of the one before."""
    last = {}
    for layer in encoder.layers:
        shape = getattr(layer.output, "shape", ())
        if len(shape) == 4:
            last[shape[1:3]] = layer.output
    sizes = [tuple(-(-size // 2**level) for size in input_shape[:2]) for level in range(1, count + 1)]
    lacking = [size for size in sizes if size not in last]
    images = encoder.inputs[0]
    if images.shape[1:] != tuple(input_shape) or lacking:
        raise ValueError(
            f"`encoder` must take images of `input_shape` and halve them {count} times, rounded up. Received: "
            f"images of {images.shape[1:]} for input_shape={tuple(input_shape)}, and no maps of {lacking}"
        )
    return images, [last[size] for size in sizes]


def _fcn(num_classes, input_shape, filters, units, dropout, skips, encoder, name):
    """The scores of cells of 32x32 pixels, refined by those of `skips` finer stages."""
    _checks.check_sizes(2, num_classes=num_classes)
    _checks.check_sizes(units=units)
    _checks.check_rates(dropout=dropout)
    if len(filters) != 5 or min(filters) < 1:
        raise ValueError(f"`filters` must be five numbers of at least 1. Received: filters={tuple(filters)}")
    if encoder is None:
        images = _images.images(input_shape, 32)
        stages = _vgg_stages(images, filters)
    else:
        images, stages = _encoder_maps(encoder, input_shape, len(filters))
    scores, cell = _scores(stages[-1], num_classes, units, dropout), 32
    for finer in (stages[3], stages[2])[:skips]:
        cell //= 2
        scores = _refined(scores, finer, num_classes, cell)
    scores = layers.UpSampling2D(cell, interpolation="bilinear", name="up")(scores)
    return keras.Model(images, _probabilities(_cropped(scores, images, "crop")), name=name)


def _vgg_stages(maps, filters):
    found = []
    for stage, count in enumerate(filters, start=1):
        maps = _twice(maps, count, f"stage_{stage}")
        maps = layers.MaxPooling2D(2, padding="same", name=f"stage_{stage}_pool")(maps)
        found.append(maps)
    return found


def _twice(maps, filters, name):
    return _images.convolution(_images.convolution(maps, filters, 3, f"{name}_1"), filters, 3, f"{name}_2")


def _scores(maps, num_classes, units, dropout):
    """The dense layers of a classifier as convolutions, which see every cell and its neighbours."""
    for number, size in ((1, 7), (2, 1)):
        maps = _images.convolution(maps, units, size, f"dense_{number}")
        maps = layers.Dropout(dropout, name=f"dropout_{number}")(maps)
    return layers.Conv2D(num_classes, 1, name="scores_32")(maps)


def _refined(scores, finer, num_classes, cell):
    """Scores at twice the size, and those of a finer stage added, which begin as zeros."""
    bilinear = keras.initializers.Constant(bilinear_kernel(2, num_classes))
    scores = layers.Conv2DTranspose(
        num_classes, 4, 2, padding="same", use_bias=False, kernel_initializer=bilinear, name=f"up_{cell}"
    )(scores)
    finer = layers.Conv2D(num_classes, 1, kernel_initializer="zeros", name=f"scores_{cell}")(finer)
    return layers.Add(name=f"sum_{cell}")([_cropped(scores, finer, f"crop_{cell}"), finer])


def bilinear_kernel(factor: int, channels: int) -> np.ndarray:
    """The kernel of a transposed convolution of stride `factor` and 'same' padding that interpolates bilinearly.

    Its weights are `(1 - |i - c| / factor) (1 - |j - c| / factor)` with `c = factor - 1/2`, and 0 between channels.

    Args:
        factor: Stride, an even number.
        channels: Channels.

    Returns:
        Array `(2 * factor, 2 * factor, channels, channels)`, float32.

    Example:
        >>> bilinear_kernel(2, 1)[1, :, 0, 0].tolist()  # 3/4 of (1/4, 3/4, 3/4, 1/4)
        [0.1875, 0.5625, 0.5625, 0.1875]
    """
    line = 1 - np.abs(np.arange(2 * factor) - factor + 0.5) / factor
    return (np.outer(line, line)[:, :, None, None] * np.eye(channels)).astype("float32")


def _cropped(maps, like, name):
    """Without the rows and columns at the end by which pooling with padding has grown the maps."""
    rows, columns = (maps.shape[axis] - like.shape[axis] for axis in (1, 2))
    return layers.Cropping2D(((0, rows), (0, columns)), name=name)(maps) if rows or columns else maps


def _probabilities(scores):
    return layers.Softmax(dtype="float32", name="probabilities")(scores)
