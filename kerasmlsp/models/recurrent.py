"""Recurrent networks."""

from collections.abc import Callable

import keras
from keras import layers, ops

from kerasmlsp.layers import LSTM
from kerasmlsp.models import _checks, _heads, _sequences, _text


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

    Example:
        >>> model = lstm_classifier(1000, 2)
        >>> model.count_params()  # 1000 * 16, 4 * 32 * (16 + 32 + 1), 32 + 1
        22305
    """
    _text.check_sizes(
        vocabulary_size=vocabulary_size, num_classes=num_classes, embedding_dim=embedding_dim, units=units
    )
    ids = _text.token_ids()
    words = layers.Embedding(vocabulary_size, embedding_dim, name="embedding")(_text.known(ids, vocabulary_size))
    states = LSTM(units, return_sequences=True, name="lstm")(words)
    # The state after the last token, not after the padding.
    last = ops.sum(ops.cast(_text.mask_of(ids), "int32"), axis=1, keepdims=True) - 1
    state = _sequences.at(states, last)
    return keras.Model(ids, _text.probabilities(state, num_classes, dropout), name=name)


def recurrent_classifier(
    num_features: int,
    num_classes: int,
    *,
    layer: Callable = LSTM,
    units: int = 64,
    num_layers: int = 1,
    dropout: float = 0.0,
    name: str = "recurrent_classifier",
) -> keras.Model:
    """Builds the many-to-one network for signals: stacked recurrent layers, and their last state classified.

    Reference: Hota, BITS F464 (2024), "RNN Architectures: Many-to-one"; Sri Rama Murty, (Deep) Neural Networks (2021),
    "Stacked RNN Layers"; Ganapathy, MLSP 2025, "Multiple Input Single Output".

    Args:
        num_features: Features of a step.
        num_classes: Number of classes, at least 2.
        layer: Recurrent layer, called as `layer(units, return_sequences=True, name=...)`: `keras.layers.SimpleRNN`,
            `keras.layers.GRU`, or `kerasmlsp.layers.LSTM`.
        units: Size of each layer's state.
        num_layers: Recurrent layers.
        dropout: Drop probability after each recurrent layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from a `signal` `(batch, length, num_features)`, zeros for padding on the right, to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = recurrent_classifier(3, 2, layer=keras.layers.SimpleRNN, units=8)
        >>> model.count_params()  # 8 * (3 + 8 + 1) and (8 + 1) * 2
        114
    """
    _check(num_features, num_classes, units, num_layers, dropout)
    signal = keras.Input((None, num_features), name="signal")
    states = signal
    for i in range(1, num_layers + 1):
        states = layer(units, return_sequences=True, name=f"recurrent_{i}")(states)
        states = layers.Dropout(dropout, name=f"dropout_{i}")(states)
    state = _sequences.at(states, _sequences.length_of(signal) - 1)
    return keras.Model(signal, _heads.class_probabilities(state, num_classes), name=name)


def bidirectional_classifier(
    num_features: int,
    num_classes: int,
    *,
    layer: Callable = LSTM,
    units: int = 64,
    num_layers: int = 1,
    dropout: float = 0.0,
    name: str = "bidirectional_classifier",
) -> keras.Model:
    """Builds recurrent layers that read a signal in both directions, and classifies the last state of each.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Bidirectional RNNs"; Ganapathy, MLSP 2025,
    "Bi-directional Networks"; Schuster and Paliwal 1997, "Bidirectional Recurrent Neural Networks".

    Args:
        num_features: Features of a step.
        num_classes: Number of classes, at least 2.
        layer: Recurrent layer, called as `layer(units, return_sequences=True, name=...)`: `keras.layers.SimpleRNN`,
            `keras.layers.GRU`, or `kerasmlsp.layers.LSTM`.
        units: Size of the state in each direction.
        num_layers: Pairs of recurrent layers.
        dropout: Drop probability after each pair, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from a `signal` `(batch, length, num_features)`, zeros for padding on the right, to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = bidirectional_classifier(3, 2, units=8)
        >>> model.get_layer("ends").output.shape  # the last state of each direction
        (None, 16)
    """
    _check(num_features, num_classes, units, num_layers, dropout)
    signal = keras.Input((None, num_features), name="signal")
    length = _sequences.length_of(signal)
    states = signal
    for i in range(1, num_layers + 1):
        forward, backward = _sequences.both_ways(layer, units, states, length, f"recurrent_{i}")
        states = layers.Concatenate(name=f"states_{i}")([forward, backward])
        states = layers.Dropout(dropout, name=f"dropout_{i}")(states)
    ends = [_sequences.at(states[..., :units], length - 1), states[:, 0, units:]]
    ends = layers.Concatenate(name="ends")(ends)
    return keras.Model(signal, _heads.class_probabilities(ends, num_classes), name=name)


def video_classifier(
    height: int,
    width: int,
    channels: int,
    num_classes: int,
    *,
    filters: tuple[int, ...] = (16, 32, 64),
    grid: int = 1,
    units: int = 128,
    dropout: float = 0.5,
    name: str = "video_classifier",
) -> keras.Model:
    """Builds a convolutional net that sees each frame by itself, and an LSTM over what it says of them.

    Each convolution is followed by a pooling to half the size; the last maps are averaged over their pixels, or over
    the cells of a grid, which also tell where in the frame something is.

    Reference: Hota, BITS F464 (2024), "Convolution + LSTM: genre of a movie by seeing the trailer"; Donahue et al.
    2015, "Long-term Recurrent Convolutional Networks for Visual Recognition and Description".

    Args:
        height: Pixels of a frame, at least `2 ** len(filters)`.
        width: Pixels of a frame, at least `2 ** len(filters)`.
        channels: Channels of a pixel.
        num_classes: Number of classes, at least 2.
        filters: Filters of each convolution, of 3 by 3 pixels.
        grid: Cells in a row and in a column, at least 1 and at most the pixels of the last maps; fewer where their
            number does not divide the pixels.
        units: Size of the LSTM's state.
        dropout: Drop probability of the last state, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)`, zeros for padding on the right, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or `grid` or `dropout` is out of range.

    Example:
        >>> model = video_classifier(32, 48, 3, 5, filters=(4, 8), units=6)
        >>> model.get_layer("pool_2").output.shape  # any number of frames, each halved twice
        (None, None, 8, 12, 8)
    """
    _text.check_sizes(num_classes=num_classes)
    _checks.check_sizes(channels=channels, units=units)
    _checks.check_rates(dropout=dropout)
    if not filters or min(filters) < 1:
        raise ValueError(f"`filters` must name at least one number above 0. Received: filters={filters}")
    for size, pixels in {"height": height, "width": width}.items():
        if pixels < 2 ** len(filters):
            raise ValueError(f"`{size}` must be at least {2 ** len(filters)}. Received: {size}={pixels}")
    frames = keras.Input((None, height, width, channels), name="frames")
    maps = frames
    for i, size in enumerate(filters, 1):
        # A kernel of one step in time: every frame by itself.
        maps = layers.Conv3D(size, (1, 3, 3), padding="same", activation="relu", name=f"conv_{i}")(maps)
        maps = layers.MaxPooling3D((1, 2, 2), name=f"pool_{i}")(maps)
    states = LSTM(units, return_sequences=True, name="lstm")(_by_cells(maps, grid))
    state = _sequences.at(states, _sequences.length_of(frames) - 1)
    state = layers.Dropout(dropout, name="dropout")(state)
    return keras.Model(frames, _heads.class_probabilities(state, num_classes), name=name)


def _by_cells(maps, grid):
    """Means of maps `(batch, length, height, width, filters)` over the cells of a grid, the cells one after another."""
    rows, columns, filters = maps.shape[2:]
    if not 1 <= grid <= min(rows, columns):
        raise ValueError(f"`grid` must be from 1 to {min(rows, columns)}. Received: grid={grid}")
    if grid == 1:
        return ops.mean(maps, axis=(2, 3))
    cell = (1, -(-rows // grid), -(-columns // grid))
    cells = layers.AveragePooling3D(cell, padding="same", name="cells")(maps)
    return layers.Reshape((-1, cells.shape[2] * cells.shape[3] * filters), name="by_cells")(cells)


def _check(num_features, num_classes, units, num_layers, dropout):
    _text.check_sizes(num_classes=num_classes)
    _checks.check_sizes(num_features=num_features, units=units, num_layers=num_layers)
    _checks.check_rates(dropout=dropout)
