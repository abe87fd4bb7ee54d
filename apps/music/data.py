"""Chorales: which are held out, and windows of them as tokens."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasmlsp import files, music
from kerasmlsp.apps.music.config import Config
from kerasmlsp.apps.music.keys import key_and_bar, key_of
from kerasmlsp.music import scores
from kerasmlsp.targets.chorale_tokens import BARS, HOLD, KEY, LOWEST, METRE, PHASE, PITCH, PITCHES, REST, START, STOP

_HIGHEST = LOWEST + PITCHES - 1
_ORDER = [0, 3, 2, 1]  # of the tokens: soprano, bass, tenor, alto
_MOTIF = 8  # intervals
_SAME = 0.5  # share of motifs
_REASONS = {
    "at most four notes at once": "of more than four notes at once",
    "Notes must be between": "out of the voices' reach",
    "at least four sixteenths": "too short",
    "must hold notes": "without notes",
    "whole file of the kind": "damaged",
    "in ABC notation": "damaged",
    "JSON like": "damaged",
    "is damaged: ": "damaged",
    "quarters. Received": "too long",
}

log = logging.getLogger("kerasmlsp")


def read(
    path: str | Path | None = None, *, json_steps_per_quarter: int = 4
) -> tuple[list[music.Chorale], dict[str, int]]:
    """Reads chorales, each with a key and a metre.

    Args:
        path: File or folder, see `music.read_chorales`; None for Bach's in the corpus of music21.
        json_steps_per_quarter: Steps in a quarter note of JSON.

    Returns:
        List of `music.Chorale`s with at least four steps, whose key is estimated where the file does not tell it; and
        how many pieces were left out, by reason.

    Raises:
        ValueError: The data cannot be used, or every piece is too short or has notes out of the four voices' reach.
    """
    with scores.left_out() as problems:
        pieces = []
        for piece in music.read_chorales(path, json_steps_per_quarter=json_steps_per_quarter):
            try:
                pieces.append(completed(piece))
            except ValueError as error:
                scores.warned(error)
    counts = files.reasons(problems, _REASONS)
    if not pieces:
        raise ValueError(problems[0])
    if problems:
        log.warning("Left out %d of %d pieces: %s.", len(problems), len(problems) + len(pieces), files.listed(counts))
    return pieces, counts


def completed(piece: music.Chorale) -> music.Chorale:
    """Returns a chorale with a key, a bar of known length and a pickup.

    Raises:
        ValueError: It is shorter than four steps, or has notes out of the four voices' reach.
    """
    if len(piece.pitches) < 4:
        raise ValueError(f"`--data` must hold pieces of at least four sixteenths. Received: {piece.name}")
    sung = piece.pitches[piece.pitches != 0]
    if sung.size and not LOWEST <= sung.min() <= sung.max() <= _HIGHEST:
        raise ValueError(
            f"Notes must be between MIDI pitch {LOWEST} and {_HIGHEST} for four voices. "
            f"Received: {sung.min()} to {sung.max()} in {piece.name}"
        )
    bar = piece.bar if piece.bar in BARS else BARS[0]
    return dataclasses.replace(piece, key=piece.key or key_of(piece.pitches), bar=bar, pickup=piece.pickup % bar)


def melodies(pieces: Sequence[music.Chorale]) -> np.ndarray:
    """Numbers pieces by melody: two have one where half of the motifs of the shorter soprano are in the other.

    A motif is eight intervals in a row, so that transposition, metre and metrical shift make no difference.
    """
    motifs = []
    for piece in pieces:
        leaps = np.diff(piece.pitches[piece.onsets[:, 0], 0].astype(int))
        motifs.append({tuple(leaps[i : i + _MOTIF]) for i in range(max(1, len(leaps) - _MOTIF + 1))})
    group = list(range(len(pieces)))
    for second in range(len(pieces)):
        for first in range(second):
            shared = len(motifs[first] & motifs[second])
            if shared >= _SAME * min(len(motifs[first]), len(motifs[second])):
                old, new = group[second], group[first]
                group = [new if each == old else each for each in group]
    return np.array(group)


def split(pieces: Sequence[music.Chorale], config: Config) -> dict[str, list[music.Chorale]]:
    """Divides pieces such that no melody is in two parts, or as the file says.

    Args:
        pieces: List of `music.Chorale`s.
        config: The configuration, for `split_seed`, `test_share` and `validation_share`.

    Returns:
        Dict of "train", "valid" and "test" to lists of pieces.

    Raises:
        ValueError: There are fewer than three melodies, or the file's own split lacks a part.
    """
    if any(piece.split for piece in pieces):
        parts = {name: [piece for piece in pieces if piece.split == name] for name in ("train", "valid", "test")}
        if lacking := [name for name, part in parts.items() if not part]:
            raise ValueError(f"A file that names a split must have train, valid and test. Received: no {lacking[0]}")
        return parts
    groups = melodies(pieces)
    order = np.random.default_rng(config.split_seed).permutation(np.unique(groups))
    if len(order) < 3:
        raise ValueError(f"`--data` must hold at least 3 pieces of different melody. Received: {len(order)}")
    parts, rest = {}, list(order)
    for name, share, needed in (("test", config.test_share, 2), ("valid", config.validation_share, 1)):
        parts[name] = []
        while not parts[name] or (len(parts[name]) < share * len(pieces) and len(rest) > needed):
            chosen = rest.pop()
            parts[name] += [piece for piece, group in zip(pieces, groups, strict=True) if group == chosen]
    return {"train": [piece for piece, group in zip(pieces, groups, strict=True) if group in rest], **parts}


def tokens(piece: music.Chorale, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Encodes steps `start` to `stop` of a completed chorale: int32 `(4 + 4 * steps + 1,)`, `STOP` only at its end."""
    body = np.concatenate([steps(piece, struck=True)[start : start + 1], steps(piece)[start + 1 : stop]])
    ended = [STOP] if stop is None or stop >= len(piece.pitches) else []
    return np.array([*preface(piece, start), *body.ravel(), *ended], np.int32)


def steps(piece: music.Chorale, *, struck: bool = False) -> np.ndarray:
    """The tokens of every step, int32 `(steps, 4)`; `struck` begins each note anew in every step."""
    pitches, onsets = piece.pitches[:, _ORDER].astype(int), piece.onsets[:, _ORDER]
    silent = pitches == 0
    begins = np.where(silent, np.vstack([np.ones((1, 4), bool), ~silent[:-1]]), onsets)
    begins[0] = True
    return np.where(begins | struck, np.where(silent, REST, pitches - LOWEST + PITCH), HOLD).astype(np.int32)


def preface(piece: music.Chorale, start: int = 0) -> tuple[int, int, int, int]:
    """The tokens before step `start`: `START`, key, metre and where in the bar that step is."""
    (tonic, mode), bar = key_and_bar(piece)
    metre = BARS.index(bar) + (len(BARS) if start else 0)
    return START, KEY + tonic + 12 * (mode == "minor"), METRE + metre, PHASE + (start - piece.pickup) % bar
