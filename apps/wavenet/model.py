"""The net of the wavenet application, and what its saved model does."""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import numpy as np

from kerasmlsp import generation, models, optimizers
from kerasmlsp.apps.wavenet import data
from kerasmlsp.apps.wavenet.config import LEVELS, MOST, START, Config
from kerasmlsp.exporting import Input, sampling
from kerasmlsp.generation import chunking
from kerasmlsp.layers.autoregressive import mu_law, mu_law_inverse
from kerasmlsp.models.autoregressive import labelled_decoder

DEFAULTS = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0}
CHUNK = 1000  # samples that are made by one call of the compiled loop


def build(config: Config, num_classes: int) -> keras.Model:
    """Builds the net of a configuration."""
    names = ("features", "skip_features", "num_stacks", "blocks_per_stack")
    sizes = {name: getattr(config, name) for name in names}
    if num_classes:
        return models.conditional_wavenet(LEVELS, num_classes=num_classes, **sizes)
    return models.wavenet(LEVELS, **sizes)


def for_inference(trained: keras.Model, config: Config) -> keras.Model:
    """Returns a copy in float32: in fewer digits, a step would not draw what the whole net draws."""
    net = build(config, trained.get_layer("label_embedding").input_dim if is_conditional(trained) else 0)
    for weight, value in zip(net.weights, trained.weights, strict=True):
        weight.assign(keras.ops.cast(value, "float32"))
    return net


def compiled(config: Config, num_classes: int, steps: int) -> keras.Model:
    """Builds the net to train, with optimizer and loss; the loss is in nats per sample.

    Args:
        config: The configuration.
        num_classes: Number of classes that the net is told; 0 for none.
        steps: Training steps in all.
    """
    net = build(config, num_classes)
    # Over a twentieth of the steps at most: of few steps, the first ones would be averaged for ever.
    config = dataclasses.replace(config, ema=min(config.ema, max(0.0, 1.0 - 20.0 / steps)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    net.compile(optimizers.build(config, steps), loss)
    return net


def is_conditional(net: keras.Model) -> bool:
    """Whether a net is told the class."""
    return isinstance(net.input, dict)


def reach(net: keras.Model) -> int:
    """Samples before it that the net hears for each sample."""
    layer = net.get_layer("convolutions")
    return 1 + (layer.kernel_size - 1) * sum(layer.dilations)


def nats(net: keras.Model, pieces: data.Pieces, *, chunk: int = 8) -> np.ndarray:
    """Measures pieces: nats of each sample, float32 `(pieces, length)`, also behind the end."""
    import tensorflow as tf

    @tf.function(reduce_retracing=True, autograph=False)
    def measured(levels, labels):
        return _nats(net, levels, labels)

    rows = range(0, len(pieces), chunk)
    parts = [(pieces.levels[i : i + chunk].astype("int32"), pieces.labels[i : i + chunk]) for i in rows]
    return np.concatenate([measured(*part).numpy() for part in parts])


def _nats(net, levels, labels):
    import tensorflow as tf

    heard = data.shifted(levels)
    logits = net({"label": labels, "levels": heard} if is_conditional(net) else heard, training=False)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=levels, logits=logits)


def inputs(rate: int, classes: Sequence[str]) -> dict[str, Input]:
    """Describes the inputs of all endpoints."""
    most = round(MOST * rate)
    wave = f"-1 to 1, {rate:,} samples per second; zeros behind the end"
    return {
        "label": Input("Class to generate, or of the sound.", choices=classes, default=classes[0] if classes else None),
        "length": Input("Samples to generate.", least=0, most=most, default=rate),
        "seed": Input("Decides what is drawn; the same gives the same sound.", default=0, range="int32"),
        **sampling("levels", DEFAULTS),
        "primer": Input("The beginning of a sound.", range=wave),
        "waveforms": Input("Sounds to measure.", range=wave),
        "given": Input("Samples of each row that count.", least=0, most=most),
    }


def endpoints(net: keras.Model, classes: Sequence[str], rate: int) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `generate` makes a sound of `length` samples for every seed, with classes one of `label`, and `serving_default` one
    of a second with `DEFAULTS`; `complete` goes on after the `given` first samples of `primer`, which it returns as
    the net hears them; `score` gives the nats per sample of sounds. The loop over the samples is in the graph, and a
    step of it costs the same however long the sound is.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    conditional, names = is_conditional(net), tf.constant(classes or [""])
    filler = chunking.Filler(labelled_decoder(net, START), chunk=CHUNK)

    def number(label):
        return tf.argmax(label[:, None] == names, axis=1, output_type=tf.int32) if conditional else None

    def made(levels, given, length, label=None, *, seed, temperature, top_k, top_p):
        template = generation.template(levels, given, length)
        found, _ = filler(template, seed, temperature, top_k, top_p, start=number(label))
        sounding = tf.range(tf.shape(found)[1]) < (given + length)[:, None]
        return {"waveform": tf.where(sounding, mu_law_inverse(found, LEVELS), 0.0)}

    def generate(length, **rows):
        empty = tf.zeros([tf.shape(length)[0], 0], tf.int32)
        return made(empty, tf.zeros_like(length), length, **rows)

    def default(**rows):
        ones = tf.ones_like(rows["seed"])
        settings = {name: tf.cast(ones, spec.dtype) * DEFAULTS[name] for name, spec in drawing.items()}
        return generate(length=rate * ones, **{**settings, **rows})

    def counted(waveforms, given):
        many = tf.shape(waveforms)[1]
        fits = tf.debugging.Assert(
            tf.reduce_all(given <= many), ["`given` must be at most the samples of a row, and was more than", many]
        )
        with tf.control_dependencies([fits] if fits is not None else []):
            return mu_law(tf.identity(waveforms), LEVELS)

    def complete(primer, given, length, **rows):
        return made(counted(primer, given), given, length, **rows)

    def score(waveforms, given, label=None):
        levels = counted(waveforms, given)
        found = _nats(net, levels, number(label))
        heard = tf.sequence_mask(given, tf.shape(levels)[1], tf.float32)
        count = tf.cast(tf.maximum(given, 1), tf.float32)
        return {"nats": tf.reduce_sum(found * heard, axis=1) / count}

    kinds = {"temperature": "float32", "top_k": "int32", "top_p": "float32"}
    drawing = {name: tf.TensorSpec([None], kind) for name, kind in kinds.items()}
    label = {"label": tf.TensorSpec([None], tf.string)} if conditional else {}
    whole, wave = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.float32)
    seed = {**label, "seed": whole}
    functions: dict[str, tuple[Callable, dict]] = {
        "serving_default": (default, seed),
        "generate": (generate, {"length": whole, **seed, **drawing}),
        "complete": (complete, {"primer": wave, "given": whole, "length": whole, **seed, **drawing}),
        "score": (score, {"waveforms": wave, "given": whole, **label}),
    }
    return functions, [net]
