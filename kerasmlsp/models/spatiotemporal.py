"""Networks for maps and graphs that change in time."""

import keras
from keras import layers, ops

from kerasmlsp.models import _checks, _heads, _sequences, _text


def convlstm_forecaster(
    height: int,
    width: int,
    channels: int,
    *,
    filters: tuple[int, ...] = (32, 32),
    kernel_size: int = 3,
    halvings: int = 0,
    name: str = "convlstm_forecaster",
) -> keras.Model:
    """Builds stacked convolutional LSTMs that predict the next frame at every step.

    Convolutions before them may halve the frames, and transposed ones after them double them again: the work shrinks by
    four each time.

    Reference: Hota, BITS F464 (2024), "ConvLSTM"; Shi et al. 2015, "Convolutional LSTM Network: A Machine Learning
    Approach for Precipitation Nowcasting".

    Args:
        height: Pixels of a frame, a multiple of `2 ** halvings`.
        width: Pixels of a frame, a multiple of `2 ** halvings`.
        channels: Channels of a pixel.
        filters: Filters of each layer.
        kernel_size: Pixels that a gate sees in each direction; at least 2 with halvings.
        halvings: Times that the frames are halved, at least 0.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)` to `outputs` of the same shape, float32: those
        at step `t` are for the frame `t + 1`.

    Raises:
        ValueError: A size is too small, or not a multiple of `2 ** halvings`.

    Example:
        >>> model = convlstm_forecaster(8, 12, 1, filters=(2,))
        >>> model.get_layer("convlstm_1").count_params()  # four gates: 4 * 2 * (9 * (1 + 2) + 1)
        224
        >>> model.output_shape
        (None, None, 8, 12, 1)
    """
    frames = _frames(height, width, channels, filters, kernel_size)
    states = _stack(_halved(frames, filters[0], kernel_size, halvings), filters, kernel_size)
    for i in range(1, halvings + 1):
        options = _of_frames(kernel_size)
        states = layers.Conv3DTranspose(filters[-1], activation="relu", name=f"decoder_{i}", **options)(states)
    # A kernel of one step and one pixel: a dense layer of the channels.
    outputs = layers.Conv3D(channels, 1, dtype="float32", name="outputs")(states)
    return keras.Model(frames, outputs, name=name)


def convlstm_encoder_forecaster(
    height: int,
    width: int,
    channels: int,
    horizon: int,
    *,
    filters: tuple[int, ...] = (32, 32),
    kernel_size: int = 3,
    name: str = "convlstm_encoder_forecaster",
) -> keras.Model:
    """Builds stacked convolutional LSTMs whose states forecast several frames after the last.

    One stack reads the frames, and another, which starts with its states and is shown the last frame at every step,
    writes the forecasts.

    Reference: Hota, BITS F464 (2024), "ConvLSTM"; Shi et al. 2015, "Convolutional LSTM Network: A Machine Learning
    Approach for Precipitation Nowcasting" (the encoding-forecasting structure).

    Args:
        height: Pixels of a frame.
        width: Pixels of a frame.
        channels: Channels of a pixel.
        horizon: Frames to forecast.
        filters: Filters of each layer.
        kernel_size: Pixels that a gate sees in each direction.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)` to `outputs` `(batch, horizon, height, width,
        channels)`, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = convlstm_encoder_forecaster(1, 12, 1, horizon=3, filters=(2,))
        >>> model.output_shape
        (None, 3, 1, 12, 1)
    """
    _checks.check_sizes(horizon=horizon)
    frames = _frames(height, width, channels, filters, kernel_size)
    states, written = frames, None
    kernel = (min(kernel_size, height), min(kernel_size, width))  # more would see nothing but padding
    for i, size in enumerate(filters, 1):
        options = {"kernel_size": kernel, "padding": "same", "return_sequences": True}
        reading = layers.ConvLSTM2D(size, return_state=True, name=f"encoder_{i}", **options)
        states, *last = reading(states)
        if written is None:
            written = ops.repeat(ops.expand_dims(frames[:, -1], 1), horizon, axis=1)
        written = layers.ConvLSTM2D(size, name=f"forecaster_{i}", **options)(written, initial_state=last)
    outputs = layers.Conv3D(channels, 1, dtype="float32", name="outputs")(written)
    return keras.Model(frames, outputs, name=name)


