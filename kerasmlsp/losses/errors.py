"""Squared errors of known values, and of slopes."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class KnownSquaredError(keras.losses.Loss):
    """Mean squared error of numbers of which some are not known: NaN in the targets counts for nothing.

    Args:
        scale: What errors are divided by before they are squared, above 0.

    Example:
        >>> loss = KnownSquaredError(scale=2.0)
        >>> round(float(loss(keras.ops.array([[1.0, float("nan")]]), keras.ops.array([[5.0, 9.0]]))), 3)  # (4 / 2)^2
        4.0
    """

    def __init__(
        self,
        scale: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "known_squared_error",
        **kwargs: Any,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.scale = scale

    def call(self, y_true, y_pred):
        known = ops.logical_not(ops.isnan(y_true))
        # Twice, since the gradient of a NaN that is not chosen is NaN all the same.
        errors = ops.where(known, y_true, 0.0) - ops.where(known, y_pred, 0.0)
        axes = tuple(range(1, len(y_true.shape)))
        count = ops.maximum(ops.sum(ops.cast(known, errors.dtype), axis=axes), 1.0)
        return ops.sum(ops.square(errors / self.scale), axis=axes) / count

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


def slope_matrix(steps: int, width: float) -> np.ndarray:
    """Returns the matrix that makes of a signal the slopes of its smoothed form, or the identity for a width of 0.

    The signal is smoothed by a Gaussian; beyond its ends it is taken to stay as it is there. A slope is multiplied by
    the width, so that it has the units of the signal.

    Args:
        steps: Samples of the signal.
        width: Standard deviation of the Gaussian, in samples, at least 0.

    Returns:
        float32 `(steps, steps)`, to be multiplied with the signal from the left.

    Example:
        >>> ramp = np.arange(20.0)
        >>> np.round(slope_matrix(20, 2.0) @ ramp, 2)[9:12].tolist()  # a slope of 1, times the width
        [2.0, 2.0, 2.0]
    """
    if width <= 0:
        return np.eye(steps, dtype="float32")
    reach = int(np.ceil(4 * width))
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-(offsets**2) / (2 * width**2))
    weights *= offsets / (weights * offsets**2).sum() * width
    places = np.clip(np.arange(steps)[:, None] + offsets, 0, steps - 1)
    matrix = np.zeros((steps, steps))
    np.add.at(matrix, (np.arange(steps)[:, None], places), weights)
    return matrix.astype("float32")


@keras.saving.register_keras_serializable("kerasmlsp")
class SlopeError(keras.losses.Loss):
    """Mean square of the errors' slopes, and with a weight of the errors: what is drawn matters more than its level.

    The errors are those of signals `(batch, steps, channels)`, the slopes those of `slope_matrix`. With a width of 0 it
    is the mean squared error.

    Reference: Sobolev training, Czarnecki et al. 2017, "Sobolev Training for Neural Networks".

    Args:
        width: Standard deviation of the Gaussian that smoothes, in samples, at least 0.
        plain: Weight of the squared errors themselves where `width` is above 0.
        reduction: As of every loss of Keras.
        name: Name of the loss.

    Example:
        >>> signals = np.sin(np.arange(40.0))[None, :, None]
        >>> loss = SlopeError(width=3.0, plain=0.0)
        >>> round(float(loss(signals, signals + 1.0)), 6)  # another level is no other slope
        0.0
    """

    def __init__(
        self,
        width: float = 3.0,
        plain: float = 0.1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "slope_error",
        **kwargs: Any,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.width, self.plain = width, plain

    def call(self, y_true, y_pred):
        errors = ops.cast(y_pred, "float32") - ops.cast(y_true, "float32")
        squares = ops.mean(errors**2, axis=-1)
        if self.width <= 0:
            return squares
        slopes = ops.einsum("bsc,ts->btc", errors, slope_matrix(errors.shape[1], self.width))
        return ops.mean(slopes**2, axis=-1) + self.plain * squares

    def get_config(self):
        return {**super().get_config(), "width": self.width, "plain": self.plain}
