"""Penalties on what units give."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class ActivityPenalty(keras.layers.Layer):
    """Adds to the loss what the units give, and hands it on as it is: few units are active at a time.

    The loss is `factor` times the mean over the batch of the sum of `|z_j|`. Keras's `ActivityRegularization` takes the
    sum over the batch too, so that its factor means something else for every batch size.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Regularization Techniques" (activity regularization).

    Args:
        factor: At least 0.

    Call arguments:
        inputs: What units give, `(batch, ...)`.

    Returns:
        The inputs.

    Raises:
        ValueError: `factor` is negative or no finite number.

    Example:
        >>> layer = ActivityPenalty(0.1)
        >>> _ = layer(keras.ops.array([[1.0, -2.0], [0.0, 5.0]]))
        >>> round(float(layer.losses[0]), 3)  # 0.1 (3 + 5) / 2
        0.4
    """

    def __init__(self, factor: float, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= factor < math.inf:
            raise ValueError(f"`factor` must be at least 0 and finite. Received: factor={factor}")
        self.factor = factor
        self.supports_masking = True

    def call(self, inputs):
        activity = ops.abs(ops.cast(inputs, "float32"))
        sums = ops.sum(ops.reshape(activity, (ops.shape(activity)[0], -1)), axis=1)
        self.add_loss(self.factor * ops.mean(sums))
        return inputs

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
