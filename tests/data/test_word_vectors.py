"""Files of word2vec."""

import numpy as np
import pytest

from kerasmlsp.data import word_vectors


@pytest.mark.parametrize("binary", [False, True])
def test_files_are_read_as_they_were_written(tmp_path, binary):
    words, vectors = ["the", "naïve", "new\u00a0york"], np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
    vectors[0, :3] = [0, -1e-30, 12345678.0]
    word_vectors.write(tmp_path / "v", words, vectors, binary=binary)
    found, read = word_vectors.read(tmp_path / "v", binary=binary)
    assert found == ["the", "naïve", "new_york"]
    np.testing.assert_array_equal(read, vectors)


def test_the_binary_form_is_that_of_the_released_program(tmp_path):
    word_vectors.write(tmp_path / "v.bin", ["up"], [[1.0, -2.0]], binary=True)
    assert (tmp_path / "v.bin").read_bytes() == b"1 2\nup \x00\x00\x80?\x00\x00\x00\xc0\n"


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_them(tmp_path, binary):
    gensim = pytest.importorskip("gensim", reason="gensim is not installed; the form is tested without it, too")
    words, vectors = ["the", "naïve", "cat"], np.random.default_rng(0).normal(size=(3, 7)).astype("float32")
    word_vectors.write(tmp_path / "v", words, vectors, binary=binary)
    read = gensim.models.KeyedVectors.load_word2vec_format(tmp_path / "v", binary=binary)
    assert read.index_to_key == words
    np.testing.assert_array_equal(read.vectors, vectors)


@pytest.mark.parametrize(
    ("content", "binary"),
    [(b"", False), (b"two 3\n", False), (b"1 2\nup 1\n", False), (b"2 1\nup 1\n", False), (b"1 2\nup \x00\x00", True)],
)
def test_damaged_files_are_told(tmp_path, content, binary):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(ValueError, match=r"`path` must be a .* file of word2vec, and whole. Received: "):
        word_vectors.read(tmp_path / "v", binary=binary)


def test_vectors_without_words_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"must have a row for each of the 1 words. Received: shape=\(2, 3\)"):
        word_vectors.write(tmp_path / "v", ["a"], np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"`words` must not be empty. Received: words\[1\]=' '"):
        word_vectors.write(tmp_path / "v", ["a", " "], np.zeros((2, 3)))
    assert not (tmp_path / "v").exists()
