"""Transformers that learn without labels by predicting what is masked: words, patches of pictures, frames of sound.

`kerasmlsp.targets.pretext` masks words and patches. The layer `encoder` of a model is a `keras.Model`.
"""

import math

import keras
from keras import layers, ops

from kerasmlsp.layers import ClassToken, ContrastiveFrames, LearnedPosition, MaskedFrames, ProductQuantizer
from kerasmlsp.models import _text
from kerasmlsp.models._checks import check_rates, check_sizes
from kerasmlsp.models._heads import class_probabilities
from kerasmlsp.models.transformer import _block


def masked_language_model(
    vocabulary_size: int,
    *,
    max_length: int = 512,
    features: int = 128,
    num_layers: int = 4,
    num_heads: int = 4,
    feed_forward_dim: int = 512,
    dropout: float = 0.1,
    name: str = "masked_language_model",
) -> keras.Model:
    """Builds a Transformer encoder that predicts hidden tokens from those on both sides.

    Train on `targets.pretext.mask_tokens` with `keras.losses.SparseCategoricalCrossentropy(from_logits=True,
    ignore_class=-1)`, which leaves all other tokens out. The last layer has weights of its own, not the embedding's.

    Reference: Ganapathy, MLSP 2025, "Self-supervision as a task"; Devlin et al. 2019, "BERT: Pre-training of Deep
    Bidirectional Transformers for Language Understanding".

    Args:
        vocabulary_size: Number of token ids, at least 2, with that of a hidden word.
        max_length: Tokens of the longest text that has positions of its own.
        features: Size of a token's vector, a multiple of `num_heads`.
        num_layers: Blocks.
        num_heads: Attention heads of a block.
        feed_forward_dim: Hidden units of a block's feed-forward net.
        dropout: Drop probability of the token vectors and inside the blocks, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)`, 0 for padding on the right, to logits `(batch, length,
        vocabulary_size)`, float32.

    Raises:
        ValueError: A size is too small, `num_heads` does not divide `features`, or `dropout` is out of range.

    Example:
        >>> model = masked_language_model(100, features=8, num_layers=1, num_heads=2, feed_forward_dim=16)
        >>> model.output_shape
        (None, None, 100)
    """
    _text.check_sizes(vocabulary_size=vocabulary_size, max_length=max_length)
    _check_blocks(features, num_layers, num_heads, feed_forward_dim, dropout)
    ids = _text.token_ids()
    start = keras.initializers.RandomNormal(stddev=0.02)
    states = layers.Embedding(vocabulary_size, features, embeddings_initializer=start, name="embedding")(ids)
    states = LearnedPosition(max_length, name="position")(states)
    states = layers.Dropout(dropout, name="dropout")(layers.LayerNormalization(name="embedding_norm")(states))
    states = _blocks(states, _text.mask_of(ids), num_layers, num_heads, feed_forward_dim, dropout)
    encoder = keras.Model(ids, states, name="encoder")
    ids = _text.token_ids()
    hidden = layers.Dense(features, activation="gelu", name="hidden")(encoder(ids))
    hidden = layers.LayerNormalization(name="hidden_norm")(hidden)
    return keras.Model(ids, layers.Dense(vocabulary_size, dtype="float32", name="logits")(hidden), name=name)


def vision_transformer(
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    patch_size: int = 16,
    features: int = 768,
    num_layers: int = 12,
    num_heads: int = 12,
    feed_forward_dim: int = 3072,
    dropout: float = 0.0,
    name: str = "vision_transformer",
) -> keras.Model:
    """Builds a Transformer encoder over the patches of an image; a token before them gives the class.

    With the defaults, 224 x 224 pixels and 1000 classes it is ViT-B/16, of 86,567,656 parameters.

    Reference: Ganapathy, MLSP 2025, "Self-supervision in images - Vision Transformer"; Dosovitskiy et al. 2021, "An
    Image is Worth 16x16 Words: Transformers for Image Recognition at Scale".

    Args:
        image_shape: Height, width (multiples of `patch_size`) and channels.
        num_classes: Number of classes, at least 2.
        patch_size: Side of a patch in pixels.
        features: Size of a patch's vector, a multiple of `num_heads`.
        num_layers: Blocks.
        num_heads: Attention heads of a block.
        feed_forward_dim: Hidden units of a block's feed-forward net.
        dropout: Drop probability of the vectors and inside the blocks, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` to class probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, `patch_size` does not divide the image, `num_heads` does not divide `features`,
            or `dropout` is out of range.

    Example:
        >>> sizes = {"patch_size": 8, "features": 16, "num_layers": 1, "num_heads": 2, "feed_forward_dim": 32}
        >>> model = vision_transformer((32, 24, 3), 10, **sizes)
        >>> model.get_layer("encoder").output_shape  # 4 * 3 patches, and the token of the class
        (None, 13, 16)
    """
    check_sizes(2, num_classes=num_classes)
    encoder = _patch_encoder(image_shape, patch_size, features, num_layers, num_heads, feed_forward_dim, dropout)
    images = keras.Input(image_shape, name="images")
    return keras.Model(images, class_probabilities(encoder(images)[:, 0], num_classes), name=name)


