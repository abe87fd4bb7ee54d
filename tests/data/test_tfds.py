"""TensorFlow Datasets without a network."""

import os
import re
import socket
import time
import types
from pathlib import Path

import numpy as np
import pytest

from kerasmlsp.data import tfds

REAL_DATA = Path(os.environ.get("KERASMLSP_DATA", "~/.cache/kerasmlsp/data")).expanduser()


def real(name):
    path = REAL_DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there; KERASMLSP_DATA names another folder of real data")
    return path


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)


def test_without_a_network_it_says_so_at_once(tmp_path, offline):
    with pytest.raises(ConnectionError, match=r"ai\.stanford\.edu cannot be reached: .*--data.*--manual-dir"):
        tfds.load_tfds("imdb_reviews", "train", data_dir=tmp_path)


def test_a_network_that_never_answers_costs_two_seconds_at_most(tmp_path, monkeypatch):
    import tensorflow_datasets  # noqa: F401  the import is no part of the two seconds

    def hang(*_, **__):
        # It ends like a real connection: its thread outlives this test.
        time.sleep(30)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)
    start = time.monotonic()
    with pytest.raises(ConnectionError):
        tfds.load_tfds("imdb_reviews", "train", data_dir=tmp_path)
    assert time.monotonic() - start < 20


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
        tfds.load_tfds(name, "train", data_dir=tmp_path)
    assert "\n" not in str(caught.value)


def test_features_are_asked_before_anything_is_prepared(tmp_path, offline):
    with pytest.raises(ValueError, match=r"`features` .*of fashion_mnist: image, label\. Received: 'text'"):
        tfds.load_tfds("fashion_mnist", "train", features=("label", "text"), manual_dir=tmp_path, data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_names_of_other_hubs_need_a_network(tmp_path, offline):
    with pytest.raises(ConnectionError, match="huggingface:imdb"):
        tfds.load_tfds("huggingface:imdb", "train", data_dir=tmp_path)


def test_bad_manual_folders(tmp_path, offline):
    with pytest.raises(FileNotFoundError, match="`manual_dir` must be there already"):
        tfds.load_tfds("tiny_shakespeare", "train", manual_dir=tmp_path / "no", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"`manual_dir` must hold input\.txt: fetch it from https://"):
        tfds.load_tfds("tiny_shakespeare", "train", manual_dir=tmp_path, data_dir=tmp_path)
    (tmp_path / "input.txt").write_text("To be")
    with pytest.raises(ValueError, match=r"checksums tell.*input\.txt"):
        tfds.load_tfds("tiny_shakespeare", "train", manual_dir=tmp_path, data_dir=tmp_path)


def test_members_that_tfds_has_renamed_are_left_alone(tmp_path):
    tfds._refuse_downloads(types.SimpleNamespace(), tmp_path)
    made = types.SimpleNamespace()
    builder = types.SimpleNamespace(_make_download_manager=lambda *_, **__: made)
    tfds._refuse_downloads(builder, tmp_path)
    assert builder._make_download_manager("positional", named=1) is made


def test_real_text_from_its_original_file(tmp_path, offline, capsys):
    manual_dir = real("shakespeare/input.txt").parent
    dataset, info = tfds.load_tfds("tiny_shakespeare", "all", manual_dir=manual_dir, data_dir=tmp_path)
    text = "".join(example["text"].decode() for example in dataset.as_numpy_iterator())
    assert text == (manual_dir / "input.txt").read_text()
    assert set(info.splits) == {"train", "validation", "test"}
    assert capsys.readouterr().out == ""
    tfds.load_tfds("tiny_shakespeare", "train", data_dir=tmp_path)  # prepared: neither network nor files
    with pytest.raises(ValueError, match=r"`split` must be train, validation, test .*Received: 'tran'"):
        tfds.load_tfds("tiny_shakespeare", "tran", data_dir=tmp_path)


# The text above is read in the same way; this one is of 70,000 images.
@pytest.mark.slow
def test_real_images_from_their_original_files(tmp_path, offline):
    manual_dir = real("fashion_mnist")
    dataset, info = tfds.load_tfds("fashion_mnist", "test", manual_dir=manual_dir, data_dir=tmp_path)
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
    assert tfds._host("https://host.org/data.zip") == expected


def test_a_listening_host_is_reachable():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert tfds._any_reachable([("127.0.0.1", 1), server.getsockname()])
    assert not tfds._any_reachable([("127.0.0.1", 1)])
