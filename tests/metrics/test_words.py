"""Measures of word vectors."""

import numpy as np
import pytest

from kerasmlsp import metrics
from kerasmlsp.metrics import words


def test_spearman_is_the_correlation_of_ranks():
    assert metrics.spearman([1, 2, 3], [10, 100, 1000]) == pytest.approx(1)
    assert metrics.spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    # Ranks 1, 2.5, 2.5, 4 and 1, 3, 2, 4.
    assert metrics.spearman([1, 5, 5, 9], [0, 2, 1, 7]) == pytest.approx(4.5 / np.sqrt(4.5 * 5))
    assert np.isnan(metrics.spearman([1, 1], [1, 2])) and np.isnan(metrics.spearman([], []))


# On a circle: queen = king - man + woman.
NAMES = ["king", "man", "woman", "queen", "fish"]
VECTORS = np.array([[1, 1, 0], [1, 0, 0], [-1, 0, 0], [-1, 1, 0], [0, 0, 1]], "float32")


def test_analogies_leave_their_own_words_out():
    questions = [("man", "king", "woman", "queen"), ("man", "king", "woman", "fish"), ("man", "king", "woman", "crab")]
    assert words.analogy_accuracy(NAMES, VECTORS, questions) == (0.5, 2)
    # The nearest to king - king + man is man itself, which cannot be the answer.
    assert words.analogy_accuracy(NAMES, VECTORS, [("king", "king", "man", "man")]) == (0.0, 1)
    share, asked = words.analogy_accuracy(NAMES, VECTORS, [])
    assert np.isnan(share) and asked == 0


def test_similarities_are_compared_by_rank():
    pairs = [("king", "man"), ("king", "woman"), ("king", "crab"), ("queen", "woman")]
    found, number = words.similarity_correlation(NAMES, 3 * VECTORS, pairs, [7, 1, 9, 7])
    assert found == pytest.approx(1) and number == 3


def test_most_similar_words_come_first():
    (first, cosine), *_ = words.most_similar(NAMES, VECTORS, "king", 2)
    assert first == "man" and cosine == pytest.approx(0.5**0.5)
    assert len(words.most_similar(NAMES, VECTORS, "king", 99)) == 4
    with pytest.raises(ValueError, match=r"`word` must be one of `words`. Received: word='crab'"):
        words.most_similar(NAMES, VECTORS, "crab")


def test_files_of_judgements_and_analogies(tmp_path):
    (tmp_path / "pairs.tsv").write_text("# Word 1\tWord 2\nlove\tsex\t6.77\nTiger\tcat\t7.35\n\n")
    pairs, judgements = words.read_similarities(tmp_path / "pairs.tsv")
    assert pairs == [("love", "sex"), ("tiger", "cat")] and judgements.tolist() == [6.77, 7.35]
    for text in ("Word 1,Word 2,Human (mean)\nlove,sex,6.77\nTiger,cat,7.35\n", "love;sex;6,77\nTiger;cat;7,35\n"):
        (tmp_path / "pairs.csv").write_text(text)
        assert words.read_similarities(tmp_path / "pairs.csv")[1].tolist() == [6.77, 7.35]
    (tmp_path / "questions.txt").write_text(": capitals\nAthens Greece Oslo Norway\n: family\nboy girl man woman\n")
    assert words.read_analogies(tmp_path / "questions.txt") == {
        "capitals": [("athens", "greece", "oslo", "norway")],
        "family": [("boy", "girl", "man", "woman")],
    }


def test_similarities_have_intervals_and_say_what_is_covered():
    random = np.random.default_rng(0)
    names, vectors = [f"w{i}" for i in range(60)], random.normal(size=(60, 4))
    pairs = [(f"w{i}", f"w{i + 1}") for i in range(0, 60, 2)] + [("w0", "missing")]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = [float(unit[i] @ unit[i + 1]) for i in range(0, 60, 2)]
    found = words.similarity(names, vectors, pairs, [*cosines, 0.0])
    assert found["value"] == pytest.approx(1) and (found["pairs"], found["covered"]) == (31, 30)
    noisy = words.similarity(names, vectors, pairs, [*(np.array(cosines) + random.normal(0, 0.5, 30)), 0.0])
    assert noisy["low"] < noisy["value"] < noisy["high"] < 1
    assert words.similarity(names, vectors, [("a", "b")], [1.0])["covered"] == 0


def test_analogies_are_counted_by_kind():
    kinds = {"royal": [("man", "king", "woman", "queen"), ("man", "king", "woman", "fish")], "none": [("a",) * 4]}
    found = words.analogies(NAMES, VECTORS, kinds)
    assert list(found) == ["royal", "none", "all"]
    assert found["royal"]["value"] == 0.5 and found["royal"]["low"] < 0.5 < found["royal"]["high"]
    assert found["none"] == {"value": None, "low": None, "high": None, "questions": 1, "covered": 0}
    assert (found["all"]["questions"], found["all"]["covered"], found["all"]["value"]) == (3, 2, 0.5)


@pytest.mark.parametrize(
    ("read", "text", "line"),
    [
        (words.read_similarities, "cat dog 7\ncat dog\n", 2),
        (words.read_similarities, "cat dog far\n", 1),
        (words.read_similarities, "one,two,mean\ncat,dog\n", 2),
        (words.read_analogies, ": animals\n\ncat cats dog\n", 3),
    ],
)
def test_lines_of_another_form_are_named(tmp_path, read, text, line):
    (tmp_path / "file.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"in every line.* Received: .*file.txt, line {line}: "):
        read(tmp_path / "file.txt")
