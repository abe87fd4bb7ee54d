"""How good a run is on pictures that it has not seen."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import plotting, training
from kerasmlsp.apps.segment import baselines, data, model
from kerasmlsp.apps.segment.config import Config
from kerasmlsp.data import masks
from kerasmlsp.files import write_atomically
from kerasmlsp.metrics import segmentation
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

OVERLAYS, SHOWN = "overlays", 6
BATCH = 8


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`."""
    return training.Run(run).load(Config)


def evaluate(
    run: Path,
    path: str | Path | None = None,
    mask_folder: str | Path | None = None,
    *,
    boosting: bool = False,
) -> dict[str, Any]:
    """Measures a run and writes the sheet of overlays to its folder `evaluation`.

    Masks are compared at the size of their files.

    Args:
        run: Folder of a finished run.
        path: Folder of pictures; None for those that the run held out, which also selected its epoch.
        mask_folder: Folder of their masks.
        boosting: Whether to train boosted trees on colour and position beside, which takes scikit-learn and minutes.

    Returns:
        Dict of `on`, what it was measured on, `metrics` with 95 % intervals, `classes` with the IoU of each, `beside`,
        the mean IoU of methods without a net, and the files written.

    Raises:
        ValueError: A mask holds a number that the run does not know, or there is nothing to measure on.
    """
    run = training.Run(run)
    net, config, stored = load(run)
    numbers, classes = stored["numbers"], stored["classes"]
    own = data.read(config) if path is None or boosting else None
    if own is not None:
        run.check_data(own.fingerprint())
    if path is not None:
        examples, on = data.read_others(config, path, mask_folder or "", numbers, classes), "data given"
    elif own is not None:
        examples, on = own.taken(_held_out(own, config)), "held-out pictures, which selected the epoch"
    matrices = np.stack(list(_confusions(predicted(net, examples), examples, config)))
    if not matrices.any():
        raise ValueError(f"`masks` must hold a class that the run knows. Received: only pixels of no class, {on}")
    still = np.broadcast_to(baselines.prior(run), examples.places.shape)
    methods = {"location prior": still}
    if boosting and own is not None:
        train = own.taken(data.split(own, config)[0])
        methods["boosting on colour and position"] = baselines.boosting(train, examples.images.pixels, config.seed)
    beside = {name: _measured(found, examples, config) for name, found in methods.items()}
    result = {
        "on": on,
        "examples": len(examples),
        "left out": examples.images.left_out,
        "fingerprint": examples.fingerprint(),
        **segmentation.measure(matrices, classes),
        "beside": beside,
    }
    figure = _draw(run, net, examples, matrices)
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(target), str(figure)]}


def _held_out(examples, config):
    held_out = data.split(examples, config)[1]
    if not len(held_out):
        raise ValueError("The run held out nothing: give pictures with `--data` and `--masks`.")
    return held_out


def predicted(net: "keras.Model", examples: data.Examples) -> Iterator[np.ndarray]:
    """Yields the class probabilities of each picture, `(size, size, classes)`."""
    for begin in range(0, len(examples), BATCH):
        yield from net.predict_on_batch(examples.images.pixels[begin : begin + BATCH].astype("float32"))


def _confusions(found, examples, config):
    """Counts of each picture by true and found class; `found` are probabilities, or classes, of the net's size."""
    count = len(examples.classes)
    for each, file in zip(found, examples.images.files, strict=True):
        truth = masks.numbered(masks.read_mask(file), examples.numbers, config.void_numbers, file).astype(int) - 1
        if each.ndim == 3:
            told = np.asarray(model.at_size(each[None], truth.shape))[0]
        else:
            told = masks.stretched(each, *truth.shape)
        yield segmentation.confusion(truth, told, count)


def _measured(found, examples, config):
    matrices = np.stack(list(_confusions(found, examples, config)))
    return segmentation.measure(matrices, examples.classes)["metrics"]["mean IoU"]


def _draw(run, net, examples, matrices):
    """A sheet of pictures from the best to the worst: photograph, truth and answer."""
    scores = np.array([segmentation.mean_iou(matrix) for matrix in matrices])
    order = np.argsort(-np.nan_to_num(scores))
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).astype(int))]
    some, colours = examples.taken(chosen), np.vstack([[[0, 0, 0]], model.colours_of(examples.numbers)])
    answers = [each.argmax(-1) + 1 for each in predicted(net, some)]
    columns = {
        "photograph": list(some.images.pixels),
        "mask": [plotting.overlaid(*pair) for pair in zip(some.images.pixels, colours[some.places], strict=True)],
        "answer": [
            plotting.overlaid(pixels, colours[answer])
            for pixels, answer in zip(some.images.pixels, answers, strict=True)
        ],
    }
    titles = [f"{name}, mean IoU {scores[i]:.2f}" for name, i in zip(some.images.names, chosen, strict=True)]
    path = run / EVALUATION / f"{OVERLAYS}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    legend = dict(zip(examples.classes, colours[1:].tolist(), strict=True))
    write_atomically(path, lambda place: plotting.picture_table(columns, place, titles=titles, legend=legend))
    return path
