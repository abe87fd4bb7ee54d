"""How good a run is on texts that it has not seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, training
from kerasmlsp.apps.sentiment import data
from kerasmlsp.apps.sentiment.config import Config
from kerasmlsp.apps.sentiment.train import VOCABULARY
from kerasmlsp.data import labelled
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras


def load(run: training.Run | Path) -> "tuple[keras.Model, list[str], dict[str, Any]]":
    """Loads a finished run.

    Returns:
        The model, the vocabulary and the configuration.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The run is of another application, or a file of it is damaged.
    """
    run = training.Run(run)
    _, stored = run.configuration(Config)
    return run.model(), run.read(VOCABULARY), stored


def evaluate(
    run: Path,
    path: str | Path | None = None,
    *,
    dataset: str | None = None,
    manual_dir: str | Path | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    worst: int = 50,
) -> dict[str, Any]:
    """Measures a run on labelled texts and writes figures and the worst mistakes to its folder `evaluation`.

    Args:
        run: Folder of a finished run.
        path: File or folder of labelled texts.
        dataset: Name in TensorFlow Datasets, whose split "test" is read.
        manual_dir: Folder with the original files of `dataset`.
        text_column: Column or feature that holds the text; None for the one that was trained on.
        label_column: Column or feature that holds the label; None for the one that was trained on.
        encoding: Encoding of the texts; None for that of the texts that were trained on.
        worst: Number of mistakes to write, the surest first.

    Returns:
        Dict of `metrics` (each with its 95 % interval), why others were `not measured`, the same for texts cut to the
        length for which the run was calibrated (`short`), class shares, and the files written.

    Raises:
        ValueError: A label is not among those the run was trained on, or the data cannot be used.
    """
    run = training.Run(run)
    model, words, config = load(run)
    columns = {
        "text_column": text_column or config["text_column"],
        "label_column": label_column or config["label_column"],
        "encoding": encoding or config.get("encoding", "utf-8"),
    }
    texts, labels = data.read(path, dataset=dataset, manual_dir=manual_dir, split="test", **columns)
    classes = config["classes"]
    known = labelled.of_known(labels, classes, config.get("rare", ()))
    texts, labels = texts.taken(known), [labels[i] for i in known]
    numbers = np.searchsorted(classes, labels)
    probabilities = predict(model, texts, words, config["max_tokens"])
    found, lacking = classification.measure(numbers, probabilities)
    result = {
        "texts": len(texts),
        "fingerprint": labelled.fingerprint(texts, labels),
        "metrics": found,
        "not measured": lacking,
        "shares": _shares(classes, numbers, probabilities),
    }
    if config["short_words"]:
        short = predict(model, data.shortened(texts, config["short_words"]), words, config["max_tokens"])
        result["short"] = {
            "words": config["short_words"],
            "metrics": classification.measure(numbers, short)[0],
            "shares": _shares(classes, numbers, short),
        }
    worst = {i: texts[i] for i in classification.mistakes(numbers, probabilities, worst)}
    files = classification.report(run / EVALUATION, numbers, probabilities, classes, worst, "text")
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(file) for file in [target, *files]]}


def predict(model: "keras.Model", texts: Sequence[str], words: Sequence[str], max_tokens: int) -> np.ndarray:
    """Returns class probabilities `(texts, classes)` in the order of `texts`."""
    encoded = data.encode(texts, np.zeros(len(texts)), words, max_tokens)
    batches, order = data.dataset(encoded, 256)
    probabilities = model.predict(batches, verbose=0)
    return probabilities[np.argsort(order)]


def _shares(classes, labels, probabilities):
    chosen = np.argmax(probabilities, axis=1)
    return {
        name: {"true": float(np.mean(labels == k)), "predicted": float(np.mean(chosen == k))}
        for k, name in enumerate(classes)
    }
