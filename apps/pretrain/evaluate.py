"""How well a run does its task on examples that it was not trained on, and what its features are like."""

import csv
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import metrics, models, plotting, training
from kerasmlsp.apps.pretrain import batches, data, model
from kerasmlsp.apps.pretrain.config import LAYERWISE, Config
from kerasmlsp.apps.pretrain.train import VOCABULARY
from kerasmlsp.data import clips
from kerasmlsp.files import write_atomically
from kerasmlsp.metrics import distances
from kerasmlsp.targets import pretext
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

SHOWN, COMPARED, MOST = 8, 256, 5000
"""Examples in a figure, views that are told apart at a time, and most examples that are measured."""


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any], list[str]]":
    """Loads a finished run.

    Returns:
        The net of the task, the complete configuration, all that is stored with it, and the vocabulary of texts.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The run is of another application, or a file of it is damaged.
    """
    run = training.Run(run)
    config, stored = run.configuration(Config)
    words = run.read(VOCABULARY) if config.kind == "texts" else []
    net, config = run.model(), config.complete()
    if config.kind == "pictures":
        # Other data are brought to the size of those that were trained on.
        config = dataclasses.replace(config, size=stored["shape"][0])
    return net, config, stored, words


def evaluate(run: Path, path: str | Path | None = None) -> dict[str, Any]:
    """Measures how well a run does its task, and draws figures into its folder `evaluation`.

    Args:
        run: Folder of a finished run.
        path: Pictures, texts or recordings; None for those that the run held out, which also selected its epoch.

    Returns:
        Dict of `on`, what it was measured on, `metrics` (each with its 95 % interval, where it has one), and the files
        written. Where the examples lie in folders of classes, `same class` is the share of those whose nearest
        neighbour by the features is of the same class.

    Raises:
        ValueError: There is nothing to measure on, or the data of the run have changed.
    """
    run = training.Run(run)
    net, config, stored, words = load(run)
    if path is None:
        parts = data.read_own(config)
        run.check_data(parts.fingerprint())
        chose = ", which selected the epoch" if config.task in batches.SELECTED else ""
        examples, on = parts.held_out, f"held-out examples{chose}"
    else:
        channels = stored["shape"][-1] if config.kind == "pictures" else None
        examples, on = data.read(config, path, channels=channels)[0], "data given"
    if len(examples) < 2:
        raise ValueError("The run held out nothing: give examples with `--data`.")
    examples = examples.taken(distances.spread(np.arange(len(examples)), MOST))
    inputs = data.encoded(examples, words, config.max_tokens)
    shape = tuple(stored["shape"])
    folder = run / EVALUATION
    folder.mkdir(exist_ok=True)
    measured, files = _TASKS[config.task](run, net, config, inputs, examples, words)
    features = model.with_entrance(model.features_of(models.classifier_from(net, 2)), config, shape)
    found = batches.predicted(features, inputs)
    nearest = _neighbours(found)
    if examples.labels is not None:
        classes = np.array(examples.labels)
        measured["same class"] = metrics.measured_share(classes[nearest[:, 0]] == classes)
    if config.kind == "pictures":
        files.append(_draw_neighbours(folder, examples, nearest))
    result = {
        "task": config.task,
        "on": on,
        "examples": len(examples),
        "fingerprint": examples.fingerprint(),
        "metrics": measured,
    }
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(file) for file in [target, *files]]}


