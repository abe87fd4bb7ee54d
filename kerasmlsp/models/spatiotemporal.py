"""Networks for maps and graphs that change in time."""

import keras
from keras import layers, ops
from numpy.typing import ArrayLike

from kerasmlsp.layers import AdaptiveGraphConvolution, FreeRunning, GraphConvolutionLSTMCell, LearnedPosition
from kerasmlsp.models import _checks, _heads, _sequences, _text


def convlstm_forecaster(
    height: int,
    width: int,
    channels: int,
    *,
    filters: tuple[int, ...] = (32, 32),
    kernel_size: int = 3,
    halvings: int = 0,
    name: str = "convlstm_forecaster",
) -> keras.Model:
    """Builds stacked convolutional LSTMs that predict the next frame at every step.

    Convolutions before them may halve the frames, and transposed ones after them double them again: the work shrinks by
    four each time.

    Reference: Hota, BITS F464 (2024), "ConvLSTM"; Shi et al. 2015, "Convolutional LSTM Network: A Machine Learning
    Approach for Precipitation Nowcasting".

    Args:
        height: Pixels of a frame, a multiple of `2 ** halvings`.
        width: Pixels of a frame, a multiple of `2 ** halvings`.
        channels: Channels of a pixel.
        filters: Filters of each layer.
        kernel_size: Pixels that a gate sees in each direction; at least 2 with halvings.
        halvings: Times that the frames are halved, at least 0.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)` to `outputs` of the same shape, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small, or not a multiple of `2 ** halvings`.

    Example:
        >>> model = convlstm_forecaster(8, 12, 1, filters=(2,))
        >>> model.get_layer("convlstm_1").count_params()  # four gates: 4 * 2 * (9 * (1 + 2) + 1)
        224
        >>> model.output_shape
        (None, None, 8, 12, 1)
    """
    frames = _frames(height, width, channels, filters, kernel_size)
    states = _stack(_halved(frames, filters[0], kernel_size, halvings), filters, kernel_size)
    for i in range(1, halvings + 1):
        options = _of_frames(kernel_size)
        states = layers.Conv3DTranspose(filters[-1], activation="relu", name=f"decoder_{i}", **options)(states)
    # A kernel of one step and one pixel: a dense layer of the channels.
    outputs = layers.Conv3D(channels, 1, dtype="float32", name="outputs")(states)
    return keras.Model(frames, outputs, name=name)


def convlstm_encoder_forecaster(
    height: int,
    width: int,
    channels: int,
    horizon: int,
    *,
    filters: tuple[int, ...] = (32, 32),
    kernel_size: int = 3,
    name: str = "convlstm_encoder_forecaster",
) -> keras.Model:
    """Builds stacked convolutional LSTMs whose states forecast several frames after the last.

    One stack reads the frames, and another, which starts with its states and is shown the last frame at every step,
    writes the forecasts.

    Reference: Hota, BITS F464 (2024), "ConvLSTM"; Shi et al. 2015, "Convolutional LSTM Network: A Machine Learning
    Approach for Precipitation Nowcasting" (the encoding-forecasting structure).

    Args:
        height: Pixels of a frame.
        width: Pixels of a frame.
        channels: Channels of a pixel.
        horizon: Frames to forecast.
        filters: Filters of each layer.
        kernel_size: Pixels that a gate sees in each direction.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)` to `outputs` `(batch, horizon, height, width,
        channels)`, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = convlstm_encoder_forecaster(1, 12, 1, horizon=3, filters=(2,))
        >>> model.output_shape
        (None, 3, 1, 12, 1)
    """
    _checks.check_sizes(horizon=horizon)
    frames = _frames(height, width, channels, filters, kernel_size)
    states, written = frames, None
    kernel = (min(kernel_size, height), min(kernel_size, width))  # more would see nothing but padding
    for i, size in enumerate(filters, 1):
        options = {"kernel_size": kernel, "padding": "same", "return_sequences": True}
        reading = layers.ConvLSTM2D(size, return_state=True, name=f"encoder_{i}", **options)
        states, *last = reading(states)
        if written is None:
            written = ops.repeat(ops.expand_dims(frames[:, -1], 1), horizon, axis=1)
        written = layers.ConvLSTM2D(size, name=f"forecaster_{i}", **options)(written, initial_state=last)
    outputs = layers.Conv3D(channels, 1, dtype="float32", name="outputs")(written)
    return keras.Model(frames, outputs, name=name)


