"""From labelled texts to a run."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import classification, training
from kerasmlsp.apps.sentiment import data, model
from kerasmlsp.apps.sentiment.config import RECIPES, Config
from kerasmlsp.data import labelled, splits, text

log = logging.getLogger("kerasmlsp")

VOCABULARY = "vocabulary.json"


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains every net of the configured architecture, then calibrates them together on the held-out texts.

    The run folder gets `config.json`, `vocabulary.json`, a folder per net (see `kerasmlsp.training.fit`) and
    `model.keras`, the calibrated whole.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, the numbers of texts, and for each net its best epoch's validation values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(config, run, resume):
    texts, labels, rare = _read(config)
    classes = sorted(set(labels))
    numbers = np.searchsorted(classes, labels)
    chosen, held_out = splits.split_indices(labels, config.validation_share, config.seed, blocks=config.holdout_blocks)
    facts = {
        "classes": classes,
        "rare": rare,
        "texts": len(texts),
        "held_out": len(held_out),
        "fingerprint": labelled.fingerprint(texts, labels),
    }
    run.start(config, facts, resume=resume)
    log.info("%d texts of %d classes, %d of them held out.", len(texts), len(classes), len(held_out))
    log.info("Counting the words, and reading the texts as words.")

    words = text.vocabulary(text.count_words(texts.taken(chosen)), config.vocabulary_size)
    run.write(VOCABULARY, words)
    encoded = data.encode(texts.taken(chosen), numbers[chosen], words, config.max_tokens)
    whole = texts.taken(held_out)
    validation = data.encode(whole, numbers[held_out], words, config.max_tokens)

    sizes, names = (len(words) + 2, len(classes)), model.members(config.architecture)
    nets, results = [], {}
    for name in names:
        log.info("Training %s.", name)
        nets.append(_fit(name, config, run / name, encoded, validation, *sizes, resume))
        results[name] = run.best_row(name)
    sets = [validation]
    if config.short_words:
        short = data.shortened(whole, config.short_words)
        sets.append(data.encode(short, numbers[held_out], words, config.max_tokens))
    log.info("Calibrating on the held-out texts%s.", ", whole and short" if len(sets) > 1 else "")
    weights, truth, probabilities = model.calibration(nets, sets)
    # Before a net is trained on the held-out texts, too.
    run.write(classification.THRESHOLD, classification.calibrated(truth, probabilities, config.answered))
    for place, name in enumerate(names):
        if name in model.REFITTED:
            log.info("Training %s once more, on the held-out texts too.", name)
            everything = data.joined(encoded, validation)
            nets[place] = _fit(name, config, run / f"{name}-refit", everything, None, *sizes, resume)
    ensemble = model.combined(nets, weights)
    run.save(ensemble)
    run.draw_curves(*names)
    return {"run": str(run), "texts": len(texts), "held out": len(held_out), "nets": results}


def _read(config):
    columns = {**config.columns, "encoding": config.encoding}
    texts, labels = data.read(config.data, dataset=config.dataset, manual_dir=config.manual_dir, **columns)
    labelled.check_classes(config.data or config.dataset, labels)
    others = data.read(config.exclude, **columns)[0] if config.exclude else ()
    kept = splits.without(splits.text_keys(texts), splits.text_keys(others))
    if len(kept) < len(texts):
        log.info("Left out %d of %d texts: they occur twice or are in --exclude.", len(texts) - len(kept), len(texts))
    texts, labels = texts.taken(kept), [labels[i] for i in kept]
    if len(set(labels)) < 2:
        raise ValueError("Fewer than two classes are left once repeated texts and those of `--exclude` are left out.")
    kept, rare = labelled.frequent(labels, config.min_count)
    texts, labels = texts.taken(kept), [labels[i] for i in kept]
    if not config.class_weights:
        labelled.tell_imbalance(labels)
    return texts, labels, rare


def _fit(name, config, folder, encoded, validation, vocabulary_size, num_classes, resume):
    settings = config.filled(RECIPES[name])
    batches = data.training_batches(encoded, config, drop_remainder=config.jit == "on")
    steps = settings.epochs * len(batches.order(0))
    weights = None
    if config.class_weights:
        weights = dict(enumerate(classification.class_weights(encoded.labels, num_classes).tolist()))
    return training.fit(
        lambda: model.compiled(name, settings, vocabulary_size, num_classes, steps, encoded),
        batches,
        folder,
        settings,
        validation=data.dataset(validation, 256)[0] if validation else None,
        class_weight=weights,
        resume=resume,
    )
