"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import classification, exporting, training
from kerasmlsp.apps.motion import evaluate, model
from kerasmlsp.apps.motion.evaluate import TIMELINE
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `motion`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    unsure = classification.threshold_of(run)
    functions, track = model.endpoints(net, config, stored["classes"], (unsure or {}).get("threshold"))
    hidden = ("data", "subject_pattern", "name_pattern")
    card = {
        **notes.card("Activities by motion sensors"),
        "description": f"Tells which of {len(stored['classes'])} activities a person is at, by the sensors of a "
        f"device that is worn: {', '.join(stored['classes'])}.",
        "classes": stored["classes"],
        "recording": _recording(config, stored),
        "split": _split(config, stored),
        "limits": _limits(config, stored, unsure),
        "reject_below": unsure,
        "training": {key: value for key, value in stored.items() if key not in hidden},
        "figures": run.figures(TIMELINE, classification.CONFUSION, classification.RELIABILITY),
        **_measured(run),
    }
    return exporting.export(
        models,
        "motion",
        functions,
        track=track,
        inputs=model.INPUTS,
        examples=_examples(net, config),
        card=card,
        outputs=classification.OUTPUTS,
    )


def convert(run: Path, path: Path, format: str) -> Path:
    """Writes the net of a run as ONNX or LiteRT: from windows of samples as they are recorded to class probabilities.

    The classes, what a recording is like, and when an answer is unsure are written beside as `<path>.json`.

    Raises:
        ValueError: A package is missing, or the converted net does not answer as the net does.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    examples = {net.inputs[0].name: _examples(net, config)["serving_default"]["windows"]}
    facts = {
        "classes": stored["classes"],
        "recording": _recording(config, stored),
        "reject_below": classification.threshold_of(run),
    }
    return exporting.convert(net, path, format, examples=examples, facts=facts)


def _recording(config, stored):
    return {
        "rate": config.rate,
        "channels": stored["channel_names"],
        "window": config.window,
        "hop": config.hop,
        "context": config.context,
        "time_column": config.time_column,
    }


def _examples(net, config):
    """Recordings that are unlike each other, for answers to a batch to be compared with those to each alone."""
    _, steps, channels = net.input_shape
    random = np.random.default_rng(0)
    signals = random.normal(size=(2, 2 * config.length + 1, channels)) * [[[1.0]], [[5.0]]]
    windows = random.normal(size=(2, steps, channels)) * [[[1.0]], [[5.0]]]
    return {
        "serving_default": {"windows": windows.astype("float32")},
        "recordings": {"signals": signals.astype("float32")},
    }


def _split(config, stored):
    held, whole = stored["held_out"], stored["windows"]
    if not held:
        return f"Trained on all {whole} windows, with seed {config.seed}; the last epoch was kept."
    by = f"by whole persons ({stored['persons']} of them)" if stored["persons"] else "by whole recordings"
    return f"{held} of {whole} windows were held out to select the epoch, {by}, with seed {config.seed}."


def _limits(config, stored, unsure):
    channels = ", ".join(stored["channel_names"]) or f"{stored['channel_count']} channels"
    seen = f", of which the net sees {config.context:g} s more before and after" if config.context else ""
    return (
        f"Samples are {channels}, in this order and in the units of the data named above, {config.rate:g} a second; "
        f"`kerasmlsp motion predict` brings files of any rate to that. A window has {config.window:g} s{seen}. Learned "
        "from people and devices like those named above, worn as there: other activities are told as one of these, and "
        "how it does by age, build or disability was not measured. Not for medical or safety decisions. "
        + classification.in_words(unsure, "signals that do not change at all or hold NaN")
    )


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    if result := run.evaluation():
        note = (
            f"{result['windows']} windows ({result['on']}), intervals {result['intervals']}, fingerprint "
            f"{result['fingerprint']}"
        )
        return {"metrics": result["metrics"], "evaluated": note}
    return model_cards.before_evaluation(run.best_row(), "accuracy", "accuracy", "windows", "evaluate --folds 5")
