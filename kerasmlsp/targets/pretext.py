"""Pretext tasks: targets that data without labels give themselves, in NumPy.

`kerasmlsp.models` has a model for each: `masked_language_model`, `masked_patch_predictor`, `rotation_predictor`,
`cluster_predictor` and `wav2vec`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.data.text import PADDING, UNKNOWN


def mask_tokens(
    ids: ArrayLike, vocabulary_size: int, mask_id: int, *, rate: float = 0.15, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Hides tokens, to be predicted from those around them.

    Each token is chosen with the probability `rate`. Of those chosen, 80 % become `mask_id`, 10 % a random word, and 10
    % stay.

    Reference: Ganapathy, MLSP 2025, "Self-supervision as a task"; Devlin et al. 2019, "BERT: Pre-training of Deep
    Bidirectional Transformers for Language Understanding".

    Args:
        ids: Integers `(texts, length)`, 0 for padding, which is never chosen.
        vocabulary_size: Random words are drawn from the ids from 2 to `vocabulary_size - 1`.
        mask_id: The id that stands for a hidden word; best one that no word has.
        rate: In `(0, 1]`.
        seed: Seed of all that is drawn.

    Returns:
        Ids to predict from, and targets: the id where a token was chosen, else -1, which `keras.losses.
        SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)` leaves out. Both are int32 if `ids` are, else
        int64.

    Raises:
        ValueError: `rate` is out of range.

    Example:
        >>> shown, targets = mask_tokens([[5, 6, 7, 0]], vocabulary_size=8, mask_id=8, rate=1.0)
        >>> targets  # all are chosen but the padding
        array([[ 5,  6,  7, -1]])
    """
    _check_share("rate", rate)
    ids, random = np.asarray(ids), np.random.default_rng(seed)
    if ids.dtype != np.int32:
        ids = ids.astype(np.int64)  # a small or unsigned type has no -1, and perhaps no `mask_id`
    chosen = (random.random(ids.shape) < rate) & (ids != PADDING)
    fate = random.random(ids.shape)
    words = random.integers(UNKNOWN + 1, vocabulary_size, ids.shape, dtype=ids.dtype)
    shown = np.where(fate < 0.8, ids.dtype.type(mask_id), np.where(fate < 0.9, words, ids))
    return np.where(chosen, shown, ids), np.where(chosen, ids, -1)


