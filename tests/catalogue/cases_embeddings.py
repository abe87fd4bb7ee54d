"""Cases of the word vectors."""

import numpy as np
from case import Case

from kerasmlsp import losses, models

VOCABULARY = 20


def near():
    """Words of the same parity stand together; the others are random. `(centres, candidates)` of eight examples."""
    random = np.random.default_rng(0)
    return random.integers(2, VOCABULARY, (8, 2)).astype("int32"), random.integers(2, VOCABULARY, (8, 3)).astype(
        "int32"
    )


def skip_gram_inputs():
    centers, candidates = near()
    return {"candidates": candidates, "centers": centers}


def cbow_inputs():
    words, candidates = near()
    windows = np.tile(np.eye(2, dtype="float32"), (8, 1, 1))
    return {"candidates": candidates, "windows": windows, "words": words}


def targets():
    centers, candidates = near()
    return np.where(centers[:, :, None] % 2 == candidates[:, None, :] % 2, 1, -1)


def case(builder, inputs):
    def make(**changes):
        return builder(**{"vocabulary_size": VOCABULARY, "embedding_dim": 4, **changes})

    return Case(
        make,
        inputs,
        {"logits": (None, None, None)},
        # A word vector and a context vector of every word.
        2 * VOCABULARY * 4,
        targets,
        loss=losses.NegativeSampling(reduction="sum_over_batch_size"),
        # Context vectors begin at zero, so that the first step moves them alone.
        unmoved=("word_vectors/embeddings",),
        rate=0.05,
        wrong=(
            ({"vocabulary_size": 1}, "`vocabulary_size` must be at least 2. Received: vocabulary_size=1"),
            ({"embedding_dim": 0}, "`embedding_dim` must be at least 1. Received: embedding_dim=0"),
        ),
    )


CASES = {"cbow": case(models.cbow, cbow_inputs), "skip_gram": case(models.skip_gram, skip_gram_inputs)}
