"""Networks with an energy against NumPy."""

import itertools

import keras
import numpy as np
import pytest
from backends import XLA

from kerasmlsp import layers, models
from kerasmlsp.models import energy, layerwise


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def sigmoid(value):
    return 1 / (1 + np.exp(-value))


def signs(shape, seed=0):
    return np.random.default_rng(seed).choice([-1.0, 1.0], shape).astype("float32")


# ---- Hopfield networks ---------------------------------------------------------------------------------------------


def stored(patterns, **options):
    layer = layers.Hopfield(**options)
    layer.build(patterns.shape)
    layer.store(patterns)
    return layer


def hebb(patterns):
    weights = patterns.T @ patterns
    np.fill_diagonal(weights, 0)
    return weights


def test_hebb_and_energy_are_their_formulas():
    patterns, states = signs((3, 8)), signs((4, 8), seed=1)
    layer = stored(patterns[:2])
    layer.store(patterns[2:])
    np.testing.assert_allclose(numpy(layer.kernel), hebb(patterns), atol=1e-6)
    expected = -0.5 * np.einsum("bi,ij,bj->b", states, hebb(patterns), states)
    np.testing.assert_allclose(numpy(layer.energy(states)), expected, atol=1e-5)


def test_the_energy_never_rises_from_unit_to_unit():
    layer, states = stored(signs((6, 12))), signs((20, 12), seed=1)
    before, changed = numpy(layer.energy(states)), 0
    for unit in [*range(12), *range(12)]:
        after = numpy(layer.update(states, unit))
        now = numpy(layer.energy(after))
        assert (now <= before + 1e-5).all()
        changed += int((after != states).any(1).sum())
        states, before = after, now
    assert changed > 20


def recalled(patterns, states, sweeps):
    """Asynchronous recall by plain loops."""
    weights, states = hebb(patterns), states.copy()
    for state in states:
        for _ in range(sweeps):
            for unit in range(len(state)):
                state[unit] = np.sign(weights[unit] @ state) or state[unit]
    return states


def test_asynchronous_recall_is_that_of_plain_loops():
    patterns, states = signs((5, 21)), signs((10, 21), seed=1)
    layer = stored(patterns)
    found = numpy(layer(states))
    np.testing.assert_array_equal(found, recalled(patterns, states, 50))
    np.testing.assert_array_equal(numpy(layer(found)), found, "a recalled state is at rest")


def test_recall_in_half_precision_sums_whole_numbers():
    # 257 is no bfloat16: rounded to 256, the sum of the first unit would be 0, and it would stay.
    kernel = np.array([[0, 257, -256], [257, 0, 0], [-256, 0, 0]], "float32")
    for precision in ("float32", "mixed_bfloat16"):
        layer = layers.Hopfield(sweeps=1, synchronous=True, dtype=precision)
        layer.build((None, 3))
        layer.kernel.assign(kernel)
        found = layer(np.array([[-1.0, 1.0, 1.0]], "float32"))
        assert numpy(keras.ops.cast(found, "float32"))[0].tolist() == [1, -1, 1]


def test_synchronous_recall_is_a_product():
    patterns, states = signs((5, 21)), signs((10, 21), seed=1)
    found = numpy(stored(patterns, sweeps=1, synchronous=True)(states))
    field = states @ hebb(patterns)
    np.testing.assert_array_equal(found, np.where(field == 0, states, np.sign(field)))


def test_synchronous_recall_may_go_round_in_circles():
    layer = layers.Hopfield(sweeps=3, synchronous=True)
    layer.build((1, 2))
    layer.kernel.assign(np.array([[0, 1], [1, 0]], "float32"))
    np.testing.assert_array_equal(numpy(layer(np.array([[1.0, -1.0]]))), [[-1, 1]])


def test_a_noisy_pattern_is_mended():
    patterns = signs((4, 100))
    noisy = patterns.copy()
    noisy[:, :15] *= -1
    np.testing.assert_array_equal(numpy(stored(patterns)(noisy)), patterns)


