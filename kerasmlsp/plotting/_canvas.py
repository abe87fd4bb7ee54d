"""What figures are drawn on: without a display, with fonts that have their letters."""

import contextlib
import warnings

from kerasmlsp.plotting import fonts


def _figure(width, height):
    # The object interface: pyplot keeps global state and may ask for a display.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure, path, dpi=120, kind="png"):
    _set_fonts(figure)
    with _missing_glyphs_told():
        figure.savefig(path, format=kind, dpi=dpi)


def _set_fonts(figure):
    """Gives all texts the fonts that have their letters."""
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if text.get_text()]
    fallback = fonts.families(frozenset("".join(text.get_text() for text in texts)))
    for text in texts:
        # A price is no formula.
        text.set_parse_math(False)
        if fallback:
            text.set_fontfamily(list(dict.fromkeys([*text.get_fontfamily(), *fallback])))


@contextlib.contextmanager
def _missing_glyphs_told():
    with warnings.catch_warnings():
        # `fonts.families` has said it in one sentence.
        warnings.filterwarnings("ignore", r"(?s).*Glyph \d+", UserWarning)
        yield


def _ink(colour):
    """Black or white, whichever can be read on a colour `(red, green, blue, ...)` of 0 to 1."""
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in colour[:3])
    # White is read more easily on strong colours than its contrast by WCAG 2, equal at 0.18, would have it.
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.3 else "white"
