"""The site without building it: every page can be reached, cells are whole, and each figure and slide has its place."""

import ast
import importlib.util
import inspect
import re
from pathlib import Path

import forked
import pytest

import kerasmlsp
from kerasmlsp import figures

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
DECKS = {
    "ganapathy-12-march": "12 March 2025",
    "ganapathy-24-march": "24 March 2025",
    "sri-rama-murty": "Sri Rama Murty",
    "pilanci": "Pilanci",
    "hota": "Hota",
}


def cells(page):
    return re.findall(r"^```\{code-cell\} python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


NOTEBOOKS = [page for page in PAGES if cells(page)]


def names(pages):
    return {"argvalues": pages, "ids": [str(page.relative_to(DOCS)) for page in pages]}


def below(page):
    """Pages of the tables of contents of a page, all levels."""
    found = set()
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        entries = [line for line in block.splitlines() if line and not line.startswith(":")]
        for entry in entries:
            found |= set(page.parent.glob(f"{entry}.md")) if entry == "*" else {(page.parent / f"{entry}.md").resolve()}
    return found


def scripts():
    spec = importlib.util.spec_from_file_location("gallery_scripts", DOCS / "gallery_scripts.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_a_table_of_contents():
    reached, waiting = set(), {DOCS / "index.md"}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        # The gallery is written when the site is built.
        waiting |= {each for each in below(page) if each.parent.name != "gallery"} - reached
    assert reached == set(PAGES)


def test_every_figure_has_a_script_in_the_gallery():
    module = scripts()
    found = {path: text for path, text in module.scripts().items() if path.endswith(".py")}
    assert sorted(Path(path).stem for path in found) == sorted(figures.__all__)
    for name, arguments in module.SMALLER.items():
        inspect.signature(getattr(figures, name)).bind(**arguments)
    for path, text in found.items():
        called = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
        assert f"figures.{Path(path).stem}" in [ast.unparse(call.func) for call in called], path
        assert "Args:" not in text, path


def test_scripts_of_figures_that_are_gone_are_deleted(tmp_path):
    old = tmp_path / "foundations" / "gone.py"
    old.parent.mkdir()
    old.touch()
    scripts().write(tmp_path)
    assert not old.exists() and (old.parent / "cover.py").exists()


@pytest.mark.parametrize("page", **names(NOTEBOOKS))
def test_cells_are_whole(page):
    text = page.read_text()
    assert text.startswith("---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"), "Sphinx would not run it."
    assert len(re.findall(r"^```\{code-cell\}", text, re.MULTILINE)) == len(cells(page))
    for code in cells(page):
        ast.parse(code)


def test_notebooks_check_what_they_find():
    pages = [page for page in NOTEBOOKS if page.parent.name == "notebooks"]
    assert len(pages) == 10
    assert [page.name for page in pages if "assert " not in "".join(cells(page))] == []


def column(name, number):
    """What a column of a deck's table in the map of the lectures names."""
    decks = re.split(r"^## ", (DOCS / "lectures.md").read_text(), flags=re.MULTILINE)
    [table] = [deck for deck in decks if DECKS[name] in deck.splitlines()[0]]
    rows = [line.split("|")[number] for line in table.splitlines() if line.startswith("| ") and "| slide" not in line]
    return {each for row in rows for each in re.findall(r"`([\w-]+)`", row)}


@pytest.mark.parametrize("name", DECKS)
def test_lectures_name_the_builders_of_their_slides(name):
    text = (DOCS / f"lectures/{name}.md").read_text()
    # Code in the pages names them, too.
    lacking = column(name, 2) - set(re.findall(r"\w+", text))
    assert not lacking, lacking
    assert text.count("**Exercise.**") == text.count("<summary>Solution</summary>") == text.count("</details>") >= 4


@pytest.mark.parametrize("name", DECKS)
def test_lectures_show_the_figures_of_their_slides(name):
    text = (DOCS / f"lectures/{name}.md").read_text()
    shown = set(re.findall(r"^```\{gallery\}\n([\w-]+)\n```$", text, re.MULTILINE))
    assert shown <= {figure.replace("_", "-") for figure in figures.__all__}
    drawn = {figure.replace("_", "-") for figure in re.findall(r"^figures\.(\w+)\(", text, re.MULTILINE)}
    assert column(name, 5) <= shown | drawn


def test_the_citation_is_of_this_version():
    assert f"\nversion: {kerasmlsp.__version__}\n" in (DOCS.parent / "CITATION.cff").read_text()


@pytest.mark.parametrize("page", **names(NOTEBOOKS))
def test_pictures_of_cells_have_a_text(page):
    """A comment behind `show()`; those of `kerasmlsp.figures` have the first line of their docstring."""
    calls = [line for code in cells(page) for line in code.splitlines() if re.match(r"(plt\.)?show\(", line)]
    assert all(re.search(r"\)  # \w.+$", line) for line in calls)
    drawing = [code for code in cells(page) if "plt.subplots(" in code and "def show" not in code]
    assert all("show(" in code for code in drawing)


@pytest.mark.slow
@pytest.mark.parametrize("page", **names(NOTEBOOKS))
def test_cells_run(page, tmp_path):
    code = "import matplotlib\nmatplotlib.use('agg')\n" + "\n".join(cells(page))
    done = forked.run(forked.execute, code, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
