"""Labelled texts and fingerprints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kerasmlsp.data import labelled

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
    script = "import sys; from kerasmlsp.data import labelled, tables, tfds; "
    script += "print({'pandas', 'tensorflow', 'tensorflow_datasets', 'pyarrow', 'keras'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"


# read_labelled_texts


def test_labelled_texts_of_a_table(tmp_path, caplog):
    path = write(tmp_path / "a.csv", "Review,Score\nNA,001\n ,1\ngood, 1.0 \nbad,\n")
    texts, labels = labelled.read_labelled_texts(path, text_column="Review", label_column="Score")
    assert (texts, labels) == (["NA", "good"], ["001", "1.0"])
    assert "Left out 2 of 4 rows" in caplog.text


def test_labels_that_are_a_quantity_are_refused(tmp_path):
    values = [f"{value / 7:.3f}" for value in range(300)]
    path = write(tmp_path / "a.csv", "text,label\n" + "".join(f"t{i},{v}\n" for i, v in enumerate(values)))
    with pytest.raises(ValueError, match=r"300 different numbers from 0 to 42\.714, .*regression") as caught:
        labelled.read_labelled_texts(path)
    assert len(str(caught.value)) < 500
    # Stars, and many classes by number, are classes.
    labelled.check_classes("", [f"{value / 2}" for value in range(1, 11)])
    labelled.check_classes("", [str(value) for value in range(100)])
    labelled.check_classes("", [*values, *map(chr, range(65, 125))])
    # One that is no number, and the decimal comma of half of the world, make no classes of quantities.
    for labels in ([*values, "unknown"], [value.replace(".", ",") for value in values]):
        with pytest.raises(ValueError, match="regression"):
            labelled.check_classes("", labels)


def test_hidden_files_and_folders_are_no_texts(tmp_path):
    names = ("a/1.txt", "b/1.txt", "a/._1.txt", ".thumbnails/x.txt", "__MACOSX/x.txt", "@eaDir/x.txt", "_notes/x.txt")
    folder = make_folder(tmp_path, *names)
    assert labelled.read_labelled_texts(folder) == (["text of a/1.txt", "text of b/1.txt"], ["a", "b"])
    before = labelled.fingerprint(folder / "a")
    make_folder(folder / "a", "Thumbs.db", ".DS_Store")
    assert labelled.fingerprint(folder / "a") == before


def test_integer_labels_of_parquet_become_text(tmp_path):
    pd.DataFrame({"text": ["a", "b"], "label": [0, 1]}).to_parquet(tmp_path / "a.parquet")
    assert labelled.read_labelled_texts(tmp_path / "a.parquet")[1] == ["0", "1"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("review,label\na,b\n", "`text_column` must be a column"),
        ("text,class\na,b\n", "`label_column` must be a column"),
        ("text,label\na,\n,b\n", "every row lacks one"),
        ("text,label\na,pos\nb,pos\n", "at least two classes"),
    ],
)
def test_bad_labelled_texts(tmp_path, content, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        labelled.read_labelled_texts(write(tmp_path / "a.csv", content))


def test_nested_text_is_refused(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": ["a"], "label": 1}\n')
    with pytest.raises(ValueError, match="text or numbers in the column 'text'"):
        labelled.read_labelled_texts(path)


def make_folder(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}")
    return root


def test_labelled_texts_of_folders(tmp_path):
    folder = make_folder(tmp_path, "b/1.txt", "a/2.txt", "a/1.txt", ".git/x.txt", "a/notes.md")
    texts, labels = labelled.read_labelled_texts(folder)
    assert texts == ["text of a/1.txt", "text of a/2.txt", "text of b/1.txt"]
    assert labels == ["a", "a", "b"]


def test_labelled_texts_of_acl_imdb(tmp_path, caplog):
    caplog.set_level("INFO", logger="kerasmlsp")
    root = make_folder(tmp_path, *(f"{s}/{c}/0_1.txt" for s in ("train", "test") for c in ("neg", "pos", "unsup")))
    with pytest.raises(ValueError, match=re.escape(str(root / "train"))):
        labelled.read_labelled_texts(root)
    with pytest.raises(ValueError, match=r"`split` must be a folder .*: test, train\. Received: 'dev'"):
        labelled.read_labelled_texts(root, split="dev")
    assert labelled.read_labelled_texts(root, split="test")[1] == ["neg", "pos"]
    assert labelled.read_labelled_texts(root / "train") == labelled.read_labelled_texts(root, split="train")
    assert "unsup: its texts have no label" in caplog.text


def test_bad_folders(tmp_path):
    with pytest.raises(ValueError, match=r"one folder of \.txt files per class"):
        labelled.read_labelled_texts(tmp_path)
    make_folder(tmp_path, "a/1.txt", "b/1.md")
    with pytest.raises(ValueError, match="b, which has none"):
        labelled.read_labelled_texts(tmp_path)
    write(tmp_path / "b" / "1.txt", b"caf\xe9")
    with pytest.raises(ValueError, match="line 1 has the byte 0xe9"):
        labelled.read_labelled_texts(tmp_path)


def test_real_reviews():
    texts, labels = labelled.read_labelled_texts(real("imdb/test.csv"))
    assert len(texts) == len(labels) == 12_522 and set(labels) == {"neg", "pos"}


# fingerprint


def test_fingerprints_tell_contents_apart(tmp_path):
    write(tmp_path / "a.txt", "x")
    file, folder = labelled.fingerprint(tmp_path / "a.txt"), labelled.fingerprint(str(tmp_path))
    assert re.fullmatch("[0-9a-f]{16}", file) and file != folder
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert labelled.fingerprint(tmp_path / "b.txt") == file
    assert labelled.fingerprint(tmp_path) != folder
    assert labelled.fingerprint(["ab", "c"]) != labelled.fingerprint(["a", "bc"])
    assert labelled.fingerprint(["a"], ["b"]) != labelled.fingerprint(["a", "b"])
    assert labelled.fingerprint(np.arange(4)) != labelled.fingerprint(np.arange(4).reshape(2, 2))
    assert labelled.fingerprint(["a", "b"]) == labelled.fingerprint(np.array(["a", "b"], dtype=object))
    with pytest.raises(FileNotFoundError):
        labelled.fingerprint(tmp_path / "no")


def test_classes_of_few_examples_are_left_out(caplog):
    kept, rare = labelled.frequent(["a", "b", "c", "b", "a"], least=2)
    assert kept.tolist() == [0, 1, 3, 4] and rare == ["c"] and "c (1)" in caplog.text
    with pytest.raises(ValueError, match=r"--min-count\) must leave two classes.*Received: 3"):
        labelled.frequent(["a", "b", "b", "b"], least=3)


def test_only_classes_that_training_left_out_may_be_unknown(caplog):
    assert labelled.of_known(["a", "c", "b"], ["a", "b"], ["c"]).tolist() == [0, 2] and "Left out 1 of 3" in caplog.text
    with pytest.raises(ValueError, match=r"knows the labels a, b\. Received: d"):
        labelled.of_known(["a", "d"], ["a", "b"], ["c"])


def test_class_weights_are_hinted_at_from_a_hundred_to_one(caplog):
    labelled.tell_imbalance(["a"] * 99 + ["b"])
    assert not caplog.text
    labelled.tell_imbalance(["a"] * 200 + ["b"] * 2)
    assert "a has 200 examples, and b has 2: `--class-weights`" in caplog.text
