"""Measures of word vectors: nearest words, similarities that people judged, and analogies, in NumPy."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp.data import series, tables
from kerasmlsp.files import existing
from kerasmlsp.metrics.classification import bootstrap, measured_share, spearman

_AT_ONCE = 500  # analogies


def read_similarities(path: str | Path) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Reads judgements of similarity such as WordSim353: two words and a number in a line, `#` before comments.

    Between them stand spaces, tabs, commas or semicolons; but for spaces there may be a header.

    Returns:
        Pairs of words in lower case, and an array of the judgements.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is of another form, or there is none.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "judged.txt")
        >>> _ = path.write_text("# from 0 to 10\\nTiger cat 7.35\\n")
        >>> read_similarities(path)
        ([('tiger', 'cat')], array([7.35]))
    """
    pairs, judgements = [], []
    lines = [(number, line) for number, line in _lines(path, "similarity") if not line.startswith("#")]
    for place, (number, line) in enumerate(lines):
        separator = next((each for each in "\t;," if line.count(each) > 1), None)
        cells = [cell.strip() for cell in line.split(separator)]
        judged = series.number(cells[-1])
        if judged is None and separator and not place and len(lines) > 1:
            continue
        if len(cells) != 3 or judged is None or not np.isfinite(judged):
            raise ValueError(
                f"`similarity` must hold two words and a number in every line. Received: {path}, line {number}: {line}"
            )
        pairs.append((cells[0].lower(), cells[1].lower()))
        judgements.append(judged)
    return pairs, np.array(judgements)


def read_analogies(path: str | Path) -> dict[str, list[tuple[str, ...]]]:
    """Reads analogies such as questions-words: four words in a line, `: name` before those of one kind.

    Returns:
        Dict from the kind, "all" where none is named, to a list of four words in lower case.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line is of another form, or there is none.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "questions.txt")
        >>> _ = path.write_text(": family\\nking queen man woman\\n")
        >>> read_analogies(path)
        {'family': [('king', 'queen', 'man', 'woman')]}
    """
    kinds: dict[str, list[tuple[str, ...]]] = {}
    name = "all"
    for number, line in _lines(path, "analogies"):
        if line.startswith(":"):
            name = line[1:].strip()
            continue
        four = tuple(line.lower().split())
        if len(four) != 4:
            raise ValueError(
                f"`analogies` must hold four words in every line, or `: NAME`. Received: {path}, line {number}: {line}"
            )
        kinds.setdefault(name, []).append(four)
    return kinds


def _lines(path, argument):
    lines = tables.read_text(existing(path, argument)).splitlines()
    found = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise ValueError(f"`{argument}` must hold lines of words. Received: {path}, which is empty")
    return found


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
    cosines, judged = _judged(words, vectors, pairs, judgements)
    return spearman(cosines, judged), len(judged)


def similarity(
    words: Sequence[str], vectors: np.ndarray, pairs: Sequence[Sequence[str]], judgements: Iterable[float]
) -> dict[str, Any]:
    """`similarity_correlation` with its 95 % interval, that of a bootstrap over pairs.

    Args:
        words, vectors, pairs, judgements: As of `similarity_correlation`.

    Returns:
        Dict of `value`, `low` and `high` (None where there is none), `pairs`, and how many of them are `covered`.

    Example:
        >>> words, vectors = ["up", "high", "left"], [[0, 2], [0, 1], [-1, 0]]
        >>> similarity(words, vectors, [("up", "high"), ("up", "left"), ("up", "new")], [9.0, 1.0, 5.0])
        {'value': 1.0, 'low': None, 'high': None, 'pairs': 3, 'covered': 2}
    """
    cosines, judged = _judged(words, vectors, pairs, judgements)
    low, high = bootstrap(lambda rows: spearman(cosines[rows], judged[rows]), len(judged))
    value = spearman(cosines, judged)
    return {"value": value, "low": low, "high": high, "pairs": len(pairs), "covered": len(judged)}


def _judged(words, vectors, pairs, judgements):
    """Cosines and judgements of the pairs whose words have vectors."""
    place = {word: i for i, word in enumerate(words)}
    known = [i for i, (first, second) in enumerate(pairs) if first in place and second in place]
    unit = _unit(vectors)
    cosines = np.array([unit[place[pairs[i][0]]] @ unit[place[pairs[i][1]]] for i in known])
    return cosines, np.asarray(judgements)[known]


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
    right = _answered({word: i for i, word in enumerate(words)}, _unit(vectors), questions)
    return (float(right.mean()), len(right)) if len(right) else (float("nan"), 0)


def analogies(
    words: Sequence[str], vectors: np.ndarray, kinds: Mapping[str, Sequence[Sequence[str]]]
) -> dict[str, dict[str, Any]]:
    """`analogy_accuracy` of each kind of analogies and of all, with Wilson's 95 % interval.

    Args:
        words, vectors: As of `analogy_accuracy`.
        kinds: Questions by the name of their kind, as of `read_analogies`.

    Returns:
        By kind, and last by "all", dict of `value`, `low` and `high`, None where no question is covered, of
        `questions`, and of how many of them are `covered`.

    Example:
        >>> words, vectors = ["man", "woman", "king", "queen"], [[1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1]]
        >>> analogies(words, vectors, {"family": [("man", "woman", "king", "queen"), ("he", "she", "king", "queen")]})[
        ...     "family"
        ... ]["covered"]
        1
    """
    place, unit = {word: i for i, word in enumerate(words)}, _unit(vectors)
    answers = {name: _answered(place, unit, questions) for name, questions in kinds.items()}
    counts = {name: len(questions) for name, questions in kinds.items()}
    answers["all"] = np.concatenate([np.empty(0, bool), *answers.values()])
    counts["all"] = sum(counts.values())
    return {name: _share(right, counts[name]) for name, right in answers.items()}


def _share(right, questions):
    counts = {"questions": questions, "covered": len(right)}
    if not len(right):
        return {"value": None, "low": None, "high": None, **counts}
    return {**measured_share(right), **counts}


def _answered(place, unit, questions):
    """Whether each question whose words have vectors is answered right, bool `(questions,)`."""
    asked = np.array([[place[word] for word in four] for four in questions if all(word in place for word in four)])
    right = [np.empty(0, bool)]
    for begin in range(0, len(asked), _AT_ONCE):
        a, b, c, d = asked[begin : begin + _AT_ONCE].T
        cosines = (unit[b] - unit[a] + unit[c]) @ unit.T
        for known in (a, b, c):
            cosines[np.arange(len(a)), known] = -np.inf
        right.append(cosines.argmax(1) == d)
    return np.concatenate(right)


def _unit(vectors):
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
