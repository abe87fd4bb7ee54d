"""Boxes of things in pictures, with nothing but the saved model."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files, plotting
from kerasmlsp.data import images
from kerasmlsp.data.boxes import SIDES
from kerasmlsp.data.masks import palette
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

MOST_DRAWN = 25


def predict(
    model: "SavedModel", sources: Sequence[Path | bytes], min_score: float | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Finds things in pictures.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        sources: Paths of files, or bytes of such.
        min_score: Score from which on a thing is told; None for the one that the card names, or 0.5.

    Returns:
        List of dicts of `file` and `things`, each a dict of `label`, `score` and `box` (left, top, right, bottom in
        pixels), the surest first; and a list of dicts of `file` and `problem` for those that could not be read.
    """
    least = (model.card.get("shown_from") or {}).get("threshold", 0.5) if min_score is None else min_score
    rows, unreadable = [], []
    for source in sources:
        try:
            pixels = images.read_image(source)
        except (OSError, ValueError, ImportError) as error:
            unreadable.append({"file": files.named(source), "problem": str(error)})
            continue
        answer = model(images=pixels[None])
        sides = np.tile(pixels.shape[1::-1], 2)
        found = zip(answer["labels"][0], answer["scores"][0], answer["boxes"][0] * sides, strict=True)
        things = [
            {"label": label.decode(), "score": float(score), "box": [round(float(each), 1) for each in box]}
            for label, score, box in found
            if score > 0 and score >= least
        ]
        rows.append({"file": files.named(source), "things": things})
    return rows, unreadable


def counted(row: dict[str, Any]) -> str:
    """How many things of each class a picture shows, in words."""
    labels = [each["label"] for each in row["things"]]
    return ", ".join(f"{labels.count(name)} {name}" for name in dict.fromkeys(labels)) or "nothing"


def write_table(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Writes a row for each thing: a table that `kerasmlsp detect train` reads, too."""

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["path", "label", *SIDES, "score"])
            for row in rows:
                for each in row["things"]:
                    table.writerow([row["file"], each["label"], *each["box"], round(each["score"], 4)])
                if not row["things"]:
                    table.writerow([row["file"], *[""] * (len(SIDES) + 2)])

    write_atomically(path, write)


def draw(rows: Sequence[dict[str, Any]], sources: Sequence[Path | bytes], classes: Sequence[str], path: Path) -> None:
    """Draws the first 25 pictures of `rows` with their boxes."""
    by_name = {files.named(source): source for source in sources}
    colours = dict(zip(classes, palette(len(classes) + 1)[1:].tolist(), strict=True))
    shown, drawn = [], []
    for row in rows[:MOST_DRAWN]:
        pixels = images.read_image(by_name[row["file"]])
        small = images.read_image(by_name[row["file"]], longest=images.SHOWN)
        scale = small.shape[1] / pixels.shape[1]
        shown.append(small)
        drawn.append(
            [
                (np.array(each["box"]) * scale, f"{each['label']} {each['score']:.2f}", colours[each["label"]])
                for each in row["things"]
            ]
        )
    titles = [Path(row["file"]).name for row in rows[:MOST_DRAWN]] if len(rows) > 1 else None
    write_atomically(path, lambda place: plotting.boxed(shown, drawn, place, titles=titles))
