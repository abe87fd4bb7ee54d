"""The net of the pixelcnn application, and what its saved model does."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasmlsp import generation, losses, models, optimizers
from kerasmlsp.apps.pixelcnn.config import LEVELS, Config
from kerasmlsp.exporting import Input, sampling
from kerasmlsp.generation import chunking
from kerasmlsp.models.pixels import pixel_decoder

DEFAULTS = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0}


def build(config: Config, shape: Sequence[int], num_classes: int) -> keras.Model:
    """Builds the net of a configuration for images of height, width and channels `shape`."""
    height, width, channels = shape
    sizes: dict[str, Any] = {name: getattr(config, name) for name in ("features", "hidden", "num_blocks")}
    return models.gated_pixelcnn(height, width, channels, LEVELS, num_classes=num_classes, **sizes)


def for_inference(trained: keras.Model, config: Config) -> keras.Model:
    """Returns a copy in float32: in fewer digits, a step would not draw what the whole net draws."""
    classes = trained.get_layer("label_embedding").input_dim if is_conditional(trained) else 0
    net = build(config, trained.output_shape[1:-1], classes)
    for weight, value in zip(net.weights, trained.weights, strict=True):
        weight.assign(keras.ops.cast(value, "float32"))
    return net


def compiled(config: Config, shape: Sequence[int], num_classes: int, steps: int) -> keras.Model:
    """Builds the net to train, with optimizer and loss; the loss is in bits per dimension.

    Args:
        config: The configuration.
        shape: Height, width and channels of the images.
        num_classes: Number of classes that the net is told; 0 for none.
        steps: Training steps in all.
    """
    net = build(config, shape, num_classes)
    # Over a twentieth of the steps at most: of few steps, the first ones would be averaged for ever.
    config = dataclasses.replace(config, ema=min(config.ema, max(0.0, 1.0 - 20.0 / steps)))
    net.compile(optimizers.build(config, steps), losses.BitsPerDimension())
    return net


def is_conditional(net: keras.Model) -> bool:
    """Whether a net is told the class."""
    return isinstance(net.input, dict)


def bits(net: keras.Model, levels: np.ndarray, labels: np.ndarray, *, chunk: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Measures images.

    Args:
        net: The net.
        levels: uint8 `(images, height, width, channels)`.
        labels: Class numbers, int32 `(images,)`; a net without classes makes nothing of them.
        chunk: Images that are measured at a time.

    Returns:
        Bits of each channel of each pixel, float32 of the shape of `levels`, and the same given that it is not 0.
    """
    import tensorflow as tf

    @tf.function(reduce_retracing=True, autograph=False)
    def measured(levels, labels):
        logits = net({"label": labels, "levels": levels} if is_conditional(net) else levels, training=False)
        logs = tf.nn.log_softmax(logits) / np.log(2.0)
        # The sum of the others: 1 less the probability of 0 would be rounded away.
        others = tf.reduce_logsumexp(logits[..., 1:], axis=-1) - tf.reduce_logsumexp(logits, axis=-1)
        found = tf.gather(logs, levels, batch_dims=4)
        return -found, others / np.log(2.0) - found

    rows = []
    for begin in range(0, len(levels), chunk):
        part = slice(begin, begin + chunk)
        rows.append([each.numpy() for each in measured(levels[part].astype("int32"), labels[part])])
    first, second = (np.concatenate(each) for each in zip(*rows, strict=True))
    return first, second


def inputs(shape: Sequence[int], classes: Sequence[str]) -> dict[str, Input]:
    """Describes the inputs of all endpoints."""
    height, width, channels = shape
    size = f"pictures of {width} columns and {channels} channel{'s' * (channels > 1)}"
    return {
        "label": Input("Class to draw, or of the picture.", choices=classes, default=classes[0] if classes else None),
        "seed": Input("Decides what is drawn; the same gives the same picture.", default=0, range="int32"),
        **sampling("levels", DEFAULTS),
        "primer": Input("The upper part of a picture.", range=f"{size}, at most {height} rows, 0 to 255"),
        "images": Input("Pictures to measure.", range=f"{size}, {height} rows, 0 to 255"),
    }


def endpoints(net: keras.Model, classes: Sequence[str]) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `generate` draws a picture for every seed, with classes one of `label`, and `serving_default` does so with
    `DEFAULTS`; `complete` goes on below the rows of `primer`; `score` gives the bits per dimension of pictures. The
    loop over the pixels is in the graph, and a step of it reads one pixel and what was kept of those before.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    conditional, (height, width, channels) = is_conditional(net), net.output_shape[1:-1]
    places, names = height * width * channels, tf.constant(classes or [""])
    # One loop for the whole picture.
    filler = chunking.Filler(pixel_decoder(net), chunk=places + 1)

    def number(label):
        return tf.argmax(label[:, None] == names, axis=1, output_type=tf.int32) if conditional else None

    def drawn(given, label=None, *, seed, temperature, top_k, top_p):
        free = tf.fill([tf.shape(seed)[0], places - tf.shape(given)[1]], generation.FREE)
        levels, _ = filler(tf.concat([given, free], axis=1), seed, temperature, top_k, top_p, start=number(label))
        return {"image": tf.cast(tf.reshape(levels, [-1, height, width, channels]), tf.uint8)}

    def generate(**rows):
        return drawn(tf.zeros([tf.shape(rows["seed"])[0], 0], tf.int32), **rows)

    def default(**rows):
        ones = tf.ones_like(rows["seed"])
        settings = {name: tf.cast(ones, spec.dtype) * DEFAULTS[name] for name, spec in drawing.items()}
        return generate(**{**settings, **rows})

    def complete(primer, **rows):
        many = tf.shape(primer)[1]
        fits = tf.debugging.Assert(many <= height, [f"`primer` must have at most {height} rows. Received:", many])
        with tf.control_dependencies([fits] if fits is not None else []):
            given = tf.reshape(tf.cast(primer, tf.int32), [tf.shape(primer)[0], many * width * channels])
        return drawn(given, **rows)

    def score(images, label=None):
        levels = tf.cast(images, tf.int32)
        logits = net({"label": number(label), "levels": levels} if conditional else levels, training=False)
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=levels, logits=logits)
        return {"bits": tf.reduce_mean(nats, axis=(1, 2, 3)) / np.log(2.0)}

    kinds = {"temperature": "float32", "top_k": "int32", "top_p": "float32"}
    drawing = {name: tf.TensorSpec([None], kind) for name, kind in kinds.items()}
    label = {"label": tf.TensorSpec([None], tf.string)} if conditional else {}
    seed = {**label, "seed": tf.TensorSpec([None], tf.int32)}
    functions: dict[str, tuple[Callable, dict]] = {
        "serving_default": (default, seed),
        "generate": (generate, {**seed, **drawing}),
        "complete": (
            complete,
            {"primer": tf.TensorSpec([None, None, width, channels], tf.uint8), **seed, **drawing},
        ),
        "score": (score, {"images": tf.TensorSpec([None, height, width, channels], tf.uint8), **label}),
    }
    return functions, [net]
