"""Files of text in other encodings, and files that are no text."""

import io
import zipfile

import pytest
from PIL import Image

from kerasmlsp.data import encodings, tables

TEXT = "na\u00efve caf\u00e9, \u201cgood\u201d\n" * 3


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "mac-roman"])
def test_what_is_named_is_read(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes(TEXT.encode(encoding))
    assert tables.read_text(tmp_path / "a.txt", encoding=encoding) == TEXT
    (tmp_path / "a.csv").write_bytes(("text;label\n" + TEXT.replace("\n", ";pos\n")).encode(encoding))
    table = tables.read_table(tmp_path / "a.csv", encoding=encoding)
    assert table.columns.tolist() == ["text", "label"] and table.text.tolist() == TEXT.splitlines()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("read", [tables.read_text, tables.read_table])
def test_wide_text_is_told_with_and_without_a_mark(tmp_path, encoding, read):
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.encode(encoding))
    with pytest.raises(ValueError, match=f"--encoding {encoding}"):
        read(path)


@pytest.mark.parametrize(
    ("there", "named"),
    [
        ("utf-8", "utf-16-le"),
        ("utf-8", "utf-16"),
        ("utf-16-le", "utf-16-be"),
        ("utf-16-be", "utf-16-le"),
        ("utf-16-be", "utf-16"),
        ("utf-16", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("text", ["to be or not to be\n" * 9, TEXT])
def test_narrow_text_and_other_bytes_are_not_read_as_wide(there, named, text):
    with pytest.raises(ValueError, match=f"text in {named}, and this is {there}: .*--encoding {there}"):
        encodings.check("a.txt", text.encode(there), named)


def test_a_start_that_ends_within_a_character_is_read():
    text = ("\U0001f3bc caf\u00e9 " * 9).encode("utf-16")
    for end in range(9, 13):
        encodings.check("a.txt", text[:end], "utf-16")
    encodings.check("a.txt", ("\u4f60\u597d\uff0c" * 99).encode("utf-16-le"), "utf-16-le")


def picture(format):
    stream = io.BytesIO()
    Image.new("RGB", (9, 9)).save(stream, format)
    return stream.getvalue()


def document():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("word/document.xml", "<w:t>text</w:t>")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (document(), ".docx"),
        (picture("JPEG"), "a picture, not text"),
        (picture("PNG"), "a picture, not text"),
        (b"%PDF-1.7", "a PDF"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", ".doc"),
        (bytes(range(256)), "binary data"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_what_is_no_text_is_named(content, told, encoding):
    with pytest.raises(ValueError, match=told):
        encodings.check("a.txt", content, encoding)


def test_bytes_of_windows_are_told_with_the_option(tmp_path):
    (tmp_path / "a.txt").write_bytes("ok\ncaf\u00e9".encode("cp1252"))
    with pytest.raises(ValueError, match=r"--encoding cp1252.*line 2 has the byte 0xe9 at position 4"):
        tables.read_text(tmp_path / "a.txt")
    with pytest.raises(ValueError, match=r"--encoding.*Received: ascii"):
        tables.read_text(tmp_path / "a.txt", encoding="ascii")


def test_other_scripts_in_utf8_are_no_utf16():
    for text in ("\u0905\u0928 " * 99, "\u4f60\u597d\uff0c" * 99, "a\0b" * 1, "plain"):
        encodings.check("a.txt", text.encode())
