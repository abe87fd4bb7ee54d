"""Keys: their names, and which one a piece is in."""

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from kerasmlsp.music import Chorale

_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
# How well each pitch class fits C major and C minor: Krumhansl and Kessler 1982.
_PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)


def parse_key(text: str) -> tuple[int, str]:
    """Returns tonic (0 for C to 11) and "major" or "minor" of a name: C, Bb major, F# minor, am, e (in minor).

    Raises:
        ValueError: The name is of no key.
    """
    found = re.fullmatch(r"([A-Ga-g])([#b]?)\s*(major|minor|m)?", text.strip())
    if not found:
        raise ValueError(f"`--key` must be a key such as C, Bb major, F# minor or em. Received: {text!r}")
    letter, accidental, mode = found.groups()
    minor = mode in ("minor", "m") or (mode is None and letter.islower())
    tonic = (_LETTERS[letter.lower()] + {"#": 1, "b": -1, "": 0}[accidental]) % 12
    return tonic, "minor" if minor else "major"


def key_name(key: tuple[int, str]) -> str:
    """Returns the name of a key: `(9, "minor")` is A minor."""
    return f"{_NAMES[key[0]]} {key[1]}"


def key_and_bar(piece: "Chorale") -> tuple[tuple[int, str], int]:
    """Returns the key of a piece and the length of a bar in steps.

    Raises:
        ValueError: The piece lacks one of them.
    """
    if piece.key is None or piece.bar is None:
        raise ValueError(f"`piece` must have a key and a bar. Received: {piece.name}, key={piece.key}, bar={piece.bar}")
    return piece.key, piece.bar


def key_of(pitches: ArrayLike) -> tuple[int, str]:
    """Estimates the key of MIDI pitches (0 for a rest) by how their pitch classes correlate with those of each key.

    Reference: Krumhansl 1990, "Cognitive Foundations of Musical Pitch".
    """
    pitches = np.asarray(pitches)
    counts = np.bincount(pitches[pitches > 0] % 12, minlength=12).astype(float)
    if not counts.any():
        return 0, "major"
    fits = [[np.corrcoef(np.roll(profile, tonic), counts)[0, 1] for tonic in range(12)] for profile in _PROFILES]
    mode, tonic = np.unravel_index(np.argmax(np.nan_to_num(fits)), (2, 12))
    return int(tonic), ("major", "minor")[mode]
