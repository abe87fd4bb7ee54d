"""From running text to a run."""

import logging
from pathlib import Path
from typing import Any

from kerasmlsp import training
from kerasmlsp.apps.embed import data, model
from kerasmlsp.apps.embed.config import Config
from kerasmlsp.data import labelled

log = logging.getLogger("kerasmlsp")

VOCABULARY = "vocabulary.json"


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains vectors of the words of a text.

    The run folder gets `config.json`, `vocabulary.json` and what `kerasmlsp.training.fit` writes.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, the numbers of words of the text and of the vocabulary, and the last epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config.complete(), run, resume)


def _train(config, run, resume):
    log.info("Reading the text.")
    found = data.read(config)
    facts = {
        "tokens": len(found.ids),
        "vocabulary": len(found.words),
        "fingerprint": labelled.fingerprint(found.ids, found.starts, found.words),
    }
    run.start(config, facts, resume=resume)
    run.write(VOCABULARY, {"words": found.words, "counts": found.counts.tolist()})
    blocks = data.training_blocks(found, config)
    training.fit(
        lambda: model.compiled(config, len(found.counts_by_id), config.epochs * blocks.num_batches),
        blocks,
        run,
        config,
        resume=resume,
    )
    return {
        "run": str(run),
        "words of text": len(found.ids),
        "words known": len(found.words),
        "last epoch": run.best_row(),
    }
