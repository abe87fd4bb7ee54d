"""Recurrent layers that are faster than Keras's own where these are slow."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.composite import Composite


@keras.saving.register_keras_serializable("kerasmlsp")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM` whose whole sequence is one operation on CPUs.

    Same equations, weights and arguments. On the TensorFlow backend without a GPU, Keras runs a loop of small
    operations; here TensorFlow's own operation for a sequence takes its place, forwards and backwards. XLA and the
    formats ONNX and LiteRT do not know that operation: pass `fused=False` to compile or convert for them.

    Falls back to Keras with a mask, other activations than tanh and sigmoid, dropout, `unroll`, `go_backwards`, without
    a bias, in lower precision, on a GPU and on other backends.

    Reference: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory".

    Args:
        units: Size of the state.
        fused: Whether the one operation may be used.
        **kwargs: As for `keras.layers.LSTM`.

    Example:
        >>> tuple(LSTM(8)(keras.ops.ones((2, 5, 3))).shape)
        (2, 8)
        >>> tuple(LSTM(8, return_sequences=True)(keras.ops.ones((2, 5, 3))).shape)
        (2, 5, 8)
    """

    def __init__(self, units: int, fused: bool = True, **kwargs: Any):
        super().__init__(units, **kwargs)
        self.fused = fused
        if self._can_fuse():
            # Keras leaves XLA out of the training step of a model that has such a layer.
            self.supports_jit = False

    def _can_fuse(self):
        if not self.fused or keras.backend.backend() != "tensorflow":
            return False
        import tensorflow as tf

        cell = self.cell
        plain = cell.activation is keras.activations.tanh and cell.recurrent_activation is keras.activations.sigmoid
        extras = cell.dropout or cell.recurrent_dropout or self.unroll or self.go_backwards or not cell.use_bias
        return plain and not extras and self.compute_dtype == "float32" and not tf.config.list_physical_devices("GPU")

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if mask is not None or not self._can_fuse():
            return super().inner_loop(sequences, initial_state, mask, training)
        import tensorflow as tf

        steps = ops.transpose(sequences, (1, 0, 2))
        peephole = ops.zeros((self.units,), "float32")
        # Not BlockLSTMV2, which takes Keras's order of gates: TensorFlow 2.21 gives it the gradient of BlockLSTM.
        done = tf.raw_ops.BlockLSTM(
            seq_len_max=ops.cast(ops.shape(steps)[0], "int64"),
            x=steps,
            h_prev=initial_state[0],
            cs_prev=initial_state[1],
            w=_gates_reordered(ops.concatenate([self.cell.kernel, self.cell.recurrent_kernel], axis=0)),
            wci=peephole,
            wcf=peephole,
            wco=peephole,
            b=_gates_reordered(self.cell.bias),
            forget_bias=0.0,  # it is in Keras's bias
            cell_clip=-1.0,  # none
            use_peephole=False,
        )
        return done.h[-1], ops.transpose(done.h, (1, 0, 2)), [done.h[-1], done.cs[-1]]

    def get_config(self):
        return {**super().get_config(), "fused": self.fused}


def _gates_reordered(weights):
    """From Keras's input, forget, candidate, output to the operation's input, candidate, forget, output."""
    entry, forget, candidate, output = ops.split(weights, 4, axis=-1)
    return ops.concatenate([entry, candidate, forget, output], axis=-1)


def cell_state(layer: keras.layers.RNN, batch_size: int) -> list[keras.KerasTensor]:
    """Zeros for the states of a recurrent layer's cell, a list of `(batch, units)`.

    Example:
        >>> [tuple(state.shape) for state in cell_state(LSTM(8), batch_size=2)]
        [(2, 8), (2, 8)]
    """
    sizes = keras.tree.flatten(layer.cell.state_size)
    return [ops.zeros((batch_size, size), layer.compute_dtype) for size in sizes]


def cell_step(
    layer: keras.layers.RNN, inputs: keras.KerasTensor, state: list[keras.KerasTensor]
) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    """Runs a recurrent layer's cell on one step: `(batch, features)` to `(batch, units)` and the list of new states.

    Example:
        >>> layer = keras.layers.SimpleRNN(1, None, kernel_initializer="ones", recurrent_initializer="ones")
        >>> layer.build((None, None, 1))
        >>> output, state = cell_step(layer, keras.ops.array([[2.0]]), [keras.ops.array([[3.0]])])
        >>> float(output[0, 0]), float(state[0][0, 0])  # the input and the state before
        (5.0, 5.0)
    """
    outputs, state = layer.cell(inputs, state)
    return outputs, list(keras.tree.flatten(state))


