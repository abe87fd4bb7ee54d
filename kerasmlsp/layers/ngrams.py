"""Layers for bags of n-grams: hashing, and the naive-Bayes-weighted linear model over a table of them."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasmlsp.layers.hashing import mix, uint32

PADDING, UNKNOWN = 0, 1


@keras.saving.register_keras_serializable("kerasmlsp")
class HashedNgrams(keras.layers.Layer):
    """Turns token ids into the set of hashed n-grams of every order up to `order`, and of skip-bigrams.

    A skip-bigram is a pair of tokens with 1 to `skips` tokens between them; how many is part of it. Each hash appears
    at most once in a row (presence, not count, is what tells sentiment), sorted, with 0 for padding
    at the front. n-grams that reach into the padding are left out. The hash has 31 bits and is the same on every
    backend: unsigned multiplications and shifts.

    Reference: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning"; Guthrie et al. 2006, "A
    Closer Look at Skip-gram Modelling".

    Args:
        order: Longest n-gram in tokens, at least 1.
        skips: Most tokens inside a skip-bigram that are left out; 0 for no skip-bigrams.

    Call arguments:
        inputs: Token ids `(batch, length)`, 0 for padding on the right.

    Returns:
        Hashes `(batch, (order + skips) * length)`, int32, positive, 0 for padding.

    Raises:
        ValueError: `order` is less than 1, or `skips` less than 0.

    Example:
        >>> hashes = HashedNgrams(order=2)(keras.ops.array([[5, 6, 7, 0]]))
        >>> tuple(hashes.shape), int(keras.ops.count_nonzero(hashes))  # three words and two pairs
        ((1, 8), 5)
    """

    def __init__(self, order: int = 3, skips: int = 0, **kwargs: Any):
        kwargs.setdefault("dtype", "int32")
        super().__init__(**kwargs)
        if order < 1:
            raise ValueError(f"`order` must be at least 1. Received: order={order}")
        if skips < 0:
            raise ValueError(f"`skips` must be at least 0. Received: skips={skips}")
        self.order, self.skips = order, skips

    def call(self, inputs):
        ids = ops.cast(inputs, "uint32")
        present = ops.not_equal(inputs, PADDING)
        state, valid, hashes = ops.zeros_like(ids), present, []
        for n in range(self.order):
            state, valid = _extended(state, valid, ids, n, n + 1)
            hashes.append(_positive(state, valid))
        first, _ = _extended(ops.zeros_like(ids), present, ids, 0, 1)
        for skipped in range(1, self.skips + 1):
            # Salts further apart than ids, which are added to them, keep pairs of other distances apart.
            hashes.append(_positive(*_extended(first, present, ids, skipped + 1, skipped * 0x9E3779B9 % 2**32)))
        ordered = ops.sort(ops.concatenate(hashes, axis=1), axis=1)
        repeated = ops.equal(ordered, ops.pad(ordered[:, :-1], ((0, 0), (1, 0))))
        return ops.where(repeated, 0, ordered)

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), dtype="int32")

    def compute_output_shape(self, input_shape):
        batch, length = input_shape
        return batch, None if length is None else length * (self.order + self.skips)

    def get_config(self):
        return {**super().get_config(), "order": self.order, "skips": self.skips}


def _extended(state, valid, ids, distance, salt):
    """Hashes the token at a distance into the state at every place; shifting in zeros marks what leaves the text."""
    # Padded first: a text may be shorter than the distance.
    reached = ops.pad(ids, ((0, 0), (0, distance)))[:, distance:] if distance else ids
    valid = ops.logical_and(valid, ops.not_equal(reached, uint32(PADDING)))
    return mix(ops.bitwise_xor(ops.multiply(state, uint32(0x01000193)), ops.add(reached, uint32(salt)))), valid


def _positive(state, valid):
    # The top bit makes room for the sign, the lowest is set so that no hash is 0.
    positive = ops.bitwise_or(ops.right_shift(state, uint32(1)), uint32(1))
    return ops.where(valid, ops.cast(positive, "int32"), 0)


@keras.saving.register_keras_serializable("kerasmlsp")
class NaiveBayesNgrams(keras.layers.Layer):
    """Logistic regression on n-grams that are weighted by inverse document frequency and naive Bayes.

    `logit_k = b_k + sum_j x_j r_jk w_jk` over the n-grams `j` of a text, where `x` is the vector of inverse document
    frequencies of the n-grams present, scaled to length 1, `r_jk` is the smoothed log ratio of the share of n-gram `j`
    in class `k` to that in all other classes, and `w` is trained. `adapt` counts frequencies and ratios, and must see
    the training texts once. Two classes share one column: their logits are `(-z/2, z/2)`.

    The n-grams live in a table of `num_buckets` places; each place belongs to one, recognised by its hash, and all
    others are ignored. n-grams of one or two texts say little that holds for another, and are most of all.

    Reference: Wang and Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification".

    Args:
        num_buckets: Places in the table; place 0 stays empty.
        num_classes: Number of classes, at least 2.
        scale: Initial value of every `w`: the trust in naive Bayes before training.
        rate: Drop probability of single n-grams while training, in `[0, 1)`.
        seed: Seed of the dropout.

    Call arguments:
        inputs: Hashes `(batch, ngrams)`, each at most once in a row, 0 for padding.
        training: Whether n-grams are dropped.

    Returns:
        Logits `(batch, num_classes)`, float32.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> layer = NaiveBayesNgrams(num_buckets=100, num_classes=2)
        >>> layer.build((None, None))
        >>> layer.adapt([([[3], [5]], [0, 1])], min_count=1)  # n-gram 3 in a text of class 0, 5 in one of class 1
        >>> shares = keras.ops.softmax(layer(keras.ops.array([[3]])))
        >>> print(keras.ops.convert_to_numpy(shares).round(3))  # twice as common in class 0, with 1 added to all counts
        [[0.667 0.333]]
    """

    def __init__(
        self,
        num_buckets: int,
        num_classes: int,
        scale: float = 1.0,
        rate: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if num_buckets < 2:
            raise ValueError(f"`num_buckets` must be at least 2. Received: num_buckets={num_buckets}")
        if num_classes < 2:
            raise ValueError(f"`num_classes` must be at least 2. Received: num_classes={num_classes}")
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}")
        self.num_buckets, self.num_classes = num_buckets, num_classes
        self.scale, self.rate, self.seed = scale, rate, seed
        self.columns = 1 if num_classes == 2 else num_classes
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        def table(name, columns, initializer, dtype, trainable=False):
            shape = (self.num_buckets, columns)
            # Without autocast: casting a whole table for a few hundred rows of it would be most of the work.
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, dtype=dtype, trainable=trainable, autocast=False
            )

        self.owners = table("owners", 1, "zeros", "int32")
        # Half precision keeps a saved model small, and logarithms of counts need no more.
        self.statistics = table("statistics", 1 + self.columns, "zeros", "float16")
        start = keras.initializers.Constant(self.scale)
        self.kernel = table("kernel", self.columns, start, "float32", trainable=True)
        shape = (self.columns,)
        self.bias = self.add_weight(name="bias", shape=shape, initializer="zeros", dtype="float32", autocast=False)

    def adapt(self, batches: Iterable, smoothing: float = 1.0, min_count: int = 3) -> None:
        """Counts the n-grams of each class and gives the places of the table to them.

        Of n-grams that fall into the same place the one found in most texts gets it.

        Args:
            batches: Pairs of hashes `(batch, ngrams)` and class numbers `(batch,)`.
            smoothing: Count added to every n-gram and class, above 0.
            min_count: Texts that an n-gram must occur in.
        """
        hashes, counts, texts = _count(batches, self.num_classes)
        total = counts.sum(1)
        hashes, counts, total = (each[total >= min_count] for each in (hashes, counts, total))
        places = hashes % (self.num_buckets - 1) + 1
        rising = np.argsort(total, kind="stable")
        winners = np.zeros(self.num_buckets, np.int64)
        winners[places[rising]] = rising + 1
        taken = np.flatnonzero(winners)
        chosen = winners[taken] - 1
        seen = counts[chosen] + smoothing
        rest = seen.sum(1, keepdims=True) - seen
        ratio = np.log(seen / seen.sum(0)) - np.log(rest / rest.sum(0))
        frequency = np.log((1 + texts) / (1 + total[chosen])) + 1
        statistics = np.zeros((self.num_buckets, 1 + self.columns), "float16")
        statistics[taken] = np.concatenate([frequency[:, None], ratio[:, -self.columns :]], axis=1)
        owners = np.zeros((self.num_buckets, 1), "int32")
        owners[taken, 0] = hashes[chosen]
        self.statistics.assign(statistics)
        self.owners.assign(owners)

    def call(self, inputs, training=False):
        places = ops.mod(inputs, self.num_buckets - 1) + 1
        known = ops.logical_and(ops.equal(ops.take(self.owners, places, axis=0)[..., 0], inputs), inputs > 0)
        statistics = ops.cast(ops.take(self.statistics, places, axis=0), "float32")
        weights = statistics[..., 0] * ops.cast(known, "float32")
        if training and self.rate:
            weights = keras.random.dropout(weights, self.rate, seed=self.seed_generator)
        weights = weights / ops.sqrt(ops.sum(ops.square(weights), axis=1, keepdims=True) + 1e-6)
        terms = statistics[..., 1:] * ops.take(self.kernel, places, axis=0)
        logits = ops.sum(weights[..., None] * terms, axis=1) + self.bias
        return ops.concatenate([-logits / 2, logits / 2], axis=-1) if self.columns == 1 else logits

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor((inputs.shape[0], self.num_classes), dtype="float32")

    def compute_output_shape(self, input_shape):
        return input_shape[0], self.num_classes

    def get_config(self):
        return {
            **super().get_config(),
            "num_buckets": self.num_buckets,
            "num_classes": self.num_classes,
            "scale": self.scale,
            "rate": self.rate,
            "seed": self.seed,
        }


def _count(batches, num_classes):
    """Returns the sorted hashes, in how many texts of each class each occurs, and the number of texts."""
    parts, texts = [], 0
    for hashes, labels in batches:
        hashes, labels = np.asarray(hashes).astype(np.int64), np.asarray(labels)
        rows, columns = np.nonzero(hashes)
        parts.append(np.unique(hashes[rows, columns] * num_classes + labels[rows], return_counts=True))
        texts += len(labels)
    cells, places = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
    counts = np.bincount(places, np.concatenate([part[1] for part in parts])).astype(np.int64)
    hashes, rows = np.unique(cells // num_classes, return_inverse=True)
    table = np.zeros((len(hashes), num_classes), np.int64)
    table[rows, cells % num_classes] = counts
    return hashes, table, texts
