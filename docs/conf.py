"""Configuration of the site, which `make docs` builds into build/docs/html."""

import importlib.metadata
import os
import re
import sys
from pathlib import Path

# Two processes compute the figures.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import builder_diagrams  # noqa: E402
import gallery_scripts  # noqa: E402
import site_parts  # noqa: E402

# Not in the folder of the sources: GitHub and the tests would take what is generated for pages.
_SCRIPTS = "../build/docs/scripts"
_DIAGRAMS = "../build/docs/diagrams"
gallery_scripts.write(HERE / _SCRIPTS)

project = "kerasmlsp"
release = version = importlib.metadata.version("kerasmlsp")
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["gallery/**/*.ipynb", "gallery/*.ipynb"]
# Docstrings mark code by single backticks.
default_role = "code"
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

# Cells run again only when their code has changed.
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build/docs/cells")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_output_stderr = "remove"

autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
napoleon_custom_sections = [("Call arguments", "params_style")]
napoleon_numpy_docstring = False

sphinx_gallery_conf = {
    "examples_dirs": _SCRIPTS,
    "gallery_dirs": "gallery",
    "filename_pattern": r"/\w+\.py$",
    "image_scrapers": ("gallery_scripts.scrape",),
    "reset_modules": (),
    "subsection_order": [f"{_SCRIPTS}/{folder}" for folder in gallery_scripts.folders()],
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "parallel": 2,
    "remove_config_comments": True,
    "download_all_examples": False,
    "write_computation_times": False,
    "show_signature": False,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "kerasmlsp"
html_favicon = "../kerasmlsp/serving/page/icon.svg"
html_show_sourcelink = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
# Of the browser; the theme complains where none is named.
html_context = {"default_mode": "auto"}
html_math_renderer = "mathml"
html_theme_options = {"logo": {"text": "kerasmlsp"}, "show_toc_level": 2, "navigation_with_keys": False}


# Files beside the folder of the pages, and the pages that hold them here.
_BESIDE = {"README": "index", "CHANGELOG": "changes", "CONTRIBUTING": "contributing", "SECURITY": "security"}


def _link_beside(app, docname, source):
    """Points links to files beside the folder, which GitHub follows, to the pages of the site."""

    def page(link):
        # README's sections are not on the front page.
        return f"](/{_BESIDE[link[1]]}.md{'' if link[1] == 'README' else link[2] or ''})"

    source[0] = re.sub(rf"\]\((?:\.\./)+({'|'.join(_BESIDE)})\.md(#[\w-]+)?\)", page, source[0])


def _quote_commands(app, ctx, lines):
    """Sets the commands that a help text shows as code, and takes stars elsewhere for what they are."""

    def quoted(line):
        if line.startswith("| "):
            return f"| ``{line[2:].strip()}``"
        parts = line.split("`")
        parts[::2] = [part.replace("*", r"\*") for part in parts[::2]]
        return "`".join(parts)

    lines[:] = map(quoted, lines)


def _visit_math(translator, node):
    """Writes a formula as MathML, which browsers show by themselves."""
    from docutils import nodes
    from docutils.utils.math import latex2mathml

    translator.body.append(latex2mathml.tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def _finish_docstring(app, what, name, value, options, lines):
    """Parts code from a plural's s, and adds an example and its diagram to a builder."""
    lines[:] = [re.sub(r"(?<=\w)`(?=s\b)", r"`\\ ", line) for line in lines]
    package, _, builder = name.rpartition(".")
    if what == "function" and package == "kerasmlsp.models":
        lines += builder_diagrams.described(builder, HERE / _DIAGRAMS, f"/{_DIAGRAMS}")


def setup(app):
    app.add_directive("gallery", site_parts.Shown)
    app.connect("builder-inited", lambda app: builder_diagrams.draw(HERE / _DIAGRAMS))
    app.connect("doctree-read", site_parts.link_code)
    app.connect("doctree-read", site_parts.describe_outputs)
    app.add_html_math_renderer("mathml", (_visit_math, None), (_visit_math, None))
    app.connect("source-read", _link_beside)
    app.connect("autodoc-process-docstring", _finish_docstring)
    app.connect("sphinx-click-process-description", _quote_commands)
    app.connect("sphinx-click-process-options", _quote_commands)
