"""Measures: of classifiers and forecasts here, of texts in `text`, of images in `distances`."""

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
    measured_mean,
    measured_share,
    reliability,
    share_interval,
    spearman,
    with_interval,
)
from kerasmlsp.metrics.forecasting import block_bootstrap, forecast_errors

__all__ = [
    "FEWEST",
    "FEWEST_GROUPS",
    "accuracy",
    "auc",
    "block_bootstrap",
    "bootstrap",
    "calibration_error",
    "confusion",
    "count_interval",
    "forecast_errors",
    "group_bootstrap",
    "macro_f1",
    "measured",
    "measured_mean",
    "measured_share",
    "reliability",
    "share_interval",
    "spearman",
    "with_interval",
]
