"""Running text as blocks of words, their spans and their random words."""

import numpy as np
import pytest

from kerasmlsp.targets import word2vec, word_blocks
from kerasmlsp.targets.word_blocks import WordBlocks

TEXTS = [np.arange(2, 12), np.arange(12, 13), np.arange(13, 27)]
COUNTS = word2vec.word_counts(TEXTS, 27)


def blocks(texts=TEXTS, counts=COUNTS, **options):
    sizes = {"window": 2, "block": 4, "shared": 6, "rows": 2, "groups": 2, "threshold": 0}
    starts = np.cumsum([0, *map(len, texts)])
    return WordBlocks(np.concatenate(texts), starts, counts, **{**sizes, **options})


def pairs(batch, window, block):
    """Centre and word of every pair that a batch holds."""
    found = []
    for words, spans in zip(
        batch["words"].reshape(-1, block + 2 * window), batch["spans"].reshape(-1, block), strict=True
    ):
        for i, span in enumerate(spans):
            left, right = divmod(int(span), window + 1)
            places = [i + window + d for d in range(-left, right + 1) if d]
            found += [(int(words[i + window]), int(words[place])) for place in places]
    return found


def test_blocks_hold_pairs_of_one_text_and_every_near_one():
    data = blocks(rows=1, block=5)  # 25 words are five rows
    assert data.num_batches == 3  # of two groups of one row at most
    found = [pair for batch in data.batches(0) for pair in pairs(batch, 2, 5)]
    assert len(found) == len(set(found))
    wide = {pair for text in TEXTS for pair in map(tuple, word2vec.skip_gram_pairs(text, 2).tolist())}
    near = {pair for text in TEXTS for pair in map(tuple, word2vec.skip_gram_pairs(text, 1).tolist())}
    assert near < set(found) < wide


def test_windows_are_drawn_evenly():
    text = np.full(40_000, 2)
    [batch] = blocks([text], np.array([0, 0, 40_000]), window=3, rows=100, block=20, groups=99).batches(0)
    left, right = np.divmod(batch["spans"].ravel(), 4)
    assert (left == right).mean() > 0.999  # but for the ends of the text
    np.testing.assert_allclose(np.bincount(left, minlength=4)[1:] / len(left), 1 / 3, atol=0.01)


def test_frequent_words_are_dropped_and_random_ones_follow_the_distribution():
    random = np.random.default_rng(0)
    text = random.choice([2, 3, 4], p=[0.8, 0.15, 0.05], size=60_000)
    counts = np.bincount(text)
    data = blocks([text], counts, threshold=0.05, shared=50, groups=10**6)
    [batch] = data.batches(0)
    keep = word2vec.keep_probabilities(counts, 0.05) * counts
    centers = batch["words"][..., 2:-2]
    np.testing.assert_allclose(np.bincount(centers.ravel())[2:] / centers.size, keep[2:] / keep.sum(), atol=0.02)
    np.testing.assert_allclose(centers.size, keep.sum(), rtol=0.01)
    shares = np.bincount(batch["negatives"].ravel()) / batch["negatives"].size
    np.testing.assert_allclose(shares, word2vec.negative_distribution(counts), atol=0.01)


def test_rare_words_are_among_the_random_ones():
    counts = np.array([0, 0, 10**12, 1, 1])
    table = word_blocks._table(counts)
    assert 2**20 <= len(table) <= 2**24 and table.min() == 2
    counts = np.array([0, 0, *np.full(10**6, 100), 1])
    assert (word_blocks._table(counts) == len(counts) - 1).any()


def test_what_is_drawn_follows_from_seed_and_epoch(monkeypatch):
    monkeypatch.setattr(word_blocks, "_CHUNK", 64)
    texts = [np.random.default_rng(0).integers(2, 27, 50) for _ in range(9)]
    counts = word2vec.word_counts(texts, 27)
    one, same, other = (list(blocks(texts, counts, seed=seed).batches(1)) for seed in (0, 0, 1))
    assert len(one) == blocks(texts, counts).num_batches > 20
    for a, b in zip(one, same, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    assert any((a["words"][:1] != b["words"][:1]).any() for a, b in zip(one, other, strict=False))
    # And goes on from anywhere, here behind some of the chunks.
    for done in (1, 7, len(one)):
        rest = list(blocks(texts, counts).batches(1, done))
        assert len(rest) == len(one) - done
        for a, b in zip(one[done:], rest, strict=True):
            np.testing.assert_array_equal(a["negatives"], b["negatives"])
    first = next(blocks(texts, counts).batches(0))
    assert first["words"].shape != one[0]["words"].shape or (first["words"] != one[0]["words"]).any()


def test_pairs_do_not_cross_chunks(monkeypatch):
    monkeypatch.setattr(word_blocks, "_CHUNK", 10)
    data = blocks(rows=1, block=2)
    wide = {pair for text in TEXTS for pair in map(tuple, word2vec.skip_gram_pairs(text, 2).tolist())}
    assert {pair for batch in data.batches(0) for pair in pairs(batch, 2, 2)} < wide


def test_a_text_shorter_than_a_batch_fills_it_by_repetition():
    data = blocks([np.arange(2, 5)], np.array([0, 0, 1, 1, 1]))
    [batch] = data.batches(0)
    assert data.num_batches == 1 and batch["words"].shape == (1, 2, 8)
    near = {(2, 3), (3, 2), (3, 4), (4, 3)}
    assert near <= set(pairs(batch, 2, 4)) <= near | {(2, 4), (4, 2)}


def test_a_dataset_gives_the_rest_of_an_epoch():
    data = blocks(rows=1, block=5)
    whole, rest = data.dataset(lambda: (0, 0)), data.dataset(lambda: (0, 2))
    assert (int(whole.cardinality()), int(rest.cardinality())) == (3, 1)
    *_, (last,) = whole.as_numpy_iterator()
    [(only,)] = rest.as_numpy_iterator()
    for name in last:
        np.testing.assert_array_equal(last[name], only[name])


@pytest.mark.parametrize("name", ["window", "block", "shared", "rows", "groups"])
def test_sizes_of_nothing_are_refused(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1. Received: {name}=0"):
        blocks(**{name: 0})


def test_rows_are_few_where_words_are():
    even = np.array([0, 0, *[10] * 1000])
    # Each word is 1/1000 of the words and of the random ones: 0.05 * 6 pairs * 6/1000 for each centre.
    assert word_blocks.steady_rows(even, 0.05, block=10, threshold=0) == int(10 / (0.05 * 6 * 0.006 * 10))
    assert word_blocks.steady_rows(even, 0.05, block=10, threshold=0, cbow=True) == int(10 / (0.05 * 0.006 * 10))
    assert word_blocks.steady_rows([0, 0, 1, 1], 1.0, block=999) == 1
