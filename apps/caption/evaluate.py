"""How well a run captions pictures that it has not seen."""

import csv
import dataclasses
import functools
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import plotting, training
from kerasmlsp.apps.caption import baselines, data, model, variety
from kerasmlsp.apps.caption import train as training_app
from kerasmlsp.apps.caption.config import Config
from kerasmlsp.files import write_atomically, write_json
from kerasmlsp.metrics import text as text_metrics
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

TOKENISATION = "lower case, split as by kerasmlsp.data.text.tokenize, punctuation left out, then sacrebleu's `none`"
BATCH, FIGURES = 64, 4


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        encoder: From images to features `(batch, regions, channels)`, float32.
        captioner: See `model.build`, float32.
        words: The vocabulary.
        config: The configuration.
        stored: The dict of `config.json`.
        frozen: The encoder as it was trained with, if that was kept as it is; else None.
    """

    encoder: "keras.Model"
    captioner: "keras.Model"
    words: list[str]
    config: Config
    stored: dict[str, Any]
    frozen: "keras.Model | None"


def load(run: training.Run | Path) -> Run:
    """Loads a finished run.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The run is of another application, or a file of it is damaged.
    """
    run = training.Run(run)
    config, stored = run.configuration(Config)
    config = config.complete()
    trained = run.model()
    kept = run.model(training_app.ENCODER) if model.frozen(config) else None
    words = run.read(training_app.VOCABULARY)
    return Run(*model.for_inference(trained, config, kept, len(words) + 2), words, config, stored, kept)


def evaluate(
    run: Path,
    path: str | Path | None = None,
    *,
    images: str | Path | None = None,
    dataset: str | None = None,
    encoding: str | None = None,
    split: str = "test",
    beams: int | None = None,
    with_baselines: bool = True,
    judge: Path | None = None,
) -> dict[str, Any]:
    """Measures a run on a split of its own data, or on what another table holds of that split.

    Figures, captions and measures go to its folder `evaluation`, those of the split validation to another.

    A table that names no splits is measured as a whole.

    Args:
        run: Folder of a finished run.
        path: Table of captions; None, as `dataset`, for the run's own data.
        images: Folder of the pictures of `path`.
        dataset: Name in TensorFlow Datasets.
        encoding: Encoding of `path`; None for that of the table that was trained on.
        split: "test" or "validation".
        beams: Captions followed at once; None for the run's own number.
        with_baselines: Whether to measure the fixed sentence and the consensus of neighbours, too, which needs the
            run's own training captions.
        judge: Folder of a run with the same encoder, whose net tells whether a caption finds its picture among others,
            see `variety.places`; None where nothing is to be found. A net judges itself too kindly.

    Returns:
        Dict of `metrics` by way of writing ("greedy", "beams of 3", "fixed sentence", "consensus of neighbours"), each
        a dict of measures with their 95 % intervals, of what was counted, and of the files written.

    Raises:
        ModuleNotFoundError: sacrebleu or pycocoevalcap is not installed.
        ValueError: The run's own data have changed, or the data cannot be used.
    """
    text_metrics.check_installed()  # not after minutes of work
    run, own = training.Run(run), path is None and dataset is None
    net, judging = load(run), None if judge is None else load(judge)
    if judging is not None and (None in (judging.frozen, net.frozen) or judging.config.encoder != net.config.encoder):
        raise ValueError(f"`judge` must see pictures by the encoder {net.config.encoder}, kept as it is.")
    config = dataclasses.replace(net.config, beams=beams or net.config.beams)
    if not own:
        place: dict[str, Any] = {"data": path and str(path), "images": images and str(images), "dataset": dataset}
        place["encoding"] = encoding or config.encoding
        config = dataclasses.replace(config, **place)
    only = None if own else split
    table, values, rows = training_app.seen(data.read(config, only), net.frozen, config, only)
    if own and table.fingerprint() != net.stored["fingerprint"]:
        raise ValueError(f"The data {config.data or config.dataset} have changed since the run was trained on them.")
    numbers = table.rows(split)
    references = data.each_normalised(table.captions[i] for i in numbers)
    found = {"greedy": caption(net, values, rows[numbers], config, beams=1)}
    if config.beams > 1:
        found[f"beams of {config.beams}"] = caption(net, values, rows[numbers], config)
    sentences = {name: lines for name, (lines, *_) in found.items()}
    if with_baselines and own:
        sentences |= without_net(table, net, values, rows, numbers)
    result: dict[str, Any] = {
        "split": split,
        "pictures": len(numbers),
        "references": sum(map(len, references)),
        "fingerprint": table.fingerprint(),
        "tokenisation": TOKENISATION,
        "words of the references that are unknown": unknown_share(references, net.words),
        "counted": table.problems,
        "metrics": {name: text_metrics.measure(lines, references) for name, lines in sentences.items()},
    }
    known = data.normalised([line for i in table.rows("train") for line in table.captions[i]]) if own else None
    for name, lines in sentences.items():
        places = None if judging is None else variety.places(judging, values[rows[numbers]], lines)
        result["metrics"][name] |= variety.measure(lines, references, known, places)
    # Apart, since a model card tells of the test.
    folder = run / (EVALUATION if split == "test" else f"{EVALUATION}_{split}")
    written = _write(folder, result, table, numbers, sentences)
    best = list(found.values())[-1]
    return {**result, "files": [*written, *_figures(folder, net, table, values, rows, numbers, best)]}


def caption(
    net: Run, values: np.ndarray, rows: np.ndarray, config: Config, beams: int | None = None
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Captions pictures by their features.

    Args:
        net: `Run`.
        values: Features of all pictures.
        rows: Rows of the features of the pictures to caption.
        config: The configuration, for beams, length and penalty.
        beams: In place of the configuration's.

    Returns:
        The best caption of each, a list of strings; its score; and its tokens `(pictures, length)`.
    """
    import tensorflow as tf

    options: dict[str, Any] = {
        "beams": beams or config.beams,
        "length": config.max_words,
        "length_penalty": config.length_penalty,
    }

    signature = [tf.TensorSpec([None, *net.captioner.get_layer("front").input_shape[1:]], tf.float32)]

    @tf.function(input_signature=signature, autograph=False)
    def write(features):
        return model.search(net.captioner, features, **options)

    tokens, scores = [], []
    for begin in range(0, len(rows), BATCH):
        found, score = write(features_of(net, values[rows[begin : begin + BATCH]]))
        tokens.append(found.numpy()[:, 0])
        scores.append(score.numpy()[:, 0])
    tokens = np.concatenate(tokens)
    lines = [line.decode() for line in model.written(tokens, net.words)[0].numpy()]
    return lines, np.concatenate(scores), tokens


