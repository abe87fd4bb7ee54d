"""Windows of chorales as batches of tokens, for training and for measuring."""

from collections.abc import Sequence

import numpy as np

from kerasmlsp import music
from kerasmlsp.apps.music import data
from kerasmlsp.apps.music.config import Config
from kerasmlsp.data import batching
from kerasmlsp.targets.chorale_tokens import BARS, KEY, PHASE, PITCH, PREFACE, STOP


def training_batches(
    pieces: Sequence[music.Chorale], config: Config, *, drop_remainder: bool = False
) -> batching.Batches:
    """Returns `Batches` of windows: in each epoch other cuts of every piece, in other keys.

    A window begins on a beat, and nearly as often with the piece as anywhere in it. A piece has as many of them in an
    epoch as it is windows long.
    """
    import tensorflow as tf

    source = _Source(pieces, config)
    counts = [max(1, round(len(piece.pitches) / config.window)) for piece in pieces]
    owners = np.repeat(np.arange(len(pieces)), counts)
    order = batching.shuffled(len(owners), config.batch_size, seed=config.seed, drop_remainder=drop_remainder)

    def load(indices, key):
        return source.rows(tf.gather(tf.constant(owners), indices), key)

    return batching.Batches(order, load)


class _Source:
    """Tokens of all pieces, of which windows are cut in the graph."""

    def __init__(self, pieces, config):
        import tensorflow as tf

        self.window, self.seed = config.window, config.seed
        moves = [music.transpositions(each, music.compass(pieces)) if config.transpose else range(1) for each in pieces]
        lengths = [len(each.pitches) for each in pieces]
        self.facts = tf.constant(
            [
                (*data.preface(piece), length, piece.bar, piece.pickup, move[0], len(move), begin)
                for piece, length, move, begin in zip(pieces, lengths, moves, np.cumsum([0, *lengths]), strict=False)
            ],
            tf.int32,
        )
        self.tokens = tf.constant(np.concatenate([data.steps(piece) for piece in pieces]))
        # In the first step of a window no note is held from before.
        self.struck = tf.constant(np.concatenate([data.steps(piece, struck=True) for piece in pieces]))

    def rows(self, owners, key):
        """Cuts a random window of each piece in `owners`: inputs, targets and weights, `(batch, 4 * window + 4)`."""
        import tensorflow as tf

        start, keys, metre, _, length, bar, pickup, lowest, moves, begin = tf.unstack(
            tf.gather(self.facts, owners), 10, 1
        )
        first, second = self._uniform(owners, key)
        # From half a window before the first to half a window behind the last: both ends are seen as often as the rest.
        room = tf.maximum(length - self.window, 0)
        cut = tf.cast(first * tf.cast(room + self.window, tf.float32), tf.int32) - self.window // 2
        cut = tf.clip_by_value(cut, 0, room) // 4 * 4
        move = lowest + tf.cast(second * tf.cast(moves, tf.float32), tf.int32)
        tonic = keys - KEY
        keys = KEY + tonic // 12 * 12 + (tonic % 12 + move) % 12
        metre += tf.where(cut > 0, len(BARS), 0)
        preface = tf.stack([start, keys, metre, PHASE + (cut - pickup) % bar], axis=1)
        return self._examples(preface, begin + cut, length - cut, move)

    def _uniform(self, owners, key):
        import tensorflow as tf

        seed = tf.stack([tf.cast(key[0], tf.int32) + 100_003 * self.seed, tf.cast(key[1], tf.int32)])
        return tf.unstack(batching.uniform([2, tf.shape(owners)[0]], seed, axis=1), 2)

    def _examples(self, preface, begin, left, move):
        import tensorflow as tf

        places = tf.range(self.window)
        inside = places < left[:, None]
        rows = begin[:, None] + tf.where(inside, places, 0)
        steps = tf.concat([tf.gather(self.struck, rows[:, :1]), tf.gather(self.tokens, rows[:, 1:])], axis=1)
        steps = tf.where((steps >= PITCH) & (steps < KEY), steps + move[:, None, None], steps)
        steps = tf.reshape(tf.where(inside[..., None], steps, 0), (-1, 4 * self.window))
        tokens = tf.pad(tf.concat([preface, steps], axis=1), [[0, 0], [0, 1]])
        ends = left <= self.window
        end = PREFACE + 4 * tf.minimum(left, self.window)
        places = tf.range(tf.shape(tokens)[1])
        tokens = tf.where(ends[:, None] & (places == end[:, None]), STOP, tokens)
        counted = (places >= PREFACE) & (places < (end + tf.cast(ends, tf.int32))[:, None])
        return tokens[:, :-1], tokens[:, 1:], tf.cast(counted[:, 1:], tf.float32)


def measured(pieces: Sequence[music.Chorale], window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cuts pieces into windows in which every token is counted once, with half a window before it where there is one.

    Returns:
        Inputs, targets and weights, arrays `(windows, 4 * window + 4)`, and the piece that each window is of.
    """
    rows, weights, owners = [], [], []
    for number, piece in enumerate(pieces):
        for start in range(0, max(1, len(piece.pitches) - window // 2), window // 2):
            row = data.tokens(piece, start, start + window)
            counted = np.arange(len(row)) >= PREFACE + (4 * (window // 2) if start else 0)
            # The next window counts what follows its first half.
            rows.append(np.pad(row, (0, PREFACE + 4 * window + 1 - len(row))))
            weights.append(np.pad(counted, (0, PREFACE + 4 * window + 1 - len(row))))
            owners.append(number)
    rows, weights = np.stack(rows), np.stack(weights).astype("float32")
    return rows[:, :-1], rows[:, 1:], weights[:, 1:], np.array(owners)
