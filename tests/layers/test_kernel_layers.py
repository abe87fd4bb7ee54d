"""Layers whose inner products are kernels, and the penalty on activity, against their formulas."""

import math

import keras
import numpy as np
import pytest

from kerasmlsp import layers

POINTS = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")


def numpy(value):
    return keras.ops.convert_to_numpy(value)


@pytest.mark.parametrize("degree", [1, 2, 4])
@pytest.mark.parametrize("constant", [0.0, 1.0, 2.5])
def test_polynomial_features_are_the_kernel(degree, constant):
    features = numpy(layers.PolynomialFeatures(degree, constant)(POINTS))
    np.testing.assert_allclose(features @ features.T, (POINTS @ POINTS.T + constant) ** degree, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("width", [0.5, 4.0])
def test_random_fourier_features_come_near_the_gaussian_kernel(width):
    features = numpy(layers.RandomFourierFeatures(20_000, width, seed=1)(POINTS))
    distances = np.square(POINTS[:, None] - POINTS[None]).sum(-1)
    # The standard error of a mean of 20,000 products of at most 2.
    np.testing.assert_allclose(features @ features.T, np.exp(-distances / width), atol=5 * 1 / np.sqrt(20_000))


def test_a_seed_decides_the_frequencies():
    first, same, other = (numpy(layers.RandomFourierFeatures(5, seed=seed)(POINTS)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.allclose(first, other)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: layers.PolynomialFeatures(0), "`degree` must be at least 1. Received: degree=0"),
        (lambda: layers.PolynomialFeatures(2, -1.0), "`constant` must be at least 0. Received: constant=-1.0"),
        (lambda: layers.RandomFourierFeatures(0), "`units` must be at least 1. Received: units=0"),
        (lambda: layers.RandomFourierFeatures(2, 0.0), "`width` must be above 0. Received: width=0.0"),
        (lambda: layers.ActivityPenalty(-1.0), "`factor` must be at least 0 and finite. Received: factor=-1.0"),
        (lambda: layers.ActivityPenalty(math.nan), "`factor` must be at least 0 and finite. Received: factor=nan"),
    ],
)
def test_wrong_arguments_are_refused(make, told):
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value) == told
