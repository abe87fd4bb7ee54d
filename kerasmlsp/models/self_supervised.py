"""Self-supervised networks: a pretext task trains an encoder, and `classifier_from` puts classes in the task's place.

`kerasmlsp.targets.pretext` makes the targets of the tasks. The layer `encoder` of a model is a `keras.Model`.
"""

import math

import keras
from keras import layers, ops

from kerasmlsp.layers import (
    BatchNormalization,
    ClassToken,
    ContrastiveFrames,
    LearnedPosition,
    MaskedFrames,
    ProductQuantizer,
)
from kerasmlsp.models import _text
from kerasmlsp.models._checks import check_rates, check_sizes
from kerasmlsp.models._heads import class_probabilities
from kerasmlsp.models.transformer import _block


def classifier_from(
    model: keras.Model, num_classes: int, *, freeze: bool = False, name: str = "classifier_from"
) -> keras.Model:
    """Puts a classifier in place of a pretext task; the encoder is that of `model`, with its weights.

    Encoders that give a sequence are pooled by its mean. Both models share the weights: what trains one changes the
    other.

    Reference: Ganapathy, MLSP 2025, "Self supervision - principle" (downstream fine-tuning); Devlin et al. 2019, "BERT:
    Pre-training of Deep Bidirectional Transformers for Language Understanding".

    Args:
        model: Any model of this file, also one that this function made.
        num_classes: Number of classes, at least 2.
        freeze: Whether the encoder stays as it is, here and in `model`; the classes are then a linear function of its
            features.
        name: Name of the model.

    Returns:
        A model from the encoder's input to class probabilities `(batch, num_classes)`.

    Raises:
        ValueError: `num_classes` is too small, or `model` has no encoder.

    Example:
        >>> model = rotation_predictor((8, 8, 1), filters=(4,))
        >>> classifier = classifier_from(model, 5)
        >>> model.output_shape, classifier.output_shape
        ((None, 4), (None, 5))
        >>> classifier.get_layer("encoder") is model.get_layer("encoder")
        True
    """
    check_sizes(2, num_classes=num_classes)
    encoder = _encoder_of(model)
    encoder.trainable = not freeze
    (given,) = encoder.inputs
    inputs = keras.Input(given.shape[1:], dtype=given.dtype, name=given.name)
    features = encoder(inputs, training=False) if freeze else encoder(inputs)
    if len(features.shape) == 3:
        weights = ops.ones_like(features[..., 0])
        if keras.backend.is_int_dtype(given.dtype):
            weights = ops.cast(_text.mask_of(inputs), features.dtype)
        features = ops.sum(features * ops.expand_dims(weights, 2), axis=1) / ops.sum(weights, axis=1, keepdims=True)
    return keras.Model(inputs, class_probabilities(features, num_classes), name=name)


def _encoder_of(model):
    found = {layer.name: layer for layer in model.layers}
    if "encoder" in found:
        return found["encoder"]
    if "frames" not in found or "context" not in found:
        raise ValueError(f"`model` must have a layer `encoder`. Received: model={model.name!r}")
    waveform = found["frames"].input
    return keras.Model(waveform, found["context"](found["frames"](waveform)), name="encoder")


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


def rotation_predictor(
    image_shape: tuple[int, int, int],
    *,
    filters: tuple[int, ...] = (32, 64, 128),
    convolutions: int = 1,
    name: str = "rotation_predictor",
) -> keras.Model:
    """Builds a convolutional network that tells by how many quarter turns an image was turned.

    Train on `targets.pretext.rotations`.

    Reference: Ganapathy, MLSP 2025, "Self supervision - pre-text task" (transformation prediction); Gidaris et al.
    2018, "Unsupervised Representation Learning by Predicting Image Rotations".

    Args:
        image_shape: Height and width, which are alike, and channels.
        filters: Filters of each stage, which halves height and width.
        convolutions: Convolutions of a stage, at least 1.
        name: Name of the model.

    Returns:
        A model from images `(batch, side, side, channels)` to the probabilities of 0, 1, 2 and 3 quarter turns.

    Raises:
        ValueError: A size is too small, or the images are not square.

    Example:
        >>> model = rotation_predictor((32, 32, 3), filters=(4, 8))
        >>> model.output_shape
        (None, 4)
    """
    if image_shape[0] != image_shape[1]:
        raise ValueError(f"`image_shape` must be square. Received: image_shape={image_shape}")
    return _convolutional_classifier(image_shape, 4, filters, convolutions, name)


