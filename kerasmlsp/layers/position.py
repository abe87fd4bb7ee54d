"""Layers that tell a Transformer where in the sequence it is."""

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class SinusoidalPosition(keras.layers.Layer):
    """Adds fixed sines and cosines of geometrically spaced wavelengths to a sequence of vectors.

    Feature `2i` of step `t` gets `sin(t / wavelength^(2i / features))`, feature `2i + 1` the cosine.

    Reference: Ganapathy, MLSP 2025, "Transformers"; Vaswani et al. 2017, "Attention Is All You Need".

    Args:
        max_wavelength: The longest wavelength over 2 pi, in steps, above 0.

    Call arguments:
        inputs: `(batch, length, features)`, any length, an even number of features.

    Returns:
        A tensor of the shape of `inputs`.

    Raises:
        ValueError: `max_wavelength` is not positive, or the number of features is odd.

    Example:
        >>> waves = SinusoidalPosition()(keras.ops.zeros((1, 2, 2)))
        >>> print(keras.ops.convert_to_numpy(waves).round(3))  # sine and cosine of 0, then of 1
        [[[0.    1.   ]
          [0.841 0.54 ]]]
    """

    def __init__(self, max_wavelength: float = 10_000.0, **kwargs: Any):
        super().__init__(**kwargs)
        if max_wavelength <= 0:
            raise ValueError(f"`max_wavelength` must be above 0. Received: max_wavelength={max_wavelength}")
        self.max_wavelength = max_wavelength
        self.supports_masking = True

    def build(self, input_shape):
        if input_shape[-1] % 2:
            raise ValueError(f"The number of features must be even. Received: input_shape={input_shape}")

    def call(self, inputs):
        return inputs + self._waves(ops.arange(ops.shape(inputs)[1]), inputs)

    def _waves(self, steps, inputs):
        features = inputs.shape[-1]
        steps = ops.cast(ops.reshape(steps, (-1, 1)), "float32")
        rates = ops.exp(ops.arange(0, features, 2, dtype="float32") * (-math.log(self.max_wavelength) / features))
        angles = steps * rates[None, :]
        waves = ops.reshape(ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1), (-1, features))
        return ops.cast(waves, inputs.dtype)

    def initial_state(self, batch_size: int) -> list:
        """Nothing is carried from step to step."""
        return []

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one step of every row, `(batch, features)`, at the scalar `position`."""
        return inputs + self._waves(position, inputs), state

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "max_wavelength": self.max_wavelength}


@keras.saving.register_keras_serializable("kerasmlsp")
class LearnedPosition(keras.layers.Layer):
    """Adds a learned vector for each place to a sequence of vectors.

    Reference: Gehring et al. 2017, "Convolutional Sequence to Sequence Learning"; Radford et al. 2018, "Improving
    Language Understanding by Generative Pre-Training".

    Args:
        max_length: Most steps of a sequence, at least 1. Later ones get the vector of the last.

    Call arguments:
        inputs: `(batch, length, features)`.

    Returns:
        A tensor of the shape of `inputs`.

    Raises:
        ValueError: `max_length` is less than 1.

    Example:
        >>> layer = LearnedPosition(max_length=2)
        >>> outputs = keras.ops.convert_to_numpy(layer(keras.ops.zeros((1, 3, 4))))
        >>> outputs.shape, bool((outputs[0, 2] == outputs[0, 1]).all())  # the third step has the vector of the second
        ((1, 3, 4), True)
    """

    def __init__(self, max_length: int, **kwargs: Any):
        super().__init__(**kwargs)
        if max_length < 1:
            raise ValueError(f"`max_length` must be at least 1. Received: max_length={max_length}")
        self.max_length = max_length
        self.supports_masking = True

    def build(self, input_shape):
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.vectors = self.add_weight(name="vectors", shape=(self.max_length, input_shape[-1]), initializer=start)

    def call(self, inputs):
        return inputs + self._at(ops.arange(ops.shape(inputs)[1]))

    def _at(self, steps):
        vectors = ops.cast(ops.convert_to_tensor(self.vectors), self.compute_dtype)
        return ops.take(vectors, ops.minimum(steps, self.max_length - 1), axis=0)

    def initial_state(self, batch_size: int) -> list:
        """Nothing is carried from step to step."""
        return []

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one step of every row, `(batch, features)`, at the scalar `position`."""
        return inputs + self._at(position), state

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "max_length": self.max_length}
