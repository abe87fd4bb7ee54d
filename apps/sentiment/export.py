"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import classification, exporting, training
from kerasmlsp.apps.sentiment import evaluate, model
from kerasmlsp.exporting import model_cards

EXAMPLES = [
    "This film was excellent!",
    "I want those two hours of my life back: dull, badly acted and far too long.",
    "",
    "Ein schöner Film 🎬 <br /><br /> It's not bad at all.",
]


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `sentiment`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, words, config = evaluate.load(run)
    unsure = classification.threshold_of(run)
    threshold = (unsure or {}).get("threshold")
    functions, track = model.endpoints(net, words, config["classes"], config["max_tokens"], threshold)
    card = {
        **notes.card("Sentiment of texts"),
        "description": "Tells the class of a text, for instance whether a review is positive.",
        "classes": config["classes"],
        "split": f"{config['held_out']} of {config['texts']} texts were held out to select and calibrate, by class, "
        f"{_drawn(config['holdout_blocks'])}, with seed {config['seed']}.",
        "limits": _limits(config, unsure),
        "reject_below": unsure,
        "training": {key: value for key, value in config.items() if key not in ("data", "exclude", "manual_dir")},
        "figures": run.figures(classification.CONFUSION, classification.RELIABILITY),
        **_measured(run, config),
    }
    examples = {name: {"text": EXAMPLES} for name in functions}
    return exporting.export(
        models,
        "sentiment",
        functions,
        track=track,
        inputs=model.INPUTS,
        examples=examples,
        card=card,
        outputs=classification.OUTPUTS,
    )


def convert(run: Path, path: Path, format: str) -> Path:
    """Writes the net of a run, from token ids to probabilities, as ONNX or LiteRT.

    Neither format has string operations, so that the vocabulary of the run is written beside as `<path>.json`.

    Raises:
        ValueError: A package is missing, or the converted net does not answer as the net does.
    """
    net, words, config = evaluate.load(training.Run(run))
    examples = np.random.default_rng(0).integers(2, len(words) + 2, (3, 40)).astype("int32")
    facts = {"classes": config["classes"], "max_tokens": config["max_tokens"], "vocabulary": ["", "[UNK]", *words]}
    return exporting.convert(net, path, format, examples=examples, facts=facts)


def _drawn(blocks):
    return f"in {blocks} runs of neighbours each" if blocks else "one by one"


def _limits(config, unsure):
    return (
        f"Learned from texts like those named above, in their language; others may be told wrong. Of texts "
        f"longer than {config['max_tokens']} tokens the middle is not read. Irony, negation across sentences and names "
        "that were good or bad in training mislead it. Not for decisions about persons. "
        + classification.in_words(unsure, "a text without a known word")
    )


def _measured(run, config):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    if result := run.evaluation():
        metrics = result["metrics"]
        if "short" in result:
            short = result["short"]
            metrics |= {f"{name}, first {short['words']} words": value for name, value in short["metrics"].items()}
        return {"metrics": metrics, "evaluated": f"{result['texts']} texts, fingerprint {result['fingerprint']}"}
    # Not of every folder: a net that was trained once more on all texts has no held-out values.
    rows = {name: run.best_row(name) for name in model.members(config["architecture"])}
    return {
        "metrics": {f"held-out accuracy of {name}": row["val_accuracy"] for name, row in rows.items()},
        "evaluated": "on the held-out texts only, which also selected the epochs: run evaluate on other texts first",
    }
