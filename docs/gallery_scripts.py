"""The gallery: a script for each figure of `kerasmlsp.figures`, made from its docstring."""

import functools
import hashlib
import inspect
import textwrap
from pathlib import Path

from kerasmlsp import figures

# Arguments of those that would take more than half a minute; they still show what they are to show.
SMALLER: dict = {
    "invariance": {"steps": 200, "tested": 200},
    "label_fraction": {"labelled": (50, 1000)},
    "lstm_variants": {"seeds": 1},
    "mae": {"steps": 800},
    "pretraining": {"labelled": (600,), "images": 3000, "updates": 600, "tested": 1000},
    "resnet_vs_plain": {"seeds": 1},
    "translation_quality": {"steps": 150, "tested": 20},
}
# Those that measure seconds run alone.
TIMED = {"ar_speed", "backprop_cost"}

_SCRIPT = '''"""
{title}
{line}

{what}

``kerasmlsp figures {title}`` draws it, too. What can be changed: :func:`kerasmlsp.figures.{name}`.
"""
# Made from {digest}.
{settings}
from kerasmlsp import figures

drawing = figures.{name}({arguments})
print(*drawing.numbers, sep=", ")
'''


def folders() -> list[str]:
    """Names of the groups' folders, in the order of the lectures."""
    return [group.lower() for group in figures.GROUPS]


def scripts() -> dict[str, str]:
    """All files of the gallery by their paths: a script for each figure, a heading for each group."""
    found = {"GALLERY_HEADER.rst": _heading("Figures", "Each is computed; ``kerasmlsp figures --list`` lists them.")}
    for folder, (group, names) in zip(folders(), figures.GROUPS.items(), strict=True):
        found[f"{folder}/GALLERY_HEADER.rst"] = _heading(group, "")
        found |= {f"{folder}/{name}.py": _script(name) for name in names}
    return found


def write(folder: Path) -> None:
    """Writes the scripts into a folder, and deletes those of figures that are gone."""
    wanted = {folder / place: text for place, text in scripts().items()}
    for path in set(folder.rglob("*.py")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def scrape(block, block_vars, gallery_conf) -> str:
    """Saves the figure that a script has drawn; sphinx-gallery calls it after each block of code."""
    from sphinx_gallery.scrapers import figure_rst

    drawing = block_vars["example_globals"].get("drawing")
    if drawing is None:
        return ""
    path = next(block_vars["image_path_iterator"])
    drawing.save(path)
    return figure_rst([path], gallery_conf["src_dir"], what(Path(block_vars["src_file"]).stem).replace("`", ""))


@functools.cache
def places() -> dict[str, str]:
    """Where the page of each figure is, by the name that the command has for it."""
    groups = zip(folders(), figures.GROUPS.values(), strict=True)
    return {name.replace("_", "-"): f"/gallery/{folder}/{name}" for folder, names in groups for name in names}


def picture(name: str) -> str:
    """Where the picture of a figure is, as pages name it."""
    folder, _, stem = places()[name].rpartition("/")
    return f"{folder}/images/sphx_glr_{stem}_001.png"


def arguments(name: str) -> str:
    """Arguments by which the gallery's version is smaller, as they are written in a call; else nothing."""
    return ", ".join(f"{key}={value!r}" for key, value in SMALLER.get(name.replace("-", "_"), {}).items())


def what(name: str) -> str:
    """What a figure shows, in a sentence."""
    return inspect.getdoc(getattr(figures, name.replace("-", "_"))).split("\n")[0]


def _heading(title, text):
    return f"{title}\n{'=' * len(title)}\n\n{text}\n"


def _script(name):
    function, title = getattr(figures, name), name.replace("_", "-")
    paragraphs = inspect.getdoc(function).split("\n\n")
    # Up to the arguments: what it shows, and of which slide.
    end = next(number for number, each in enumerate(paragraphs) if each.startswith(("Args:", "Returns:")))
    return _SCRIPT.format(
        title=title,
        line="=" * len(title),
        what="\n\n".join(textwrap.fill(each, 110) for each in paragraphs[:end]).replace("`", "``"),
        name=name,
        # So that it is drawn again when the code has changed.
        digest=hashlib.sha256(Path(inspect.getsourcefile(inspect.unwrap(function))).read_bytes()).hexdigest()[:12],
        arguments=arguments(name),
        settings="# sphinx_gallery_parallel = False\n" if name in TIMED else "",
    )
