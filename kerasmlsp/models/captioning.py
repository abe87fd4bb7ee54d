"""Captioners: what a convolutional net says of an image, and the tokens so far, to the logits of the next token.

The first token of a caption is one that starts it. `kerasmlsp.generation.stepwise(model, {"features": features})` runs
them one token at a time, as `beam_search` needs it.
"""

import keras
from keras import layers

from kerasmlsp.layers import LSTM, AttentionRNN
from kerasmlsp.models import _checks, _decoders, _text


def image_captioner(
    num_features: int,
    vocabulary_size: int,
    *,
    embedding_dim: int = 512,
    units: int = 512,
    num_layers: int = 1,
    dropout: float = 0.3,
    name: str = "image_captioner",
) -> keras.Model:
    """Builds the neural image caption generator: an LSTM that sees the image first and then the tokens.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Neural Image Caption Generator"; Vinyals et al. 2015,
    "Show and Tell: A Neural Image Caption Generator".

    Args:
        num_features: Size of the vector that stands for an image.
        vocabulary_size: Number of token ids, at least 2.
        embedding_dim: Size of a token's vector, and of the image's.
        units: Size of the LSTM's state.
        num_layers: LSTMs on top of each other.
        dropout: Drop probability before, between and after the LSTMs, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from `features` `(batch, num_features)` and `token_ids` `(batch, length)` to logits
        `(batch, length, vocabulary_size)`, float32.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = image_captioner(6, 9, embedding_dim=8, units=8)
        >>> model.get_layer("image").count_params()  # (6 + 1) * 8: the image becomes a first word
        56
        >>> model.output_shape
        (None, None, 9)
    """
    _text.check_sizes(
        num_features=num_features,
        vocabulary_size=vocabulary_size,
        embedding_dim=embedding_dim,
        units=units,
        num_layers=num_layers,
    )
    _checks.check_rates(dropout=dropout)
    features, ids = keras.Input((num_features,), name="features"), _text.token_ids()
    image = layers.Dense(embedding_dim, name="image")(features)
    image = layers.Reshape((1, embedding_dim), name="first")(image)
    states = layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(ids)
    for i in range(1, num_layers + 1):
        drop = layers.Dropout(dropout, name=f"dropout_{i}")
        lstm = LSTM(units, return_sequences=True, return_state=True, name=f"lstm_{i}")
        # The image is the step before the first token; nothing is predicted there.
        image, *state = lstm(drop(image))
        states = lstm(drop(states), initial_state=state)[0]
    states = layers.Dropout(dropout, name="dropout")(states)
    return keras.Model({"features": features, "token_ids": ids}, _text.logits(states, vocabulary_size), name=name)


def attention_captioner(
    num_features: int,
    vocabulary_size: int,
    *,
    embedding_dim: int = 512,
    units: int = 512,
    attention_units: int = 512,
    dropout: float = 0.5,
    name: str = "attention_captioner",
) -> keras.Model:
    """Builds an LSTM that looks at regions of the image before each token, by soft attention with a gate.

    The token is read off the vector of the last token, the state and what was looked at, by one hidden layer.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Image Captioning"; Xu et al. 2015, "Show, Attend and
    Tell: Neural Image Caption Generation with Visual Attention".

    Args:
        num_features: Size of the vector that stands for a region of an image.
        vocabulary_size: Number of token ids, at least 2.
        embedding_dim: Size of a token's vector, and of the hidden layer.
        units: Size of the LSTM's state.
        attention_units: Size of the space in which state and regions are compared.
        dropout: Drop probability of the tokens' vectors and around the hidden layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from `features` `(batch, regions, num_features)` and `token_ids` `(batch, length)` to a dict of logits
        `(batch, length, vocabulary_size)`, float32, and `attention`, the weight of each region,
        `(batch, length, regions)`.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> import numpy as np
        >>> model = attention_captioner(6, 9, embedding_dim=8, units=8, attention_units=7)
        >>> outputs = model({"features": np.zeros((1, 5, 6)), "token_ids": np.array([[1, 4, 7]])})
        >>> tuple(outputs["attention"].shape)  # where each of three tokens looks, among five regions
        (1, 3, 5)
        >>> round(float(outputs["attention"][0, 0, 0]), 4)  # regions that are alike share alike
        0.2
    """
    _text.check_sizes(
        num_features=num_features,
        vocabulary_size=vocabulary_size,
        embedding_dim=embedding_dim,
        units=units,
        attention_units=attention_units,
    )
    _checks.check_rates(dropout=dropout)
    features, ids = keras.Input((None, num_features), name="features"), _text.token_ids()
    words = layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(ids)
    words = layers.Dropout(dropout, name="embedding_dropout")(words)
    attention = AttentionRNN(layers.LSTMCell(units), attention_units, gated=True, name="attention")
    states, weights = attention(words, features)
    states = layers.Dropout(dropout, name="state_dropout")(states)
    states = layers.Dense(embedding_dim, activation="tanh", name="hidden")(states)
    states = layers.Dropout(dropout, name="dropout")(states)
    outputs = {"attention": weights, "logits": _text.logits(states, vocabulary_size)}
    return keras.Model({"features": features, "token_ids": ids}, outputs, name=name)


