"""From a run to a saved model."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import classification, exporting, training
from kerasmlsp.apps.speech import evaluate, listening, model
from kerasmlsp.apps.speech.config import BANDS
from kerasmlsp.apps.speech.train import NET
from kerasmlsp.data import clips
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `speech`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    unsure = classification.threshold_of(run)
    functions, track = model.endpoints(net, stored["classes"], config, (unsure or {}).get("threshold"))
    spoken = listening.commands(stored["classes"])
    card = {
        **notes.card("Spoken commands"),
        "description": f"Tells which of {len(spoken)} commands a recording holds: {', '.join(spoken)}.",
        "classes": stored["classes"],
        "rate": config.rate,
        "length": config.length,
        "split": _split(config, stored),
        "limits": _limits(config, unsure),
        "reject_below": unsure,
        "training": _training(config, stored),
        "figures": run.figures(
            classification.CONFUSION, classification.RELIABILITY, evaluate.SCORES, evaluate.ATTENTION
        ),
        **_measured(run),
    }
    made = {"waveforms": _waves(config, 1.5), "encoded": [_file(wave, config.rate) for wave in _waves(config, 0.7)]}
    examples = {name: {each: made[each] for each in specs} for name, (_, specs) in functions.items()}
    described = model.inputs(config)
    return exporting.export(
        models,
        "speech",
        functions,
        track=track,
        inputs=described,
        examples=examples,
        card=card,
        outputs=classification.OUTPUTS,
    )


def convert(run: Path, path: Path, format: str) -> Path:
    """Writes the net of a run as ONNX or LiteRT: from log-mel spectrograms to probabilities.

    The classes, what the spectrogram is made with, and when an answer is unsure, are written beside as `<path>.json`.

    Raises:
        ValueError: A package is missing, or the converted net does not answer as the net does.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    layer = net.get_layer("spectrogram")
    facts = {
        "classes": stored["classes"],
        "reject_below": classification.threshold_of(run),
        "length": config.length,
        "spectrogram": {k: v for k, v in layer.get_config().items() if k not in ("name", "trainable", "dtype")},
    }
    heard = clips.loudest_in_graph(np.array(_waves(config, 1.0)), config.length, config.rate)
    examples = {"spectrogram": np.asarray(layer(heard))}
    return exporting.convert(model.of_spectrogram(net), path, format, examples=examples, facts=facts)


def _waves(config, lengths):
    """Two recordings that are unlike each other, `lengths` as long as the net hears, float32 `(2, samples)`."""
    time = np.arange(round(lengths * config.length)) / config.rate
    swelling = np.exp(-((time / time[-1] - 0.5) ** 2) * 20)
    tones = [np.sin(2 * np.pi * (pitch + 200 * time) * time) for pitch in (300, 900)]
    return np.stack([0.4 * swelling * tones[0], 0.1 * tones[1] * (1 - swelling)]).astype("float32")


def _file(wave, rate):
    import tensorflow as tf

    return tf.audio.encode_wav(wave[:, None], rate).numpy()


def _training(config, stored):
    """What is stored of the run, without paths, and with what the architecture's recipe filled in."""
    filled = dataclasses.asdict(config.complete())
    return {k: filled.get(k, v) for k, v in stored.items() if k not in ("data", "manual_dir")}


def _split(config, stored):
    held, whole = stored["held_out"], stored["examples"]
    if not held:
        return f"Trained on all {whole} recordings, with seed {config.seed}; the last epoch was kept."
    by = "by whole speakers" if stored["groups"] else "by class"
    return f"{held} of {whole} recordings were held out to select the epoch, {by}, with seed {config.seed}."


def _limits(config, unsure):
    return (
        f"It hears {config.seconds:g} s at a time, {config.rate:,} samples per second, as {BANDS} bands. Other words "
        "than those that it learned as unknown, other microphones, rooms and accents may be told wrong. How it does "
        "by age, gender or accent was not measured. Not for decisions about persons. "
        f"{classification.in_words(unsure, 'a recording of zeros')} `serving_bytes` reads WAV of 16 bits at that rate; "
        "the command `kerasmlsp speech predict` reads other files and rates."
    )


def _measured(run) -> dict[str, Any]:
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    if result := run.evaluation():
        note = f"{result['examples']} recordings ({result['on']}), fingerprint {result['fingerprint']}"
        alarms = (result.get("false alarms") or {}).get("per hour")
        return {
            "metrics": {**result["metrics"], **({"false alarms per hour": alarms} if alarms else {})},
            "evaluated": note,
        }
    return model_cards.before_evaluation(run.best_row(NET), "accuracy", "accuracy", "recordings", "evaluate --folds 5")
