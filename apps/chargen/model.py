"""The nets of the chargen application, and what its saved model does."""

import keras
import numpy as np

from kerasmlsp import generation, models, optimizers
from kerasmlsp.data import normalization
from kerasmlsp.generation import chunking

LIMIT = 100_000
DEFAULTS = {"length": 200, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "seed": 0}


def _gpt(vocabulary_size, config, stateful_batch):
    return models.gpt(
        vocabulary_size,
        features=config.units,
        num_layers=config.num_layers,
        num_heads=max(1, config.units // 32),
        window=config.window,
        dropout=config.dropout,
    )


def _recurrent(build):
    def built(vocabulary_size, config, stateful_batch):
        sizes = {"units": config.units, "num_layers": config.num_layers, "dropout": config.dropout}
        return build(vocabulary_size, **sizes, stateful_batch=stateful_batch)

    return built


BUILDERS = {
    "gpt": _gpt,
    "lstm": _recurrent(models.lstm_language_model),
    "gru": _recurrent(models.gru_language_model),
    "simple-rnn": _recurrent(models.simple_rnn_language_model),
}


def build(config, vocabulary_size, stateful=False):
    """Builds the net of a complete configuration; with `stateful`, one for training batches that carry the state."""
    return BUILDERS[config.architecture](vocabulary_size, config, config.batch_size if stateful else None)


def compiled(config, vocabulary_size, steps):
    """Builds the net to train, with optimizer and loss; the loss is in nats per character."""
    model = build(config, vocabulary_size, stateful=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.build(config, steps), loss)
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
    know are read in a form that it knows (`kerasmlsp.data.normalization`) or left out. Lengths are clipped to `LIMIT`,
    and a temperature of 0 or less takes the likeliest characters.

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
