"""Forecasts that continue a table of speeds, with nothing but the saved model."""

import csv
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.data import tables, traffic
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Hours before the forecasts that a figure shows.
_SHOWN = 3


def read(
    model: "SavedModel",
    path: str | Path,
    *,
    time_column: str | None = None,
    first_time: str = "00:00",
    encoding: str = "utf-8",
) -> traffic.Speeds:
    """Reads the speeds of a model's roads; the column of times is the one that was trained on, if it is there.

    Raises:
        ValueError: The table lacks a road, or has fewer steps than the model sees.
    """
    card = card_of(model)
    known = card.get("training", {}).get("time_column")
    if time_column is None and known in tables.columns(path, encoding=encoding):
        time_column = known
    speeds = traffic.read_speeds(
        path,
        time_column=time_column,
        first_time=first_time,
        step_minutes=card["step_minutes"],
        zeros_missing=card["zeros_missing"],
        roads=card["roads"],
        encoding=encoding,
    )
    if len(speeds.values) < card["length"]:
        raise ValueError(
            f"`path` must have at least {card['length']} steps of {card['step_minutes']} minutes, which the model "
            f"sees. Received: {path} with {len(speeds.values)}"
        )
    return speeds


def card_of(model: "SavedModel") -> dict[str, Any]:
    """Returns a model's card.

    Raises:
        ValueError: It does not name what forecasts need.
    """
    wanted = ("roads", "step_minutes", "length", "horizons", "zeros_missing")
    if missing := [name for name in wanted if name not in model.card]:
        raise ValueError(f"{model.path / 'card.json'} must name {missing[0]}: export the model again.")
    return model.card


def predict(model: "SavedModel", speeds: traffic.Speeds) -> list[dict[str, Any]]:
    """Forecasts what follows the last step.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        speeds: Speeds of `read`.

    Returns:
        For each step ahead a dict of `minutes`, `time` ("HH:MM", or date and time where the table has time stamps) and
        `speeds`, a dict by road.
    """
    length = card_of(model)["length"]
    [found] = model(speeds=speeds.values[None, -length:], minute=[int(speeds.minutes()[-1])])["forecasts"]
    return [
        {
            "minutes": ahead * speeds.step_minutes,
            "time": _time(speeds, ahead),
            "speeds": dict(zip(speeds.roads, row.tolist(), strict=True)),
        }
        for ahead, row in enumerate(found, 1)
    ]


def influence(model: "SavedModel", speeds: traffic.Speeds, road: str, count: int = 10) -> list[dict[str, Any]]:
    """Returns the roads that influence the forecast of a road most.

    Args:
        model: A loaded saved model.
        speeds: Speeds of `read`.
        road: The road that is forecast.
        count: Roads to name.

    Returns:
        Dicts of `road`, that which influences, and `change`: by how much the mean forecast would change if that one had
        been faster by 1 at all steps seen.

    Raises:
        ValueError: There is no such road.
    """
    if road not in speeds.roads:
        raise ValueError(f"`influence` must be a road of the model, such as {speeds.roads[0]}. Received: {road!r}")
    rows = speeds.values[None, -card_of(model)["length"] :]
    numbers = {"minute": [int(speeds.minutes()[-1])], "road": [speeds.roads.index(road)]}
    [change] = model.call("influence", speeds=rows, **numbers)["influence"]
    largest = np.argsort(-np.abs(change), kind="stable")[:count]
    return [{"road": speeds.roads[i], "change": float(change[i])} for i in largest]


def write_table(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Writes forecasts as CSV: minutes, time, and a column for each road."""

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["minutes", "time", *rows[0]["speeds"]])
            for row in rows:
                writer.writerow([row["minutes"], row["time"], *(f"{each:.3f}" for each in row["speeds"].values())])

    write_atomically(path, write)


def draw(speeds: traffic.Speeds, rows: Sequence[dict[str, Any]], roads: Sequence[str], path: Path) -> None:
    """Draws the last hours of some roads, and their forecasts."""
    from kerasmlsp import plotting

    before = min(len(speeds.values), _SHOWN * 60 // speeds.step_minutes)
    hours = np.arange(1 - before, len(rows) + 1) * speeds.step_minutes / 60
    truth, forecasts = {}, {}
    for name in roads:
        seen = speeds.values[-before:, speeds.roads.index(name)]
        truth[name] = np.concatenate([seen, np.full(len(rows), np.nan)])
        forecasts[name] = np.concatenate(
            [np.full(before - 1, np.nan), seen[-1:], [row["speeds"][name] for row in rows]]
        )
    write_atomically(path, lambda place: plotting.forecast_lines(truth, forecasts, place, hours=hours))


def _time(speeds, ahead):
    minutes = (len(speeds.values) - 1 + ahead) * speeds.step_minutes
    if speeds.start:
        return str(datetime.datetime.fromisoformat(speeds.start) + datetime.timedelta(minutes=minutes))
    clock = (speeds.first_minute + minutes) % traffic.DAY
    return f"{clock // 60:02d}:{clock % 60:02d}"
