"""Blocks of Transformers that can also go on by one token."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class DecoderBlock(keras.layers.Layer):
    """Causal self-attention and a feed-forward net, each with its norm before and its residual around.

    `x + O(attention(N(x)))`, then `x + W2 relu(W1 N(x))^2`, where `N` divides by the root of the mean square.
    Position enters by rotating queries and keys, so that a score depends on the distance of two tokens only. A token
    sees the `window` latest, itself included: `step` keeps their keys and values in a ring, and a text may grow
    without end at a constant cost per token.

    Reference: Vaswani et al. 2017, "Attention Is All You Need"; Radford et al. 2019, "Language Models are Unsupervised
    Multitask Learners"; Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding"; So
    et al. 2021, "Primer" (the squared ReLU); Zhang and Sennrich 2019, "Root Mean Square Layer Normalization".

    Args:
        num_heads: Heads of the attention; the features divided by it must be even.
        window: Tokens that a token sees.
        expansion: Width of the feed-forward net in features.
        dropout: Drop probability of both residual branches, in `[0, 1)`.

    Call arguments:
        inputs: `(batch, length, features)`.
        training: Whether to drop.

    Returns:
        `(batch, length, features)`.

    Raises:
        ValueError: The features cannot be divided among the heads.
    """

    def __init__(self, num_heads, window, expansion=4, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads, self.window, self.expansion, self.dropout = num_heads, window, expansion, dropout

    def build(self, input_shape):
        features = input_shape[-1]
        if features % (2 * self.num_heads):
            raise ValueError(
                f"`num_heads` must divide the {features} features into even parts. Received: num_heads={self.num_heads}"
            )
        self.head_dim = features // self.num_heads

        def dense(units, name, **options):
            return keras.layers.Dense(units, use_bias=False, name=name, dtype=self.dtype_policy, **options)

        self.attention_norm = keras.layers.LayerNormalization(
            center=False, name="attention_norm", dtype=self.dtype_policy
        )
        self.projection = dense(3 * features, "query_key_value")
        self.output_projection = dense(features, "output")
        self.norm = keras.layers.RMSNormalization(name="norm", dtype=self.dtype_policy)
        self.widen = dense(self.expansion * features, "widen", activation="relu")
        self.narrow = dense(features, "narrow")
        self.drop = keras.layers.Dropout(self.dropout, name="dropout", dtype=self.dtype_policy)
        for layer, size in (
            (self.attention_norm, features),
            (self.projection, features),
            (self.output_projection, features),
            (self.norm, features),
            (self.widen, features),
            (self.narrow, self.expansion * features),
        ):
            layer.build((*input_shape[:-1], size))

    def call(self, inputs, training=False):
        places = ops.arange(ops.shape(inputs)[1])
        distance = places[:, None] - places[None, :]
        seen = ops.logical_and(distance >= 0, distance < self.window)
        query, key, value = self._heads(self.attention_norm(inputs))
        angles = self._angles(places)[:, None]
        found = ops.dot_product_attention(
            _rotated(query, angles), _rotated(key, angles), value, mask=seen[None, None], flash_attention=False
        )
        attended = self.output_projection(ops.reshape(found, ops.shape(inputs)))
        states = inputs + self.drop(attended, training=training)
        return states + self.drop(self._feed_forward(states), training=training)

    def initial_state(self, batch_size):
        """Empty keys `(batch, heads, features of a head, window)` and values `(batch, heads, window, features)`."""
        # Products of a vector and a matrix are fast on CPUs along the rows of the matrix: each its own order.
        shape = (batch_size, self.num_heads)
        keys = ops.zeros((*shape, self.head_dim, self.window), self.compute_dtype)
        return [keys, ops.zeros((*shape, self.window, self.head_dim), self.compute_dtype)]

    def step(self, inputs, state, position):
        """Works off one token of every row.

        Args:
            inputs: `(batch, features)`.
            state: Keys and values of the tokens before, as of `initial_state`.
            position: Scalar int: tokens before.

        Returns:
            `(batch, features)` and the new state.
        """
        query, key, value = (ops.expand_dims(part, 2) for part in self._heads(self.attention_norm(inputs)))
        angles = self._angles(position)
        place = ops.mod(position, self.window)
        keys = ops.slice_update(state[0], (0, 0, 0, place), ops.transpose(_rotated(key, angles), (0, 1, 3, 2)))
        values = ops.slice_update(state[1], (0, 0, place, 0), value)
        scores = ops.matmul(_rotated(query, angles), keys) / self.head_dim**0.5
        scores = ops.where(ops.arange(self.window) <= position, ops.cast(scores, "float32"), -1e30)
        found = ops.matmul(ops.cast(ops.softmax(scores), values.dtype), values)
        states = inputs + self.output_projection(ops.reshape(found, ops.shape(inputs)))
        return states + self._feed_forward(states), [keys, values]

    def _heads(self, inputs):
        shape = (*ops.shape(inputs)[:-1], self.num_heads, self.head_dim)
        # Not slices of one tensor: the gradient of a slice fills a whole tensor with zeros.
        return [ops.reshape(part, shape) for part in ops.split(self.projection(inputs), 3, axis=-1)]

    def _feed_forward(self, states):
        return self.narrow(ops.square(self.widen(self.norm(states))))

    def _angles(self, position):
        rates = 10_000.0 ** (-ops.arange(0, self.head_dim, 2, dtype="float32") / self.head_dim)
        return ops.expand_dims(ops.cast(position, "float32"), -1) * rates

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "window": self.window,
            "expansion": self.expansion,
            "dropout": self.dropout,
        }


def _rotated(heads, angles):
    """Turns each pair of a first-half and a second-half feature by its angle, `(..., head_dim // 2)`."""
    cosine, sine = ops.cast(ops.cos(angles), heads.dtype), ops.cast(ops.sin(angles), heads.dtype)
    first, second = ops.split(heads, 2, axis=-1)
    return ops.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)
