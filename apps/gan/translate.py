"""Images from masks, with nothing but the saved model."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp import files, plotting
from kerasmlsp.data import images, masks
from kerasmlsp.files import named, write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel


def translate(
    model: "SavedModel", sources: Sequence[Path | bytes]
) -> Iterator[tuple[str, np.ndarray | None, str | None]]:
    """Translates masks or pictures one by one, each in its own size; as many as that are kept as are read at a time.

    Args:
        model: A loaded saved model `gan_translate`.
        sources: Paths of files, or bytes of such.

    Yields:
        The name of each, the image, uint8 `(height, width, 3)`, or None, and why it could not be read or None.
    """
    numbers = model.card.get("numbers") or []
    for source, found in zip(sources, files.side_by_side(sources, lambda each: _read(each, numbers)), strict=True):
        if isinstance(found, Exception):
            yield named(source), None, str(found)
        else:
            given = {"masks" if numbers else "images": found[None]}
            yield named(source), np.round(model(**given)["image"][0]).astype(np.uint8), None


def _read(source, numbers):
    if not numbers:
        return images.read_image(source)
    mask = masks.read_mask(source, colours=True)
    masks.check_numbers(mask, numbers, named(source))
    return mask


def targets(names: Sequence[str], folder: Path) -> list[Path]:
    """Returns where to write the image of each file: under its own name, or its path where two have the same name."""
    stems = ["stdin" if name == "-" else Path(name).stem for name in names]
    paths = ["-".join(Path(name).with_suffix("").parts).strip("/-.") for name in names]
    chosen = [stem if stems.count(stem) == 1 else path for stem, path in zip(stems, paths, strict=True)]
    return [folder / f"{name}.png" for name in chosen]


def save(image: np.ndarray, path: Path) -> None:
    """Writes an image, PNG; the folder is made where missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda place: plotting.picture(image, place))
