"""Single-shot detection: anchors, their matching with true boxes, the loss, and the boxes that are found.

Boxes are `(left, top, right, bottom)` as parts of the width and height of the image.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

SCALES = (0.1, 0.25, 0.45, 0.7)
ASPECT_RATIOS = (1.0, 2.0, 0.5)
# Factors of the offsets of centres and of the logarithms of sizes, which bring both near to 1.
VARIANCES = (0.1, 0.1, 0.2, 0.2)


def anchors(
    input_shape: Sequence[int],
    *,
    num_stages: int = 6,
    scales: Sequence[float] = SCALES,
    aspect_ratios: Sequence[float] = ASPECT_RATIOS,
) -> np.ndarray:
    """Returns the boxes that a detector starts from, in the order of its predictions.

    The last stages, one for each scale `s`, have `len(aspect_ratios) + 1` boxes around each centre of a cell: of width
    `s sqrt(r)` and height `s / sqrt(r)` for each ratio `r`, and one of width and height `sqrt(s s')` with the next
    scale `s'`, which after the last is 1.

    Reference: Hota, BITS F464 (2024), "Other types of Convolutional Networks: FCN, SSMD"; Liu et al. 2016, "SSD: Single
    Shot MultiBox Detector".

    Args:
        input_shape: Height and width of the images, and what follows.
        num_stages: Stages of the detector; each halves the image, rounded up.
        scales: Size of the boxes of each of the last stages, as parts of the image.
        aspect_ratios: Width divided by height.

    Returns:
        Boxes `(anchors, 4)`, float32; some reach beyond the image.

    Raises:
        ValueError: `scales` are none or more than the stages, or a scale or ratio is not above 0.

    Example:
        >>> anchors((8, 8, 3), num_stages=2, scales=(0.5,), aspect_ratios=(1.0,)).shape  # 2 x 2 cells with 2 boxes each
        (8, 4)
        >>> anchors((8, 8, 3), num_stages=2, scales=(0.5,), aspect_ratios=(1.0,))[0]  # around (1/4, 1/4)
        array([0. , 0. , 0.5, 0.5], dtype=float32)
    """
    check_anchors(num_stages, scales, aspect_ratios)
    found = []
    for place, scale in enumerate(scales):
        step = 2 ** (num_stages - len(scales) + place + 1)
        rows, columns = (math.ceil(size / step) for size in input_shape[:2])
        between = math.sqrt(scale * (*scales, 1.0)[place + 1])
        sizes = [(scale * math.sqrt(ratio), scale / math.sqrt(ratio)) for ratio in aspect_ratios] + [(between,) * 2]
        y, x = np.meshgrid((np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing="ij")
        centres = np.stack([x, y], axis=-1)[:, :, None]
        half = np.array(sizes) / 2
        found.append(np.concatenate([centres - half, centres + half], axis=-1).reshape(-1, 4))
    return np.concatenate(found).astype("float32")


def anchor_sizes(
    boxes: ArrayLike, classes: ArrayLike, *, num_scales: int = 3, image_size: int = 256
) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """Chooses stages, scales and aspect ratios of anchors by true boxes, each class of which counts the same.

    The scales divide the range from the 5 % smallest to the 5 % largest sides `sqrt(w h)` evenly in their logarithm.
    The first is that of the stage whose cells are nearest to 0.4 of it. The ratios are the middle one of the boxes, and
    1.6 times more and less.

    Args:
        boxes: True boxes of all images, `(n, 4)`, n at least 1.
        classes: Their classes, `(n,)`.
        num_scales: Scales, at least 1.
        image_size: Pixels of the images' sides.

    Returns:
        Number of stages, scales and aspect ratios, as `anchors` and `kerasmlsp.models.ssd` take them.

    Example:
        >>> cells = np.array([[0.1, 0.1, 0.2, 0.2], [0.3, 0.3, 0.7, 0.7]])
        >>> stages, scales, ratios = anchor_sizes(cells, [0, 1], num_scales=2, image_size=64)
        >>> stages, np.round(scales, 2).tolist(), ratios
        (2, [0.1, 0.4], (1.0, 1.6, 0.625))
    """
    boxes, classes = np.asarray(boxes, "float64"), np.asarray(classes)
    widths, heights = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    weights = 1 / np.unique(classes, return_counts=True)[1][np.unique(classes, return_inverse=True)[1]]
    low, high = (_quantile(np.sqrt(widths * heights), weights, share) for share in (0.05, 0.95))
    high = min(max(high, low * 1.5 ** (num_scales - 1)), 1.0)
    scales = np.geomspace(min(low, high), high, num_scales)
    first = round(math.log2(max(0.4 * scales[0] * image_size, 2)))
    # The last stage must leave two cells.
    stages = max(num_scales, min(first + num_scales - 1, int(math.log2(image_size)) - 1))
    middle = _quantile(widths / heights, weights, 0.5)
    ratios = tuple(round(middle * times, 4) for times in (1.0, 1.6, 1 / 1.6))
    return stages, tuple(round(float(scale), 4) for scale in scales), ratios


def _quantile(values, weights, share):
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(np.searchsorted(reached, share), len(values) - 1)])


def check_anchors(num_stages: int, scales: Sequence[float], aspect_ratios: Sequence[float]) -> None:
    """Raises a ValueError for sizes that make no anchors.

    Example:
        >>> check_anchors(2, (0.5, 0.0), (1.0,))
        Traceback (most recent call last):
        ValueError: `scales` must be 1 to 2 numbers above 0. Received: scales=(0.5, 0.0)
    """
    if not 1 <= len(scales) <= num_stages or min(scales) <= 0:
        raise ValueError(f"`scales` must be 1 to {num_stages} numbers above 0. Received: scales={tuple(scales)}")
    if not aspect_ratios or min(aspect_ratios) <= 0:
        raise ValueError(f"`aspect_ratios` must be numbers above 0. Received: aspect_ratios={tuple(aspect_ratios)}")


def iou(boxes: Any, others: Any, xp: Any = np) -> Any:
    """Intersection over union of each box with each of the others.

    Args:
        boxes: `(..., n, 4)`.
        others: `(..., m, 4)`.
        xp: `numpy`, or `keras.ops` for tensors.

    Returns:
        `(..., n, m)`, from 0 to 1.

    Example:
        >>> iou(np.array([[0.0, 0.0, 0.5, 0.5]]), np.array([[0.0, 0.0, 0.5, 1.0], [0.5, 0.5, 1.0, 1.0]]))
        array([[0.5, 0. ]])
    """
    boxes, others = boxes[..., :, None, :], others[..., None, :, :]
    sides = xp.minimum(boxes[..., 2:], others[..., 2:]) - xp.maximum(boxes[..., :2], others[..., :2])
    sides = xp.maximum(sides, 0.0)
    both = sides[..., 0] * sides[..., 1]
    either = _area(boxes) + _area(others) - both
    return both / xp.maximum(either, 1e-9)


def _area(boxes):
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def encode(boxes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Boxes as offsets from anchors: centres in sizes of the anchor and logarithms of sizes, over `VARIANCES`.

    Example:
        >>> box, anchor = np.array([[0.2, 0.1, 0.6, 0.5]]), np.array([[0.1, 0.1, 0.5, 0.5]])
        >>> encode(box, anchor).round(6) + 0.0  # a quarter of a width to the right, over 0.1
        array([[2.5, 0. , 0. , 0. ]])
    """
    centre, size = _centres(boxes)
    start, extent = _centres(anchors)
    return np.concatenate([(centre - start) / extent, np.log(size / extent)], axis=-1) / np.array(VARIANCES)


