"""Clips from files (MP4, AVI, WebM, GIF and others): some of their frames, decoded and stretched, or one sentence.

PyAV, the extra `video`, and TensorFlow are imported where they are used, so that importing this module costs nothing.
"""

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.data import images, labelled
from kerasmlsp.extras import install, required
from kerasmlsp.files import existing, visible_files

if TYPE_CHECKING:
    import tensorflow as tf

ENDINGS = (".mp4", ".m4v", ".mov", ".avi", ".webm", ".mkv", ".gif", ".mpg", ".mpeg")
"""Endings of the files that are taken for clips in a folder, in either case."""
MOST_GIF_PIXELS = 4_000_000
"""Pixels of a frame of a GIF that is decoded in a graph, at most."""
# Why clips are left out, by what `read_clip` says.
_REASONS = {
    "must be a whole file": "damaged or of no format that is read",
    "must hold frames": "without frames",
    "must have at least": "too short",
    "million pixels": "too large",
    "must be there already": "not there",
    "Permission denied": "without permission",
    install("av"): f"without {install('av')}",
}


def read_clip(
    source: bytes | str | Path,
    frames: int,
    size: int,
    *,
    stride: int | None = None,
    last: bool = False,
    least: int = 1,
) -> np.ndarray:
    """Reads some frames of a clip, those of `places`. Only they are kept, however long the clip is.

    Args:
        source: Path of a file, or the bytes of one.
        frames: How many frames, at least 1.
        size: Height and width to which each is stretched, as by `images.resize`.
        stride, last: As of `places`.
        least: Frames that the clip must have; with a `stride`, as many as it reaches over.

    Returns:
        uint8 `(frames, size, size, 3)`.

    Raises:
        FileNotFoundError: There is no such file.
        ModuleNotFoundError: The extra `video` is not installed.
        ValueError: It is a folder, empty, damaged, too short, too large, or no clip.

    Example:
        >>> from kerasmlsp import plotting
        >>> path = f"{tempfile.mkdtemp()}/clip.gif"
        >>> plotting.animation(np.arange(0, 250, 50, np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2), path)
        >>> read_clip(path, frames=3, size=4)[:, 0, 0, 0].tolist()  # the first, third and fifth of five
        [0, 100, 200]
    """
    count, name = _count(source)
    least = max(least, 1 if stride is None else 1 + (frames - 1) * stride)
    _check_length(count, least, name)
    wanted = places(count, frames, stride, last).tolist()
    found: dict[int, Any] = {}
    place, frame = -1, None
    with _opened(source) as (container, stream):
        for place, frame in enumerate(container.decode(stream)):
            if place in wanted:
                found[place] = _pixels(frame, size)
            if place == wanted[-1]:
                break
        _check_length(place + 1, min(least, count), name)
        # A file may announce frames that it does not show.
        rest: Any = None if place >= wanted[-1] else _pixels(frame, size)
    return np.stack([found.get(each, rest) for each in wanted])


