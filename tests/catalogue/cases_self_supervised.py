"""Cases of the self-supervised networks and of the classifiers made from them."""

import keras
import numpy as np
from case import Case

from kerasmlsp import losses, models
from kerasmlsp.targets import pretext

IMAGE, TEXT_LENGTH, VOCABULARY, SAMPLES = (8, 8, 1), 9, 20, 400
KERNELS, STRIDES = (10, 3), (5, 2)
BLOCKS = {"features": 8, "num_layers": 1, "num_heads": 2, "feed_forward_dim": 6, "dropout": 0.0}
# The softmax of attention does not change with the keys' bias, whose gradient is rounding at most.
UNMOVED = ("key/bias",)


def block(features, hidden):
    """Two norms; query, key, value and output; two dense layers."""
    norms = 2 * 2 * features
    return norms + 4 * (features**2 + features) + features * hidden + hidden + hidden * features + features


# Patches of 4 x 4 x 1 pixels; a class token; places of 1 + 4; a block; a norm.
PATCHES = 16 * 8 + 8 + 8 + 5 * 8 + block(8, 6) + 2 * 8
# Each convolution without bias, with gain, offset, mean and variance.
CONVOLUTIONS = 9 * 1 * 4 + 4 * 4 + 9 * 4 * 6 + 4 * 6


def images():
    return np.random.default_rng(0).normal(size=(8, *IMAGE)).astype("float32")


def labels(classes):
    return lambda: np.arange(8) % classes


def hidden_words():
    random = np.random.default_rng(0)
    ids = random.integers(2, VOCABULARY - 1, (8, TEXT_LENGTH)).astype("int32")
    ids[np.arange(TEXT_LENGTH) >= np.array([9, 4, 7, 5, 6, 9, 8, 3])[:, None]] = 0
    return pretext.mask_tokens(ids, VOCABULARY - 1, VOCABULARY - 1, rate=0.4)


def waves():
    random = np.random.default_rng(0)
    frames = pretext.num_frames(SAMPLES, KERNELS, STRIDES)
    # Noise whose loudness changes, so that a frame tells of those beside it.
    loud = np.repeat(random.uniform(0.1, 2, (8, 10)), SAMPLES // 10, axis=1)
    masked = pretext.mask_spans(8, frames, probability=0.1, span=2)
    return {"masked": masked, "waveform": (loud * random.normal(size=(8, SAMPLES))).astype("float32")}


def make(builder, *sizes, **defaults):
    return lambda **changes: builder(*sizes, **{**defaults, **changes})


def from_rotations(num_classes=3, **changes):
    encoder = models.rotation_predictor(IMAGE, filters=(4, 6))
    return models.classifier_from(encoder, num_classes, **changes)


def no_encoder(wrong=False, **changes):
    return models.classifier_from(models.skip_gram(5), 3) if wrong else from_rotations(**changes)


def compile_own_loss(model):
    model.compile(keras.optimizers.Adam(0.01), jit_compile=keras.backend.backend() != "tensorflow")


WRONG_BLOCKS = (
    *(({size: 0}, rf"`{size}` must be at least 1\. Received: {size}=0") for size in BLOCKS if size != "dropout"),
    ({"num_heads": 3}, r"`features` must be a multiple of `num_heads`\. Received: features=8, num_heads=3"),
    ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)\. Received: dropout=1.0"),
)
WRONG_PATCH = ({"patch_size": 3}, r"`patch_size` must divide .* Received: patch_size=3, image_shape=\(8, 8, 1\)")
WRONG_FILTERS = (
    ({"filters": (4, 0)}, r"`filters` must be at least 1\. Received: filters=0"),
    ({"filters": (1, 1, 1, 1)}, r"`image_shape` must be at least 16 x 16\. Received: image_shape=\(8, 8, 1\)"),
    ({"convolutions": 0}, r"`convolutions` must be at least 1\. Received: convolutions=0"),
)

