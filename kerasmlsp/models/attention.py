"""Networks built around attention."""

import keras
from keras import layers, ops

from kerasmlsp.augment import TokenDropout
from kerasmlsp.layers import LSTM, AttentionPooling
from kerasmlsp.models import _text


def attention_lstm(
    vocabulary_size: int,
    num_classes: int,
    *,
    embedding_dim: int = 128,
    units: int = 64,
    token_dropout: float = 0.3,
    dropout: float = 0.5,
    name: str = "attention_lstm",
) -> keras.Model:
    """Builds a bidirectional LSTM whose states are pooled by learned attention.

    The layer named `attention` returns the weight of every token as its second output.

    Reference: Ganapathy, MLSP 2025, "Attention in LSTM networks"; Zhou et al. 2016, "Attention-Based Bidirectional
    Long Short-Term Memory Networks for Relation Classification".

    Args:
        vocabulary_size: Number of token ids, at least 2; ids beyond are taken as unknown (1).
        num_classes: Number of classes, at least 2.
        embedding_dim: Size of a word vector.
        units: Size of the state in each direction.
        token_dropout: Probability of an unknown word in place of a token while training, in `[0, 1)`.
        dropout: Drop probability of the pooled vector, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)`, 0 for padding on the right, to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small.
    """
    _text.check_sizes(
        vocabulary_size=vocabulary_size, num_classes=num_classes, embedding_dim=embedding_dim, units=units
    )
    ids = _text.token_ids()
    mask = _text.mask_of(ids)
    words = TokenDropout(token_dropout, name="token_dropout")(_text.known(ids, vocabulary_size))
    words = layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(words)
    forward = LSTM(units, return_sequences=True, name="forward")(words)
    # The other direction reads each text from its own last token, so that padding stays on the right.
    backward = LSTM(units, return_sequences=True, name="backward")(_reversed(words, ids))
    states = layers.Concatenate(name="states")([forward, _reversed(backward, ids)])
    pooled, _ = AttentionPooling(units, name="attention")(states, mask=mask)
    return keras.Model(ids, _text.probabilities(pooled, num_classes, dropout), name=name)


def _reversed(sequence, ids):
    """Reverses the tokens of every row and leaves its padding where it is."""
    steps = _text.steps(ids)
    length = ops.sum(ops.cast(ops.not_equal(ids, 0), "int32"), axis=1, keepdims=True)
    places = ops.where(steps < length, length - 1 - steps, steps)
    return ops.take_along_axis(sequence, ops.expand_dims(places, 2), axis=1)
