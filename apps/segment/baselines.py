"""What the place of a pixel, and its colour, tell of its class without a net."""

from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp import distribution, training
from kerasmlsp.data import masks
from kerasmlsp.extras import required
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.apps.segment.data import Examples

PRIOR = "prior.png"
DRAWN = 300
"""Pixels of each picture that boosting learns from."""
STEP = 2
"""Boosting tells every other pixel of every other row; the rest have the class of the nearest."""


def save_prior(examples: "Examples", run: training.Run) -> None:
    """Writes the most frequent class of each place, `(size, size)`, as `prior.png` of the run.

    Of several processes, process 0 writes.
    """
    if not distribution.leads():
        return
    counts = np.stack([(examples.places == place + 1).sum(0) for place in range(len(examples.classes))])
    write_atomically(run / PRIOR, lambda path: masks.write_mask(counts.argmax(0).astype(np.uint8), path))


def prior(run: training.Run) -> np.ndarray:
    """Returns what `save_prior` wrote: classes from 0 on, uint8 `(size, size)`."""
    return masks.read_mask(run / PRIOR)


def boosting(train: "Examples", pictures: np.ndarray, seed: int) -> np.ndarray:
    """Tells classes by boosted trees on colour and position of a pixel, and the mean colour around it.

    Args:
        train: Examples to learn from.
        pictures: uint8 `(pictures, size, size, 3)`.
        seed: Seed of the pixels that are drawn.

    Returns:
        Classes from 0 on, uint8 `(pictures, size, size)`.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.
    """
    ensemble = required("sklearn.ensemble")
    random = np.random.default_rng(seed)
    inputs, labels = [], []
    for pixels, places in zip(train.images.pixels, train.places, strict=True):
        known = np.flatnonzero(places)
        chosen = random.choice(known, min(DRAWN, len(known)), replace=False) if len(known) else known
        inputs.append(_features(pixels).reshape(places.size, -1)[chosen])
        labels.append(places.ravel()[chosen])
    trees = ensemble.HistGradientBoostingClassifier(random_state=seed, early_stopping=False)
    trees.fit(np.concatenate(inputs), np.concatenate(labels))
    found = []
    for pixels in pictures:
        rows = _features(pixels)[::STEP, ::STEP]
        told = trees.predict(rows.reshape(-1, rows.shape[-1])).reshape(rows.shape[:2])
        found.append(masks.stretched((told - 1).astype(np.uint8), *pixels.shape[:2]))
    return np.stack(found)


def _features(pixels):
    """Colour, mean colour of 9 x 9 pixels, row and column of each pixel: `(height, width, 8)`."""
    colours = pixels.astype("float32")
    height, width = colours.shape[:2]
    around = colours
    for axis in (0, 1):
        reach = [(4, 4) if each == axis else (0, 0) for each in range(3)]
        sums = np.cumsum(np.pad(around, reach, mode="edge"), axis=axis)
        sums = np.insert(sums, 0, 0, axis=axis)
        size = around.shape[axis]
        around = (np.take(sums, range(9, size + 9), axis) - np.take(sums, range(size), axis)) / 9
    rows, columns = np.mgrid[:height, :width].astype("float32")
    return np.concatenate([colours, around, rows[..., None], columns[..., None]], axis=-1)
