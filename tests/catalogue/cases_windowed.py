"""Cases of the Transformers for signals."""

import numpy as np
from case import Case

from kerasmlsp import models

LENGTH = 8
SIZES = {"features": 8, "num_layers": 2, "num_heads": 2, "window": 4}
GIVEN = {"num_features": 3, "num_outputs": 2, "dropout": 0.0}


def signals():
    return {"signal": np.random.default_rng(0).normal(size=(8, LENGTH, 3)).astype("float32")}


def targets():
    """What two frames before have in common."""
    signal = signals()["signal"]
    before = np.pad(signal, ((0, 0), (1, 0), (0, 0)))[:, :-1]
    return np.tanh(signal[..., :2] + before[..., 1:])


def case(builder, parameters, sizes, heads, **options):
    def make(**changes):
        return builder(**{**GIVEN, **sizes, **changes})

    wrong = [({size: 0}, f"`{size}` must be at least 1. Received: {size}=0") for size in (*sizes, "num_features")]
    wrong += [({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"), ({"num_heads": 3}, heads)]
    outputs = {"outputs": (None, None, 2)}
    # Fits a smooth function of two frames; the targets vary by 0.6 around their mean.
    fit = {"loss": "mse", "reaches": 0.1}
    return Case(make, signals, outputs, parameters, targets, causal=True, wrong=tuple(wrong), **fit, **options)


CASES = {
    # Two scales of norms; query, key and value; output; the feed-forward net there and back.
    "windowed_transformer": case(
        models.windowed_transformer,
        (3 + 1) * 8 + 2 * (2 * 8 + 8 * 24 + 8 * 8 + 2 * 8 * 16) + 8 + (8 + 1) * 2,
        SIZES,
        "`num_heads` must divide the 8 features into even parts",
    ),
    # Places; query, key, value and output; the feed-forward net; two norms.
    "learned_position_transformer": case(
        models.learned_position_transformer,
        (3 + 1) * 8 + 8 * 8 + 2 * (4 * 8 * 9 + 9 * 16 + 17 * 8 + 2 * 2 * 8) + 2 * 8 + (8 + 1) * 2,
        {**SIZES, "max_length": 8},
        "`num_heads` must divide the 8 features. Received: num_heads=3",
        # The bias of a key adds the same to all scores of a query, which changes no weight.
        unmoved=("key/bias",),
    ),
}
