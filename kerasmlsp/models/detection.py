"""Detectors of objects."""

import keras
from keras import layers

from kerasmlsp.models import _checks, _images
from kerasmlsp.targets import boxes


def ssd(
    num_classes: int,
    *,
    input_shape: tuple[int, int, int] = (128, 128, 3),
    filters: tuple[int, ...] = (16, 32, 64, 128, 128, 128),
    scales: tuple[float, ...] = boxes.SCALES,
    aspect_ratios: tuple[float, ...] = boxes.ASPECT_RATIOS,
    name: str = "ssd",
) -> keras.Model:
    """Builds a single-shot detector: stages that each halve the image, and one convolution for the boxes of a scale.

    Train it with `kerasmlsp.targets.boxes.DetectionLoss` on targets of `kerasmlsp.targets.boxes.match`, and find boxes
    with `kerasmlsp.targets.boxes.detect`. Its anchors are `kerasmlsp.targets.boxes.anchors(input_shape,
    num_stages=len(filters), scales=scales, aspect_ratios=aspect_ratios)`.

    Reference: Hota, BITS F464 (2024), "Other types of Convolutional Networks: FCN, SSMD"; Liu et al. 2016, "SSD: Single
    Shot MultiBox Detector".

    Args:
        num_classes: Number of classes besides the background, at least 1.
        input_shape: Height and width of at least `2 ** (len(filters) - 1)`, and channels.
        filters: Filters of the stages.
        scales: Size of the boxes of each of the last stages, as parts of the image, at most one for each stage.
        aspect_ratios: Width divided by height of the boxes.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` with values about 0 to 1 to `predictions`
        `(batch, anchors, 1 + num_classes + 4)`, float32: logits of the background and of the classes, and offsets.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> model = ssd(2, input_shape=(16, 20, 3), filters=(2, 3, 4), scales=(0.4, 0.7), aspect_ratios=(1.0, 2.0))
        >>> model.output_shape  # 4 * 5 and 2 * 3 places with three boxes each; 1 + 2 + 4 numbers
        (None, 78, 7)
    """
    _checks.check_sizes(num_classes=num_classes)
    if not filters or min(filters) < 1:
        raise ValueError(f"`filters` must be numbers of at least 1. Received: filters={tuple(filters)}")
    boxes.check_anchors(len(filters), scales, aspect_ratios)
    images = _images.images(input_shape, 2 ** (len(filters) - 1))
    maps, predictions = images, []
    values = 1 + num_classes + 4
    for stage, count in enumerate(filters, start=1):
        maps = _images.convolution(maps, count, 3, f"stage_{stage}_1")
        maps = _images.convolution(maps, count, 3, f"stage_{stage}_2", strides=2)
        if stage > len(filters) - len(scales):
            head = layers.Conv2D((len(aspect_ratios) + 1) * values, 3, padding="same", name=f"head_{stage}")(maps)
            predictions.append(layers.Reshape((-1, values), name=f"boxes_{stage}")(head))
    joined = layers.Concatenate(axis=1, name="joined")(predictions) if len(predictions) > 1 else predictions[0]
    return keras.Model(images, layers.Identity(dtype="float32", name="predictions")(joined), name=name)
