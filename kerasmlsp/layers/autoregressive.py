"""Convolutions that see what came before only: earlier samples of a signal, earlier pixels of an image."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class GatedConvolutions(keras.layers.Layer):
    """The dilated causal convolutions of WaveNet, with gates, residuals and skips.

    Block `i` with states `x` and dilation `d_i` makes `z = tanh(a) * sigmoid(g)` of a convolution
    `[a, g] = sum_k W_k x_{t - k d_i} + V c_t + b`, passes `x + R z` on to the next block, and adds `S z` to the output.
    Before the start stand zeros.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2016, "WaveNet: A Generative Model for Raw Audio".

    Args:
        skip_features: Features of the output, at least 1.
        dilations: Steps between what a block sees, at least 1 each; one for each block.
        kernel_size: Steps that a block sees, at least 2.

    Call arguments:
        inputs: `(batch, length, features)`.
        condition: `(batch, length, size)`, or `(batch, 1, size)` for all steps, or None.

    Returns:
        The sum of the skips, `(batch, length, skip_features)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> layer = GatedConvolutions(skip_features=8, dilations=(1, 2, 4))
        >>> tuple(layer(keras.ops.ones((1, 20, 3))).shape)
        (1, 20, 8)
        >>> [tuple(past.shape) for past in layer.initial_state(batch_size=1)]  # an output sees 1 + 2 + 4 steps back
        [(1, 1, 3), (1, 2, 3), (1, 4, 3)]
    """

    def __init__(self, skip_features: int, dilations: Sequence[int], kernel_size: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        least = {"skip_features": (skip_features, 1), "kernel_size": (kernel_size, 2)}
        least["dilations"] = (min(dilations, default=0), 1)
        for name, (value, bound) in least.items():
            if value < bound:
                raise ValueError(f"`{name}` must be at least {bound}. Received: {name}={value}")
        self.skip_features, self.dilations, self.kernel_size = skip_features, tuple(dilations), kernel_size

    def build(self, inputs_shape, condition_shape=None):
        self.features, gated = inputs_shape[-1], 2 * inputs_shape[-1]
        self.blocks = []
        for i in range(len(self.dilations)):
            # Nothing comes after the last block's residual.
            outputs = self.skip_features + (self.features if i + 1 < len(self.dilations) else 0)
            block = {
                "kernel": self.add_weight(name=f"kernel_{i}", shape=(self.kernel_size * self.features, gated)),
                "bias": self.add_weight(name=f"bias_{i}", shape=(gated,), initializer="zeros"),
                "outputs": self.add_weight(name=f"outputs_{i}", shape=(self.features, outputs)),
                "outputs_bias": self.add_weight(name=f"outputs_bias_{i}", shape=(outputs,), initializer="zeros"),
            }
            if condition_shape is not None:
                block["condition"] = self.add_weight(name=f"condition_{i}", shape=(condition_shape[-1], gated))
            self.blocks.append(block)

    def call(self, inputs, condition=None):
        states, total = inputs, 0.0
        for i, dilation in enumerate(self.dilations):
            length, span = ops.shape(states)[1], (self.kernel_size - 1) * dilation
            padded = ops.pad(states, ((0, 0), (span, 0), (0, 0)))
            starts = range(0, span + 1, dilation)
            # One matrix product of shifted copies: dilated convolutions are slow on CPUs, and so are their gradients.
            windows = ops.concatenate([padded[:, start : start + length] for start in starts], axis=-1)
            states, skip = self._block(i, states, windows, condition)
            total = total + skip
        return total

    def initial_state(self, batch_size: int) -> list:
        """Zeros for the past states of every block, `(batch, (kernel_size - 1) * dilation, features)`."""
        spans = [(self.kernel_size - 1) * dilation for dilation in self.dilations]
        return [ops.zeros((batch_size, span, self.features), self.compute_dtype) for span in spans]

    def step(
        self,
        inputs: keras.KerasTensor,
        state: list,
        position: int | keras.KerasTensor,
        condition: keras.KerasTensor | None = None,
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one step of every row.

        Args:
            inputs: `(batch, features)`.
            state: Rings of past states, as of `initial_state`.
            position: Scalar int: steps before.
            condition: `(batch, size)` or None.

        Returns:
            `(batch, skip_features)` and the new state.
        """
        states, total, after = ops.cast(inputs, self.compute_dtype), 0.0, []
        for i, (dilation, ring) in enumerate(zip(self.dilations, state, strict=True)):
            span = (self.kernel_size - 1) * dilation
            place = ops.mod(position, span)
            # The oldest state lies where the new one goes.
            past = ops.take(ring, ops.mod(place + dilation * ops.arange(self.kernel_size - 1), span), axis=1)
            after.append(ops.slice_update(ring, (0, place, 0), states[:, None]))
            windows = ops.reshape(
                ops.concatenate([past, states[:, None]], axis=1), (-1, self.kernel_size * self.features)
            )
            states, skip = self._block(i, states, windows, condition)
            total = total + skip
        return total, after

    def _block(self, i, states, windows, condition):
        weights = {name: ops.cast(value, windows.dtype) for name, value in self.blocks[i].items()}
        fields = ops.matmul(windows, weights["kernel"]) + weights["bias"]
        if condition is not None:
            fields = fields + ops.matmul(ops.cast(condition, windows.dtype), weights["condition"])
        value, gate = ops.split(fields, 2, axis=-1)
        outputs = ops.matmul(ops.tanh(value) * ops.sigmoid(gate), weights["outputs"]) + weights["outputs_bias"]
        skip = outputs[..., : self.skip_features]
        return (states + outputs[..., self.skip_features :] if i + 1 < len(self.dilations) else states), skip

    def compute_output_shape(self, inputs_shape, condition_shape=None):
        return (*inputs_shape[:-1], self.skip_features)

    def get_config(self):
        return {
            **super().get_config(),
            "skip_features": self.skip_features,
            "dilations": list(self.dilations),
            "kernel_size": self.kernel_size,
        }


@keras.saving.register_keras_serializable("kerasmlsp")
class MaskedConv2D(keras.layers.Conv2D):
    """A convolution that sees the pixels above, and those to the left in its own row.

    Of the pixel itself, mask "A" sees nothing and mask "B" everything, where `channels` is 1. With more, input and
    output features are cut into that many parts, for red, green and blue: "A" sees the parts before its own, "B" its
    own too.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord,
    Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks".

    Args:
        filters: Output features.
        kernel_size: Rows and columns of the kernel, an odd int.
        mask: "A" or "B".
        channels: Channels of the image that are generated one after the other.
        **kwargs: Such as `activation` of `keras.layers.Conv2D`.

    Call arguments:
        inputs: `(batch, height, width, features)`.

    Returns:
        `(batch, height, width, filters)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> layer = MaskedConv2D(1, kernel_size=3, mask="A", kernel_initializer="ones")
        >>> seen = layer(keras.ops.ones((1, 3, 3, 1)))
        >>> print(keras.ops.convert_to_numpy(seen)[0, :, :, 0])  # how many pixels each one sees: 4 at most
        [[0. 1. 1.]
         [2. 4. 3.]
         [2. 4. 3.]]
    """

    def __init__(self, filters: int, kernel_size: int, mask: str = "B", channels: int = 1, **kwargs: Any):
        sizes = {kernel_size} if isinstance(kernel_size, int) else set(kernel_size)
        if len(sizes) > 1 or min(sizes) % 2 == 0:
            raise ValueError(f"`kernel_size` must be an odd int. Received: kernel_size={kernel_size}")
        if mask not in ("A", "B"):
            raise ValueError(f'`mask` must be "A" or "B". Received: mask={mask!r}')
        if channels < 1:
            raise ValueError(f"`channels` must be at least 1. Received: channels={channels}")
        super().__init__(filters, sizes.pop(), **{**kwargs, "padding": "same"})
        self.mask, self.channels = mask, channels

    def convolution_op(self, inputs: keras.KerasTensor, kernel: keras.KerasTensor) -> keras.KerasTensor:
        return super().convolution_op(inputs, kernel * ops.cast(self._seen(*kernel.shape), kernel.dtype))

    def _seen(self, rows, columns, inputs, outputs):
        """1 for weights of what was there before, 0 for the others."""
        seen = np.zeros((rows, columns, inputs, outputs), "float32")
        seen[: rows // 2] = 1
        seen[rows // 2, : columns // 2] = 1
        before = np.arange(inputs)[:, None] * self.channels // inputs
        own = np.arange(outputs) * self.channels // outputs
        seen[rows // 2, columns // 2] = before < own if self.mask == "A" else before <= own
        return seen

    def get_config(self):
        config = {**super().get_config(), "kernel_size": self.kernel_size[0]}
        return {**config, "mask": self.mask, "channels": self.channels}


def mu_law(samples: keras.KerasTensor, num_levels: int = 256) -> keras.KerasTensor:
    """Maps samples in `[-1, 1]` to levels from 0 to `num_levels - 1`, finer for quiet ones (ITU-T G.711).

    `sign(x) log(1 + mu |x|) / log(1 + mu)`, `mu = num_levels - 1`, rounded to one of `num_levels` steps.

    Example:
        >>> levels = mu_law(keras.ops.array([-1.0, 0.0, 0.01, 1.0]))
        >>> print(keras.ops.convert_to_numpy(levels))  # a hundredth of the range takes 29 levels
        [  0 128 157 255]
    """
    samples, mu = ops.clip(ops.cast(samples, "float32"), -1.0, 1.0), num_levels - 1
    squeezed = ops.sign(samples) * ops.log1p(mu * ops.abs(samples)) / math.log1p(mu)
    return ops.cast(ops.floor((squeezed + 1.0) / 2.0 * mu + 0.5), "int32")


def mu_law_inverse(levels: keras.KerasTensor, num_levels: int = 256) -> keras.KerasTensor:
    """Maps levels from 0 to `num_levels - 1` to samples in `[-1, 1]`.

    Example:
        >>> samples = mu_law_inverse(keras.ops.array([0, 128, 254, 255]))
        >>> print(keras.ops.convert_to_numpy(samples).round(3))  # the loudest two levels are far apart
        [-1.     0.     0.957  1.   ]
    """
    mu = num_levels - 1
    squeezed = 2.0 * ops.cast(levels, "float32") / mu - 1.0
    return ops.sign(squeezed) * ops.expm1(ops.abs(squeezed) * math.log1p(mu)) / mu
