"""Measures of forecasts of several steps, of which some that follow may not be known."""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from kerasmlsp.metrics.classification import FEWEST, _percentiles


def forecast_errors(
    truth: np.ndarray,
    forecasts: np.ndarray,
    steps: Sequence[int],
    *,
    names: Sequence[str] | None = None,
    block: int = 24,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, float | None]]:
    """Root mean squared and mean absolute errors some steps ahead, and of all steps up to there, with 95 % intervals.

    Neighbouring windows err alike, so that the intervals are of resampled blocks of windows (`block_bootstrap`).

    Args:
        truth: What followed, `(windows, horizon, nodes)`, NaN where it is not known.
        forecasts: `(windows, horizon, nodes)`.
        steps: Steps ahead, from 1 to the horizon.
        names: What to call them; "3 steps" and so on by default.
        block: Windows in a row that are drawn together.
        samples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        By "RMSE at 3 steps", "MAE at 3 steps", "RMSE up to 3 steps" and "MAE up to 3 steps" a dict of `value`, `low`
        and `high`, the last two None where there are too few windows; without those of which nothing is known.

    Raises:
        ValueError: The shapes differ, a step is beyond the horizon, or nothing that follows is known.

    Example:
        >>> truth = np.zeros((4, 2, 1))
        >>> found = forecast_errors(truth, np.stack([truth[:, 0] + 3, truth[:, 1] + 4], 1), [2])
        >>> found["RMSE at 2 steps"]["value"], round(found["RMSE up to 2 steps"]["value"], 3)  # sqrt((9 + 16) / 2)
        (4.0, 3.536)
    """
    if truth.shape != forecasts.shape:
        raise ValueError(f"`truth` and `forecasts` must be of one shape. Received: {truth.shape}, {forecasts.shape}")
    if min(steps) < 1 or max(steps) > truth.shape[1]:
        raise ValueError(f"`steps` must be from 1 to {truth.shape[1]}. Received: {list(steps)}")
    known = ~np.isnan(truth)
    if not known.any():
        raise ValueError("`truth` must hold what followed. Received: nothing that is known")
    errors = np.where(known, forecasts - np.where(known, truth, 0), 0)
    # Sums over nodes, of which a resample needs no more.
    counts = known.sum(-1)
    sums = {"RMSE": np.square(errors).sum(-1), "MAE": np.abs(errors).sum(-1)}
    found = {}
    for step, name in zip(steps, names or [f"{step} steps" for step in steps], strict=True):
        for where, part in (("at", slice(step - 1, step)), ("up to", slice(0, step))):
            for measure, each in sums.items():
                mean = functools.partial(_mean, each[:, part].sum(1), counts[:, part].sum(1), measure == "RMSE")
                if math.isnan(mean(slice(None))):
                    continue
                low, high = block_bootstrap(mean, len(truth), block, samples, seed)
                found[f"{measure} {where} {name}"] = {"value": mean(slice(None)), "low": low, "high": high}
    return found


def _mean(sums, counts, root, rows):
    count = counts[rows].sum()
    mean = sums[rows].sum() / count if count else math.nan
    return float(math.sqrt(mean) if root else mean)


def block_bootstrap(
    measure: Callable, examples: int, block: int, samples: int = 1000, seed: int = 0
) -> tuple[float, float] | tuple[None, None]:
    """Returns the 95 % percentile interval of a bootstrap over blocks of examples that follow one another.

    There is none of fewer than 20 examples, or of fewer than 4 blocks, nor where all resamples agree.

    Reference: Künsch 1989, "The Jackknife and the Bootstrap for General Stationary Observations" (moving blocks).

    Args:
        measure: Function of the rows drawn, int64 `(examples,)`, to a number; resamples where it is NaN are left out.
        examples: Number of examples.
        block: Examples of a block, at least 1.
        samples: Number of resamples.
        seed: Seed of the resampling.

    Returns:
        Low and high, or twice None.

    Example:
        >>> waves = np.sin(np.arange(200) / 5)  # neighbours are alike
        >>> single, blocks = (block_bootstrap(lambda rows: waves[rows].mean(), 200, block) for block in (1, 25))
        >>> single[1] - single[0] < blocks[1] - blocks[0]
        True
    """
    if block < 1:
        raise ValueError(f"`block` must be at least 1. Received: block={block}")
    if examples < max(FEWEST, 4 * block):
        return None, None
    random, found = np.random.default_rng(seed), []
    for _ in range(samples):
        starts = random.integers(examples - block + 1, size=-(-examples // block))
        found.append(measure((starts[:, None] + np.arange(block)).ravel()[:examples]))
    return _percentiles(found)
