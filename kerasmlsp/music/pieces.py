"""What music is here: dataclasses of arrays on a grid of equal steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

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

    Example:
        >>> roll = np.zeros((2, KEYS), bool)
        >>> roll[:, [60 - LOWEST, 64 - LOWEST]] = True
        >>> tune = Tune("C and E", roll)
        >>> (np.flatnonzero(tune.roll[0]) + LOWEST).tolist()
        [60, 64]
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

    Example:
        >>> pitches = np.array([[72, 67, 64, 48]] * 4, np.int16)
        >>> chorale = Chorale("a quarter of C major", pitches, begins(pitches), key=(0, "major"))
        >>> chorale.onsets.all(axis=1).tolist()  # struck once, and held
        [True, False, False, False]
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
    """One voice on the grid of sixteenths: as `Chorale`, but pitches and onsets are `(steps,)`.

    Example:
        >>> pitches = np.array([67, 67, 0, 67], np.int16)
        >>> Melody("G", pitches, begins(pitches)).onsets.tolist()
        [True, False, False, True]
    """

    name: str
    pitches: np.ndarray
    onsets: np.ndarray
    key: tuple[int, str] | None = None
    bar: int | None = None
    pickup: int = 0


def begins(pitches: np.ndarray, onsets: ArrayLike | None = None) -> np.ndarray:
    """Tells where notes begin: at an onset, and wherever the pitch changes to one that sounds.

    Args:
        pitches: MIDI pitches, `(steps,)` or `(steps, voices)`, 0 for a rest.
        onsets: Whether a note begins, bool of the same shape; None where only changes of pitch are known.

    Returns:
        Bool of the same shape, False at rests.

    Example:
        >>> begins(np.array([60, 60, 62, 0])).tolist()
        [True, False, True, False]
        >>> begins(np.array([60, 60, 62, 0]), onsets=np.array([True, True, True, False])).tolist()
        [True, True, True, False]
    """
    before = np.concatenate([np.zeros_like(pitches[:1]), pitches[:-1]])
    starts = pitches != before
    if onsets is not None:
        starts = starts | np.asarray(onsets, bool)
    return starts & (pitches != REST)