def masked_patch_predictor(
    image_shape: tuple[int, int, int],
    *,
    patch_size: int = 16,
    features: int = 768,
    num_layers: int = 12,
    num_heads: int = 12,
    feed_forward_dim: int = 3072,
    dropout: float = 0.0,
    name: str = "masked_patch_predictor",
) -> keras.Model:
    """Builds a Vision Transformer that predicts the pixels of hidden patches from the others; hidden ones are zero.

    Train with the loss "mse" on `targets.pretext.patches(images, patch_size)`, with the hidden patches
    (`targets.pretext.mask_patches`) as `sample_weight`, so that no other counts.

    Reference: Ganapathy, MLSP 2025, "Self-supervision in images - Vision Transformer" (predict masked regions); Xie et
    al. 2022, "SimMIM: A Simple Framework for Masked Image Modeling".

    Args:
        image_shape: As of `vision_transformer`.
        patch_size: As of `vision_transformer`.
        features: As of `vision_transformer`.
        num_layers: As of `vision_transformer`.
        num_heads: As of `vision_transformer`.
        feed_forward_dim: As of `vision_transformer`.
        dropout: As of `vision_transformer`.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` and `masked` `(batch, patches)`, True for the patches to
        hide, row by row, to the pixels of all patches `(batch, patches, patch_size * patch_size * channels)`, float32.

    Raises:
        ValueError: As of `vision_transformer`.

    Example:
        >>> sizes = {"patch_size": 8, "features": 16, "num_layers": 1, "num_heads": 2, "feed_forward_dim": 32}
        >>> model = masked_patch_predictor((32, 24, 3), **sizes)
        >>> model.output_shape  # 4 * 3 patches of 8 * 8 * 3 numbers
        (None, 12, 192)
    """
    encoder = _patch_encoder(image_shape, patch_size, features, num_layers, num_heads, feed_forward_dim, dropout)
    height, width, channels = image_shape
    rows, columns = height // patch_size, width // patch_size
    images = keras.Input(image_shape, name="images")
    masked = keras.Input((rows * columns,), dtype="bool", name="masked")
    shown = 1.0 - ops.cast(ops.reshape(masked, (-1, rows, columns, 1)), images.dtype)
    shown = ops.repeat(ops.repeat(shown, patch_size, axis=1), patch_size, axis=2)
    states = encoder(images * shown)[:, 1:]
    pixels = layers.Dense(patch_size * patch_size * channels, dtype="float32", name="pixels")(states)
    return keras.Model({"images": images, "masked": masked}, pixels, name=name)