def places(count: int, frames: int, stride: int | None = None, last: bool = False) -> np.ndarray:
    """Returns which of `count` frames stand for a clip, int64 `(frames,)`.

    Without a stride they are spread over all of it, from the first to the last; a single one is from the middle. With
    one they are so many frames apart, in the middle or, where `last` is so, at the end. A frame is taken several times
    where there are too few.

    Example:
        >>> places(9, 3).tolist(), places(9, 3, stride=2).tolist(), places(9, 3, stride=2, last=True).tolist()
        ([0, 4, 8], [2, 4, 6], [4, 6, 8])
        >>> places(2, 4).tolist(), places(9, 1).tolist()
        ([0, 0, 1, 1], [4])
    """
    steps = np.arange(frames)
    if stride is not None:
        reach = (frames - 1) * stride
        first = count - 1 - reach if last else (count - 1 - reach) // 2
        return np.clip(first + stride * steps, 0, count - 1)
    if frames == 1:
        return np.array([count - 1 if last else (count - 1) // 2])
    # Rounded in whole numbers, as `places_in_graph` does.
    return (2 * steps * (count - 1) + frames - 1) // (2 * (frames - 1))


def places_in_graph(counts: "tf.Tensor", frames: int, stride: int | None = None, last: bool = False) -> "tf.Tensor":
    """Returns what `places` does, in a TensorFlow graph, int32 `(batch, frames)`.

    Args:
        counts: Frames of each clip, int32 `(batch,)`, at least 1.
        frames, stride, last: As of `places`.

    Example:
        >>> places_in_graph(np.array([9, 2], np.int32), 3).numpy().tolist()
        [[0, 4, 8], [0, 1, 1]]
    """
    import tensorflow as tf

    steps, ends = tf.range(frames)[None], tf.convert_to_tensor(counts)[:, None] - 1
    if stride is not None:
        first = ends - (frames - 1) * stride
        first = first if last else tf.math.floordiv(first, 2)
        return tf.clip_by_value(first + stride * steps, 0, ends)
    if frames == 1:
        return ends if last else ends // 2
    return (2 * steps * ends + frames - 1) // (2 * (frames - 1))


def stretched(
    clips: "tf.Tensor", frames: int, size: int, *, stride: int | None = None, last: bool = False
) -> "tuple[tf.Tensor, tf.Tensor]":
    """Takes some frames of each clip and stretches them in a TensorFlow graph, as `read_clip` does.

    Args:
        clips: uint8 `(batch, length, height, width, channels)`, frames of zeros on the right of shorter clips.
        frames, size, stride, last: As of `read_clip`.

    Returns:
        Whole numbers, float32 `(batch, frames, size, size, channels)`, and the frames that each clip has, int32
        `(batch,)`; 0 for a clip of zeros.

    Example:
        >>> clip = np.full((1, 5, 2, 4, 3), 9, np.uint8)
        >>> clip[:, 3:] = 0  # three frames and padding
        >>> found, counts = stretched(clip, frames=2, size=1)
        >>> found.shape.as_list(), counts.numpy().tolist()
        ([1, 2, 1, 1, 3], [3])
    """
    import tensorflow as tf

    there = tf.reduce_any(clips != 0, axis=(2, 3, 4))
    counts = tf.reduce_max(tf.where(there, tf.range(1, tf.shape(there)[1] + 1), 0), axis=1)
    wanted = places_in_graph(tf.maximum(counts, 1), frames, stride, last)
    chosen = tf.gather(clips, wanted, batch_dims=1)
    channels = clips.shape[-1]
    flat = images.stretched(tf.reshape(chosen, tf.concat([[-1], tf.shape(chosen)[2:]], 0)), size)
    return tf.reshape(flat, [-1, frames, size, size, channels]), counts


def decoded_gifs(
    encoded: "tf.Tensor", frames: int, size: int, *, stride: int | None = None, last: bool = False
) -> "tuple[tf.Tensor, tf.Tensor]":
    """Decodes the bytes of GIF files in a TensorFlow graph, which has no decoder of other clips.

    Frames of more than `MOST_GIF_PIXELS` are an error before they are decoded.

    Args:
        encoded: String tensor `(batch,)`.
        frames, size, stride, last: As of `read_clip`.

    Returns:
        As of `stretched`, of three channels.

    Example:
        >>> from kerasmlsp import plotting
        >>> path = Path(tempfile.mkdtemp(), "clip.gif")
        >>> plotting.animation(np.arange(0, 250, 50, np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2), path)
        >>> found, counts = decoded_gifs(np.array([path.read_bytes()]), frames=3, size=4)
        >>> found[0, :, 0, 0, 0].numpy().tolist(), counts.numpy().tolist()
        ([0.0, 100.0, 200.0], [5])
    """
    import tensorflow as tf

    def decode(file):
        # Width and height of the canvas, two bytes each.
        sides = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 6, 4), tf.uint8, fixed_length=4), tf.int64)
        pixels = (sides[0] + 256 * sides[1]) * (sides[2] + 256 * sides[3])
        most = f"A frame of a GIF must have at most {MOST_GIF_PIXELS / 1e6:g} million pixels: make it smaller."
        checked = tf.debugging.Assert(pixels <= MOST_GIF_PIXELS, [most])
        with tf.control_dependencies([] if checked is None else [checked]):
            clip = tf.io.decode_gif(tf.identity(file))
        count = tf.shape(clip)[0]
        wanted = places_in_graph(count[None], frames, stride, last)[0]
        return tf.ensure_shape(images.stretched(tf.gather(clip, wanted), size), [frames, size, size, 3]), count

    signature = tf.TensorSpec([frames, size, size, 3], tf.float32), tf.TensorSpec([], tf.int32)
    return tf.map_fn(decode, encoded, fn_output_signature=signature)


