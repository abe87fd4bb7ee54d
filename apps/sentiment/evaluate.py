"""How good a run is on texts that it has not seen."""

import csv
from pathlib import Path

import numpy as np

from kerasmlsp import metrics, plotting, training
from kerasmlsp.apps.sentiment import data
from kerasmlsp.apps.sentiment.config import Config
from kerasmlsp.apps.sentiment.train import VOCABULARY
from kerasmlsp.data import labelled
from kerasmlsp.files import write_atomically, write_json
from kerasmlsp.training.runs import EVALUATION


def load(run: Path):
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


def evaluate(run: Path, path=None, *, dataset=None, manual_dir=None, text_column=None, label_column=None, worst=50):
    """Measures a run on labelled texts and writes figures and the worst mistakes to its folder `evaluation`.

    Args:
        run: Folder of a finished run.
        path: File or folder of labelled texts.
        dataset: Name in TensorFlow Datasets, whose split "test" is read.
        manual_dir: Folder with the original files of `dataset`.
        text_column: Column or feature that holds the text; None for the one that was trained on.
        label_column: Column or feature that holds the label; None for the one that was trained on.
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
    }
    texts, labels = data.read(path, dataset=dataset, manual_dir=manual_dir, split="test", **columns)
    classes = config["classes"]
    if unknown := sorted(set(labels) - set(classes)):
        raise ValueError(f"The run knows the labels {', '.join(classes)}. Received: {', '.join(unknown[:5])}")
    numbers = np.searchsorted(classes, labels)
    probabilities = predict(model, texts, words, config["max_tokens"])
    found, lacking = measure(numbers, probabilities)
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
            "metrics": measure(numbers, short)[0],
            "shares": _shares(classes, numbers, short),
        }
    folder = run / EVALUATION
    folder.mkdir(exist_ok=True)
    files = _figures(folder, numbers, probabilities, classes)
    files.append(_write_mistakes(folder / "mistakes.csv", texts, numbers, probabilities, classes, worst))
    target = folder / "metrics.json"
    write_json(target, result)
    return {**result, "files": [str(file) for file in [target, *files]]}


def predict(model, texts, words, max_tokens):
    """Returns class probabilities `(texts, classes)` in the order of `texts`."""
    encoded = data.encode(texts, np.zeros(len(texts)), words, max_tokens)
    batches, order = data.dataset(encoded, 256)
    probabilities = model.predict(batches, verbose=0)
    return probabilities[np.argsort(order)]


def measure(labels, probabilities):
    """Measures accuracy, macro F1, AUC and calibration error, as `metrics.measured` does."""
    measures = {
        "accuracy": metrics.accuracy,
        "macro_f1": metrics.macro_f1,
        "auc": metrics.auc,
        "calibration_error": metrics.calibration_error,
    }
    return metrics.measured(measures, labels, probabilities)


def _shares(classes, labels, probabilities):
    chosen = np.argmax(probabilities, axis=1)
    return {
        name: {"true": float(np.mean(labels == k)), "predicted": float(np.mean(chosen == k))}
        for k, name in enumerate(classes)
    }


def _figures(folder, labels, probabilities, classes):
    drawings = {
        "confusion_matrix.png": lambda path: plotting.confusion_matrix(
            metrics.confusion(labels, probabilities), classes, path
        ),
        "reliability_diagram.png": lambda path: plotting.reliability_diagram(
            *metrics.reliability(labels, probabilities), path
        ),
    }
    for name, draw in drawings.items():
        write_atomically(folder / name, draw)
    return [folder / name for name in drawings]


def _write_mistakes(path, texts, labels, probabilities, classes, worst):
    chosen, sure = np.argmax(probabilities, axis=1), np.max(probabilities, axis=1)
    wrong = np.flatnonzero(chosen != labels)
    rows = [
        {"text": texts[i], "label": classes[labels[i]], "predicted": classes[chosen[i]], "confidence": f"{sure[i]:.4f}"}
        for i in wrong[np.argsort(-sure[wrong], kind="stable")][:worst]
    ]

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["text", "label", "predicted", "confidence"])
            writer.writeheader()
            writer.writerows(rows)

    write_atomically(path, write)
    return path