def wav2vec(
    *,
    filters: int = 64,
    kernel_sizes: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2),
    strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2),
    features: int = 128,
    num_layers: int = 4,
    num_heads: int = 4,
    feed_forward_dim: int = 512,
    position_kernel: int = 31,
    num_groups: int = 2,
    num_entries: int = 64,
    code_dim: int = 64,
    num_distractors: int = 100,
    temperature: float = 0.1,
    diversity_weight: float = 0.1,
    dropout: float = 0.1,
    name: str = "wav2vec",
) -> keras.Model:
    """Builds wav2vec 2.0: it tells the quantized frame that stood at a masked place from those that stood elsewhere.

    Convolutions turn a waveform into frames, one for every `prod(strides)` samples. A Transformer sees them with the
    masked ones replaced; a product quantizer sees them all. The model brings its own losses: compile it with an
    optimizer alone, and fit it to its inputs, with the masks of `targets.pretext.mask_spans`. Give waveforms of mean 0
    and variance 1.

    Reference: Ganapathy, MLSP 2025, "Self-supervision in audio - wav2vec"; Baevski et al. 2020, "wav2vec 2.0: A
    Framework for Self-Supervised Learning of Speech Representations".

    Args:
        filters: Filters of each convolution.
        kernel_sizes: Samples, then frames, that each convolution sees.
        strides: As many; the stride of each.
        features: Size of a frame's vector in the Transformer, a multiple of `num_heads`.
        num_layers: Blocks.
        num_heads: Attention heads of a block.
        feed_forward_dim: Hidden units of a block's feed-forward net.
        position_kernel: Frames of the convolution over time that tells positions; one filter for each feature.
        num_groups: Codebooks of the quantizer.
        num_entries: Entries of each, at least 2.
        code_dim: Size of a quantized frame, a multiple of `num_groups`, and of the features that are compared.
        num_distractors: Most other frames from which one is to be told.
        temperature: Temperature of that comparison, above 0.
        diversity_weight: Weight of the loss that has all entries used alike, at least 0.
        dropout: Drop probability of the frames and inside the blocks, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from a `waveform` `(batch, samples)` and `masked` `(batch, frames)`, True for the frames to hide, to
        logits `(batch, frames, frames)`, float32: how well the quantized frame `s` goes with the context at `t`.

    Raises:
        ValueError: A size or rate is out of range, `strides` are not as many as `kernel_sizes`, or `num_heads` does not
            divide `features`.

    Example:
        >>> import numpy as np
        >>> model = wav2vec(filters=4, features=8, num_layers=1, num_heads=2, feed_forward_dim=16, code_dim=4)
        >>> tuple(model.get_layer("frames")(np.zeros((1, 16000))).shape)  # a second at 16 kHz, a frame for 320 samples
        (1, 49, 4)
    """
    check_sizes(filters=filters, position_kernel=position_kernel)
    _check_blocks(features, num_layers, num_heads, feed_forward_dim, dropout)
    if not kernel_sizes or len(kernel_sizes) != len(strides) or min(*kernel_sizes, *strides) < 1:
        raise ValueError(
            "`kernel_sizes` and `strides` must be as many, each at least 1. "
            f"Received: kernel_sizes={kernel_sizes}, strides={strides}"
        )
    frames = _frames(filters, kernel_sizes, strides)
    context = _context(filters, features, num_layers, num_heads, feed_forward_dim, position_kernel, dropout)
    waveform = keras.Input((None,), name="waveform")
    masked = keras.Input((None,), dtype="bool", name="masked")
    found = frames(waveform)
    codes = ProductQuantizer(num_groups, num_entries, code_dim, diversity_weight=diversity_weight, name="quantizer")(
        found
    )
    states = context(MaskedFrames(name="masking")(found, masked))
    logits = ContrastiveFrames(code_dim, num_distractors, temperature, name="logits")(states, codes, masked)
    return keras.Model({"waveform": waveform, "masked": masked}, logits, name=name)


def _frames(filters, kernel_sizes, strides):
    waveform = keras.Input((None,), name="waveform")
    states = ops.expand_dims(waveform, 2)
    for i, (kernel_size, stride) in enumerate(zip(kernel_sizes, strides, strict=True), 1):
        states = layers.Conv1D(filters, kernel_size, strides=stride, name=f"convolution_{i}")(states)
        states = layers.Activation("gelu", name=f"gelu_{i}")(layers.LayerNormalization(name=f"norm_{i}")(states))
    return keras.Model(waveform, layers.LayerNormalization(name="norm")(states), name="frames")


def _context(filters, features, num_layers, num_heads, feed_forward_dim, position_kernel, dropout):
    frames = keras.Input((None, filters), name="frames")
    states = layers.Dense(features, name="projection")(frames)
    position = layers.DepthwiseConv1D(position_kernel, padding="same", activation="gelu", name="position")
    states = layers.Dropout(dropout, name="dropout")(states + position(states))
    states = _blocks(states, None, num_layers, num_heads, feed_forward_dim, dropout)
    return keras.Model(frames, states, name="context")


def _blocks(states, mask, num_layers, num_heads, feed_forward_dim, dropout):
    for i in range(1, num_layers + 1):
        states = _block(states, mask, num_heads, feed_forward_dim, dropout, f"block_{i}")
    return layers.LayerNormalization(name="norm")(states)


def _patch_encoder(image_shape, patch_size, features, num_layers, num_heads, feed_forward_dim, dropout):
    _check_blocks(features, num_layers, num_heads, feed_forward_dim, dropout)
    height, width, channels = image_shape
    check_sizes(patch_size=patch_size, height=height, width=width, channels=channels)
    if height % patch_size or width % patch_size:
        raise ValueError(
            "`patch_size` must divide height and width of `image_shape`. "
            f"Received: patch_size={patch_size}, image_shape={image_shape}"
        )
    images = keras.Input(image_shape, name="images")
    states = layers.Conv2D(features, patch_size, strides=patch_size, name="patches")(images)
    number = math.prod(states.shape[1:3])
    states = ClassToken(name="class_token")(layers.Reshape((number, features), name="sequence")(states))
    states = layers.Dropout(dropout, name="dropout")(LearnedPosition(number + 1, name="position")(states))
    states = _blocks(states, None, num_layers, num_heads, feed_forward_dim, dropout)
    return keras.Model(images, states, name="encoder")


def _check_blocks(features, num_layers, num_heads, feed_forward_dim, dropout):
    check_sizes(features=features, num_layers=num_layers, num_heads=num_heads, feed_forward_dim=feed_forward_dim)
    check_rates(dropout=dropout)
    if features % num_heads:
        raise ValueError(
            f"`features` must be a multiple of `num_heads`. Received: features={features}, num_heads={num_heads}"
        )
