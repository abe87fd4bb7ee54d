"""Classes of ImageNet for photographs."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files, imagenet
from kerasmlsp.data import images
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    import keras

SIZE = 224
"""Height and width of the pictures that the network sees."""
# Photographs answered in one call.
BATCH = 32


def classified(
    model: "keras.Model", sources: Sequence[Path | bytes], top: int, *, most_kept: int = 0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Any]]:
    """Classifies photographs.

    Args:
        model: That of `options.load_imagenet`.
        sources: Paths of files, or bytes of such.
        top: Classes to name.
        most_kept: How many of the squares that the network saw are returned.

    Returns:
        List of dicts of `file`, `label`, `confidence` and `top`, dicts of `label`, `wnid` and `probability`; list of
        dicts of `file` and `problem` for those that could not be read; and the squares, uint8, of the first rows.
    """
    wnids, names = map(list, zip(*imagenet.classes().items(), strict=True))
    rows, problems, kept = [], [], []
    for begin in range(0, len(sources), BATCH):
        chosen = sources[begin : begin + BATCH]
        read = list(files.side_by_side(chosen, lambda each: images.centred(images.read_image(each), SIZE)))
        good = [(files.named(each), found) for each, found in zip(chosen, read, strict=True) if not _failed(found)]
        problems += [
            {"file": files.named(each), "problem": str(found)}
            for each, found in zip(chosen, read, strict=True)
            if _failed(found)
        ]
        if not good:
            continue
        shares = model.predict_on_batch(np.stack([found for _, found in good]).astype("float32"))
        kept += [found for _, found in good][: most_kept - len(kept)]
        for (name, _), share in zip(good, shares, strict=True):
            best = np.argsort(-share, kind="stable")[:top]
            told = [{"label": names[i], "wnid": wnids[i], "probability": float(share[i])} for i in best]
            rows.append({"file": name, "label": names[best[0]], "confidence": float(share[best[0]]), "top": told})
    return rows, problems, kept


def _failed(found):
    return isinstance(found, Exception)


def write_table(rows: list[dict[str, Any]], problems: list[dict[str, Any]], top: int, path: Path) -> None:
    """Writes answers, as of `classified`, as CSV."""
    columns = [f"{what}_{place}" for place in range(1, top + 1) for what in ("label", "wnid", "p")]

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file", *columns, "problem"])
            for row in rows:
                cells = [(each["label"], each["wnid"], f"{each['probability']:.6f}") for each in row["top"]]
                writer.writerow([row["file"], *(cell for each in cells for cell in each), ""])
            for row in problems:
                writer.writerow([row["file"], *("" for _ in columns), row["problem"]])

    write_atomically(path, write)


def draw(model: "keras.Model", rows: list[dict[str, Any]], squares: list[Any], path: Path) -> None:
    """Draws the squares that the network saw, each beside itself under the map of what decided (Grad-CAM)."""
    import keras

    from kerasmlsp import interpret, plotting

    heat = [keras.ops.convert_to_numpy(interpret.grad_cam(model, each[None].astype("float32")))[0] for each in squares]
    titles = [f"{row['label']} ({row['confidence']:.2f})" for row in rows[: len(squares)]]
    write_atomically(path, lambda place: plotting.heat_maps(squares, heat, place, titles=titles))
