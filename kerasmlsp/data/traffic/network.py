"""The network of roads."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.data import tables

_log = logging.getLogger("kerasmlsp")

_DISTANCES = ("distance", "cost")


@dataclasses.dataclass(frozen=True)
class Network:
    """What is known of how roads hang together.

    Args:
        adjacency: float32 `(roads, roads)`, at least 0: the weight of each edge.
        distances: float64 `(roads, roads)`, infinite where there is no edge; None where only weights are known.

    Example:
        >>> network = Network(np.eye(2, dtype="float32"))
        >>> network.distances is None
        True
    """

    adjacency: np.ndarray
    distances: np.ndarray | None = None


def read_network(path: str | Path, roads: Sequence[str], *, encoding: str = "utf-8") -> Network:
    """Reads how roads hang together: a square matrix of weights or distances, or a list of distances.

    A matrix may have a header, and a first column, with the names of the roads; else its order is theirs. It holds
    weights where no number is above 1, else distances, 0 or empty where there is no edge. A list has the columns
    `from`, `to` and `distance` (or `cost`).

    Distances `d` become weights `exp(-(d / s)^2)`, `s` being their standard deviation, and 0 below 0.1. Traffic goes
    one way and jams grow the other, so that of two directions the larger weight counts for both.

    Reference: Li et al. 2018, "Diffusion Convolutional Recurrent Neural Network: Data-Driven Traffic Forecasting".

    Args:
        path: The file.
        roads: Names of the roads.
        encoding: Encoding of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither, has other roads, or holds what is no number or below 0.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "distances.csv")
        >>> _ = path.write_text("from,to,distance\\nA1,A2,100\\nA2,A3,300\\n")
        >>> network = read_network(path, ["A1", "A2", "A3"])
        >>> network.distances[0].tolist(), bool(network.adjacency[0, 1] > network.adjacency[0, 2])
        ([0.0, 100.0, inf], True)
    """
    rows, _ = tables.read_rows(path, encoding=encoding)
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    measure = next((name for name in _DISTANCES if name in head), None)
    if {"from", "to"} <= set(head) and measure:
        cells = [[row[head.index(name)] for name in ("from", "to", measure)] for row in rows[1:]]
        return _of_distances(path, _listed_distances(path, cells, roads))
    matrix = _matrix(path, rows, roads)
    if (matrix <= 1).all():
        return Network(np.maximum(matrix, matrix.T).astype("float32"))
    apart = np.where(matrix > 0, matrix, np.inf)
    np.fill_diagonal(apart, 0.0)
    return _of_distances(path, apart)


def _listed_distances(path, cells, roads):
    places = {name: place for place, name in enumerate(roads)}
    apart, unknown = np.full((len(roads),) * 2, np.inf), 0
    np.fill_diagonal(apart, 0.0)
    for number, (origin, goal, text) in enumerate(cells, 2):
        distance = _number(path, number, text)
        if origin.strip() in places and goal.strip() in places:
            edge = places[origin.strip()], places[goal.strip()]
            apart[edge] = min(apart[edge], distance)
        else:
            unknown += 1
    if unknown:
        _log.warning("Left out %d of %d distances of %s, of roads without speeds.", unknown, len(cells), path)
    return apart


def _matrix(path, rows, roads):
    if (rows and any(cell.strip() and not _is_number(cell) for cell in rows[0])) or len(rows) == len(roads) + 1:
        names, rows = [cell.strip() for cell in rows[0]], rows[1:]
    else:
        names = list(roads)
    if rows and len(rows[0]) == len(roads) + 1:
        names, rows = names[-len(roads) :], [row[1:] for row in rows]
    if len(rows) != len(roads) or any(len(row) != len(roads) for row in rows):
        widest = max(map(len, rows), default=0)
        raise ValueError(
            f"`path` must be a square matrix of the {len(roads)} roads, or a list with the columns from, to and "
            f"distance. Received: {path} with {len(rows)} rows of {widest}"
        )
    if sorted(names) != sorted(roads):
        other = next(name for name in names if name not in roads)
        raise ValueError(f"`path` must have the names of the roads in its header. Received: {path} with {other!r}")
    numbers = np.array([[_number(path, i, cell or "0") for cell in row] for i, row in enumerate(rows, 1)])
    order = [names.index(name) for name in roads]
    return numbers[np.ix_(order, order)]


def _is_number(text):
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _number(path, row, text):
    value = float(text.replace(",", ".")) if _is_number(text) else -1.0
    if not (np.isfinite(value) and value >= 0):
        raise ValueError(f"`path` must hold numbers of at least 0. Received: {path} with {text!r} in row {row}")
    return value


def _of_distances(path, apart):
    edges = np.isfinite(apart) & (apart > 0)
    if not edges.any():
        raise ValueError(f"`path` must hold a distance between two of the roads. Received: {path}, which has none")
    spread = apart[edges].std() or apart[edges].mean()
    weights = np.where(np.isfinite(apart), np.exp(-np.square(np.where(np.isfinite(apart), apart, 0) / spread)), 0)
    weights[weights < 0.1] = 0
    return Network(np.maximum(weights, weights.T).astype("float32"), apart)


def reachable(distances: ArrayLike, speed: float, minutes: float) -> np.ndarray:
    """Which roads a car gets to at free flow: the mask of free-flow reachability.

    Reference: Hota, BITS F464 (2024), "FFR: Free Flow Reachability"; Cui et al. 2019, "Traffic Graph Convolutional
    Recurrent Neural Network: A Deep Learning Framework for Network-Scale Traffic Learning and Forecasting".

    Args:
        distances: `(roads, roads)` along edges, from the row to the column, infinite where there is none.
        speed: Speed at free flow, in units of the distances an hour.
        minutes: Time to go.

    Returns:
        float32 `(roads, roads)`: 1 where the shortest way from the column to the row, or back, is short enough.

    Example:
        >>> apart = np.array([[0, 2, np.inf], [np.inf, 0, 5], [np.inf, np.inf, 0]])  # kilometres
        >>> reachable(apart, speed=60, minutes=5).tolist()  # 5 kilometres
        [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    shortest = np.array(distances, "float64")
    for via in range(len(shortest)):  # Floyd and Warshall
        shortest = np.minimum(shortest, shortest[:, via, None] + shortest[None, via])
    within = shortest <= speed * minutes / 60
    return (within | within.T).astype("float32")


def spectral_order(adjacency: ArrayLike) -> np.ndarray:
    """Puts the nodes of a graph in a row in which neighbours are near: by the Fiedler vector.

    That is the eigenvector of the second smallest eigenvalue of the normalised Laplacian.

    Reference: Barnard, Pothen and Simon 1995, "A Spectral Algorithm for Envelope Reduction of Sparse Matrices".

    Args:
        adjacency: `(nodes, nodes)`, at least 0; of two directions the mean counts.

    Returns:
        Numbers of the nodes, int64 `(nodes,)`.

    Example:
        >>> chain = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 1], [0, 1, 1, 0]])  # 0 - 2 - 3 - 1
        >>> spectral_order(chain).tolist() in ([0, 2, 3, 1], [1, 3, 2, 0])
        True
    """
    weights = np.array(adjacency, "float64")
    weights = (weights + weights.T) / 2
    np.fill_diagonal(weights, 0)
    root = 1 / np.sqrt(np.maximum(weights.sum(1), 1e-9))
    vectors = np.linalg.eigh(np.eye(len(weights)) - root[:, None] * weights * root[None])[1]
    found = vectors[:, min(1, len(weights) - 1)] * root
    return np.argsort(found * np.sign(found[np.abs(found).argmax()]), kind="stable")
