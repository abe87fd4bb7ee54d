"""Music from files of every kind, whole and damaged, and from music21's corpus."""

import json
import logging
import struct
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from kerasmlsp import music
from kerasmlsp.music import chorales, grid, midi

DATA = Path.home() / ".cache" / "kerasmlsp" / "data"
ABC = 'X:{number}\nT:Tune\nM:3/4\nL:1/8\nK:G\nD2|"G"GA{{c}}Bc dc|"D"D3 D3|]\n'
JSB = {"train": [[[60, 64], [60], []]], "valid": [[[21.0]]], "test": [[[108, 20, 109]]]}


def write_midi(path, *parts, tempo=120.0, drum=False, resolution=220, changes=()):
    """Writes notes given as start and end in quarters and pitch, a list for each part."""
    file = pretty_midi.PrettyMIDI(initial_tempo=tempo, resolution=resolution)
    for quarter, then in changes:  # pretty_midi reads changes of tempo but has no method that adds one
        file._tick_scales.append((quarter * resolution, 60 / (then * resolution)))
    file._update_tick_to_time(resolution * 100)
    for notes in parts:
        track = pretty_midi.Instrument(0, is_drum=drum)
        for start, end, pitch in notes:
            times = (file.tick_to_time(round(time * resolution)) for time in (start, end))
            track.notes.append(pretty_midi.Note(90, pitch, *times))
        file.instruments.append(track)
    file.write(str(path))
    return path


def keys(tune):
    return [(np.flatnonzero(step) + 21).tolist() for step in tune.roll]


def test_a_midi_file_on_the_grid(tmp_path):
    path = write_midi(
        tmp_path / "a.mid", [(0, 2, 60), (2, 3, 60), (2.5, 3, 64)], [(1, 4, 108), (0, 4, 109), (0, 4, 20)]
    )
    [tune] = music.read_rolls(path, steps_per_quarter=1)
    assert tune.name == "a" and tune.split is None and tune.roll.shape == (4, 88) and tune.roll.dtype == bool
    assert keys(tune) == [[60], [60, 108], [60, 108], [108]]  # 64 sounds between two moments only
    assert np.argwhere(tune.onsets).tolist() == [[0, 39], [1, 87], [2, 39]]
    [fine] = music.read_rolls(path, steps_per_quarter=2)
    assert keys(fine)[4:6] == [[60, 108], [60, 64, 108]]


def test_changes_of_tempo_do_not_move_the_grid(tmp_path):
    notes = [(quarter, quarter + 1, 60 + quarter) for quarter in range(8)]
    path = write_midi(tmp_path / "a.mid", notes, changes=[(3, 40.0), (5, 200.0)])
    assert len(pretty_midi.PrettyMIDI(str(path)).get_tempo_changes()[1]) == 3
    [tune] = music.read_rolls(path, steps_per_quarter=4)
    assert [step for step, *_ in keys(tune)] == np.repeat(range(60, 68), 4).tolist()


def test_a_little_late_is_on_time(tmp_path):
    path = write_midi(tmp_path / "a.mid", [(0.05, 1.1, 60), (1.1, 1.9, 62)])
    assert keys(music.read_rolls(path, steps_per_quarter=1)[0]) == [[60], [62]]


EIGHTHS = [(number / 2, number / 2 + 0.45, 60 + number) for number in range(8)]


def struck(melody):
    return [(int(step), int(melody.pitches[step])) for step in np.flatnonzero(melody.onsets)]


@pytest.mark.parametrize("late", [-0.12, -0.08, -0.03, 0, 0.01, 0.05, 0.08, 0.12])
@pytest.mark.parametrize("length", [0.45, 0.2, 0.05])
def test_played_notes_go_to_the_nearest_step(tmp_path, late, length):
    played = [(max(0, start + late), start + late + length + 0.12, pitch) for start, _, pitch in EIGHTHS]
    played = [(start, min(end, start + length), pitch) for start, end, pitch in played]
    melody = music.read_melody(write_midi(tmp_path / "a.mid", played, resolution=480))
    assert struck(melody) == [(2 * number, 60 + number) for number in range(8)]


def test_noise_in_time_is_rounded_away(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.03, 8)
    played = [(max(0, start + late), end, pitch) for (start, end, pitch), late in zip(EIGHTHS, noise, strict=True)]
    melody = music.read_melody(write_midi(tmp_path / "a.mid", played, resolution=480))
    assert struck(melody) == [(2 * number, 60 + number) for number in range(8)]


