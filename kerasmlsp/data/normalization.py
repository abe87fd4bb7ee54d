"""One form for a text that can be written in several: Unicode's NFKC, plain quotes and spaces, HTML entities read.

All of it runs in TensorFlow operations, so that a saved model reads texts as its training did. The tables come from
Python's `unicodedata` and `html.entities`.
"""

from __future__ import annotations

import functools
import html.entities
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

_ENTITY = r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});"
# Korean syllables and their parts follow from each other by arithmetic; a syllable may end without a tail.
_LEADS, _VOWELS, _TAILS = range(0x1100, 0x1113), range(0x1161, 0x1176), range(0x11A8, 0x11C3)
_SYLLABLES = range(0xAC00, 0xAC00 + len(_LEADS) * len(_VOWELS) * (len(_TAILS) + 1))
# The longest run of marks on a letter that is put together, as in Unicode's stream-safe text format.
_MOST_MARKS = 30
_JOINER = "\u200d"
# Emoji that joiners make one picture.
_JOINED = r"\p{So}[\x{1F3FB}-\x{1F3FF}]?(?:\x{200D}\p{So}[\x{1F3FB}-\x{1F3FF}]?)+"
# Property Default_Ignorable_Code_Point of Unicode, which `unicodedata` lacks.
_INVISIBLE = (
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0),
    *(*range(0x180B, 0x1810), *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)),
    *(*range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B)),
    *(0xE0001, *range(0xE0020, 0xE0080), *range(0xE0100, 0xE01F0)),
)


def unescape(texts: tf.Tensor) -> tf.Tensor:
    """Replaces HTML's character references by the characters that they name: `&amp;`, `&#39;`, `&#x27;`.

    As Python's `html.unescape`, but only numbers, the names of HTML 4 and `&apos;`, and only with their semicolon.

    Args:
        texts: String tensor `(batch,)`, UTF-8.

    Returns:
        String tensor `(batch,)`.

    Example:
        >>> unescape(["Tom &amp; Jerry&#39;s"]).numpy()[0].decode()
        "Tom & Jerry's"
    """
    return _graph(_unescaped)(texts)


def normalize(texts: tf.Tensor, keep: str = "") -> tf.Tensor:
    """Writes texts in one form: NFKC, and `'`, `"`, `-` and the space for their typographic siblings.

    Invisible characters (soft hyphens, zero-width spaces, direction marks, byte order marks, variation selectors) are
    taken out; a zero-width joiner stays between emoji. ASCII stays as it is. Unlike NFKC, fractions become digits and
    a slash with a space before, so that "3½" is "3 1/2", trade marks and accents by themselves (`¨`) stay signs, and
    control characters are read as what Windows-1252 has in their place. Bytes that are no UTF-8 become U+FFFD.

    Reference: Unicode Standard Annex 15, "Unicode normalization forms".

    Args:
        texts: String tensor `(batch,)`, UTF-8.
        keep: Characters that stay as they are. If there are any, accents are joined to those only, and a character
            stays that has no form with any of them.

    Returns:
        String tensor `(batch,)`.

    Example:
        >>> normalize(["\u201c3\xbd\u201d \ufb01lms"]).numpy()[0].decode()  # curly quotes, a fraction and a ligature
        '"3 1/2" films'
    """
    return _graph(_normalized, keep=keep)(texts)


def respell(text: str, known: str) -> str:
    """Normalizes the lines of a text that have other characters than the known ones; these stay as they are.

    Args:
        text: Any text.
        known: An alphabet; `text` may still have others afterwards.

    Example:
        >>> respell("“fine”", known='"fine'), respell("“fine”", known="“fine”")
        ('"fine"', '“fine”')
    """
    lines, letters = text.split("\n"), set(known)
    places = [place for place, line in enumerate(lines) if not letters.issuperset(line)]
    if places:
        rows = normalize([lines[place] for place in places], known).numpy()
        for place, row in zip(places, rows, strict=True):
            lines[place] = row.decode()
    return "\n".join(lines)


