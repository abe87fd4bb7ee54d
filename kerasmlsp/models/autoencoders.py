"""Networks that learn to repeat their inputs through a narrow place."""

import keras
from keras import layers, ops

from kerasmlsp.models._checks import check_sizes


def autoencoder(
    num_features: int,
    code_dim: int,
    *,
    hidden_units: tuple[int, ...] = (128,),
    name: str = "autoencoder",
) -> keras.Model:
    """Builds an autoencoder: dense layers down to a code, and the same sizes back.

    Its layer `code` gives the code; the reconstruction is linear.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Pretraining using Autoencoders"; Hinton and Salakhutdinov
    2006, "Reducing the Dimensionality of Data with Neural Networks".

    Args:
        num_features: Features of an example.
        code_dim: Size of the code.
        hidden_units: Units of the layers before the code, and in reverse after it.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_features)` to their reconstruction, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = autoencoder(8, 2, hidden_units=(4,))
        >>> [layer.output.shape[-1] for layer in model.layers]
        [8, 4, 2, 4, 8]
    """
    return _autoencoder(num_features, code_dim, hidden_units, None, name)


def denoising_autoencoder(
    num_features: int,
    code_dim: int,
    *,
    hidden_units: tuple[int, ...] = (128,),
    noise: float = 0.3,
    name: str = "denoising_autoencoder",
) -> keras.Model:
    """Builds an autoencoder that sees its inputs with Gaussian noise while training, and is to repeat them without.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Pretraining using Autoencoders"; Vincent et al. 2010,
    "Stacked Denoising Autoencoders".

    Args:
        num_features: Features of an example.
        code_dim: Size of the code.
        hidden_units: Units of the layers before the code, and in reverse after it.
        noise: Standard deviation of the noise, in units of the features, above 0.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_features)` to their reconstruction, float32.

    Raises:
        ValueError: A size is too small, or `noise` is not above 0.

    Example:
        >>> model = denoising_autoencoder(8, 2, hidden_units=(4,), noise=0.1)
        >>> [layer.name for layer in model.layers]
        ['features', 'noise', 'encoder_1', 'code', 'decoder_1', 'reconstruction']
    """
    if noise <= 0:
        raise ValueError(f"`noise` must be above 0. Received: noise={noise}")
    return _autoencoder(num_features, code_dim, hidden_units, noise, name)


def _autoencoder(num_features, code_dim, hidden_units, noise, name):
    check_sizes(num_features=num_features, code_dim=code_dim, hidden_units=min(hidden_units, default=1))
    inputs = keras.Input((num_features,), name="features")
    states = inputs if noise is None else layers.GaussianNoise(noise, name="noise")(inputs)
    for i, units in enumerate(hidden_units, start=1):
        states = layers.Dense(units, activation="relu", name=f"encoder_{i}")(states)
    states = layers.Dense(code_dim, name="code")(states)
    for i, units in enumerate(reversed(hidden_units), start=1):
        states = layers.Dense(units, activation="relu", name=f"decoder_{i}")(states)
    outputs = layers.Dense(num_features, dtype="float32", name="reconstruction")(states)
    return keras.Model(inputs, outputs, name=name)


