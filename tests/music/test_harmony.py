"""Rules of harmony on examples worked out by hand, and transposition."""

import numpy as np
import pytest

from kerasmlsp import music
from kerasmlsp.music import harmony

C, F, G = (72, 67, 64, 48), (72, 69, 65, 53), (74, 67, 59, 55)


def chorale(*steps, bar=None, key=None, onsets=None):
    pitches = np.array(steps, np.int16)
    return music.Chorale("test", pitches, harmony.begins(pitches, onsets), key, bar=bar)


def voices(upper, lower):
    """Two voices, soprano and alto, while the others rest."""
    return np.array([upper, lower, [0] * len(upper), [0] * len(upper)]).T


@pytest.mark.parametrize(
    ("upper", "lower", "fifths", "octaves"),
    [
        ([67, 69], [60, 62], 1, 0),  # C-G to D-A
        ([79, 81], [60, 62], 1, 0),  # a twelfth
        ([72, 74], [60, 62], 0, 1),
        ([60, 62], [60, 62], 0, 1),  # unisons
        ([67, 67], [60, 60], 0, 0),  # a chord that is held or repeated does not move
        ([67, 69], [60, 60], 0, 0),  # oblique
        ([67, 74], [60, 55], 0, 0),  # contrary: fifth to twelfth and a fourth below, no parallel motion
        ([67, 69], [60, 63], 0, 0),  # perfect to diminished
        ([65, 67], [60, 62], 0, 0),  # fourths are allowed
        ([60, 62], [67, 69], 1, 0),  # crossed voices make fifths all the same
        ([67, 0, 69], [60, 0, 62], 0, 0),  # a rest between
        ([67, 69, 71], [60, 62, 64], 2, 0),
    ],
)
def test_parallels(upper, lower, fifths, octaves):
    assert harmony.parallels(voices(upper, lower), 7) == fifths
    assert harmony.parallels(voices(upper, lower), 0) == octaves


def test_parallels_of_all_pairs():
    # C major to D major, every voice a tone up.
    pitches = np.array([(67, 60, 55, 48), (69, 62, 57, 50)])
    assert harmony.parallels(pitches, 7) == 3  # S-A, T-B, and S-B (a fifth and an octave)
    assert harmony.parallels(pitches, 0) == 2  # S-T, A-B


def test_crossings_count_once_however_long():
    assert harmony.crossings([C, C]) == 0
    assert harmony.crossings([(60, 64, 55, 48)] * 3) == 1
    assert harmony.crossings([(60, 64, 55, 48), C, (60, 64, 50, 52)]) == 3
    assert harmony.crossings([(60, 0, 64, 48)]) == 0  # neighbours only, and no rest
    assert harmony.crossings([(60, 60, 48, 48)]) == 0


def test_notes_out_of_range_count_once_unless_repeated():
    steps = np.array([(80, 67, 64, 39), (80, 67, 64, 39), (79, 55, 67, 40), (0, 0, 0, 0)])
    assert harmony.out_of_range(steps) == 2
    onsets = np.zeros(steps.shape, bool)
    onsets[1, 0] = True
    assert harmony.out_of_range(steps, onsets) == 3
    assert harmony.out_of_range(steps, ranges=[(0, 127)] * 4) == 0


def test_rules_are_per_bar_of_all_pieces():
    parallel = chorale((67, 60, 0, 0), (69, 62, 0, 0), bar=2)  # one bar
    assert music.rules([parallel])["parallel_fifths"] == 1
    clean = chorale(C, C, C, C, C, C, bar=2)  # three bars
    found = music.rules([parallel, clean])
    assert found == {"parallel_fifths": 0.25, "parallel_octaves": 0, "voice_crossings": 0, "range_violations": 0}
    assert music.rules([chorale(*[C] * 8)])["voice_crossings"] == 0  # half a bar of 4/4
    with pytest.raises(ValueError, match="`chorales` must hold at least one step"):
        music.rules([])


def test_pitch_classes_are_steps_and_intervals_are_notes():
    piece = chorale((72, 0, 0, 48), (72, 0, 0, 48), (74, 0, 0, 0), (0, 0, 0, 0), (74, 0, 0, 24))
    assert harmony.pitch_classes([piece]).tolist() == [5, 0, 2, *[0] * 9]
    intervals = harmony.melodic_intervals([piece])
    # Soprano: up a tone, then the same again after the rest; bass: down two octaves, counted at the end.
    assert intervals.sum() == 3 and intervals[14] == intervals[12] == intervals[0] == 1


def test_jensen_shannon():
    assert music.jensen_shannon([1, 2], [10, 20]) == pytest.approx(0, abs=1e-12)
    assert music.jensen_shannon([1, 0], [0, 5]) == pytest.approx(1)
    # p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4).
    expected = (np.log2(4 / 3) + 0.5 * np.log2(2 / 3) + 0.5 * np.log2(2)) / 2
    assert music.jensen_shannon([1, 0], [3, 3]) == pytest.approx(expected)
    for other in ([0, 0], [1, 2, 3]):
        with pytest.raises(ValueError, match="histograms of one shape"):
            music.jensen_shannon([1, 2], other)


def test_divergences():
    first, second = chorale(C, F, G, C), chorale(G, C, G, C)
    same = music.divergences([first], [first])
    assert same == {"pitch_class_divergence": 0, "melodic_interval_divergence": 0}
    assert all(0 < value < 1 for value in music.divergences([first], [second]).values())


def test_transpose_moves_notes_and_key_but_not_rests():
    moved = music.transpose(chorale((72, 0, 64, 48), key=(9, "minor")), 5)
    assert moved.pitches.tolist() == [[77, 0, 69, 53]] and moved.key == (2, "minor")
    assert moved.pitches.dtype == np.int16 and music.transpose(chorale(C), -1).key is None


def test_transpositions_keep_every_voice_within_its_range():
    ranges = music.compass([chorale(C, F), chorale(G, (76, 0, 0, 0))])
    assert ranges.tolist() == [[72, 76], [67, 69], [59, 65], [48, 55]]
    assert music.transpositions(chorale(C), ranges) == range(0, 2)
    assert music.transpositions(chorale((72, 0, 0, 0)), ranges) == range(0, 5)
    with pytest.raises(ValueError, match=r"`semitones` must be between 0 and 1 for 'test'\. Received: 2"):
        music.transpose(chorale(C), 2, ranges=ranges)
    with pytest.raises(ValueError, match="no transposition fits"):
        music.transpose(chorale((60, 67, 64, 48)), 0, ranges=ranges)
    with pytest.raises(ValueError, match="notes in every voice"):
        music.compass([chorale((72, 0, 0, 0))])
