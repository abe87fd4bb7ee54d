"""Recurrent networks."""

import keras
from keras import layers, ops

from kerasmlsp.layers import LSTM
from kerasmlsp.models import _text


def lstm_classifier(
    vocabulary_size: int,
    num_classes: int,
    *,
    embedding_dim: int = 16,
    units: int = 32,
    dropout: float = 0.0,
    name: str = "lstm_classifier",
) -> keras.Model:
    """Builds the lecture's many-to-one network: an embedding, one LSTM, and its last state classified.

    Reference: Hota, BITS F464 (2024), "RNN Architectures"; Sri Rama Murty, (Deep) Neural Networks (2021), "RNN
    Application - Sentiment Classification"; Hochreiter and Schmidhuber 1997, "Long Short-Term Memory".

    Args:
        vocabulary_size: Number of token ids, at least 2; ids beyond are taken as unknown (1).
        num_classes: Number of classes, at least 2; two share one sigmoid unit.
        embedding_dim: Size of a word vector.
        units: Size of the LSTM's state.
        dropout: Drop probability of the last state, in `[0, 1)`.
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
    words = layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(_text.known(ids, vocabulary_size))
    states = LSTM(units, return_sequences=True, name="lstm")(words)
    # The state after the last token, not after the padding. A sum over one-hot weights, since a mask would cost the
    # fast kernels of GPUs, and the gradient of a gather is slow under XLA on CPUs.
    last = ops.sum(ops.cast(_text.mask_of(ids), "int32"), axis=1, keepdims=True) - 1
    here = ops.cast(ops.equal(_text.steps(ids), last), states.dtype)
    state = ops.sum(states * ops.expand_dims(here, 2), axis=1)
    return keras.Model(ids, _text.probabilities(state, num_classes, dropout), name=name)
