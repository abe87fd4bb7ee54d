"""The nets behind `--architecture`, compiled, and the saved model's functions from a waveform to a label."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasmlsp import augment, classification, models, optimizers
from kerasmlsp.apps.speech.config import BANDS, Config
from kerasmlsp.data import clips
from kerasmlsp.exporting import Input
from kerasmlsp.layers import LogMelSpectrogram

BUILDERS: dict[str, Callable] = {
    "resnet": models.speech_resnet,
    "cnn": models.speech_command_cnn,
    "attention-lstm": models.speech_attention_lstm,
}


def inputs(config: Config) -> dict[str, Input]:
    """What the inputs of the saved model are."""
    return {
        "waveforms": Input(
            f"Recordings of {config.rate:,} samples per second; zeros on the right fill up shorter ones. Of more than "
            f"{config.seconds:g} s the loudest {config.seconds:g} s are heard.",
            range="finite numbers, -1 to 1; NaN makes the answer unsure",
        ),
        "encoded": Input(
            "The bytes of a file with a recording.", range=f"WAV of 16 bits at {config.rate:,} per second"
        ),
    }


def build(config: Config, num_classes: int) -> keras.Model:
    """Builds the untrained model of an architecture: log-mel spectrogram, random masks, net.

    The spectrogram is made in the graph, where it takes less than a tenth of a training step.

    Args:
        config: The complete configuration.
        num_classes: Number of classes.

    Returns:
        A model from float32 `waveforms` `(batch, samples)` to class probabilities, whose last layer is the net.
    """
    waveforms = keras.Input((None,), dtype="float32", name="waveforms")
    spectrogram = LogMelSpectrogram(BANDS, config.rate, name="spectrogram")(waveforms)
    widest: dict[str, Any] = {"max_frames": config.time_mask, "max_bands": config.band_mask}
    masks = augment.SpecAugment(**widest, seed=config.seed, name="masks")
    net = BUILDERS[config.architecture](num_classes, BANDS)
    return keras.Model(waveforms, net(masks(spectrogram)), name="speech")


def compiled(config: Config, num_classes: int, steps: int) -> keras.Model:
    """Builds a model and compiles it for `steps` training steps."""
    model = build(config, num_classes)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)
    model.compile(optimizers.build(config, steps), loss, metrics=["accuracy"])
    return model


def attention(model: keras.Model) -> keras.Model | None:
    """Returns a model from waveforms to the weights `(batch, steps)` that a net gives its steps; None if it has none.

    The steps cover the recording evenly.
    """
    net = model.layers[-1]
    if "attention" not in [layer.name for layer in net.layers]:
        return None
    waveforms = model.inputs[0]
    looking = keras.Model(net.inputs, net.get_layer("attention").output[1])
    return keras.Model(waveforms, looking(model.get_layer("spectrogram")(waveforms)))


def endpoints(
    model: keras.Model, classes: Sequence[str], config: Config, threshold: float | None = None
) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    Both give `label`, `probabilities` in the order of `classes`, `confidence` and `unsure`, see
    `classification.answer`: a recording of zeros shows nothing. `serving_default` takes float32 `waveforms`
    `(batch, samples)` of any length, `serving_bytes` the bytes of WAV files as `encoded`.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    def answer(heard):
        shown = tf.reduce_any(heard != 0, axis=1)
        return classification.answer(classes, model(heard, training=False), shown, threshold)

    waves = {"waveforms": tf.TensorSpec([None, None], tf.float32, name="waveforms")}
    packed = {"encoded": tf.TensorSpec([None], tf.string, name="encoded")}
    functions: dict[str, Any] = {
        "serving_default": (
            lambda waveforms: answer(clips.loudest_in_graph(waveforms, config.length, config.rate)),
            waves,
        ),
        "serving_bytes": (lambda encoded: answer(clips.decoded(encoded, config.length, config.rate)), packed),
    }
    return functions, [model]


def of_spectrogram(model: keras.Model) -> keras.Model:
    """Returns the net alone, from log-mel spectrograms to probabilities."""
    net = model.layers[-1]
    spectrogram = keras.Input((None, BANDS), name="spectrogram")
    return keras.Model(spectrogram, {"probabilities": net(spectrogram)}, name="speech")
