"""Subword units: learned by byte-pair encoding, and found in a text by TensorFlow operations inside a graph.

    pieces = learn(texts, 6000)
    units = Subwords(pieces)
    ids = units.encode(["A sentence."])
    units.decode(ids)

Learning needs the package sentencepiece (extra `translation`); the segmentation needs TensorFlow alone, so that a saved
model takes and returns strings. Ids 0 to 3 are padding, what is unknown, start and stop.
"""

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp.extras import required

if TYPE_CHECKING:
    import tensorflow as tf

PADDING, UNKNOWN, START, STOP = 0, 1, 2, 3
CONTROLS = ("<pad>", "<unk>", "<s>", "</s>")
"""The first pieces of every list: they stand for no text."""
SPACE = "\u2581"
"""What a piece begins with where a word begins."""
_UNKNOWN_TEXT = " \u2047 "
_NONE = np.iinfo(np.int32).max


def learn(texts: Iterable[str], vocabulary_size: int, *, coverage: float = 0.9999) -> list[str]:
    """Learns units by byte-pair encoding: beginning with characters, the most frequent pair of neighbours becomes one.

    The same texts give the same units.

    Reference: Ganapathy, MLSP 2025, "Neural Machine Translation Example"; Sennrich, Haddow and Birch 2016, "Neural
    Machine Translation of Rare Words with Subword Units"; Kudo and Richardson 2018, "SentencePiece".

    Args:
        texts: Texts in the form in which they will be read.
        vocabulary_size: Most units, `CONTROLS` and single characters among them.
        coverage: Share of all characters that must be known, above 0, at most 1; the rarest beyond it are unknown.

    Returns:
        The pieces, `CONTROLS` first, then those made of others in the order in which they were made, then characters.

    Raises:
        ModuleNotFoundError: sentencepiece is not installed.
        ValueError: There is no text, or `vocabulary_size` is too small for the characters.

    Example:
        >>> pieces = learn(["low lower lowest", "new newer newest"] * 9, 24)
        >>> pieces[:6]
        ['<pad>', '<unk>', '<s>', '</s>', 'we', 'lo']
    """
    sentencepiece = required("sentencepiece")
    lines = [" ".join(text.split()) for text in texts]
    lines = [line for line in lines if line]
    if not lines:
        raise ValueError("`texts` must hold at least one text with characters. Received: none")
    made = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=made,
            model_type="bpe",
            vocab_size=vocabulary_size,
            hard_vocab_limit=False,
            character_coverage=coverage,
            # The form of the texts is settled before; here nothing else may change.
            normalization_rule_name="identity",
            max_sentence_length=max(10, *(len(line.encode()) + 1 for line in lines)),
            pad_id=PADDING,
            unk_id=UNKNOWN,
            bos_id=START,
            eos_id=STOP,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].rpartition("] ")[2]
        raise ValueError(
            f"`vocabulary_size` must be enough for all characters of the texts. Received: {vocabulary_size} ({reason})"
        ) from error
    model = sentencepiece.SentencePieceProcessor(model_proto=made.getvalue())
    return [*CONTROLS, *(model.id_to_piece(i) for i in range(len(CONTROLS), model.get_piece_size()))]


def spaced(texts: "tf.Tensor") -> "tf.Tensor":
    """Writes white space of any kind and length, and `SPACE`, as one space, and none at the ends.

    Args:
        texts: String tensor `(batch,)`, UTF-8.

    Example:
        >>> spaced([" two \\t words\\u3000"]).numpy()
        array([b'two words'], dtype=object)
    """
    import tensorflow as tf

    return tf.strings.strip(tf.strings.regex_replace(texts, r"[\s\v\x{85}\x{2581}\p{Z}]+", " "))


