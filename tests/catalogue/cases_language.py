"""Cases of the language models over characters, and of those over the voices of chorales."""

import keras
import numpy as np
from case import Case

from kerasmlsp import models
from kerasmlsp.layers.chorales import SIZES
from kerasmlsp.targets import chorale_tokens as chorales

VOCABULARY = 11
UNITS = 24
RECURRENT = {"units": UNITS, "num_layers": 2, "embedding_dim": 4, "dropout": 0.0}
GPT = {"features": 8, "num_layers": 2, "num_heads": 2, "window": 5, "dropout": 0.0}
# Two scales of norms; query, key and value; output; the feed-forward net there and back.
BLOCK = 2 * 8 + 8 * 24 + 8 * 8 + 2 * 8 * 32
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def recurrent_size(gates, extra_bias=0):
    def layer(inputs):
        return gates * UNITS * (inputs + UNITS + 1 + extra_bias)

    return 11 * 4 + layer(4) + layer(UNITS) + (UNITS + 1) * 11


def texts():
    """Eight texts that their first tokens tell apart, so that they can be learned by heart."""
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (8, 9)).astype("int32")
    ids[:, 0] = np.arange(8)
    return ids


def case(builder, parameters, sizes, wrong=(), **options):
    return Case(
        lambda **changes: builder(**{"vocabulary_size": VOCABULARY, **sizes, **changes}),
        lambda: {"token_ids": texts()[:, :-1]},
        {"logits": (None, None, VOCABULARY)},
        parameters,
        lambda: texts()[:, 1:],
        loss=LOSS,
        rate=0.03,
        steps=200,
        causal=True,
        wrong=(*(({s: 0}, f"`{s}` must be at least 1. Received: {s}=0") for s in sizes if s != "dropout"), *wrong),
        **options,
    )


def music():
    """Token ids of eight pieces, each in a key of its own, whose voices move or hold."""
    random = np.random.default_rng(0)
    notes = random.integers(chorales.PITCH, chorales.KEY, (8, 36))
    notes = np.where(random.random(notes.shape) < 0.5, chorales.HOLD, notes)
    preface = [np.full(8, begin) for begin in (chorales.METRE, chorales.PHASE)]
    return np.column_stack([np.zeros(8, int), chorales.KEY + np.arange(8), *preface, notes]).astype("int32")


def following():
    """The next tokens; -1 for the preface, which is given."""
    return np.where(np.arange(39) < 3, -1, music()[:, 1:])


def chorale(builder, parameters, sizes):
    return Case(
        lambda **changes: builder(**{**sizes, **changes}),
        lambda: {"token_ids": music()[:, :-1]},
        {"logits": (None, None, chorales.VOCABULARY)},
        parameters,
        following,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1),
        causal=True,
        steps=200,
        # Forty tokens of each piece: 4.9 for who knows nothing.
        reaches=0.8,
        rate=0.03,
        wrong=(({"num_layers": 0}, "`num_layers` must be at least 1"),),
    )


CASES = {
    "simple_rnn_language_model": case(models.simple_rnn_language_model, recurrent_size(1), RECURRENT),
    "lstm_language_model": case(models.lstm_language_model, recurrent_size(4), RECURRENT),
    "gru_language_model": case(models.gru_language_model, recurrent_size(3, extra_bias=1), RECURRENT),
    "gpt": case(
        models.gpt,
        11 * 8 + 2 * BLOCK + 8 + (8 + 1) * 11,
        GPT,
        [({"features": 6, "num_heads": 2}, "`num_heads` must divide the 6 features into even parts")],
    ),
    "gpt1": case(
        models.gpt1,
        # Tokens, also the output matrix, and places; attention and the feed-forward net with biases; two norms.
        (11 + 12) * 8 + 2 * (4 * 8 * 9 + 9 * 32 + 33 * 8 + 4 * 8),
        {**GPT, "window": 12},
        # The bias of a key adds the same to all scores of a query, which changes no weight.
        unmoved=("key/bias",),
    ),
    "gpt2": case(
        models.gpt2,
        # As of GPT-1, and the last norm.
        (11 + 12) * 8 + 2 * (4 * 8 * 9 + 9 * 32 + 33 * 8 + 4 * 8) + 2 * 8,
        {**GPT, "window": 12},
        unmoved=("key/bias",),
    ),
    "chorale_transformer": chorale(
        models.chorale_transformer,
        sum(SIZES) * (8 + 16) + 2 * BLOCK + 8 + 8 * 16 + (16 + 1) * 8 + (8 + 1) * (4 + 61 + 12 + 121 + 12) + 2,
        GPT,
    ),
    "tonicnet": chorale(
        models.tonicnet,
        (121 + 4 * 62 + 4 * 17) * 16 + 3 * 16 * (16 + 16 + 2) + (16 + 1) * chorales.VOCABULARY,
        {"units": 16, "num_layers": 1, "dropout": 0.0},
    ),
}