def transformer_captioner(
    num_features: int,
    vocabulary_size: int,
    *,
    features: int = 256,
    num_layers: int = 2,
    num_heads: int = 4,
    feed_forward_dim: int = 1024,
    window: int = 64,
    dropout: float = 0.1,
    name: str = "transformer_captioner",
) -> keras.Model:
    """Builds a Transformer decoder that attends to the regions of an image.

    Blocks normalise before each of their parts.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Image Captioning"; Ganapathy, MLSP 2025, "Transformer
    decoder"; Vaswani et al. 2017, "Attention Is All You Need"; Sharma et al. 2018, "Conceptual Captions" (a Transformer
    in place of the LSTM).

    Args:
        num_features: Size of the vector that stands for a region of an image.
        vocabulary_size: Number of token ids, at least 2.
        features: Size of the vectors in the decoder, a multiple of `num_heads` and even.
        num_layers: Blocks (`kerasmlsp.layers.TransformerDecoderBlock`).
        num_heads: Heads of each attention.
        feed_forward_dim: Hidden units of a block's feed-forward net.
        window: Tokens that a token sees, itself included.
        dropout: Drop probability inside the blocks and of their input, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from `features` `(batch, regions, num_features)` and `token_ids` `(batch, length)` to a dict of logits
        `(batch, length, vocabulary_size)`, float32, and `attention`, the weight of each region in the last block, the
        mean over heads, `(batch, length, regions)`.

    Raises:
        ValueError: A size is too small, `num_heads` does not divide `features`, or `dropout` is out of range.

    Example:
        >>> model = transformer_captioner(6, 9, features=8, num_layers=1, num_heads=2, feed_forward_dim=12)
        >>> {name: output.shape for name, output in model.output.items()}
        {'attention': (None, None, None), 'logits': (None, None, 9)}
    """
    _text.check_sizes(
        num_features=num_features,
        vocabulary_size=vocabulary_size,
        features=features,
        num_layers=num_layers,
        num_heads=num_heads,
        feed_forward_dim=feed_forward_dim,
        window=window,
    )
    _checks.check_rates(dropout=dropout)
    regions, ids = keras.Input((None, num_features), name="features"), _text.token_ids()
    memory = layers.Dense(features, name="memory")(regions)
    memory = layers.LayerNormalization(name="memory_norm")(memory)
    # The vectors weigh as much as the positions.
    start = keras.initializers.RandomNormal(stddev=1.0)
    words = layers.Embedding(vocabulary_size, features, embeddings_initializer=start, name="embedding")(ids)
    states, weights = _decoders.transformer_decoder(
        words,
        (memory,),
        num_layers=num_layers,
        num_heads=num_heads,
        feed_forward_dim=feed_forward_dim,
        window=window,
        dropout=dropout,
    )
    outputs = {"attention": weights, "logits": _text.logits(states, vocabulary_size)}
    return keras.Model({"features": regions, "token_ids": ids}, outputs, name=name)
