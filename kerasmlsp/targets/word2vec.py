"""From running text to the training pairs of word vectors, in NumPy.

Token ids are those of `kerasmlsp.data.text`: 0 for padding, 1 for unknown words, then the words by frequency.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.data.text import PADDING, UNKNOWN


def skip_gram_pairs(ids: ArrayLike, window: int, *, reach: ArrayLike | None = None) -> np.ndarray:
    """Pairs every word with each word around it.

    Reference: Ganapathy, MLSP 2025, "word2vec models as text representations"; Mikolov et al. 2013, "Efficient
    Estimation of Word Representations in Vector Space".

    Args:
        ids: One text as token ids `(length,)`; words that are left out (padding) make no pair.
        window: Words taken from either side, at least 1.
        reach: Optional `(length,)`, 1 to `window`: words taken from either side of each centre, as of `draw_reach`.

    Returns:
        Centre and context of each pair, `(pairs, 2)`, in the order of the text.

    Raises:
        ValueError: `window` is less than 1.

    Example:
        >>> skip_gram_pairs([7, 8, 9], window=1)
        array([[7, 8],
               [8, 7],
               [8, 9],
               [9, 8]])
    """
    ids = np.asarray(ids)
    contexts = _contexts(ids, window, reach)
    rows, columns = np.nonzero(contexts != PADDING)
    return np.stack([ids[rows], contexts[rows, columns]], axis=1)


def cbow_windows(ids: ArrayLike, window: int, *, reach: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Puts the words around every word together, from which the continuous bag of words predicts it.

    Reference: as of `skip_gram_pairs`.

    Args:
        ids: One text as token ids `(length,)`.
        window: Words taken from either side, at least 1.
        reach: As of `skip_gram_pairs`.

    Returns:
        Contexts `(words, 2 * window)`, 0 where there is none, and centres `(words,)`. Words without any context are
        left out.

    Raises:
        ValueError: `window` is less than 1.

    Example:
        >>> contexts, centres = cbow_windows([7, 8, 9], window=1)
        >>> contexts, centres
        (array([[0, 8],
               [7, 9],
               [8, 0]]), array([7, 8, 9]))
    """
    ids = np.asarray(ids)
    contexts = _contexts(ids, window, reach)
    full = (contexts != PADDING).any(1)
    return contexts[full], ids[full]


def _contexts(ids, window, reach):
    """The words around each, `(length, 2 * window)`, 0 where there is none or the word itself is padding."""
    offsets = _offsets(window)
    places = np.arange(window, window + len(ids))[:, None] + offsets
    near = np.abs(offsets) <= (window if reach is None else np.asarray(reach)[:, None])
    return np.where(near & (ids != PADDING)[:, None], np.pad(ids, window)[places], PADDING)


def _offsets(window):
    if window < 1:
        raise ValueError(f"`window` must be at least 1. Received: window={window}")
    return np.delete(np.arange(-window, window + 1), window)


def draw_reach(random: np.random.Generator, size: int, window: int) -> np.ndarray:
    """Draws how far each centre looks, evenly from 1 to `window`, so that near words weigh more.

    Reference: Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space".

    Example:
        >>> reach = draw_reach(np.random.default_rng(0), 1000, window=5)
        >>> int(reach.min()), int(reach.max())
        (1, 5)
    """
    return random.integers(1, window + 1, size, dtype=np.int32)


def word_counts(texts: Iterable[ArrayLike], vocabulary_size: int) -> np.ndarray:
    """Counts the words of texts of ids by id, `(vocabulary_size,)`; padding and unknown words count 0.

    Example:
        >>> word_counts([[2, 3, 3], [1, 2, 3, 0]], vocabulary_size=5)
        array([0, 0, 2, 3, 0])
    """
    counts = np.bincount(np.concatenate(list(texts)), minlength=vocabulary_size)[:vocabulary_size]
    counts[: UNKNOWN + 1] = 0
    return counts


def keep_probabilities(counts: ArrayLike, threshold: float = 1e-3) -> np.ndarray:
    """The probability with which an occurrence of each word is kept, so that frequent words lose most.

    `sqrt(t / f) + t / f`, at most 1, where `f` is the word's share of all words: the released program's formula, which
    keeps a little more than the paper's `sqrt(t / f)`.

    Reference: Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their Compositionality".

    Args:
        counts: By id, as of `word_counts`; ids of count 0 are never kept.
        threshold: `t`; 0 keeps all.

    Raises:
        ValueError: `threshold` is negative, or there is no word.

    Example:
        >>> keep_probabilities([0, 0, 90, 10], threshold=0.1).round(3)  # t / f is 1/9 and 1
        array([0.   , 0.   , 0.444, 1.   ])
    """
    counts = _checked(counts)
    if threshold < 0:
        raise ValueError(f"`threshold` must be at least 0. Received: threshold={threshold}")
    if not threshold:
        return (counts > 0).astype(np.float64)
    ratio = threshold * counts.sum() / np.maximum(counts, 1)
    return np.where(counts > 0, np.minimum(np.sqrt(ratio) + ratio, 1), 0)


def negative_distribution(counts: ArrayLike, power: float = 0.75) -> np.ndarray:
    """The distribution that negative words are drawn from: counts to the power of 0.75, then normalised.

    Reference: as of `keep_probabilities`.

    Example:
        >>> negative_distribution([0, 0, 16, 1]).round(3)  # 16 to the power of 3/4 is 8
        array([0.   , 0.   , 0.889, 0.111])
    """
    shares = np.where(_checked(counts) > 0, np.asarray(counts, np.float64) ** power, 0)
    return shares / shares.sum()


