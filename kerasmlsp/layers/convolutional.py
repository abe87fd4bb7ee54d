"""Convolutions over time that see the past only, and can also go on by one step."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.composite import Composite


@keras.saving.register_keras_serializable("kerasmlsp")
class TemporalBlock(Composite):
    """Two dilated causal convolutions with a residual around: `relu(x + f(f(x)))`, `f = drop relu convolution`.

    A convolution at time `t` sees its input at `t, t - dilation, ..., t - (kernel_size - 1) dilation`, and zeros before
    the start. Its weights are normalised: each output has a direction of length 1 and a gain. Where `filters` is not
    the number of input features, the residual is projected.

    Reference: Bai, Kolter and Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
    Sequence Modeling"; Salimans and Kingma 2016, "Weight Normalization".

    Args:
        filters: Features of both convolutions, at least 1.
        kernel_size: Steps that a convolution sees, at least 2.
        dilation: Steps between two of them, at least 1.
        dropout: Drop probability after each convolution, in `[0, 1)`; a feature is dropped at all times together.

    Call arguments:
        inputs: `(batch, length, features)`.
        training: Whether to drop.

    Returns:
        `(batch, length, filters)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> layer = TemporalBlock(filters=4, kernel_size=3, dilation=2)
        >>> tuple(layer(keras.ops.ones((1, 10, 3))).shape)
        (1, 10, 4)
        >>> [tuple(past.shape) for past in layer.initial_state(batch_size=1)]  # both look (3 - 1) * 2 steps back
        [(1, 4, 3), (1, 4, 4)]
    """

    def __init__(self, filters: int, kernel_size: int = 2, dilation: int = 1, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        for name, value, least in (("filters", filters, 1), ("kernel_size", kernel_size, 2), ("dilation", dilation, 1)):
            if value < least:
                raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")
        self.filters, self.kernel_size, self.dilation, self.dropout = filters, kernel_size, dilation, dropout

    def build(self, input_shape):
        self.features = input_shape[-1]
        self.directions, self.gains, self.biases = [], [], []
        for i, size in enumerate((self.features, self.filters), start=1):
            shape = (self.kernel_size * size, self.filters)
            self.directions.append(self.add_weight(name=f"direction_{i}", shape=shape, initializer="he_normal"))
            self.gains.append(self.add_weight(name=f"gain_{i}", shape=(self.filters,), initializer="ones"))
            self.biases.append(self.add_weight(name=f"bias_{i}", shape=(self.filters,), initializer="zeros"))
        self.project = None
        if self.features != self.filters:
            self.project = keras.layers.Dense(self.filters, name="project", dtype=self.dtype_policy)
            self.project.build(input_shape)
        self.drop = keras.layers.SpatialDropout1D(self.dropout, name="dropout", dtype=self.dtype_policy)

    def call(self, inputs, training=False):
        states = inputs
        for i in range(2):
            states = self.drop(self._mixed(self._windows(states), i), training=training)
        return self._joined(inputs, states)

    def initial_state(self, batch_size: int) -> list:
        """Zeros for the past inputs of both convolutions, `(batch, (kernel_size - 1) * dilation, features)` each."""
        span = (self.kernel_size - 1) * self.dilation
        return [ops.zeros((batch_size, span, size), self.compute_dtype) for size in (self.features, self.filters)]

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one step of every row.

        Args:
            inputs: `(batch, features)`.
            state: Rings of past inputs, as of `initial_state`.
            position: Scalar int: steps before.

        Returns:
            `(batch, filters)` and the new state.
        """
        span = (self.kernel_size - 1) * self.dilation
        place = ops.mod(position, span)
        # The oldest input lies where the new one goes.
        places = ops.mod(place + self.dilation * ops.arange(self.kernel_size - 1), span)
        states, after = inputs, []
        for i, ring in enumerate(state):
            states = ops.cast(states, ring.dtype)
            past = ops.take(ring, places, axis=1)
            after.append(ops.slice_update(ring, (0, place, 0), states[:, None]))
            window = ops.concatenate([past, states[:, None]], axis=1)
            states = self._mixed(ops.reshape(window, (-1, self.kernel_size * ring.shape[-1])), i)
        return self._joined(inputs, states), after

    def _windows(self, states):
        """What a convolution sees at each time, oldest first: `(batch, length, kernel_size * features)`."""
        length, span = ops.shape(states)[1], (self.kernel_size - 1) * self.dilation
        padded = ops.pad(states, ((0, 0), (span, 0), (0, 0)))
        starts = range(0, span + 1, self.dilation)
        # One matrix product of shifted copies: dilated convolutions are slow on CPUs, and so are their gradients.
        return ops.concatenate([padded[:, start : start + length] for start in starts], axis=-1)

    def _mixed(self, window, i):
        direction = ops.cast(self.directions[i], "float32")
        length = ops.sqrt(ops.sum(ops.square(direction), axis=0) + 1e-12)
        kernel = ops.cast(direction * (ops.cast(self.gains[i], "float32") / length), window.dtype)
        return ops.relu(ops.matmul(window, kernel) + ops.cast(self.biases[i], window.dtype))

    def _joined(self, inputs, states):
        return ops.relu((inputs if self.project is None else self.project(inputs)) + states)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilation": self.dilation,
            "dropout": self.dropout,
        }
