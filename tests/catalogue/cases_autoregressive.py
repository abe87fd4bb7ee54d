"""Cases of the networks that generate sample after sample."""

import keras
import numpy as np
from case import Case

from kerasmlsp import losses, models

SIZES = {"features": 6, "skip_features": 8, "num_stacks": 1, "blocks_per_stack": 2}
# Two blocks: 2 x 6 states to a value and a gate of 6, those to 8 skips and, from the first block, 6 states.
STACK = 2 * (12 * 12 + 12 + 6 * 8 + 8) + 6 * 6 + 6


def levels():
    return {"levels": np.random.default_rng(0).integers(0, 10, (8, 9)).astype("int32")}


def following():
    return levels()["levels"]


def frames():
    return {"frames": np.random.default_rng(1).normal(size=(8, 3, 4)).astype("float32"), **levels()}


def samples():
    return {"samples": np.random.default_rng(2).uniform(-1, 1, (8, 9, 1)).astype("float32")}


def labelled_pixels():
    return {"label": np.array([0, 1] * 4), "levels": pixels()["levels"]}


def pixels():
    return {"levels": np.random.default_rng(0).integers(0, 3, (8, 4, 5, 2)).astype("int32")}


def small(builder, sizes):
    return lambda **changes: builder(**{**sizes, **changes})


def below(least, *names):
    return tuple(({name: least - 1}, f"`{name}` must be at least {least}. Received: {name}=") for name in names)


WRONG = (*below(1, *SIZES), *below(2, "kernel_size"))
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

CASES = {
    "wavenet": Case(
        small(models.wavenet, {"num_levels": 10, **SIZES}),
        levels,
        {"logits": (None, None, 10)},
        10 * 6 + STACK + 8 * 9 + 10 * 9,
        following,
        LOSS,
        causal=True,
        wrong=(*WRONG, *below(2, "num_levels")),
    ),
    "conditional_wavenet": Case(
        small(models.conditional_wavenet, {"num_levels": 10, "num_features": 4, "hop": 3, "embedding_dim": 5, **SIZES}),
        frames,
        {"logits": (None, None, 10)},
        # Frames become 5 numbers, which join both gates.
        10 * 6 + STACK + 5 * 5 + 2 * 5 * 12 + 8 * 9 + 10 * 9,
        following,
        LOSS,
        causal=True,
        wrong=(
            *WRONG,
            *below(2, "num_levels"),
            *below(1, "hop", "embedding_dim"),
            ({"num_features": 0}, "`num_features` or `num_classes` must be at least 1."),
        ),
    ),
    "mixture_wavenet": Case(
        small(models.mixture_wavenet, {"num_mixtures": 2, **SIZES}),
        samples,
        {"mixture": (None, None, 6)},
        2 * 6 + STACK + 8 * 9 + 6 * 9,
        lambda: samples()["samples"],
        losses.LogisticMixture(16),
        # Of 16 levels, 2.77 nats without knowledge.
        reaches=1.0,
        causal=True,
        wrong=(*WRONG, *below(1, "num_mixtures")),
    ),
    # Its order is that of rows and columns, which tests/models/test_autoregressive.py holds.
    "pixelcnn": Case(
        small(
            models.pixelcnn, {"height": 4, "width": 5, "channels": 2, "num_levels": 3, "filters": 8, "num_blocks": 1}
        ),
        pixels,
        {"logits": (None, 4, 5, 2, 3)},
        (7 * 7 * 2 + 1) * 8 + (8 + 1) * 4 + (9 * 4 + 1) * 4 + (4 + 1) * 8 + (8 + 1) * 8 + (8 + 1) * 6,
        lambda: pixels()["levels"],
        LOSS,
        # What comes first has nothing to go by but chance: 8 images, 3 levels.
        reaches=0.3,
        steps=150,
        wrong=(
            *below(1, "height", "width", "channels", "num_blocks"),
            *below(2, "num_levels"),
            *below(4, "filters"),
            ({"kernel_size": 2}, "`kernel_size` must be an odd int. Received: kernel_size=2"),
        ),
    ),
    # As of `pixelcnn`.
    "gated_pixelcnn": Case(
        small(
            models.gated_pixelcnn,
            {
                **{"height": 4, "width": 5, "channels": 2, "num_levels": 3, "num_classes": 2},
                **{"features": 8, "hidden": 9, "num_blocks": 1},
            },
        ),
        labelled_pixels,
        {"logits": (None, 4, 5, 2, 3)},
        # Of two channels, seven features at 31 places; a bias for each place; two classes; seven places to values and
        # gates; and a head for each channel, the second of which knows three numbers of the first.
        31 * 7 * 8 + 4 * 5 * 8 + 2 * 8 + 7 * 8 * 16 + 16 + 9 * 8 + (9 + 12) * 9 + 2 * 10 * 3,
        lambda: pixels()["levels"],
        LOSS,
        reaches=0.3,
        steps=150,
        wrong=(
            *below(1, "height", "width", "channels", "num_blocks", "features", "hidden", "rows", "left"),
            *below(2, "num_levels"),
            ({"num_classes": 4}, "`num_classes` must be from 0 to 3. Received: num_classes=4"),
            ({"columns": 2}, "`columns` must be odd. Received: columns=2"),
        ),
    ),
}
