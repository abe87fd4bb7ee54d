"""ABC notation against notes worked out by hand from the standard."""

import logging
import re
from pathlib import Path

import pytest

from kerasmlsp import music
from kerasmlsp.music.abc_notation import read_tune
from kerasmlsp.music.scores import read_scores

NOTTINGHAM = Path.home() / ".cache" / "kerasmlsp" / "data" / "nottingham"
COMMON = "M:4/4\nL:1/4\nK:C\n"


def sung(body, head=COMMON):
    """Pitch and length in quarters of each note of the only voice, 0 for a rest."""
    [voice] = read_tune(f"X:1\nT:t\n{head}{body}\n")
    notes, now = [], 0
    for start, end, pitch in voice.notes:
        notes += [(0, float(start - now))] * (start > now) + [(pitch, float(end - start))]
        now = max(now, end)
    return notes


def quarters(*pitches):
    return [(pitch, 1) for pitch in pitches]


SCALE = quarters(60, 62, 64, 65, 67, 69, 71, 72)
TUNES = {
    "accidental until the bar line": ("_GEDG|G4|", COMMON, [*quarters(66, 64, 62, 66), (67, 4)]),
    "natural in a key of flats": ("=EEGE|E4|", "L:1/4\nK:Eb\n", [*quarters(64, 64, 67, 64), (63, 4)]),
    "accidental in all octaves": ("^FFff|", COMMON, quarters(66, 66, 78, 78)),
    "accidental in a chord": ("[^FA]F[F,A]2|", COMMON, [(66, 1), (69, 1), (66, 1), (54, 2), (69, 2)]),
    "double repeat behind a note": ("CDEF::GABc:|", COMMON, SCALE),
    "a line of music that looks like a field": ("CDEF|\nG:|\nK:|", COMMON, quarters(60, 62, 64, 65, 67)),
    "endings": ("|:CDEF|1 G4:|2 c4|]", COMMON, [*quarters(60, 62, 64, 65), (67, 4), (72, 4)]),
    "endings in brackets": ('|:CDEF|[1"G"G4:|[2 c4|]', COMMON, [*quarters(60, 62, 64, 65), (67, 4), (72, 4)]),
    "tie over three bars": ("C4-|C4-|C4|", COMMON, [(60, 12)]),
    "tie before a space": ("C2 -C2|", COMMON, [(60, 4)]),
    "tie that keeps its accidental": ("^F4-|F2F2|", COMMON, [(66, 6), (65, 2)]),
    "tie to another accidental is none": ("^F4-|=F4|", COMMON, [(66, 4), (65, 4)]),
    "tie within a chord": ("[C-E]2[CE]2|", COMMON, [(60, 4), (64, 2), (64, 2)]),
    "slurred triplet": ("((3CDE F2)|", COMMON, [(60, 2 / 3), (62, 2 / 3), (64, 2 / 3), (65, 2)]),
    "tuplet in full": ("(3:2:2C2D (FG)|", COMMON, [(60, 4 / 3), (62, 2 / 3), (65, 1), (67, 1)]),
    "five in a compound metre": ("(5CDEFG|", "M:6/8\nL:1/8\nK:C\n", [(pitch, 0.3) for pitch, _ in SCALE[:5]]),
    "broken rhythm": ("C>D E<F G>>A|", COMMON, [(60, 1.5), (62, 0.5), (64, 0.5), (65, 1.5), (67, 1.75), (69, 0.25)]),
    "broken rhythm of chords": ("[CE]>[DF]|", COMMON, [(60, 1.5), (64, 1.5), (62, 0.5), (65, 0.5)]),
    "key within a line": ("FF|[K:G]FF|", COMMON, quarters(65, 65, 66, 66)),
    "key on a line": ("FF|\nK:G\nFF|", COMMON, quarters(65, 65, 66, 66)),
    "clef within a line": ("F|[K:clef=bass]F|", "L:1/4\nK:G\n", quarters(66, 66)),
    "length within a line": ("C|[L:1/8]CC|", COMMON, [(60, 1), (60, 0.5), (60, 0.5)]),
    "dorian": ("EFAB|", "L:1/4\nK:Ddor\n", quarters(64, 65, 69, 71)),
    "minor": ("FcGf|", "L:1/4\nK:F# minor\n", quarters(66, 73, 68, 78)),
    "mixolydian": ("FcGf|", "L:1/4\nK:A Mix\n", quarters(66, 73, 67, 78)),
    "seven flats": ("FCGD|", "L:1/4\nK:Cb\n", quarters(64, 59, 66, 61)),
    "pipes": ("FCG|", "L:1/4\nK:Hp\n", quarters(66, 61, 67)),
    "key with an accidental of its own": ("FcB|", "L:1/4\nK:D =c _B\n", quarters(66, 72, 70)),
    "accidentals alone": ("FcB|", "L:1/4\nK:D exp _B\n", quarters(65, 72, 70)),
    "length of a chord": ("[C2E]2C|", COMMON, [(60, 4), (64, 2), (60, 1)]),
    "length by a metre of 6/8": ("CD|", "M:6/8\nK:C\n", [(60, 0.5), (62, 0.5)]),
    "length by a metre of 2/4": ("CD|", "M:2/4\nK:C\n", [(60, 0.25), (62, 0.25)]),
    "grace notes": ("{/d}CD{ef}|", COMMON, quarters(60, 62)),
    "rests": ("CzDx2E|", COMMON, [(60, 1), (0, 1), (62, 1), (0, 2), (64, 1)]),
    "rest of bars": ("C4|Z2|[M:3/4]X|C|", COMMON, [(60, 4), (0, 11), (60, 1)]),
    "comment": ("CD|%GA\nE|", COMMON, quarters(60, 62, 64)),
    "text for print": ("CD|\n%%begintext\nA Bee\n%%endtext\nw: a bad fee\nE|", COMMON, quarters(60, 62, 64)),
    "line goes on": ("CD\\\nE|", COMMON, quarters(60, 62, 64)),
    "words above": ('"Am"C "^a % b"D !trill!E ~F .G uA|', COMMON, SCALE[:6]),
    "fractions": ("C/2D/E//G3/2|", COMMON, [(60, 0.5), (62, 0.5), (64, 0.25), (67, 1.5)]),
    "double accidentals": ("^^C__D=EF|", COMMON, quarters(62, 60, 64, 65)),
    "prose behind the tune": ("CD|\n\nA tune by Abe\n", COMMON, quarters(60, 62)),
    "an empty line within": ("CD|\n\nEF|", COMMON, SCALE[:4]),
    "clarinet": ("CD|", "L:1/4\nK:D transpose=-2\n", quarters(59, 60)),
    "guitar": ("CD|", "L:1/4\nK:C clef=treble-8\n", quarters(48, 50)),
}