def test_a_step_down_the_energy_is_hebbs_rule():
    model, patterns = models.hopfield_network(8), signs((4, 8))
    model.compile(keras.optimizers.SGD(1.0), jit_compile=XLA)
    model.fit(patterns, batch_size=4, verbose=0)
    # The mean over 4 patterns of half of the outer products, for each of 8 units.
    np.testing.assert_allclose(numpy(model.get_layer("recalled").kernel), hebb(patterns) / 2 / 4 / 8, atol=1e-6)


def test_the_capacity_curve_falls():
    few, many = energy.hopfield_overlaps(100, [0.05, 0.4], trials=2)
    assert few > 0.99 and many < 0.8
    with pytest.raises(ValueError, match="`loads` must give at least one pattern each"):
        energy.hopfield_overlaps(10, [0.01])


def modern(patterns, **options):
    layer = layers.ModernHopfield(len(patterns), **options)
    layer.build((None, patterns.shape[1]))
    layer.store(patterns)
    return layer


def test_modern_recall_and_energy_are_their_formulas():
    random = np.random.default_rng(0)
    patterns, states = random.normal(size=(5, 4)), random.normal(size=(3, 4))
    scores = 0.7 * states @ patterns.T
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    layer = modern(patterns, beta=0.7)
    np.testing.assert_allclose(numpy(layer(states)), shares @ patterns, rtol=1e-4)
    expected = -np.log(np.exp(scores).sum(1)) / 0.7 + 0.5 * (states**2).sum(1)
    np.testing.assert_allclose(numpy(layer.energy(states)), expected, rtol=1e-4)


def test_modern_recall_never_raises_the_energy():
    random = np.random.default_rng(0)
    layer, states = modern(random.normal(size=(9, 6)), beta=0.8), random.normal(size=(20, 6)) * 2
    energies = [numpy(layer.energy(states))]
    for _ in range(6):
        states = numpy(layer(states))
        energies.append(numpy(layer.energy(states)))
    assert (np.diff(energies, axis=0) <= 1e-5).all() and (energies[0] - energies[1]).min() > 0.01


def test_a_modern_network_holds_more_patterns_than_units():
    patterns = signs((200, 40))
    noisy = patterns.copy()
    noisy[:, :6] *= -1
    found = numpy(modern(patterns, beta=1.0, steps=2)(noisy))
    assert np.mean(np.sign(found) == patterns) > 0.99 > np.mean(numpy(stored(patterns)(noisy)) == patterns)


# ---- restricted Boltzmann machines ---------------------------------------------------------------------------------


def machine(visible=5, units=3, scale=0.7, **options):
    layer, random = layers.RBM(units, seed=1, **options), np.random.default_rng(0)
    layer.build((None, visible))
    for weight in (layer.kernel, layer.visible_bias, layer.hidden_bias):
        weight.assign(random.normal(0, scale, weight.shape))
    return layer


def parts(layer):
    return [numpy(each).astype("float64") for each in (layer.kernel, layer.visible_bias, layer.hidden_bias)]


def all_states(units):
    return np.array(list(itertools.product([0, 1], repeat=units)), "float32")


def test_the_free_energy_sums_over_all_hidden_states():
    layer = machine()
    kernel, b, c = parts(layer)
    visible, hidden = all_states(5), all_states(3)
    energies = -(visible @ kernel @ hidden.T) - (visible @ b)[:, None] - hidden @ c
    np.testing.assert_allclose(numpy(layer.free_energy(visible)), -np.log(np.exp(-energies).sum(1)), rtol=1e-4)


