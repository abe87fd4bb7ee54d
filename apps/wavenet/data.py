"""Recordings as pieces of mu-law levels, and batches of them."""

import dataclasses
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp import files
from kerasmlsp.apps.wavenet.config import LEAST, LEVELS, START, Config
from kerasmlsp.data import audio, batching, clips, labelled, splits
from kerasmlsp.files import existing, named

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

_FEW = 10
"""Recordings, or persons, below which stretches of them are held out rather than whole ones."""


@dataclasses.dataclass(frozen=True)
class Pieces:
    """Stretches of recordings.

    Args:
        levels: Mu-law levels, uint8 `(pieces, length)`, silent behind the end.
        sizes: Samples of each, int32 `(pieces,)`.
        labels: Class numbers, int32 `(pieces,)`; zeros where there are no classes.
        groups: Number of the recording, or of the person, `(pieces,)`.
        classes: Names of the classes; empty where there are none.
        left_out: How many recordings were left out, by reason.
    """

    levels: np.ndarray
    sizes: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    classes: list[str]
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)

    def __len__(self):
        return len(self.levels)

    def __getitem__(self, rows):
        levels, sizes, labels, groups = (each[rows] for each in (self.levels, self.sizes, self.labels, self.groups))
        return Pieces(levels, sizes, labels, groups, self.classes, self.left_out)

    @property
    def known(self) -> np.ndarray:
        """Which samples are those of the recording, bool `(pieces, length)`."""
        return np.arange(self.levels.shape[1]) < self.sizes[:, None]

    def fingerprint(self) -> str:
        return labelled.fingerprint(self.levels, self.sizes, self.labels, self.classes)


def read(config: Config) -> Pieces:
    """Reads the recordings that a configuration names; of equal ones the first is kept.

    Where a folder holds two subfolders or more, these are the classes, and recordings beside them are left out.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: No recording can be used, or there are more classes than levels.
    """
    if config.data is None:
        raise ValueError("Give the recordings with `--data FILE_OR_FOLDER`.")
    paths, labels, classes = _listed(existing(config.data, "data"))
    if config.conditional and len(classes) > LEVELS:
        raise ValueError(
            f"`data` must have at most {LEVELS} classes: leave them out by `--no-conditional`. Received: {len(classes)}"
        )
    waves: list[np.ndarray] = []
    good, problems = [], []
    for place, found in enumerate(files.side_by_side(paths, lambda each: levels_of(each, config.rate))):
        if isinstance(found, Exception):
            problems.append(str(found))
        else:
            good.append(place)
            waves.append(found)
    _tell(problems, paths, config.data)
    kept = splits.without(splits.array_keys(waves))
    if lost := len(waves) - len(kept):
        log.warning("Left out %d of %d recordings of %s: copies of others.", lost, len(paths), config.data)
    chosen = [good[row] for row in kept]
    groups = np.arange(len(chosen))
    if config.group_pattern is not None:
        names = [os.path.relpath(paths[i], config.data) for i in chosen]
        groups = splits.matched(names, config.group_pattern, alone=True)
    left_out = audio.reasons(problems) | ({"copies of others": lost} if lost else {})
    return _cut([waves[row] for row in kept], labels[chosen], groups, classes, left_out, config.length)


def levels_of(source: Path | bytes, rate: int, least: float = LEAST) -> np.ndarray:
    """Reads a recording as mu-law levels, uint8 `(samples,)`.

    Args:
        source: Path of a file, or the bytes of one.
        rate: Samples per second of what is returned.
        least: Seconds that it must last.

    Raises:
        FileNotFoundError, ModuleNotFoundError, ValueError: As `audio.read_waveform`, or it is too short.
    """
    waveform = audio.read_measured(source, rate)[0]
    if len(waveform) < max(1, least * rate):
        raise ValueError(
            f"A recording must last at least {least:g} seconds. Received: {named(source)}, "
            f"which lasts {len(waveform) / rate:.3f}"
        )
    return to_levels(waveform)


def to_levels(waveform: np.ndarray) -> np.ndarray:
    """Returns samples from -1 to 1 as mu-law levels, uint8: `kerasmlsp.layers.autoregressive.mu_law` in NumPy."""
    waveform, mu = np.clip(np.asarray(waveform, "float64"), -1.0, 1.0), LEVELS - 1
    squeezed = np.sign(waveform) * np.log1p(mu * np.abs(waveform)) / np.log1p(mu)
    return np.floor((squeezed + 1.0) / 2.0 * mu + 0.5).astype(np.uint8)


def from_levels(levels: np.ndarray) -> np.ndarray:
    """Returns the samples of mu-law levels, which may lie between whole ones, float64."""
    mu = LEVELS - 1
    squeezed = 2.0 * np.asarray(levels, "float64") / mu - 1.0
    return np.sign(squeezed) * np.expm1(np.abs(squeezed) * np.log1p(mu)) / mu