def features_of(net: Run, values: np.ndarray) -> "np.ndarray | tf.Tensor":
    """Features of kept rows, which are the pictures themselves where the encoder was trained, too."""
    values = np.asarray(values, "float32")
    return values if net.frozen is not None else net.encoder(values, training=False)


def without_net(
    table: data.Captioned, net: Run, values: np.ndarray, rows: np.ndarray, numbers: np.ndarray
) -> dict[str, list[str]]:
    """The captions of both baselines for the pictures `numbers`, by name."""
    train = table.rows("train")
    captions = data.each_normalised(table.captions[i] for i in train)
    vectors, train_vectors = (_vectors(net, values, rows[which]) for which in (numbers, train))
    return {
        "fixed sentence": [baselines.fixed(captions)] * len(numbers),
        "consensus of neighbours": baselines.consensus(vectors, train_vectors, captions),
    }


def _vectors(net, values, rows):
    parts = [rows[begin : begin + BATCH] for begin in range(0, len(rows), BATCH)]
    return np.concatenate([np.asarray(features_of(net, values[part])).mean(1) for part in parts])


def unknown_share(references: Iterable[Iterable[str]], words: Iterable[str]) -> dict[str, float]:
    """Share of the words of references that a vocabulary lacks, and how many different ones these are."""
    known, every = set(words), [word for several in references for line in several for word in line.split()]
    lacking = [word for word in every if word not in known]
    return {"share": len(lacking) / max(len(every), 1), "different": len(set(lacking))}


def _write(folder, result, table, numbers, sentences):
    folder.mkdir(exist_ok=True)
    target, listed = folder / METRICS, folder / "captions.csv"
    write_json(target, result)

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["image", *sentences, "references"])
            for row, i in enumerate(numbers):
                said = [lines[row] for lines in sentences.values()]
                writer.writerow([table.names[i], *said, " | ".join(table.captions[i])])

    write_atomically(listed, write)
    return [str(target), str(listed)]


def _figures(folder, net, table, values, rows, numbers, found):
    """Where the net looked for each word of the first captions; nothing for a net without attention."""
    lines, _, tokens = found
    first = rows[numbers[:FIGURES]]
    weights = model.looked_at(net.captioner, features_of(net, values[first]), tokens[:FIGURES])
    if weights is None:
        return []
    weights, files = np.asarray(weights), []
    pictures = table.read(model.image_size(net.config), numbers[:FIGURES])
    for row, picture in enumerate(pictures):
        words = lines[row].split()
        maps = weights[row, : len(words)].reshape(-1, *model.map_of(net.encoder))
        files.append(str(folder / f"attention_{row + 1}.png"))
        draw = functools.partial(plotting.word_maps, picture, words, maps)
        write_atomically(files[-1], draw)
    return files
