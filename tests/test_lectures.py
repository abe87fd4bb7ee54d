"""Slides that docstrings quote are in the decks of the lecturers that they name."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LECTURES = next(
    (each / "shared" / "lectures" for each in ROOT.parents if (each / "shared" / "lectures").is_dir()), None
)
# Number of a deck's file, see the README beside it, and the word that tells the lecturer.
DECKS = {"Ganapathy": ("000", "001"), "Sri Rama Murty": ("002",), "Pilanci": ("003",), "Hota": ("004",)}


def references(source):
    """Name of what a docstring belongs to, lecturer and slide title, for each slide that the docstrings quote."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        name, docstring = getattr(node, "name", "module"), ast.get_docstring(node) or ""
        for text in re.findall(r"(?:Reference|Lecture)s?:\s+(.*?)(?:\n\s*\n|\Z)", docstring, re.DOTALL):
            for part in re.split(r";\s", " ".join(text.split())):
                lecturer = next((each for each in DECKS if part.startswith(each)), None)
                found += [(name, lecturer, title) for title in re.findall(r'"([^"]+)"', part) if lecturer]
    return found


def letters(text):
    return "".join(each for each in text.casefold() if each.isalnum())


def test_references_are_found_in_docstrings():
    source = '''
def build():
    """Builds.

    Reference: Hota, BITS F464 (2024), "A slide" and "Another
    slide"; Cho et al. 2014, "A paper"; Ganapathy, MLSP 2025, "A third" (a note).

    Args:
    """
'''
    assert references(source) == [
        ("build", "Hota", "A slide"),
        ("build", "Hota", "Another slide"),
        ("build", "Ganapathy", "A third"),
    ]


@pytest.mark.skipif(LECTURES is None, reason="the lectures are not here")
def test_every_quoted_slide_is_in_the_deck_of_its_lecturer():
    decks = {}
    for lecturer, numbers in DECKS.items():
        texts = [path.read_text(encoding="utf-8") for number in numbers for path in LECTURES.glob(f"{number}_*.txt")]
        decks[lecturer] = [letters(line) for text in texts for line in text.splitlines()]
    paths = [path for folder in ("kerasmlsp", "apps") for path in sorted((ROOT / folder).rglob("*.py"))]
    quoted = [(path.name, *each) for path in paths for each in references(path.read_text(encoding="utf-8"))]
    titles = [letters(each[-1]) for each in quoted]
    wrong = [
        each
        for each, title in zip(quoted, titles, strict=True)
        if not any(line.startswith(title) for line in decks[each[-2]])
    ]
    assert len(quoted) > 150 and wrong == []
