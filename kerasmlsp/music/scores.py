"""Music files of every kind as lists of notes: MIDI through pretty_midi, MusicXML through music21.

Both are extras, and imported where they are used, so that importing this module costs nothing.
"""

import collections
import contextlib
import contextvars
import io
import logging
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasmlsp.extras import required
from kerasmlsp.music.abc_notation import Voice, read_tune
from kerasmlsp.music.grid import Part
from kerasmlsp.music.midi import mended
from kerasmlsp.music.pieces import STEPS_PER_QUARTER

MIDI = (".mid", ".midi")
ABC = (".abc",)
MUSICXML = (".musicxml", ".mxl", ".xml")

_LONGEST = 50_000  # quarters, half a day: a damaged file may claim years, and fill the memory

_log = logging.getLogger("kerasmlsp")
_left_out: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("left_out", default=None)


class Score(NamedTuple):
    """What a file holds: its parts that have notes, and what it tells of key and metre, as in `Chorale`.

    `metre` are beats and their unit, such as `(6, 8)`; None where the file does not tell it or it changes.

    Example:
        >>> score = Score("scale", [Part("piano", np.array([[0, 1, 60], [1, 2, 62]]))], (0, "major"), bar=16, pickup=0)
        >>> score.bar / STEPS_PER_QUARTER  # quarters
        4.0
    """

    name: str
    parts: list[Part]
    key: tuple[int, str] | None
    bar: int | None
    pickup: int
    metre: tuple[int, int] | None = None


def read_scores(path: Path) -> list[Score]:
    r"""Reads one file: several scores where it is a collection in ABC, otherwise one.

    Pitches are as they sound, also of instruments that transpose. Drums, grace notes and chord symbols that are not
    written out are left out; repeats are not played twice.

    Raises:
        ModuleNotFoundError: The extra `music` is not installed.
        ValueError: The ending is unknown, or the file is damaged or has no notes.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "scale.abc").write_text("X:1\nM:3/4\nL:1/4\nK:G\nGAB|\n")
        ...     [score] = read_scores(Path(folder, "scale.abc"))
        >>> score.key, score.bar, score.parts[0].notes.tolist()
        ((7, 'major'), 12, [[0.0, 1.0, 67.0], [1.0, 2.0, 69.0], [2.0, 3.0, 71.0]])
    """
    ending = path.suffix.lower()
    if ending in MIDI:
        scores = [_midi(path)]
    elif ending in ABC:
        scores = _abc(path)
    elif ending in MUSICXML:
        scores = [_musicxml(path)]
    else:
        raise ValueError(f"`path` must end in {', '.join(MIDI + ABC + MUSICXML)}. Received: {path}")
    if not any(score.parts for score in scores):
        raise ValueError(f"`path` must hold notes. Received: {path}, which holds none")
    for part in (part for score in scores for part in score.parts):
        if part.notes[:, 1].max() > _LONGEST:
            raise ValueError(f"`path` must hold at most {_LONGEST} quarters. Received: {path}, perhaps damaged")
    return [score for score in scores if score.parts]


@contextlib.contextmanager
def _explained(path):
    """mido and music21 meet a damaged file with whatever exception it leads them to."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ImportError) or (isinstance(error, OSError) and error.errno is not None):
            raise  # not there, not allowed, not installed: the file is not to blame
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise ValueError(
            f"`path` must be a whole file of the kind its ending says. Received: {path} ({reason})"
        ) from error


def _midi(path: Path) -> Score:
    pretty_midi = required("pretty_midi")
    content, count = mended(path.read_bytes())
    with _explained(path), warnings.catch_warnings():
        # Time signatures in later tracks are common, and pretty_midi's own ticks are undone below.
        warnings.filterwarnings("ignore", message="Tempo, Key or Time signature change events found on non-zero tracks")
        midi = pretty_midi.PrettyMIDI(io.BytesIO(content))
        parts = [_midi_part(midi, instrument) for instrument in midi.instruments if not instrument.is_drum]
    if count:
        _log.warning(
            "%s: %d events that MIDI does not allow were clipped or left out; its notes are kept.", path, count
        )
    key = None
    if len({change.key_number for change in midi.key_signature_changes}) == 1:
        number = midi.key_signature_changes[0].key_number
        key = (number % 12, "major" if number < 12 else "minor")
    metres = {(change.numerator, change.denominator) for change in midi.time_signature_changes}
    bars = [4 * STEPS_PER_QUARTER * numerator / denominator for numerator, denominator in metres]
    notes = [part for part in parts if len(part.notes)]
    return Score(path.stem, notes, key, _single(bars), 0, _same(metres))


def _midi_part(midi, instrument) -> Part:
    # In ticks, not seconds: a change of tempo must not move the grid.
    quarters = [
        (midi.time_to_tick(note.start) / midi.resolution, midi.time_to_tick(note.end) / midi.resolution, note.pitch)
        for note in instrument.notes
    ]
    return Part(instrument.name, np.array(quarters, float).reshape(-1, 3))


def _single(bars) -> int | None:
    """The one length of all bars in steps, or None."""
    return int(bars[0]) if len(set(bars)) == 1 and bars[0] == int(bars[0]) and bars[0] >= 1 else None


def _same(metres: Iterable[tuple[int, int]]) -> tuple[int, int] | None:
    different = set(metres)
    return different.pop() if len(different) == 1 else None


def _abc(path: Path) -> list[Score]:
    """Every tune is read by itself, so that one that is damaged does not take the others along."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:  # ABC of the nineties
        text = content.decode("latin1")
    header, *tunes = re.split(r"^(?=X:)", text, flags=re.MULTILINE)
    scores, failure = [], ValueError(f"`path` must hold tunes that begin with a line `X:`. Received: {path}")
    for tune in tunes:
        number = tune[2:].split("\n", 1)[0].strip()
        name = path.stem if len(tunes) == 1 else f"{path.stem}-{number}"
        try:
            scores.append(_abc_score(name, read_tune(header + tune)))
        except (ValueError, ArithmeticError) as error:
            failure = ValueError(f"`path` must hold tunes in ABC notation. Received: {path}, tune {number} ({error})")
            if len(tunes) > 1:
                warned(failure)
    if not scores:
        raise failure
    return scores


