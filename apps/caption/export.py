"""From a run to a saved model."""

from pathlib import Path

from kerasmlsp import exporting, training
from kerasmlsp.apps.caption import evaluate, model
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `caption`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net = evaluate.load(run)
    functions, track = model.endpoints(net.encoder, net.captioner, net.words, net.config)
    functions = exporting.with_half_weights(functions, track)
    size, left_out = model.image_size(net.config), ("data", "images", "manual_dir", "start", "cache")
    card = {
        **notes.card("Captions of pictures"),
        "description": "Says in a sentence what a picture shows; the best of "
        f"{net.config.beams} captions comes with where the net looked for each word, if it has attention.",
        "image_size": size,
        "split": _split(net),
        "limits": _limits(net, size),
        "training": {key: value for key, value in net.stored.items() if key not in left_out},
        "figures": run.figures("attention_1"),
        **_measured(run),
    }
    examples = exporting.picture_examples(functions, size)
    # Beams that score alike change places by the last digit; pictures of waves are unlike each other.
    return exporting.export(
        models,
        "caption",
        functions,
        track=track,
        inputs=exporting.PICTURES,
        examples=examples,
        card=card,
        tolerance=1e-3,
    )


def _split(net):
    counts = net.stored["pictures"]
    return (
        f"{counts['train']} pictures with {net.stored['captions']} captions were trained on, {counts['validation']} "
        f"others selected the epoch, and {counts['test']} were held out. Seed {net.config.seed}."
    )


def _limits(net, size):
    known = net.stored["words"]["known"]
    return (
        f"Knows {known} words and sees pictures of {size} x {size}, to which others are stretched. It says what is "
        "likely beside what it sees: things, colours, numbers and sexes of persons may be invented, in the words and "
        "with the prejudice of its data. Where it looked is no proof of why. `serving_bytes` reads JPEG, PNG, GIF and "
        "BMP, turns JPEG as their EXIF data say, and leaves out transparency, which the command `kerasmlsp caption "
        "predict` minds. Not for decisions about persons, nor to guide the blind alone."
    )


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    result = run.evaluation()
    if result is None:
        row = run.best_row()
        note = "on the pictures only that also selected the epoch: run evaluate first"
        name, what = ("val_reward", "CIDEr-D") if "val_reward" in row else ("val_nats", "nats per word")
        return {"metrics": {f"validation {what}": row[name]}, "evaluated": note}
    metrics = {f"{name}, {how}": values for how, each in result["metrics"].items() for name, values in each.items()}
    note = f"{result['pictures']} pictures ({result['split']}), fingerprint {result['fingerprint']}, "
    return {"metrics": metrics, "evaluated": note + f"tokenisation: {result['tokenisation']}"}
