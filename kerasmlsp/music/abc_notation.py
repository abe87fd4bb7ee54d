"""Notes of tunes in ABC notation.

Reference: The abc music standard 2.1, https://abcnotation.com/wiki/abc:standard:v2.1. An accidental holds until the bar
line and in all octaves, as there. So do the writers of the Nottingham database mean it, who cancel one in its bar 135
times and repeat one 21 times; the MIDI files of its cleaned edition let each hold for one note only.
"""

import copy
import re
from collections.abc import Iterator
from fractions import Fraction

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
_FIFTHS = "FCGDAEB"  # the order in which letters are sharpened in key signatures, and flattened from its end
_MODES = {"lyd": 1, "mix": -1, "dor": -2, "m": -3, "min": -3, "aeo": -3, "phr": -4, "loc": -5}  # fifths beside major
_PIPES = {"F": 1, "C": 1}  # the signature of K:Hp and K:HP
_TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # notes, and in the time of how many; of others the metre decides

_FIELD = re.compile(r"([A-Za-z+]):(?![|:])([^%]*)")  # but `G:|` is music
_UNPLAYED = re.compile(r'"[^"]*"|%.*|![\w.+<>()/-]+!|\{[^}]*\}')  # words, comments, decorations, grace notes
_NOTE, _LENGTH = r"(?:\^\^?|__?|=)?[A-Ga-g][,']*", r"\d*(?:/\d*)*"
_CHORD = re.compile(rf"({_NOTE})({_LENGTH})(-?)")
_TOKEN = re.compile(
    rf"""\[(?P<letter>[A-Za-z]):(?P<value>[^\]]*)\]
    | (?P<bar>[:\[]*\|[|:\]]*|::+)
    | \((?P<tuplet>\d)(?::(?P<time>\d*))?(?::(?P<count>\d*))?
    | \[(?P<chord>[^\]|:\d][^\]|:]*)\](?P<times>{_LENGTH})
    | (?P<note>{_NOTE}|[zx])(?P<length>{_LENGTH})
    | (?P<bars>[ZX])(?P<number>\d*)
    | (?P<broken><+|>+) | (?P<tie>-) | (?P<layer>&)""",
    re.VERBOSE,
)