def convlstm_classifier(
    height: int,
    width: int,
    channels: int,
    num_classes: int,
    *,
    filters: tuple[int, ...] = (32,),
    kernel_size: int = 3,
    halvings: int = 0,
    dropout: float = 0.2,
    name: str = "convlstm_classifier",
) -> keras.Model:
    """Builds stacked convolutional LSTMs whose last state, averaged over its pixels, is classified.

    Convolutions before them may halve the frames: the work shrinks by four each time.

    Reference: Hota, BITS F464 (2024), "ConvLSTM"; Shi et al. 2015, "Convolutional LSTM Network: A Machine Learning
    Approach for Precipitation Nowcasting".

    Args:
        height: Pixels of a frame, a multiple of `2 ** halvings`.
        width: Pixels of a frame, a multiple of `2 ** halvings`.
        channels: Channels of a pixel.
        num_classes: Number of classes, at least 2.
        filters: Filters of each layer.
        kernel_size: Pixels that a gate sees in each direction; at least 2 with halvings.
        halvings: Times that the frames are halved, at least 0.
        dropout: Drop probability of the averages, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)`, zeros for padding on the right, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small or not a multiple of `2 ** halvings`, or `dropout` is out of range.

    Example:
        >>> model = convlstm_classifier(8, 12, 1, 3, filters=(2,))
        >>> model.output_shape, model.get_layer("probabilities").count_params()  # (2 + 1) * 3
        ((None, 3), 9)
    """
    _text.check_sizes(num_classes=num_classes)
    _checks.check_rates(dropout=dropout)
    frames = _frames(height, width, channels, filters, kernel_size)
    # Averages over pixels can be taken of all steps before the last one is chosen.
    maps = _halved(frames, filters[0], kernel_size, halvings)
    states = ops.mean(_stack(maps, filters, kernel_size), axis=(2, 3))
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
    states = _stack(_halved(frames, filters[0], kernel_size, halvings=2), filters, kernel_size)
    options = _of_frames(kernel_size)
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


def graph_lstm_forecaster(
    adjacency: ArrayLike,
    horizon: int,
    *,
    reachability: ArrayLike | None = None,
    order: int = 3,
    name: str = "graph_lstm_forecaster",
) -> keras.Model:
    """Builds the graph-convolutional LSTM that forecasts several states of a network of roads after the last.

    It goes on from its own forecasts: each is the input of the next step.

    Reference: Hota, BITS F464 (2024), "Traffic Graph Convolutional Recurrent Neural Network"; Cui et al. 2019, "Traffic
    Graph Convolutional Recurrent Neural Network: A Deep Learning Framework for Network-Scale Traffic Learning and
    Forecasting".

    Args:
        adjacency: As of `graph_lstm`.
        horizon: Steps to forecast, at least 1.
        reachability: As of `graph_lstm`.
        order: As of `graph_lstm`.
        name: Name of the model.

    Returns:
        A model from a `signal` `(batch, length, nodes)`, scaled into `(-1, 1)`, to `outputs` `(batch, horizon, nodes)`
        of the same range, float32.

    Raises:
        ValueError: As of `graph_lstm`, or `horizon` is less than 1.

    Example:
        >>> import numpy as np
        >>> road = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])  # three places in a row
        >>> graph_lstm_forecaster(road, horizon=4, order=2).output_shape
        (None, 4, 3)
    """
    _checks.check_sizes(horizon=horizon)
    cell = GraphConvolutionLSTMCell(adjacency, reachability, order, name="cell")
    signal = keras.Input((None, cell.output_size), name="signal")
    states = FreeRunning(cell, horizon, name="recurrent")(signal)
    outputs = layers.Identity(dtype="float32", name="outputs")(states)
    return keras.Model(signal, outputs, name=name)


