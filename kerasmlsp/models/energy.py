"""Networks with an energy, and what is made of them."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers, ops

from kerasmlsp.layers import RBM, Hopfield, ModernHopfield
from kerasmlsp.models._checks import check_rates, check_sizes
from kerasmlsp.models._heads import class_probabilities


def hopfield_network(
    num_units: int, *, sweeps: int = 50, synchronous: bool = False, name: str = "hopfield_network"
) -> keras.Model:
    """Builds a Hopfield network: its layer `recalled` stores patterns, and recalls the one next to a state.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Hopfield Network"; Hopfield 1982, "Neural Networks and
    Physical Systems with Emergent Collective Computational Abilities".

    Args:
        num_units: Units, all connected.
        sweeps: Most updates of every unit.
        synchronous: Whether all units change at once, which may end in a cycle.
        name: Name of the model.

    Returns:
        A model from states `(batch, num_units)` of -1 and 1 to those that recall ends in. It has its own loss, the
        energy for each unit; `get_layer("recalled").store(patterns)` needs no training.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> import numpy as np
        >>> model = hopfield_network(4)
        >>> model.get_layer("recalled").store(np.array([[1.0, 1.0, -1.0, -1.0]]))
        >>> np.asarray(model(np.array([[1.0, 1.0, -1.0, 1.0]]))).tolist()  # the last unit was wrong
        [[1.0, 1.0, -1.0, -1.0]]
    """
    check_sizes(num_units=num_units, sweeps=sweeps)
    state = keras.Input((num_units,), name="state")
    return keras.Model(state, Hopfield(sweeps, synchronous, dtype="float32", name="recalled")(state), name=name)


def modern_hopfield_network(
    num_units: int, num_patterns: int, *, beta: float = 1.0, steps: int = 1, name: str = "modern_hopfield_network"
) -> keras.Model:
    """Builds a modern Hopfield network, which recalls by softmax over the stored patterns.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Hopfield Network"; Ramsauer et al. 2021, "Hopfield
    Networks is All You Need".

    Args:
        num_units: Numbers of a pattern.
        num_patterns: Stored patterns.
        beta: Inverse temperature, above 0.
        steps: Steps of a recall.
        name: Name of the model.

    Returns:
        A model from states `(batch, num_units)` to recalled ones; `get_layer("recalled").store(patterns)` fills it, or
        training.

    Raises:
        ValueError: A size is too small, or `beta` is not above 0.

    Example:
        >>> import numpy as np
        >>> model = modern_hopfield_network(2, 2)
        >>> model.get_layer("recalled").store(np.eye(2))
        >>> [round(float(each), 3) for each in model(np.array([[1.0, 0.0]]))[0]]  # softmax of (1, 0)
        [0.731, 0.269]
    """
    check_sizes(num_units=num_units, num_patterns=num_patterns, steps=steps)
    state = keras.Input((num_units,), name="state")
    recalled = ModernHopfield(num_patterns, beta, steps, dtype="float32", name="recalled")(state)
    return keras.Model(state, recalled, name=name)


def restricted_boltzmann_machine(
    num_visible: int,
    num_hidden: int,
    *,
    gibbs_steps: int = 1,
    num_chains: int = 0,
    seed: int | None = None,
    name: str = "restricted_boltzmann_machine",
) -> keras.Model:
    """Builds a restricted Boltzmann machine of binary units, trained by `compile(optimizer)` and `fit(data)`.

    Its layer `hidden` has the free energy, reconstruction and Gibbs sampling.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Restricted Boltzmann Machine"; Hinton 2002, "Training
    Products of Experts by Minimizing Contrastive Divergence"; Tieleman 2008, "Training Restricted Boltzmann Machines
    using Approximations to the Likelihood Gradient".

    Args:
        num_visible: Visible units.
        num_hidden: Hidden units.
        gibbs_steps: Steps of Gibbs sampling, the k of CD-k.
        num_chains: Chains of persistent contrastive divergence, usually as many as a batch has rows; 0 for none.
        seed: Seed of the sampling; None for one that follows from `keras.utils.set_random_seed`.
        name: Name of the model.

    Returns:
        A model from visible units `(batch, num_visible)` in `[0, 1]` to the probabilities of the hidden ones,
        `(batch, num_hidden)`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = restricted_boltzmann_machine(6, 4)
        >>> model.count_params()  # 6 * 4 weights, a bias of each unit
        34
    """
    check_sizes(num_visible=num_visible, num_hidden=num_hidden)
    visible = keras.Input((num_visible,), name="visible")
    return keras.Model(visible, RBM(num_hidden, gibbs_steps, num_chains, seed, name="hidden")(visible), name=name)


def deep_belief_network(
    num_visible: int,
    num_classes: int,
    *,
    hidden_units: tuple[int, ...] = (500, 500),
    dropout: float = 0.0,
    name: str = "deep_belief_network",
) -> keras.Model:
    """Builds a deep belief network unrolled into a classifier: logistic layers that are to start from RBMs.

    `kerasmlsp.models.layerwise.pretrain_with_rbms` gives its layers their weights.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Unsupervised Pretraining"; Hinton, Osindero and Teh 2006,
    "A Fast Learning Algorithm for Deep Belief Nets".

    Args:
        num_visible: Features.
        num_classes: Number of classes, at least 2.
        hidden_units: Units of every hidden layer, at least one.
        dropout: Drop probability after each hidden layer, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_visible)` in `[0, 1]` to class probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or `dropout` is out of range.

    Example:
        >>> model = deep_belief_network(784, 10, hidden_units=(20, 10))
        >>> model.count_params()  # (784 + 1) * 20, (20 + 1) * 10, (10 + 1) * 10
        16020
    """
    check_sizes(num_visible=num_visible, hidden_units=min(hidden_units, default=0))
    check_rates(dropout=dropout)
    check_sizes(2, num_classes=num_classes)
    visible = keras.Input((num_visible,), name="visible")
    features = visible
    for i, units in enumerate(hidden_units, start=1):
        features = layers.Dense(units, activation="sigmoid", name=f"hidden_{i}")(features)
        features = layers.Dropout(dropout, name=f"dropout_{i}")(features)
    return keras.Model(visible, class_probabilities(features, num_classes), name=name)


def hopfield_overlaps(
    num_units: int, loads: Sequence[float], *, trials: int = 3, sweeps: int = 50, seed: int = 0
) -> list[float]:
    """Measures how well a Hopfield network holds random patterns, from few to too many: its capacity curve.

    Recall starts from each stored pattern. The overlap of pattern `x` and recalled state `v` is `x . v / num_units`: 1
    for a pattern that is held, about 0 for one that is lost.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Hopfield Network"; Amit, Gutfreund and Sompolinsky 1985,
    "Storing Infinite Numbers of Patterns in a Spin-Glass Model of Neural Networks" (0.138 patterns for each unit).

    Args:
        num_units: Units of the network.
        loads: Patterns for each unit, above 0.
        trials: Networks to a load, at least 1.
        sweeps: Most updates of every unit.
        seed: Seed of the patterns.

    Returns:
        The mean overlap at each load, a list of floats.

    Raises:
        ValueError: A size is too small, or a load gives no pattern.

    Example:
        >>> hopfield_overlaps(20, [0.05], trials=1)  # one pattern of twenty units is always held
        [1.0]
    """
    check_sizes(trials=trials)
    random, model = np.random.default_rng(seed), hopfield_network(num_units, sweeps=sweeps)
    memory = model.get_layer("recalled")
    overlaps = []
    for load in loads:
        count = round(load * num_units)
        if count < 1:
            raise ValueError(f"`loads` must give at least one pattern each. Received: {load} of {num_units} units")
        found = []
        for _ in range(trials):
            patterns = random.choice([-1.0, 1.0], (count, num_units)).astype("float32")
            memory.kernel.assign(ops.zeros(memory.kernel.shape))
            memory.store(patterns)
            found.append(np.mean(patterns * model.predict(patterns, batch_size=count, verbose=0)))
        overlaps.append(float(np.mean(found)))
    return overlaps
