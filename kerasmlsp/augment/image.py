"""Data augmentation for images, with their boxes and masks.

The layers take images `(batch, height, width, channels)` with values from 0 to 255, or a dict as Keras's own
preprocessing layers do: `images`, and where the task has them `labels`, `segmentation_masks` `(batch, height, width,
1)` and `bounding_boxes`, itself a dict of `boxes` `(batch, boxes, 4)` in pixels (left, top, right, bottom) and `labels`
`(batch, boxes)`, -1 for padding. They return the same, images in the layer's type, which is float32 where none is
given. Everything is computed in float32.

What comes in from outside of a picture with boxes is `fill_value`, whatever the fill mode: mirrored and repeated things
would have no box.

Keras 3.15 has layers of most of these names. Used here are those that were found right: brightness, contrast,
sharpness, posterisation, automatic contrast and erasing. Its rotation, shear and crop put boxes elsewhere than the
things in them, its MixUp and CutMix mix up masks, its saturation leaves the range of values, its solarisation draws
thresholds outside of the range asked for, and its rotation turns off XLA for a whole model on JAX.
"""

import math
from typing import Any

import keras
from keras import layers, ops

from kerasmlsp.augment._checks import check_batch
from kerasmlsp.augment._image_batches import AXES, RANGE, _cast, _check_shares, _images, _keras, _leave_xla_to_jax, _matrices, _move, _rotations, _saturated, _shape, _with_images

# Of the ways of RandAugment: nothing, rotation, two shears and two shifts, before those that change colours.
GEOMETRIC, COLOURS = 6, 7


