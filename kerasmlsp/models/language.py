"""Language models: token ids in, the logits of the token that follows each out.

Each is a chain of layers that `kerasmlsp.generation.stepwise` can run one token at a time.
"""

from typing import Any

import keras
from keras import layers

from kerasmlsp.layers import LSTM, DecoderBlock, LearnedPosition, Stateful, TransformerDecoderBlock
from kerasmlsp.models import _text


def simple_rnn_language_model(
    vocabulary_size: int,
    *,
    units: int = 128,
    num_layers: int = 1,
    embedding_dim: int = 64,
    dropout: float = 0.0,
    stateful_batch: int | None = None,
    name: str = "simple_rnn_language_model",
) -> keras.Model:
    """Builds the lecture's plain recurrent network that predicts the next character at every step.

    Reference: Hota, BITS F464 (2024), "RNN Architectures: One-to-Many"; Mikolov et al. 2010, "Recurrent neural network
    based language model".

    Args:
        vocabulary_size: Number of token ids, at least 2.
        units: Size of the state.
        num_layers: Recurrent layers.
        embedding_dim: Size of a token's vector.
        dropout: Drop probability before, between and after the recurrent layers, in `[0, 1)`.
        stateful_batch: Rows of a training batch whose states are carried to the next batch
            (`kerasmlsp.layers.Stateful`); None to start every batch from zeros.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)` to logits `(batch, length, vocabulary_size)`, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = simple_rnn_language_model(10, units=4, embedding_dim=3)
        >>> model.count_params()  # 10 * 3, 4 * (3 + 4 + 1), (4 + 1) * 10
        112
    """
    cell = layers.SimpleRNN
    return _recurrent(cell, vocabulary_size, units, num_layers, embedding_dim, dropout, stateful_batch, name)


def lstm_language_model(
    vocabulary_size: int,
    *,
    units: int = 256,
    num_layers: int = 2,
    embedding_dim: int = 64,
    dropout: float = 0.2,
    stateful_batch: int | None = None,
    name: str = "lstm_language_model",
) -> keras.Model:
    """Builds stacked LSTMs that predict the next token at every step.

    Reference: Hota, BITS F464 (2024), "RNN Architectures: One-to-Many"; Graves 2013, "Generating Sequences With
    Recurrent Neural Networks"; Zaremba et al. 2014, "Recurrent Neural Network Regularization" (the dropout).

    Args:
        vocabulary_size: Number of token ids, at least 2.
        units: Size of the state.
        num_layers: Recurrent layers.
        embedding_dim: Size of a token's vector.
        dropout: Drop probability before, between and after the recurrent layers, in `[0, 1)`.
        stateful_batch: Rows of a training batch whose states are carried to the next batch
            (`kerasmlsp.layers.Stateful`); None to start every batch from zeros.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)` to logits `(batch, length, vocabulary_size)`, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = lstm_language_model(65, units=8, embedding_dim=4)
        >>> [model.get_layer(f"recurrent_{i}").count_params() for i in (1, 2)]  # 4 * 8 * (4 + 9), 4 * 8 * (8 + 9)
        [416, 544]
    """
    return _recurrent(LSTM, vocabulary_size, units, num_layers, embedding_dim, dropout, stateful_batch, name)


def gru_language_model(
    vocabulary_size: int,
    *,
    units: int = 256,
    num_layers: int = 2,
    embedding_dim: int = 64,
    dropout: float = 0.2,
    stateful_batch: int | None = None,
    name: str = "gru_language_model",
) -> keras.Model:
    """Builds stacked gated recurrent units that predict the next token at every step.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Gated Recurrent Unit (GRU)"; Cho et al. 2014, "Learning
    Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation".

    Args:
        vocabulary_size: Number of token ids, at least 2.
        units: Size of the state.
        num_layers: Recurrent layers.
        embedding_dim: Size of a token's vector.
        dropout: Drop probability before, between and after the recurrent layers, in `[0, 1)`.
        stateful_batch: Rows of a training batch whose states are carried to the next batch
            (`kerasmlsp.layers.Stateful`); None to start every batch from zeros.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)` to logits `(batch, length, vocabulary_size)`, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = gru_language_model(65, units=8, num_layers=1, embedding_dim=4)
        >>> model.output_shape
        (None, None, 65)
        >>> model.get_layer("recurrent_1").count_params()  # 3 * 8 * (4 + 8 + 2)
        336
    """
    return _recurrent(layers.GRU, vocabulary_size, units, num_layers, embedding_dim, dropout, stateful_batch, name)


