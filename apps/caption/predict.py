"""Captions for pictures, with nothing but the saved model."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasmlsp.data import images
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Pictures answered in one call.
BATCH = 32


def predict(model: "SavedModel", sources: Sequence[Path | bytes]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Captions pictures.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        sources: Paths of files, or bytes of such.

    Returns:
        List of dicts of `file`, `caption`, `score`, and `captions` with all `scores`, best first; of models with
        attention also `attention`, a list of words and their weights `(rows, columns)`. And a list of dicts of `file`
        and `problem` for those that could not be read.

    Raises:
        ValueError: The model card does not name the size.
    """
    size = model.card.get("image_size")
    if not size:
        raise ValueError(f"The model card {model.path / 'card.json'} must name `image_size`: export the model again.")
    rows, unreadable = [], []
    for names, pixels, _, problems in images.read_batches(sources, size, BATCH):
        unreadable += problems
        if names:
            answers = model(images=pixels)
            rows += [_row(name, answers, place) for place, name in enumerate(names)]
    return rows, unreadable


def _row(name, answers, place):
    captions, scores = [line.decode() for line in answers["captions"][place]], answers["scores"][place].tolist()
    row = {"file": name, "caption": captions[0], "score": scores[0], "captions": captions, "scores": scores}
    if "attention" in answers:
        words = [word.decode() for word in answers["words"][place] if word]
        row["attention"] = list(zip(words, answers["attention"][place], strict=False))
    return row


def write_table(rows: Iterable[dict[str, Any]], unreadable: Iterable[dict[str, Any]], path: Path) -> None:
    """Writes captions as CSV: file, caption, score and, for files that could not be read, the problem."""

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "caption", "score", "problem"])
            writer.writerows([row["file"], row["caption"], f"{row['score']:.6f}", ""] for row in rows)
            writer.writerows([row["file"], "", "", row["problem"]] for row in unreadable)

    write_atomically(path, write)


def draw(row: dict[str, Any], source: Path | bytes, path: Path) -> None:
    """Draws a picture and where the model looked for each word of its caption.

    Raises:
        ValueError: The model has no attention.
    """
    from kerasmlsp import plotting

    if "attention" not in row:
        raise ValueError("This saved model has no attention to show: train `--architecture transformer` or attention.")
    words, maps = zip(*row["attention"], strict=True)
    picture = images.read_image(source, longest=images.SHOWN)
    write_atomically(path, lambda place: plotting.word_maps(picture, words, maps, place, title=row["caption"]))
