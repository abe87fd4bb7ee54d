"""Clips: labelled recordings of one rate and one length, and what is kept of longer ones.

TensorFlow is imported inside the functions that make a graph.
"""

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.data import audio, labelled

if TYPE_CHECKING:
    import tensorflow as tf

_log = logging.getLogger("kerasmlsp")

# Parts of the loudest stretch that may be missing in another, which is then as loud: sums are not exact.
_ABOUT = 1 - 1e-4


@dataclasses.dataclass(frozen=True)
class Clips:
    """Recordings of one rate and length with their classes.

    Args:
        samples: int16 `(recordings, samples)`, half the room of float32; see `floats`.
        labels: Class of each, as text.
        names: Path of each as its folder or table names it.
        left_out: How many files or rows were left out, by reason.

    Example:
        >>> clips = Clips(np.zeros((1, 4), np.int16), labels=["yes"], names=["yes/1.wav"], left_out={})
        >>> clips.samples.nbytes
        8
    """

    samples: np.ndarray
    labels: list[str]
    names: list[str]
    left_out: dict[str, int]


def as_int16(waveform: np.ndarray) -> np.ndarray:
    """Returns a waveform from -1 to 1 in 16 bits.

    Example:
        >>> as_int16(np.array([0.5, -1.0, 1.0])).tolist()
        [16384, -32768, 32767]
    """
    return np.clip(np.round(waveform * 2.0**15), -(2**15), 2**15 - 1).astype(np.int16)


def floats(samples: Any) -> Any:
    """Returns samples of 16 bits, NumPy's or TensorFlow's, as float32 from -1 to 1.

    Example:
        >>> floats(np.array([16384], np.int16))
        array([0.5], dtype=float32)
    """
    if isinstance(samples, np.ndarray):
        return samples.astype("float32") / 2**15
    import tensorflow as tf

    return tf.cast(samples, tf.float32) / 2**15


def read_clips(
    path: str | Path,
    rate: int = 16_000,
    length: int = 16_000,
    *,
    path_column: str = "path",
    label_column: str = "label",
    encoding: str = "utf-8",
    least_classes: int = 2,
    cut: str | None = None,
) -> Clips:
    """Reads recordings and their classes from a folder that has one subfolder per class, or from a table of paths.

    A shorter recording is filled up with zeros on the right, of a longer one the loudest stretch is kept, see
    `loudest`; the log says how many there are of both. Files that cannot be read, and rows without path or label, are
    left out; the log says how many, and why.

    Args:
        path: A folder such as `yes/*.wav _silence_/*.flac`, or a table (see `kerasmlsp.data.tables.read_table`) whose
            paths are relative to its own folder, or absolute.
        rate: Samples per second to which every recording is brought.
        length: Samples of each.
        path_column: Column of a table that holds the paths.
        label_column: Column of a table that holds the classes.
        encoding: That of a table of text.
        least_classes: Classes that there must be: two to train on, while a test set may be of one.
        cut: Class whose longer recordings, such as minutes of noise, are cut into as many clips as they hold; all get
            the name of their recording.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A column is missing, there are fewer than two classes, or a class has no recording that can be read.

    Example:
        >>> import tempfile
        >>> import soundfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("yes", "_silence_"):
        ...     (folder / name).mkdir()
        ...     soundfile.write(folder / name / "1.wav", np.zeros(8000), 8000)
        >>> clips = read_clips(folder, rate=16_000, length=16_000)
        >>> clips.labels, clips.samples.shape
        (['_silence_', 'yes'], (2, 16000))
    """
    columns: dict[str, Any] = {"path_column": path_column, "label_column": label_column, "encoding": encoding}
    rows, gaps, base = labelled.list_files(path, class_folders, audio.list_audio, **columns)
    labelled.check_classes(path, {label for _, label in rows}, least_classes)
    samples, sizes, good, problems, loud = np.zeros((len(rows), length), np.int16), [], [], [], []
    waveforms = files.side_by_side([base / name for name, _ in rows], lambda each: audio.read_measured(each, rate))
    for place, found in enumerate(waveforms):
        if isinstance(found, Exception):
            problems.append(str(found))
            continue
        waveform, share = found
        parts = _parts(waveform, length, rate, whole=rows[place][1] != cut)
        if len(good) + len(parts) > len(samples):
            # In place: there may be gigabytes of them.
            samples.resize((len(good) + len(parts) + len(rows) - place, length), refcheck=False)
        samples[len(good) : len(good) + len(parts)] = parts
        good += [place] * len(parts)
        sizes.append(len(waveform))
        loud += [rows[place][0]] * (share > audio.CLIPPED)
    if problems:
        told = files.listed(audio.reasons(problems))
        _log.warning("Left out %d of %d recordings of %s: %s. %s", len(problems), len(rows), path, told, problems[0])
    labelled.check_read(rows, [rows[i][1] for i in good], "recording", audio.reasons(problems))
    _tell_sizes(np.array(sizes), length, rate, path)
    _tell_clipped(loud, len(sizes), path)
    left_out = audio.reasons(problems) | ({"rows without path or label": gaps} if gaps else {})
    return Clips(samples[: len(good)], [rows[i][1] for i in good], [rows[i][0] for i in good], left_out)


