"""Networks built around attention."""

import keras
from keras import layers, ops

from kerasmlsp.augment import TokenDropout
from kerasmlsp.layers import LSTM, AttentionPooling, AttentionRNN, MultiplicativeAttention
from kerasmlsp.models import _checks, _sequences, _text


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

    Example:
        >>> import numpy as np
        >>> model = attention_lstm(1000, 2, embedding_dim=8, units=4)
        >>> looking = keras.Model(model.input, model.get_layer("attention").output[1])
        >>> weights = looking(np.array([[5, 7, 9, 0]]))[0]
        >>> round(float(sum(weights[:3])), 4), float(weights[3])  # none for the padding
        (1.0, 0.0)
    """
    _text.check_sizes(
        vocabulary_size=vocabulary_size, num_classes=num_classes, embedding_dim=embedding_dim, units=units
    )
    ids = _text.token_ids()
    mask = _text.mask_of(ids)
    words = TokenDropout(token_dropout, name="token_dropout")(_text.known(ids, vocabulary_size))
    words = layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(words)
    # The other direction reads each text from its own last token, so that padding stays on the right.
    length = ops.sum(ops.cast(ops.not_equal(ids, 0), "int32"), axis=1, keepdims=True)
    forward = LSTM(units, return_sequences=True, name="forward")(words)
    backward = LSTM(units, return_sequences=True, name="backward")(_sequences.reverse(words, length))
    states = layers.Concatenate(name="states")([forward, _sequences.reverse(backward, length)])
    pooled, _ = AttentionPooling(units, name="attention")(states, mask=mask)
    return keras.Model(ids, _text.probabilities(pooled, num_classes, dropout), name=name)


def additive_attention_encoder_decoder(
    source_vocabulary_size: int,
    target_vocabulary_size: int,
    *,
    embedding_dim: int = 256,
    units: int = 256,
    attention_units: int = 256,
    dropout: float = 0.2,
    share_embeddings: bool = False,
    name: str = "additive_attention_encoder_decoder",
) -> keras.Model:
    """Builds a decoder that looks, before each token, at the states of a bidirectional encoder by additive attention.

    Both are gated recurrent units. A token is read off the token before, the state and what was looked at, by one
    hidden layer. `kerasmlsp.generation.stepwise(model, {"source_ids": ids})` runs it one token at a time.

    Reference: Ganapathy, MLSP 2025, "Encoder - Decoder Networks with Attention"; Bahdanau, Cho and Bengio 2015, "Neural
    Machine Translation by Jointly Learning to Align and Translate".

    Args:
        source_vocabulary_size: Number of token ids of the source, at least 2.
        target_vocabulary_size: Number of token ids of the target, at least 2.
        embedding_dim: Size of a token's vector, and of the hidden layer.
        units: Size of the states, in each direction of the encoder.
        attention_units: Size of the space in which states are compared.
        dropout: Drop probability of the tokens' vectors and before the logits, in `[0, 1)`.
        share_embeddings: Whether one table of vectors serves source, target and logits, which then have no bias. Both
            vocabularies must be one.
        name: Name of the model.

    Returns:
        A model from `source_ids` `(batch, source_length)`, 0 for padding on the right, and `target_ids`
        `(batch, length)`, the first of which starts the target, to a dict of logits
        `(batch, length, target_vocabulary_size)`, float32, and `attention`, the weights `(batch, length,
        source_length)`.

    Raises:
        ValueError: A size is too small, `dropout` is out of range, or embeddings are shared by two vocabularies.

    Example:
        >>> model = additive_attention_encoder_decoder(20, 30, embedding_dim=8, units=8, attention_units=6)
        >>> {name: output.shape for name, output in model.output.items()}
        {'attention': (None, None, None), 'logits': (None, None, 30)}
        >>> model.get_layer("memory").output.shape  # states of both directions
        (None, None, 16)
    """
    _check(source_vocabulary_size, target_vocabulary_size, dropout, embedding_dim=embedding_dim, units=units)
    _checks.check_sizes(attention_units=attention_units)
    source, target = _text.token_ids("source_ids"), _text.token_ids("target_ids")
    mask = _text.mask_of(source)
    sizes = (source_vocabulary_size, target_vocabulary_size, embedding_dim)
    of_source, of_target, logits = _text.two_tables(*sizes, share_embeddings)
    words = layers.Dropout(dropout, name="source_dropout")(of_source(source))
    both = _sequences.both_ways(layers.GRU, units, words, _lengths(mask), "encoder")
    memory = layers.Concatenate(name="memory")(both)
    states = layers.Dropout(dropout, name="target_dropout")(of_target(target))
    attention = AttentionRNN(layers.GRUCell(units), attention_units, name="attention")
    states, weights = attention(states, memory, memory_mask=mask)
    states = layers.Dense(embedding_dim, activation="tanh", name="hidden")(states)
    states = layers.Dropout(dropout, name="dropout")(states)
    outputs = {"attention": weights, "logits": logits(states)}
    return keras.Model({"source_ids": source, "target_ids": target}, outputs, name=name)


def multiplicative_attention_encoder_decoder(
    source_vocabulary_size: int,
    target_vocabulary_size: int,
    *,
    embedding_dim: int = 256,
    units: int = 256,
    num_layers: int = 1,
    dropout: float = 0.2,
    share_embeddings: bool = False,
    name: str = "multiplicative_attention_encoder_decoder",
) -> keras.Model:
    """Builds a decoder whose states look at those of an encoder by multiplicative attention.

    Gated recurrent units, whose only state is their output, stand in for the LSTMs of the paper. What was looked at is
    not fed back, so that all steps are worked out at once while training. Each layer of the decoder starts from the
    encoder's. `kerasmlsp.generation.stepwise(model, {"source_ids": ids})` runs it one token at a time.

    Reference: Ganapathy, MLSP 2025, "Encoder-Decoder Attention"; Luong, Pham and Manning 2015, "Effective Approaches to
    Attention-based Neural Machine Translation".

    Args:
        source_vocabulary_size: Number of token ids of the source, at least 2.
        target_vocabulary_size: Number of token ids of the target, at least 2.
        embedding_dim: Size of a token's vector.
        units: Size of the states.
        num_layers: Recurrent layers of encoder and of decoder.
        dropout: Drop probability of the tokens' vectors and before the logits, in `[0, 1)`.
        share_embeddings: Whether one table of vectors serves source, target and logits, which then have no bias. Both
            vocabularies must be one, and `units` be `embedding_dim`.
        name: Name of the model.

    Returns:
        A model from `source_ids` `(batch, source_length)`, 0 for padding on the right, and `target_ids`
        `(batch, length)`, the first of which starts the target, to a dict of logits
        `(batch, length, target_vocabulary_size)`, float32, and `attention`, the weights `(batch, length,
        source_length)`.

    Raises:
        ValueError: A size is too small, `dropout` is out of range, or embeddings cannot be shared.

    Example:
        >>> import numpy as np
        >>> model = multiplicative_attention_encoder_decoder(20, 30, embedding_dim=8, units=8)
        >>> outputs = model({"source_ids": np.array([[3, 4, 5, 6]]), "target_ids": np.array([[1, 7]])})
        >>> tuple(outputs["attention"].shape)  # each of two tokens looks at four
        (1, 2, 4)
    """
    _check(source_vocabulary_size, target_vocabulary_size, dropout, embedding_dim=embedding_dim, units=units)
    _checks.check_sizes(num_layers=num_layers)
    _check_shared(share_embeddings, embedding_dim, units)
    source, target = _text.token_ids("source_ids"), _text.token_ids("target_ids")
    mask = _text.mask_of(source)
    sizes = (source_vocabulary_size, target_vocabulary_size, embedding_dim)
    of_source, of_target, logits = _text.two_tables(*sizes, share_embeddings)
    memory = layers.Dropout(dropout, name="source_dropout")(of_source(source))
    states = layers.Dropout(dropout, name="target_dropout")(of_target(target))
    for i in range(1, num_layers + 1):
        memory = layers.GRU(units, return_sequences=True, name=f"encoder_{i}")(memory)
        start = _sequences.at(memory, _lengths(mask) - 1)
        states = layers.GRU(units, return_sequences=True, name=f"decoder_{i}")(states, initial_state=start)
    states, weights = MultiplicativeAttention(units, name="attention")(states, memory, memory_mask=mask)
    states = layers.Dropout(dropout, name="dropout")(states)
    outputs = {"attention": weights, "logits": logits(states)}
    return keras.Model({"source_ids": source, "target_ids": target}, outputs, name=name)


def text_encoder_decoder(
    source_vocabulary_size: int,
    target_vocabulary_size: int,
    *,
    embedding_dim: int = 256,
    units: int = 256,
    num_layers: int = 1,
    dropout: float = 0.2,
    share_embeddings: bool = False,
    name: str = "text_encoder_decoder",
) -> keras.Model:
    """Builds an encoder that puts a sentence into one state, and a decoder that goes on from it, without attention.

    Gated recurrent units, whose only state is their output, stand in for the LSTMs of the papers. The source is read
    from its end, so that its first words are near the first that are written. Each layer of the decoder starts from the
    encoder's last state. `kerasmlsp.generation.stepwise(model, {"source_ids": ids})` runs it one token at a time.

    Reference: Ganapathy, MLSP 2025, "Sequence to Sequence Mapping Networks"; Sutskever, Vinyals and Le 2014, "Sequence
    to Sequence Learning with Neural Networks"; Cho et al. 2014, "Learning Phrase Representations using RNN
    Encoder-Decoder for Statistical Machine Translation".

    Args:
        source_vocabulary_size: Number of token ids of the source, at least 2.
        target_vocabulary_size: Number of token ids of the target, at least 2.
        embedding_dim: Size of a token's vector.
        units: Size of the states.
        num_layers: Recurrent layers of encoder and of decoder.
        dropout: Drop probability of the tokens' vectors and before the logits, in `[0, 1)`.
        share_embeddings: Whether one table of vectors serves source, target and logits, which then have no bias. Both
            vocabularies must be one, and `units` be `embedding_dim`.
        name: Name of the model.

    Returns:
        A model from `source_ids` `(batch, source_length)`, 0 for padding on the right, and `target_ids`
        `(batch, length)`, the first of which starts the target, to logits `(batch, length, target_vocabulary_size)`,
        float32.

    Raises:
        ValueError: A size is too small, `dropout` is out of range, or embeddings cannot be shared.

    Example:
        >>> import numpy as np
        >>> model = text_encoder_decoder(20, 30, embedding_dim=8, units=8)
        >>> source, target = np.array([[3, 4, 5]]), np.array([[1, 7]])
        >>> model({"source_ids": source, "target_ids": target}).shape[1:]  # what may follow each of two tokens
        TensorShape([2, 30])
    """
    _check(source_vocabulary_size, target_vocabulary_size, dropout, embedding_dim=embedding_dim, units=units)
    _checks.check_sizes(num_layers=num_layers)
    _check_shared(share_embeddings, embedding_dim, units)
    source, target = _text.token_ids("source_ids"), _text.token_ids("target_ids")
    lengths = _lengths(_text.mask_of(source))
    sizes = (source_vocabulary_size, target_vocabulary_size, embedding_dim)
    of_source, of_target, logits = _text.two_tables(*sizes, share_embeddings)
    read = _sequences.reverse(layers.Dropout(dropout, name="source_dropout")(of_source(source)), lengths)
    states = layers.Dropout(dropout, name="target_dropout")(of_target(target))
    for i in range(1, num_layers + 1):
        read = layers.GRU(units, return_sequences=True, name=f"encoder_{i}")(read)
        start = _sequences.at(read, lengths - 1)
        states = layers.GRU(units, return_sequences=True, name=f"decoder_{i}")(states, initial_state=start)
    states = layers.Dropout(dropout, name="dropout")(states)
    return keras.Model({"source_ids": source, "target_ids": target}, logits(states), name=name)


def _lengths(mask):
    return ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)


def _check_shared(share_embeddings, embedding_dim, units):
    if share_embeddings and units != embedding_dim:
        raise ValueError(
            "`share_embeddings` needs states of the size of the tokens' vectors. Received: "
            f"embedding_dim={embedding_dim}, units={units}"
        )


def _check(source_vocabulary_size, target_vocabulary_size, dropout, **sizes):
    _text.check_sizes(
        source_vocabulary_size=source_vocabulary_size, target_vocabulary_size=target_vocabulary_size, **sizes
    )
    _checks.check_rates(dropout=dropout)
