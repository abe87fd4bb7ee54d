"""Music in four voices, with nothing but the saved model."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files, music
from kerasmlsp.apps.music.config import ENDINGS
from kerasmlsp.apps.music.keys import key_and_bar, key_name, key_of

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

PITCHES = (28, 88)  # that there are tokens for
SOPRANO = (57, 81)  # what Bach's sing
METRES = {"4/4": 16, "3/4": 12}

log = logging.getLogger("kerasmlsp")


def new(bars: int, metre: str, key: tuple[int, str], pickup: int = 0) -> music.Chorale:
    """Returns an empty piece to be written: a `music.Chorale` of free places, whose pitches are -1."""
    steps = bars * METRES[metre]
    free = np.full((steps, 4), -1, np.int16)
    return _piece("chorale", free, np.zeros((steps, 4), bool), key, METRES[metre], 4 * pickup)


def continued(
    path: str | Path, bars: int, key: tuple[int, str] | None = None, pickup: int | None = None
) -> music.Chorale:
    """Reads a beginning and leaves `bars` free behind it.

    Raises:
        ValueError: The file holds no music in four voices.
    """
    piece = music.read_chorales(path)[0]
    # Two voices may meet in one note, but not all the time.
    several = [len(set(step) - {0}) for step in piece.pitches.tolist()]
    if np.median(several) < 3:
        raise ValueError(
            f"`--primer` must be in four voices. Received: {path}, mostly {int(np.median(several))} at once"
        )
    low, high = PITCHES
    sung = piece.pitches[piece.pitches > 0]
    if not low <= sung.min() <= sung.max() <= high:
        raise ValueError(
            f"`--primer` must lie between MIDI pitch {low} and {high}. Received: {sung.min()} to {sung.max()} in {path}"
        )
    # A whole number of bars, so that the last one written is whole, too.
    bar = piece.bar or METRES["4/4"]
    pickup = piece.pickup if pickup is None else 4 * pickup
    played = -(-(len(piece.pitches) - pickup) // bar) * bar + pickup
    left = played - len(piece.pitches) + bars * bar
    pitches = np.pad(piece.pitches, ((0, left), (0, 0)), constant_values=-1)
    onsets = np.pad(piece.onsets, ((0, left), (0, 0)))
    return _piece("continued", pitches, onsets, key or piece.key, bar, pickup)


def harmonised(path: str | Path, key: tuple[int, str] | None = None, pickup: int | None = None) -> music.Chorale:
    """Reads a melody and leaves three voices free below it; it is moved by octaves to where sopranos sing.

    Raises:
        ValueError: The file holds no melody, or one that is too wide for a soprano.
    """
    melody = music.read_melody(path)
    low, high = SOPRANO
    pitches = melody.pitches.astype(int)
    sung = pitches[pitches > 0]
    moves = [move for move in range(-60, 61, 12) if low <= sung.min() + move and sung.max() + move <= high]
    if not moves:
        raise ValueError(
            f"`--melody` must fit a soprano of MIDI pitch {low} to {high}, in any octave. "
            f"Received: {sung.min()} to {sung.max()} in {path}"
        )
    voices = np.full((len(pitches), 4), -1, np.int16)
    voices[:, 0] = np.where(pitches > 0, pitches + min(moves, key=abs), 0)
    onsets = np.zeros(voices.shape, bool)
    onsets[:, 0] = melody.onsets
    pickup = melody.pickup if pickup is None else 4 * pickup
    return _piece("harmonised", voices, onsets, key or melody.key, melody.bar or METRES["4/4"], pickup)


def _piece(name, pitches, onsets, key, bar, pickup):
    return music.Chorale(name, pitches, onsets, key or key_of(pitches), bar=bar, pickup=pickup)


def write(
    model: "SavedModel",
    piece: music.Chorale,
    *,
    seeds: Sequence[int],
    temperature: float = 0.8,
    top_p: float = 0.95,
    attempts: int = 16,
) -> list[tuple[music.Chorale, float | None]]:
    """Has the model write the free places of a piece.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        piece: As of `new`, `continued` or `harmonised`.
        seeds: One for each version wanted.
        temperature: Above 0 and low for the likely, 1 for the net's own probabilities.
        top_p: Share of the probability that is drawn from, up to 1.
        attempts: Pieces that are tried at once for each version, so that what is given behind becomes likely.

    Returns:
        List of pairs of a `music.Chorale` and its nats per sixteenth under the net: the less, the likelier.
    """
    rows, ((tonic, mode), bar) = len(seeds), key_and_bar(piece)
    facts = {"tonic": tonic, "minor": int(mode == "minor"), "bar": bar, "pickup": piece.pickup}
    inputs: dict[str, Any] = {name: [value] * rows for name, value in facts.items()}
    inputs |= {"temperature": [temperature] * rows, "top_p": [top_p] * rows, "seed": list(seeds), "particles": attempts}
    given = {"pitches": np.stack([piece.pitches] * rows), "onsets": np.stack([piece.onsets] * rows)}
    answer = model.call("complete", **given, **inputs)
    likelihoods = answer["nats"].tolist() if "nats" in answer else [None] * rows  # which older saved models lack
    found = zip(seeds, answer["pitches"], answer["onsets"], likelihoods, strict=True)
    return [
        (dataclasses.replace(piece, name=f"{piece.name}-{seed}", pitches=pitches.astype(np.int16), onsets=onsets), nats)
        for seed, pitches, onsets, nats in found
    ]


def generate(
    model: "SavedModel",
    piece: music.Chorale,
    output: str | Path,
    *,
    seeds: Sequence[int],
    tempo: float,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Writes versions of a piece, each as MIDI, WAV, MusicXML and a picture.

    Args:
        model: A loaded saved model.
        piece: As of `new`, `continued` or `harmonised`.
        output: Where to write: a folder, which is made where missing; or a file with one of `ENDINGS`, which the others
            get beside it. The names of several versions end in their seeds.
        seeds: One for each version.
        tempo: Quarter notes per minute.
        **settings: As of `write`.

    Returns:
        List of dicts of `name`, `key`, `bars`, `seed`, `nats per sixteenth` and `files`.
    """
    output, rows, (key, bar) = Path(output), [], key_and_bar(piece)
    single = output.suffix.lower() in ENDINGS
    (output.parent if single else output).mkdir(parents=True, exist_ok=True)
    for seed, (chorale, nats) in zip(seeds, write(model, piece, seeds=seeds, **settings), strict=True):
        path = output if single else output / f"{chorale.name}.mid"
        if single and len(seeds) > 1:
            path = output.with_name(f"{output.stem}-{seed}{output.suffix}")
        facts = {"key": key_name(key), "bars": len(chorale.pitches) / bar, "seed": seed}
        saved = [str(file) for file in save(chorale, path, tempo=tempo)]
        rows.append({"name": path.stem, **facts, "nats per sixteenth": nats, "files": saved})
    return rows


