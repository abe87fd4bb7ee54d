"""What an encoder sees in pictures: computed once, and kept on disk."""

import contextlib
import dataclasses
import io
import itertools
import json
import logging
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp import files
from kerasmlsp.data import labelled

if TYPE_CHECKING:
    import keras

    from kerasmlsp.apps.caption.data import Captioned

log = logging.getLogger("kerasmlsp")

FOLDER = Path("~/.cache/kerasmlsp/features")
BATCH = 32


@dataclasses.dataclass(frozen=True)
class Features:
    """Features of pictures, one row each.

    Args:
        values: `(pictures, ...)`, a memory map.
        unreadable: Row and reason of each picture that cannot be read; its values are 0.
        path: The file.
    """

    values: np.ndarray
    unreadable: dict[int, str]
    path: Path


def cached(
    table: "Captioned",
    encoder: "keras.Model | None",
    size: int,
    folder: str | Path | None = None,
    *,
    mirrored: bool = False,
) -> Features:
    """Returns the features of pictures, computed where they are not on disk yet.

    The file is named by a fingerprint of the contents of all pictures, of the encoder with its weights, and of the
    size. A computation that was stopped is gone on with; while another process is at it, this one waits. A file that
    is not as long as it should be is computed again.

    Args:
        table: `data.Captioned`.
        encoder: Keras model from images `(batch, size, size, 3)` to features; None to keep the pictures themselves,
            uint8, otherwise float16.
        size: Height and width to which pictures are stretched.
        folder: Where to keep them; None for `FOLDER`.
        mirrored: Whether to see the pictures as in a mirror.

    Returns:
        `Features`.

    Raises:
        OSError: The folder cannot be written to.
        ValueError: The pictures have changed while they were read.
    """
    folder = Path(folder or FOLDER).expanduser()
    path = folder / f"{fingerprint(table.digests, encoder, size)}{'-mirrored' * mirrored}.npy"
    notes = path.with_suffix(".json")
    shape, dtype = ((size, size, 3), np.uint8) if encoder is None else (encoder.output_shape[1:], np.float16)
    rows = _Rows((len(table.names), *shape), np.dtype(dtype))
    if not _whole(path, notes, rows):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            # Another process may have computed them in the meantime.
            if not _whole(path, notes, rows):
                if path.exists():
                    log.warning("The features in %s are damaged: they are computed again.", path)
                _compute(table, encoder, size, path, notes, mirrored, rows)
    unreadable = {int(row): reason for row, reason in files.read_json(notes).items()}
    return Features(np.load(path, mmap_mode="r"), unreadable, path)


def fingerprint(digests: Iterable[str], encoder: "keras.Model | None", size: int) -> str:
    """Returns 16 hexadecimal digits that tell pictures, encoder and size."""
    if encoder is None:
        return labelled.fingerprint(digests, ["pictures", size])
    parts = [np.asarray(weight) for weight in encoder.get_weights()]
    return labelled.fingerprint(digests, [encoder.name, size], *parts)


@dataclasses.dataclass(frozen=True)
class _Rows:
    """What a file holds: an array of this shape, whose rows follow each other behind a header."""

    shape: tuple
    dtype: np.dtype

    @property
    def header(self):
        stream = io.BytesIO()
        facts = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_2_0(stream, facts)
        return stream.getvalue()

    @property
    def row_bytes(self):
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def bytes(self):
        return len(self.header) + self.shape[0] * self.row_bytes


def _whole(path, notes, rows):
    """Whether features are there, and as long as they should be."""
    if not path.exists() or not notes.exists():
        return False
    with open(path, "rb") as file:
        return file.read(len(rows.header)) == rows.header and path.stat().st_size == rows.bytes


@contextlib.contextmanager
def _alone(path):
    """Waits while another process computes the same features."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.locked(path, "taken"))
        except ValueError:
            log.info("Another process computes the features in %s: waiting for it.", path)
            stack.enter_context(files.locked(path))
        yield


def _compute(table, encoder, size, path, notes, mirrored, rows):
    """Appends rows to a file beside `path`, whose length tells how far an earlier process came."""
    run, count = _forward(encoder), len(table.names)
    partial = path.with_name(f".{path.name}")
    with open(partial, "a+b") as file:
        done = _begun(file, rows)
        if not done:
            _write(notes, {})
        what = f"{count} pictures{' as in a mirror' * mirrored}"
        log.info("Computing the features of %s%s.", what, f", {done} are there" if done else "")
        unreadable = files.read_json(notes)
        for begin, batch in _batches(table.read(size, range(done, count)), done):
            values = np.zeros((len(batch), *rows.shape[1:]), rows.dtype)
            good = [i for i, each in enumerate(batch) if isinstance(each, np.ndarray)]
            if len(good) < len(batch):
                unreadable |= {str(begin + i): str(each) for i, each in enumerate(batch) if i not in good}
                _write(notes, unreadable)
            if good:
                pictures = np.stack([batch[i] for i in good])
                values[good] = run(pictures[:, :, ::-1] if mirrored else pictures)
            file.write(values.tobytes())
            if begin // BATCH % 50 == 49:
                log.info("%d of %d pictures.", begin + len(batch), count)
        # On the disk before it gets its name.
        file.flush()
        os.fsync(file.fileno())
    if partial.stat().st_size != rows.bytes:
        partial.unlink()
        raise ValueError("The pictures have changed while their features were computed: run the command again.")
    os.replace(partial, path)


def _begun(file, rows):
    """Rows that are done, in whole batches; what is behind them is cut off, and a new file gets its header."""
    header = rows.header
    file.seek(0)
    if file.read(len(header)) != header:
        file.truncate(0)
        file.write(header)
        return 0
    done = (file.seek(0, os.SEEK_END) - len(header)) // rows.row_bytes // BATCH * BATCH
    file.truncate(len(header) + done * rows.row_bytes)
    return done


def _write(notes, unreadable):
    files.write_atomically(notes, lambda place: place.write_text(json.dumps(unreadable)))


def _batches(pictures, begin):
    while batch := list(itertools.islice(pictures, BATCH)):
        yield begin, batch
        begin += BATCH


def _forward(encoder):
    if encoder is None:
        return lambda pictures: pictures
    import tensorflow as tf

    signature = [tf.TensorSpec([None, *encoder.input_shape[1:]], tf.float32)]
    graph = tf.function(lambda pictures: encoder(pictures, training=False), input_signature=signature, autograph=False)
    # ReLUs of some nets go beyond what float16 holds.
    return lambda pictures: np.clip(graph(pictures.astype("float32")).numpy(), -65504, 65504)
