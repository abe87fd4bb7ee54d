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
from kerasmlsp.augment._image_batches import (
    AXES,
    RANGE,
    _cast,
    _check_shares,
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
