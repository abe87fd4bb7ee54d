"""Cases of the networks on windows of motion and on spectrograms of speech."""

import numpy as np
from case import Case

from kerasmlsp import models


def windows():
    return {"window": np.random.default_rng(0).normal(size=(8, 20, 2)).astype("float32")}


def spectrograms():
    return {"spectrogram": np.random.default_rng(0).normal(size=(8, 9, 16)).astype("float32")}


def labels():
    return np.array([0, 1, 2, 0, 1, 2, 0, 1])


def labels_of_samples():
    """The label of a window changes in its middle."""
    return np.concatenate([np.tile(each[:, None], (1, 10)) for each in (labels(), (labels() + 1) % 3)], axis=1)


def case(builder, inputs, parameters, sizes, checked, wrong=(), **options):
    """`checked` are the sizes that must be at least 1 (classes: 2)."""
    least = {"num_classes": 2}
    return Case(
        lambda **changes: builder(**{"num_classes": 3, **sizes, **changes}),
        inputs,
        {"probabilities": (None, 3)},
        parameters,
        labels,
        wrong=(
            *(({size: 0}, f"`{size}` must be at least {least.get(size, 1)}. Received: {size}=0") for size in checked),
            *wrong,
        ),
        **options,
    )


def block(old, new, bands=2):
    """Parameters of a block of BC-ResNet: over the bands, over time, and 1x1; batch norms keep four numbers each."""
    first = old * new + 4 * new if old != new else 0
    return first + 3 * new + 4 * bands * new + 3 * new + 4 * new + new * new