def test_triplets_on_either_grid(tmp_path, caplog):
    notes = [(number / 3, number / 3 + 0.3, 60 + number) for number in range(6)]
    path = write_midi(tmp_path / "a.mid", notes, resolution=480)
    with caplog.at_level(logging.INFO, logger="kerasmlsp"):
        melody = music.read_melody(path)
    assert struck(melody) == [(0, 60), (2, 61), (3, 62), (4, 63), (6, 64), (7, 65)]
    [record] = caplog.records
    assert (
        "of 6 notes, 4 were moved to the grid of 4 steps in a quarter, by up to 0.17 quarters, and 0" in record.message
    )
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="kerasmlsp"):
        [tune] = music.read_rolls(path, steps_per_quarter=12)
    assert np.argwhere(tune.onsets).tolist() == [[4 * number, 39 + number] for number in range(6)]
    assert not caplog.records


def test_notes_for_which_there_is_no_step_are_counted(tmp_path, caplog):
    notes = [(number / 8, number / 8 + 0.12, 60 + number) for number in range(8)]
    with caplog.at_level(logging.INFO, logger="kerasmlsp"):
        melody = music.read_melody(write_midi(tmp_path / "a.mid", notes, resolution=480))
    assert struck(melody) == [(0, 60), (1, 62), (2, 64), (3, 66)]
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / 'a.mid'}: of 8 notes, 0 were moved to the grid of 4 steps in a quarter, by up to 0 quarters, "
        "and 4 between two steps were left out."
    ]


def test_a_grace_note_gives_way_to_its_note(tmp_path):
    melody = music.read_melody(write_midi(tmp_path / "a.mid", [(1, 1.04, 74), (1.04, 2, 72)], resolution=480))
    assert struck(melody) == [(4, 72)] and melody.pitches.tolist() == [0] * 4 + [72] * 4


def test_a_chord_of_which_each_note_is_a_little_late_stays_whole(tmp_path):
    chord = [(0, 1, 60), (0.02, 0.9, 64), (0.04, 1, 67)]
    [tune] = music.read_rolls(write_midi(tmp_path / "a.mid", chord, resolution=480), steps_per_quarter=4)
    assert keys(tune) == [[60, 64, 67]] * 4


def test_a_melody_without_notes_is_refused(tmp_path):
    for body in ("z4|", "C0|"):
        (tmp_path / "a.abc").write_text(f"X:1\nL:1/4\nK:C\n{body}")
        for read in (music.read_melody, music.read_chorales, music.read_rolls):
            with pytest.raises(ValueError, match=r"`path` must hold notes.*a\.abc"):
                read(tmp_path / "a.abc")


def midi_bytes(events):
    """A MIDI file of C D E F in quarters, with other events before them."""
    for pitch in (60, 62, 64, 65):
        events += b"\0\x90" + bytes([pitch, 80]) + b"\x83\x60\x80" + bytes([pitch, 0])
    events += b"\0\xff\x2f\0"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(events)) + events


SLOPPY = {
    "9 flats": b"\0\xff\x59\x02\xf7\0",
    "mode 7": b"\0\xff\x59\x02\0\x07",
    "half a key": b"\0\xff\x59\x01\0",
    "metre of 0": b"\0\xff\x58\x04\0\x02\x18\x08",
    "half a metre": b"\0\xff\x58\x02\x04\x02",
    "tempo of 0": b"\0\xff\x51\x03\0\0\0",
    "no frames": b"\0\xff\x54\x05\xff\0\0\0\0",
    "volume of 255": b"\0\xb0\x07\xff",
    "in running status": b"\0\xb0\x07\x40\0\x0a\x80",
    "bend": b"\0\xe0\x80\x40",
    "system exclusive": b"\0\xf0\x03\x50\xff\xf7",
    "velocity of 200": b"\0\x90\x30\xc8\0\x80\x30\xc8",  # a note of no length
}


@pytest.mark.parametrize("name", SLOPPY)
def test_midi_with_a_fault_beside_the_notes_is_read_and_told(tmp_path, caplog, name):
    (tmp_path / "a.mid").write_bytes(midi_bytes(SLOPPY[name]))
    melody = music.read_melody(tmp_path / "a.mid")
    assert struck(melody) == [(0, 60), (4, 62), (8, 64), (12, 65)] and melody.key is None
    [record] = caplog.records
    assert "a.mid: " in record.message and "that MIDI does not allow were clipped or left out" in record.message


