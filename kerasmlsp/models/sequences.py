"""Recurrent networks that answer with a sequence."""

from collections.abc import Callable

import keras
from keras import layers

from kerasmlsp.layers import LSTM
from kerasmlsp.models import _checks, _heads, _sequences, _text


def recurrent_tagger(
    num_features: int,
    num_classes: int,
    *,
    layer: Callable = LSTM,
    units: int = 64,
    num_layers: int = 1,
    dropout: float = 0.0,
    name: str = "recurrent_tagger",
) -> keras.Model:
    """Builds the aligned many-to-many network: stacked recurrent layers that classify every step from those before it.

    Reference: Hota, BITS F464 (2024), "RNN Architectures: Many-to-Many"; Sri Rama Murty, (Deep) Neural Networks (2021),
    "Recurrent Neural Networks"; Elman 1990, "Finding Structure in Time".

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
        A model from a `signal` `(batch, length, num_features)` to class probabilities `(batch, length, num_classes)`.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = recurrent_tagger(13, 40, units=8)
        >>> model.output_shape, model.count_params()  # 4 * 8 * (13 + 8 + 1) and (8 + 1) * 40
        ((None, None, 40), 1064)
    """
    _check(num_classes, dropout, num_features=num_features, units=units, num_layers=num_layers)
    signal = keras.Input((None, num_features), name="signal")
    states = signal
    for i in range(1, num_layers + 1):
        states = layer(units, return_sequences=True, name=f"recurrent_{i}")(states)
        states = layers.Dropout(dropout, name=f"dropout_{i}")(states)
    return keras.Model(signal, _heads.class_probabilities(states, num_classes), name=name)


def bidirectional_tagger(
    num_features: int,
    num_classes: int,
    *,
    layer: Callable = LSTM,
    units: int = 64,
    num_layers: int = 1,
    dropout: float = 0.0,
    name: str = "bidirectional_tagger",
) -> keras.Model:
    """Builds recurrent layers that classify every step of a signal from those before and after it.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Bidirectional RNNs"; Ganapathy, MLSP 2025,
    "Bi-directional Networks"; Graves and Schmidhuber 2005, "Framewise Phoneme Classification with Bidirectional LSTM
    and Other Neural Network Architectures".

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
        `(batch, length, num_classes)`; those of padding say nothing.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = bidirectional_tagger(13, 40, units=8)
        >>> model.get_layer("states_1").output.shape  # at each step from before and from after it
        (None, None, 16)
    """
    _check(num_classes, dropout, num_features=num_features, units=units, num_layers=num_layers)
    signal = keras.Input((None, num_features), name="signal")
    length = _sequences.length_of(signal)
    states = signal
    for i in range(1, num_layers + 1):
        both = _sequences.both_ways(layer, units, states, length, f"recurrent_{i}")
        states = layers.Concatenate(name=f"states_{i}")(both)
        states = layers.Dropout(dropout, name=f"dropout_{i}")(states)
    return keras.Model(signal, _heads.class_probabilities(states, num_classes), name=name)


def one_to_many(
    num_features: int,
    num_outputs: int,
    length: int,
    *,
    layer: Callable = LSTM,
    units: int = 64,
    num_layers: int = 1,
    dropout: float = 0.0,
    name: str = "one_to_many",
) -> keras.Model:
    """Builds the one-to-many network: one vector that stacked recurrent layers see at every step of their answer.

    Reference: Hota, BITS F464 (2024), "RNN Architectures: One-to-Many"; Sri Rama Murty, (Deep) Neural Networks (2021),
    "RNN Architectures"; Jordan 1986, "Serial Order: A Parallel Distributed Processing Approach" (a plan as the input).

    Args:
        num_features: Size of the vector.
        num_outputs: Features of a step of the answer.
        length: Steps of the answer.
        layer: Recurrent layer, called as `layer(units, return_sequences=True, name=...)`: `keras.layers.SimpleRNN`,
            `keras.layers.GRU`, or `kerasmlsp.layers.LSTM`.
        units: Size of each layer's state.
        num_layers: Recurrent layers.
        dropout: Drop probability after each recurrent layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from `features` `(batch, num_features)` to `outputs` `(batch, length, num_outputs)`, float32.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = one_to_many(4, 2, 7, units=8)
        >>> model.input_shape, model.output_shape
        ((None, 4), (None, 7, 2))
    """
    sizes = {"num_features": num_features, "num_outputs": num_outputs, "length": length}
    _checks.check_sizes(**sizes, units=units, num_layers=num_layers)
    _checks.check_rates(dropout=dropout)
    features = keras.Input((num_features,), name="features")
    states = layers.RepeatVector(length, name="repeat")(features)
    for i in range(1, num_layers + 1):
        states = layer(units, return_sequences=True, name=f"recurrent_{i}")(states)
        states = layers.Dropout(dropout, name=f"dropout_{i}")(states)
    return keras.Model(features, _outputs(states, num_outputs), name=name)


def recurrent_encoder_decoder(
    num_features: int,
    num_outputs: int,
    length: int,
    *,
    layer: Callable = LSTM,
    units: int = 64,
    num_layers: int = 1,
    dropout: float = 0.0,
    name: str = "recurrent_encoder_decoder",
) -> keras.Model:
    """Builds the network from a sequence to another of another length: an encoder, and a decoder that goes on from it.

    The decoder starts from the encoder's last states and sees its last output at every step.

    Reference: Ganapathy, MLSP 2025, "Sequence to Sequence Mapping Networks"; Cho et al. 2014, "Learning Phrase
    Representations using RNN Encoder-Decoder for Statistical Machine Translation"; Sutskever, Vinyals and Le 2014,
    "Sequence to Sequence Learning with Neural Networks".

    Args:
        num_features: Features of a step of the signal.
        num_outputs: Features of a step of the answer.
        length: Steps of the answer.
        layer: Recurrent layer, called as `layer(units, return_sequences=True, return_state=True, name=...)`:
            `keras.layers.SimpleRNN`, `keras.layers.GRU`, or `kerasmlsp.layers.LSTM`.
        units: Size of each layer's state.
        num_layers: Recurrent layers of encoder and of decoder.
        dropout: Drop probability after each recurrent layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from a `signal` `(batch, any length, num_features)` to `outputs` `(batch, length, num_outputs)`,
        float32.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = recurrent_encoder_decoder(3, 2, 5, units=8)
        >>> model.input_shape, model.output_shape
        ((None, None, 3), (None, 5, 2))
    """
    sizes = {"num_features": num_features, "num_outputs": num_outputs, "length": length}
    _checks.check_sizes(**sizes, units=units, num_layers=num_layers)
    _checks.check_rates(dropout=dropout)
    signal = keras.Input((None, num_features), name="signal")

    def stack(states, part, starts):
        ends = []
        for i, start in enumerate(starts, 1):
            recurrent = layer(units, return_sequences=True, return_state=True, name=f"{part}_{i}")
            states, *end = recurrent(states, initial_state=start)
            states = layers.Dropout(dropout, name=f"{part}_dropout_{i}")(states)
            ends.append(end)
        return states, ends

    states, ends = stack(signal, "encoder", [None] * num_layers)
    states, _ = stack(layers.RepeatVector(length, name="repeat")(states[:, -1]), "decoder", ends)
    return keras.Model(signal, _outputs(states, num_outputs), name=name)


def _outputs(states, num_outputs):
    return layers.Dense(num_outputs, dtype="float32", name="outputs")(states)


def _check(num_classes, dropout, **sizes):
    _text.check_sizes(num_classes=num_classes, **sizes)
    _checks.check_rates(dropout=dropout)
