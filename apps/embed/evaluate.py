"""How well the vectors of a run agree with people, and which analogies they know."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import plotting, training
from kerasmlsp.apps.embed import model
from kerasmlsp.apps.embed.config import Config
from kerasmlsp.apps.embed.train import VOCABULARY
from kerasmlsp.files import write_atomically
from kerasmlsp.metrics import words as measures
from kerasmlsp.training.runs import EVALUATION, METRICS

ANALOGIES = "analogies"
"""Name of the figure."""


def load(run: training.Run | Path) -> tuple[list[str], np.ndarray, dict[str, Any]]:
    """Loads the vectors of a finished run.

    Returns:
        The words, most frequent first, their vectors, float32 `(words, features)`, and the dict of `config.json`.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The run is of another application, or a file of it is damaged.
    """
    run = training.Run(run)
    _, stored = run.configuration(Config)
    return run.read(VOCABULARY)["words"], model.vectors_of(run.model()), stored


def evaluate(run: Path, similarity: Sequence[str | Path] = (), analogies: str | Path | None = None) -> dict[str, Any]:
    """Measures the vectors of a run.

    Args:
        run: Folder of a finished run.
        similarity: Files of pairs of words that people judged, as of `metrics.words.read_similarities`.
        analogies: File of analogies by kind, as of `metrics.words.read_analogies`, or None.

    Returns:
        Dict of the number of `words`, of `similarity` by file (Spearman's correlation with its 95 % interval, the
        pairs, and how many are covered), of `analogies` by kind (the share that is right), and of the files written.

    Raises:
        FileNotFoundError: There is no such run or file.
        ValueError: A file is another.
    """
    run = training.Run(run)
    judged = {Path(path).stem: measures.read_similarities(path) for path in similarity}
    kinds = measures.read_analogies(analogies) if analogies else {}
    words, vectors, _ = load(run)
    result: dict[str, Any] = {
        "words": len(words),
        "similarity": {name: _finite(measures.similarity(words, vectors, *each)) for name, each in judged.items()},
        "analogies": measures.analogies(words, vectors, kinds) if kinds else {},
    }
    files = [run.write(f"{EVALUATION}/{METRICS}", result)]
    shares = [(name, each["value"]) for name, each in result["analogies"].items() if each["value"] is not None]
    if shares:
        path = run / EVALUATION / f"{ANALOGIES}.png"
        write_atomically(
            path, lambda place: plotting.strongest({"analogies": shares}, place, xlabel="share that is right")
        )
        files.append(path)
    return {**result, "files": [str(file) for file in files]}


def _finite(found):
    """None where nothing is covered, since JSON has no NaN."""
    return {**found, "value": None} if np.isnan(found["value"]) else found
