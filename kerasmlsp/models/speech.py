"""Networks that tell spoken words apart by their spectrograms."""

import keras
from keras import layers, ops

from kerasmlsp.layers import LSTM, AttentionPooling, BatchNormalization, SubSpectralNormalization
from kerasmlsp.models import _sequences
from kerasmlsp.models._checks import check_rates, check_sizes
from kerasmlsp.models._heads import class_probabilities


def speech_command_cnn(
    num_classes: int = 12,
    num_bands: int = 40,
    *,
    filters: int = 12,
    dropout: float = 0.2,
    name: str = "speech_command_cnn",
) -> keras.Model:
    """Builds the lecture's network for spoken commands: five convolutions, and the maximum over all time.

    Each convolution of 3x3 is followed by batch normalisation and a ReLU, each of the first three by max pooling of
    3x3 with stride 2. The normalisation stands in for the convolution's bias. Since the last pooling spans all frames,
    recordings may have any length.

    Reference: Pilanci, EE269 lecture 16 (2020), "Speech Commands Dataset" and "Training and Validation"; Warden 2018,
    "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition".

    Args:
        num_classes: Number of classes, at least 2; in the lecture ten words, unknown words and background noise.
        num_bands: Bands of the spectrogram, at least 1; 40 or 50 in the lecture.
        filters: Filters of the first convolution, at least 1; the later ones have 2, 4, 4 and 4 times as many.
        dropout: Drop probability of the pooled features, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from log-mel spectrograms `(batch, frames, num_bands)`, such as 98 frames for one second, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or a rate out of range.

    Example:
        >>> model = speech_command_cnn(filters=4)
        >>> model.get_layer("flatten").output.shape  # 40 bands halved three times, 4 * 4 filters
        (None, 80)
    """
    check_sizes(num_bands=num_bands, filters=filters)
    check_sizes(2, num_classes=num_classes)
    check_rates(dropout=dropout)
    spectrogram = keras.Input((None, num_bands), name="spectrogram")
    states = ops.expand_dims(spectrogram, -1)
    for index, factor in enumerate((1, 2, 4, 4, 4)):
        states = layers.Conv2D(factor * filters, 3, padding="same", use_bias=False, name=f"convolution_{index}")(states)
        states = BatchNormalization(name=f"normalization_{index}")(states)
        states = layers.Activation("relu", name=f"relu_{index}")(states)
        if index < 3:
            states = layers.MaxPooling2D(3, 2, padding="same", name=f"pooling_{index}")(states)
    states = layers.Flatten(name="flatten")(ops.max(states, axis=1))
    states = layers.Dropout(dropout, name="dropout")(states)
    return keras.Model(spectrogram, class_probabilities(states, num_classes), name=name)


