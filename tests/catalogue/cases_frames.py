"""Cases of the models of the next frame of a piano roll."""

import numpy as np
from case import Case

from kerasmlsp import losses, models

KEYS = 5
CALM = {"input_dropout": 0.0, "dropout": 0.0}
UNITS = 24
RECURRENT = {"units": UNITS, "num_layers": 2, **CALM}
TCN = {"filters": 6, "num_blocks": 2, "kernel_size": 3, **CALM}
TRANSFORMER = {"features": 8, "num_layers": 2, "num_heads": 2, "window": 20, **CALM}
RECALL = {"span": 3, "window": 20}
# Two scales of norms; query, key and value; output; the feed-forward net there and back.
BLOCK = 2 * 8 + 8 * 24 + 8 * 8 + 2 * 8 * 16
# Two heads: what they compare, and "nothing like this". They widen 5 keys to 5 + 2 * (5 + 1).
LOOKED_UP, WIDE = 2 * (3 + 1), 17


def recurrent_size(gates, extra_bias=0):
    def layer(inputs):
        return gates * UNITS * (inputs + UNITS + 1 + extra_bias)

    return layer(5) + layer(UNITS) + (UNITS + 1) * 5


def pieces():
    """Eight pieces that their first frames tell apart."""
    rolls = (np.random.default_rng(0).random((8, 9, KEYS)) < 0.4).astype("float32")
    rolls[:, 0] = (np.arange(8)[:, None] >> np.arange(KEYS)) & 1
    return rolls


def case(builder, parameters, sizes):
    arguments = {"num_keys": KEYS, **sizes}
    whole = [size for size, value in arguments.items() if isinstance(value, int) and size != "kernel_size"]
    return Case(
        lambda **changes: builder(**{**arguments, **changes}),
        lambda: {"frames": pieces()[:, :-1]},
        {"logits": (None, None, KEYS)},
        parameters,
        lambda: pieces()[:, 1:],
        loss=losses.FrameNats(),
        rate=0.03,
        steps=200,
        # Nats of five keys together, 3.5 for who knows nothing.
        reaches=0.7,
        causal=True,
        wrong=tuple(({size: 0}, f"`{size}` must be at least 1. Received: {size}=0") for size in whole),
    )


CASES = {
    "frame_rnn": case(models.frame_rnn, recurrent_size(1), RECURRENT),
    "frame_lstm": case(models.frame_lstm, recurrent_size(4), RECURRENT),
    "frame_gru": case(models.frame_gru, recurrent_size(3, extra_bias=1), RECURRENT),
    # Direction, gain and bias of each convolution; the first residual is projected.
    "frame_tcn": case(models.frame_tcn, (3 * 5 + 3 * 3 * 6 + 4 * 2 + 5 + 1) * 6 + (6 + 1) * 5, TCN),
    "frame_transformer": case(models.frame_transformer, (5 + 1) * 8 + 2 * BLOCK + 8 + (8 + 1) * 5, TRANSFORMER),
    "frame_recall_lstm": case(
        models.frame_recall_lstm,
        LOOKED_UP + 4 * UNITS * (WIDE + UNITS + 1) + (WIDE + UNITS + 1) * 5,
        {"units": UNITS, "num_heads": 2, **RECALL, **CALM},
    ),
    "frame_recall_transformer": case(
        models.frame_recall_transformer,
        LOOKED_UP + (WIDE + 1) * 8 + 2 * BLOCK + 8 + (8 + 1) * 5,
        {**TRANSFORMER, **RECALL},
    ),
}