@functools.cache
def _graph(function, **settings):
    """A graph that all callers share, so that a saved model holds its tables once."""
    import tensorflow as tf

    signature = [tf.TensorSpec([None], tf.string)]
    return tf.function(functools.partial(function, **settings), input_signature=signature, autograph=False)


def _where(chosen, texts, function):
    """Applies a function to the chosen rows; the others cost nothing."""
    import tensorflow as tf

    def replaced():
        places = tf.where(chosen)
        return tf.tensor_scatter_nd_update(texts, places, function(tf.gather_nd(texts, places)))

    return tf.cond(tf.reduce_any(chosen), replaced, lambda: tf.identity(texts))


def _hash(strings):
    import tensorflow as tf

    return tf.strings.to_hash_bucket_fast(strings, 2**62)


@functools.cache
def _entities():
    """Hashes of HTML 4's named references in ascending order, the references, and what each stands for."""
    import tensorflow as tf

    table = {f"&{name};": html.entities.html5[f"{name};"] for name in (*html.entities.name2codepoint, "apos")}
    with tf.init_scope():
        hashes = _hash(list(table)).numpy()
    order = np.argsort(hashes)
    names, characters = (np.array([each.encode() for each in part], object) for part in (table, table.values()))
    return hashes[order], names[order], characters[order]


def _from_windows(point):
    """The code point that Windows-1252 has where Unicode has control characters; browsers read it so, too."""
    return ord(bytes([point]).decode("windows-1252", "ignore") or chr(point))


def _unescaped(texts):
    import tensorflow as tf

    return _where(tf.strings.regex_full_match(texts, rf"\C*{_ENTITY}\C*"), texts, _with_references_read)


def _with_references_read(rows):
    import tensorflow as tf

    # A control character that no text needs parts the references from what is around them.
    pieces = tf.strings.split(tf.strings.regex_replace(rows, f"({_ENTITY})", "\x01\\1\x01"), "\x01")
    references = tf.strings.regex_full_match(pieces.flat_values, _ENTITY)
    return tf.strings.reduce_join(pieces.with_flat_values(_where(references, pieces.flat_values, _referred)), axis=1)


def _referred(references):
    import tensorflow as tf

    hashes, names, characters = _entities()
    places = tf.searchsorted(hashes, _hash(references)) % len(hashes)
    by_name = tf.where(tf.gather(names, places) == references, tf.gather(characters, places), references)
    # TensorFlow reads hexadecimal numbers as floats only, which are exact here: none has more than 24 bits.
    digits = tf.strings.regex_replace(references, "&#([0-9]+);|&#[xX]([0-9a-fA-F]+);|.*", r"\1\2")
    digits = tf.where(tf.strings.regex_full_match(references, "&#[xX].*"), "0x" + digits, digits)
    points = tf.cast(tf.strings.to_number(tf.where(digits == "", "0", digits)), tf.int32)
    old = tf.gather(list(map(_from_windows, range(0x80, 0xA0))), tf.clip_by_value(points - 0x80, 0, 31))
    points = tf.where((points >= 0x80) & (points < 0xA0), old, points)
    wrong = (points == 0) | (points > 0x10FFFF) | (points >= 0xD800) & (points < 0xE000)
    by_number = tf.strings.unicode_encode(tf.where(wrong, 0xFFFD, points)[:, None], "UTF-8")
    return tf.where(tf.strings.regex_full_match(references, "&#.*"), by_number, by_name)


class _Forms(NamedTuple):
    """What becomes of code points.

    Args:
        points: Code points that change, in ascending order.
        counts: Number of code points in the form of each.
        values: Code points of the forms.
        marks: Code points that may belong to the one before, in ascending order.
        classes: Canonical combining class of each, 0 for those that begin anew where nothing is joined.
        pairs: Pairs of code points that are joined, `_pair`, in ascending order.
        joined: What each becomes.
    """

    points: np.ndarray
    counts: np.ndarray
    values: np.ndarray
    marks: np.ndarray
    classes: np.ndarray
    pairs: np.ndarray
    joined: np.ndarray


