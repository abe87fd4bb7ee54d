"""Training of word vectors on rows of running text, in which a word is fetched once for many pairs."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasmlsp.models._checks import check_sizes
from kerasmlsp.models._training import train_step

_STRIP = 32


@keras.saving.register_keras_serializable("kerasmlsp")
class WordBlockTrainer(keras.Model):
    """Trains `skip_gram` or `cbow` by negative sampling on rows of running text.

    A row has `block` centres with `window` words on either side, and `shared` random words, from which all its centres
    are told; each random word counts `negatives / shared` times for each pair, so that a pair has `negatives` of them.
    What a row needs are a few products of matrices. With `V` the vectors of the centres, `U` those of the words around
    them, `N` those of the random words, `A` 1 for pairs that are near, and `a` the pairs of each centre, a step of
    skip-gram adds

        G = rate A (1 - sigmoid(V U'))    E = -rate negatives / shared a sigmoid(V N')
        V += G U + E N    U += G' V    N += E' V

    and one of the continuous bag of words, with `A` the weights of means, `H = A V` and `u` the centres' own vectors,

        g = rate (1 - sigmoid(H . u))    E = -rate negatives / shared sigmoid(H N')
        V += A' (g u + E N)    u += g H    N += E' H

    This is plain gradient descent on the sum of `losses.NegativeSampling`, and touches no other row of the tables. On
    TensorFlow the products are compiled by XLA, while vectors are fetched and added outside of it.

    A batch holds several groups of rows, `(groups, rows, ...)`. The groups are worked off one after the other, each
    with the vectors that the one before has left; within a group all read the same vectors. `fit` logs as `loss` the
    loss of a pair with its random words in the first group of every batch, before that is learned.

    Called on a group, it gives the mean loss of the pairs of each row, `(rows,)`.

    Reference: Ganapathy, MLSP 2025, "word2vec models as text representations"; Mikolov et al. 2013, "Distributed
    Representations of Words and Phrases and their Compositionality"; Ji et al. 2016, "Parallelizing Word2Vec in Shared
    and Distributed Memory" (shared negatives); Irsoy et al. 2021, "Corrected CBOW Performs as well as Skip-gram" (the
    gradient of the mean).

    Args:
        net: Of `skip_gram` or `cbow`; the one whose vectors are trained.
        window: Most words on either side of a centre, at least 1.
        block: Centres of a row, at least 1.
        shared: Random words of a row, at least 1.
        negatives: Random words that each pair counts for, above 0.
        name: Name of the model.

    Call arguments:
        inputs: As `kerasmlsp.targets.word_blocks.WordBlocks` makes them, int32: `words` `(rows, window + block +
            window)`, `spans` `(rows, block)`, for each centre `(window + 1) * left + right` with the number of words
            before and after it that are near, and `negatives` `(rows, shared)`.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> from kerasmlsp.models import skip_gram
        >>> trainer = WordBlockTrainer(skip_gram(9, embedding_dim=2), window=1, block=2, shared=3)
        >>> blocks = {"words": [[2, 3, 4, 5]], "spans": [[3, 2]], "negatives": [[7, 8, 7]]}
        >>> [loss] = trainer({name: ops.array(ids) for name, ids in blocks.items()})
        >>> round(float(loss), 3)  # context vectors begin as zeros: (1 + 5) ln 2
        4.159
    """

    def __init__(
        self,
        net: keras.Model,
        *,
        window: int = 5,
        block: int = 240,
        shared: int = 64,
        negatives: float = 5.0,
        name: str = "word_block_trainer",
        **kwargs: Any,
    ):
        check_sizes(window=window, block=block, shared=shared)
        if negatives <= 0:
            raise ValueError(f"`negatives` must be above 0. Received: negatives={negatives}")
        super().__init__(name=name, **kwargs)
        self.net, self.window, self.block, self.shared, self.negatives = net, window, block, shared, negatives
        self.bag = "windows" in net.input
        self._products = None
        self.built = True

    @property
    def vectors(self) -> keras.Layer:
        """The layer of the word vectors."""
        return self.net.get_layer("word_vectors")

    @property
    def contexts(self) -> keras.Layer:
        """The layer of the context vectors."""
        return self.net.get_layer("context_vectors")

    @property
    def _strip(self):
        """Centres whose neighbours are looked for together: products of small matrices cost less than they waste."""
        fitting = [size for size in range(self.window, _STRIP + 1) if self.block % size == 0]
        return max(fitting, default=self.block)

    def compile(self, optimizer: keras.optimizers.Optimizer | str = "sgd", **options: Any) -> None:
        """Prepares the training.

        Args:
            optimizer: Plain `keras.optimizers.SGD`, whose rate counts for a whole batch.
            **options: Such as `steps_per_execution` of `keras.Model.compile`.

        Raises:
            ValueError: The optimizer is another, or does more than descend.
        """
        optimizer = keras.optimizers.get(optimizer)
        more = ("momentum", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "use_ema")
        used = [each for each in more if getattr(optimizer, each, None)]
        if not isinstance(optimizer, keras.optimizers.SGD) or used:
            raise ValueError(
                "`optimizer` must be `keras.optimizers.SGD` without momentum, weight decay, clipping and average: they "
                f"touch all rows. Received: {type(optimizer).__name__}{''.join(f', {each}' for each in used)}"
            )
        super().compile(optimizer=optimizer, **options)
        optimizer.build(self.trainable_variables)

    def call(self, inputs):
        _, (vectors, contexts, negatives) = self._fetched(inputs)
        return self._pair_losses(vectors, contexts, negatives, inputs["spans"])

    def _fetched(self, inputs):
        """Ids and rows of words, of contexts and of random words."""
        words = inputs["words"]
        centers = words[:, self.window : self.window + self.block]
        ids = (words, centers, inputs["negatives"]) if self.bag else (centers, words, inputs["negatives"])
        return ids, (self.vectors(ids[0]), self.contexts(ids[1]), self.contexts(ids[2]))

    def _near(self, spans):
        """1 for the words near each centre, 0 for others, `(rows, strips, strip, window + strip + window)`."""
        strip, window = self._strip, self.window
        distance = np.arange(strip + 2 * window, dtype="int32") - np.arange(strip, dtype="int32")[:, None] - window
        spans = ops.reshape(spans, (-1, self.block // strip, strip, 1))
        near = (distance >= -(spans // (window + 1))) & (distance <= spans % (window + 1)) & (distance != 0)
        return ops.cast(near, "float32")

    def _scored(self, vectors, contexts, negatives, spans):
        """Vectors that words are told from, weights, pairs of each centre, and logits of near and of random words."""
        near = self._near(spans)
        count = ops.sum(near, axis=3)
        pairs = ops.reshape(count, (-1, self.block, 1))
        if self.bag:
            near = near / ops.maximum(count, 1.0)[..., None]
            means = ops.reshape(ops.matmul(near, self._strips(vectors)), ops.shape(contexts))
            right = ops.sum(means * contexts, axis=2, keepdims=True)
            return means, near, ops.minimum(pairs, 1.0), right, _by_row(means, negatives)
        strips = ops.reshape(vectors, (-1, *self._sizes(vectors)))
        right = ops.einsum("bmcd,bmld->bmcl", strips, self._strips(contexts))
        return vectors, near, pairs, right, _by_row(vectors, negatives)

    def _sizes(self, rows):
        return self.block // self._strip, self._strip, rows.shape[2]

    def _pair_losses(self, vectors, contexts, negatives, spans):
        """Mean loss of the pairs of each row."""
        _, near, pairs, right, wrong = self._scored(vectors, contexts, negatives, spans)
        told = (pairs if self.bag else near) * ops.softplus(-right)
        random = self.negatives / self.shared * pairs * ops.softplus(wrong)
        total = ops.sum(told, axis=tuple(range(1, len(told.shape)))) + ops.sum(random, axis=(1, 2))
        return total / ops.maximum(ops.sum(pairs, axis=(1, 2)), 1.0)

    def _moves(self, vectors, contexts, negatives, spans, rate):
        """What a step adds to the rows of words, of contexts and of random words."""
        given, near, pairs, right, wrong = self._scored(vectors, contexts, negatives, spans)
        # Without context, a mean is 0, and nothing comes back to a word.
        errors = -rate * self.negatives / self.shared * ops.sigmoid(wrong) * (1.0 if self.bag else pairs)
        moved = ops.matmul(errors, negatives)
        apart = ops.einsum("bck,bcd->bkd", errors, given)
        if self.bag:
            told = rate * (1.0 - ops.sigmoid(right))
            moved = ops.reshape(moved + told * contexts, (-1, *self._sizes(contexts)))
            return self._joined(ops.einsum("bmcl,bmcd->bmld", near, moved)), told * given, apart
        told = rate * near * (1.0 - ops.sigmoid(right))
        strips = ops.reshape(vectors, (-1, *self._sizes(vectors)))
        moved = moved + ops.reshape(ops.matmul(told, self._strips(contexts)), ops.shape(vectors))
        return moved, self._joined(ops.einsum("bmcl,bmcd->bmld", told, strips)), apart

    def _strips(self, rows):
        """Rows around each strip, `(rows, strips, window + strip + window, features)`."""
        window, sizes = self.window, (-1, *self._sizes(rows))
        middle = ops.reshape(rows[:, window:-window], sizes)
        before = ops.reshape(rows[:, : -2 * window], sizes)[:, :, :window]
        after = ops.reshape(rows[:, 2 * window :], sizes)[:, :, -window:]
        return ops.concatenate([before, middle, after], axis=2)

    def _joined(self, strips):
        """Adds up what `_strips` took apart, `(rows, window + block + window, features)`."""
        window, strip, features = self.window, self._strip, strips.shape[3]
        gap = strip - window
        parts = (
            (strips[:, :, window:-window], window),
            (ops.pad(strips[:, :, :window], ((0, 0), (0, 0), (0, gap), (0, 0))), 0),
            (ops.pad(strips[:, :, -window:], ((0, 0), (0, 0), (gap, 0), (0, 0))), 2 * window),
        )
        whole = [
            ops.pad(ops.reshape(part, (-1, self.block, features)), ((0, 0), (begin, 2 * window - begin), (0, 0)))
            for part, begin in parts
        ]
        return whole[0] + whole[1] + whole[2]

    def train_step(self, *arguments):
        return train_step(self, self._train, arguments)

    def _train(self, data):
        blocks, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        rate = ops.cast(self.optimizer.learning_rate, "float32")
        self._loss_tracker.update_state(ops.mean(self({name: each[0] for name, each in blocks.items()})))

        def step(group, state):
            self._descend({name: each[group] for name, each in blocks.items()}, rate)
            return state

        if keras.backend.backend() == "tensorflow":
            ops.fori_loop(0, ops.shape(blocks["words"])[0], step, 0)
        else:
            # A loop of JAX would not see what becomes of variables.
            for group in range(blocks["words"].shape[0]):
                step(group, 0)
        self.optimizer.iterations.assign_add(1)
        return self.get_metrics_result()

    def _descend(self, blocks, rate):
        """One step on a group, in two parts that may be computed at the same time; both read before either adds."""
        half = -(-blocks["words"].shape[0] // 2)
        parts = [{name: each[a:b] for name, each in blocks.items()} for a, b in ((0, half), (half, 2 * half))]
        parts = [part for part in parts if part["words"].shape[0]]
        fetched = [self._fetched(part) for part in parts]
        arithmetic = self._arithmetic()
        moves = [arithmetic(*rows, part["spans"], rate) for part, (_, rows) in zip(parts, fetched, strict=True)]
        layers = (self.vectors, self.contexts, self.contexts)
        for (ids, _), each in zip(fetched, moves, strict=True):
            for layer, places, rows in zip(layers, ids, each, strict=True):
                layer.add(places, rows)

    def _arithmetic(self):
        """`_moves`, on TensorFlow compiled: these products of small matrices take half the time so."""
        if keras.backend.backend() != "tensorflow":
            return self._moves
        if self._products is None:
            import tensorflow as tf

            self._products = tf.function(self._moves, jit_compile=True, autograph=False)
        return self._products

    def get_config(self):
        names = ("window", "block", "shared", "negatives", "name")
        return {
            "net": keras.saving.serialize_keras_object(self.net),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**{**config, "net": keras.saving.deserialize_keras_object(config["net"], custom_objects)})

    def get_compile_config(self):
        return {"optimizer": keras.saving.serialize_keras_object(self.optimizer)} if self.compiled else {}

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))


def _by_row(given, negatives):
    return ops.einsum("bcd,bkd->bck", given, negatives)
