"""Next-frame models: frames of keys in, the logits of the frame that follows each out.

Each is a chain of layers that can run one frame at a time (`kerasmlsp.generation.stepwise`); the keys of a frame are
independent given the frames before. `kerasmlsp.losses.frame_nats` measures them.
"""

import keras
from keras import layers

from kerasmlsp.layers import LSTM, Beside, Recall, TemporalBlock
from kerasmlsp.models import _decoders, _text


def frame_rnn(
    num_keys: int,
    *,
    units: int = 200,
    num_layers: int = 1,
    input_dropout: float = 0.2,
    dropout: float = 0.5,
    name: str = "frame_rnn",
) -> keras.Model:
    """Builds a plain recurrent network that predicts the next frame at every step.

    Reference: Ganapathy, MLSP 2025, "Recurrent neural networks"; Boulanger-Lewandowski, Bengio and Vincent 2012,
    "Modeling Temporal Dependencies in High-Dimensional Sequences".

    Args:
        num_keys: Keys of a frame, at least 1; 88 for a piano.
        units: Size of the state.
        num_layers: Recurrent layers.
        input_dropout: Probability with which a key of the input is dropped, in `[0, 1)`.
        dropout: Drop probability after each recurrent layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from frames `(batch, length, num_keys)`, 0 or 1, to logits `(batch, length, num_keys)`, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = frame_rnn(88, units=8)
        >>> model.count_params()  # 8 * (88 + 8 + 1) and (8 + 1) * 88
        1568
    """
    return _recurrent(layers.SimpleRNN, num_keys, units, num_layers, input_dropout, dropout, name)


def frame_lstm(
    num_keys: int,
    *,
    units: int = 200,
    num_layers: int = 1,
    input_dropout: float = 0.2,
    dropout: float = 0.5,
    name: str = "frame_lstm",
) -> keras.Model:
    """Builds stacked LSTMs that predict the next frame at every step.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Variants of LSTMs" (JSB Chorales: next-frame music
    prediction); Greff et al. 2015, "LSTM: A Search Space Odyssey".

    Args:
        num_keys: Keys of a frame, at least 1; 88 for a piano.
        units: Size of the state.
        num_layers: Recurrent layers.
        input_dropout: Probability with which a key of the input is dropped, in `[0, 1)`.
        dropout: Drop probability after each recurrent layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from frames `(batch, length, num_keys)`, 0 or 1, to logits `(batch, length, num_keys)`, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = frame_lstm(88, units=8)
        >>> model.get_layer("recurrent_1").count_params()  # four gates: 4 * 8 * (88 + 8 + 1)
        3104
    """
    return _recurrent(LSTM, num_keys, units, num_layers, input_dropout, dropout, name)


def frame_gru(
    num_keys: int,
    *,
    units: int = 200,
    num_layers: int = 1,
    input_dropout: float = 0.2,
    dropout: float = 0.5,
    name: str = "frame_gru",
) -> keras.Model:
    """Builds stacked gated recurrent units that predict the next frame at every step.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Gated Recurrent Unit (GRU)"; Chung et al. 2014,
    "Empirical Evaluation of Gated Recurrent Neural Networks on Sequence Modeling" (JSB Chorales among the tasks).

    Args:
        num_keys: Keys of a frame, at least 1; 88 for a piano.
        units: Size of the state.
        num_layers: Recurrent layers.
        input_dropout: Probability with which a key of the input is dropped, in `[0, 1)`.
        dropout: Drop probability after each recurrent layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from frames `(batch, length, num_keys)`, 0 or 1, to logits `(batch, length, num_keys)`, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = frame_gru(88, units=8)
        >>> model.get_layer("recurrent_1").count_params()  # three gates, two biases each: 3 * 8 * (88 + 8 + 2)
        2352
    """
    return _recurrent(layers.GRU, num_keys, units, num_layers, input_dropout, dropout, name)


