"""Measures of written sentences against several references: BLEU, CIDEr-D and length, with their uncertainty.

Sentences are strings whose words stand between spaces, tokenised alike in both; nothing is split here. The packages
sacrebleu and pycocoevalcap are imported where they are used: `pip install -e '.[caption]'`. Of pycocoevalcap only
the scorer of CIDEr-D is used, which needs no Java.
"""

import collections
import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kerasmlsp import metrics

ORDERS = (1, 2, 3, 4)


def check_installed() -> None:
    """Raises a ModuleNotFoundError where a package is missing that the measures need.

    Example:
        >>> check_installed()
    """
    for name in ("sacrebleu.metrics", "pycocoevalcap.cider.cider_scorer"):
        importlib.import_module(name)


def bleu(sentences: list[str], references: list[list[str]]) -> np.ndarray:
    """Counts from which the BLEU of any choice of the sentences follows.

    Reference: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"; Post 2018, "A
    Call for Clarity in Reporting BLEU Scores" (sacrebleu).

    Args:
        sentences: List of strings.
        references: List of as many lists of strings.

    Returns:
        int64 `(sentences, 10)`: n-grams found and n-grams written for n from 1 to 4, words written, and words of the
        reference that is nearest in length.

    Example:
        >>> bleu(["a cat sat"], [["a cat sat down"]])
        array([[3, 2, 1, 0, 3, 2, 1, 0, 3, 4]])
    """
    from sacrebleu.metrics import BLEU

    scorer = BLEU(tokenize="none", effective_order=True)
    rows = []
    for sentence, several in zip(sentences, references, strict=True):
        score = scorer.sentence_score(sentence, list(several))
        rows.append([*score.counts, *score.totals, score.sys_len, score.ref_len])
    return np.array(rows, np.int64).reshape(-1, 10)


def corpus_bleu(counts: np.ndarray, order: int = 4) -> float:
    """BLEU, from 0 to 100, of all sentences together from their `bleu` counts, as sacrebleu has it.

    Example:
        >>> counts = bleu(["a cat sat"], [["a cat sat down"]])
        >>> round(corpus_bleu(counts, order=1), 2)  # every word is right; 100 exp(1 - 4 / 3) for what is missing
        71.65
    """
    from sacrebleu.metrics import BLEU

    found, written, (words, nearest) = np.split(counts.sum(0), (4, 8))
    score = BLEU.compute_bleu(
        found[:order].tolist(), written[:order].tolist(), int(words), int(nearest), "exp", max_ngram_order=order
    )
    return float(score.score)


def cider(sentences: list[str], references: list[list[str]]) -> np.ndarray:
    """CIDEr-D of each sentence, float64 `(sentences,)`, about 0 to 10; that of a corpus is the mean.

    How rare an n-gram is follows from these references, so a score depends on the whole corpus, and is 0 for one alone.

    Reference: Vedantam, Zitnick and Parikh 2015, "CIDEr: Consensus-based Image Description Evaluation".

    Args:
        sentences: List of strings.
        references: List of as many lists of strings.

    Example:
        >>> cider(["a cat sat down", "two dogs"], [["a cat sat down"], ["three birds"]]).round(6)
        array([10.,  0.])
    """
    from pycocoevalcap.cider.cider_scorer import CiderScorer

    scorer = CiderScorer()
    for sentence, several in zip(sentences, references, strict=True):
        scorer += (sentence, list(several))
    return np.asarray(scorer.compute_score()[1], np.float64)


class CiderScorer:
    """CIDEr-D of single sentences against references that are known beforehand and counted once, as a reward.

    Words may be strings or token ids. How rare an n-gram is follows from all references, so scores are those of
    `cider` where the references are.

    Reference: as of `cider`.

    Args:
        references: For each picture a list of its captions, each a sequence of words.

    Example:
        >>> score = CiderScorer([[["a", "cat", "sat", "down"]], [["three", "birds"]]])
        >>> round(score(["a", "cat", "sat", "down"], 0), 6), score(["two", "dogs"], 1)
        (10.0, 0.0)
    """

    def __init__(self, references: list[list[str]]):
        counted = [[_ngrams(words) for words in several] for several in references]
        self.pictures_with = collections.Counter(key for several in counted for key in set().union(*several))
        self.log_pictures = math.log(max(len(counted), 1))
        self.references = [[self._weighted(counts) for counts in several] for several in counted]

    def __call__(self, words, picture):
        """Scores a sequence of words for the picture of that number: 0 to 10, or a little more."""
        vectors, norms, length = self._weighted(_ngrams(words))
        total = 0.0
        for known, known_norms, known_length in self.references[picture]:
            alike = sum(
                sum(min(weight, other[key]) * other[key] for key, weight in own.items() if key in other) / (norm * size)
                for own, other, norm, size in zip(vectors, known, norms, known_norms, strict=True)
                if norm and size
            )
            total += alike * math.exp(-((length - known_length) ** 2) / 72)
        return 10 * total / len(ORDERS) / max(len(self.references[picture]), 1)

    def _weighted(self, counts):
        """Weights of the n-grams of each order, their norms, and the length."""
        vectors = [{} for _ in ORDERS]
        for key, count in counts.items():
            vectors[len(key) - 1][key] = count * (self.log_pictures - math.log(max(self.pictures_with[key], 1)))
        norms = [math.sqrt(sum(weight * weight for weight in each.values())) for each in vectors]
        return vectors, norms, sum(count for key, count in counts.items() if len(key) == 2)


def _ngrams(words):
    return collections.Counter(tuple(words[i : i + order]) for order in ORDERS for i in range(len(words) - order + 1))


def measure(
    sentences: list[str], references: list[list[str]], *, samples: int = 1000, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """Measures sentences, each value with the 95 % interval of a bootstrap over them (see `metrics.bootstrap`).

    Args:
        sentences: List of strings.
        references: List of as many lists of strings.
        samples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Dict of "BLEU-1" to "BLEU-4" (0 to 100), "CIDEr-D" and "words" (of a sentence) to dicts of `value`, `low` and
        `high`, the last two None for few sentences.

    Raises:
        ValueError: There is no sentence.

    Example:
        >>> found = measure(["a cat sat"], [["a cat sat down"]])
        >>> list(found), found["words"]
        (['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'CIDEr-D', 'words'], {'value': 3.0, 'low': None, 'high': None})
    """
    if not len(sentences):
        raise ValueError("`sentences` must hold at least one. Received: none")
    counts, scores = bleu(sentences, references), cider(sentences, references)
    words = np.array([len(sentence.split()) for sentence in sentences])
    measures: dict[str, tuple[Callable, Any]] = {
        f"BLEU-{order}": (functools.partial(corpus_bleu, order=order), counts) for order in ORDERS
    }
    measures |= {"CIDEr-D": (np.mean, scores), "words": (np.mean, words)}
    result = {}
    for name, (function, values) in measures.items():
        # The same draws for all measures, since the seed is the same.
        low, high = metrics.bootstrap(lambda rows, f=function, v=values: f(v[rows]), len(counts), samples, seed)
        result[name] = {"value": float(function(values)), "low": low, "high": high}
    return result
