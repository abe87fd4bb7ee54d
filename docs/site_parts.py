"""What pages of the site have beyond Markdown: code that leads to the reference, and pictures of the gallery."""

import re

import gallery_scripts
from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective

from kerasmlsp import augment, layers, models

_REFERENCE = {name: f"kerasmlsp.models.{name}" for name in models.__all__}
_REFERENCE |= {name: f"kerasmlsp.layers.{name}" for name in layers.__all__}
_REFERENCE |= {name: f"kerasmlsp.augment.{name}" for name in augment.__all__}
_DOTTED = re.compile(
    r"(?:kerasmlsp\.)?((?:augment|callbacks|data|exporting|figures|generation|interpret|layers|losses|metrics|models"
    r"|optimizers|plotting|targets|training)(?:\.\w+)+)"
)
_LINKS = (nodes.reference, addnodes.pending_xref, nodes.title, addnodes.desc_signature)


class Shown(SphinxDirective):
    """The picture of a figure as the gallery has it, for pages that would take too long to draw it in a cell."""

    has_content = True

    def run(self):
        [name] = self.content
        what = gallery_scripts.what(name)
        picture = nodes.image(uri=gallery_scripts.picture(name), alt=what.replace("`", ""))
        parts = enumerate(what.split("`"))
        words = [nodes.literal("", part) if number % 2 else nodes.Text(part) for number, part in parts]
        if smaller := gallery_scripts.arguments(name):
            words += [nodes.Text(" Made smaller by "), nodes.literal("", smaller), nodes.Text(".")]
        text = nodes.caption("", "", _figure(name, self.env.docname), nodes.Text(": "), *words)
        return [nodes.figure("", picture, text)]


def link_code(app, tree) -> None:
    """Makes links of the code in a page; what the reference does not have stays as it is."""
    docname = app.env.docname
    for code in list(tree.findall(nodes.literal)):
        text = code.astext()
        if any(isinstance(parent, _LINKS) for parent in _parents(code)):
            continue
        if text in gallery_scripts.places() and _is_figure(code, docname):
            code.replace_self(_figure(text, docname))
        elif dotted := _DOTTED.fullmatch(text):
            code.replace_self(_link(code.deepcopy(), docname, "py", "obj", f"kerasmlsp.{dotted[1]}"))
        elif text in _REFERENCE:
            code.replace_self(_link(code.deepcopy(), docname, "py", "obj", _REFERENCE[text]))


def describe_outputs(app, tree) -> None:
    """Gives the pictures that cells draw a text: what a figure shows, or the comment behind `show()`."""
    for cell in tree.findall(lambda node: "cell" in node.get("classes", ()) if hasattr(node, "get") else False):
        source = next(iter(cell.findall(nodes.literal_block))).astext()
        figure = re.findall(r"^figures\.(\w+)\(", source, re.MULTILINE)
        shown = re.findall(r"\bshow\(.*\)  # (.+)$", source, re.MULTILINE)
        for picture in cell.findall(nodes.image):
            picture["alt"] = gallery_scripts.what(figure[-1]).replace("`", "") if figure else shown[-1]


def _figure(name, docname):
    return _link(nodes.Text(name), docname, "std", "doc", gallery_scripts.places()[name])


def _link(shown, docname, domain, kind, target):
    found = {"refdomain": domain, "reftype": kind, "reftarget": target, "refdoc": docname, "refexplicit": True}
    return addnodes.pending_xref("", shown, **found)


def _parents(node):
    while node := node.parent:
        yield node


def _is_figure(code, docname):
    """Whether a name stands for a figure here. Elsewhere `filters` or `dropout` may be an argument."""
    entry = next((each for each in _parents(code) if isinstance(each, nodes.entry)), None)
    before = code.parent[: code.parent.index(code)]
    return (
        docname == "figures"
        or (docname == "lectures" and entry is not None and entry.parent[-1] is entry)
        or (bool(before) and re.search(r"\b[Ff]igures? $", before[-1].astext()) is not None)
    )
