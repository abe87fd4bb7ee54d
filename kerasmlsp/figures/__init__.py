"""The figures of the lectures: functions that compute them, and return a Matplotlib figure and the numbers in it.

    >>> from kerasmlsp import figures
    >>> figure, numbers = figures.capacity(units=(20,), loads=(0.05,), trials=1)
    >>> type(figure).__name__, numbers["overlap"]
    ('Figure', {20: [1.0]})

What a function returns has `save(path)`, too. At the command line: `kerasmlsp figures --list`.
"""

from kerasmlsp.figures.energy import capacity, energy_landscape, hopfield_recall
from kerasmlsp.figures.energy_training import pretraining, rbm
from kerasmlsp.figures.foundations_boundaries import (
    cover,
    kernels,
    linear_boundaries,
    universal_approximator,
    weight_symmetry,
)
from kerasmlsp.figures.foundations_depth import (
    activations,
    depth,
    initialisation,
    overparametrisation,
    training_speed,
)
from kerasmlsp.figures.foundations_learning import backprop_cost, batch_size, losses, saddle
from kerasmlsp.figures.regularisation import early_stopping, l1_l2, overfitting
from kerasmlsp.figures.regularisation_nets import augmentation, dropout, regularisers

__all__ = [
    "activations",
    "augmentation",
    "backprop_cost",
    "batch_size",
    "capacity",
    "cover",
    "depth",
    "dropout",
    "early_stopping",
    "energy_landscape",
    "hopfield_recall",
    "initialisation",
    "kernels",
    "l1_l2",
    "linear_boundaries",
    "losses",
    "overfitting",
    "overparametrisation",
    "pretraining",
    "rbm",
    "regularisers",
    "saddle",
    "training_speed",
    "universal_approximator",
    "weight_symmetry",
]

# In the order of the lectures; the command line reads the names from here.
GROUPS = {
    "Foundations": [
        "linear_boundaries",
        "cover",
        "kernels",
        "universal_approximator",
        "weight_symmetry",
        "losses",
        "batch_size",
        "backprop_cost",
        "saddle",
        "initialisation",
        "activations",
        "training_speed",
        "depth",
        "overparametrisation",
    ],
    "Regularisation": ["overfitting", "early_stopping", "l1_l2", "dropout", "regularisers", "augmentation"],
    "Energy": ["hopfield_recall", "energy_landscape", "capacity", "rbm", "pretraining"],
}

# Arguments of a small version that takes about a second, of those whose defaults take longer: `--quick`.
QUICK: dict = {
    "augmentation": {"copies": 2, "size": 48},
    "backprop_cost": {"widths": (4, 16, 64), "batch": 32, "repeats": 2, "perturbed": 200},
    "capacity": {"units": (40,), "loads": (0.05, 0.3), "trials": 1},
    "dropout": {"units": 6, "steps": 10},
    "early_stopping": {"units": 8, "steps": 10, "looks": 5},
    "overfitting": {"units": (1, 8), "steps": 10},
    "overparametrisation": {"widths": (1, 32), "starts": 1, "steps": 10},
    "pretraining": {
        "labelled": (50,),
        "images": 50,
        "hidden_units": (10,),
        "epochs": 2,
        "updates": 5,
        "tested": 100,
    },
    "rbm": {"count": 200, "hidden": 9, "epochs": 4, "chain": (0, 1, 5)},
    "regularisers": {"units": 10, "steps": 3},
    "training_speed": {"depth": 4, "units": 10, "steps": 3},
    "universal_approximator": {"count": 20, "steps": 10},
}
