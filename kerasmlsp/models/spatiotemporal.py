"""Networks for maps and graphs that change in time."""

import keras
from keras import layers, ops
from numpy.typing import ArrayLike

from kerasmlsp.layers import GraphConvolutionLSTMCell
from kerasmlsp.models import _checks, _heads, _sequences, _text


def convlstm_forecaster(
    height: int,
    width: int,
    channels: int,
    *,
    filters: tuple[int, ...] = (32, 32),
    kernel_size: int = 3,
    name: str = "convlstm_forecaster",
) -> keras.Model:
    """Builds stacked convolutional LSTMs that predict the next frame at every step.

    Reference: Hota, BITS F464 (2024), "ConvLSTM"; Shi et al. 2015, "Convolutional LSTM Network: A Machine Learning
    Approach for Precipitation Nowcasting".

    Args:
        height: Pixels of a frame.
        width: Pixels of a frame.
        channels: Channels of a pixel.
        filters: Filters of each layer.
        kernel_size: Pixels that a gate sees in each direction.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)` to `outputs` of the same shape, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = convlstm_forecaster(8, 12, 1, filters=(2,))
        >>> model.get_layer("convlstm_1").count_params()  # four gates: 4 * 2 * (9 * (1 + 2) + 1)
        224
        >>> model.output_shape
        (None, None, 8, 12, 1)
    """
    frames = _frames(height, width, channels, filters, kernel_size)
    states = _stack(frames, filters, kernel_size)
    # A kernel of one step and one pixel: a dense layer of the channels.
    outputs = layers.Conv3D(channels, 1, dtype="float32", name="outputs")(states)
    return keras.Model(frames, outputs, name=name)


def convlstm_classifier(
    height: int,
    width: int,
    channels: int,
    num_classes: int,
    *,
    filters: tuple[int, ...] = (32,),
    kernel_size: int = 3,
    dropout: float = 0.2,
    name: str = "convlstm_classifier",
) -> keras.Model:
    """Builds stacked convolutional LSTMs whose last state, averaged over its pixels, is classified.

    Reference: Hota, BITS F464 (2024), "ConvLSTM"; Shi et al. 2015, "Convolutional LSTM Network: A Machine Learning
    Approach for Precipitation Nowcasting".

    Args:
        height: Pixels of a frame.
        width: Pixels of a frame.
        channels: Channels of a pixel.
        num_classes: Number of classes, at least 2.
        filters: Filters of each layer.
        kernel_size: Pixels that a gate sees in each direction.
        dropout: Drop probability of the averages, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)`, zeros for padding on the right, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = convlstm_classifier(8, 12, 1, 3, filters=(2,))
        >>> model.output_shape, model.get_layer("probabilities").count_params()  # (2 + 1) * 3
        ((None, 3), 9)
    """
    _text.check_sizes(num_classes=num_classes)
    _checks.check_rates(dropout=dropout)
    frames = _frames(height, width, channels, filters, kernel_size)
    # Averages over pixels can be taken of all steps before the last one is chosen.
    states = ops.mean(_stack(frames, filters, kernel_size), axis=(2, 3))
    state = _sequences.at(states, _sequences.length_of(frames) - 1)
    state = layers.Dropout(dropout, name="dropout")(state)
    return keras.Model(frames, _heads.class_probabilities(state, num_classes), name=name)


