"""Networks with an energy: what they have learned lies in its valleys."""

from typing import Any

import keras
from keras import ops
from numpy.typing import ArrayLike


@keras.saving.register_keras_serializable("kerasmlsp")
class Hopfield(keras.layers.Layer):
    """A Hopfield network: symmetric connections without loops, whose stored patterns are minima of the energy.

    The energy of states `v` of -1 and 1 is `E = -1/2 sum_ij w_ij v_i v_j`. Recall sets unit after unit to the sign of
    `sum_j w_ij v_j`, in their order, until a sweep over all changes nothing; a unit whose sum is 0 stays. This never
    raises the energy. With `synchronous`, all units change at once, which may end in a cycle of two states.

    `store` is Hebb's rule. Training minimises the mean energy of the batch over the units: its gradient is that rule
    too, which adds without end.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Hopfield Network"; Hopfield 1982, "Neural Networks and
    Physical Systems with Emergent Collective Computational Abilities".

    Args:
        sweeps: Most updates of every unit, at least 1.
        synchronous: Whether all units change at once.

    Call arguments:
        inputs: States `(batch, units)` of -1 and 1.
        training: Whether to add the energy to the losses, without recall.

    Returns:
        The states that recall ends in, `(batch, units)`; while training, the inputs.

    Raises:
        ValueError: `sweeps` is less than 1.

    Example:
        >>> layer = Hopfield()
        >>> layer.build((None, 4))
        >>> layer.store([[1.0, 1.0, -1.0, -1.0]])
        >>> found = layer(keras.ops.array([[1.0, 1.0, -1.0, 1.0]]))  # the last unit is wrong
        >>> print(keras.ops.convert_to_numpy(found), float(layer.energy(found)[0]))
        [[ 1.  1. -1. -1.]] -6.0
    """

    def __init__(self, sweeps: int = 50, synchronous: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        if sweeps < 1:
            raise ValueError(f"`sweeps` must be at least 1. Received: sweeps={sweeps}")
        self.sweeps, self.synchronous = sweeps, synchronous

    def build(self, input_shape):
        self.units = input_shape[-1]
        # Whole numbers, which half precision would round.
        shape = (self.units, self.units)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="zeros", autocast=False)

    def call(self, inputs, training=False):
        states = ops.cast(inputs, "float32")
        if training:
            self.add_loss(ops.mean(self.energy(states)) / self.units)
            return ops.cast(states, self.compute_dtype)
        weights, columns = self._weights(), ops.transpose(states)

        def more(sweep, changed, columns):
            return ops.logical_and(sweep < self.sweeps, changed)

        def body(sweep, changed, columns):
            if self.synchronous:
                after = _signs(ops.matmul(weights, columns), columns)
            else:
                after = ops.fori_loop(0, self.units, lambda unit, now: _updated(weights, now, unit), columns)
            return sweep + 1, ops.any(ops.not_equal(after, columns)), after

        start = ops.convert_to_tensor(0, "int32"), ops.convert_to_tensor(True), columns
        return ops.cast(ops.transpose(ops.while_loop(more, body, start)[-1]), self.compute_dtype)

    def store(self, patterns: ArrayLike) -> None:
        """Adds patterns `(count, units)` of -1 and 1 by Hebb's rule: `w_ij += sum_p x_pi x_pj`."""
        # Not divided by the units, which changes no sign: whole numbers sum to 0 exactly.
        patterns = ops.cast(patterns, "float32")
        self.kernel.assign_add(ops.matmul(ops.transpose(patterns), patterns) * _no_loops(self.units))

    def update(self, states: ArrayLike, unit: int) -> keras.KerasTensor:
        """Returns states `(batch, units)` after the update of one unit."""
        columns = ops.transpose(ops.cast(states, "float32"))
        return ops.transpose(_updated(self._weights(), columns, ops.convert_to_tensor(unit, "int32")))

    def energy(self, states: ArrayLike) -> keras.KerasTensor:
        """Energy of states `(batch, units)`, `(batch,)`."""
        states = ops.cast(states, "float32")
        return -0.5 * ops.sum(states * ops.matmul(states, self._weights()), axis=1)

    def _weights(self):
        kernel = ops.cast(self.kernel, "float32")
        return 0.5 * (kernel + ops.transpose(kernel)) * _no_loops(self.units)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "sweeps": self.sweeps, "synchronous": self.synchronous}


def _no_loops(units):
    return 1.0 - ops.eye(units, dtype="float32")


def _signs(field, states):
    return ops.where(field > 0, 1.0, ops.where(field < 0, -1.0, states))