def test_midi_without_a_fault_is_not_touched(tmp_path, caplog):
    content = midi_bytes(b"\0\xff\x59\x02\xfe\0\0\xb0\x07\x7f\0\xf0\x02\x50\xf7\0\xff\x58\x04\x03\x02\x18\x08")
    assert midi.mended(content) == (content, 0)
    (tmp_path / "a.mid").write_bytes(content)
    melody = music.read_melody(tmp_path / "a.mid")
    assert (melody.key, melody.bar) == ((10, "major"), 12) and not caplog.records


CLIPPED = midi_bytes(b"\0\xb0\x07\xff")


@pytest.mark.parametrize(
    "content",
    [
        midi_bytes(b"\0\x90\xbc\x50"),  # no such pitch
        CLIPPED[:40] + CLIPPED[41:],  # a byte is lost, and what follows is shifted
        CLIPPED[:-9],
        CLIPPED[:-1] + b"\x7f",
    ],
    ids=["pitch", "lost", "cut", "end"],
)
def test_damaged_midi_is_refused(tmp_path, content):
    (tmp_path / "a.mid").write_bytes(content)
    with pytest.raises(ValueError, match=r"`path` must be a whole file.*a\.mid"):
        music.read_melody(tmp_path / "a.mid")
    assert (tmp_path / "a.mid").read_bytes() == content


SHEET = """<score-partwise version="3.1"><part-list><score-part id="P1"><part-name>A</part-name></score-part>
<score-part id="P2"><part-name>Drums</part-name></score-part></part-list><part id="P1">{}</part>{}</score-partwise>"""
OPENING = """<divisions>1</divisions><key><fifths>0</fifths><mode>major</mode></key>
<time><beats>2</beats><beat-type>4</beat-type></time>"""
DRUMS = """<part id="P2"><measure number="1"><attributes><divisions>1</divisions></attributes>
<note><unpitched/><duration>1</duration></note><note><chord/><unpitched/><duration>1</duration></note>
<note><unpitched/><duration>1</duration></note></measure></part>"""


def sheet(path, *transpositions, drums=""):
    """Writes a sheet of bars C5 D5, each behind a change of transposition: chromatic steps and octaves, or None."""
    bars = []
    for number, transposition in enumerate(transpositions):
        opening = OPENING if number == 0 else ""
        if transposition:
            steps, octaves = transposition
            opening += f"<transpose><diatonic>{round(steps * 7 / 12)}</diatonic><chromatic>{steps}</chromatic>"
            opening += f"<octave-change>{octaves}</octave-change></transpose>"
        notes = "".join(
            f"<note><pitch><step>{step}</step><octave>5</octave></pitch><duration>1</duration></note>" for step in "CD"
        )
        bars.append(f'<measure number="{number}"><attributes>{opening}</attributes>{notes}</measure>')
    path.write_text(SHEET.format("".join(bars), drums))
    return path


@pytest.mark.parametrize(
    ("transpositions", "pitches", "key"),
    [
        ([None], [72, 74], (0, "major")),
        ([(-2, 0)], [70, 72], (10, "major")),  # clarinet in B flat
        ([(-2, -1)], [58, 60], (10, "major")),  # bass clarinet
        ([(0, -1)], [60, 62], (0, "major")),  # guitar
        ([(12, 0)], [84, 86], (0, "major")),  # piccolo
        ([None, (-2, 0), None, (-9, 0), (0, 0)], [72, 74, 70, 72, 70, 72, 63, 65, 72, 74], (0, "major")),
    ],
)
def test_instruments_that_transpose_sound(tmp_path, transpositions, pitches, key):
    path = sheet(tmp_path / "a.musicxml", *transpositions)
    melody = music.read_melody(path)
    assert melody.pitches[::4].tolist() == pitches and melody.key == key
    assert [step for [step] in keys(music.read_rolls(path)[0])] == pitches
    assert music.read_chorales(path)[0].pitches[::4, 0].tolist() == pitches


def test_drums_in_musicxml_are_left_out_and_told(tmp_path, caplog):
    path = sheet(tmp_path / "a.musicxml", None, drums=DRUMS)
    assert struck(music.read_melody(path)) == [(0, 72), (4, 74)]
    assert "a: 2 notes without a pitch" in caplog.text
    assert keys(music.read_rolls(path)[0]) == [[72], [74]] and len(music.read_chorales(path)) == 1


