"""Cases of the dense networks on vectors of features."""

import math

import numpy as np
from case import Case

from kerasmlsp import models

FEATURES = 4


def vectors():
    return {"features": np.random.default_rng(0).normal(size=(8, FEATURES)).astype("float32")}


def labels():
    return np.array([0, 1, 2, 0, 1, 2, 0, 1])


def separable():
    """Labels that a plane tells apart, since logistic regression learns no others."""
    return (vectors()["features"] @ np.array([1.0, -1.0, 0.5, 0.0]) > 0).astype("int32")


def reals():
    return np.sin(vectors()["features"][:, :2]) - 0.5


def case(builder, parameters, sizes, **options):
    return Case(
        lambda **changes: builder(**{"num_features": FEATURES, **sizes, **changes}),
        vectors,
        parameters=parameters,
        **options,
    )


def too_small(*sizes):
    return tuple(({size: 0}, f"`{size}` must be at least [12].*Received: {size}=0") for size in sizes)


def driven():
    """What ALVINN sees: camera, range finder, and how bright the road was."""
    random, sizes = np.random.default_rng(0), {"brightness": (1,), "camera": (30, 32), "range": (8, 32)}
    return {name: random.uniform(size=(8, *size)).astype("float32") for name, size in sizes.items()}


def steered():
    """A hill around one of five directions, and the brightness."""
    distances = np.abs(np.arange(5) - np.array([0, 1, 2, 3, 4, 0, 1, 2])[:, None])
    hills = np.array([1.0, 0.89, 0.61, 0.32, 0.1], "float32")[distances]
    return {"directions": hills, "next_brightness": np.linspace(0.2, 0.8, 8, dtype="float32")[:, None]}


CASES = {
    # 960 pixels, 256 distances and the brightness to six units, and these to five directions and the brightness.
    "alvinn": Case(
        lambda **changes: models.alvinn(**{"hidden_units": 6, "num_directions": 5, **changes}),
        driven,
        outputs={"directions": (None, 5), "next_brightness": (None, 1)},
        parameters=(960 + 256 + 1 + 1) * 6 + (6 + 1) * 6,
        targets=steered,
        loss={"directions": "mean_squared_error", "next_brightness": "mean_squared_error"},
        rate=0.003,
        steps=400,
        wrong=too_small("hidden_units", "num_directions"),
    ),
    # A weight for each feature, and a bias, of two outputs.
    "linear_regression": case(
        models.linear_regression,
        (4 + 1) * 2,
        {"num_outputs": 2},
        outputs={"outputs": (None, 2)},
        targets=reals,
        loss="mean_squared_error",
        rate=0.1,
        wrong=(
            *too_small("num_features", "num_outputs"),
            ({"l1": -0.1}, "`l1` must be at least 0. Received: l1=-0.1"),
        ),
    ),
    # A weight for each feature and a bias.
    "perceptron": case(
        models.perceptron,
        4 + 1,
        {},
        outputs={"decisions": (None, 1)},
        targets=lambda: separable()[:, None],
        loss="mean_squared_error",
        rate=0.3,
        wrong=too_small("num_features", "num_outputs"),
    ),
    # A weight for each feature and a bias; two classes share them.
    "logistic_regression": case(
        models.logistic_regression,
        4 + 1,
        {},
        outputs={"probabilities": (None, 2)},
        targets=separable,
        rate=0.3,
        wrong=(
            *too_small("num_features", "num_classes"),
            ({"l1": -0.1}, "`l1` must be at least 0. Received: l1=-0.1"),
            ({"l2": -0.1}, "`l2` must be at least 0. Received: l2=-0.1"),
        ),
    ),
    # Two hidden layers of 5 and 6, each with a bias, the slopes of their units, and three classes.
    "multilayer_perceptron": case(
        models.multilayer_perceptron,
        (4 + 1) * 5 + 5 + (5 + 1) * 6 + 6 + (6 + 1) * 3,
        {"num_outputs": 3, "hidden_units": (5, 6), "activation": "prelu"},
        outputs={"probabilities": (None, 3)},
        targets=labels,
        wrong=(
            *too_small("num_features", "num_outputs"),
            ({"hidden_units": (5, 0)}, r"`hidden_units` must be at least 1 each. Received: hidden_units=\(5, 0\)"),
            ({"activation": "step"}, "`activation` must be one of .*prelu.* Received: activation='step'"),
            ({"output_activation": "relu"}, "`output_activation` must be one of .* Received: output_activation='relu'"),
            ({"num_outputs": 1}, "`num_outputs` must be at least 2 for a softmax. Received: num_outputs=1"),
            ({"l1": -1}, "`l1` must be at least 0. Received: l1=-1"),
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
            ({"activity": -0.1}, "`activity` must be at least 0. Received: activity=-0.1"),
            ({"max_norm": 0.0}, "`max_norm` must be above 0, or None. Received: max_norm=0.0"),
            ({"activity": math.nan}, "`activity` must be at least 0. Received: activity=nan"),
            ({"max_norm": math.nan}, "`max_norm` must be above 0, or None. Received: max_norm=nan"),
            ({"l1": math.inf}, "`l1` must be at least 0. Received: l1=inf"),
            ({"input_noise": 1.5}, r"`input_noise` must be in \[0, 1\]. Received: input_noise=1.5"),
        ),
    ),
    # Eight tanh units and two linear ones.
    "universal_approximator": case(
        models.universal_approximator,
        (4 + 1) * 8 + (8 + 1) * 2,
        {"num_outputs": 2, "units": 8},
        outputs={"outputs": (None, 2)},
        targets=reals,
        loss="mean_squared_error",
        reaches=0.02,
        wrong=too_small("num_features", "num_outputs", "units"),
    ),
}