def list_clips(folder: str | Path) -> list[Path]:
    """Returns the clips in a folder and below it, told by their endings, in the order of their paths.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no clip.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.MP4", "a.gif", "notes.txt"):
        ...     (folder / name).touch()
        >>> [path.name for path in list_clips(folder)]
        ['a.gif', 'b.MP4']
    """
    folder = existing(folder)
    found = visible_files(folder, ENDINGS)
    if not found:
        raise ValueError(f"`path` must hold clips ({', '.join(ENDINGS)}). Received: {folder}, which holds none")
    return found


def class_folders(folder: str | Path) -> dict[str, Path]:
    """Returns the folders of the classes of clips in a folder by name, as `labelled.class_folders`.

    Example:
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("comedy", "western"):
        ...     (folder / name).mkdir()
        >>> list(class_folders(folder))
        ['comedy', 'western']
    """
    return labelled.class_folders(folder, "clips", "comedy/ and western/")


def reasons(problems: Iterable[object]) -> dict[str, int]:
    """Counts why clips could not be read, the most frequent reason first.

    Args:
        problems: The error of each, or its message.

    Example:
        >>> reasons(["A clip must have at least 2 frames. Received: a.gif, which has 1"])
        {'too short': 1}
    """
    return files.reasons(problems, _REASONS)


def stored(clips: Iterable[np.ndarray], shape: tuple[int, ...], folder: str | Path) -> np.ndarray:
    """Writes arrays of one shape one after the other into a file without a name, which goes with its array.

    So the clips of a training need no more memory than the one that is written, and of those that are read as much as
    the machine has left.

    Args:
        clips: uint8 arrays, at least one.
        shape: Shape of each.
        folder: Folder on whose disk they are kept.

    Returns:
        A memory map `(clips, *shape)`.

    Raises:
        OSError: The disk is full, or the folder may not be written.

    Example:
        >>> stored((np.full((2, 3), place, np.uint8) for place in range(4)), (2, 3), tempfile.mkdtemp())[2].tolist()
        [[2, 2, 2], [2, 2, 2]]
    """
    count = 0
    # Written rather than mapped: a full disk is an error then, and would end the process otherwise.
    with tempfile.TemporaryFile(dir=folder) as file:
        for clip in clips:
            file.write(np.ascontiguousarray(clip, np.uint8).data)
            count += 1
        file.flush()
        return np.memmap(file, np.uint8, "r", shape=(count, *shape))


def _check_length(count, least, name):
    if not count:
        raise ValueError(f"A clip must hold frames. Received: {name}, which holds none that can be read")
    if count < least:
        raise ValueError(f"A clip must have at least {least} frames. Received: {name}, which has {count}")


def _count(source):
    """The frames of a clip, counted without decoding them, and what it is called."""
    name = files.named(source)
    if not isinstance(source, bytes):
        if existing(source).is_dir():
            raise ValueError(f"`source` must be a clip. Received: {name}, which is a folder")
        empty = not Path(source).expanduser().stat().st_size
    else:
        empty = not source
    if empty:
        raise ValueError(f"A clip must hold frames. Received: {name}, which is empty")
    with _opened(source) as (container, stream):
        context = stream.codec_context
        if context.width * context.height > images.MOST_PIXELS:
            most = images.MOST_PIXELS / 1e6
            raise ValueError(f"A clip must have frames of at most {most:g} million pixels. Received: {name}")
        return sum(packet.size > 0 for packet in container.demux(stream)), name


@contextlib.contextmanager
def _opened(source) -> Iterator[tuple[Any, Any]]:
    """A container and its first stream of pictures, with what goes wrong in it as one sentence."""
    av = required("av")
    name = files.named(source)
    try:
        with _stream(source) as file, av.open(file, metadata_errors="ignore") as container:
            # A stream whose codec is not known has no context.
            if not container.streams.video or container.streams.video[0].codec_context is None:
                raise ValueError(f"A clip must hold frames. Received: {name}, which holds no pictures")
            yield container, container.streams.video[0]
    except av.error.FFmpegError as error:
        raise ValueError(
            f"A clip must be a whole file of {', '.join(ENDINGS)}: copy it again, or leave it out. "
            f"Received: {name} ({error.strerror})"
        ) from error


def _stream(source):
    return io.BytesIO(source) if isinstance(source, bytes) else open(Path(source).expanduser(), "rb")


def _pixels(frame, size):
    """A frame of PyAV, turned as the camera's holder saw it, and stretched."""
    pixels = frame.to_ndarray(format="rgb24")
    turned = np.rot90(pixels, round(frame.rotation / 90)) if frame.rotation else pixels
    return images.resize(np.ascontiguousarray(turned), size)