def graph_mlp_forecaster(
    adjacency: ArrayLike,
    length: int,
    horizon: int,
    *,
    usual_steps: int | None = None,
    features: int = 64,
    num_blocks: int = 2,
    rank: int = 10,
    dropout: float = 0.1,
    name: str = "graph_mlp_forecaster",
) -> keras.Model:
    """Builds a residual perceptron, the same for every road, that knows the road, its neighbours and its usual course.

    A road is its last steps, what is usual for these and the steps to forecast, and a learned vector. Each block adds
    what a perceptron makes of the road and its neighbours, on the graph and on one that is learned. The forecasts are
    changes since the last step.

    Reference: Hota, BITS F464 (2024), "Traffic Graph Convolutional Recurrent Neural Network"; Shao et al. 2022,
    "Spatial-Temporal Identity: A Simple yet Effective Baseline for Multivariate Time Series Forecasting"; Wu et al.
    2019, "Graph WaveNet for Deep Spatial-Temporal Graph Modeling" (the learned graph).

    Args:
        adjacency: Array `(nodes, nodes)`, at least 0: what a row gets from a column.
        length: Steps that are seen, at least 1.
        horizon: Steps to forecast, at least 1.
        usual_steps: Numbers that tell the usual course of a road, at least 1; by default `length + horizon`.
        features: Features of a road, at least 1.
        num_blocks: Residual blocks, at least 1.
        rank: Rank of the learned graph, at least 1.
        dropout: Drop probability inside the blocks, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from `signal` `(batch, length, nodes)` and `usual` `(batch, usual_steps, nodes)`, for example of
        `kerasmlsp.layers.SimilarDays`, both standardised, to `outputs` `(batch, horizon, nodes)`, float32.

    Raises:
        ValueError: A size is too small, `dropout` is out of range, or `adjacency` is not square or below 0.

    Example:
        >>> import numpy as np
        >>> model = graph_mlp_forecaster(np.ones((3, 3)), length=12, horizon=4, features=8)
        >>> model.output_shape
        (None, 4, 3)
    """
    usual_steps = length + horizon if usual_steps is None else usual_steps
    sizes = {"length": length, "horizon": horizon, "usual_steps": usual_steps, "features": features}
    _checks.check_sizes(**sizes, num_blocks=num_blocks)
    _checks.check_rates(dropout=dropout)
    nodes = len(adjacency)  # type: ignore[arg-type]
    signal = keras.Input((length, nodes), name="signal")
    usual = keras.Input((usual_steps, nodes), name="usual")
    seen = ops.transpose(ops.concatenate([signal, usual], axis=1), (0, 2, 1))
    states = LearnedPosition(nodes, name="roads")(layers.Dense(features, name="seen")(seen))
    for i in range(1, num_blocks + 1):
        states = states + _graph_block(states, adjacency, rank, features, dropout, i)
    # At the start, nearly nothing changes.
    small = keras.initializers.RandomNormal(stddev=0.01)
    change = layers.Dense(horizon, kernel_initializer=small, name="change")(states)
    straight = layers.Dense(horizon, use_bias=False, kernel_initializer="zeros", name="straight")(seen)
    outputs = ops.transpose(change + straight, (0, 2, 1)) + signal[:, -1:]
    outputs = layers.Identity(dtype="float32", name="outputs")(outputs)
    return keras.Model({"signal": signal, "usual": usual}, outputs, name=name)


def _graph_block(states, adjacency, rank, features, dropout, i):
    states = layers.LayerNormalization(name=f"normalization_{i}")(states)
    states = AdaptiveGraphConvolution(adjacency, rank, name=f"graph_{i}")(states)
    states = layers.Dense(features, activation="gelu", name=f"hidden_{i}")(states)
    states = layers.Dropout(dropout, name=f"dropout_{i}")(states)
    return layers.Dense(features, name=f"block_{i}")(states)


def _frames(height, width, channels, filters, kernel_size):
    _checks.check_sizes(height=height, width=width, channels=channels, kernel_size=kernel_size)
    if not filters or min(filters) < 1:
        raise ValueError(f"`filters` must name at least one number above 0. Received: filters={filters}")
    return keras.Input((None, height, width, channels), name="frames")


def _halved(frames, filters, kernel_size, halvings):
    """Frames, each by itself, after so many convolutions that halve them."""
    if halvings < 0:
        raise ValueError(f"`halvings` must be at least 0. Received: halvings={halvings}")
    for size, pixels in zip(("height", "width"), frames.shape[2:], strict=False):
        if pixels % 2**halvings:
            raise ValueError(f"`{size}` must be a multiple of {2**halvings}. Received: {size}={pixels}")
    if halvings and kernel_size < 2:
        raise ValueError(f"`kernel_size` must be at least 2. Received: kernel_size={kernel_size}")
    for i in range(1, halvings + 1):
        frames = layers.Conv3D(filters, activation="relu", name=f"encoder_{i}", **_of_frames(kernel_size))(frames)
    return frames


def _of_frames(kernel_size):
    """One step in time, two pixels in space: every frame by itself."""
    return {"kernel_size": (1, kernel_size, kernel_size), "strides": (1, 2, 2), "padding": "same"}


def _stack(states, filters, kernel_size):
    for i, size in enumerate(filters, 1):
        layer = layers.ConvLSTM2D(size, kernel_size, padding="same", return_sequences=True, name=f"convlstm_{i}")
        states = layer(states)
    return states
