"""Images, with nothing but the saved model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp import plotting
from kerasmlsp.classification import asked_for
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Images drawn in one call.
CHUNK = 500


def generate(
    model: "SavedModel", seeds: Sequence[int], labels: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Draws one image for every seed.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        seeds: Whole numbers from 0 to 2**31 - 1; the same gives the same image.
        labels: Name of a class for every seed where the model has classes; None to take its classes in turn.

    Returns:
        uint8 images `(seeds, height, width, channels)`, and the class of each, empty strings where there are none.

    Raises:
        ValueError: A class is not known to the model, or it has none.
    """
    seeds = np.asarray(seeds, np.int64)
    if len(seeds) and not 0 <= seeds.min() <= seeds.max() < 2**31:
        raise ValueError(f"`seed` must be from 0 to 2**31 - 1. Received: {seeds.min()} to {seeds.max()}")
    labels = asked_for(model.card["classes"], len(seeds), labels, argument="class")
    inputs = {"seed": seeds, **({"label": labels} if model.card["classes"] else {})}
    return _called(model, "serving_default", inputs), labels


def interpolate(model: "SavedModel", seeds: Sequence[int], steps: int, label: str | None = None) -> np.ndarray:
    """Draws the images on the way from seed to seed.

    Args:
        model: A loaded saved model.
        seeds: Two or more seeds; the way leads back from the last to the first.
        steps: Images from each seed to the next, at least 1.
        label: Class of all images where the model has classes; None for its first.

    Returns:
        uint8 images `(len(seeds) * steps, height, width, channels)`.

    Raises:
        ValueError: There are fewer than two seeds, or the class is not known to the model.
    """
    if len(seeds) < 2:
        raise ValueError(f"`seeds` must be two at least. Received: {list(seeds)}")
    first = np.repeat(seeds, steps)
    label = label or next(iter(model.card["classes"]), None)
    labels = asked_for(model.card["classes"], len(first), label and [label] * len(first), argument="class")
    inputs = {
        "seed": first,
        "other_seed": np.repeat(np.roll(seeds, -1), steps),
        "share": np.tile(np.arange(steps) / steps, len(seeds)),
        **({"label": labels} if model.card["classes"] else {}),
    }
    return _called(model, "interpolate", inputs)


def _called(model, endpoint, inputs):
    rows = len(inputs["seed"])
    parts = [
        model.call(endpoint, **{name: values[begin : begin + CHUNK] for name, values in inputs.items()})["image"]
        for begin in range(0, rows, CHUNK)
    ]
    return np.concatenate(parts)


def save_path(images: np.ndarray, path: Path, *, columns: int | None = None, scale: int | None = None) -> None:
    """Writes images on a way as a GIF where the name ends so, else as one grid; `scale` as of `plotting.image_grid`.

    Raises:
        OSError: The file cannot be written.
    """
    if path.suffix.lower() != ".gif":
        plotting.save_grid(images, path, columns=columns, scale=scale)
        return
    scale = scale or plotting.enlargement(images[0])
    frames = images.repeat(scale, 1).repeat(scale, 2)
    write_atomically(path, lambda place: plotting.animation(frames, place, milliseconds=100, hold=100))
