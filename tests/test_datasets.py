"""Tables, labelled texts, TensorFlow Datasets without a network, fingerprints and splits."""

import bz2
import gzip
import json
import lzma
import os
import re
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kerasmlsp import datasets

REAL_DATA = Path(os.environ.get("KERASMLSP_DATA", "~/.cache/kerasmlsp/data")).expanduser()
CSV = 'text,label\nNA,001\n"two\nlines, quoted",1.0\nnull,None\n,2\n'
TEXTS = ["NA", "two\nlines, quoted", "null", None]


def real(name):
    path = REAL_DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there; KERASMLSP_DATA names another folder of real data")
    return path


def write(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cells(column):
    return [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]


def zipped(content):
    import io

    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr("data.csv", content)
    return buffer.getvalue()


def zstd(content):
    import pyarrow as pa

    with pa.CompressedOutputStream(sink := pa.BufferOutputStream(), "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def test_importing_is_cheap():
    script = "import sys, kerasmlsp.datasets; print({'pandas', 'tensorflow', 'pyarrow', 'keras'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "set()\n"


# read_table


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv", CSV.encode()),
        ("bom.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("DATA.CSV", CSV.replace("\n", "\r\n").encode()),
        ("data.csv.gz", gzip.compress(CSV.encode())),
        ("data.csv.bz2", bz2.compress(CSV.encode())),
        ("data.csv.xz", lzma.compress(CSV.encode())),
        ("data.csv.zip", zipped(CSV.encode())),
        ("data.csv.zst", zstd(CSV.encode())),
    ],
)
def test_every_cell_of_a_csv_is_text_as_written(tmp_path, name, content):
    table = datasets.read_table(write(tmp_path / name, content))
    assert [text and text.replace("\r", "") for text in cells(table.text)] == TEXTS
    assert cells(table.label) == ["001", "1.0", "None", "2"]


def test_tsv(tmp_path):
    table = datasets.read_table(write(tmp_path / "a.tsv", "text\tlabel\na, b\t0\n"))
    assert table.values.tolist() == [["a, b", "0"]]


def test_json_lines_keep_their_types(tmp_path):
    rows = [{"text": "NA", "label": 1}, {"text": "é\n", "label": None}, {"text": "001", "label": 2}]
    table = datasets.read_table(write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n"))
    assert cells(table.text) == ["NA", "é\n", "001"]
    assert cells(table.label) == [1, None, 2]


def test_parquet_keeps_integers_beside_missing_values(tmp_path):
    frame = pd.DataFrame({"text": ["NA", None, "x"], "label": pd.array([1, None, 3], dtype="Int64")})
    frame.to_parquet(tmp_path / "a.parquet")
    table = datasets.read_table(tmp_path / "a.parquet")
    assert cells(table.text) == ["NA", None, "x"]
    assert [str(value) for value in cells(table.label)] == ["1", "None", "3"]


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "jsonl.xz", "parquet"])
@pytest.mark.parametrize("chunk_size", [1, 4, 10, 100])
def test_chunks_join_to_the_whole(tmp_path, ending, chunk_size):
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(10)], "label": [str(i % 2) for i in range(10)]})
    path = tmp_path / f"a.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    elif "jsonl" in ending:
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if "tsv" in ending else ",")
    chunks = list(datasets.read_table(path, chunk_size=chunk_size))
    assert max(map(len, chunks)) == min(chunk_size, 10)
    assert pd.concat(chunks).values.tolist() == datasets.read_table(path).values.tolist() == frame.values.tolist()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.xls", "x", "must end in .csv"),
        ("a.parquet.gz", "x", "must end in .csv"),
        ("a.csv", "", "is empty"),
        ("a.csv", "\n\n", "is empty"),
        ("a.csv", "text,label\n", "which holds none"),
        ("a.csv", "text,label\na,b\na,b,c\n", "2 cells in every row, but row 3 (the header is row 1) has 3"),
        ("a.csv", "text,label\na,b,c\n", "as many cells in every row as in its header"),
        ("a.csv", 'text,label\n"a,b\n', "row 2 stays open"),
        ("a.csv", "text,label\nok,1\ncaf\xe9,2\n".encode("latin1"), "line 3 has the byte 0xe9 at position 4"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), "iconv -f utf-16"),
        ("a.csv", bytes(range(256)), "binary data"),
        ("a.csv.gz", "text,label\na,b\n", "whole file of the kind its ending says"),
        ("a.csv.gz", gzip.compress(b"text,label\n" + os.urandom(9999).hex().encode())[:5000], "whole file"),
        ("a.csv.bz2", "text,label\na,b\n", "whole file"),
        ("a.csv.xz", "text,label\na,b\n", "whole file"),
        ("a.csv.zst", "text,label\na,b\n", "whole file"),
        ("a.csv.zst", zstd("text,label\nok,1\ncaf\xe9,2\n".encode("latin1")), "line 3 has the byte 0xe9"),
        ("a.csv.zip", "text,label\na,b\n", "whole file"),
        ("a.parquet", "text,label\na,b\n", "whole Parquet file"),
        ("a.jsonl", "", "holds none"),
        ("a.jsonl", '{"text": 1}\n{"text": \n', "line 2 is '{\"text\":'"),
        ("a.json", '[\n{"text": "a"}\n]\n', "line 1 is '['"),
        ("a.jsonl", b'{"text": "caf\xe9"}\n', "line 1 has the byte 0xe9"),
    ],
)
@pytest.mark.parametrize("chunk_size", [None, 1])
def test_a_bad_file_is_one_sentence(tmp_path, name, content, words, chunk_size):
    path = write(tmp_path / name, content)
    with pytest.raises(ValueError, match="Received: ") as caught:
        table = datasets.read_table(path, chunk_size=chunk_size)
        list(table)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message


