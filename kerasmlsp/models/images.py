"""The first convolutional networks for images, and fixed filters."""

import keras
import numpy as np
from keras import layers

from kerasmlsp.models import _checks, _heads, _images

FILTERS = {
    "identity": np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    "diagonal_edges": np.array([[1, 0, -1], [0, 0, 0], [-1, 0, 1]]),
    "laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
    "edges": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "box_blur": np.ones((3, 3)) / 9,
    "gaussian_blur": np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,
    "horizontal_sobel": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "vertical_sobel": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
}


def lenet5(num_classes: int, *, input_shape: tuple[int, int, int] = (32, 32, 1), name: str = "lenet5") -> keras.Model:
    """Builds LeNet-5: two convolutions with average pooling, and three dense layers, all with tanh.

    With 10 classes and 32x32x1 images it has 61,706 parameters. The second convolution sees all maps of the first, and
    the classes are a softmax, where the paper has a table of connections and radial basis functions.

    Reference: Pilanci, EE269 lecture 16 (2020), "A Full Convolutional Neural Network (LeNet)"; Hota, BITS F464 (2024),
    "Mini-Project on hand gesture recognition using CNNs"; LeCun et al. 1998, "Gradient-Based Learning Applied to
    Document Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 16, and channels.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = lenet5(10)
        >>> model.get_layer("pool_2").output.shape  # 32 - 4 = 28, halved to 14; 14 - 4 = 10, halved to 5
        (None, 5, 5, 16)
        >>> model.count_params()
        61706
    """
    _checks.check_sizes(2, num_classes=num_classes)
    images = _images.images(input_shape, 16)
    maps = layers.Conv2D(6, 5, activation="tanh", name="conv_1")(images)
    maps = layers.AveragePooling2D(2, name="pool_1")(maps)
    maps = layers.Conv2D(16, 5, activation="tanh", name="conv_2")(maps)
    maps = layers.AveragePooling2D(2, name="pool_2")(maps)
    features = layers.Flatten(name="flat")(maps)
    features = layers.Dense(120, activation="tanh", name="dense_1")(features)
    features = layers.Dense(84, activation="tanh", name="dense_2")(features)
    return keras.Model(images, _heads.class_probabilities(features, num_classes), name=name)


def alexnet(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (227, 227, 3),
    filters: tuple[int, int, int, int, int] = (96, 256, 384, 384, 256),
    units: int = 4096,
    dropout: float = 0.5,
    name: str = "alexnet",
) -> keras.Model:
    """Builds AlexNet as one tower: five convolutions, overlapping pooling, and two dense layers with dropout.

    With 1000 classes it has 62,378,344 parameters. The paper's two groups of filters were for two small GPUs, and its
    local response normalisation was found of no use later (Simonyan and Zisserman 2014); both are left out.

    Reference: Pilanci, EE269 lecture 16 (2020), "Alexnet"; Krizhevsky, Sutskever and Hinton 2012, "ImageNet
    Classification with Deep Convolutional Neural Networks"; Krizhevsky 2014, "One weird trick for parallelizing
    convolutional neural networks".

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 67, and channels.
        filters: Filters of the five convolutions.
        units: Units of both dense layers.
        dropout: Drop probability before each dense layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = alexnet(10, filters=(4, 8, 8, 8, 4), units=16)
        >>> model.get_layer("conv_1").output.shape  # (227 - 11) / 4 + 1 = 55
        (None, 55, 55, 4)
        >>> model.get_layer("flat").output.shape  # 6 * 6 * 4
        (None, 144)
    """
    images = _images.images(input_shape, 67)
    return _alexnet(images, num_classes, filters, units, dropout, name, size=11, strides=4, padding="valid")


