"""Measures: of classifiers and forecasts here, of texts in `text`, of images in `distances`."""

from kerasmlsp.metrics.classification import (
    FEWEST,
    accuracy,
    auc,
    bootstrap,
    calibration_error,
    confusion,
    macro_f1,
    measured,
    reliability,
    share_interval,
    spearman,
    with_interval,
)
from kerasmlsp.metrics.forecasting import block_bootstrap, forecast_errors

__all__ = [
    "FEWEST",
    "accuracy",
    "auc",
    "block_bootstrap",
    "bootstrap",
    "calibration_error",
    "confusion",
    "forecast_errors",
    "macro_f1",
    "measured",
    "reliability",
    "share_interval",
    "spearman",
    "with_interval",
]
