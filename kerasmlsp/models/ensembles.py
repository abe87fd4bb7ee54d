"""Models made of models."""

from collections.abc import Sequence

import keras
from keras import layers, ops

from kerasmlsp.layers import LengthCalibration
from kerasmlsp.models import _text


def calibrated_ensemble(members: Sequence[keras.Model], *, name: str = "calibrated_ensemble") -> keras.Model:
    """Builds a text classifier that combines trained ones by weights and biases that depend on the text's length.

    Only the layer named `calibration` can be trained; the members are frozen. With one member this is its
    calibration for short and long texts.

    Reference: Wolpert 1992, "Stacked Generalization"; Guo et al. 2017, "On Calibration of Modern Neural Networks".

    Args:
        members: Models from token ids `(batch, length)` to probabilities `(batch, num_classes)`, with names that
            differ.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)`, 0 for padding on the right, to class probabilities
        `(batch, num_classes)`.

    Raises:
        ValueError: There is no member, or they differ in the number of classes.

    Example:
        >>> from kerasmlsp.models import lstm_classifier, naive_bayes_ngrams
        >>> model = calibrated_ensemble([lstm_classifier(100, 2), naive_bayes_ngrams(2, num_buckets=100)])
        >>> [tuple(weights.shape) for weights in model.trainable_weights]  # factors, biases; each also times the length
        [(2, 2), (2, 2)]
    """
    classes = {member.output.shape[-1] for member in members}
    if len(classes) != 1:
        raise ValueError(f"`members` must be one model or more of as many classes each. Received: {sorted(classes)}")
    ids = _text.token_ids()
    for member in members:
        member.trainable = False
    opinions = ops.stack([member(ids) for member in members], axis=1)
    lengths = ops.sum(ops.cast(ops.not_equal(ids, 0), "int32"), axis=1)
    calibrate = LengthCalibration(len(members), classes.pop(), name="calibration")
    outputs = layers.Identity(dtype="float32", name="probabilities")(calibrate((opinions, lengths)))
    return keras.Model(ids, outputs, name=name)
