"""Masks of pictures, with nothing but the saved model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasmlsp import files, plotting
from kerasmlsp.data import images, masks
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel


def predict(
    model: "SavedModel", sources: Sequence[Path | bytes], folder: Path | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Tells the classes of the pixels of pictures.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        sources: Paths of files, or bytes of such.
        folder: Folder for `NAME_mask.png`, a palette PNG of class numbers, and `NAME_overlay.png`; None to write none.

    Returns:
        List of dicts of `file`, `mostly` (the classes of most pixels, with their shares), `shares` of all classes, and
        the files written; and a list of dicts of `file` and `problem` for those that could not be read.

    Raises:
        ValueError: The model's card does not name the classes.
    """
    classes = model.card.get("classes")
    if not classes:
        raise ValueError(f"The card of the saved model {model.path} must name the classes: export the run again.")
    rows, unreadable, taken = [], [], set()
    for source in sources:
        try:
            pixels = images.read_image(source)
        except (OSError, ValueError, ImportError) as error:
            unreadable.append({"file": files.named(source), "problem": str(error)})
            continue
        answer = model(images=pixels[None])
        shares = {name: float(share) for name, share in zip(classes, answer["shares"][0], strict=True)}
        row: dict[str, Any] = {"file": files.named(source), "mostly": _mostly(shares), "shares": shares}
        if folder is not None:
            row |= _written(answer, folder / _stem(source, taken))
        rows.append(row)
    return rows, unreadable


def _mostly(shares, count=3):
    most = sorted(shares.items(), key=lambda pair: -pair[1])[:count]
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in most if share >= 0.005)


def _stem(source, taken):
    """A name of its own for each picture: pictures of several folders may be called the same."""
    own = stem = "stdin" if isinstance(source, bytes) else Path(source).stem
    number = 1
    while own in taken:
        number += 1
        own = f"{stem}-{number}"
    taken.add(own)
    return own


def _written(answer, stem):
    mask, overlay = (stem.with_name(f"{stem.name}_{part}.png") for part in ("mask", "overlay"))
    write_atomically(mask, lambda path: masks.write_mask(answer["mask"][0], path))
    write_atomically(overlay, lambda path: plotting.picture(answer["overlay"][0], path))
    return {"mask": str(mask), "overlay": str(overlay)}