def save(chorale: music.Chorale, path: Path, *, tempo: float) -> list[Path]:
    """Writes a chorale as MIDI, WAV, MusicXML and a picture: the file `path`, with one of `ENDINGS`, and three beside.

    What needs a package that is not installed is left out, and the log says so.

    Returns:
        List of the paths.
    """
    notes, (key, bar) = (chorale.pitches, chorale.onsets), key_and_bar(chorale)
    title = f"{path.stem}, {key_name(key)}"
    writers = {
        ".mid": lambda file: music.write_midi(file, *notes, tempo=tempo, program=19, key=key),
        ".wav": lambda file: music.write_wav(file, *notes, tempo=tempo),
        ".musicxml": lambda file: music.write_musicxml(file, chorale, tempo=tempo),
        ".png": lambda file: music.write_piano_roll(file, *notes, bar=bar, pickup=chorale.pickup, title=title),
    }
    own = ENDINGS[path.suffix.lower()]
    paths = {ending: path if ending == own else path.with_suffix(ending) for ending in writers}
    writing = {file: functools.partial(files.write_atomically, file, writers[ending]) for ending, file in paths.items()}
    return [file for file, write in writing.items() if written(file, write)]


def written(path: Path, write: Callable[[], Any]) -> bool:
    """Calls `write` and tells whether the file is written, which some are not without the extra `music`."""
    try:
        write()
    except ModuleNotFoundError as error:
        log.warning("%s is not written. %s", path, error)
        return False
    return True
