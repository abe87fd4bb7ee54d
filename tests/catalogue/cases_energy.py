"""Cases of the networks with an energy, and of the autoencoders."""

import keras
import numpy as np
from case import Case

from kerasmlsp import models


def patterns():
    """Eight patterns of six units, -1 or 1."""
    return {"state": np.random.default_rng(0).choice([-1.0, 1.0], (8, 6)).astype("float32")}


def bits():
    return {"visible": (patterns()["state"] > 0).astype("float32")}


def features():
    return {"features": np.random.default_rng(0).normal(size=(8, 6)).astype("float32")}


def own_loss(model):
    jit = keras.backend.backend() != "tensorflow"
    model.compile(keras.optimizers.SGD(0.1), jit_compile=jit)


def small(builder, sizes):
    return lambda **changes: builder(**{**sizes, **changes})


def sizes_wrong(*names, least=1):
    return tuple(({name: 0}, f"`{name}` must be at least {least}. Received: {name}=0") for name in names)


CASES = {
    "hopfield_network": Case(
        small(models.hopfield_network, {"num_units": 6}),
        patterns,
        {"recalled": (None, 6)},
        6 * 6,
        compile=own_loss,
        # The energy falls without end, as Hebb's rule adds more of the same.
        reaches=-0.2,
        wrong=sizes_wrong("num_units", "sweeps"),
    ),
    "modern_hopfield_network": Case(
        small(models.modern_hopfield_network, {"num_units": 6, "num_patterns": 8, "beta": 2.0}),
        patterns,
        {"recalled": (None, 6)},
        8 * 6,
        lambda: patterns()["state"],
        "mse",
        rate=0.1,
        wrong=(*sizes_wrong("num_units", "num_patterns", "steps"), ({"beta": 0.0}, "`beta` must be above 0.")),
    ),
    "restricted_boltzmann_machine": Case(
        small(models.restricted_boltzmann_machine, {"num_visible": 6, "num_hidden": 5}),
        bits,
        {"hidden": (None, 5)},
        6 * 5 + 6 + 5,
        compile=own_loss,
        # The difference of two free energies is no measure of fit; tests/models/test_energy.py has the likelihood.
        reaches=None,
        wrong=sizes_wrong("num_visible", "num_hidden", "gibbs_steps"),
    ),
    "deep_belief_network": Case(
        small(models.deep_belief_network, {"num_visible": 6, "num_classes": 3, "hidden_units": (5, 4)}),
        bits,
        {"probabilities": (None, 3)},
        5 * (6 + 1) + 4 * (5 + 1) + 3 * (4 + 1),
        lambda: np.arange(8) % 3,
        rate=0.2,
        steps=200,
        wrong=(
            *sizes_wrong("num_visible"),
            *sizes_wrong("num_classes", least=2),
            ({"hidden_units": ()}, "`hidden_units` must be at least 1. Received: hidden_units=0"),
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
        ),
    ),
    "autoencoder": Case(
        small(models.autoencoder, {"num_features": 6, "code_dim": 4, "hidden_units": (7,)}),
        features,
        {"reconstruction": (None, 6)},
        7 * (6 + 1) + 4 * (7 + 1) + 7 * (4 + 1) + 6 * (7 + 1),
        lambda: features()["features"],
        "mse",
        steps=200,
        wrong=sizes_wrong("num_features", "code_dim"),
    ),
    "denoising_autoencoder": Case(
        small(models.denoising_autoencoder, {"num_features": 6, "code_dim": 4, "hidden_units": (7,), "noise": 0.05}),
        features,
        {"reconstruction": (None, 6)},
        7 * (6 + 1) + 4 * (7 + 1) + 7 * (4 + 1) + 6 * (7 + 1),
        lambda: features()["features"],
        "mse",
        steps=200,
        wrong=(
            *sizes_wrong("num_features", "code_dim"),
            ({"noise": 0.0}, "`noise` must be above 0. Received: noise=0.0"),
        ),
    ),
}