def test_drums_are_no_notes(tmp_path):
    path = write_midi(tmp_path / "a.mid", [(0, 1, 60)], drum=True)
    with pytest.raises(ValueError, match=r"`path` must hold notes\. Received: .*a\.mid"):
        music.read_rolls(path, steps_per_quarter=1)


def test_abc_without_chord_symbols_and_grace_notes(tmp_path):
    (tmp_path / "one.abc").write_text(ABC.format(number=7))
    [tune] = music.read_rolls(tmp_path / "one.abc", steps_per_quarter=2)
    assert tune.name == "one"
    assert [step for step, *_ in keys(tune)] == [62, 62, 67, 69, 71, 72, 74, 72, *[62] * 6]
    assert np.flatnonzero(tune.onsets.any(1)).tolist() == [0, *range(2, 9), 11]
    melody = music.read_melody(tmp_path / "one.abc")
    assert (melody.key, melody.bar, melody.pickup) == ((7, "major"), 12, 4)
    assert len(melody.pitches) == 28 and melody.onsets.sum() == 9


def test_a_damaged_tune_leaves_the_others(tmp_path, caplog):
    (tmp_path / "a.abc").write_text(ABC.format(number=1) + "\nX:2\nT:no key\nabc|\n\n" + ABC.format(number=3))
    assert [tune.name for tune in music.read_rolls(tmp_path / "a.abc", steps_per_quarter=2)] == ["a-1", "a-3"]
    assert "tune 2" in caplog.text


def test_json_keeps_splits_and_drops_what_no_piano_has(tmp_path):
    (tmp_path / "jsb.json").write_text(json.dumps(JSB))
    tunes = music.read_rolls(tmp_path / "jsb.json")
    assert [(tune.name, tune.split) for tune in tunes] == [
        ("jsb-train-0", "train"),
        ("jsb-valid-0", "valid"),
        ("jsb-test-0", "test"),
    ]
    assert [keys(tune) for tune in tunes] == [[[60, 64], [60], []], [[21]], [[108]]]
    assert tunes[0].onsets is None
    (tmp_path / "list.json").write_text(json.dumps(JSB["train"]))
    [tune] = music.read_rolls(tmp_path / "list.json")
    assert (tune.name, tune.split) == ("list-0", None)


def test_a_folder_is_read_in_order_and_without_what_is_damaged(tmp_path, caplog):
    (tmp_path / "b").mkdir()
    write_midi(tmp_path / "c.mid", [(0, 1, 60)])
    write_midi(tmp_path / "b" / "d.mid", [(0, 1, 62)])
    (tmp_path / "a.mid").write_bytes(b"no music")
    (tmp_path / "notes.txt").write_text("no music either")
    assert [tune.name for tune in music.read_rolls(tmp_path)] == ["d", "c"]
    assert "a.mid" in caplog.text and "notes.txt" not in caplog.text
    assert [tune.name for tune in music.read_rolls(tmp_path, recursive=False)] == ["c"]
    (tmp_path / "c.mid").unlink()
    with pytest.raises(ValueError, match="`path` must hold music in files ending in"):
        music.read_rolls(tmp_path, recursive=False)


DAMAGED = [
    ("a.mid", b""),
    ("a.mid", b"MThd"),
    ("a.mid", b"MThd\0\0\0\6\0\1\0\1\0\xdcMTrk\0\0\0\xff\0\x90"),
    ("a.mid", bytes(range(256))),
    ("a.abc", b""),
    ("a.abc", b"no tune"),
    ("a.abc", b"X:1\nT:a\nK:C\n"),
    ("a.abc", b"\xff\0\xfe"),
    ("a.musicxml", b""),
    ("a.musicxml", b"<score-partwise><part"),
    ("a.xml", b"<html></html>"),
    ("a.mxl", b"PK no zip"),
    ("a.json", b""),
    ("a.json", b'{"train": 3}'),
    ("a.json", b"[[[60.5]]]"),
    ("a.json", b"[[[600]]]"),
    ("a.json", b'[[["C"]]]'),
    ("a.json", b"[60, 64]"),
    ("a.json", b"[[[]]]"),
    ("a.json", b"3"),
    ("a.wav", b"RIFF"),
]