def frame_tcn(
    num_keys: int,
    *,
    filters: int = 150,
    num_blocks: int = 2,
    kernel_size: int = 3,
    input_dropout: float = 0.2,
    dropout: float = 0.5,
    name: str = "frame_tcn",
) -> keras.Model:
    """Builds a temporal convolutional network that predicts the next frame at every step.

    Block `i`, from 0, is dilated by `2 ** i`; a step sees `1 + 2 (kernel_size - 1) (2 ** num_blocks - 1)` frames.

    Reference: Bai, Kolter and Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks for
    Sequence Modeling".

    Args:
        num_keys: Keys of a frame, at least 1; 88 for a piano.
        filters: Features of every convolution.
        num_blocks: Blocks of two convolutions (`kerasmlsp.layers.TemporalBlock`).
        kernel_size: Steps that a convolution sees, at least 2.
        input_dropout: Probability with which a key of the input is dropped, in `[0, 1)`.
        dropout: Drop probability after each convolution, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from frames `(batch, length, num_keys)`, 0 or 1, to logits `(batch, length, num_keys)`, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = frame_tcn(88, filters=4, num_blocks=3)
        >>> [model.get_layer(f"block_{i}").dilation for i in (1, 2, 3)]
        [1, 2, 4]
    """
    _text.check_sizes(num_keys=num_keys, filters=filters, num_blocks=num_blocks)
    frames = _frames(num_keys)
    states = layers.Dropout(input_dropout, name="input_dropout")(frames)
    for i in range(num_blocks):
        states = TemporalBlock(filters, kernel_size, 2**i, dropout, name=f"block_{i + 1}")(states)
    return keras.Model(frames, _logits(states, num_keys), name=name)


def frame_transformer(
    num_keys: int,
    *,
    features: int = 96,
    num_layers: int = 2,
    num_heads: int = 4,
    window: int = 256,
    input_dropout: float = 0.2,
    dropout: float = 0.3,
    name: str = "frame_transformer",
) -> keras.Model:
    """Builds a causal Transformer that predicts the next frame at every step.

    Reference: Ganapathy, MLSP 2025, "Transformers"; Vaswani et al. 2017, "Attention Is All You Need"; Huang et al.
    2018, "Music Transformer".

    Args:
        num_keys: Keys of a frame, at least 1; 88 for a piano.
        features: Size of a frame's vector, divisible by `2 * num_heads`.
        num_layers: Blocks (`kerasmlsp.layers.DecoderBlock`).
        num_heads: Heads of the attention.
        window: Frames that a frame sees, itself included.
        input_dropout: Probability with which a key of the input is dropped, in `[0, 1)`.
        dropout: Drop probability of the residual branches and before the logits, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from frames `(batch, length, num_keys)`, 0 or 1, to logits `(batch, length, num_keys)`, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small, or `num_heads` does not divide `features` into even parts.

    Example:
        >>> model = frame_transformer(88, features=16, num_layers=1, num_heads=2)
        >>> model.output_shape
        (None, None, 88)
    """
    _text.check_sizes(num_keys=num_keys, features=features, num_layers=num_layers, num_heads=num_heads, window=window)
    frames = _frames(num_keys)
    states = layers.Dropout(input_dropout, name="input_dropout")(frames)
    states = _decoders.rotary_decoder(states, features, num_layers, num_heads, window, dropout)
    return keras.Model(frames, _logits(states, num_keys), name=name)


