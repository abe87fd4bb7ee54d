"""Nearest words, analogies and maps, with nothing but the saved model."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.extras import required
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

log = logging.getLogger("kerasmlsp")

FEWEST = 4
"""Words that a map needs."""


def similar(model: "SavedModel", words: Sequence[str], count: int = 10) -> list[dict[str, Any]]:
    """Returns the words nearest to each of some words.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        words: Words, or texts, which have the mean of the vectors of their words.
        count: Words to answer with for each.

    Returns:
        Dicts of `word`, `nearest` and `cosine`, the nearest first.

    Raises:
        ValueError: A word is not known.
    """
    found = model.call("similar", text=list(words), count=[count] * len(words))
    _refuse_unknown("word", [word for word, known in zip(words, found["known"], strict=True) if not known])
    return [row for place, word in enumerate(words) for row in _rows({"word": word}, found, place)]


def analogy(model: "SavedModel", a: str, b: str, c: str, count: int = 10) -> list[dict[str, Any]]:
    """Returns what stands to `c` as `b` to `a`, the likeliest first.

    Args:
        model: A loaded saved model.
        a, b, c: Words.
        count: Words to answer with.

    Returns:
        Dicts of `nearest` and `cosine`.

    Raises:
        ValueError: A word is not known.
    """
    found = model.call("analogy", a=[a], b=[b], c=[c], count=[count])
    for name, word, known in zip("abc", (a, b, c), found["known"][0], strict=True):
        _refuse_unknown(name, [] if known else [word])
    return _rows({}, found, 0)


def _rows(begin, found, place):
    pairs = zip(found["nearest"][place], found["cosine"][place], strict=True)
    return [{**begin, "nearest": word.decode(), "cosine": float(cosine)} for word, cosine in pairs if word]


def _refuse_unknown(name, words):
    if words:
        raise ValueError(
            f"`{name}` must be a word that the model knows: its text had it often enough. Received: "
            f"{', '.join(map(repr, words))}"
        )


def positions(
    model: "SavedModel", groups: Mapping[str, Sequence[str]], methods: Sequence[str], *, seed: int = 0
) -> list[dict[str, Any]]:
    """Places the words of groups in a plane.

    Vectors are scaled to length 1 first, so that the angles between them count. Words that the model does not know are
    left out, and logged; one that is given again in its group is drawn once.

    Reference: Ganapathy, MLSP 2025, "word2vec visualization"; Hotelling 1933, "Analysis of a Complex of Statistical
    Variables into Principal Components"; van der Maaten and Hinton 2008, "Visualizing Data using t-SNE".

    Args:
        model: A loaded saved model.
        groups: Words by the name of their group.
        methods: "pca" and "tsne", or one of both.
        seed: Seed of t-SNE.

    Returns:
        Dicts of `group`, `word`, and `x` and `y` by method.

    Raises:
        ModuleNotFoundError: scikit-learn, the extra `clustering`, is not installed.
        ValueError: Fewer than `FEWEST` words are known.
    """
    decomposition, manifold = required("sklearn.decomposition"), required("sklearn.manifold")
    pairs = list(dict.fromkeys((group, word) for group, words in groups.items() for word in words))
    found = model(text=[word for _, word in pairs])
    kept = np.flatnonzero(found["known"] > 0)
    if len(kept) < len(pairs):
        unknown = [word for (_, word), known in zip(pairs, found["known"], strict=True) if not known]
        log.warning(
            "Left out %d of %d words, which the model does not know: %s.",
            len(unknown),
            len(pairs),
            ", ".join(unknown[:10]),
        )
    vectors = found["vector"][kept]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    # Of words that all lie on each other, as good and Good, t-SNE ends the process.
    if (count := len(np.unique(vectors.round(5), axis=0))) < FEWEST:
        raise ValueError(f"`group` must hold {FEWEST} words at least that the model knows. Received: {count}")
    placed = {}
    for method in methods:
        if method == "pca":
            placed[method] = decomposition.PCA(2, random_state=seed).fit_transform(vectors)
        else:
            near = min(30.0, (len(kept) - 1) / 3)
            fit = manifold.TSNE(2, perplexity=near, init="pca", metric="cosine", random_state=seed)
            placed[method] = fit.fit_transform(vectors)
    return [
        {
            "group": pairs[place][0],
            "word": pairs[place][1],
            **{method: {"x": float(points[i, 0]), "y": float(points[i, 1])} for method, points in placed.items()},
        }
        for i, place in enumerate(kept)
    ]


def draw(rows: Sequence[Mapping[str, Any]], methods: Sequence[str], path: Path) -> None:
    """Draws what `positions` returned, a panel for each method."""
    from kerasmlsp import plotting

    titles = {"pca": "principal components", "tsne": "t-SNE"}
    panels = {
        titles[method]: [(row["group"], row["word"], row[method]["x"], row[method]["y"]) for row in rows]
        for method in methods
    }
    write_atomically(path, lambda place: plotting.named_points(panels, place))
