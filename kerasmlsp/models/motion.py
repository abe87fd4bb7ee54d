"""Networks on windows of motion sensors."""

import keras
from keras import layers

from kerasmlsp.layers import LSTM
from kerasmlsp.models._checks import check_rates, check_sizes
from kerasmlsp.models._heads import class_probabilities


def motion_dense(
    num_steps: int = 80,
    num_channels: int = 3,
    num_classes: int = 6,
    *,
    units: int = 100,
    num_layers: int = 3,
    name: str = "motion_dense",
) -> keras.Model:
    """Builds the lecture's dense network: the same layers at every step, then a softmax over all steps together.

    With the sizes of the lecture, 80 steps of a three-axis accelerometer and six activities, it has four dense layers
    and 68,606 parameters.

    Reference: Pilanci, EE269 lecture 16 (2020), "Signals and Dense Neural Nets" and "Activity Recognition
    Performance"; Ackermann 2018, "Human Activity Recognition (HAR) Tutorial with Keras and Core ML".

    Args:
        num_steps: Samples of a window, at least 1.
        num_channels: Axes of the sensors, at least 1.
        num_classes: Number of classes, at least 2.
        units: Units of a hidden layer, at least 1.
        num_layers: Hidden layers, at least 1.
        name: Name of the model.

    Returns:
        A model from windows `(batch, num_steps, num_channels)` to class probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> motion_dense().count_params()  # (3 + 1) * 100, twice (100 + 1) * 100, (80 * 100 + 1) * 6
        68606
    """
    check_sizes(num_steps=num_steps, num_channels=num_channels, units=units, num_layers=num_layers)
    check_sizes(2, num_classes=num_classes)
    window = keras.Input((num_steps, num_channels), name="window")
    states = window
    for index in range(num_layers):
        states = layers.Dense(units, activation="relu", name=f"hidden_{index}")(states)
    states = layers.Flatten(name="flatten")(states)
    return keras.Model(window, class_probabilities(states, num_classes), name=name)


def motion_cnn(
    num_steps: int = 80,
    num_channels: int = 3,
    num_classes: int = 6,
    *,
    filters: tuple[int, int] = (100, 160),
    kernel_size: int = 10,
    pool_size: int = 3,
    dropout: float = 0.5,
    name: str = "motion_cnn",
) -> keras.Model:
    """Builds the lecture's convolutional network over time.

    Two convolutions, max pooling, two convolutions, the mean over time, dropout, softmax. With the sizes of the lecture
    it has 520,486 parameters.

    Reference: Pilanci, EE269 lecture 16 (2020), "1D Convolutional Nets"; Ackermann 2018, "Introduction to 1D
    Convolutional Neural Networks in Keras for Time Sequences".

    Args:
        num_steps: Samples of a window; enough for the convolutions, which do not pad: 75 at the default sizes.
        num_channels: Axes of the sensors, at least 1.
        num_classes: Number of classes, at least 2.
        filters: Filters of the convolutions before and after the pooling, at least 1 each.
        kernel_size: Steps that a convolution sees, at least 1.
        pool_size: Steps that are pooled into one, at least 1.
        dropout: Drop probability of the pooled features, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from windows `(batch, num_steps, num_channels)` to class probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or a rate out of range.

    Example:
        >>> model = motion_cnn()
        >>> [model.get_layer(name).output.shape[1] for name in ("before_1", "pooling", "after_1")]  # 80 - 2 * 9 = 62
        [62, 20, 2]
        >>> model.count_params()
        520486
    """
    check_sizes(num_channels=num_channels, kernel_size=kernel_size, pool_size=pool_size)
    check_sizes(2, num_classes=num_classes)
    check_rates(dropout=dropout)
    if len(filters) != 2 or min(filters) < 1:
        raise ValueError(f"`filters` must be two numbers of at least 1. Received: filters={filters}")
    # After the pooling, two convolutions must find a step.
    least = (2 * (kernel_size - 1) + 1) * pool_size + 2 * (kernel_size - 1)
    if num_steps < least:
        raise ValueError(f"`num_steps` must be at least {least} for these sizes. Received: num_steps={num_steps}")
    window = keras.Input((num_steps, num_channels), name="window")
    states = _convolutions(window, filters[0], kernel_size, "before")
    states = layers.MaxPooling1D(pool_size, name="pooling")(states)
    states = _convolutions(states, filters[1], kernel_size, "after")
    states = layers.GlobalAveragePooling1D(name="time_mean")(states)
    states = layers.Dropout(dropout, name="dropout")(states)
    return keras.Model(window, class_probabilities(states, num_classes), name=name)


def _convolutions(states, filters, kernel_size, name):
    for index in range(2):
        states = layers.Conv1D(filters, kernel_size, activation="relu", name=f"{name}_{index}")(states)
    return states


