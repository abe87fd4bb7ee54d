"""Translation word by word from a lexicon that is learned from the same sentences, as a baseline without a net."""

import re
from collections.abc import Sequence

import numpy as np

MOST_PAIRS = 100_000
"""Pairs that the lexicon is learned from, the first ones: each iteration goes over all pairs of words in them."""
ITERATIONS = 8
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s]")
# The word that stands for words of the target that nothing of the source says.
_NOTHING = 0


def words_of(text: str) -> list[str]:
    """Splits a text into words and single signs.

    Example:
        >>> words_of("Don't stop, Anna.")
        ["Don't", 'stop', ',', 'Anna', '.']
    """
    return _WORD.findall(text)


def joined(words: Sequence[str]) -> str:
    """Joins words and signs to a text.

    Example:
        >>> joined(["Hallo", ",", "Anna", "(", "und", "Bo", ")", "!"])
        'Hallo, Anna (und Bo)!'
    """
    return re.sub(r"([(\[{]) ", r"\1", re.sub(r" ([.,;:!?)\]}%])", r"\1", " ".join(words)))


class Lexicon:
    """The likeliest word for each word, by the first model of IBM.

    Each word of a target is taken to come from one word of its source, any of them alike, or from none, and
    `p(word | word of the source)` is found by expectation maximisation.

    Reference: Brown et al. 1993, "The Mathematics of Statistical Machine Translation: Parameter Estimation" (model 1).

    Args:
        sources: Sentences.
        targets: Their translations.

    Example:
        >>> lexicon = Lexicon(["the house", "the book", "a book"], ["das Haus", "das Buch", "ein Buch"])
        >>> lexicon("a house, the zoo")  # what is not known stays as it is
        'ein Haus, das zoo'
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str]):
        first, second = ([words_of(each) for each in part[:MOST_PAIRS]] for part in (sources, targets))
        source_ids, source_words = _numbered([["", *(word.lower() for word in words)] for words in first])
        target_ids, self.target_words = _numbered(second)
        self.source_words = {word: number for number, word in enumerate(source_words)}
        self.best = _best(source_ids, target_ids, len(source_words), len(self.target_words))

    def __call__(self, text: str) -> str:
        """Translates a text word by word, in its order."""
        found = []
        for word in words_of(text):
            number = self.source_words.get(word.lower())
            found.append(word if number is None else self.target_words[self.best[number]])
        line = joined(found)
        return line[:1].upper() + line[1:] if text[:1].isupper() else line


def _numbered(sentences):
    """Numbers for words, in the order in which they come, and the words."""
    numbers: dict[str, int] = {}
    rows = [np.array([numbers.setdefault(word, len(numbers)) for word in words], np.int64) for words in sentences]
    return rows, list(numbers)


def _best(source_ids, target_ids, source_size, target_size):
    """The likeliest target word of each source word."""
    keys, groups, begin = [], [], 0
    for source, target in zip(source_ids, target_ids, strict=True):
        # Each word of the target beside every word of the source: one group.
        keys.append((source[None, :] * target_size + target[:, None]).ravel())
        groups.append(np.repeat(np.arange(begin, begin + len(target)), len(source)))
        begin += len(target)
    pairs, places = np.unique(np.concatenate(keys), return_inverse=True)
    group, owner = np.concatenate(groups), pairs // target_size
    chances = np.ones(len(pairs))
    for _ in range(ITERATIONS):
        shares = chances[places]
        shares /= np.bincount(group, shares)[group]
        counts = np.bincount(places, shares, len(pairs))
        chances = counts / np.bincount(owner, counts, source_size)[owner]
    # Of equally likely ones the first; each word has some, as its sentences have.
    order = np.lexsort((pairs, -chances, owner))
    first = np.unique(owner[order], return_index=True)[1]
    best = np.zeros(source_size, np.int64)
    best[owner[order][first]] = (pairs % target_size)[order][first]
    return best
