"""Piano rolls and melodies from files: MIDI, ABC, MusicXML, and JSON as the JSB chorales come."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp.files import existing, read_json, visible_files
from kerasmlsp.music.grid import length, moves, roll_of, skyline
from kerasmlsp.music.pieces import KEYS, LOWEST, STEPS_PER_QUARTER, Melody, Tune
from kerasmlsp.music.scores import ABC, MIDI, MUSICXML, read_scores, tell_metres, warned

_KINDS = (*MIDI, *ABC, *MUSICXML, ".json")

_log = logging.getLogger("kerasmlsp")


def read_rolls(path: str | Path, *, steps_per_quarter: int = 1, recursive: bool = True) -> list[Tune]:
    """Reads every piece of a file or folder as a piano roll of 88 keys.

    A key sounds at a step where a note covers the step's first moment, as in the JSB chorales, after notes late by less
    than an eighth of a quarter and half a step were put in time; so changes of tempo do not matter, and notes between
    two moments of the grid are left out, as are drums, chord symbols and pitches outside the keyboard. The log says how
    many were moved or left out; 12 steps hold sixteenths and triplets of eighths. Pitches are as they sound, also of
    instruments that transpose. Repeats in ABC and MusicXML are not played twice. JSON holds one step after another
    already: `steps_per_quarter` does not change it.

    Reference: Boulanger-Lewandowski, Bengio and Vincent, ICML 2012, "Modeling temporal dependencies in high-dimensional
    sequences".

    Args:
        path: File or folder: .mid, .midi, .abc, .musicxml, .mxl, .xml, or .json: `{"train": pieces, "valid": pieces,
            "test": pieces}` or `pieces` alone, a piece being a list of steps, a step a list of MIDI pitches.
        steps_per_quarter: Steps of the grid in a quarter note, at least 1.
        recursive: Whether to read the folders in a folder, too.

    Returns:
        List of `Tune`s, sorted by file, in the order of the file.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ModuleNotFoundError: The extra is not installed: `pip install -e '.[music]'`. ABC and JSON do without.
        ValueError: The file has an unknown ending, is damaged or holds no notes. In a folder such a file is left out
            with a warning in the log, and it is an error that none is left.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "tiny.json").write_text('{"train": [[[60, 64], [60]]]}')
        ...     [tune] = read_rolls(Path(folder, "tiny.json"))
        >>> tune.name, tune.split, tune.roll.sum(axis=1).tolist()  # two notes, then one
        ('tiny-train-0', 'train', [2, 1])
    """
    if not isinstance(steps_per_quarter, int) or steps_per_quarter < 1:
        raise ValueError(f"`steps_per_quarter` must be a positive integer. Received: {steps_per_quarter!r}")
    moved: list[np.ndarray] = []
    tunes = from_each_file(path, lambda file: _rolls(file, steps_per_quarter, moved), recursive=recursive)
    tell_moved(path, moved, steps_per_quarter)
    return tunes


def read_melody(path: str | Path) -> Melody:
    r"""Reads the melody of a file: the highest notes of the part that lies highest, on the grid of sixteenths.

    Notes go to the nearest sixteenth (those of triplets to the later one), short ones last one, and the log says how
    many were moved or left out. Pitches are as they sound, also of instruments that transpose.

    Args:
        path: File: .mid, .midi, .abc, .musicxml, .mxl or .xml. Of a collection in ABC the first tune is read.

    Raises:
        FileNotFoundError: There is no such file.
        ModuleNotFoundError: The extra is not installed: `pip install -e '.[music]'`. ABC and JSON do without.
        ValueError: The file has an unknown ending, is damaged or holds no notes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "scale.abc").write_text("X:1\nL:1/8\nK:C\nCDE|\n")
        ...     melody = read_melody(Path(folder, "scale.abc"))
        >>> melody.pitches.tolist()  # eighths on the grid of sixteenths
        [60, 60, 62, 62, 64, 64]
    """
    score = read_scores(_file(path))[0]
    steps = length(score.parts, STEPS_PER_QUARTER)
    # By time, not by count: many short notes in an accompaniment do not outweigh a long one.
    highest = max(score.parts, key=lambda part: np.average(part.notes[:, 2], weights=_durations(part.notes)))
    pitches, onsets = skyline(highest.notes, steps)
    if not onsets.any():
        raise ValueError(f"`path` must hold notes on the grid of sixteenths. Received: {path}, which holds none")
    tell_moved(path, [moves([highest], STEPS_PER_QUARTER)], STEPS_PER_QUARTER)
    tell_metres(path, [score])
    return Melody(score.name, pitches, onsets, score.key, score.bar, score.pickup)


def from_each_file(path: str | Path, read: Callable[[Path], list], *, recursive: bool = True) -> list:
    """Joins the lists that `read` returns for a file, or for each file in a folder that holds music.

    Raises:
        ValueError: `read` raises it for the file, or for all files of a folder; otherwise it is logged as a warning.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.json", "a.abc", "notes.txt"):
        ...         _ = Path(folder, name).write_text("")
        ...     from_each_file(folder, lambda file: [file.name])
        ['a.abc', 'b.json']
    """
    path, pieces = existing(path), []
    if path.is_file():
        return read(path)
    for file in music_files(path, recursive=recursive):
        try:
            pieces += read(file)
        except ValueError as error:
            warned(error)
    if not pieces:
        raise ValueError(_none(path))
    return pieces


def music_files(path: str | Path, *, recursive: bool = True) -> list[Path]:
    """Returns a file of music, or those of a folder.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: There is none with an ending of music.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "a.abc").touch()
        ...     [file.name for file in music_files(folder)]
        ['a.abc']
    """
    path = existing(path)
    files = visible_files(path, _KINDS) if path.is_dir() else [path] if path.suffix.lower() in _KINDS else []
    found = [file for file in files if recursive or path in (file, file.parent)]
    if not found:
        raise ValueError(_none(path))
    return found


def _none(path):
    return f"`path` must hold music in files ending in {', '.join(_KINDS)}. Received: {path}"


def each_piece(pieces: Iterable, read: Callable[[Any], Any]) -> list:
    """Returns what `read` makes of the pieces of a file; those that it refuses are left out where it takes others.

    Raises:
        ValueError: `read` raises it for every piece; that of the first.

    Example:
        >>> each_piece(["60", "67"], int)
        [60, 67]
    """
    taken, failures = [], []
    for piece in pieces:
        try:
            taken.append(read(piece))
        except ValueError as error:
            failures.append(error)
    for failure in failures:
        if not taken:
            raise failure
        warned(failure)
    return taken


def read_steps(path: Path) -> list[tuple[str, str | None, list]]:
    """Reads JSON in the format of the JSB chorales.

    Returns:
        Tuples of a name, the split or None, and the piece: a list of steps, each a list of MIDI pitches as int; numbers
        below 1 and NaN, which stand for silence in some versions, are 0.

    Raises:
        ValueError: The file is damaged or of another form. A single piece of another form is left out with a warning.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "tiny.json").write_text("[[[60, 64], [60]], [[67]]]")
        ...     read_steps(Path(folder, "tiny.json"))
        [('tiny-0', None, [[60, 64], [60]]), ('tiny-1', None, [[67]])]
    """
    content = read_json(path)
    splits = content if isinstance(content, dict) else {None: content}
    form = '{"train": [[[60, 64], [60]]]}: splits of pieces of steps of MIDI pitches'
    try:
        numbered = [(split, number, piece) for split, group in splits.items() for number, piece in enumerate(group)]
    except TypeError as error:
        raise ValueError(f"`path` must hold JSON like {form}. Received: {path} ({error})") from error

    def read(numbered):
        split, number, piece = numbered
        name = "-".join(str(part) for part in (path.stem, split, number) if part is not None)
        try:
            return name, split, [[_pitch(pitch) for pitch in step] for step in piece]
        except (TypeError, ValueError) as error:
            raise ValueError(f"`path` must hold JSON like {form}. Received: {path}, piece {name} ({error})") from error

    pieces = each_piece(numbered, read)
    if not any(step for _, _, piece in pieces for step in piece):
        raise ValueError(f"`path` must hold notes. Received: {path}, which holds none")
    return pieces


def _pitch(number) -> int:
    if isinstance(number, str | bool) or not (number != number or number == int(number) <= 127):
        raise ValueError(f"{number!r} is no MIDI pitch")
    return int(number) if number > 0 else 0


def tell_moved(path: str | Path, moved: list[np.ndarray], steps_per_quarter: int) -> None:
    """Logs how many notes, of how many, were moved to the grid by more than an eighth of a step, or left out.

    Args:
        path: What was read.
        moved: Of each score, see `grid.moves`.
        steps_per_quarter: Of the grid.

    Example:
        >>> import unittest
        >>> with unittest.TestCase().assertLogs("kerasmlsp") as log:
        ...     tell_moved("a.mid", [np.array([0.0, 0.1, np.nan])], steps_per_quarter=4)
        >>> log.records[0].getMessage().split(", by")[0]
        'a.mid: of 3 notes, 1 were moved to the grid of 4 steps in a quarter'
    """
    quarters = np.abs(np.concatenate([np.empty(0), *moved]))
    far, left_out = np.count_nonzero(quarters > 1 / 8 / steps_per_quarter), np.count_nonzero(np.isnan(quarters))
    if far or left_out:
        message = "%s: of %d notes, %d were moved to the grid of %d steps in a quarter, by up to %.2g quarters, "
        message += "and %d between two steps were left out."
        farthest = np.nanmax(quarters, initial=0)
        _log.info(message, path, quarters.size, far, steps_per_quarter, farthest, left_out)


def _rolls(path: Path, steps_per_quarter: int, moved: list[np.ndarray]) -> list[Tune]:
    if path.suffix.lower() == ".json":
        return [Tune(name, _roll(piece), None, split) for name, split, piece in read_steps(path)]
    scores = read_scores(path)
    tunes = [Tune(score.name, *roll_of(score.parts, steps_per_quarter)) for score in scores]
    moved += [moves(score.parts, steps_per_quarter) for score in scores]
    tunes = [tune for tune in tunes if tune.roll.any()]
    if not tunes:
        raise ValueError(f"`path` must hold notes of a piano on the grid. Received: {path}, which holds none")
    return tunes


def _roll(piece: list) -> np.ndarray:
    roll = np.zeros((len(piece), 128), bool)
    for step, pitches in enumerate(piece):
        roll[step, pitches] = True
    return roll[:, LOWEST : LOWEST + KEYS]


def _durations(notes: np.ndarray) -> np.ndarray:
    return np.maximum(notes[:, 1] - notes[:, 0], 1e-9)


def _file(path) -> Path:
    path = existing(path)
    if path.is_dir():
        raise ValueError(f"`path` must be a file, not a folder. Received: {path}")
    return path
