"""Text to token ids, the same inside the training pipeline and inside the saved model."""

import collections
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kerasmlsp.data import normalization

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

PADDING, UNKNOWN = 0, 1

# A tag has a name and attributes with values, if any, so that "i <x love this> it" stays.
_ATTRIBUTE = r"""\s+[a-z][a-z0-9:-]*\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+)"""
_MARKUP = rf"</?[a-z][a-z0-9:-]*(?:{_ATTRIBUTE})*\s*/?>|<![^<>]{{0,200}}>"
# Flags, and emoji with their colour and what is joined to them, are one sign each; so is all that makes no words.
_EMOJI = r"\p{So}[\x{1F3FB}-\x{1F3FF}]?"
_SIGN = rf"[\x{{1F1E6}}-\x{{1F1FF}}]{{2}}|{_EMOJI}(?:\x{{200D}}{_EMOJI})*|[^\p{{L}}\p{{M}}\p{{N}}'\s]"


def tokenize(texts: "tf.Tensor") -> "tf.RaggedTensor":
    """Splits texts into lower-case words and single punctuation marks.

    Texts are read in one form first, see `kerasmlsp.data.normalization`, and mark-up such as `<br />` is taken out.
    Letters, combining marks and digits of every script make words, and an apostrophe stays inside one. An emoji is one
    token.

    Args:
        texts: String tensor `(batch,)`, UTF-8.

    Returns:
        Ragged strings `(batch, None)`.

    Example:
        >>> tokenize(["It's <b>GREAT</b>!"]).to_list()
        [[b"it's", b'great', b'!']]
    """
    import tensorflow as tf

    texts = normalization.normalize(normalization.unescape(texts))
    texts = tf.strings.lower(texts, encoding="utf-8")
    texts = tf.strings.regex_replace(texts, _MARKUP, " ")
    texts = tf.strings.regex_replace(texts, f"({_SIGN})", r" \1 ")
    return tf.strings.split(texts)


def truncate(tokens: "tf.RaggedTensor", limit: int) -> "tf.RaggedTensor":
    """Keeps the first and the last `limit // 2` tokens of texts that are longer than `limit`.

    The end of a text often holds its verdict, so that cutting it off would lose more than the middle.

    Args:
        tokens: Ragged `(batch, None)`.
        limit: Longest allowed length, at least 2.

    Returns:
        Ragged `(batch, None)` with rows of at most `limit` tokens.

    Example:
        >>> import tensorflow as tf
        >>> truncate(tf.ragged.constant([[1, 2, 3, 4, 5, 6], [7]]), 4).to_list()
        [[1, 2, 5, 6], [7]]
    """
    import tensorflow as tf

    head = limit - limit // 2
    return tf.concat([tokens[:, :head], tokens[:, head:][:, -(limit // 2) :]], axis=1)


def dense(rows: "tf.RaggedTensor", multiple: int = 1, *, least: Any = 0) -> "tf.Tensor":
    """Pads ragged rows on the right to a common length: the next multiple of `multiple` that is not 0.

    Args:
        rows: Ragged `(batch, None)`.
        multiple: The length is a multiple of this, which limits the shapes that a compiled function meets.
        least: Length of the longest of more rows than these, a whole number or a scalar tensor.

    Returns:
        `(batch, length)`, padded with 0 or "".

    Example:
        >>> import tensorflow as tf
        >>> dense(tf.ragged.constant([[1, 2, 3], [4]]), multiple=4).numpy()
        array([[1, 2, 3, 0],
               [4, 0, 0, 0]], dtype=int32)
    """
    import tensorflow as tf

    padded = rows.to_tensor()
    length = tf.shape(padded)[1]
    longest = tf.maximum(length, tf.cast(least, tf.int32))
    return tf.pad(
        padded,
        [[0, 0], [0, tf.maximum(-(-longest // multiple), 1) * multiple - length]],
        constant_values="" if rows.dtype == tf.string else 0,
    )


def count_words(texts: Sequence[str], batch_size: int = 1000) -> collections.Counter[str]:
    """Counts the tokens of a list of texts.

    Returns:
        A `collections.Counter` of strings.

    Example:
        >>> count_words(["Good, good film", "bad film"]).most_common(2)
        [('good', 2), ('film', 2)]
    """
    import tensorflow as tf

    counts = collections.Counter()
    for start in range(0, len(texts), batch_size):
        tokens = tokenize(tf.constant(list(texts[start : start + batch_size])))
        counts.update(tokens.flat_values.numpy().tolist())
    return collections.Counter({word.decode(): count for word, count in counts.items()})


def vocabulary(counts: Mapping[str, int], size: int, *, min_count: int = 2) -> list[str]:
    """Returns the most frequent words, most frequent first and ties in alphabetical order.

    Args:
        counts: Word counts, as of `count_words`.
        size: Most token ids to use, including padding (0) and unknown words (1).
        min_count: Words seen less often are unknown.

    Raises:
        ValueError: `size` leaves no room for a word.

    Example:
        >>> vocabulary({"film": 9, "good": 3, "bad": 3, "rare": 1}, size=100)
        ['film', 'bad', 'good']
    """
    if size < 3:
        raise ValueError(f"`size` must be at least 3. Received: size={size}")
    words = sorted((word for word, count in counts.items() if count >= min_count), key=lambda w: (-counts[w], w))
    return words[: size - 2]


def lookup(words: Sequence[str]) -> "keras.Layer":
    """Returns a Keras layer from string tokens to int64 ids: 0 for padding, 1 for unknown words, then `words`.

    Example:
        >>> layer = lookup(["film", "good"])
        >>> layer([["good", "film", "new", ""]]).numpy()
        array([[3, 2, 1, 0]])
    """
    import keras

    layer = keras.layers.StringLookup(vocabulary=list(words), mask_token="", oov_token="[UNK]", num_oov_indices=1)
    layer.build(None)
    return layer