def gpt(
    vocabulary_size: int,
    *,
    features: int = 128,
    num_layers: int = 4,
    num_heads: int = 4,
    window: int = 256,
    dropout: float = 0.1,
    name: str = "gpt",
) -> keras.Model:
    """Builds a Transformer decoder that predicts the next token at every step.

    Positions enter by rotation (`kerasmlsp.layers.DecoderBlock`), so that texts may be longer than `window`.

    Reference: Ganapathy, MLSP 2025, "Transformers"; Radford et al. 2019, "Language Models are Unsupervised Multitask
    Learners"; Su et al. 2021, "RoFormer: Enhanced Transformer with Rotary Position Embedding".

    Args:
        vocabulary_size: Number of token ids, at least 2.
        features: Size of a token's vector, divisible by `2 * num_heads`.
        num_layers: Blocks.
        num_heads: Heads of the attention.
        window: Tokens that a token sees, itself included.
        dropout: Drop probability of the token vectors and the residual branches, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)` to logits `(batch, length, vocabulary_size)`, float32.

    Raises:
        ValueError: A size is too small, or `num_heads` does not divide `features` into even parts.

    Example:
        >>> import numpy as np
        >>> model = gpt(65, features=16, num_layers=1, num_heads=2)
        >>> change = model(np.array([[3, 4, 5]])) - model(np.array([[3, 4, 9]]))
        >>> (abs(np.asarray(change[0])).max(axis=1) > 1e-6).tolist()  # a token sees none that follows
        [False, False, True]
    """
    _text.check_sizes(
        vocabulary_size=vocabulary_size, features=features, num_layers=num_layers, num_heads=num_heads, window=window
    )
    ids = _text.token_ids()
    start = keras.initializers.RandomNormal(stddev=0.02)
    states = layers.Embedding(vocabulary_size, features, embeddings_initializer=start, name="embedding")(ids)
    states = layers.Dropout(dropout, name="dropout")(states)
    for i in range(num_layers):
        states = DecoderBlock(num_heads, window, dropout=dropout, name=f"block_{i + 1}")(states)
    states = layers.RMSNormalization(name="norm")(states)
    return keras.Model(ids, _text.logits(states, vocabulary_size), name=name)


def gpt1(
    vocabulary_size: int = 40_478,
    *,
    features: int = 768,
    num_layers: int = 12,
    num_heads: int = 12,
    window: int = 512,
    dropout: float = 0.1,
    name: str = "gpt1",
) -> keras.Model:
    """Builds the first GPT: blocks that normalise last, learned positions, one matrix to read and to write tokens.

    At the sizes of the paper it has 116,534,784 parameters. The attention weights are not dropped.

    Reference: Ganapathy, MLSP 2025, "LLM - Examples" (GPT-1); Radford et al. 2018, "Improving Language Understanding by
    Generative Pre-Training".

    Args:
        vocabulary_size: Number of token ids, at least 2.
        features: Size of a token's vector, a multiple of `num_heads`.
        num_layers: Blocks (`kerasmlsp.layers.TransformerDecoderBlock`), whose feed-forward nets are 4 times as wide.
        num_heads: Heads of the attention.
        window: Tokens of the longest text.
        dropout: Drop probability of the token vectors and the residual branches, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)` to logits `(batch, length, vocabulary_size)`, float32.

    Raises:
        ValueError: A size is too small, or `num_heads` does not divide `features`.

    Example:
        >>> model = gpt1(10, features=4, num_layers=1, num_heads=2, window=6)
        >>> model.count_params()  # 10 * 4 and 6 * 4 vectors, 4 * 4 * (4 + 1), (4 + 1) * 16 and (16 + 1) * 4, two norms
        308
    """
    return _published_gpt(vocabulary_size, features, num_layers, num_heads, window, dropout, False, name)


