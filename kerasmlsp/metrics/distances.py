"""How far a set of generated examples is from a set of real ones, in NumPy."""

import math

import numpy as np
from numpy.typing import ArrayLike


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Frechet distance of the normal distributions with the means and covariances of two sets.

    `|m - n|^2 + tr(A + B - 2 (A B)^(1/2))`. With few examples it is too large: by about as much as it has between two
    sets of that size from one source, which should stand beside it. On the features of another net than Inception-v3
    it is not the FID of publications.

    Reference: Dowson and Landau 1982, "The Frechet Distance between Multivariate Normal Distributions"; Heusel et al.
    2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium".

    Args:
        first: Features, `(examples, features)`, at least two examples.
        second: Features of the other set; the numbers of examples may differ.

    Raises:
        ValueError: The sets do not have as many features, or one has fewer than two examples.

    Example:
        >>> round(frechet_distance([[0.0], [2.0]], [[3.0], [5.0]]), 6)  # as wide, 3 apart
        9.0
    """
    first, second = _checked(first, second)
    gap = first.mean(0) - second.mean(0)
    covariances = _covariance(first), _covariance(second)
    root = _square_root(covariances[0])
    # The eigenvalues of A B are those of the symmetric A^(1/2) B A^(1/2).
    values = np.linalg.eigvalsh(root @ covariances[1] @ root)
    common = np.sqrt(np.maximum(values, 0.0)).sum()
    return float(gap @ gap + np.trace(covariances[0]) + np.trace(covariances[1]) - 2.0 * common)


def _covariance(rows):
    # Of a single row it is nothing, where that of samples is not defined.
    gaps = rows - rows.mean(0)
    return gaps.T @ gaps / max(1, len(rows) - 1)


def _square_root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T


def kernel_distance(first: np.ndarray, second: np.ndarray, *, most: int = 5000) -> float:
    """Squared maximum mean discrepancy of two sets with the kernel `(x . y / features + 1)^3`, without bias.

    Between two sets from one source it is 0 in the mean, whatever their size, and may be negative.

    Reference: Gretton et al. 2012, "A Kernel Two-Sample Test"; Binkowski et al. 2018, "Demystifying MMD GANs".

    Args:
        first: Features, `(examples, features)`, at least two examples.
        second: Features of the other set.
        most: Examples of each set that are compared, evenly spread; the work grows with the square.

    Raises:
        ValueError: The sets do not have as many features, or one has fewer than two examples.

    Example:
        >>> kernel_distance([[0.0], [0.0]], [[1.0], [1.0]])  # 1 + (1 + 1)^3 - 2
        7.0
    """
    first, second = (spread(each, most) for each in _checked(first, second))

    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1.0) ** 3

    within = [
        (total.sum() - np.trace(total)) / (len(x) * (len(x) - 1)) for x in (first, second) for total in [kernel(x, x)]
    ]
    return float(sum(within) - 2.0 * kernel(first, second).mean())


def _checked(first, second):
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or min(len(first), len(second)) < 2:
        raise ValueError(
            "`first` and `second` must be two or more rows of as many features. "
            f"Received: shapes {first.shape} and {second.shape}"
        )
    return first, second


def spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Returns at most so many rows, evenly spread over all.

    Example:
        >>> spread(np.arange(10), 4)
        array([0, 3, 6, 9])
    """
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]


def principal_components(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the directions in which rows vary most.

    Args:
        rows: Examples, `(examples, ...)`, numbers, at least two of them.
        count: Directions; fewer where there are not so many.

    Returns:
        The mean, float64 `(numbers,)`, and the directions, float64 `(numbers, directions)`, of length 1, the one of
        the greatest variance first: `(rows - mean) @ directions` are the components.

    Example:
        >>> mean, directions = principal_components(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]), 1)
        >>> mean.tolist(), np.abs(directions[:, 0]).tolist()
        ([2.0, 1.0], [1.0, 0.0])
    """
    rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
    mean = rows.mean(0)
    gaps, count = rows - mean, min(count, len(rows) - 1, rows.shape[1])
    if rows.shape[1] <= len(rows):
        return mean, np.linalg.eigh(gaps.T @ gaps)[1][:, ::-1][:, :count]
    # Of fewer examples than numbers, the products of examples have the same eigenvalues.
    found = gaps.T @ np.linalg.eigh(gaps @ gaps.T)[1][:, ::-1][:, :count]
    return mean, found / np.maximum(np.linalg.norm(found, axis=0), 1e-12)


def nearest(
    queries: np.ndarray, references: np.ndarray, *, count: int | None = None, chunk: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Finds for every query the nearest of the references.

    Args:
        queries: `(queries, ...)`, numbers.
        references: `(references, ...)` of the same shape for each.
        count: How many of the nearest, the nearest first; all where there are fewer. None for the nearest alone.
        chunk: Queries that are compared at a time.

    Returns:
        Euclidean distances, float64, and the numbers of the nearest references, each `(queries,)`, with a `count`
        `(queries, count)`.

    Raises:
        ValueError: The shapes differ, or there is no reference.

    Example:
        >>> nearest(np.array([[0, 0], [5, 5]]), np.array([[3, 4], [5, 6]]))
        (array([5., 1.]), array([0, 1]))
    """
    if queries.shape[1:] != references.shape[1:] or not len(references):
        raise ValueError(
            f"`references` must be rows as `queries`. Received: shapes {references.shape} and {queries.shape}"
        )
    references = np.asarray(references, np.float32).reshape(len(references), -1)
    queries = np.asarray(queries, np.float32).reshape(len(queries), -1)
    squares, places, wanted = np.square(references).sum(1), [], min(count or 1, len(references))
    for begin in range(0, len(queries), chunk):
        far = squares - 2.0 * queries[begin : begin + chunk] @ references.T
        few = np.argpartition(far, wanted - 1, axis=1)[:, :wanted] if wanted > 1 else far.argmin(1)[:, None]
        places.append(np.take_along_axis(few, np.take_along_axis(far, few, axis=1).argsort(axis=1), axis=1))
    places = np.concatenate(places) if places else np.zeros((0, wanted), np.int64)
    # Once more from the pair itself: differences of large squares have lost digits.
    columns = [np.sqrt(np.square(queries.astype(np.float64) - references[each]).sum(1)) for each in places.T]
    found = np.stack(columns, axis=1)
    return (found[:, 0], places[:, 0]) if count is None else (found, places)


