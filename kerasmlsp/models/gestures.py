"""Networks for hand gestures: photographs, landmarks of one hand, and the path of a point over time."""

import keras
from keras import layers, ops

from kerasmlsp.models import _checks, _heads, _images


def gesture_resnet(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (64, 64, 3),
    width: int = 24,
    num_stages: int = 4,
    dropout: float = 0.3,
    name: str = "gesture_resnet",
) -> keras.Model:
    """Builds a small residual network for pictures of hands: a stem that halves the image, and one block a stage.

    A block is two 3x3 convolutions with batch normalisation. Where it halves the maps and doubles the filters, its skip
    connection is the mean over 2x2 pixels and a 1x1 convolution. With the default sizes and 10 classes it has 694,642
    parameters.

    Reference: Hota, BITS F464 (2024), "Mini-Project on hand gesture recognition using CNNs"; Sri Rama Murty, (Deep)
    Neural Networks (2021), "Residual Networks (ResNet)"; He et al. 2016, "Deep Residual Learning for Image
    Recognition"; He et al. 2019, "Bag of Tricks for Image Classification with Convolutional Neural Networks" (the skip
    connection).

    Args:
        num_classes: Number of classes, at least 2.
        input_shape: Height and width of at least 8, and channels.
        width: Filters of the first stage, at least 1; each stage after has twice as many.
        num_stages: Stages, at least 1.
        dropout: Drop probability of the pooled features, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values from 0 to 255 to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = gesture_resnet(10, width=4, num_stages=2)
        >>> [model.get_layer(f"stage_{i}_relu").output.shape for i in (1, 2)]  # of 64 x 64 pixels
        [(None, 32, 32, 4), (None, 16, 16, 8)]
    """
    _checks.check_sizes(2, num_classes=num_classes)
    _checks.check_sizes(width=width, num_stages=num_stages)
    _checks.check_rates(dropout=dropout)
    images = _images.images(input_shape, 8)
    # In float32, since half precision would round the pixels.
    maps = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="scaled")(images)
    maps = _images.convolution(maps, width, 3, "stem", strides=2)
    for stage in range(num_stages):
        maps = _block(maps, width * 2**stage, 2 if stage else 1, f"stage_{stage + 1}")
    features = layers.GlobalAveragePooling2D(name="pooled")(maps)
    features = layers.Dropout(dropout, name="dropout")(features)
    return keras.Model(images, _heads.class_probabilities(features, num_classes), name=name)


def _block(inputs, filters, strides, name):
    maps = _images.convolution(inputs, filters, 3, f"{name}_1", strides=strides)
    maps = _images.convolution(maps, filters, 3, f"{name}_2", activation=None)
    skip = inputs
    if strides > 1:
        skip = layers.AveragePooling2D(2, padding="same", name=f"{name}_skip_pool")(skip)
        skip = _images.convolution(skip, filters, 1, f"{name}_skip", activation=None)
    maps = layers.Add(name=f"{name}_add")([maps, skip])
    return layers.Activation("relu", name=f"{name}_relu")(maps)


def landmark_mlp(
    num_classes: int,
    *,
    num_landmarks: int = 21,
    hidden_units: tuple[int, ...] = (64, 32),
    dropout: float = 0.2,
    name: str = "landmark_mlp",
) -> keras.Model:
    """Builds a multilayer network on the landmarks of one hand, wherever and however large the hand is.

    The first landmark, the wrist, is subtracted from all, and they are divided by the largest absolute coordinate.

    Reference: Hota, BITS F464 (2024), "Mini-Project on hand gesture recognition using CNNs"; Sri Rama Murty, (Deep)
    Neural Networks (2021), "2-Layer Feed Forward Network"; Zhang et al. 2020, "MediaPipe Hands: On-device Real-time
    Hand Tracking" (the landmarks).

    Args:
        num_classes: Number of classes, at least 2.
        num_landmarks: Landmarks, at least 2; of MediaPipe 21.
        hidden_units: Units of each hidden layer, at least 1 each.
        dropout: Drop probability of the hidden units, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from landmarks `(batch, num_landmarks, 2)`, x and y in any unit, to class probabilities `(batch,
        num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> import numpy as np
        >>> hand = np.array([[[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]]])
        >>> model = landmark_mlp(4, num_landmarks=3, hidden_units=(8,))
        >>> change = model(hand) - model(10.0 * hand + 5.0)  # moved, and larger
        >>> round(float(abs(np.asarray(change)).max()), 4)
        0.0
    """
    _checks.check_sizes(2, num_classes=num_classes)
    _checks.check_rates(dropout=dropout)
    if num_landmarks < 2:
        raise ValueError(f"`num_landmarks` must be at least 2. Received: num_landmarks={num_landmarks}")
    if not hidden_units or min(hidden_units) < 1:
        raise ValueError(f"`hidden_units` must be at least one size of at least 1. Received: {hidden_units}")
    landmarks = keras.Input((num_landmarks, 2), name="landmarks")
    centred = landmarks - landmarks[:, :1]
    largest = ops.max(ops.abs(centred), axis=(1, 2), keepdims=True)
    states = layers.Flatten(name="flat")(centred / ops.maximum(largest, 1e-6))
    for number, units in enumerate(hidden_units, 1):
        states = layers.Dense(units, activation="relu", name=f"hidden_{number}")(states)
        states = layers.Dropout(dropout, name=f"dropout_{number}")(states)
    return keras.Model(landmarks, _heads.class_probabilities(states, num_classes), name=name)


