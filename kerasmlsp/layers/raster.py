"""Convolutions over images that are read row by row: they see the rows above, and what is left in the own row."""

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class LevelFeatures(keras.layers.Layer):
    """Describes each level of a pixel by three numbers, and that there is a pixel by one more.

    A level `x` of `num_levels` becomes `2 x / (num_levels - 1) - 1`, whether it is the lowest, and whether it is the
    highest: black and white are no shades among others. Behind them comes a 1, which tells pixels from the zeros around
    an image.

    Reference: Salimans et al. 2017, "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood
    and Other Modifications" (the 1).

    Args:
        num_levels: Levels, at least 2.

    Call arguments:
        inputs: Levels `(..., channels)`, int.

    Returns:
        `(..., 3 * channels + 1)`: the three numbers of the first channel, then of the next, then the 1.

    Raises:
        ValueError: `num_levels` is less than 2.

    Example:
        >>> print(keras.ops.convert_to_numpy(LevelFeatures(256)(np.array([[0], [255]]))))
        [[-1.  1.  0.  1.]
         [ 1.  0.  1.  1.]]
    """

    def __init__(self, num_levels: int, **kwargs: Any):
        super().__init__(**kwargs)
        if num_levels < 2:
            raise ValueError(f"`num_levels` must be at least 2. Received: num_levels={num_levels}")
        self.num_levels = num_levels

    def call(self, inputs):
        levels, top = ops.cast(inputs, "float32"), self.num_levels - 1
        parts = (2.0 * levels / top - 1.0, ops.cast(levels <= 0.0, "float32"), ops.cast(levels >= top, "float32"))
        shape = (*ops.shape(inputs)[:-1], 3 * inputs.shape[-1])
        features = ops.reshape(ops.stack(parts, axis=-1), shape)
        return ops.cast(ops.concatenate([features, ops.ones_like(levels[..., :1])], axis=-1), self.compute_dtype)

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], 3 * inputs_shape[-1] + 1)

    def get_config(self):
        return {**super().get_config(), "num_levels": self.num_levels}


@keras.saving.register_keras_serializable("kerasmlsp")
class RasterConv2D(keras.layers.Layer):
    """A convolution that sees some rows above a pixel, to both sides, and some pixels to its left.

    With `y = b + sum_ij U_ij x_{r - i, c + j} + sum_k V_k x_{r, c - k}`, where `i` runs from 1 to `rows`, `j` from
    `-columns // 2` to `columns // 2`, and `k` from 0, or 1, to `left`. No work is spent on places that a mask hides.
    What is above to the right is seen by a stack of such layers up to a slope of `columns // 2` pixels a row. Outside
    of the image stand zeros.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2016, "Conditional Image Generation with PixelCNN Decoders".

    Args:
        filters: Output features, at least 1.
        rows: Rows above that are seen, at least 1.
        columns: Columns of them that are seen, odd.
        left: Pixels to the left that are seen, at least 1.
        own: Whether the pixel itself is seen.
        by_place: Whether there is a bias for each place of the image rather than one for all.

    Call arguments:
        inputs: `(batch, height, width, features)`.

    Returns:
        `(batch, height, width, filters)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> layer = RasterConv2D(1, own=False, kernel_initializer="ones")
        >>> seen = layer(keras.ops.ones((1, 3, 3, 1)))
        >>> print(keras.ops.convert_to_numpy(seen)[0, :, :, 0])  # how many pixels each one sees
        [[0. 1. 1.]
         [2. 4. 3.]
         [2. 4. 3.]]
    """

    def __init__(
        self,
        filters: int,
        rows: int = 1,
        columns: int = 3,
        left: int = 1,
        *,
        own: bool = True,
        by_place: bool = False,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value in {"filters": filters, "rows": rows, "columns": columns, "left": left}.items():
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        if columns % 2 == 0:
            raise ValueError(f"`columns` must be odd. Received: columns={columns}")
        self.filters, self.rows, self.columns, self.left = filters, rows, columns, left
        self.own, self.by_place = own, by_place
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, inputs_shape):
        self.height, self.width, features = inputs_shape[1:]
        taps = self.rows * self.columns + self.left + self.own
        # One matrix for all that is seen, so that its scale is that of one layer.
        shape = (taps * features, self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self.kernel_initializer)
        places = (self.height, self.width) if self.by_place else ()
        self.bias = self.add_weight(name="bias", shape=(*places, self.filters), initializer="zeros")

    def call(self, inputs):
        features, half = inputs.shape[-1], self.columns // 2
        kernel = ops.cast(self.kernel, inputs.dtype)
        split = self.rows * self.columns * features
        above = ops.reshape(kernel[:split], (self.rows, self.columns, features, self.filters))
        beside = ops.reshape(kernel[split:], (1, self.left + self.own, features, self.filters))
        upper = ops.pad(inputs[:, :-1], ((0, 0), (self.rows, 0), (half, half), (0, 0)))
        before = ops.pad(inputs if self.own else inputs[:, :, :-1], ((0, 0), (0, 0), (self.left, 0), (0, 0)))
        found = ops.conv(upper, above, padding="valid") + ops.conv(before, beside, padding="valid")
        return found + ops.cast(self.bias, found.dtype)

    @property
    def _stride(self):
        """Places of a row in the state, with the zeros before it, which stand behind the row above, too."""
        return self.width + max(self.columns // 2, self.left)

    def initial_state(self, batch_size: int) -> keras.KerasTensor:
        """Zeros for the last rows that were read, `(batch, places, features)`."""
        features = self.kernel.shape[0] // (self.rows * self.columns + self.left + self.own)
        return ops.zeros((batch_size, (self.rows + 1) * self._stride, features), self.compute_dtype)

    def write(
        self, values: keras.KerasTensor, state: keras.KerasTensor, position: int | keras.KerasTensor
    ) -> keras.KerasTensor:
        """Keeps what stands at a pixel.

        Args:
            values: `(batch, features)`.
            state: As of `initial_state`.
            position: Scalar int: the pixel, counted row by row.

        Returns:
            The new state.
        """
        return ops.slice_update(state, (0, self._place(position), 0), ops.cast(values, state.dtype)[:, None])

    def read(self, state: keras.KerasTensor, position: int | keras.KerasTensor) -> keras.KerasTensor:
        """Returns the layer's output at a pixel, `(batch, filters)`, from what was kept up to it."""
        half = self.columns // 2
        offsets = [column - row * self._stride for row in range(self.rows, 0, -1) for column in range(-half, half + 1)]
        offsets += range(-self.left, int(self.own))
        size = (self.rows + 1) * self._stride
        seen = ops.take(state, ops.mod(self._place(position) + size + np.array(offsets, "int32"), size), axis=1)
        seen = ops.reshape(seen, (-1, self.kernel.shape[0]))
        bias = ops.reshape(self.bias, (-1, self.filters))
        bias = ops.take(bias, position, axis=0) if self.by_place else bias[0]
        return ops.matmul(seen, ops.cast(self.kernel, seen.dtype)) + ops.cast(bias, seen.dtype)

    def _place(self, position):
        row, column = position // self.width, position % self.width
        return row % (self.rows + 1) * self._stride + self._stride - self.width + column

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[:-1], self.filters)

    def get_config(self):
        names = ("filters", "rows", "columns", "left", "own", "by_place")
        own = {name: getattr(self, name) for name in names}
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return {**super().get_config(), **own, "kernel_initializer": initializer}
