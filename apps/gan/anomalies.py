"""Whether images of a class that was held out are told as unusual: by the critic, by features, and without a net."""

from typing import Any

import keras
import numpy as np

from kerasmlsp.apps.gan import data, features, model
from kerasmlsp.data.image_sets import Images
from kerasmlsp.metrics import anomalies as measures
from kerasmlsp.metrics import bootstrap, distances

# Images that are scored, of those trained on that they are compared with, and components of their pixels.
_MOST, _KNOWN, _COMPONENTS = 2000, 5000, 64
_CHUNK = 250


def without(found: data.Data, name: str | None) -> tuple[data.Data, Images | None]:
    """Takes a class out of the images.

    Args:
        found: The images.
        name: Name of the class; None for none.

    Returns:
        The images without it, and the test images of it, or None.

    Raises:
        ValueError: There is no such class, or but one other.
    """
    if name is None:
        return found, None
    if name not in found.classes or len(found.classes) < 3:
        there = ", ".join(found.classes) or "none"
        raise ValueError(f"`hold_out` must be one of three classes at least: {there}. Received: {name!r}")
    place = found.classes.index(name)
    classes = [each for each in found.classes if each != name]

    def rest(part):
        kept = part[part.labels != place]
        return Images(kept.pixels, kept.labels - (kept.labels > place))

    split = f"{found.split}; the class {name} was not trained on"
    parts = {"train": rest(found.train), "test": rest(found.test)}
    return data.Data(**parts, classes=classes, split=split, left_out=found.left_out), found.test[
        found.test.labels == place
    ]


def measure(gan: keras.Model, measured: features.Features, found: data.Data, unusual: Images) -> dict[str, Any]:
    """Measures how well scores tell images of a class that was not trained on from test images of the others.

    The critic's score is its logit, of the class that it likes best where it knows classes, with the sign turned. The
    others are distances to the nearest training image, on the critic's features and on those of the net that measures
    distances; beside them that of the pixels, what their principal components leave of an image, and its brightness,
    which need no net.

    Args:
        gan: The trained `kerasmlsp.models.gan.GAN`.
        measured: The net that measures distances.
        found: Images without the class.
        unusual: Test images of the class.

    Returns:
        Dict of `images`, how many there were of both kinds, and `scores`, a list of dicts of `score`, `auc` with its
        95 % interval, and `average precision`.
    """
    usual = distances.spread(found.test.pixels, _MOST)
    unusual_pixels = distances.spread(unusual.pixels, _MOST)
    pixels = np.concatenate([usual, unusual_pixels])
    labels = np.arange(len(pixels)) >= len(usual)
    known = distances.spread(found.train.pixels, _KNOWN)
    spaces = {
        "features of the critic": lambda each: critic(gan, each, len(found.classes))[1],
        "features that measure distances": lambda each: measured(each)[0],
        "pixels (no net)": lambda each: each,
    }
    scores = {"critic": -critic(gan, pixels, len(found.classes))[0]}
    scores |= {name: distances.nearest(space(pixels), space(known))[0] for name, space in spaces.items()}
    scores["what 64 principal components leave (no net)"] = _left(pixels, known)
    scores["brightness (no net)"] = pixels.mean(axis=(1, 2, 3))
    return {
        "images": {"usual": len(usual), "unusual": len(unusual_pixels)},
        "scores": [{"score": name, **_measured(labels, each)} for name, each in scores.items()],
    }


def critic(gan: keras.Model, pixels: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the logit of each image, `(images,)`, that of the class with the largest, and the critic's features."""
    net = gan.discriminator
    looking = keras.Model(net.inputs, {"logit": net.output, "features": net.get_layer("features").output})
    conditional = model.is_conditional(gan.generator)
    logits, found = [], []
    for begin in range(0, len(pixels), _CHUNK):
        image = pixels[begin : begin + _CHUNK].astype("float32") / 127.5 - 1
        kinds = range(num_classes) if conditional else [None]
        told = [_looked(looking, image, kind) for kind in kinds]
        logits.append(np.max([each["logit"][:, 0] for each in told], axis=0))
        found.append(told[0]["features"])
    return np.concatenate(logits), np.concatenate(found)


def _looked(looking, image, kind):
    inputs = [image] if kind is None else [image, np.full(len(image), kind, "int32")]
    return {name: keras.ops.convert_to_numpy(each) for name, each in looking(inputs, training=False).items()}


def _left(pixels, known):
    """The distance between each image and what its principal components are enough to draw."""
    mean, directions = distances.principal_components(known[:2000] / np.float32(255), _COMPONENTS)
    gaps = pixels.reshape(len(pixels), -1) / 255 - mean
    return np.linalg.norm(gaps - gaps @ directions @ directions.T, axis=1)


def _measured(labels, scores):
    low, high = bootstrap(lambda rows: measures.roc_auc(labels[rows], scores[rows]), len(labels), 200)
    auc = {"value": measures.roc_auc(labels, scores), "low": low, "high": high}
    return {"auc": auc, "average precision": measures.average_precision(labels, scores)}
