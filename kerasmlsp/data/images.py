"""Pictures from files (JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, PPM, HEIC), decoded to arrays or refused in one sentence.

Pillow and pillow-heif are imported where they are used, so that importing this module costs nothing.
"""

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.data import labelled, on_disk
from kerasmlsp.extras import install, required
from kerasmlsp.files import existing, visible_files

if TYPE_CHECKING:
    import tensorflow as tf

_log = logging.getLogger("kerasmlsp")

ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif"),
    *(".pbm", ".pgm", ".ppm", ".pnm"),
)
"""Endings of the files that are taken for pictures in a folder, in either case."""
_UNREAD = (".svg", ".jp2", ".jxl", ".tga", ".psd", ".xcf", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2")
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "AVIF", "PPM", "HEIF")
# Why pictures are left out, by what `read_image` says.
_REASONS = {
    "must be a whole picture": "damaged",
    "which is empty": "empty",
    "million pixels": "too large",
    "must hold whole numbers": "of numbers with a fraction",
    "is no picture of a format that is read": "of no format that is read",
    install("pillow_heif"): f"HEIC, which needs {install('pillow_heif')}",
    "must be as large as its mask": "with a mask of another size",
    "must have a mask": "without a mask",
    "must be a mask": "with a mask that holds no class numbers",
    "must hold the numbers": "with unknown numbers in the mask",
    "must have boxes": "without boxes that are listed",
    "must be of the size that its boxes are for": "of another size than their boxes are for",
    "must be there already": "not there",
    "Permission denied": "without permission",
}
# The kinds of HEIF files that phones write.
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
MOST_PIXELS = 64_000_000
_MOST_SEGMENTS = 64  # before the EXIF data of a JPEG file
_MOST_TAGS = 64  # of them, which are looked through
LEAST_SIDE = 8
"""Pixels that a picture must be high and wide to show anything."""
_LEAST_CONTRAST = 8.0  # of 255, somewhere in the picture and in one of its channels
SHOWN = 1024
"""Longest side of a picture that is drawn into a figure, which needs up to a hundred bytes a pixel."""


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Pictures of one size with their classes.

    Args:
        pixels: uint8 `(images, height, width, 3)`, in memory or on disk.
        labels: Class of each, as text.
        names: Path of each as its folder or table names it; empty for pictures without files.
        unreadable: Path and reason of every file or row that was left out.

    Example:
        >>> pixels, names = np.zeros((2, 8, 8, 3), np.uint8), ["rock/1.jpg", "paper/1.jpg"]
        >>> images = LabelledImages(pixels, labels=["rock", "paper"], names=names, unreadable=[])
        >>> dict(zip(images.names, images.labels, strict=True))
        {'rock/1.jpg': 'rock', 'paper/1.jpg': 'paper'}
    """

    pixels: Any
    labels: list
    names: list
    unreadable: list


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


def stretched(pictures: Any, size: int) -> "tf.Tensor":
    """Stretches pictures in a TensorFlow graph, as `resize` does.

    Args:
        pictures: `(batch, height, width, channels)` or one without the batch, 0 to 255.
        size: Height and width.

    Returns:
        Whole numbers, float32, `size` high and wide.

    Example:
        >>> stretched([[[0.0], [100.0]]], 1).numpy()
        array([[[50.]]], dtype=float32)
    """
    import tensorflow as tf

    return tf.round(tf.image.resize(tf.cast(pictures, tf.float32), (size, size), antialias=True))


def showing(pictures: "tf.Tensor", sides: Any) -> "tf.Tensor":
    """Tells which pictures show anything: they are `LEAST_SIDE` high and wide, and not of one colour.

    Args:
        pictures: Float `(batch, height, width, channels)`, 0 to 255, stretched or not.
        sides: Shorter side of each before it was stretched, in pixels: int `(batch,)`, or one for all.

    Returns:
        Bool `(batch,)`.

    Example:
        >>> grey, half = np.full((1, 4, 4, 1), 99.0), np.tile([[[9.0], [99.0]]], (1, 4, 2, 1))
        >>> showing(np.concatenate([grey, half]), sides=64).numpy().tolist(), showing(half, sides=1).numpy().tolist()
        ([False, True], [False])
    """
    import tensorflow as tf

    span = tf.reduce_max(pictures, axis=(1, 2)) - tf.reduce_min(pictures, axis=(1, 2))
    return (tf.reduce_max(span, axis=-1) >= _LEAST_CONTRAST) & (sides >= LEAST_SIDE)


def decoded(files: "tf.Tensor", size: int) -> "tuple[tf.Tensor, tf.Tensor]":
    """Decodes the bytes of JPEG, PNG, GIF and BMP files in a TensorFlow graph, and stretches the pictures.

    The values are those of `read_image`, but transparency is left out, and only of JPEG files are EXIF data read, which
    tell how the camera was held.

    A picture of more than `MOST_PIXELS` is an error before it is decoded.

    Args:
        files: String tensor `(batch,)`.
        size: Height and width.

    Returns:
        Float32 `(batch, size, size, 3)`, 0 to 255, and the shorter side of each file's picture, int32 `(batch,)`.

    Example:
        >>> import tensorflow as tf
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (4, 3), (255, 0, 0)).save(file, "PNG")
        >>> pictures, sides = decoded(tf.constant([file.getvalue()]), 1)
        >>> pictures.numpy().tolist(), sides.numpy().tolist()
        ([[[[255.0, 0.0, 0.0]]]], [3])
    """
    import tensorflow as tf

    def small(picture, orientation):
        # Turned when it is small and square: the same, but quicker.
        square = stretched(picture, size)
        turned = tf.cond(orientation == 1, lambda: square, lambda: _turned(square, orientation))
        return turned, tf.reduce_min(tf.shape(picture)[:2])

    return _each_decoded(files, small, (tf.TensorSpec([size, size, 3], tf.float32), tf.TensorSpec([], tf.int32)))


def each_decoded(files: "tf.Tensor", function: Callable, signature: Any) -> Any:
    """Decodes the bytes of files as `decoded` does, one after the other, and makes something of each picture.

    Args:
        files: String tensor `(batch,)`.
        function: Takes a picture of its own size, turned as its EXIF data say: uint8 `(height, width, 3)`.
        signature: `tf.TensorSpec` of what it returns, or a tuple or dict of such.

    Returns:
        What the function returned for each, `(batch, ...)`.

    Example:
        >>> import tensorflow as tf
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (4, 3), (255, 0, 0)).save(file, "PNG")
        >>> each_decoded(tf.constant([file.getvalue()]), tf.shape, tf.TensorSpec([3], tf.int32)).numpy().tolist()
        [[3, 4, 3]]
    """
    import tensorflow as tf

    def whole(picture, orientation):
        turned = tf.cond(orientation == 1, lambda: picture, lambda: _turned(picture, orientation))
        return function(tf.ensure_shape(turned, [None, None, 3]))

    return _each_decoded(files, whole, signature)


def _each_decoded(files, function, signature):
    """What a function makes of each picture as it is in its file, and of the number that tells how to turn it."""
    import tensorflow as tf

    heads = _bytes_of(files, tf.zeros_like(tf.strings.length(files)), 26)
    jpeg = _start(heads, b"\xff\xd8\xff")

    def refused(pixels):
        most = f"A picture must have at most {MOST_PIXELS / 1e6:g} million pixels: make it smaller."
        checked = tf.debugging.Assert(pixels <= MOST_PIXELS, [most])
        return [] if checked is None else [checked]

    def decode(row):
        file, is_jpeg, pixels, orientation = row

        def of_jpeg():
            shape = tf.cast(tf.io.extract_jpeg_shape(file)[:2], tf.int64)
            with tf.control_dependencies(refused(tf.reduce_prod(shape))):
                # `decode_image` takes a faster transform, which is off by up to 5.
                return tf.io.decode_jpeg(tf.identity(file), channels=3, dct_method="INTEGER_ACCURATE")

        def of_another():
            with tf.control_dependencies(refused(pixels)):
                return tf.io.decode_image(tf.identity(file), channels=3, expand_animations=False)

        return function(tf.cond(is_jpeg, of_jpeg, of_another), orientation)

    return tf.map_fn(decode, (files, jpeg, _pixels(heads), _orientations(files, jpeg)), fn_output_signature=signature)


def _bytes_of(files, places, count):
    """`count` bytes of each file from a place of its own on, int32 `(batch, count)`; those beyond the end are 0."""
    import tensorflow as tf

    lengths = tf.strings.length(files)
    cut = tf.strings.substr(
        files, tf.where((places >= 0) & (places <= lengths), places, lengths), tf.fill(tf.shape(lengths), count)
    )
    return tf.ensure_shape(tf.cast(tf.io.decode_raw(cut, tf.uint8, fixed_length=count), tf.int32), [None, count])


def _start(found, text):
    """Whether each row of bytes starts with a text."""
    import tensorflow as tf

    return tf.reduce_all(found[:, : len(text)] == list(text), axis=1)


def _number(found, little=False):
    """The number in each row of bytes, of the lowest byte first where `little` is so."""
    import tensorflow as tf

    powers = tf.constant([256**place for place in range(found.shape[1])], found.dtype)
    return tf.reduce_sum(tf.where(tf.reshape(little, [-1, 1]), found, found[:, ::-1]) * powers, axis=1)


def _pixels(heads):
    """Width times height in the heads of PNG, GIF and BMP files, int64; of others anything."""
    import tensorflow as tf

    heads = tf.cast(heads, tf.int64)

    def number(begin, end, little):
        return _number(heads[:, begin:end], little)

    # Of a bitmap it is counted from the bottom or, below 0, from the top.
    height = number(22, 26, True)
    bitmap = number(18, 22, True) * tf.minimum(height, 2**32 - height)
    graphic = number(6, 8, True) * number(8, 10, True)
    portable = number(16, 20, False) * number(20, 24, False)
    found = tf.where(_start(heads, b"BM"), bitmap, tf.zeros_like(bitmap))
    return tf.where(_start(heads, b"\x89PNG"), portable, tf.where(_start(heads, b"GIF8"), graphic, found))


def _turned(picture, orientation):
    """A picture as the camera's holder saw it."""
    import tensorflow as tf

    def either(picture, changed, *orientations):
        return tf.cond(tf.reduce_any(orientation == orientations), lambda: changed(picture), lambda: picture)

    picture = either(picture, lambda each: tf.transpose(each, [1, 0, 2]), 5, 6, 7, 8)
    picture = either(picture, lambda each: each[::-1], 3, 4, 7, 8)
    return either(picture, lambda each: each[:, ::-1], 2, 3, 6, 7)


