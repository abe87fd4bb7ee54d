"""The nets behind `--architecture`, compiled, and the saved models' functions from frames to a label or to frames."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kerasmlsp import classification, models, optimizers
from kerasmlsp.apps.video.config import Config
from kerasmlsp.data import videos
from kerasmlsp.exporting import Input

GRID = 4
"""Cells in a row and column of a frame that the LSTM is told of, to see where something is; 8 pixels at least."""
HALVINGS = 2
"""Times that frames are halved before convolutional LSTMs, whose work would be 16 times as much else."""
MOST_STEPS = 64
"""Frames that a saved model forecasts at most."""
# ITU-R BT.601, as `kerasmlsp.data.image_sets.recoloured`.
_LUMA = (0.299, 0.587, 0.114)
_LEAST_CONTRAST = 8.0  # of 255, somewhere in the clip and in one of its channels


def inputs(config: Config) -> dict[str, Input]:
    """What the inputs of the saved models are."""
    spread = "spread over the clip" if config.spacing is None else f"{config.spacing} apart"
    taken = config.frames - config.forecasts
    return {
        "frames": Input(
            f"The decoded frames of clips, RGB. {taken} are taken, {spread}, and stretched to the size that the net "
            "sees. Frames of zeros on the right fill up shorter clips.",
            range="0 to 255, of any number and size",
        ),
        "encoded": Input(
            "The bytes of a file with a clip.",
            range=f"GIF, up to {videos.MOST_GIF_PIXELS / 1e6:g} million pixels a frame",
        ),
        "steps": Input("Frames to forecast.", least=1, most=MOST_STEPS, default=1),
    }


def build(config: Config, size: int, channels: int, num_classes: int) -> keras.Model:
    """Builds the untrained model of an architecture.

    Args:
        config: The complete configuration.
        size: Height and width of the frames.
        channels: Channels of the frames.
        num_classes: Number of classes; not looked at to forecast.

    Each channel of a clip whose class is told is standardised over all its frames.

    Returns:
        A model from `frames` `(batch, length, size, size, channels)`, 0 to 255, to class probabilities, or to the frame
        after each, 0 to 1. Its last layer is the net.
    """
    frames = keras.Input((None, size, size, channels), name="frames")
    # The nets take frames of zeros for padding, which black ones are not.
    shown = ops.maximum(frames, 1.0)
    options: dict[str, Any]
    if config.forecasts:
        scaled = keras.layers.Rescaling(1 / 255, dtype="float32", name="scaled")(shown)
        net = models.convlstm_forecaster(size, size, channels, halvings=HALVINGS)
        return keras.Model(frames, net(scaled), name="video")
    # Neither light nor contrast tells classes apart, and what is small in a dark clip is as large as any.
    options = {"center": False, "scale": False, "dtype": "float32", "name": "light"}
    scaled = keras.layers.LayerNormalization(axis=(1, 2, 3), **options)(shown)
    if config.architecture == "convlstm":
        options = {"halvings": HALVINGS, "dropout": config.dropout}
        net = models.convlstm_classifier(size, size, channels, num_classes, **options)
    else:
        options = {"grid": min(GRID, size // 8), "dropout": config.dropout}
        net = models.video_classifier(size, size, channels, num_classes, **options)
    return keras.Model(frames, net(scaled), name="video")


def compiled(config: Config, size: int, channels: int, num_classes: int, steps: int) -> keras.Model:
    """Builds a model and compiles it for `steps` training steps."""
    model = build(config, size, channels, num_classes)
    if config.forecasts:
        model.compile(optimizers.build(config, steps), "mse")
        return model
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)
    model.compile(optimizers.build(config, steps), loss, metrics=["accuracy"])
    return model


def endpoints(
    model: keras.Model, classes: Sequence[str], config: Config, threshold: float | None = None
) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` takes uint8 `frames` `(batch, length, height, width, 3)`, `serving_bytes` the bytes of GIF files
    as `encoded`: of other clips TensorFlow has no decoder. To tell classes, both give `label`, `probabilities` in the
    order of `classes`, `confidence` and `unsure`, see `classification.answer`: a clip of one frame, or of one colour,
    shows nothing. To forecast, both take the number of `steps`, too, and give the `next` frames, float32 `(batch,
    steps, size, size, channels)`, 0 to 1, each of which is seen for the one after it.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    size, channels = model.input_shape[2], model.input_shape[-1]
    taken: dict[str, Any] = {"frames": config.frames, "size": size, "stride": config.spacing}
    if config.forecasts:
        taken |= {"frames": config.frames - 1, "last": True}

    def seen(clips):
        return tf.round(tf.tensordot(clips, tf.constant(_LUMA), 1))[..., None] if channels == 1 else clips

    def answer(clips, counts):
        span = tf.reduce_max(clips, axis=(1, 2, 3)) - tf.reduce_min(clips, axis=(1, 2, 3))
        shown = (counts >= min(2, config.frames)) & (tf.reduce_max(span, axis=-1) >= _LEAST_CONTRAST)
        return classification.answer(classes, model(seen(clips), training=False), shown, threshold)

    def ahead(clips, _, steps):
        def step(place, window, found):
            following = tf.clip_by_value(model(window, training=False)[:, -1], 0.0, 1.0)
            window = tf.concat([window[:, 1:], 255.0 * following[:, None]], axis=1)
            return place + 1, window, found.write(place, following)

        clips = seen(clips)
        window = tf.ensure_shape(clips, [None, taken["frames"], size, size, channels])
        array = tf.TensorArray(tf.float32, steps, element_shape=[None, size, size, channels])
        *_, found = tf.while_loop(lambda place, *_: place < steps, step, (tf.constant(0), window, array))
        return {"next": tf.transpose(found.stack(), [1, 0, 2, 3, 4])}

    tell = ahead if config.forecasts else answer
    more = {"steps": tf.TensorSpec([], tf.int32)} if config.forecasts else {}
    decoded = {"frames": tf.TensorSpec([None, None, None, None, 3], tf.uint8)}
    packed = {"encoded": tf.TensorSpec([None], tf.string)}
    functions: dict[str, Any] = {
        "serving_default": (
            lambda frames, **rest: tell(*videos.stretched(frames, **taken), **rest),
            {**decoded, **more},
        ),
        "serving_bytes": (
            lambda encoded, **rest: tell(*videos.decoded_gifs(encoded, **taken), **rest),
            {**packed, **more},
        ),
    }
    return functions, [model]
