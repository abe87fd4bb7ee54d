"""Losses that tell what belongs together from what does not."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class NegativeSampling(keras.losses.Loss):
    """Tells the words that stand together from words drawn at random.

    Every centre `i` has candidates `j` with the logits `z_ij`. With `P_i` the candidates that stand near it and `N_i`
    the random ones, `sum_{j in P_i} softplus(-z_ij) + k |P_i| / |N_i| sum_{j in N_i} softplus(z_ij)`: `k` negatives for
    each pair, however many there are to share. The sum over a batch, with plain gradient descent, takes the steps
    of the original program.

    Reference: Ganapathy, MLSP 2025, "word2vec representations"; Mikolov et al. 2013, "Distributed Representations of
    Words and Phrases and their Compositionality".

    Args:
        negatives: `k`, above 0.

    Call arguments:
        y_true: `(batch, centres, candidates)`: 1 for near, -1 for random, 0 for neither.
        y_pred: Logits of the same shape.

    Returns:
        `(batch, centres)` before the reduction, float32.

    Raises:
        ValueError: `negatives` is not above 0.

    Example:
        >>> loss = NegativeSampling(negatives=5)
        >>> round(float(loss(keras.ops.array([[[1, -1, -1]]]), keras.ops.zeros((1, 1, 3)))), 3)  # (1 + 5) ln 2
        4.159
    """

    def __init__(
        self, negatives: float = 5, reduction: str | None = "sum", name: str = "negative_sampling", **kwargs: Any
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        if negatives <= 0:
            raise ValueError(f"`negatives` must be above 0. Received: negatives={negatives}")
        self.negatives = negatives

    def call(self, y_true, y_pred):
        targets, logits = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        near = ops.relu(targets)
        random = near - targets
        drawn = ops.maximum(ops.sum(random, axis=-1, keepdims=True), 1.0)
        weights = near + self.negatives * ops.sum(near, axis=-1, keepdims=True) / drawn * random
        return ops.sum(weights * ops.softplus(-targets * logits), axis=-1)

    def get_config(self):
        return {**super().get_config(), "negatives": self.negatives}


@keras.saving.register_keras_serializable("kerasmlsp")
class NTXent(keras.losses.Loss):
    """Tells the other view of an example from the views of all other examples of the batch.

    With `s` the cosine of two projections over `temperature`, and `j` the other view of `i`, each view costs
    `-ln(exp(s_ij) / sum_{k != i} exp(s_ik))`, where `k` runs over both views of the whole batch.

    Reference: Ganapathy, MLSP 2025, "Contrastive Instance Discrimination"; Chen et al. 2020, "A Simple Framework for
    Contrastive Learning of Visual Representations".

    Args:
        temperature: Above 0.

    Call arguments:
        y_true: Not read; any `(batch,)`.
        y_pred: Projections of two views, `(batch, 2, features)`.

    Returns:
        Mean of the two views of each example, `(batch,)` before the reduction, float32.

    Raises:
        ValueError: `temperature` is not above 0.

    Example:
        >>> views = keras.ops.array([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
        >>> round(float(NTXent(temperature=1.0)(keras.ops.zeros(2), views)), 3)  # -ln(e / (e + 1 + 1))
        0.551
    """

    def __init__(
        self,
        temperature: float = 0.1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "nt_xent",
        **kwargs: Any,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        if temperature <= 0:
            raise ValueError(f"`temperature` must be above 0. Received: temperature={temperature}")
        self.temperature = temperature

    def call(self, y_true, y_pred):
        views = ops.normalize(ops.cast(y_pred, "float32"), axis=-1)
        first, second = views[:, 0], views[:, 1]
        every = ops.concatenate([first, second], axis=0)
        similar = ops.matmul(every, ops.transpose(every)) / self.temperature
        number = ops.shape(every)[0]
        others = ops.where(ops.eye(number, dtype="bool"), -1e9, similar)
        each = ops.logsumexp(others, axis=-1) - ops.tile(ops.sum(first * second, axis=-1), 2) / self.temperature
        return ops.mean(ops.reshape(each, (2, -1)), axis=0)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}
