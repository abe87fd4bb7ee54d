"""Cases of the networks for maps and graphs that change in time."""

import numpy as np
from case import Case

from kerasmlsp import models

SHAPE = {"height": 4, "width": 4, "channels": 2}
ROADS = [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]]


def videos():
    return {"frames": np.random.default_rng(0).random((8, 4, 4, 4, 2)).astype("float32")}


def plain_videos():
    """Videos whose frames have one colour each, which a code of few numbers can hold."""
    colours = np.random.default_rng(0).random((8, 4, 1, 1, 2)).astype("float32")
    return {"frames": np.tile(colours, (1, 1, 4, 4, 1))}


def clips():
    """Videos of 1 to 4 frames, padded with zeros."""
    lengths = np.array([4, 1, 2, 4, 3, 2, 4, 1])
    frames = videos()["frames"] * np.linspace(0.3, 1, 8, dtype="float32")[:, None, None, None, None]
    return {"frames": frames * (np.arange(4) < lengths[:, None])[..., None, None, None]}


def following():
    """The frame after each, for a world in which a frame is the one before, moved by a pixel and dimmed."""
    return 0.9 * np.roll(videos()["frames"], 1, axis=2)


def labels():
    return np.array([0, 0, 0, 1, 1, 2, 2, 2])


def traffic():
    return {"signal": np.random.default_rng(0).uniform(-0.5, 0.5, (8, 5, 4)).astype("float32")}


def next_traffic():
    """A node follows the one before it."""
    return 0.8 * np.roll(traffic()["signal"], 1, axis=2)


def case(builder, outputs, parameters, targets, given, inputs=videos, wrong=(), **options):
    def make(**changes):
        return builder(**{**given, **changes})

    sizes = [size for size in (*SHAPE, "kernel_size") if size in given]
    refused = [({size: 0}, f"`{size}` must be at least 1. Received: {size}=0") for size in sizes]
    if "filters" in given:
        refused.append(({"filters": (4, 0)}, "`filters` must name at least one number above 0"))
    return Case(make, inputs, outputs, parameters, targets, wrong=(*refused, *wrong), **options)


def convlstm(inputs, filters):
    """Four gates that see input, state and bias through 3 by 3 pixels."""
    return 4 * filters * (9 * (inputs + filters) + 1)


def two_frames():
    """The two frames after the last, as of `following`."""
    next_frame = following()[:, -1]
    return np.stack([next_frame, 0.9 * np.roll(next_frame, 1, axis=1)], axis=1)


def roads_and_usual():
    return {**traffic(), "usual": np.random.default_rng(1).uniform(-0.5, 0.5, (8, 3, 4)).astype("float32")}


def three_steps():
    """What is usual, and half of the last step."""
    given = roads_and_usual()
    return given["usual"] + 0.5 * given["signal"][:, -1:]


def two_steps():
    """A node follows the one before it."""
    last = next_traffic()[:, -1]
    return np.stack([last, 0.8 * np.roll(last, 1, axis=1)], axis=1)


