"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import classification, exporting, training
from kerasmlsp.apps.gesture import evaluate, model
from kerasmlsp.apps.gesture.train import NET
from kerasmlsp.exporting import model_cards

TITLES = {"images": "Hand signs in pictures", "landmarks": "Hand signs by landmarks", "history": "Gestures by movement"}


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `gesture`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    kind, size = stored["kind"], config.size
    unsure = classification.threshold_of(run)
    functions, track = model.endpoints(net, kind, stored["classes"], size, (unsure or {}).get("threshold"))
    card = {
        **notes.card(TITLES[kind]),
        "description": f"Tells which of {len(stored['classes'])} classes a hand shows: {', '.join(stored['classes'])}.",
        "classes": stored["classes"],
        **({"image_size": size} if kind == "images" else {}),
        "split": _split(config, stored),
        "limits": _limits(kind, config, stored, unsure),
        "reject_below": unsure,
        "training": {k: v for k, v in stored.items() if k not in ("data", "manual_dir", "class_names", "background")},
        "figures": run.figures(classification.CONFUSION, classification.RELIABILITY),
        **_measured(run),
    }
    pictures = kind == "images"
    examples = exporting.picture_examples(functions, size) if pictures else {"serving_default": _points(net)}
    return exporting.export(
        models,
        "gesture",
        functions,
        track=track,
        inputs=model.INPUTS,
        examples=examples,
        card=card,
        outputs=classification.OUTPUTS,
    )


def convert(run: Path, path: Path, format: str) -> Path:
    """Writes the net of a run as ONNX or LiteRT: from uint8 pictures of its own size, or points, to probabilities.

    The classes, and when an answer is unsure, are written beside as `<path>.json`.

    Raises:
        ValueError: A package is missing, or the converted net does not answer as the net does.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    facts = {"classes": stored["classes"], "reject_below": classification.threshold_of(run)}
    if stored["kind"] != "images":
        examples = _points(net)
    else:
        net = model.of_bytes(net)
        examples = {"images": exporting.example_pictures(config.size)[:, : config.size, : config.size]}
        facts["image_size"] = config.size
    return exporting.convert(net, path, format, examples=examples, facts=facts)


def _points(net):
    """Two inputs of a net for numbers, so that answers to a batch can be compared with those to each alone."""
    name, shape = net.inputs[0].name, net.inputs[0].shape[1:]
    return {name: np.random.default_rng(0).normal(0, 0.3, (2, *shape)).astype("float32")}


def _split(config, stored):
    held, whole = stored["held_out"], stored["examples"]
    if not held:
        return f"Trained on all {whole} examples, with seed {config.seed}; the last epoch was kept."
    by = f"by whole persons ({stored['groups']} of them)" if stored["groups"] else "by class"
    return f"{held} of {whole} examples were held out to select the epoch, {by}, with seed {config.seed}."


def _limits(kind, config, stored, unsure):
    hands = (
        "Learned from hands like those named above, one in the middle of each example: other signs, both hands at once "
        "and other cameras may be told wrong. How it does by skin colour, age or disability was not measured. Not for "
        "decisions about persons."
    )
    if kind != "images":
        return f"{hands} {classification.in_words(unsure, 'points at one place')}"
    return (
        f"{hands} {_hands(config)} Other light and backgrounds than those measured above may be told wrong. "
        f"{_refusal(stored, unsure)} Pictures are stretched to {config.size} x {config.size}. "
        "`serving_bytes` reads JPEG, PNG, GIF and BMP, turns JPEG as their EXIF data say, and leaves out transparency, "
        "which the command `kerasmlsp gesture predict` minds."
    )


def _hands(config):
    if config.flip in ("horizontal", "both"):
        return "It knows right and left hands: half of the pictures were mirrored while it learned."
    return "It knows only the hand, right or left, that the pictures show: none was mirrored while it learned."


def _refusal(stored, unsure):
    told = classification.in_words(unsure, "a picture of one colour or less than 8 pixels high or wide")
    counted = " Held-out pictures count as they are, in other light and before other backgrounds." if unsure else ""
    pictures = stored.get("backgrounds")
    learned = f" {pictures} pictures of none of the classes were trained on for that." if pictures else ""
    return told + counted + learned


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    if result := run.evaluation():
        background = f", {result['backgrounds']} background pictures" if result.get("backgrounds") else ""
        note = f"{result['examples']} examples ({result['on']}), fingerprint {result['fingerprint']}{background}"
        return {"metrics": result["metrics"], "evaluated": note}
    return model_cards.before_evaluation(run.best_row(NET), "accuracy", "accuracy", "examples", "evaluate --folds 5")
