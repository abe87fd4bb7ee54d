"""Music written and read again."""

import subprocess
import sys
import wave

import numpy as np
import pytest

from kerasmlsp import music
from kerasmlsp.music.pieces import begins

PITCHES = np.array(
    [(72, 67, 64, 48)] * 4 + [(74, 67, 62, 47)] * 5 + [(0, 0, 0, 0)] * 3 + [(70, 66, 61, 54)] * 12, np.int16
)
ONSETS = begins(PITCHES)
ONSETS[2, 0] = ONSETS[14, 3] = True  # repeated notes


def piece(**fields):
    return music.Chorale("A title", PITCHES, ONSETS, **fields)


def same(first, second):
    return np.array_equal(first.pitches, second.pitches) and np.array_equal(first.onsets, second.onsets)


def test_importing_music_is_cheap():
    heavy = ["music21", "pretty_midi", "matplotlib", "tensorflow", "keras", "pandas"]
    code = f"import sys, kerasmlsp.music; sys.exit(str([n for n in {heavy} if n in sys.modules] or ''))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr.strip() == ""


@pytest.mark.parametrize("tempo", [60, 97.3])
def test_midi_keeps_voices_and_repeated_notes(tmp_path, tempo):
    music.write_midi(tmp_path / "a.mid", PITCHES, ONSETS, tempo=tempo, program=19)
    [read] = music.read_chorales(tmp_path / "a.mid")
    assert same(read, piece())
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(str(tmp_path / "a.mid"))
    assert (midi.instruments[0].name, midi.instruments[0].program) == ("soprano", 19)
    assert midi.get_end_time() == pytest.approx(len(PITCHES) / 4 * 60 / tempo, abs=0.01)


@pytest.mark.parametrize("key", [(7, "major"), (9, "minor"), None])
def test_midi_keeps_the_key(tmp_path, key):
    music.write_midi(tmp_path / "a.mid", PITCHES, ONSETS, key=key)
    assert music.read_melody(tmp_path / "a.mid").key == key


def test_midi_of_a_piano_roll(tmp_path):
    roll = np.zeros((5, 88), bool)
    roll[:4, 39] = roll[1:3, 0] = roll[2:, 87] = True
    struck = np.zeros_like(roll)
    struck[2, 39] = True
    music.write_midi(tmp_path / "a.mid", roll, struck, steps_per_quarter=1)
    [tune] = music.read_rolls(tmp_path / "a.mid", steps_per_quarter=1)
    assert np.array_equal(tune.roll, roll)
    assert np.argwhere(tune.onsets).tolist() == [[0, 39], [1, 0], [2, 39], [2, 87]]
    music.write_midi(tmp_path / "held.mid", roll, steps_per_quarter=1)
    [tune] = music.read_rolls(tmp_path / "held.mid", steps_per_quarter=1)
    assert np.array_equal(tune.roll, roll) and tune.onsets.sum() == 3


def test_midi_of_one_voice(tmp_path):
    music.write_midi(tmp_path / "a.midi", PITCHES[:, 0], ONSETS[:, 0])
    melody = music.read_melody(tmp_path / "a.midi")
    assert np.array_equal(melody.pitches, PITCHES[:, 0]) and np.array_equal(melody.onsets, ONSETS[:, 0])


