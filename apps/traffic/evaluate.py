"""How good a run's forecasts are for days that it has not seen."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import metrics, plotting, training
from kerasmlsp.apps.traffic import data, model
from kerasmlsp.apps.traffic.config import Config
from kerasmlsp.data import traffic
from kerasmlsp.files import write_atomically
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

BLOCK_MINUTES = 120
"""Time in which errors go together: windows that begin within it are drawn together for the intervals."""
# Windows whose gradients are averaged.
_PROBES = 48


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`."""
    return training.Run(run).load(Config)


def evaluate(
    run: Path,
    path: str | Path | None = None,
    *,
    part: str = "test",
    roads: Sequence[str] = (),
    strongest: int = 10,
) -> dict[str, Any]:
    """Measures a run and draws its forecasts into its folder `evaluation`.

    Args:
        run: Folder of a finished run.
        path: Table of speeds of other days, all of which are measured; by default a part of the run's own.
        part: That part: "test", which is to be looked at once, or "validation", which selected the epoch.
        roads: Roads to draw; by default the three whose speeds vary most.
        strongest: Roads to name that influence a drawn road most.

    Returns:
        Dict of `on`, what it was measured on, `windows`, `metrics` (errors at each horizon and up to it, each with its
        95 % interval by blocks of two hours), the same of `persistence` (nothing changes) and of the `usual day` (the
        mean of known days at that time), `influence`, and the files written.

    Raises:
        ValueError: The data have changed, a road is not there, or there is nothing to measure on.
    """
    run = training.Run(run)
    net, config, stored = load(run)
    own = data.read(config)
    if path is None:
        run.check_data(data.fingerprint(own, data.read_network(config, own.roads)))
    known = stored["parts"]["validation" if config.refit else "train"][1]
    if path is None:
        speeds, span, on = own, range(*stored["parts"][part]), f"the {part} part of the run's data"
    else:
        speeds = data.read(config, path, stored["roads"])
        span, on = range(len(speeds.values)), "data given"
    chosen = _chosen(roads, speeds)
    windows = data.Windows(speeds, config.length, config.ahead()[-1])
    places = data.positions(span, config)
    if not len(places):
        least = config.length + config.ahead()[-1]
        raise ValueError(f"`data` must have at least {least} rows, one window. Received: {len(speeds.values)}")
    truth = windows.truth(places)
    forecasts = net.predict(data.dataset(windows, places), verbose=0)
    usual = usual_day(own, known, speeds, places, windows.horizon)
    held = np.repeat(speeds.values[places][:, None], windows.horizon, axis=1)
    influence = influences(net, windows, places, chosen, strongest)
    result = {
        "on": on,
        "windows": len(places),
        "fingerprint": data.fingerprint(speeds),
        "metrics": measured(truth, forecasts, config),
        "persistence": measured(truth, held, config),
        "usual day": measured(truth, usual, config),
        "influence": {name: dict(pairs) for name, pairs in influence.items()},
    }
    files = _drawn(run / EVALUATION, speeds, places, forecasts, influence, chosen, config)
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(file) for file in [target, *files]]}


