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


@keras.saving.register_keras_serializable("kerasmlsp")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of token ids and logits with label smoothing: the mean over tokens by their weights.

    With `V` the vocabulary and `e` the smoothing, `-(1 - e) log p(y) - e / V sum_k log p(k)`.

    Reference: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision".

    Args:
        label_smoothing: Share of the target that all tokens get alike, in `[0, 1)`.

    Raises:
        ValueError: `label_smoothing` is out of range.
    """

    def __init__(
        self, label_smoothing=0.1, reduction="mean_with_sample_weight", name="smoothed_crossentropy", **kwargs
    ):
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"`label_smoothing` must be in [0, 1). Received: label_smoothing={label_smoothing}")
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        # Targets arrive as floats, which hold ids of up to 2 ** 24.
        ids, shares = ops.cast(y_true, "int32"), ops.log_softmax(ops.cast(y_pred, "float32"))
        found = ops.take_along_axis(shares, ids[..., None], axis=-1)[..., 0]
        return (self.label_smoothing - 1) * found - self.label_smoothing * ops.mean(shares, axis=-1)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
