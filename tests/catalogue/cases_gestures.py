"""Cases of the networks for hand gestures."""

import numpy as np
from case import Case

from kerasmlsp import models

CLASSES = 3


def labels():
    return np.array([0, 1, 2, 0, 1, 2, 0, 1])


def pictures():
    """A bright square that lies elsewhere in each class."""
    images = np.random.default_rng(0).uniform(0, 60, (8, 16, 16, 3)).astype("float32")
    for row, label in enumerate(labels()):
        images[row, 4 * label : 4 * label + 5, 4 * label : 4 * label + 5] += 150
    return {"images": images}


def points(name, count):
    """Points around a direction that depends on the class."""
    random = np.random.default_rng(0)
    angles = labels()[:, None] * 2.1 + random.normal(0, 0.2, (8, count))
    reach = np.linspace(0, 0.3, count)
    return {name: (reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], -1)).astype("float32")}


def case(builder, parameters, sizes, inputs, wrong, **options):
    def make(**changes):
        return builder(**{"num_classes": CLASSES, **sizes, **changes})

    wrong = (
        ({"num_classes": 1}, "`num_classes` must be at least 2"),
        ({"dropout": 1.0}, r"`dropout` must be in"),
        *wrong,
    )
    outputs = {"probabilities": (None, CLASSES)}
    return Case(make, inputs, outputs, parameters, labels, wrong=wrong, **options)


def block(inputs, outputs, halved):
    """Two convolutions and their normalisations of four numbers a filter; a skip with a third where maps are halved."""
    skip = inputs * outputs + 4 * outputs if halved else 0
    return 9 * outputs * (inputs + outputs) + 8 * outputs + skip


CASES = {
    "gesture_resnet": case(
        models.gesture_resnet,
        # Stem, two stages, and the classes.
        9 * 3 * 4 + 4 * 4 + block(4, 4, False) + block(4, 8, True) + 3 * 9,
        {"input_shape": (16, 16, 3), "width": 4, "num_stages": 2, "dropout": 0.1},
        pictures,
        (
            ({"input_shape": (4, 16, 3)}, "`input_shape` must be"),
            ({"width": 0}, "`width` must be at least 1"),
            ({"num_stages": 0}, "`num_stages` must be at least 1"),
        ),
    ),
    "landmark_mlp": case(
        models.landmark_mlp,
        8 * 11 + 6 * 9 + 3 * 7,
        {"num_landmarks": 5, "hidden_units": (8, 6), "dropout": 0.0},
        lambda: points("landmarks", 5),
        (
            ({"num_landmarks": 1}, "`num_landmarks` must be at least 2"),
            ({"hidden_units": ()}, "`hidden_units` must be"),
            ({"hidden_units": (4, 0)}, "`hidden_units` must be"),
        ),
    ),
    "path_gru": case(
        models.path_gru,
        # Three gates that see input, state and two biases; mean and maximum of the states.
        3 * 6 * (4 + 6 + 2) + 3 * 13,
        {"num_steps": 7, "units": 6, "dropout": 0.0},
        lambda: points("path", 7),
        (({"num_steps": 1}, "`num_steps` must be at least 2"), ({"units": 0}, "`units` must be at least 1")),
    ),
    "path_cnn": case(
        models.path_cnn,
        6 * (3 * 4 + 1) + 6 * (3 * 6 + 1) + 3 * 13,
        {"num_steps": 7, "filters": 6, "dropout": 0.0},
        lambda: points("path", 7),
        (
            ({"num_steps": 1}, "`num_steps` must be at least 2"),
            ({"kernel_size": 0}, "`kernel_size` must be at least 1"),
        ),
    ),
}