CASES = {
    # Two layers at each of 20 steps, and all their states.
    "motion_dense": case(
        models.motion_dense,
        windows,
        (2 + 1) * 5 + (5 + 1) * 5 + (20 * 5 + 1) * 3,
        {"num_steps": 20, "num_channels": 2, "units": 5, "num_layers": 2},
        ("num_steps", "num_channels", "num_classes", "units", "num_layers"),
    ),
    # Convolutions over three steps: 2 to 4 to 4 channels, and on to 6 and 6.
    "motion_cnn": case(
        models.motion_cnn,
        windows,
        (3 * 2 + 1) * 4 + (3 * 4 + 1) * 4 + (3 * 4 + 1) * 6 + (3 * 6 + 1) * 6 + (6 + 1) * 3,
        {
            "num_steps": 20,
            "num_channels": 2,
            "filters": (4, 6),
            "kernel_size": 3,
            "pool_size": 2,
            "dropout": 0.0,
        },
        ("num_channels", "num_classes", "kernel_size", "pool_size"),
        wrong=(
            ({"filters": (4,)}, r"`filters` must be two numbers of at least 1. Received: filters=\(4,\)"),
            ({"filters": (4, 0)}, r"`filters` must be two numbers of at least 1. Received: filters=\(4, 0\)"),
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
            # 13 steps become 9, pooled 4, which is less than the 5 that two convolutions take.
            ({"num_steps": 13}, "`num_steps` must be at least 14 for these sizes. Received: num_steps=13"),
        ),
        steps=150,
    ),
    # Two convolutions over three samples of a channel, and LSTMs of four gates over three features of two channels.
    "deep_conv_lstm": case(
        models.deep_conv_lstm,
        windows,
        (3 + 1) * 3 + (3 * 3 + 1) * 3 + 4 * 4 * (2 * 3 + 4 + 1) + 4 * 4 * (4 + 4 + 1) + (4 + 1) * 3,
        {
            "num_steps": 20,
            "num_channels": 2,
            "filters": 3,
            "num_convolutions": 2,
            "kernel_size": 3,
            "units": 4,
            "dropout": 0.0,
        },
        ("num_channels", "num_classes", "filters", "num_convolutions", "kernel_size", "units"),
        wrong=(
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
            ({"num_steps": 4}, "`num_steps` must be at least 5 for these sizes. Received: num_steps=4"),
        ),
        steps=200,
    ),
    # A convolution over three samples, two blocks of a norm, such a convolution and a dense layer, a norm.
    "motion_tcn": Case(
        lambda **changes: models.motion_tcn(
            **{"num_channels": 2, "num_classes": 3, "filters": 4, "num_blocks": 2, "kernel_size": 3, "dropout": 0.0}
            | changes
        ),
        lambda: {"signal": windows()["window"]},
        {"probabilities": (None, None, 3)},
        (3 * 2 + 1) * 4 + 2 * (2 * 4 + (3 * 4 + 1) * 4 + (4 + 1) * 4) + 2 * 4 + (4 + 1) * 3,
        labels_of_samples,
        wrong=(
            *(
                ({size: 0}, f"`{size}` must be at least {least}. Received: {size}=0")
                for size, least in (
                    ("num_channels", 1),
                    ("num_classes", 2),
                    ("filters", 1),
                    ("num_blocks", 1),
                    ("kernel_size", 1),
                )
            ),
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
        ),
        steps=150,
        # A sample sees 12 of the 19 others: the place of the change is not told of all.
        reaches=0.9,
    ),
    # 3x3 convolutions without bias and four numbers a channel for their norms; 16 bands are halved to 2.
    "speech_command_cnn": case(
        models.speech_command_cnn,
        spectrograms,
        9 * (1 * 3 + 3 * 6 + 6 * 12 + 2 * 12 * 12) + 4 * (3 + 6 + 3 * 12) + (2 * 12 + 1) * 3,
        {"num_bands": 16, "filters": 3, "dropout": 0.0},
        ("num_classes", "num_bands", "filters"),
        wrong=(({"dropout": -0.1}, r"`dropout` must be in \[0, 1\). Received: dropout=-0.1"),),
        steps=40,
    ),
    # A stem of 5x5, a block for each stage, 16 bands that are halved to 2, and the end.
    "bc_resnet": case(
        models.bc_resnet,
        spectrograms,
        (25 + 4) * 16
        + (block(16, 8) + block(8, 12) + block(12, 16) + block(16, 20))
        + (5 * 2 * 20 + 20 * 32 + 4 * 32)
        + (32 + 1) * 3,
        {"num_bands": 16, "width": 1, "num_blocks": (1, 1, 1, 1), "sub_bands": 2, "dropout": 0.0},
        ("num_classes", "num_bands", "width", "sub_bands"),
        wrong=(
            ({"num_blocks": (1, 1, 1)}, "`num_blocks` must be four numbers of at least 1. Received: num_blocks="),
            ({"num_blocks": (1, 1, 1, 0)}, "`num_blocks` must be four numbers of at least 1. Received: num_blocks="),
            ({"num_bands": 24}, "`num_bands` must stay a multiple of 2 sub-bands .* Received: num_bands=24"),
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
        ),
        steps=30,
    ),
    # Norms of the bands and of the stem, one stage of one block, one that halves, and the end over 16 / 4 bands.
    "speech_resnet": case(
        models.speech_resnet,
        spectrograms,
        4 * 16
        + (25 + 4) * 4
        + 2 * (9 * 4 * 4 + 4 * 4)
        + (9 * 4 * 6 + 9 * 6 * 6 + 4 * 6 + 3 * 4 * 6)
        + (5 * 4 * 6 + 6 * 8 + 4 * 8)
        + (8 + 1) * 3,
        {"num_bands": 16, "filters": (4, 6), "num_blocks": (1, 1), "features": 8, "dropout": 0.0},
        ("num_classes", "num_bands", "features"),
        wrong=(
            ({"filters": (4,)}, r"`filters` and `num_blocks` must be as many .* Received: filters=\(4,\)"),
            ({"num_blocks": (1, 0)}, "`filters` and `num_blocks` must be as many numbers of at least 1"),
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
        ),
        steps=30,
    ),
    # Norms of bands and frames, a convolution over 5 frames, an LSTM in either direction, attention, and the end.
    "speech_attention_lstm": case(
        models.speech_attention_lstm,
        spectrograms,
        4 * 16 + (5 * 16 + 4) * 6 + 2 * 4 * 5 * (6 + 5 + 1) + (10 * 5 + 5 + 5) + (10 + 1) * 3,
        {"num_bands": 16, "filters": 6, "units": 5, "dropout": 0.0},
        ("num_classes", "num_bands", "filters", "units"),
        wrong=(({"dropout": -0.1}, r"`dropout` must be in \[0, 1\). Received: dropout=-0.1"),),
        steps=60,
        padded=True,
    ),
}
