"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import exporting, training
from kerasmlsp.apps.traffic import evaluate, model
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `traffic`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    functions, track = model.endpoints(net, config.zeros_missing)
    # Half of the room, for forecasts that differ by some thousandths of the unit.
    functions = exporting.with_half_weights(functions, track)
    span = config.ahead()[-1] * config.step_minutes
    card = {
        **notes.card("Speeds on a network of roads"),
        "description": f"Tells from the last {config.length} speeds of {len(stored['roads'])} roads, every "
        f"{config.step_minutes} minutes, those of the next {span} minutes.",
        "roads": stored["roads"],
        "step_minutes": config.step_minutes,
        "length": config.length,
        "horizons": list(config.ahead()),
        "zeros_missing": config.zeros_missing,
        "split": _split(config, stored),
        "limits": "For these roads only. It has met the days named above, and none with a holiday, bad weather or "
        "closed roads unless they are among these; an accident shows only once roads have become slow. The days it "
        "was trained on are inside, as sums of a few patterns, since it looks up those that were like now. Influence "
        "is how the forecast changes with an input, not what causes traffic.",
        "training": {
            name: value
            for name, value in stored.items()
            if name not in ("data", "graph", "roads")  # places on somebody's disk, and what stands above
        },
        "figures": run.figures("forecasts", "influence"),
        **_measured(run),
    }
    described, examples = model.inputs(len(stored["roads"])), _examples(config, stored)
    return exporting.export(models, "traffic", functions, track=track, inputs=described, examples=examples, card=card)


def _examples(config, stored):
    """Two made-up hours, one with a jam that grows and a step that was not measured."""
    roads = len(stored["roads"])
    speeds = np.full((2, config.length, roads), 60, "float32") + np.arange(roads, dtype="float32") % 5
    speeds[1] -= np.linspace(0, 30, config.length, dtype="float32")[:, None]
    speeds[1, 1, 0] = 0
    rows = {"speeds": speeds, "minute": np.array([480, 1020], "int32")}
    return {"serving_default": rows, "influence": {**rows, "road": np.array([0, roads - 1], "int32")}}


def _split(config, stored):
    steps = {name: stop - start for name, (start, stop) in stored["parts"].items()}
    said = ", ".join(f"{count} for {name}" for name, count in steps.items())
    again = " Then it was trained anew on both of the first parts, for as many epochs." if config.refit else ""
    return f"By time, in this order: {said} steps; the validation part selected the epoch.{again} Seed {config.seed}."


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    result = run.evaluation()
    if result is None:
        return {
            "metrics": {
                "squared error, of the variance, where the epoch was selected": run.best_row("net-1")["val_loss"]
            },
            "evaluated": "where the epoch was selected only: run evaluate first",
        }
    others = {f"persistence, {name}": each for name, each in result["persistence"].items() if "RMSE" in name}
    note = f"{result['windows']} windows of {result['on']}, fingerprint {result['fingerprint']}"
    return {"metrics": {**result["metrics"], **others}, "evaluated": note}
