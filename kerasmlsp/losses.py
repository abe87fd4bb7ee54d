"""Losses that Keras lacks, and their metrics."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
def frame_nats(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Negative log-likelihood of binary frames in nats, summed over the keys of a frame.

    With `y` the targets and `z` the logits, `sum_k softplus(z_k) - y_k z_k`: each key is an independent Bernoulli
    variable.

    Reference: Boulanger-Lewandowski, Bengio and Vincent 2012, "Modeling Temporal Dependencies in High-Dimensional
    Sequences"; Bai, Kolter and Koltun 2018, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks
    for Sequence Modeling".

    Args:
        targets: `(batch, length, num_keys)`, 0 or 1.
        logits: `(batch, length, num_keys)`.

    Returns:
        Nats of each frame, `(batch, length)`, float32.

    Example:
        >>> nats = frame_nats(keras.ops.zeros((1, 2, 3)), keras.ops.zeros((1, 2, 3)))
        >>> print(keras.ops.convert_to_numpy(nats).round(3))  # three keys at even odds: 3 ln 2
        [[2.079 2.079]]
    """
    logits = ops.cast(logits, "float32")
    return ops.sum(ops.softplus(logits) - ops.cast(targets, "float32") * logits, axis=-1)


@keras.saving.register_keras_serializable("kerasmlsp")
class FrameNats(keras.losses.Loss):
    """`frame_nats` as a loss: the mean over frames by their weights, such as 0 for padding.

    Example:
        >>> silence, logits = keras.ops.zeros((1, 2, 3)), keras.ops.array([[[0.0] * 3, [9.0] * 3]])
        >>> round(float(FrameNats()(silence, logits, sample_weight=keras.ops.array([[1.0, 0.0]]))), 3)  # 3 ln 2
        2.079
    """

    def __init__(self, reduction: str | None = "mean_with_sample_weight", name: str = "frame_nats", **kwargs: Any):
        super().__init__(reduction=reduction, name=name, **kwargs)

    def call(self, y_true, y_pred):
        return frame_nats(y_true, y_pred)


