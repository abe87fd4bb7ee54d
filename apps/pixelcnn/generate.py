"""Images, with nothing but the saved model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.classification import asked_for
from kerasmlsp.data import image_sets, images

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Images drawn in one call.
CHUNK = 64


def size_of(model: "SavedModel") -> tuple[int, int, int]:
    """Returns height, width and channels of the images of a loaded saved model.

    Raises:
        ValueError: The model card does not say it.
    """
    if "image" not in model.card:
        raise ValueError(f"The model card {model.path / 'card.json'} must name the size of images: export it again.")
    height, width, channels = model.card["image"]
    return height, width, channels


def generate(
    model: "SavedModel",
    seeds: Sequence[int],
    labels: Sequence[str] | None = None,
    *,
    primer: np.ndarray | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> tuple[np.ndarray, list[str]]:
    """Draws one image for every seed.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        seeds: int32; the same gives the same image.
        labels: Name of a class for every seed where the model has classes; None to take its classes in turn.
        primer: Upper part of all images, uint8 `(rows, width, channels)`; None for none.
        temperature: Low for the likely, 0 for the likeliest level each time, 1 for the net's own probabilities.
        top_k: Levels among which to draw; 0 for all.
        top_p: Share of the probability that is drawn from, up to 1.

    Returns:
        uint8 images `(seeds, height, width, channels)`, and the class of each, empty strings where there are none.

    Raises:
        ValueError: A class is not known to the model, or it has none.
    """
    count, labels = len(seeds), asked_for(model.card["classes"], len(seeds), labels)
    rows: dict[str, Any] = {"seed": list(seeds), **({"label": labels} if model.card["classes"] else {})}
    rows |= {"temperature": [temperature] * count, "top_k": [top_k] * count, "top_p": [top_p] * count}
    if primer is not None:
        rows["primer"] = np.repeat(primer[None], count, axis=0)
    parts = []
    for begin in range(0, count, CHUNK):
        part = {name: values[begin : begin + CHUNK] for name, values in rows.items()}
        parts.append(model.call("generate" if primer is None else "complete", **part)["image"])
    return np.concatenate(parts), labels


def read_primer(model: "SavedModel", source: Path | bytes, rows: int | None = None) -> np.ndarray:
    """Reads the upper part of a picture.

    Args:
        model: A loaded saved model.
        source: Path of a file, or the bytes of one: the upper part as it is; or with `rows`, any picture, which is
            stretched to the size of the model's images.
        rows: Rows at the top of the stretched picture that are taken; None for a file of the upper part alone.

    Returns:
        uint8 `(rows, width, channels)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no picture, of another width, or leaves no row to draw.
    """
    height, width, channels = size_of(model)
    if rows is not None:
        if not 1 <= rows < height:
            raise ValueError(
                f"`rows` must be from 1 to {height - 1}, so that there is something to draw. Received: {rows}"
            )
        return image_sets.recoloured(images.read_image(source, size=height), channels)[:rows]
    pixels = images.read_image(source)
    if pixels.shape[1] != width or pixels.shape[0] >= height:
        raise ValueError(
            f"`primer` must be the upper part of a picture, {width} pixels wide and at most {height - 1} high, or any "
            f"picture with `--rows`, which stretches it. Received: {pixels.shape[1]} x {pixels.shape[0]}"
        )
    return image_sets.recoloured(pixels, channels)
