"""Pictures in TensorFlow's graph: decoded, turned and stretched as `read_image` does, for saved models."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kerasmlsp.data.images.decoding import MOST_PIXELS

if TYPE_CHECKING:
    import tensorflow as tf

_MOST_SEGMENTS = 64  # before the EXIF data of a JPEG file
_MOST_TAGS = 64  # of them, which are looked through
LEAST_SIDE = 8
"""Pixels that a picture must be high and wide to show anything."""
_LEAST_CONTRAST = 8.0  # of 255, somewhere in the picture and in one of its channels


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
        >>> import numpy as np
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
        >>> import io
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
        >>> import io
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