def measured(truth: np.ndarray, forecasts: np.ndarray, config: Config) -> dict[str, dict[str, float | None]]:
    """Returns the errors of forecasts `(windows, horizon, roads)` at the horizons of a configuration and up to them."""
    names = [f"{step * config.step_minutes} min" for step in config.ahead()]
    block = max(1, BLOCK_MINUTES // config.step_minutes)
    return metrics.forecast_errors(truth, forecasts, config.ahead(), names=names, block=block)


def usual_day(own: traffic.Speeds, known: int, speeds: traffic.Speeds, places: np.ndarray, horizon: int) -> np.ndarray:
    """Returns the mean of known days at the times that follow `places`, `(windows, horizon, roads)`.

    Args:
        own: Speeds whose first `known` steps are known.
        known: How many are.
        speeds: Speeds that `places` belong to, of the same roads and steps.
        places: Last steps before the forecasts.
        horizon: Steps to forecast.
    """
    steps = own.minutes()[:known] // own.step_minutes
    values = np.where(own.missing[:known], np.nan, own.values[:known])
    sums, counts = np.zeros((2, traffic.DAY // own.step_minutes, values.shape[1]))
    np.add.at(sums, steps, np.nan_to_num(values))
    np.add.at(counts, steps, ~np.isnan(values))
    profile = np.where(counts > 0, sums / np.maximum(counts, 1), np.nanmean(values, axis=0))
    minutes = speeds.minutes()[places][:, None] + own.step_minutes * np.arange(1, horizon + 1)
    return profile[minutes % traffic.DAY // own.step_minutes]


def influences(
    net: "keras.Model", windows: data.Windows, places: np.ndarray, roads: Sequence[str], count: int
) -> dict[str, list[tuple[str, float]]]:
    """Returns which roads influence some roads most.

    Args:
        net: The model.
        windows: Windows of a series.
        places: Last seen steps; some of them, evenly spread, are looked at.
        roads: Names of the roads that are forecast.
        count: Roads to name.

    Returns:
        By road, pairs of another and by how much the mean forecast would change if that one had been faster by 1 at all
        steps seen, the largest size first: the mean gradient.
    """
    import tensorflow as tf

    ways, _ = model.endpoints(net, zeros_missing=False)
    chosen = places[np.unique(np.linspace(0, len(places) - 1, _PROBES).astype(int))]
    [(inputs, _)] = data.dataset(windows, chosen, _PROBES).as_numpy_iterator()
    function, found, names = tf.function(ways["influence"][0], autograph=False), {}, windows.speeds.roads
    for road in roads:
        number = tf.fill([len(chosen)], names.index(road))
        speeds, minute = tf.constant(inputs["speeds"]), tf.constant(inputs["minute"])
        change = function(speeds=speeds, minute=minute, road=number)["influence"].numpy().mean(0)
        largest = np.argsort(-np.abs(change), kind="stable")[:count]
        found[road] = [(names[i], float(change[i])) for i in largest]
    return found


def _chosen(roads, speeds):
    if absent := [name for name in roads if name not in speeds.roads]:
        raise ValueError(f"`road` must be a column of the speeds. Received: {absent[0]!r}")
    busiest = np.argsort(-speeds.values.std(0), kind="stable")[:3]
    return list(roads) or [speeds.roads[i] for i in busiest]


def _drawn(folder, speeds, places, forecasts, influence, chosen, config):
    folder.mkdir(parents=True, exist_ok=True)
    ahead = config.ahead()[-1]
    minutes = ahead * config.step_minutes
    at = places + ahead
    hours = (speeds.minutes()[at[0]] + speeds.step_minutes * np.arange(len(at))) / 60
    truth = np.where(speeds.missing[at], np.nan, speeds.values[at])
    columns = {name: speeds.roads.index(name) for name in chosen}
    came, said = ({name: each[:, i] for name, i in columns.items()} for each in (truth, forecasts[:, -1]))
    label = f"forecast {minutes} min before"
    files = {name: folder / name for name in ("forecasts.png", "heat.png", "influence.png", "influence.csv")}
    write_atomically(
        files["forecasts.png"], lambda path: plotting.forecast_lines(came, said, path, hours=hours, label=label)
    )
    order = traffic.spectral_order(data.read_network(config, speeds.roads).adjacency)
    panels = {"measured": truth[:, order], f"{label}, minus measured": (forecasts[:, -1] - truth)[:, order]}
    write_atomically(files["heat.png"], lambda path: plotting.space_time(panels, path, hours=hours))
    write_atomically(files["influence.png"], lambda path: plotting.strongest(influence, path))
    write_atomically(files["influence.csv"], lambda path: _write_influence(path, influence))
    return files.values()


def _write_influence(path, influence):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["road", "influenced_by", "change"])
        writer.writerows([road, other, f"{change:.6f}"] for road, pairs in influence.items() for other, change in pairs)
