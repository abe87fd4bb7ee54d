"""What all applications that tell classes share: answers, when to be unsure, measures, figures, mistakes, weights."""

from kerasmlsp.classification.answers import (
    OUTPUTS,
    THRESHOLD,
    answer,
    asked_for,
    calibrated,
    classes_of,
    in_words,
    reject_below,
    rows,
    threshold_of,
    title,
    write_table,
)
from kerasmlsp.classification.evaluating import (
    CONFUSION,
    RELIABILITY,
    class_weights,
    each_fold,
    example_weights,
    measure,
    mistakes,
    one_hot,
    report,
)
from kerasmlsp.classification.labelling import label_files

__all__ = [
    "CONFUSION",
    "OUTPUTS",
    "RELIABILITY",
    "THRESHOLD",
    "answer",
    "asked_for",
    "calibrated",
    "class_weights",
    "classes_of",
    "each_fold",
    "example_weights",
    "in_words",
    "label_files",
    "measure",
    "mistakes",
    "one_hot",
    "reject_below",
    "report",
    "rows",
    "threshold_of",
    "title",
    "write_table",
]
