"""Cases of the recurrent networks for signals and videos."""

import keras
import numpy as np
from case import Case

from kerasmlsp import models

FEATURES, CLASSES, LENGTH = 3, 3, 7
SIZES = {"units": 5, "num_layers": 2}


def signals():
    """Eight signals of 1 to 7 steps, padded with zeros on the right."""
    values = np.random.default_rng(0).normal(size=(8, LENGTH, FEATURES)).astype("float32")
    lengths = np.array([7, 1, 4, 6, 3, 5, 7, 2])
    return {"signal": values * (np.arange(LENGTH) < lengths[:, None])[..., None]}


def videos():
    values = np.random.default_rng(0).random((8, 3, 4, 5, 2)).astype("float32")
    values[2:4, 1:] = 0
    return {"frames": values}


def labels():
    return np.array([0, 1, 2, 0, 1, 2, 0, 1])


def tags():
    return np.random.default_rng(1).integers(0, CLASSES, (8, LENGTH))


def sequences():
    return np.random.default_rng(1).normal(size=(8, 4, 2)).astype("float32")


def wrong(*sizes):
    refused = [({size: 0}, f"`{size}` must be at least 1. Received: {size}=0") for size in sizes]
    return (*refused, ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"))


def case(builder, inputs, outputs, parameters, targets, given, sizes=(), **options):
    def make(**changes):
        return builder(**{**given, **dict(sizes), **changes})

    fewest = ({"num_classes": 1}, "`num_classes` must be at least 2. Received: num_classes=1")
    refused = (*wrong(*sizes), *([fewest] if "num_classes" in given else []), *options.pop("wrong", ()))
    return Case(make, inputs, outputs, parameters, targets, wrong=refused, **options)


def classifier(builder, parameters, layer, **options):
    given = {"num_features": FEATURES, "num_classes": CLASSES, "layer": layer}
    outputs = {"probabilities": (None, CLASSES)}
    return case(builder, signals, outputs, parameters, labels, given, SIZES, padded=True, rate=0.05, **options)


def tagger(builder, parameters, layer, **options):
    given = {"num_features": FEATURES, "num_classes": CLASSES, "layer": layer, "units": 12}
    outputs = {"probabilities": (None, None, CLASSES)}
    # The first step of the signal of one step is all that its other six tags could be told from.
    return case(builder, tagged, outputs, parameters, tags, given, {"num_layers": 2}, rate=0.03, **options)


def tagged():
    return {"signal": np.random.default_rng(0).normal(size=(8, LENGTH, FEATURES)).astype("float32")}


def many(builder, inputs, parameters, layer, **options):
    given = {"num_features": FEATURES, "num_outputs": 2, "length": 4, "layer": layer}
    outputs = {"outputs": (None, 4, 2)}
    sizes = {"units": 12, "num_layers": 2}
    return case(builder, inputs, outputs, parameters, sequences, given, sizes, loss="mse", rate=0.03, **options)


def vectors():
    return {"features": np.random.default_rng(0).normal(size=(8, FEATURES)).astype("float32")}


def simple(inputs, units):
    return units * (inputs + units + 1)


def gru(inputs, units):
    return 3 * units * (inputs + units + 2)


def lstm(inputs, units):
    return 4 * units * (inputs + units + 1)


CASES = {
    "recurrent_classifier": classifier(
        models.recurrent_classifier, gru(3, 5) + gru(5, 5) + (5 + 1) * 3, keras.layers.GRU
    ),
    "bidirectional_classifier": classifier(
        models.bidirectional_classifier,
        2 * simple(3, 5) + 2 * simple(2 * 5, 5) + (2 * 5 + 1) * 3,
        keras.layers.SimpleRNN,
        # Of the last layer only the ends count; the other outputs are there for signals of one step too.
    ),
    "recurrent_tagger": tagger(
        models.recurrent_tagger, gru(3, 12) + gru(12, 12) + (12 + 1) * 3, keras.layers.GRU, causal=True
    ),
    "bidirectional_tagger": tagger(
        models.bidirectional_tagger,
        2 * simple(3, 12) + 2 * simple(2 * 12, 12) + (2 * 12 + 1) * 3,
        keras.layers.SimpleRNN,
        padded=True,
    ),
    "one_to_many": many(
        models.one_to_many, vectors, gru(3, 12) + gru(12, 12) + (12 + 1) * 2, keras.layers.GRU, reaches=0.2
    ),
    "recurrent_encoder_decoder": many(
        models.recurrent_encoder_decoder,
        tagged,
        lstm(3, 12) + 3 * lstm(12, 12) + (12 + 1) * 2,
        keras.layers.LSTM,
        reaches=0.2,
    ),
    # Two convolutions of 3 by 3 pixels, the LSTM over eight averages, the classes.
    "video_classifier": case(
        models.video_classifier,
        videos,
        {"probabilities": (None, CLASSES)},
        (9 * 2 + 1) * 4 + (9 * 4 + 1) * 8 + lstm(8, 5) + (5 + 1) * 3,
        labels,
        {"height": 4, "width": 5, "channels": 2, "num_classes": CLASSES, "filters": (4, 8), "dropout": 0.0},
        {"units": 5},
        padded=True,
        # Eight tiny clips of noise, which the averages over pixels hardly tell apart.
        reaches=0.5,
        rate=0.05,
        wrong=(
            ({"channels": 0}, "`channels` must be at least 1. Received: channels=0"),
            ({"height": 3}, "`height` must be at least 4. Received: height=3"),
            ({"width": 3}, "`width` must be at least 4. Received: width=3"),
            ({"filters": ()}, "`filters` must name at least one number above 0"),
        ),
    ),
}
