"""The nets behind `--architecture`, compiled, and the saved model's functions from a picture to a mask."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasmlsp import augment, imagenet, models, optimizers
from kerasmlsp.apps.segment.config import AMOUNTS, FILTERS, UNITS, Config
from kerasmlsp.apps.segment.data import VOID
from kerasmlsp.data import images as pictures
from kerasmlsp.data import masks

BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "encoder-decoder": models.segmentation_net,
    "fcn-8s": models.fcn_8s,
    "fcn-16s": models.fcn_16s,
    "fcn-32s": models.fcn_32s,
}
LAST_BLOCK = "block_13_add"
"""Of EfficientNet-Lite0: with the blocks behind it a saved model would be above 5 MB."""
FINE_PIXELS = 4_000_000
"""Pixels of a picture up to which each has probabilities of its own, which take memory; above, pixels share them."""
OUTPUTS = {
    "mask": "Number of each pixel's class, as in the masks that were trained on.",
    "overlay": "The picture under the colours of the classes.",
    "shares": "Share of the pixels of each class, in the order of the card's classes.",
    "mask_png": "The mask as the bytes of a grey PNG file.",
    "overlay_png": "The overlay as the bytes of a PNG file.",
}


def build(config: Config, num_classes: int) -> keras.Model:
    """Builds the untrained model of a configuration.

    Args:
        config: The configuration.
        num_classes: Number of classes.

    Returns:
        A model from pictures `(batch, size, size, 3)` of values from 0 to 255 to class probabilities of the pixels.
    """
    shape = (config.image_size, config.image_size, 3)
    fcn = config.architecture.startswith("fcn")
    filters = FILTERS["fcn" if fcn else (config.architecture, config.encoder)]
    options: dict[str, Any] = {"input_shape": shape, "filters": filters}
    if fcn:
        options |= {"units": UNITS[config.encoder], "dropout": 0.3}
    images = keras.Input(shape, name="images")
    if config.encoder == "efficientnet":
        net = BUILDERS[config.architecture](num_classes, encoder=_encoder(shape, config.fine_tune), **options)
        return keras.Model(images, net(images), name="segment")
    scaled = keras.layers.Rescaling(1 / 255, dtype="float32", name="scaled")(images)
    return keras.Model(images, BUILDERS[config.architecture](num_classes, **options)(scaled), name="segment")


def _encoder(shape, fine_tune):
    """The first blocks of EfficientNet-Lite0 with ImageNet's weights; its statistics stay, as batches are small."""
    whole = imagenet.load_efficientnet_lite0(models.efficientnet_lite0_features(input_shape=shape))
    encoder = keras.Model(whole.input, whole.get_layer(LAST_BLOCK).output, name="encoder")
    for layer in encoder.layers:
        layer.trainable = fine_tune and not layer.name.endswith("_norm")
    return encoder


def augmentation(config: Config) -> augment.ImageAugmentation:
    """The random changes of pictures and masks that a configuration asks for."""
    flip = None if config.flip == "none" else config.flip
    amounts = {name: getattr(config, name) for name in AMOUNTS}
    return augment.ImageAugmentation(**amounts, flip=flip, seed=config.seed, name="augmentation")


def compiled(config: Config, num_classes: int, steps: int) -> keras.Model:
    """Builds a model and compiles it for `steps` training steps."""
    model = build(config, num_classes)
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=VOID, reduction="mean_with_sample_weight")
    iou = keras.metrics.MeanIoU(num_classes, sparse_y_pred=False, name="mean_iou")
    model.compile(optimizers.build(config, steps), loss, metrics=[iou])
    return model


def endpoints(model: keras.Model, numbers: Sequence[int], size: int) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` takes uint8 `images` `(batch, height, width, 3)` of any size and gives `mask` and `overlay` of the
    same, and `shares`; `serving_bytes` the bytes of files as `encoded`, and gives the files of mask and overlay.

    Args:
        model: The trained model.
        numbers: Number of each class in masks.
        size: Height and width that the net sees.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    def answer(images):
        probabilities = model(pictures.stretched(images, size), training=False)
        places = at_size(probabilities, tf.shape(images)[1:3])
        mask = tf.gather(tf.constant(np.array(numbers, np.uint8)), places)
        # In whole numbers: floats of a large picture would take four times the memory.
        overlay = tf.gather(tf.constant(colours_of(numbers) // 2), places) + images // 2
        shares = [tf.reduce_mean(tf.cast(places == place, tf.float32), (1, 2)) for place in range(len(numbers))]
        return {"mask": mask, "overlay": overlay, "shares": tf.stack(shares, 1)}

    def one(picture):
        found = answer(picture[None])
        return {
            "mask_png": tf.io.encode_png(found["mask"][0, ..., None]),
            "overlay_png": tf.io.encode_png(found["overlay"][0]),
            "shares": found["shares"][0],
        }

    text = tf.TensorSpec([], tf.string)
    each = {"mask_png": text, "overlay_png": text, "shares": tf.TensorSpec([len(numbers)], tf.float32)}
    functions = {
        "serving_default": (answer, {"images": tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")}),
        "serving_bytes": (
            lambda encoded: pictures.each_decoded(encoded, one, each),
            {"encoded": tf.TensorSpec([None], tf.string, name="encoded")},
        ),
    }
    return functions, [model]


def at_size(probabilities: Any, shape: Any) -> Any:
    """Returns the likeliest class of each pixel of pictures of another size.

    Args:
        probabilities: `(batch, size, size, classes)`.
        shape: Height and width, int32 `(2,)`.

    Returns:
        int32 `(batch, height, width)`.
    """
    import tensorflow as tf

    pixels = tf.cast(tf.reduce_prod(tf.cast(shape, tf.int64)), tf.float32)
    part = tf.minimum(1.0, tf.sqrt(FINE_PIXELS / pixels))
    fine = tf.cast(tf.math.ceil(part * tf.cast(shape, tf.float32)), tf.int32)
    places = tf.argmax(tf.image.resize(probabilities, fine), axis=-1, output_type=tf.int32)
    return tf.image.resize(places[..., None], shape, method="nearest")[..., 0]


def colours_of(numbers: Sequence[int]) -> np.ndarray:
    """The colour of each class, uint8 `(classes, 3)`: those of palette PNG, but none is black."""
    colours = masks.palette()
    return np.array([colours[number] if number else (224, 224, 192) for number in numbers], np.uint8)


def of_bytes(model: keras.Model) -> keras.Model:
    """Returns the net for uint8 pictures of its own size."""
    images = keras.Input(model.input_shape[1:], dtype="uint8", name="images")
    floats = keras.layers.Rescaling(1.0, dtype="float32", name="as_floats")(images)
    return keras.Model(images, {"probabilities": model(floats)}, name="segment")
