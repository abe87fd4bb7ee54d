"""Cases of the classifiers of texts."""

import numpy as np
from case import Case

from kerasmlsp import models

VOCABULARY, CLASSES = 20, 3


def texts():
    """Token ids of eight texts of 1 to 9 tokens, padded with 0 on the right."""
    random = np.random.default_rng(0)
    ids = random.integers(2, VOCABULARY, (8, 9)).astype("int32")
    lengths = np.array([9, 1, 4, 7, 3, 5, 8, 2])
    return {"token_ids": np.where(np.arange(9) < lengths[:, None], ids, 0).astype("int32")}


def labels():
    return np.array([0, 1, 2, 0, 1, 2, 0, 1])


def case(builder, parameters, sizes, **options):
    def make(**changes):
        return builder(**{"vocabulary_size": VOCABULARY, "num_classes": CLASSES, **sizes, **changes})

    wrong = tuple(({size: 0}, f"`{size}` must be at least [12]. Received: {size}=0") for size in sizes if "dim" in size)
    return Case(
        make, texts, {"probabilities": (None, CLASSES)}, parameters, labels, padded=True, wrong=wrong, **options
    )


CASES = {
    # Embedding; four gates that see input, state and bias; three classes.
    "lstm_classifier": case(
        models.lstm_classifier, 20 * 4 + 4 * 5 * (4 + 5 + 1) + 3 * 6, {"embedding_dim": 4, "units": 5}, rate=0.05
    ),
}
