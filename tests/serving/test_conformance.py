"""The table in docs/serving-conformance.md has every line once, and its tests have cases of each."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/serving-conformance.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| .* \| ([\w, ]+) \|$", PAGE.split("## Line by line")[1], re.MULTILINE)
# Files of the bodies; a name of a test or of a case in them has the number of its line.
BODIES = ("test_answers", "test_classify", "test_parsing", "test_rest")


def test_every_line_is_there_once_and_in_order():
    assert [int(number) for number, _ in ROWS] == list(range(1, 68))


CASES = [(number, name) for number, tests in ROWS for name in tests.split(", ") if name in BODIES]


@pytest.mark.parametrize(("number", "name"), CASES)
def test_the_tests_of_bodies_have_cases_of_the_line(number, name):
    text = (ROOT / f"tests/serving/{name}.py").read_text(encoding="utf-8")
    numbers = {int(each) for each in re.findall(r'"(\d+)-\w|lines?_(\d+)', text) for each in each if each}
    for first, last in re.findall(r"lines_(\d+)_to_(\d+)", text):
        numbers |= set(range(int(first), int(last) + 1))
    assert int(number) in numbers
