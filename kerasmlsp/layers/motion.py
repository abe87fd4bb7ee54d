"""Signals of body-worn sensors that do not depend on how the device lies."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class GravityAlignment(keras.layers.Layer):
    """Adds to three-axis sensors what they show along gravity and across it, however the device is turned.

    Gravity is the mean of the accelerometer over `span` samples around each one. Of every sensor, the part along it and
    the length of the part across it follow: for a gyroscope, how fast the person turns about the vertical axis.

    Reference: Mizell 2003, "Using Gravity to Estimate Accelerometer Orientation".

    Args:
        span: Samples of the mean, at least 1: about a second of them.

    Call arguments:
        inputs: `(batch, steps, channels)`, three axes of each sensor after the other, those of an accelerometer that
            feels gravity first.

    Returns:
        `(batch, steps, channels + 2 * channels / 3)`: the inputs, then the parts along gravity of every sensor, then
        the lengths across it.

    Raises:
        ValueError: `span` is less than 1, or the channels are no multiple of three.

    Example:
        >>> signals = keras.ops.array([[[0.0, 0.0, 9.8, 3.0, 4.0, 2.0]]])  # lying flat, and turning
        >>> [round(float(value), 3) for value in GravityAlignment(span=1)(signals)[0, 0, 6:]]
        [9.8, 2.0, 0.0, 5.0]
    """

    def __init__(self, span: int = 50, **kwargs):
        super().__init__(**kwargs)
        if span < 1:
            raise ValueError(f"`span` must be at least 1. Received: span={span}")
        self.span = span

    def build(self, input_shape):
        if input_shape[-1] is None or input_shape[-1] % 3:
            raise ValueError(f"`inputs` must have three channels for each sensor. Received: shape={tuple(input_shape)}")

    def call(self, inputs):
        batch, steps, channels = ops.shape(inputs)
        down = ops.average_pool(inputs[..., :3], self.span, 1, padding="same")
        down = down / ops.maximum(_lengths(down), 1e-3)
        sensors = ops.reshape(inputs, (batch, steps, channels // 3, 3))
        along = ops.sum(sensors * down[:, :, None], axis=-1, keepdims=True)
        across = _lengths(sensors - along * down[:, :, None])
        return ops.concatenate([inputs, along[..., 0], across[..., 0]], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // 3 * 5)

    def get_config(self):
        return {**super().get_config(), "span": self.span}


def _lengths(vectors):
    # The root has no gradient at 0.
    return ops.sqrt(ops.sum(ops.square(vectors), axis=-1, keepdims=True) + 1e-12)
