"""Blocks of Transformers that can also go on by one token."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.composite import Composite
from kerasmlsp.layers.devices import on_cpu


@keras.saving.register_keras_serializable("kerasmlsp")
class DecoderBlock(Composite):
    """Causal self-attention and a feed-forward net, each with its norm before and its residual around.

    `x + O(attention(L(x)))`, then `x + W2 relu(W1 R(x))^2`. `L` is layer normalisation: the features less their mean,
    divided by their standard deviation, times a learned scale, as in GPT-2 but without its shift. `R` divides by the
    root of the mean square only, times a learned scale. No dense layer has a bias.
    Position enters by rotating queries and keys, so that a score depends on the distance of two tokens only. A token
    sees the `window` latest, itself included: `step` keeps their keys and values in a ring, and a text may grow
    without end at a constant cost per token.

    Reference: Vaswani et al. 2017, "Attention Is All You Need"; Radford et al. 2019, "Language Models are Unsupervised
    Multitask Learners"; Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding"; So
    et al. 2021, "Primer" (the squared ReLU); Ba et al. 2016, "Layer Normalization"; Zhang and
    Sennrich 2019, "Root Mean Square Layer Normalization".

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

    Example:
        >>> layer = DecoderBlock(num_heads=2, window=16)
        >>> tuple(layer(keras.ops.ones((1, 5, 8))).shape)
        (1, 5, 8)
        >>> [tuple(ring.shape) for ring in layer.initial_state(batch_size=3)]  # keys and values of 16 tokens
        [(6, 16, 4), (6, 16, 4)]
    """

    def __init__(self, num_heads: int, window: int, expansion: int = 4, dropout: float = 0.0, **kwargs: Any):
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
        query, key, value = self._heads(self.attention_norm(inputs))
        angles = self._angles(places)[:, None]
        found = ops.dot_product_attention(
            _rotated(query, angles), _rotated(key, angles), value, **self._mask(inputs.shape[1], places)
        )
        attended = self.output_projection(ops.reshape(found, ops.shape(inputs)))
        states = inputs + self.drop(attended, training=training)
        return states + self.drop(self._feed_forward(states), training=training)

    def _mask(self, length, places):
        """Who sees whom, in the words of `keras.ops.dot_product_attention`."""
        if keras.backend.backend() != "tensorflow" and isinstance(length, int) and length <= self.window:
            # Said without a mask, so that Keras takes a fused kernel where the device has one. TensorFlow has none.
            return {"is_causal": True, "flash_attention": keras.config.is_flash_attention_enabled()}
        distance = places[:, None] - places[None, :]
        seen = ops.logical_and(distance >= 0, distance < self.window)
        # A fused kernel would add the mask to the scores as a bias with a gradient.
        return {"mask": seen[None, None], "flash_attention": False}

    def initial_state(self, batch_size: int) -> list:
        """Empty keys and values, `(batch * heads, window, features of a head)` each."""
        # Batch and heads are one axis: XLA drops a batch of 1 from the products, and then copies what it goes on with.
        shape = (batch_size * self.num_heads, self.window, self.head_dim)
        return [ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype)]

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one token of every row.

        Args:
            inputs: `(batch, features)`.
            state: Keys and values of the tokens before, as of `initial_state`.
            position: Scalar int: tokens before.

        Returns:
            `(batch, features)` and the new state.
        """
        parts = self._heads(self.attention_norm(inputs))
        query, key, value = (ops.reshape(part, (-1, 1, self.head_dim)) for part in parts)
        angles, place = self._angles(position), (0, ops.mod(position, self.window), 0)
        keys = ops.slice_update(state[0], place, _rotated(key, angles))
        values = ops.slice_update(state[1], place, value)
        scores = ops.matmul(_rotated(query, angles), ops.swapaxes(keys, 1, 2)) / self.head_dim**0.5
        scores = ops.where(ops.arange(self.window) <= position, ops.cast(scores, "float32"), -1e30)
        found = ops.matmul(ops.cast(ops.softmax(scores), values.dtype), values)
        states = inputs + _product(self.output_projection, ops.reshape(found, ops.shape(inputs)))
        return states + self._feed_forward(states), [keys, values]

    def _heads(self, inputs):
        shape = (*ops.shape(inputs)[:-1], self.num_heads, self.head_dim)
        layout = self._layout_by_heads()
        if layout is not None:
            kernel = ops.reshape(self.projection.kernel, (-1, 3, self.num_heads, self.head_dim))
            kernel = keras.distribution.distribute_tensor(ops.cast(kernel, self.compute_dtype), layout)
            return ops.unstack(ops.einsum("...f,fphd->p...hd", inputs, kernel), axis=0)
        # Not slices of one tensor: the gradient of a slice fills a whole tensor with zeros.
        return [ops.reshape(part, shape) for part in ops.split(_product(self.projection, inputs), 3, axis=-1)]

    def _layout_by_heads(self):
        """How the fused kernel lies for the product where a mesh parts the model: whole heads on each device.

        Its columns are all queries, then all keys, then all values, so that a part of them has other heads of each. To
        lay the kernel anew costs less than to lay queries, keys and values anew, which are as many as there are tokens.
        """
        distribution = keras.distribution.distribution()
        if not isinstance(distribution, keras.distribution.ModelParallel):
            return None
        mesh = distribution.device_mesh
        if self.num_heads % mesh.shape[-1]:
            return None
        return keras.distribution.TensorLayout((None, None, mesh.axis_names[-1], None), mesh)

    def _feed_forward(self, states):
        return _product(self.narrow, ops.square(_product(self.widen, self.norm(states))))

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


def _product(dense, vectors):
    """A bias-free `Dense`; one vector, `(1, features)` with an even number of them, is worked off on two cores.

    XLA multiplies one vector and a matrix on one core of a CPU, but two vectors, or each half of one, on two.
    Elsewhere the product is plain.
    """
    if len(vectors.shape) > 2 or not on_cpu():
        return dense(vectors)
    batch = ops.shape(vectors)[0]

    def single():
        if dense.quantization_mode:
            found = dense(ops.repeat(vectors[:1], 2, axis=0))[:1]
        else:
            kernel = ops.cast(dense.kernel, dense.compute_dtype)
            halves = ops.reshape(ops.cast(vectors[:1], dense.compute_dtype), (2, 1, kernel.shape[0] // 2))
            pairs = ops.reshape(kernel, (2, kernel.shape[0] // 2, dense.units))
            found = dense.activation(ops.sum(ops.matmul(halves, pairs), axis=0))
        return ops.broadcast_to(found, (batch, dense.units))

    if isinstance(batch, int):
        return single() if batch == 1 else dense(vectors)
    return ops.cond(batch == 1, single, lambda: dense(vectors))


def _rotated(heads, angles):
    """Turns each pair of a first-half and a second-half feature by its angle, `(..., head_dim // 2)`."""
    cosine, sine = ops.cast(ops.cos(angles), heads.dtype), ops.cast(ops.sin(angles), heads.dtype)
    first, second = ops.split(heads, 2, axis=-1)
    return ops.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)
