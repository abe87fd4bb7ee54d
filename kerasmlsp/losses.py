"""Losses that Keras lacks, and their metrics."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
def frame_nats(targets, logits):
    """Negative log-likelihood of binary frames in nats, summed over the keys of a frame.

    With `y` the targets and `z` the logits, `sum_k softplus(z_k) - y_k z_k`: each key is an independent Bernoulli
    variable.

    Reference: Boulanger-Lewandowski, Bengio and Vincent 2012, "Modeling Temporal Dependencies in High-Dimensional
    Sequences"; Bai, Kolter and Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks
    for Sequence Modeling".

    Args:
        targets: `(batch, length, num_keys)`, 0 or 1.
        logits: `(batch, length, num_keys)`.

    Returns:
        Nats of each frame, `(batch, length)`, float32.
    """
    logits = ops.cast(logits, "float32")
    return ops.sum(ops.softplus(logits) - ops.cast(targets, "float32") * logits, axis=-1)


@keras.saving.register_keras_serializable("kerasmlsp")
class FrameNats(keras.losses.Loss):
    """`frame_nats` as a loss: the mean over frames by their weights, such as 0 for padding."""

    def __init__(self, reduction="mean_with_sample_weight", name="frame_nats", **kwargs):
        super().__init__(reduction=reduction, name=name, **kwargs)

    def call(self, y_true, y_pred):
        return frame_nats(y_true, y_pred)


@keras.saving.register_keras_serializable("kerasmlsp")
class NatsPerFrame(keras.metrics.Metric):
    """Mean of `frame_nats` over the frames of all batches by their weights, such as 0 for padding.

    `keras.metrics.Mean` would weigh a batch by its pieces, not by its frames, where batches differ in length.
    """

    def __init__(self, name="nats", **kwargs):
        super().__init__(name=name, **kwargs)
        self.nats = self.add_weight(name="nats", initializer="zeros")
        self.frames = self.add_weight(name="frames", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        nats = frame_nats(y_true, y_pred)
        weights = ops.ones_like(nats) if sample_weight is None else ops.cast(sample_weight, nats.dtype)
        self.nats.assign_add(ops.sum(nats * weights))
        self.frames.assign_add(ops.sum(weights))

    def result(self):
        return ops.divide_no_nan(self.nats, self.frames)


@keras.saving.register_keras_serializable("kerasmlsp")
def logistic_mixture_nats(targets, parameters, num_levels):
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
    """

    def __init__(self, num_levels=256, reduction="sum_over_batch_size", name="logistic_mixture", **kwargs):
        super().__init__(reduction=reduction, name=name, **kwargs)
        if num_levels < 2:
            raise ValueError(f"`num_levels` must be at least 2. Received: num_levels={num_levels}")
        self.num_levels = num_levels

    def call(self, y_true, y_pred):
        return logistic_mixture_nats(y_true[..., 0], y_pred, self.num_levels)

    def get_config(self):
        return {**super().get_config(), "num_levels": self.num_levels}
