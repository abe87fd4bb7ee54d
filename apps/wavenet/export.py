"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import exporting, training
from kerasmlsp.apps.wavenet import evaluate, model
from kerasmlsp.apps.wavenet.config import MOST
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `wavenet`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    functions, track = model.endpoints(net, stored["classes"], config.rate)
    heard, parts = 1000 * model.reach(net) / config.rate, stored["seconds_of"]
    card = {
        **notes.card("Sounds, sample after sample"),
        "description": f"Makes sounds of {config.rate:,} samples per second, sample after sample, like those it was "
        "trained on, or goes on after the beginning of one; and tells the nats of a sound.",
        "classes": stored["classes"],
        "rate": config.rate,
        "split": f"Trained on {parts['train']:.0f} s, {parts['validation']:.0f} s selected the epoch, "
        f"{parts['test']:.0f} s were held out. Seed {config.seed}.",
        "limits": f"The net hears {heard:.0f} ms at a time: it knows of sounds, hardly of words or melodies. Sounds "
        f"have {model.LEVELS} levels of mu-law. What it makes is made up, and may resemble the voices that it was "
        "trained on: do not pass it off as a person's.",
        "training": {key: value for key, value in stored.items() if key not in ("data", "classes")},
        "figures": run.figures("waveforms"),
        **_measured(run),
    }
    return exporting.export(
        models,
        "wavenet",
        functions,
        track=track,
        inputs=model.inputs(config.rate, stored["classes"]),
        examples=_examples(functions, stored["classes"]),
        card=card,
        outputs={"nats": "Nats per sample of each sound.", "waveform": f"From -1 to 1, at most {MOST:g} s at a time."},
    )


def _examples(functions, classes):
    """Two rows for every endpoint; sounds made for the purpose."""
    time = np.arange(60) / 10
    waves = np.stack([0.5 * np.sin(2 * np.pi * time), 0.1 * np.cos(time)]).astype("float32")
    made = {
        "label": [classes[0], classes[-1]] if classes else [],
        "length": [50, 20],
        "seed": [0, 1],
        "temperature": [1.0, 0.8],
        "top_k": [0, 20],
        "top_p": [1.0, 0.9],
        "primer": waves,
        "waveforms": waves,
        "given": [60, 30],
    }
    return {name: {each: made[each] for each in specs} for name, (_, specs) in functions.items()}


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    if result := run.evaluation():
        evaluated = f"{result['seconds']:.0f} s of held-out recordings"
        return {"metrics": result["metrics"], "evaluated": evaluated}
    best = run.best_row()
    return {
        "metrics": {"nats per sample where the epoch was selected": best.get("val_loss", best["loss"])},
        "evaluated": "where the epoch was selected only: run evaluate first",
    }
