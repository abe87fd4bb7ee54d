"""Installed fonts for letters that matplotlib's own font lacks, such as Devanagari, Chinese or emoji."""

import functools
import logging
import unicodedata
from collections.abc import Iterable

_log = logging.getLogger("kerasmlsp")


def families(letters: Iterable[str]) -> list[str]:
    """Finds families of installed fonts that together have the letters that the default font lacks, few of them.

    Letters that no font has are told once, by a warning in the log with the packages to install.

    Args:
        letters: Characters; spaces, controls and what only changes the letter before need no font.

    Returns:
        Names of families, the most useful first; none where the default font has all.

    Example:
        >>> families("naïve café")
        []
    """
    from matplotlib import font_manager

    # Neither spaces and controls, nor what only changes the letter before.
    shown = [each for each in letters if unicodedata.category(each)[0] not in "CZ" and not "\ufe00" <= each <= "\ufe0f"]
    default = font_manager.get_font(font_manager.findfont(font_manager.FontProperties()))
    left = _lacking(default, shown)
    return _installed(left) if left else []


def _lacking(font, letters):
    return frozenset(letter for letter in letters if not font.get_char_index(ord(letter)))


@functools.lru_cache
def _installed(letters):
    """Families of installed fonts that have these letters, few; letters that none has are told once."""
    from matplotlib import font_manager

    found, fonts, left = [], _fonts(letters), letters
    while left and fonts:
        _, path, font = min(fonts, key=lambda each: (len(_lacking(each[2], left)), *each[:2]))
        if _lacking(font, left) == left:
            break
        left = _lacking(font, left)
        # Not there where it was installed after matplotlib had listed all.
        if not any(known.fname == path for known in font_manager.fontManager.ttflist):
            font_manager.fontManager.addfont(path)
        found.append(font.family_name)
    if left:
        _log.warning(
            "No installed font has %s, which figures show as boxes: install one, as with `apt install %s` on Debian.",
            "".join(sorted(left)[:20]) + " and more" * (len(left) > 20),
            " ".join(sorted({_package(letter) for letter in left})),
        )
    return found


def _fonts(letters):
    """Installed fonts with any of these letters: whether of an odd style, path and font."""
    from matplotlib import font_manager, ft2font

    found = []
    for path in font_manager.findSystemFonts():
        try:
            font = ft2font.FT2Font(path)
        except (OSError, RuntimeError):
            continue
        # Fonts of pictures, as most of emoji, cannot be drawn in any size.
        if font.scalable and _lacking(font, letters) != letters:
            odd = any(word in path.lower() for word in ("bold", "italic", "oblique", "serif", "mono", "light"))
            found.append((odd, path, font))
    return found


def _package(letter):
    if unicodedata.name(letter, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC")):
        return "fonts-noto-cjk"
    return "fonts-symbola" if unicodedata.category(letter)[0] == "S" else "fonts-noto-core"