FRAMES = {"outputs": (None, None, 4, 4, 2)}
CASES = {
    "convlstm_forecaster": case(
        models.convlstm_forecaster,
        FRAMES,
        convlstm(2, 6) + convlstm(6, 5) + (5 + 1) * 2,
        following,
        {**SHAPE, "filters": (6, 5), "kernel_size": 3},
        causal=True,
        loss="mse",
        # A constant reaches 0.068.
        rate=0.05,
        steps=130,
        reaches=0.05,
    ),
    # A stack that reads and one that writes.
    "convlstm_encoder_forecaster": case(
        models.convlstm_encoder_forecaster,
        {"outputs": (None, 2, 4, 4, 2)},
        2 * convlstm(2, 6) + 2 * convlstm(6, 6) + (6 + 1) * 2,
        two_frames,
        {**SHAPE, "horizon": 2, "filters": (6, 6), "kernel_size": 3},
        loss="mse",
        # A constant reaches 0.068.
        rate=0.05,
        steps=130,
        reaches=0.06,
        wrong=(({"horizon": 0}, "`horizon` must be at least 1. Received: horizon=0"),),
    ),
    "convlstm_classifier": case(
        models.convlstm_classifier,
        {"probabilities": (None, 3)},
        convlstm(2, 4) + convlstm(4, 5) + (5 + 1) * 3,
        labels,
        {**SHAPE, "num_classes": 3, "filters": (4, 5), "kernel_size": 3, "dropout": 0.0},
        inputs=clips,
        padded=True,
        rate=0.05,
        reaches=0.4,
        wrong=(
            ({"num_classes": 1}, "`num_classes` must be at least 2. Received: num_classes=1"),
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
        ),
    ),
    # Convolutions down, two convolutional LSTMs, convolutions up.
    "convlstm_autoencoder": case(
        models.convlstm_autoencoder,
        FRAMES,
        (9 * 2 + 1) * 16 + (9 * 16 + 1) * 16 + 2 * convlstm(16, 16) + (9 * 16 + 1) * 16 + (9 * 16 + 1) * 2,
        lambda: plain_videos()["frames"],
        {**SHAPE, "filters": (16, 16), "kernel_size": 3},
        inputs=plain_videos,
        causal=True,
        loss="mse",
        # A constant reaches 0.083.
        rate=0.01,
        steps=200,
        reaches=0.02,
        wrong=(
            ({"height": 6}, "`height` must be a multiple of 4. Received: height=6"),
            ({"width": 6}, "`width` must be a multiple of 4. Received: width=6"),
            ({"kernel_size": 1}, "`kernel_size` must be at least 2. Received: kernel_size=1"),
        ),
    ),
    # Convolutions of two orders, that of the state, and an LSTM of two features of each node.
    "graph_lstm": case(
        models.graph_lstm,
        {"outputs": (None, None, 4)},
        2 * 16 + 16 + 4 * 4 * (8 + 4 + 1),
        next_traffic,
        {"adjacency": ROADS, "order": 2},
        inputs=traffic,
        causal=True,
        loss="mse",
        # A constant reaches 0.053.
        reaches=0.02,
        wrong=(
            ({"adjacency": [[0, 1, 0], [1, 0, 1]]}, "`adjacency` must be square. Received: adjacency of shape"),
            ({"reachability": np.ones((3, 3))}, r"`reachability` must have the shape \(4, 4\)"),
            ({"order": 0}, "`order` must be at least 1. Received: order=0"),
        ),
    ),
    "graph_lstm_forecaster": case(
        models.graph_lstm_forecaster,
        {"outputs": (None, 2, 4)},
        2 * 16 + 16 + 4 * 4 * (8 + 4 + 1),
        two_steps,
        {"adjacency": ROADS, "horizon": 2, "order": 2},
        inputs=traffic,
        loss="mse",
        # A constant reaches 0.05.
        reaches=0.02,
        wrong=(
            ({"adjacency": [[0, 1, 0], [1, 0, 1]]}, "`adjacency` must be square. Received: adjacency of shape"),
            ({"horizon": 0}, "`horizon` must be at least 1. Received: horizon=0"),
        ),
    ),
    # What is seen, 4 roads, a block (normalization, learned graph of rank 2, two dense layers), and two ways out.
    "graph_mlp_forecaster": case(
        models.graph_mlp_forecaster,
        {"outputs": (None, 3, 4)},
        (8 + 1) * 6 + 4 * 6 + (2 * 6 + 2 * 4 * 2 + (18 + 1) * 6 + (6 + 1) * 6) + (6 + 1) * 3 + 8 * 3,
        three_steps,
        {
            **{"adjacency": ROADS, "length": 5, "horizon": 3, "usual_steps": 3, "features": 6, "num_blocks": 1},
            **{"rank": 2, "dropout": 0.0},
        },
        inputs=roads_and_usual,
        loss="mse",
        # A constant reaches 0.1.
        reaches=0.02,
        wrong=(
            ({"adjacency": [[0, 1, 0], [1, 0, 1]]}, "`adjacency` must be square and at least 0. Received: shape"),
            ({"length": 0}, "`length` must be at least 1. Received: length=0"),
            ({"rank": 0}, "`rank` must be at least 1. Received: rank=0"),
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
        ),
    ),
}
