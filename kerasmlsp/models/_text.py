"""What the text classifiers share: token ids in, class probabilities out."""

import keras
from keras import layers, ops

from kerasmlsp.layers.ngrams import PADDING, UNKNOWN
from kerasmlsp.models import _checks


def check_sizes(**sizes):
    """Raises a ValueError for a size that is less than 1; vocabularies and classes need more."""
    for name, value in sizes.items():
        least = 2 if name == "num_classes" or name.endswith("vocabulary_size") else 1
        _checks.check_sizes(least, **{name: value})


def token_ids(name="token_ids"):
    """The input of every text model: `(batch, length)`, int32, 0 for padding on the right."""
    return keras.Input((None,), dtype="int32", name=name)


def known(ids, vocabulary_size):
    """Makes ids from `vocabulary_size` on unknown: one tokeniser, sorted by frequency, serves nets of every size."""
    return ops.where(ids < vocabulary_size, ids, UNKNOWN)


def mask_of(ids):
    """True where there is a token. A row without any counts as one unknown word, so that nothing is divided by 0."""
    return ops.logical_or(ops.not_equal(ids, PADDING), ops.equal(steps(ids), 0))


def steps(ids):
    """The place of every token in its row, from 0; a running sum, since the length is unknown while building."""
    return ops.cumsum(ops.ones_like(ids, dtype="int32"), axis=1) - 1


def probabilities(features, num_classes, dropout):
    """A dropout and a softmax layer; two classes get one sigmoid unit, as in the lecture."""
    features = layers.Dropout(dropout, name="dropout")(features)
    if num_classes > 2:
        return layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(features)
    positive = layers.Dense(1, activation="sigmoid", dtype="float32", name="positive")(features)
    return layers.Concatenate(dtype="float32", name="probabilities")([1.0 - positive, positive])


def two_tables(source_size, target_size, features, share, initializer="uniform", target_name="target_embedding"):
    """Embeddings of source and target, and what makes logits of states.

    Args:
        source_size: Number of token ids of the source.
        target_size: Number of token ids of the target.
        features: Size of a token's vector.
        share: Whether one table is for both, and for the logits.
        initializer: Of two tables. One for all makes logits, too, and starts so that these are of the size of states.
        target_name: Name of the target's own table.

    Raises:
        ValueError: One table is wanted for two vocabularies.
    """
    if not share:
        names = {"source_embedding": source_size, target_name: target_size}
        tables = [
            layers.Embedding(size, features, embeddings_initializer=initializer, name=name)
            for name, size in names.items()
        ]
        return *tables, lambda states: logits(states, target_size)
    if source_size != target_size:
        raise ValueError(
            "`share_embeddings` needs one vocabulary for source and target. Received: "
            f"source_vocabulary_size={source_size}, target_vocabulary_size={target_size}"
        )
    start = keras.initializers.RandomNormal(stddev=features**-0.5)
    table = layers.ReversibleEmbedding(source_size, features, embeddings_initializer=start, name="embedding")
    return table, table, lambda states: layers.Identity(dtype="float32", name="logits")(table(states, reverse=True))


def logits(states, vocabulary_size):
    """The last layer of what predicts tokens: float32, `(batch, length, vocabulary_size)`."""
    return layers.Dense(vocabulary_size, dtype="float32", name="logits")(states)