class Voice:
    r"""A voice of a tune, read note by note.

    Attributes:
        name: As the tune calls it, "" for the only one.
        notes: Lists of start and end in quarters, exact, and MIDI pitch as it sounds.
        bars: Lengths in quarters of the bars that hold notes; None for a tune in no metre.
        pickup: Length in quarters of what is before the first bar line.
        metres: Beats and their unit of each metre that there is a note in.

    Example:
        >>> [voice] = read_tune("X:1\nM:3/4\nL:1/4\nK:F\nC|FGA|")
        >>> float(voice.pickup), voice.key
        (1.0, (5, 'major'))
    """

    def __init__(self):
        self.name, self.notes, self.bars, self.pickup = "", [], set(), Fraction(0)
        self.metres, self._beats = set(), None
        self._time = self._bar = self._layers = Fraction(0)  # now, where the bar began, and where its layers ended
        self._metre, self._compound, self._unit = None, False, Fraction(0)
        self._key, self._signature, self._altered, self._semitones = None, {}, {}, 0
        self._last, self._lasted, self._tied = {}, Fraction(0), {}  # letter and octave to the number of the note
        self._tuplet, self._broken = (0, Fraction(1)), Fraction(1)

    @property
    def key(self) -> tuple[int, str] | None:
        """Tonic, as it sounds, and "major" or "minor" where the first note is; None in another mode."""
        return self._key and ((self._key[0] + self._semitones) % 12, self._key[1])

    def field(self, letter: str, value: str) -> None:
        """Takes what a field says of key, metre, and length of the notes that follow."""
        if letter == "K":
            self._set_key(value.strip())
        if letter in "KV":
            self._set_transposition(value)
        if letter == "L" and (found := re.search(r"(\d+)\s*(?:/\s*(\d+))?", value)):
            self._unit = 4 * Fraction(int(found[1]), int(found[2] or 1))
        if letter == "M":
            self._set_metre(value)

    def begin(self) -> None:
        """Ends the header, of which the length of notes depends on the metre where it does not tell it."""
        self._unit = self._unit or Fraction(1, 4 if self._metre and self._metre < 3 else 2)

    def _set_key(self, value: str):
        named = re.match(r"([A-G])([#b]?)\s*([A-Za-z]*)", value)
        if not named and value and not re.match("hp|none", value, re.IGNORECASE):
            return  # a clef, say
        mode = named[3][:3].lower() if named else ""
        minor, fifths = _MODES.get(mode) == -3, 0
        if named and mode != "exp":
            fifths = _FIFTHS.index(named[1]) - 1 + 7 * ((named[2] == "#") - (named[2] == "b")) + _MODES.get(mode, 0)
        signed = {letter.upper(): _SIGNS[sign] for sign, letter in re.findall(r"\s(\^\^?|__?|=)([A-Ga-g])\b", value)}
        pipes = _PIPES if value.lower().startswith("hp") else {}
        self._signature = _signature(fifths) | pipes | signed
        if not self.notes:
            plain = named and not signed and mode != "exp" and (minor or mode not in _MODES)
            self._key = (7 * (fifths + 3 * minor) % 12, "minor" if minor else "major") if plain else None

    def _set_transposition(self, value: str):
        semitones, octaves = (re.search(rf"\b{name}=\s*(-?\d+)", value) for name in ("transpose", "octave"))
        clef = re.search(r"\b(?:treble|alto|tenor|bass|[GCF]\d?)([+-])8", value)
        if semitones or octaves or clef:
            self._semitones = int(semitones[1]) if semitones else 0
            self._semitones += 12 * (int(octaves[1]) if octaves else 0) + (12 * int(f"{clef[1]}1") if clef else 0)

    def _set_metre(self, value: str):
        found = re.search(r"([\d+()\s]+)/\s*(\d+)", value)
        beats = sum(map(int, re.findall(r"\d+", found[1]))) if found else 4
        self._metre = Fraction(4 * beats, int(found[2])) if found else Fraction(4) if "C" in value else None
        self._beats = (beats, int(found[2])) if found else (2, 2) if "C|" in value else (4, 4) if "C" in value else None
        self._compound = bool(found) and beats in (6, 9, 12)

    def token(self, found: re.Match) -> None:
        """Plays, or takes what is said about the notes around."""
        if found["note"]:
            self._play([(found["note"], Fraction(1), False)], _length(found["length"]))
        elif found["chord"]:
            chord = [(note, _length(length), bool(tie)) for note, length, tie in _CHORD.findall(found["chord"])]
            self._play(chord, _length(found["times"]))
        elif found["bars"]:
            self._time += int(found["number"] or 1) * (self._metre or 4)
            self._tied = {}
        elif found["bar"]:
            self._end_bar()
        elif found["tuplet"]:
            self._begin_tuplet(int(found["tuplet"]), found["time"], found["count"])
        elif found["broken"]:
            self._break_rhythm(found["broken"])
        elif found["tie"]:
            self._tied = dict(self._last)
        elif found["layer"]:
            self._layers, self._time = max(self._layers, self._time), self._bar

    def _play(self, chord: list[tuple[str, Fraction, bool]], times: Fraction):
        """Plays notes together, each so many units long; the first tells when the next begins."""
        if not chord:
            return
        left, share = self._tuplet
        unit = times * self._unit * self._broken * (share if left else 1)
        self._tuplet, self._broken = (max(left - 1, 0), share), Fraction(1)
        before, self._tied, self._last = self._tied, {}, {}
        for text, length, tied in chord:
            if text not in "zx":
                place, number = self._sound(text, self._time + length * unit, before)
                self._last[place] = number
                if tied:
                    self._tied[place] = number
        self._lasted = chord[0][1] * unit
        self._time += self._lasted

    def _sound(self, text: str, end: Fraction, tied: dict) -> tuple[tuple[str, int], int]:
        """Begins a note, or goes on with the one that it is tied to; returns letter and octave, and its number."""
        sign, letter, marks = re.fullmatch(r"([\^_=]*)(\w)(.*)", text).groups()  # type: ignore[union-attr]
        place = letter.upper(), marks.count("'") - marks.count(",") + letter.islower()
        held = tied.get(place)
        if sign:
            self._altered[place[0]] = _SIGNS[sign]
        altered = self._altered.get(place[0], self._signature.get(place[0], 0))
        pitch = 60 + _LETTERS[place[0]] + 12 * place[1] + altered + self._semitones
        if held is not None and (not sign or self.notes[held][2] == pitch):
            self.notes[held][1] = end  # with the accidental that it began with, behind the bar line, too
            return place, held
        if not 0 < pitch < 128:
            raise ValueError(f"{text} is MIDI pitch {pitch}")
        self.notes.append([self._time, end, pitch])
        self.bars.add(self._metre)
        self.metres |= {self._beats} - {None}
        return place, len(self.notes) - 1

    def _end_bar(self):
        self._time = self._bar = max(self._time, self._layers)
        self.pickup = self.pickup or self._time
        self._altered = {}

    def _begin_tuplet(self, notes: int, time: str | None, count: str | None):
        time = int(time or _TUPLETS.get(notes, 3 if self._compound else 2))
        self._tuplet = int(count or notes), Fraction(time, notes)

    def _break_rhythm(self, mark: str):
        """Takes from one of two notes what the other is given."""
        short = Fraction(1, 2 ** min(len(mark), 9))
        before, self._broken = (2 - short, short) if mark[0] == ">" else (short, 2 - short)
        change = self._lasted * (before - 1)
        for number in self._last.values():
            self.notes[number][1] += change
        self._time += change