def _abc_score(name: str, voices: list[Voice]) -> Score:
    voices = [voice for voice in voices if voice.notes]
    if not voices:
        return Score(name, [], None, None, 0)
    first = voices[0]
    parts = [Part(voice.name, np.array(voice.notes, float)) for voice in voices]
    bar = None if None in first.bars else _single([STEPS_PER_QUARTER * quarters for quarters in first.bars])
    return Score(name, parts, first.key, bar, _pickup(first.pickup, bar), _same(first.metres))


@contextlib.contextmanager
def left_out() -> Iterator[list[str]]:
    """Gathers why pieces are left out while a `with` block reads music.

    Yields:
        A list, which gets the message of each.

    Example:
        >>> with left_out() as problems:
        ...     warned(ValueError("a.mid holds no notes"))
        >>> problems
        ['a.mid holds no notes']
    """
    problems: list[str] = []
    token = _left_out.set(problems)
    try:
        yield problems
    finally:
        _left_out.reset(token)


def tell_metres(path: str | Path | None, scores: Iterable[Score]) -> None:
    """Logs which metres are taken for that of as many quarters, since only the length of a bar is kept.

    Example:
        >>> import unittest
        >>> with unittest.TestCase().assertLogs("kerasmlsp") as log:
        ...     tell_metres("jig.abc", [Score("jig", [], None, bar=12, pickup=0, metre=(6, 8))])
        >>> log.records[0].getMessage()
        'jig.abc: 6/8 (1 piece) is read and written as 3/4, whose bars are as long.'
    """
    told = collections.Counter(
        (score.metre, score.bar // STEPS_PER_QUARTER)
        for score in scores
        if score.metre and score.bar and score.bar % STEPS_PER_QUARTER == 0
    )
    for ((beats, unit), quarters), count in told.items():
        if (beats, unit) != (quarters, 4):
            message = "%s: %d/%d (%d piece%s) is read and written as %d/4, whose bars are as long."
            _log.info(message, path, beats, unit, count, "s" * (count > 1), quarters)


def warned(error: Exception) -> None:
    """Logs that a piece is left out, and tells `left_out`.

    Example:
        >>> import unittest
        >>> with unittest.TestCase().assertLogs("kerasmlsp") as log:
        ...     warned(ValueError("a.mid holds no notes"))
        >>> log.output
        ['WARNING:kerasmlsp:Left out: a.mid holds no notes']
    """
    _log.warning("Left out: %s", error)
    if (problems := _left_out.get()) is not None:
        problems.append(str(error))


def _musicxml(path: Path) -> Score:
    if not path.stat().st_size:
        raise ValueError(f"`path` must hold notes. Received: {path}, which is empty")
    converter = required("music21").converter
    with _explained(path):
        # Without its pickles in the temporary folder: whoever may write there could make this run anything.
        return _music21_score(
            path.stem, converter.parse(str(path), format="musicxml", forceSource=True, storePickle=False)
        )


def _music21_score(name: str, score) -> Score:
    from music21 import instrument, key, meter, note, percussion

    if any(player.transposition for player in score.recurse().getElementsByClass(instrument.Instrument)):
        score.toSoundingPitch(inPlace=True)
    if drums := score.recurse().getElementsByClass((note.Unpitched, percussion.PercussionChord)):
        _log.warning("%s: %d notes without a pitch, as of drums, are left out.", name, len(drums))
    streams = [(part.partName or "", part) for part in score.parts] or [("", score)]
    parts = [Part(title, _music21_notes(stream)) for title, stream in streams]
    first = next((stream for (_, stream), part in zip(streams, parts, strict=True) if len(part.notes)), score)
    keys = [(found.tonic.pitchClass, found.mode) for found in first.recurse().getElementsByClass(key.Key)]
    found = keys[0] if keys and keys[0][1] in ("major", "minor") else None
    metres = first.recurse().getElementsByClass(meter.TimeSignature)
    bar = _single([STEPS_PER_QUARTER * metre.barDuration.quarterLength for metre in metres])
    measures = first.getElementsByClass("Measure")
    pickup = _pickup(measures[0].duration.quarterLength, bar) if measures else 0
    metre = _same((each.numerator, each.denominator) for each in metres)
    return Score(name, [part for part in parts if len(part.notes)], found, bar, pickup, metre)


def _pickup(quarters, bar: int | None) -> int:
    """Steps of the first bar, where it is incomplete."""
    steps = int(STEPS_PER_QUARTER * quarters)
    return steps if bar is not None and steps < bar else 0


def _music21_notes(stream) -> np.ndarray:
    rows: list[list[float]] = []
    for element in stream.flatten().notes:
        if "ChordSymbol" in element.classes or element.duration.isGrace:
            continue
        start, end = float(element.offset), float(element.offset + element.quarterLength)
        for note in getattr(element, "notes", (element,)):
            if not hasattr(note, "pitch"):  # of a drum
                continue
            tied = note.tie is not None and note.tie.type in ("stop", "continue")
            held = next((row for row in reversed(rows) if row[1:] == [start, note.pitch.midi]), None) if tied else None
            if held:
                held[1] = end
            else:
                rows.append([start, end, note.pitch.midi])
    return np.array(rows, float).reshape(-1, 3)
