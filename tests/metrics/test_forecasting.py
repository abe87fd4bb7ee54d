"""Errors of forecasts against their formulas."""

import numpy as np
import pytest

from kerasmlsp import metrics


def example():
    random = np.random.default_rng(0)
    truth = random.normal(size=(100, 4, 3))
    truth[random.random(truth.shape) < 0.1] = np.nan
    return truth, random.normal(size=truth.shape)


def test_errors_leave_out_what_is_not_known():
    truth, forecasts = example()
    found = metrics.forecast_errors(truth, forecasts, [2, 4], block=10, samples=50)
    for steps in (2, 4):
        for where, part in (("at", slice(steps - 1, steps)), ("up to", slice(steps))):
            errors = (forecasts - truth)[:, part]
            expected = {"RMSE": np.sqrt(np.nanmean(errors**2)), "MAE": np.nanmean(np.abs(errors))}
            for name, value in expected.items():
                each = found[f"{name} {where} {steps} steps"]
                assert each["value"] == pytest.approx(value) and each["low"] < value < each["high"]


def test_intervals_want_several_blocks():
    truth, forecasts = example()
    found = metrics.forecast_errors(truth, forecasts, [1], names=["5 min"], block=30)
    assert found["RMSE at 5 min"]["low"] is None
    assert metrics.block_bootstrap(lambda rows: 1.0, 19, 1) == (None, None)


def test_what_cannot_be_measured_is_refused():
    truth, forecasts = example()
    with pytest.raises(ValueError, match="of one shape"):
        metrics.forecast_errors(truth, forecasts[:, :2], [1])
    with pytest.raises(ValueError, match="from 1 to 4"):
        metrics.forecast_errors(truth, forecasts, [5])
    with pytest.raises(ValueError, match="nothing that is known"):
        metrics.forecast_errors(np.full_like(truth, np.nan), forecasts, [1])
    with pytest.raises(ValueError, match="`block` must be at least 1"):
        metrics.block_bootstrap(lambda rows: 1.0, 100, 0)


def test_what_is_not_known_is_not_measured_and_equal_resamples_are_no_interval():
    truth = np.zeros((100, 2, 1))
    truth[:, 1] = np.nan
    found = metrics.forecast_errors(truth, np.ones_like(truth), [1, 2], block=5, samples=20)
    names = [f"{name} {where} steps" for name in ("RMSE", "MAE") for where in ("at 1", "up to 1", "up to 2")]
    assert set(found) == set(names)
    assert found["MAE at 1 steps"] == {"value": 1.0, "low": None, "high": None}
