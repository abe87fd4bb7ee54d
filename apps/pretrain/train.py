"""From examples without labels to a run."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import distribution, training
from kerasmlsp.apps.pretrain import batches, data, model, stages
from kerasmlsp.apps.pretrain.config import LAYERWISE, Config
from kerasmlsp.data import text
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

SEEN, VOCABULARY = "seen.npy", "vocabulary.json"


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the net of a task on examples without labels.

    The run folder gets `config.json`, `seen.npy` (what tells the examples, so that none is ever tested on), a folder
    for each training (see `kerasmlsp.training.fit`), `curves.png`, of texts `vocabulary.json`, and `model.keras`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, `task`, the numbers of examples and parameters, and the kept epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(config, run, resume):
    parts, settings = data.read_own(config), config.complete()
    shape = list(parts.train.inputs.shape[1:]) if config.kind != "texts" else [config.max_tokens]
    facts = {
        "shape": shape,
        "examples": len(parts.train) + len(parts.held_out),
        "held_out": len(parts.held_out),
        "test": parts.test,
        "left_out": parts.left_out,
        "fingerprint": parts.fingerprint(),
    }
    run.start(config, facts, resume=resume)
    log.info(
        "%d %s, %d of them held out, and %d more for tests.",
        facts["examples"],
        config.kind,
        facts["held_out"],
        facts["test"],
    )
    seen = parts.seen()
    if distribution.leads():
        write_atomically(run / SEEN, lambda place: stages.save(place, seen))
    words: list[str] = []
    if config.kind == "texts":
        log.info("Counting the words, and reading the texts as words.")
        words = text.vocabulary(text.count_words(parts.train.inputs.tolist()), config.vocabulary_size)
        if not words:
            raise ValueError("`data` must hold a word that occurs twice. Received: none")
        run.write(VOCABULARY, words)
    inputs = data.encoded(parts.train, words, config.max_tokens)
    held_out = data.encoded(parts.held_out, words, config.max_tokens)
    net = _fit(settings, inputs, held_out, run, words, resume)
    run.save(net)
    names = stages.folders(settings)
    run.draw_curves(*names)
    return {
        "run": str(run),
        "task": config.task,
        "parameters": net.count_params(),
        "examples": facts["examples"],
        "held out": facts["held_out"],
        "kept for tests": facts["test"],
        "left out": facts["left_out"],
        "best epoch": run.best_row(names[-1]),
    }


def _fit(settings, inputs, held_out, run, words, resume) -> "keras.Model":
    if settings.task == "clusters":
        return stages.by_clusters(settings, inputs, run, resume=resume)
    if settings.task in LAYERWISE:
        return stages.by_layers(settings, inputs, run, resume=resume)
    shape, size = tuple(np.shape(inputs)[1:]), len(words) + 3
    found = batches.task_batches(inputs, settings, size)
    steps = settings.epochs * len(found.order(0))
    whole = training.fit(
        lambda: model.compiled(settings, shape, steps, size),
        found,
        run / "net",
        settings,
        validation=batches.held_out(held_out, settings, size),
        resume=resume,
    )
    return model.net_of(whole, settings, shape, size)