def patches(images: ArrayLike, patch_size: int) -> np.ndarray:
    """Cuts images into squares, row by row: `(images, patches, patch_size * patch_size * channels)`.

    Raises:
        ValueError: `patch_size` does not divide height and width.

    Example:
        >>> image = np.arange(16).reshape(1, 4, 4, 1)
        >>> patches(image, 2)[0, 0], patches(image, 2).shape
        (array([0, 1, 4, 5]), (1, 4, 4))
    """
    images = np.asarray(images)
    number, height, width, channels = images.shape
    if patch_size < 1 or height % patch_size or width % patch_size:
        raise ValueError(f"`patch_size` must divide {height} x {width} pixels. Received: patch_size={patch_size}")
    cut = images.reshape(number, height // patch_size, patch_size, width // patch_size, patch_size, channels)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(number, -1, patch_size * patch_size * channels)


def mask_patches(number: int, num_patches: int, *, rate: float = 0.6, seed: int = 0) -> np.ndarray:
    """Chooses the patches to hide, as many of every image: booleans `(number, num_patches)`.

    Reference: Ganapathy, MLSP 2025, "Self-supervision in images - Vision Transformer"; Xie et al. 2022, "SimMIM: A
    Simple Framework for Masked Image Modeling".

    Raises:
        ValueError: `rate` is not in `(0, 1]`.

    Example:
        >>> mask_patches(3, 10, rate=0.6).sum(axis=1)
        array([6, 6, 6])
    """
    _check_share("rate", rate)
    order = np.argsort(np.random.default_rng(seed).random((number, num_patches)), axis=1)
    return order < max(1, round(rate * num_patches))


def mask_spans(number: int, length: int, *, probability: float = 0.065, span: int = 10, seed: int = 0) -> np.ndarray:
    """Chooses spans of frames to hide, which may overlap: booleans `(number, length)`.

    Reference: Baevski et al. 2020, "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations".

    Args:
        number: Sequences.
        length: Frames of each, at least 1.
        probability: Share of frames at which a span begins, in `(0, 1]`; at least two do, so that there is a frame to
            be told apart.
        span: Frames of a span, at least 1.
        seed: Seed of the choice.

    Raises:
        ValueError: `probability` or `span` is out of range.

    Example:
        >>> masked = mask_spans(1, 100, probability=0.05, span=10)  # five spans of ten frames, which may overlap
        >>> masked.shape, bool(10 < masked.sum() <= 50)
        ((1, 100), True)
    """
    _check_share("probability", probability)
    if span < 1:
        raise ValueError(f"`span` must be at least 1. Received: span={span}")
    begins = min(length, max(2, round(probability * length)))
    order = np.argsort(np.random.default_rng(seed).random((number, length)), axis=1)
    masked = np.zeros((number, length), bool)
    for shift in range(min(span, length)):
        masked[:, shift:] |= (order < begins)[:, : length - shift]
    return masked


def num_frames(
    num_samples: int,
    kernel_sizes: Sequence[int] = (10, 3, 3, 3, 3, 2, 2),
    strides: Sequence[int] = (5, 2, 2, 2, 2, 2, 2),
) -> int:
    """Frames that the convolutions of `models.wav2vec` make of a waveform.

    Example:
        >>> num_frames(16_000)  # a second of speech, 16 kHz
        49
    """
    for kernel_size, stride in zip(kernel_sizes, strides, strict=True):
        num_samples = (num_samples - kernel_size) // stride + 1
    return max(num_samples, 0)


def rotations(images: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Turns every image by 0, 90, 180 and 270 degrees, counter-clockwise.

    Reference: Ganapathy, MLSP 2025, "Self supervision - pre-text task" (transformation prediction); Gidaris et al.
    2018, "Unsupervised Representation Learning by Predicting Image Rotations".

    Args:
        images: `(number, side, side, channels)`.

    Returns:
        Images `(4 * number, side, side, channels)`, the four of an image in a row, and the number of quarter turns.

    Raises:
        ValueError: The images are not square.

    Example:
        >>> turned, turns = rotations(np.array([[[[1], [2]], [[3], [4]]]]))
        >>> turned[1, :, :, 0], turns
        (array([[2, 4],
               [1, 3]]), array([0, 1, 2, 3]))
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] != images.shape[2]:
        raise ValueError(f"`images` must be square, (number, side, side, channels). Received: shape={images.shape}")
    turned = np.stack([np.rot90(images, turns, axes=(1, 2)) for turns in range(4)], axis=1)
    return turned.reshape(-1, *images.shape[1:]), np.tile(np.arange(4), len(images))


def cluster_labels(features: ArrayLike, num_clusters: int, *, components: int = 256, seed: int = 0) -> np.ndarray:
    """Groups features, so that the number of its group is the label of an example.

    Features are reduced to their principal components of equal variance, scaled to length 1, and grouped by k-means.
    Needs scikit-learn: `pip install -e '.[clustering]'`.

    Reference: Ganapathy, MLSP 2025, "Self supervision - pre-text task" (clustering); Caron et al. 2018, "Deep
    Clustering for Unsupervised Learning of Visual Features".

    Args:
        features: `(examples, features)`, such as an encoder's.
        num_clusters: 2 to the number of examples.
        components: Most principal components to keep, at least 1.
        seed: Seed of the first centres.

    Returns:
        Labels `(examples,)` from 0.

    Raises:
        ValueError: `num_clusters` or `components` is out of range.

    Example:
        >>> # Needs the extra `clustering`.
        >>> labels = cluster_labels([[0, 0], [0, 1], [9, 9], [9, 8]], 2, components=1)  # doctest: +SKIP
        >>> len(set(labels[:2])), len(set(labels[2:])), len(set(labels))  # doctest: +SKIP
        (1, 1, 2)
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    features = np.asarray(features, np.float64)
    if not 2 <= num_clusters <= len(features):
        raise ValueError(
            f"`num_clusters` must be from 2 to the {len(features)} examples. Received: num_clusters={num_clusters}"
        )
    if components < 1:
        raise ValueError(f"`components` must be at least 1. Received: components={components}")
    reduced = PCA(min(components, *features.shape), whiten=True, random_state=seed).fit_transform(features)
    reduced /= np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-12)
    return KMeans(num_clusters, n_init=1, random_state=seed).fit_predict(reduced)


def _check_share(name, value):
    if not 0 < value <= 1:
        raise ValueError(f"`{name}` must be in (0, 1]. Received: {name}={value}")
