"""Self-supervised networks: a pretext task trains an encoder, and `classifier_from` puts classes in the task's place.

`kerasmlsp.targets.pretext` makes the targets of the tasks. The layer `encoder` of a model is a `keras.Model`.
"""

import keras
from keras import layers, ops

from kerasmlsp.layers import BatchNormalization
from kerasmlsp.models import _text
from kerasmlsp.models._checks import check_sizes
from kerasmlsp.models._heads import class_probabilities


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
            # Few labels are few steps: with Keras's 0.99 the averages would not have come near by then.
            states = BatchNormalization(momentum=0.9, name=f"norm_{number}")(states)
            states = layers.ReLU(name=f"relu_{number}")(states)
        states = layers.MaxPooling2D(name=f"pool_{i}")(states)
    return keras.Model(images, layers.GlobalAveragePooling2D(name="features")(states), name="encoder")


def _convolutional_classifier(image_shape, num_classes, filters, convolutions, name):
    images = keras.Input(image_shape, name="images")
    features = _convolutional_encoder(image_shape, filters, convolutions)(images)
    return keras.Model(images, class_probabilities(features, num_classes), name=name)
