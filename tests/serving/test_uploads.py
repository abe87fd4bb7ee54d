"""The sizes of pictures and recordings, read from their heads, beside what Pillow and the bytes themselves say."""

import io
import struct
import wave
import zlib

import numpy as np
import pytest
from PIL import Image

from kerasmlsp.serving import uploads
from kerasmlsp.serving.errors import ServingError


def picture(kind, size=(70, 41), **options):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, kind, **options)
    return stream.getvalue()


def with_exif():
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "x" * 5000
    return picture("JPEG", exif=exif)


def animation(kind):
    frames = [Image.fromarray(np.full((41, 70, 3), 40 * i, np.uint8)) for i in range(5)]
    stream = io.BytesIO()
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("file", "frames"),
    [
        (picture("JPEG"), 1),
        (picture("JPEG", progressive=True, comment=b"\xff\xc0\x00\x11" * 10), 1),
        (b"\xff\xd8\xff\xff\xff" + picture("JPEG")[3:], 1),
        (with_exif(), 1),
        (picture("PNG"), 1),
        (picture("BMP"), 1),
        (picture("GIF"), 1),
        (animation("GIF"), 5),
        (picture("WEBP"), 1),
        (picture("WEBP", lossless=True), 1),
        (animation("WEBP"), 1),
    ],
)
def test_pixels_are_those_of_the_picture(file, frames):
    assert Image.open(io.BytesIO(file)).size == (70, 41)
    assert uploads.pixels(file) == 70 * 41 * frames
    # However the file is cut off, this ends.
    assert all(uploads.pixels(file[:length]) >= 0 for length in range(0, len(file), 97))


def test_a_bitmap_from_the_top_has_a_height_below_zero():
    head = b"BM" + bytes(16) + struct.pack("<ii", 30, -20)
    assert uploads.pixels(head) == 600


def bomb():
    """A PNG file of few bytes with 40,000 x 40,000 pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def recording(seconds, rate=16_000):
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * int(rate * seconds)))
    return stream.getvalue()


@pytest.mark.parametrize(
    "file",
    [
        bomb(),
        b"RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff\x2f" + struct.pack("<I", 0xFFFFFFF),
        b"GIF89a" + struct.pack("<HH", 1000, 1000) + bytes(3) + (b"\x2c" + bytes(9) + b"\x02\x01\x00\x00") * 100,
        recording(61),
        # A rate of one sample a second makes hours of few bytes.
        recording(1)[:24] + struct.pack("<II", 1, 2) + recording(1)[32:],
    ],
)
def test_what_is_too_large_is_refused(file):
    limits = {"most_pixels": 64_000_000, "most_seconds": 60}
    uploads.check(np.array([picture("PNG"), recording(59), b"neither"], object), **limits)
    with pytest.raises(ServingError) as told:
        uploads.check(np.array([[picture("PNG")], [file]], object), **limits)
    assert told.value.status == 413


def test_seconds_follow_from_the_bytes_and_not_from_what_the_head_says():
    assert uploads.seconds(recording(2.5)) == pytest.approx(2.5, abs=0.01)
    unknown = recording(2.5).replace(struct.pack("<I", 80_000), b"\xff\xff\xff\xff")
    assert uploads.seconds(unknown) == pytest.approx(2.5, abs=0.01)
    assert uploads.seconds(recording(1)[:30]) <= 0
    assert uploads.seconds(b"RIFF") == uploads.seconds(b"OggS" * 100) == 0


def test_jpeg_xl_is_refused_since_its_size_is_not_read():
    for head in (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"):
        with pytest.raises(ServingError, match="JPEG XL is not taken") as told:
            uploads.check(np.array([head + bytes(50)], object), most_pixels=10, most_seconds=1)
        assert told.value.status == 400
