"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import exporting, training
from kerasmlsp.apps.pixelcnn import evaluate, model
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `pixelcnn`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    functions, track = model.endpoints(net, stored["classes"])
    height, width, channels = stored["image"]
    counts = stored["images"]
    card = {
        **notes.card("Images, pixel after pixel"),
        "description": f"Draws {'grey' if channels == 1 else 'RGB'} images of {height}x{width} pixels, pixel after "
        "pixel, like those it was trained on, or goes on below the upper rows of one; and tells the bits of an image.",
        "classes": stored["classes"],
        "image": stored["image"],
        "split": f"Trained on {counts['train']} images, {counts['validation']} selected the epoch; {counts['test']} "
        f"test images are {stored['split']}. Seed {config.seed}.",
        "limits": "The images are made up. They have the slant of the training images, and a shape may fall apart, "
        "since the net sees only so far around a pixel. Other sizes must be stretched before.",
        "training": {key: value for key, value in stored.items() if key not in ("data", "manual_dir", "classes")},
        "figures": run.figures("samples", "completed"),
        **_measured(run),
    }
    return exporting.export(
        models,
        "pixelcnn",
        functions,
        track=track,
        inputs=model.inputs(stored["image"], stored["classes"]),
        examples=_examples(functions, stored),
        card=card,
        outputs={"bits": "Bits per dimension of each picture."},
    )


def _examples(functions, stored):
    """Two rows for every endpoint; pictures made for the purpose."""
    height, width, channels = stored["image"]
    shades = np.linspace(0, 255, height * width * channels).astype(np.uint8).reshape(height, width, channels)
    pictures, classes = np.stack([shades, 255 - shades]), stored["classes"]
    made = {
        "label": [classes[0], classes[-1]] if classes else [],
        "seed": [0, 1],
        "temperature": [1.0, 0.8],
        "top_k": [0, 20],
        "top_p": [1.0, 0.9],
        "primer": pictures[:, : height - 2],
        "images": pictures,
    }
    return {name: {each: made[each] for each in specs} for name, (_, specs) in functions.items()}


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    if result := run.evaluation():
        return {"metrics": result["metrics"], "evaluated": f"{result['images']} test images"}
    best = run.best_row()
    return {
        "metrics": {"bits per dimension where the epoch was selected": best.get("val_loss", best["loss"])},
        "evaluated": "where the epoch was selected only: run evaluate first",
    }
