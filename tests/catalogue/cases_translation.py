"""Cases of the networks from a source sentence to a target sentence."""

import dataclasses

import keras
import numpy as np
from case import Case

from kerasmlsp import models

SOURCE, TARGET, LENGTH = 9, 8, 5
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def sentences():
    """Eight targets that differ from the second token on; the first starts each."""
    ids = np.random.default_rng(0).integers(2, TARGET, (8, LENGTH + 1)).astype("int32")
    ids[:, 0] = 1
    return ids


def pairs():
    """Sources of 1 to 6 tokens, padded with 0 on the right, and the targets."""
    ids = np.random.default_rng(1).integers(2, SOURCE, (8, 6)).astype("int32")
    lengths = np.array([6, 1, 4, 5, 3, 2, 6, 4])
    return {"source_ids": np.where(np.arange(6) < lengths[:, None], ids, 0), "target_ids": sentences()[:, :-1]}


def case(builder, parameters, sizes, **options):
    def make(**changes):
        given = {"source_vocabulary_size": SOURCE, "target_vocabulary_size": TARGET, "dropout": 0.0}
        return builder(**{**given, **sizes, **changes})

    wrong = [({size: 0}, f"`{size}` must be at least 1. Received: {size}=0") for size in sizes]
    for side in ("source", "target"):
        size = f"{side}_vocabulary_size"
        wrong.append(({size: 1}, f"`{size}` must be at least 2. Received: {size}=1"))
    wrong.append(({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"))
    return Case(
        make,
        pairs,
        {"attention": (None, None, None), "logits": (None, None, TARGET)},
        parameters,
        lambda: {"logits": sentences()[:, 1:]},
        loss={"logits": LOSS},
        causal="target_ids",
        padded=True,
        wrong=(*wrong, *options.pop("wrong", ())),
        **options,
    )


def without_attention(builder, parameters, sizes, **options):
    """The case of a net that has logits alone."""
    known = case(builder, parameters, sizes, **options)
    logits = {"logits": known.outputs["logits"]}
    return dataclasses.replace(known, outputs=logits, targets=lambda: sentences()[:, 1:], loss=LOSS)


def gru(inputs, units):
    return 3 * units * (inputs + units + 2)


def attention(memory=8):
    """Queries, keys, values and outputs of 8 features."""
    return 2 * 8 * (8 + 1) + 2 * 8 * (memory + 1)


FEED_FORWARD, NORM = (8 + 1) * 12 + (12 + 1) * 8, 2 * 8
CASES = {
    # Tokens; both ways; the decoder of token and context; its start; query, key and score; hidden layer; logits.
    "additive_attention_encoder_decoder": case(
        models.additive_attention_encoder_decoder,
        (9 + 8) * 6
        + 2 * gru(6, 10)
        + gru(6 + 20, 10)
        + (20 + 1) * 10
        + (10 + 20 + 1 + 1) * 7
        + (6 + 10 + 20 + 1) * 6
        + (6 + 1) * 8,
        {"embedding_dim": 6, "units": 10, "attention_units": 7},
        rate=0.03,
        steps=250,
        # 2.1 for who knows nothing; it learns slowly where to look.
        reaches=0.4,
    ),
    # Tokens; encoder and decoder; score; both combined; logits.
    "multiplicative_attention_encoder_decoder": case(
        models.multiplicative_attention_encoder_decoder,
        (9 + 8) * 6 + 2 * gru(6, 10) + 2 * gru(10, 10) + 10 * 10 + 20 * 10 + (10 + 1) * 8,
        {"embedding_dim": 6, "units": 10, "num_layers": 2},
    ),
    # Tokens; encoder and decoder; logits.
    "text_encoder_decoder": without_attention(
        models.text_encoder_decoder,
        (9 + 8) * 6 + 2 * gru(6, 10) + 2 * gru(10, 10) + (10 + 1) * 8,
        {"embedding_dim": 6, "units": 10, "num_layers": 2},
    ),
    # Tokens; blocks of the encoder and its norm; blocks of the decoder and its norm; logits.
    "transformer_translator": case(
        models.transformer_translator,
        (9 + 8) * 8
        + 2 * (attention() + FEED_FORWARD + 2 * NORM)
        + NORM
        + 2 * (2 * attention() + FEED_FORWARD + 3 * NORM)
        + NORM
        + (8 + 1) * 8,
        {"features": 8, "num_layers": 2, "num_heads": 2, "feed_forward_dim": 12, "window": 8},
        steps=150,
        # The bias of a key adds the same to all scores of a query, which changes no weight.
        unmoved=("key/bias",),
        wrong=(({"num_heads": 3}, "`features` must be a multiple of `num_heads`"),),
    ),
}
