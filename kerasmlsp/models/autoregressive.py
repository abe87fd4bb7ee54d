"""Networks that generate sample after sample, or pixel after pixel."""

import keras
from keras import layers

from kerasmlsp.layers import GatedConvolutions, MaskedConv2D
from kerasmlsp.models._checks import check_sizes
from kerasmlsp.models.autoregressive_sampling import (
    conditional_decoder,
    labelled_decoder,
    sample_mixture,
    sample_pixels,
)

__all__ = [
    "conditional_decoder",
    "conditional_wavenet",
    "labelled_decoder",
    "mixture_wavenet",
    "pixelcnn",
    "sample_mixture",
    "sample_pixels",
    "wavenet",
]


def wavenet(
    num_levels: int,
    *,
    features: int = 32,
    skip_features: int = 64,
    num_stacks: int = 2,
    blocks_per_stack: int = 8,
    kernel_size: int = 2,
    name: str = "wavenet",
) -> keras.Model:
    """Builds a WaveNet of quantised samples: dilated causal convolutions whose reach grows by factors.

    It is a chain that `kerasmlsp.generation.stepwise` and `fill` generate with, one cached step a sample. `mu_law` and
    `mu_law_inverse` of `kerasmlsp.layers.autoregressive` map waveforms to levels and back.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2016, "WaveNet: A Generative Model for Raw Audio".

    Args:
        num_levels: Levels of a sample, at least 2; 256 for mu-law.
        features: Features of the residual stream.
        skip_features: Features of the skips, and of the layer before the answer.
        num_stacks: Stacks of blocks with dilations 1, `kernel_size`, `kernel_size ** 2`, ...
        blocks_per_stack: Blocks of a stack.
        kernel_size: Steps that a block sees, at least 2.
        name: Name of the model.

    Returns:
        A model from levels `(batch, length)`, int, to the logits of the level that follows each,
        `(batch, length, num_levels)`, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = wavenet(16, features=4, skip_features=8, num_stacks=2, blocks_per_stack=3)
        >>> dilations = model.get_layer("convolutions").dilations
        >>> dilations, 1 + sum(dilations)  # samples that an answer depends on
        ((1, 2, 4, 1, 2, 4), 15)
    """
    dilations = _dilations(num_stacks, blocks_per_stack, kernel_size, features=features, skip_features=skip_features)
    _check_levels(num_levels)
    levels = keras.Input((None,), dtype="int32", name="levels")
    states = layers.Embedding(num_levels, features, name="embedding")(levels)
    total = GatedConvolutions(skip_features, dilations, kernel_size, name="convolutions")(states)
    return keras.Model(levels, _answer(total, num_levels, "logits"), name=name)