class Subwords:
    """Finds the units of texts, and writes texts of units, by TensorFlow operations on whole batches.

    A word begins with `SPACE`, then come its characters. Of all neighbours that make a piece together those are joined
    first whose piece was learned first, from left to right, until none is left: the units that sentencepiece finds.
    Each different word of a batch is looked at once. Characters that no piece has are `UNKNOWN`, neighbouring ones
    together.

    Reference: as of `learn`.

    Args:
        pieces: As of `learn`.

    Raises:
        ValueError: `pieces` do not begin with `CONTROLS`.

    Example:
        >>> units = Subwords([*CONTROLS, "lo", "\u2581lo", "\u2581", "l", "o", "w"])
        >>> ids = units.encode(["low lo?"])
        >>> [units.pieces[i] for i in ids[0].numpy()]
        ['\u2581lo', 'w', '\u2581lo', '<unk>']
        >>> units.decode(ids.to_tensor()).numpy()[0].decode()
        'low lo \u2047'
    """

    def __init__(self, pieces: Sequence[str]):
        if tuple(pieces[: len(CONTROLS)]) != CONTROLS:
            raise ValueError(f"`pieces` must begin with {', '.join(CONTROLS)}. Received: {list(pieces[:4])}")
        self.pieces = list(pieces)
        numbers = {piece: number for number, piece in enumerate(self.pieces) if number >= len(CONTROLS)}
        points = sorted((ord(piece), number) for piece, number in numbers.items() if len(piece) == 1)
        # Negative keys stand for nothing: a table has to have something.
        self._points = np.array([-1, *(point for point, _ in points)], np.int32)
        self._characters = np.array([UNKNOWN, *(number for _, number in points)], np.int32)
        pairs = {-1: _NONE}
        for piece, number in numbers.items():
            for cut in range(1, len(piece)):
                left, right = numbers.get(piece[:cut]), numbers.get(piece[cut:])
                if left is not None and right is not None:
                    pairs[left * len(self.pieces) + right] = number
        pairs = dict(sorted(pairs.items()))
        self._pairs = np.array(list(pairs), np.int64)
        self._joined = np.array(list(pairs.values()), np.int32)
        texts = ["", _UNKNOWN_TEXT, "", "", *self.pieces[len(CONTROLS) :]]
        self._texts = np.array([text.encode() for text in texts], object)

    def __len__(self) -> int:
        return len(self.pieces)

    def encode(self, texts: "tf.Tensor") -> "tf.RaggedTensor":
        """Ids of the units of texts.

        Args:
            texts: String tensor `(batch,)`, UTF-8.

        Returns:
            Ragged int32 `(batch, None)`; a text without anything but spaces has none.
        """
        import tensorflow as tf

        words = tf.strings.split(spaced(texts), " ")
        # Where there is no text, there is one empty word.
        words = tf.ragged.boolean_mask(words, words.with_flat_values(words.flat_values != ""))
        different, places = tf.unique(words.flat_values)
        characters = tf.strings.unicode_decode(tf.strings.join([SPACE, different]), "UTF-8")
        units = self._merged(self._of_characters(characters).to_tensor(PADDING))
        again = (units == UNKNOWN) & (tf.pad(units, [[0, 0], [1, 0]])[:, :-1] == UNKNOWN)
        ragged = tf.ragged.boolean_mask(units, (units != PADDING) & ~again)
        return words.with_values(tf.gather(ragged, places)).merge_dims(1, 2)

    def decode(self, ids: "tf.Tensor | tf.RaggedTensor") -> "tf.Tensor":
        """Texts of units.

        Args:
            ids: Int `(batch, length)`, padded with `PADDING` or `STOP`, or ragged.

        Returns:
            String tensor `(batch,)`, without spaces at the ends.
        """
        import tensorflow as tf

        joined = tf.strings.reduce_join(tf.gather(tf.constant(self._texts), ids), axis=1)
        return tf.strings.strip(tf.strings.regex_replace(joined, SPACE, " "))

    def _of_characters(self, points):
        import tensorflow as tf

        table = tf.constant(self._points)
        places = tf.minimum(tf.searchsorted(table, points.flat_values), len(self._points) - 1)
        known = tf.gather(table, places) == points.flat_values
        return points.with_flat_values(tf.where(known, tf.gather(self._characters, places), UNKNOWN))

    def _found(self, left, right):
        """The piece that two neighbours make together, `_NONE` where there is none."""
        import tensorflow as tf

        table = tf.constant(self._pairs)
        keys = tf.cast(left, tf.int64) * len(self.pieces) + tf.cast(right, tf.int64)
        flat = tf.reshape(keys, [-1])
        places = tf.minimum(tf.searchsorted(table, flat), len(self._pairs) - 1)
        joined = tf.where(tf.gather(table, places) == flat, tf.gather(self._joined, places), _NONE)
        return tf.reshape(joined, tf.shape(keys))

    def _merged(self, units):
        """Joins neighbours, one pair of each word at a time; `(words, length)`, `PADDING` behind each word."""
        import tensorflow as tf

        columns = tf.range(tf.shape(units)[1])

        def at(values, places, otherwise):
            inside = (places >= 0) & (places < tf.shape(values)[1])
            safe = tf.clip_by_value(places, 0, tf.maximum(tf.shape(values)[1] - 1, 0))
            return tf.where(inside, tf.gather(values, safe, batch_dims=1), otherwise)

        def moved(values, filler):
            return tf.pad(values[:, 1:], [[0, 0], [0, 1]], constant_values=filler)

        def join(units, found):
            best = tf.reduce_min(found, axis=1, keepdims=True)
            # The first of equal ones; rows in which nothing is left to join stay as they are.
            first = tf.argmin(found, axis=1, output_type=tf.int32)[:, None]
            place = tf.where(best < _NONE, first, tf.size(columns) + 1)
            units = tf.where(columns == place, best, tf.where(columns < place, units, moved(units, PADDING)))
            before, here, behind = (at(units, place + step, PADDING) for step in (-1, 0, 1))
            left, right = tf.unstack(self._found(tf.stack([before, here]), tf.stack([here, behind])))
            found = tf.where(columns < place, found, moved(found, _NONE))
            found = tf.where(columns == place - 1, left, tf.where(columns == place, right, found))
            return units, found

        pairs = self._found(units, moved(units, PADDING))
        dense = tf.TensorShape([None, None])
        units, _ = tf.while_loop(
            lambda units, found: tf.reduce_any(found < _NONE), join, (units, pairs), shape_invariants=(dense, dense)
        )
        return units