def convlstm_autoencoder(
    height: int,
    width: int,
    channels: int,
    *,
    filters: tuple[int, ...] = (64, 32, 64),
    kernel_size: int = 3,
    name: str = "convlstm_autoencoder",
) -> keras.Model:
    """Builds an autoencoder of videos, which makes large errors where something is unlike what it was trained on.

    Two convolutions halve the frames twice, convolutional LSTMs of few maps pass on how they change, and two transposed
    convolutions give the frames back.

    Reference: Hota, BITS F464 (2024), "A Correlation-Based Anomaly Detection Model for Wireless Body Area Networks
    Using Convolutional Long Short-Term Memory Neural Network"; Chong and Tay 2017, "Abnormal Event Detection in Videos
    using Spatiotemporal Autoencoder".

    Args:
        height: Pixels of a frame, a multiple of 4.
        width: Pixels of a frame, a multiple of 4.
        channels: Channels of a pixel.
        filters: Filters of each convolutional LSTM; the convolutions have as many as the first.
        kernel_size: Pixels that a gate or a filter sees in each direction, at least 2.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)` to `outputs` of the same shape, float32.

    Raises:
        ValueError: A size is too small, or not a multiple of 4.

    Example:
        >>> model = convlstm_autoencoder(8, 12, 1, filters=(2,))
        >>> model.get_layer("encoder_2").output.shape, model.output_shape
        ((None, None, 2, 3, 2), (None, None, 8, 12, 1))
    """
    frames = _frames(height, width, channels, filters, kernel_size)
    for size, pixels in {"height": height, "width": width}.items():
        if pixels % 4:
            raise ValueError(f"`{size}` must be a multiple of 4. Received: {size}={pixels}")
    if kernel_size < 2:
        raise ValueError(f"`kernel_size` must be at least 2. Received: kernel_size={kernel_size}")
    # One step in time, two pixels in space: every frame by itself.
    options = {"kernel_size": (1, kernel_size, kernel_size), "strides": (1, 2, 2), "padding": "same"}
    states = frames
    for i in (1, 2):
        states = layers.Conv3D(filters[0], activation="relu", name=f"encoder_{i}", **options)(states)
    states = _stack(states, filters, kernel_size)
    states = layers.Conv3DTranspose(filters[0], activation="relu", name="decoder_1", **options)(states)
    outputs = layers.Conv3DTranspose(channels, dtype="float32", name="outputs", **options)(states)
    return keras.Model(frames, outputs, name=name)


def graph_lstm(
    adjacency: ArrayLike,
    *,
    reachability: ArrayLike | None = None,
    order: int = 3,
    name: str = "graph_lstm",
) -> keras.Model:
    """Builds the graph-convolutional LSTM that predicts the next state of a network of roads at every step.

    Reference: Hota, BITS F464 (2024), "Traffic Graph Convolutional Recurrent Neural Network"; Cui et al. 2019, "Traffic
    Graph Convolutional Recurrent Neural Network: A Deep Learning Framework for Network-Scale Traffic Learning and
    Forecasting".

    Args:
        adjacency: Array `(nodes, nodes)`; what is not 0 is an edge (`kerasmlsp.layers.GraphConvolutionLSTMCell`).
        reachability: Array `(nodes, nodes)`; what is not 0 can be reached at free flow. None for everything.
        order: Steps on the graph that a node sees, at least 1.
        name: Name of the model.

    Returns:
        A model from a `signal` `(batch, length, nodes)`, scaled into `(-1, 1)`, to `outputs` of the same shape and
        range, float32: those at step `t` are for the step `t + 1`.

    Raises:
        ValueError: `adjacency` is not square, `reachability` is of another shape, or `order` is less than 1.

    Example:
        >>> import numpy as np
        >>> road = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])  # three places in a row
        >>> graph_lstm(road, order=2).output_shape
        (None, None, 3)
    """
    cell = GraphConvolutionLSTMCell(adjacency, reachability, order, name="cell")
    signal = keras.Input((None, cell.output_size), name="signal")
    states = layers.RNN(cell, return_sequences=True, name="recurrent")(signal)
    return keras.Model(signal, layers.Identity(dtype="float32", name="outputs")(states), name=name)


def _frames(height, width, channels, filters, kernel_size):
    _checks.check_sizes(height=height, width=width, channels=channels, kernel_size=kernel_size)
    if not filters or min(filters) < 1:
        raise ValueError(f"`filters` must name at least one number above 0. Received: filters={filters}")
    return keras.Input((None, height, width, channels), name="frames")


def _stack(states, filters, kernel_size):
    for i, size in enumerate(filters, 1):
        layer = layers.ConvLSTM2D(size, kernel_size, padding="same", return_sequences=True, name=f"convlstm_{i}")
        states = layer(states)
    return states