def _pair(first, second):
    return first * 2**21 + second


def _own():
    """The characters that `normalize` does not treat as NFKC does."""
    forms = {chr(point): "" for point in _INVISIBLE if chr(point) != _JOINER}
    forms |= {chr(point): chr(_from_windows(point)) for point in range(0x80, 0xA0)}
    forms |= dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u2039\u203a\u02bb\u02bc\u02bd\xb4\x91\x92", "'")
    forms |= dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\xab\xbb\x93\x94", '"')
    forms |= dict.fromkeys("\u2010\u2011", "-") | dict.fromkeys("\x85\u2028\u2029\u1680", " ")
    return forms | {sign: sign for sign in "\u2120\u2122"}


def _form(character, own):
    if character in own:
        return own[character]
    form, parts = unicodedata.normalize("NFKD", character), unicodedata.decomposition(character)
    if parts.startswith("<compat> 0020 "):
        return character
    if parts.startswith("<fraction>"):
        form = " " + form.replace("\u2044", "/")
    return "".join(own.get(each, each) for each in form)


def _helps(form, keep):
    """Whether a form has any of the characters to keep, by itself or joined."""
    return not keep or not form or not set(keep).isdisjoint(form + unicodedata.normalize("NFC", form))


@functools.cache
def _forms(keep):
    own = _own()
    # Unicode's first three planes have all that can be written in two ways; Korean syllables need no table.
    points = sorted({*range(0x80, 0xAC00), *range(_SYLLABLES.stop, 0x30000), *map(ord, own)})
    characters = [each for each in map(chr, points) if each not in keep]
    changed = {each: form for each in characters if (form := _form(each, own)) != each and _helps(form, keep)}
    pairs = {0: 0}  # no characters at all: a table has to have something
    for each in keep or characters:
        parts = unicodedata.decomposition(each).split()
        if len(parts) == 2 and parts[0][0] != "<" and unicodedata.is_normalized("NFC", each):
            pairs[_pair(*(int(part, 16) for part in parts))] = ord(each)
    pairs = dict(sorted(pairs.items()))
    classes = {ord(each): unicodedata.combining(each) for each in characters}
    seconds = {pair % 2**21 for pair in pairs}.union(_VOWELS, _TAILS)
    marks = [point for point, rank in classes.items() if rank or point in seconds]
    return _Forms(
        points=np.array([ord(each) for each in changed], "int32"),
        counts=np.array(list(map(len, changed.values())), "uint8"),
        values=np.array([ord(each) for form in changed.values() for each in form], "int32"),
        marks=np.array(marks, "int32"),
        classes=np.array([classes[point] for point in marks], "int32"),
        pairs=np.array(list(pairs), "int64"),
        joined=np.array(list(pairs.values()), "int32"),
    )


def _normalized(texts, keep):
    import tensorflow as tf

    def change(rows):
        forms = _Forms(*map(tf.constant, _forms(keep)))
        points = _replaced(tf.strings.unicode_decode(rows, "UTF-8"), forms)
        rows = tf.strings.unicode_encode(_composed(points, forms), "UTF-8")
        return rows if _JOINER in keep else tf.strings.regex_replace(rows, rf"({_JOINED})|\x{{200D}}", r"\1")

    return _where(~tf.strings.regex_full_match(texts, r"[\x00-\x7F]*"), texts, change)


def _find(table, values):
    """Places of values in an ascending table, and whether they are there."""
    import tensorflow as tf

    places = tf.searchsorted(table, values) % table.shape[0]
    return places, tf.gather(table, places) == values


