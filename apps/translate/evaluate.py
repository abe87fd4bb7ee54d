"""How well a run translates sentences that it has not seen."""

import csv
import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import plotting, training
from kerasmlsp.apps.translate import data, lexicon, model
from kerasmlsp.apps.translate import train as training_app
from kerasmlsp.apps.translate.config import Config
from kerasmlsp.data.subwords import Subwords
from kerasmlsp.extras import required
from kerasmlsp.files import write_atomically, write_json
from kerasmlsp.metrics import translation
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

BATCH = 64
EDGES = (1, 8, 11, 14, 17, 21)
"""Where the ranges of sentences' lengths begin, in words of the source."""
LENGTHS, WORD_BY_WORD = "bleu_by_length", "word by word"


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        net: See `model.build`, float32.
        units: Its subword units.
        config: The configuration.
        stored: The dict of `config.json`.
    """

    net: "keras.Model"
    units: Subwords
    config: Config
    stored: dict[str, Any]


def load(run: training.Run | Path) -> Run:
    """Loads a finished run.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The run is of another application, or a file of it is damaged.
    """
    run = run if isinstance(run, training.Run) else training.Run(run)
    config, stored = run.configuration(Config)
    config, trained = config.complete(), run.model()
    units = Subwords(run.read(training_app.SUBWORDS))
    return Run(model.for_inference(trained, config, len(units)), units, config, stored)


def evaluate(
    run: Path,
    path: str | Path | None = None,
    *,
    parallel: str | Path | None = None,
    dataset: str | None = None,
    source: str | None = None,
    target: str | None = None,
    encoding: str | None = None,
    split: str = "test",
    beams: int | None = None,
    length_penalty: float | None = None,
    samples: int = 1000,
) -> dict[str, Any]:
    """Measures a run on a split of its own data, or on what other data hold of that split.

    Measures, translations and the figure of BLEU by length go to its folder `evaluation`, those of the split validation
    to another. Data that name no splits are measured as a whole. Beside the net stands a lexicon, which needs the run's
    own training sentences.

    Args:
        run: Folder of a finished run.
        path: Data as of the configuration; None, as `dataset`, for the run's own.
        parallel: File of the translations, where `path` is the file of the sentences.
        dataset: Name in TensorFlow Datasets.
        source, target, encoding: Languages and encoding of `path`; None for those of the data that were trained on.
        split: "test" or "validation".
        beams: Translations followed at once; None for the run's own number.
        length_penalty: None for the run's own.
        samples: Resamples of the intervals.

    Returns:
        Dict of `metrics` by way of translating ("greedy", "beams of 5", "word by word"), each a dict of measures with
        their 95 % intervals, their `signatures`, BLEU `by length`, what was counted, and the files written.

    Raises:
        ModuleNotFoundError: sacrebleu is not installed.
        ValueError: The run's own data have changed, or the data cannot be used.
    """
    required("sacrebleu")  # not after minutes of work
    run, own = training.Run(run), path is None and dataset is None
    net = load(run)
    changed: dict[str, Any] = {"beams": beams, "length_penalty": length_penalty}
    changed = {name: value for name, value in changed.items() if value is not None}
    if not own:
        named = {"source": source, "target": target, "encoding": encoding}
        changed |= {name: value for name, value in named.items() if value is not None}
        changed |= {"data": path and str(path), "parallel": parallel and str(parallel), "dataset": dataset}
    config = dataclasses.replace(net.config, **changed)
    pairs = data.read(config, None if own else split)
    if own and pairs.fingerprint() != net.stored["fingerprint"]:
        raise ValueError(f"The data {config.data or config.dataset} have changed since the run was trained on them.")
    sentences, references = pairs.of(split)
    found = {"greedy": translate(net, sentences, dataclasses.replace(config, beams=1))}
    if config.beams > 1:
        found[f"beams of {config.beams}"] = translate(net, sentences, config)
    best = list(found)[-1]
    if own:
        log.info("Learning the lexicon.")
        known = lexicon.Lexicon(*pairs.of("train"))
        found[WORD_BY_WORD] = [known(sentence) for sentence in sentences]
    lengths = np.array([len(sentence.split()) for sentence in sentences])
    lengthy = {name: translation.by_length(lengths, lines, references, EDGES, samples) for name, lines in found.items()}
    result = {
        "split": split,
        "pairs": len(sentences),
        "fingerprint": pairs.fingerprint(),
        "length penalty": config.length_penalty,
        "signatures": translation.signatures(),
        "counted": pairs.problems,
        "metrics": {name: translation.measure(lines, references, samples=samples) for name, lines in found.items()},
        "by length": lengthy,
    }
    # Apart, since a model card tells of the test.
    folder = run / (EVALUATION if split == "test" else f"{EVALUATION}_{split}")
    shown = {name: rows for name, rows in lengthy.items() if name in (best, WORD_BY_WORD)}
    return {**result, "files": _write(folder, result, shown, sentences, references, found)}


def translate(net: Run, sentences: Sequence[str], config: Config) -> list[str]:
    """Translates sentences, those of about one length together.

    Args:
        net: `Run`.
        sentences: Strings.
        config: The configuration, for beams, penalty and longest sentence.
    """
    import tensorflow as tf

    functions, _ = model.endpoints(net.net, net.units, config)
    function, signature = functions["serving_default"]
    written = tf.function(
        lambda text: function(text=text)["translation"], input_signature=[signature["text"]], autograph=False
    )
    order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
    found = [""] * len(sentences)
    for begin in range(0, len(order), BATCH):
        rows = order[begin : begin + BATCH]
        for row, line in zip(rows, written(tf.constant([sentences[i] for i in rows])).numpy(), strict=True):
            found[row] = line.decode()
    return found


def _write(folder, result, by_length, sentences, references, found):
    folder.mkdir(exist_ok=True)
    target, listed, figure = folder / METRICS, folder / "translations.csv", folder / f"{LENGTHS}.png"
    write_json(target, result)

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["source", "reference", *found])
            writer.writerows(zip(sentences, references, *found.values(), strict=True))

    write_atomically(listed, write)
    write_atomically(figure, lambda place: plotting.score_by_length(by_length, place))
    return [str(target), str(listed), str(figure)]
