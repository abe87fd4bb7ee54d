"""Layers in which a network learns where to look."""

import keras
from keras import ops


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
    """

    def __init__(self, units, **kwargs):
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
        # Written out, since Keras's softmax warns of sequences of one step, which texts of one word are.
        weights = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)))
        weights = weights / ops.sum(weights, axis=-1, keepdims=True)
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