def deep_conv_lstm(
    num_steps: int = 50,
    num_channels: int = 6,
    num_classes: int = 5,
    *,
    filters: int = 64,
    num_convolutions: int = 4,
    kernel_size: int = 5,
    units: int = 128,
    dropout: float = 0.5,
    name: str = "deep_conv_lstm",
) -> keras.Model:
    """Builds DeepConvLSTM: convolutions over time in each channel by itself, then two LSTMs over all of them.

    Reference: Ordóñez and Roggen 2016, "Deep Convolutional and LSTM Recurrent Neural Networks for Multimodal Wearable
    Activity Recognition".

    Args:
        num_steps: Samples of a window, more than the convolutions take away, which do not pad.
        num_channels: Axes of the sensors, at least 1.
        num_classes: Number of classes, at least 2.
        filters: Features of a channel, at least 1.
        num_convolutions: Convolutions, at least 1.
        kernel_size: Samples that a convolution sees, at least 1.
        units: Size of the state of an LSTM, at least 1.
        dropout: Drop probability before each LSTM, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from windows `(batch, num_steps, num_channels)` to class probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = deep_conv_lstm()
        >>> model.get_layer("features").output.shape  # 50 - 4 * (5 - 1) steps, 64 features of 6 channels
        (None, 34, 384)
    """
    check_sizes(num_channels=num_channels, filters=filters, num_convolutions=num_convolutions)
    check_sizes(kernel_size=kernel_size, units=units)
    check_sizes(2, num_classes=num_classes)
    check_rates(dropout=dropout)
    left = num_steps - num_convolutions * (kernel_size - 1)
    if left < 1:
        least = num_steps - left + 1
        raise ValueError(f"`num_steps` must be at least {least} for these sizes. Received: num_steps={num_steps}")
    window = keras.Input((num_steps, num_channels), name="window")
    states = layers.Reshape((num_steps, num_channels, 1), name="channels")(window)
    for index in range(num_convolutions):
        states = layers.Conv2D(filters, (kernel_size, 1), activation="relu", name=f"convolution_{index}")(states)
    states = layers.Reshape((left, num_channels * filters), name="features")(states)
    for index in range(2):
        states = layers.Dropout(dropout, name=f"dropout_{index}")(states)
        states = LSTM(units, return_sequences=index == 0, name=f"lstm_{index}")(states)
    return keras.Model(window, class_probabilities(states, num_classes), name=name)


def motion_tcn(
    num_channels: int = 6,
    num_classes: int = 5,
    *,
    filters: int = 48,
    num_blocks: int = 4,
    kernel_size: int = 5,
    dropout: float = 0.3,
    name: str = "motion_tcn",
) -> keras.Model:
    """Builds a temporal convolutional network that classifies every sample from those before and after it.

    Block `i`, from 0, adds to its input a convolution dilated by `2 ** i` and a dense layer, on normalised features; a
    sample sees `(kernel_size - 1) * 2 ** num_blocks` others, half of them before it.

    Reference: Lea et al. 2017, "Temporal Convolutional Networks for Action Segmentation and Detection"; Bai, Kolter and
    Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence Modeling"
    (residual blocks).

    Args:
        num_channels: Axes of the sensors, at least 1.
        num_classes: Number of classes, at least 2.
        filters: Features of a sample, at least 1.
        num_blocks: Residual blocks, at least 1.
        kernel_size: Samples that a convolution sees, at least 1.
        dropout: Drop probability of a feature, in a block for all samples together, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from a `signal` `(batch, any length, num_channels)` to class probabilities of its samples
        `(batch, length, num_classes)`.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = motion_tcn(num_channels=3, num_classes=4, filters=8, num_blocks=2)
        >>> model.output_shape
        (None, None, 4)
    """
    check_sizes(num_channels=num_channels, filters=filters, num_blocks=num_blocks, kernel_size=kernel_size)
    check_sizes(2, num_classes=num_classes)
    check_rates(dropout=dropout)
    signal = keras.Input((None, num_channels), name="signal")
    states = layers.Conv1D(filters, kernel_size, padding="same", name="beginning")(signal)
    for index in range(num_blocks):
        states = _residual(states, filters, kernel_size, 2**index, dropout, f"block_{index}")
    states = layers.LayerNormalization(name="normalized")(states)
    states = layers.Dropout(dropout, name="dropout")(states)
    return keras.Model(signal, class_probabilities(states, num_classes), name=name)


def _residual(states, filters, kernel_size, dilation, dropout, name):
    inner = layers.LayerNormalization(name=f"{name}_normalized")(states)
    inner = layers.Conv1D(
        filters, kernel_size, padding="same", dilation_rate=dilation, activation="relu", name=f"{name}_convolution"
    )(inner)
    inner = layers.SpatialDropout1D(dropout, name=f"{name}_dropout")(inner)
    return layers.Add(name=name)([states, layers.Dense(filters, name=f"{name}_mixed")(inner)])
