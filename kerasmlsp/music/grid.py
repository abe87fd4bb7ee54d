"""Notes, which begin and end at any time, on a grid of equal steps."""

from typing import NamedTuple

import numpy as np

from kerasmlsp.music.pieces import KEYS, LOWEST, REST, STEPS_PER_QUARTER, begins

_LATE = 1 / 8  # of a step; played and rounded notes begin a little late, and would be missed where they belong


class Part(NamedTuple):
    """One voice or instrument: its name, and notes `(notes, 3)` as start and end in quarters and MIDI pitch."""

    name: str
    notes: np.ndarray


def sampled(notes: np.ndarray, steps_per_quarter: int) -> np.ndarray:
    """Puts notes on a grid: a note sounds at the steps whose first moment it covers.

    A start up to an eighth of a step late is on time. Notes between two moments of the grid are left out: rounding
    would sound them together with notes that they never meet.

    Args:
        notes: `(notes, 3)`, start and end in quarters and MIDI pitch.
        steps_per_quarter: Of the grid.

    Returns:
        int `(notes left, 3)`: first step, step after the last, MIDI pitch; sorted by pitch.
    """
    times = np.ceil(np.asarray(notes)[:, :2] * steps_per_quarter - _LATE).astype(int)
    placed = np.column_stack([times, np.asarray(notes)[:, 2].astype(int)])
    placed = placed[placed[:, 0] < placed[:, 1]]
    return placed[np.lexsort((placed[:, 0], placed[:, 2]))]


def length(parts: list[Part], steps_per_quarter: int) -> int:
    """Returns the number of steps until the last note has ended."""
    return max((int(sampled(part.notes, steps_per_quarter)[:, 1].max(initial=0)) for part in parts), default=0)


def skyline(notes: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the highest note at each sixteenth: pitches int16, 0 for a rest, and onsets bool, both `(steps,)`."""
    pitches, onsets = np.full(steps, REST, np.int16), np.zeros(steps, bool)
    for first, end, pitch in sampled(notes, STEPS_PER_QUARTER):  # by pitch: the higher overwrites the lower
        pitches[first:end] = pitch
        onsets[first:end] = False
        onsets[first] = True
    return pitches, begins(pitches, onsets)


def roll_of(parts: list[Part], steps_per_quarter: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the keys of a piano that sound and that are struck at each step, both bool `(steps, 88)`."""
    steps = length(parts, steps_per_quarter)
    sounding, struck = np.zeros((steps, 128), bool), np.zeros((steps, 128), bool)
    for part in parts:
        for first, end, pitch in sampled(part.notes, steps_per_quarter):
            sounding[first:end, pitch] = True
            struck[first, pitch] = True
    keyboard = slice(LOWEST, LOWEST + KEYS)
    return sounding[:, keyboard], struck[:, keyboard]
