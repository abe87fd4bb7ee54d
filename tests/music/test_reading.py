"""Music from files of every kind, whole and damaged, and from music21's corpus."""

import json
import logging
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from kerasmlsp import music
from kerasmlsp.music import chorales, grid

DATA = Path.home() / ".cache" / "kerasmlsp" / "data"
ABC = 'X:{number}\nT:Tune\nM:3/4\nL:1/8\nK:G\nD2|"G"GA{{c}}Bc dc|"D"D3 D3|]\n'
JSB = {"train": [[[60, 64], [60], []]], "valid": [[[21.0]]], "test": [[[108, 20, 109]]]}


def write_midi(path, *parts, tempo=120.0, drum=False, resolution=220, changes=()):
    """Writes notes given as start and end in quarters and pitch, a list for each part."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=tempo, resolution=resolution)
    for quarter, then in changes:  # pretty_midi reads changes of tempo but has no method that adds one
        midi._tick_scales.append((quarter * resolution, 60 / (then * resolution)))
    midi._update_tick_to_time(resolution * 100)
    for notes in parts:
        track = pretty_midi.Instrument(0, is_drum=drum)
        for start, end, pitch in notes:
            times = (midi.tick_to_time(round(time * resolution)) for time in (start, end))
            track.notes.append(pretty_midi.Note(90, pitch, *times))
        midi.instruments.append(track)
    midi.write(str(path))
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
