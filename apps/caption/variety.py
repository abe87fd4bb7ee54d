"""How much captions say: their words, whether they are new, and whether they find their picture among others."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import generation, metrics
from kerasmlsp.apps.caption import data, model
from kerasmlsp.metrics import text as text_metrics

if TYPE_CHECKING:
    import tensorflow as tf

    from kerasmlsp.apps.caption.evaluate import Run

AMONG = 100
"""Pictures among which a caption has to find its own."""


def measure(
    lines: Sequence[str],
    references: Sequence[Sequence[str]],
    known: Sequence[str] | None,
    places: np.ndarray | None = None,
) -> dict[str, Any]:
    """Measures what BLEU does not: whether captions differ, and say what only their picture shows.

    Args:
        lines: Caption of each picture.
        references: Its captions by people.
        known: Captions that were trained on; None where they are not at hand.
        places: Place of its own picture among `AMONG`, by the captions that were judged; None where none were.

    Returns:
        Dict of "distinct words", a count without interval, and with their 95 % intervals the shares "new sentences",
        "nouns" and "verbs" that of the references were said, and "finds its picture".
    """
    found: dict[str, Any] = {"distinct words": {"value": text_metrics.distinct_words(lines), "low": None, "high": None}}
    if known is not None:
        found["new sentences"] = metrics.measured_share(text_metrics.new_sentences(lines, known))
    for kind, shares in text_metrics.recalled(lines, references).items():
        shares = shares[np.isfinite(shares)]
        if len(shares):
            low, high = metrics.bootstrap(lambda rows, s=shares: s[rows].mean(), len(shares))
            found[kind] = {"value": float(shares.mean()), "low": low, "high": high}
    if places is not None and len(places):
        found["finds its picture"] = metrics.measured_share(places == 1)
    return found


def places(judge: "Run", features: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Returns the place of its own picture among `AMONG` by the likelihood that a net gives to each caption.

    Pictures are taken in blocks, in their order; what is left over is not judged, unless there are fewer in all.

    Args:
        judge: The run whose net tells how well a caption fits a picture.
        features: Of the pictures, `(pictures, regions, channels)`.
        lines: Caption of each. Words that the net does not know are left out.

    Returns:
        int64 `(pictures judged,)`.
    """
    tokens = tokens_of(lines, judge.words, judge.config.max_words)
    size = min(AMONG, len(lines))
    found = []
    for begin in range(0, len(lines) - size + 1, size):
        block = slice(begin, begin + size)
        found.append(text_metrics.ranks(fits(judge, features[block], tokens[block])))
    return np.concatenate(found)


def tokens_of(lines: Sequence[str], words: Sequence[str], most: int) -> np.ndarray:
    """Captions as tokens, `STOP` behind each, int32 `(captions, most)`."""
    numbers = {word: number for number, word in enumerate(words, start=2)}
    tokens = np.full((len(lines), most), data.STOP, np.int32)
    for row, line in enumerate(lines):
        known = [numbers[word] for word in line.split() if word in numbers][:most]
        tokens[row, : len(known)] = known
    return tokens


def fits(judge: "Run", features: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Log-likelihood of captions given pictures, `(captions, pictures)`.

    Args:
        judge: The run whose net tells it.
        features: `(pictures, regions, channels)`.
        tokens: `(captions, length)`.
    """
    import tensorflow as tf

    net = judge.captioner
    captions = tf.constant(tokens)

    @tf.function(reduce_retracing=True, autograph=False)
    def of_one(picture):
        return log_likelihood(net, tf.repeat(picture[None], len(tokens), axis=0), captions)

    return np.stack([of_one(tf.constant(each)).numpy() for each in np.asarray(features, "float32")], axis=1)


def log_likelihood(captioner: Any, features: "tf.Tensor", tokens: "tf.Tensor") -> "tf.Tensor":
    """Log-likelihood of each caption with its first `STOP`, given the picture in its row, float32 `(captions,)`."""
    import tensorflow as tf

    before = tf.concat([tf.fill((tf.shape(tokens)[0], 1), data.START), tokens[:, :-1]], axis=1)
    logits = captioner({"features": features, "token_ids": before}, training=False)
    allowed = model.allowed(logits, tf.range(tf.shape(tokens)[1])[:, None])
    scores = generation.log_probabilities(allowed, tokens)
    return tf.reduce_sum(scores * written(tokens), axis=1)


def written(tokens: "tf.Tensor") -> "tf.Tensor":
    """1 for each token up to the first `STOP` and with it, 0 behind, float32."""
    import tensorflow as tf

    return tf.cast(tf.cumsum(tf.cast(tokens == data.STOP, tf.int32), axis=1, exclusive=True) == 0, tf.float32)