def convlstm_classifier(
    height: int,
    width: int,
    channels: int,
    num_classes: int,
    *,
    filters: tuple[int, ...] = (32,),
    kernel_size: int = 3,
    halvings: int = 0,
    dropout: float = 0.2,
    name: str = "convlstm_classifier",
) -> keras.Model:
    """Builds stacked convolutional LSTMs whose last state, averaged over its pixels, is classified.

    Convolutions before them may halve the frames: the work shrinks by four each time.

    Reference: Hota, BITS F464 (2024), "ConvLSTM"; Shi et al. 2015, "Convolutional LSTM Network: A Machine Learning
    Approach for Precipitation Nowcasting".

    Args:
        height: Pixels of a frame, a multiple of `2 ** halvings`.
        width: Pixels of a frame, a multiple of `2 ** halvings`.
        channels: Channels of a pixel.
        num_classes: Number of classes, at least 2.
        filters: Filters of each layer.
        kernel_size: Pixels that a gate sees in each direction; at least 2 with halvings.
        halvings: Times that the frames are halved, at least 0.
        dropout: Drop probability of the averages, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)`, zeros for padding on the right, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small or not a multiple of `2 ** halvings`, or `dropout` is out of range.

    Example:
        >>> model = convlstm_classifier(8, 12, 1, 3, filters=(2,))
        >>> model.output_shape, model.get_layer("probabilities").count_params()  # (2 + 1) * 3
        ((None, 3), 9)
    """
    _text.check_sizes(num_classes=num_classes)
    _checks.check_rates(dropout=dropout)
    frames = _frames(height, width, channels, filters, kernel_size)
    # Averages over pixels can be taken of all steps before the last one is chosen.
    maps = _halved(frames, filters[0], kernel_size, halvings)
    states = ops.mean(_stack(maps, filters, kernel_size), axis=(2, 3))
    state = _sequences.at(states, _sequences.length_of(frames) - 1)
    state = layers.Dropout(dropout, name="dropout")(state)
    return keras.Model(frames, _heads.class_probabilities(state, num_classes), name=name)


def convlstm_autoencoder(
    height: int,
    width: int,
    channels: int,
    *,
    filters: tuple[int, ...] = (64, 32, 64),
    kernel_size: int = 3,
    name: str = "convlstm_autoencoder",
) -> keras.Model:
    """Builds an autoencoder of videos, which makes large errors where something is unlike what it was trained on.

    Two convolutions halve the frames twice, convolutional LSTMs of few maps pass on how they change, and two transposed
    convolutions give the frames back.

    Reference: Hota, BITS F464 (2024), "A Correlation-Based Anomaly Detection Model for Wireless Body Area Networks
    Using Convolutional Long Short-Term Memory Neural Network"; Chong and Tay 2017, "Abnormal Event Detection in Videos
    using Spatiotemporal Autoencoder".

    Args:
        height: Pixels of a frame, a multiple of 4.
        width: Pixels of a frame, a multiple of 4.
        channels: Channels of a pixel.
        filters: Filters of each convolutional LSTM; the convolutions have as many as the first.
        kernel_size: Pixels that a gate or a filter sees in each direction, at least 2.
        name: Name of the model.

    Returns:
        A model from `frames` `(batch, length, height, width, channels)` to `outputs` of the same shape, float32.

    Raises:
        ValueError: A size is too small, or not a multiple of 4.

    Example:
        >>> model = convlstm_autoencoder(8, 12, 1, filters=(2,))
        >>> model.get_layer("encoder_2").output.shape, model.output_shape
        ((None, None, 2, 3, 2), (None, None, 8, 12, 1))
    """
    frames = _frames(height, width, channels, filters, kernel_size)
    states = _stack(_halved(frames, filters[0], kernel_size, halvings=2), filters, kernel_size)
    options = _of_frames(kernel_size)
    states = layers.Conv3DTranspose(filters[0], activation="relu", name="decoder_1", **options)(states)
    outputs = layers.Conv3DTranspose(channels, dtype="float32", name="outputs", **options)(states)
    return keras.Model(frames, outputs, name=name)


def _frames(height, width, channels, filters, kernel_size):
    _checks.check_sizes(height=height, width=width, channels=channels, kernel_size=kernel_size)
    if not filters or min(filters) < 1:
        raise ValueError(f"`filters` must name at least one number above 0. Received: filters={filters}")
    return keras.Input((None, height, width, channels), name="frames")


def _halved(frames, filters, kernel_size, halvings):
    """Frames, each by itself, after so many convolutions that halve them."""
    if halvings < 0:
        raise ValueError(f"`halvings` must be at least 0. Received: halvings={halvings}")
    for size, pixels in zip(("height", "width"), frames.shape[2:], strict=False):
        if pixels % 2**halvings:
            raise ValueError(f"`{size}` must be a multiple of {2**halvings}. Received: {size}={pixels}")
    if halvings and kernel_size < 2:
        raise ValueError(f"`kernel_size` must be at least 2. Received: kernel_size={kernel_size}")
    for i in range(1, halvings + 1):
        frames = layers.Conv3D(filters, activation="relu", name=f"encoder_{i}", **_of_frames(kernel_size))(frames)
    return frames


def _of_frames(kernel_size):
    """One step in time, two pixels in space: every frame by itself."""
    return {"kernel_size": (1, kernel_size, kernel_size), "strides": (1, 2, 2), "padding": "same"}


def _stack(states, filters, kernel_size):
    for i, size in enumerate(filters, 1):
        layer = layers.ConvLSTM2D(size, kernel_size, padding="same", return_sequences=True, name=f"convlstm_{i}")
        states = layer(states)
    return states