def scanned(
    step: Callable[[list, keras.KerasTensor], tuple[list, list]],
    carry: list[keras.KerasTensor],
    inputs: keras.KerasTensor,
) -> list[keras.KerasTensor]:
    """What `ops.scan` stacks; on TensorFlow in a loop whose end is known, which XLA needs for the gradient.

    Example:
        >>> def add(carry, value):
        ...     return [carry[0] + value], [carry[0] + value]
        >>> [sums] = scanned(add, [keras.ops.zeros(())], keras.ops.array([1.0, 2.0, 3.0]))
        >>> print(keras.ops.convert_to_numpy(sums))
        [1. 3. 6.]
    """
    if keras.backend.backend() != "tensorflow":
        return ops.scan(step, carry, inputs)[1]
    import tensorflow as tf

    length = inputs.shape[0] or tf.shape(inputs)[0]
    given = tf.TensorArray(inputs.dtype, length).unstack(inputs)
    found = [tf.TensorArray(each.dtype, length, element_shape=each.shape) for each in carry]

    def body(place, carry, found):
        carry, outputs = step(carry, given.read(place))
        return place + 1, carry, [array.write(place, each) for array, each in zip(found, outputs, strict=True)]

    *_, found = tf.while_loop(lambda place, *_: place < length, body, (0, carry, found), maximum_iterations=length)
    return [array.stack() for array in found]


def unfuse(model: keras.Model) -> None:
    """Has Keras run the LSTMs of a model, for compilers that know nothing but its operations.

    Example:
        >>> model = keras.Sequential([keras.Input((None, 3)), LSTM(8)])
        >>> before = model(keras.ops.ones((1, 5, 3)))
        >>> unfuse(model)
        >>> bool(keras.ops.all(keras.ops.isclose(model(keras.ops.ones((1, 5, 3))), before, atol=1e-6)))
        True
    """
    for layer in model._flatten_layers():
        if isinstance(layer, LSTM) and layer._can_fuse():
            layer.fused, layer.supports_jit = False, True


