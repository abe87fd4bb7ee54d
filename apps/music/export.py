"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import exporting, training
from kerasmlsp.apps.music import evaluate, model
from kerasmlsp.exporting import model_cards

# Melodies made for the purpose, in quarters: the warm-up file of a saved model must not carry pieces of its data.
_MELODIES = ((72, 74, 76, 77, 79, 72), (76, 77, 76, 74, 72, 69))
_QUARTER = 4


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `music`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    functions, track = model.endpoints(net)
    counts = {name: stored[f"{name}_pieces"] for name in ("train", "valid", "test")}
    card = {
        **notes.card("Chorales in four voices"),
        "description": "Writes music for soprano, alto, tenor and bass on a grid of sixteenths: from nothing, on after "
        "a beginning, or below a melody.",
        "split": f"{counts['train']} pieces to train on, {counts['valid']} to select the epoch, {counts['test']} held "
        f"out; pieces of one melody are in one part. Split seed {config.split_seed}, seed {config.seed}.",
        "limits": "Knows the style of its pieces only: four voices, bars of 4/4, 3/4, 6/4 or 2/4, nothing shorter than "
        "a sixteenth. It keeps the rules of harmony about as often as the figures tell, has no plan of a whole piece, "
        "and may repeat passages that it was trained on.",
        "training": {key: value for key, value in stored.items() if key != "data"},
        "figures": run.figures("sample"),
        **_measured(run),
    }
    return exporting.export(
        models, "music", functions, track=track, inputs=model.INPUTS, examples=_examples(), card=card
    )


def _examples():
    """Two pieces to write, and two melodies to harmonise."""
    rows = {
        "tonic": [0, 9],
        "minor": [0, 1],
        "bar": [16, 12],
        "pickup": [0, 4],
        "seed": [1, 2],
        "temperature": [1.0, 0.8],
        "top_p": [1.0, 0.95],
    }
    sopranos = np.repeat(np.array(_MELODIES, "int32"), _QUARTER, axis=1)
    pitches = np.stack([sopranos, *[np.full_like(sopranos, -1)] * 3], axis=-1)
    onsets = np.zeros(pitches.shape, bool)
    onsets[:, ::_QUARTER, 0] = True
    return {
        "serving_default": {"steps": sopranos.shape[1], "particles": 1, **rows},
        "complete": {"pitches": pitches, "onsets": onsets, "particles": 4, **rows},
    }


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    result = run.evaluation()
    if result is None:
        return {
            "metrics": {"nats per token where the epoch was selected": run.best_row()["val_loss"]},
            "evaluated": "where the epoch was selected only: run evaluate first",
        }
    rules = {
        f"{name.replace('_', ' ')}, {whose}": value
        for whose, rows in result.get("harmony", {}).items()
        for name, value in rows.items()
    }
    evaluated = f"{result['pieces']} pieces, fingerprint {result['fingerprint']}; written: {result.get('settings')}"
    return {"metrics": {**result["metrics"], **rules}, "evaluated": evaluated}
