"""Tests of the benchmarks: their commands and how they compare, not what they measure."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import chargen_quality, ratios, sentiment_speed

ROOT = Path(__file__).parents[1]
PARTS = "__init__", "load", "ratios"  # of benchmarks, which are none themselves
NAMES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in PARTS)
HEAVY = ("tensorflow", "keras", "torch", "sklearn", "pandas", "gensim")
HELP = f"""
import contextlib, io, json, runpy, sys
told = {{}}
for name in sys.argv[1:]:
    sys.argv, text = ["benchmark", "--help"], io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            runpy.run_module("benchmarks." + name, run_name="__main__")
    except SystemExit as end:
        assert not end.code, (name, end.code)
    told[name] = text.getvalue(), [each for each in {HEAVY} if each in sys.modules]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def helps():
    """The help of every benchmark and the heavy modules that are imported by then, from one fresh process."""
    done = subprocess.run([sys.executable, "-c", HELP, *NAMES], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_help_imports_nothing_heavy(helps, name):
    help, heavy = helps[name]
    assert not heavy
    assert f"python -m benchmarks.{name}" in help
    assert "--" in help


def test_ratio_is_the_median_over_pairs_and_not_of_medians():
    row = ratios.compare("speed", [2.0, 10.0, 9.0], [1.0, 1.0, 3.0], ">= 3")
    assert (row.ours, row.peer) == (9.0, 1.0)
    assert (row.ratio, row.least, row.most) == (3.0, 2.0, 10.0)
    assert row.met is True


@pytest.mark.parametrize(("target", "met"), [(">= 2", True), (">= 2.1", False), ("<= 2", True), ("<= 1.9", False)])
def test_target(target, met):
    assert ratios.compare("speed", [2.0], [1.0], target).met is met
    assert ratios.compare("seconds", [2.0], None, target).met is met


def test_no_target_is_neither_met_nor_missed():
    assert ratios.compare("speed", [2.0], [1.0]).met is None


@pytest.mark.parametrize(
    ("ours", "peer", "target", "message"),
    [
        ([], None, None, "must be pairs"),
        ([1.0], [1.0, 2.0], None, "must be pairs. Received: 1 and 2"),
        ([1.0], [1.0], "> 2", "`target` must be"),
    ],
)
def test_compare_refuses(ours, peer, target, message):
    with pytest.raises(ValueError, match=message):
        ratios.compare("speed", ours, peer, target)


def test_table():
    rows = [
        ratios.compare("training, examples/s", [3000.0, 2000.0], [1000.0, 1000.0], ">= 1"),
        ratios.compare("help, s", [0.5], None, "<= 0.3"),
    ]
    assert ratios.table(rows).splitlines() == [
        "| what | ours | peer | ratio (least to most) | target | met |",
        "|---|---|---|---|---|---|",
        "| training, examples/s | 2,500 | 1,000 | 2.50 (2.00 to 3.00) | >= 1 | yes |",
        "| help, s | 0.5 | - | - | <= 0.3 | no |",
    ]


def test_in_turns_alternates_who_comes_first():
    order = []
    jobs = {"a": lambda: order.append("a") or 1, "b": lambda: order.append("b") or 2}
    assert ratios.in_turns(jobs, 3) == {"a": [1, 1, 1], "b": [2, 2, 2]}
    assert order == ["a", "b", "b", "a", "a", "b"]


def test_missing_reviews_are_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train\.csv is not there: put .* --data-dir"):
        sentiment_speed.read_reviews(tmp_path, "train", 10)


def test_reviews_are_drawn_from_all_of_the_file(tmp_path):
    rows = [f"text {n},{'neg' if n < 10 else 'pos'}" for n in range(20)]
    (tmp_path / "test.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    texts, labels = sentiment_speed.read_reviews(tmp_path, "test", 4)
    assert texts == ["text 0", "text 5", "text 10", "text 15"]
    assert labels == [0, 0, 1, 1]


def test_ngrams_are_interpolated_counts():
    # After "a" came "b" twice and "a" once: (1 + 2 p(a)) / (3 + 2), where p(a) = (3 + 2 / 2) / (5 + 2).
    text = "aabab"
    a, b = (3 + 1) / 7, (2 + 1) / 7
    assert chargen_quality.ngram_nats(text, "ab", 1) == pytest.approx(-(math.log(a) + math.log(b)) / 2)
    assert chargen_quality.ngram_nats(text, "aa", 2) == pytest.approx(-(math.log(a) + math.log((1 + 2 * a) / 5)) / 2)
    # A context never seen leaves the shorter one.
    assert chargen_quality.ngram_nats(text, "bb", 2) == pytest.approx(-(math.log(b) + math.log(b / 2)) / 2)
    shares = [math.exp(-2 * chargen_quality.ngram_nats(text, "a" + c, 2)) / a for c in "ab"]
    assert sum(shares) == pytest.approx(1)