def _parts(waveform, length, rate, whole):
    """The loudest stretch of a recording, or all that it holds, int16 `(clips, length)`."""
    count = len(waveform) // length
    if whole or count < 2:
        return as_int16(loudest(waveform, length, rate))[None]
    return as_int16(waveform[: count * length].reshape(count, length))


def class_folders(folder: str | Path) -> dict[str, Path]:
    """Returns the folders of the classes of recordings in a folder by name, also `_silence_` and `_unknown_`.

    Raises:
        ValueError: As of `labelled.class_folders`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("yes", "_silence_"):
        ...     (folder / name).mkdir()
        >>> list(class_folders(folder))
        ['_silence_', 'yes']
    """
    return labelled.class_folders(folder, "recordings", "yes/ and no/", underscored=True)


def loudest(waveform: np.ndarray, length: int, rate: int = 16_000) -> np.ndarray:
    """Returns the stretch of a recording that has the most energy, in steps of 10 ms; the first of several.

    Args:
        waveform: `(samples,)`.
        length: Samples of what is returned; a shorter recording is filled up with zeros on the right.
        rate: Samples per second.

    Reference: Warden 2018, "Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition", whose words were
    cut out that way.

    Example:
        >>> loudest(np.array([0.1, 0.9, 0.8, 0.1]), length=2, rate=100), loudest(np.array([0.5]), length=2)
        (array([0.9, 0.8]), array([0.5, 0. ]))
    """
    if len(waveform) <= length:
        return np.pad(waveform, (0, length - len(waveform)))
    step = max(1, rate // 100)
    padded = np.pad(waveform, (0, -(len(waveform) - length) % step))
    before = np.concatenate([[0.0], np.cumsum(np.square(padded, dtype="float64"))])
    energy = (before[length:] - before[:-length])[::step]
    begin = step * int(np.argmax(energy >= _ABOUT * energy.max()))
    return padded[begin : begin + length]


def loudest_in_graph(waveforms: "tf.Tensor", length: int, rate: int = 16_000) -> "tf.Tensor":
    """Returns what `loudest` does, in a TensorFlow graph.

    Zeros on the right make no difference, so that recordings of several lengths may share a batch.

    Args:
        waveforms: Float32 `(batch, samples)`.
        length: Samples of what is returned, a multiple of 10 ms.
        rate: Samples per second.

    Returns:
        Float32 `(batch, length)`.

    Example:
        >>> loudest_in_graph(np.array([[0.1, 0.9, 0.8, 0.1]], "float32"), length=2, rate=100).numpy()
        array([[0.9, 0.8]], dtype=float32)
    """
    import tensorflow as tf

    step = max(1, rate // 100)
    samples = tf.shape(waveforms)[1]
    more = tf.where(samples <= length, length - samples, -(samples - length) % step)
    padded = tf.pad(waveforms, [[0, 0], [0, more]])
    blocks = tf.reshape(tf.square(padded), [tf.shape(padded)[0], -1, step])
    before = tf.pad(tf.cumsum(tf.reduce_sum(blocks, axis=2), axis=1), [[0, 0], [1, 0]])
    energy = before[:, length // step :] - before[:, : -(length // step)]
    best = energy >= _ABOUT * tf.reduce_max(energy, axis=1, keepdims=True)
    begin = step * tf.argmax(tf.cast(best, tf.int32), axis=1, output_type=tf.int32)
    return tf.gather(padded, begin[:, None] + tf.range(length), batch_dims=1)


def decoded(encoded: "tf.Tensor", length: int, rate: int = 16_000) -> "tf.Tensor":
    """Decodes the bytes of WAV files of 16 bits in a TensorFlow graph: the mean of the channels, and of that `loudest`.

    Args:
        encoded: String tensor `(batch,)`.
        length: Samples of what is returned, a multiple of 10 ms.
        rate: Samples per second that the files must have; others are an error.

    Returns:
        Float32 `(batch, length)`.

    Example:
        >>> import io
        >>> import soundfile
        >>> file = io.BytesIO()
        >>> soundfile.write(file, np.full((3, 2), 0.5), 100, format="WAV")
        >>> decoded(np.array([file.getvalue()]), length=4, rate=100).numpy()
        array([[0.5, 0.5, 0.5, 0. ]], dtype=float32)
    """
    import tensorflow as tf

    def decode(file):
        samples, own = tf.audio.decode_wav(file)
        right = tf.debugging.Assert(own == rate, [f"`encoded` must have {rate} samples a second. Received:", own])
        with tf.control_dependencies([right] if right is not None else []):
            return loudest_in_graph(tf.reduce_mean(samples, axis=1)[None], length, rate)[0]

    return tf.map_fn(decode, encoded, fn_output_signature=tf.TensorSpec([length], tf.float32))


def _tell_sizes(sizes, length, rate, path):
    shorter, longer = int((sizes < length).sum()), int((sizes > length).sum())
    if shorter or longer:
        _log.info(
            "%s: recordings of %.2f to %.2f s; %d of %d filled up to %.2f s, of %d the loudest stretch kept.",
            *(path, sizes.min() / rate, sizes.max() / rate, shorter, len(sizes), length / rate, longer),
        )


def _tell_clipped(names, count, path):
    if names:
        told = (
            "%d of %d recordings of %s are clipped, with more than 1 %% of their samples at the largest value, as %s."
        )
        _log.warning(told, len(names), count, path, names[0])
