"""What encoded pictures and recordings decode to, read from their first bytes before anything is decoded.

By hand, as Pillow opens WebP only by its decoder, and TensorFlow's decoder holds every frame of an animated GIF.
"""

import numpy as np

from kerasmlsp.serving.errors import ServingError, invalid

_SOF = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))
"""Second bytes of the JPEG markers that begin a frame, with its height and width."""
_BARE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Those of JPEG markers that nothing belongs to."""

_JPEG_XL = b"\xff\x0a", b"\0\0\0\x0cJXL "


def check(files: np.ndarray, *, most_pixels: int, most_seconds: float) -> None:
    """Refuses pictures and recordings that are too large to be decoded. What is neither passes.

    Args:
        files: Array of bytes, whose first axis is that of the rows if there is one.
        most_pixels: Width times height of a picture, times the frames of an animation.
        most_seconds: Length of a WAV file.

    Raises:
        ServingError: With status 413; with 400 for JPEG XL, which TensorFlow decodes but whose size is not read here.
            Of several rows it names the first that is wrong.

    Example:
        >>> check(np.array([b"GIF89a" + bytes([255] * 7)], object), most_pixels=10**6, most_seconds=60)
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: A picture has 4295 million pixels; at most 1 million are allowed
    """
    for place, file in enumerate(files.flat):
        try:
            _check(file, most_pixels, most_seconds)
        except ServingError as error:
            if files.size == 1:
                raise
            row = place * len(files) // files.size
            raise ServingError(error.code, f"row {row}: {error}", status=error.status) from None


def _check(file, most_pixels, most_seconds):
    if file.startswith(_JPEG_XL):
        raise invalid("JPEG XL is not taken: send a JPEG, PNG, GIF or BMP file")
    if (found := pixels(file)) > most_pixels:
        raise _too_large(f"A picture has {found / 1e6:.4g} million pixels; at most {most_pixels / 1e6:g} million")
    if (length := seconds(file)) > most_seconds:
        raise _too_large(f"A recording has {length:.6g} seconds; at most {most_seconds:g}")


def _too_large(text):
    return ServingError("INVALID_ARGUMENT", f"{text} are allowed", status=413)


def pixels(file: bytes) -> int:
    """Returns width times height times frames of a JPEG, PNG, GIF, BMP or WebP file; 0 for others and damaged ones.

    Example:
        >>> from PIL import Image
        >>> import io
        >>> stream = io.BytesIO()
        >>> Image.new("RGB", (40, 30)).save(stream, "JPEG")
        >>> pixels(stream.getvalue())
        1200
    """
    if file.startswith(b"\xff\xd8"):
        return _jpeg(file)
    if file.startswith(b"\x89PNG"):
        return _big(file, 16) * _big(file, 20)
    if file.startswith(b"GIF8"):
        return _little(file, 6, 2) * _little(file, 8, 2) * max(_frames(file), 1)
    if file.startswith(b"BM"):
        height = _little(file, 22)  # counted from the bottom or, below 0, from the top
        return _little(file, 18) * min(height, 2**32 - height)
    if file.startswith(b"RIFF") and file[8:12] == b"WEBP":
        return _webp(file)
    return 0


def seconds(file: bytes) -> float:
    """Returns the length of a WAV file by its format and its bytes, whatever its header says of them; 0 for others.

    Example:
        >>> head = b"RIFF\\0\\0\\0\\0WAVEfmt \\x10\\0\\0\\0\\1\\0\\1\\0" + (100).to_bytes(4, "little")
        >>> seconds(head + bytes(4) + b"\\2\\0\\x10\\0" + b"data" + bytes(4) + bytes(1000))
        5.0
    """
    if not file.startswith((b"RIFF", b"RF64")) or file[8:12] != b"WAVE":
        return 0.0
    place = 12
    while place + 8 <= len(file):
        kind, size = file[place : place + 4], _little(file, place + 4)
        place += 8
        if kind == b"fmt ":
            bytes_per_second = _little(file, place + 4) * _little(file, place + 12, 2)
            # Of a header that is written before the end is known, the sizes say nothing.
            return (len(file) - place - size - 8) / max(bytes_per_second, 1)
        place += size + size % 2
    return 0.0


def _big(file, place, size=4):
    return int.from_bytes(file[place : place + size], "big")


def _little(file, place, size=4):
    return int.from_bytes(file[place : place + size], "little")


def _jpeg(file):
    place = 2
    while place + 4 <= len(file):
        if file[place] != 0xFF:
            place = file.find(b"\xff", place)
            if place < 0:
                return 0
            continue
        marker = file[place + 1]
        if marker in _SOF:
            return _big(file, place + 5, 2) * _big(file, place + 7, 2)
        if marker == 0xFF:
            place += 1
        else:
            place += 2 if marker in _BARE or not marker else 2 + _big(file, place + 2, 2)
    return 0


def _frames(file):
    """Number of frames of a GIF file: its decoder holds all of them."""
    frames, place = 0, 13 + _colours(file, 10)
    while place < len(file):
        if file[place] == 0x2C:  # an image: its place and size, its colours, the size of its codes
            frames += 1
            place += 11 + _colours(file, place + 9)
        elif file[place] == 0x21:
            place += 2
        else:
            break
        while place < len(file) and file[place]:
            place += 1 + file[place]
        place += 1
    return frames


def _colours(file, place):
    """Bytes of the colour table that a byte of flags announces."""
    flags = file[place] if place < len(file) else 0
    return 3 * 2 ** (flags % 8 + 1) if flags & 0x80 else 0


def _webp(file):
    kind = file[12:16]
    if kind == b"VP8X":
        return (_little(file, 24, 3) + 1) * (_little(file, 27, 3) + 1)
    if kind == b"VP8 ":
        return (_little(file, 26, 2) & 0x3FFF) * (_little(file, 28, 2) & 0x3FFF)
    if kind == b"VP8L":
        packed = _little(file, 21)
        return ((packed & 0x3FFF) + 1) * ((packed >> 14 & 0x3FFF) + 1)
    return 0
