"""The nets behind `--architecture`, compiled, and the saved model's functions from samples to activities."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasmlsp import augment, classification, layers, models, optimizers
from kerasmlsp.apps.motion.config import Config
from kerasmlsp.exporting import Input

if TYPE_CHECKING:
    import tensorflow as tf

NET = "classifier"
"""Name of the layer of a model that is the net of the catalogue."""


def build(config: Config, values: np.ndarray, num_classes: int) -> keras.Model:
    """Builds the untrained model of a configuration: random changes, signals along gravity, standardising, the net.

    Args:
        config: The configuration.
        values: Windows to learn the range of each channel from, `(windows, steps, channels)`.
        num_classes: Number of classes.

    Returns:
        A model from windows of samples as they are recorded to class probabilities: `(batch, steps, classes)` where the
        architecture tells them of every sample, else `(batch, classes)`.
    """
    _, steps, channels = values.shape
    window = keras.Input((steps, channels), name="window")
    signals, axes = window, channels % 3 == 0
    if config.half_turns and axes:
        signals = augment.RandomHalfTurn(seed=config.seed, name="half_turn")(signals)
    if config.rotation and axes:
        signals = augment.RandomAxisRotation(config.rotation, seed=config.seed, name="rotation")(signals)
    if config.scaling:
        signals = augment.RandomScaling(config.scaling, seed=config.seed, name="scaling")(signals)
    if config.warp:
        signals = augment.TimeWarp(config.warp, seed=config.seed, name="warp")(signals)
    if config.gravity and axes:
        aligned = layers.GravityAlignment(max(1, round(config.rate)), name="aligned")
        signals, values = aligned(signals), keras.ops.convert_to_numpy(aligned(values))
    mean, deviation = values.mean((0, 1), dtype="float64"), values.std((0, 1), dtype="float64")
    # A channel that never changes says nothing.
    scale = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0.0)
    signals = keras.layers.Rescaling(scale.tolist(), (-mean * scale).tolist(), name="standardised")(signals)
    if config.jitter:
        signals = keras.layers.GaussianNoise(config.jitter, seed=config.seed, name="jitter")(signals)
    return keras.Model(window, net(config.architecture, steps, signals.shape[-1], num_classes)(signals), name="motion")


def net(architecture: str, steps: int, channels: int, num_classes: int) -> keras.Model:
    """Builds the net of an architecture.

    Raises:
        ValueError: The window has too few samples for it.
    """
    if architecture == "dense":
        return models.motion_dense(steps, channels, num_classes, name=NET)
    if architecture == "cnn":
        # The lecture's ten samples, or as many as its four convolutions and the pooling between them leave room for.
        return models.motion_cnn(steps, channels, num_classes, kernel_size=max(1, min(10, (steps + 5) // 8)), name=NET)
    if architecture == "deepconvlstm":
        return models.deep_conv_lstm(steps, channels, num_classes, name=NET)
    return models.motion_tcn(channels, num_classes, name=NET)


def compiled(config: Config, values: np.ndarray, num_classes: int, steps: int) -> keras.Model:
    """Builds a model and compiles it for `steps` training steps."""
    model = build(config, values, num_classes)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)
    accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
    model.compile(optimizers.build(config, steps), loss, weighted_metrics=[accuracy])
    return model


def of_windows(probabilities: "tf.Tensor | np.ndarray", config: Config) -> "tf.Tensor | np.ndarray":
    """Returns class probabilities of windows `(batch, classes)`: of samples, the mean over the window."""
    if not config.per_sample:
        return probabilities
    total = probabilities[:, config.around : config.around + config.length]
    return total.mean(axis=1) if isinstance(total, np.ndarray) else keras.ops.mean(total, axis=1)


INPUTS = {
    "windows": Input(
        "Samples of windows, with the context before and after.", range="finite numbers; NaN makes the answer unsure"
    ),
    "signals": Input(
        "Samples of recordings, of any number from a window's on.", range="finite numbers; NaN makes answers unsure"
    ),
}


def endpoints(
    model: keras.Model, config: Config, classes: Sequence[str], threshold: float | None = None
) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` takes `windows` `(batch, steps, channels)`, with their context, and gives of each `label`,
    `probabilities` in the order of `classes`, `confidence` and `unsure`, see `classification.answer`. `recordings`
    takes `signals` `(batch, samples, channels)` of any length from a window's on, cuts them into windows that overlap,
    and gives the same of every sample, `(batch, samples)`: the mean over the windows that hold it. Signals that do not
    change at all, or hold NaN, show nothing.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    steps, channels = model.input_shape[1:]

    def classify(windows):
        probabilities = of_windows(model(finite(windows), training=False), config)
        return classification.answer(classes, probabilities, moving(windows), threshold)

    def follow(signals):
        batch, samples = tf.unstack(tf.shape(signals)[:2])
        message = f"`signals` must hold at least the {config.length} samples of a window. Received:"
        long = tf.debugging.Assert(samples >= config.length, [message, samples])
        with tf.control_dependencies([] if long is None else [long]):
            starts = window_starts(samples, config)
        places = tf.clip_by_value(starts[:, None] + tf.range(steps) - config.around, 0, samples - 1)
        cut = tf.reshape(tf.gather(signals, places, axis=1), [-1, steps, channels])
        shown = tf.cast(moving(cut), tf.float32)[:, None, None]
        found = of_samples(model(finite(cut), training=False), config)
        found = tf.concat([found, tf.tile(shown, [1, config.length, 1])], axis=-1)
        found = averaged(tf.reshape(found, [batch, -1, config.length, len(classes) + 1]), starts, samples)
        flat = tf.reshape(found, [-1, len(classes) + 1])
        answer = classification.answer(classes, flat[:, :-1], flat[:, -1] > 0, threshold)
        return {name: tf.reshape(each, [batch, samples, *each.shape[1:]]) for name, each in answer.items()}

    windows = {"windows": tf.TensorSpec([None, steps, channels], tf.float32, name="windows")}
    signals = {"signals": tf.TensorSpec([None, None, channels], tf.float32, name="signals")}
    return {
        "serving_default": (lambda windows: classify(windows), windows),
        "recordings": (lambda signals: follow(signals), signals),
    }, [model]


def of_samples(probabilities: "tf.Tensor", config: Config) -> "tf.Tensor":
    """Returns class probabilities of the samples of windows, without context, `(batch, length, classes)`."""
    import tensorflow as tf

    if config.per_sample:
        return probabilities[:, config.around : config.around + config.length]
    return tf.repeat(probabilities[:, None], config.length, axis=1)


def moving(signals: "tf.Tensor") -> "tf.Tensor":
    """Whether anything changes in signals `(batch, steps, channels)`, all of which are numbers, bool `(batch,)`."""
    import tensorflow as tf

    numbers = tf.reduce_all(tf.math.is_finite(signals), axis=(1, 2))
    return tf.reduce_any(signals != signals[:, :1], axis=(1, 2)) & numbers


def finite(signals: "tf.Tensor") -> "tf.Tensor":
    """Returns signals with zeros in place of NaN and infinities, which nothing could be computed with."""
    import tensorflow as tf

    return tf.where(tf.math.is_finite(signals), signals, tf.zeros_like(signals))


def window_starts(samples: "tf.Tensor", config: Config) -> "tf.Tensor":
    """Where windows begin that cover so many samples: every hop, the last at the end."""
    import tensorflow as tf

    last = samples - config.length
    # The end of a window is the next one's beginning at the latest, or samples would be left out.
    return tf.concat([tf.range(0, last, min(config.step, config.length)), [last]], axis=0)


def averaged(values: "tf.Tensor", starts: "tf.Tensor", samples: "tf.Tensor") -> "tf.Tensor":
    """Returns the mean over windows of what they say of each sample.

    Args:
        values: `(batch, windows, length, features)`.
        starts: Where each window begins, `(windows,)`.
        samples: Samples in all, each in a window at least.

    Returns:
        `(batch, samples, features)`.
    """
    import tensorflow as tf

    batch, windows, length, features = tf.unstack(tf.shape(values))
    places = tf.reshape(starts[:, None] + tf.range(length), [-1])
    rows = tf.transpose(tf.reshape(values, [batch, windows * length, features]), [1, 0, 2])
    total = tf.math.unsorted_segment_sum(rows, places, samples)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(places, tf.float32), places, samples)
    return tf.transpose(total / counts[:, None, None], [1, 0, 2])
