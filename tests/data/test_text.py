"""Text to tokens to ids."""

import collections

import numpy as np
import pytest
import tensorflow as tf

from kerasmlsp.data import text


def tokens(*texts):
    return [[word.decode() for word in row] for row in text.tokenize(tf.constant(texts)).to_list()]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("A good film", ["a", "good", "film"]),
        ("Great!!! (really)", ["great", "!", "!", "!", "(", "really", ")"]),
        ("It isn't Anna's, it's theirs'", ["it", "isn't", "anna's", ",", "it's", "theirs'"]),
        ("one<br /><br />two <b>three</b>", ["one", "two", "three"]),
        ("I <3 it", ["i", "<", "3", "it"]),
        ("10/10, 7.5 stars", ["10", "/", "10", ",", "7", ".", "5", "stars"]),
        ("Tabs\tand\nlines\r\n  blanks ", ["tabs", "and", "lines", "blanks"]),
        ("ÉCOLE Straße ΣΊΣΥΦΟΣ", ["école", "straße", "σίσυφος"]),
        ("Очень хорошо!", ["очень", "хорошо", "!"]),
        ("फ़िल्म अच्छी है", ["फ़िल्म", "अच्छी", "है"]),
        ("这部电影很好。", ["这部电影很好", "。"]),
        ("film رائع", ["film", "رائع"]),
        ("so good 😀😀 :-)", ["so", "good", "😀", "😀", ":", "-", ")"]),
        ("well-made", ["well", "-", "made"]),
        ("", []),
        ("   ", []),
        ("<br />", []),
        ("< 4 and 5 >, <3", ["<", "4", "and", "5", ">", ",", "<", "3"]),
        ("i <x love this> it", ["i", "<", "x", "love", "this", ">", "it"]),
        ("a<a href='x y' id=3>b</a ><!-- c --><hr/>d", ["a", "b", "d"]),
        ("&lt;br /&gt;1 &lt; 2 &amp; 3", ["1", "<", "2", "&", "3"]),
        ("👍🏽 👨‍👩‍👧5 🇩🇪🇫🇷 ❤️!", ["👍🏽", "👨‍👩‍👧", "5", "🇩🇪", "🇫🇷", "❤", "!"]),
    ],
)
def test_tokenize(written, words):
    assert tokens(written) == [words]


def test_tokenize_keeps_rows_apart():
    assert tokens("one two", "", "three") == [["one", "two"], [], ["three"]]


def test_a_long_bracket_is_no_markup():
    assert len(tokens("<" + "a " * 300 + "> end")[0]) == 303


def test_truncate_keeps_head_and_tail():
    rows = tf.ragged.constant([list(range(10)), [0, 1, 2, 3, 4], [0, 1], []], dtype=tf.int32)
    assert text.truncate(rows, 4).to_list() == [[0, 1, 8, 9], [0, 1, 3, 4], [0, 1], []]
    assert text.truncate(rows, 5).to_list() == [[0, 1, 2, 8, 9], [0, 1, 2, 3, 4], [0, 1], []]
    assert text.truncate(rows, 2).to_list() == [[0, 9], [0, 4], [0, 1], []]


@pytest.mark.parametrize("limit", range(2, 9))
def test_truncate_repeats_nothing_and_keeps_short_rows(limit):
    rows = tf.ragged.constant([list(range(size)) for size in range(12)], dtype=tf.int32)
    for size, row in enumerate(text.truncate(rows, limit).to_list()):
        assert len(row) == min(size, limit) == len(set(row)) and row == sorted(row)


def test_dense_pads_on_the_right():
    rows = tf.ragged.constant([[1, 2, 3], [], [4]], dtype=tf.int32)
    assert text.dense(rows).numpy().tolist() == [[1, 2, 3], [0, 0, 0], [4, 0, 0]]
    assert text.dense(rows, 4).numpy().tolist() == [[1, 2, 3, 0], [0, 0, 0, 0], [4, 0, 0, 0]]
    assert text.dense(rows, 3).shape == (3, 3)
    words = tf.ragged.constant([["a", "b"], []], dtype=tf.string)
    assert text.dense(words, 3).numpy().tolist() == [[b"a", b"b", b""], [b"", b"", b""]]


@pytest.mark.parametrize("multiple", [1, 8])
def test_dense_has_a_column_even_without_tokens(multiple):
    rows = tf.ragged.constant([[], []], dtype=tf.int32)
    assert text.dense(rows, multiple).numpy().tolist() == [[0] * multiple] * 2


def test_count_words_counts_over_batches():
    texts = ["A film, a film", "no film", "Élan"] * 3
    expected = {"a": 6, "film": 9, ",": 3, "no": 3, "élan": 3}
    assert text.count_words(texts) == expected == text.count_words(texts, batch_size=2)


def test_vocabulary_is_sorted_by_count_then_alphabet():
    counts = collections.Counter({"b": 3, "a": 3, "z": 9, "once": 1, "c": 2})
    assert text.vocabulary(counts, 100) == ["z", "a", "b", "c"]
    assert text.vocabulary(counts, 4) == ["z", "a"]
    assert text.vocabulary(counts, 100, min_count=1)[-1] == "once"
    assert text.vocabulary(counts, 100, min_count=4) == ["z"]


@pytest.mark.parametrize("size", [2, 0, -1])
def test_vocabulary_needs_room_for_a_word(size):
    with pytest.raises(ValueError, match=f"`size` must be at least 3. Received: size={size}"):
        text.vocabulary({"a": 5}, size)


def test_lookup_numbers_padding_unknown_and_words():
    ids = text.lookup(["film", "good"])(tf.constant([["", "film", "good", "never"]]))
    assert ids.dtype == tf.int64 and ids.numpy().tolist() == [[0, 2, 3, 1]]
    assert (text.PADDING, text.UNKNOWN) == (0, 1)


def test_lookup_takes_ragged_rows():
    rows = text.lookup(["film"])(text.tokenize(tf.constant(["Film film noir", ""])))
    assert rows.to_list() == [[2, 2, 1], []]
    assert np.array_equal(text.dense(rows).numpy(), [[2, 2, 1], [0, 0, 0]])
