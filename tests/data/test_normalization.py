"""Texts in one form, compared with Python's `unicodedata` and `html`."""

import html
import html.entities
import random
import unicodedata

import pytest
import tensorflow as tf

from kerasmlsp.data import normalization, text

PLAIN = "I didn't like it, it's a \"waste\" of time."
# What is documented to differ from NFKC, and quotes, which NFKC takes apart or leaves.
SIGNS = "\u2120\u2122"
OWN = set("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u2034\u2057\u2039\u203a\u02bb\u02bc\u02bd")
OWN |= set("\u0149\xb4\xab\xbb\u2010\u2011\u2028\u2029\u1680\u200d" + SIGNS)


def normalized(*texts, keep=""):
    return [each.decode() for each in normalization.normalize(tf.constant(list(texts)), keep).numpy()]


def unescaped(*texts):
    return [each.decode() for each in normalization.unescape(tf.constant(list(texts))).numpy()]


def as_nfkc(character):
    """Whether a character is to become what NFKC makes of it."""
    parts = unicodedata.decomposition(character)
    own = character in OWN or parts.startswith(("<fraction>", "<compat> 0020 ")) or "\x80" <= character < "\xa0"
    return not own and unicodedata.category(character) not in ("Cf", "Cs", "Co", "Cn") and not is_filler(character)


def is_filler(character):
    name = unicodedata.name(character, "")
    return "VARIATION SELECTOR" in name or "FILLER" in name or "VOWEL INHERENT" in name or name.endswith("JOINER")


@pytest.fixture(scope="module")
def characters():
    return [each for each in map(chr, range(1, 0x110000)) if as_nfkc(each)]


def test_every_character_becomes_its_nfkc(characters):
    expected = [unicodedata.normalize("NFKC", each) for each in characters]
    wrong = [pair for pair in zip(characters, expected, normalized(*characters), strict=True) if pair[1] != pair[2]]
    assert len(characters) > 140_000 and wrong == []


def test_every_decomposed_letter_is_joined_again(characters):
    expected = [each for each in characters if unicodedata.is_normalized("NFKC", each)]
    found = normalized(*(unicodedata.normalize("NFD", each) for each in expected))
    assert [pair for pair in zip(expected, found, strict=True) if pair[0] != pair[1]] == []


def test_any_order_of_letters_and_marks_is_that_of_nfkc(characters):
    choose = random.Random(0)
    marks = [each for each in characters if unicodedata.combining(each)]
    letters = [each for each in characters if unicodedata.normalize("NFD", each) != each] + list("aeou'  ")
    korean = [chr(point) for point in range(0x1100, 0x1200) if as_nfkc(chr(point))]
    latin = [each for each in marks if each < "\u0330"]
    texts = [
        "".join(
            choose.choice(choose.choice((marks, latin, latin, letters, korean))) for _ in range(choose.randrange(20))
        )
        for _ in range(5000)
    ]
    expected = [unicodedata.normalize("NFKC", each) for each in texts]
    found = normalized(*texts)
    assert [(here, there) for here, there in zip(expected, found, strict=True) if here != there] == []


def test_thirty_marks_are_joined_and_the_rest_kept():
    long = "a" + "\u0316" * 40 + "\u0301"
    assert normalized("a" + "\u0316" * 20 + "\u0301", long) == ["á" + "\u0316" * 20, long]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("didn\u2019t didn\u02bct didn\xb4t didn\uff07t didn\x92t", "didn't didn't didn't didn't didn't"),
        ("\u201cwaste\u201d \u201ewaste\u201f \xabwaste\xbb \x93waste\x94", '"waste" "waste" "waste" "waste"'),
        ("a\xa0b\u202fc\u3000d\u2009e\u2028f\x85g", "a b c d e f g"),
        ("\ufeffwa\u200bs\xadt\u2060e\u200d \u200fof\u200e ti\u034fme\ufe0f", "waste of time"),
        ("well\u2011made \ufb01lm\u2026", "well-made film..."),
        ("Disney\u2122 \xa8town\xa8", "Disney\u2122 \xa8town\xa8"),
        ("3\xbd of 5, \xbc", "3 1/2 of 5,  1/4"),
        ("a \x96 b", "a \u2013 b"),
        ("👨‍👩‍👧 ❤️‍🔥 👍🏽 🏃‍♀️ 🇩🇪 a\u200d", "👨‍👩‍👧 ❤‍🔥 👍🏽 🏃‍♀ 🇩🇪 a"),
        ("`plain` ^ ~ \t\n\x00 &amp; <b>", "`plain` ^ ~ \t\n\x00 &amp; <b>"),
        ("", ""),
    ],
)
def test_other_forms_become_the_plain_one(written, expected):
    assert normalized(written) == [expected]


