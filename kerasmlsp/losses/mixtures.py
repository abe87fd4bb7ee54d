"""Nats and bits of mixtures of logistic distributions."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
def logistic_mixture_nats(
    targets: keras.KerasTensor, parameters: keras.KerasTensor, num_levels: int
) -> keras.KerasTensor:
    """Negative log-likelihood of samples under a mixture of logistic distributions that is cut into levels, in nats.

    With weights `w_i`, means `m_i` and scales `s_i`, and the logistic function `S`, a sample `x` of one of `num_levels`
    levels from -1 to 1 has the probability `sum_i w_i (S((x + d - m_i) / s_i) - S((x - d - m_i) / s_i))`, where
    `d = 1 / (num_levels - 1)` is half a step; the outermost levels take all that lies beyond.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; Salimans et al. 2017,
    "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other Modifications".

    Args:
        targets: `(...)`, in `[-1, 1]`.
        parameters: `(..., 3 * num_mixtures)`: logits of the weights, means, logarithms of the scales.
        num_levels: Levels, at least 2.

    Returns:
        Nats of each sample, `(...)`, float32.

    Example:
        >>> nats = logistic_mixture_nats(keras.ops.array([-1.0, 1.0]), keras.ops.zeros((2, 3)), num_levels=2)
        >>> print(keras.ops.convert_to_numpy(nats).round(3))  # a distribution around 0 gives half to either level: ln 2
        [0.693 0.693]
    """
    logits, means, log_scales = ops.split(ops.cast(parameters, "float32"), 3, axis=-1)
    targets, half = ops.cast(targets, "float32")[..., None], 1.0 / (num_levels - 1)
    # A scale far below a step adds nothing but large numbers.
    log_scales = ops.maximum(log_scales, math.log(half) - 2.0)
    inverse = ops.exp(-log_scales)
    upper, lower = (targets + half - means) * inverse, (targets - half - means) * inverse
    share = ops.sigmoid(upper) - ops.sigmoid(lower)
    # Where a level has next to no share, the density at its middle has a logarithm still.
    middle = (targets - means) * inverse
    density = middle - log_scales - 2.0 * ops.softplus(middle) + math.log(2.0 * half)
    inner = ops.where(share > 1e-5, ops.log(ops.maximum(share, 1e-12)), density)
    # The lowest level reaches down to minus infinity, the highest up to infinity.
    logs = ops.where(targets < -1.0 + half, upper - ops.softplus(upper), inner)
    logs = ops.where(targets > 1.0 - half, -ops.softplus(lower), logs)
    return -ops.logsumexp(ops.log_softmax(logits) + logs, axis=-1)


@keras.saving.register_keras_serializable("kerasmlsp")
class LogisticMixture(keras.losses.Loss):
    """`logistic_mixture_nats` as a loss, of targets `(batch, ..., 1)`.

    Args:
        num_levels: Levels of a sample, at least 2.
        reduction: As of `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: `num_levels` is less than 2.

    Example:
        >>> loss = LogisticMixture(num_levels=2)
        >>> round(float(loss(keras.ops.array([[[-1.0], [1.0]]]), keras.ops.zeros((1, 2, 3)))), 3)  # ln 2
        0.693
    """

    def __init__(
        self,
        num_levels: int = 256,
        reduction: str | None = "sum_over_batch_size",
        name: str = "logistic_mixture",
        **kwargs: Any,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        if num_levels < 2:
            raise ValueError(f"`num_levels` must be at least 2. Received: num_levels={num_levels}")
        self.num_levels = num_levels

    def call(self, y_true, y_pred):
        return logistic_mixture_nats(y_true[..., 0], y_pred, self.num_levels)

    def get_config(self):
        return {**super().get_config(), "num_levels": self.num_levels}


@keras.saving.register_keras_serializable("kerasmlsp")
class BitsPerDimension(keras.losses.Loss):
    """Bits that each value takes by the logits of its levels: the cross-entropy divided by ln 2.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; Theis, van den Oord
    and Bethge 2016, "A Note on the Evaluation of Generative Models".

    Args:
        reduction: As of `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Levels, `(batch, ...)`.
        y_pred: Logits, `(batch, ..., num_levels)`.

    Example:
        >>> loss = BitsPerDimension()
        >>> round(float(loss(keras.ops.array([[3]]), keras.ops.zeros((1, 1, 256)))), 3)  # one of 256
        8.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "bits_per_dimension", **kwargs: Any):
        super().__init__(reduction=reduction, name=name, **kwargs)

    def call(self, y_true, y_pred):
        levels = ops.cast(y_true, "int32")
        return ops.sparse_categorical_crossentropy(levels, y_pred, from_logits=True) / math.log(2.0)