@pytest.mark.parametrize("sample_rate", [22_050, 44_100])
def test_wav_is_neither_silent_nor_clipped(tmp_path, sample_rate):
    music.write_wav(tmp_path / "a.wav", PITCHES, ONSETS, tempo=120, sample_rate=sample_rate)
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (sample_rate, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(int)
    assert abs(len(samples) / sample_rate - 3) < 1.1  # 6 quarters of half a second, and some echo
    assert np.abs(samples).max() == round(0.9 * 32767)
    beat = sample_rate // 2
    assert np.abs(samples[: beat // 2]).mean() > 500
    assert np.abs(samples[int(2.6 * beat) : int(2.9 * beat)]).max() < 50  # the rest


@pytest.mark.parametrize(
    "fields",
    [
        {"key": (9, "minor"), "bar": 16, "pickup": 4},
        {"key": (1, "major"), "bar": 12},
        {"key": (6, "minor"), "bar": 6, "pickup": 3},
        {"bar": 16},
    ],
)
def test_musicxml_comes_back(tmp_path, fields):
    music.write_musicxml(tmp_path / "a.musicxml", piece(**fields), tempo=80)
    [read] = music.read_chorales(tmp_path / "a.musicxml")
    assert same(read, piece())
    assert (read.key, read.bar, read.pickup) == (fields.get("key"), fields["bar"], fields.get("pickup", 0))


def test_musicxml_is_sheet_music(tmp_path):
    from music21 import converter

    music.write_musicxml(tmp_path / "a.xml", piece(key=(5, "major"), bar=12))
    score = converter.parse(str(tmp_path / "a.xml"), forceSource=True, storePickle=False)
    assert "<work-title>A title</work-title>" in (tmp_path / "a.xml").read_text(encoding="utf-8")
    assert [part.partName for part in score.parts] == ["Soprano", "Alto", "Tenor", "Bass"]
    clefs = [part.recurse().getElementsByClass("Clef")[0].classes[0] for part in score.parts]
    assert clefs == ["TrebleClef", "TrebleClef", "Treble8vbClef", "BassClef"]
    soprano = score.parts[0].flatten()
    assert soprano.getElementsByClass("KeySignature")[0].sharps == -1
    assert [note.pitch.midi for note in score.parts[2].flatten().stripTies().notes] == [64, 62, 61]
    names = [note.nameWithOctave for note in soprano.notes]
    assert names == ["C5", "C5", "D5", "D5", "B-4"] and soprano.notes[2].tie.type == "start"


@pytest.mark.parametrize(
    ("pitch", "key", "name"),
    [
        (60, None, "C4"),
        (61, None, "C#4"),
        (68, (9, "minor"), "G#4"),
        (70, (5, "major"), "B-4"),
        (60, (1, "major"), "C4"),
        (59, (6, "major"), "B3"),
        (59, (1, "major"), "C-4"),  # the minor seventh of D flat
        (60, (1, "minor"), "B#3"),  # the leading note of C sharp minor
    ],
)
def test_black_keys_are_named_by_the_key(pitch, key, name):
    from kerasmlsp.music import musicxml

    spelled = musicxml._spelled(pitch, key)
    assert spelled.nameWithOctave == name and spelled.midi == pitch


@pytest.mark.parametrize("onsets", [None, ONSETS])
def test_picture_of_voices(tmp_path, onsets):
    music.write_piano_roll(tmp_path / "a.png", PITCHES, onsets, bar=12, pickup=3, title="Four voices")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG") and len(list(tmp_path.iterdir())) == 1
    axes = music.piano_roll_figure(PITCHES, onsets, bar=12, pickup=3).axes[0]
    assert axes.get_xticks().tolist() == [3, 15] and [label.get_text() for label in axes.get_xticklabels()] == [
        "1",
        "2",
    ]
    pitches = {label.get_text(): place for label, place in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)}
    assert pitches["C4"] == 60 and pitches["E4"] == 64 and pitches["G4"] == 67


def test_picture_of_a_roll(tmp_path):
    roll = np.eye(88, dtype=bool)
    music.write_piano_roll(tmp_path / "a.png", roll, bar=None)
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("write", "name"), [(music.write_midi, "a.mid"), (music.write_wav, "a.wav"), (music.write_piano_roll, "a.png")]
)
def test_what_cannot_be_written_says_why_and_leaves_the_old_file(tmp_path, write, name):
    path = tmp_path / name
    path.write_text("old")
    for bad, words in [
        (np.zeros((4, 4), int), "`music` must hold notes"),
        (np.full((4, 4), 128), "0 to 127. Received: 128 to 128"),
        (np.zeros((4, 4)), "`music` must be integers"),
        (np.ones((4, 87), bool), r"`music` must be `\(steps, 88\)`"),
    ]:
        with pytest.raises(ValueError, match=words):
            write(path, bad)
    with pytest.raises(ValueError, match="`onsets` must have the shape"):
        write(path, PITCHES, ONSETS[:2])
    with pytest.raises(ValueError, match="`path` must end in"):
        write(tmp_path / "a.txt", PITCHES)
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "no" / name, PITCHES)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_other_arguments_out_of_range(tmp_path):
    with pytest.raises(ValueError, match="`tempo` must be above 0"):
        music.write_midi(tmp_path / "a.mid", PITCHES, tempo=0)
    with pytest.raises(ValueError, match="`sample_rate` must be at least 8000"):
        music.write_wav(tmp_path / "a.wav", PITCHES, sample_rate=1)
    with pytest.raises(ValueError, match=r"`path` must end in \.musicxml"):
        music.write_musicxml(tmp_path / "a.mid", piece())
    with pytest.raises(ValueError, match="`chorale` must hold at least one step"):
        music.write_musicxml(tmp_path / "a.xml", music.Chorale("none", PITCHES[:0], ONSETS[:0]))