@pytest.mark.parametrize("name", TUNES)
def test_notes_of(name):
    body, head, notes = TUNES[name]
    assert sung(body, head) == [(pitch, pytest.approx(length)) for pitch, length in notes]


def test_voices_take_turns_and_transpose_by_themselves(tmp_path):
    (tmp_path / "a.abc").write_text(
        'X:1\nM:3/4\nL:1/4\nV:1 name="Flute"\nV:2 name="Clarinet" transpose=-2\nK:C\n'
        "V:1\nC|^FGA|\nV:2\nF|FFF|\nV:1\nFz2|\n[V:2]EEE|\n"
    )
    [score] = read_scores(tmp_path / "a.abc")
    assert [part.name for part in score.parts] == ["Flute", "Clarinet"]
    flute, clarinet = (part.notes.tolist() for part in score.parts)
    assert flute == [[0, 1, 60], [1, 2, 66], [2, 3, 67], [3, 4, 69], [4, 5, 65]]
    assert clarinet == [[0, 1, 63], *[[k, k + 1, 63] for k in (1, 2, 3)], *[[k, k + 1, 62] for k in (4, 5, 6)]]
    assert (score.key, score.bar, score.pickup) == ((0, "major"), 12, 4)


def test_layers_of_a_bar_begin_together(tmp_path):
    (tmp_path / "a.abc").write_text(f"X:1\n{COMMON}c4&E2F2|c4|")
    [score] = read_scores(tmp_path / "a.abc")
    assert score.parts[0].notes.tolist() == [[0, 4, 72], [0, 2, 64], [2, 4, 65], [4, 8, 72]]


@pytest.mark.parametrize(
    ("head", "key", "bar", "pickup"),
    [
        ("M:C|\nL:1/4\nK:Bbm\n", (10, "minor"), 16, 4),
        ("M:(2+3)/8\nL:1/4\nK:E\n", (4, "major"), 10, 4),
        ("M:4/4\nL:1/4\nK:A\nM:6/8\n", (9, "major"), 12, 4),  # the metre before the first note
        ("M:none\nL:1/4\nK:Edor\n", None, None, 0),
        ("L:1/4\nK:C transpose=-2\n", (10, "major"), None, 0),
    ],
)
def test_key_and_metre(tmp_path, head, key, bar, pickup):
    (tmp_path / "a.abc").write_text(f"X:1\n{head}C|CDE|")
    melody = music.read_melody(tmp_path / "a.abc")
    assert (melody.key, melody.bar, melody.pickup) == (key, bar, pickup)


@pytest.mark.parametrize("body", ["C/0|", "C,,,,,,,,|", "c''''''|", "C" + "9" * 5000])
def test_impossible_notes_are_one_sentence(tmp_path, body):
    (tmp_path / "a.abc").write_text(f"X:1\n{COMMON}{body}|")
    with pytest.raises(ValueError, match=r"`path` must hold tunes in ABC notation\. Received: .*a\.abc, tune 1"):
        music.read_melody(tmp_path / "a.abc")


def test_no_note_of_nottingham_is_lost_at_double_repeats():
    folder = NOTTINGHAM / "ABC_cleaned"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    tunes = re.split(r"^(?=X:)", (folder / "jigs.abc").read_text(encoding="latin1"), flags=re.MULTILINE)[1:]
    assert len(tunes) == 340
    for tune in tunes:
        apart = re.sub(r"(?<=[A-Zw])::", " ::", tune)
        [one], [other] = read_tune(tune), read_tune(apart)
        assert len(one.notes) > 20 and one.notes == other.notes


def test_nottingham_in_abc_and_midi_agree(tmp_path, caplog):
    """A tune without repeats, accidentals or ties: the same notes at the same times."""
    if not NOTTINGHAM.is_dir():
        pytest.skip(f"{NOTTINGHAM} is not there")
    text = (NOTTINGHAM / "ABC_cleaned" / "reelsa-c.abc").read_text(encoding="latin1")
    (tmp_path / "a.abc").write_text(re.search(r"^X: 2$.*?^$", text, re.MULTILINE | re.DOTALL)[0])
    with caplog.at_level(logging.INFO, logger="kerasmlsp"):
        first, second = music.read_melody(tmp_path / "a.abc"), music.read_melody(NOTTINGHAM / "MIDI" / "reelsa-c2.mid")
    assert "moved" not in caplog.text
    start = second.onsets.argmax()
    assert first.pitches.tolist() == second.pitches[start : start + len(first.pitches)].tolist()
    assert first.onsets.tolist() == second.onsets[start : start + len(first.onsets)].tolist()
