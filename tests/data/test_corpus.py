"""Running text as numbers."""

import gzip

import numpy as np
import pytest

from kerasmlsp.data import corpus


def test_words_are_numbered_by_frequency_and_rare_ones_left_out():
    found = corpus.of_texts(iter(["The cat sat.", "", "a cat, a CAT", "rare"]), min_count=2)
    assert found.words == ["cat", "a"] and found.counts.tolist() == [3, 2] and found.seen == 11 - 1
    assert found.ids.tolist() == [2, 3, 2, 3, 2] and found.starts.tolist() == [0, 1, 1, 5, 5]
    assert found.counts_by_id.tolist() == [0, 0, 3, 2] and found.ids.dtype == np.int32
    assert corpus.of_texts(["b a c"], min_count=1, vocabulary_size=2).words == ["a", "b"]
    nothing = corpus.of_texts([], min_count=1)
    assert nothing.words == [] and nothing.starts.tolist() == [0] and len(nothing.ids) == 0
    with pytest.raises(ValueError, match=r"`min_count` must be at least 1. Received: min_count=0"):
        corpus.of_texts([], min_count=0)


def test_many_batches_are_as_one(monkeypatch):
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(list("abcdef"), size)) for size in random.integers(0, 30, 50)]
    whole = corpus.of_texts(texts, min_count=1)
    monkeypatch.setattr(corpus, "_PIECE", 5)
    pieces = corpus.of_texts(texts, min_count=1)
    assert whole.words == pieces.words
    for name in ("ids", "starts", "counts"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))


def test_files_are_read_in_pieces_that_end_where_a_text_does(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "_PIECE", 20)
    (tmp_path / "a.txt").write_text("one two three\n\nfour five six seven\neight nine ten eleven twelve\n")
    pieces = list(corpus.read_texts(tmp_path / "a.txt"))
    assert "".join(pieces) == (tmp_path / "a.txt").read_text() and pieces[0] == "one two three\n\n"
    assert all(piece[-1].isspace() for piece in pieces)
    (tmp_path / "b.txt").write_text("字" * 300)
    assert "".join(corpus.read_texts(tmp_path / "b.txt")) == "字" * 300
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"packed words"))
    assert list(corpus.read_texts(tmp_path / "c.txt.gz")) == ["packed words"]
    assert "".join(corpus.read_texts(tmp_path)) == "".join(pieces) + "字" * 300  # in the order of their paths


def test_tables_are_read_by_column(tmp_path):
    (tmp_path / "t.csv").write_text("id,words\n1,a b\n2,\n3,c\n")
    assert list(corpus.read_texts(tmp_path / "t.csv", text_column="words")) == ["a b", "c"]
    corpus.check(tmp_path / "t.csv", text_column="words")
    with pytest.raises(ValueError, match="`text_column` must be a column of"):
        corpus.check(tmp_path / "t.csv")


def test_what_cannot_be_read_is_refused_from_its_beginning(tmp_path):
    with pytest.raises(ValueError, match=r"must hold .txt files"):
        corpus.check(tmp_path)
    with pytest.raises(ValueError, match=r"must hold .txt files"):
        next(corpus.read_texts(tmp_path))
    (tmp_path / "a.txt").write_bytes("caf\u00e9 ".encode("utf-16"))
    with pytest.raises(ValueError, match="this is utf-16"):
        corpus.check(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"fine " * 2000 + "caf\u00e9".encode("cp1252"))
    with pytest.raises(ValueError, match="must be text in utf-8"):
        list(corpus.read_texts(tmp_path / "a.txt"))
