"""Layers of networks that learn from data without labels."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.composite import Composite


@keras.saving.register_keras_serializable("kerasmlsp")
class ClassToken(keras.layers.Layer):
    """Puts a learned vector before a sequence, whose state at the end stands for the whole.

    Reference: Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale";
    Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding".

    Call arguments:
        inputs: `(batch, length, features)`.

    Returns:
        `(batch, 1 + length, features)`.

    Example:
        >>> tuple(ClassToken()(keras.ops.ones((2, 4, 3))).shape)
        (2, 5, 3)
    """

    def build(self, input_shape):
        start = keras.initializers.RandomNormal(stddev=0.02)
        self.vector = self.add_weight(name="vector", shape=(1, 1, input_shape[-1]), initializer=start)

    def call(self, inputs):
        shape = (ops.shape(inputs)[0], 1, inputs.shape[-1])
        token = ops.broadcast_to(ops.cast(ops.convert_to_tensor(self.vector), inputs.dtype), shape)
        return ops.concatenate([token, inputs], axis=1)

    def compute_output_shape(self, input_shape):
        batch, length, features = input_shape
        return batch, None if length is None else length + 1, features


@keras.saving.register_keras_serializable("kerasmlsp")
class MaskedFrames(keras.layers.Layer):
    """Puts one learned vector in place of the masked frames of a sequence.

    Reference: Ganapathy, MLSP 2025, "Self-supervision in audio - wav2vec"; Baevski et al. 2020, "wav2vec 2.0: A
    Framework for Self-Supervised Learning of Speech Representations".

    Call arguments:
        inputs: `(batch, length, features)`.
        masked: Booleans `(batch, length)`, True for the frames to replace. Where it is of another length, what it has
            too many counts for nothing, and frames that it lacks stay.

    Returns:
        A tensor of the shape of `inputs`.

    Example:
        >>> outputs = MaskedFrames()(keras.ops.ones((1, 3, 2)), keras.ops.array([[False, True, False]]))
        >>> keras.ops.convert_to_numpy(keras.ops.all(outputs == 1, axis=-1)).tolist()
        [[True, False, True]]
    """

    def build(self, inputs_shape, masked_shape=None):
        self.vector = self.add_weight(name="vector", shape=(inputs_shape[-1],), initializer="random_uniform")

    def call(self, inputs, masked):
        vector = ops.cast(ops.convert_to_tensor(self.vector), inputs.dtype)
        return ops.where(_fitted(masked, ops.shape(inputs)[1])[:, :, None], vector, inputs)

    def compute_output_shape(self, inputs_shape, masked_shape=None):
        return inputs_shape


def _fitted(masked, length):
    """A mask of another length: cut, or without what it lacks. How many frames a waveform has is not easily told."""
    masked = ops.cast(masked, "bool")
    lacking = ops.zeros((ops.shape(masked)[0], length), "bool")
    return ops.concatenate([masked, lacking], axis=1)[:, :length]


@keras.saving.register_keras_serializable("kerasmlsp")
class ProductQuantizer(keras.layers.Layer):
    """Replaces each vector by one that is put together from the entries of a few learned codebooks.

    A linear map gives the logits `l_gv` of the entries of each codebook. While training, noise is added (Gumbel
    softmax), the entry with the largest sum is taken, and the gradient is that of the softmax; else the entry with the
    largest logit. Adds the loss `w / (G V) sum_g sum_v p_gv ln p_gv`, where `p_gv` is the mean share of entry `v`
    without noise: it is least where all entries are used alike. The temperature of the softmax falls with every
    training step.

    Reference: Ganapathy, MLSP 2025, "Self-supervision in audio - wav2vec" (quantization); Baevski et al. 2020, "wav2vec
    2.0: A Framework for Self-Supervised Learning of Speech Representations"; Jang et al. 2017, "Categorical
    Reparameterization with Gumbel-Softmax".

    Args:
        num_groups: Codebooks `G`, at least 1.
        num_entries: Entries `V` of each, at least 2.
        units: Size of the quantized vector, a multiple of `num_groups`.
        temperature: Temperature at the start, above 0.
        least_temperature: Temperature at which it stops falling, above 0.
        decay: Factor of the temperature at every training step, in `(0, 1]`.
        diversity_weight: `w`, at least 0.
        seed: Seed of the noise.

    Call arguments:
        inputs: `(batch, length, features)`.
        training: Whether to add noise.

    Returns:
        `(batch, length, units)`, float32.

    Raises:
        ValueError: A size, the temperature, the decay or the weight is out of range.

    Example:
        >>> layer = ProductQuantizer(num_groups=2, num_entries=4, units=6)
        >>> tuple(layer(keras.ops.ones((1, 5, 3))).shape)
        (1, 5, 6)
        >>> tuple(layer.codebooks.shape)  # 4 * 4 vectors can be put together
        (2, 4, 3)
    """

    def __init__(
        self,
        num_groups: int,
        num_entries: int,
        units: int,
        temperature: float = 2.0,
        least_temperature: float = 0.5,
        decay: float = 0.999995,
        diversity_weight: float = 0.1,
        seed: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if num_groups < 1:
            raise ValueError(f"`num_groups` must be at least 1. Received: num_groups={num_groups}")
        if num_entries < 2:
            raise ValueError(f"`num_entries` must be at least 2. Received: num_entries={num_entries}")
        if units < 1 or units % num_groups:
            raise ValueError(f"`units` must be a multiple of `num_groups`. Received: units={units}")
        for name, value in (("temperature", temperature), ("least_temperature", least_temperature)):
            if value <= 0:
                raise ValueError(f"`{name}` must be above 0. Received: {name}={value}")
        if not 0 < decay <= 1:
            raise ValueError(f"`decay` must be in (0, 1]. Received: decay={decay}")
        if diversity_weight < 0:
            raise ValueError(f"`diversity_weight` must be at least 0. Received: diversity_weight={diversity_weight}")
        self.num_groups, self.num_entries, self.units = num_groups, num_entries, units
        self.temperature, self.least_temperature, self.decay = temperature, least_temperature, decay
        self.diversity_weight, self.seed = diversity_weight, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        # Large at first, so that different vectors do not all take the same entry.
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.num_groups * self.num_entries),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        self.bias = self.add_weight(name="bias", shape=(self.num_groups * self.num_entries,), initializer="zeros")
        self.codebooks = self.add_weight(
            name="codebooks",
            shape=(self.num_groups, self.num_entries, self.units // self.num_groups),
            initializer=keras.initializers.RandomUniform(0.0, 1.0),
        )
        self.current = self.add_weight(
            name="temperature", shape=(), initializer=keras.initializers.Constant(self.temperature), trainable=False
        )

    def call(self, inputs, training=False):
        shape = (*ops.shape(inputs)[:2], self.num_groups, self.num_entries)
        # Shares and codebooks stay in float32: the shares of many entries are small.
        logits = ops.matmul(ops.cast(inputs, "float32"), self._value(self.kernel)) + self._value(self.bias)
        logits = ops.reshape(logits, shape)
        self.add_loss(self.diversity_weight * self._diversity(logits))
        chosen = self._chosen(logits, training)
        found = ops.einsum("btgv,gvd->btgd", chosen, self._value(self.codebooks))
        return ops.reshape(found, (*shape[:2], self.units))

    def _value(self, weight):
        return ops.cast(ops.convert_to_tensor(weight), "float32")

    def _diversity(self, logits):
        shares = ops.mean(ops.softmax(logits), axis=(0, 1))
        return ops.mean(shares * ops.log(shares + 1e-7))

    def _chosen(self, logits, training):
        """One entry of each codebook as zeros and a one; while training with the gradient of the softmax."""
        if not training:
            return self._largest(logits)
        uniform = keras.random.uniform(ops.shape(logits), 1e-6, 1 - 1e-6, dtype="float32", seed=self.seed_generator)
        temperature = self._value(self.current)
        soft = ops.softmax((logits - ops.log(-ops.log(uniform))) / temperature)
        self.current.assign(ops.maximum(temperature * self.decay, self.least_temperature))
        return self._largest(soft) + soft - ops.stop_gradient(soft)

    def _largest(self, scores):
        # Not `argmax`, which Keras makes of operations on bits that ONNX and LiteRT lack.
        return ops.one_hot(ops.top_k(scores, 1)[1][..., 0], self.num_entries, dtype="float32")

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor((*inputs.shape[:-1], self.units), dtype="float32")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        names = ("num_groups", "num_entries", "units", "temperature", "least_temperature", "decay")
        names += ("diversity_weight", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("kerasmlsp")
class ContrastiveFrames(Composite):
    """Tells what stood at a masked frame from what stood at others.

    Context `c_t` and candidates `q_s`, both mapped to `units` features, give `z_ts = cos(c_t, q_s) / temperature`. Adds
    the loss `-ln(exp(z_tt) / sum_s exp(z_ts))`, the mean over masked frames `t`, where `s` runs over `t` and up to
    `num_distractors` other masked frames of the same row, drawn evenly.

    Reference: Ganapathy, MLSP 2025, "Contrastive Instance Discrimination", "Self-supervision in audio - wav2vec";
    Baevski et al. 2020, "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations".

    Args:
        units: Features in which context and candidates are compared, at least 1.
        num_distractors: Most other frames, at least 1.
        temperature: Temperature of the softmax, above 0.
        seed: Seed of the drawing.

    Call arguments:
        inputs: Context, `(batch, length, features)`.
        candidates: Candidates, `(batch, length, other features)`.
        masked: Booleans `(batch, length)`; of another length as for `MaskedFrames`.

    Returns:
        `z`, `(batch, length, length)`, float32.

    Raises:
        ValueError: A size or the temperature is too small.

    Example:
        >>> layer, frames = ContrastiveFrames(units=4), keras.ops.ones((1, 5, 3))
        >>> logits = layer(frames, frames, keras.ops.array([[True, True, True, True, False]]))
        >>> tuple(logits.shape), round(float(layer.losses[0]), 3)  # ln 4: four masked frames that are the same
        ((1, 5, 5), 1.386)
    """

    def __init__(
        self, units: int, num_distractors: int = 100, temperature: float = 0.1, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        for name, value in (("units", units), ("num_distractors", num_distractors)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        if temperature <= 0:
            raise ValueError(f"`temperature` must be above 0. Received: temperature={temperature}")
        self.units, self.num_distractors, self.temperature, self.seed = units, num_distractors, temperature, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.context_projection = keras.layers.Dense(units, name="context_projection", dtype="float32")
        self.candidate_projection = keras.layers.Dense(units, name="candidate_projection", dtype="float32")

    def build(self, inputs_shape, candidates_shape, masked_shape=None):
        self.context_projection.build(inputs_shape)
        self.candidate_projection.build(candidates_shape)

    def call(self, inputs, candidates, masked):
        context = ops.normalize(self.context_projection(ops.cast(inputs, "float32")), axis=-1)
        candidates = ops.normalize(self.candidate_projection(ops.cast(candidates, "float32")), axis=-1)
        logits = ops.matmul(context, ops.transpose(candidates, (0, 2, 1))) / self.temperature
        self.add_loss(self._loss(logits, _fitted(masked, ops.shape(logits)[1])))
        return logits

    def _loss(self, logits, masked):
        self_ = ops.equal(ops.arange(ops.shape(logits)[1])[:, None], ops.arange(ops.shape(logits)[1])[None])
        others = ops.logical_and(masked[:, None, :], ops.logical_not(self_))
        rows = ops.logsumexp(ops.where(ops.logical_or(self._drawn(others), self_), logits, -1e9), axis=-1)
        each = rows - ops.sum(ops.where(self_, logits, 0.0), axis=-1)
        weights = ops.cast(masked, "float32")
        return ops.sum(each * weights) / ops.maximum(ops.sum(weights), 1.0)

    def _drawn(self, others):
        """`num_distractors` of the frames that are True in `others`, or all where there are no more."""
        length = others.shape[-1]
        if length is not None and length <= self.num_distractors + 1:
            return others
        chance = keras.random.uniform(ops.shape(others), dtype="float32", seed=self.seed_generator)
        chance = ops.where(others, chance, -1.0)
        # Sorted in falling order; the last that is in, or the last there is.
        last = ops.minimum(self.num_distractors, ops.shape(others)[-1]) - 1
        least = ops.take(-ops.sort(-chance, axis=-1), [last], axis=-1)
        return ops.logical_and(others, chance >= least)

    def compute_output_spec(self, inputs, candidates, masked):
        return keras.KerasTensor((*inputs.shape[:-1], inputs.shape[1]), dtype="float32")

    def compute_output_shape(self, inputs_shape, candidates_shape=None, masked_shape=None):
        return (*inputs_shape[:-1], inputs_shape[1])

    def get_config(self):
        names = ("units", "num_distractors", "temperature", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
