"""Layers in which a network learns where to look."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.composite import Composite


def softmax(scores: keras.KerasTensor) -> keras.KerasTensor:
    """Softmax over the last axis, written out: Keras's own warns of sequences of one step, as texts of one word are.

    Example:
        >>> weights = softmax(keras.ops.log(keras.ops.array([[1.0, 3.0]])))
        >>> print(keras.ops.convert_to_numpy(weights).round(3))
        [[0.25 0.75]]
    """
    weights = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)))
    return weights / ops.sum(weights, axis=-1, keepdims=True)


@keras.saving.register_keras_serializable("kerasmlsp")
class AttentionPooling(keras.layers.Layer):
    """Pools a sequence into one vector by learned attention.

    `u_t = tanh(W h_t + b)`, `a_t = softmax_t(u_t . u)`, `l = sum_t a_t h_t`.

    Reference: Ganapathy, MLSP 2025, "Attention in LSTM networks"; Yang et al. 2016, "Hierarchical Attention
    Networks for Document Classification".

    Args:
        units: Size of `u_t` and of the query `u`, at least 1.

    Call arguments:
        inputs: States `h_t`, `(batch, length, features)`.
        mask: Optional booleans `(batch, length)`; steps where it is False get weight 0. A row without
            any step is pooled evenly over its padding.

    Returns:
        The pooled vector `(batch, features)` and the weights `(batch, length)`, each row of which sums to 1.

    Raises:
        ValueError: `units` is less than 1.

    Example:
        >>> layer = AttentionPooling(units=4)
        >>> pooled, weights = layer(keras.ops.ones((1, 3, 2)), mask=keras.ops.array([[True, True, False]]))
        >>> print(keras.ops.convert_to_numpy(weights))  # equal steps weigh the same, padding nothing
        [[0.5 0.5 0. ]]
        >>> tuple(pooled.shape)
        (1, 2)
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}")
        self.units = units
        self.supports_masking = True

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units), initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.query = self.add_weight(name="query", shape=(self.units, 1), initializer="glorot_uniform")

    def call(self, inputs, mask=None):
        scores = ops.matmul(ops.tanh(ops.matmul(inputs, self.kernel) + self.bias), self.query)
        scores = ops.cast(ops.squeeze(scores, -1), "float32")
        if mask is not None:
            scores = ops.where(mask, scores, -1e9)
        weights = softmax(scores)
        return ops.squeeze(ops.matmul(ops.cast(weights, inputs.dtype)[:, None, :], inputs), 1), weights

    def compute_mask(self, inputs, mask=None):
        return None, None

    def compute_output_spec(self, inputs, mask=None):
        return (
            keras.KerasTensor((inputs.shape[0], inputs.shape[-1]), dtype=self.compute_dtype),
            keras.KerasTensor(inputs.shape[:-1], dtype="float32"),
        )

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1]), tuple(input_shape[:-1])

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("kerasmlsp")
class ScaledDotProductAttention(keras.layers.Layer):
    """Averages values by how well their keys fit a query: `softmax(Q K^T / sqrt(d)) V`.

    Reference: Ganapathy, MLSP 2025, "Transformers - self-attention"; Sri Rama Murty, (Deep) Neural Networks (2021),
    "Transformers"; Vaswani et al. 2017, "Attention Is All You Need".

    Call arguments:
        query: `(..., length, d)`.
        key: `(..., memory, d)`.
        value: `(..., memory, features)`.
        attention_mask: Optional booleans that broadcast to `(..., length, memory)`; False gets weight 0. A query that
            sees nothing averages evenly.

    Returns:
        `(..., length, features)` and the weights `(..., length, memory)`, float32, each row of which sums to 1.

    Raises:
        ValueError: Queries and keys differ in size.

    Example:
        >>> query, key = keras.ops.array([[[20.0, 0.0]]]), keras.ops.array([[[1.0, 0.0], [0.0, 1.0]]])
        >>> found, weights = ScaledDotProductAttention()(query, key, keras.ops.array([[[5.0], [7.0]]]))
        >>> print(keras.ops.convert_to_numpy(weights).round(3), keras.ops.convert_to_numpy(found).round(3))
        [[[1. 0.]]] [[[5.]]]
    """

    def build(self, query_shape, key_shape, value_shape, attention_mask_shape=None):
        if query_shape[-1] != key_shape[-1]:
            raise ValueError(f"`key` must have the {query_shape[-1]} features of `query`. Received: shape {key_shape}")

    def call(self, query, key, value, attention_mask=None):
        scores = ops.matmul(query, ops.swapaxes(key, -1, -2))
        scores = ops.cast(scores, "float32") / key.shape[-1] ** 0.5
        if attention_mask is not None:
            scores = ops.where(attention_mask, scores, -1e9)
        weights = softmax(scores)
        return ops.matmul(ops.cast(weights, value.dtype), value), weights

    def compute_output_spec(self, query, key, value, attention_mask=None):
        outputs, weights = self.compute_output_shape(query.shape, key.shape, value.shape)
        return keras.KerasTensor(outputs, self.compute_dtype), keras.KerasTensor(weights, "float32")

    def compute_output_shape(self, query_shape, key_shape, value_shape, attention_mask_shape=None):
        return (*query_shape[:-1], value_shape[-1]), (*query_shape[:-1], key_shape[-2])


