"""Single pictures, decoded by Pillow to arrays or refused in one sentence.

Pillow and pillow-heif are imported where they are used, so that importing this module costs nothing.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp.extras import required
from kerasmlsp.files import existing

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "PPM", "HEIF")
# The kinds of HEIF files that phones write.
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
MOST_PIXELS = 64_000_000
SHOWN = 1024
"""Longest side of a picture that is drawn into a figure, which needs up to a hundred bytes a pixel."""


def read_image(
    source: bytes | str | Path, *, size: int | None = None, longest: int | None = None, most_pixels: int = MOST_PIXELS
) -> np.ndarray:
    """Decodes a picture to RGB.

    The picture is turned as its EXIF data says. Grey and palette pictures become RGB, CMYK is converted without a
    colour profile, transparent places become white, of 16 bits a channel the upper eight are kept, and of an animation
    the first picture is taken.

    Args:
        source: Path of a file, or the bytes of one.
        size: Height and width to which the picture is stretched, at least 1, each output pixel the weighted mean of
            those that it covers; None for its own size.
        longest: Longest side; a larger picture is shrunk in proportion, as to be shown. None for any.
        most_pixels: Pictures with more pixels are refused before they are decoded: a small file may hold a huge one.

    Returns:
        uint8 `(height, width, 3)`.

    Raises:
        FileNotFoundError: There is no such file.
        ModuleNotFoundError: pillow-heif, the extra `heic`, is not installed, and it is such a picture.
        ValueError: It is a folder, empty, damaged, too large, of another format, or of numbers with a fraction.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> path = Path(tempfile.mkdtemp(), "clear.png")
        >>> Image.new("RGBA", (3, 2), (200, 0, 0, 0)).save(path)
        >>> read_image(path).shape, read_image(path)[0, 0].tolist()  # what is transparent becomes white
        ((2, 3, 3), [255, 255, 255])
    """
    if size is not None and size < 1:
        raise ValueError(f"`size` must be at least 1 or None. Received: size={size}")
    return _read(source, size, longest, most_pixels)[0]


def _read(source, size, longest=None, most_pixels=MOST_PIXELS):
    """A picture as `read_image` gives it, and its shorter side in the file."""
    with opened(source, most_pixels=most_pixels) as picture:
        from PIL import ImageOps

        picture = _as_rgb(ImageOps.exif_transpose(picture))
        side = min(picture.size)
        if size is not None:
            picture = picture.resize((size, size), _bilinear())
        if longest is not None:
            picture.thumbnail((longest, longest))
        return np.asarray(picture), side


@contextlib.contextmanager
def opened(source: bytes | str | Path, *, most_pixels: int = MOST_PIXELS) -> Iterator[Any]:
    """Opens a picture with Pillow as it is, and turns what goes wrong in a `with` block into one sentence.

    Args:
        source: Path of a file, or the bytes of one.
        most_pixels: As in `read_image`.

    Raises:
        ValueError, FileNotFoundError, ModuleNotFoundError: As of `read_image`.

    Example:
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("L", (3, 2)).save(file, "PNG")
        >>> with opened(file.getvalue()) as picture:
        ...     picture.mode, picture.size
        ('L', (3, 2))
    """
    name, data = _bytes(source)
    with _explained(name), _opened(data, name, most_pixels) as picture:
        yield picture


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Stretches a picture, uint8 `(height, width, 1 or 3)`, to uint8 `(size, size, 3)`, as `read_image` does.

    Example:
        >>> resize(np.array([[[0], [100]]], np.uint8), 1)
        array([[[50, 50, 50]]], dtype=uint8)
    """
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
    return np.asarray(picture.resize((size, size), _bilinear()))


def centred(pixels: np.ndarray, size: int, *, whole: int | None = None) -> np.ndarray:
    """Cuts the square out of the middle of a picture, as networks for ImageNet are tested.

    The shorter side is brought to `whole` pixels in proportion, by bicubic interpolation, then `size` of them are cut.

    Args:
        pixels: uint8 `(height, width, 3)`.
        size: Height and width.
        whole: The shorter side before; None for 256 / 224 of `size`.

    Returns:
        uint8 `(size, size, 3)`.

    Example:
        >>> centred(np.zeros((60, 90, 3), np.uint8), 28).shape
        (28, 28, 3)
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    whole = round(size * 256 / 224) if whole is None else whole
    width, height = (max(size, round(whole * each / min(picture.size))) for each in picture.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def _bytes(source):
    if isinstance(source, (bytes, bytearray, memoryview)):
        return "the bytes given", bytes(source)
    path = existing(source)
    if path.is_dir():
        raise ValueError(f"`path` must be a picture, not a folder. Received: {path}")
    return str(path), path.read_bytes()


@contextlib.contextmanager
def _explained(name):
    """Turns whatever Pillow raises on damaged data into one sentence; what it raises depends on where the damage is."""
    try:
        yield
    except (MemoryError, ImportError):
        raise
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("`path`"):
            raise
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise ValueError(
            f"`path` must be a whole picture: fetch or save it again ({reason}). Received: {name}"
        ) from error


@contextlib.contextmanager
def _opened(data, name, most_pixels):
    from PIL import Image, UnidentifiedImageError

    if not data:
        raise ValueError(f"`path` must be a picture. Received: {name}, which is empty")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        required("pillow_heif").register_heif_opener()
    with warnings.catch_warnings():
        # Size is checked here; what else Pillow warns of, such as odd EXIF data, does not stop it.
        warnings.simplefilter("ignore")
        try:
            # HEIF is there once its reader is registered; Pillow raises a KeyError for a format that it does not know.
            Image.init()
            picture = Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name in Image.OPEN])
        except (UnidentifiedImageError, Image.DecompressionBombError) as error:
            if isinstance(error, Image.DecompressionBombError):
                raise _too_large(name, most_pixels) from error
            raise ValueError(
                "`path` must be a JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, PPM or HEIC picture: save it as one. "
                f"Received: {name}, which is no picture of a format that is read"
            ) from error
        with picture:
            if picture.width * picture.height > most_pixels:
                raise _too_large(name, most_pixels)
            if picture.mode == "F":
                raise ValueError(f"`path` must hold whole numbers, of 8 or 16 bits: save it as PNG. Received: {name}")
            picture.load()
            yield picture


def _too_large(name, most_pixels):
    return ValueError(
        f"`path` must be a picture of at most {most_pixels / 1e6:g} million pixels: make it smaller. Received: {name}"
    )


def _as_rgb(picture):
    from PIL import Image

    if picture.mode.startswith("I"):
        # 16 bits a channel; `convert` would cut off all that is above 255.
        picture = Image.fromarray((np.asarray(picture).clip(0, 65535) >> 8).astype(np.uint8))
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def _bilinear():
    from PIL import Image

    return Image.Resampling.BILINEAR
