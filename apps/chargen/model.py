"""The nets of the chargen application, and what its saved model does."""

from collections.abc import Callable, Iterable

import keras
import numpy as np

from kerasmlsp import generation, models, optimizers
from kerasmlsp.apps.chargen.config import Config
from kerasmlsp.data import normalization
from kerasmlsp.exporting import Input, sampling
from kerasmlsp.generation import chunking

LIMIT, PROMPT, MEASURED = 100_000, 1024, 1_000_000
DEFAULTS = {"length": 200, "temperature": 0.8, "top_k": 0, "top_p": 1.0, "seed": 0}


def _gpt(vocabulary_size, config, stateful_batch):
    # About 32 features a head, as an even part of all.
    heads = next((heads for heads in range(config.units // 32, 1, -1) if config.units % (2 * heads) == 0), 1)
    return models.gpt(
        vocabulary_size,
        features=config.units,
        num_layers=config.num_layers,
        num_heads=heads,
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


def build(config: Config, vocabulary_size: int, stateful: bool = False) -> keras.Model:
    """Builds the net of a complete configuration; with `stateful`, one for training batches that carry the state."""
    return BUILDERS[config.architecture](vocabulary_size, config, config.batch_size if stateful else None)


def compiled(config: Config, vocabulary_size: int, steps: int, start: keras.Model | None = None) -> keras.Model:
    """Builds the net to train, with optimizer and loss; the loss is in nats per character.

    With `start`, a net as of `for_inference`, it has the weights of that.
    """
    model = build(config, vocabulary_size, stateful=True)
    if start is not None:
        for weight, value in zip(model.trainable_variables, start.trainable_variables, strict=True):
            weight.assign(value)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.build(config, steps), loss)
    return model


def for_inference(trained: keras.Model, config: Config, vocabulary_size: int, weights: str = "float32") -> keras.Model:
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


def quantize(model: keras.Model) -> None:
    """Makes the matrices of GPT's blocks 8-bit integers with a scale for each column, in place.

    The vectors that they are multiplied with are rounded to 8 bits, too, each with a scale of its own.
    """
    # The last layer is small, and its errors are those of the logits.
    model.quantize("int8", filters=lambda layer: isinstance(layer, keras.layers.Dense) and layer.name != "logits")


def prompt_limit(config: Config) -> int:
    """Characters at the end of a prompt that are read: what a GPT of this configuration can use, or `PROMPT` if more.

    A block of GPT sees `window` characters, and by those before it as many again. What a recurrent net keeps of what is
    farther back than `PROMPT` is too little to measure.
    """
    return max(PROMPT, config.window * (config.num_layers or 0) if config.architecture == "gpt" else 0)


def inputs(limit: int, state: Iterable[str]) -> dict[str, Input]:
    """Describes the inputs of all endpoints.

    Args:
        limit: As of `prompt_limit`.
        state: Names of what `start` and `step` hand on.
    """
    handed_on = Input("What `start` or the last `step` gave under this name.", range="as it was given")
    return {
        "prompt": Input("How the text begins.", range=f"UTF-8; only its last {limit:,} characters are read"),
        "text": Input("Text whose characters are measured.", range="UTF-8", longest=MEASURED),
        "length": Input("Characters to write.", least=0, most=LIMIT, default=DEFAULTS["length"]),
        **sampling("characters", DEFAULTS),
        "seed": Input("Decides what is drawn; the same gives the same text.", default=DEFAULTS["seed"], range="int32"),
        **dict.fromkeys(state, handed_on),
    }


def start_of(known: str) -> int:
    """The character that stands before a text: the end of a line."""
    return max(0, known.find("\n"))


def endpoints(model: keras.Model, known: str, limit: int = PROMPT) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `generate` writes on after each prompt, `length` characters, which also gives the `nats` per character of what it
    wrote under the net itself; `serving_default` does so with `DEFAULTS`. To show a text while it is written, `start`
    reads the prompts, and `step` writes on from the state that `start` or `step` gave: the same text as `generate`
    writes. `score` gives the nats of each character of a text, 0 behind its end. Characters that the net does not know
    are read in a form that it knows (`kerasmlsp.data.normalization`) or left out. Of a prompt the last `limit`
    characters are read, see `prompt_limit`.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    codes = tf.constant([ord(each) for each in known])
    filler = chunking.Filler(model, start=start_of(known))

    def encoded(text):
        """Places of the characters among the known ones, `(batch, characters)`, and how many there are."""
        points = tf.strings.unicode_decode(normalization.normalize(text, known), "UTF-8")
        places = tf.minimum(tf.searchsorted(codes, points.flat_values), len(known) - 1)
        ids = points.with_flat_values(places)
        ids = tf.ragged.boolean_mask(ids, points.with_flat_values(tf.gather(codes, places) == points.flat_values))
        return ids.to_tensor(), tf.cast(ids.row_lengths(), tf.int32)

    def end(prompt):
        most = tf.minimum(tf.strings.length(prompt, unit="UTF8_CHAR"), limit)
        return tf.strings.substr(prompt, -most, most, unit="UTF8_CHAR")

    def written(tokens, scores, begin, length):
        """What the places from `begin` on hold: texts, and nats per character."""
        places = tf.range(tf.shape(tokens)[1])
        new = (places >= begin[:, None]) & (places < (begin + length)[:, None])
        text = tf.strings.unicode_encode(tf.ragged.boolean_mask(tf.gather(codes, tokens), new), "UTF-8")
        total = -tf.reduce_sum(tf.where(new, scores, 0.0), axis=1)
        return {"text": text, "nats": total / tf.cast(tf.maximum(length, 1), tf.float32)}

    def generate(prompt, length, temperature, top_k, top_p, seed):
        ids, given = encoded(end(prompt))
        tokens, scores = filler(generation.template(ids, given, length), seed, temperature, top_k, top_p)
        return written(tokens, scores, given, length)

    def default(prompt):
        rows = tf.ones_like(prompt, tf.int32)
        settings = {name: tf.cast(rows, spec.dtype) * DEFAULTS[name] for name, spec in settings_of_rows.items()}
        return {"text": generate(prompt, **settings)["text"]}

    def start(prompt):
        return filler.read(*encoded(end(prompt)))

    def step(length, temperature, top_k, top_p, seed, **state):
        tokens, scores, state = filler.write(state, length, seed, temperature, top_k, top_p)
        return {**written(tokens, scores, tf.zeros_like(length), length), **state}

    def score(text):
        ids, given = encoded(text)
        _, scores = filler(ids, tf.zeros_like(given), 1.0, 0, 1.0)
        return {"nats": tf.where(tf.range(tf.shape(scores)[1]) < given[:, None], -scores, 0.0)}

    types = {"length": "int32", "temperature": "float32", "top_k": "int32", "top_p": "float32", "seed": "int32"}
    settings_of_rows = {name: tf.TensorSpec([None], kind, name=name) for name, kind in types.items()}
    prompt, text = ({name: tf.TensorSpec([None], tf.string, name=name)} for name in ("prompt", "text"))
    functions: dict[str, tuple[Callable, dict]] = {
        "serving_default": (default, prompt),
        "generate": (generate, {**prompt, **settings_of_rows}),
        "start": (start, prompt),
        "step": (step, {**filler.state, **settings_of_rows}),
        "score": (score, text),
    }
    return functions, [model]


def nats(model: keras.Model, ids: np.ndarray, window: int, known: str) -> tuple[np.ndarray, np.ndarray]:
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
    return windows, pieces(-scores, window)


def pieces(nats: np.ndarray, window: int) -> np.ndarray:
    """Means of the nats of every `window` characters, `(windows,)`; of all where there are fewer."""
    window = min(window, len(nats))
    return nats[: len(nats) // window * window].reshape(-1, window).mean(1)
