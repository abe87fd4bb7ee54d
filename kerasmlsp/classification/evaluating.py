"""Targets and weights of labelled examples, and how a classifier is measured: figures, mistakes."""

import csv
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import metrics, plotting
from kerasmlsp.files import write_atomically
from kerasmlsp.training import comparing

log = logging.getLogger("kerasmlsp")

CONFUSION, RELIABILITY = "confusion_matrix", "reliability_diagram"
"""Names of the figures of a `report`, without their ending."""


def one_hot(labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Returns targets float32 `(examples, classes)` of labels, in the order of sorted classes.

    Example:
        >>> one_hot(["no", "yes", "no"], ["no", "yes"])[:, 1]
        array([0., 1., 0.], dtype=float32)
    """
    return np.eye(len(classes), dtype="float32")[np.searchsorted(classes, labels)]


def class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns weights under which all classes count the same, however rare.

    Args:
        labels: Class numbers, `(examples,)`.
        num_classes: Number of classes.

    Returns:
        Weight of each class, `(num_classes,)`; their mean over the examples is 1.

    Example:
        >>> class_weights(np.array([0, 0, 0, 1]), 2)
        array([0.66666667, 2.        ])
    """
    counts = np.bincount(labels, minlength=num_classes)
    return len(labels) / num_classes / np.maximum(counts, 1)


def example_weights(targets: np.ndarray, balanced: bool) -> np.ndarray:
    """Returns the weight of each example in training, float32 `(examples,)`: 1, or that of its class if `balanced`.

    Args:
        targets: As of `one_hot`.
        balanced: Whether all classes count the same, see `class_weights`.

    Example:
        >>> example_weights(np.eye(2)[[0, 0, 0, 1]], balanced=True)
        array([0.6666667, 0.6666667, 0.6666667, 2.       ], dtype=float32)
    """
    if not balanced:
        return np.ones(len(targets), "float32")
    numbers = targets.argmax(1)
    return class_weights(numbers, targets.shape[1])[numbers].astype("float32")


def each_fold(
    labels: Sequence[str], fold_of: np.ndarray, classes: Sequence[str]
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields the folds of a cross-validation, one after the other, and tells each in the log.

    Args:
        labels: Labels of the examples.
        fold_of: Number of the fold of each, `(examples,)`, from 0 on.
        classes: Names of the classes, all of which must be left to train on.

    Yields:
        The number of the fold, from 1 on, and those of the examples in it and outside it.

    Raises:
        ValueError: Outside a fold there is no example of a class.

    Example:
        >>> for number, inside, outside in each_fold(["a", "b", "a", "b"], np.array([0, 0, 1, 1]), ["a", "b"]):
        ...     print(number, inside, outside)
        1 [0 1] [2 3]
        2 [2 3] [0 1]
    """
    count = fold_of.max() + 1
    for fold in range(count):
        inside, outside = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        if missing := sorted(set(classes) - {labels[int(place)] for place in outside}):
            raise ValueError(f"`--folds` must leave every class to train on. Received: {count}, none of {missing[0]!r}")
        log.info("Fold %d of %d.", fold + 1, count)
        yield fold + 1, inside, outside


def measure(
    labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """Measures accuracy, macro F1, AUC and calibration error, as `metrics.measured` does.

    Args:
        labels: Class numbers, `(examples,)`.
        probabilities: `(examples, classes)`.
        groups: As of `metrics.with_interval`.

    Returns:
        The measures by name with their 95 % intervals, and the reasons of those that are not defined.

    Example:
        >>> found, lacking = measure(np.array([0, 1]), np.array([[0.9, 0.1], [0.2, 0.8]]))
        >>> found["accuracy"]["value"], lacking
        (1.0, {})
    """
    measures = {
        "accuracy": metrics.accuracy,
        "macro_f1": metrics.macro_f1,
        "auc": metrics.auc,
        "calibration_error": metrics.calibration_error,
    }
    return metrics.measured(measures, labels, probabilities, groups)


def mistakes(labels: np.ndarray, probabilities: np.ndarray, most: int) -> np.ndarray:
    """Returns the numbers of the examples that were told wrong, the surest first, at most `most`.

    Args:
        labels: Class numbers, `(examples,)`.
        probabilities: `(examples, classes)`.
        most: How many.

    Example:
        >>> mistakes(np.array([0, 0, 0]), np.array([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9]]), 5)
        array([2, 1])
    """
    wrong = np.flatnonzero(np.argmax(probabilities, axis=1) != labels)
    return wrong[np.argsort(-np.max(probabilities[wrong], axis=1), kind="stable")][:most]


def report(
    folder: Path,
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
    worst: dict[int, Any],
    column: str,
    *,
    summaries: bool = False,
    groups: np.ndarray | None = None,
) -> list[Path]:
    """Draws the confusion matrix and the reliability diagram, and writes the worst mistakes as `mistakes.csv`.

    Whether each example was right, and the negative logarithm of its class's probability, go to `examples.npz`.

    Args:
        folder: Folder of the evaluation, made where missing.
        labels: Class numbers, `(examples,)`.
        probabilities: `(examples, classes)`.
        classes: Names of the classes.
        worst: What to write of each mistake, by the number of the example, in the order to write.
        column: Name of the column for it.
        summaries: As of `plotting.confusion_matrix`.
        groups: As of `metrics.with_interval`.

    Returns:
        The files.

    Example:
        >>> import tempfile
        >>> folder, labels, probabilities = Path(tempfile.mkdtemp()), np.array([0]), np.array([[0.2, 0.8]])
        >>> files = report(folder, labels, probabilities, ["neg", "pos"], {0: "good?"}, "text")
        >>> files[2].read_text().splitlines()
        ['text,label,predicted,confidence', 'good?,neg,pos,0.8000']
    """
    folder.mkdir(exist_ok=True)
    matrix, reliability = metrics.confusion(labels, probabilities), metrics.reliability(labels, probabilities)
    files = [folder / f"{CONFUSION}.png", folder / f"{RELIABILITY}.png", folder / "mistakes.csv"]
    write_atomically(files[0], lambda path: plotting.confusion_matrix(matrix, classes, path, summaries=summaries))
    write_atomically(files[1], lambda path: plotting.reliability_diagram(*reliability, path))
    chosen, sure = np.argmax(probabilities, axis=1), np.max(probabilities, axis=1)

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([column, "label", "predicted", "confidence"])
            for i, what in worst.items():
                writer.writerow([what, classes[labels[i]], classes[chosen[i]], f"{sure[i]:.4f}"])

    write_atomically(files[2], write)
    # So that runs can be compared by pairs.
    told = np.maximum(probabilities[np.arange(len(labels)), labels], np.finfo("float32").tiny)
    scores = {"accuracy": chosen == labels, "cross-entropy": -np.log(told)}
    return [*files, comparing.write_examples(folder, scores, groups)]
