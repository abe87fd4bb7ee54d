"""Elastic deformation of images, with their masks."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasmlsp.augment._checks import check_batch
from kerasmlsp.augment._image_batches import AXES, _cast, _images


@keras.saving.register_keras_serializable("kerasmlsp")
class RandomElasticDeformation(keras.layers.Layer):
    """Moves the pixels of images by smooth random fields while training, as a hand writes no digit twice alike.

    An output pixel at `p` is taken from `p + alpha (G * u)(p)`: `u` is drawn evenly from [-1, 1] for every pixel and
    both directions, and is 0 outside of the image; `G` is a Gaussian of deviation `sigma`. A field moves pixels by
    about `0.16 alpha / sigma`. What comes in from outside is the nearest pixel.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Motivation for CNNs"; Simard, Steinkraus and Platt 2003,
    "Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis".

    Args:
        alpha: Factor of the fields in pixels, at least 0; the paper has 34 for digits of 28 pixels.
        sigma: Deviation of the Gaussian in pixels, above 0: small for crumpled, large for nearly even fields.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Images `(batch, height, width, channels)`, or a dict (see `kerasmlsp.augment.image`) without boxes.
        training: Whether to deform.

    Raises:
        ValueError: An argument is out of range, or there are boxes.

    Example:
        >>> ramp = keras.ops.tile(keras.ops.arange(9.0)[None, None, :, None], (1, 9, 1, 1))
        >>> moved = RandomElasticDeformation(alpha=9.0, sigma=3.0, seed=0)(ramp, training=True) - ramp
        >>> 0.1 < float(keras.ops.max(keras.ops.abs(moved))) < 9  # each pixel by another distance
        True
    """

    def __init__(self, alpha: float = 34.0, sigma: float = 4.0, seed: int | None = None, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        # Labels are not to be rounded.
        super().__init__(autocast=False, **kwargs)
        if not 0 <= alpha < math.inf:
            raise ValueError(f"`alpha` must be at least 0. Received: alpha={alpha}")
        if not 0 < sigma < math.inf:
            raise ValueError(f"`sigma` must be above 0. Received: sigma={sigma}")
        self.alpha, self.sigma, self.seed = alpha, sigma, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        reach = int(4 * sigma + 0.5)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        self.gaussian = (weights / weights.sum()).astype("float32")

    def call(self, inputs, training=False):
        images = _images(inputs)
        check_batch(images, *AXES)
        if isinstance(inputs, dict) and "bounding_boxes" in inputs:
            raise ValueError("`inputs` must be without `bounding_boxes`, which a deformation would bend")
        if not training:
            return _cast(inputs, self.compute_dtype)
        count, height, width = ops.shape(images)[:3]
        places = self._places(count, height, width)
        outputs = ops.cast(_bilinear(ops.cast(images, "float32"), places), self.compute_dtype)
        if not isinstance(inputs, dict):
            return outputs
        inputs = {**inputs, "images": outputs}
        if "segmentation_masks" in inputs:
            inputs["segmentation_masks"] = _nearest(inputs["segmentation_masks"], places)
        return inputs

    def _places(self, count, height, width):
        """Rows and columns where pixels come from, `(batch, height, width, 2)`."""
        fields = keras.random.uniform((2 * count, height, width, 1), -1, 1, dtype="float32", seed=self.seed_generator)
        for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
            kernel = ops.reshape(ops.convert_to_tensor(self.gaussian), shape)
            fields = ops.conv(fields, kernel, padding="same")
        moves = self.alpha * ops.transpose(ops.reshape(fields, (2, count, height, width)), (1, 2, 3, 0))
        rows, columns = ops.arange(height, dtype="float32"), ops.arange(width, dtype="float32")
        return moves + ops.stack(ops.meshgrid(rows, columns, indexing="ij"), axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "sigma": self.sigma, "seed": self.seed}


def _bilinear(values, places):
    """Values `(batch, height, width, channels)` at places between pixels, or at the nearest border."""
    whole = ops.floor(places)
    (low, left), (down, right) = _parts(whole), _parts(places - whole)
    above = _taken(values, low, left) * (1 - right) + _taken(values, low, left + 1) * right
    below = _taken(values, low + 1, left) * (1 - right) + _taken(values, low + 1, left + 1) * right
    return above * (1 - down) + below * down


def _nearest(values, places):
    return _taken(values, *_parts(ops.round(places)))


def _parts(pairs):
    return pairs[..., :1], pairs[..., 1:]


def _taken(values, rows, columns):
    """Pixels at whole rows and columns `(batch, height, width, 1)`."""
    count, height, width, channels = ops.shape(values)
    rows = ops.clip(ops.cast(rows, "int32"), 0, height - 1)
    columns = ops.clip(ops.cast(columns, "int32"), 0, width - 1)
    flat = ops.reshape(values, (count, height * width, channels))
    found = ops.take_along_axis(flat, ops.reshape(rows * width + columns, (count, height * width, 1)), axis=1)
    return ops.reshape(found, (count, height, width, channels))
