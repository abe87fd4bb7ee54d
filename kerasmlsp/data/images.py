"""Pictures from files (JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, PPM, HEIC), decoded to arrays or refused in one sentence.

Pillow and pillow-heif are imported where they are used, so that importing this module costs nothing.
"""

import contextlib
import dataclasses
import io
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.data import labelled
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
    "must be there already": "not there",
    "Permission denied": "without permission",
}
# The kinds of HEIF files that phones write.
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
MOST_PIXELS = 64_000_000
LEAST_SIDE = 8
"""Pixels that a picture must be high and wide to show anything."""
_LEAST_CONTRAST = 8.0  # of 255, somewhere in the picture and in one of its channels
SHOWN = 1024
"""Longest side of a picture that is drawn into a figure, which needs up to a hundred bytes a pixel."""


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """Pictures of one size with their classes.

    Args:
        pixels: uint8 `(images, height, width, 3)`.
        labels: Class of each, as text.
        names: Path of each as its folder or table names it; empty for pictures without files.
        unreadable: Path and reason of every file or row that was left out.

    Example:
        >>> pixels, names = np.zeros((2, 8, 8, 3), np.uint8), ["rock/1.jpg", "paper/1.jpg"]
        >>> images = LabelledImages(pixels, labels=["rock", "paper"], names=names, unreadable=[])
        >>> dict(zip(images.names, images.labels, strict=True))
        {'rock/1.jpg': 'rock', 'paper/1.jpg': 'paper'}
    """

    pixels: np.ndarray
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
    name, data = _bytes(source)
    with _explained(name), _opened(data, name, most_pixels) as picture:
        from PIL import ImageOps

        picture = _as_rgb(ImageOps.exif_transpose(picture))
        side = min(picture.size)
        if size is not None:
            picture = picture.resize((size, size), _bilinear())
        if longest is not None:
            picture.thumbnail((longest, longest))
        return np.asarray(picture), side


def resize(pixels: np.ndarray, size: int) -> np.ndarray:
    """Stretches a picture, uint8 `(height, width, 1 or 3)`, to uint8 `(size, size, 3)`, as `read_image` does.

    Example:
        >>> resize(np.array([[[0], [100]]], np.uint8), 1)
        array([[[50, 50, 50]]], dtype=uint8)
    """
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
    return np.asarray(picture.resize((size, size), _bilinear()))


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

    The values are those of `read_image`, but nothing is turned as EXIF data say, and transparency is left out.

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

    def decode(file):
        most = f"A picture must have at most {MOST_PIXELS / 1e6:g} million pixels: make it smaller."
        small = tf.debugging.Assert(_pixels(file) <= MOST_PIXELS, [most])
        with tf.control_dependencies([small] if small is not None else []):
            file = tf.identity(file)
        picture = tf.cond(
            tf.io.is_jpeg(file),
            # `decode_image` takes a faster transform, which is off by up to 5.
            lambda: tf.io.decode_jpeg(file, channels=3, dct_method="INTEGER_ACCURATE"),
            lambda: tf.io.decode_image(file, channels=3, expand_animations=False),
        )
        return stretched(picture, size), tf.reduce_min(tf.shape(picture)[:2])

    signature = tf.TensorSpec([size, size, 3], tf.float32), tf.TensorSpec([], tf.int32)
    return tf.map_fn(decode, files, fn_output_signature=signature)


def _pixels(file):
    """Width times height in the head of a JPEG, PNG, GIF or BMP file, int64; of others anything."""
    import tensorflow as tf

    head = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 0, 26), tf.uint8), tf.int64)
    head = tf.pad(head, [[0, 26 - tf.size(head)]])

    def number(begin, end, step=1):
        return tf.reduce_sum(head[begin:end][::step] * 256 ** tf.range(end - begin, dtype=tf.int64))

    def of_bitmap():
        # Counted from the bottom or, below 0, from the top.
        height = number(22, 26)
        return number(18, 22) * tf.minimum(height, 2**32 - height)

    kinds = {
        b"\x89PNG": lambda: number(16, 20, -1) * number(20, 24, -1),
        b"GIF8": lambda: number(6, 8) * number(8, 10),
        b"BM": of_bitmap,
    }
    cases = [(tf.equal(tf.strings.substr(file, 0, len(start)), start), size) for start, size in kinds.items()]
    jpeg = tf.io.is_jpeg(file), lambda: tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(file)[:2], tf.int64))
    return tf.case([*cases, jpeg], default=lambda: tf.constant(0, tf.int64))


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
        found: What `read_each` yields.
        what: What the log calls them all.

    Returns:
        The places of those that could be read, and what is wrong with the others.

    Example:
        >>> kept([np.zeros((8, 8, 3), np.uint8)], "photos")
        ([0], [])
    """
    good = [place for place, each in enumerate(found) if isinstance(each, np.ndarray)]
    problems = [str(each) for each in found if not isinstance(each, np.ndarray)]
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
    found: list[Any] = list(read_each([base / name for name, _ in rows], size, most_pixels=most_pixels))
    good, problems = kept(found, path)
    bad = [name for (name, _), each in zip(rows, found, strict=True) if not isinstance(each, np.ndarray)]
    unreadable = [*zip(bad, problems, strict=True), *[("", "rows without path or label")] * gaps]
    labels = [rows[i][1] for i in good]
    labelled.check_classes(path, {label for _, label in rows}, least_classes)
    labelled.check_read(rows, labels, "picture", reasons(problems))
    return LabelledImages(np.stack([found[i] for i in good]), labels, [rows[i][0] for i in good], unreadable)


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
