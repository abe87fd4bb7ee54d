"""Measures of translations: the numbers of sacrebleu, with intervals."""

import numpy as np
import pytest

from kerasmlsp.metrics import translation

sacrebleu = pytest.importorskip("sacrebleu.metrics")

WORDS = [
    "Der",
    "der",
    "Hund",
    "hund,",
    "läuft",
    "(im)",
    "Schnee.",
    "Zwei",
    "Männer",
    "reden",
    "!",
    "über",
    "3,5",
    "Meter",
]


def sentences(count=40, seed=0):
    """Pairs of which some words are the same."""
    random = np.random.default_rng(seed)
    pairs = []
    for _ in range(count):
        wanted = random.choice(WORDS, random.integers(1, 14)).tolist()
        written = [word if random.random() < 0.7 else str(random.choice(WORDS)) for word in wanted]
        pairs.append(
            (
                " ".join(written[: random.integers(0, len(written) + 1)] if random.random() < 0.2 else written),
                " ".join(wanted),
            )
        )
    return [list(side) for side in zip(*pairs, strict=True)]


def test_values_are_those_of_sacrebleu():
    written, wanted = sentences()
    found = translation.measure(written, wanted, samples=50)
    scorers = {
        translation.BLEU: sacrebleu.BLEU(),
        translation.LOWER: sacrebleu.BLEU(lowercase=True),
        translation.CHRF: sacrebleu.CHRF(),
    }
    for name, scorer in scorers.items():
        expected = scorer.corpus_score(written, [wanted])
        assert found[name]["value"] == pytest.approx(expected.score, abs=1e-9), name
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
        assert translation.signatures()[name] == str(scorer.get_signature())
    ratio = sacrebleu.BLEU().corpus_score(written, [wanted])
    assert found[translation.LENGTH]["value"] == pytest.approx(ratio.sys_len / ratio.ref_len)


@pytest.mark.parametrize("written", [["", "a"], ["b c", "x"]])
def test_what_has_nothing_right_scores_nothing(written):
    found = translation.measure(written, ["d e", "f"])
    assert found[translation.CHRF]["value"] == 0 == sacrebleu.CHRF().corpus_score(written, [["d e", "f"]]).score


def test_lengths_part_the_sentences():
    written, wanted = sentences(120)
    lengths = np.array([len(line.split()) for line in wanted])
    rows = translation.by_length(lengths, written, wanted, [1, 5, 10, 90], samples=20)
    assert [(row["from"], row["to"]) for row in rows] == [(1, 4), (5, 9), (10, 89)]
    assert sum(row["sentences"] for row in rows) == 120
    inside = np.flatnonzero((lengths >= 5) & (lengths < 10))
    expected = sacrebleu.BLEU().corpus_score([written[i] for i in inside], [[wanted[i] for i in inside]])
    assert rows[1]["BLEU"]["value"] == pytest.approx(expected.score)
    assert rows[1]["length"] == pytest.approx(lengths[inside].mean())


def test_nothing_cannot_be_measured():
    with pytest.raises(ValueError, match="`sentences` must hold at least one"):
        translation.measure([], [])
