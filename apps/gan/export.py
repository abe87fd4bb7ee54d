"""From a run to a saved model."""

from pathlib import Path

import numpy as np

from kerasmlsp import exporting, training
from kerasmlsp.apps.gan import evaluate, model, pix2pix
from kerasmlsp.apps.gan.config import Config
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `gan` or, of pix2pix, `gan_translate`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    if run.configuration(Config)[0].translates:
        return pix2pix.export(run, models, notes)
    generator, config, stored = evaluate.load(run)
    conditional = model.is_conditional(generator)
    classes = stored["classes"] if conditional else []
    functions, track = model.endpoints(generator, classes)
    height, width, channels = stored["image"]
    card = {
        **notes.card("Images from noise"),
        "description": f"Draws {'grey' if channels == 1 else 'RGB'} images of {height}x{width} pixels like those it "
        "was trained on, one for every seed.",
        "classes": classes,
        "image": stored["image"],
        "split": f"Trained on {stored['images']['train']} images; {stored['images']['test']} test images are "
        f"{stored['split']}. Seed {config.seed}.",
        "limits": "The images are made up. They have the slant of the training images, and may resemble single ones of "
        "them; the distance to the nearest training image is among the measures.",
        "training": {key: value for key, value in stored.items() if key not in ("data", "manual_dir", "classes")},
        **_measured(run),
    }
    label = {"label": [classes[0], classes[-1], classes[0]]} if conditional else {}
    seeds = {"seed": [0, 1, 2**31 - 1], **label}
    examples = {
        "serving_default": seeds,
        "interpolate": {**seeds, "other_seed": [5, 1, 0], "share": [0.0, 0.5, 0.7]},
    }
    inputs = model.inputs(classes)
    return exporting.export(models, "gan", functions, track=track, inputs=inputs, examples=examples, card=card)


def convert(run: Path, path: Path, format: str) -> Path:
    """Writes the generator of a run as ONNX or LiteRT: from noise, and a class number, to an image of -1 to 1.

    That of pix2pix takes a channel of 0 and 1 for each class, or colours of -1 to 1.

    The names of the classes are written beside as `<path>.json`.

    Raises:
        ValueError: A package is missing, or the converted net does not answer as the net does.
    """
    if training.Run(run).configuration(Config)[0].translates:
        return pix2pix.convert(training.Run(run), path, format)
    generator, config, stored = evaluate.load(training.Run(run))
    examples = model.latents(3, config.latent_dim, 0)
    conditional = model.is_conditional(generator)
    if conditional:
        examples = {"latent": examples, "label": np.arange(3, dtype="int32") % len(stored["classes"])}
    facts = {"classes": stored["classes"] if conditional else [], "image": stored["image"], "range": [-1, 1]}
    return exporting.convert(generator, path, format, examples=examples, facts=facts)


def _measured(run):
    """The figures of the run's evaluation, or its last epoch's values where it was not evaluated."""
    if result := run.evaluation():
        evaluated = (
            f"{result['images']['drawn']} drawn against {result['images']['test']} test images, {result['features']}"
        )
        figures = run.figures("samples", "nearest")
        return {"metrics": result["metrics"], "evaluated": evaluated, "figures": figures}
    best = run.best_row()
    return {
        "metrics": {"Frechet distance to training images, features of a LeNet": best["frechet_distance"]},
        "evaluated": "on training images only: run evaluate first",
    }
