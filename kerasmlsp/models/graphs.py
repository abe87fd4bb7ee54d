"""Forecasts of signals on the nodes of a graph, such as speeds on a network of roads."""

import keras
from keras import layers, ops
from numpy.typing import ArrayLike

from kerasmlsp.layers import AdaptiveGraphConvolution, FreeRunning, GraphConvolutionLSTMCell, LearnedPosition
from kerasmlsp.models import _checks


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
