"""Speeds and their network from files, parts of the time, and windows as batches."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp.apps.traffic.config import Config
from kerasmlsp.data import batching, labelled, traffic

if TYPE_CHECKING:
    import tensorflow as tf


def read(config: Config, path: str | Path | None = None, roads: Sequence[str] = ()) -> traffic.Speeds:
    """Reads the speeds of a configuration.

    Args:
        config: The configuration.
        path: Another table than `config.data`.
        roads: The roads to take; all by default.

    Raises:
        ValueError: There is no table, or it cannot be used.
    """
    if path is None and config.data is None:
        raise ValueError("Give the speeds with `--data FILE`.")
    return traffic.read_speeds(
        path or config.data,  # type: ignore[arg-type]
        time_column=config.time_column,
        first_time=config.first_time,
        step_minutes=config.step_minutes,
        zeros_missing=config.zeros_missing,
        roads=roads,
        encoding=config.encoding,
    )


def read_network(config: Config, roads: Sequence[str]) -> traffic.Network:
    """Reads the network of a configuration.

    Raises:
        ValueError: There is no table, it cannot be used, or `speed_limit` is given and there are no distances.
    """
    if config.graph is None:
        raise ValueError("Give the network of the roads with `--graph FILE`.")
    network = traffic.read_network(config.graph, roads, encoding=config.encoding)
    if config.speed_limit is not None and network.distances is None:
        raise ValueError(
            f"`speed_limit` needs distances, and {config.graph} holds weights: leave it out, or give distances."
        )
    return network


def reachability(config: Config, network: traffic.Network) -> np.ndarray | None:
    """Returns the mask of what can be reached at free flow; None without a `speed_limit`."""
    if config.speed_limit is None or network.distances is None:
        return None
    minutes = config.free_flow_steps * config.step_minutes
    return traffic.reachable(network.distances, config.speed_limit, minutes)


def parts(steps: int, config: Config) -> dict[str, range]:
    """Cuts the time into what is trained on, what selects the epoch, and the test, in this order.

    Raises:
        ValueError: A part is shorter than one window.
    """
    test = int(steps * (1 - config.test_share))
    validation = test - int(steps * config.validation_share)
    found = {"train": range(validation), "validation": range(validation, test), "test": range(test, steps)}
    least = config.length + config.ahead()[-1]
    for name, part in found.items():
        if len(part) < least:
            raise ValueError(
                f"`data` must have more rows: of {steps}, {len(part)} are the {name} part, and one window takes "
                f"{least} ({config.length} seen, {config.ahead()[-1]} forecast)."
            )
    return found


def positions(part: range, config: Config) -> np.ndarray:
    """Returns the last seen step of every window all of whose forecasts lie within a part, int64 `(windows,)`.

    What is seen may be from before the part: it is known when the first steps of the part are to come.
    """
    return np.arange(max(part.start, config.length) - 1, part.stop - config.ahead()[-1], dtype=np.int64)


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows of a series, which `load` cuts out.

    Args:
        speeds: The series.
        length: Steps that are seen.
        horizon: Steps to forecast.
        known: Number of the first step of `speeds` among the steps that the net remembers; None where they are others.
    """

    speeds: traffic.Speeds
    length: int
    horizon: int
    known: int | None = None

    def loader(self) -> Callable:
        """Returns a function from positions, int64 `(batch,)`, to inputs and targets of the net inside `tf.data`."""
        import tensorflow as tf

        values = tf.constant(self.speeds.values)
        truth = tf.constant(np.where(self.speeds.missing, np.nan, self.speeds.values).astype("float32"))
        minutes = tf.constant(self.speeds.minutes().astype("int32"))

        def load(places):
            seen = tf.gather(values, places[:, None] + tf.range(1 - self.length, 1, dtype=tf.int64))
            follows = tf.gather(truth, places[:, None] + tf.range(1, self.horizon + 1, dtype=tf.int64))
            own = places - self.known if self.known is not None else tf.fill(tf.shape(places), tf.int64.min)
            position = tf.cast(tf.maximum(own, -1), tf.int32)
            return {"speeds": seen, "minute": tf.gather(minutes, places), "position": position}, follows

        return load

    def truth(self, places: np.ndarray) -> np.ndarray:
        """Returns what followed each of `places`, NaN where it was not measured, `(windows, horizon, roads)`."""
        rows = places[:, None] + np.arange(1, self.horizon + 1)
        return np.where(self.speeds.missing[rows], np.nan, self.speeds.values[rows])


def training_batches(windows: Windows, places: np.ndarray, config: Config, seed: int) -> batching.Batches:
    """Returns windows in an order that follows from seed and epoch."""
    import tensorflow as tf

    load, known = windows.loader(), tf.constant(places)
    order = batching.shuffled(len(places), config.batch_size, seed=seed, drop_remainder=config.jit == "on")
    return batching.Batches(order, lambda indices, key: load(tf.gather(known, indices)))


def dataset(windows: Windows, places: np.ndarray, batch_size: int = 64) -> "tf.data.Dataset":
    """Returns windows in the order of `places` as batches of inputs and targets."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(places).batch(batch_size).map(windows.loader())


def fingerprint(speeds: traffic.Speeds, network: traffic.Network | None = None) -> str:
    """Returns what tells whether data are still the same."""
    others = () if network is None else (network.adjacency,)
    return labelled.fingerprint(speeds.values, speeds.missing, speeds.roads, *others)
