"""Data augmentation for token ids."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.augment._checks import check_tensor
from kerasmlsp.layers.ngrams import PADDING, UNKNOWN


@keras.saving.register_keras_serializable("kerasmlsp")
class TokenDropout(keras.layers.Layer):
    """Replaces tokens at random by the unknown word while training.

    Reference: Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text Classification";
    Hota, BITS F464 (2024), "Regularization".

    Args:
        rate: Probability of replacing a token, in `[0, 1)`.
        seed: Seed of the random generator.

    Call arguments:
        inputs: Integer ids `(batch, length)`, 0 for padding, 1 for unknown words.
        training: Whether to replace.

    Returns:
        Ids of the same shape; padding stays padding.

    Raises:
        ValueError: `rate` is out of range.

    Example:
        >>> ids = TokenDropout(rate=0.5)(keras.ops.array([[7, 8, 9, 0, 0]]), training=True)
        >>> keras.ops.convert_to_numpy(ids)[0, 3:].tolist()  # padding stays
        [0, 0]
        >>> set(keras.ops.convert_to_numpy(ids).ravel().tolist()) <= {UNKNOWN, 7, 8, 9, PADDING}
        True
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        kwargs.setdefault("dtype", "int32")
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}")
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        check_tensor(inputs)
        if not training or not self.rate:
            return inputs
        chance = keras.random.uniform(ops.shape(inputs), dtype="float32", seed=self.seed_generator)
        drop = ops.logical_and(chance < self.rate, ops.not_equal(inputs, PADDING))
        return ops.where(drop, UNKNOWN, inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