def _updated(weights, columns, unit):
    """States `(units, batch)` after the update of one unit."""
    row = ops.take(columns, unit, axis=0)
    after = _signs(ops.matmul(ops.take(weights, unit, axis=0)[None], columns), row[None])
    return ops.slice_update(columns, (unit, 0), after)


@keras.saving.register_keras_serializable("kerasmlsp")
class ModernHopfield(keras.layers.Layer):
    """A Hopfield network of continuous states, which recalls by softmax: attention to the stored patterns.

    With the patterns as rows of `X`, a step is `v = X^T softmax(beta X v)`. It never raises the energy
    `-logsumexp(beta X v) / beta + |v|^2 / 2`. The patterns can be stored, or trained.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Hopfield Network"; Ramsauer et al. 2021, "Hopfield
    Networks is All You Need"; Krotov and Hopfield 2016, "Dense Associative Memory for Pattern Recognition".

    Args:
        num_patterns: Number of stored patterns, at least 1.
        beta: Inverse temperature, above 0: the higher, the more does recall single out one pattern.
        steps: Steps of a recall, at least 1.

    Call arguments:
        inputs: States `(batch, units)`.

    Returns:
        The states after the last step, `(batch, units)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> layer = ModernHopfield(num_patterns=2, beta=8.0)
        >>> layer.build((None, 4))
        >>> layer.store([[1.0, 1.0, -1.0, -1.0], [-1.0, 1.0, -1.0, 1.0]])
        >>> print(keras.ops.convert_to_numpy(layer(keras.ops.array([[0.5, 1.0, -1.0, -1.0]]))).round(3))
        [[ 1.  1. -1. -1.]]
    """

    def __init__(self, num_patterns: int, beta: float = 1.0, steps: int = 1, **kwargs: Any):
        super().__init__(**kwargs)
        for name, value in (("num_patterns", num_patterns), ("steps", steps)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        if beta <= 0:
            raise ValueError(f"`beta` must be above 0. Received: beta={beta}")
        self.num_patterns, self.beta, self.steps = num_patterns, beta, steps

    def build(self, input_shape):
        shape = (self.num_patterns, input_shape[-1])
        self.patterns = self.add_weight(name="patterns", shape=shape, initializer="glorot_uniform", autocast=False)

    def call(self, inputs):
        states = ops.cast(inputs, "float32")
        for _ in range(self.steps):
            shares = ops.softmax(self.beta * self._likeness(states))
            states = ops.matmul(shares, ops.cast(self.patterns, "float32"))
        return ops.cast(states, self.compute_dtype)

    def store(self, patterns: ArrayLike) -> None:
        """Puts patterns `(num_patterns, units)` in the place of those there are."""
        self.patterns.assign(patterns)

    def energy(self, states: ArrayLike) -> keras.KerasTensor:
        """Energy of states `(batch, units)`, `(batch,)`."""
        states = ops.cast(states, "float32")
        attraction = ops.logsumexp(self.beta * self._likeness(states), axis=1) / self.beta
        return 0.5 * ops.sum(ops.square(states), axis=1) - attraction

    def _likeness(self, states):
        return ops.matmul(states, ops.transpose(ops.cast(self.patterns, "float32")))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "num_patterns": self.num_patterns, "beta": self.beta, "steps": self.steps}


