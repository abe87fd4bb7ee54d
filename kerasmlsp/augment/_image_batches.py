"""Batches of images with labels, boxes and masks: checked, cast and moved together."""

import keras
from keras import ops

RANGE = (0, 255)
AXES = ("batch", "height", "width", "channels")


def _check_shares(**shares):
    for name, value in shares.items():
        if not 0 <= value < 1:
            raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={value}")


def _check_shares_of_classes(inputs, masks=True):
    if not isinstance(inputs, dict) or "labels" not in inputs:
        raise ValueError("`inputs` must be a dict with `images` and `labels`. Received: no labels")
    for key in ("labels", "segmentation_masks") if masks else ("labels",):
        if key in inputs and not keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs[key].dtype)):
            raise ValueError(f"`{key}` must be shares of classes, as of `ops.one_hot`. Received: {inputs[key].dtype}")


def _leave_xla_to_jax(layer):
    # TensorFlow's resampling has no XLA kernel; the one that Keras writes for JAX is plain array code.
    layer.supports_jit = keras.backend.backend() != "tensorflow"


def _keras(kind, seed, place, **options):
    """A layer of Keras with a seed of its own, in float32."""
    return kind(**options, value_range=RANGE, seed=None if seed is None else seed + place, dtype="float32")


def _saturated(images, most, generator):
    """Moves colours away from or towards grey of the same brightness, by a factor of each image."""
    factor = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), 1 - most, 1 + most, dtype="float32", seed=generator)
    # The weights of ITU-R BT.601.
    grey = ops.sum(images * ops.convert_to_tensor([0.299, 0.587, 0.114], images.dtype), axis=-1, keepdims=True)
    return grey + (images - grey) * ops.cast(factor, images.dtype)


def _images(inputs):
    return inputs.get("images", inputs) if isinstance(inputs, dict) else inputs


def _with_images(inputs, images):
    return {**inputs, "images": images} if isinstance(inputs, dict) else images


def _shape(inputs):
    return ops.shape(_images(inputs))


def _cast(inputs, dtype):
    return _with_images(inputs, ops.cast(_images(inputs), dtype))


def _rotations(angle):
    return _matrices(ops.cos(angle), -ops.sin(angle), ops.sin(angle), ops.cos(angle))


def _matrices(a, b, c, d):
    """Matrices `[[a, b], [c, d]]`, `(batch, 2, 2)`."""
    return ops.stack([ops.stack([a, b], axis=-1), ops.stack([c, d], axis=-1)], axis=-2)


def _move(inputs, linear, offset, fill_mode, fill_value, dtype):
    """Resamples images and masks and moves boxes; see `RandomAffine` for `linear` and `offset`."""
    images = ops.cast(_images(inputs), "float32")
    if isinstance(inputs, dict) and "bounding_boxes" in inputs:
        fill_mode = "constant"
    height, width = ops.shape(images)[1:3]
    centre = ops.stack([ops.cast(width, "float32") - 1, ops.cast(height, "float32") - 1]) / 2
    rest = centre + offset - ops.squeeze(ops.matmul(linear, centre[None, :, None]), -1)
    rows = ops.concatenate([linear, rest[:, :, None]], axis=2)
    transform = ops.concatenate([ops.reshape(rows, (-1, 6)), ops.zeros_like(offset)], axis=1)
    outputs = ops.cast(ops.image.affine_transform(images, transform, "bilinear", fill_mode, fill_value), dtype)
    if not isinstance(inputs, dict):
        return outputs
    inputs = {**inputs, "images": outputs}
    if "segmentation_masks" in inputs:
        masks = inputs["segmentation_masks"]
        moved = ops.image.affine_transform(ops.cast(masks, "float32"), transform, "nearest", fill_mode, 0.0)
        inputs["segmentation_masks"] = ops.cast(moved, masks.dtype)
    if "bounding_boxes" in inputs:
        sides = ops.stack([ops.cast(width, "float32"), ops.cast(height, "float32")])
        inputs["bounding_boxes"] = _moved_boxes(inputs["bounding_boxes"], linear, offset, sides)
    return inputs


def _moved_boxes(given, linear, offset, sides):
    boxes = ops.cast(given["boxes"], "float32")
    corners = ops.stack(
        [ops.take(boxes, ops.convert_to_tensor(k), axis=-1) for k in ([0, 1], [2, 1], [0, 3], [2, 3])], 2
    )
    # Pixels move from the output to the input by `linear`, so corners from the input to the output by its inverse.
    a, b, c, d = (linear[:, i, j] for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)))
    inverse = _matrices(d, -b, -c, a) / (a * d - b * c)[:, None, None]
    around = corners - (sides / 2 + offset)[:, None, None]
    moved = ops.squeeze(ops.matmul(inverse[:, None, None], around[..., None]), -1) + sides / 2
    least = ops.clip(ops.min(moved, axis=2), 0.0, sides)
    most = ops.clip(ops.max(moved, axis=2), 0.0, sides)
    padding = ops.less(given["labels"], 0)
    inside = ops.logical_and(ops.all(most > least, axis=-1), ops.logical_not(padding))
    found = ops.where(inside[..., None], ops.concatenate([least, most], axis=-1), 0.0)
    return {
        "boxes": ops.where(padding[..., None], boxes, found),
        "labels": ops.where(inside, given["labels"], ops.full_like(given["labels"], -1)),
    }