@pytest.mark.parametrize("read", [music.read_rolls, music.read_chorales], ids=["rolls", "chorales"])
@pytest.mark.parametrize(("name", "content"), DAMAGED)
def test_a_bad_file_is_one_sentence_that_names_it(tmp_path, read, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_files_and_arguments_out_of_range(tmp_path):
    for read in (music.read_rolls, music.read_chorales, music.read_melody):
        with pytest.raises(FileNotFoundError, match="`path` must be there already"):
            read(tmp_path / "no.mid")
    with pytest.raises(ValueError, match=r"`steps_per_quarter` must be a positive integer\. Received: 0"):
        music.read_rolls(tmp_path, steps_per_quarter=0)
    with pytest.raises(ValueError, match="`json_steps_per_quarter` must be 1, 2 or 4"):
        music.read_chorales(tmp_path, json_steps_per_quarter=3)
    with pytest.raises(ValueError, match="must be a file, not a folder"):
        music.read_melody(tmp_path)
    with pytest.raises(ValueError, match=r"`cache` must end in \.npz"):
        music.read_chorales(cache=tmp_path / "cache")


def test_voices_of_json_in_the_order_of_the_file_or_from_the_top(tmp_path):
    # Mostly falling: the order is that of the voices, and the third step crosses.
    ordered = [[72, 67, 64, 48]] * 2 + [[67, 72, 64, 48]]
    # Rising: no order of voices.
    rising = [[48, 64, 67, 72]] * 2 + [[48, 67, 72]] + [[48, 64, 67, 72]] + [[71]] + [[]]
    (tmp_path / "a.json").write_text(json.dumps([ordered, rising]))
    first, second = music.read_chorales(tmp_path / "a.json")
    assert first.pitches.tolist() == ordered and first.pitches.dtype == np.int16
    assert first.onsets.sum(0).tolist() == [2, 2, 1, 1]
    # Alto and tenor meet on 67 for one note; a single high note leaves the lower voices to rest.
    assert second.pitches[2:].tolist() == [[72, 67, 67, 48], [72, 67, 64, 48], [71, 71, 71, 0], [0, 0, 0, 0]]
    assert second.onsets[3].tolist() == [False, False, True, False]


def test_silence_in_json_and_coarser_grids(tmp_path):
    (tmp_path / "a.json").write_text('{"train": [[[72, 67, -1, 48], [72, 67, NaN, 48.0]]]}')
    [chorale] = music.read_chorales(tmp_path / "a.json", json_steps_per_quarter=2)
    assert chorale.pitches.tolist() == [[72, 67, 0, 48]] * 4 and chorale.split == "train"
    assert chorale.onsets.tolist() == [[True, True, False, True]] + [[False] * 4] * 3


def test_voices_of_midi_by_part_and_from_chords(tmp_path):
    parts = [[(0, 1, 48), (1, 2, 48)], [(0, 2, 64)], [(0, 2, 72)], [(0, 2, 67)]]
    [by_part] = music.read_chorales(write_midi(tmp_path / "a.mid", *parts))
    [by_chord] = music.read_chorales(write_midi(tmp_path / "b.mid", [note for part in parts for note in part]))
    for chorale in (by_part, by_chord):
        assert chorale.pitches.tolist() == [[72, 67, 64, 48]] * 8
        assert np.argwhere(chorale.onsets).tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [4, 3]]
    with pytest.raises(ValueError, match="at most four notes at once"):
        music.read_chorales(write_midi(tmp_path / "c.mid", [(0, 1, 60 + note) for note in range(5)]))


def test_the_melody_is_the_top_of_the_highest_part(tmp_path):
    chords = [(time, time + 0.25, pitch) for time in range(8) for pitch in (60, 64)]
    path = write_midi(tmp_path / "a.mid", chords, [(0, 1, 72), (0, 1, 69), (1, 2, 72), (3, 4, 74)])
    melody = music.read_melody(path)
    assert melody.pitches.tolist() == [72] * 8 + [0] * 4 + [74] * 4 + [0] * 13
    assert np.flatnonzero(melody.onsets).tolist() == [0, 4, 12]


def test_a_held_note_below_comes_back_as_a_new_one():
    pitches, onsets = grid.skyline(np.array([(0, 2, 60), (0.5, 1, 67)]), 8)
    assert pitches.tolist() == [60, 60, 67, 67, 60, 60, 60, 60] and np.flatnonzero(onsets).tolist() == [0, 2, 4]


