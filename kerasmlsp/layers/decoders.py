"""Recurrent decoders that look back at a memory: the states of an encoder, or the regions of an image."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.attention import softmax
from kerasmlsp.layers.composite import Composite
from kerasmlsp.layers.recurrent import scanned


@keras.saving.register_keras_serializable("kerasmlsp")
class AttentionRNN(Composite):
    """A recurrent network that looks at a memory before each step, by additive attention.

    With the output `h_{t-1}` of the step before and the memory `m_i`,
    `e_ti = v . tanh(W h_{t-1} + U m_i + b)`, `a_t = softmax(e_t)`, `z_t = b_t sum_i a_ti m_i`, where the gate
    `b_t = sigmoid(w . h_{t-1} + c)` is 1 without `gated`; then the cell sees the input and `z_t`. Each state of the
    cell starts as `tanh` of a dense layer of the mean memory.

    Reference: Ganapathy, MLSP 2025, "Encoder - Decoder Networks with Attention"; Bahdanau, Cho and Bengio 2015, "Neural
    Machine Translation by Jointly Learning to Align and Translate"; Xu et al. 2015, "Show, Attend and Tell" (the gate
    and the start).

    Args:
        cell: Cell whose first state is its output, such as `keras.layers.GRUCell` and `keras.layers.LSTMCell`.
        attention_units: Size of `v`, at least 1.
        gated: Whether there is the gate.

    Call arguments:
        inputs: `(batch, length, features)`.
        memory: `(batch, memory, memory_features)`.
        memory_mask: Optional booleans `(batch, memory)`; False gets weight 0.

    Returns:
        Inputs, outputs of the cell and `z_t` side by side, `(batch, length, features + units + memory_features)`, and
        the weights `(batch, length, memory)`, float32.

    Raises:
        ValueError: `attention_units` is less than 1.

    Example:
        >>> layer = AttentionRNN(keras.layers.GRUCell(8), attention_units=4)
        >>> outputs, weights = layer(keras.ops.ones((1, 3, 5)), keras.ops.ones((1, 4, 6)))
        >>> tuple(outputs.shape)  # 5 of the input, 8 of the cell, 6 of the memory
        (1, 3, 19)
        >>> print(keras.ops.convert_to_numpy(weights)[0, 0].round(3))  # four places that are the same
        [0.25 0.25 0.25 0.25]
    """

    def __init__(self, cell: keras.layers.Layer, attention_units: int, gated: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        if attention_units < 1:
            raise ValueError(f"`attention_units` must be at least 1. Received: attention_units={attention_units}")
        self.cell, self.attention_units, self.gated = cell, attention_units, gated

    def build(self, inputs_shape, memory_shape, memory_mask_shape=None):
        features, seen = inputs_shape[-1], memory_shape[-1]
        sizes = keras.tree.flatten(self.cell.state_size)
        self.starts = [self._dense(size, seen, f"start_{i}", activation="tanh") for i, size in enumerate(sizes)]
        self.query = self._dense(self.attention_units, sizes[0], "query", use_bias=False)
        self.key = self._dense(self.attention_units, seen, "key")
        self.score = self._dense(1, self.attention_units, "score", use_bias=False)
        self.gate = self._dense(1, sizes[0], "gate", activation="sigmoid") if self.gated else None
        # A cell that comes from a file is built.
        if not self.cell.built:
            self.cell.build((inputs_shape[0], features + seen))

    def _dense(self, units, features, name, **options):
        layer = keras.layers.Dense(units, name=name, dtype=self.dtype_policy, **options)
        layer.build((None, features))
        return layer

    def call(self, inputs, memory, memory_mask=None):
        start = self.initial_state(ops.shape(inputs)[0], memory, memory_mask)
        kept = start[len(self.starts) :]
        # A loop hands out what it carries.
        weights = ops.zeros(ops.shape(memory)[:2], "float32")
        context = ops.zeros_like(memory[:, 0])

        def one(carry, step):
            states, context, weights = self._one(step, carry[: len(self.starts)], *kept)
            return [*states, context, weights], [*states, context, weights]

        begin = [*start[: len(self.starts)], context, weights]
        found = scanned(one, begin, ops.swapaxes(inputs, 0, 1))
        outputs, context, weights = (ops.swapaxes(found[i], 0, 1) for i in (0, -2, -1))
        return self._joined(inputs, outputs, context), weights

    def _one(self, inputs, states, memory, keys, seen, shared=False):
        query = self.query(states[0])
        if shared:
            # Rows that share a memory, as the beams of a sentence, look at it together.
            query = ops.reshape(query, (ops.shape(memory)[0], -1, 1, self.attention_units))
            keys, seen = keys[:, None], seen[:, None]
        else:
            query = query[:, None]
        scores = self.score(ops.tanh(query + keys))[..., 0]
        weights = softmax(ops.where(seen, ops.cast(scores, "float32"), -1e9))
        shares = ops.cast(weights, memory.dtype)
        if shared:
            context = ops.reshape(ops.matmul(shares, memory), (-1, memory.shape[-1]))
        else:
            context = ops.matmul(shares[:, None], memory)[:, 0]
        if self.gate is not None:
            context = context * self.gate(states[0])
        _, after = self.cell(ops.concatenate([inputs, context], axis=-1), states)
        after = [ops.cast(new, old.dtype) for new, old in zip(keras.tree.flatten(after), states, strict=True)]
        return after, context, weights

    def _joined(self, inputs, outputs, context):
        # The cell may be of another type than the layer.
        return ops.concatenate([ops.cast(part, self.compute_dtype) for part in (inputs, outputs, context)], axis=-1)

    fixed_state = 3
    """Entries at the end of the state that are of the memory: no step changes them, and rows may share them."""

    def initial_state(
        self, batch_size: int, memory: keras.KerasTensor, memory_mask: keras.KerasTensor | None = None
    ) -> list:
        """States of the cell, and what every step looks at: the memory, its keys and where there is any."""
        memory = ops.cast(memory, self.compute_dtype)
        seen = ops.ones(ops.shape(memory)[:2], "bool") if memory_mask is None else memory_mask
        shares = ops.cast(seen, memory.dtype)[..., None]
        mean = ops.sum(memory * shares, axis=1) / ops.maximum(ops.sum(shares, axis=1), 1)
        states = [ops.cast(start(mean), self.cell.compute_dtype) for start in self.starts]
        return [*states, memory, self.key(memory), seen]

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one step of every row: `(batch, features)` to the answer of a call and the new state.

        The state may have fewer rows of the memory, each for as many neighbouring rows of `inputs`.
        """
        kept, inputs = state[len(self.starts) :], ops.cast(inputs, self.compute_dtype)
        memory, keys, seen = kept
        states, context, _ = self._one(inputs, state[: len(self.starts)], memory, keys, seen, shared=True)
        return self._joined(inputs, states[0], context), [*states, *kept]

    def compute_output_spec(self, inputs, memory, memory_mask=None):
        outputs, weights = self.compute_output_shape(inputs.shape, memory.shape)
        return keras.KerasTensor(outputs, self.compute_dtype), keras.KerasTensor(weights, "float32")

    def compute_output_shape(self, inputs_shape, memory_shape, memory_mask_shape=None):
        size = inputs_shape[-1] + keras.tree.flatten(self.cell.state_size)[0] + memory_shape[-1]
        return (*inputs_shape[:2], size), (*inputs_shape[:2], memory_shape[1])

    def get_config(self):
        cell = keras.saving.serialize_keras_object(self.cell)
        return {**super().get_config(), "cell": cell, "attention_units": self.attention_units, "gated": self.gated}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("cell")), **config)