@keras.saving.register_keras_serializable("kerasmlsp")
class MultiHeadAttention(Composite):
    """Scaled dot-product attention in several subspaces at once.

    Head `j` attends with `Q W_j^Q`, `K W_j^K` and `V W_j^V`, of `features / num_heads` each; the heads together go
    through `W^O`. Every projection has a bias. The answers are those of `keras.layers.MultiHeadAttention` with the same
    weights; here the keys and values of a memory can also be kept (`project`) and attended to later (`attend`).

    Reference: Ganapathy, MLSP 2025, "Transformers - self-attention"; Vaswani et al. 2017, "Attention Is All You Need".

    Args:
        num_heads: Heads, at least 1; divides the features of the query.

    Call arguments:
        query: `(batch, length, features)`.
        memory: `(batch, memory, memory_features)`, from which keys and values are made.
        attention_mask: Optional booleans that broadcast to `(batch, heads, length, memory)`; False gets weight 0.

    Returns:
        `(batch, length, features)` and the weights of every head, `(batch, num_heads, length, memory)`, float32.

    Raises:
        ValueError: `num_heads` is less than 1 or does not divide the features.

    Example:
        >>> outputs, weights = MultiHeadAttention(num_heads=2)(keras.ops.ones((1, 3, 8)), keras.ops.ones((1, 4, 6)))
        >>> tuple(outputs.shape), tuple(weights.shape)
        ((1, 3, 8), (1, 2, 3, 4))
        >>> print(keras.ops.convert_to_numpy(weights)[0, 0, 0].round(3))  # four places that are the same
        [0.25 0.25 0.25 0.25]
    """

    def __init__(self, num_heads: int, **kwargs: Any):
        super().__init__(**kwargs)
        if num_heads < 1:
            raise ValueError(f"`num_heads` must be at least 1. Received: num_heads={num_heads}")
        self.num_heads = num_heads
        self.attention = ScaledDotProductAttention(name="attention", dtype=self.dtype_policy)

    def build(self, query_shape, memory_shape, attention_mask_shape=None):
        features = query_shape[-1]
        if features % self.num_heads:
            raise ValueError(f"`num_heads` must divide the {features} features. Received: num_heads={self.num_heads}")
        self.query, self.key, self.value, self.output_projection = (
            keras.layers.Dense(features, name=name, dtype=self.dtype_policy)
            for name in ("query", "key", "value", "output")
        )
        self.query.build(query_shape)
        self.key.build(memory_shape)
        self.value.build(memory_shape)
        self.output_projection.build(query_shape)

    def call(self, query, memory, attention_mask=None):
        return self.attend(query, *self.project(memory), attention_mask=attention_mask)

    def project(self, memory: keras.KerasTensor) -> tuple[Any, Any]:
        """Keys and values of a memory, `(batch, num_heads, memory, features / num_heads)` each."""
        return self._heads(self.key(memory)), self._heads(self.value(memory))

    def attend(
        self,
        query: keras.KerasTensor,
        keys: keras.KerasTensor,
        values: keras.KerasTensor,
        attention_mask: keras.KerasTensor | None = None,
    ) -> Any:
        """Goes on from what `project` made: the answers of a call."""
        found, weights = self.attention(self._heads(self.query(query)), keys, values, attention_mask=attention_mask)
        return self.output_projection(ops.reshape(ops.swapaxes(found, 1, 2), ops.shape(query))), weights

    def project_step(self, memory: keras.KerasTensor) -> tuple[Any, Any]:
        """As `project`, of one step `(batch, memory_features)`: `(batch, num_heads, 1, features / num_heads)` each."""
        parts = self.key(memory), self.value(memory)
        key, value = (ops.reshape(part, (-1, self.num_heads, 1, part.shape[-1] // self.num_heads)) for part in parts)
        return key, value

    def attend_step(
        self,
        query: keras.KerasTensor,
        keys: keras.KerasTensor,
        values: keras.KerasTensor,
        attention_mask: keras.KerasTensor | None = None,
    ) -> keras.KerasTensor:
        """As `attend`, of one step `(rows, features)`, in few operations.

        Args:
            query: `(rows, features)`.
            keys, values: Of as many rows; or of fewer, each for as many neighbouring rows of `query`.
            attention_mask: As in a call, with the rows of `keys`.

        Returns:
            `(rows, features)`.
        """
        features = query.shape[-1]
        # The rows that share a memory, as the beams of a sentence, are the queries of one.
        split = (ops.shape(keys)[0], -1, self.num_heads, features // self.num_heads)
        queries = ops.swapaxes(ops.reshape(self.query(query), split), 1, 2)
        found, _ = self.attention(queries, keys, values, attention_mask=attention_mask)
        return self.output_projection(ops.reshape(ops.swapaxes(found, 1, 2), (-1, features)))

    def _heads(self, vectors):
        batch, length, features = ops.shape(vectors)
        split = ops.reshape(vectors, (batch, length, self.num_heads, features // self.num_heads))
        return ops.swapaxes(split, 1, 2)

    def compute_output_spec(self, query, memory, attention_mask=None):
        outputs, weights = self.compute_output_shape(query.shape, memory.shape)
        return keras.KerasTensor(outputs, self.compute_dtype), keras.KerasTensor(weights, "float32")

    def compute_output_shape(self, query_shape, memory_shape, attention_mask_shape=None):
        return tuple(query_shape), (query_shape[0], self.num_heads, query_shape[1], memory_shape[1])

    def get_config(self):
        return {**super().get_config(), "num_heads": self.num_heads}


@keras.saving.register_keras_serializable("kerasmlsp")
class KerasMultiHeadAttention(Composite, keras.layers.MultiHeadAttention):
    """`keras.layers.MultiHeadAttention`, which in Keras 3.15 cannot be loaded again once it is quantized.

    Args:
        *args: As for `keras.layers.MultiHeadAttention`, as are all others and the call.

    Example:
        >>> layer = KerasMultiHeadAttention(num_heads=2, key_dim=4)
        >>> tuple(layer(keras.ops.ones((1, 3, 8)), keras.ops.ones((1, 5, 8))).shape)
        (1, 3, 8)
    """