def test_normalizing_twice_changes_nothing(characters):
    once = normalized(*characters[::7])
    assert normalized(*once) == once


def test_rows_stay_apart():
    rows = ["plain", "e", "\u0301a", "", "\u200b", "e\u0301", "x"]
    assert normalized(*rows) == ["plain", "e", "\u0301a", "", "", "é", "x"]
    assert normalization.normalize(tf.constant([], tf.string)).shape == (0,)


def test_bytes_that_are_no_text_are_marked():
    found = normalization.normalize(tf.constant([b"good \xff film", b"good"])).numpy().tolist()
    assert found == ["good \ufffd film".encode(), b"good"]


def test_known_characters_stay_and_accents_join_those_only():
    texts = ["\u201cé\u201d \u2019e\u0301\u2019", "e\u0300 è a\u0300 o\u0308 Ñ", "o\u0300\u0308 \u212b\u200b"]
    expected = ["\u201cé\u201d 'é'", "e\u0300 e\u0300 à o\u0308 Ñ", "o\u0300\u0308 Å"]
    assert normalized(*texts, keep="'e\u201céàö\u0308Å") == expected


def test_lines_are_respelled_where_they_have_unknown_characters():
    known = '\n aáes\u2019"t'
    text = "as\u2019t a\u0301\xa0t\n\ne\u0301t\u201c\n"
    assert normalization.respell(text, known) == 'as\u2019t á t\n\ne\u0301t"\n'
    assert normalization.respell("", known) == "" and normalization.respell("\xa0", "") == " "


@pytest.mark.parametrize("style", ["&{name};", "&#{point};", "&#x{point:x};", "&#X{point:X};"])
def test_references_are_read(style):
    points = {"apos": ord("'"), **html.entities.name2codepoint}
    texts = ["a " + style.format(name=name, point=point) + "b" for name, point in points.items()]
    expected = [html.unescape(each) for each in texts]
    assert unescaped(*texts) == expected


def test_odd_references_are_those_of_python():
    odd = ["&#0;&#xD800;&#1114112;", "&#146;&#150;&#129;", "&amp;#39; &nosuch; &;"]
    assert unescaped(*odd) == [html.unescape(each) for each in odd]
    assert unescaped("AT&T; &#39", "&#128512;", "", "x") == ["AT&T; &#39", "😀", "", "x"]
    assert normalization.unescape(tf.constant([b"\xff &amp;"])).numpy().tolist() == [b"\xff &"]


FORMS = {
    "curly quotes": PLAIN.replace("'", "\u2019").replace('"', "\u201d"),
    "decimal": PLAIN.replace("'", "&#39;"),
    "hexadecimal": PLAIN.replace("'", "&#x27;"),
    "named": PLAIN.replace("'", "&apos;").replace('"', "&quot;").replace(" ", "&nbsp;"),
    "full width": "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in PLAIN),
    "bold": "".join(chr(0x1D41A + ord(each) - 97) if "a" <= each <= "z" else each for each in PLAIN),
    "no-break spaces": PLAIN.replace(" ", "\xa0"),
    "next line": PLAIN.replace(" ", "\x85"),
    "soft hyphen": PLAIN.replace("waste", "wa\xadste"),
    "zero width": PLAIN.replace("waste", "wa\u200bste"),
    "byte order mark": "\ufeff" + PLAIN,
    "direction": "\u200f" + PLAIN + "\u200e",
}


@pytest.mark.parametrize("form", FORMS)
def test_tokens_are_those_of_the_plain_text(form):
    assert text.tokenize(tf.constant([FORMS[form]])).to_list() == text.tokenize(tf.constant([PLAIN])).to_list()
