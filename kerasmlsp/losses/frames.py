"""Nats of frames of music and of other independent bits."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
def frame_nats(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
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

    Example:
        >>> nats = frame_nats(keras.ops.zeros((1, 2, 3)), keras.ops.zeros((1, 2, 3)))
        >>> print(keras.ops.convert_to_numpy(nats).round(3))  # three keys at even odds: 3 ln 2
        [[2.079 2.079]]
    """
    logits = ops.cast(logits, "float32")
    return ops.sum(ops.softplus(logits) - ops.cast(targets, "float32") * logits, axis=-1)


@keras.saving.register_keras_serializable("kerasmlsp")
class FrameNats(keras.losses.Loss):
    """`frame_nats` as a loss: the mean over frames by their weights, such as 0 for padding.

    Example:
        >>> silence, logits = keras.ops.zeros((1, 2, 3)), keras.ops.array([[[0.0] * 3, [9.0] * 3]])
        >>> round(float(FrameNats()(silence, logits, sample_weight=keras.ops.array([[1.0, 0.0]]))), 3)  # 3 ln 2
        2.079
    """

    def __init__(self, reduction: str | None = "mean_with_sample_weight", name: str = "frame_nats", **kwargs: Any):
        super().__init__(reduction=reduction, name=name, **kwargs)

    def call(self, y_true, y_pred):
        return frame_nats(y_true, y_pred)


@keras.saving.register_keras_serializable("kerasmlsp")
class NatsPerFrame(keras.metrics.Metric):
    """Mean of `frame_nats` over the frames of all batches by their weights, such as 0 for padding.

    `keras.metrics.Mean` would weigh a batch by its pieces, not by its frames, where batches differ in length.

    Example:
        >>> metric = NatsPerFrame()
        >>> for frames in (1, 3):  # two batches of silence, at even odds of each of two keys
        ...     metric.update_state(keras.ops.zeros((1, frames, 2)), keras.ops.zeros((1, frames, 2)))
        >>> round(float(metric.result()), 3), float(metric.frames)  # 2 ln 2
        (1.386, 4.0)
    """

    def __init__(self, name: str = "nats", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self._direction = "down"  # where Keras and `training.fit` look for it
        self.nats = self.add_weight(name="nats", initializer="zeros")
        self.frames = self.add_weight(name="frames", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        nats = frame_nats(y_true, y_pred)
        weights = ops.ones_like(nats) if sample_weight is None else ops.cast(sample_weight, nats.dtype)
        self.nats.assign_add(ops.sum(nats * weights))
        self.frames.assign_add(ops.sum(weights))

    def result(self):
        return ops.divide_no_nan(self.nats, self.frames)
