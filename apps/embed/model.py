"""The nets of the embed application, and what its saved model does."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasmlsp import layers, models, optimizers
from kerasmlsp.apps.embed.config import Config
from kerasmlsp.data import corpus, text
from kerasmlsp.exporting import Input
from kerasmlsp.models.word_blocks import WordBlockTrainer

BUILDERS = {"skip-gram": models.skip_gram, "cbow": models.cbow}
NEAREST, MOST = 10, 1000
_NONE = -2.0  # less than any cosine
INPUTS = {
    "text": Input("A word, or a text, which has the mean of the vectors of its known words.", range="UTF-8"),
    "a": Input("First word of the pair that is known, as man of man and woman.", range="UTF-8"),
    "b": Input("Second word of the pair that is known.", range="UTF-8"),
    "c": Input("First word of the pair whose second is asked for, as king.", range="UTF-8"),
    "count": Input("Words to answer with; what is behind them is empty.", least=1, most=MOST, default=NEAREST),
}


def compiled(config: Config, vocabulary_size: int, steps: int) -> keras.Model:
    """Builds the net of a complete configuration in its trainer, which descends for `steps` batches."""
    net = BUILDERS[config.architecture](vocabulary_size, embedding_dim=config.embedding_dim)
    sizes: Any = {name: getattr(config, name) for name in ("window", "block", "shared")}
    trainer = WordBlockTrainer(net, **sizes, negatives=config.negatives)
    trainer.compile(optimizers.build(config, steps))
    return trainer


def vectors_of(trainer: keras.Model) -> np.ndarray:
    """Returns the vectors of the known words, float32 `(words, features)`, most frequent first."""
    return keras.ops.convert_to_numpy(trainer.vectors.embeddings)[corpus.FIRST_WORD :]


def table_of(vectors: np.ndarray) -> keras.Layer:
    """Returns a layer that holds vectors."""
    layer = layers.WordVectors(*vectors.shape, dtype="float32", name="vectors")
    layer.build(None)
    layer.set_weights([vectors])
    return layer


def endpoints(words: Sequence[str], table: keras.Layer) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` gives the `vector` of a text, how many of its words are `known`, and the `nearest` words with
    their `cosine`; `similar` the same for any `count` of them, without the vector. `analogy` gives what is nearest to
    `b - a + c` of unit vectors. Words that were asked for are no answers. Where no word is known, the vector is 0 and
    the answers are "".

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    lookup, names = text.lookup(words), tf.constant(list(words))
    norms = np.linalg.norm(keras.ops.convert_to_numpy(table.embeddings), axis=1)
    scale = tf.constant(1 / np.maximum(norms, 1e-12), tf.float32)

    def read(texts):
        """Places of the known words of each text, -1 for others, and their mean vector."""
        places = tf.cast(text.dense(lookup(text.tokenize(texts))), tf.int32) - corpus.FIRST_WORD
        known = tf.cast(places >= 0, tf.float32)
        rows = table(tf.maximum(places, 0)) * known[..., None]
        return places, tf.math.divide_no_nan(tf.reduce_sum(rows, 1), tf.reduce_sum(known, 1)[:, None])

    def unit(vector):
        return tf.math.divide_no_nan(vector, tf.norm(vector, axis=1, keepdims=True))

    def nearest(vector, asked, count):
        cosines = tf.matmul(unit(vector), tf.convert_to_tensor(table.embeddings), transpose_b=True) * scale
        # What was asked for is no answer; words that are not known stand in a column of their own.
        cosines = tf.pad(cosines, [[0, 0], [0, 1]])
        columns = tf.where(asked >= 0, asked, len(words))
        rows = tf.broadcast_to(tf.range(tf.shape(asked)[0])[:, None], tf.shape(asked))
        cosines = tf.tensor_scatter_nd_update(cosines, tf.stack([rows, columns], 2), tf.fill(tf.shape(asked), _NONE))
        most = tf.clip_by_value(tf.reduce_max(count), 0, len(words))
        found, places = tf.math.top_k(cosines[:, : len(words)], most)
        there = (found > _NONE) & tf.reduce_any(vector != 0, axis=1, keepdims=True) & (tf.range(most) < count[:, None])
        return {"nearest": tf.where(there, tf.gather(names, places), ""), "cosine": tf.where(there, found, 0.0)}

    def known(places):
        return tf.reduce_sum(tf.cast(places >= 0, tf.int32), axis=1)

    def default(text):
        places, vector = read(text)
        return {
            "vector": vector,
            "known": known(places),
            **nearest(vector, places, tf.fill(tf.shape(places)[:1], NEAREST)),
        }

    def similar(text, count):
        places, vector = read(text)
        return {"known": known(places), **nearest(vector, places, count)}

    def analogy(a, b, c, count):
        places, vectors = zip(*map(read, (a, b, c)), strict=True)
        first, second, third = map(unit, vectors)
        there = tf.stack([known(each) > 0 for each in places], axis=1)
        wanted = tf.where(tf.reduce_all(there, axis=1, keepdims=True), second - first + third, 0.0)
        return {"known": there, **nearest(wanted, tf.concat(places, axis=1), count)}

    strings = {name: tf.TensorSpec([None], tf.string, name=name) for name in ("text", "a", "b", "c")}
    count = {"count": tf.TensorSpec([None], tf.int32, name="count")}
    functions: dict[str, tuple[Callable, dict]] = {
        "serving_default": (default, {"text": strings["text"]}),
        "similar": (similar, {"text": strings["text"], **count}),
        "analogy": (analogy, {name: strings[name] for name in ("a", "b", "c")} | count),
    }
    return functions, [table, lookup]