def frame_recall_lstm(
    num_keys: int,
    *,
    units: int = 200,
    num_heads: int = 2,
    span: int = 8,
    window: int = 512,
    input_dropout: float = 0.2,
    dropout: float = 0.5,
    name: str = "frame_recall_lstm",
) -> keras.Model:
    """Builds an LSTM that also looks up what followed when the piece went like this before.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Variants of LSTMs"; Ganapathy, MLSP 2025, "Attention in
    LSTM networks"; Grave, Joulin and Usunier 2017, "Improving Neural Language Models with a Continuous Cache".

    Args:
        num_keys: Keys of a frame, at least 1; 88 for a piano.
        units: Size of the state.
        num_heads: Heads that look up (`kerasmlsp.layers.Recall`).
        span: Frames that are compared.
        window: How far back to look, in frames.
        input_dropout: Drop probability of what the LSTM sees, in `[0, 1)`.
        dropout: Drop probability of its output, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from frames `(batch, length, num_keys)`, 0 or 1, to logits `(batch, length, num_keys)`, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = frame_recall_lstm(88, units=8)
        >>> model.get_layer("recall").output.shape  # 88 keys; of each head 88 more, and whether it found anything
        (None, None, 266)
    """
    _text.check_sizes(num_keys=num_keys, units=units)
    frames = _frames(num_keys)
    states = Recall(num_heads, span, window, name="recall")(frames)
    states = Beside(LSTM(units, return_sequences=True, name="lstm"), input_dropout, dropout, name="beside")(states)
    return keras.Model(frames, _logits(states, num_keys), name=name)


def frame_recall_transformer(
    num_keys: int,
    *,
    features: int = 96,
    num_layers: int = 2,
    num_heads: int = 4,
    span: int = 8,
    window: int = 512,
    input_dropout: float = 0.2,
    dropout: float = 0.3,
    name: str = "frame_recall_transformer",
) -> keras.Model:
    """Builds a causal Transformer that also looks up, with two heads, what followed when the piece went like this.

    Reference: as for `frame_transformer`; Olsson et al. 2022, "In-context Learning and Induction Heads" (Transformers
    learn such heads from enough data; a few hundred pieces are not enough).

    Args:
        num_keys: Keys of a frame, at least 1; 88 for a piano.
        features: Size of a frame's vector, divisible by `2 * num_heads`.
        num_layers: Blocks (`kerasmlsp.layers.DecoderBlock`).
        num_heads: Heads of the attention.
        span: Frames that are compared (`kerasmlsp.layers.Recall`).
        window: How far back attention and recall look, in frames.
        input_dropout: Probability with which a key of the input, or of what was looked up, is dropped, in `[0, 1)`.
        dropout: Drop probability of the residual branches and before the logits, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from frames `(batch, length, num_keys)`, 0 or 1, to logits `(batch, length, num_keys)`, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small, or `num_heads` does not divide `features` into even parts.

    Example:
        >>> model = frame_recall_transformer(5, features=16, num_layers=1, num_heads=2)
        >>> model.get_layer("embedding").count_params()  # (5 + 2 * 6 + 1) * 16
        288
    """
    _text.check_sizes(num_keys=num_keys, features=features, num_layers=num_layers, num_heads=num_heads, window=window)
    frames = _frames(num_keys)
    states = Recall(2, span, window, name="recall")(frames)
    states = layers.Dropout(input_dropout, name="input_dropout")(states)
    states = _decoders.rotary_decoder(states, features, num_layers, num_heads, window, dropout)
    return keras.Model(frames, _logits(states, num_keys), name=name)


def _recurrent(kind, num_keys, units, num_layers, input_dropout, dropout, name):
    _text.check_sizes(num_keys=num_keys, units=units, num_layers=num_layers)
    frames = _frames(num_keys)
    states = layers.Dropout(input_dropout, name="input_dropout")(frames)
    for i in range(1, num_layers + 1):
        states = kind(units, return_sequences=True, name=f"recurrent_{i}")(states)
        states = layers.Dropout(dropout, name=f"dropout_{i}")(states)
    return keras.Model(frames, _logits(states, num_keys), name=name)


def _frames(num_keys):
    return keras.Input((None, num_keys), dtype="float32", name="frames")


def _logits(states, num_keys):
    # Few keys sound at once: from even odds the first steps would only learn that.
    rare = keras.initializers.Constant(-3.0)
    return layers.Dense(num_keys, bias_initializer=rare, dtype="float32", name="logits")(states)