CASES = {
    "classifier_from": Case(
        no_encoder,
        lambda: {"images": images()},
        {"probabilities": (None, 3)},
        CONVOLUTIONS + 6 * 3 + 3,
        labels(3),
        wrong=(
            ({"num_classes": 1}, r"`num_classes` must be at least 2\. Received: num_classes=1"),
            ({"wrong": True}, r"`model` must have a layer `encoder`\. Received: model='skip_gram'"),
        ),
    ),
    "cluster_predictor": Case(
        make(models.cluster_predictor, IMAGE, num_clusters=3, filters=(4, 6)),
        lambda: {"images": images()},
        {"probabilities": (None, 3)},
        CONVOLUTIONS + 6 * 3 + 3,
        labels(3),
        wrong=(
            *WRONG_FILTERS,
            ({"num_clusters": 1}, r"`num_clusters` must be at least 2\. Received: num_clusters=1"),
        ),
    ),
    "contrastive_model": Case(
        make(models.contrastive_model, IMAGE, filters=(4, 6), projection_dim=5),
        lambda: {"first": images(), "second": images() + 0.1 * images()[::-1]},
        {"projections": (None, 2, 5)},
        # A hidden layer as wide as the features, and the projection.
        CONVOLUTIONS + 6 * 6 + 6 + 6 * 5 + 5,
        lambda: np.zeros(8),
        loss=losses.NTXent(0.1),
        wrong=(*WRONG_FILTERS, ({"projection_dim": 0}, r"`projection_dim` must be at least 1\.")),
    ),
    "masked_language_model": Case(
        make(models.masked_language_model, vocabulary_size=VOCABULARY, max_length=16, **BLOCKS),
        lambda: {"token_ids": hidden_words()[0]},
        {"logits": (None, None, VOCABULARY)},
        # Tokens, places, a norm, a block, a norm; a hidden layer, its norm, the vocabulary.
        VOCABULARY * 8 + 16 * 8 + 16 + block(8, 6) + 16 + 8 * 8 + 8 + 16 + 8 * VOCABULARY + VOCABULARY,
        lambda: hidden_words()[1],
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1),
        unmoved=UNMOVED,
        padded=True,
        wrong=(
            *WRONG_BLOCKS,
            ({"vocabulary_size": 1}, "`vocabulary_size` must be at least 2. Received: vocabulary_size=1"),
            ({"max_length": 0}, "`max_length` must be at least 1. Received: max_length=0"),
        ),
    ),
    "masked_patch_predictor": Case(
        make(models.masked_patch_predictor, IMAGE, patch_size=4, **{**BLOCKS, "features": 8}),
        lambda: {"images": images(), "masked": pretext.mask_patches(8, 4)},
        {"pixels": (None, 4, 16)},
        PATCHES + 8 * 16 + 16,
        lambda: pretext.patches(images(), 4),
        loss="mse",
        # 8 features cannot hold the 16 pixels of 32 patches of noise: the mean square is 1 at the start.
        reaches=0.6,
        unmoved=UNMOVED,
        wrong=(*WRONG_BLOCKS, WRONG_PATCH),
    ),
    "rotation_predictor": Case(
        make(models.rotation_predictor, image_shape=IMAGE, filters=(4, 6)),
        lambda: {"images": pretext.rotations(images()[:2])[0]},
        {"probabilities": (None, 4)},
        CONVOLUTIONS + 6 * 4 + 4,
        lambda: pretext.rotations(images()[:2])[1],
        wrong=(
            *WRONG_FILTERS,
            ({"image_shape": (8, 9, 1)}, r"`image_shape` must be square\. Received: image_shape=\(8, 9, 1\)"),
        ),
    ),
    "vision_transformer": Case(
        make(models.vision_transformer, IMAGE, num_classes=3, patch_size=4, **BLOCKS),
        lambda: {"images": images()},
        {"probabilities": (None, 3)},
        PATCHES + 8 * 3 + 3,
        labels(3),
        unmoved=UNMOVED,
        wrong=(
            *WRONG_BLOCKS,
            WRONG_PATCH,
            ({"num_classes": 1}, r"`num_classes` must be at least 2\. Received: num_classes=1"),
        ),
    ),
    "wav2vec": Case(
        make(
            models.wav2vec,
            filters=6,
            kernel_sizes=KERNELS,
            strides=STRIDES,
            position_kernel=3,
            num_groups=2,
            num_entries=5,
            code_dim=4,
            **BLOCKS,
        ),
        waves,
        {"logits": (None, None, None)},
        # Two convolutions, their norms, one more; a vector for the masked.
        (10 * 6 + 6 + 3 * 6 * 6 + 6 + 3 * 2 * 6 + 6)
        # A projection, a filter for each feature, a block, a norm.
        + (6 * 8 + 8 + 3 * 8 + 8 + block(8, 6) + 16)
        # Logits of two codebooks of five entries of two features, and the temperature; two maps to four features.
        + (6 * 10 + 10 + 2 * 5 * 2 + 1 + 8 * 4 + 4 + 4 * 4 + 4),
        compile=compile_own_loss,
        # Chance is ln 8 = 2.08, since about eight frames of a row are masked; they are noise, and so is the quantizer.
        reaches=1.8,
        unmoved=UNMOVED,
        wrong=(
            *WRONG_BLOCKS,
            ({"filters": 0}, r"`filters` must be at least 1\. Received: filters=0"),
            ({"position_kernel": 0}, r"`position_kernel` must be at least 1\."),
            ({"strides": (5,)}, r"`kernel_sizes` and `strides` must be as many, .* strides=\(5,\)"),
            ({"code_dim": 3}, r"`units` must be a multiple of `num_groups`\. Received: units=3"),
        ),
    ),
}