def _listed(path):
    """The files, the number of the class of each, and the names of the classes."""
    if path.is_file():
        return [path], np.zeros(1, np.int32), []
    found = audio.list_audio(path)
    folders = files.visible_folders(path)
    if len(folders) < 2:
        return found, np.zeros(len(found), np.int32), []
    classes = list(clips.class_folders(path))
    places = [each.relative_to(path).parts for each in found]
    inside = [(each, place[0]) for each, place in zip(found, places, strict=True) if place[0] in classes]
    if beside := len(found) - len(inside):
        log.warning("Left out %d of %d recordings of %s: they are in no class's folder.", beside, len(found), path)
    present = sorted({name for _, name in inside})
    labels = np.array([present.index(name) for _, name in inside], np.int32)
    return [each for each, _ in inside], labels, present if len(present) > 1 else []


def _tell(problems, paths, source):
    if len(problems) == len(paths):
        raise ValueError(problems[0])
    if problems:
        told = files.listed(audio.reasons(problems))
        log.warning("Left out %d of %d recordings of %s: %s. %s", len(problems), len(paths), source, told, problems[0])


def _cut(waves, labels, groups, classes, left_out, length):
    """Cuts recordings into pieces; an end that is shorter than `LEAST` of a piece is dropped, but for a lone one."""
    rows, sizes, places = [], [], []
    for place, wave in enumerate(waves):
        for begin in range(0, len(wave), length):
            piece = wave[begin : begin + length]
            if begin and len(piece) < LEAST * length:
                continue
            rows.append(np.pad(piece, (0, length - len(piece)), constant_values=START))
            sizes.append(len(piece))
            places.append(place)
    sizes = np.array(sizes, np.int32)
    return Pieces(np.stack(rows), sizes, labels[places], groups[places], classes, left_out)


def split(pieces: Pieces, config: Config) -> tuple[Pieces, Pieces | None, Pieces]:
    """Returns the pieces to train on, those that select the epoch (None where the share is 0), and those to test on.

    Recordings, or persons, are held out as a whole; of a few, stretches are.

    Raises:
        ValueError: There are too few pieces.
    """
    rest, test = _parts(pieces, config.held_out_share, config.seed)
    if not config.validation_share:
        return rest, None, test
    chosen, validation = _parts(rest, config.validation_share, config.seed + 1)
    return chosen, validation, test


def _parts(pieces, share, seed):
    if len(pieces) < 2:
        raise ValueError(
            f"`data` must hold more than {len(pieces) * pieces.levels.shape[1]:,} samples, for some to be held out: "
            f"add recordings, or take shorter pieces (--seconds). Received: {len(pieces)} piece"
        )
    if len(np.unique(pieces.groups)) < _FEW:
        kept, held = splits.split_indices(np.zeros(len(pieces)), share, seed, blocks=5)
    else:
        kept, held = splits.split_groups(pieces.labels, pieces.groups, share, seed)
    return pieces[kept], pieces[held]


def training_batches(pieces: Pieces, config: Config, conditional: bool) -> batching.Batches:
    """Returns `Batches` of what the net hears, of the levels that follow, and of weights: 0 behind the end."""
    import tensorflow as tf

    parts = [tf.constant(each) for each in (pieces.levels, pieces.sizes, pieces.labels)]

    def load(indices, key=None):
        levels, sizes, labels = (tf.gather(each, indices) for each in parts)
        return _example(levels, sizes, labels, conditional)

    return batching.Batches(batching.shuffled(len(pieces), config.batch_size, seed=config.seed), load)


def dataset(pieces: Pieces, conditional: bool, batch_size: int = 8) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of all pieces in their order, as of `training_batches`."""
    import tensorflow as tf

    rows = tf.data.Dataset.from_tensor_slices((pieces.levels, pieces.sizes, pieces.labels)).batch(batch_size)
    return rows.map(lambda levels, sizes, labels: _example(levels, sizes, labels, conditional)).prefetch(2)


def _example(levels, sizes, labels, conditional):
    import tensorflow as tf

    levels = tf.cast(levels, tf.int32)
    heard = shifted(levels)
    weights = tf.sequence_mask(sizes, tf.shape(levels)[1], tf.float32)
    return ({"label": labels, "levels": heard} if conditional else heard), levels, weights


def shifted(levels: "tf.Tensor") -> "tf.Tensor":
    """Returns what the net hears before each level: silence, and then the level before."""
    import tensorflow as tf

    return tf.pad(levels[:, :-1], [[0, 0], [1, 0]], constant_values=START)
