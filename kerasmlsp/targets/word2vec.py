"""From running text to the training pairs of word vectors, and measures of the vectors, in NumPy.

Token ids are those of `kerasmlsp.data.text`: 0 for padding, 1 for unknown words, then the words by frequency.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp import metrics
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


def read_similarities(path: str | Path) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Reads judgements of similarity such as WordSim353: two words and a number in a line, `#` before comments.

    Returns:
        Pairs of words in lower case, and an array of the judgements.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "judged.txt")
        >>> _ = path.write_text("# from 0 to 10\\nTiger cat 7.35\\n")
        >>> read_similarities(path)
        ([('tiger', 'cat')], array([7.35]))
    """
    lines = [line.split() for line in _lines(path) if not line.startswith("#")]
    return [(first.lower(), second.lower()) for first, second, _ in lines], np.array([float(line[2]) for line in lines])


def read_analogies(path: str | Path) -> dict[str, list[list[str]]]:
    """Reads analogies such as questions-words: four words in a line, `: name` before those of one kind.

    Returns:
        Dict from the kind to a list of four words in lower case.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "questions.txt")
        >>> _ = path.write_text(": family\\nking queen man woman\\n")
        >>> read_analogies(path)
        {'family': [('king', 'queen', 'man', 'woman')]}
    """
    kinds = {}
    for line in _lines(path):
        if line.startswith(":"):
            kind = kinds.setdefault(line[1:].strip(), [])
        else:
            kind.append(tuple(line.lower().split()))
    return kinds


def _lines(path):
    return [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]


def most_similar(words: Sequence[str], vectors: np.ndarray, word: str, count: int = 10) -> list[tuple[str, float]]:
    """Returns the words of the largest cosine with `word`, each with its cosine.

    Args:
        words: The word of each row of `vectors`.
        vectors: `(words, features)`.
        word: One of `words`.
        count: Words to return.

    Raises:
        ValueError: `word` is not among `words`.

    Example:
        >>> most_similar(["up", "high", "left"], [[0, 2], [0, 1], [-1, 0]], "up", count=1)
        [('high', 1.0)]
    """
    if word not in words:
        raise ValueError(f"`word` must be one of `words`. Received: word={word!r}")
    place = list(words).index(word)
    unit = _unit(vectors)
    cosines = unit @ unit[place]
    cosines[place] = -np.inf
    return [(words[i], float(cosines[i])) for i in np.argsort(-cosines, kind="stable")[: min(count, len(words) - 1)]]


def similarity_correlation(
    words: Sequence[str], vectors: np.ndarray, pairs: Sequence[Sequence[str]], judgements: Iterable[float]
) -> tuple[float, int]:
    """Compares the cosines of pairs of words with what people judged.

    Reference: Finkelstein et al. 2002, "Placing Search in Context: The Concept Revisited" (WordSim353).

    Args:
        words: The word of each row of `vectors`.
        vectors: `(words, features)`.
        pairs: Pairs of words; those with a word that has no vector are left out.
        judgements: Similarity of each pair.

    Returns:
        Spearman's rank correlation, and the number of pairs it is of.

    Example:
        >>> words, vectors = ["up", "high", "left"], [[0, 2], [0, 1], [-1, 0]]
        >>> similarity_correlation(words, vectors, [("up", "high"), ("up", "left"), ("up", "new")], [9.0, 1.0, 5.0])
        (1.0, 2)
    """
    place = {word: i for i, word in enumerate(words)}
    known = [i for i, (first, second) in enumerate(pairs) if first in place and second in place]
    unit = _unit(vectors)
    cosines = [unit[place[pairs[i][0]]] @ unit[place[pairs[i][1]]] for i in known]
    return metrics.spearman(cosines, np.asarray(judgements)[known]), len(known)


def analogy_accuracy(
    words: Sequence[str], vectors: np.ndarray, questions: Sequence[Sequence[str]]
) -> tuple[float, int]:
    """The share of analogies `a : b = c : ?` whose fourth word has the largest cosine with `b - a + c`.

    `a`, `b` and `c` cannot be the answer.

    Reference: Mikolov et al. 2013, "Efficient Estimation of Word Representations in Vector Space".

    Args:
        words: The word of each row of `vectors`.
        vectors: `(words, features)`.
        questions: Four words each; those with a word that has no vector are left out.

    Returns:
        The share, NaN where no question is left, and the number of questions it is of.

    Example:
        >>> words, vectors = ["man", "woman", "king", "queen"], [[1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]]
        >>> analogy_accuracy(words, vectors, [("man", "woman", "king", "queen")])
        (1.0, 1)
    """
    place = {word: i for i, word in enumerate(words)}
    asked = np.array([[place[word] for word in four] for four in questions if all(word in place for word in four)])
    if not len(asked):
        return float("nan"), 0
    unit, right = _unit(vectors), 0
    for a, b, c, d in (part.T for part in np.array_split(asked, -(-len(asked) // 500))):
        cosines = (unit[b] - unit[a] + unit[c]) @ unit.T
        for known in (a, b, c):
            cosines[np.arange(len(a)), known] = -np.inf
        right += int((cosines.argmax(1) == d).sum())
    return right / len(asked), len(asked)


def _unit(vectors):
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
