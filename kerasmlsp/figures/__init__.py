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
from kerasmlsp.figures.sequences_attention import alignment, attention_heads, self_attention, translation_quality
from kerasmlsp.figures.sequences_generation import ar_speed, lstm_variants, wavenet_dilations, word_map
from kerasmlsp.figures.sequences_gradients import adding_problem, bptt, clipping
from kerasmlsp.figures.sequences_memory import gates_over_time, truncation
from kerasmlsp.figures.signals import log_histogram, scalogram, spectrogram, stft
from kerasmlsp.figures.signals_classes import class_counts, confusion, har_signals
from kerasmlsp.figures.unsupervised import clusters, density, fill_in
from kerasmlsp.figures.unsupervised_pretext import codebook, label_fraction, mae
from kerasmlsp.figures.vision import filters, pooling, receptive_field
from kerasmlsp.figures.vision_depth import resnet_vs_plain
from kerasmlsp.figures.vision_fooling import deepfool, feature_pruning, fgsm
from kerasmlsp.figures.vision_invariance import invariance, shuffled_pixels
from kerasmlsp.figures.vision_layers import feature_maps, first_filters, layer_hierarchy, maximisation

__all__ = [
    "activations",
    "adding_problem",
    "alignment",
    "ar_speed",
    "attention_heads",
    "augmentation",
    "backprop_cost",
    "batch_size",
    "bptt",
    "capacity",
    "class_counts",
    "clipping",
    "clusters",
    "codebook",
    "confusion",
    "cover",
    "deepfool",
    "density",
    "depth",
    "dropout",
    "early_stopping",
    "energy_landscape",
    "feature_maps",
    "feature_pruning",
    "fgsm",
    "fill_in",
    "filters",
    "first_filters",
    "gates_over_time",
    "har_signals",
    "hopfield_recall",
    "initialisation",
    "invariance",
    "kernels",
    "l1_l2",
    "label_fraction",
    "layer_hierarchy",
    "linear_boundaries",
    "log_histogram",
    "losses",
    "lstm_variants",
    "mae",
    "maximisation",
    "overfitting",
    "overparametrisation",
    "pooling",
    "pretraining",
    "rbm",
    "receptive_field",
    "regularisers",
    "resnet_vs_plain",
    "saddle",
    "scalogram",
    "self_attention",
    "shuffled_pixels",
    "spectrogram",
    "stft",
    "training_speed",
    "translation_quality",
    "truncation",
    "universal_approximator",
    "wavenet_dilations",
    "weight_symmetry",
    "word_map",
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
    "Vision": [
        "filters",
        "first_filters",
        "shuffled_pixels",
        "invariance",
        "pooling",
        "receptive_field",
        "feature_maps",
        "layer_hierarchy",
        "maximisation",
        "resnet_vs_plain",
        "feature_pruning",
        "fgsm",
        "deepfool",
    ],
    "Signals": [
        "har_signals",
        "stft",
        "spectrogram",
        "scalogram",
        "log_histogram",
        "class_counts",
        "confusion",
    ],
    "Sequences": [
        "bptt",
        "adding_problem",
        "clipping",
        "truncation",
        "gates_over_time",
        "alignment",
        "self_attention",
        "attention_heads",
        "word_map",
        "translation_quality",
        "lstm_variants",
        "wavenet_dilations",
        "ar_speed",
    ],
    "Unsupervised": ["density", "clusters", "label_fraction", "mae", "codebook", "fill_in"],
}

# Arguments of a small version that takes about a second, of those whose defaults take longer: `--quick`.
QUICK: dict = {
    "augmentation": {"copies": 2, "size": 48},
    "backprop_cost": {"widths": (4, 16, 64), "batch": 32, "repeats": 2, "perturbed": 200},
    "capacity": {"units": (40,), "loads": (0.05, 0.3), "trials": 1},
    "dropout": {"units": 6, "steps": 10},
    "early_stopping": {"units": 8, "steps": 10, "looks": 5},
    "overfitting": {"units": (1, 8), "steps": 10},
    "overparametrisation": {"widths": (1, 32), "starts": 1, "steps": 100},
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
    # Vision.
    "deepfool": {"count": 60, "steps": 12, "tested": 12, "drawn": 2},
    "feature_maps": {"count": 60, "steps": 3},
    "feature_pruning": {"count": 200, "steps": 15, "tested": 100, "shares": (0.0, 0.4, 0.8)},
    "fgsm": {"count": 60, "steps": 12, "tested": 40, "epsilons": (0.0, 0.05, 0.2)},
    "filters": {"size": 80},
    "first_filters": {"count": 60, "steps": 4, "filters": 6},
    "invariance": {"count": 64, "steps": 5, "tested": 30},
    "layer_hierarchy": {"count": 60, "steps": 3, "tested": 40, "units": 2},
    "maximisation": {"count": 60, "steps": 5, "ascent": 8},
    "receptive_field": {"drawn": ("conv_1", "conv_3"), "images": 2},
    "resnet_vs_plain": {"depths": (8, 14), "seeds": 1, "steps": 1, "looks": 1, "width": 2},
    "shuffled_pixels": {"count": 64, "steps": 4, "tested": 50},
    # Signals.
    "confusion": {"count": 240, "filters": (4, 8), "steps": 12},
    "scalogram": {"bands": 24},
    # Sequences and unsupervised.
    "adding_problem": {"length": 6, "units": 4, "steps": 4, "batch": 16, "looks": 2},
    "alignment": {"steps": 2, "units": 8, "batch": 8},
    "ar_speed": {"lengths": (16,), "features": 4, "blocks": 2, "levels": 8},
    "attention_heads": {"letters": 3, "length": 5, "features": 8, "steps": 2, "batch": 16},
    "bptt": {"lags": 20, "units": 16, "count": 4},
    "clusters": {"count": 300, "numbers_of": (10,)},
    "codebook": {"waves": 8, "entries": 4, "filters": 8, "features": 8, "steps": 3, "batch": 2},
    "density": {"levels": 8, "features": 8, "steps": 5},
    "fill_in": {"features": 8, "steps": 3, "batch": 16},
    "gates_over_time": {"length": 8, "units": 2, "steps": 5, "batch": 16},
    "label_fraction": {
        "labelled": (20, 40),
        "images": 40,
        "filters": (4,),
        "epochs": 1,
        "updates": 3,
        "tested": 50,
    },
    "lstm_variants": {"pieces": 4, "length": 3, "units": 4, "epochs": 1, "seeds": 1},
    "mae": {"images": 50, "features": 8, "layers": 1, "steps": 5, "batch": 16},
    "self_attention": {"features": 8, "steps": 3, "batch": 16},
    "translation_quality": {"steps": 1, "units": 4, "batch": 4, "phrases": (1, 2), "learnt": (1,), "tested": 2},
    "truncation": {"lag": 1, "chunks": (1, 2), "units": 4, "steps": 5, "batch": 8},
}
