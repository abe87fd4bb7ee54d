"""Notes, which begin and end at any time, on a grid of equal steps."""

from typing import NamedTuple

import numpy as np

from kerasmlsp.music.pieces import KEYS, LOWEST, REST, STEPS_PER_QUARTER, begins

_LATE = 1 / 8
"""Quarters by which a note may be late and still be on time: half a sixteenth, so that at sixteenths each note goes to
the nearest step, while on a coarser grid notes between two steps stay between them."""

_HALF = 0.499  # of a step, the most that is ever late: what lies in the middle goes to the later step
_THIRD = 1 / 100  # so near to a third of a step is a note of a triplet: three in a half are 3 + 3 + 2 sixteenths


class Part(NamedTuple):
    """One voice or instrument: its name, and notes `(notes, 3)` as start and end in quarters and MIDI pitch.

    Example:
        >>> part = Part("soprano", np.array([[0, 1, 60], [1, 3, 64]]))
        >>> (part.notes[:, 1] - part.notes[:, 0]).tolist()  # lengths in quarters
        [1, 2]
    """

    name: str
    notes: np.ndarray


def sampled(notes: np.ndarray, steps_per_quarter: int) -> np.ndarray:
    """Puts notes on a grid: a note sounds at the steps whose first moment it covers, after rounding.

    Start and end go to the next step, or to the one before where they are late by an eighth of a quarter at most and
    by less than half a step; so on sixteenths they go to the nearest, but those of triplets to the later one. A note
    too short to last until the next step lasts one step if its start was rounded, not moved. All other notes between
    two steps are left out, and so is one of two that would start together, but follow each other: rounding would sound
    it together with notes that it never meets.

    Args:
        notes: `(notes, 3)`, start and end in quarters and MIDI pitch.
        steps_per_quarter: Of the grid.

    Returns:
        int `(notes left, 3)`: first step, step after the last, MIDI pitch; sorted by pitch.

    Example:
        >>> sampled(np.array([[0.02, 1.0, 60], [1.0, 1.5, 64]]), steps_per_quarter=4).tolist()
        [[0, 4, 60], [4, 6, 64]]
    """
    kept, placed = _placed(notes, steps_per_quarter)
    placed = placed[kept]
    return placed[np.lexsort((placed[:, 0], placed[:, 2]))]


def _placed(notes: np.ndarray, steps_per_quarter: int) -> tuple[np.ndarray, np.ndarray]:
    """Which notes there is a place for, bool `(notes,)`, and first step, step after the last and pitch of all."""
    late = min(_LATE * steps_per_quarter, _HALF)
    times = np.asarray(notes, float)[:, :2] * steps_per_quarter
    triplet = (np.abs(times % 1 - 1 / 3) < _THIRD) & (late > 1 / 3)
    first, end = np.ceil(times - np.where(triplet, 0, late)).astype(int).T
    away = np.abs(times[:, 0] - first)
    kept = (times[:, 1] > times[:, 0]) & ((end > first) | (away <= late) | triplet[:, 0])
    for together in _groups(first, kept):
        if len(together) > 1:
            # The note that fills most of the step and is nearest to it: neither a grace note nor one in its middle.
            best = together[np.argmax((np.minimum(times[:, 1] - times[:, 0], 1) - away)[together])]
            meets = (times[together, 0] < times[best, 1]) & (times[together, 1] > times[best, 0])
            kept[together] = meets | (together == best)
    placed = np.column_stack([first, np.maximum(end, first + 1), np.asarray(notes)[:, 2].astype(int)])
    return kept, placed


def _groups(first: np.ndarray, kept: np.ndarray) -> list[np.ndarray]:
    """The places of those notes that start at the same step."""
    places = np.flatnonzero(kept)[np.argsort(first[kept], kind="stable")]
    return np.split(places, np.flatnonzero(np.diff(first[places])) + 1)


def moves(parts: list[Part], steps_per_quarter: int) -> np.ndarray:
    """Returns by how many quarters `sampled` moves the start of each note; NaN where it leaves the note out.

    Example:
        >>> moves([Part("piano", np.array([[0.02, 1.0, 60], [1.0, 1.5, 64]]))], steps_per_quarter=4).round(3).tolist()
        [-0.02, 0.0]
    """
    moved = []
    for part in parts:
        kept, placed = _placed(part.notes, steps_per_quarter)
        moved.append(np.where(kept, placed[:, 0] / steps_per_quarter - part.notes[:, 0], np.nan))
    return np.concatenate(moved)


def length(parts: list[Part], steps_per_quarter: int) -> int:
    """Returns the number of steps until the last note has ended.

    Example:
        >>> length([Part("piano", np.array([[0, 1, 60], [1, 1.5, 64]]))], steps_per_quarter=4)
        6
    """
    return max((int(sampled(part.notes, steps_per_quarter)[:, 1].max(initial=0)) for part in parts), default=0)


def skyline(notes: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the highest note at each sixteenth: pitches int16, 0 for a rest, and onsets bool, both `(steps,)`.

    Example:
        >>> pitches, onsets = skyline(np.array([[0, 1, 60], [0.25, 0.5, 64]]), steps=4)
        >>> pitches.tolist(), onsets.tolist()
        ([60, 64, 60, 60], [True, True, True, False])
    """
    pitches, onsets = np.full(steps, REST, np.int16), np.zeros(steps, bool)
    for first, end, pitch in sampled(notes, STEPS_PER_QUARTER):  # by pitch: the higher overwrites the lower
        pitches[first:end] = pitch
        onsets[first:end] = False
        onsets[first] = True
    return pitches, begins(pitches, onsets)


def roll_of(parts: list[Part], steps_per_quarter: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the keys of a piano that sound and that are struck at each step, both bool `(steps, 88)`.

    Example:
        >>> sounding, struck = roll_of([Part("piano", np.array([[0, 2, 60], [1, 2, 64]]))], steps_per_quarter=1)
        >>> [(np.flatnonzero(step) + LOWEST).tolist() for step in sounding]
        [[60], [60, 64]]
        >>> struck.sum(axis=1).tolist()
        [1, 1]
    """
    steps = length(parts, steps_per_quarter)
    sounding, struck = np.zeros((steps, 128), bool), np.zeros((steps, 128), bool)
    for part in parts:
        for first, end, pitch in sampled(part.notes, steps_per_quarter):
            sounding[first:end, pitch] = True
            struck[first, pitch] = True
    keyboard = slice(LOWEST, LOWEST + KEYS)
    return sounding[:, keyboard], struck[:, keyboard]
