"""Batches of piano rolls: padding, weights, parts of pieces and transposition."""

import numpy as np
import pytest

from kerasmlsp.music import frames

KEYS = 12


def rolls(lengths=(9, 4, 7, 2), low=4, high=8):
    random = np.random.default_rng(0)
    made = [np.zeros((length, KEYS), bool) for length in lengths]
    for roll in made:
        roll[:, low:high] = random.random((len(roll), high - low)) < 0.5
        roll[0, [low, high - 1]] = True
    return made


def loaded(batches, epochs=1):
    """Inputs, targets and weights of epochs, row by row, each with the number of its piece."""
    position = [0, 0]
    dataset = batches.dataset(lambda: tuple(position))
    for position[0] in range(epochs):
        for indices, batch in zip(batches.order(position[0]), dataset, strict=True):
            for place, row in zip(indices, zip(*(each.numpy() for each in batch), strict=True), strict=True):
                yield int(place), *row


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(4, 8, (-4, 4)), (0, 3, (0, 6)), (11, 12, (-5, 0)), (0, 12, (0, 0))]
)
def test_free_shifts_lose_no_note(low, high, expected):
    assert frames.free_shifts(rolls(low=low, high=high)[0]) == expected


def test_silence_moves_freely():
    assert frames.free_shifts(np.zeros((3, KEYS), bool)) == (-5, 6)


def test_each_frame_is_followed_by_its_next_and_padding_weighs_nothing():
    pieces = rolls()
    seen = []
    for place, inputs, targets, weights in loaded(frames.training_batches(pieces, 3)):
        steps = len(pieces[place]) - 1
        assert np.array_equal(inputs[:steps], pieces[place][:-1]) and np.array_equal(targets[:steps], pieces[place][1:])
        assert weights.tolist() == [1.0] * steps + [0.0] * (len(weights) - steps)
        assert not targets[steps:].any() and inputs.dtype == targets.dtype == weights.dtype == np.float32
        seen.append(place)
    assert sorted(seen) == [0, 1, 2, 3]


def test_transposition_moves_a_share_of_the_pieces_evenly_and_loses_nothing():
    pieces = rolls(lengths=(5,) * 400)
    batches, shifts = frames.training_batches(pieces, 50, share=0.5, seed=3), []
    for place, inputs, targets, _ in loaded(batches):
        notes = np.flatnonzero(inputs.any(0))
        shift = int(notes[0]) - 4
        assert np.array_equal(inputs, np.roll(pieces[place][:-1], shift, 1))
        assert np.array_equal(targets, np.roll(pieces[place][1:], shift, 1))
        shifts.append(shift)
    counts = np.bincount(np.array(shifts) + 4, minlength=9)
    # Half stay, and the rest are spread over -4 to 4.
    assert len(counts) == 9 and 0.45 < counts[4] / 400 < 0.66 and counts.min() > 8


def test_the_same_epoch_is_the_same_and_another_is_not():
    batches = frames.training_batches(rolls(lengths=(5,) * 20), 20, share=1.0)
    first, again, other = (next(iter(batches.dataset(lambda e=epoch: (e, 0))))[0].numpy() for epoch in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_of_long_pieces_parts_are_drawn():
    # Many at once: every epoch takes as long to begin.
    pieces = [*[np.eye(KEYS, dtype=bool)] * 40, np.eye(KEYS, dtype=bool)[:3]]
    begins = set()
    for place, inputs, targets, weights in loaded(frames.training_batches(pieces, 21, length=4), epochs=2):
        steps = int(weights.sum())
        begin = int(inputs[0].argmax())
        assert steps == (4 if place < 40 else 2) and len(weights) <= 4
        assert targets[:steps].argmax(1).tolist() == list(range(begin + 1, begin + steps + 1))
        if place < 40:
            begins.add(begin)
    assert begins == set(range(8))


def test_validation_takes_whole_pieces_as_they_are():
    pieces, notes = rolls(), 0
    batches = list(frames.validation_dataset(pieces, 3))
    for inputs, targets, weights in batches:
        assert inputs.shape[1] == targets.shape[1] == weights.shape[1]
        notes += float((targets.numpy().sum(2) * weights.numpy()).sum())
    assert len(batches) == 2 and notes == sum(roll[1:].sum() for roll in pieces)
    assert sum(float(weights.numpy().sum()) for *_, weights in batches) == sum(len(roll) - 1 for roll in pieces)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rolls": []}, "`rolls` must be pieces of at least 2 steps. Received: 0 pieces"),
        ({"rolls": rolls((5, 1))}, "the shortest of 1"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"share": 1.5}, r"`share` must be in \[0, 1\]. Received: share=1.5"),
        ({"semitones": (1, 3)}, r"`semitones` must be a pair around 0. Received: semitones=\(1, 3\)"),
        ({"length": 0}, "`length` must be at least 1. Received: length=0"),
    ],
)
def test_what_makes_no_batches_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        frames.training_batches(**{"rolls": rolls(), "batch_size": 2, **options})
