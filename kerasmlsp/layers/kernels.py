"""Features whose inner products are kernels: a linear model on them draws curved boundaries."""

import itertools
import math
from collections import Counter
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class PolynomialFeatures(keras.layers.Layer):
    """The products of inputs whose inner products are the polynomial kernel: `phi(x) . phi(y) = (x . y + c)^n`.

    With `c = 0` these are all products of exactly `n` inputs, else of up to `n`, each times the square root of how
    often it occurs in the kernel: `x1^2, sqrt(2) x1 x2, x2^2` for `n = 2`, `c = 0` and two inputs. They are in the
    order of `itertools.combinations_with_replacement`, which counts `sqrt(c)` as an input before the first.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Cover's Theorem" (`c = 0`) and "Data Independent
    Transformation" (`c = 1`).

    Args:
        degree: `n`, at least 1.
        constant: `c`, at least 0.

    Call arguments:
        inputs: `(batch, features)`.

    Returns:
        `(batch, products)`: `C(features + n, n)` of them, or `C(features + n - 1, n)` with `c = 0`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> x, y = keras.ops.array([[1.0, 2.0]]), keras.ops.array([[3.0, 1.0]])
        >>> layer = PolynomialFeatures(2, constant=0.0)
        >>> print(keras.ops.convert_to_numpy(layer(x)).round(3))
        [[1.    2.828 4.   ]]
        >>> round(float(keras.ops.sum(layer(x) * layer(y))), 3)  # (1 * 3 + 2 * 1)^2
        25.0
    """

    def __init__(self, degree: int = 2, constant: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        if degree < 1:
            raise ValueError(f"`degree` must be at least 1. Received: degree={degree}")
        if not 0 <= constant < math.inf:
            raise ValueError(f"`constant` must be at least 0. Received: constant={constant}")
        self.degree, self.constant = degree, constant

    def call(self, inputs):
        if self.constant:
            inputs = ops.concatenate([ops.full_like(inputs[:, :1], math.sqrt(self.constant)), inputs], axis=1)
        products = self._products(inputs.shape[1])
        scales = [math.sqrt(_orders(product)) for product in products]
        columns = np.array(products)
        features = ops.take(inputs, columns[:, 0], axis=1) * ops.cast(scales, inputs.dtype)
        for place in range(1, self.degree):
            features = features * ops.take(inputs, columns[:, place], axis=1)
        return features

    def _products(self, count):
        return list(itertools.combinations_with_replacement(range(count), self.degree))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], math.comb(input_shape[1] + bool(self.constant) + self.degree - 1, self.degree))

    def get_config(self):
        return {**super().get_config(), "degree": self.degree, "constant": self.constant}


def _orders(product):
    """In how many orders the inputs of a product can be written."""
    return math.factorial(len(product)) // math.prod(math.factorial(each) for each in Counter(product).values())


@keras.saving.register_keras_serializable("kerasmlsp")
class RandomFourierFeatures(keras.layers.Layer):
    """Waves at random frequencies, whose inner products come near the Gaussian kernel `exp(-|x - y|^2 / h)`.

    `phi(x) = sqrt(2 / units) cos(W x + b)`, the weights `W` normal with variance `2 / h`, the phases `b` uniform in
    `[0, 2 pi)`; neither is trained. The error falls with the square root of the units.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Data Independent Transformation"; Rahimi and Recht 2007,
    "Random Features for Large-Scale Kernel Machines".

    Args:
        units: Waves, at least 1.
        width: `h`, the squared distance at which the kernel has fallen to `1 / e`, above 0.
        seed: Seed of weights and phases; None for one that follows from `keras.utils.set_random_seed`.

    Call arguments:
        inputs: `(batch, features)`.

    Returns:
        `(batch, units)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> layer = RandomFourierFeatures(units=5000, width=2.0, seed=0)
        >>> x, y = keras.ops.array([[0.0, 0.0]]), keras.ops.array([[1.0, 1.0]])
        >>> abs(float(keras.ops.sum(layer(x) * layer(y))) - math.exp(-1)) < 0.05
        True
    """

    def __init__(self, units: int, width: float = 1.0, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"`units` must be at least 1. Received: units={units}")
        if not 0 < width < math.inf:
            raise ValueError(f"`width` must be above 0. Received: width={width}")
        self.units, self.width, self.seed = units, width, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        normal = keras.initializers.RandomNormal(stddev=math.sqrt(2 / self.width), seed=self.seed_generator)
        phases = keras.initializers.RandomUniform(0.0, 2 * math.pi, seed=self.seed_generator)
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=normal, trainable=False, autocast=False)
        self.bias = self.add_weight(
            name="bias", shape=(self.units,), initializer=phases, trainable=False, autocast=False
        )

    def call(self, inputs):
        kernel, phases = ops.cast(self.kernel, "float32"), ops.cast(self.bias, "float32")
        waves = ops.cos(ops.matmul(ops.cast(inputs, "float32"), kernel) + phases)
        return ops.cast(math.sqrt(2 / self.units) * waves, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "width": self.width, "seed": self.seed}