def cluster_predictor(
    image_shape: tuple[int, int, int],
    num_clusters: int,
    *,
    filters: tuple[int, ...] = (32, 64, 128),
    convolutions: int = 1,
    name: str = "cluster_predictor",
) -> keras.Model:
    """Builds a convolutional network that predicts to which cluster of its own features an image belongs.

    Each round takes labels from `targets.pretext.cluster_labels(model.get_layer("encoder").predict(images), ...)`,
    puts a new last layer in (`classifier_from(model, num_clusters)`), and trains an epoch.

    Reference: Ganapathy, MLSP 2025, "Self supervision - pre-text task" (clustering); Caron et al. 2018, "Deep
    Clustering for Unsupervised Learning of Visual Features".

    Args:
        image_shape: Height, width and channels.
        num_clusters: Clusters, at least 2.
        filters: Filters of each stage, which halves height and width.
        convolutions: Convolutions of a stage, at least 1.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)` to probabilities `(batch, num_clusters)`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = cluster_predictor((32, 32, 3), 10, filters=(4, 8))
        >>> model.get_layer("encoder").output_shape, model.output_shape  # what is clustered, and what is predicted
        ((None, 8), (None, 10))
    """
    if num_clusters < 2:
        raise ValueError(f"`num_clusters` must be at least 2. Received: num_clusters={num_clusters}")
    return _convolutional_classifier(image_shape, num_clusters, filters, convolutions, name)


def contrastive_model(
    image_shape: tuple[int, int, int],
    *,
    filters: tuple[int, ...] = (32, 64, 128),
    convolutions: int = 1,
    projection_dim: int = 128,
    name: str = "contrastive_model",
) -> keras.Model:
    """Builds the network of SimCLR: an encoder, and a small net whose outputs are alike for two views of one image.

    Train on pairs of augmented views with `kerasmlsp.losses.NTXent`, which does not read its targets: give zeros.

    Reference: Ganapathy, MLSP 2025, "Contrastive Instance Discrimination"; Chen et al. 2020, "A Simple Framework for
    Contrastive Learning of Visual Representations".

    Args:
        image_shape: Height, width and channels.
        filters: Filters of each stage, which halves height and width.
        convolutions: Convolutions of a stage, at least 1.
        projection_dim: Features in which views are compared.
        name: Name of the model.

    Returns:
        A model from the views `first` and `second`, `(batch, height, width, channels)`, to projections `(batch, 2,
        projection_dim)`, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = contrastive_model((32, 32, 3), filters=(4, 8), projection_dim=6)
        >>> model.output_shape  # both views of an image
        (None, 2, 6)
    """
    check_sizes(projection_dim=projection_dim)
    encoder = _convolutional_encoder(image_shape, filters, convolutions)
    views = {view: keras.Input(image_shape, name=view) for view in ("first", "second")}
    # One pass, so that both views meet the same batch statistics.
    hidden = encoder(ops.concatenate(list(views.values()), axis=0))
    hidden = layers.Dense(filters[-1], activation="relu", name="hidden")(hidden)
    projected = layers.Dense(projection_dim, name="projection")(hidden)
    pairs = ops.transpose(ops.reshape(projected, (2, -1, projection_dim)), (1, 0, 2))
    return keras.Model(views, layers.Activation("linear", dtype="float32", name="projections")(pairs), name=name)


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


def _convolutional_encoder(image_shape, filters, convolutions):
    height, width, channels = image_shape
    least = 2 ** len(filters)
    if min(height, width) < least:
        raise ValueError(f"`image_shape` must be at least {least} x {least}. Received: image_shape={image_shape}")
    check_sizes(channels=channels, filters=min(filters, default=0), convolutions=convolutions)
    images = keras.Input(image_shape, name="images")
    states = images
    for i, size in enumerate(filters, 1):
        for number in [f"{i}", *(f"{i}_{j}" for j in range(2, convolutions + 1))]:
            states = layers.Conv2D(size, 3, padding="same", use_bias=False, name=f"convolution_{number}")(states)
            states = layers.ReLU(name=f"relu_{number}")(BatchNormalization(name=f"norm_{number}")(states))
        states = layers.MaxPooling2D(name=f"pool_{i}")(states)
    return keras.Model(images, layers.GlobalAveragePooling2D(name="features")(states), name="encoder")


def _convolutional_classifier(image_shape, num_classes, filters, convolutions, name):
    images = keras.Input(image_shape, name="images")
    features = _convolutional_encoder(image_shape, filters, convolutions)(images)
    return keras.Model(images, class_probabilities(features, num_classes), name=name)


def _check_blocks(features, num_layers, num_heads, feed_forward_dim, dropout):
    check_sizes(features=features, num_layers=num_layers, num_heads=num_heads, feed_forward_dim=feed_forward_dim)
    check_rates(dropout=dropout)
    if features % num_heads:
        raise ValueError(
            f"`features` must be a multiple of `num_heads`. Received: features={features}, num_heads={num_heads}"
        )
