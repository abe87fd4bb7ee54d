"""Residual networks, and the plain networks that the lecture compares them with."""

import keras
from keras import layers, ops

from kerasmlsp.models import _checks, _heads, _images


def resnet18(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    width: int = 64,
    repeats: tuple[int, ...] = (2, 2, 2, 2),
    name: str = "resnet18",
) -> keras.Model:
    """Builds ResNet-18: eight blocks of two convolutions, each with a skip connection around it.

    The skips are identities, and projections where the shape changes (option B of the paper). With 1000 classes it has
    11,689,512 trainable parameters.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep
    Residual Learning for Image Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 32, and channels.
        width: Filters of the first stage, at least 1; each stage after has twice as many.
        repeats: Blocks of each stage; as many as give the network its name.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = resnet18(10, input_shape=(64, 64, 3), width=4, repeats=(1, 1))
        >>> model.get_layer("stage_2_block_1_add").output.shape  # divided by 4 in the stem, then by 2
        (None, 8, 8, 8)
    """
    return _imagenet(num_classes, input_shape, width, repeats, _basic, _projected_at_changes, name)


def resnet34(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    width: int = 64,
    repeats: tuple[int, ...] = (3, 4, 6, 3),
    name: str = "resnet34",
) -> keras.Model:
    """Builds ResNet-34: sixteen blocks of two convolutions, each with a skip connection around it.

    The skips are those of `resnet18`. With 1000 classes it has 21,797,672 trainable parameters.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep
    Residual Learning for Image Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 32, and channels.
        width: Filters of the first stage, at least 1; each stage after has twice as many.
        repeats: Blocks of each stage; as many as give the network its name.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = resnet34(10, input_shape=(32, 32, 3), width=8, repeats=(1, 1))
        >>> [layer.name for layer in model.layers if "skip" in layer.name]  # the other skip is an identity
        ['stage_2_block_1_skip_conv', 'stage_2_block_1_skip_norm']
    """
    return _imagenet(num_classes, input_shape, width, repeats, _basic, _projected_at_changes, name)


def resnet50(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    width: int = 64,
    repeats: tuple[int, ...] = (3, 4, 6, 3),
    name: str = "resnet50",
) -> keras.Model:
    """Builds ResNet-50: sixteen blocks that narrow, filter and widen, each with a skip connection around it.

    The skips are those of `resnet18`. A block that halves the image does so in its 3x3 convolution, not in its first
    as in the paper, which makes no difference to the 25,557,032 trainable parameters with 1000 classes.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep
    Residual Learning for Image Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 32, and channels.
        width: Filters of the first stage, at least 1; each stage after has twice as many.
        repeats: Blocks of each stage; as many as give the network its name.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = resnet50(10, input_shape=(32, 32, 3), width=4, repeats=(1,))
        >>> [model.get_layer(f"stage_1_block_1_{i}_conv").kernel.shape[-1] for i in (1, 2, 3)]
        [4, 4, 16]
    """
    return _imagenet(num_classes, input_shape, width, repeats, _bottleneck, _projected_at_changes, name)


def plain18(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    width: int = 64,
    repeats: tuple[int, ...] = (2, 2, 2, 2),
    name: str = "plain18",
) -> keras.Model:
    """Builds the network of 18 layers without skip connections: `resnet18` less its skips and their projections.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep
    Residual Learning for Image Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 32, and channels.
        width: Filters of the first stage, at least 1; each stage after has twice as many.
        repeats: Blocks of each stage; as many as give the network its name.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> sizes = {"input_shape": (32, 32, 3), "width": 4, "repeats": (1, 1)}
        >>> resnet18(10, **sizes).count_params() - plain18(10, **sizes).count_params()  # 1x1 kernels and their norm
        64
    """
    return _imagenet(num_classes, input_shape, width, repeats, _basic, _no_skip, name)


def plain34(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    width: int = 64,
    repeats: tuple[int, ...] = (3, 4, 6, 3),
    name: str = "plain34",
) -> keras.Model:
    """Builds the network of 34 layers without skip connections: `resnet34` less its skips and their projections.

    The lecture's example of a deeper network that trains worse than that of 18 layers.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep
    Residual Learning for Image Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 32, and channels.
        width: Filters of the first stage, at least 1; each stage after has twice as many.
        repeats: Blocks of each stage; as many as give the network its name.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = plain34(10, input_shape=(32, 32, 3), width=4, repeats=(1, 1))
        >>> [layer.name for layer in model.layers if layer.name.endswith("_add")]
        []
    """
    return _imagenet(num_classes, input_shape, width, repeats, _basic, _no_skip, name)


def resnet20(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    width: int = 16,
    repeats: tuple[int, ...] = (3, 3, 3),
    name: str = "resnet20",
) -> keras.Model:
    """Builds ResNet-20 for small images: nine blocks whose skip connections have no weights, `h(g(z) + z)`.

    Where a block halves the image and doubles the filters, its skip takes every second pixel and fills the new filters
    with zeros (option A of the paper). With 10 classes it has 269,722 trainable parameters.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep
    Residual Learning for Image Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 8, and channels.
        width: Filters of the first stage, at least 1; each stage after has twice as many.
        repeats: Blocks of each stage; as many as give the network its name.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = resnet20(10, width=4, repeats=(1, 1))
        >>> [model.get_layer(f"stage_{i}_block_1_add").output.shape for i in (1, 2)]
        [(None, 32, 32, 4), (None, 16, 16, 8)]
    """
    return _cifar(num_classes, input_shape, width, repeats, _padded, name)