def conditional_wavenet(
    num_levels: int,
    *,
    num_features: int = 0,
    num_classes: int = 0,
    hop: int = 1,
    embedding_dim: int = 16,
    features: int = 32,
    skip_features: int = 64,
    num_stacks: int = 2,
    blocks_per_stack: int = 8,
    kernel_size: int = 2,
    name: str = "conditional_wavenet",
) -> keras.Model:
    """Builds a WaveNet that knows of frames beside the signal, of a class of the whole, or of both.

    `conditional_decoder` makes what `kerasmlsp.generation.fill` generates with.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2016, "WaveNet: A Generative Model for Raw Audio" (local and global conditioning).

    Args:
        num_levels: Levels of a sample, at least 2.
        num_features: Features of a frame; 0 for no frames.
        num_classes: Classes, such as speakers; 0 for none.
        hop: Samples of a frame, each of which gets what the frame says.
        embedding_dim: Size of the vectors that frames and classes become; they are added.
        features: Features of the residual stream.
        skip_features: Features of the skips, and of the layer before the answer.
        num_stacks: Stacks of blocks with dilations 1, `kernel_size`, `kernel_size ** 2`, ...
        blocks_per_stack: Blocks of a stack.
        kernel_size: Steps that a block sees, at least 2.
        name: Name of the model.

    Returns:
        A model from a dict of "frames", `(batch, length / hop, num_features)`, "label", int `(batch,)`, and "levels",
        int `(batch, length)`, to the logits of the level that follows each, `(batch, length, num_levels)`, float32.
        What stands in "frames" at a sample is about the sample that follows it.

    Raises:
        ValueError: A size is too small, or there is no condition.

    Example:
        >>> import numpy as np
        >>> model = conditional_wavenet(16, num_features=4, hop=3, features=4, blocks_per_stack=2)
        >>> logits = model({"frames": np.zeros((1, 2, 4)), "levels": np.zeros((1, 6), int)})
        >>> tuple(logits.shape)  # two frames of three samples
        (1, 6, 16)
    """
    sizes = {"features": features, "skip_features": skip_features, "hop": hop, "embedding_dim": embedding_dim}
    dilations = _dilations(num_stacks, blocks_per_stack, kernel_size, **sizes)
    _check_levels(num_levels)
    if num_features < 1 and num_classes < 1:
        raise ValueError(
            "`num_features` or `num_classes` must be at least 1. "
            f"Received: num_features={num_features}, num_classes={num_classes}"
        )
    inputs, conditions = {}, []
    if num_features:
        inputs["frames"] = keras.Input((None, num_features), name="frames")
        frames = layers.Dense(embedding_dim, name="frame_embedding")(inputs["frames"])
        conditions.append(layers.UpSampling1D(hop, name="samples")(frames))
    if num_classes:
        inputs["label"] = keras.Input((), dtype="int32", name="label")
        label = layers.Embedding(num_classes, embedding_dim, name="label_embedding")(inputs["label"])
        conditions.append(layers.Reshape((1, embedding_dim), name="all_samples")(label))
    condition = layers.Add(name="condition")(conditions) if len(conditions) > 1 else conditions[0]
    inputs["levels"] = keras.Input((None,), dtype="int32", name="levels")
    states = layers.Embedding(num_levels, features, name="embedding")(inputs["levels"])
    total = GatedConvolutions(skip_features, dilations, kernel_size, name="convolutions")(states, condition)
    return keras.Model(inputs, _answer(total, num_levels, "logits"), name=name)


def mixture_wavenet(
    num_mixtures: int,
    *,
    features: int = 32,
    skip_features: int = 64,
    num_stacks: int = 2,
    blocks_per_stack: int = 8,
    kernel_size: int = 2,
    name: str = "mixture_wavenet",
) -> keras.Model:
    """Builds a WaveNet of raw samples, whose answer is a mixture of logistic distributions.

    It trains with `kerasmlsp.losses.LogisticMixture`; `sample_mixture` generates.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2018, "Parallel WaveNet: Fast High-Fidelity Speech Synthesis".

    Args:
        num_mixtures: Distributions in the mixture.
        features: Features of the residual stream.
        skip_features: Features of the skips, and of the layer before the answer.
        num_stacks: Stacks of blocks with dilations 1, `kernel_size`, `kernel_size ** 2`, ...
        blocks_per_stack: Blocks of a stack.
        kernel_size: Steps that a block sees, at least 2.
        name: Name of the model.

    Returns:
        A model from samples `(batch, length, 1)` in `[-1, 1]` to the parameters of the sample that follows each,
        `(batch, length, 3 * num_mixtures)`, float32: logits of the weights, means, logarithms of the scales.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = mixture_wavenet(5, features=4, skip_features=8, blocks_per_stack=2)
        >>> model.output_shape  # a weight, a mean and a scale of five distributions
        (None, None, 15)
    """
    sizes = {"num_mixtures": num_mixtures, "features": features, "skip_features": skip_features}
    dilations = _dilations(num_stacks, blocks_per_stack, kernel_size, **sizes)
    samples = keras.Input((None, 1), name="samples")
    states = layers.Dense(features, name="embedding")(samples)
    total = GatedConvolutions(skip_features, dilations, kernel_size, name="convolutions")(states)
    return keras.Model(samples, _answer(total, 3 * num_mixtures, "mixture"), name=name)


