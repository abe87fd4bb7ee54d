"""BLEU and CIDEr-D against numbers worked out by hand."""

import math

import numpy as np
import pytest

from kerasmlsp.metrics import text as text_metrics

SENTENCES = ["a dog runs on the grass", "two men talk", "a cat"]
REFERENCES = [
    ["a dog runs on grass", "the dog is running on the grass"],
    ["two men are talking", "men talk"],
    ["a cat sleeps", "one cat"],
]


def test_bleu_counts_clipped_ngrams_and_the_nearest_length():
    counts = text_metrics.bleu(["the the the dog"], [["the dog the cat runs", "the dog"]])
    # "the" counts twice at most; "the dog" is the only bigram found; of lengths 5 and 2 the former is nearer to 4.
    assert counts.tolist() == [[3, 1, 0, 0, 4, 3, 2, 1, 4, 5]]


def test_bleu_of_a_corpus_is_the_geometric_mean_with_brevity_penalty():
    counts = text_metrics.bleu(SENTENCES, REFERENCES)
    # Unigrams: 6 of 6, 3 of 3, 2 of 2. Bigrams: a dog, dog runs, runs on, on the, the grass; two men, men talk; a cat.
    # Trigrams: a dog runs, dog runs on, on the grass; none of two men talk. Fourgrams: a dog runs on, of three.
    assert counts.sum(0).tolist() == [11, 8, 3, 1, 11, 8, 5, 3, 11, 9]
    expected = 100 * math.exp((math.log(1) + math.log(1) + math.log(3 / 5) + math.log(1 / 3)) / 4)
    assert text_metrics.corpus_bleu(counts) == pytest.approx(expected)
    assert text_metrics.corpus_bleu(counts, 1) == pytest.approx(100)
    short = text_metrics.bleu(["a dog"], [["a dog runs fast"]])
    assert text_metrics.corpus_bleu(short, 2) == pytest.approx(100 * math.exp(1 - 4 / 2))


def test_cider_d_is_the_clipped_cosine_of_rare_ngrams():
    found = text_metrics.cider(["x y", "p", "q q"], [["x y", "x z"], ["p"], ["q"]])
    # Every n-gram is in the references of one picture of three, and y only in the first: all weigh log 3. Against "x y"
    # both orders have cosine 1; against "x z" one of two unigrams, 1 / 2, and no bigram. There are no longer n-grams.
    assert found[0] == pytest.approx(10 * ((1 + 1) + (1 / 2 + 0)) / 4 / 2)
    assert found[1] == pytest.approx(10 * 1 / 4)
    # "q q" counts q once, as its reference does: 1 * 1 / (2 * 1); lengths differ by one: exp(-1 / (2 * 6 ** 2)).
    assert found[2] == pytest.approx(10 * (1 / 2) * math.exp(-1 / 72) / 4)


def test_a_scorer_that_counts_references_once_scores_alike():
    random = np.random.default_rng(0)
    letters = list("abcdefghijkl")
    texts = [[list(random.choice(letters, random.integers(1, 12))) for _ in range(k)] for k in (1, 2, 5, 3)]
    written = [[*several[0][:5], "a"] for several in texts]
    scorer = text_metrics.CiderScorer(texts)
    for number, words in enumerate(written):
        lines = [" ".join(words)] * 4
        expected = text_metrics.cider(lines, [[" ".join(each) for each in several] for several in texts])[number]
        assert scorer(words, number) == pytest.approx(expected) and expected > 0


def test_each_measure_lies_within_its_interval():
    result = text_metrics.measure(SENTENCES * 8, REFERENCES * 8, samples=50)
    assert list(result) == ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D", "words"]
    assert result["words"]["value"] == pytest.approx(11 / 3)
    assert result["words"]["low"] < 11 / 3 < result["words"]["high"]
    assert result["CIDEr-D"]["value"] == pytest.approx(np.mean(text_metrics.cider(SENTENCES * 8, REFERENCES * 8)))
    assert result == text_metrics.measure(SENTENCES * 8, REFERENCES * 8, samples=50)
    few = text_metrics.measure(SENTENCES, REFERENCES, samples=50)
    assert all(each["low"] is None is each["high"] for each in few.values())


def test_an_empty_sentence_scores_nothing():
    assert text_metrics.corpus_bleu(text_metrics.bleu(["", ""], [["a b"], ["c"]])) == 0
    assert text_metrics.cider(["", "c"], [["a b"], ["c"]])[0] == 0
    with pytest.raises(ValueError, match="at least one"):
        text_metrics.measure([], [])
