"""Distances between sets of examples."""

import math

import numpy as np
import pytest

from kerasmlsp.metrics import distances


def normal(size, mean, root, seed=0):
    return np.random.default_rng(seed).standard_normal((size, len(mean))) @ root + mean


def test_frechet_distance_of_one_feature_is_that_of_means_and_deviations():
    first, second = np.array([[0.0], [2.0]]), np.array([[3.0], [11.0]])
    # Means 1 and 7; deviations the roots of 2 and 32.
    assert distances.frechet_distance(first, second) == pytest.approx(36 + (math.sqrt(32) - math.sqrt(2)) ** 2)


def test_frechet_distance_is_by_the_root_of_the_product():
    first, second = normal(50, [0, 1, 2], np.eye(3)), normal(60, [1, 1, 0], np.triu(np.ones((3, 3))), 1)
    covariances = np.cov(first.T), np.cov(second.T)
    # The product of two covariances is no symmetric matrix, but has real eigenvalues.
    values, vectors = np.linalg.eig(covariances[0] @ covariances[1])
    root = vectors * np.sqrt(values) @ np.linalg.inv(vectors)
    gap = first.mean(0) - second.mean(0)
    expected = gap @ gap + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert distances.frechet_distance(first, second) == pytest.approx(expected)
    assert distances.frechet_distance(second, first) == pytest.approx(expected)


def test_frechet_distance_of_a_set_to_itself_is_nothing_even_without_full_rank():
    flat = normal(5, np.zeros(20), np.eye(20))
    assert distances.frechet_distance(flat, flat) == pytest.approx(0.0, abs=1e-6)
    # Two units further in each of 20 directions, with the same covariance.
    assert distances.frechet_distance(flat, flat + 2) == pytest.approx(80.0)


def test_kernel_distance_is_the_mean_over_pairs():
    first, second = normal(4, [0, 0], np.eye(2)), normal(3, [1, 0], np.eye(2), 1)

    def kernel(x, y):
        return (x @ y / 2 + 1) ** 3

    def mean(xs, ys, same):
        return np.mean([kernel(x, y) for i, x in enumerate(xs) for j, y in enumerate(ys) if not (same and i == j)])

    expected = mean(first, first, True) + mean(second, second, True) - 2 * mean(first, second, False)
    assert distances.kernel_distance(first, second) == pytest.approx(expected)


def test_kernel_distance_of_sets_of_one_source_has_no_bias():
    found = [
        distances.kernel_distance(normal(30, [0, 0], np.eye(2), 2 * i), normal(30, [0, 0], np.eye(2), 2 * i + 1))
        for i in range(200)
    ]
    assert min(found) < 0 and abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(200)


@pytest.mark.parametrize("measure", [distances.frechet_distance, distances.kernel_distance])
@pytest.mark.parametrize("shapes", [((3, 2), (3, 4)), ((1, 2), (3, 2)), ((3,), (3,))])
def test_sets_that_cannot_be_compared_are_refused(measure, shapes):
    with pytest.raises(ValueError, match="as many features"):
        measure(*(np.ones(shape) for shape in shapes))


def test_nearest_is_found_in_chunks_of_any_size():
    random = np.random.default_rng(0)
    queries, references = random.integers(0, 256, (7, 3, 2)).astype("u1"), random.integers(0, 256, (11, 3, 2), "u1")
    apart = np.linalg.norm(
        queries[:, None].reshape(7, 1, -1).astype(float) - references[None].reshape(1, 11, -1).astype(float), axis=-1
    )
    for chunk in (1, 3, 100):
        found, places = distances.nearest(queries, references, chunk=chunk)
        assert (places == apart.argmin(1)).all() and found == pytest.approx(apart.min(1))
    found, places = distances.nearest(references[4:5], references)
    assert found[0] == 0.0 and places[0] == 4
    with pytest.raises(ValueError, match="rows as `queries`"):
        distances.nearest(queries, references[:, :2])


def test_mean_distance_is_over_different_rows():
    assert distances.mean_distance([[0.0, 0.0], [3.0, 4.0]]) == 5.0
    assert distances.mean_distance([[1.0], [2.0], [4.0]]) == pytest.approx(2.0)
    assert distances.mean_distance(np.ones((3, 2, 2))) == 0.0


def test_mixture_draws_each_class_by_its_mean_and_covariance():
    first, second = normal(3000, [0, 5], [[2, 1], [0, 1]]), normal(1000, [9, 9], np.eye(2) / 3, 1)
    rows, labels = np.concatenate([first, second]), np.repeat([4, 7], [3000, 1000])
    drawn = distances.gaussian_mixture_samples(rows, labels, 8000)
    assert drawn.shape == (8000, 2)
    for part, own in ((drawn[:6000], first), (drawn[6000:], second)):
        assert part.mean(0) == pytest.approx(own.mean(0), abs=0.15)
        assert np.cov(part.T) == pytest.approx(np.cov(own.T), abs=0.3)
    assert (
        distances.gaussian_mixture_samples(rows, labels, 8) == distances.gaussian_mixture_samples(rows, labels, 8)
    ).all()


def test_mixture_of_a_class_with_one_example_repeats_it():
    drawn = distances.gaussian_mixture_samples(np.array([[1.0, 2.0], [5.0, 5.0], [7.0, 9.0]]), [0, 1, 1], 6)
    assert (drawn[:2] == [1.0, 2.0]).all() and len(drawn) == 6


# Upper tails from tables of the chi-square distribution.
@pytest.mark.parametrize(
    ("freedom", "value", "tail"),
    [(1, 3.841, 0.05), (2, 9.210, 0.01), (5, 11.070, 0.05), (9, 21.666, 0.01), (10, 2.558, 0.99)],
)
def test_chi_square_tail(freedom, value, tail):
    assert distances._chi_square_tail(freedom, value) == pytest.approx(tail, rel=2e-3)


def test_chi_square_of_a_table():
    # Worked by hand: 100 each, expected 20, 80 in both rows.
    statistic, probability = distances.chi_square([[10, 90, 0], [30, 70, 0]])
    assert statistic == pytest.approx(10**2 / 20 * 2 + 10**2 / 80 * 2)
    assert probability == pytest.approx(math.erfc(math.sqrt(statistic / 2)))
    assert distances.chi_square([[5, 5], [50, 50]]) == (0.0, 1.0)
    with pytest.raises(ValueError, match="two rows and columns"):
        distances.chi_square([[3, 0], [5, 0]])


def test_spread_takes_rows_evenly():
    assert distances.spread(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert distances.spread(np.arange(3), 4).tolist() == [0, 1, 2]


@pytest.mark.parametrize("examples", [40, 6])
def test_principal_components_are_those_of_the_covariance(examples):
    """Of many examples by the products of numbers, of few by those of examples."""
    rows = np.random.default_rng(0).normal(size=(examples, 3, 4)) * np.arange(1, 5)
    mean, directions = distances.principal_components(rows, 3)
    flat = rows.reshape(examples, -1)
    np.testing.assert_allclose(mean, flat.mean(0))
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-9)
    _, sizes, right = np.linalg.svd(flat - mean, full_matrices=False)
    np.testing.assert_allclose(np.abs(right[:3] @ directions), np.eye(3), atol=1e-6)
    np.testing.assert_allclose(((flat - mean) @ directions).std(0), sizes[:3] / np.sqrt(examples), atol=1e-9)
    assert distances.principal_components(rows, 99)[1].shape == (12, min(12, examples - 1))
