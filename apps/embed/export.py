"""From a run to a saved model, or to a file of word2vec."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import exporting, training
from kerasmlsp.apps.embed import evaluate, model
from kerasmlsp.data import word_vectors
from kerasmlsp.exporting import model_cards

_RARE = "zzyzxqj"
"""A word that no text has, for an example."""


def export(
    run: Path, models: Path, notes: model_cards.Notes, *, words: int | None = None, weights: str = "float32"
) -> Path:
    """Exports a run as the next version of the saved model `embed`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`; besides:

    Args:
        words: Words to keep, the most frequent; None for all.
        weights: How the vectors are kept, one of `config.WEIGHTS`.
    """
    run = training.Run(run)
    names, vectors, stored = evaluate.load(run)
    names, vectors = names[:words], vectors[:words]
    if weights == "float16":
        vectors = vectors.astype(np.float16).astype(np.float32)
    table = model.table_of(vectors)
    functions, track = model.endpoints(names, table)
    if weights == "float16":
        functions = exporting.with_half_weights(functions, [table])
    card = {
        **notes.card("Word vectors"),
        "description": "Gives the vector of a word or text, the words that are used most like it, and what stands to a "
        "word as two others do.",
        "split": f"Trained on all {stored['tokens']} words of the text; nothing was held out or selected. Seed "
        f"{stored['seed']}.",
        "limits": f"Knows {len(names)} words in lower case, each in one sense. Words are near that are used alike in "
        "the text, opposites among them. It has the prejudices of its text. Not for decisions about persons.",
        "training": {
            **{key: value for key, value in stored.items() if key not in ("data", "manual_dir")},
            "weights": weights,
            "words kept": len(names),
        },
        "figures": run.figures(evaluate.ANALOGIES),
        **_measured(run),
    }
    examples = _examples(names)
    return exporting.export(models, "embed", functions, track=track, inputs=model.INPUTS, examples=examples, card=card)


def write_vectors(run: Path, path: Path, *, binary: bool = False, words: int | None = None) -> Path:
    """Writes the vectors of a run as a file of word2vec, text or binary.

    Args:
        run: Folder of a finished run.
        path: File to write.
        binary: Whether it is a binary one.
        words: Words to write, the most frequent; None for all.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The run is of another application.
    """
    names, vectors, _ = evaluate.load(run)
    word_vectors.write(path, names[:words], vectors[:words], binary=binary)
    return path


def _examples(names):
    """Inputs of every endpoint: words that are known, one that is not, and a text."""
    texts = [names[0], names[1].upper(), " ".join(names[:3]), _RARE]
    triples = {"a": [*texts[:2], _RARE], "b": [*texts[1:3], names[0]], "c": [names[-1]] * 3}
    return {
        "serving_default": {"text": texts},
        "similar": {"text": texts, "count": [5, 1, 3, 2]},
        "analogy": {**triples, "count": [3, 1, 2]},
    }


def _measured(run) -> dict[str, Any]:
    """The figures of the run's evaluation, or its loss where it was not evaluated."""
    result, found = run.evaluation(), {}
    if result:
        for name, each in result["similarity"].items():
            found[f"Spearman's correlation with {name}, {each['covered']} of {each['pairs']} pairs"] = each
        if "all" in result["analogies"]:
            each = result["analogies"]["all"]
            found[f"share of analogies right, {each['covered']} of {each['questions']}"] = each
        found = {name: each for name, each in found.items() if each["value"] is not None}
    if found:
        metrics = {name: {key: each[key] for key in ("value", "low", "high")} for name, each in found.items()}
        return {"metrics": metrics, "evaluated": f"with all {result['words']} words of the run"}
    return {
        "metrics": {"loss of a pair and its random words": run.best_row()["loss"]},
        "evaluated": "on the text that was trained on only: run evaluate first",
    }
