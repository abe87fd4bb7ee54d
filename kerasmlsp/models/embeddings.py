"""Word vectors: words in, the logits that others stand near them out.

`word_blocks.WordBlockTrainer` trains them on the blocks of `kerasmlsp.targets.word_blocks`, fast and by plain descent.
For another optimizer or loss, `kerasmlsp.targets.word2vec.TrainingBatches` makes batches for Keras's own training step,
with `kerasmlsp.losses.NegativeSampling`. The vectors are the weights of the layer `word_vectors`.
"""

import keras
from keras import layers, ops

from kerasmlsp.layers import WordVectors
from kerasmlsp.models._checks import check_sizes


def skip_gram(vocabulary_size: int, *, embedding_dim: int = 100, name: str = "skip_gram") -> keras.Model:
    """Builds the skip-gram model: a word tells which words stand near it.

    `z_ij = v(i) . u(j)`, with `v` the word vectors and `u` the context vectors. One centre, with a word near
    it and `k` random words as candidates, is the paper's negative sampling; `word_blocks.WordBlockTrainer` shares
    random words among the centres of a block.

    Reference: Ganapathy, MLSP 2025, "word2vec models as text representations"; Mikolov et al. 2013, "Distributed
    Representations of Words and Phrases and their Compositionality".

    Args:
        vocabulary_size: Number of token ids, at least 2.
        embedding_dim: Size of a word vector.
        name: Name of the model.

    Returns:
        A model from ids of centres `(batch, centres)` and of candidates `(batch, candidates)` to logits
        `(batch, centres, candidates)`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> import numpy as np
        >>> model, vectors = skip_gram(3, embedding_dim=2), np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
        >>> model.set_weights([vectors, vectors])
        >>> logits = model({"centers": np.array([[2]]), "candidates": np.array([[0, 1, 2]])})
        >>> [float(each) for each in logits[0, 0]]  # products of (2, 1) with the three vectors
        [2.0, 1.0, 5.0]
    """
    _check(vocabulary_size, embedding_dim)
    centers = keras.Input((None,), dtype="int32", name="centers")
    vectors = _word_vectors(vocabulary_size, embedding_dim)(centers)
    return _scored({"centers": centers}, vectors, vocabulary_size, name)


def cbow(vocabulary_size: int, *, embedding_dim: int = 100, name: str = "cbow") -> keras.Model:
    """Builds the continuous bag of words: the mean of the words around a place tells which word stands there.

    `z_ij = mean_{c in window i} v(c) . u(j)`. Windows lie over the words of a row, so that each word is looked up once,
    though many windows have it. Train as `skip_gram`.

    Reference: Ganapathy, MLSP 2025, "word2vec representations"; Mikolov et al. 2013, "Efficient Estimation of Word
    Representations in Vector Space".

    Args:
        vocabulary_size: Number of token ids, at least 2.
        embedding_dim: Size of a word vector.
        name: Name of the model.

    Returns:
        A model from ids of words `(batch, words)`, windows `(batch, centres, words)`, 1 for the words in them, else 0,
        and ids of candidates `(batch, candidates)` to logits `(batch, centres, candidates)`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> import numpy as np
        >>> model, vectors = cbow(3, embedding_dim=2), np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]])
        >>> model.set_weights([vectors, vectors])
        >>> inputs = {"words": np.array([[0, 1]]), "windows": np.ones((1, 1, 2)), "candidates": np.array([[2]])}
        >>> float(model(inputs)[0, 0, 0])  # the mean (1/2, 1/2) of two words, times (2, 1)
        1.5
    """
    _check(vocabulary_size, embedding_dim)
    words = keras.Input((None,), dtype="int32", name="words")
    windows = keras.Input((None, None), dtype="float32", name="windows")
    vectors = _word_vectors(vocabulary_size, embedding_dim)(words)
    means = ops.matmul(windows, vectors) / ops.maximum(ops.sum(windows, axis=2, keepdims=True), 1.0)
    return _scored({"words": words, "windows": windows}, means, vocabulary_size, name)


def _check(vocabulary_size, embedding_dim):
    check_sizes(embedding_dim=embedding_dim)
    if vocabulary_size < 2:
        raise ValueError(f"`vocabulary_size` must be at least 2. Received: vocabulary_size={vocabulary_size}")


def _word_vectors(vocabulary_size, embedding_dim):
    start = keras.initializers.RandomUniform(-0.5 / embedding_dim, 0.5 / embedding_dim)
    return WordVectors(
        vocabulary_size, embedding_dim, embeddings_initializer=start, dtype="float32", name="word_vectors"
    )


def _scored(inputs, vectors, vocabulary_size, name):
    candidates = keras.Input((None,), dtype="int32", name="candidates")
    contexts = WordVectors(
        vocabulary_size, vectors.shape[-1], embeddings_initializer="zeros", dtype="float32", name="context_vectors"
    )(candidates)
    logits = layers.Dot(axes=2, dtype="float32", name="logits")([vectors, contexts])
    return keras.Model({**inputs, "candidates": candidates}, logits, name=name)