def lstm_autoencoder(
    num_steps: int,
    num_channels: int,
    *,
    frame: int = 4,
    units: int = 32,
    code_dim: int = 8,
    noise: float = 0.3,
    name: str = "lstm_autoencoder",
) -> keras.Model:
    """Builds an LSTM that reads a signal into a code, and one that writes the signal from the code, its end first.

    Each step of the LSTMs takes `frame` samples, which shortens the way that gradients have to go. The signal is seen
    with Gaussian noise while training. Trained on what is normal, it makes large errors on what is not.

    Reference: Hota, BITS F464 (2024), "A Correlation-Based Anomaly Detection Model for Wireless Body Area Networks
    Using Convolutional Long Short-Term Memory Neural Network"; Malhotra et al. 2016, "LSTM-based Encoder-Decoder for
    Multi-sensor Anomaly Detection".

    Args:
        num_steps: Samples of a signal, a multiple of `frame`.
        num_channels: Channels of the signal.
        frame: Samples that a step of the LSTMs takes.
        units: Units of the LSTM in each direction.
        code_dim: Size of the code.
        noise: Standard deviation of the noise, in units of the signal, at least 0.
        name: Name of the model.

    Returns:
        A model from `signals` `(batch, num_steps, num_channels)` to their `reconstruction` of the same shape, float32.

    Raises:
        ValueError: A size is too small, `num_steps` is not a multiple of `frame`, or `noise` is negative.

    Example:
        >>> model = lstm_autoencoder(12, 2, frame=3, units=4, code_dim=2)
        >>> model.get_layer("encoder").output.shape, model.get_layer("code").output.shape, model.output_shape
        ((None, 8), (None, 2), (None, 12, 2))
    """
    signals = _signals(num_steps, num_channels, frame, noise, units=units, code_dim=code_dim)
    frames = (num_steps // frame, frame * num_channels)
    states = layers.Reshape(frames, name="frames")(layers.GaussianNoise(noise, name="noise")(signals))
    states = layers.Bidirectional(layers.LSTM(units), name="encoder")(states)
    code = layers.Dense(code_dim, name="code")(states)
    states = layers.RepeatVector(frames[0], name="repeat")(code)
    states = layers.Bidirectional(layers.LSTM(units, return_sequences=True), name="decoder")(states)
    # Its end first: what the encoder has read last is what the code tells best.
    samples = ops.flip(layers.Dense(frames[1], dtype="float32", name="samples")(states), axis=1)
    outputs = layers.Reshape((num_steps, num_channels), dtype="float32", name="reconstruction")(samples)
    return keras.Model(signals, outputs, name=name)


def convlstm_signal_autoencoder(
    num_steps: int,
    num_channels: int,
    *,
    frame: int = 4,
    filters: tuple[int, int] = (16, 8),
    kernel_size: int = 3,
    code_dim: int = 8,
    noise: float = 0.3,
    name: str = "convlstm_signal_autoencoder",
) -> keras.Model:
    """Builds an autoencoder of signals of several channels, whose convolutional LSTMs see how the channels go together.

    Each step takes `frame` samples of all channels, along which the gates are convolutions.

    Reference: Hota, BITS F464 (2024), "A Correlation-Based Anomaly Detection Model for Wireless Body Area Networks
    Using Convolutional Long Short-Term Memory Neural Network"; Albattah and Rassam 2022, of that title.

    Args:
        num_steps: Samples of a signal, a multiple of `frame`.
        num_channels: Channels of the signal.
        frame: Samples that a step takes.
        filters: Filters of the first and of the second layer of the encoder; the decoder has those of the first.
        kernel_size: Samples that a gate sees.
        code_dim: Size of the code.
        noise: Standard deviation of the noise that is seen while training, in units of the signal, at least 0.
        name: Name of the model.

    Returns:
        A model from `signals` `(batch, num_steps, num_channels)` to their `reconstruction` of the same shape, float32.

    Raises:
        ValueError: A size is too small, `num_steps` is not a multiple of `frame`, or `noise` is negative.

    Example:
        >>> model = convlstm_signal_autoencoder(12, 2, frame=4, filters=(3, 2), code_dim=5)
        >>> model.get_layer("encoder_1").output.shape, model.get_layer("encoder_2").output.shape, model.output_shape
        ((None, 3, 4, 3), (None, 4, 2), (None, 12, 2))
    """
    if len(filters) != 2 or min(filters) < 1:
        raise ValueError(f"`filters` must be two numbers above 0. Received: filters={filters}")
    signals = _signals(num_steps, num_channels, frame, noise, kernel_size=kernel_size, code_dim=code_dim)
    steps, wide = num_steps // frame, filters[0]
    options = {"kernel_size": kernel_size, "padding": "same"}
    states = layers.GaussianNoise(noise, name="noise")(signals)
    states = layers.Reshape((steps, frame, num_channels), name="frames")(states)
    states = layers.ConvLSTM1D(wide, return_sequences=True, name="encoder_1", **options)(states)
    states = layers.ConvLSTM1D(filters[1], name="encoder_2", **options)(states)
    code = layers.Dense(code_dim, name="code")(layers.Flatten(name="flat")(states))
    states = layers.Dense(frame * wide, activation="tanh", name="maps")(code)
    states = layers.RepeatVector(steps, name="repeat")(states)
    states = layers.Reshape((steps, frame, wide), name="unfolded")(states)
    states = layers.ConvLSTM1D(wide, return_sequences=True, name="decoder", **options)(states)
    samples = layers.Dense(num_channels, dtype="float32", name="samples")(states)
    outputs = layers.Reshape((num_steps, num_channels), dtype="float32", name="reconstruction")(samples)
    return keras.Model(signals, outputs, name=name)


def _signals(num_steps, num_channels, frame, noise, **sizes):
    check_sizes(num_steps=num_steps, num_channels=num_channels, frame=frame, **sizes)
    if num_steps % frame:
        raise ValueError(f"`num_steps` must be a multiple of `frame`, {frame}. Received: num_steps={num_steps}")
    if noise < 0:
        raise ValueError(f"`noise` must be at least 0. Received: noise={noise}")
    return keras.Input((num_steps, num_channels), name="signals")
