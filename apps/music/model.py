"""The nets of the music application, and what its saved model does."""

from collections.abc import Callable

import keras

from kerasmlsp import models, optimizers
from kerasmlsp.apps.music import composing
from kerasmlsp.apps.music.config import Config
from kerasmlsp.exporting import Input
from kerasmlsp.targets.chorale_tokens import (
    BARS,
    HOLD,
    KEY,
    LOWEST,
    METRE,
    PHASE,
    PITCH,
    PITCHES,
    PREFACE,
    REST,
    STOP,
    VOCABULARY,
)

TYPES = {"seed": "int32", "temperature": "float32", "top_p": "float32"}
LONGEST = 4096
"""Most steps of a piece that is written."""
_FREE = -1

INPUTS = {
    "steps": Input("Length of the piece in sixteenths.", least=1, most=LONGEST, default=128),
    "pitches": Input(
        "Given notes of soprano, alto, tenor and bass in each sixteenth: MIDI pitches, 0 for a rest, and -1 where one "
        "is to be written.",
        choices=(_FREE, 0, *range(LOWEST, LOWEST + PITCHES)),
    ),
    "onsets": Input("Where a given note begins anew rather than being held; false where a note is to be written."),
    "tonic": Input("Key: 0 for C, 1 for C sharp or D flat, and so on to 11 for B.", least=0, most=11, default=7),
    "minor": Input("Mode: 0 for major, 1 for minor.", least=0, most=1, default=0),
    "bar": Input(
        "Length of a bar in sixteenths: 16 for 4/4, 12 for 3/4, 24 for 6/4, 8 for 2/4.", choices=BARS, default=16
    ),
    "pickup": Input(
        "Sixteenths before the first whole bar, fewer than a bar has; 4 for a quarter.",
        least=0,
        most=max(BARS) - 1,
        default=0,
    ),
    "particles": Input(
        "Pieces that are tried at once for each row, so that what is written fits what is given; time and memory grow "
        "with it.",
        least=1,
        most=256,
        default=16,
    ),
    "seed": Input("Decides what is drawn; the same gives the same music.", default=0, range="int32"),
    "temperature": Input("Low for likely notes, 1 for the net's own probabilities.", above=0, most=1000, default=0.8),
    "top_p": Input("Draw from the likeliest notes that make up this probability.", above=0, most=1, default=0.95),
}

_ORDER = [0, 3, 2, 1]  # from soprano, alto, tenor, bass to the order of the tokens, and back


