"""Augmentation that blends the examples of a batch."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.augment._checks import check_batch
from kerasmlsp.augment._image_batches import AXES, _cast, _check_shares_of_classes, _images, _shape


class _Blending(keras.layers.Layer):
    """What both layers keep: the parameter of their beta distribution, and their draws."""

    def __init__(self, alpha: float, seed: int | None, **kwargs: Any):
        kwargs.setdefault("dtype", "float32")
        # Boxes and labels are not to be rounded.
        super().__init__(autocast=False, **kwargs)
        if alpha <= 0:
            raise ValueError(f"`alpha` must be above 0. Received: alpha={alpha}")
        self.alpha, self.seed = alpha, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasmlsp")
class MixUp(_Blending):
    """Blends every example with another of its batch while training: `l x_i + (1 - l) x_j`, labels alike.

    Reference: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization".

    Args:
        alpha: Parameter of the beta distribution of `l`, above 0; one `l` an example.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Dict of `images` and `labels` `(batch, classes)`, shares of one; besides, `bounding_boxes`, of which the
            blend has those of both, and `segmentation_masks` of shares `(batch, height, width, classes)`.
        training: Whether to blend.

    Raises:
        ValueError: `alpha` is not above 0, or labels or masks are class numbers, which cannot be blended.

    Example:
        >>> black_and_white = keras.ops.stack([keras.ops.zeros((4, 4, 3)), keras.ops.ones((4, 4, 3))])
        >>> mixed = MixUp(alpha=1.0)({"images": black_and_white, "labels": keras.ops.eye(2)}, training=True)
        >>> share = keras.ops.mean(mixed["images"], axis=(1, 2, 3))  # of white
        >>> bool(keras.ops.all(keras.ops.isclose(share, mixed["labels"][:, 1])))
        True
    """

    def __init__(self, alpha: float = 0.2, seed: int | None = None, **kwargs: Any):
        super().__init__(alpha, seed, **kwargs)

    def call(self, inputs, training=False):
        check_batch(_images(inputs), *AXES)
        if not training:
            return _cast(inputs, self.compute_dtype)
        outputs = _cast(inputs, "float32")
        _check_shares_of_classes(inputs)
        count = _shape(inputs)[0]
        weights = keras.random.beta((count,), self.alpha, self.alpha, dtype="float32", seed=self.seed_generator)
        others = keras.random.shuffle(ops.arange(count), seed=self.seed_generator)
        for key in ("images", "labels", "segmentation_masks"):
            if key in inputs:
                values = outputs[key]
                share = ops.cast(ops.reshape(weights, (-1, *(1 for _ in values.shape[1:]))), values.dtype)
                outputs[key] = share * values + (1 - share) * ops.take(values, others, axis=0)
        if "bounding_boxes" in inputs:
            outputs["bounding_boxes"] = {
                key: ops.concatenate([values, ops.take(values, others, axis=0)], axis=1)
                for key, values in inputs["bounding_boxes"].items()
            }
        return _cast(outputs, self.compute_dtype)


@keras.saving.register_keras_serializable("kerasmlsp")
class CutMix(_Blending):
    """Pastes a rectangle of another example of the batch into every one while training, and shares the labels by area.

    Reference: Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features".

    Args:
        alpha: Parameter of the beta distribution of the share that stays, above 0.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Dict of `images` and `labels` `(batch, classes)`, shares of one; besides, `segmentation_masks`, which
            are pasted alike. Boxes are refused: what is left of a thing that is cut has no box.
        training: Whether to paste.

    Raises:
        ValueError: `alpha` is not above 0, labels are class numbers, or there are boxes.

    Example:
        >>> black_and_white = keras.ops.stack([keras.ops.zeros((4, 4, 3)), keras.ops.ones((4, 4, 3))])
        >>> mixed = CutMix()({"images": black_and_white, "labels": keras.ops.eye(2)}, training=True)
        >>> share = keras.ops.mean(mixed["images"], axis=(1, 2, 3))  # of white
        >>> bool(keras.ops.all(keras.ops.isclose(share, mixed["labels"][:, 1])))
        True
    """

    def __init__(self, alpha: float = 1.0, seed: int | None = None, **kwargs: Any):
        super().__init__(alpha, seed, **kwargs)

    def call(self, inputs, training=False):
        check_batch(_images(inputs), *AXES)
        if not training:
            return _cast(inputs, self.compute_dtype)
        outputs = _cast(inputs, "float32")
        _check_shares_of_classes(inputs, masks=False)
        if "bounding_boxes" in inputs:
            raise ValueError("CutMix must be called without `bounding_boxes`: use MixUp. Received: boxes")
        shape = _shape(inputs)
        stays = keras.random.beta((shape[0],), self.alpha, self.alpha, dtype="float32", seed=self.seed_generator)
        rows, columns = (self._inside(ops.sqrt(1 - stays), shape[0], size) for size in shape[1:3])
        pasted = ops.logical_and(rows[:, :, None], columns[:, None, :])[..., None]
        others = keras.random.shuffle(ops.arange(shape[0]), seed=self.seed_generator)
        for key in ("images", "segmentation_masks"):
            if key in inputs:
                outputs[key] = ops.where(pasted, ops.take(outputs[key], others, axis=0), outputs[key])
        labels = outputs["labels"]
        area = ops.cast(ops.mean(ops.cast(pasted, "float32"), axis=(1, 2)), labels.dtype)
        outputs["labels"] = (1 - area) * labels + area * ops.take(labels, others, axis=0)
        return _cast(outputs, self.compute_dtype)

    def _inside(self, share, count, size):
        """Whether each place along one axis lies in the rectangle, `(batch, size)`."""
        length = ops.round(share * ops.cast(size, "float32"))
        room = ops.cast(size, "float32") - length
        start = ops.floor(keras.random.uniform((count,), dtype="float32", seed=self.seed_generator) * (room + 1))
        places = ops.cast(ops.arange(size), "float32")[None]
        return ops.logical_and(places >= start[:, None], places < (start + length)[:, None])
