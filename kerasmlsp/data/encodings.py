"""What a file of text is encoded in: read as told, or refused in one sentence that says what it seems to be."""

import codecs
import io
from collections.abc import Iterable
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive, as .docx, .odt and .xlsx are: save it as plain text or .csv"),
    (b"\xd0\xcf\x11\xe0", "an old Office file, as .doc and .xls are: save it as plain text or .csv"),
    (b"%PDF-", "a PDF: save it as plain text"),
    (b"{\\rtf", "rich text: save it as plain text"),
    (b"\xff\xd8\xff", "a picture, not text: give another file"),
    (b"\x89PNG", "a picture, not text: give another file"),
    (b"GIF87a", "a picture, not text: give another file"),
    (b"GIF89a", "a picture, not text: give another file"),
    (b"\x1f\x8b", "packed by gzip: unpack it, or let its name end in .gz"),
)
# Of the bytes of UTF-16 in letters of Europe, every second one is 0; in other scripts those of spaces are.
_LEAST_NULS = 1 / 50


def check(path: str | Path, start: bytes, encoding: str = "utf-8") -> None:
    """Refuses a file that cannot be text in an encoding, by how it starts.

    Args:
        path: What the message calls it.
        start: Its first bytes, up to a few thousand.
        encoding: What it is to be read as.

    Raises:
        ValueError: It is UTF-16 or UTF-32 and `encoding` another, or the other way round, or it is no text.

    Example:
        >>> check("diary.txt", "dear diary".encode("utf-16"))
        Traceback (most recent call last):
        ValueError: `path` must be text in utf-8, and this is utf-16: give `encoding` (--encoding utf-16). Received: ...
    """
    for mark, told in _OTHERS:
        if start.startswith(mark):
            raise ValueError(f"`path` must be text, and this is {told}. Received: {path}")
    found = next((name for mark, name in _MARKS if start.startswith(mark)), None) or _unmarked(start)
    if _is_wide(encoding) and not found and _decoded(start, "utf-8"):
        found = "utf-8"
    if found and _decoded(start, encoding) != _decoded(start, found):
        raise ValueError(
            f"`path` must be text in {encoding}, and this is {found}: give `encoding` (--encoding {found}). "
            f"Received: {path}"
        )
    if not _is_wide(encoding) and _is_binary(start, encoding):
        raise ValueError(f"`path` must be text, and this is binary data: give another file. Received: {path}")


def reader(encoding: str) -> str:
    """Returns the name by which Python reads an encoding such that a byte-order mark is no part of the text.

    Example:
        >>> reader("utf-8"), reader("cp1252")
        ('utf-8-sig', 'cp1252')
    """
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def wrong(path: str | Path, lines: Iterable[bytes], encoding: str) -> ValueError:
    """Returns the error for a file that is not in an encoding.

    Args:
        path: What the message calls it.
        lines: Its lines, bytes.
        encoding: What it was read as.

    Example:
        >>> raise wrong("review.txt", ["caf\xe9".encode("latin-1")], "utf-8")
        Traceback (most recent call last):
        ValueError: `path` must be text in utf-8: give `encoding` (--encoding cp1252 for files of Windows in ...
    """
    if codecs.lookup(encoding).name != "utf-8":
        return ValueError(f"`encoding` (--encoding) must be that of {path}. Received: {encoding}, which does not fit")
    for number, line in enumerate(lines, 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            place = f", where line {number} has the byte 0x{line[error.start]:02x} at position {error.start + 1}"
            break
    else:
        place = ""
    return ValueError(
        "`path` must be text in utf-8: give `encoding` (--encoding cp1252 for files of Windows in Western Europe), or "
        f"save it as UTF-8. Received: {path}{place}"
    )


def _is_wide(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def _decoded(start: bytes, encoding: str) -> str | None:
    """What a start that may end within a character is in an encoding, without a mark; None where it is not in it."""
    try:
        return codecs.getreader(encoding)(io.BytesIO(start)).read().removeprefix("\ufeff")
    except UnicodeError:
        return None


def _is_binary(start: bytes, encoding: str) -> bool:
    """A stray NUL may be in a text, many or other bytes than the encoding has beside one may not."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeError:
        return b"\0" in start
    return start.count(0) > 1 + len(start) // 100


def _unmarked(start: bytes) -> str | None:
    """UTF-16 without a mark: its NULs stand at even or at odd places only."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) < max(2, _LEAST_NULS * len(start)) or min(even, odd) > max(even, odd) / 20:
        return None
    name = "utf-16-le" if odd > even else "utf-16-be"
    try:
        codecs.getincrementaldecoder(name)().decode(start)
    except UnicodeDecodeError:
        return None
    return name
