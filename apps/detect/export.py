"""From a run to a saved model."""

from pathlib import Path

from kerasmlsp import exporting, training
from kerasmlsp.apps.detect import data as reading
from kerasmlsp.apps.detect import evaluate, model
from kerasmlsp.apps.detect.train import NET
from kerasmlsp.data import splits
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `detect`, with weights of 16 bits.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    anchors, threshold = reading.starts(config, stored["starts"]), evaluate.threshold_of(run)
    functions, track = model.endpoints(net, stored["classes"], anchors, config)
    functions = exporting.with_half_weights(functions, [net])
    card = {
        **notes.card("Things in pictures and their boxes"),
        "description": f"Finds things of the classes {', '.join(stored['classes'])}.",
        "classes": stored["classes"],
        "image_size": config.image_size,
        "shown_from": threshold,
        "split": splits.split_in_words(
            stored["held_out"],
            stored["examples"],
            config.seed,
            groups=config.group_pattern,
            holdout=config.holdout_pattern,
        ),
        "limits": (
            "Learned from pictures like those named above; others, other cameras and other light may be told wrong. "
            f"Pictures are stretched to {config.image_size} x {config.image_size} for the net, so that small things "
            f"are lost, and at most {model.MAX_DETECTIONS} things of a picture are told. `serving_bytes` reads JPEG, "
            "PNG, GIF and BMP and turns JPEG as their EXIF data say. Not for diagnoses or decisions about persons."
        ),
        "training": {k: v for k, v in stored.items() if k not in ("data", "pictures")},
        "figures": run.figures(evaluate.BOXES),
        **_measured(run),
    }
    return exporting.export(
        models,
        "detect",
        functions,
        track=track,
        inputs=exporting.PICTURES,
        examples=exporting.picture_examples(functions, config.image_size),
        card=card,
        outputs=model.OUTPUTS,
    )


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    if result := run.evaluation():
        beside = {f"mAP50 of a {name}": each for name, each in result["beside"].items()}
        each = {f"AP50 of {name}": row["AP50"] for name, row in result["classes"].items() if row["AP50"] is not None}
        note = f"{result['examples']} pictures ({result['on']}), fingerprint {result['fingerprint']}"
        return {"metrics": {**result["metrics"], **beside, **each}, "evaluated": note}
    return model_cards.before_evaluation(run.best_row(NET), "map50", "mAP50", "pictures", "evaluate --data")