@keras.saving.register_keras_serializable("kerasmlsp")
class Stateful(keras.layers.Layer):
    """Lets a recurrent layer go on, while training, from the state in which the batch before left it.

    With batches whose rows are streams cut into pieces, this is truncated backpropagation through time: the state
    crosses from piece to piece, the gradient does not. Outside training every row starts from zeros, and the batch may
    have any size. Unlike Keras's `stateful=True`, validation in between leaves the training state alone.

    Reference: Hota, BITS F464 (2024), "RNN Training: Backpropagation Through Time"; Williams and Peng 1990, "An
    Efficient Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories".

    Args:
        layer: A `keras.layers.RNN`, such as `LSTM`, with `return_sequences` and `return_state`.
        batch_size: Rows of a training batch.

    Call arguments:
        inputs: `(batch, length, features)`.
        training: Whether the state is carried.

    Returns:
        `(batch, length, units)`.

    Raises:
        ValueError: `layer` does not return sequences and states.

    Example:
        >>> options = {"kernel_initializer": "ones", "recurrent_initializer": "ones"}
        >>> count = keras.layers.SimpleRNN(1, None, return_sequences=True, return_state=True, **options)
        >>> layer, ones = Stateful(count, batch_size=1), keras.ops.ones((1, 3, 1))
        >>> [keras.ops.convert_to_numpy(layer(ones, training=True)).ravel().tolist() for _ in range(2)]
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    """

    def __init__(self, layer: keras.layers.RNN, batch_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        if not (isinstance(layer, keras.layers.RNN) and layer.return_sequences and layer.return_state):
            raise ValueError(f"`layer` must be an RNN layer that returns sequences and states. Received: layer={layer}")
        self.layer, self.batch_size = layer, batch_size

    def build(self, input_shape):
        self.layer.build(input_shape)
        self.states = [
            self.add_weight(name=f"state_{i}", shape=(self.batch_size, size), initializer="zeros", trainable=False)
            for i, size in enumerate(keras.tree.flatten(self.layer.cell.state_size))
        ]

    def call(self, inputs, training=False):
        # The layer may be of another type than this one.
        if not training:
            return ops.cast(self.layer(inputs)[0], self.compute_dtype)
        outputs, *states = self.layer(inputs, initial_state=[ops.stop_gradient(s) for s in self.states], training=True)
        for kept, state in zip(self.states, states, strict=True):
            kept.assign(state)
        return ops.cast(outputs, self.compute_dtype)

    def reset_state(self) -> None:
        """Has the next training batch start from zeros, as where another pass over the streams begins.

        `kerasmlsp.training.fit` calls this before every epoch.
        """
        for state in self.states:
            state.assign(ops.zeros(state.shape, state.dtype))

    def initial_state(self, batch_size: int) -> list:
        """Zeros, `(batch, units)` each, for decoding: outside training nothing is carried from batch to batch."""
        return cell_state(self.layer, batch_size)

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one step of every row: `(batch, features)` to `(batch, units)` and the new state."""
        output, state = cell_step(self.layer, inputs, state)
        return ops.cast(output, self.compute_dtype), state

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.layer.units)

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer, "batch_size": self.batch_size}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("layer")), **config)


@keras.saving.register_keras_serializable("kerasmlsp")
class FreeRunning(keras.layers.Layer):
    """Runs a recurrent cell over a sequence, and then on from its own outputs.

    Reference: Graves 2013, "Generating Sequences With Recurrent Neural Networks".

    Args:
        cell: A cell of Keras's `RNN` whose outputs have the size of its inputs.
        steps: Outputs to give, at least 1.

    Call arguments:
        inputs: `(batch, length, features)`.

    Returns:
        `(batch, steps, features)`: the output at the last step, then those for which each output is the next input.

    Raises:
        ValueError: `steps` is less than 1.

    Example:
        >>> layer = FreeRunning(keras.layers.SimpleRNNCell(2), steps=5)
        >>> tuple(layer(keras.ops.ones((1, 3, 2))).shape)
        (1, 5, 2)
    """

    def __init__(self, cell: keras.layers.Layer, steps: int, **kwargs: Any):
        super().__init__(**kwargs)
        if steps < 1:
            raise ValueError(f"`steps` must be at least 1. Received: steps={steps}")
        self.steps = steps
        self.reading = keras.layers.RNN(cell, return_state=True, name="reading", dtype=self.dtype_policy)

    def build(self, input_shape):
        self.reading.build(input_shape)

    def call(self, inputs):
        output, *state = self.reading(inputs)
        found = [output]
        while len(found) < self.steps:
            output, state = self.reading.cell(output, state)
            found.append(output)
        return ops.stack(found, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.steps, input_shape[-1])

    def get_config(self):
        cell = keras.saving.serialize_keras_object(self.reading.cell)
        return {**super().get_config(), "cell": cell, "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("cell")), **config)


@keras.saving.register_keras_serializable("kerasmlsp")
class ResidualRecurrence(Composite):
    """Adds what it makes of every step to its state: `h[n] = h[n-1] + tanh(W x[n] + b)`, from 0.

    The derivative of a state by the one before is 1, so that gradients neither vanish nor explode. All steps are worked
    out at once, as a running sum.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Issues with RNNs".

    Args:
        units: Size of the state, at least 1.

    Call arguments:
        inputs: `(batch, length, features)`.

    Returns:
        `h`, `(batch, length, units)`.

    Raises:
        ValueError: `units` is less than 1.

    Example:
        >>> layer = ResidualRecurrence(units=1)
        >>> layer.build((None, None, 1))
        >>> _ = layer.change.kernel.assign([[100.0]])  # so large that the tangent is 1 or -1
        >>> print(keras.ops.convert_to_numpy(layer(keras.ops.array([[[1.0], [1.0], [-1.0]]]))).ravel().round(3))
        [1. 2. 1.]
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}")
        self.units = units
        self.change = keras.layers.Dense(units, activation="tanh", name="change", dtype=self.dtype_policy)

    def build(self, input_shape):
        self.change.build(input_shape)

    def call(self, inputs):
        # A long sum in half precision would soon stand still.
        return ops.cast(ops.cumsum(ops.cast(self.change(inputs), "float32"), axis=1), self.compute_dtype)

    def initial_state(self, batch_size: int) -> list:
        """Zeros, `(batch, units)`."""
        return [ops.zeros((batch_size, self.units), "float32")]

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one step of every row: `(batch, features)` to `(batch, units)` and the new state."""
        state = state[0] + ops.cast(self.change(inputs), "float32")
        return ops.cast(state, self.compute_dtype), [state]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}
