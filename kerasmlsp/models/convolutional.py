"""Convolutional networks."""

import keras
from keras import layers, ops

from kerasmlsp.augment import TokenDropout
from kerasmlsp.models import _text


def text_cnn(
    vocabulary_size: int,
    num_classes: int,
    *,
    embedding_dim: int = 128,
    filters: int = 128,
    kernel_sizes: tuple[int, ...] = (1, 2, 3),
    token_dropout: float = 0.3,
    dropout: float = 0.5,
    name: str = "text_cnn",
) -> keras.Model:
    """Builds a one-dimensional CNN over words: convolutions of several widths, each pooled to its maximum.

    Reference: Ganapathy, MLSP 2025, "Convolutional Neural Networks"; Kim 2014, "Convolutional Neural Networks for
    Sentence Classification".

    Args:
        vocabulary_size: Number of token ids, at least 2; ids beyond are taken as unknown (1).
        num_classes: Number of classes, at least 2.
        embedding_dim: Size of a word vector.
        filters: Filters of each width.
        kernel_sizes: Widths in tokens.
        token_dropout: Probability of an unknown word in place of a token while training, in `[0, 1)`.
        dropout: Drop probability of the pooled vector, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)`, 0 for padding on the right, to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or `kernel_sizes` is empty.

    Example:
        >>> model = text_cnn(1000, 2, filters=8, kernel_sizes=(2, 3))
        >>> model.get_layer("pooled").output.shape  # eight filters of two words, and eight of three
        (None, 16)
    """
    _text.check_sizes(
        vocabulary_size=vocabulary_size, num_classes=num_classes, embedding_dim=embedding_dim, filters=filters
    )
    if not kernel_sizes:
        raise ValueError(f"`kernel_sizes` must name at least one width. Received: kernel_sizes={kernel_sizes}")
    ids = _text.token_ids()
    words = TokenDropout(token_dropout, name="token_dropout")(_text.known(ids, vocabulary_size))
    words = layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(words)
    mask = ops.cast(_text.mask_of(ids), words.dtype)[:, :, None]
    words = words * mask
    pooled = [_widest(words, mask, filters, width) for width in kernel_sizes]
    features = layers.Concatenate(name="pooled")(pooled) if len(pooled) > 1 else pooled[0]
    return keras.Model(ids, _text.probabilities(features, num_classes, dropout), name=name)


def _widest(words, mask, filters, width):
    """The largest response of each filter; 0 at least, so that padding never wins."""
    maps = layers.Conv1D(filters, width, padding="same", activation="relu", name=f"conv_{width}")(words)
    return ops.max(maps * mask, axis=1)