def pixelcnn(
    height: int,
    width: int,
    channels: int,
    num_levels: int,
    *,
    filters: int = 32,
    num_blocks: int = 5,
    kernel_size: int = 3,
    name: str = "pixelcnn",
) -> keras.Model:
    """Builds a PixelCNN: masked convolutions from which each pixel, and channel, follows from those before it.

    A convolution 7 x 7 with mask A, residual blocks with mask B, two layers 1 x 1. `sample_pixels` generates.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord,
    Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks".

    Args:
        height: Rows of an image.
        width: Columns of an image.
        channels: Channels of an image, generated one after the other.
        num_levels: Levels of a pixel, at least 2.
        filters: Features of the residual stream, at least `2 * channels`.
        num_blocks: Residual blocks.
        kernel_size: Rows and columns that a residual block sees, odd.
        name: Name of the model.

    Returns:
        A model from levels `(batch, height, width, channels)`, int, to their logits
        `(batch, height, width, channels, num_levels)`, float32.

    Raises:
        ValueError: A size is too small, or `kernel_size` is even.

    Example:
        >>> import numpy as np
        >>> model = pixelcnn(2, 2, 1, 3, filters=8, num_blocks=1)
        >>> image = np.zeros((1, 2, 2, 1), int)
        >>> changed = np.array(image)
        >>> changed[0, 0, 1] = 2
        >>> change = np.asarray(model(changed) != model(image)).any(axis=(3, 4))
        >>> change[0].tolist()  # the second pixel tells of those after it, not of itself
        [[False, False], [True, True]]
    """
    check_sizes(height=height, width=width, channels=channels, num_blocks=num_blocks, kernel_size=kernel_size)
    _check_levels(num_levels)
    if filters < 2 * channels:
        raise ValueError(f"`filters` must be at least {2 * channels}. Received: filters={filters}")
    levels = keras.Input((height, width, channels), dtype="int32", name="levels")
    states = layers.Rescaling(2.0 / (num_levels - 1), -1.0, name="scaled")(levels)
    states = MaskedConv2D(filters, 7, "A", channels, name="first")(states)
    for i in range(1, num_blocks + 1):
        inner = layers.ReLU(name=f"relu_{i}")(states)
        inner = MaskedConv2D(filters // 2, 1, channels=channels, activation="relu", name=f"narrow_{i}")(inner)
        inner = MaskedConv2D(filters // 2, kernel_size, channels=channels, activation="relu", name=f"conv_{i}")(inner)
        inner = MaskedConv2D(filters, 1, channels=channels, name=f"widen_{i}")(inner)
        states = layers.Add(name=f"block_{i}")([states, inner])
    states = layers.ReLU(name="relu")(states)
    states = MaskedConv2D(filters, 1, channels=channels, activation="relu", name="hidden")(states)
    logits = MaskedConv2D(channels * num_levels, 1, channels=channels, dtype="float32", name="channels")(states)
    logits = layers.Reshape((height, width, channels, num_levels), dtype="float32", name="logits")(logits)
    return keras.Model(levels, logits, name=name)


def _dilations(num_stacks, blocks_per_stack, kernel_size, **sizes):
    check_sizes(num_stacks=num_stacks, blocks_per_stack=blocks_per_stack, **sizes)
    if kernel_size < 2:
        raise ValueError(f"`kernel_size` must be at least 2. Received: kernel_size={kernel_size}")
    return [kernel_size**i for i in range(blocks_per_stack)] * num_stacks


def _check_levels(num_levels):
    if num_levels < 2:
        raise ValueError(f"`num_levels` must be at least 2. Received: num_levels={num_levels}")


def _answer(total, units, name):
    states = layers.Activation("relu", name="relu")(total)
    states = layers.Dense(total.shape[-1], activation="relu", name="hidden")(states)
    return layers.Dense(units, dtype="float32", name=name)(states)
