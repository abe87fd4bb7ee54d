"""Normalisation: faster than Keras's own where that is slow, and of groups of bands."""

from typing import Any

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


@keras.saving.register_keras_serializable("kerasmlsp")
class SubSpectralNormalization(keras.layers.Layer):
    """Batch normalisation of each group of neighbouring bands on its own.

    Reference: Pilanci, EE269 lecture 16 (2020), "2D Convolutional Networks for Signal Classification"; Chang et al.
    2021, "Subspectral Normalization for Neural Audio Data Processing".

    Args:
        sub_bands: Number of groups, at least 1, a divisor of the bands.
        momentum: Weight of the old in the moving mean and variance, in `[0, 1)`.
        epsilon: Added to the variance, above 0.

    Call arguments:
        inputs: `(batch, frames, bands, channels)`.
        training: Whether to use, and keep, mean and variance of the batch.

    Returns:
        The same shape.

    Raises:
        ValueError: A value is out of range, or `sub_bands` does not divide the bands.

    Example:
        >>> layer = SubSpectralNormalization(sub_bands=2)
        >>> tuple(layer(keras.ops.ones((1, 5, 4, 3))).shape)
        (1, 5, 4, 3)
        >>> tuple(layer.normalization.gamma.shape)  # each of 2 groups of bands has its own, in 3 channels
        (6,)
    """

    def __init__(self, sub_bands: int, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any):
        super().__init__(**kwargs)
        if sub_bands < 1:
            raise ValueError(f"`sub_bands` must be at least 1. Received: sub_bands={sub_bands}")
        if epsilon <= 0:
            raise ValueError(f"`epsilon` must be above 0. Received: epsilon={epsilon}")
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1). Received: momentum={momentum}")
        self.sub_bands, self.momentum, self.epsilon = sub_bands, momentum, epsilon
        self.normalization = BatchNormalization(
            momentum=momentum, epsilon=epsilon, dtype=self.dtype_policy, name="normalization"
        )

    def build(self, input_shape):
        if input_shape[2] % self.sub_bands:
            raise ValueError(
                f"`sub_bands` must divide the {input_shape[2]} bands. Received: sub_bands={self.sub_bands}"
            )
        self.normalization.build((None, None, None, self.sub_bands * input_shape[3]))

    def call(self, inputs, training=False):
        batch, frames, bands, channels = ops.shape(inputs)
        # The groups become channels, which have statistics of their own.
        grouped = ops.reshape(inputs, (batch, frames, self.sub_bands, bands // self.sub_bands, channels))
        grouped = ops.transpose(grouped, (0, 1, 3, 2, 4))
        shape = ops.shape(grouped)
        flat = ops.reshape(grouped, (*shape[:3], self.sub_bands * channels))
        grouped = ops.reshape(self.normalization(flat, training=training), shape)
        return ops.reshape(ops.transpose(grouped, (0, 1, 3, 2, 4)), (batch, frames, bands, channels))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("sub_bands", "momentum", "epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