def test_probabilities_and_reconstruction_are_their_formulas():
    layer = machine()
    kernel, b, c = parts(layer)
    visible, hidden = all_states(5), all_states(3)
    np.testing.assert_allclose(numpy(layer(visible)), sigmoid(visible @ kernel + c), rtol=1e-5)
    np.testing.assert_allclose(numpy(layer.visible_probabilities(hidden)), sigmoid(hidden @ kernel.T + b), rtol=1e-5)
    expected = sigmoid(sigmoid(visible @ kernel + c) @ kernel.T + b)
    np.testing.assert_allclose(numpy(layer.reconstruct(visible)), expected, rtol=1e-5)


def test_gibbs_sampling_reaches_the_distribution():
    layer = machine()
    visible = all_states(5)
    shares = np.exp(-numpy(layer.free_energy(visible)))
    shares /= shares.sum()
    drawn = numpy(layer.gibbs(np.zeros((20_000, 5), "float32"), 15))
    counts = np.bincount((drawn @ 2 ** np.arange(4, -1, -1)).astype(int), minlength=32)
    # Chi-squared of 31 degrees of freedom: mean 31, standard deviation 7.9.
    assert np.sum((counts - 20_000 * shares) ** 2 / (20_000 * shares)) < 31 + 5 * 7.9


@pytest.mark.parametrize("chains", [0, 6], ids=["from data", "persistent"])
def test_a_step_is_that_of_contrastive_divergence(chains):
    """The visible units are driven so strongly that what is sampled is known: all 1."""
    data = all_states(3)[1:7]
    model = models.restricted_boltzmann_machine(3, 2, num_chains=chains)
    layer = model.get_layer("hidden")
    layer.visible_bias.assign(np.full(3, 200.0))
    layer.kernel.assign(np.array([[0.3, -0.2], [0.5, 0.1], [-0.4, 0.2]]))
    kernel, b, c = parts(layer)
    model.compile(keras.optimizers.SGD(0.1), jit_compile=XLA)
    model.fit(data, batch_size=6, verbose=0)
    ones = np.ones((6, 3))
    before, after = sigmoid(data @ kernel + c), sigmoid(ones @ kernel + c)
    expected = (
        kernel + 0.1 * (data.T @ before - ones.T @ after) / 6,
        b + 0.1 * (data - ones).mean(0),
        c + 0.1 * (before - after).mean(0),
    )
    for found, wanted in zip(parts(layer), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    if chains:
        drawn = numpy(layer.chains)
        assert set(drawn.ravel().tolist()) <= {0.0, 1.0} and drawn.any()


@pytest.mark.parametrize("options", [{}, {"gibbs_steps": 3}, {"num_chains": 100}], ids=["CD-1", "CD-3", "persistent"])
def test_training_raises_the_likelihood(options):
    """Two patterns with a tenth of the units flipped, against the exact likelihood over all states."""
    random = np.random.default_rng(0)
    pattern = random.integers(0, 2, (1000, 1)) == (np.arange(6) < 3)
    data = (pattern ^ (random.random((1000, 6)) < 0.1)).astype("float32")
    model = models.restricted_boltzmann_machine(6, 4, seed=0, **options)
    model.get_layer("hidden").kernel.assign(random.normal(0, 0.1, (6, 4)))

    def likelihood():
        free = numpy(model.get_layer("hidden").free_energy(all_states(6))).astype("float64")
        mean = numpy(model.get_layer("hidden").free_energy(data)).mean()
        return -mean - np.log(np.exp(-free).sum())

    before = likelihood()
    model.compile(keras.optimizers.SGD(0.1), jit_compile=XLA)
    model.fit(np.tile(data, (40, 1)), batch_size=100, verbose=0)
    # That of the patterns themselves: a choice of two, and six flips.
    best = -np.log(2) + 6 * (0.1 * np.log(0.1) + 0.9 * np.log(0.9))
    assert before < best - 1.4 and likelihood() > best - 0.4, f"from {before} to {likelihood()}; the best is {best}"


# ---- pre-training --------------------------------------------------------------------------------------------------


def two_groups():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 64)
    return (random.random((64, 6)) < np.where(labels[:, None] == (np.arange(6) < 3), 0.9, 0.1)).astype(
        "float32"
    ), labels


