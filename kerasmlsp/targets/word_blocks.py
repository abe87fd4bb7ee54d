"""Running text as blocks that train word vectors, drawn anew in every epoch."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.targets.word2vec import draw_reach, keep_probabilities, negative_distribution

if TYPE_CHECKING:
    import tensorflow as tf

_CHUNK = 2**20
_TABLE = 2**20, 2**24
_STEADY = 10.0


class WordBlocks:
    """Batches for `kerasmlsp.models.WordBlockTrainer`, as `kerasmlsp.training.fit` takes them.

    Every epoch drops frequent words, cuts what is left into rows of `block` centres, draws a window for each centre and
    `shared` random words for each row. Text is drawn in chunks of about a million words, whose rows are shuffled, as
    are the chunks; what is drawn for one follows from seed, epoch and its number, so that a training goes on anywhere,
    and memory holds the text and two chunks.

    Reference: as of `WordBlockTrainer`; Mikolov et al. 2013, "Distributed Representations of Words and Phrases and
    their Compositionality" (frequent words).

    Args:
        words: Token ids of all texts one after the other, `(words,)`.
        starts: Where each text begins, `(texts + 1,)`; the last is the number of words. No window crosses from one to
            the next.
        counts: By id, as of `word2vec.word_counts`; words of count 0 are left out.
        window: Most words on either side of a centre, at least 1.
        block: Centres of a row, at least 1.
        shared: Random words of a row, at least 1.
        rows: Rows of a group, at least 1. All pairs of a group are computed from the same vectors and their gradients
            are summed: in too large a group the vectors of frequent words overshoot, and training diverges.
        groups: Groups of a batch, at least 1; the last batch of a chunk may have fewer.
        threshold: As of `word2vec.keep_probabilities`.
        seed: Seed of all that is drawn.

    Raises:
        ValueError: A size is less than 1, or there is no word.

    Example:
        >>> sizes = {"window": 1, "block": 2, "shared": 3, "rows": 2, "groups": 4, "threshold": 0}
        >>> blocks = WordBlocks(np.arange(2, 18), [0, 9, 16], np.ones(18, int) * ([0] * 2 + [1] * 16), **sizes)
        >>> [batch] = blocks.dataset(lambda: (0, 0)).as_numpy_iterator()
        >>> blocks.num_batches, {name: each.shape for name, each in batch[0].items()}
        (1, {'words': (4, 2, 4), 'spans': (4, 2, 2), 'negatives': (4, 2, 3)})
    """

    def __init__(
        self,
        words: ArrayLike,
        starts: ArrayLike,
        counts: ArrayLike,
        *,
        window: int = 5,
        block: int = 240,
        shared: int = 64,
        rows: int = 4,
        groups: int = 32,
        threshold: float = 1e-3,
        seed: int = 0,
    ):
        sizes = {"window": window, "block": block, "shared": shared, "rows": rows, "groups": groups}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        self.words, self.starts = np.asarray(words, np.int32), np.asarray(starts, np.int64)
        self.window, self.block, self.shared, self.rows, self.groups = window, block, shared, rows, groups
        self.seed, self.keep = seed, keep_probabilities(counts, threshold).astype(np.float32)
        self.table = _table(counts)
        parts = -(-len(self.words) // _CHUNK)
        self._ends = np.linspace(0, len(self.words), parts + 1).astype(np.int64)
        # As many as are expected, so that epochs are equally long.
        kept = [
            float(self.keep[self.words[a:b]].sum(dtype=np.float64))
            for a, b in zip(self._ends, self._ends[1:], strict=False)
        ]
        self._steps = np.array([int(each / (block * rows)) for each in kept])
        if not self._steps.any():
            self._steps[int(np.argmax(kept))] = 1

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return int((-(-self._steps // self.groups)).sum())

    def batches(self, epoch: int, done: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """Yields the batches of an epoch behind the first `done`, int32 arrays `(groups, rows, ...)`."""
        for chunk in np.random.default_rng([self.seed, epoch]).permutation(len(self._steps)):
            count = -(-int(self._steps[chunk]) // self.groups)
            if done < count:
                drawn = self._draw(epoch, int(chunk))
                for place in range(done, count):
                    part = slice(place * self.groups, (place + 1) * self.groups)
                    yield {name: each[part] for name, each in drawn.items()}
            done = max(0, done - count)

    def dataset(self, position: Callable[[], tuple[int, int]]) -> "tf.data.Dataset":
        """As of `kerasmlsp.data.batching.Batches`."""
        import tensorflow as tf

        def remaining():
            for batch in self.batches(*position()):
                yield (batch,)

        sizes = {"words": self.block + 2 * self.window, "spans": self.block, "negatives": self.shared}
        specs = {name: tf.TensorSpec([None, self.rows, size], tf.int32) for name, size in sizes.items()}
        data = tf.data.Dataset.from_generator(remaining, output_signature=(specs,)).prefetch(4)
        return data.apply(tf.data.experimental.assert_cardinality(self.num_batches - position()[1]))

    def _draw(self, epoch, chunk):
        """All that is drawn for a chunk, by name, `(steps, rows, ...)`."""
        random, steps = np.random.default_rng([self.seed, epoch, chunk]), int(self._steps[chunk])
        begin, end = self._ends[chunk : chunk + 2]
        ids = self.words[begin:end]
        kept = random.random(len(ids), np.float32) < self.keep[ids]
        ids = ids[kept]
        spans = self._spans(random, kept, begin, end)
        # Where fewer are left than expected, the first rows come twice; the last may be full of the first words.
        places = np.resize(random.permutation(-(-len(ids) // self.block)), steps * self.rows)[:, None] * self.block
        words = ids.take(places + np.arange(-self.window, self.block + self.window), mode="wrap")
        spans = spans.take(places + np.arange(self.block), mode="wrap")
        negatives = self.table[random.integers(len(self.table), size=(len(places), self.shared), dtype=np.int32)]
        found = {"words": words, "spans": spans, "negatives": negatives}
        return {name: each.reshape(steps, self.rows, each.shape[1]) for name, each in found.items()}

    def _spans(self, random, kept, begin, end):
        """Codes of how many of the kept words on either side of each are near: within its reach and its text."""
        first, last = np.searchsorted(self.starts, (begin, end), "right")
        borders = np.concatenate([[begin], self.starts[first:last], [end]]) - begin
        sums = np.concatenate([[0], np.cumsum(kept)])[borders]
        lengths, places = np.diff(sums), np.arange(sums[-1])
        before = places - np.repeat(sums[:-1], lengths)
        after = np.repeat(sums[1:], lengths) - 1 - places
        reach = draw_reach(random, len(places), self.window)
        codes = np.minimum(before, reach) * (self.window + 1) + np.minimum(after, reach)
        return codes.astype(np.int32)


def steady_rows(
    counts: ArrayLike,
    rate: float,
    *,
    cbow: bool = False,
    window: int = 5,
    block: int = 240,
    negatives: float = 5.0,
    threshold: float = 1e-3,
) -> int:
    """Returns how many rows a group may have before the most frequent word overshoots.

    A word that a group has `n` times, as a neighbour or by its share of the random words, moves by the sum of `n`
    gradients of the same vectors. Skip-gram on film reviews was steady with `n rate` up to 13.6 and diverged at 20; the
    bound is 10.

    Args:
        counts: By id, as of `word2vec.word_counts`.
        rate: Peak learning rate, above 0.
        cbow: Whether it is for the continuous bag of words, with one pair for each centre.
        window, block, negatives, threshold: As of `WordBlocks` and `WordBlockTrainer`.

    Returns:
        At least 1.

    Example:
        >>> counts = [0, 0, 60, 40]
        >>> [steady_rows(counts, rate, block=2, threshold=0) for rate in (0.025, 0.0025)]
        [9, 95]
    """
    kept = keep_probabilities(counts, threshold) * np.asarray(counts)
    often = (kept / kept.sum() + negatives * negative_distribution(counts)).max()
    pairs = 1 if cbow else window + 1
    return max(1, int(_STEADY / (rate * pairs * often * block)))


def _table(counts):
    """A table in which each word has its share of negatives, since looking up is faster than searching."""
    shares = negative_distribution(counts)
    wanted = 8 / shares[shares > 0].min()
    size = int(np.clip(2 ** np.ceil(np.log2(wanted)), *_TABLE))
    return np.searchsorted(np.cumsum(shares), (np.arange(size) + 0.5) / size).astype(np.int32)
