"""How well a run foretells text that it has not seen."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import metrics, training
from kerasmlsp.apps.chargen import data, model, refining
from kerasmlsp.apps.chargen.config import Config
from kerasmlsp.data import labelled, normalization
from kerasmlsp.files import write_json
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

    from kerasmlsp.exporting import SavedModel


def metrics_file(run: training.Run | Path, weights: str = "float32") -> Path:
    """Returns where the measures of a run are whose net has such weights."""
    return training.Run(run) / EVALUATION / (METRICS if weights == "float32" else f"metrics-{weights}.json")


def load(run: training.Run | Path, weights: str = "float32") -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run.

    Args:
        run: Its folder.
        weights: One of `config.WEIGHTS`.

    Returns:
        The net, the configuration, and the dict of `config.json`.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The run is of another application, a file of it is damaged, or its net cannot have such weights.
    """
    run = training.Run(run)
    config, stored = run.configuration(Config)
    config = config.complete()
    trained = run.model()
    return model.for_inference(trained, config, len(stored["characters"]), weights), config, stored


def evaluate(
    run: Path, path: str | Path | None = None, weights: str = "float32", encoding: str | None = None
) -> dict[str, Any]:
    """Measures a run on the held-out end of its text, or on another text.

    Args:
        run: Folder of a finished run.
        path: Text file or folder; None for the end of the text that the run was trained on.
        weights: How the net's weights are kept while it is measured, one of `config.WEIGHTS`.
        encoding: Encoding of the text; None for that of the text that was trained on.

    Returns:
        Dict of `metrics`: nats per character and perplexity, each with its 95 % interval, over windows that begin
        without context and with the state carried through the whole text; for a net that learned from preferences also
        what its held-out pairs say (`refining.measured`), and the nats per character that it has more than the net it
        started from; and of the file written.

    Raises:
        ValueError: The run's own text has changed, the text has none of the run's characters, or the net cannot have
            such weights.
    """
    run = training.Run(run)
    net, config, stored = load(run, weights)
    known = stored["characters"]
    place = {} if path else {"dataset": config.dataset, "manual_dir": config.manual_dir}
    text = data.read(path or config.data, **place, encoding=encoding or config.encoding)
    part = text
    if not path:
        if labelled.fingerprint([text], [""]) != stored["fingerprint"]:
            raise ValueError(f"The text {config.data or config.dataset} has changed since the run was trained on it.")
        part = data.split(text, config.held_out_share, config.validation_share)[2]
    part = normalization.respell(part, known)
    ids = data.encode(part, known)
    if len(ids) < 2:
        raise ValueError(f"`data` must hold at least two characters that the run knows. Received: {len(ids)}")
    windows, carried = model.nats(net, ids, config.window, known)
    result = {
        "characters": len(ids),
        "left out": len(part) - len(ids),
        "fingerprint": labelled.fingerprint([text], [""]),
        "metrics": {**_measured("windows", windows), **_measured("carried", carried)},
    }
    if config.preferences and not path:
        result["metrics"] |= _preferred(net, config, stored, ids, windows)
    file = metrics_file(run, weights)
    file.parent.mkdir(exist_ok=True)
    write_json(file, result)
    return {**result, "files": [str(file)]}


def _preferred(net, config, stored, ids, windows):
    known = stored["characters"]
    pairs = refining.read(config, known)
    if pairs.fingerprint != stored["pairs_fingerprint"]:
        raise ValueError(f"The pairs {config.preferences} have changed since the run was trained on them.")
    start, _, _ = load(config.start)
    cost = windows - model.nats(start, ids, config.window, known)[0]
    return {
        **refining.measured(net, start, pairs),
        "nats per character more than the start, windows": _with_interval(cost),
    }


def evaluate_saved(saved: "SavedModel", path: str | Path, encoding: str = "utf-8") -> dict[str, Any]:
    """Measures a saved model on a text, with nothing but the saved model.

    Args:
        saved: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        path: Text file or folder.
        encoding: Its encoding.

    Returns:
        Dict of `metrics` as of `evaluate`, those with the state carried through the whole text, a million characters
        at a time.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The saved model is an older one without `score`, or the text has none of its characters.
    """
    text = data.read(path, encoding=encoding)
    if "score" not in saved.endpoints:
        raise ValueError(
            f"The saved model {saved.path} has no endpoint `score`, being an older one: export its run again."
        )
    respelled = normalization.respell(text, saved.card["characters"])
    # The first character of each stretch is given, not foretold.
    stretches = [respelled[begin : begin + model.MEASURED] for begin in range(0, len(respelled), model.MEASURED)]
    found = [saved.call("score", text=[each])["nats"][0] for each in stretches]
    count, nats = sum(map(len, found)), np.concatenate([each[1:] for each in found] or [[]])
    if len(nats) < 1:
        raise ValueError(f"`data` must hold at least two characters that the model knows. Received: {count}")
    return {
        "characters": count,
        "left out": max(0, len(respelled) - count),
        "fingerprint": labelled.fingerprint([text], [""]),
        "metrics": _measured("carried", model.pieces(nats, saved.card["training"]["window"])),
    }


def _measured(name, nats):
    """The mean of pieces of text with its normal interval, none of few; neighbours are taken as independent."""
    values = _with_interval(nats)
    return {
        f"nats per character, {name}": values,
        f"perplexity, {name}": {each: value if value is None else math.exp(value) for each, value in values.items()},
    }


def _with_interval(pieces):
    mean, error = float(pieces.mean()), 0.0
    if len(pieces) > 1:
        error = 1.96 * float(pieces.std(ddof=1)) / math.sqrt(len(pieces))
    values: dict[str, float | None] = {"value": mean, "low": mean - error, "high": mean + error}
    return values if len(pieces) >= metrics.FEWEST else {**values, "low": None, "high": None}