def _neighbours(features):
    """The nearest others of each example by the angle of its features, `(examples, up to SHOWN - 1)`."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    places = distances.nearest(unit, unit, count=SHOWN)[1]
    # Without itself, which need not be the first of equals.
    own = places == np.arange(len(places))[:, None]
    own[~own.any(1), -1] = True
    return places[~own].reshape(len(places), -1)


def _draw_neighbours(folder, examples, nearest):
    chosen = distances.spread(np.arange(len(examples)), SHOWN)
    names = [
        f"{number}{f', {examples.labels[row]}' if examples.labels else ''}: a picture, and the nearest others"
        for number, row in enumerate(chosen, 1)
    ]
    rows = {name: examples.inputs[[row, *nearest[row]]] for name, row in zip(names, chosen, strict=True)}
    return _drawn(folder / "neighbours.png", lambda path: plotting.image_rows(rows, path))


def _drawn(path, draw):
    write_atomically(path, draw)
    return path


def _share(right, groups=None):
    """The share of what is right, with its interval."""
    if groups is None:
        return metrics.measured_share(right)
    low, high = metrics.group_bootstrap(lambda rows: float(right[rows].mean()), groups)
    return {"value": float(np.mean(right)), "low": low, "high": high}


def _plain(value):
    return {"value": float(value), "low": None, "high": None}


def _rotation(run, net, config, inputs, examples, words):
    turned, turns = pretext.rotations(inputs)
    told = batches.predicted(model.with_entrance(net, config, inputs.shape[1:]), turned).argmax(1)
    return {"accuracy of turns": _share(told == turns, np.repeat(np.arange(len(inputs)), 4))}, []


def _simclr(run, net, config, inputs, examples, words):
    """Whether two views of a picture find each other among those of others."""
    change, right = model.augmentation(config, config.seed), []
    for start in range(0, len(inputs), COMPARED):
        pixels = inputs[start : start + COMPARED].astype("float32")
        views = [model.entrance(change(pixels, training=True), config) for _ in range(2)]
        found = np.asarray(net.predict_on_batch({"first": views[0], "second": views[1]}))
        unit = found / np.maximum(np.linalg.norm(found, axis=2, keepdims=True), 1e-12)
        right.append((unit[:, 0] @ unit[:, 1].T).argmax(1) == np.arange(len(unit)))
    return {f"views that find each other among {min(COMPARED, len(inputs))}": _share(np.concatenate(right))}, []


def _clusters(run, net, config, inputs, examples, words):
    """Pictures of some clusters of the features, those nearest to the middle of a cluster first."""
    features = model.with_entrance(model.features_of(models.classifier_from(net, 2)), config, inputs.shape[1:])
    found = batches.predicted(features, inputs)
    labels = pretext.cluster_labels(found, min(SHOWN, len(inputs)), seed=config.seed)
    rows = {}
    for number in np.unique(labels):
        inside = np.flatnonzero(labels == number)
        far = np.linalg.norm(found[inside] - found[inside].mean(0), axis=1)
        rows[f"cluster {number + 1}, of {len(inside)}"] = inputs[inside[np.argsort(far, kind="stable")[: SHOWN + 4]]]
    told = batches.predicted(model.with_entrance(net, config, inputs.shape[1:]), inputs)
    shares = np.bincount(told.argmax(1), minlength=told.shape[1]) / len(told)
    used = np.exp(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
    files = [_drawn(run / EVALUATION / "clusters.png", lambda path: plotting.image_rows(rows, path))]
    return {"clusters in use": _plain(used)}, files


def _mae(run, net, config, inputs, examples, words):
    size, shape = config.patch_size, inputs.shape[1:]
    number = (shape[0] // size) * (shape[1] // size)
    hidden = pretext.mask_patches(len(inputs), number, rate=config.mask_rate, seed=config.seed)
    scaled = inputs.astype("float32") / 127.5 - 1
    told = net.predict({"images": scaled, "masked": hidden}, batch_size=256, verbose=0)
    wanted = pretext.patches(scaled, size)
    errors = np.square(told - wanted).mean(2)
    # What would be guessed without looking: the mean of what is seen of the picture.
    seen = (wanted.mean(2) * ~hidden).sum(1) / np.maximum((~hidden).sum(1), 1)
    guessed = np.square(wanted - seen[:, None, None]).mean(2)
    explained = 1 - errors[hidden].mean() / guessed[hidden].mean()
    chosen = distances.spread(np.arange(len(inputs)), SHOWN)
    grey = np.where(hidden[:, :, None], 0, wanted)[chosen]
    guess = np.where(hidden[:, :, None], told, wanted)[chosen]
    rows = {"input": inputs[chosen]}
    rows |= {name: _unpatched(part, shape, size) for name, part in (("masked", grey), ("predicted", guess))}
    file = _drawn(run / EVALUATION / "masked.png", lambda path: plotting.image_rows(rows, path))
    found = {"squared error of hidden pixels": errors[hidden].mean(), "explained of hidden pixels": explained}
    return {name: _plain(value) for name, value in found.items()}, [file]


def _unpatched(patches, shape, size):
    height, width, channels = shape
    cut = patches.reshape(-1, height // size, width // size, size, size, channels).transpose(0, 1, 3, 2, 4, 5)
    return np.clip(np.round((cut.reshape(-1, *shape) + 1) * 127.5), 0, 255).astype(np.uint8)


def _mlm(run, net, config, inputs, examples, words):
    """Which hidden words are told; the five likeliest of some gaps are drawn and written."""
    names, right, first, nats, gaps = ["", "[UNK]", *words, "[MASK]"], [], [], [], []
    mask_id = len(words) + 2
    order = np.argsort(batches.lengths(inputs), kind="stable")
    take = batches.taker(inputs)
    for number, start in enumerate(range(0, len(order), 32)):
        ids = np.asarray(take(order[start : start + 32]))
        shown, targets = pretext.mask_tokens(ids, mask_id, mask_id, rate=config.mask_rate, seed=config.seed + number)
        # Unknown words, the numbers of which are many, count for nothing.
        places = np.argwhere(targets > 1)
        if not len(places):
            continue
        logits = np.asarray(net.predict_on_batch(shown))[places[:, 0], places[:, 1]]
        wanted = targets[places[:, 0], places[:, 1]]
        logs = (
            logits
            - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
            - logits.max(1, keepdims=True)
        )
        # Neither padding, nor unknown words, nor the gap itself.
        best = np.argsort(-logs[:, 2:mask_id], axis=1, kind="stable")[:, :5] + 2
        right.append(best[:, 0] == wanted)
        first.append((best == wanted[:, None]).any(1))
        nats.append(-logs[np.arange(len(wanted)), wanted])
        masked = np.flatnonzero(shown[places[:, 0], places[:, 1]] == mask_id)
        for each in masked[: SHOWN if len(gaps) < 4 * SHOWN else 0]:
            row, place = places[each]
            around = [names[token] for token in shown[row, max(0, place - 6) : place + 7] if token]
            told = [(names[token], float(np.exp(logs[each, token]))) for token in best[each]]
            gaps.append((" ".join(around), names[wanted[each]], told))
    if not right:
        raise ValueError("The texts are too short to hide a word: give others with `--data`.")
    measured = {
        "hidden words told": _share(np.concatenate(right)),
        "among the first five": _share(np.concatenate(first)),
        "nats of a hidden word": _plain(np.concatenate(nats).mean()),
    }
    chosen = [gaps[row] for row in distances.spread(np.arange(len(gaps)), 6)]
    if not chosen:
        return measured, []
    figure = _drawn(run / EVALUATION / "gaps.png", lambda path: plotting.top_words(chosen, path))
    return measured, [figure, _drawn(run / EVALUATION / "gaps.csv", lambda path: _write_gaps(path, gaps))]


def _write_gaps(path, gaps):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "hidden", *(f"{name}_{n}" for n in range(1, 6) for name in ("word", "probability"))])
        for text, word, told in gaps:
            writer.writerow([text, word, *(cell for name, share in told for cell in (name, f"{share:.4f}"))])


def _wav2vec(run, net, config, inputs, examples, words):
    """Whether the frame that was hidden is told from the other hidden ones; which entries of the codebooks are used."""
    number, right, codes = pretext.num_frames(inputs.shape[1]), [], []
    hidden = pretext.mask_spans(len(inputs), number, probability=config.mask_rate, seed=config.seed)
    quantizer = net.get_layer("quantizer")
    for start in range(0, len(inputs), 64):
        rows = slice(start, start + 64)
        heard, masked = model.entrance(clips.floats(inputs[rows]), config), hidden[rows]
        logits = np.asarray(net.predict_on_batch({"waveform": heard, "masked": masked}))
        told = np.where(masked[:, None, :], logits, -np.inf).argmax(2)
        right.append(np.where(masked, told == np.arange(number), -1))
        codes.append(_codes(quantizer, np.asarray(net.get_layer("frames").predict_on_batch(heard))))
    right, codes = np.concatenate(right), np.concatenate(codes)
    groups = np.repeat(np.arange(len(right)), (right >= 0).sum(1))
    count = quantizer.num_entries
    names = sorted(set(examples.labels or [])) or ["all"]
    labels = np.array(examples.labels or ["all"] * len(inputs))
    use = np.stack([np.bincount(codes[labels == name].ravel(), minlength=codes.max() + 1) for name in names])
    use = np.pad(use, ((0, 0), (0, quantizer.num_groups * count - use.shape[1]))) / use.sum(1, keepdims=True)
    shares = np.bincount(codes.ravel(), minlength=quantizer.num_groups * count).reshape(-1, count) / codes[..., 0].size
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(1)
    measured = {
        "hidden frames told": _share(right[right >= 0] == 1, groups),
        "by chance": _plain(np.mean(1 / hidden.sum(1))),
        f"entries in use, of {count}": _plain(np.exp(entropy).mean()),
    }
    return measured, [_drawn(run / EVALUATION / "codes.png", lambda path: plotting.code_use(use, names, path))]


def _codes(quantizer, frames):
    """Number of the entry of each codebook, counted on from one to the next, `(batch, frames, groups)`."""
    logits = frames @ np.asarray(quantizer.kernel) + np.asarray(quantizer.bias)
    found = logits.reshape(*frames.shape[:2], quantizer.num_groups, quantizer.num_entries).argmax(-1)
    return found + quantizer.num_entries * np.arange(quantizer.num_groups)


def _layers(run, net, config, inputs, examples, words):
    """What the first layer can put together again, and the pictures of its weights."""
    first = training.Run(run / "hidden_1").model()
    visible = inputs.reshape(len(inputs), -1).astype("float32") / 255
    if config.task == "rbm":
        layer = first.layers[0]
        again, weights = np.asarray(layer.reconstruct(visible)), np.asarray(layer.kernel)
    else:
        again = first.predict(visible, batch_size=256, verbose=0)
        weights = np.asarray(first.get_layer("code").kernel)
    error = np.square(again - visible).mean()
    explained = 1 - error / np.square(visible - visible.mean(0)).mean()
    some = weights.T[distances.spread(np.arange(weights.shape[1]), 100)].reshape(-1, *inputs.shape[1:])
    reach = np.abs(some).max((1, 2, 3), keepdims=True)
    grid = plotting.image_grid(np.round(127.5 + 127.5 * some / np.maximum(reach, 1e-12)).astype(np.uint8), scale=None)
    file = _drawn(run / EVALUATION / "filters.png", lambda path: plotting.picture(grid, path))
    return {"squared error of pixels": _plain(error), "explained of pixels": _plain(explained)}, [file]


_TASKS: dict[str, Any] = {
    **{"rotation": _rotation, "simclr": _simclr, "clusters": _clusters, "mae": _mae, "mlm": _mlm, "wav2vec": _wav2vec},
    **dict.fromkeys(LAYERWISE, _layers),
}
