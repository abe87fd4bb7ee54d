"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import exporting, training
from kerasmlsp.apps.anomaly import evaluate, model
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `anomaly`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    detector, config, stored, known = evaluate.load(run)
    settings = config.complete(stored["kind"])
    functions, track = model.endpoints(detector, stored["kind"], known, settings)
    what = "series" if stored["kind"] == "segments" else "streams"
    card = {
        **notes.card(f"What is abnormal in {what}"),
        "description": f"Tells how unlike the normal ones it was trained on a signal of {stored['shape'][0]} steps and "
        f"{stored['shape'][1]} channels is, and where.",
        "task": stored["kind"],
        "channels": stored["channels_read"],
        "split": _split(stored, settings, known),
        "limits": _limits(stored, settings, known),
        "threshold": known,
        "training": {key: value for key, value in stored.items() if key != "data"},
        "figures": run.figures(evaluate.HISTOGRAM),
        **_measured(run, known),
    }
    examples = _examples(functions, detector, stored)
    return exporting.export(
        models, "anomaly", functions, track=track, inputs=model.INPUTS, examples=examples, card=card
    )


def convert(run: Path, path: Path, format: str) -> Path:
    """Writes the detector of a run as ONNX or LiteRT: signals in, reconstruction, errors and score out.

    The threshold is written beside as `<path>.json`.

    Raises:
        ValueError: A package is missing, or the converted net does not answer as the detector does.
    """
    run = training.Run(run)
    detector, _, _, known = evaluate.load(run)
    examples = {"signals": _signals(detector)}
    return exporting.convert(detector, path, format, examples=examples, facts={"threshold": known})


def _signals(detector):
    """Two made signals, of the size that the detector is used to."""
    steps, channels = detector.input_shape[1:]
    waves = np.sin(np.arange(steps)[:, None] / 3 + np.arange(channels)) * np.array([1.0, 0.5])[:, None, None]
    known = detector.get_layer("normalised")
    return ((waves - np.array(known.offset)) / np.array(known.scale)).astype("float32")


def _examples(functions, detector, stored):
    signals = _signals(detector)
    state = np.zeros((2, len(model.STATE)), "float32")
    state[:, 2] = stored["shape"][0]
    made = {"signals": signals, "window": signals, "values": signals[:, -1], "state": state}
    return {name: {each: made[each] for each in specs} for name, (_, specs) in functions.items()}


def _split(stored, settings, known):
    kind = "rows" if stored["kind"] == "segments" else "windows"
    nets = f"{settings.folds} nets, each trained without a part of them" if settings.folds > 1 else "a net"
    return (
        f"Trained on {stored['normals']} normal {kind} alone: {nets}, which selected the epoch. The threshold is from "
        f"the {known['scores']} scores of normal {kind} by nets that were not trained on them "
        f"({known['method']}, for {known['false_alarms']:.2%} of false alarms), with seed {settings.seed}."
    )


def _limits(stored, settings, known):
    told = (
        "It knows only the normal that it was trained on: another sensor, person, rate or state may look abnormal, and "
        "what is abnormal in a way that leaves the shape as it is may not. The threshold holds for a share of false "
        f"alarms of {known['false_alarms']:.2%} among signals like those. Not a medical device, not for decisions "
        "about persons."
    )
    if stored["kind"] == "segments":
        return f"{told} Signals must begin at the same point and have {stored['shape'][0]} steps."
    return (
        f"{told} The first {stored['shape'][0] - 1} rows of a stream have no score. Its usual error is followed over "
        f"{settings.memory} rows, so that a lasting change becomes normal."
    )


def _measured(run, known):
    """The figures of the run's evaluation, or what is known of the normal where it was not evaluated."""
    if result := run.evaluation():
        note = (
            f"{result['examples']} examples, {result['abnormal']} of them abnormal, fingerprint {result['fingerprint']}"
        )
        return {"metrics": result["metrics"], "evaluated": note}
    return {
        "metrics": {"held-out normals that reach the threshold": known["reached"]},
        "evaluated": "not on anything abnormal: run evaluate on labelled data first",
    }
