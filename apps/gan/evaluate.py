"""How near the images of a run are to real ones, and whether they are its training images."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import metrics, plotting, training
from kerasmlsp.apps.gan import anomalies, data, features, model, pix2pix
from kerasmlsp.apps.gan.config import Config
from kerasmlsp.files import write_atomically
from kerasmlsp.metrics import distances
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

_DISTANCES = {
    "frechet": "Frechet distance",
    "kernel": "Kernel distance",
    "frechet, pixels": "Frechet distance of components of pixels",
    "frechet, ImageNet": "Frechet distance on EfficientNet-Lite0",
}
# Beyond this a full covariance of pixels takes too much memory, and the control is drawn from smaller images.
PIXELS = 3072
COMPONENTS = 64
"""Principal components of the pixels in which sets are compared, besides the features of nets."""


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`: the generator whose weights were averaged, and the rest."""
    gan, config, stored = training.Run(run).load(Config)
    return gan.averaged_generator, config.complete(), stored


def evaluate(
    run: Path,
    path: str | Path | None = None,
    masks: str | Path | None = None,
    *,
    samples: int = 10_000,
    seed: int = 0,
    neighbours: int = 1000,
) -> dict[str, Any]:
    """Measures drawn images against the test images, beside two controls, and writes figures to `evaluation`.

    The controls are as many real images that were trained on, the floor, and as many draws of a Gaussian mixture:
    the mean and covariance of the pixels of each class. A run of pix2pix is measured by `pix2pix.evaluate`, and one
    that holds out a class also by `anomalies.measure`.

    Args:
        run: Folder of a finished run.
        path, masks: As of `pix2pix.evaluate`.
        samples: Images to draw; at most as many real ones as there are stand against them.
        seed: Seed of the noise.
        neighbours: Images whose nearest training image is looked for, of those drawn and of the test images.

    Returns:
        Dict of `features`, `distances` by set (on the features of the LeNet; of the pixels' principal components; and
        on those of EfficientNet-Lite0 where its weights are there), `classes`, `memorising`, `anomaly` scores where a
        class is held out, `metrics` for the model card, and `files`.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The images have changed since the run was trained on them.
    """
    run = training.Run(run)
    config, stored = run.configuration(Config)
    if config.translates:
        return pix2pix.evaluate(run, path, masks)
    generator, config, stored = load(run)
    found, unusual = anomalies.without(data.read(config), config.hold_out)
    if found.fingerprint() != stored["fingerprint"]:
        raise ValueError(f"The images {config.data or config.dataset} have changed since the run was trained on them.")
    measured = features.prepared(config, found.train, found.classes, run, resume=True)
    labels = data.labels_like(found.train.labels, samples, seed)
    drawn = model.draw(generator, model.latents(samples, config.latent_dim, seed + 1), labels)
    real = distances.spread(np.random.default_rng(seed).permutation(len(found.train)), samples)
    pixels = {
        "drawn": drawn,
        "training images (floor)": found.train.pixels[real],
        "Gaussian mixture": mixture(found.train, samples, seed),
    }
    sets = {name: measured(each) for name, each in pixels.items()}
    test, others = measured(found.test.pixels), _other_distances(pixels, found)
    result = {
        "features": measured.name,
        "images": {"drawn": samples, "test": len(found.test), "training, as floor": len(real)},
        "left out": found.left_out,
        "distances": [{"set": name, **_distances(each[0], test[0]), **others[name]} for name, each in sets.items()],
        "classes": class_balance(measured.classes, sets["drawn"][1], test[1]),
        "not measured": [
            *([] if measured.classes else [features.NO_CLASSES]),
            *([] if "frechet, ImageNet" in others["drawn"] else [features.NO_IMAGENET]),
        ],
        "memorising": memorising(drawn, found, neighbours),
    }
    if model.is_conditional(generator) and measured.classes == found.classes:
        result["as asked"] = {
            "drawn": metrics.with_interval(metrics.accuracy, labels, sets["drawn"][1]),
            "test": metrics.with_interval(metrics.accuracy, found.test.labels, test[1]),
        }
    if unusual is not None:
        result["anomaly"] = anomalies.measure(run.model(), measured, found, unusual)
    result["metrics"] = _metrics(result)
    return {**result, "files": _write(run, result, drawn, labels, found)}


def _distances(found, reference):
    return {
        "frechet": distances.frechet_distance(found, reference),
        "kernel": distances.kernel_distance(found, reference),
    }


def _other_distances(sets, found):
    """Frechet distances by set that do without the LeNet: of principal components of pixels, and on ImageNet's net."""
    train, second = distances.spread(found.train.pixels, 10_000), features.imagenet()
    if train[0].size > PIXELS:
        # Products of that many pixels would take too much memory, and those of fewer examples do.
        train = distances.spread(train, 2000)
    mean, directions = distances.principal_components(train / np.float32(255), COMPONENTS)

    def components(pixels):
        return (pixels.reshape(len(pixels), -1) / 255 - mean) @ directions

    real = components(found.test.pixels)
    rows = {
        name: {"frechet, pixels": distances.frechet_distance(components(each), real)} for name, each in sets.items()
    }
    if second:
        real = second(found.test.pixels)[0]
        for name, each in sets.items():
            rows[name]["frechet, ImageNet"] = distances.frechet_distance(second(each)[0], real)
    return rows