def bc_resnet(
    num_classes: int = 12,
    num_bands: int = 40,
    *,
    width: int = 3,
    num_blocks: tuple[int, int, int, int] = (2, 2, 4, 4),
    sub_bands: int = 5,
    dropout: float = 0.1,
    name: str = "bc_resnet",
) -> keras.Model:
    """Builds BC-ResNet, whose residual branches run over time alone and are broadcast to all bands.

    A block is `y = relu(x + f2(x) + f1(mean over bands of f2(x)))`: `f2` is a depthwise convolution over the bands with
    normalisation of each sub-band, `f1` a dilated depthwise convolution over time, normalisation, swish and a
    convolution of 1x1. The first block of a stage changes the number of channels and has no `x +`.

    Reference: Pilanci, EE269 lecture 16 (2020), "2D Convolutional Networks for Signal Classification"; Kim et al.
    2021, "Broadcasted Residual Learning for Efficient Keyword Spotting".

    Args:
        num_classes: Number of classes, at least 2.
        num_bands: Bands of the spectrogram. Halved (rounded up) once before the first and once in the second and the
            third stage, it must be a multiple of `sub_bands` each time, as 40 is.
        width: Factor of all channels, at least 1: the paper's BC-ResNet-1, -2, -3, ...
        num_blocks: Blocks of the four stages, at least 1 each. The stages have 8, 12, 16 and 20 channels times `width`
            and dilate the convolutions over time by 1, 2, 4 and 8.
        sub_bands: Groups of neighbouring bands that are normalised on their own, at least 1.
        dropout: Drop probability of whole channels at the end of `f1`, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from log-mel spectrograms `(batch, frames, num_bands)`, such as 98 frames for one second, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, a rate out of range, or `num_bands` does not fit `sub_bands`.

    Example:
        >>> model = bc_resnet(width=1, num_blocks=(1, 1, 1, 1))
        >>> model.get_layer("stage_3_block_0_relu").output.shape  # all frames, 40 / 8 bands, 20 channels
        (None, None, 5, 20)
    """
    check_sizes(num_bands=num_bands, width=width, sub_bands=sub_bands)
    check_sizes(2, num_classes=num_classes)
    check_rates(dropout=dropout)
    if len(num_blocks) != 4 or min(num_blocks) < 1:
        raise ValueError(f"`num_blocks` must be four numbers of at least 1. Received: num_blocks={num_blocks}")
    if any(-(-num_bands // factor) % sub_bands for factor in (2, 4, 8)):
        raise ValueError(
            f"`num_bands` must stay a multiple of {sub_bands} sub-bands when it is halved three times. "
            f"Received: num_bands={num_bands}"
        )
    spectrogram = keras.Input((None, num_bands), name="spectrogram")
    states = layers.Conv2D(16 * width, 5, (1, 2), padding="same", use_bias=False, name="stem")(
        ops.expand_dims(spectrogram, -1)
    )
    states = layers.Activation("relu", name="stem_relu")(_normalized(states, "stem"))
    for stage, (channels, blocks) in enumerate(zip((8, 12, 16, 20), num_blocks, strict=True)):
        for block in range(blocks):
            halve = block == 0 and stage in (1, 2)
            states = _broadcast_block(
                states, channels * width, 2**stage, halve, sub_bands, dropout, f"stage_{stage}_block_{block}"
            )
    return keras.Model(spectrogram, class_probabilities(_pooled(states, 32 * width), num_classes), name=name)


def speech_resnet(
    num_classes: int = 12,
    num_bands: int = 40,
    *,
    filters: tuple[int, ...] = (16, 32, 48),
    num_blocks: tuple[int, ...] = (2, 2, 1),
    features: int = 96,
    dropout: float = 0.3,
    name: str = "speech_resnet",
) -> keras.Model:
    """Builds a small residual network for spoken commands that halves time and frequency early.

    The bands are normalised, a convolution of 5x5 halves both axes, and each stage but the first halves them again. A
    block is two convolutions of 3x3 beside a shortcut, which a mean over 2x2 and a convolution of 1x1 shrink where the
    block does. In the end a filter over all bands collects what was found where, and the mean over time is classified.

    Reference: Pilanci, EE269 lecture 16 (2020), "2D Convolutional Networks for Signal Classification"; Tang and Lin
    2018, "Deep Residual Learning for Small-Footprint Keyword Spotting"; He et al. 2019, "Bag of Tricks for Image
    Classification with Convolutional Neural Networks".

    Args:
        num_classes: Number of classes, at least 2.
        num_bands: Bands of the spectrogram, at least 1.
        filters: Filters of each stage, at least 1 each.
        num_blocks: Blocks of each stage, at least 1 each.
        features: Size of what is averaged over time, at least 1.
        dropout: Drop probability of the mean, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from log-mel spectrograms `(batch, frames, num_bands)`, such as 98 frames for one second, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, a rate out of range, or the stages differ in number.

    Example:
        >>> model = speech_resnet()
        >>> model.get_layer("stage_2_block_0_relu").output.shape, model.count_params()  # 40 / 8 bands
        ((None, None, 5, 48), 87532)
    """
    check_sizes(num_bands=num_bands, features=features)
    check_sizes(2, num_classes=num_classes)
    check_rates(dropout=dropout)
    if not filters or len(filters) != len(num_blocks) or min(*filters, *num_blocks) < 1:
        raise ValueError(
            "`filters` and `num_blocks` must be as many numbers of at least 1. "
            f"Received: filters={filters}, num_blocks={num_blocks}"
        )
    spectrogram = keras.Input((None, num_bands), name="spectrogram")
    states = ops.expand_dims(_normalized(spectrogram, "bands"), -1)
    states = layers.Conv2D(filters[0], 5, 2, padding="same", use_bias=False, name="stem")(states)
    states = layers.Activation("relu", name="stem_relu")(_normalized(states, "stem"))
    for stage, (channels, blocks) in enumerate(zip(filters, num_blocks, strict=True)):
        for block in range(blocks):
            states = _residual_block(states, channels, stage > 0 and block == 0, f"stage_{stage}_block_{block}")
    states = layers.Dropout(dropout, name="dropout")(_pooled(states, features))
    return keras.Model(spectrogram, class_probabilities(states, num_classes), name=name)


def _residual_block(states, channels, halve, name):
    shortcut = states
    if halve:
        shortcut = layers.AveragePooling2D(2, padding="same", name=f"{name}_shrink")(shortcut)
        shortcut = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_widen")(shortcut)
        shortcut = _normalized(shortcut, f"{name}_widen")
    for part, stride in enumerate((2 if halve else 1, 1)):
        states = layers.Conv2D(channels, 3, stride, padding="same", use_bias=False, name=f"{name}_convolution_{part}")(
            layers.Activation("relu", name=f"{name}_relu_{part}")(states) if part else states
        )
        states = _normalized(states, f"{name}_{part}")
    return layers.Activation("relu", name=f"{name}_relu")(states + shortcut)


def speech_attention_lstm(
    num_classes: int = 12,
    num_bands: int = 40,
    *,
    filters: int = 64,
    units: int = 64,
    dropout: float = 0.3,
    name: str = "speech_attention_lstm",
) -> keras.Model:
    """Builds a bidirectional LSTM over log-mel frames whose states are pooled by learned attention.

    The bands are normalised, and a convolution over 5 frames halves the steps. The layer named `attention` returns the
    weight of every pair of frames as its second output.

    Reference: Ganapathy, MLSP 2025, "Attention in LSTM networks"; de Andrade et al. 2018, "A Neural Attention Model for
    Speech Command Recognition".

    Args:
        num_classes: Number of classes, at least 2.
        num_bands: Bands of the spectrogram, at least 1.
        filters: Filters of the convolution, at least 1.
        units: Size of the state in each direction, at least 1.
        dropout: Drop probability of the pooled vector, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from log-mel spectrograms `(batch, frames, num_bands)`, zeros for padding on the right, to class
        probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or a rate out of range.

    Example:
        >>> import numpy as np
        >>> model = speech_attention_lstm(filters=8, units=4)
        >>> looking = keras.Model(model.input, model.get_layer("attention").output[1])
        >>> weights = looking.predict(np.pad(np.ones((1, 6, 40)), ((0, 0), (0, 4), (0, 0))), verbose=0)[0]
        >>> round(float(sum(weights[:3])), 4), weights[3:].tolist()  # none for the padding
        (1.0, [0.0, 0.0])
    """
    check_sizes(num_bands=num_bands, filters=filters, units=units)
    check_sizes(2, num_classes=num_classes)
    check_rates(dropout=dropout)
    spectrogram = keras.Input((None, num_bands), name="spectrogram")
    length = _sequences.length_of(spectrogram)
    # What is padding stays 0, and the ends are padded by hand: "same" shifts the steps of an even length by one.
    here = ops.expand_dims(_sequences.steps(spectrogram[..., 0]) < length, -1)
    states = ops.where(here, _normalized(spectrogram, "bands"), 0.0)
    states = layers.ZeroPadding1D(2, name="padding")(states)
    states = layers.Conv1D(filters, 5, 2, use_bias=False, name="frames")(states)
    states = layers.Activation("relu", name="frames_relu")(_normalized(states, "frames"))
    length = (length + 1) // 2
    # No Keras mask, which the fast kernels of GPUs do not take: what is padding gets no attention.
    states = layers.Concatenate(name="states")(_sequences.both_ways(LSTM, units, states, length, "lstm"))
    pooled, _ = AttentionPooling(units, name="attention")(states, mask=_sequences.steps(states[..., 0]) < length)
    pooled = layers.Dropout(dropout, name="dropout")(pooled)
    return keras.Model(spectrogram, class_probabilities(pooled, num_classes), name=name)


def _normalized(states, name):
    # The paper's framework counts a new batch for a tenth; Keras's hundredth is slow where epochs have few steps.
    return BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_normalization")(states)


def _broadcast_block(states, channels, dilation, halve, sub_bands, dropout, name):
    """`(batch, frames, bands, channels)` to the same with `channels`, and half the bands where `halve` says so."""
    changes = states.shape[-1] != channels
    shortcut = states
    if changes:
        states = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_widen")(states)
        states = layers.Activation("relu", name=f"{name}_widen_relu")(_normalized(states, f"{name}_widen"))
    states = layers.DepthwiseConv2D((1, 3), padding="same", use_bias=False, name=f"{name}_bands")(states)
    if halve:
        # TensorFlow's depthwise convolution has one stride for both axes.
        states = states[:, :, ::2]
    states = SubSpectralNormalization(sub_bands, name=f"{name}_bands_normalization")(states)
    over_time = layers.DepthwiseConv1D(3, dilation_rate=dilation, padding="same", use_bias=False, name=f"{name}_time")(
        ops.mean(states, axis=2)
    )
    over_time = layers.Activation("silu", name=f"{name}_swish")(_normalized(over_time, f"{name}_time"))
    over_time = layers.Dense(channels, use_bias=False, name=f"{name}_mix")(over_time)
    over_time = layers.SpatialDropout1D(dropout, name=f"{name}_dropout")(over_time)
    states = states + ops.expand_dims(over_time, 2)
    return layers.Activation("relu", name=f"{name}_relu")(states if changes else states + shortcut)


def _pooled(states, channels):
    """`(batch, channels)`: the mean over time of what a last convolution finds over all bands that are left."""
    states = layers.ZeroPadding2D(((2, 2), (0, 0)), name="padding")(states)
    states = layers.DepthwiseConv2D((5, states.shape[2]), use_bias=False, name="collect")(states)
    states = layers.Conv2D(channels, 1, use_bias=False, name="features")(states)
    states = layers.Activation("relu", name="features_relu")(_normalized(states, "features"))
    return layers.GlobalAveragePooling2D(name="time_mean")(states)