@keras.saving.register_keras_serializable("kerasmlsp")
class RandomAffine(keras.layers.Layer):
    """Rotates, scales, crops, shifts, shears and flips at random while training, in one resampling.

    An output pixel at `p` is taken from `c + t + L (p - c)`, where `c` is the centre, `L` the product of scaling,
    rotation, shear and flip, and `t` the shift.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation".

    Args:
        rotation: Largest angle in degrees, at least 0.
        zoom: Largest share by which things grow or shrink, in `[0, 1)`.
        crop: Largest share that is cut off height and width, in `[0, 1)`; the rest is stretched to the whole.
        shift: Largest shift as share of height and width, in `[0, 1)`.
        shear: Largest shear as tangent of the angle, in `[0, 1)`.
        flip: "horizontal", "vertical", "both" or None.
        fill_mode: What comes in from outside: "reflect", "nearest", "wrap" or "constant", which it is where there are
            boxes.
        fill_value: What "constant" is for images; for masks it is 0.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Images, or a dict (see the module). Boxes become the least upright boxes around what they held, cut to
            the image; those that leave it get the label -1.
        training: Whether to transform.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> box = {"boxes": keras.ops.array([[[0.0, 1.0, 2.0, 6.0]]]), "labels": keras.ops.array([[7]])}
        >>> inputs = {"images": keras.ops.ones((1, 8, 8, 3)), "bounding_boxes": box}
        >>> boxes = RandomAffine(flip="both")(inputs, training=True)["bounding_boxes"]["boxes"]
        >>> print(keras.ops.convert_to_numpy(boxes[0, 0, 2:] - boxes[0, 0, :2]).round(3))  # of the same size
        [2. 5.]
    """

    def __init__(
        self,
        rotation: float = 0.0,
        zoom: float = 0.0,
        crop: float = 0.0,
        shift: float = 0.0,
        shear: float = 0.0,
        flip: str | None = None,
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        kwargs.setdefault("dtype", "float32")
        # Boxes and labels are not to be rounded.
        super().__init__(autocast=False, **kwargs)
        if rotation < 0:
            raise ValueError(f"`rotation` must be at least 0. Received: rotation={rotation}")
        _check_shares(zoom=zoom, crop=crop, shift=shift, shear=shear)
        if flip not in (None, "horizontal", "vertical", "both"):
            raise ValueError(f'`flip` must be "horizontal", "vertical", "both" or None. Received: flip={flip!r}')
        if fill_mode not in ("reflect", "nearest", "wrap", "constant"):
            raise ValueError(
                f'`fill_mode` must be "reflect", "nearest", "wrap" or "constant". Received: fill_mode={fill_mode!r}'
            )
        self.rotation, self.zoom, self.crop, self.shift, self.shear = rotation, zoom, crop, shift, shear
        self.flip, self.fill_mode, self.fill_value, self.seed = flip, fill_mode, fill_value, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        _leave_xla_to_jax(self)

    def call(self, inputs, training=False):
        check_batch(_images(inputs), *AXES)
        if not training:
            return _cast(inputs, self.compute_dtype)
        return _move(inputs, *self._draw(_shape(inputs)), self.fill_mode, self.fill_value, self.compute_dtype)

    def _draw(self, shape) -> tuple[Any, Any]:
        """Linear part `(batch, 2, 2)` and shift `(batch, 2)` in pixels, x before y."""
        count = shape[0]
        sides = ops.stack([ops.cast(shape[2], "float32"), ops.cast(shape[1], "float32")])
        cut = ops.abs(self._uniform(count, self.crop))
        scale = (1 - cut) / (1 + self._uniform(count, self.zoom))
        angle = self._uniform(count, self.rotation) * (math.pi / 180)
        one, zero = ops.ones_like(angle), ops.zeros_like(angle)
        linear = _rotations(angle) * scale[:, None, None]
        linear = ops.matmul(linear, _matrices(one, self._uniform(count, self.shear), zero, one))
        linear = ops.matmul(linear, _matrices(one, zero, self._uniform(count, self.shear), one))
        mirror = _matrices(self._sign(count, "horizontal"), zero, zero, self._sign(count, "vertical"))
        shift = ops.stack([self._uniform(count, self.shift) for _ in range(2)], axis=1) * sides
        # What is left of a crop lies anywhere: its outermost pixels are at most the image's.
        place = ops.stack([self._uniform(count, 1.0 if self.crop else 0.0) for _ in range(2)], axis=1)
        return ops.matmul(linear, mirror), shift + place * cut[:, None] * (sides - 1) / 2

    def _uniform(self, count, most):
        if not most:
            return ops.zeros((count,))
        return keras.random.uniform((count,), -most, most, dtype="float32", seed=self.seed_generator)

    def _sign(self, count, direction):
        if self.flip not in (direction, "both"):
            return ops.ones((count,))
        return ops.where(self._uniform(count, 1.0) < 0, -1.0, 1.0)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = ("rotation", "zoom", "crop", "shift", "shear", "flip", "fill_mode", "fill_value", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


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


@keras.saving.register_keras_serializable("kerasmlsp")
class ImageAugmentation(keras.layers.Layer):
    """The lecture's list of augmentations as one layer: geometry, then colours, noise and erasing, while training.

    Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation"; Zhong et al. 2020, "Random Erasing Data
    Augmentation".

    Args:
        rotation: Largest angle in degrees, as all of the following up to `flip` of `RandomAffine`.
        zoom: Largest share of growing or shrinking.
        crop: Largest share cut off height and width.
        shift: Largest shift as share of height and width.
        shear: Largest shear.
        flip: "horizontal", "vertical", "both" or None.
        brightness: Largest change of brightness as share of the range of values, in `[0, 1)`.
        contrast: Largest change of contrast, in `[0, 1)`.
        saturation: Largest change of saturation, in `[0, 1)`, for images with three channels.
        noise: Standard deviation of Gaussian noise in values from 0 to 255, at least 0.
        erasing: Probability that a rectangle of up to a fifth of the image is replaced by noise, in `[0, 1)`.
        fill_mode: As of `RandomAffine`.
        seed: Seed of the random generators.

    Call arguments:
        inputs: Images with values from 0 to 255, or a dict (see the module).
        training: Whether to change.

    Returns:
        The same with images of values from 0 to 255; boxes and masks moved with them.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> layer = ImageAugmentation(rotation=10.0, flip="horizontal", brightness=0.2, noise=5.0)
        >>> photographs = keras.ops.full((2, 8, 8, 3), 250.0)
        >>> float(keras.ops.max(layer(photographs, training=True))) <= 255
        True
        >>> float(keras.ops.max(layer(photographs)))  # at inference nothing changes
        250.0
    """

    GEOMETRY = ("rotation", "zoom", "crop", "shift", "shear", "flip", "fill_mode")

    def __init__(
        self,
        rotation: float = 0.0,
        zoom: float = 0.0,
        crop: float = 0.0,
        shift: float = 0.0,
        shear: float = 0.0,
        flip: str | None = None,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        noise: float = 0.0,
        erasing: float = 0.0,
        fill_mode: str = "reflect",
        seed: int | None = None,
        **kwargs: Any,
    ):
        kwargs.setdefault("dtype", "float32")
        # Boxes and labels are not to be rounded.
        super().__init__(autocast=False, **kwargs)
        _check_shares(brightness=brightness, contrast=contrast, saturation=saturation, erasing=erasing)
        if noise < 0:
            raise ValueError(f"`noise` must be at least 0. Received: noise={noise}")
        self.affine = RandomAffine(rotation, zoom, crop, shift, shear, flip, fill_mode, seed=seed)
        self.values = {
            "brightness": brightness, "contrast": contrast, "saturation": saturation, "noise": noise, "erasing": erasing
        }  # fmt: skip
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.brightness = _keras(layers.RandomBrightness, seed, 1, factor=brightness)
        self.contrast = _keras(layers.RandomContrast, seed, 2, factor=contrast)
        self.erasing = _keras(layers.RandomErasing, seed, 3, factor=(erasing, erasing), scale=(0.02, 0.2))
        _leave_xla_to_jax(self)

    def build(self, input_shape):
        for layer in (self.affine, self.brightness, self.contrast, self.erasing):
            layer.build(input_shape)

    def call(self, inputs, training=False):
        check_batch(_images(inputs), *AXES)
        outputs = self.affine(inputs, training=training)
        if not training:
            return _cast(outputs, self.compute_dtype)
        images = _images(outputs)
        for name in ("brightness", "contrast"):
            if self.values[name]:
                images = getattr(self, name)(images, training=True)
        if self.values["saturation"] and images.shape[-1] == 3:
            images = _saturated(images, self.values["saturation"], self.seed_generator)
        if self.values["noise"]:
            noise = keras.random.normal(ops.shape(images), dtype=images.dtype, seed=self.seed_generator)
            images = images + self.values["noise"] * noise
        if self.values["erasing"]:
            images = self.erasing(images, training=True)
        return _cast(_with_images(outputs, ops.clip(images, *RANGE)), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        geometry = {name: getattr(self.affine, name) for name in self.GEOMETRY}
        return {**super().get_config(), **geometry, **self.values, "seed": self.seed}
