"""Measures of translations against one reference each: BLEU as sacrebleu has it, and chrF, with their uncertainty.

BLEU depends on how texts are split and on capitals; each way has a signature, by which results of others are compared.
The package sacrebleu is imported where it is used: `pip install -e '.[translation]'`.
"""

import collections
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasmlsp import metrics
from kerasmlsp.extras import required
from kerasmlsp.metrics import text

BLEU, LOWER = "BLEU", "BLEU, lower case"
CHRF, LENGTH = "chrF", "length"
"""`BLEU` is of texts as they stand, split by the rules of WMT (13a); `LOWER` of texts in lower case, split alike."""
_WAYS: dict[str, dict[str, Any]] = {BLEU: {}, LOWER: {"lowercase": True}}
_ORDERS, _BETA = 6, 2


def signatures() -> dict[str, str]:
    """What sacrebleu calls the ways in which `measure` measures, by name.

    Example:
        >>> signatures()["BLEU, lower case"].split("|version")[0]
        'nrefs:1|case:lc|eff:no|tok:13a|smooth:exp'
    """
    sacrebleu = required("sacrebleu.metrics")
    scorers = {name: sacrebleu.BLEU(**way) for name, way in _WAYS.items()} | {CHRF: sacrebleu.CHRF()}
    for scorer in scorers.values():
        # It knows the number of references only then.
        scorer.corpus_score(["a"], [["a"]])
    return {name: str(scorer.get_signature()) for name, scorer in scorers.items()}


def chrf(sentences: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Counts from which the chrF of any choice of the sentences follows.

    Reference: Popović 2015, "chrF: Character n-gram F-score for Automatic MT Evaluation".

    Args:
        sentences: Strings.
        references: As many strings.

    Returns:
        int64 `(sentences, 3, 6)`: n-grams of characters, without spaces, that were written, that are in the reference,
        and that are in both, for n from 1 to 6.

    Example:
        >>> chrf(["a cat"], ["a bat"])[0].tolist()
        [[4, 3, 2, 1, 0, 0], [4, 3, 2, 1, 0, 0], [3, 1, 0, 0, 0, 0]]
    """
    rows = []
    for pair in zip(sentences, references, strict=True):
        written, wanted = (_ngrams("".join(each.split())) for each in pair)
        both = [first & second for first, second in zip(written, wanted, strict=True)]
        rows.append([[each.total() for each in counts] for counts in (written, wanted, both)])
    counts = np.array(rows, np.int64).reshape(-1, 3, _ORDERS)
    # What is written counts for nothing where the reference is shorter than that, as sacrebleu has it.
    counts[:, 0] *= counts[:, 1] > 0
    return counts


def _ngrams(letters):
    return [
        collections.Counter(letters[i : i + order] for i in range(len(letters) - order + 1))
        for order in range(1, _ORDERS + 1)
    ]


def corpus_chrf(counts: np.ndarray) -> float:
    """chrF, from 0 to 100, of all sentences together from their `chrf` counts, as sacrebleu has it.

    Example:
        >>> round(corpus_chrf(chrf(["a cat"], ["a bat"])), 2)  # the mean over n of 3 / 4, 1 / 3, 0 and 0
        27.08
    """
    written, wanted, both = counts.sum(0)
    there = (written > 0) & (wanted > 0)
    if not there.any():
        return 0.0
    precision, recall = (both[there] / written[there]).mean(), (both[there] / wanted[there]).mean()
    if precision + recall == 0:
        return 0.0
    return float(100 * (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall))


def _counted(sentences, references):
    """By measure, a function of counts to a value, and the counts of each sentence."""
    several = [[reference] for reference in references]
    found: dict[str, tuple[Callable, np.ndarray]] = {
        name: (text.corpus_bleu, text.bleu(list(sentences), several, tokenize="13a", **way))
        for name, way in _WAYS.items()
    }
    found[CHRF] = corpus_chrf, chrf(sentences, references)
    # Words written and words wanted, as BLEU counts them.
    found[LENGTH] = (lambda counts: float(counts[:, 0].sum() / max(counts[:, 1].sum(), 1))), found[BLEU][1][:, -2:]
    return found


def measure(
    sentences: Sequence[str], references: Sequence[str], *, samples: int = 1000, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """Measures translations, each value with the 95 % interval of a bootstrap over sentences (`metrics.bootstrap`).

    Reference: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation"; Post 2018, "A
    Call for Clarity in Reporting BLEU Scores"; Koehn 2004, "Statistical Significance Tests for Machine Translation
    Evaluation" (the bootstrap).

    Args:
        sentences: Translations, as they are to be read.
        references: What each should be.
        samples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Dict of `BLEU`, `LOWER` and `CHRF` (0 to 100) and `LENGTH` (words written over words wanted) to dicts of
        `value`, `low` and `high`, the last two None for few sentences.

    Raises:
        ValueError: There is no sentence.

    Example:
        >>> found = measure(["The cat sat down."], ["the cat sat down."])
        >>> [round(found[name]["value"]) for name in ("BLEU", "BLEU, lower case", "chrF", "length")]
        [67, 100, 91, 1]
    """
    if not len(sentences):
        raise ValueError("`sentences` must hold at least one. Received: none")
    result = {}
    for name, (function, counts) in _counted(sentences, references).items():
        # The same draws for all measures, since the seed is the same.
        low, high = metrics.bootstrap(lambda rows, f=function, c=counts: f(c[rows]), len(counts), samples, seed)
        result[name] = {"value": float(function(counts)), "low": low, "high": high}
    return result


def by_length(
    lengths: np.ndarray, sentences: Sequence[str], references: Sequence[str], edges: Sequence[int], samples: int = 1000
) -> list[dict[str, Any]]:
    """BLEU of the sentences of each range of lengths.

    Reference: Ganapathy, MLSP 2025, "Encoder - Decoder Networks with Attention"; Bahdanau, Cho and Bengio 2015, "Neural
    Machine Translation by Jointly Learning to Align and Translate" (BLEU by the length of the source).

    Args:
        lengths: Length of each source, `(sentences,)`.
        sentences, references: As of `measure`.
        edges: Where ranges begin, rising; the first begins at the first edge, the last has no end.
        samples: Number of resamples.

    Returns:
        For each range with sentences a dict of `from`, `to` (None for the last), `sentences`, `length` (the mean) and
        `BLEU`, a dict of `value`, `low` and `high`.

    Example:
        >>> rows = by_length(np.array([3, 9]), ["a b c d e", "f g h i"], ["a b c d e", "f g h x"], edges=[1, 6])
        >>> [(row["from"], row["to"], row["sentences"], round(row["BLEU"]["value"])) for row in rows]
        [(1, 5, 1, 100), (6, None, 1, 59)]
    """
    counts = text.bleu(list(sentences), [[reference] for reference in references], tokenize="13a")
    rows = []
    for begin, end in zip(edges, [*edges[1:], None], strict=True):
        inside = np.flatnonzero((lengths >= begin) & (lengths < (end or np.inf)))
        if not len(inside):
            continue
        own = counts[inside]
        drawn = functools.partial(_bleu_of, own)
        low, high = metrics.bootstrap(drawn, len(own), samples)
        bleu = {"value": text.corpus_bleu(own), "low": low, "high": high}
        facts = {"from": begin, "to": None if end is None else end - 1, "sentences": len(own)}
        rows.append({**facts, "length": float(lengths[inside].mean()), BLEU: bleu})
    return rows


def _bleu_of(counts, rows):
    return text.corpus_bleu(counts[rows])
