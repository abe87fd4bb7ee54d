"""Values of any kind as the arrays that a saved model takes."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


def to_array(name: str, values: Any, spec: "tf.TensorSpec") -> np.ndarray:
    """Returns the rows of one input as an array that `spec`, a `tf.TensorSpec`, describes.

    Raises:
        ValueError: If a row is missing, or type, range or shape do not fit.

    Example:
        >>> import tensorflow as tf
        >>> to_array("count", [1, 2.0], tf.TensorSpec([None], tf.int32))
        array([1, 2], dtype=int32)
        >>> to_array("count", [1, 2.5], tf.TensorSpec([None], tf.int32))
        Traceback (most recent call last):
        ValueError: `count` must be int32 in every row. Received: values from 1.0 to 2.5, some not whole or out of range
    """
    convert = _text_array if spec.dtype.name == "string" else functools.partial(_number_array, dtype=spec.dtype)
    try:
        array = convert(name, values)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"`{name}` must be {spec.dtype.name} in every row. Received: {error}") from error
    if not spec.shape.is_compatible_with(array.shape):
        raise ValueError(f"`{name}` must be a list or array of rows, shape {spec.shape}. Received: shape {array.shape}")
    return array


def _rows(name, values, dtype=None):
    try:
        return np.asarray(values, dtype)
    except ValueError as error:
        raise ValueError(f"`{name}` must have rows of one shape. Received: {error}") from error


def _text_array(name, values):
    array = _rows(name, values, object)
    for place, value in enumerate(array.flat):
        if not isinstance(value, str | bytes):
            row = _row(array, place)
            raise ValueError(
                f"`{name}` must be text in every row; row {row} is missing or no text. Received: {value!r}"
            )
    return array


def _number_array(name, values, dtype):
    array = _rows(name, values)
    if array.dtype.kind in "OSU":
        array = _plain_numbers(array)
    if array.dtype.kind == "f" and np.isnan(array).any():
        row = _row(array, np.flatnonzero(np.isnan(array))[0])
        raise ValueError(f"`{name}` must be a number in every row; row {row} is missing. Received: NaN")
    if array.dtype.kind not in "biuf":
        # Not with a warning, as NumPy drops imaginary parts.
        raise TypeError(f"{array.dtype}")
    with np.errstate(invalid="ignore", over="ignore"):
        converted = array.astype(dtype.as_numpy_dtype, copy=False)
    if dtype.is_floating and (beyond := np.isfinite(array) & ~np.isfinite(converted)).any():
        place = np.flatnonzero(beyond)[0]
        raise ValueError(
            f"`{name}` must be numbers of at most {dtype.max:.3g} ({dtype.name}); row {_row(array, place)} is beyond. "
            f"Received: {array.flat[place]}"
        )
    if not dtype.is_floating and converted is not array and not np.array_equal(converted, array):
        raise TypeError(f"values from {array.min()} to {array.max()}, some not whole or out of range")
    return converted


def _plain_numbers(array):
    if any(isinstance(value, str | bytes) for value in array.flat):
        raise TypeError("text")
    # None becomes NaN by itself, the missing value of pandas does not.
    missing = [value is None or type(value).__name__ == "NAType" for value in array.flat]
    return np.where(np.reshape(missing, array.shape), None, array).astype("float64")  # type: ignore[attr-defined]


def _row(array, place):
    return place // max(1, array.size // len(array)) if array.ndim else 0