def _orientations(files, jpeg):
    """EXIF's number, 1 to 8, of how each camera was held; 1 where a file is no JPEG or does not say.

    Reference: CIPA DC-008, "Exchangeable image file format for digital still cameras: Exif Version 2.3", 2012.
    """
    import tensorflow as tf

    def holds_others(segment):
        # Segments for applications and comments come first: of those, the next without EXIF data.
        marker = _number(segment[:, :2])
        other = (marker == 0xFFFE) | (marker >= 0xFFE0) & (marker <= 0xFFEF)
        return other & ~_start(segment[:, 4:], b"Exif\0\0")

    def behind(places, segment):
        places += tf.where(holds_others(segment), 2 + _number(segment[:, 2:4]), 0)
        return places, _bytes_of(files, places, 10)

    def within():
        heads = places + 10
        head = _bytes_of(files, heads, 8)
        little = _start(head, b"II")
        first = heads + _number(head[:, 4:], little)
        count = tf.minimum(_number(_bytes_of(files, first, 2), little), _MOST_TAGS)
        entries = tf.reshape(_bytes_of(files, first + 2, 12 * _MOST_TAGS), [-1, 12])
        every = tf.repeat(little, _MOST_TAGS)
        tags = tf.reshape(_number(entries[:, :2], every), [-1, _MOST_TAGS])
        values = tf.reshape(_number(entries[:, 8:10], every), [-1, _MOST_TAGS])
        found = (tags == 0x0112) & (tf.range(_MOST_TAGS) < count[:, None])
        value = tf.gather(values, tf.argmax(found, axis=1), batch_dims=1)
        return tf.where(told & tf.reduce_any(found, axis=1) & (value >= 1) & (value <= 8), value, 1)

    start = tf.where(jpeg, 2, -1)
    places, segment = tf.while_loop(
        lambda _, segment: tf.reduce_any(holds_others(segment)),
        behind,
        (start, _bytes_of(files, start, 10)),
        maximum_iterations=_MOST_SEGMENTS,
    )
    told = jpeg & _start(segment[:, 4:], b"Exif\0\0")
    return tf.cond(tf.reduce_any(told), within, lambda: tf.ones_like(places))


