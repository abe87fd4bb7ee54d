"""Cases of the classifiers of texts."""

import keras
import numpy as np
from case import Case

from kerasmlsp import models

VOCABULARY, CLASSES = 20, 3
LSTM = {"embedding_dim": 4, "units": 5}
CNN = {"embedding_dim": 4, "filters": 6, "kernel_sizes": (1, 2, 3)}
TRANSFORMER = {"features": 4, "num_layers": 2, "num_heads": 2, "feed_forward_dim": 6}
HEAD = {"vocabulary_size": 2, "num_classes": 2}
# Embedding; four gates that see input, state and bias; three classes.
LSTM_SIZE = 20 * 4 + 4 * 5 * (4 + 5 + 1) + 3 * (5 + 1)
CNN_SIZE = 20 * 4 + 6 * (1 * 4 + 1) + 6 * (2 * 4 + 1) + 6 * (3 * 4 + 1) + 3 * (18 + 1)
# Two normalisations; query, key, value and output; hidden and output of the feed-forward net.
BLOCK = 2 * 2 * 4 + 4 * (4 * 4 + 4) + (4 * 6 + 6) + (6 * 4 + 4)


def texts():
    """Token ids of eight texts of 1 to 9 tokens, padded with 0 on the right."""
    random = np.random.default_rng(0)
    ids = random.integers(2, VOCABULARY, (8, 9)).astype("int32")
    lengths = np.array([9, 1, 4, 7, 3, 5, 8, 2])
    return {"token_ids": np.where(np.arange(9) < lengths[:, None], ids, 0).astype("int32")}


def labels():
    return np.array([0, 1, 2, 0, 1, 2, 0, 1])


def case(builder, parameters, sizes, wrong=(), calm=("dropout",), **options):
    arguments = {"vocabulary_size": VOCABULARY, "num_classes": CLASSES, **sizes, **dict.fromkeys(calm, 0.0)}
    whole = [size for size, value in arguments.items() if isinstance(value, int)]
    least = {size: f"`{size}` must be at least {HEAD.get(size, 1)}. Received: {size}=0" for size in whole}
    return Case(
        lambda **changes: builder(**{**arguments, **changes}),
        texts,
        {"probabilities": (None, CLASSES)},
        parameters,
        labels,
        padded=True,
        rate=0.05,
        wrong=(*(({size: 0}, pattern) for size, pattern in least.items()), *wrong),
        **options,
    )


def ngrams(**changes):
    return models.naive_bayes_ngrams(
        **{"num_classes": CLASSES, "num_buckets": 64, "order": 2, "dropout": 0.0, **changes}
    )


def count_and_compile(model):
    hashes = model.get_layer("hashing")(texts()["token_ids"])
    model.get_layer("ngrams").adapt([(keras.ops.convert_to_numpy(hashes), labels())], min_count=1)
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", jit_compile=False)


def ensemble(members=None, **changes):
    if members is None:
        members = [CASES[name].make() for name in ("lstm_classifier", "text_cnn")]
    return models.calibrated_ensemble(members, **changes)


RATE = {"calm": ("token_dropout", "dropout")}
CASES = {
    "lstm_classifier": case(models.lstm_classifier, LSTM_SIZE, LSTM, [({"dropout": -0.5}, "rate")]),
    "attention_lstm": case(
        models.attention_lstm,
        # Two directions; attention has kernel, bias and query.
        20 * 4 + 2 * 4 * 5 * (4 + 5 + 1) + (10 * 5 + 5 + 5) + 3 * (10 + 1),
        LSTM,
        **RATE,
    ),
    "text_cnn": case(
        models.text_cnn,
        CNN_SIZE,
        CNN,
        [
            ({"kernel_sizes": ()}, "`kernel_sizes`"),
            ({"kernel_sizes": (0,)}, "kernel_size"),
            ({"token_dropout": 1.0}, "`rate`"),
        ],
        **RATE,
    ),
    "transformer_classifier": case(
        models.transformer_classifier,
        20 * 4 + 2 * BLOCK + 2 * 4 + (4 * 4 + 4 + 4) + 3 * (4 + 1),
        TRANSFORMER,
        [
            ({"features": 5}, "`features` must be a multiple"),
            ({"features": 3, "num_heads": 3}, "even"),
        ],
        # A softmax over keys does not depend on what all keys share, so that their bias has no gradient.
        unmoved=("key/bias",),
        **RATE,
    ),
    "naive_bayes_ngrams": Case(
        ngrams,
        texts,
        {"probabilities": (None, CLASSES)},
        # Owners, frequency and ratios, kernel, bias.
        64 * 1 + 64 * (1 + 3) + 64 * 3 + 3,
        labels,
        compile=count_and_compile,
        padded=True,
        wrong=(
            ({"num_classes": 0}, "`num_classes` must be at least 2. Received: num_classes=0"),
            ({"num_buckets": 0}, "`num_buckets` must be at least 2. Received: num_buckets=0"),
            ({"order": 0}, "`order` must be at least 1. Received: order=0"),
            ({"dropout": 1.0}, "`rate`"),
        ),
    ),
    "calibrated_ensemble": Case(
        ensemble,
        texts,
        {"probabilities": (None, CLASSES)},
        # Weights of two members and biases, each with a slope over length, and the range of lengths.
        LSTM_SIZE + CNN_SIZE + 2 * 2 + 2 * CLASSES + 2,
        labels,
        padded=True,
        # It learns no more than how far to trust members that are trained before.
        reaches=None,
        wrong=(
            ({"members": []}, "`members` must be one model or more"),
            ({"members": [models.text_cnn(9, k, filters=1, embedding_dim=1) for k in (2, 3)]}, r"Received: \[2, 3\]"),
            ({"members": [models.text_cnn(9, 2, filters=1, embedding_dim=1) for _ in "ab"]}, "name"),
        ),
    ),
}
