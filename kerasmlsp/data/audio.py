"""Recordings from files: WAV, FLAC, OGG, MP3 and AIFF as waveforms of one channel and one rate, or one sentence.

soundfile and soxr, the extra `signals`, are imported where they are used, so that importing this module costs nothing.
"""

import contextlib
import io
import logging
import wave
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.extras import install, required
from kerasmlsp.files import existing, visible_files

_log = logging.getLogger("kerasmlsp")

ENDINGS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff")
"""Endings of the files that are taken for recordings in a folder, in either case."""
LONGEST = 600.0
"""Most seconds of a recording that is read at once; a longer one is read in pieces, see `pieces`."""
CLIPPED = 0.01
"""Share of samples at the largest value from which on a recording counts as clipped."""
# Why recordings are left out, by what `read_waveform` says.
_REASONS = {
    "must last at most": "too long",
    "must last at least": "too short",
    "is cut off": "cut off",
    "which holds none": "empty",
    "must be a whole file": "damaged or of no format that is read",
    "holds NaN": "with NaN or infinity",
    "must be there already": "not there",
    "Permission denied": "without permission",
    install("soundfile"): f"without {install('soundfile')}",
}


def read_waveform(source: bytes | str | Path, rate: int = 16_000, *, longest: float = LONGEST) -> np.ndarray:
    """Reads a recording: the mean of its channels, resampled.

    Samples of any width are brought to -1 to 1. The log tells of a recording that is clipped, with more than 1 % of its
    samples at the largest value.

    Args:
        source: Path of a file, or the bytes of one.
        rate: Samples per second of what is returned, at least 1.
        longest: Most seconds that are read.

    Returns:
        float32 `(samples,)`.

    Raises:
        FileNotFoundError: There is no such file.
        ModuleNotFoundError: The extra `signals` is not installed.
        ValueError: It is a folder, empty, cut off, too long, of another format, or holds what is no number.

    Example:
        >>> import soundfile
        >>> file = io.BytesIO()
        >>> soundfile.write(file, np.zeros((8000, 2)), 8000, format="WAV")
        >>> read_waveform(file.getvalue(), rate=16_000).shape  # a second, of which the two channels are alike
        (16000,)
    """
    waveform, share = read_measured(source, rate, longest=longest)
    _tell_clipped(share, files.named(source))
    return waveform


def read_measured(
    source: bytes | str | Path, rate: int = 16_000, *, longest: float = LONGEST
) -> tuple[np.ndarray, float]:
    """Reads a recording as `read_waveform` does, and measures how much of it is clipped, of which the log says nothing.

    Returns:
        float32 `(samples,)`, and the share of the file's samples that are at the largest value; see `CLIPPED`.

    Example:
        >>> import soundfile
        >>> file = io.BytesIO()
        >>> soundfile.write(file, np.ones(8000), 8000, format="WAV")
        >>> read_measured(file.getvalue(), rate=8000)[1]
        1.0
    """
    with _opened(source) as (file, name):
        if file.frames > longest * file.samplerate:
            raise ValueError(
                f"A recording must last at most {longest:g} seconds. Received: {name}, which lasts "
                f"{file.frames / file.samplerate:.0f}; cut it into pieces"
            )
        samples = file.read(dtype="float32", always_2d=True)
        _check(samples, file, name)
        return resampled(samples.mean(1), file.samplerate, rate), clipped(samples)


def write_wav(path: str | Path, samples: np.ndarray, rate: int) -> None:
    """Writes a recording of one channel as a WAV file of 16 bits.

    Args:
        path: File to write.
        samples: `(samples,)`; what is beyond -1 to 1 is cut off.
        rate: Samples per second.

    Example:
        >>> import tempfile
        >>> path = f"{tempfile.mkdtemp()}/tone.wav"
        >>> write_wav(path, np.sin(np.arange(800)), 8000)
        >>> read_waveform(path, rate=8000).shape
        (800,)
    """
    whole = np.clip(np.round(np.asarray(samples, "float64") * 2**15), -(2**15), 2**15 - 1).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(whole.tobytes())


def list_audio(folder: str | Path) -> list[Path]:
    """Returns the recordings in a folder and below it, told by their endings, in the order of their paths.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no recording.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.WAV", "a.flac", "notes.txt"):
        ...     (folder / name).touch()
        >>> [path.name for path in list_audio(folder)]
        ['a.flac', 'b.WAV']
    """
    folder = existing(folder)
    found = visible_files(folder, ENDINGS)
    if not found:
        raise ValueError(f"`path` must hold recordings ({', '.join(ENDINGS)}). Received: {folder}, which holds none")
    return found


def reasons(problems: Iterable[object]) -> dict[str, int]:
    """Counts why recordings could not be read, the most frequent reason first.

    Args:
        problems: The error of each, or its message.

    Example:
        >>> reasons(["a.wav is cut off: copy the file again, or leave it out."])
        {'cut off': 1}
    """
    return files.reasons(problems, _REASONS)


