"""Classical methods beside the nets: what few labels give without pre-training a net."""

import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasmlsp.data import clips
from kerasmlsp.extras import required

FOLDS, CHOSEN_ON = 5, 2000
"""Folds of the cross-validation that chooses a constant, and most of the labelled examples it is chosen on."""
PATCH, CENTRES, DRAWN = 6, 400, 100_000
"""Side of the patches, centres of k-means, and patches that they are found in."""
METHODS = {"pictures": ("svm", "k-means patches"), "texts": ("svm",), "recordings": ("svm",)}
"""By kind of example."""


def chosen(make: Callable, constants: Sequence[float], inputs: Any, labels: np.ndarray, seed: int) -> tuple[Any, dict]:
    """Fits a classifier with the constant that does best in cross-validation on the labelled examples themselves.

    Args:
        make: Returns an unfitted classifier of scikit-learn for a constant.
        constants: Those to choose from, the middle one where a class has a single example.
        inputs: `(examples, features)`, dense or sparse.
        labels: Class numbers.
        seed: Seed of the folds.

    Returns:
        The fitted classifier, and what was chosen.
    """
    selection = required("sklearn.model_selection")
    rows = np.arange(len(labels))
    if len(labels) > CHOSEN_ON:
        splitter = selection.StratifiedShuffleSplit(1, train_size=CHOSEN_ON, random_state=seed)
        rows = next(splitter.split(rows, labels))[0]
    folds = min(FOLDS, min(collections.Counter(labels[rows].tolist()).values()))
    best = constants[len(constants) // 2]
    if folds > 1:
        parts = selection.StratifiedKFold(folds, shuffle=True, random_state=seed)
        scores = [
            selection.cross_val_score(make(each), inputs[rows], labels[rows], cv=parts).mean() for each in constants
        ]
        best = constants[int(np.argmax(scores))]
    return make(best).fit(inputs, labels), {"C": best}


def linear(train: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> tuple[np.ndarray, dict]:
    """Tells classes by logistic regression on features: the linear probe of an encoder.

    Args:
        train: Features `(examples, d)`.
        labels: Their class numbers.
        test: Features of others.
        seed: Seed of the cross-validation.

    Returns:
        Class numbers of `test`, and what was chosen.
    """
    models, pipeline, scaling = (required(f"sklearn.{name}") for name in ("linear_model", "pipeline", "preprocessing"))

    def make(constant):
        regression = models.LogisticRegression(C=constant, max_iter=2000)
        return pipeline.make_pipeline(scaling.StandardScaler(), regression)

    found, told = chosen(make, (0.001, 0.01, 0.1, 1.0, 10.0), train, labels, seed)
    return found.predict(test), told


def predict(
    method: str, kind: str, train: Any, labels: np.ndarray, test: Any, unlabelled: Any, rate: int, seed: int
) -> tuple[np.ndarray, dict]:
    """Trains a classical method and tells the classes of others.

    Args:
        method: One of `METHODS`.
        kind: Kind of the examples.
        train: Labelled examples: uint8 pictures, texts, or int16 recordings.
        labels: Their class numbers.
        test: Examples to tell.
        unlabelled: More examples, whose labels are not used.
        rate: Samples per second of recordings.
        seed: Seed.

    Returns:
        Class numbers of `test`, and what was chosen.
    """
    if method == "k-means patches":
        return _by_patches(train, labels, test, unlabelled, seed)
    if kind == "texts":
        return _by_words(train, labels, test, seed)
    support = required("sklearn.svm")
    if kind == "pictures":
        train, test = (each.reshape(len(each), -1).astype("float32") / 255 for each in (train, test))
    else:
        train, test = (_spectra(each, rate) for each in (train, test))
        middle, spread = train.mean(0), train.std(0) + 1e-6
        train, test = (train - middle) / spread, (test - middle) / spread
    found, told = chosen(lambda constant: support.SVC(C=constant), (1.0, 3.0, 10.0, 30.0), train, labels, seed)
    return found.predict(test), told


def _by_words(train, labels, test, seed):
    """A linear SVM on weighted words and pairs of words."""
    support, words = required("sklearn.svm"), required("sklearn.feature_extraction.text")
    vectors = words.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=200_000)
    inputs = vectors.fit_transform(train)
    found, told = chosen(lambda constant: support.LinearSVC(C=constant), (0.1, 0.3, 1.0, 3.0), inputs, labels, seed)
    return found.predict(vectors.transform(test)), told


def _spectra(samples, rate):
    """Means and deviations over ten parts of the log-mel spectrogram of each recording, `(recordings, features)`."""
    from kerasmlsp.layers import LogMelSpectrogram

    layer, found = LogMelSpectrogram(40, rate), []
    for start in range(0, len(samples), 256):
        heard = np.asarray(layer(clips.floats(samples[start : start + 256])))
        parts = np.array_split(heard, min(10, heard.shape[1]), axis=1)
        found.append(np.concatenate([each.mean(1) for each in parts] + [each.std(1) for each in parts], axis=1))
    return np.concatenate(found)


def _by_patches(train, labels, test, unlabelled, seed):
    """A linear SVM on what k-means makes of small patches.

    Reference: Coates, Ng and Lee 2011, "An Analysis of Single-Layer Networks in Unsupervised Feature Learning".
    """
    support = required("sklearn.svm")
    whitening, centres = dictionary(unlabelled, seed)
    train, test = (patch_features(each, whitening, centres) for each in (train, test))
    middle, spread = train.mean(0), train.std(0) + 1e-2
    train, test = (train - middle) / spread, (test - middle) / spread
    constants = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    found, told = chosen(lambda constant: support.LinearSVC(C=constant), constants, train, labels, seed)
    return found.predict(test), told


def dictionary(pictures: np.ndarray, seed: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Learns what patches of pictures look like: the whitening of patches, and the centres of k-means.

    Args:
        pictures: uint8 `(pictures, height, width, channels)`, at least `PATCH` high and wide.
        seed: Seed of the patches and of k-means.

    Returns:
        Mean and matrix of the whitening, and centres `(centres, PATCH * PATCH * channels)`.
    """
    cluster, random = required("sklearn.cluster"), np.random.default_rng(seed)
    count = min(DRAWN, 20 * len(pictures))
    number = random.integers(0, len(pictures), count)
    tops, lefts = (random.integers(0, size - PATCH + 1, count) for size in pictures.shape[1:3])
    window = np.arange(PATCH)
    rows, columns = (tops[:, None] + window)[:, :, None], (lefts[:, None] + window)[:, None, :]
    patches = _normalised(pictures[number[:, None, None], rows, columns].reshape(count, -1))
    mean = patches.mean(0)
    values, vectors = np.linalg.eigh(np.cov(patches - mean, rowvar=False))
    matrix = ((vectors / np.sqrt(values + 0.1)) @ vectors.T).astype("float32")
    white = (patches - mean) @ matrix
    found = cluster.MiniBatchKMeans(min(CENTRES, count // 2), random_state=seed, n_init=1, batch_size=4096).fit(white)
    return (mean, matrix), found.cluster_centers_.astype("float32")


def _normalised(patches):
    patches = patches.astype("float32")
    centred = patches - patches.mean(1, keepdims=True)
    return centred / np.sqrt(centred.var(1, keepdims=True) + 10)


def patch_features(pictures: np.ndarray, whitening: tuple[np.ndarray, np.ndarray], centres: np.ndarray) -> np.ndarray:
    """Sums, over each quarter of a picture, how near its patches are to every centre: `(pictures, 4 * centres)`.

    A patch counts for a centre by how much nearer than the mean it is, else not at all.
    """
    (mean, matrix), found = whitening, []
    squares = np.square(centres).sum(1)
    for start in range(0, len(pictures), 100):
        part = pictures[start : start + 100]
        views = np.lib.stride_tricks.sliding_window_view(part, (PATCH, PATCH), axis=(1, 2))
        count, height, width = views.shape[:3]
        # Channels come before the window: put behind it, as in `dictionary`.
        patches = views.transpose(0, 1, 2, 4, 5, 3).reshape(count * height * width, -1)
        white = (_normalised(patches) - mean) @ matrix
        far = np.sqrt(np.maximum(np.square(white).sum(1)[:, None] - 2 * white @ centres.T + squares, 0))
        near = np.maximum(far.mean(1, keepdims=True) - far, 0).reshape(count, height, width, -1)
        halves = [np.array_split(half, 2, axis=2) for half in np.array_split(near, 2, axis=1)]
        found.append(np.concatenate([quarter.sum((1, 2)) for half in halves for quarter in half], axis=1))
    return np.concatenate(found)
