"""The nets of the chargen application, and what its saved model does."""

import dataclasses
import functools
from collections.abc import Callable

import keras
import numpy as np

from kerasmlsp import chunking, generation, models, normalization, training

LIMIT = 100_000
DEFAULTS = {"length": 200, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "seed": 0}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How an architecture is built and trained where the configuration does not say."""

    build: Callable
    units: int
    num_layers: int
    dropout: float
    epochs: int
    batch_size: int
    learning_rate: float


def _gpt(vocabulary_size, config, units, num_layers, dropout, stateful_batch):
    heads = max(1, units // 32)
    return models.gpt(
        vocabulary_size, features=units, num_layers=num_layers, num_heads=heads, window=config.window, dropout=dropout
    )


def _recurrent(build):
    def built(vocabulary_size, config, units, num_layers, dropout, stateful_batch):
        sizes = {"units": units, "num_layers": num_layers, "dropout": dropout}
        return build(vocabulary_size, **sizes, stateful_batch=stateful_batch)

    return built


RECIPES = {
    "gpt": Recipe(_gpt, 192, 6, 0.2, 24, 32, 2e-3),
    "lstm": Recipe(_recurrent(models.lstm_language_model), 256, 2, 0.3, 20, 64, 3e-3),
    "gru": Recipe(_recurrent(models.gru_language_model), 256, 2, 0.3, 20, 64, 3e-3),
    "simple-rnn": Recipe(_recurrent(models.simple_rnn_language_model), 128, 1, 0.0, 20, 64, 2e-3),
}
option = functools.partial(training.option, RECIPES)


def build(config, vocabulary_size, stateful=False):
    """Builds the configured net; with `stateful`, one for training batches that carry the state."""
    batch = option(config, "batch_size") if stateful else None
    sizes = (option(config, name) for name in ("units", "num_layers", "dropout"))
    return RECIPES[config.architecture].build(vocabulary_size, config, *sizes, batch)


def compiled(config, vocabulary_size, steps):
    """Builds the net to train, with optimizer and loss; the loss is in nats per character."""
    model = build(config, vocabulary_size, stateful=True)
    optimizer = training.optimizer(
        option(config, "learning_rate"),
        schedule=config.schedule,
        steps=steps,
        warmup=config.warmup,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm or None,
        ema=config.ema,
    )
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def for_inference(trained, config, vocabulary_size, weights="float32"):
    """Returns a copy without the states that training carries.

    Its weights are float32, or with `weights` "int8" those of `quantize`.

    Raises:
        ValueError: `weights` is "int8" and the net is recurrent.
    """
    if weights == "int8" and config.architecture != "gpt":
        raise ValueError(f"`weights` in int8 are for the architecture gpt only. Received: {config.architecture}")
    model = build(config, vocabulary_size)
    for weight, value in zip(model.trainable_variables, trained.trainable_variables, strict=True):
        weight.assign(keras.ops.cast(value, "float32"))
    if weights == "int8":
        quantize(model)
    return model


def quantize(model):
    """Makes the matrices of GPT's blocks 8-bit integers with a scale for each column, in place.

    The vectors that they are multiplied with are rounded to 8 bits, too, each with a scale of its own.
    """
    # The last layer is small, and its errors are those of the logits.
    model.quantize("int8", filters=lambda layer: isinstance(layer, keras.layers.Dense) and layer.name != "logits")


def start_of(known):
    """The character that stands before a text: the end of a line."""
    return max(0, known.find("\n"))


def endpoints(model, known):
    """Returns the functions of the saved model, and what they hold.

    `generate` writes on after each prompt, `length` characters, which also gives the `nats` per character of what it
    wrote under the net itself; `serving_default` does so with `DEFAULTS`. Characters of a prompt that the net does not
    know are read in a form that it knows (`kerasmlsp.normalization`) or left out. Lengths are clipped to `LIMIT`, and a
    temperature of 0 or less takes the likeliest characters.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    codes = tf.constant([ord(each) for each in known])
    filler = chunking.Filler(model, start=start_of(known))

    def encoded(prompt):
        points = tf.strings.unicode_decode(normalization.normalize(prompt, known), "UTF-8")
        places = tf.minimum(tf.searchsorted(codes, points.flat_values), len(known) - 1)
        ids = points.with_flat_values(places)
        return tf.ragged.boolean_mask(ids, points.with_flat_values(tf.gather(codes, places) == points.flat_values))

    def generate(prompt, length, temperature, top_k, top_p, seed):
        ids, length = encoded(prompt), tf.clip_by_value(length, 0, LIMIT)
        given = tf.cast(ids.row_lengths(), tf.int32)
        tokens, scores = filler(generation.template(ids.to_tensor(), given, length), seed, temperature, top_k, top_p)
        places = tf.range(tf.shape(tokens)[1])
        new = (places >= given[:, None]) & (places < (given + length)[:, None])
        written = tf.ragged.boolean_mask(tf.gather(codes, tokens), new)
        nats = -tf.reduce_sum(tf.where(new, scores, 0.0), axis=1) / tf.cast(tf.maximum(length, 1), tf.float32)
        return {"text": tf.strings.unicode_encode(written, "UTF-8"), "nats": nats}

    def default(prompt):
        rows = tf.ones_like(prompt, tf.int32)
        settings = {name: tf.cast(rows, _TYPES[name]) * value for name, value in DEFAULTS.items()}
        return {"text": generate(prompt, **settings)["text"]}

    _TYPES = {"length": "int32", "temperature": "float32", "top_k": "int32", "top_p": "float32", "seed": "int32"}
    text = {"prompt": tf.TensorSpec([None], tf.string, name="prompt")}
    settings = {name: tf.TensorSpec([None], kind, name=name) for name, kind in _TYPES.items()}
    functions = {"serving_default": (default, text), "generate": (generate, {**text, **settings})}
    return functions, [model]


def nats(model, ids, window, known):
    """Measures a net on a text.

    Args:
        model: The net, as of `for_inference`.
        ids: The text, int32 `(characters,)`.
        window: Length of the independent windows.
        known: The characters.

    Returns:
        Nats per character, each an array: of every window that begins without context, `(windows,)`, and of every
        `window` characters of the text read from its beginning to its end with the state carried along.
    """
    from kerasmlsp.apps.chargen import data

    inputs, targets = data.independent_windows(ids, window)
    rows = []
    for begin in range(0, len(inputs), 64):
        logits = model.predict_on_batch(inputs[begin : begin + 64])
        rows.append(generation.log_probabilities(logits, targets[begin : begin + 64]))
    windows = -np.concatenate([keras.ops.convert_to_numpy(part) for part in rows]).mean(1)
    filler = chunking.Filler(model, chunk=1024, start=start_of(known))
    scores = filler(ids[None], np.zeros(1, "int32"), 1.0, 0, 1.0)[1].numpy()[0, 1:]
    carried = -scores[: len(scores) // inputs.shape[1] * inputs.shape[1]].reshape(-1, inputs.shape[1]).mean(1)
    return windows, carried