def resnet20_weighted(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    width: int = 16,
    repeats: tuple[int, ...] = (3, 3, 3),
    name: str = "resnet20_weighted",
) -> keras.Model:
    """Builds ResNet-20 with weights on every skip connection, `h(g(z) + W z)`, as the lecture writes it first.

    `W` is a 1x1 convolution with batch normalisation (option C of the paper).

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep
    Residual Learning for Image Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 8, and channels.
        width: Filters of the first stage, at least 1; each stage after has twice as many.
        repeats: Blocks of each stage; as many as give the network its name.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> sizes = {"width": 4, "repeats": (1, 1)}
        >>> more = resnet20_weighted(10, **sizes).count_params() - resnet20(10, **sizes).count_params()
        >>> more  # 4 * 4 and 4 * 8 weights, and four numbers for each filter in their norms
        96
    """
    return _cifar(num_classes, input_shape, width, repeats, _projected, name)


def plain20(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    width: int = 16,
    repeats: tuple[int, ...] = (3, 3, 3),
    name: str = "plain20",
) -> keras.Model:
    """Builds the network of 20 layers without skip connections: `resnet20` less its skips, of as many parameters.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep
    Residual Learning for Image Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 8, and channels.
        width: Filters of the first stage, at least 1; each stage after has twice as many.
        repeats: Blocks of each stage; as many as give the network its name.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> sizes = {"width": 4, "repeats": (1, 1)}
        >>> resnet20(10, **sizes).count_params() - plain20(10, **sizes).count_params()
        0
    """
    return _cifar(num_classes, input_shape, width, repeats, _no_skip, name)


def _imagenet(num_classes, input_shape, width, repeats, block, skip, name):
    """A stem that divides the image by four, and the stages."""
    _check(num_classes, width, repeats)
    images = _images.images(input_shape, 32)
    maps = _images.convolution(images, width, 7, "stem", strides=2)
    maps = layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(maps)
    return _classified(images, _stages(maps, width, repeats, block, skip), num_classes, name)


def _cifar(num_classes, input_shape, width, repeats, skip, name):
    """A stem that keeps the image as it is, and the stages."""
    _check(num_classes, width, repeats)
    images = _images.images(input_shape, 8)
    maps = _images.convolution(images, width, 3, "stem")
    return _classified(images, _stages(maps, width, repeats, _basic, skip), num_classes, name)


def _check(num_classes, width, repeats):
    _checks.check_sizes(2, num_classes=num_classes)
    _checks.check_sizes(width=width)
    if not repeats or min(repeats) < 1:
        raise ValueError(f"`repeats` must be numbers of at least 1. Received: repeats={tuple(repeats)}")


def _classified(images, maps, num_classes, name):
    features = layers.GlobalAveragePooling2D(name="pooled")(maps)
    return keras.Model(images, _heads.class_probabilities(features, num_classes), name=name)


def _stages(maps, width, repeats, block, skip):
    """Stages of blocks; each after the first halves the image and doubles the filters."""
    for stage, count in enumerate(repeats):
        for i in range(count):
            strides = 2 if stage and not i else 1
            maps = block(maps, width * 2**stage, strides, skip, f"stage_{stage + 1}_block_{i + 1}")
    return maps


def _basic(inputs, filters, strides, skip, name):
    """Two 3x3 convolutions."""
    maps = _images.convolution(inputs, filters, 3, f"{name}_1", strides=strides)
    maps = _images.convolution(maps, filters, 3, f"{name}_2", activation=None)
    return _joined(maps, skip(inputs, filters, strides, name), name)


def _bottleneck(inputs, filters, strides, skip, name):
    """A 1x1, a 3x3 and a 1x1 convolution; the last has four times the filters."""
    maps = _images.convolution(inputs, filters, 1, f"{name}_1")
    maps = _images.convolution(maps, filters, 3, f"{name}_2", strides=strides)
    maps = _images.convolution(maps, 4 * filters, 1, f"{name}_3", activation=None)
    return _joined(maps, skip(inputs, 4 * filters, strides, name), name)


def _joined(maps, skipped, name):
    if skipped is not None:
        maps = layers.Add(name=f"{name}_add")([maps, skipped])
    return layers.Activation("relu", name=f"{name}_relu")(maps)


def _no_skip(inputs, filters, strides, name):
    return None


def _projected(inputs, filters, strides, name):
    if strides > 1 and inputs.shape[-1] < 8:
        # oneDNN, as TensorFlow 2.21 has it, writes beyond its memory in the gradient of strided filters of 1x1 there.
        inputs, strides = layers.MaxPooling2D(1, strides, padding="same", name=f"{name}_skip_pool")(inputs), 1
    return _images.convolution(inputs, filters, 1, f"{name}_skip", strides=strides, activation=None)


def _projected_at_changes(inputs, filters, strides, name):
    changed = strides > 1 or inputs.shape[-1] != filters
    return _projected(inputs, filters, strides, name) if changed else inputs


def _padded(inputs, filters, strides, name):
    if strides > 1:
        # A window of one pixel: every second pixel, nothing pooled.
        inputs = layers.MaxPooling2D(1, strides, name=f"{name}_skip_pool")(inputs)
    missing = filters - inputs.shape[-1]
    return ops.pad(inputs, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2))) if missing else inputs
