"""What saved models that tell classes answer, and when an answer is unsure.

An answer is unsure where the label's probability is below a threshold, calibrated on held-out examples, or where the
input shows nothing at all: a text without a known word, a picture of one colour.

TensorFlow is imported inside the function that makes a graph.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    import tensorflow as tf

    from kerasmlsp.exporting import SavedModel
    from kerasmlsp.training import Run

THRESHOLD = "threshold.json"
"""File of a run that holds what `calibrated` returns."""
OUTPUTS = {
    "label": "The likeliest class.",
    "probabilities": "Probability of each class, in the order of `classes` in card.json.",
    "confidence": "The label's probability; 0 where the input shows nothing to judge by, or holds NaN.",
    "unsure": "Whether the confidence is 0 or below `reject_below` in card.json: then rather take no label.",
}
"""What the outputs of `answer` mean, for model cards."""


def answer(
    classes: Sequence[str], probabilities: "tf.Tensor", shown: "tf.Tensor", threshold: float | None = None
) -> "dict[str, tf.Tensor]":
    """Returns the outputs of a saved model that tells classes.

    Args:
        classes: Names of the classes.
        probabilities: `(batch, classes)`.
        shown: Whether there is anything to judge by in each input, bool `(batch,)`.
        threshold: Least probability of an answer that is sure; None where it was not calibrated.

    Returns:
        Dict of `label` `(batch,)`, `probabilities`, `confidence` `(batch,)`, the label's probability and 0 where
        nothing is shown or the input is not finite, and `unsure` `(batch,)`, whether that is 0 or below `threshold`.

    Example:
        >>> found = answer(["neg", "pos"], np.array([[0.3, 0.7], [0.2, 0.8]]), np.array([True, False]), 0.6)
        >>> found["label"].numpy().tolist(), found["unsure"].numpy().tolist()
        ([b'pos', b'pos'], [False, True])
    """
    import tensorflow as tf

    confidence = tf.reduce_max(probabilities, axis=-1)
    # Not a number where the input held one that is none.
    shown &= tf.math.is_finite(confidence)
    confidence = tf.where(shown, confidence, tf.zeros_like(confidence))
    return {
        "label": tf.gather(tf.constant(classes), tf.argmax(probabilities, axis=-1)),
        "probabilities": probabilities,
        "confidence": confidence,
        "unsure": ~shown if threshold is None else (confidence < threshold) | ~shown,
    }


def calibrated(labels: np.ndarray, probabilities: np.ndarray, answered: float) -> dict[str, Any]:
    """Returns the threshold below which an answer is unsure, and what comes of it.

    Args:
        labels: Class numbers of examples that the net was not trained on, `(examples,)`.
        probabilities: What it says of them, `(examples, classes)`.
        answered: Share of the examples whose answers are to be sure, from 0 to below 1.

    Returns:
        Dict of `threshold`, the number of `answers`, `coverage`, the share of them that are sure, and
        `accuracy`, the share of the sure ones that are right.

    Example:
        >>> probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.9, 0.1], [0.9, 0.1]])
        >>> calibrated(np.array([1, 1, 1, 0, 0]), probabilities, answered=0.75)
        {'threshold': 0.7, 'answers': 5, 'coverage': 0.8, 'accuracy': 1.0}
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    threshold = float(np.quantile(confidence, 1 - answered, method="lower"))
    sure = confidence >= threshold
    return {
        "threshold": threshold,
        "answers": len(labels),
        "coverage": float(sure.mean()),
        "accuracy": float(right[sure].mean()),
    }


def threshold_of(run: "Run") -> dict[str, Any] | None:
    """Returns what `calibrated` found when a run was trained; None for a run that has no such file.

    Example:
        >>> from kerasmlsp.training import Run
        >>> threshold_of(Run("runs/gesture/nothing")) is None
        True
    """
    return run.read(THRESHOLD) if (run / THRESHOLD).exists() else None


def in_words(known: Mapping[str, Any] | None, of: str) -> str:
    """Says in a model card when an answer is unsure.

    Args:
        known: What `calibrated` returns; None where it was not calibrated.
        of: What shows nothing, such as "a text without a known word".

    Example:
        >>> in_words(None, "a picture of one colour")
        'It is `unsure` of a picture of one colour only, as no threshold was calibrated.'
    """
    if known is None:
        return f"It is `unsure` of {of} only, as no threshold was calibrated."
    right = f", and {known['accuracy']:.1%} of those rightly" if "accuracy" in known else ""
    return (
        f"It is `unsure` of {of}, and where the label's probability is below {known['threshold']:.3f}: "
        f"{known.get('coverage', 1):.1%} of the held-out examples are answered surely{right}. What it is unsure of "
        "may be none of the classes."
    )


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


