"""From a run to a saved model."""

from pathlib import Path

from kerasmlsp import exporting, training
from kerasmlsp.apps.segment import evaluate, model
from kerasmlsp.apps.segment.train import NET
from kerasmlsp.data import splits
from kerasmlsp.exporting import model_cards

EXAMPLE = 16
"""About the sides of the pictures that prove a saved model: of few pixels none lies just between two classes."""


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `segment`, with weights of 16 bits.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    functions, track = model.endpoints(net, stored["numbers"], config.image_size)
    functions = exporting.with_half_weights(functions, [net])
    card = {
        **notes.card("Classes of the pixels of pictures"),
        "description": f"Tells which of {len(stored['classes'])} classes each pixel shows.",
        "classes": stored["classes"],
        "numbers": stored["numbers"],
        "image_size": config.image_size,
        "split": splits.split_in_words(
            stored["held_out"],
            stored["examples"],
            config.seed,
            groups=config.group_pattern,
            holdout=config.holdout_pattern,
        ),
        "limits": (
            "Learned from scenes like those named above; others, other cameras and other light may be told wrong, and "
            "every pixel gets a class, also where none of them is shown. Pictures are stretched to "
            f"{config.image_size} x {config.image_size} for the net, so that small things are lost. Masks of pictures "
            f"above {model.FINE_PIXELS / 1e6:g} million pixels are coarser. `serving_bytes` reads JPEG, PNG, GIF and "
            "BMP and turns JPEG as their EXIF data say. Not for driving or decisions about persons."
        ),
        "training": {k: v for k, v in stored.items() if k not in ("data", "masks", "class_names", "shares")},
        "figures": run.figures(evaluate.OVERLAYS),
        **_measured(run),
    }
    return exporting.export(
        models,
        "segment",
        functions,
        track=track,
        inputs=exporting.PICTURES,
        examples=exporting.picture_examples(functions, EXAMPLE),
        card=card,
        outputs=model.OUTPUTS,
    )


def convert(run: Path, path: Path, format: str) -> Path:
    """Writes the net of a run as ONNX or LiteRT: from uint8 pictures of its own size to probabilities of the pixels.

    The classes and their numbers in masks are written beside as `<path>.json`.

    Raises:
        ValueError: A package is missing, or the converted net does not answer as the net does.
    """
    net, config, stored = evaluate.load(training.Run(run))
    size = config.image_size
    examples = {"images": exporting.example_pictures(size)[:, :size, :size]}
    facts = {"classes": stored["classes"], "numbers": stored["numbers"], "image_size": size}
    return exporting.convert(model.of_bytes(net), path, format, examples=examples, facts=facts)


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    if result := run.evaluation():
        beside = {f"mean IoU of {name}": each for name, each in result["beside"].items()}
        ious = {f"IoU of {name}": each["IoU"] for name, each in result["classes"].items() if each["IoU"] is not None}
        note = f"{result['examples']} pictures ({result['on']}), fingerprint {result['fingerprint']}"
        return {"metrics": {**result["metrics"], **beside, **ious}, "evaluated": note}
    return model_cards.before_evaluation(
        run.best_row(NET), "mean_iou", "mean IoU", "pictures", "evaluate --data --masks"
    )