@keras.saving.register_keras_serializable("kerasmlsp")
class MultiplicativeAttention(Composite):
    """Lets the states of a decoder look at a memory by multiplicative attention.

    With a state `h_t` and the memory `m_i`, `e_ti = h_t W m_i`, `a_t = softmax(e_t)`, `z_t = sum_i a_ti m_i`, and the
    output is `tanh(W_c [z_t; h_t])`.

    Reference: Ganapathy, MLSP 2025, "Encoder-Decoder Attention"; Luong, Pham and Manning 2015, "Effective Approaches to
    Attention-based Neural Machine Translation" (global attention, the score "general").

    Args:
        units: Size of the output, at least 1.

    Call arguments:
        inputs: `h_t`, `(batch, length, features)`.
        memory: `(batch, memory, memory_features)`.
        memory_mask: Optional booleans `(batch, memory)`; False gets weight 0.

    Returns:
        `(batch, length, units)` and the weights `(batch, length, memory)`, float32.

    Raises:
        ValueError: `units` is less than 1.

    Example:
        >>> layer = MultiplicativeAttention(units=8)
        >>> outputs, weights = layer(keras.ops.ones((1, 3, 5)), keras.ops.ones((1, 4, 6)))
        >>> tuple(outputs.shape), tuple(weights.shape)
        ((1, 3, 8), (1, 3, 4))
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}")
        self.units = units

    def build(self, inputs_shape, memory_shape, memory_mask_shape=None):
        features, seen = inputs_shape[-1], memory_shape[-1]
        self.score = keras.layers.Dense(seen, use_bias=False, name="score", dtype=self.dtype_policy)
        self.score.build((None, features))
        self.combine = keras.layers.Dense(
            self.units, activation="tanh", use_bias=False, name="combine", dtype=self.dtype_policy
        )
        self.combine.build((None, seen + features))

    def call(self, inputs, memory, memory_mask=None):
        scores = ops.matmul(self.score(inputs), ops.swapaxes(memory, 1, 2))
        scores = ops.cast(scores, "float32")
        if memory_mask is not None:
            scores = ops.where(memory_mask[:, None], scores, -1e9)
        weights = softmax(scores)
        context = ops.matmul(ops.cast(weights, memory.dtype), memory)
        return self.combine(ops.concatenate([context, inputs], axis=-1)), weights

    fixed_state = 2
    """Entries at the end of the state that are of the memory: no step changes them, and rows may share them."""

    def initial_state(
        self, batch_size: int, memory: keras.KerasTensor, memory_mask: keras.KerasTensor | None = None
    ) -> list:
        """What every step looks at."""
        seen = ops.ones(ops.shape(memory)[:2], "bool") if memory_mask is None else memory_mask
        return [ops.cast(memory, self.compute_dtype), seen]

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one step of every row: `(batch, features)` to `(batch, units)`, and the state as it was.

        The state may have fewer rows, each for as many neighbouring rows of `inputs`.
        """
        rows = ops.reshape(inputs, (ops.shape(state[0])[0], -1, inputs.shape[-1]))
        return ops.reshape(self(rows, *state)[0], (-1, self.units)), state

    def compute_output_spec(self, inputs, memory, memory_mask=None):
        outputs, weights = self.compute_output_shape(inputs.shape, memory.shape)
        return keras.KerasTensor(outputs, self.compute_dtype), keras.KerasTensor(weights, "float32")

    def compute_output_shape(self, inputs_shape, memory_shape, memory_mask_shape=None):
        return (*inputs_shape[:2], self.units), (*inputs_shape[:2], memory_shape[1])

    def get_config(self):
        return {**super().get_config(), "units": self.units}