def few_pieces(monkeypatch, names=("bwv66.6", "bwv269", "bwv279", "bwv158.4", "bwv1.6")):
    """Lets the corpus consist of these; the third and fourth are nearly the same, the last has five parts."""
    from music21 import corpus

    files = [file for file in corpus.getComposer("bach") if Path(file).stem in names]
    monkeypatch.setattr(corpus, "getComposer", lambda composer: files)


def test_the_corpus_is_read_once_and_kept(tmp_path, monkeypatch, caplog):
    few_pieces(monkeypatch)
    cache = tmp_path / "cache.npz"
    with caplog.at_level(logging.INFO, logger="kerasmlsp"):
        first = music.read_chorales(cache=cache)
    assert "0 of 5 files" in caplog.text
    assert [chorale.name for chorale in first] == ["bwv158.4", "bwv269", "bwv66.6"]
    last = first[-1]
    assert (last.key, last.bar, last.pickup, last.pitches.shape) == ((6, "minor"), 16, 4, (144, 4))
    # F sharp minor: C#5 E4 A3 A3, then B4 E4 B3 G#3, and the first bar with A4 F#4 C#4 F#3.
    assert last.pitches[:5].tolist() == [[73, 64, 57, 57]] * 2 + [[71, 64, 59, 56]] * 2 + [[69, 66, 61, 54]]
    monkeypatch.setattr(chorales, "_corpus", lambda: pytest.fail("read again"))
    for old, new in zip(first, music.read_chorales(cache=cache), strict=True):
        assert np.array_equal(old.pitches, new.pitches) and np.array_equal(old.onsets, new.onsets)
        assert (old.name, old.key, old.bar, old.pickup) == (new.name, new.key, new.bar, new.pickup)
        assert (new.pitches.dtype, new.onsets.dtype) == (np.int16, bool)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 no archive"])
def test_a_damaged_cache_is_made_again(tmp_path, monkeypatch, caplog, content):
    few_pieces(monkeypatch, ("bwv66.6",))
    (tmp_path / "cache.npz").write_bytes(content)
    assert len(music.read_chorales(cache=tmp_path / "cache.npz")) == 1
    assert "is damaged or old" in caplog.text
    assert len(music.read_chorales(cache=tmp_path / "cache.npz")) == 1 and len(list(tmp_path.iterdir())) == 1


def test_nottingham_as_midi():
    folder = DATA / "nottingham" / "MIDI"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    [tune] = music.read_rolls(folder / "slip1.mid", steps_per_quarter=1)
    steps = keys(tune)
    assert steps[0] == []  # the rest of the bar before the pickup
    assert all(55 <= step[-1] <= 88 for step in steps[4:]) and len(steps) > 24 and tune.onsets.any()


@pytest.mark.parametrize(("grid", "steps"), [("quarter", 23_134), ("16th", 92_536)])
def test_jsb_chorales(grid, steps):
    path = DATA / "jsb_chorales" / f"jsb-chorales-{grid}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    tunes = music.read_rolls(path)
    assert [sum(tune.split == split for tune in tunes) for split in ("train", "valid", "test")] == [229, 76, 77]
    assert sum(len(tune.roll) for tune in tunes) == steps


def test_one_bad_piece_of_a_file_is_left_out_and_told(tmp_path):
    from kerasmlsp.music import scores

    good, five, odd = [[72, 67, 64, 48]], [[72, 67, 64, 48, 40]], [["C", 67, 64, 48]]
    (tmp_path / "a.json").write_text(json.dumps({"train": [good, five, odd, good]}))
    with scores.left_out() as problems:
        assert [piece.name for piece in music.read_chorales(tmp_path / "a.json")] == ["a-train-0", "a-train-3"]
    assert len(problems) == 2 and any("a-train-2" in each for each in problems)
    (tmp_path / "a.json").write_text(json.dumps([five]))
    with pytest.raises(ValueError, match="at most four notes at once"):
        music.read_chorales(tmp_path / "a.json")


@pytest.mark.parametrize(("metre", "told"), [("6/8", "6/8 (1 piece) is read and written as 3/4"), ("3/4", "")])
def test_a_metre_that_is_written_as_another_is_told(tmp_path, caplog, metre, told):
    (tmp_path / "a.abc").write_text(f"X:1\nM:{metre}\nL:1/8\nK:G\nGABcde|edcBAG|\n")
    with caplog.at_level("INFO", "kerasmlsp"):
        assert music.read_melody(tmp_path / "a.abc").bar == 12
    assert told in caplog.text and bool(told) == ("written as" in caplog.text)