def _checked(counts):
    counts = np.asarray(counts, np.int64)
    if not counts.sum():
        raise ValueError("`counts` must count at least one word. Received: none")
    return counts


class TrainingBatches(keras.utils.PyDataset):
    """Batches of running text for `models.skip_gram` and `models.cbow`, drawn anew in every epoch.

    Every epoch drops frequent words, cuts the text into blocks of `block` centres, and draws a window for each centre.
    A block is one row: its centres meet its own words and `shared` negative words in one matrix product, and
    `losses.NegativeSampling` weighs the negatives as if each pair had its own. A word is thus fetched and updated a few
    times per block, and not once for every pair.

    Reference: Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their Compositionality"; Ji et
    al. 2016, "Parallelizing Word2Vec in Shared and Distributed Memory" (shared negatives).

    Args:
        texts: Token ids of every text, a list of `(length,)`. Windows do not cross from one to the next.
        counts: By id, as of `word_counts`; words of count 0 are left out.
        cbow: Whether the batches are for `models.cbow`.
        window: Words taken from either side, at least 1.
        block: Centres in a row, at least 1.
        shared: Negative words of a row, at least 1.
        batch_size: Rows of a batch, at least 1. All pairs of a batch are computed from the same vectors, and their
            gradients are summed: in too large a batch the vectors of frequent words overshoot, and training diverges.
            Small batches are fast with `compile(..., steps_per_execution=32)`.
        threshold: As of `keep_probabilities`.
        seed: Seed of all that is drawn.

    Raises:
        ValueError: A size is less than 1, or there is no word.

    Example:
        >>> sizes = {"window": 2, "block": 4, "shared": 6, "batch_size": 1}
        >>> batches = TrainingBatches([[2, 3, 2, 3]], counts=[0, 0, 2, 2], threshold=0, **sizes)
        >>> inputs, targets = batches[0]
        >>> {name: each.shape for name, each in inputs.items()}, targets.shape  # 4 + 2 * 2 words and 6 negatives
        ({'centers': (1, 4), 'candidates': (1, 14)}, (1, 4, 14))
    """

    def __init__(
        self,
        texts: Sequence[ArrayLike],
        counts: ArrayLike,
        *,
        cbow: bool = False,
        window: int = 5,
        block: int = 16,
        shared: int = 32,
        batch_size: int = 32,
        threshold: float = 1e-3,
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value in (("window", window), ("block", block), ("shared", shared), ("batch_size", batch_size)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        self.cbow, self.window, self.block, self.shared = cbow, window, block, shared
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        # Empty places between texts are as long as a window, which thus cannot reach across.
        gap = np.full(window, PADDING, np.int32)
        self.text = np.concatenate([part for text in texts for part in (np.asarray(text, np.int32), gap)])
        self.keep = keep_probabilities(counts, threshold)
        self.keep[PADDING] = 1
        # As the released program does: a table with each word in proportion, since looking up is faster than searching.
        share = np.cumsum(negative_distribution(counts))
        self.table = np.searchsorted(share, (np.arange(2**20) + 0.5) / 2**20).astype(np.int32)
        self._draw()
        self.rows = max(len(self.words) // batch_size, 1) * batch_size

    def _draw(self):
        """Cuts the kept words into rows in random order, `(rows, block + 2 * window)`."""
        random = np.random.default_rng([self.seed, self.epoch])
        kept = self.text[random.random(len(self.text), np.float32) < self.keep[self.text]]
        kept = np.pad(kept, (self.window, self.window + -len(kept) % self.block))
        rows = np.lib.stride_tricks.sliding_window_view(kept, self.block + 2 * self.window)[:: self.block]
        self.words = rows[random.permutation(len(rows))]

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self._draw()

    @property
    def num_batches(self) -> int:
        """Batches of an epoch: as many as in the first, though the kept words differ a little."""
        return self.rows // self.batch_size

    def __getitem__(self, index):
        """Returns inputs by name, and targets as of `losses.NegativeSampling`."""
        random = np.random.default_rng([self.seed, self.epoch, index])
        places = np.arange(index * self.batch_size, (index + 1) * self.batch_size) % len(self.words)
        words = self.words[places]
        centers = words[:, self.window : -self.window]
        reach = draw_reach(random, centers.shape, self.window)
        distance = np.abs(np.arange(words.shape[1]) - np.arange(self.block)[:, None] - self.window)
        near = (distance > 0) & (distance <= reach[..., None])
        near &= (words != PADDING)[:, None, :] & (centers != PADDING)[..., None]
        negatives = self.table[random.integers(len(self.table), size=(len(words), self.shared))]
        against = np.full((*centers.shape, self.shared), -1, np.int8)
        if self.cbow:
            # A word without context is not predicted.
            pairs = np.eye(self.block, dtype=np.int8) * near.any(-1)[..., None]  # type: ignore[index]
            inputs = {"words": words, "windows": near.astype(np.float32)}
            return {**inputs, "candidates": np.concatenate([centers, negatives], 1)}, np.concatenate(
                [pairs, against], 2
            )
        candidates = np.concatenate([words, negatives], axis=1)
        return {"centers": centers, "candidates": candidates}, np.concatenate([near.astype(np.int8), against], axis=2)
