"""What sounds cost by a run, beside simpler means, and what it makes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import metrics, plotting, training
from kerasmlsp.apps.wavenet import baselines, data, model
from kerasmlsp.apps.wavenet.config import Config
from kerasmlsp.data import audio
from kerasmlsp.files import safe_name, write_atomically
from kerasmlsp.metrics import distances
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

COMPLETED = 3  # sounds that are gone on with


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`, its net in float32."""
    net, config, stored = training.Run(run).load(Config)
    return model.for_inference(net, config), config, stored


def evaluate(run: Path, *, pieces: int | None = None, samples: int = 4, seed: int = 0) -> dict[str, Any]:
    """Measures a run on recordings that it was not trained on, and writes sounds and figures to `evaluation`.

    Args:
        run: Folder of a finished run.
        pieces: Most pieces to measure, spread over all; None for all.
        samples: Sounds to make, and as many to go on with up to `COMPLETED`; 0 for none.
        seed: Seed of the first.

    Returns:
        Dict of `nats per sample` by the net and by simpler means, with intervals over recordings, or over persons
        where these are known; `metrics` for the model card; and `files`.

    Raises:
        FileNotFoundError: The run is not there or not finished.
        ValueError: The recordings have changed since the run was trained on them.
    """
    run = training.Run(run)
    net, config, stored = load(run)
    found = data.read(config)
    run.check_data(found.fingerprint())
    train, _, test = data.split(found, config)
    test = test[distances.spread(np.arange(len(test)), pieces or len(test))]
    rows = {"net": measured(test, model.nats(net, test)), **simple(train, test, config.rate)}
    result = {
        "pieces": len(test),
        "seconds": float(test.sizes.sum()) / config.rate,
        "left out": found.left_out,
        "nats per sample": rows,
        "metrics": {f"nats per sample, {name}": row for name, row in rows.items()},
    }
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    made = _make(run / EVALUATION, net, config, stored["classes"], test, samples, seed) if samples else []
    return {**result, "files": [str(target), *map(str, made)]}


def simple(train: data.Pieces, test: data.Pieces, rate: int) -> dict[str, dict[str, Any]]:
    """Measures pieces by simpler means, made of `train`: dict of name to the measure."""
    found = {
        "histogram": baselines.histogram(train, test),
        "histogram given the sample before": baselines.pair_histogram(train, test),
    }
    for kind in ("gaussian", "laplace"):
        name = f"linear prediction of order {baselines.ORDER}, {kind}"
        found[name], _ = baselines.linear_prediction(train, test, rate, kind)
    return {name: measured(test, nats) for name, nats in found.items()}


def measured(pieces: data.Pieces, nats: np.ndarray) -> dict[str, float | None]:
    """The mean of nats `(pieces, length)` over the samples of the recordings, with its interval over groups."""
    groups = np.unique(pieces.groups, return_inverse=True)[1]
    totals = np.bincount(groups, (nats * pieces.known).sum(1))
    return metrics.measured_mean(totals, np.bincount(groups, pieces.sizes))


def _make(folder, net, config, classes, test, samples, seed):
    """Makes sounds, class by class, and goes on with some test pieces after half of each."""
    functions, _ = model.endpoints(net, classes, config.rate)
    names = [classes[i * len(classes) // samples] for i in range(samples)] if classes else None
    made = _called(functions["generate"][0], samples, seed, names, length=[config.length] * samples)
    titles = [f"sample-{i + 1}" + (f"-{safe_name(names[i])}" if names else "") for i in range(samples)]
    sounds = dict(zip(titles, made, strict=True))
    chosen = test[distances.spread(np.arange(len(test)), min(samples, COMPLETED))]
    names = [classes[label] for label in chosen.labels] if classes else None
    half = config.length // 2
    primer = data.from_levels(chosen.levels[:, :half]).astype("float32")
    counts = {"given": [half] * len(chosen), "length": [config.length - half] * len(chosen)}
    whole = _called(functions["complete"][0], len(chosen), seed, names, primer=primer, **counts)
    sounds |= {f"completed-{i + 1}": each for i, each in enumerate(whole)}
    sounds |= {f"test-{i + 1}": data.from_levels(each) for i, each in enumerate(chosen.levels)}
    paths = []
    for title, sound in sounds.items():
        paths.append(folder / f"{title}.wav")
        write_atomically(paths[-1], lambda path, sound=sound: audio.write_wav(path, sound, config.rate))
    figure = folder / "waveforms.png"
    write_atomically(figure, lambda path: plotting.waveforms(sounds, config.rate, path))
    return [figure, *paths]


def _called(function, rows, seed, labels, **inputs):
    """Calls an endpoint with the net's own probabilities and as many seeds as rows."""
    import tensorflow as tf

    settings = {name: tf.fill([rows], value) for name, value in {**model.DEFAULTS, "seed": 0}.items()}
    settings["seed"] += tf.range(seed, seed + rows)
    given = {**inputs, **({"label": labels} if labels else {})}
    return function(**settings, **{name: tf.constant(each) for name, each in given.items()})["waveform"].numpy()