def small_alexnet(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    filters: tuple[int, int, int, int, int] = (64, 128, 192, 192, 128),
    units: int = 512,
    dropout: float = 0.5,
    name: str = "small_alexnet",
) -> keras.Model:
    """Builds AlexNet for small images: the first convolution is 5x5 and looks at every pixel.

    Reference: as of `alexnet`; the sizes are of this package.

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 15, and channels.
        filters: Filters of the five convolutions.
        units: Units of both dense layers.
        dropout: Drop probability before each dense layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = small_alexnet(10, filters=(4, 8, 8, 8, 4), units=16)
        >>> [model.get_layer(f"pool_{i}").output.shape for i in (1, 2, 3)]
        [(None, 15, 15, 4), (None, 7, 7, 8), (None, 3, 3, 4)]
    """
    images = _images.images(input_shape, 15)
    return _alexnet(images, num_classes, filters, units, dropout, name, size=5, strides=1, padding="same")


def filter_bank(*, input_shape: tuple[int, int, int] = (64, 64, 1), name: str = "filter_bank") -> keras.Model:
    """Builds the lecture's nine 3x3 filters as one depthwise convolution that is not trained.

    In this order: identity; three edge detectors (diagonal, Laplacian of four and of eight neighbours); sharpen; box
    blur; Gaussian blur; horizontal and vertical Sobel, which are the derivatives to the right and downwards. Each
    filter is laid over the image as it is written, without being turned round (cross-correlation), and the image is
    continued by zeros.

    Reference: Pilanci, EE269 lecture 16 (2020), "2D Convolution"; Hota, BITS F464 (2024), "CNN: Convolution Layer".

    Args:
        input_shape: Height and width of at least 3, and channels.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` to `responses` `(batch, height, width, 9 * channels)`,
        float32: the nine of the first channel, of the second, and so on.

    Raises:
        ValueError: `input_shape` is too small.

    Example:
        >>> import numpy as np
        >>> ramp = np.tile([0.0, 1.0, 2.0], (3, 1))[None, :, :, None]  # brighter to the right
        >>> responses = filter_bank(input_shape=(3, 3, 1))(ramp)
        >>> [float(response) for response in responses[0, 1, 1, -2:]]  # both Sobel filters in the middle
        [8.0, 0.0]
    """
    images = _images.images(input_shape, 3)
    kernel = np.repeat(np.stack(list(FILTERS.values()), axis=-1)[:, :, None], input_shape[2], axis=2)
    responses = layers.DepthwiseConv2D(
        3,
        padding="same",
        depth_multiplier=len(FILTERS),
        use_bias=False,
        depthwise_initializer=keras.initializers.Constant(kernel.astype("float32")),
        trainable=False,
        dtype="float32",
        name="responses",
    )(images)
    return keras.Model(images, responses, name=name)


def _alexnet(images, num_classes, filters, units, dropout, name, **first):
    _checks.check_sizes(2, num_classes=num_classes)
    _checks.check_sizes(units=units)
    _checks.check_rates(dropout=dropout)
    if len(filters) != 5 or min(filters) < 1:
        raise ValueError(f"`filters` must be five numbers of at least 1. Received: filters={tuple(filters)}")
    maps = _convolution(images, filters[0], 1, **first)
    maps = layers.MaxPooling2D(3, 2, name="pool_1")(maps)
    maps = _convolution(maps, filters[1], 2, size=5)
    maps = layers.MaxPooling2D(3, 2, name="pool_2")(maps)
    for number in (3, 4, 5):
        maps = _convolution(maps, filters[number - 1], number)
    maps = layers.MaxPooling2D(3, 2, name="pool_3")(maps)
    features = layers.Flatten(name="flat")(maps)
    for number in (1, 2):
        features = layers.Dropout(dropout, name=f"dropout_{number}")(features)
        features = layers.Dense(units, "relu", kernel_initializer="he_normal", name=f"dense_{number}")(features)
    return keras.Model(images, _heads.class_probabilities(features, num_classes), name=name)


def _convolution(maps, filters, number, *, size=3, strides=1, padding="same"):
    return layers.Conv2D(
        filters,
        size,
        strides,
        padding=padding,
        activation="relu",
        kernel_initializer="he_normal",
        name=f"conv_{number}",
    )(maps)