def listed(sources: Iterable) -> list[Path | bytes]:
    """Returns the pictures of a list of files, folders and "-", which stands for the bytes on stdin.

    Raises:
        FileNotFoundError: A folder holds no picture.
        ValueError: There are no bytes on stdin.

    Example:
        >>> listed(["hand.jpg"])
        [PosixPath('hand.jpg')]
    """
    return files.given(sources, list_images, "picture")


def read_batches(
    sources: Sequence, size: int, batch_size: int
) -> Iterator[tuple[list[str], np.ndarray, list[int], list[dict]]]:
    """Reads pictures, stretched to one size, in batches.

    Args:
        sources: Paths of files, or bytes of such.
        size: Height and width.
        batch_size: Most pictures of a batch.

    Yields:
        The names of the pictures that could be read, their pixels, uint8 `(pictures, size, size, 3)`, the shorter side
        of each in its file, and a list of dicts of `file` and `problem` for the others.

    Example:
        >>> [(names, pixels, sides, problems)] = read_batches([Path("hand.jpg")], size=64, batch_size=8)
        >>> names, pixels.shape, problems[0]["file"]  # it is not there
        ([], (0, 64, 64, 3), 'hand.jpg')
    """
    for start in range(0, len(sources), batch_size):
        chosen = sources[start : start + batch_size]
        names, pixels, sides, bad = [], [], [], []
        for source, found in zip(chosen, files.side_by_side(chosen, lambda each: _read(each, size)), strict=True):
            if isinstance(found, Exception):
                bad.append({"file": files.named(source), "problem": str(found)})
            else:
                names.append(files.named(source))
                pixels.append(found[0])
                sides.append(found[1])
        yield names, np.array(pixels, np.uint8).reshape(-1, size, size, 3), sides, bad


