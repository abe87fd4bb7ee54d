"""Cases of the captioners."""

import keras
import numpy as np
from case import Case

from kerasmlsp import models

FEATURES, VOCABULARY, REGIONS, LENGTH = 6, 9, 5, 7
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def captions():
    """Eight captions that differ from the second token on; the first starts each."""
    ids = np.random.default_rng(0).integers(2, VOCABULARY, (8, LENGTH + 1)).astype("int32")
    ids[:, 0] = 1
    return ids


def inputs(*shape):
    features = np.random.default_rng(1).normal(size=(8, *shape, FEATURES)).astype("float32")
    return {"features": features, "token_ids": captions()[:, :-1]}


def case(builder, parameters, sizes, regions=(), **options):
    def make(**changes):
        return builder(**{"num_features": FEATURES, "vocabulary_size": VOCABULARY, **sizes, **changes})

    numbers = ["num_features", *(size for size in sizes if size != "dropout")]
    wrong = [({size: 0}, f"`{size}` must be at least 1. Received: {size}=0") for size in numbers]
    wrong += [
        ({"vocabulary_size": 1}, "`vocabulary_size` must be at least 2. Received: vocabulary_size=1"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
    ]
    logits = {"logits": (None, None, VOCABULARY)}
    weights = {"attention": (None, None, None)} if regions else {}
    targets = {"logits": captions()[:, 1:]} if regions else captions()[:, 1:]
    return Case(
        make,
        lambda: inputs(*regions),
        {**weights, **logits},
        parameters,
        lambda: targets,
        loss={"logits": LOSS} if regions else LOSS,
        causal="token_ids",
        wrong=(*wrong, *options.pop("wrong", ())),
        **options,
    )


# Queries, keys, values and outputs of two attentions, the feed-forward net there and back, three norms.
BLOCK = 2 * 4 * 8 * (8 + 1) + (8 + 1) * 12 + (12 + 1) * 8 + 3 * 2 * 8
CASES = {
    # Image and tokens; four gates of each LSTM that see input, state and bias; logits.
    "image_captioner": case(
        models.image_captioner,
        (6 + 1) * 8 + 9 * 8 + 4 * 10 * (8 + 10 + 1) + 4 * 10 * (10 + 10 + 1) + (10 + 1) * 9,
        {"embedding_dim": 8, "units": 10, "num_layers": 2, "dropout": 0.0},
        rate=0.05,
    ),
    # Tokens; the LSTM of token and context; its two starts; query, key and score; the gate; hidden layer; logits.
    "attention_captioner": case(
        models.attention_captioner,
        9 * 8
        + 4 * 10 * (8 + 6 + 10 + 1)
        + 2 * (6 + 1) * 10
        + (10 + 6 + 1 + 1) * 7
        + (10 + 1)
        + (8 + 10 + 6 + 1) * 8
        + (8 + 1) * 9,
        {"embedding_dim": 8, "units": 10, "attention_units": 7, "dropout": 0.0},
        (REGIONS,),
    ),
    # Regions and their norm; tokens; blocks; norm; logits.
    "transformer_captioner": case(
        models.transformer_captioner,
        (6 + 1) * 8 + 2 * 8 + 9 * 8 + 2 * BLOCK + 2 * 8 + (8 + 1) * 9,
        {"features": 8, "num_layers": 2, "num_heads": 2, "feed_forward_dim": 12, "window": 7, "dropout": 0.0},
        (REGIONS,),
        # The bias of a key adds the same to all scores of a query, which changes no weight.
        unmoved=("key/bias",),
        steps=130,
        wrong=(({"num_heads": 3}, "`num_heads` must divide the 8 features. Received: num_heads=3"),),
    ),
}
