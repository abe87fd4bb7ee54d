"""How well a run foretells text that it has not seen."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasmlsp import metrics, training
from kerasmlsp.apps.chargen import data, model
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
        without context and with the state carried through the whole text; and of the file written.

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
    file = metrics_file(run, weights)
    file.parent.mkdir(exist_ok=True)
    write_json(file, result)
    return {**result, "files": [str(file)]}


def evaluate_saved(saved: "SavedModel", path: str | Path, encoding: str = "utf-8") -> dict[str, Any]:
    """Measures a saved model on a text, with nothing but the saved model.

    Args:
        saved: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        path: Text file or folder.
        encoding: Its encoding.

    Returns:
        Dict of `metrics` as of `evaluate`, those with the state carried through the whole text.

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
    nats = saved.call("score", text=[respelled])["nats"][0]
    if len(nats) < 2:
        raise ValueError(f"`data` must hold at least two characters that the model knows. Received: {len(nats)}")
    return {
        "characters": len(nats),
        "left out": max(0, len(respelled) - len(nats)),
        "fingerprint": labelled.fingerprint([text], [""]),
        "metrics": _measured("carried", model.pieces(nats[1:], saved.card["training"]["window"])),
    }


def _measured(name, nats):
    """The mean of pieces of text with its normal interval, none of few; neighbours are taken as independent."""
    mean, error = float(nats.mean()), 1.96 * float(nats.std(ddof=1)) / math.sqrt(len(nats)) if len(nats) > 1 else 0.0
    values: dict[str, float | None] = {"value": mean, "low": mean - error, "high": mean + error}
    if len(nats) < metrics.FEWEST:
        values |= {"low": None, "high": None}
    return {
        f"nats per character, {name}": values,
        f"perplexity, {name}": {each: value if value is None else math.exp(value) for each, value in values.items()},
    }