def _replaced(points, forms):
    """Puts the form of each code point in its place; ragged in, ragged out."""
    import tensorflow as tf

    places, found = _find(forms.points, points.flat_values)
    sizes = tf.cast(forms.counts, tf.int32)
    starts, counts = tf.gather(tf.cumsum(sizes, exclusive=True), places), tf.where(found, tf.gather(sizes, places), 1)
    sources = tf.repeat(tf.range(tf.size(counts)), counts)
    offsets = tf.range(tf.size(sources)) - tf.gather(tf.cumsum(counts, exclusive=True), sources)
    changed = tf.gather(found, sources)
    inside = tf.where(changed, tf.gather(starts, sources) + offsets, 0)
    values = tf.where(changed, tf.gather(forms.values, inside), tf.gather(points.flat_values, sources))
    lengths = tf.reduce_sum(points.with_flat_values(counts), axis=1)
    return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)


def _composed(points, forms):
    """Puts marks in canonical order and joins them to their letters; ragged in, ragged out."""
    import tensorflow as tf

    rows = points.value_rowids()
    first = rows != tf.concat([[-1], rows[:-1]], 0)
    values, ranks, seconds = _ordered(points.flat_values, first, forms)
    starts = tf.cast(tf.where(~seconds)[:, 0], tf.int32)
    lengths = tf.concat([starts[1:], [tf.size(values)]], 0)[: tf.size(starts)] - starts
    starts, lengths = starts[lengths > 1], lengths[lengths > 1]

    def join(step, values, kept, letters, last):
        places = tf.minimum(starts + step, tf.size(values) - 1)
        there, rank = step < lengths, tf.gather(ranks, places)
        joined = _joined(tf.gather(values, letters), tf.gather(values, places), forms)
        free = there & (joined > 0) & ((last == 0) | (last < rank))
        values = tf.tensor_scatter_nd_update(values, letters[free][:, None], joined[free])
        kept = tf.tensor_scatter_nd_update(kept, places[free][:, None], tf.zeros_like(places[free], tf.bool))
        left = there & ~free
        return step + 1, values, kept, tf.where(left & (rank == 0), places, letters), tf.where(left, rank, last)

    most = tf.minimum(tf.reduce_max(tf.concat([lengths, [1]], 0)), _MOST_MARKS + 1)
    state = tf.constant(1), values, tf.ones_like(values, tf.bool), starts, tf.zeros_like(starts)
    _, values, kept, _, _ = tf.while_loop(lambda step, *_: step < most, join, state)
    return tf.ragged.boolean_mask(points.with_flat_values(values), points.with_flat_values(kept))


def _ordered(values, first, forms):
    """Returns the code points with marks in canonical order, their combining classes, and which may be joined."""
    import tensorflow as tf

    places, found = _find(forms.marks, values)
    ranks = tf.where(found, tf.gather(forms.classes, places), 0)

    def ordered():
        letters = tf.cumsum(tf.cast((ranks == 0) | first, tf.int64))
        order = tf.argsort(letters * 256 + tf.cast(ranks, tf.int64), stable=True)
        return tf.gather(values, order), tf.gather(ranks, order)

    wrong = (ranks[:-1] > ranks[1:]) & (ranks[1:] > 0)
    return *tf.cond(tf.reduce_any(wrong), ordered, lambda: (values, ranks)), found & ~first


def _joined(letters, marks, forms):
    """Returns the code point that two make together, 0 where there is none."""
    import tensorflow as tf

    places, found = _find(forms.pairs, _pair(tf.cast(letters, tf.int64), tf.cast(marks, tf.int64)))
    lead, vowel, tail = letters - _LEADS.start, marks - _VOWELS.start, marks - _TAILS.start
    syllable, ends = letters - _SYLLABLES.start, len(_TAILS) + 1
    begun = (lead >= 0) & (lead < len(_LEADS)) & (vowel >= 0) & (vowel < len(_VOWELS))
    ended = (syllable >= 0) & (syllable < len(_SYLLABLES)) & (syllable % ends == 0) & (tail >= 0) & (tail < len(_TAILS))
    joined = tf.where(begun, _SYLLABLES.start + (lead * len(_VOWELS) + vowel) * ends, 0)
    joined = tf.where(ended, letters + tail + 1, joined)
    return tf.where(found, tf.gather(forms.joined, places), joined)
