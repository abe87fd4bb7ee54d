"""Windows of chorales as batches of tokens, for training and for measuring."""

import numpy as np

from kerasmlsp import batching, music
from kerasmlsp.apps.music import data
from kerasmlsp.layers.chorales import KEY, METRE, PHASE, PITCH, PREFACE


def training_batches(pieces, config, *, drop_remainder=False):
    """Returns `Batches` of windows: in each epoch other cuts of every piece, in other keys.

    A window begins on a beat, and nearly as often with the piece as anywhere in it. A piece has as many of them in an
    epoch as it is windows long.
    """
    source = _Source(pieces, config)
    counts = [max(1, round(len(piece.pitches) / config.window)) for piece in pieces]
    owners = np.repeat(np.arange(len(pieces)), counts)
    order = batching.shuffled(len(owners), config.batch_size, seed=config.seed, drop_remainder=drop_remainder)

    def load(indices, key):
        import tensorflow as tf

        return source.rows(tf.gather(tf.constant(owners), indices), key)

    return batching.Batches(order, load)


class _Source:
    """Tokens of every piece from every beat on, to be cut in the graph."""

    def __init__(self, pieces, config):
        import tensorflow as tf

        ranges = music.compass(pieces)
        self.window, self.seed = config.window, config.seed
        self.steps = tf.constant([len(piece.pitches) for piece in pieces])
        moves = [music.transpositions(piece, ranges) if config.transpose else range(1) for piece in pieces]
        self.lowest, self.moves = tf.constant([each[0] for each in moves]), tf.constant([len(each) for each in moves])
        self.bars, self.pickups = (tf.constant([getattr(piece, key) for piece in pieces]) for key in ("bar", "pickup"))
        whole = [data.tokens(piece)[:-1] for piece in pieces]
        self.preface = tf.constant(np.stack([each[:PREFACE] for each in whole]))
        # What a window that begins here has in its first step: no note is held from before.
        struck = [np.concatenate([data.tokens(piece, t, t + 1)[PREFACE : PREFACE + 4] for t in range(len(piece.pitches))]) for piece in pieces]
        music_tokens = np.concatenate([each[PREFACE:] for each in whole]).reshape(-1, 4)
        self.tokens = tf.constant(music_tokens)
        self.struck = tf.constant(np.concatenate(struck).reshape(-1, 4))
        self.begins = tf.constant(np.cumsum([0, *(len(piece.pitches) for piece in pieces[:-1])]))

    def rows(self, owners, key):
        """Cuts one random window of each piece in `owners`: inputs, targets and weights, `(batch, 4 * window + 4)`."""
        import tensorflow as tf

        count, window = tf.shape(owners)[0], self.window
        seed = tf.cast(key, tf.int32) * 2 + [self.seed, 0]
        steps, bar = tf.gather(self.steps, owners), tf.gather(self.bars, owners)
        # From half a window before the first to where the last fits, so that beginnings and ends are seen as often.
        place = tf.random.stateless_uniform([count], seed)
        room = tf.cast(tf.maximum(steps - window, 0) + window, tf.float32)
        start = tf.cast(place * room, tf.int32) - window // 2
        start = tf.clip_by_value(start, 0, tf.maximum(steps - window, 0)) // 4 * 4
        moves = tf.cast(tf.gather(self.moves, owners), tf.float32)
        move = tf.cast(tf.random.stateless_uniform([count], seed + 1) * moves, tf.int32) + tf.gather(self.lowest, owners)
        return self.cut(owners, start, move, steps, bar)

    def cut(self, owners, start, move, steps, bar):
        import tensorflow as tf

        window = self.window
        places = start[:, None] + tf.range(window)
        inside = places < steps[:, None]
        flat = tf.cast(tf.gather(self.begins, owners), tf.int32)[:, None] + tf.where(inside, places, 0)
        cut = tf.concat([tf.gather(self.struck, flat[:, :1]), tf.gather(self.tokens, flat[:, 1:])], axis=1)
        cut = tf.where((cut >= PITCH) & (cut < KEY), cut + move[:, None, None], cut)
        cut = tf.reshape(tf.where(inside[..., None], cut, 0), (-1, 4 * window))
        preface = tf.gather(self.preface, owners)
        tonic = preface[:, 1] - KEY
        key = KEY + tonic // 12 * 12 + (tonic % 12 + move) % 12
        later = METRE + (preface[:, 2] - METRE) + tf.where(start > 0, len(data.BARS), 0)
        phase = PHASE + (start - tf.gather(self.pickups, owners)) % bar
        tokens = tf.concat([tf.stack([preface[:, 0], key, later, phase], 1), cut], axis=1)
        left = tf.minimum(4 * (steps - start), 4 * window)
        whole = steps - start <= window
        end = PREFACE + left
        place = tf.range(PREFACE + 4 * window + 1)
        tokens = tf.pad(tokens, [[0, 0], [0, 1]])
        tokens = tf.where((place == end[:, None]) & whole[:, None], data.STOP, tokens)
        counted = (place >= PREFACE) & (place < (end + tf.cast(whole, tf.int32))[:, None])
        return tokens[:, :-1], tokens[:, 1:], tf.cast(counted[:, 1:], tf.float32)


def measured(pieces, window):
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
