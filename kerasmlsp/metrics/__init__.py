"""Measures: of classifiers here, of texts in `text`, of images in `distances`."""

from kerasmlsp.metrics.classification import (
    FEWEST,
    FEWEST_GROUPS,
    accuracy,
    auc,
    bootstrap,
    calibration_error,
    confusion,
    count_interval,
    group_bootstrap,
    macro_f1,
    measured,
    reliability,
    share_interval,
    spearman,
    with_interval,
)

__all__ = [
    "FEWEST",
    "FEWEST_GROUPS",
    "accuracy",
    "auc",
    "bootstrap",
    "calibration_error",
    "confusion",
    "count_interval",
    "group_bootstrap",
    "macro_f1",
    "measured",
    "reliability",
    "share_interval",
    "spearman",
    "with_interval",
]