def deep():
    keras.utils.set_random_seed(0)
    return models.deep_belief_network(6, 2, hidden_units=(5, 4))


def probe(model, data, labels):
    """Loss of the best linear answer from the last hidden layer, by least squares."""
    hidden = keras.Model(model.input, model.get_layer("hidden_2").output).predict(data, verbose=0)
    design = np.c_[hidden, np.ones(len(hidden))]
    answer = design @ np.linalg.lstsq(design, labels, rcond=None)[0]
    return np.mean((answer - labels) ** 2), hidden


@pytest.mark.parametrize("how", ["pretrain_with_rbms", "pretrain_with_autoencoders", "pretrain_with_labels"])
def test_pretraining_changes_hidden_layers_only(how):
    data, labels = two_groups()
    model, before = deep(), deep()
    rate = 0.05 if how == "pretrain_with_rbms" else 0.02
    options = {"learning_rate": rate, "epochs": 3, "batch_size": 16}
    # Many steps in few epochs, which cost more.
    data, labels = np.tile(data, (10, 1)), np.tile(labels, 10)
    given = (data, labels) if how == "pretrain_with_labels" else (data,)
    assert getattr(layerwise, how)(model, *given, **options) is model
    for name in ("hidden_1", "hidden_2"):
        for new, old in zip(model.get_layer(name).get_weights(), before.get_layer(name).get_weights(), strict=True):
            assert np.abs(new - old).max() > 1e-3
    last = [each.get_layer("probabilities").get_weights()[0] for each in (model, before)]
    np.testing.assert_array_equal(*last)
    loss, hidden = probe(model, data, labels)
    assert loss < 0.15 and np.ptp(hidden, axis=0).max() > 0.1


@pytest.mark.parametrize("how", ["pretrain_with_rbms", "pretrain_with_autoencoders"])
def test_layers_may_be_trained_by_another_fit(how):
    data, calls = two_groups()[0], []

    def fit(build, inputs, targets, name):
        calls.append((name, inputs.shape, targets is None))
        part = build()
        part.fit(inputs, targets, batch_size=64, epochs=1, verbose=0)
        calls.append(part.layers[0 if how == "pretrain_with_rbms" else -2].get_weights()[0])
        return part

    model = getattr(layerwise, how)(deep(), data, fit=fit)
    assert calls[::2] == [(f"hidden_{n}", (64, units), how == "pretrain_with_rbms") for n, units in ((1, 6), (2, 5))]
    for number, kernel in enumerate(calls[1::2], 1):
        np.testing.assert_array_equal(model.get_layer(f"hidden_{number}").get_weights()[0], kernel)


def test_visible_biases_start_at_the_log_odds_of_the_data():
    starts = []

    def fit(build, inputs, targets, name):
        machine = build()
        starts.append((inputs.mean(axis=0), keras.ops.convert_to_numpy(machine.layers[0].visible_bias)))
        return machine

    data = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]], "float32")
    layerwise.pretrain_with_rbms(models.deep_belief_network(3, 2, hidden_units=(4, 4)), data, fit=fit)
    np.testing.assert_allclose(starts[0][1], np.log([99, 1 / 3, 1 / 99]), rtol=1e-5)
    means, biases = starts[1]
    np.testing.assert_allclose(1 / (1 + np.exp(-biases)), means, rtol=1e-5)


def test_what_is_no_chain_is_refused():
    data, labels = two_groups()
    other = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2, "softmax")])
    with pytest.raises(ValueError, match="`model` must be a chain of at least two Dense layers"):
        layerwise.pretrain_with_labels(other, data, labels)
    rectified = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="`model` must have sigmoid hidden layers"):
        layerwise.pretrain_with_rbms(rectified, data)
