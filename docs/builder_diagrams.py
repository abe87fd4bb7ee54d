"""Diagrams of the model builders for the reference, each drawn anew only when the code of its builder has changed."""

import hashlib
import inspect
import json
from pathlib import Path

import joblib

from kerasmlsp import models, plotting
from kerasmlsp.apps import catalogue
from kerasmlsp.apps.parameters import PARAMETERS


def draw(folder: Path) -> None:
    """Draws what `kerasmlsp models show` makes of each builder: NAME.png, and NAME.json with the same in words."""
    folder.mkdir(parents=True, exist_ok=True)
    joblib.Parallel(n_jobs=2)(joblib.delayed(_draw)(name, folder) for name in models.__all__)


def described(name: str, folder: Path, place: str) -> list[str]:
    """Lines for the end of a builder's docstring: its example, and the diagram, which unfolds.

    Args:
        name: Name of the builder.
        folder: Folder that `draw` wrote into.
        place: The same folder as pages name it.
    """
    facts = json.loads((folder / f"{name}.json").read_text())
    return [
        "",
        f"``{facts['call']}`` has {PARAMETERS[name]:,} parameters; ``kerasmlsp models show {name}`` lists its blocks.",
        "",
        *_html(f'<details class="diagram"><summary>Diagram of {name}</summary>'),
        f".. image:: {place}/{name}.png",
        f"   :alt: Blocks of {name}: {'; '.join(facts['blocks'])}",
        "   :loading: lazy",
        "",
        *_html("</details>"),
    ]


def _draw(name, folder):
    facts, digest = folder / f"{name}.json", _digest(getattr(models, name))
    if facts.exists() and json.loads(facts.read_text())["digest"] == digest:
        return
    model, arguments = catalogue.build(getattr(models, name), {})
    plotting.diagram(model, folder / f"{name}.png")
    call = f"{name}({', '.join(f'{key}={value}' for key, value in arguments.items())})"
    blocks = [" ".join([box.name, box.what.replace("\n", ", ")]).strip() for box in plotting.blocks(model)]
    facts.write_text(json.dumps({"digest": digest, "call": call, "blocks": blocks}))


def _html(text):
    return [".. raw:: html", "", f"   {text}", ""]


def _digest(builder):
    files = [inspect.getsourcefile(each) for each in (builder, plotting.diagram, catalogue.build)]
    return hashlib.sha256(b"".join(Path(each).read_bytes() for each in files)).hexdigest()[:12]
