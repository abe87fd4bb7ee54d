"""Layers that turn the opinions of trained models into probabilities that can be trusted."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike


@keras.saving.register_keras_serializable("kerasmlsp")
class LengthCalibration(keras.layers.Layer):
    """Combines the log-probabilities of several classifiers with weights and biases that depend on the text's length.

    With `l = log((n + 1) / 100)` for a text of `n` tokens, class `k` gets
    `z_k = sum_m (w_m + v_m l) log p_mk + b_k + c_k l`, and the output is `softmax(z)`. A classifier trained on long
    texts is too sure and too fond of one class on short ones; this is the smallest model that can say so. Lengths
    outside the range given to `adapt` count as its ends, since a line says nothing of where it was not fitted.

    Reference: Platt 1999, "Probabilistic Outputs for Support Vector Machines"; Guo et al. 2017, "On Calibration of
    Modern Neural Networks"; Wolpert 1992, "Stacked Generalization".

    Args:
        num_members: Number of classifiers.
        num_classes: Number of classes.

    Call arguments:
        inputs: Pair of probabilities `(batch, num_members, num_classes)` and token counts `(batch,)`.

    Returns:
        Probabilities `(batch, num_classes)`, computed in float32 whatever the layer's type, which is float32 where none
        is given.

    Example:
        >>> layer = LengthCalibration(num_members=2, num_classes=2)
        >>> opinions = keras.ops.array([[[0.5, 0.5], [0.1, 0.9]]])
        >>> print(keras.ops.convert_to_numpy(layer([opinions, keras.ops.array([20])])).round(3))  # the geometric mean
        [[0.25 0.75]]
    """

    def __init__(self, num_members: int, num_classes: int, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        super().__init__(autocast=False, **kwargs)
        self.num_members, self.num_classes = num_members, num_classes

    def build(self, input_shape):
        whole = {"dtype": "float32", "autocast": False}
        self.shares = self.add_weight(
            name="member_weights",
            shape=(2, self.num_members),
            **whole,
            initializer=lambda shape, dtype: ops.array([[1 / shape[1]] * shape[1], [0.0] * shape[1]], dtype),
        )
        self.range = self.add_weight(
            name="range",
            shape=(2,),
            **whole,
            initializer=lambda shape, dtype: ops.array([0.0, 1e9], dtype),
            trainable=False,
        )
        self.biases = self.add_weight(name="biases", shape=(2, self.num_classes), initializer="zeros", **whole)

    def adapt(self, lengths: ArrayLike) -> None:
        """Keeps the range of the token counts that the layer is fitted on."""
        self.range.assign([float(np.min(lengths)), float(np.max(lengths))])

    def call(self, inputs):
        probabilities, lengths = inputs
        lengths = ops.clip(ops.cast(lengths, "float32"), self.range[0], self.range[1])
        length = ops.log((lengths + 1.0) / 100.0)[:, None]
        opinions = ops.log(ops.clip(ops.cast(probabilities, "float32"), 1e-7, 1.0))
        share = self.shares[0] + self.shares[1] * length
        biases = self.biases[0] + self.biases[1] * length
        found = ops.softmax(ops.sum(opinions * share[:, :, None], axis=1) + biases)
        return ops.cast(found, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[0][0], self.num_classes

    def get_config(self):
        return {**super().get_config(), "num_members": self.num_members, "num_classes": self.num_classes}
