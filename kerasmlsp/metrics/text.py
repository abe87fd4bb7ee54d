"""Measures of written sentences against several references: BLEU, CIDEr-D, length and variety, with their uncertainty.

Sentences are strings whose words stand between spaces, tokenised alike in both; nothing is split unless a function
is told how. The packages
sacrebleu and pycocoevalcap are imported where they are used: `pip install -e '.[caption]'`. Of pycocoevalcap only
the scorer of CIDEr-D is used, which needs no Java.
"""

import collections
import functools
import importlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp import metrics

ORDERS = (1, 2, 3, 4)


def check_installed() -> None:
    """Raises a ModuleNotFoundError where a package is missing that the measures need.

    Example:
        >>> check_installed()
    """
    for name in ("sacrebleu.metrics", "pycocoevalcap.cider.cider_scorer", "HanTa.HanoverTagger"):
        importlib.import_module(name)


def bleu(
    sentences: list[str], references: list[list[str]], *, tokenize: str = "none", lowercase: bool = False
) -> np.ndarray:
    """Counts from which the BLEU of any choice of the sentences follows.

    Reference: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"; Post 2018, "A
    Call for Clarity in Reporting BLEU Scores" (sacrebleu).

    Args:
        sentences: List of strings.
        references: List of as many lists of strings.
        tokenize: How sacrebleu splits them, "none" at the spaces that are there.
        lowercase: Whether capitals count as small letters.

    Returns:
        int64 `(sentences, 10)`: n-grams found and n-grams written for n from 1 to 4, words written, and words of the
        reference that is nearest in length.

    Example:
        >>> bleu(["a cat sat"], [["a cat sat down"]])
        array([[3, 2, 1, 0, 3, 2, 1, 0, 3, 4]])
    """
    from sacrebleu.metrics import BLEU

    scorer = BLEU(tokenize=tokenize, lowercase=lowercase, effective_order=True)
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


def distinct_words(sentences: Iterable[str]) -> int:
    """Counts the different words of sentences.

    Example:
        >>> distinct_words(["a dog runs", "a cat runs"])
        4
    """
    return len({word for sentence in sentences for word in sentence.split()})


def new_sentences(sentences: Iterable[str], known: Iterable[str]) -> np.ndarray:
    """Tells of each sentence whether it is not among those that are known, booleans `(sentences,)`.

    Example:
        >>> new_sentences(["a dog runs", "a dog sleeps"], ["a dog runs"])
        array([False,  True])
    """
    known = set(known)
    return np.array([sentence not in known for sentence in sentences], bool)


def recalled(sentences: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    """Returns which share of the nouns, and of the verbs, of all references of a picture its sentence has.

    Words count by their lemma, so that "dogs" finds "dog"; auxiliaries are no verbs. Lemmas and parts of speech are
    those of the Hanover Tagger for English.

    Reference: Wartena 2019, "A Probabilistic Morphology Model for German Lemmatization".

    Args:
        sentences: List of strings.
        references: List of as many lists of strings.

    Returns:
        Dict of "nouns" and "verbs" to float64 `(sentences,)`, NaN where the references have none.

    Raises:
        ModuleNotFoundError: HanTa is not installed.

    Example:
        >>> found = recalled(["two dogs run"], [["a dog runs in the grass", "the dog is running"]])
        >>> {kind: shares.tolist() for kind, shares in found.items()}
        {'nouns': [0.5], 'verbs': [1.0]}
    """
    lemmas = _Lemmas()
    said = [lemmas(sentence) for sentence in sentences]
    wanted = [[lemmas(line) for line in several] for several in references]
    found: dict[str, np.ndarray] = {}
    for kind in ("nouns", "verbs"):
        every = [set().union(*(line[kind] for line in several)) for several in wanted]
        shares = [len(own[kind] & all_) / len(all_) if all_ else np.nan for own, all_ in zip(said, every, strict=True)]
        found[kind] = np.array(shares)
    return found


class _Lemmas:
    """Lemmas of the nouns and of the verbs of a sentence, each sentence tagged once."""

    KINDS: ClassVar = {"NN": "nouns", "NP": "nouns", "VV": "verbs"}
    """By how a tag of the British National Corpus begins, in which auxiliaries have tags of their own."""

    def __init__(self):
        from HanTa.HanoverTagger import HanoverTagger

        self._tag = HanoverTagger("morphmodel_en.pgz").tag_sent
        self._known = {}

    def __call__(self, sentence):
        if sentence not in self._known:
            found = {"nouns": set(), "verbs": set()}
            for _, lemma, tag in self._tag(sentence.split()):
                if kind := self.KINDS.get(tag[:2]):
                    found[kind].add(lemma.lower())
            self._known[sentence] = found
        return self._known[sentence]


def ranks(scores: ArrayLike) -> np.ndarray:
    """Returns the place, from 1, that each row's own column has in it, the highest score first.

    Args:
        scores: `(examples, examples)`; the own column of row i is i. Equal scores stand before it.

    Example:
        >>> ranks([[0.9, 0.1], [0.8, 0.8]])
        array([1, 2])
    """
    scores = np.asarray(scores)
    return (scores >= np.diag(scores)[:, None]).sum(axis=1)