def gpt2(
    vocabulary_size: int = 50_257,
    *,
    features: int = 768,
    num_layers: int = 12,
    num_heads: int = 12,
    window: int = 1024,
    dropout: float = 0.1,
    name: str = "gpt2",
) -> keras.Model:
    """Builds GPT-2: GPT-1 with the norms before attention and feed-forward net, and one more at the end.

    The four sizes that were published, as blocks, features, heads and parameters:

    - 12, 768, 12: 124,439,808
    - 24, 1024, 16: 354,823,168
    - 36, 1280, 20: 774,030,080
    - 48, 1600, 25: 1,557,611,200

    GPT-3 has the same blocks, 96 of 12,288 features with 96 heads, a window of 2,048, and 174,604,259,328 parameters;
    every second of them looks at fewer tokens, which these do not. The attention weights are not dropped, and the
    weights that lead into the residual path do not start smaller the more blocks there are.

    Reference: Ganapathy, MLSP 2025, "LLM - Examples" (GPT-2); Radford et al. 2019, "Language Models are Unsupervised
    Multitask Learners"; Brown et al. 2020, "Language Models are Few-Shot Learners" (GPT-3).

    Args:
        vocabulary_size: Number of token ids, at least 2.
        features: Size of a token's vector, a multiple of `num_heads`.
        num_layers: Blocks (`kerasmlsp.layers.TransformerDecoderBlock`), whose feed-forward nets are 4 times as wide.
        num_heads: Heads of the attention.
        window: Tokens of the longest text.
        dropout: Drop probability of the token vectors and the residual branches, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)` to logits `(batch, length, vocabulary_size)`, float32.

    Raises:
        ValueError: A size is too small, or `num_heads` does not divide `features`.

    Example:
        >>> model = gpt2(10, features=4, num_layers=1, num_heads=2, window=6)
        >>> model.count_params()  # the 308 of GPT-1, and scale and shift of the last norm
        316
    """
    return _published_gpt(vocabulary_size, features, num_layers, num_heads, window, dropout, True, name)


def _published_gpt(vocabulary_size, features, num_layers, num_heads, window, dropout, normalize_first, name):
    """Learned positions, one matrix to read and to write tokens; a last norm where none ends the last block."""
    _text.check_sizes(
        vocabulary_size=vocabulary_size, features=features, num_layers=num_layers, num_heads=num_heads, window=window
    )
    ids = _text.token_ids()
    start = keras.initializers.RandomNormal(stddev=0.02)
    embedding = layers.ReversibleEmbedding(
        vocabulary_size, features, embeddings_initializer=start, reverse_dtype="float32", name="embedding"
    )
    states = LearnedPosition(window, name="position")(embedding(ids))
    states = layers.Dropout(dropout, name="dropout")(states)
    for i in range(1, num_layers + 1):
        block: dict[str, Any] = {"activation": "gelu", "dropout": dropout, "normalize_first": normalize_first}
        states = TransformerDecoderBlock(num_heads, 4 * features, window, **block, name=f"block_{i}")(states)
    if normalize_first:
        states = layers.LayerNormalization(epsilon=1e-5, name="norm")(states)
    logits = layers.Identity(dtype="float32", name="logits")(embedding(states, reverse=True))
    return keras.Model(ids, logits, name=name)


def _recurrent(kind, vocabulary_size, units, num_layers, embedding_dim, dropout, stateful_batch, name):
    _text.check_sizes(vocabulary_size=vocabulary_size, units=units, num_layers=num_layers, embedding_dim=embedding_dim)
    ids = _text.token_ids()
    states = layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(ids)
    for i in range(1, num_layers + 1):
        states = layers.Dropout(dropout, name=f"dropout_{i}")(states)
        recurrent = kind(units, return_sequences=True, return_state=stateful_batch is not None, name=f"recurrent_{i}")
        if stateful_batch is not None:
            recurrent = Stateful(recurrent, stateful_batch, name=f"stateful_{i}")
        states = recurrent(states)
    states = layers.Dropout(dropout, name="dropout")(states)
    return keras.Model(ids, _text.logits(states, vocabulary_size), name=name)
