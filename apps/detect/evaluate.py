"""How good a run is on pictures that it has not seen."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import plotting, training
from kerasmlsp.apps.detect import baselines, data, model
from kerasmlsp.apps.detect.config import Config
from kerasmlsp.apps.detect.train import BLOBS, THRESHOLD
from kerasmlsp.data import images
from kerasmlsp.data.masks import palette
from kerasmlsp.extras import required
from kerasmlsp.files import write_atomically
from kerasmlsp.metrics import detection
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

BOXES, SHOWN, SAMPLES = "boxes", 6, 500


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`."""
    return training.Run(run).load(Config)


def threshold_of(run: training.Run) -> dict[str, float] | None:
    """From which score on boxes are shown, as the held-out pictures say; None where the run held out nothing."""
    return run.read(THRESHOLD) if (run / THRESHOLD).exists() else None


def evaluate(
    run: Path, path: str | Path | None = None, *, split: str | None = None, pictures: str | Path | None = None
) -> dict[str, Any]:
    """Measures a run by pycocotools and draws found boxes in its folder `evaluation`.

    Args:
        run: Folder of a finished run.
        path: Folder, JSON file or table of boxes; None for the pictures that the run held out, which also selected its
            epoch.
        split: List of a folder of Pascal VOC.
        pictures: Folder of the pictures.

    Returns:
        Dict of `on`, what it was measured on, `metrics` (mAP50 with its 95 % interval, and COCO's AP and AP75),
        `classes` with the same of each, `beside`, the mAP50 of a blob detector, and the files written.

    Raises:
        ModuleNotFoundError: pycocotools is not installed.
        ValueError: A box is of a class that the run does not know, or there is nothing to measure on.
    """
    required("pycocotools")
    run = training.Run(run)
    net, config, stored = load(run)
    classes = stored["classes"]
    if path is None:
        examples, on = _held_out(run, config), "held-out pictures, which selected the epoch"
    else:
        examples, on = data.read(config, path, split=split, pictures=pictures), "data given"
        data.check_known(examples, classes)
    found = model.found(net, examples.pixels, data.starts(config, stored["starts"]), examples.sizes, config.max_overlap)
    truth = data.truth(examples, classes)
    blobs = baselines.BlobDetector(**run.read(BLOBS))
    told = [blobs.found(*pair) for pair in zip(examples.pixels, examples.sizes, strict=True)]
    result = {
        "on": on,
        "examples": len(truth),
        "left out": {**examples.left_out, **{f"boxes {why}": each for why, each in examples.dropped.items()}},
        "fingerprint": data.fingerprint(examples),
        **_measured(truth, found, classes, examples.sizes),
        "beside": {"blob detector": _map50(truth, told, classes)},
        "shown from": (threshold_of(run) or {}).get("threshold", 0.5),
    }
    figure = _draw(run, examples, found, classes, result["shown from"])
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(target), str(figure)]}


def _held_out(run, config):
    examples = data.read(config)
    run.check_data(data.fingerprint(examples))
    held_out = data.split(examples, config)[1]
    if not any(len(examples.boxes[i]) for i in held_out):
        raise ValueError("The run held out no box: give pictures with boxes by `--data`.")
    return examples.taken(held_out)


def _measured(truth, found, classes, sizes):
    whole = detection.coco(truth, found, classes, sizes)
    counts = np.bincount(np.concatenate([each["classes"] for each in truth]), minlength=len(classes))
    rows = {name: {"things": int(count), **whole["classes"][name]} for name, count in zip(classes, counts, strict=True)}
    further = {name: {"value": whole[name], "low": None, "high": None} for name in ("AP", "AP75")}
    return {"metrics": {"mAP50": _map50(truth, found, classes), **further}, "classes": rows}


def _map50(truth, found, classes):
    measured = detection.mean_average_precision(truth, found, classes, samples=SAMPLES)
    return {name: measured[name] for name in ("value", "low", "high")}


def _draw(run, examples, found, classes, least):
    """A sheet of pictures with found boxes in colours, and true ones in white."""
    colours = palette(len(classes) + 1)[1:]
    chosen = np.unique(np.linspace(0, len(found) - 1, min(SHOWN, len(found))).astype(int))
    shown, drawn = [], []
    for place in chosen:
        pixels = images.read_image(examples.files[place], longest=images.SHOWN)
        shown.append(pixels)
        scale = pixels.shape[1] / examples.sizes[place][0]
        true = [(box * scale, "", (255, 255, 255)) for box in examples.in_pixels()[place]]
        drawn.append(true + titled(found[place], classes, colours, least, scale))
    path = run / EVALUATION / f"{BOXES}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    titles = [examples.files[place].name for place in chosen]
    write_atomically(path, lambda place: plotting.boxed(shown, drawn, place, titles=titles, columns=2))
    return path


def titled(
    found: dict[str, np.ndarray], classes: list[str], colours: np.ndarray, least: float, scale: float
) -> list[tuple[np.ndarray, str, Any]]:
    """Boxes from a score on with class and score as text, as `plotting.boxed` takes them."""
    rows = zip(found["boxes"], found["classes"], found["scores"], strict=True)
    return [
        (box * scale, f"{classes[kind]} {score:.2f}", colours[kind].tolist())
        for box, kind, score in rows
        if score >= least
    ]
