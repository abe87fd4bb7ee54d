"""Measures: of classifiers here, of texts in `text`, of images in `distances`."""

from kerasmlsp.metrics.classification import (
    FEWEST,
    accuracy,
    auc,
    bootstrap,
    calibration_error,
    confusion,
    count_interval,
    macro_f1,
    measured,
    reliability,
    share_interval,
    spearman,
    with_interval,
)

__all__ = [
    "FEWEST",
    "accuracy",
    "auc",
    "bootstrap",
    "calibration_error",
    "confusion",
    "count_interval",
    "macro_f1",
    "measured",
    "reliability",
    "share_interval",
    "spearman",
    "with_interval",
]
