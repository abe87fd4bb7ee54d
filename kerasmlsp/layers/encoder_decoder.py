"""The decoder's block of the Transformer that reads an encoded text or picture."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.attention import MultiHeadAttention
from kerasmlsp.layers.composite import Composite


@keras.saving.register_keras_serializable("kerasmlsp")
class TransformerDecoderBlock(Composite):
    """The classic block: causal self-attention, attention to a memory where there is one, and a feed-forward net.

    Each part `F` makes `LayerNorm(x + F(x))`, or `x + F(LayerNorm(x))` with `normalize_first`. Projections have biases.
    Positions come from outside (`LearnedPosition`, `SinusoidalPosition`). A token sees the `window` latest, itself
    included: `step` keeps their keys and values in a ring.

    Reference: Ganapathy, MLSP 2025, "Transformer decoder"; Vaswani et al. 2017, "Attention Is All You Need"; Radford et
    al. 2018, "Improving Language Understanding by Generative Pre-Training" (without a memory); Xiong et al. 2020, "On
    Layer Normalization in the Transformer Architecture" (`normalize_first`).

    Args:
        num_heads: Heads of each attention; divides the features.
        feed_forward_dim: Hidden units of the feed-forward net, at least 1.
        window: Tokens that a token sees, at least 1.
        activation: Activation of the hidden units.
        dropout: Drop probability of every part's answer, in `[0, 1)`.
        normalize_first: Whether the norm stands before each part.

    Call arguments:
        inputs: `(batch, length, features)`.
        memory: Optional, `(batch, memory, memory_features)`.
        memory_mask: Optional booleans `(batch, memory)`; False gets weight 0.
        training: Whether to drop.

    Returns:
        `(batch, length, features)`; with a memory also the weights of the attention to it, the mean over heads,
        `(batch, length, memory)`, float32.

    Raises:
        ValueError: A size is too small, or `num_heads` does not divide the features.

    Example:
        >>> layer = TransformerDecoderBlock(num_heads=2, feed_forward_dim=16, window=8)
        >>> outputs, weights = layer(keras.ops.ones((1, 5, 8)), keras.ops.ones((1, 4, 6)))
        >>> tuple(outputs.shape), tuple(weights.shape)
        ((1, 5, 8), (1, 5, 4))
        >>> print(keras.ops.convert_to_numpy(weights)[0, 0].round(3))  # four places that are the same
        [0.25 0.25 0.25 0.25]
    """

    def __init__(
        self,
        num_heads: int,
        feed_forward_dim: int,
        window: int,
        activation: str = "relu",
        dropout: float = 0.0,
        normalize_first: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value in (("feed_forward_dim", feed_forward_dim), ("window", window)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        self.num_heads, self.feed_forward_dim, self.window = num_heads, feed_forward_dim, window
        self.activation, self.dropout, self.normalize_first = activation, dropout, normalize_first
        self.attention = MultiHeadAttention(num_heads, name="attention", dtype=self.dtype_policy)

    def build(self, inputs_shape, memory_shape=None, memory_mask_shape=None):
        features, dtype = inputs_shape[-1], self.dtype_policy
        self.attention.build(inputs_shape, inputs_shape)
        self.widen = keras.layers.Dense(self.feed_forward_dim, self.activation, name="widen", dtype=dtype)
        self.widen.build(inputs_shape)
        self.narrow = keras.layers.Dense(features, name="narrow", dtype=dtype)
        self.narrow.build((*inputs_shape[:-1], self.feed_forward_dim))
        self.attention_norm, self.norm = self._norm("attention_norm", features), self._norm("norm", features)
        self.memory_attention: Any = None
        if memory_shape is not None:
            self.memory_attention = MultiHeadAttention(self.num_heads, name="memory_attention", dtype=dtype)
            self.memory_attention.build(inputs_shape, memory_shape)
            self.memory_norm = self._norm("memory_norm", features)
        self.drop = keras.layers.Dropout(self.dropout, name="dropout", dtype=dtype)

    def _norm(self, name, features):
        layer = keras.layers.LayerNormalization(epsilon=1e-5, name=name, dtype=self.dtype_policy)
        layer.build((None, None, features))
        return layer

    def call(self, inputs, memory=None, memory_mask=None, training=False):
        places = ops.arange(ops.shape(inputs)[1])
        distance = places[:, None] - places[None, :]
        seen = ops.logical_and(distance >= 0, distance < self.window)

        def look_back(states):
            return self.attention(states, states, attention_mask=seen)[0]

        if memory is None:
            return self._run(inputs, look_back, None, training)
        keys, values, there = self._kept(memory, memory_mask)
        looked = []

        def look_up(states):
            found, weights = self.memory_attention.attend(states, keys, values, attention_mask=there[:, None, None])
            looked.append(ops.mean(weights, axis=1))
            return found

        return self._run(inputs, look_back, look_up, training), looked[0]

    def _run(self, states, look_back, look_up, training):
        states = self._around(look_back, self.attention_norm, states, training)
        if look_up is not None:
            states = self._around(look_up, self.memory_norm, states, training)
        return self._around(self._feed_forward, self.norm, states, training)

    def _feed_forward(self, states):
        return self.narrow(self.widen(states))

    def _around(self, part, norm, states, training):
        if self.normalize_first:
            return states + self.drop(part(norm(states)), training=training)
        return norm(states + self.drop(part(states), training=training))

    def _kept(self, memory, mask):
        seen = ops.ones(ops.shape(memory)[:2], "bool") if mask is None else mask
        return [*self.memory_attention.project(memory), seen]

    fixed_state = 3
    """Entries at the end of the state that are of the memory: no step changes them, and rows may share them."""

    def initial_state(
        self,
        batch_size: int,
        memory: keras.KerasTensor | None = None,
        memory_mask: keras.KerasTensor | None = None,
        length: int | keras.KerasTensor | None = None,
    ) -> list:
        """Empty keys and values, `(batch, heads, window, features of a head)` each, and those of the memory.

        Args:
            batch_size: Rows.
            memory, memory_mask: As in a call.
            length: Most tokens that will be read; keys and values have room for no more, where that is less than the
                window.
        """
        room = self.window if length is None else ops.minimum(length, self.window)
        room = min(length, self.window) if isinstance(length, int) else room
        shape = (batch_size, self.num_heads, room, self.narrow.units // self.num_heads)
        empty = [ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype)]
        return empty if memory is None else [*empty, *self._kept(memory, memory_mask)]

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one token of every row.

        Args:
            inputs: `(batch, features)`.
            state: As of `initial_state`; of the memory it may have fewer rows, each for as many neighbouring rows of
                `inputs`.
            position: Scalar int: tokens before.

        Returns:
            `(batch, features)` and the new state.
        """
        ring, kept = list(state[:2]), state[2:]
        room = ops.shape(ring[0])[2]
        place = ops.mod(position, room)

        def put(kept, entry):
            if isinstance(room, int):
                return ops.slice_update(kept, (0, 0, place, 0), entry)
            # TensorFlow has XLA compile that operation for each new shape.
            return ops.where((ops.arange(room) == place)[:, None], entry, kept)

        def look_back(states):
            entries = self.attention.project_step(states)
            ring[:] = [put(kept, entry) for kept, entry in zip(ring, entries, strict=True)]
            return self.attention.attend_step(states, ring[0], ring[1], ops.arange(room) <= position)

        def look_up(states):
            keys, values, there = kept
            return self.memory_attention.attend_step(states, keys, values, attention_mask=there[:, None, None])

        return self._run(inputs, look_back, look_up if kept else None, False), [*ring, *kept]

    def compute_output_spec(self, inputs, memory=None, memory_mask=None, training=False):
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if memory is None:
            return outputs
        return outputs, keras.KerasTensor((*inputs.shape[:2], memory.shape[1]), "float32")

    def compute_output_shape(self, inputs_shape, memory_shape=None, memory_mask_shape=None):
        if memory_shape is None:
            return tuple(inputs_shape)
        return tuple(inputs_shape), (*inputs_shape[:2], memory_shape[1])

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "feed_forward_dim": self.feed_forward_dim,
            "window": self.window,
            "activation": self.activation,
            "dropout": self.dropout,
            "normalize_first": self.normalize_first,
        }
