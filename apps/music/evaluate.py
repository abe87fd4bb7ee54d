"""How well a run foretells chorales that it has not seen, and how well what it writes keeps the rules."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import generation, metrics, music, training
from kerasmlsp.apps.music import data, generate, model, train, windows
from kerasmlsp.apps.music.config import Config
from kerasmlsp.apps.music.keys import key_and_bar
from kerasmlsp.files import write_atomically
from kerasmlsp.targets.chorale_tokens import PREFACE
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

VOICES = ("soprano", "bass", "tenor", "alto")
_AT_ONCE = 16


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`, its net in float32."""
    net, config, stored = training.Run(run).load(Config)
    config = config.complete()
    return model.for_inference(net, config), config, stored


def evaluate(
    run: Path,
    path: str | Path | None = None,
    *,
    samples: int = 32,
    bars: int = 8,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures a run on the pieces that were held out, or on others, and chorales that it writes beside them.

    Args:
        run: Folder of a finished run.
        path: File or folder of chorales; None for those that were held out for the test.
        samples: Chorales to write, in keys and metres of the measured pieces; 0 for none.
        bars: Bars of each.
        temperature: As in `generate`.
        top_p: As in `generate`.
        seed: Of what is written.

    Returns:
        Dict of `pieces`; `metrics`: nats per sixteenth of all four voices, per token, and per sixteenth of each voice
        given those before it, each with its 95 % interval over pieces; `harmony`: rules and divergences of what was
        written beside the measured pieces'; and the files written to the run's folder `evaluation`.

    Raises:
        ValueError: The run's own data have changed, or the data cannot be used.
    """
    run = training.Run(run)
    net, config, stored = load(run)
    pieces, left_out = data.read(path or config.data, json_steps_per_quarter=config.json_steps_per_quarter)
    if not path:
        if train.fingerprint(pieces) != stored["fingerprint"]:
            raise ValueError(f"The data {config.data or 'in music21'} have changed since the run was trained on them.")
        pieces = data.split(pieces, config)["test"]
    result = {
        "pieces": len(pieces),
        "left out": left_out,
        "fingerprint": train.fingerprint(pieces),
        "metrics": _foretold(net, pieces, config.window),
    }
    folder = run / EVALUATION
    folder.mkdir(exist_ok=True)
    files = []
    if samples:
        settings: dict[str, Any] = {"temperature": temperature, "top_p": top_p, "seed": seed}
        written = compose(net, pieces, samples, bars, **settings)
        result["settings"] = {"samples": samples, "bars": bars, **settings}
        result["harmony"] = harmony(written, pieces)
        files = _write(folder, result["harmony"], written)
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(file) for file in [target, *files]]}


def _foretold(net, pieces, window):
    """Nats of every piece under the net, per sixteenth, per token and per voice."""
    inputs, targets, weights, owners = windows.measured(pieces, window)
    nats = np.zeros((len(pieces), 4))
    for begin in range(0, len(inputs), _AT_ONCE):
        here = slice(begin, begin + _AT_ONCE)
        logits = net.predict_on_batch(inputs[here])
        scores = -np.asarray(generation.log_probabilities(logits, targets[here])) * weights[here]
        # The target at place p stands at p + 1; the end counts for the soprano, in whose turn it comes.
        by_voice = np.pad(scores, ((0, 0), (1, 0)))[:, PREFACE:]
        by_voice = np.pad(by_voice, ((0, 0), (0, -by_voice.shape[1] % 4))).reshape(len(scores), -1, 4).sum(1)
        np.add.at(nats, owners[here], by_voice)
    steps = np.array([len(piece.pitches) for piece in pieces])

    def rate(parts, counts):
        return float(parts.sum() / counts.sum())

    return {
        "nats per sixteenth": metrics.with_interval(rate, nats.sum(1), steps),
        "nats per token": metrics.with_interval(rate, nats.sum(1), 4 * steps + 1),
        **{
            f"nats per sixteenth, {voice}": metrics.with_interval(rate, nats[:, place], steps)
            for place, voice in enumerate(VOICES)
        },
    }


def compose(
    net: "keras.Model",
    pieces: Sequence[music.Chorale],
    samples: int,
    bars: int,
    *,
    temperature: float = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
) -> list[music.Chorale]:
    """Writes chorales in the keys and metres of pieces, taken in turn.

    Returns:
        List of `music.Chorale`s.
    """
    import tensorflow as tf

    write = model.endpoints(net)[0]["serving_default"][0]
    rows = [pieces[i % len(pieces)] for i in range(samples)]
    written: list[Any] = [None] * samples
    keys = [key_and_bar(piece)[0] for piece in rows]
    lengths = [key_and_bar(piece)[1] for piece in rows]
    for bar in sorted(set(lengths)):
        mine = [i for i in range(samples) if lengths[i] == bar]
        facts = [(keys[i][0], keys[i][1] == "minor", bar, rows[i].pickup, seed + i) for i in mine]
        names = ("tonic", "minor", "bar", "pickup", "seed")
        inputs = {name: tf.constant(column, tf.int32) for name, column in zip(names, np.array(facts).T, strict=True)}
        inputs["temperature"], inputs["top_p"] = (tf.fill([len(mine)], float(each)) for each in (temperature, top_p))
        answer = write(steps=tf.constant(bars * bar), particles=tf.constant(1), **inputs)
        for place, i in enumerate(mine):
            pitches, onsets = answer["pitches"][place].numpy(), answer["onsets"][place].numpy()
            notes = pitches.astype(np.int16), onsets
            written[i] = music.Chorale(f"sample-{i}", *notes, key=keys[i], bar=bar, pickup=rows[i].pickup)
    return written


def harmony(written: Sequence[music.Chorale], pieces: Sequence[music.Chorale]) -> dict[str, dict[str, float]]:
    """Rules per bar of written chorales beside the pieces' own, and divergences from the pieces, all moved to C.

    The pieces' own divergence is that of their one half from the other.
    """
    moved, reference = ([music.transpose(each, _to_c(each)) for each in group] for group in (written, pieces))
    own = music.divergences(reference[::2], reference[1::2]) if len(pieces) > 1 else {}
    apart = music.divergences(moved, reference)
    return {"written": {**music.rules(written), **apart}, "pieces": {**music.rules(pieces), **own}}


def _to_c(piece):
    return -piece.key[0] if piece.key[0] < 7 else 12 - piece.key[0]


def _write(folder, rows, written):
    table, picture, sound = folder / "harmony.csv", folder / "sample.png", folder / "sample.mid"

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["measure", *rows])
            for name in rows["written"]:
                writer.writerow([name, *(rows[each].get(name, "") for each in rows)])

    write_atomically(table, write)
    first = next((each for each in written if each.onsets.any()), None)
    if first is None:
        return [table]
    music.write_piano_roll(picture, first.pitches, first.onsets, bar=first.bar, pickup=first.pickup, title=first.name)
    files = [table, picture]
    if generate.written(sound, lambda: music.write_midi(sound, first.pitches, first.onsets, tempo=80, program=19)):
        files.append(sound)
    return files
