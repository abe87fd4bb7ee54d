"""Transposition of chorales, within what the voices of the training set sing."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.music.pieces import REST, Chorale


def compass(chorales: Sequence[Chorale]) -> np.ndarray:
    """Returns the lowest and highest pitch of every voice in a set of chorales.

    Args:
        chorales: `Chorale`s, at least one.

    Returns:
        MIDI pitches, int `(4, 2)`: the lowest and the highest of each voice, soprano first.

    Raises:
        ValueError: A voice never sings.

    Example:
        >>> pitches = np.array([[72, 67, 64, 48], [74, 67, 62, 50]])
        >>> compass([Chorale("C, G", pitches, pitches > 0)]).tolist()
        [[72, 74], [67, 67], [62, 64], [48, 50]]
    """
    pitches = np.concatenate([np.empty((0, 4), int), *(chorale.pitches for chorale in chorales)])
    sung = pitches != REST
    if not sung.any(0).all():
        raise ValueError("`chorales` must have notes in every voice. Received: a voice without any")
    return np.stack([np.where(sung, pitches, 128).min(0), np.where(sung, pitches, -1).max(0)], axis=1)


def transpositions(chorale: Chorale, ranges: ArrayLike) -> range:
    """Returns the semitones by which a chorale may be moved such that every voice stays within its range.

    With lowest and highest note `a[v]` and `b[v]` of the chorale and the range `(low[v], high[v])`, these are the
    numbers from `max(low - a)` to `min(high - b)`.

    Args:
        chorale: The piece.
        ranges: Lowest and highest MIDI pitch of each voice, `(4, 2)`, as `compass` of the training set returns them.

    Returns:
        A `range`, which holds 0 where the piece itself is within the ranges, and may be empty.

    Example:
        >>> pitches = np.array([[72, 67, 64, 48], [74, 67, 62, 50]])
        >>> ranges = [(60, 79), (55, 74), (48, 67), (40, 60)]
        >>> transpositions(Chorale("C, G", pitches, pitches > 0), ranges)  # bass and tenor go no further
        range(-8, 4)
    """
    ranges = np.asarray(ranges)
    sung = chorale.pitches != REST
    # A voice that rests throughout sets no limit but the range of MIDI.
    lowest = np.where(sung, chorale.pitches, 127).min(0, initial=127)
    highest = np.where(sung, chorale.pitches, 0).max(0, initial=0)
    return range(int((ranges[:, 0] - lowest).max()), int((ranges[:, 1] - highest).min()) + 1)


def transpose(chorale: Chorale, semitones: int, *, ranges: ArrayLike | None = None) -> Chorale:
    """Moves a chorale up (or down, where negative) by semitones; rests stay rests, and the key moves along.

    Args:
        chorale: The piece.
        semitones: By how much.
        ranges: Lowest and highest MIDI pitch allowed in each voice, `(4, 2)`; None for all of MIDI, 1 to 127.

    Returns:
        A new `Chorale`.

    Raises:
        ValueError: A voice would leave its range.

    Example:
        >>> pitches = np.array([[72, 67, 0, 48]])
        >>> moved = transpose(Chorale("C", pitches, pitches > 0, key=(0, "major")), 2)
        >>> moved.pitches.tolist(), moved.key
        ([[74, 69, 0, 50]], (2, 'major'))
    """
    allowed = transpositions(chorale, [(1, 127)] * 4 if ranges is None else ranges)
    if semitones not in allowed:
        words = f"between {allowed[0]} and {allowed[-1]}" if allowed else "none: no transposition fits"
        raise ValueError(f"`semitones` must be {words} for {chorale.name!r}. Received: {semitones!r}")
    pitches = np.where(chorale.pitches == REST, REST, chorale.pitches + semitones).astype(np.int16)
    key = chorale.key and ((chorale.key[0] + semitones) % 12, chorale.key[1])
    return dataclasses.replace(chorale, pitches=pitches, key=key)
