"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import exporting, files, training
from kerasmlsp.apps.chargen import evaluate, model
from kerasmlsp.exporting import model_cards

LEFT_OUT = ("data", "manual_dir", "start", "preferences", "characters")  # of the configuration, in the card
PROMPTS = ["", "The ", "What is the matter?\n"]


def export(run: Path, models: Path, notes: model_cards.Notes, *, weights: str = "float32") -> Path:
    """Exports a run as the next version of the saved model `chargen`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`; besides:

    Args:
        weights: How the net's weights are kept, one of `config.WEIGHTS`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run, weights)
    limit = model.prompt_limit(config)
    functions, track = model.endpoints(net, stored["characters"], limit)
    card = {
        **notes.card("Text, character by character"),
        "description": "Writes on after a prompt, in the manner of the text that it was trained on.",
        "characters": stored["characters"],
        "prompt_characters": limit,
        "split": _split(config, stored),
        "limits": f"Knows {len(stored['characters'])} characters and leaves out others. It imitates the manner of its "
        "text and means nothing by what it says; it may repeat passages of the text, and what is foul in it. Of a "
        f"prompt it reads the last {limit:,} characters.",
        "training": {
            **{key: value for key, value in stored.items() if key not in LEFT_OUT},
            "weights": weights,
        },
        **_measured(run, weights),
    }
    examples = _examples(functions)
    # Where a number is rounded to 8 bits may depend on the last bit of a float, which may depend on the batch.
    tolerance = 1e-4 if weights == "float32" else 1e-2
    inputs = model.inputs(limit, examples["step"].keys() - model.DEFAULTS.keys())
    return exporting.export(
        models, "chargen", functions, track=track, inputs=inputs, examples=examples, card=card, tolerance=tolerance
    )


def convert(run: Path, path: Path, format: str) -> Path:
    """Writes the net of a run as ONNX or LiteRT: from character ids to the logits of the character after each.

    The characters, in the order of their ids, are written beside as `<path>.json`, with the id that stands before a
    text.

    Raises:
        ValueError: A package is missing, or the converted net does not answer as the net does.
    """
    net, config, stored = evaluate.load(training.Run(run))
    known = stored["characters"]
    examples = np.random.default_rng(0).integers(0, len(known), (3, min(32, config.window))).astype("int32")
    facts = {"characters": known, "start": model.start_of(known), "window": config.window}
    return exporting.convert(net, path, format, examples=examples, facts=facts)


def _split(config, stored):
    whole = (
        f"Of {stored['text']} characters, the first {config.validation_share:.0%} selected the epoch, the last "
        f"{config.held_out_share:.0%} were held out, and the rest was trained on. Seed {config.seed}."
    )
    if config.preferences:
        counts = stored["pairs"]
        whole += (
            f" The net then learned from {counts['train']} pairs of a better and a worse text (direct preference "
            f"optimisation); {counts['validation']} others selected the epoch, and {counts['test']} were held out."
        )
    elif config.start:
        whole += " The net had learned another text before, whose characters these are."
    return whole


def _examples(functions):
    """Inputs of every endpoint; those of `step` are what `start` answers."""
    import tensorflow as tf

    def settings(rows, **changes):
        return {**{name: [value] * rows for name, value in model.DEFAULTS.items()}, **changes}

    state = functions["start"][0](prompt=tf.constant(PROMPTS[:2]))
    return {
        "serving_default": {"prompt": PROMPTS},
        "generate": {"prompt": PROMPTS, **settings(3, length=[40, 0, 7], top_p=[0.9, 1.0, 1.0])},
        "start": {"prompt": PROMPTS},
        "step": {**state, **settings(2, length=[64, 7])},
        "score": {"text": PROMPTS},
    }


def _measured(run, weights):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    path = evaluate.metrics_file(run, weights)
    if path.exists():
        result = files.read_json(path)
        evaluated = f"{result['characters']} characters, fingerprint {result['fingerprint']}"
        return {"metrics": result["metrics"], "evaluated": evaluated}
    return {
        "metrics": {"nats per character where the epoch was selected": run.best_row()["val_loss"]},
        "evaluated": "where the epoch was selected only, with float32 weights: run evaluate first, for these weights",
    }