def asked_for(
    classes: Sequence[str], count: int, labels: Sequence[str] | None = None, *, argument: str = "label"
) -> list[str]:
    """Returns the class of each thing that is to be made: those asked for, or all classes in turn.

    Args:
        classes: Names of the classes that a model makes; empty where it has none.
        count: Things to make.
        labels: Class of each; None for all in turn.
        argument: What the message calls it.

    Returns:
        `count` names, empty strings where there are no classes.

    Raises:
        ValueError: A class is not known, or there are none.

    Example:
        >>> asked_for(["bag", "boot"], 3)
        ['bag', 'boot', 'bag']
        >>> asked_for(["bag", "boot"], 1, ["hat"])
        Traceback (most recent call last):
        ValueError: `label` must be one of bag, boot. Received: hat
    """
    if labels is None:
        return [classes[i % len(classes)] if classes else "" for i in range(count)]
    if unknown := sorted(set(labels) - set(classes)):
        raise ValueError(
            f"`{argument}` must be one of {', '.join(classes)}. Received: {', '.join(unknown)}"
            if classes
            else f"`{argument}` must be left out: the model has none. Received: {', '.join(unknown)}"
        )
    return list(labels)


def rows(answers: Mapping[str, np.ndarray], classes: Sequence[str], reject_below: float = 0.0) -> list[dict[str, Any]]:
    """Returns what a saved model says of each example.

    Args:
        answers: The outputs of a saved model, see `answer`; older ones have no `confidence`.
        classes: Names of the classes.
        reject_below: Confidence below which an answer is unsure.

    Returns:
        List of dicts of `label`, `confidence` (the label's probability, or 0 where the input shows nothing), `unsure`
        and `probabilities` by class.

    Example:
        >>> answers = {"label": np.array([b"pos"]), "probabilities": np.array([[0.25, 0.75]])}
        >>> rows(answers, ["neg", "pos"], reject_below=0.8)
        [{'label': 'pos', 'confidence': 0.75, 'unsure': True, 'probabilities': {'neg': 0.25, 'pos': 0.75}}]
    """
    found = []
    sure = answers.get("confidence", answers["probabilities"].max(axis=1, initial=0))
    columns = (each.tolist() for each in (answers["label"], sure, answers["probabilities"]))
    for label, confidence, shares in zip(*columns, strict=True):
        row = {
            "label": label.decode(),
            "confidence": confidence,
            "unsure": confidence <= 0 or confidence < reject_below,
        }
        found.append({**row, "probabilities": dict(zip(classes, shares, strict=True))})
    return found


def title(row: Mapping[str, Any]) -> str:
    """Returns what stands above the figure of an answer, one of `rows`.

    Example:
        >>> title({"label": "pos", "confidence": 0.53, "unsure": True})
        'pos (0.53, unsure)'
    """
    return f"{row['label']} ({row['confidence']:.2f}{', unsure' if row['unsure'] else ''})"


def write_table(rows: Sequence[dict[str, Any]], unreadable: Iterable[dict[str, Any]], path: Path) -> None:
    """Writes answers as CSV: file, label, unsure (yes or no), `p_<class>`, and problem for files not read.

    Args:
        rows: Dicts of `file` and what `rows` gives.
        unreadable: Dicts of `file` and `problem`.
        path: File to write.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "labels.csv")
        >>> write_table([{"file": "a", "label": "no", "unsure": False, "probabilities": {"no": 0.9}}], [], path)
        >>> path.read_text().splitlines()
        ['file,label,unsure,p_no,problem', 'a,no,no,0.900000,']
    """
    classes = list(rows[0]["probabilities"]) if rows else []

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "label", "unsure", *(f"p_{name}" for name in classes), "problem"])
            for row in rows:
                shares = (f"{p:.6f}" for p in row["probabilities"].values())
                writer.writerow([row["file"], row["label"], "yes" if row["unsure"] else "no", *shares, ""])
            for row in unreadable:
                writer.writerow([row["file"], "", "", *("" for _ in classes), row["problem"]])

    write_atomically(path, write)


def reject_below(model: "SavedModel") -> float:
    """Returns the confidence below which a loaded saved model is unsure; 0 where that was not calibrated.

    Example:
        >>> from kerasmlsp import exporting
        >>> 0.5 < reject_below(exporting.load(exporting.find("gesture"))) < 0.6
        True
    """
    known = model.card.get("reject_below") or {"threshold": model.card.get("threshold") or 0.0}
    return known["threshold"]
