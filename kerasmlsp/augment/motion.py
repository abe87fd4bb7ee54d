"""Data augmentation for windows of motion sensors; for jitter, there is `keras.layers.GaussianNoise`."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasmlsp.augment._checks import check_batch, check_shape


@keras.saving.register_keras_serializable("kerasmlsp")
class RandomScaling(keras.layers.Layer):
    """Multiplies each channel of a window by a factor near 1 while training.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation"; Um et al. 2017, "Data Augmentation of
    Wearable Sensor Data for Parkinson's Disease Monitoring Using Convolutional Neural Networks".

    Args:
        deviation: Standard deviation of the factor, which is normal around 1; at least 0.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Windows `(batch, steps, channels)`.
        training: Whether to scale.

    Returns:
        The same shape.

    Raises:
        ValueError: `deviation` is negative.

    Example:
        >>> scaled = RandomScaling(deviation=0.1)(keras.ops.ones((1, 5, 3)), training=True)
        >>> float(keras.ops.max(keras.ops.abs(scaled - scaled[:, :1])))  # every step of a channel by the same factor
        0.0
    """

    def __init__(self, deviation: float = 0.1, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        _check_deviation(deviation)
        self.deviation, self.seed = deviation, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        check_batch(inputs, "batch", "steps", "channels")
        if not training:
            return inputs
        shape = (ops.shape(inputs)[0], 1, ops.shape(inputs)[2])
        return inputs * keras.random.normal(shape, 1.0, self.deviation, inputs.dtype, seed=self.seed_generator)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "deviation": self.deviation, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasmlsp")
class RandomAxisRotation(keras.layers.Layer):
    """Turns the axes of each window's sensors while training, as if the device had been worn another way round.

    The axis of the turn is uniform on the sphere, its angle uniform. All three-axis sensors of a window turn together,
    since they sit in one device.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation"; Um et al. 2017, "Data Augmentation of
    Wearable Sensor Data for Parkinson's Disease Monitoring Using Convolutional Neural Networks".

    Args:
        max_degrees: Largest angle, in `[0, 180]`.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Windows `(batch, steps, channels)`, the channels three axes of each sensor after the other.
        training: Whether to turn.

    Returns:
        The same shape.

    Raises:
        ValueError: `max_degrees` is out of range, or the channels are no multiple of three.

    Example:
        >>> turned = RandomAxisRotation()(keras.ops.array([[[3.0, 4.0, 0.0]]]), training=True)
        >>> round(float(keras.ops.norm(turned[0, 0])), 3)  # a turn keeps the length
        5.0
    """

    def __init__(self, max_degrees: float = 180.0, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if not 0 <= max_degrees <= 180:
            raise ValueError(f"`max_degrees` must be in [0, 180]. Received: max_degrees={max_degrees}")
        self.max_degrees, self.seed = max_degrees, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        check_shape(input_shape, "batch", "steps", "channels")
        _check_axes(input_shape)

    def call(self, inputs, training=False):
        check_batch(inputs, "batch", "steps", "channels")
        if not training:
            return inputs
        batch, steps, channels = ops.shape(inputs)
        sensors = ops.reshape(inputs, (batch, steps * (channels // 3), 3))
        turned = ops.matmul(sensors, ops.cast(self._matrices(batch), inputs.dtype))
        return ops.reshape(turned, (batch, steps, channels))

    def _matrices(self, batch):
        """A rotation for each window, `(batch, 3, 3)`, by Rodrigues's formula."""
        axis = keras.random.normal((batch, 3, 1), dtype="float32", seed=self.seed_generator)
        axis = axis / ops.maximum(ops.norm(axis, axis=1, keepdims=True), 1e-6)
        most = math.radians(self.max_degrees)
        angle = keras.random.uniform((batch, 1, 1), -most, most, dtype="float32", seed=self.seed_generator)
        x, y, z = (axis[:, i] for i in range(3))
        zero = ops.zeros_like(x)
        # Its product with a vector is the vector product with the axis.
        cross = ops.reshape(ops.concatenate([zero, -z, y, z, zero, -x, -y, x, zero], axis=1), (batch, 3, 3))
        along = ops.matmul(axis, ops.transpose(axis, (0, 2, 1)))
        return ops.cos(angle) * ops.eye(3) + ops.sin(angle) * cross + (1 - ops.cos(angle)) * along

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "max_degrees": self.max_degrees, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasmlsp")
class RandomHalfTurn(keras.layers.Layer):
    """Turns each window's device by 180 degrees about one of its axes, or not at all, while training.

    A phone lies in a pocket upright or upside down, its screen to the body or away from it: four ways, which are as
    likely as each other. All three-axis sensors of a window turn together, since they sit in one device.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation"; Um et al. 2017, "Data Augmentation of
    Wearable Sensor Data for Parkinson's Disease Monitoring Using Convolutional Neural Networks" (rotation).

    Args:
        seed: Seed of the random generator.

    Call arguments:
        inputs: Windows `(batch, steps, channels)`, the channels three axes of each sensor after the other.
        training: Whether to turn.

    Returns:
        The same shape.

    Raises:
        ValueError: The channels are no multiple of three.

    Example:
        >>> turned = RandomHalfTurn(seed=0)(keras.ops.array([[[3.0, 4.0, 5.0]]]), training=True)
        >>> abs(turned.numpy()).tolist()  # two axes point the other way, or none
        [[[3.0, 4.0, 5.0]]]
    """

    def __init__(self, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        check_shape(input_shape, "batch", "steps", "channels")
        _check_axes(input_shape)

    def call(self, inputs, training=False):
        check_batch(inputs, "batch", "steps", "channels")
        if not training:
            return inputs
        batch, _, channels = ops.shape(inputs)
        kind = keras.random.randint((batch,), 0, 4, dtype="int32", seed=self.seed_generator)
        ways = ops.cast([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], inputs.dtype)
        return inputs * ops.tile(ops.take(ways, kind, axis=0), (1, channels // 3))[:, None]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("kerasmlsp")
class TimeWarp(keras.layers.Layer):
    """Plays parts of each window faster and others slower while training; first and last sample stay in their place.

    The speed is linear between `knots` random values around 1, and the signal between its samples.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation"; Um et al. 2017, "Data Augmentation of
    Wearable Sensor Data for Parkinson's Disease Monitoring Using Convolutional Neural Networks".

    Args:
        deviation: Standard deviation of the speed at a knot, at least 0; speeds under 0.1 are taken as 0.1.
        knots: Places of random speed, spread evenly over the window, at least 2.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Windows `(batch, steps, channels)` of a fixed number of steps, at least 2.
        training: Whether to warp.

    Returns:
        The same shape.

    Raises:
        ValueError: A value is out of range, or the number of steps unknown or less than 2.

    Example:
        >>> warped = TimeWarp()(keras.ops.reshape(keras.ops.arange(5.0), (1, 5, 1)), training=True)
        >>> round(float(warped[0, 0, 0]), 3), round(float(warped[0, -1, 0]), 3)  # the ends stay
        (0.0, 4.0)
    """

    def __init__(self, deviation: float = 0.2, knots: int = 4, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        _check_deviation(deviation)
        if knots < 2:
            raise ValueError(f"`knots` must be at least 2. Received: knots={knots}")
        self.deviation, self.knots, self.seed = deviation, knots, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        check_shape(input_shape, "batch", "steps", "channels")
        steps = input_shape[1]
        if steps is None or steps < 2:
            raise ValueError(
                f"`inputs` must have a fixed number of steps, at least 2. Received: shape={tuple(input_shape)}"
            )
        # The speed between two samples is that of the place half-way.
        places = (np.arange(steps - 1) + 0.5) / (steps - 1) * (self.knots - 1)
        weights = np.maximum(0, 1 - np.abs(places - np.arange(self.knots)[:, None]))
        self.steps, self.between = steps, weights.astype("float32")

    def call(self, inputs, training=False):
        check_batch(inputs, "batch", "steps", "channels")
        if not training:
            return inputs
        shape = (ops.shape(inputs)[0], self.knots)
        speed = keras.random.normal(shape, 1.0, self.deviation, "float32", seed=self.seed_generator)
        time = ops.cumsum(ops.matmul(ops.maximum(speed, 0.1), ops.convert_to_tensor(self.between)), axis=1)
        time = ops.pad(time / time[:, -1:] * (self.steps - 1), ((0, 0), (1, 0)))[..., None]
        before = ops.minimum(ops.floor(time), self.steps - 2)
        share = ops.cast(time - before, inputs.dtype)
        place = ops.cast(before, "int32")
        first = ops.take_along_axis(inputs, place, axis=1)
        return first + share * (ops.take_along_axis(inputs, place + 1, axis=1) - first)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "deviation": self.deviation, "knots": self.knots, "seed": self.seed}


def _check_axes(shape):
    if shape[-1] % 3:
        raise ValueError(f"`inputs` must have three channels for each sensor. Received: shape={tuple(shape)}")


def _check_deviation(deviation):
    if deviation < 0:
        raise ValueError(f"`deviation` must be at least 0. Received: deviation={deviation}")
