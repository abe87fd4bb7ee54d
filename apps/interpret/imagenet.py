"""`kerasmlsp imagenet`: what photographs show, by EfficientNet-Lite0 and its 1000 classes of ImageNet.

    $ kerasmlsp imagenet classify photo.jpg
    $ kerasmlsp imagenet classify photos --explain --figure why.png --output labels.csv

Lecture: Pilanci, EE269 lecture 16 (2020), "ImageNet Challenge".

The weights come with the extra `imagenet`.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.interpret import shared

if TYPE_CHECKING:
    import keras

SIZE = 224
"""Height and width of the pictures that the network sees."""
_BATCH = 32
_MOST_DRAWN = 12


@click.group(cls=messages.Group)
def imagenet():
    """Tell which of 1000 things photographs show.

    \b
    kerasmlsp imagenet classify photo.jpg
    """


@imagenet.command()
@shared.SOURCES
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Classes to name.")
@click.option("--explain", is_flag=True, help=f"Draw where the first was seen (Grad-CAM), of {_MOST_DRAWN} at most.")
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Where; default imagenet.png.")
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Write all answers there.")
@options.json_option
def classify(sources, top, explain, figure, output, as_json):
    """Name what photographs show, the likeliest classes first; `-` reads one from stdin.

    Photographs are cut to the square in their middle.

    \b
    kerasmlsp imagenet classify photo.jpg
    kerasmlsp imagenet classify photos --output labels.csv
    kerasmlsp imagenet classify photo.jpg --explain --figure why.png
    """
    options.check_sources(sources)
    options.check_targets(figure=figure, output=output)
    from kerasmlsp.data import images

    files = images.listed(sources)
    model = load()
    drawn = (figure or Path("imagenet.png")) if explain or figure else None
    rows, problems, kept = classified(model, files, top, most_kept=_MOST_DRAWN if drawn else 0)
    if not rows:
        raise ValueError(problems[0]["problem"])
    if output:
        _write(rows, problems, top, output)
    if drawn:
        _draw(model, rows, kept, drawn)
        printing.tell_figure(drawn)
    printing.print_predictions(rows, problems, sources, as_json=as_json, shown=_shown, output=output)


def load() -> "keras.Model":
    """Returns EfficientNet-Lite0 with its weights, and says so on stderr.

    Raises:
        ModuleNotFoundError: The extra `imagenet` is not installed.
    """
    with messages.quiet_imports():
        from kerasmlsp import imagenet, models
    model = imagenet.load_efficientnet_lite0(models.efficientnet_lite0(1000))
    click.echo("Model: EfficientNet-Lite0 with weights of ImageNet", err=True)
    return model


def classified(
    model: "keras.Model", sources: Sequence[Path | bytes], top: int, *, most_kept: int = 0
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Any]]:
    """Classifies photographs.

    Args:
        model: That of `load`.
        sources: Paths of files, or bytes of such.
        top: Classes to name.
        most_kept: How many of the squares that the network saw are returned.

    Returns:
        List of dicts of `file`, `label`, `confidence` and `top`, dicts of `label`, `wnid` and `probability`; list of
        dicts of `file` and `problem` for those that could not be read; and the squares, uint8, of the first rows.
    """
    import numpy as np

    from kerasmlsp import files, imagenet
    from kerasmlsp.data import images

    wnids, names = map(list, zip(*imagenet.classes().items(), strict=True))
    rows, problems, kept = [], [], []
    for begin in range(0, len(sources), _BATCH):
        chosen = sources[begin : begin + _BATCH]
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


def _shown(row):
    """A row of the table: the first class, and the others with their probabilities."""
    others = ", ".join(f"{each['label']} {each['probability']:.2f}" for each in row["top"][1:])
    return {"label": row["label"], "confidence": row["confidence"], "then": others, "file": row["file"]}


def _write(rows, problems, top, path):
    from kerasmlsp.files import write_atomically

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


def _draw(model, rows, squares, path):
    import keras

    from kerasmlsp import interpret, plotting
    from kerasmlsp.files import write_atomically

    heat = [keras.ops.convert_to_numpy(interpret.grad_cam(model, each[None].astype("float32")))[0] for each in squares]
    titles = [f"{row['label']} ({row['confidence']:.2f})" for row in rows[: len(squares)]]
    write_atomically(path, lambda place: plotting.heat_maps(squares, heat, place, titles=titles))
