"""What all applications that tell classes share: answers, measures, figures, mistakes and class weights.

TensorFlow is imported inside the function that makes a graph.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import metrics, plotting
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    import tensorflow as tf

    from kerasmlsp.exporting import SavedModel

CONFUSION, RELIABILITY = "confusion_matrix", "reliability_diagram"
"""Names of the figures of a `report`, without their ending."""


def answer(
    classes: Sequence[str], probabilities: "tf.Tensor", threshold: float | None = None
) -> "dict[str, tf.Tensor]":
    """Returns the outputs of a saved model that tells classes.

    Args:
        classes: Names of the classes.
        probabilities: `(batch, classes)`.
        threshold: Least probability of an answer that counts as known; None where all do.

    Returns:
        Dict of `label` `(batch,)`, `probabilities` and, with a `threshold`, `known` `(batch,)`.

    Example:
        >>> answer(["neg", "pos"], np.array([[0.3, 0.7]]))["label"].numpy().tolist()
        [b'pos']
    """
    import tensorflow as tf

    outputs = {
        "label": tf.gather(tf.constant(classes), tf.argmax(probabilities, axis=-1)),
        "probabilities": probabilities,
    }
    if threshold is not None:
        outputs["known"] = tf.reduce_max(probabilities, axis=-1) >= threshold
    return outputs


def classes_of(model: "SavedModel") -> list[str]:
    """Returns the names of the classes that a loaded saved model tells, in the order of its probabilities.

    Raises:
        ValueError: The model card does not name them all.

    Example:
        >>> from kerasmlsp import exporting
        >>> classes_of(exporting.load(exporting.find("sentiment")))
        ['neg', 'pos']
    """
    classes = model.card.get("classes") or []
    count = model.endpoints["serving_default"]["outputs"]["probabilities"].shape[-1]
    if len(classes) != count:
        raise ValueError(
            f"The model card {model.path / 'card.json'} must name the {count} classes of the model: export it again. "
            f"Received: {len(classes)} of them"
        )
    return classes


def rows(answers: Mapping[str, np.ndarray], classes: Sequence[str]) -> list[dict[str, Any]]:
    """Returns what a saved model says of each example.

    Args:
        answers: The outputs of a saved model, see `answer`.
        classes: Names of the classes.

    Returns:
        List of dicts of `label`, `confidence` (the label's probability), `known` where the model tells, and
        `probabilities` by class.

    Example:
        >>> rows({"label": np.array([b"pos"]), "probabilities": np.array([[0.25, 0.75]])}, ["neg", "pos"])
        [{'label': 'pos', 'confidence': 0.75, 'probabilities': {'neg': 0.25, 'pos': 0.75}}]
    """
    found = []
    for place, label in enumerate(answers["label"].tolist()):
        shares = dict(zip(classes, answers["probabilities"][place].tolist(), strict=True))
        known = {"known": bool(answers["known"][place])} if "known" in answers else {}
        found.append({"label": label.decode(), "confidence": shares[label.decode()], **known, "probabilities": shares})
    return found


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


def measure(labels: np.ndarray, probabilities: np.ndarray) -> tuple[dict[str, Any], dict[str, str]]:
    """Measures accuracy, macro F1, AUC and calibration error, as `metrics.measured` does.

    Args:
        labels: Class numbers, `(examples,)`.
        probabilities: `(examples, classes)`.

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
    return metrics.measured(measures, labels, probabilities)


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
) -> list[Path]:
    """Draws the confusion matrix and the reliability diagram, and writes the worst mistakes as `mistakes.csv`.

    Args:
        folder: Folder of the evaluation, made where missing.
        labels: Class numbers, `(examples,)`.
        probabilities: `(examples, classes)`.
        classes: Names of the classes.
        worst: What to write of each mistake, by the number of the example, in the order to write.
        column: Name of the column for it.

    Returns:
        The files.

    Example:
        >>> import tempfile
        >>> folder, labels, probabilities = Path(tempfile.mkdtemp()), np.array([0]), np.array([[0.2, 0.8]])
        >>> files = report(folder, labels, probabilities, ["neg", "pos"], {0: "good?"}, "text")
        >>> files[-1].read_text().splitlines()
        ['text,label,predicted,confidence', 'good?,neg,pos,0.8000']
    """
    folder.mkdir(exist_ok=True)
    matrix, reliability = metrics.confusion(labels, probabilities), metrics.reliability(labels, probabilities)
    files = [folder / f"{CONFUSION}.png", folder / f"{RELIABILITY}.png", folder / "mistakes.csv"]
    write_atomically(files[0], lambda path: plotting.confusion_matrix(matrix, classes, path))
    write_atomically(files[1], lambda path: plotting.reliability_diagram(*reliability, path))
    chosen, sure = np.argmax(probabilities, axis=1), np.max(probabilities, axis=1)

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([column, "label", "predicted", "confidence"])
            for i, what in worst.items():
                writer.writerow([what, classes[labels[i]], classes[chosen[i]], f"{sure[i]:.4f}"])

    write_atomically(files[2], write)
    return files
