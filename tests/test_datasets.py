"""Labelled texts, fingerprints and splits."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kerasmlsp import datasets

REAL_DATA = Path(os.environ.get("KERASMLSP_DATA", "~/.cache/kerasmlsp/data")).expanduser()


def real(name):
    path = REAL_DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there; KERASMLSP_DATA names another folder of real data")
    return path


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_importing_is_cheap():
    script = "import sys; from kerasmlsp import datasets, tables, tfds; "
    script += "print({'pandas', 'tensorflow', 'tensorflow_datasets', 'pyarrow', 'keras'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"


# read_labelled_texts


def test_labelled_texts_of_a_table(tmp_path, caplog):
    path = write(tmp_path / "a.csv", "Review,Score\nNA,001\n ,1\ngood, 1.0 \nbad,\n")
    texts, labels = datasets.read_labelled_texts(path, text_column="Review", label_column="Score")
    assert (texts, labels) == (["NA", "good"], ["001", "1.0"])
    assert "Left out 2 of 4 rows" in caplog.text


def test_integer_labels_of_parquet_become_text(tmp_path):
    pd.DataFrame({"text": ["a", "b"], "label": [0, 1]}).to_parquet(tmp_path / "a.parquet")
    assert datasets.read_labelled_texts(tmp_path / "a.parquet")[1] == ["0", "1"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("review,label\na,b\n", "`text_column` (--text-column) must be a column"),
        ("text,class\na,b\n", "`label_column` (--label-column) must be a column"),
        ("text,label\na,\n,b\n", "every row lacks one"),
        ("text,label\na,pos\nb,pos\n", "at least two classes"),
    ],
)
def test_bad_labelled_texts(tmp_path, content, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        datasets.read_labelled_texts(write(tmp_path / "a.csv", content))


def test_nested_text_is_refused(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": ["a"], "label": 1}\n')
    with pytest.raises(ValueError, match="text or numbers in the column 'text'"):
        datasets.read_labelled_texts(path)


def make_folder(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}")
    return root


def test_labelled_texts_of_folders(tmp_path):
    folder = make_folder(tmp_path, "b/1.txt", "a/2.txt", "a/1.txt", ".git/x.txt", "a/notes.md")
    texts, labels = datasets.read_labelled_texts(folder)
    assert texts == ["text of a/1.txt", "text of a/2.txt", "text of b/1.txt"]
    assert labels == ["a", "a", "b"]


def test_labelled_texts_of_acl_imdb(tmp_path, caplog):
    caplog.set_level("INFO", logger="kerasmlsp")
    root = make_folder(tmp_path, *(f"{s}/{c}/0_1.txt" for s in ("train", "test") for c in ("neg", "pos", "unsup")))
    with pytest.raises(ValueError, match=re.escape(str(root / "train"))):
        datasets.read_labelled_texts(root)
    with pytest.raises(ValueError, match=r"`split` must be a folder .*: test, train\. Received: 'dev'"):
        datasets.read_labelled_texts(root, split="dev")
    assert datasets.read_labelled_texts(root, split="test")[1] == ["neg", "pos"]
    assert datasets.read_labelled_texts(root / "train") == datasets.read_labelled_texts(root, split="train")
    assert "unsup: its texts have no label" in caplog.text


def test_bad_folders(tmp_path):
    with pytest.raises(ValueError, match=r"one folder of \.txt files per class"):
        datasets.read_labelled_texts(tmp_path)
    make_folder(tmp_path, "a/1.txt", "b/1.md")
    with pytest.raises(ValueError, match="b, which has none"):
        datasets.read_labelled_texts(tmp_path)
    write(tmp_path / "b" / "1.txt", b"caf\xe9")
    with pytest.raises(ValueError, match="line 1 has the byte 0xe9"):
        datasets.read_labelled_texts(tmp_path)


def test_real_reviews():
    texts, labels = datasets.read_labelled_texts(real("imdb/test.csv"))
    assert len(texts) == len(labels) == 12_522 and set(labels) == {"neg", "pos"}


# fingerprint, split_indices, without


def test_fingerprints_tell_contents_apart(tmp_path):
    write(tmp_path / "a.txt", "x")
    file, folder = datasets.fingerprint(tmp_path / "a.txt"), datasets.fingerprint(str(tmp_path))
    assert re.fullmatch("[0-9a-f]{16}", file) and file != folder
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert datasets.fingerprint(tmp_path / "b.txt") == file
    assert datasets.fingerprint(tmp_path) != folder
    assert datasets.fingerprint(["ab", "c"]) != datasets.fingerprint(["a", "bc"])
    assert datasets.fingerprint(["a"], ["b"]) != datasets.fingerprint(["a", "b"])
    assert datasets.fingerprint(np.arange(4)) != datasets.fingerprint(np.arange(4).reshape(2, 2))
    assert datasets.fingerprint(["a", "b"]) == datasets.fingerprint(np.array(["a", "b"], dtype=object))
    with pytest.raises(FileNotFoundError):
        datasets.fingerprint(tmp_path / "no")


def test_splits_are_stratified_disjoint_sorted_and_repeatable():
    labels = ["neg"] * 60 + ["pos"] * 30 + ["rare"] * 2
    train, validation = datasets.split_indices(labels, 0.1, seed=1)
    assert sorted([*train, *validation]) == list(range(92))
    assert (np.diff(train) > 0).all() and (np.diff(validation) > 0).all()
    assert [labels[index] for index in validation] == ["neg"] * 6 + ["pos"] * 3 + ["rare"]
    assert np.array_equal(datasets.split_indices(labels, 0.1, seed=1)[1], validation)
    assert not np.array_equal(datasets.split_indices(labels, 0.1, seed=2)[1], validation)


def test_bad_splits():
    with pytest.raises(ValueError, match=r"`labels` must hold at least two examples.*too few of b, c"):
        datasets.split_indices(["a", "a", "b", "c"], 0.5, seed=0)
    with pytest.raises(ValueError, match="no labels"):
        datasets.split_indices([], 0.5, seed=0)
    for fraction in (0, 1, -0.1):
        with pytest.raises(ValueError, match="`fraction` must be between 0 and 1"):
            datasets.split_indices(["a", "a"], fraction, seed=0)


def test_without_leaves_out_repeats_and_texts_of_the_other_split():
    assert datasets.without(["A b", "c", "a  B\n", "d"], ["C"]).tolist() == [0, 3]
    assert datasets.without([]).dtype == np.int64


def test_split_indices_in_blocks_keeps_neighbours_together():
    labels = np.array(["a"] * 200 + ["b"] * 100)
    train, held_out = datasets.split_indices(labels, 0.1, seed=1, blocks=4)
    assert len(held_out) == 30 and not set(train) & set(held_out) and len(train) + len(held_out) == 300
    assert np.sum(labels[held_out] == "a") == 20
    assert 2 <= np.sum(np.diff(held_out) > 1) + 1 <= 8
    assert not np.array_equal(held_out, datasets.split_indices(labels, 0.1, seed=2, blocks=4)[1])


def test_rounds_begin_where_the_class_goes_back_or_numbers_are_missing():
    names = ["b/IMG_12.jpg", "a/IMG_11.jpg", "c/IMG_13.jpg", "b/IMG_15.jpg", "c/x9_IMG_16.jpg", "c/IMG_40.jpg"]
    labels = ["b", "a", "c", "b", "c", "c"]
    assert datasets.rounds(names, labels).tolist() == [0, 0, 0, 1, 1, 2]
    # Not the class alone: somebody may have left classes out before another did.
    assert datasets.rounds(["1", "9"], ["a", "b"]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("names", "told"), [(["a/one.jpg", "b/2.jpg"], "'a/one.jpg'"), (["a/1.jpg", "b/01.jpg"], "twice")]
)
def test_rounds_need_a_number_of_each_file(names, told):
    with pytest.raises(ValueError, match=told):
        datasets.rounds(names, ["a", "b"])


def test_folds_keep_groups_whole_and_are_of_one_size():
    groups = np.repeat(np.arange(50), np.random.default_rng(0).integers(1, 11, 50))
    found = datasets.folds(groups, 5, seed=0)
    assert all(len(set(found[groups == group])) == 1 for group in range(50))
    sizes = np.bincount(found)
    assert len(sizes) == 5 and sizes.max() - sizes.min() <= 10
    assert np.array_equal(found, datasets.folds(groups, 5, seed=0))
    assert not np.array_equal(found, datasets.folds(groups, 5, seed=1))
    assert np.bincount(datasets.folds(range(10), 3, seed=0)).tolist() == [4, 3, 3]


@pytest.mark.parametrize("count", [1, 4])
def test_there_are_at_least_two_folds_and_as_many_groups(count):
    with pytest.raises(ValueError, match=f"from 2 to the 3 groups of the data. Received: {count}"):
        datasets.folds(["a", "a", "b", "c"], count, seed=0)


def test_split_groups_holds_out_whole_groups():
    groups = np.repeat(np.arange(40), 5)
    labels = np.tile(np.arange(5), 40)
    train, held_out = datasets.split_groups(labels, groups, 0.2, seed=3)
    assert len(held_out) == 40 and sorted([*train, *held_out]) == list(range(200))
    assert not set(groups[train]) & set(groups[held_out])
    with pytest.raises(ValueError, match="must leave every class to train on"):
        datasets.split_groups(["a", "b"], [0, 1], 0.5, seed=0)
    with pytest.raises(ValueError, match="`fraction` must be between 0 and 1"):
        datasets.split_groups(labels, groups, 1.0, seed=0)