@keras.saving.register_keras_serializable("kerasmlsp")
class RBM(keras.layers.Layer):
    """A restricted Boltzmann machine of binary units, trained by contrastive divergence.

    The energy is `E(v, h) = -v^T W h - b^T v - c^T h`, the free energy of visible units
    `F(v) = -b^T v - sum_j softplus(c_j + (v W)_j)`. Training adds the loss `mean F(data) - mean F(v_k)`, where `v_k`
    are the visible units after `gibbs_steps` of Gibbs sampling and count as constants: its gradient is that of CD-k.
    The sampling starts from the data (CD), or, with `num_chains`, from where it ended in the batch before (persistent
    CD).

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Restricted Boltzmann Machine"; Hinton 2002, "Training
    Products of Experts by Minimizing Contrastive Divergence"; Tieleman 2008, "Training Restricted Boltzmann Machines
    using Approximations to the Likelihood Gradient" (persistent).

    Args:
        units: Hidden units, at least 1.
        gibbs_steps: Steps of Gibbs sampling, at least 1.
        num_chains: Chains of persistent CD; 0 for CD.
        seed: Seed of the sampling; None for one that follows from `keras.utils.set_random_seed`.

    Call arguments:
        inputs: Visible units `(batch, visible)`, 0 or 1, or probabilities.
        training: Whether to add the loss.

    Returns:
        Probabilities of the hidden units `(batch, units)`.

    Raises:
        ValueError: An argument is out of range.

    Example:
        >>> layer, dark = RBM(units=2), keras.ops.zeros((1, 3))
        >>> print(keras.ops.convert_to_numpy(layer(dark)))  # without biases nothing drives the hidden units
        [[0.5 0.5]]
        >>> print(keras.ops.convert_to_numpy(layer.free_energy(dark)).round(3))  # -2 ln 2
        [-1.386]
    """

    def __init__(self, units: int, gibbs_steps: int = 1, num_chains: int = 0, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        for name, value, least in (("units", units, 1), ("gibbs_steps", gibbs_steps, 1), ("num_chains", num_chains, 0)):
            if value < least:
                raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")
        self.units, self.gibbs_steps, self.num_chains, self.seed = units, gibbs_steps, num_chains, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        start = keras.initializers.RandomNormal(stddev=0.01)
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units), initializer=start)
        self.visible_bias = self.add_weight(name="visible_bias", shape=(input_shape[-1],), initializer="zeros")
        self.hidden_bias = self.add_weight(name="hidden_bias", shape=(self.units,), initializer="zeros")
        if self.num_chains:
            shape = (self.num_chains, self.units)
            self.chains = self.add_weight(name="chains", shape=shape, initializer="zeros", trainable=False)

    def call(self, inputs, training=False):
        if training and self.num_chains:
            return self._persistent(inputs)
        fields = self._fields(inputs)
        shares = ops.sigmoid(fields)
        if training:
            visible = self._visible_after(self._drawn(shares))
            self.add_loss(ops.mean(self._free(inputs, fields)) - ops.mean(self.free_energy(visible)))
        return ops.cast(shares, self.compute_dtype)

    def _persistent(self, inputs):
        """The call in training with chains.

        They do not ask for the inputs: what drives the hidden units of both is one product, and so is the gradient.
        """
        batch, visible = ops.shape(inputs)[0], self._visible_after(ops.cast(self.chains, "float32"))
        both = ops.concatenate([inputs, ops.cast(visible, inputs.dtype)])
        fields = self._fields(both)
        shares, free = ops.sigmoid(fields), self._free(both, fields)
        self.chains.assign(self._drawn(shares[batch:]))
        self.add_loss(ops.mean(free[:batch]) - ops.mean(free[batch:]))
        return ops.cast(shares[:batch], self.compute_dtype)

    def free_energy(self, visible: ArrayLike) -> keras.KerasTensor:
        """Free energy of visible units `(batch, visible)`, `(batch,)`."""
        return self._free(visible, self._fields(visible))

    def visible_probabilities(self, hidden: ArrayLike) -> keras.KerasTensor:
        """Probabilities of the visible units, `(batch, visible)`, given hidden ones `(batch, units)`."""
        kernel = ops.cast(self.kernel, self.compute_dtype)
        products = ops.matmul(ops.cast(hidden, self.compute_dtype), ops.transpose(kernel))
        return ops.sigmoid(ops.cast(products, "float32") + ops.cast(self.visible_bias, "float32"))

    def reconstruct(self, visible: ArrayLike) -> keras.KerasTensor:
        """Probabilities of the visible units given those of the hidden ones, which follow from `(batch, visible)`."""
        return self.visible_probabilities(ops.sigmoid(self._fields(visible)))

    def gibbs(self, visible: ArrayLike, steps: int) -> keras.KerasTensor:
        """Samples hidden and visible units in turns, `steps` times from visible ones `(batch, visible)` on."""
        for _ in range(steps):
            hidden = self._drawn(ops.sigmoid(self._fields(visible)))
            visible = self._drawn(self.visible_probabilities(hidden))
        return visible

    def _visible_after(self, hidden):
        """The visible units where the sampling ends. Drawing has no gradient, so that they count as data."""
        visible = self._drawn(self.visible_probabilities(hidden))
        return self.gibbs(visible, self.gibbs_steps - 1)

    def _fields(self, visible):
        """What drives the hidden units: `c + v W`."""
        products = ops.matmul(ops.cast(visible, self.compute_dtype), ops.cast(self.kernel, self.compute_dtype))
        return ops.cast(products, "float32") + ops.cast(self.hidden_bias, "float32")

    def _free(self, visible, fields):
        linear = ops.matmul(ops.cast(visible, "float32"), ops.cast(self.visible_bias, "float32")[:, None])[:, 0]
        return -linear - ops.sum(ops.softplus(fields), axis=1)

    def _drawn(self, shares):
        uniform = keras.random.uniform(ops.shape(shares), seed=self.seed_generator)
        return ops.cast(uniform < shares, "float32")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "gibbs_steps": self.gibbs_steps,
            "num_chains": self.num_chains,
            "seed": self.seed,
        }
