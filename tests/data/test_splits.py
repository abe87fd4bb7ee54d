"""What is trained on, what is held out, and copies."""

import numpy as np
import pytest

from kerasmlsp.data import splits


def test_splits_are_stratified_disjoint_sorted_and_repeatable():
    labels = ["neg"] * 60 + ["pos"] * 30 + ["rare"] * 2
    train, validation = splits.split_indices(labels, 0.1, seed=1)
    assert sorted([*train, *validation]) == list(range(92))
    assert (np.diff(train) > 0).all() and (np.diff(validation) > 0).all()
    assert [labels[index] for index in validation] == ["neg"] * 6 + ["pos"] * 3 + ["rare"]
    assert np.array_equal(splits.split_indices(labels, 0.1, seed=1)[1], validation)
    assert not np.array_equal(splits.split_indices(labels, 0.1, seed=2)[1], validation)


def test_bad_splits():
    with pytest.raises(ValueError, match=r"Every class must have at least two examples.*too few of b, c"):
        splits.split_indices(["a", "a", "b", "c"], 0.5, seed=0)
    with pytest.raises(ValueError, match="no labels"):
        splits.split_indices([], 0.5, seed=0)
    for fraction in (0, 1, -0.1):
        with pytest.raises(ValueError, match="`fraction` must be between 0 and 1"):
            splits.split_indices(["a", "a"], fraction, seed=0)


def test_copies_within_and_across_parts_are_left_out():
    texts, others = splits.text_keys(["A b", "c", "a  B\n", "d"]), splits.text_keys(["C"])
    assert splits.without(texts, others).tolist() == [0, 3]
    assert splits.without([]).dtype == np.int64
    pictures = np.array([[[1, 2]], [[2, 1]], [[1, 2]]], np.uint8)
    assert splits.without(splits.array_keys(pictures)).tolist() == [0, 1]
    # Neither the values as another type nor in another shape are the same.
    keys = splits.array_keys([pictures[0], pictures[0].astype("int8"), pictures[0].T, pictures[:1, :, ::-1][0]])
    assert splits.without(keys).tolist() == [0, 1, 2, 3]
    assert splits.array_keys([pictures[0, :, ::-1]]) == splits.array_keys([pictures[1]])


def test_of_copies_in_several_parts_those_of_the_first_part_stay():
    keys, parts = list("aabbcc"), ["train", "test", "train", "train", "validation", "train"]
    assert splits.apart(keys, parts, ("test", "validation", "train")).tolist() == [1, 2, 3, 4]


def test_many_rare_classes_are_not_all_listed():
    with pytest.raises(ValueError, match="too few of 100, 101, 102, 103, 104 and 95 more"):
        splits.split_indices(range(100, 200), 0.5, seed=0)


def test_split_indices_in_blocks_keeps_neighbours_together():
    labels = np.array(["a"] * 200 + ["b"] * 100)
    train, held_out = splits.split_indices(labels, 0.1, seed=1, blocks=4)
    assert len(held_out) == 30 and not set(train) & set(held_out) and len(train) + len(held_out) == 300
    assert np.sum(labels[held_out] == "a") == 20
    assert 2 <= np.sum(np.diff(held_out) > 1) + 1 <= 8
    assert not np.array_equal(held_out, splits.split_indices(labels, 0.1, seed=2, blocks=4)[1])


def test_rounds_begin_where_the_class_goes_back_or_numbers_are_missing():
    names = ["b/IMG_12.jpg", "a/IMG_11.jpg", "c/IMG_13.jpg", "b/IMG_15.jpg", "c/x9_IMG_16.jpg", "c/IMG_40.jpg"]
    labels = ["b", "a", "c", "b", "c", "c"]
    assert splits.rounds(names, labels).tolist() == [0, 0, 0, 1, 1, 2]
    # Not the class alone: somebody may have left classes out before another did.
    assert splits.rounds(["1", "9"], ["a", "b"]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("names", "told"), [(["a/one.jpg", "b/2.jpg"], "'a/one.jpg'"), (["a/1.jpg", "b/01.jpg"], "twice")]
)
def test_rounds_need_a_number_of_each_file(names, told):
    with pytest.raises(ValueError, match=told):
        splits.rounds(names, ["a", "b"])


def test_folds_keep_groups_whole_and_are_of_one_size():
    groups = np.repeat(np.arange(50), np.random.default_rng(0).integers(1, 11, 50))
    found = splits.folds(groups, 5, seed=0)
    assert all(len(set(found[groups == group])) == 1 for group in range(50))
    sizes = np.bincount(found)
    assert len(sizes) == 5 and sizes.max() - sizes.min() <= 10
    assert np.array_equal(found, splits.folds(groups, 5, seed=0))
    assert not np.array_equal(found, splits.folds(groups, 5, seed=1))
    assert np.bincount(splits.folds(range(10), 3, seed=0)).tolist() == [4, 3, 3]


@pytest.mark.parametrize("count", [1, 4])
def test_there_are_at_least_two_folds_and_as_many_groups(count):
    with pytest.raises(ValueError, match=f"from 2 to the 3 groups of the data. Received: {count}"):
        splits.folds(["a", "a", "b", "c"], count, seed=0)


def test_split_groups_holds_out_whole_groups():
    groups = np.repeat(np.arange(40), 5)
    labels = np.tile(np.arange(5), 40)
    train, held_out = splits.split_groups(labels, groups, 0.2, seed=3)
    assert len(held_out) == 40 and sorted([*train, *held_out]) == list(range(200))
    assert not set(groups[train]) & set(groups[held_out])
    with pytest.raises(ValueError, match="must leave every class to train on"):
        splits.split_groups(["a", "b"], [0, 1], 0.5, seed=0)
    with pytest.raises(ValueError, match="`fraction` must be between 0 and 1"):
        splits.split_groups(labels, groups, 1.0, seed=0)


def test_files_that_do_not_match_belong_to_nobody_else():
    names = ["yes/ann_1.wav", "no/ann_2.wav", "_silence_/7.wav", "_silence_/8.wav"]
    groups = splits.matched(names, r"/([a-z]+)_", alone=True)
    assert groups[0] == groups[1] and len(set(groups.tolist())) == 3
    with pytest.raises(ValueError, match=r"must match every path .* for _silence_/7.wav"):
        splits.matched(names, r"/([a-z]+)_")
    with pytest.raises(ValueError, match="must match every path"):  # a pattern that matches nothing is a mistake
        splits.matched(names, "speaker([0-9])", alone=True)


def test_files_are_held_out_by_name_by_group_or_one_by_one():
    names = [f"{drive}_{frame}.png" for drive in "abcde" for frame in range(4)]
    train, held_out = splits.split_files(names, 0.2, 0, holdout="^b_")
    assert [names[i] for i in held_out] == names[4:8] and len(train) == 16
    train, held_out = splits.split_files(names, 0.2, 0, groups="^([a-z])_")
    assert len({names[i][0] for i in held_out}) == 1 and len(held_out) == 4
    assert len(splits.split_files(names, 0.2, 0)[1]) == 4
    train, held_out = splits.split_files(names, 0.0, 0)
    assert len(train) == 20 and not len(held_out)
    for pattern, count in (("^x", "no path"), (".", "every path")):
        with pytest.raises(ValueError, match=f"must match some paths. Received: .* {count}"):
            splits.split_files(names, 0.2, 0, holdout=pattern)