def decode(offsets: keras.KerasTensor, anchors: ArrayLike) -> keras.KerasTensor:
    """Tensors of boxes from their offsets: the inverse of `encode`.

    Example:
        >>> offsets, anchor = keras.ops.array([[2.5, 0.0, 0.0, 0.0]]), np.array([[0.1, 0.1, 0.5, 0.5]])
        >>> print(keras.ops.convert_to_numpy(decode(offsets, anchor)).round(3))
        [[0.2 0.1 0.6 0.5]]
    """
    start, extent = _centres(ops.cast(anchors, offsets.dtype))
    offsets = offsets * ops.convert_to_tensor(VARIANCES, offsets.dtype)
    centre, half = start + offsets[..., :2] * extent, ops.exp(offsets[..., 2:]) * extent / 2
    return ops.concatenate([centre - half, centre + half], axis=-1)


def _centres(boxes):
    return (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]


def match(boxes: ArrayLike, classes: ArrayLike, anchors: np.ndarray, *, threshold: float = 0.5) -> np.ndarray:
    """Gives each anchor of an image the box that it has to find, or none.

    Each box gets the anchor that overlaps it most, the best pair first, so that none goes without; every other anchor
    gets the box that it overlaps most, if by `threshold` or more.

    Args:
        boxes: True boxes `(n, 4)`, of a width and height above 0; n may be 0.
        classes: Their classes from 0, `(n,)`.
        anchors: `(anchors, 4)`, of which there are at least n.
        threshold: Least intersection over union, in `(0, 1]`.

    Returns:
        `(anchors, 5)`, float32: the class from 1 or 0 for background, and the offsets, 0 for background.

    Raises:
        ValueError: The shapes do not agree, a box has no area, or `threshold` is out of range.

    Example:
        >>> starts = np.array([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]])
        >>> match([[0.5, 0.5, 1.0, 1.0]], [4], starts)  # background, and class 4 at the anchor's own place
        array([[0., 0., 0., 0., 0.],
               [5., 0., 0., 0., 0.]], dtype=float32)
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"`threshold` must be in (0, 1]. Received: threshold={threshold}")
    boxes, classes = np.reshape(boxes, (-1, 4)).astype("float64"), np.asarray(classes)
    if classes.shape != (len(boxes),):
        raise ValueError(f"`classes` must have one number for each box. Received: classes of shape {classes.shape}")
    if len(boxes) > len(anchors) or not (boxes[:, 2:] > boxes[:, :2]).all():
        raise ValueError(
            "`boxes` must be (left, top, right, bottom) with right > left and bottom > top, and no more than the "
            f"anchors. Received: boxes={boxes.tolist()}"
        )
    targets = np.zeros((len(anchors), 5), "float32")
    if not len(boxes):
        return targets
    overlaps = iou(anchors.astype("float64"), boxes)
    owner = np.where(overlaps.max(axis=1) >= threshold, overlaps.argmax(axis=1), -1)
    for _ in boxes:
        anchor, box = np.unravel_index(overlaps.argmax(), overlaps.shape)
        owner[anchor] = box
        overlaps[anchor], overlaps[:, box] = -1, -1
    matched = owner >= 0
    targets[matched, 0] = classes[owner[matched]] + 1
    targets[matched, 1:] = encode(boxes[owner[matched]], anchors[matched])
    return targets


@keras.saving.register_keras_serializable("kerasmlsp")
class DetectionLoss(keras.losses.Loss):
    """Cross-entropy of the classes and smooth L1 of the offsets, over the number of matched anchors of the batch.

    The cross-entropy is of the matched anchors and of the background anchors with the largest loss, `negatives` for
    each matched one of the image. Smooth L1 is `d^2 / 2` below 1 and `|d| - 1/2` above, summed over the four offsets of
    the matched anchors.

    Reference: Liu et al. 2016, "SSD: Single Shot MultiBox Detector".

    Args:
        negatives: Background anchors for each matched one, at least 0.
        offsets_weight: Factor of smooth L1.

    Call arguments:
        y_true: As of `match`, `(batch, anchors, 5)`.
        y_pred: Logits of the background and the classes, and offsets, `(batch, anchors, 1 + num_classes + 4)`.

    Returns:
        For each image its share, `(batch,)`, whose mean is the loss; an image without boxes adds nothing.

    Raises:
        ValueError: `negatives` is below 0.

    Example:
        >>> targets = np.array([[[1.0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]])
        >>> round(float(DetectionLoss()(targets, np.zeros((1, 2, 2 + 4)))), 3)  # two anchors of ln 2, one matched
        1.386
    """

    def __init__(
        self, negatives: float = 3.0, offsets_weight: float = 1.0, name: str = "detection_loss", **kwargs: Any
    ):
        super().__init__(name=name, **kwargs)
        if negatives < 0:
            raise ValueError(f"`negatives` must be at least 0. Received: negatives={negatives}")
        self.negatives, self.offsets_weight = negatives, offsets_weight

    def call(self, y_true, y_pred):
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        classes = ops.cast(y_true[..., 0], "int32")
        matched = ops.cast(classes > 0, "float32")
        counts = ops.sum(matched, axis=1, keepdims=True)
        nats = ops.sparse_categorical_crossentropy(classes, y_pred[..., :-4], from_logits=True)
        # Matched anchors come last, so that ranks count background only.
        order = ops.argsort(ops.where(matched > 0, 1.0, -nats), axis=1)
        hard = ops.cast(ops.argsort(order, axis=1), "float32") < self.negatives * counts
        chosen = ops.maximum(matched, ops.cast(hard, "float32"))
        distance = ops.abs(y_pred[..., -4:] - y_true[..., 1:])
        smooth = ops.where(distance < 1.0, ops.square(distance) / 2, distance - 0.5)
        each = nats * chosen + self.offsets_weight * ops.sum(smooth, axis=-1) * matched
        return ops.sum(each, axis=1) / ops.maximum(ops.mean(counts), 1 / ops.cast(ops.shape(counts)[0], "float32"))

    def get_config(self):
        return {**super().get_config(), "negatives": self.negatives, "offsets_weight": self.offsets_weight}


def detect(
    predictions: keras.KerasTensor,
    anchors: np.ndarray,
    *,
    max_detections: int = 100,
    candidates: int = 100,
    min_score: float = 0.05,
    max_overlap: float = 0.45,
) -> dict[str, keras.KerasTensor]:
    """Returns the boxes that a detector finds, by non-maximum suppression within each class; all shapes are static.

    Of each class the `candidates` boxes of the highest scores are looked at, the best first; one that overlaps a kept
    one by more than `max_overlap` is dropped. The best of all classes remain.

    Reference: Liu et al. 2016, "SSD: Single Shot MultiBox Detector".

    Args:
        predictions: Output of a detector, `(batch, anchors, 1 + num_classes + 4)`.
        anchors: `(anchors, 4)`.
        max_detections: Boxes of an image.
        candidates: Boxes of a class before suppression.
        min_score: Probability that a box must be above, in `[0, 1)`.
        max_overlap: Intersection over union with a better box of the class, in `[0, 1]`.

    Returns:
        Dictionary of tensors, best box first: `boxes` `(batch, detections, 4)` within the image; `scores`
        `(batch, detections)`, 0 where there are no more; `classes` `(batch, detections)`, int32, -1 where there are no
        more. `detections` is `max_detections`, or all that there can be where that is less.

    Example:
        >>> starts = np.array([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.4], [0.5, 0.5, 1.0, 1.0]])
        >>> logits = np.array([[0.0, 3.0], [0.0, 2.0], [0.0, 1.0]])  # the second overlaps the first by 0.8
        >>> found = detect(np.concatenate([logits, np.zeros((3, 4))], axis=1)[None], starts)
        >>> print(keras.ops.convert_to_numpy(found["scores"]).round(3))
        [[0.953 0.731 0.   ]]
    """
    predictions = ops.cast(predictions, "float32")
    scores = ops.transpose(ops.softmax(predictions[..., :-4])[..., 1:], (0, 2, 1))
    boxes = ops.clip(decode(predictions[..., -4:], anchors), 0.0, 1.0)
    count, num_classes = min(candidates, anchors.shape[0]), scores.shape[1]
    scores, places = ops.top_k(ops.where(scores > min_score, scores, 0.0), count)
    boxes = _rows(boxes, ops.reshape(places, (-1, num_classes * count)))
    kept = _suppress(ops.reshape(boxes, (-1, num_classes, count, 4)), scores > 0, max_overlap)
    scores = ops.reshape(ops.where(kept, scores, 0.0), (-1, num_classes * count))
    scores, places = ops.top_k(scores, min(max_detections, num_classes * count))
    found = scores > 0
    return {
        "boxes": ops.where(found[..., None], _rows(boxes, places), 0.0),
        "scores": scores,
        "classes": ops.where(found, ops.cast(places // count, "int32"), -1),
    }


def _suppress(boxes, valid, max_overlap):
    """Which boxes `(batch, classes, n, 4)`, best first, are kept."""
    clash = iou(boxes, boxes, ops) > max_overlap
    numbers = ops.arange(boxes.shape[2])

    def drop(i, kept):
        """Drops what comes after a kept box `i` and overlaps it."""
        dropped = ops.logical_and(ops.take(clash, i, axis=2), numbers > i)
        dropped = ops.logical_and(dropped, ops.take(kept, i, axis=2)[..., None])
        return ops.logical_and(kept, ops.logical_not(dropped))

    return ops.fori_loop(0, boxes.shape[2], drop, valid)


def _rows(boxes, places):
    """The boxes `(batch, n, 4)` at places `(batch, m)`."""
    return ops.take_along_axis(boxes, ops.repeat(places[..., None], 4, axis=-1), axis=1)