def test_missing_file_folder_and_chunk_size(tmp_path):
    with pytest.raises(FileNotFoundError, match="`path` must be there already"):
        datasets.read_table(tmp_path / "no.csv")
    with pytest.raises(ValueError, match="not a folder"):
        datasets.read_table(tmp_path, chunk_size=5)
    with pytest.raises(ValueError, match=r"`chunk_size` must be a positive integer or None\. Received: 0"):
        datasets.read_table(write(tmp_path / "a.csv", CSV), chunk_size=0)


def test_a_truncated_zst_is_not_taken_for_a_whole_one(tmp_path):
    path = write(tmp_path / "a.csv.zst", zstd(b"text,label\n" + b"".join(b"%d,x\n" % i for i in range(10_000))))
    assert len(datasets.read_table(path)) == 10_000
    write(path, path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="whole file"):
        datasets.read_table(path)


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


# load_tfds


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)


def test_without_a_network_it_says_so_at_once(tmp_path, offline):
    with pytest.raises(ConnectionError, match=r"ai\.stanford\.edu cannot be reached: .*--data.*--manual-dir"):
        datasets.load_tfds("imdb_reviews", "train", data_dir=tmp_path)


def test_a_network_that_never_answers_costs_two_seconds_at_most(tmp_path, monkeypatch):
    import tensorflow_datasets  # noqa: F401  the import is no part of the two seconds

    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: time.sleep(30))
    start = time.monotonic()
    with pytest.raises(ConnectionError):
        datasets.load_tfds("imdb_reviews", "train", data_dir=tmp_path)
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fashon_mnist", "fashion_mnist"),
        ("imdb", "imdb_reviews"),
        ("fashion_mnist:9.9.9", "3.0.1"),
        ("fashion_mnist/small", "small"),
        ("", "NAME/CONFIG"),
    ],
)
def test_unknown_names(tmp_path, offline, name, words):
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        datasets.load_tfds(name, "train", data_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_names_of_other_hubs_need_a_network(tmp_path, offline):
    with pytest.raises(ConnectionError, match="huggingface:imdb"):
        datasets.load_tfds("huggingface:imdb", "train", data_dir=tmp_path)


def test_bad_manual_folders(tmp_path, offline):
    with pytest.raises(FileNotFoundError, match="`manual_dir` must be there already"):
        datasets.load_tfds("tiny_shakespeare", "train", manual_dir=tmp_path / "no", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"`manual_dir` must hold input\.txt: fetch it from https://"):
        datasets.load_tfds("tiny_shakespeare", "train", manual_dir=tmp_path, data_dir=tmp_path)
    write(tmp_path / "input.txt", "To be")
    with pytest.raises(ValueError, match=r"checksums tell.*input\.txt"):
        datasets.load_tfds("tiny_shakespeare", "train", manual_dir=tmp_path, data_dir=tmp_path)


def test_real_text_from_its_original_file(tmp_path, offline, capsys):
    manual_dir = real("shakespeare")
    dataset, info = datasets.load_tfds("tiny_shakespeare", "all", manual_dir=manual_dir, data_dir=tmp_path)
    text = "".join(example["text"].decode() for example in dataset.as_numpy_iterator())
    assert text == (manual_dir / "input.txt").read_text()
    assert set(info.splits) == {"train", "validation", "test"}
    assert capsys.readouterr().out == ""
    datasets.load_tfds("tiny_shakespeare", "train", data_dir=tmp_path)  # prepared: neither network nor files
    with pytest.raises(ValueError, match=r"`split` must be train, validation, test .*Received: 'tran'"):
        datasets.load_tfds("tiny_shakespeare", "tran", data_dir=tmp_path)


def test_real_images_from_their_original_files(tmp_path, offline):
    manual_dir = real("fashion_mnist")
    dataset, info = datasets.load_tfds("fashion_mnist", "test", manual_dir=manual_dir, data_dir=tmp_path)
    labels = np.array([example["label"] for example in dataset.as_numpy_iterator()])
    assert np.bincount(labels).tolist() == [1000] * 10
    assert info.features["label"].names[9] == "Ankle boot"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, ("host.org", 443)),
        ({"https_proxy": "http://proxy.local:3128"}, ("proxy.local", 3128)),
        ({"https_proxy": "proxy.local:3128"}, ("proxy.local", 3128)),
        ({"https_proxy": "http://proxy.local:3128", "no_proxy": "host.org"}, ("host.org", 443)),
        ({"all_proxy": "http://proxy.local"}, ("proxy.local", 80)),
    ],
)
def test_proxies_are_asked_instead_of_hosts(monkeypatch, environment, expected):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert datasets._host("https://host.org/data.zip") == expected


def test_a_listening_host_is_reachable():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert datasets._any_reachable([("127.0.0.1", 1), server.getsockname()])
    assert not datasets._any_reachable([("127.0.0.1", 1)])


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