def pieces(
    source: bytes | str | Path, rate: int = 16_000, *, length: int, hop: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Reads a recording of any length in pieces that overlap, in constant memory.

    Args:
        source: Path of a file, or the bytes of one.
        rate: Samples per second of what is yielded.
        length: Samples of a piece.
        hop: Samples from the beginning of one to the next, at most `length`.

    Yields:
        The number of the first sample, and float32 `(length,)`; the last piece is filled up with zeros.

    Raises:
        FileNotFoundError, ModuleNotFoundError, ValueError: As `read_waveform`, but for the length.

    Example:
        >>> import soundfile
        >>> file = io.BytesIO()
        >>> soundfile.write(file, np.full(10, 0.5), 100, format="WAV")
        >>> [(begin, int((piece > 0).sum())) for begin, piece in pieces(file.getvalue(), 100, length=4, hop=3)]
        [(0, 4), (3, 4), (6, 4)]
    """
    if not 1 <= hop <= length:
        raise ValueError(f"`hop` must be from 1 to `length`. Received: hop={hop}, length={length}")
    begin, kept = 0, np.zeros(0, "float32")
    for block in _blocks(source, rate):
        kept = np.concatenate([kept, block])
        while len(kept) >= length:
            yield begin, kept[:length]
            begin, kept = begin + hop, kept[hop:]
    # What overlaps with the piece before was heard already.
    if len(kept) > (length - hop if begin else 0):
        yield begin, np.pad(kept, (0, length - len(kept)))


def _blocks(source, rate):
    soxr = required("soxr")
    told = False
    with _opened(source) as (file, name):
        stream = soxr.ResampleStream(file.samplerate, rate, 1, dtype="float32")
        for block in file.blocks(blocksize=file.samplerate, dtype="float32", always_2d=True):
            _check(block, None, name)
            if not told and (share := clipped(block)) > CLIPPED:
                _tell_clipped(share, f"A second of {name}")
                told = True
            yield block.mean(1) if file.samplerate == rate else stream.resample_chunk(block.mean(1))
        if file.samplerate != rate:
            yield stream.resample_chunk(np.zeros(0, "float32"), last=True)


@contextlib.contextmanager
def _opened(source):
    """The open file and its name, with what goes wrong in it as one sentence."""
    soundfile = required("soundfile")
    name = "-" if isinstance(source, bytes) else str(source)
    if not isinstance(source, bytes) and existing(source).is_dir():
        raise ValueError(f"`source` must be a recording. Received: {name}, which is a folder")
    try:
        with _stream(source) as stream, soundfile.SoundFile(stream) as file:
            if _is_cut_off(stream):
                raise ValueError(f"{name} is cut off: copy the file again, or leave it out.")
            if not file.frames:
                raise ValueError(f"A recording must hold samples. Received: {name}, which holds none")
            yield file, name
    except soundfile.LibsndfileError as error:
        raise ValueError(
            f"A recording must be a whole file of {', '.join(ENDINGS)}. Received: {name} ({error.error_string})"
        ) from error


def _stream(source):
    return io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")


def _is_cut_off(stream):
    """Whether the head of a WAV or AIFF file announces more bytes than there are, of which libsndfile says nothing."""
    place = stream.tell()
    stream.seek(0)
    head, size = stream.read(8), stream.seek(0, io.SEEK_END)
    stream.seek(place)
    if head[:4] not in (b"RIFF", b"FORM"):
        return False
    announced = int.from_bytes(head[4:], "little" if head[:4] == b"RIFF" else "big")
    # A program that wrote into a pipe did not know the length.
    return announced < 2**31 - 1 and announced + 8 > size + 1


def _check(samples: Any, file, name):
    if file is not None and len(samples) < file.frames:
        raise ValueError(f"{name} is cut off: copy the file again, or leave it out.")
    if not np.isfinite(samples).all():
        raise ValueError(f"A recording must hold numbers. Received: {name}, which holds NaN or infinity")


def _tell_clipped(share, name):
    if share > CLIPPED:
        _log.warning("%s is clipped: %.0f %% of its samples are at the largest value.", name, 100 * share)


def clipped(samples: np.ndarray) -> float:
    """Returns what share of samples from -1 to 1 is at the largest value; a recording with `CLIPPED` is too loud.

    Example:
        >>> clipped(np.array([0.5, 1.0, -1.0, 0.0]))
        0.5
    """
    return float((np.abs(samples) >= 1 - 2**-15).mean())


def resampled(samples: np.ndarray, own: int, rate: int) -> np.ndarray:
    """Brings float32 `(samples,)` from `own` samples per second to `rate`.

    Example:
        >>> resampled(np.zeros(8000, "float32"), own=8000, rate=16_000).shape
        (16000,)
    """
    if own == rate:
        return samples
    return required("soxr").resample(samples, own, rate)