def read_tune(text: str) -> list[Voice]:
    r"""Reads one tune.

    Chord symbols and grace notes are left out, repeats are not played twice, and what only print needs is overlooked.

    Args:
        text: From the line `X:` on, with what the head of the file says before it.

    Returns:
        The voices, in the order in which they begin.

    Raises:
        ValueError: The tune has no field `K:`, behind which the notes begin, or a note that MIDI lacks.
        ZeroDivisionError: A length is divided by 0.

    Example:
        >>> [voice] = read_tune("X:1\nL:1/4\nK:G\nF G A2|")
        >>> [(float(start), float(end), pitch) for start, end, pitch in voice.notes]  # in G major F is F sharp
        [(0.0, 1.0, 66), (1.0, 2.0, 67), (2.0, 4.0, 69)]
    """
    voices: dict[str, Voice] = {}
    said: dict[str, str] = {}  # of each voice
    header = voice = Voice()
    begun = False
    for letter, value, found in _tokens(text):
        if letter == "V":
            name = value.split(maxsplit=1)[0] if value.strip() else ""
            said[name] = said.get(name, "") + f" {value}"
            voice = _named(voices, name, header, said[name]) if begun else voice
        elif letter:
            voice.field(letter, value)
            if letter == "K" and not begun:
                header.begin()
                begun = True
        elif begun and found:
            voice = _named(voices, "", header, "") if voice is header else voice
            voice.token(found)
    if not begun:
        raise ValueError("no field K:")
    return list(voices.values())


def _signature(fifths: int) -> dict[str, int]:
    """Letters that a key alters, of so many fifths above C major, negative below."""
    step = 1 if fifths > 0 else -1
    signature: dict[str, int] = {}
    for number in range(abs(fifths)):
        letter = _FIFTHS[::step][number % 7]
        signature[letter] = signature.get(letter, 0) + step
    return signature


def _length(text: str) -> Fraction:
    """Reads a length in units: `3`, `3/2`, `/4`, or `//` for a quarter."""
    times, *divisors = text.split("/")
    length = Fraction(int(times or 1))
    for divisor in divisors:
        length /= int(divisor or 2)
    return length


def _tokens(text: str) -> Iterator[tuple[str, str, re.Match | None]]:
    """Fields, as letter and value, and all else of music, as matches, in their order."""
    ended = False
    for line in re.sub(r"^%%begin(\w+).*?^%%end\1.*?$", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        if stated := _FIELD.match(line):
            ended = ended and stated[1] not in "XK"
            yield from [(stated[1], stated[2], None)] * (stated[1] in "KLMV")
        elif not line.strip():
            ended = True  # an empty line ends a tune: what follows is prose, unless there are bar lines in it
        elif "|" in line or not ended:
            for found in _TOKEN.finditer(_UNPLAYED.sub("", line)):
                yield found["letter"] or "", found["value"] or "", found


def _named(voices: dict[str, Voice], name: str, header: Voice, said: str) -> Voice:
    """Returns a voice, which begins as the header says."""
    if name not in voices:
        voices[name] = copy.deepcopy(header)
    title = re.search(r'\b(?:name|nm)="([^"]*)"', said)
    voices[name].name = title[1] if title else name
    voices[name].field("V", said)
    return voices[name]
