"""Linear models on bags of n-grams: the strongest simple baseline for text."""

import keras
from keras import layers

from kerasmlsp.layers import HashedNgrams, NaiveBayesNgrams
from kerasmlsp.models import _text


def naive_bayes_ngrams(
    num_classes: int,
    *,
    num_buckets: int = 2**20,
    order: int = 3,
    skips: int = 0,
    scale: float = 1.0,
    dropout: float = 0.0,
    name: str = "naive_bayes_ngrams",
) -> keras.Model:
    """Builds a logistic regression on n-grams weighted by inverse document frequency and naive Bayes.

    The layer named `ngrams` must see the training texts once, through its `adapt`, before training.

    Reference: Wang and Manning 2012, "Baselines and Bigrams: Simple, Good Sentiment and Topic Classification";
    Guthrie et al. 2006, "A Closer Look at Skip-gram Modelling".

    Args:
        num_classes: Number of classes, at least 2.
        num_buckets: Places in the table of n-grams.
        order: Longest n-gram in tokens.
        skips: Most tokens that are left out inside a pair of tokens; 0 for no such pairs.
        scale: Initial weight of every n-gram: the trust in naive Bayes before training.
        dropout: Drop probability of single n-grams, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)`, 0 for padding on the right, to class probabilities
        `(batch, num_classes)`. Ids of any size are hashed.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> import numpy as np
        >>> model = naive_bayes_ngrams(2, num_buckets=1000, order=2)
        >>> hashes = model.get_layer("hashing")(np.array([[5, 7, 9]]))[0]
        >>> [int(each) > 0 for each in hashes]  # three words, two pairs, and no place left out
        [False, True, True, True, True, True]
    """
    ids = _text.token_ids()
    hashes = HashedNgrams(order, skips, name="hashing")(ids)
    logits = NaiveBayesNgrams(num_buckets, num_classes, scale, dropout, dtype="float32", name="ngrams")(hashes)
    return keras.Model(ids, layers.Softmax(dtype="float32", name="probabilities")(logits), name=name)
