"""Cases of the autoencoders of signals."""

import numpy as np
from case import Case

from kerasmlsp import models


def signals():
    """Eight waves of two channels that differ in two numbers, which a code can hold."""
    random = np.random.default_rng(0)
    phase, size = random.uniform(0, 3, (8, 1, 1)), random.uniform(0.5, 1.5, (8, 1, 1))
    steps = np.arange(8)[None, :, None] / 2
    return {"signals": (size * np.sin(steps + phase + np.array([0.0, 1.0]))).astype("float32")}


def small(builder, given):
    return lambda **changes: builder(**{**given, **changes})


def wrong(*sizes):
    refused = [({size: 0}, f"`{size}` must be at least 1. Received: {size}=0") for size in sizes]
    return (
        *refused,
        ({"num_steps": 9}, "`num_steps` must be a multiple of `frame`, 2. Received: num_steps=9"),
        ({"noise": -1.0}, "`noise` must be at least 0. Received: noise=-1.0"),
    )


def lstm(inputs, units):
    return 4 * units * (inputs + units + 1)


def convlstm(inputs, filters):
    """Four gates that see input, state and bias through three samples."""
    return 4 * filters * (3 * (inputs + filters) + 1)


SIZES = {"num_steps": 8, "num_channels": 2, "frame": 2, "code_dim": 4, "noise": 0.01}
OUTPUTS = {"reconstruction": (None, 8, 2)}
CASES = {
    "lstm_autoencoder": Case(
        small(models.lstm_autoencoder, {**SIZES, "units": 6}),
        signals,
        OUTPUTS,
        2 * lstm(4, 6) + 4 * (12 + 1) + 2 * lstm(4, 6) + 4 * (12 + 1),
        lambda: signals()["signals"],
        "mse",
        # A constant reaches 0.5.
        steps=200,
        wrong=wrong("num_steps", "num_channels", "frame", "units", "code_dim"),
    ),
    "convlstm_signal_autoencoder": Case(
        small(models.convlstm_signal_autoencoder, {**SIZES, "filters": (6, 3), "kernel_size": 3}),
        signals,
        OUTPUTS,
        convlstm(2, 6) + convlstm(6, 3) + 4 * (6 + 1) + 12 * (4 + 1) + convlstm(6, 6) + 2 * (6 + 1),
        lambda: signals()["signals"],
        "mse",
        steps=200,
        wrong=(
            *wrong("num_steps", "num_channels", "frame", "kernel_size", "code_dim"),
            ({"filters": (6,)}, "`filters` must be two numbers above 0"),
        ),
    ),
}