def path_gru(
    num_classes: int,
    *,
    num_steps: int = 16,
    units: int = 32,
    dropout: float = 0.2,
    name: str = "path_gru",
) -> keras.Model:
    """Builds a GRU over the path of a point, such as a finger tip, for gestures that are movements.

    It sees at every step where the point is from its start and how far it has moved, times ten, which brings shares of
    a picture near 1. Not made independent of size: a movement differs from rest in nothing else.

    Reference: Hota, BITS F464 (2024), "RNN Architectures"; Cho et al. 2014, "Learning Phrase Representations using RNN
    Encoder-Decoder for Statistical Machine Translation".

    Args:
        num_classes: Number of classes, at least 2.
        num_steps: Steps of a path, at least 2.
        units: Size of the GRU's state, at least 1.
        dropout: Drop probability of the pooled states, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from paths `(batch, num_steps, 2)`, x and y as shares of the picture's width and height, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = path_gru(3, units=8)
        >>> model.get_layer("pooled").output.shape  # the mean and the largest of eight
        (None, 16)
    """
    path, steps = _path(num_classes, num_steps, dropout)
    _checks.check_sizes(units=units)
    states = layers.GRU(units, return_sequences=True, name="gru")(steps)
    return keras.Model(path, _pooled(states, num_classes, dropout), name=name)


def path_cnn(
    num_classes: int,
    *,
    num_steps: int = 16,
    filters: int = 32,
    kernel_size: int = 3,
    dropout: float = 0.2,
    name: str = "path_cnn",
) -> keras.Model:
    """Builds two convolutions over the path of a point, such as a finger tip, for gestures that are movements.

    It sees what `path_gru` sees.

    Reference: Pilanci, EE269 lecture 16 (2020), "1D Convolutional Nets".

    Args:
        num_classes: Number of classes, at least 2.
        num_steps: Steps of a path, at least 2.
        filters: Filters of each convolution, at least 1.
        kernel_size: Steps that a convolution sees, at least 1.
        dropout: Drop probability of the pooled features, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from paths `(batch, num_steps, 2)`, x and y as shares of the picture's width and height, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = path_cnn(3, filters=8)
        >>> model.count_params()  # (3 * 4 + 1) * 8, (3 * 8 + 1) * 8, (16 + 1) * 3
        355
    """
    path, steps = _path(num_classes, num_steps, dropout)
    _checks.check_sizes(filters=filters, kernel_size=kernel_size)
    for number in (1, 2):
        steps = layers.Conv1D(filters, kernel_size, padding="same", activation="relu", name=f"conv_{number}")(steps)
    return keras.Model(path, _pooled(steps, num_classes, dropout), name=name)


def _path(num_classes, num_steps, dropout):
    """The input, and position and movement at every step."""
    _checks.check_sizes(2, num_classes=num_classes)
    _checks.check_rates(dropout=dropout)
    if num_steps < 2:
        raise ValueError(f"`num_steps` must be at least 2. Received: num_steps={num_steps}")
    path = keras.Input((num_steps, 2), name="path")
    moved = ops.pad(path[:, 1:] - path[:, :-1], ((0, 0), (1, 0), (0, 0)))
    return path, ops.concatenate([path - path[:, :1], moved], axis=-1) * 10.0


def _pooled(states, num_classes, dropout):
    """The mean and the largest of every feature over time, classified."""
    pooled = [layers.GlobalAveragePooling1D(name="mean")(states), layers.GlobalMaxPooling1D(name="largest")(states)]
    features = layers.Dropout(dropout, name="dropout")(layers.Concatenate(name="pooled")(pooled))
    return _heads.class_probabilities(features, num_classes)