def read_each(sources: Sequence, size: int, *, most_pixels: int = MOST_PIXELS) -> Iterator[np.ndarray | Exception]:
    """Reads pictures side by side, stretched to one size.

    Args:
        sources: Paths of files, or bytes of such.
        size: Height and width.
        most_pixels: As in `read_image`.

    Yields:
        uint8 `(size, size, 3)` of each, or the error of one that cannot be read.

    Example:
        >>> [found] = read_each(["hand.jpg"], size=64)
        >>> type(found).__name__  # it is not there
        'FileNotFoundError'
    """

    return files.side_by_side(sources, lambda source: read_image(source, size=size, most_pixels=most_pixels))


def reasons(problems: Iterable[object]) -> dict[str, int]:
    """Counts why pictures could not be read, the most frequent reason first.

    Args:
        problems: The error of each, or its message.

    Example:
        >>> reasons(read_each(["hand.jpg", "face.jpg"], size=64))
        {'not there': 2}
    """
    return files.reasons(problems, _REASONS)


def kept(found: Sequence, what: object) -> tuple[list[int], list[str]]:
    """Tells which pictures could be read, and logs how many could not, and why.

    Args:
        found: What `read_each` yields, or anything that is no error in the place of a picture.
        what: What the log calls them all.

    Returns:
        The places of those that could be read, and what is wrong with the others.

    Example:
        >>> kept([np.zeros((8, 8, 3), np.uint8)], "photos")
        ([0], [])
    """
    good = [place for place, each in enumerate(found) if not isinstance(each, Exception)]
    problems = [str(each) for each in found if isinstance(each, Exception)]
    if problems:
        told = files.listed(reasons(problems))
        _log.warning("Left out %d of %d pictures of %s: %s. %s", len(problems), len(found), what, told, problems[0])
    return good, problems