def mixture(part: data.Images, size: int, seed: int) -> np.ndarray:
    """Draws images from one normal distribution of pixels for each class, the second control.

    Images of many pixels are halved first and stretched again afterwards, since a covariance has their square.
    """
    from kerasmlsp.data import images

    pixels, whole = part.pixels, part.pixels.shape[1]
    kept = distances.spread(np.random.default_rng(seed).permutation(len(part)), 20_000)
    pixels, labels, small = pixels[kept], part.labels[kept], whole
    while small * small * pixels.shape[-1] > PIXELS:
        small //= 2
    channels = pixels.shape[-1]
    if small < whole:
        pixels = np.stack([data.coloured(images.resize(each, small), channels) for each in pixels])
    drawn = distances.gaussian_mixture_samples(pixels.reshape(len(pixels), -1), labels, size, seed=seed)
    drawn = np.clip(np.round(drawn), 0, 255).astype(np.uint8).reshape(-1, *pixels.shape[1:])
    return (
        drawn if small == whole else np.stack([data.coloured(images.resize(each, whole), channels) for each in drawn])
    )


def class_balance(classes: Sequence[str], drawn: np.ndarray, real: np.ndarray) -> dict[str, Any]:
    """Compares how often each class is found among drawn and among real images by the same net.

    The net's own mistakes are thus in both; a probability below 0.01 rejects that the shares are the same.
    """
    if not classes:
        return {"chi-square": None, "probability": None, "shares": []}
    counts = np.stack([np.bincount(each.argmax(1), minlength=len(classes)) for each in (drawn, real)])
    if (counts.sum(0) > 0).sum() < 2:
        return {"chi-square": None, "probability": None, "shares": []}
    statistic, probability = distances.chi_square(counts)
    shares = counts / counts.sum(1, keepdims=True)
    rows = [{"class": name, "drawn": own, "test": other} for name, own, other in zip(classes, *shares, strict=True)]
    return {"chi-square": statistic, "probability": probability, "shares": rows}


def memorising(drawn: np.ndarray, found: data.Data, most: int) -> list[dict[str, Any]]:
    """Compares the distance to the nearest training image of drawn images with that of test images.

    Test images are as near to the training images as new ones are. Copies are near to one training image alone:
    `copies` is the share of images that are as near as the nearest hundredth of the test images, and as much nearer to
    the nearest training image than to the second. Without the second, pale images and noise would be copies, which are
    about equally near to many.
    """
    sets = {"drawn": drawn, "test": found.test.pixels}
    near = {name: _nearest_two(distances.spread(each, most), found.train.pixels) for name, each in sets.items()}
    limits = np.percentile(near["test"], 1, axis=1, keepdims=True)
    return [
        {
            "images": name,
            "median distance": float(np.median(each[0])),
            "copies": float(np.mean((each <= limits).all(axis=0))),
        }
        for name, each in near.items()
    ]


def _nearest_two(images, train):
    """The distance to the nearest training image, and the same as a share of that to the second: `(2, images)`."""
    found, _ = distances.nearest(images, train, count=2)
    return np.stack([found[:, 0], found[:, 0] / np.maximum(found[:, -1], 1e-9)])


def _metrics(result):
    """What the model card shows."""
    shown = {}
    for row in result["distances"]:
        shown |= {f"{title}, {row['set']}": row[name] for name, title in _DISTANCES.items() if name in row}
    for row in result["memorising"]:
        shown[f"median distance to the nearest training image, {row['images']}"] = row["median distance"]
    if result["classes"]["probability"] is not None:
        shown["chi-square of the classes, probability"] = result["classes"]["probability"]
    for row in result.get("anomaly", {}).get("scores", []):
        shown[f"AUC of the held-out class, {row['score']}"] = row["auc"]
    if "as asked" in result:
        shown["share taken for the class that was asked for"] = result["as asked"]["drawn"]
        shown["share of the test images taken for their class"] = result["as asked"]["test"]
    return shown


def _write(run, result, drawn, labels, found):
    target, folder = run.write(f"{EVALUATION}/{METRICS}", result), run / EVALUATION
    # By class.
    drawn = drawn[:100][np.argsort(labels[:100], kind="stable")]
    shown = drawn[:: max(1, len(drawn) // 10)][:10]
    _, places = distances.nearest(shown, found.train.pixels)
    plotting.save_grid(drawn, folder / "samples.png", columns=10)
    rows = {"drawn": shown, "the training image nearest to it": found.train.pixels[places]}
    write_atomically(folder / "nearest.png", lambda path: plotting.image_rows(rows, path))
    return [str(target), *(str(folder / name) for name in ("samples.png", "nearest.png"))]
