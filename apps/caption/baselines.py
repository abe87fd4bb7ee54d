"""Captions without a net that writes: what any score has to beat."""

import collections
import functools
import math
from collections.abc import Sequence

import numpy as np

NEIGHBOURS, ORDERS = 50, (1, 2, 3, 4)


def fixed(captions: Sequence[Sequence[str]]) -> str:
    """Returns the training caption with the highest BLEU-4 on all training pictures, to say of every picture.

    The share of the pictures whose captions hold an n-gram is its precision; n-grams that repeat count once.

    Args:
        captions: List of the captions of each training picture, lists of normalised strings.
    """
    counts = collections.Counter(ngram for lines in captions for ngram in {g for line in lines for g in _ngrams(line)})
    lengths = [np.array([len(line.split()) for line in lines]) for lines in captions]
    nearest = functools.cache(lambda length: np.mean([_nearest(each, length) for each in lengths]))

    def score(line):
        words, found = len(line.split()), collections.defaultdict(float)
        if words < ORDERS[-1]:
            return 0.0
        for ngram in set(_ngrams(line)):
            found[len(ngram)] += counts[ngram] / len(captions)
        precisions = [found[order] / (words - order + 1) for order in ORDERS]
        return math.exp(np.mean(np.log(precisions)) + min(0.0, 1 - nearest(words) / words))

    return max(sorted({line for lines in captions for line in lines}), key=score)


def _nearest(lengths, length):
    """The length nearest to another, of two the shorter."""
    return min(lengths.tolist(), key=lambda each: (abs(each - length), each))


def consensus(
    vectors: np.ndarray, train_vectors: np.ndarray, captions: Sequence[Sequence[str]], neighbours: int = NEIGHBOURS
) -> list[str]:
    """Captions by consensus of the nearest training pictures.

    Of all captions of the `neighbours` training pictures that are nearest by the cosine of their vectors, each picture
    gets the one that is most like the others: the mean cosine of counts of n-grams, n from 1 to 4, weighed by how rare
    they are.

    Reference: Devlin et al. 2015, "Exploring Nearest Neighbor Approaches for Image Captioning".

    Args:
        vectors: `(pictures, channels)`.
        train_vectors: `(training pictures, channels)`.
        captions: List of the captions of each training picture, lists of normalised strings.
        neighbours: Training pictures asked.

    Returns:
        List of strings.
    """
    rarity = _rarity(captions)
    weighed = [[_weighed(line, rarity) for line in lines] for lines in captions]
    likeness = _unit(vectors) @ _unit(train_vectors).T
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :neighbours]
    return [_most_alike([(captions[i], weighed[i]) for i in row]) for row in nearest]


def _unit(vectors):
    vectors = np.asarray(vectors, "float32")
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def _ngrams(line):
    words = line.split()
    return (tuple(words[i : i + order]) for order in ORDERS for i in range(len(words) - order + 1))


def _rarity(captions):
    counts = collections.Counter(ngram for lines in captions for ngram in {g for line in lines for g in _ngrams(line)})
    return {ngram: math.log(len(captions) / count) for ngram, count in counts.items()}


def _weighed(line, rarity):
    """A vector for each order, of length 1, all in one dict since orders share no n-gram."""
    counts = collections.Counter(_ngrams(line))
    values = {ngram: count * rarity[ngram] for ngram, count in counts.items()}
    lengths = collections.defaultdict(float)
    for ngram, value in values.items():
        lengths[len(ngram)] += value**2
    return {ngram: value / math.sqrt(lengths[len(ngram)]) for ngram, value in values.items() if value}


def _most_alike(neighbours):
    total = collections.Counter()
    for _, vectors in neighbours:
        for vector in vectors:
            total.update(vector)
    pairs = [(line, vector) for lines, vectors in neighbours for line, vector in zip(lines, vectors, strict=True)]
    # A caption's likeness to itself is the same for all with n-grams of every order.
    scores = [sum(value * total[ngram] for ngram, value in vector.items()) for _, vector in pairs]
    return pairs[int(np.argmax(scores))][0]