@keras.saving.register_keras_serializable("kerasmlsp")
class NatsPerFrame(keras.metrics.Metric):
    """Mean of `frame_nats` over the frames of all batches by their weights, such as 0 for padding.

    `keras.metrics.Mean` would weigh a batch by its pieces, not by its frames, where batches differ in length.

    Example:
        >>> metric = NatsPerFrame()
        >>> for frames in (1, 3):  # two batches of silence, at even odds of each of two keys
        ...     metric.update_state(keras.ops.zeros((1, frames, 2)), keras.ops.zeros((1, frames, 2)))
        >>> round(float(metric.result()), 3), float(metric.frames)  # 2 ln 2
        (1.386, 4.0)
    """

    def __init__(self, name: str = "nats", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self._direction = "down"  # where Keras and `training.fit` look for it
        self.nats = self.add_weight(name="nats", initializer="zeros")
        self.frames = self.add_weight(name="frames", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        nats = frame_nats(y_true, y_pred)
        weights = ops.ones_like(nats) if sample_weight is None else ops.cast(sample_weight, nats.dtype)
        self.nats.assign_add(ops.sum(nats * weights))
        self.frames.assign_add(ops.sum(weights))

    def result(self):
        return ops.divide_no_nan(self.nats, self.frames)


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


@keras.saving.register_keras_serializable("kerasmlsp")
def logistic_mixture_nats(
    targets: keras.KerasTensor, parameters: keras.KerasTensor, num_levels: int
) -> keras.KerasTensor:
    """Negative log-likelihood of samples under a mixture of logistic distributions that is cut into levels, in nats.

    With weights `w_i`, means `m_i` and scales `s_i`, and the logistic function `S`, a sample `x` of one of `num_levels`
    levels from -1 to 1 has the probability `sum_i w_i (S((x + d - m_i) / s_i) - S((x - d - m_i) / s_i))`, where
    `d = 1 / (num_levels - 1)` is half a step; the outermost levels take all that lies beyond.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; Salimans et al. 2017,
    "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other Modifications".

    Args:
        targets: `(...)`, in `[-1, 1]`.
        parameters: `(..., 3 * num_mixtures)`: logits of the weights, means, logarithms of the scales.
        num_levels: Levels, at least 2.

    Returns:
        Nats of each sample, `(...)`, float32.

    Example:
        >>> nats = logistic_mixture_nats(keras.ops.array([-1.0, 1.0]), keras.ops.zeros((2, 3)), num_levels=2)
        >>> print(keras.ops.convert_to_numpy(nats).round(3))  # a distribution around 0 gives half to either level: ln 2
        [0.693 0.693]
    """
    logits, means, log_scales = ops.split(ops.cast(parameters, "float32"), 3, axis=-1)
    targets, half = ops.cast(targets, "float32")[..., None], 1.0 / (num_levels - 1)
    # A scale far below a step adds nothing but large numbers.
    log_scales = ops.maximum(log_scales, math.log(half) - 2.0)
    inverse = ops.exp(-log_scales)
    upper, lower = (targets + half - means) * inverse, (targets - half - means) * inverse
    share = ops.sigmoid(upper) - ops.sigmoid(lower)
    # Where a level has next to no share, the density at its middle has a logarithm still.
    middle = (targets - means) * inverse
    density = middle - log_scales - 2.0 * ops.softplus(middle) + math.log(2.0 * half)
    inner = ops.where(share > 1e-5, ops.log(ops.maximum(share, 1e-12)), density)
    # The lowest level reaches down to minus infinity, the highest up to infinity.
    logs = ops.where(targets < -1.0 + half, upper - ops.softplus(upper), inner)
    logs = ops.where(targets > 1.0 - half, -ops.softplus(lower), logs)
    return -ops.logsumexp(ops.log_softmax(logits) + logs, axis=-1)


@keras.saving.register_keras_serializable("kerasmlsp")
class LogisticMixture(keras.losses.Loss):
    """`logistic_mixture_nats` as a loss, of targets `(batch, ..., 1)`.

    Args:
        num_levels: Levels of a sample, at least 2.
        reduction: As of `keras.losses.Loss`.
        name: Name of the loss.

    Raises:
        ValueError: `num_levels` is less than 2.

    Example:
        >>> loss = LogisticMixture(num_levels=2)
        >>> round(float(loss(keras.ops.array([[[-1.0], [1.0]]]), keras.ops.zeros((1, 2, 3)))), 3)  # ln 2
        0.693
    """

    def __init__(
        self,
        num_levels: int = 256,
        reduction: str | None = "sum_over_batch_size",
        name: str = "logistic_mixture",
        **kwargs: Any,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        if num_levels < 2:
            raise ValueError(f"`num_levels` must be at least 2. Received: num_levels={num_levels}")
        self.num_levels = num_levels

    def call(self, y_true, y_pred):
        return logistic_mixture_nats(y_true[..., 0], y_pred, self.num_levels)

    def get_config(self):
        return {**super().get_config(), "num_levels": self.num_levels}


@keras.saving.register_keras_serializable("kerasmlsp")
class BitsPerDimension(keras.losses.Loss):
    """Bits that each value takes by the logits of its levels: the cross-entropy divided by ln 2.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; Theis, van den Oord
    and Bethge 2016, "A Note on the Evaluation of Generative Models".

    Args:
        reduction: As of `keras.losses.Loss`.
        name: Name of the loss.

    Call arguments:
        y_true: Levels, `(batch, ...)`.
        y_pred: Logits, `(batch, ..., num_levels)`.

    Example:
        >>> loss = BitsPerDimension()
        >>> round(float(loss(keras.ops.array([[3]]), keras.ops.zeros((1, 1, 256)))), 3)  # one of 256
        8.0
    """

    def __init__(self, reduction: str | None = "sum_over_batch_size", name: str = "bits_per_dimension", **kwargs: Any):
        super().__init__(reduction=reduction, name=name, **kwargs)

    def call(self, y_true, y_pred):
        levels = ops.cast(y_true, "int32")
        return ops.sparse_categorical_crossentropy(levels, y_pred, from_logits=True) / math.log(2.0)


@keras.saving.register_keras_serializable("kerasmlsp")
class KnownSquaredError(keras.losses.Loss):
    """Mean squared error of numbers of which some are not known: NaN in the targets counts for nothing.

    Args:
        scale: What errors are divided by before they are squared, above 0.

    Example:
        >>> loss = KnownSquaredError(scale=2.0)
        >>> round(float(loss(keras.ops.array([[1.0, float("nan")]]), keras.ops.array([[5.0, 9.0]]))), 3)  # (4 / 2)^2
        4.0
    """

    def __init__(
        self,
        scale: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "known_squared_error",
        **kwargs: Any,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.scale = scale

    def call(self, y_true, y_pred):
        known = ops.logical_not(ops.isnan(y_true))
        # Twice, since the gradient of a NaN that is not chosen is NaN all the same.
        errors = ops.where(known, y_true, 0.0) - ops.where(known, y_pred, 0.0)
        axes = tuple(range(1, len(y_true.shape)))
        count = ops.maximum(ops.sum(ops.cast(known, errors.dtype), axis=axes), 1.0)
        return ops.sum(ops.square(errors / self.scale), axis=axes) / count

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("kerasmlsp")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy of token ids and logits with label smoothing: the mean over tokens by their weights.

    With `V` the vocabulary and `e` the smoothing, `-(1 - e) log p(y) - e / V sum_k log p(k)`.

    Reference: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision".

    Args:
        label_smoothing: Share of the target that all tokens get alike, in `[0, 1)`.

    Raises:
        ValueError: `label_smoothing` is out of range.

    Example:
        >>> ids, logits = keras.ops.array([[0]]), keras.ops.log(keras.ops.array([[[0.9, 0.1]]]))
        >>> round(float(SmoothedCrossentropy(0.0)(ids, logits)), 3)  # -ln 0.9
        0.105
        >>> round(float(SmoothedCrossentropy(0.2)(ids, logits)), 3)  # -0.9 ln 0.9 - 0.1 ln 0.1
        0.325
    """

    def __init__(
        self,
        label_smoothing: float = 0.1,
        reduction: str | None = "mean_with_sample_weight",
        name: str = "smoothed_crossentropy",
        **kwargs: Any,
    ):
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"`label_smoothing` must be in [0, 1). Received: label_smoothing={label_smoothing}")
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        # Targets arrive as floats, which hold ids of up to 2 ** 24.
        ids, logits = ops.cast(y_true, "int32"), ops.cast(y_pred, "float32")
        # Both terms by one pass over the logits, which are by far the largest array of a language model's step.
        even = self.label_smoothing / logits.shape[-1]
        shares = (1 - self.label_smoothing) * ops.one_hot(ids, logits.shape[-1]) + even
        return ops.categorical_crossentropy(shares, logits, from_logits=True)

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def slope_matrix(steps: int, width: float) -> np.ndarray:
    """Returns the matrix that makes of a signal the slopes of its smoothed form, or the identity for a width of 0.

    The signal is smoothed by a Gaussian; beyond its ends it is taken to stay as it is there. A slope is multiplied by
    the width, so that it has the units of the signal.

    Args:
        steps: Samples of the signal.
        width: Standard deviation of the Gaussian, in samples, at least 0.

    Returns:
        float32 `(steps, steps)`, to be multiplied with the signal from the left.

    Example:
        >>> ramp = np.arange(20.0)
        >>> np.round(slope_matrix(20, 2.0) @ ramp, 2)[9:12].tolist()  # a slope of 1, times the width
        [2.0, 2.0, 2.0]
    """
    if width <= 0:
        return np.eye(steps, dtype="float32")
    reach = int(np.ceil(4 * width))
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-(offsets**2) / (2 * width**2))
    weights *= offsets / (weights * offsets**2).sum() * width
    places = np.clip(np.arange(steps)[:, None] + offsets, 0, steps - 1)
    matrix = np.zeros((steps, steps))
    np.add.at(matrix, (np.arange(steps)[:, None], places), weights)
    return matrix.astype("float32")


@keras.saving.register_keras_serializable("kerasmlsp")
class SlopeError(keras.losses.Loss):
    """Mean square of the errors' slopes, and with a weight of the errors: what is drawn matters more than its level.

    The errors are those of signals `(batch, steps, channels)`, the slopes those of `slope_matrix`. With a width of 0 it
    is the mean squared error.

    Reference: Sobolev training, Czarnecki et al. 2017, "Sobolev Training for Neural Networks".

    Args:
        width: Standard deviation of the Gaussian that smoothes, in samples, at least 0.
        plain: Weight of the squared errors themselves where `width` is above 0.
        reduction: As of every loss of Keras.
        name: Name of the loss.

    Example:
        >>> signals = np.sin(np.arange(40.0))[None, :, None]
        >>> loss = SlopeError(width=3.0, plain=0.0)
        >>> round(float(loss(signals, signals + 1.0)), 6)  # another level is no other slope
        0.0
    """

    def __init__(
        self,
        width: float = 3.0,
        plain: float = 0.1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "slope_error",
        **kwargs: Any,
    ):
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.width, self.plain = width, plain

    def call(self, y_true, y_pred):
        errors = ops.cast(y_pred, "float32") - ops.cast(y_true, "float32")
        squares = ops.mean(errors**2, axis=-1)
        if self.width <= 0:
            return squares
        slopes = ops.einsum("bsc,ts->btc", errors, slope_matrix(errors.shape[1], self.width))
        return ops.mean(slopes**2, axis=-1) + self.plain * squares

    def get_config(self):
        return {**super().get_config(), "width": self.width, "plain": self.plain}