def _heads(units):
    """About 48 features a head, as an even part of all."""
    return next((heads for heads in range(units // 48, 1, -1) if units % (2 * heads) == 0), 1)


def _chorale_transformer(config, steps):
    sizes = {"features": config.units, "num_layers": config.num_layers, "num_heads": _heads(config.units)}
    return models.chorale_transformer(**sizes, window=steps, dropout=config.dropout)


def _tonicnet(config, steps):
    return models.tonicnet(units=config.units, num_layers=config.num_layers, dropout=config.dropout)


def _transformer(config, steps):
    sizes = {"features": config.units, "num_layers": config.num_layers, "num_heads": _heads(config.units)}
    return models.gpt(VOCABULARY, **sizes, window=4 * steps, dropout=config.dropout)


BUILDERS = {"chorale-transformer": _chorale_transformer, "tonicnet": _tonicnet, "transformer": _transformer}


def build(config: Config) -> keras.Model:
    """Builds the untrained net of a complete configuration."""
    return BUILDERS[config.architecture](config, config.window + PREFACE // 4)


def compiled(config: Config, steps: int) -> keras.Model:
    """Builds the net to train for `steps` steps, with optimizer and loss; the loss is in nats per token."""
    model = build(config)
    # The mean over tokens that count, not over all: the preface and what is behind the end count for nothing.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    model.compile(optimizers.build(config, steps), loss)
    return model


def for_inference(trained: keras.Model, config: Config) -> keras.Model:
    """Returns a float32 copy: low precision would make a row in a batch differ from the same row alone."""
    model = build(config)
    for weight, value in zip(model.weights, trained.weights, strict=True):
        weight.assign(keras.ops.cast(value, weight.dtype))
    return model


def endpoints(net: keras.Model) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `complete` takes steps of a sixteenth in which some notes are given and the others, pitch -1, are to be written: a
    melody for which three voices are wanted, say, or a beginning. `serving_default` writes all of them. Both give
    MIDI pitches (0 for a rest) and onsets of soprano, alto, tenor and bass, and `nats`: minus the log-likelihood of
    the whole piece under the net, by sixteenth. `particles` pieces are tried for each row, see `Composer`.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    composer = composing.Composer(net)

    def complete(pitches, onsets, tonic, minor, bar, pickup, particles, seed, temperature, top_p):
        short = tf.debugging.Assert(
            tf.reduce_all(pickup < bar), ["`pickup` must be shorter than `bar`. Received:", pickup, "of", bar]
        )
        with tf.control_dependencies([short] if short is not None else []):
            metre = _metre(tf, bar)
        bar = tf.gather(BARS, metre)
        preface = [KEY + tonic % 12 + 12 * tf.cast(minor, tf.int32), METRE + metre, PHASE + (-pickup) % bar]
        steps = tf.shape(pitches)[1]
        given = tf.reshape(tf.gather(_tokens(tf, pitches, onsets), _ORDER, axis=2), (-1, 4 * steps))
        end = tf.fill([tf.shape(pitches)[0], 1], STOP)
        template = tf.concat([tf.stack(preface, axis=1), given, end], axis=1)
        tokens, likelihood = composer(template, particles, seed, temperature, top_p)
        written = tf.reshape(tokens[:, PREFACE - 1 : -1], (-1, steps, 4))
        pitches, onsets = _music(tf, tf.gather(written, _ORDER, axis=2))
        return {"pitches": pitches, "onsets": onsets, "nats": -likelihood / tf.cast(steps, tf.float32)}

    def compose(steps, tonic, minor, bar, pickup, particles, **settings):
        free = tf.fill([tf.shape(tonic)[0], steps, 4], _FREE)
        return complete(free, tf.zeros_like(free, tf.bool), tonic, minor, bar, pickup, particles, **settings)

    def spec(name, kind, *shape):
        return tf.TensorSpec(shape, kind, name=name)

    key = {name: spec(name, "int32", None) for name in ("tonic", "minor", "bar", "pickup")}
    common = {
        **key,
        "particles": spec("particles", "int32"),
        **{name: spec(name, kind, None) for name, kind in TYPES.items()},
    }
    given = {"pitches": spec("pitches", "int32", None, None, 4), "onsets": spec("onsets", "bool", None, None, 4)}
    functions: dict[str, tuple[Callable, dict]] = {
        "serving_default": (compose, {"steps": spec("steps", "int32"), **common}),
        "complete": (complete, {**given, **common}),
    }
    return functions, [net]


def _metre(tf, bar):
    """The place of a bar's length in `BARS`; 0, for 4/4, where it is not there."""
    same = tf.cast(bar[:, None] == tf.constant(BARS), tf.int32)
    return tf.argmax(same, axis=1, output_type=tf.int32)


def _tokens(tf, pitches, onsets):
    """Tokens `(batch, steps, 4)` of given notes; -1 where the pitch is to be found."""
    before = tf.pad(pitches, [[0, 0], [1, 0], [0, 0]], constant_values=_FREE)[:, :-1]
    new = onsets | (pitches != before)
    inside = tf.clip_by_value(pitches, LOWEST, LOWEST + PITCHES - 1)
    tokens = tf.where(new, tf.where(pitches > 0, inside - LOWEST + PITCH, REST), HOLD)
    return tf.where(pitches < 0, _FREE, tokens)


def _music(tf, tokens):
    """Pitches and onsets of tokens `(batch, steps, 4)`; before its first token a voice rests."""
    steps = tf.shape(tokens)[1]
    place = tf.range(steps)[:, None]
    # Tokens that belong elsewhere, which a net hardly ever draws, count as holding.
    event = (tokens == REST) | ((tokens >= PITCH) & (tokens < KEY))
    # The latest event of each voice: its places in order, of which as many are reached as have been counted.
    by_voice = tf.transpose(tf.where(event, place, steps), (0, 2, 1))
    count = tf.cumsum(tf.cast(tf.transpose(event, (0, 2, 1)), tf.int32), axis=2)
    last = tf.gather(tf.sort(by_voice, axis=2), tf.maximum(count - 1, 0), axis=2, batch_dims=2)
    found = tf.gather(tf.transpose(tokens, (0, 2, 1)), tf.minimum(last, steps - 1), axis=2, batch_dims=2)
    sounds = (count > 0) & (found >= PITCH)
    pitches = tf.transpose(tf.where(sounds, found - PITCH + LOWEST, 0), (0, 2, 1))
    return pitches, event & (tokens != REST)
