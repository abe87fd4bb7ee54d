"""What images cost by a run, beside simpler means, and what it draws."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import metrics, plotting, training
from kerasmlsp.apps.pixelcnn import baselines, data, model
from kerasmlsp.apps.pixelcnn.config import Config
from kerasmlsp.files import write_atomically
from kerasmlsp.metrics import distances
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

SHOWN = 8  # most pictures that are completed in the figure


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`, its net in float32."""
    net, config, stored = training.Run(run).load(Config)
    return model.for_inference(net, config), config, stored


def evaluate(run: Path, *, images: int | None = None, samples: int = 40, seed: int = 0) -> dict[str, Any]:
    """Measures a run on images that it was not trained on, and writes figures to `evaluation`.

    Args:
        run: Folder of a finished run.
        images: Most test images to measure, spread over all; None for all.
        samples: Images to draw; 0 for none, and no figures.
        seed: Seed of the first.

    Returns:
        Dict of `measures`, a row for the net and for each simpler means; `metrics` for the model card; and `files`.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The images have changed since the run was trained on them.
    """
    run = training.Run(run)
    net, config, stored = load(run)
    found = data.read(config)
    run.check_data(found.fingerprint())
    test = found.test[distances.spread(np.arange(len(found.test)), images or len(found.test))]
    train = data.split(found.train, config)[0]
    rows = {
        "net": _measured(test.pixels, *model.bits(net, test.pixels, test.labels)),
        **simple(train.pixels, test.pixels),
    }
    result = {
        "images": len(test),
        "left out": found.left_out,
        "measures": rows,
        "bits of the class per dimension": math.log2(max(1, len(stored["classes"]))) / test.pixels[0].size,
        "metrics": {f"{measure}, {name}": value for name, row in rows.items() for measure, value in row.items()},
    }
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    drawn = _draw(run / EVALUATION, net, stored["classes"], test, samples, seed) if samples else []
    return {**result, "files": [str(target), *map(str, drawn)]}


def simple(train: np.ndarray, test: np.ndarray) -> dict[str, dict[str, Any]]:
    """Measures images by simpler means: dict of name to a dict of measures.

    Args:
        train: Images that histograms are made of, uint8 `(images, height, width, channels)`.
        test: Images to measure.
    """
    return {
        "histogram of each place": _measured(test, *baselines.place_histogram(train, test)),
        "histogram given left and above": _measured(test, *baselines.neighbour_histogram(train, test)),
        "PNG, 100 images a file": {"bits per dimension": baselines.file_bits(test, "PNG")},
        "lossless WebP, 100 images a file": {"bits per dimension": baselines.file_bits(test, "WEBP")},
    }


def _measured(pixels, bits, others):
    """The mean over all, and over those that are not 0 given that."""
    whole, bright = bits.reshape(len(bits), -1), (pixels > 0).reshape(len(bits), -1)
    measures = {"bits per dimension": metrics.measured_mean(whole.mean(1))}
    if bright.any():
        totals = (others.reshape(len(bits), -1) * bright).sum(1)
        measures["bits given that it is not 0"] = metrics.measured_mean(totals, bright.sum(1))
    return measures


def _draw(folder, net, classes, test, samples, seed):
    """Draws samples, class by class, and completes some test images from their upper half."""
    functions, _ = model.endpoints(net, classes)
    names = [classes[i * len(classes) // samples] for i in range(samples)] if classes else None
    image = _called(functions["generate"][0], samples, seed, names)
    plotting.save_grid(image, folder / "samples.png", columns=min(samples, 10))
    shown = test[distances.spread(np.arange(len(test)), min(samples, SHOWN))]
    names = [classes[label] for label in shown.labels] if classes else None
    above = shown.pixels[:, : shown.pixels.shape[1] // 2]
    completed = _called(functions["complete"][0], len(shown), seed, names, primer=above)
    kept = np.zeros_like(shown.pixels)
    kept[:, : above.shape[1]] = above
    figure = {"test image": shown.pixels, "given": kept, "completed": completed}
    write_atomically(folder / "completed.png", lambda path: plotting.image_rows(figure, path))
    return folder / "samples.png", folder / "completed.png"


def _called(function, rows, seed, labels, **inputs):
    """Calls an endpoint with the net's own probabilities and as many seeds as rows."""
    import tensorflow as tf

    settings = {name: tf.fill([rows], value) for name, value in {**model.DEFAULTS, "seed": 0}.items()}
    settings["seed"] += tf.range(seed, seed + rows)
    given = {**inputs, **({"label": labels} if labels else {})}
    return function(**settings, **{name: tf.constant(each) for name, each in given.items()})["image"].numpy()
