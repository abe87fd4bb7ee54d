"""The net behind `--architecture`, compiled, and the saved model's functions from a picture to boxes."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasmlsp import augment, models, optimizers
from kerasmlsp.apps.detect.config import AMOUNTS, Config
from kerasmlsp.data import images as pictures
from kerasmlsp.targets import boxes

MAX_DETECTIONS, LEAST_SCORE = 100, 0.02
"""Boxes of a picture, and the score that each has at least: low, for average precision counts unsure ones, too."""
BATCH = 16
OUTPUTS = {
    "boxes": "Left, top, right and bottom of each thing as parts of width and height, the surest first; 0 for no more.",
    "labels": "Class of each thing; empty for no more.",
    "scores": "Probability of each thing's class; 0 for no more.",
}


def build(config: Config, num_classes: int, chosen: dict[str, Any]) -> keras.Model:
    """Builds the untrained model of a configuration.

    Args:
        config: The configuration.
        num_classes: Number of classes.
        chosen: As of `data.chosen_starts`.

    Returns:
        A model from pictures `(batch, size, size, 3)` of values from 0 to 255 to what `kerasmlsp.models.ssd` predicts.
    """
    shape = (config.image_size, config.image_size, 3)
    filters = tuple(config.width * min(2**stage, 8) for stage in range(chosen["num_stages"]))
    sizes: dict[str, Any] = {"scales": tuple(chosen["scales"]), "aspect_ratios": tuple(chosen["aspect_ratios"])}
    net = models.ssd(num_classes, input_shape=shape, filters=filters, **sizes)
    images = keras.Input(shape, name="images")
    scaled = keras.layers.Rescaling(1 / 255, dtype="float32", name="scaled")(images)
    return keras.Model(images, net(scaled), name="detect")


def augmentation(config: Config) -> augment.ImageAugmentation:
    """The random changes of pictures and boxes that a configuration asks for."""
    flip = None if config.flip == "none" else config.flip
    amounts = {name: getattr(config, name) for name in AMOUNTS}
    return augment.ImageAugmentation(**amounts, flip=flip, seed=config.seed, name="augmentation")


def compiled(config: Config, num_classes: int, chosen: dict[str, Any], steps: int) -> keras.Model:
    """Builds a model and compiles it for `steps` training steps."""
    model = build(config, num_classes, chosen)
    model.compile(optimizers.build(config, steps), boxes.DetectionLoss())
    return model


def found(
    model: keras.Model, pixels: np.ndarray, anchors: np.ndarray, sizes: np.ndarray, max_overlap: float
) -> list[dict[str, np.ndarray]]:
    """Finds boxes.

    Args:
        model: The model.
        pixels: uint8 `(pictures, size, size, 3)`.
        anchors: `(anchors, 4)`.
        sizes: Width and height of each picture in its file, `(pictures, 2)`.
        max_overlap: As of `kerasmlsp.targets.boxes.detect`.

    Returns:
        Of each picture `boxes` in pixels of its file, `classes` and `scores`, the surest first.
    """
    rows = []
    for begin in range(0, len(pixels), BATCH):
        predictions = model.predict_on_batch(pixels[begin : begin + BATCH].astype("float32"))
        answers = {name: np.asarray(each) for name, each in _detect(predictions, anchors, max_overlap).items()}
        for row, size in enumerate(sizes[begin : begin + BATCH]):
            kept = answers["scores"][row] > 0
            own = {name: each[row][kept] for name, each in answers.items()}
            rows.append({**own, "boxes": own["boxes"] * np.tile(size, 2)})
    return rows


def _detect(predictions, anchors, max_overlap):
    options = {"max_detections": MAX_DETECTIONS, "min_score": LEAST_SCORE, "max_overlap": max_overlap}
    return boxes.detect(predictions, anchors, **options)


def endpoints(
    model: keras.Model, classes: Sequence[str], anchors: np.ndarray, config: Config
) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` takes uint8 `images` `(batch, height, width, 3)` of any size, `serving_bytes` the bytes of files
    as `encoded`. Both give `boxes` `(batch, things, 4)`, `labels` and `scores` `(batch, things)`; boxes that overlap
    surer ones of their class are dropped inside.

    Args:
        model: The trained model.
        classes: Names of the classes.
        anchors: `(anchors, 4)`.
        config: The configuration.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    def answer(small):
        told = _detect(model(small, training=False), anchors, config.max_overlap)
        # Behind the names stands that of -1, nothing.
        labels = tf.gather(tf.constant([*classes, ""]), told["classes"] % (len(classes) + 1))
        return {"boxes": told["boxes"], "labels": labels, "scores": told["scores"]}

    functions = {
        "serving_default": (
            lambda images: answer(pictures.stretched(images, config.image_size)),
            {"images": tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")},
        ),
        "serving_bytes": (
            lambda encoded: answer(pictures.decoded(encoded, config.image_size)[0]),
            {"encoded": tf.TensorSpec([None], tf.string, name="encoded")},
        ),
    }
    return functions, [model]
