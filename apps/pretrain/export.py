"""From a run to a saved model."""

import dataclasses
from pathlib import Path

import numpy as np

from kerasmlsp import classification, exporting, models, training
from kerasmlsp.apps.pretrain import batches, evaluate, finetune, model
from kerasmlsp.exporting import model_cards

TEXTS = [
    "This film was [MASK] from beginning to end!",
    "The plot is dull, and the [MASK] are badly played.",
    "",
    "No gap here.",
]
SHOWS = {
    "pictures": "a picture of one colour or less than 8 pixels high or wide",
    "texts": "a text without a known word",
    "recordings": "a recording of zeros",
}


def export(run: Path, models_folder: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `pretrain`: features, and labels where it is fine-tuned.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored, words = evaluate.load(run)
    answers = _answers(run)
    classifier = training.Run(run / finetune.FINETUNED).model() if answers else models.classifier_from(net, 2)
    unsure = answers.get("chosen", {}).get("reject_below")
    shape = tuple(stored["shape"])
    functions, track = model.endpoints(
        classifier,
        config,
        shape,
        classes=answers.get("classes", ()),
        threshold=(unsure or {}).get("threshold"),
        words=words,
        language=net if words else None,
    )
    kind = config.kind
    card = {
        **notes.card(f"Features of {kind} that were learned without labels ({config.task})"),
        "description": _description(config, answers),
        "kind": kind,
        **({"classes": answers["classes"], "reject_below": unsure} if answers else {}),
        **({"image_size": shape[0]} if kind == "pictures" else {}),
        **({"rate": config.rate, "length": config.length} if kind == "recordings" else {}),
        "split": f"{stored['held_out']} of {stored['examples']} {kind} were held out to measure the task on"
        f"{' and to select the epoch' if config.task in batches.SELECTED else ''}, and {stored['test']} more were kept "
        f"for tests, with seed {config.seed}.",
        "limits": _limits(kind, answers, unsure),
        "training": _training(config, stored),
        "figures": _figures(run, answers),
        **_measured(run, config, answers),
    }
    given = {name: _examples(config, functions, name, shape[0]) for name in functions}
    described = model.described(config)
    return exporting.export(
        models_folder, "pretrain", functions, track=track, inputs=described, examples=given, card=card
    )


def _training(config, stored):
    """What is stored of the run, without paths, and with what the task's recipe filled in."""
    filled = dataclasses.asdict(config)
    return {k: filled.get(k, v) for k, v in stored.items() if k not in ("data", "exclude")}


def _answers(run):
    """What is told of the fine-tuned net; empty where there is none."""
    place = training.Run(run / finetune.FINETUNED)
    return place.read(finetune.ANSWERS) if (place / finetune.ANSWERS).exists() else {}


def _description(config, answers):
    learned = f"Gives the features of {config.kind} that the task {config.task} needed"
    if not answers:
        return f"{learned}; it tells no classes, since the run was not fine-tuned."
    return f"{learned}, and tells {len(answers['classes'])} classes, learned from {answers['labels']} labels."


def _limits(kind, answers, unsure):
    told = f"Learned from {kind} like those named above; the features of others may say little."
    if not answers:
        return told
    return f"{told} Not for decisions about persons. {classification.in_words(unsure, SHOWS[kind])}"


def _figures(run, answers):
    found = run.figures("neighbours", "masked", "gaps", "codes", "clusters", "filters")
    curve = run / finetune.FINETUNED / finetune.CURVE
    return {**found, **({"labels": curve} if answers and curve.exists() else {})}


def _measured(run, config, answers):
    """The figures of the fine-tuned net on its test examples, and of the task where the run was evaluated."""
    found, notes = {}, []
    if answers:
        found |= {name: answers[name] for name in ("accuracy", "macro_f1")}
        notes.append(f"{answers['test']} test examples, after fine-tuning on {answers['labels']} labels")
    if result := run.evaluation():
        found |= {f"{name} (task)": value for name, value in result["metrics"].items()}
        notes.append(f"the task on {result['examples']} {config.kind} ({result['on']})")
    if not found:
        from kerasmlsp.apps.pretrain import stages

        row = run.best_row(stages.folders(config)[-1])
        name = "val_loss" if "val_loss" in row else "loss"
        found, notes = {f"{name} of the task": row[name]}, ["not: run evaluate or finetune first"]
    return {"metrics": found, "evaluated": "; ".join(notes)}


def _examples(config, functions, name, size):
    if config.kind == "texts":
        return {"text": TEXTS}
    if config.kind == "pictures":
        return exporting.picture_examples({name: functions[name]}, size)[name]
    waves = _waves(config)
    if name == "serving_default":
        return {"waveforms": waves}
    import tensorflow as tf

    return {"encoded": [tf.audio.encode_wav(wave[:, None], config.rate).numpy() for wave in waves]}


def _waves(config):
    """Two recordings that are unlike each other, float32 `(2, samples)`."""
    time = np.arange(round(1.2 * config.length)) / config.rate
    swelling = np.exp(-((time / time[-1] - 0.5) ** 2) * 20)
    tones = [np.sin(2 * np.pi * (pitch + 200 * time) * time) for pitch in (300, 900)]
    return np.stack([0.4 * swelling * tones[0], 0.1 * tones[1] * (1 - swelling)]).astype("float32")