def list_images(folder: str | Path) -> list[Path]:
    """Returns the pictures in a folder and below it, told by their endings, in the order of their paths.

    With them are those of some formats that cannot be read, so that they are counted.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no picture.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.JPG", "a.png", "notes.txt"):
        ...     (folder / name).touch()
        >>> [path.name for path in list_images(folder)]
        ['a.png', 'b.JPG']
    """
    folder = existing(folder)
    found = visible_files(folder, ENDINGS + _UNREAD)
    if not found:
        raise ValueError(f"`path` must hold pictures ({', '.join(ENDINGS)}). Received: {folder}, which holds none")
    return found


def read_labelled_images(
    path: str | Path,
    size: int,
    *,
    path_column: str = "path",
    label_column: str = "label",
    encoding: str = "utf-8",
    least_classes: int = 2,
    most_pixels: int = MOST_PIXELS,
    stored: bool = False,
) -> LabelledImages:
    """Reads pictures and their classes from a folder that has one subfolder per class, or from a table of paths.

    Files that cannot be read, and rows without path or label, are left out; the log says how many, and why.

    Args:
        path: A folder such as `rock/*.jpg paper/*.png`, or a table (see `kerasmlsp.data.tables.read_table`) whose paths
            are relative to its own folder, or absolute.
        size: Height and width to which every picture is stretched.
        path_column: Column of a table that holds the paths.
        label_column: Column of a table that holds the classes.
        encoding: That of a table of text.
        least_classes: Classes that there must be: two to train on, while a test set may be of one.
        most_pixels: As in `read_image`.
        stored: Whether to keep the pixels on disk, as `kerasmlsp.data.on_disk.Arrays`.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A column is missing, there are fewer than two classes, or a class has no picture that can be read.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("rock", "paper"):
        ...     (folder / name).mkdir()
        ...     Image.new("RGB", (30, 20)).save(folder / name / "1.png")
        >>> images = read_labelled_images(folder, size=8)
        >>> images.labels, images.pixels.shape
        (['paper', 'rock'], (2, 8, 8, 3))
    """
    columns: dict[str, Any] = {"path_column": path_column, "label_column": label_column, "encoding": encoding}
    rows, gaps, base = labelled.list_files(path, class_folders, list_images, **columns)
    pixels: Any = on_disk.Arrays("uint8", (size, size, 3)) if stored else []
    found: list[Any] = []
    for each in read_each([base / name for name, _ in rows], size, most_pixels=most_pixels):
        if isinstance(each, np.ndarray):
            pixels.append(each)
        found.append(each if isinstance(each, Exception) else None)
    good, problems = kept(found, path)
    bad = [name for (name, _), each in zip(rows, found, strict=True) if each is not None]
    unreadable = [*zip(bad, problems, strict=True), *[("", "rows without path or label")] * gaps]
    labels = [rows[i][1] for i in good]
    labelled.check_classes(path, {label for _, label in rows}, least_classes)
    labelled.check_read(rows, labels, "picture", reasons(problems))
    return LabelledImages(pixels if stored else np.stack(pixels), labels, [rows[i][0] for i in good], unreadable)


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


def class_folders(folder: str | Path) -> dict[str, Path]:
    """Returns the folders of the classes of pictures in a folder by name, as `labelled.class_folders`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("rock", "paper"):
        ...     (folder / name).mkdir()
        >>> list(class_folders(folder))
        ['paper', 'rock']
    """
    return labelled.class_folders(folder, "pictures", "rock/ and paper/")