def mean_distance(rows: np.ndarray) -> float:
    """Mean Euclidean distance between different rows of `(rows, ...)`, at least two: 0 where all are the same.

    Example:
        >>> mean_distance([[0, 0], [3, 4]])
        5.0
    """
    rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
    squares = np.square(rows).sum(1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * rows @ rows.T, 0.0))
    return float((apart.sum() - np.trace(apart)) / (len(rows) * (len(rows) - 1)))


def gaussian_mixture_samples(rows: np.ndarray, labels: np.ndarray, size: int, *, seed: int = 0) -> np.ndarray:
    """Draws from a mixture of normal distributions, one for every class, with full covariances.

    The control of a generator: what the mean and covariance of each class alone explain. Its parameters have a closed
    form, since the classes are known.

    Args:
        rows: Examples, `(examples, features)`.
        labels: Class number of each, `(examples,)`; zeros for one normal distribution.
        size: Number of rows to draw; each class has its share.
        seed: Seed of the draws.

    Returns:
        float64 `(size, features)`, in the order of the classes.

    Example:
        >>> rows, labels = np.array([[0.0], [2.0], [100.0], [102.0]]), [0, 0, 1, 1]
        >>> gaussian_mixture_samples(rows, np.array(labels), 6)[:, 0] > 50
        array([False, False, False,  True,  True,  True])
    """
    labels, random = np.asarray(labels), np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    sizes = np.diff(np.round(np.cumsum([0, *counts]) / len(labels) * size).astype(int))
    drawn = []
    for kind, wanted in zip(classes, sizes, strict=True):
        own = np.asarray(rows[labels == kind], np.float64)
        root = _square_root(_covariance(own))
        drawn.append(own.mean(0) + random.standard_normal((wanted, own.shape[1])) @ root)
    return np.concatenate(drawn)


def chi_square(table: ArrayLike) -> tuple[float, float]:
    """Pearson's test whether the columns of a table of counts have the same shares in every row.

    Args:
        table: Counts, `(rows, columns)`; columns without any count are left out.

    Returns:
        The statistic and the probability of a greater one if the shares are the same.

    Raises:
        ValueError: There are fewer than two rows or columns with counts.

    Example:
        >>> statistic, probability = chi_square([[10, 20], [20, 10]])
        >>> round(statistic, 3), round(probability, 4)  # 4 * 5^2 / 15
        (6.667, 0.0098)
    """
    table = np.asarray(table, np.float64)
    table = table[:, table.sum(0) > 0]
    if min(table.shape) < 2 or not table.sum(1).all():
        raise ValueError(f"`table` must have counts in two rows and columns at least. Received: {table.tolist()}")
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    statistic = float((np.square(table - expected) / expected).sum())
    return statistic, _chi_square_tail((table.shape[0] - 1) * (table.shape[1] - 1), statistic)


def _chi_square_tail(freedom, value):
    """The upper tail of the chi-square distribution, by its recurrence in steps of two degrees of freedom."""
    half = value / 2.0
    if half <= 0:
        return 1.0
    total, first = (math.exp(-half), 2) if freedom % 2 == 0 else (math.erfc(math.sqrt(half)), 1)
    for degrees in range(first, freedom, 2):
        total += math.exp(degrees / 2.0 * math.log(half) - half - math.lgamma(degrees / 2.0 + 1.0))
    return min(1.0, total)
