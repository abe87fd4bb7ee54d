"""What samples cost by simpler means: histograms, and linear prediction whose error has a known distribution."""

import math

import numpy as np

from kerasmlsp.apps.wavenet.config import LEVELS, START
from kerasmlsp.apps.wavenet.data import Pieces, from_levels
from kerasmlsp.metrics import distances

ORDER = 16
"""Samples that a linear prediction sees."""
_DECAYS = (0.8, 0.9, 0.95, 0.98)
_FRAME, _HEARD = 0.01, 0.04  # seconds with the same coefficients, and those before that they are found in
_MIXED = 0.01  # share of the histogram in what linear prediction foretells: no level is impossible
_TUNED = 50  # pieces on which the decay is chosen
_PRIOR = 1e-3  # share of the autocorrelation of all that is trained on
_FLOOR = 1e-4  # least scale of the error


def histogram(train: Pieces, test: Pieces) -> np.ndarray:
    """Nats of each sample of `test` by how often its level is in `train`, `(pieces, length)`."""
    return -np.log(_shares(train))[test.levels]


def pair_histogram(train: Pieces, test: Pieces) -> np.ndarray:
    """The same by how often a level follows the one before; rare ones are filled up with the plain histogram."""
    counts = np.zeros((LEVELS, LEVELS))
    for levels, known in zip(train.levels, train.known, strict=True):
        np.add.at(counts, (_before(levels[None])[0][known], levels[known]), 1)
    shares = (counts + LEVELS * _shares(train)) / (counts.sum(1, keepdims=True) + LEVELS)
    return -np.log(shares)[_before(test.levels), test.levels]


def linear_prediction(train: Pieces, test: Pieces, rate: int, kind: str) -> tuple[np.ndarray, float]:
    """Nats of each sample by linear prediction of `ORDER` that adapts to what was heard.

    Every 10 ms the coefficients are found anew in the 40 ms before (autocorrelation method). The error is taken to be
    Gaussian or Laplacian, with a scale that follows the errors before, and its distribution is added up over what each
    mu-law level stands for. The decay of that scale is the best one on a part of `train`.

    Reference: Makhoul 1975, "Linear Prediction: A Tutorial Review".

    Args:
        train: What constants are chosen on.
        test: What is measured.
        rate: Samples per second.
        kind: "gaussian" or "laplace".

    Returns:
        float `(pieces, length)`, and the decay.
    """
    tuned = train[distances.spread(np.arange(len(train)), _TUNED)]
    prior, shares = _autocorrelation(from_levels(tuned.levels)).sum(0), _shares(train)
    prior = prior / max(prior[0], 1e-12)

    def measured(pieces, decays):
        samples = from_levels(pieces.levels)
        foretold = _foretold(samples, prior, rate)
        return [_nats(pieces.levels, samples, foretold, decay, kind, shares) for decay in decays]

    costs = [each[tuned.known].mean() for each in measured(tuned, _DECAYS)]
    best = _DECAYS[int(np.argmin(costs))]
    return measured(test, [best])[0], best


def _shares(train):
    counts = np.bincount(train.levels[train.known], minlength=LEVELS) + 1.0
    return counts / counts.sum()


def _before(levels):
    return np.pad(levels[:, :-1], ((0, 0), (1, 0)), constant_values=START)


def _autocorrelation(frames):
    """`(rows, ORDER + 1)` of `(rows, samples)`, tapered."""
    tapered = frames * np.hanning(frames.shape[1] + 2)[1:-1]
    count = tapered.shape[1]
    return np.stack([(tapered[:, : count - lag] * tapered[:, lag:]).sum(1) for lag in range(ORDER + 1)], 1)


def _foretold(samples, prior, rate):
    """The linear prediction of every sample from those before."""
    rows, length = samples.shape
    hop, heard = max(1, round(_FRAME * rate)), max(ORDER + 1, round(_HEARD * rate))
    padded = np.pad(samples, ((0, 0), (heard, -length % hop)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, ORDER, axis=1)
    places, found = np.abs(np.subtract.outer(np.arange(ORDER), np.arange(ORDER))), np.zeros((rows, padded.shape[1]))
    for begin in range(heard, padded.shape[1], hop):
        products = _autocorrelation(padded[:, begin - heard : begin])
        # White noise below what is heard keeps the equations solvable, and silence is foretold as all that was trained.
        products = products + (_PRIOR * products[:, :1] + 1e-9) * prior
        products[:, 0] *= 1.0 + 1e-6
        weights = np.linalg.solve(products[:, places], products[:, 1:, None])[..., 0]
        past = windows[:, begin - ORDER : begin - ORDER + hop]
        found[:, begin : begin + hop] = np.einsum("bto,bo->bt", past, weights[:, ::-1])
    return found[:, heard : heard + length]


def _nats(levels, samples, foretold, decay, kind, shares):
    errors = samples - foretold
    sizes = errors**2 if kind == "gaussian" else np.abs(errors)
    scales, scale = np.empty_like(sizes), np.full(len(sizes), 1e-2)
    for place in range(sizes.shape[1]):
        scales[:, place] = scale
        scale = decay * scale + (1 - decay) * sizes[:, place]
    scales = np.maximum(np.sqrt(scales) if kind == "gaussian" else scales, _FLOOR)
    low, high = (_edge(levels.astype(int) + each) for each in (0, 1))
    share = _distribution((high - foretold) / scales, kind) - _distribution((low - foretold) / scales, kind)
    return -np.log((1 - _MIXED) * np.maximum(share, 0.0) + _MIXED * shares[levels])


def _edge(level):
    """The sample between a level and the one below; beyond the outermost lies infinity."""
    inner = from_levels(np.clip(level, 1, LEVELS - 1) - 0.5)
    return np.where(level <= 0, -np.inf, np.where(level >= LEVELS, np.inf, inner))


def _distribution(values, kind):
    if kind == "laplace":
        half = 0.5 * np.exp(-np.abs(values))
        return np.where(values < 0, half, 1.0 - half)
    # Farther out all is 1 in 64 bits, and kernels make NaN of infinity.
    return 0.5 * (1.0 + _erf(np.clip(values, -30.0, 30.0) / math.sqrt(2.0)))


def _erf(values):
    import keras

    return keras.ops.convert_to_numpy(keras.ops.erf(values))
