"""Losses that Keras lacks, and their metrics."""

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
