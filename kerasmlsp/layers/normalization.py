"""Normalisation that is faster than Keras's own where that is slow."""

import keras
from keras import ops

from kerasmlsp.layers.devices import on_cpu


@keras.saving.register_keras_serializable("kerasmlsp")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` that trains by one operation on maps `(batch, height, width, channels)`.

    Same equations, weights and arguments. On the TensorFlow backend, Keras computes mean and variance by some ten small
    operations, and as many for the gradient; here TensorFlow's own operation takes their place.

    Falls back to Keras at inference, with inputs of another rank, a mask, another axis than the last, `renorm` or
    `synchronized`, and on other backends.

    Reference: Ioffe and Szegedy 2015, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal
    Covariate Shift".

    Args:
        **kwargs: As for `keras.layers.BatchNormalization`.

    Example:
        >>> maps = keras.ops.reshape(keras.ops.arange(8.0), (2, 2, 2, 1))
        >>> outputs = keras.ops.convert_to_numpy(BatchNormalization()(maps, training=True))
        >>> abs(round(float(outputs.mean()), 3)), round(float(outputs.std()), 3)
        (0.0, 1.0)
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and mask is None and self._can_fuse(inputs)):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        channels = inputs.shape[-1]
        # On CPUs, in lower precision, the operation is slow unless channels fill whole vectors.
        narrow = inputs.dtype in (tf.bfloat16, tf.float16) and not (on_cpu() and channels % 16)
        found = tf.raw_ops.FusedBatchNormV3(
            x=inputs if narrow else ops.cast(inputs, "float32"),
            scale=ops.cast(self.gamma, "float32") if self.scale else ops.ones((channels,), "float32"),
            offset=ops.cast(self.beta, "float32") if self.center else ops.zeros((channels,), "float32"),
            mean=ops.zeros((0,), "float32"),
            variance=ops.zeros((0,), "float32"),
            epsilon=self.epsilon,
        )
        # The operation gives the unbiased variance, Keras keeps that of the batch.
        count = ops.cast(ops.size(inputs) // channels, "float32")
        for moving, value in (
            (self.moving_mean, found.batch_mean),
            (self.moving_variance, found.batch_variance * ((count - 1) / count)),
        ):
            before = ops.cast(moving, "float32")
            moving.assign(ops.cast(before * self.momentum + value * (1 - self.momentum), moving.dtype))
        return ops.cast(found.y, self.compute_dtype)

    def _can_fuse(self, inputs):
        plain = self.axis in (-1, 3) and not self.renorm and not self.synchronized
        return (
            plain and len(inputs.shape) == 4 and inputs.dtype != "float64" and keras.backend.backend() == "tensorflow"
        )
