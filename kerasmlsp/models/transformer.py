"""Transformers."""

import keras
from keras import layers, ops

from kerasmlsp.augment import TokenDropout
from kerasmlsp.layers import AttentionPooling, SinusoidalPosition
from kerasmlsp.models import _text


def transformer_classifier(
    vocabulary_size: int,
    num_classes: int,
    *,
    embedding_dim: int = 128,
    num_layers: int = 2,
    num_heads: int = 4,
    feed_forward_dim: int = 256,
    token_dropout: float = 0.3,
    dropout: float = 0.2,
    name: str = "transformer_classifier",
) -> keras.Model:
    """Builds a Transformer encoder whose outputs are pooled by learned attention.

    Blocks normalise before attention and feed-forward net. The layer named `attention` returns the weight of every
    token as its second output.

    Reference: Ganapathy, MLSP 2025, "Transformers"; Vaswani et al. 2017, "Attention Is All You Need".

    Args:
        vocabulary_size: Number of token ids, at least 2; ids beyond are taken as unknown (1).
        num_classes: Number of classes, at least 2.
        embedding_dim: Size of a word vector, a multiple of `num_heads` and even.
        num_layers: Number of blocks.
        num_heads: Attention heads of a block.
        feed_forward_dim: Hidden units of a block's feed-forward net.
        token_dropout: Probability of an unknown word in place of a token while training, in `[0, 1)`.
        dropout: Drop probability inside the blocks and of the pooled vector, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)`, 0 for padding on the right, to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or `embedding_dim` is not a multiple of `num_heads`.
    """
    _text.check_sizes(
        vocabulary_size=vocabulary_size,
        num_classes=num_classes,
        embedding_dim=embedding_dim,
        num_layers=num_layers,
        num_heads=num_heads,
        feed_forward_dim=feed_forward_dim,
    )
    if embedding_dim % num_heads:
        raise ValueError(
            "`embedding_dim` must be a multiple of `num_heads`. "
            f"Received: embedding_dim={embedding_dim}, num_heads={num_heads}"
        )
    ids = _text.token_ids()
    mask = _text.mask_of(ids)
    words = TokenDropout(token_dropout, name="token_dropout")(_text.known(ids, vocabulary_size))
    words = layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(words)
    # Keras draws embeddings from +-0.05; scaled up, they weigh as much as the positions.
    states = SinusoidalPosition(name="position")(words * embedding_dim**0.5)
    states = layers.Dropout(dropout, name="embedding_dropout")(states)
    for index in range(num_layers):
        states = _block(states, mask, num_heads, feed_forward_dim, dropout, f"block_{index}")
    states = layers.LayerNormalization(name="normalization")(states)
    pooled, _ = AttentionPooling(embedding_dim, name="attention")(states, mask=mask)
    return keras.Model(ids, _text.probabilities(pooled, num_classes, dropout), name=name)


def _block(states, mask, num_heads, feed_forward_dim, dropout, name):
    features = states.shape[-1]
    attended = layers.LayerNormalization(name=f"{name}_attention_normalization")(states)
    attended = layers.MultiHeadAttention(num_heads, features // num_heads, dropout=dropout, name=f"{name}_attention")(
        attended, attended, attention_mask=None if mask is None else ops.expand_dims(mask, 1)
    )
    states = states + layers.Dropout(dropout, name=f"{name}_attention_dropout")(attended)
    hidden = layers.LayerNormalization(name=f"{name}_feed_forward_normalization")(states)
    hidden = layers.Dense(feed_forward_dim, activation="gelu", name=f"{name}_hidden")(hidden)
    hidden = layers.Dense(features, name=f"{name}_feed_forward")(hidden)
    return states + layers.Dropout(dropout, name=f"{name}_feed_forward_dropout")(hidden)
