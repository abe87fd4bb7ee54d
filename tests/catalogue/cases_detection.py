"""Cases of the detectors."""

import numpy as np
from case import Case

from kerasmlsp import models
from kerasmlsp.targets import boxes

SHAPE, SCALES, RATIOS = (16, 20, 3), (0.4, 0.7), (1.0, 2.0)


def ssd(**changes):
    sizes = {"num_classes": 2, "input_shape": SHAPE, "filters": (2, 3, 4), "scales": SCALES, "aspect_ratios": RATIOS}
    return models.ssd(**{**sizes, **changes})


def images():
    return {"images": np.random.default_rng(0).random((8, *SHAPE)).astype("float32")}


def targets():
    """One box in each image."""
    anchors = boxes.anchors(SHAPE, num_stages=3, scales=SCALES, aspect_ratios=RATIOS)
    left = np.linspace(0, 0.4, 8)
    found = [boxes.match([[x, 0.1, x + 0.5, 0.7]], [i % 2], anchors) for i, x in enumerate(left)]
    return np.stack(found)


def normalised(inputs, filters):
    """A 3x3 convolution without bias, and its normalisation."""
    return (3**2 * inputs + 4) * filters


STAGES = normalised(3, 2) + normalised(2, 2) + normalised(2, 3) + normalised(3, 3) + normalised(3, 4) + normalised(4, 4)
CASES = {
    "ssd": Case(
        ssd,
        images,
        # Maps of 4x5 and 2x3 cells, three boxes around each, background and two classes and four offsets.
        {"predictions": (None, 3 * (4 * 5 + 2 * 3), 7)},
        STAGES + (9 * 3 + 1) * 21 + (9 * 4 + 1) * 21,
        targets,
        loss=boxes.DetectionLoss(),
        # From above 5.
        reaches=0.5,
        wrong=(
            ({"num_classes": 0}, "`num_classes` must be at least 1. Received: num_classes=0"),
            ({"input_shape": (3, 16, 3)}, r"`input_shape` must be .* of at least \(4, 4, 1\). Received: input_shape="),
            ({"filters": (2, 0, 2)}, r"`filters` must be numbers of at least 1. Received: filters=\(2, 0, 2\)"),
            ({"scales": (0.1,) * 4}, "`scales` must be 1 to 3 numbers above 0. Received: scales="),
            ({"aspect_ratios": ()}, r"`aspect_ratios` must be numbers above 0. Received: aspect_ratios=\(\)"),
        ),
    ),
}
