"""What music is here: dataclasses of arrays on a grid of equal steps."""

from dataclasses import dataclass

import numpy as np

LOWEST, KEYS = 21, 88
"""The keyboard: MIDI pitch of its lowest key A0, and its number of keys; the highest is C8 = 108."""

VOICES = ("soprano", "alto", "tenor", "bass")

STEPS_PER_QUARTER = 4
"""The grid of `Chorale` and `Melody`: sixteenths."""

REST = 0
"""Stands for silence among MIDI pitches."""


@dataclass(frozen=True, eq=False)
class Tune:
    """A piece as the keys of a piano that sound at each step.

    Attributes:
        name: Where it comes from, unique within what was read together.
        roll: Whether a key sounds at a step, bool `(steps, 88)`; column 0 is A0, MIDI pitch 21.
        onsets: Whether a note begins there, bool `(steps, 88)`; None where the file does not tell. It tells a repeated
            note from a held one.
        split: "train", "valid" or "test" where the file tells it, otherwise None.
    """

    name: str
    roll: np.ndarray
    onsets: np.ndarray | None = None
    split: str | None = None


@dataclass(frozen=True, eq=False)
class Chorale:
    """Four voices on the grid of sixteenths.

    Attributes:
        name: Where it comes from.
        pitches: MIDI pitches, int16 `(steps, 4)`, soprano, alto, tenor, bass; 0 is a rest.
        onsets: Whether a note begins at the step, bool `(steps, 4)`.
        key: Pitch class of the tonic, 0 (C) to 11 (B), and "major" or "minor"; None where the file does not tell.
        split: "train", "valid" or "test" where the file tells it, otherwise None.
        bar: Length of a bar in steps; None where the file does not tell or the length changes.
        pickup: Length of the incomplete first bar in steps, 0 where there is none.
    """

    name: str
    pitches: np.ndarray
    onsets: np.ndarray
    key: tuple[int, str] | None = None
    split: str | None = None
    bar: int | None = None
    pickup: int = 0


@dataclass(frozen=True, eq=False)
class Melody:
    """One voice on the grid of sixteenths: as `Chorale`, but pitches and onsets are `(steps,)`."""

    name: str
    pitches: np.ndarray
    onsets: np.ndarray
    key: tuple[int, str] | None = None
    bar: int | None = None
    pickup: int = 0


def begins(pitches: np.ndarray, onsets: np.ndarray | None = None) -> np.ndarray:
    """Tells where notes begin: at an onset, and wherever the pitch changes to one that sounds.

    Args:
        pitches: MIDI pitches, `(steps,)` or `(steps, voices)`, 0 for a rest.
        onsets: Whether a note begins, bool of the same shape; None where only changes of pitch are known.

    Returns:
        Bool of the same shape, False at rests.
    """
    before = np.concatenate([np.zeros_like(pitches[:1]), pitches[:-1]])
    starts = pitches != before
    if onsets is not None:
        starts = starts | np.asarray(onsets, bool)
    return starts & (pitches != REST)
