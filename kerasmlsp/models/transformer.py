"""Transformers."""

from typing import Any

import keras
from keras import layers, ops

from kerasmlsp.augment import TokenDropout
from kerasmlsp.layers import (
    AttentionPooling,
    KerasMultiHeadAttention,
    LearnedPosition,
    SinusoidalPosition,
    TransformerDecoderBlock,
)
from kerasmlsp.models import _checks, _decoders, _text


def transformer_classifier(
    vocabulary_size: int,
    num_classes: int,
    *,
    features: int = 128,
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
        features: Size of a word vector, a multiple of `num_heads` and even.
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
        ValueError: A size is too small, or `features` is not a multiple of `num_heads`.

    Example:
        >>> import numpy as np
        >>> model = transformer_classifier(1000, 2, features=8, num_layers=1, num_heads=2, feed_forward_dim=16)
        >>> short, padded = model(np.array([[5, 7]])), model(np.array([[5, 7, 0, 0]]))
        >>> round(abs(float(short[0, 0] - padded[0, 0])), 4)  # padding changes nothing
        0.0
    """
    _text.check_sizes(
        vocabulary_size=vocabulary_size,
        num_classes=num_classes,
        features=features,
        num_layers=num_layers,
        num_heads=num_heads,
        feed_forward_dim=feed_forward_dim,
    )
    _check_heads(features, num_heads)
    ids = _text.token_ids()
    mask = _text.mask_of(ids)
    words = TokenDropout(token_dropout, name="token_dropout")(_text.known(ids, vocabulary_size))
    words = layers.Embedding(vocabulary_size, features, name="embedding")(words)
    # Keras draws embeddings from +-0.05; scaled up, they weigh as much as the positions.
    states = SinusoidalPosition(name="position")(words * features**0.5)
    states = layers.Dropout(dropout, name="embedding_dropout")(states)
    for index in range(num_layers):
        states = _block(states, mask, num_heads, feed_forward_dim, dropout, f"block_{index}")
    states = layers.LayerNormalization(name="normalization")(states)
    pooled, _ = AttentionPooling(features, name="attention")(states, mask=mask)
    return keras.Model(ids, _text.probabilities(pooled, num_classes, dropout), name=name)


def transformer_translator(
    source_vocabulary_size: int,
    target_vocabulary_size: int,
    *,
    features: int = 256,
    num_layers: int = 4,
    num_heads: int = 8,
    feed_forward_dim: int = 1024,
    window: int = 256,
    dropout: float = 0.1,
    share_embeddings: bool = False,
    name: str = "transformer_translator",
) -> keras.Model:
    """Builds a Transformer's encoder and the decoder that attends to it.

    Blocks normalise before each of their parts. `kerasmlsp.generation.stepwise(model, {"source_ids": ids})` runs the
    decoder one token at a time.

    Reference: Ganapathy, MLSP 2025, "Transformer encoder", "Transformer decoder" and "Neural Machine Translation
    Example"; Vaswani et al. 2017, "Attention Is All You Need".

    Args:
        source_vocabulary_size: Number of token ids of the source, at least 2.
        target_vocabulary_size: Number of token ids of the target, at least 2.
        features: Size of the vectors, a multiple of `num_heads` and even.
        num_layers: Blocks of the encoder and of the decoder.
        num_heads: Heads of each attention.
        feed_forward_dim: Hidden units of a block's feed-forward net.
        window: Target tokens that a target token sees, itself included.
        dropout: Drop probability of the inputs and inside the blocks, in `[0, 1)`.
        share_embeddings: Whether one table of vectors serves source, target and logits, which then have no bias. Both
            vocabularies must be one.
        name: Name of the model.

    Returns:
        A model from `source_ids` `(batch, source_length)`, 0 for padding on the right, and `target_ids`
        `(batch, length)`, the first of which starts the target, to a dict of logits
        `(batch, length, target_vocabulary_size)`, float32, and `attention`, the weights of the last block's attention
        to the source, the mean over heads, `(batch, length, source_length)`.

    Raises:
        ValueError: A size is too small, `num_heads` does not divide `features`, `dropout` is out of range, or
            embeddings are shared by two vocabularies.

    Example:
        >>> sizes = {"features": 8, "num_layers": 1, "num_heads": 2, "feed_forward_dim": 16}
        >>> model = transformer_translator(20, 30, **sizes)
        >>> {name: output.shape for name, output in model.output.items()}
        {'attention': (None, None, None), 'logits': (None, None, 30)}
    """
    block = {"num_heads": num_heads, "feed_forward_dim": feed_forward_dim}
    _text.check_sizes(
        source_vocabulary_size=source_vocabulary_size,
        target_vocabulary_size=target_vocabulary_size,
        features=features,
        num_layers=num_layers,
        window=window,
        **block,
    )
    _checks.check_rates(dropout=dropout)
    _check_heads(features, num_heads)
    source, target = _text.token_ids("source_ids"), _text.token_ids("target_ids")
    mask = _text.mask_of(source)
    # The vectors weigh as much as the positions.
    start = keras.initializers.RandomNormal(stddev=1.0)
    sizes = (source_vocabulary_size, target_vocabulary_size, features)
    of_source, of_target, logits = _text.two_tables(*sizes, share_embeddings, start, "embedding")
    memory, words = of_source(source), of_target(target)
    if share_embeddings:
        memory = layers.Rescaling(features**0.5, name="source_scale")(memory)
        words = layers.Rescaling(features**0.5, name="scale")(words)
    memory = SinusoidalPosition(name="source_position")(memory)
    memory = layers.Dropout(dropout, name="source_dropout")(memory)
    for i in range(1, num_layers + 1):
        memory = _block(memory, mask, num_heads, feed_forward_dim, dropout, f"encoder_{i}")
    memory = layers.LayerNormalization(name="memory")(memory)
    states, weights = _decoders.transformer_decoder(
        words,
        (memory, mask),
        num_layers=num_layers,
        window=window,
        dropout=dropout,
        **block,
    )
    outputs = {"attention": weights, "logits": logits(states)}
    return keras.Model({"source_ids": source, "target_ids": target}, outputs, name=name)


def windowed_transformer(
    num_features: int,
    num_outputs: int,
    *,
    features: int = 64,
    num_layers: int = 2,
    num_heads: int = 4,
    window: int = 32,
    dropout: float = 0.1,
    name: str = "windowed_transformer",
) -> keras.Model:
    """Builds a causal Transformer over the latest frames of a signal, with positions by rotation.

    What a block sees reaches `window` frames back, so that `num_layers` of them see `1 + num_layers (window - 1)`. A
    signal may be of any length.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Transformers" (attention over the past N frames); Su et
    al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding".

    Args:
        num_features: Features of a frame.
        num_outputs: Features of an answer.
        features: Size of a frame's vector, divisible by `2 * num_heads`.
        num_layers: Blocks (`kerasmlsp.layers.DecoderBlock`).
        num_heads: Heads of the attention.
        window: Frames that a frame sees, itself included.
        dropout: Drop probability of the residual branches and before the last layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from a `signal` `(batch, length, num_features)` to `outputs` `(batch, length, num_outputs)`, float32.

    Raises:
        ValueError: A size is too small, `num_heads` does not divide `features` into even parts, or `dropout` is out of
            range.

    Example:
        >>> import numpy as np
        >>> model = windowed_transformer(3, 1, features=8, num_layers=1, num_heads=2, window=4)
        >>> signal = np.zeros((1, 6, 3))
        >>> changed = np.array(signal)
        >>> changed[0, 0] = 1.0
        >>> np.asarray(model(changed) != model(signal))[0, :, 0].tolist()  # what has the first frame in its window
        [True, True, True, True, False, False]
    """
    _check_frames(num_features, num_outputs, features, num_layers, num_heads, window, dropout)
    signal = keras.Input((None, num_features), name="signal")
    states = _decoders.rotary_decoder(signal, features, num_layers, num_heads, window, dropout)
    return keras.Model(signal, layers.Dense(num_outputs, dtype="float32", name="outputs")(states), name=name)


def learned_position_transformer(
    num_features: int,
    num_outputs: int,
    max_length: int,
    *,
    features: int = 64,
    num_layers: int = 2,
    num_heads: int = 4,
    window: int = 32,
    dropout: float = 0.1,
    name: str = "learned_position_transformer",
) -> keras.Model:
    """Builds a causal Transformer over the latest frames of a signal, with a learned vector for each position.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Transformers" (attention over the past N frames);
    Vaswani et al. 2017, "Attention Is All You Need"; Gehring et al. 2017, "Convolutional Sequence to Sequence Learning"
    (the positions).

    Args:
        num_features: Features of a frame.
        num_outputs: Features of an answer.
        max_length: Frames with a position of their own; those after share the last.
        features: Size of a frame's vector, divisible by `num_heads`.
        num_layers: Blocks (`kerasmlsp.layers.TransformerDecoderBlock`), whose feed-forward nets are twice as wide.
        num_heads: Heads of the attention.
        window: Frames that a frame sees, itself included.
        dropout: Drop probability of the residual branches and before the last layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from a `signal` `(batch, length, num_features)` to `outputs` `(batch, length, num_outputs)`, float32.

    Raises:
        ValueError: A size is too small, `num_heads` does not divide `features`, or `dropout` is out of range.

    Example:
        >>> model = learned_position_transformer(3, 1, 10, features=8, num_layers=1, num_heads=2)
        >>> model.get_layer("position").count_params()  # ten vectors of eight numbers
        80
    """
    _check_frames(num_features, num_outputs, features, num_layers, num_heads, window, dropout)
    signal = keras.Input((None, num_features), name="signal")
    states = layers.Dense(features, name="embedding")(signal)
    states = LearnedPosition(max_length, name="position")(states)
    for i in range(1, num_layers + 1):
        block: dict[str, Any] = {"dropout": dropout, "normalize_first": True, "name": f"block_{i}"}
        states = TransformerDecoderBlock(num_heads, 2 * features, window, **block)(states)
    states = layers.LayerNormalization(name="norm")(states)
    states = layers.Dropout(dropout, name="dropout")(states)
    return keras.Model(signal, layers.Dense(num_outputs, dtype="float32", name="outputs")(states), name=name)


def _check_frames(num_features, num_outputs, features, num_layers, num_heads, window, dropout):
    sizes = {"num_features": num_features, "num_outputs": num_outputs, "features": features, "num_layers": num_layers}
    _checks.check_sizes(**sizes, num_heads=num_heads, window=window)
    _checks.check_rates(dropout=dropout)


def _check_heads(features, num_heads):
    if features % num_heads:
        raise ValueError(
            f"`features` must be a multiple of `num_heads`. Received: features={features}, num_heads={num_heads}"
        )


def _block(states, mask, num_heads, feed_forward_dim, dropout, name):
    features = states.shape[-1]
    attended = layers.LayerNormalization(name=f"{name}_attention_normalization")(states)
    attended = KerasMultiHeadAttention(num_heads, features // num_heads, dropout=dropout, name=f"{name}_attention")(
        attended, attended, attention_mask=None if mask is None else ops.expand_dims(mask, 1)
    )
    states = states + layers.Dropout(dropout, name=f"{name}_attention_dropout")(attended)
    hidden = layers.LayerNormalization(name=f"{name}_feed_forward_normalization")(states)
    hidden = layers.Dense(feed_forward_dim, activation="gelu", name=f"{name}_hidden")(hidden)
    hidden = layers.Dense(features, name=f"{name}_feed_forward")(hidden)
    return states + layers.Dropout(dropout, name=f"{name}_feed_forward_dropout")(hidden)
