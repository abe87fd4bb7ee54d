"""Layers over the nodes of a graph."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike


@keras.saving.register_keras_serializable("kerasmlsp")
class GraphConvolutionLSTMCell(keras.layers.Layer):
    """An LSTM's cell of one state per node, which sees the nodes within a few steps of each other on a graph.

    `A_k` is 1 where a node can be reached in at most `k` steps, itself included: the `k`-th power of adjacency plus
    identity, clamped to 1. With the reachability `R`, and elementwise products by `*`, the graph convolution of the
    input `x` is the features `g_k = (W_k * A_k * R) x` for `k = 1 ... order`, side by side. Gates and candidate are
    those of an LSTM that sees `g` and the output of the step before, and the state that the forget gate keeps has first
    been weighed over the neighbourhood:

        c = f * ((W_c * A_order * R) c') + i * tanh(...)      h = o * tanh(c)

    Reference: Hota, BITS F464 (2024), "Traffic Graph Convolutional Recurrent Neural Network"; Cui et al. 2019, "Traffic
    Graph Convolutional Recurrent Neural Network: A Deep Learning Framework for Network-Scale Traffic Learning and
    Forecasting".

    Args:
        adjacency: `(nodes, nodes)`: what is not 0 is an edge, from the column to the row.
        reachability: `(nodes, nodes)`: what is not 0 can be reached at free flow, that is where the distance is at most
            the free-flow speed times the duration of a few steps. None for everything.
        order: Highest power, at least 1.

    Call arguments:
        inputs: `(batch, nodes)`.
        states: `h'` and `c'`, `(batch, nodes)` each.

    Returns:
        `h`, `(batch, nodes)`, and the list of new states.

    Raises:
        ValueError: `adjacency` is not square, `reachability` or the inputs are of another size, or `order` is less than
            1.

    Example:
        >>> cell = GraphConvolutionLSTMCell([[0, 1, 0], [1, 0, 1], [0, 1, 0]], order=2)
        >>> tuple(keras.layers.RNN(cell)(keras.ops.ones((1, 5, 3))).shape)  # five steps of three nodes
        (1, 3)
    """

    def __init__(self, adjacency: ArrayLike, reachability: ArrayLike | None = None, order: int = 3, **kwargs: Any):
        super().__init__(**kwargs)
        edges = np.asarray(adjacency) != 0
        if edges.ndim != 2 or edges.shape[0] != edges.shape[1]:
            raise ValueError(f"`adjacency` must be square. Received: adjacency of shape {edges.shape}")
        reached = np.ones_like(edges) if reachability is None else np.asarray(reachability) != 0
        if reached.shape != edges.shape:
            raise ValueError(f"`reachability` must have the shape {edges.shape}. Received: shape {reached.shape}")
        if order < 1:
            raise ValueError(f"`order` must be at least 1. Received: order={order}")
        self.adjacency, self.order = edges.astype(int).tolist(), order
        self.reachability = None if reachability is None else reached.astype(int).tolist()
        self.state_size, self.output_size = [len(edges)] * 2, len(edges)
        self.masks = [mask * reached for mask in neighbourhoods(edges, order)]

    def build(self, inputs_shape):
        nodes = self.output_size
        if inputs_shape[-1] != nodes:
            raise ValueError(f"The inputs must be of the {nodes} nodes of `adjacency`. Received: shape {inputs_shape}")
        # A column says what a node gives, as in a dense layer; the masks are laid over once, not at every step.
        self.graph_kernel = self.add_weight(name="graph_kernel", shape=(nodes, self.order * nodes))
        self.state_kernel = self.add_weight(name="state_kernel", shape=(nodes, nodes))
        self.kernel = self.add_weight(name="kernel", shape=(self.order * nodes, 4 * nodes))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(nodes, 4 * nodes), initializer="orthogonal"
        )
        # The forget gates start open.
        bias = keras.initializers.Constant(np.repeat([0.0, 1.0, 0.0, 0.0], nodes))
        self.bias = self.add_weight(name="bias", shape=(4 * nodes,), initializer=bias)

    def call(self, inputs, states):
        before, memory = states
        graph = self.graph_kernel * ops.convert_to_tensor(np.concatenate(self.masks, 0).T, self.compute_dtype)
        seen = ops.matmul(inputs, graph)
        sums = ops.matmul(seen, self.kernel) + ops.matmul(before, self.recurrent_kernel) + self.bias
        entry, forget, candidate, output = ops.split(sums, 4, axis=-1)
        kept = ops.matmul(memory, self.state_kernel * ops.convert_to_tensor(self.masks[-1].T, self.compute_dtype))
        memory = ops.sigmoid(forget) * kept + ops.sigmoid(entry) * ops.tanh(candidate)
        outputs = ops.sigmoid(output) * ops.tanh(memory)
        return outputs, [outputs, memory]

    def compute_output_shape(self, inputs_shape, states_shape=None):
        return tuple(inputs_shape), [tuple(inputs_shape)] * 2

    def get_config(self):
        own = {"adjacency": self.adjacency, "reachability": self.reachability, "order": self.order}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kerasmlsp")
class AdaptiveGraphConvolution(keras.layers.Layer):
    """Puts beside the features of each node those of its neighbours: by a known graph, and by one that is learned.

    With `W` the known weights without those of a node to itself, scaled so that rows have the sum 1, and
    `L = softmax(relu(E F))`, `E (nodes, rank)` and `F (rank, nodes)` learned, the features of all nodes `x` become
    `x`, `W x` and `L x`, side by side.

    Reference: Hota, BITS F464 (2024), "Traffic Graph Convolutional Recurrent Neural Network"; Wu et al. 2019, "Graph
    WaveNet for Deep Spatial-Temporal Graph Modeling".

    Args:
        adjacency: `(nodes, nodes)`, at least 0: what the row gets from the column.
        rank: Rank of the learned graph before its softmax, at least 1.

    Call arguments:
        inputs: `(batch, nodes, features)`.

    Returns:
        `(batch, nodes, 3 * features)`.

    Raises:
        ValueError: `adjacency` is not square or has weights below 0, or `rank` is less than 1.

    Example:
        >>> layer = AdaptiveGraphConvolution([[0, 1, 0], [1, 0, 1], [0, 1, 0]], rank=2)
        >>> outputs = layer(keras.ops.array([[[0.0], [1.0], [2.0]]]))
        >>> keras.ops.convert_to_numpy(outputs)[0, :, 1].tolist()  # means of the neighbours
        [1.0, 1.0, 1.0]
    """

    def __init__(self, adjacency: ArrayLike, rank: int = 10, **kwargs: Any):
        super().__init__(**kwargs)
        weights = np.array(adjacency, "float32")
        if weights.ndim != 2 or weights.shape[0] != weights.shape[1] or (weights < 0).any():
            raise ValueError(
                f"`adjacency` must be square and at least 0. Received: shape {weights.shape}, least "
                f"{weights.min(initial=0):g}"
            )
        if rank < 1:
            raise ValueError(f"`rank` must be at least 1. Received: rank={rank}")
        self.adjacency, self.rank = weights.tolist(), rank
        np.fill_diagonal(weights, 0)
        self.shares = weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)

    def build(self, inputs_shape):
        nodes, start = len(self.shares), keras.initializers.RandomNormal(stddev=0.3)
        self.receivers = self.add_weight(name="receivers", shape=(nodes, self.rank), initializer=start)
        self.senders = self.add_weight(name="senders", shape=(self.rank, nodes), initializer=start)

    def call(self, inputs):
        learned = ops.softmax(ops.relu(ops.matmul(self.receivers, self.senders)), axis=-1)
        known = ops.convert_to_tensor(self.shares, self.compute_dtype)
        return ops.concatenate([inputs, ops.matmul(known, inputs), ops.matmul(learned, inputs)], axis=-1)

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], 3 * inputs_shape[-1])

    def get_config(self):
        return {**super().get_config(), "adjacency": self.adjacency, "rank": self.rank}


def neighbourhoods(edges: Sequence | np.ndarray, order: int) -> list[np.ndarray]:
    """For `k = 1 ... order`, 1 where a node is reached in at most `k` steps: float32 `(nodes, nodes)` each.

    Example:
        >>> one_step, two_steps = neighbourhoods([[0, 1, 0], [1, 0, 1], [0, 1, 0]], order=2)  # a chain of three
        >>> print(one_step)
        [[1. 1. 0.]
         [1. 1. 1.]
         [0. 1. 1.]]
        >>> bool(two_steps.all())
        True
    """
    step = (np.asarray(edges) != 0) | np.eye(len(edges), dtype=bool)
    found = [step]
    while len(found) < order:
        found.append(found[-1] @ step)
    return [each.astype("float32") for each in found]
