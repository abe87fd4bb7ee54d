"""Cross-entropy of targets that are smoothed."""

from typing import Any

import keras
from keras import ops


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
