"""Augmentation of images by operations that are drawn at random."""

import math
from typing import Any

import keras
from keras import layers, ops

from kerasmlsp.augment._checks import check_batch
from kerasmlsp.augment._image_batches import (
    AXES,
    RANGE,
    _cast,
    _images,
    _keras,
    _leave_xla_to_jax,
    _matrices,
    _move,
    _rotations,
    _saturated,
    _shape,
    _with_images,
)

# Of the ways of RandAugment: nothing, rotation, two shears and two shifts, before those that change colours.
GEOMETRIC, COLOURS = 6, 7


@keras.saving.register_keras_serializable("kerasmlsp")
class RandAugment(keras.layers.Layer):
    """Changes every image in a few ways drawn from thirteen, all of about the same strength, while training.

    The ways are nothing; rotation, and shear and shift along either axis, which are done in one resampling;
    brightness, contrast, sharpness, posterisation, automatic contrast, saturation and solarisation. Every image has
    ways of its own, where Keras's layer has the same for a whole batch.

    Reference: Cubuk et al. 2020, "RandAugment: Practical Automated Data Augmentation with a Reduced Search Space".

    Args:
        num_ops: Ways an image is changed in, at least 1.
        magnitude: Strength, in `[0, 1]`; 1 rotates by up to 30 degrees and shifts by up to 0.3.
        fill_mode: As of `RandomAffine`.
        seed: Seed of the random generators.

    Call arguments:
        inputs: Images with three channels, or a dict (see the module).
        training: Whether to change.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> photographs = keras.ops.full((2, 8, 8, 3), 200.0)
        >>> changed = RandAugment(num_ops=2, magnitude=0.5)(photographs, training=True)
        >>> tuple(changed.shape), bool(keras.ops.all((changed >= 0) & (changed <= 255)))
        ((2, 8, 8, 3), True)
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: float = 0.3,
        fill_mode: str = "reflect",
        seed: int | None = None,
        **kwargs: Any,
    ):
        kwargs.setdefault("dtype", "float32")
        # Boxes and labels are not to be rounded.
        super().__init__(autocast=False, **kwargs)
        if num_ops < 1:
            raise ValueError(f"`num_ops` must be at least 1. Received: num_ops={num_ops}")
        if not 0 <= magnitude <= 1:
            raise ValueError(f"`magnitude` must be in [0, 1]. Received: magnitude={magnitude}")
        self.num_ops, self.magnitude, self.fill_mode, self.seed = num_ops, magnitude, fill_mode, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        strength = 0.9 * magnitude
        sharp = (0.5 - strength / 2, 0.5 + strength / 2)
        bits = round(8 - 4 * magnitude)
        self.brightness = _keras(layers.RandomBrightness, seed, 1, factor=strength)
        self.contrast = _keras(layers.RandomContrast, seed, 2, factor=strength)
        self.sharpness = _keras(layers.RandomSharpness, seed, 3, factor=sharp)
        self.posterization = _keras(layers.RandomPosterization, seed, 4, factor=(bits, bits))
        self.auto_contrast = layers.AutoContrast(dtype="float32")
        _leave_xla_to_jax(self)

    def call(self, inputs, training=False):
        check_batch(_images(inputs), *AXES)
        if not training:
            return _cast(inputs, self.compute_dtype)
        count = _shape(inputs)[0]
        chosen = [
            keras.random.randint((count,), 0, GEOMETRIC + COLOURS, seed=self.seed_generator)
            for _ in range(self.num_ops)
        ]
        inputs = _with_images(inputs, self._recolour(ops.cast(_images(inputs), "float32"), chosen))
        return _move(inputs, *self._draw(_shape(inputs), chosen), self.fill_mode, 0.0, self.compute_dtype)

    def build(self, input_shape):
        for layer in (self.brightness, self.contrast, self.sharpness, self.posterization, self.auto_contrast):
            layer.build(input_shape)

    def _recolour(self, images, chosen):
        strength = 0.9 * self.magnitude
        ways = (
            lambda images: self.brightness(images, training=True),
            lambda images: self.contrast(images, training=True),
            lambda images: self.sharpness(images, training=True),
            lambda images: self.posterization(images, training=True),
            lambda images: self.auto_contrast(images, training=True),
            lambda images: _saturated(images, strength, self.seed_generator),
            lambda images: ops.where(images < RANGE[1] * (1 - strength), images, RANGE[1] - images),
        )
        for chosen_here in chosen:
            for number, way in enumerate(ways, GEOMETRIC):
                here = ops.equal(chosen_here, number)[:, None, None, None]
                images = ops.clip(ops.where(here, way(images), images), *RANGE)
        return images

    def _draw(self, shape, chosen) -> tuple[Any, Any]:
        one = ops.ones((shape[0],))
        zero = ops.zeros((shape[0],))
        linear, offset = _matrices(one, zero, zero, one), ops.zeros((shape[0], 2))
        sizes = ops.stack([ops.cast(shape[2], "float32"), ops.cast(shape[1], "float32")])
        for chosen_here in chosen:
            amount = keras.random.uniform(
                (shape[0],), -0.3 * self.magnitude, 0.3 * self.magnitude, dtype="float32", seed=self.seed_generator
            )
            turn, shear_x, shear_y, shift_x, shift_y = (
                ops.where(ops.equal(chosen_here, number), amount, 0.0) for number in range(1, GEOMETRIC)
            )
            # The amount that shifts by 0.3 turns by 30 degrees.
            linear = ops.matmul(linear, _rotations(turn * (math.pi / 6 / 0.3)))
            linear = ops.matmul(linear, _matrices(one, shear_x, shear_y, one))
            offset = offset + ops.stack([shift_x, shift_y], axis=1) * sizes
        return linear, offset

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("num_ops", "magnitude", "fill_mode", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
