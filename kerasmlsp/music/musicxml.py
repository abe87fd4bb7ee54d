"""Chorales into sheet music: MusicXML through music21, an extra, which is imported where it is used."""

from pathlib import Path

import numpy as np

from kerasmlsp.extras import required
from kerasmlsp.files import write_atomically
from kerasmlsp.music.pieces import REST, STEPS_PER_QUARTER, VOICES, Chorale, begins

_BAR = 16  # steps, of 4/4, where a piece tells none


def write_musicxml(path: str | Path, chorale: Chorale, *, tempo: float | None = None) -> None:
    """Writes a score of four parts, with clefs, bars, key signature and ties.

    Without a key, there is no key signature and black keys are named as in C major.

    Args:
        path: File to write, .musicxml or .xml.
        chorale: The piece; 4/4 where it tells no bar.
        tempo: Quarter notes per minute, written above the first bar; None for no mark.

    Raises:
        ModuleNotFoundError: music21 is not installed: `pip install -e '.[music]'`.
        ValueError: The ending is wrong, or the piece has no steps.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> pitches = np.array([[72, 67, 64, 48]] * 4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_musicxml(f"{folder}/chord.musicxml", Chorale("C major", pitches, begins(pitches)))
        ...     score = Path(folder, "chord.musicxml").read_text()
        >>> score.count("<part "), score.count("<step>C</step>")  # four parts; soprano and bass sing C
        (4, 2)
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".musicxml", ".xml"):
        raise ValueError(f"`path` must end in .musicxml or .xml. Received: {path}")
    if not len(chorale.pitches):
        raise ValueError(f"`chorale` must hold at least one step. Received: {chorale.name!r}, which holds none")
    required("music21")
    content = _content(chorale, tempo)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def _content(chorale: Chorale, tempo: float | None) -> bytes:
    from music21 import metadata, stream
    from music21.musicxml.m21ToXml import GeneralObjectExporter

    score = stream.Score()
    score.metadata = metadata.Metadata(title=chorale.name, composer="kerasmlsp")
    for voice in range(len(VOICES)):
        score.insert(0, _part(chorale, voice, tempo if voice == 0 else None))
    return GeneralObjectExporter(score).parse()


def _part(chorale: Chorale, voice: int, tempo: float | None):
    from music21 import instrument, stream

    part = stream.Part(id=VOICES[voice])
    part.partName = VOICES[voice].capitalize()
    bar = chorale.bar or _BAR
    for number, (first, end) in enumerate(_bars(len(chorale.pitches), bar, chorale.pickup)):
        measure = stream.Measure(number=number + (chorale.pickup == 0))
        if number == 0:
            measure.append(_opening(chorale, voice, tempo))
            measure.paddingLeft = (bar - chorale.pickup) / STEPS_PER_QUARTER if chorale.pickup else 0
        measure.append(_elements(chorale, voice, first, end))
        # Five sixteenths, say, are no note but two tied ones.
        measure.splitAtDurations()
        part.append(measure)
    part.insert(0, (instrument.Soprano, instrument.Alto, instrument.Tenor, instrument.Bass)[voice]())
    return part


def _opening(chorale: Chorale, voice: int, tempo: float | None) -> list:
    """What stands before the first note."""
    from music21 import clef, key, meter
    from music21.tempo import MetronomeMark

    signs = [(clef.TrebleClef, clef.TrebleClef, clef.Treble8vbClef, clef.BassClef)[voice]()]
    if chorale.key:
        signs.append(key.KeySignature(_sharps(chorale.key)).asKey(chorale.key[1]))
    signs.append(meter.TimeSignature(_metre(chorale.bar or _BAR)))
    return [*signs, MetronomeMark(number=tempo)] if tempo else signs


def _bars(steps: int, bar: int, pickup: int) -> list[tuple[int, int]]:
    """First step and step after the last of each bar."""
    starts = sorted({0, *range(pickup or bar, steps, bar)})
    return list(zip(starts, [*starts[1:], steps], strict=True))


def _metre(bar: int) -> str:
    divisor = next(divisor for divisor in (4, 2, 1) if bar % divisor == 0)
    return f"{bar // divisor}/{16 // divisor}"


def _elements(chorale: Chorale, voice: int, first: int, end: int) -> list:
    """The notes and rests of a bar; notes that go on from the last bar or into the next are tied."""
    from music21 import note, tie

    pitches = chorale.pitches[:, voice]
    starts = begins(pitches, chorale.onsets[:, voice])
    changes = starts | ((pitches == REST) & np.append(True, pitches[:-1] != REST))
    cuts = sorted({first, *(first + np.flatnonzero(changes[first:end])).tolist()})
    elements = []
    for start, stop in zip(cuts, [*cuts[1:], end], strict=True):
        quarters = (stop - start) / STEPS_PER_QUARTER
        if pitches[start] == REST:
            elements.append(note.Rest(quarterLength=quarters))
            continue
        element = note.Note(_spelled(int(pitches[start]), chorale.key), quarterLength=quarters)
        before, after = not starts[start], stop < len(pitches) and pitches[stop] != REST and not starts[stop]
        if before or after:
            element.tie = tie.Tie("continue" if before and after else "stop" if before else "start")
        elements.append(element)
    return elements


def _sharps(key: tuple[int, str]) -> int:
    """Sharps of a key signature, negative for flats: -5 (D flat major) to 6 (F sharp major)."""
    tonic, mode = key
    fifths = 7 * tonic - (3 if mode == "minor" else 0)  # a minor key has the signature of the major one a third above
    return (fifths + 5) % 12 - 5


def _spelled(pitch: int, key: tuple[int, str] | None):
    """Names a pitch by its place on the line of fifths (F C G D A E B F# ...), within three below the tonic of the
    major key and eight above: in C from E flat to G sharp, so that leading notes of a minor key are sharpened."""
    from music21.pitch import Pitch

    lowest = (_sharps(key) if key else 0) - 3
    place = lowest + (7 * pitch - lowest) % 12
    alteration, letter = divmod(place + 1, 7)
    name = "FCGDAEB"[letter] + ("#" * alteration if alteration > 0 else "-" * -alteration)
    # B sharp lies in the octave above that of its name, C flat in the one below.
    return Pitch(f"{name}{(pitch - alteration) // 12 - 1}")
