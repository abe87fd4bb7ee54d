"""Recurrent layers against loops in NumPy."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerasmlsp import layers
from kerasmlsp.layers.graph import neighbourhoods

SIGNAL = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
UNITS = 4


def numpy(value):
    return ops.convert_to_numpy(value)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def shaken(layer):
    """Gives a layer weights unlike those at the start, where biases and peepholes are 0."""
    layer.set_weights([w + 0.3 * np.cos(np.arange(w.size)).reshape(w.shape) for w in layer.get_weights()])
    return layer


# ---- variants of the LSTM ------------------------------------------------------------------------------------------


class Weights:
    """The weights of a variant by gate: i, f, o, and z for the candidate."""

    def __init__(self, cell, gates):
        named = {weight.name: numpy(weight) for weight in cell.weights}
        order = ["z", *gates]
        size = UNITS * np.arange(1, len(order))
        self.w = dict(zip(order, np.split(named["kernel"], size, axis=1), strict=True))
        self.r = dict(zip(order, np.split(named["recurrent_kernel"], size, axis=1), strict=True))
        self.b = dict(zip(order, np.split(named["bias"], size), strict=True))
        self.p = dict(zip(gates, named.get("peephole", np.zeros((len(gates), UNITS))), strict=True))
        self.gates = named.get("gate_kernel")

    def sum(self, gate, x, y):
        return x @ self.w[gate] + y @ self.r[gate] + self.b[gate]


def plain(m, x, y, c):
    i, f, o = (sigmoid(m.sum(gate, x, y)) for gate in "ifo")
    c = f * c + i * np.tanh(m.sum("z", x, y))
    return o * np.tanh(c), c


def no_input_gate(m, x, y, c):
    f, o = (sigmoid(m.sum(gate, x, y)) for gate in "fo")
    c = f * c + np.tanh(m.sum("z", x, y))
    return o * np.tanh(c), c


def no_forget_gate(m, x, y, c):
    i, o = (sigmoid(m.sum(gate, x, y)) for gate in "io")
    c = c + i * np.tanh(m.sum("z", x, y))
    return o * np.tanh(c), c


def no_output_gate(m, x, y, c):
    i, f = (sigmoid(m.sum(gate, x, y)) for gate in "if")
    c = f * c + i * np.tanh(m.sum("z", x, y))
    return np.tanh(c), c


def no_input_activation(m, x, y, c):
    i, f, o = (sigmoid(m.sum(gate, x, y)) for gate in "ifo")
    c = f * c + i * m.sum("z", x, y)
    return o * np.tanh(c), c


def no_output_activation(m, x, y, c):
    i, f, o = (sigmoid(m.sum(gate, x, y)) for gate in "ifo")
    c = f * c + i * np.tanh(m.sum("z", x, y))
    return o * c, c


def peepholes(m, x, y, c):
    i, f = (sigmoid(m.sum(gate, x, y) + m.p[gate] * c) for gate in "if")
    c = f * c + i * np.tanh(m.sum("z", x, y))
    o = sigmoid(m.sum("o", x, y) + m.p["o"] * c)
    return o * np.tanh(c), c


def coupled_gates(m, x, y, c):
    i, o = (sigmoid(m.sum(gate, x, y)) for gate in "io")
    c = (1 - i) * c + i * np.tanh(m.sum("z", x, y))
    return o * np.tanh(c), c


def gate_recurrence(m, x, y, c, i, f, o):
    before = np.concatenate([i, f, o], 1)
    more = np.split(before @ m.gates, 3, axis=1)
    i, f, o = (sigmoid(m.sum(gate, x, y) + seen) for gate, seen in zip("ifo", more, strict=True))
    c = f * c + i * np.tanh(m.sum("z", x, y))
    return o * np.tanh(c), c, i, f, o


VARIANTS = {
    plain: ({}, "ifo"),
    no_input_gate: ({"input_gate": False}, "fo"),
    no_forget_gate: ({"forget_gate": False}, "io"),
    no_output_gate: ({"output_gate": False}, "if"),
    no_input_activation: ({"input_activation": False}, "ifo"),
    no_output_activation: ({"output_activation": False}, "ifo"),
    peepholes: ({"peepholes": True}, "ifo"),
    coupled_gates: ({"coupled_gates": True}, "io"),
    gate_recurrence: ({"gate_recurrence": True}, "ifo"),
}


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__)
def test_a_variant_of_the_lstm_is_its_recurrence(variant):
    options, gates = VARIANTS[variant]
    layer = keras.layers.RNN(layers.LSTMVariantCell(UNITS, **options), return_sequences=True)
    layer.build(SIGNAL.shape)
    start = dict(zip(["z", *gates], np.split(numpy(layer.cell.bias), 1 + len(gates)), strict=True))
    assert all((bias == (name == "f")).all() for name, bias in start.items()), "only the forget gate starts open"
    shaken(layer)
    weights, states = Weights(layer.cell, gates), [np.zeros((2, UNITS))] * len(layer.cell.state_size)
    found = numpy(layer(SIGNAL))
    for t in range(SIGNAL.shape[1]):
        states = variant(weights, SIGNAL[:, t], *states)
        np.testing.assert_allclose(found[:, t], states[0], atol=1e-5, err_msg=str(t))
    extra = 3 * UNITS * ("peepholes" in options) + (3 * UNITS) ** 2 * ("gate_recurrence" in options)
    assert layer.count_params() == (1 + len(gates)) * UNITS * (3 + UNITS + 1) + extra


def test_without_changes_the_variant_is_keras_lstm():
    ours, theirs = (keras.layers.RNN(layers.LSTMVariantCell(UNITS)), keras.layers.LSTM(UNITS))
    ours.build(SIGNAL.shape)
    theirs.build(SIGNAL.shape)
    shaken(theirs)
    # Keras has the candidate between forget and output gate.
    parts = [np.split(weight, 4, axis=-1) for weight in theirs.get_weights()]
    ours.set_weights([np.concatenate([z, i, f, o], axis=-1) for i, f, z, o in parts])
    np.testing.assert_allclose(numpy(ours(SIGNAL)), numpy(theirs(SIGNAL)), atol=1e-5)


# ---- residual recurrence -------------------------------------------------------------------------------------------


def test_the_residual_recurrence_is_its_formula_at_once_and_step_by_step():
    layer = layers.ResidualRecurrence(UNITS)
    layer.build(SIGNAL.shape)
    shaken(layer)
    kernel, bias = layer.get_weights()
    found, state = numpy(layer(SIGNAL)), layer.initial_state(2)
    expected = np.zeros((2, UNITS))
    for t in range(6):
        expected = expected + np.tanh(SIGNAL[:, t] @ kernel + bias)
        answer, state = layer.step(SIGNAL[:, t], state, t)
        np.testing.assert_allclose(found[:, t], expected, atol=1e-5)
        np.testing.assert_allclose(numpy(answer), expected, atol=1e-5)
    assert layer.compute_output_shape((2, 6, 3)) == (2, 6, UNITS)


# ---- graphs --------------------------------------------------------------------------------------------------------

# A road 0 - 1 - 2 - 3, whose last part is of one direction: node 3 sees 2, not the other way round.
ROADS = np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 5, 0]])


def test_neighbourhoods_are_clamped_powers():
    one, two, three = neighbourhoods(ROADS, 3)
    assert one.tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    assert two.tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [0, 1, 1, 1]]
    assert three.tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    step = (ROADS != 0) + np.eye(4)
    assert (three == np.minimum(np.linalg.matrix_power(step, 3), 1)).all()


@pytest.mark.parametrize("reachability", [None, [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]])
def test_one_step_of_the_graph_lstm_is_its_formula(reachability):
    random = np.random.default_rng(1)
    inputs, h, c = (random.normal(size=(2, 4)).astype("float32") for _ in range(3))
    cell = layers.GraphConvolutionLSTMCell(ROADS, reachability, order=2)
    cell.build(inputs.shape)
    shaken(cell)
    graph, state, kernel, recurrent, bias = cell.get_weights()
    reached = np.ones((4, 4)) if reachability is None else np.array(reachability)
    features = []
    for k in range(2):
        mask = np.minimum(np.linalg.matrix_power((ROADS != 0) + np.eye(4), k + 1), 1) * reached
        weights = graph[:, 4 * k : 4 * k + 4].T * mask
        features.append(np.array([weights @ row for row in inputs]))
    sums = np.concatenate(features, 1) @ kernel + h @ recurrent + bias
    i, f, z, o = np.split(sums, 4, axis=1)
    kept = np.array([(state.T * mask) @ row for row in c])
    expected = sigmoid(f) * kept + sigmoid(i) * np.tanh(z)
    outputs, (again, memory) = cell(inputs, [h, c])
    np.testing.assert_allclose(numpy(memory), expected, atol=1e-5)
    np.testing.assert_allclose(numpy(outputs), sigmoid(o) * np.tanh(expected), atol=1e-5)
    assert (numpy(again) == numpy(outputs)).all()


def test_graphs_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"`adjacency` must be square. Received: adjacency of shape \(4, 3\)"):
        layers.GraphConvolutionLSTMCell(ROADS[:, :3])
    with pytest.raises(ValueError, match=r"`reachability` must have the shape \(4, 4\). Received: shape \(3, 3\)"):
        layers.GraphConvolutionLSTMCell(ROADS, np.ones((3, 3)))
    with pytest.raises(ValueError, match="The inputs must be of the 4 nodes of `adjacency`"):
        keras.layers.RNN(layers.GraphConvolutionLSTMCell(ROADS)).build((2, 6, 3))


def test_a_learned_graph_is_beside_the_known_one():
    layer = layers.AdaptiveGraphConvolution(ROADS, rank=2)
    inputs = np.random.default_rng(2).normal(size=(2, 4, 3)).astype("float32")
    layer.build(inputs.shape)
    receivers, senders = layer.get_weights()
    scores = np.exp(np.maximum(receivers @ senders, 0))
    learned = scores / scores.sum(1, keepdims=True)
    known = ROADS / np.maximum(ROADS.sum(1, keepdims=True), 1)
    expected = np.concatenate([inputs, known @ inputs, learned @ inputs], -1)
    np.testing.assert_allclose(numpy(layer(inputs)), expected, atol=1e-5)


def test_a_cell_runs_on_from_its_own_outputs():
    cell = keras.layers.SimpleRNNCell(3)
    layer, inputs = layers.FreeRunning(cell, steps=4), np.random.default_rng(3).normal(size=(2, 5, 3)).astype("float32")
    found = numpy(layer(inputs))
    kernel, recurrent, bias = layer.get_weights()
    state, expected = np.zeros((2, 3)), []
    for t in range(8):
        state = np.tanh((inputs[:, t] if t < 5 else state) @ kernel + state @ recurrent + bias)
        expected.append(state)
    np.testing.assert_allclose(found, np.stack(expected[4:], 1), atol=1e-5)


def similar(series, signal, step, position, day, horizon, sharpness, shifts, own):
    """The mean of known days, written out for one row."""
    length, steps = len(signal), len(series)
    first, places = step % day, []
    for place in range(steps):
        shifted = [k for k in shifts if (place - k) % day == first and 0 <= place - k < -(-steps // day) * day]
        near = position >= 0 and abs(place - position) * 2 < day
        if shifted and not near and place >= length - 1 and place + horizon < steps:
            places.append(place)
    if not places:
        return np.tile(series.mean(0), (length + horizon, 1))
    known = np.stack([series[place - length + 1 : place + horizon + 1] for place in places])
    squares = np.square(known[:, :length] - signal) * (np.arange(1, length + 1) ** 2)[:, None]
    each = squares.sum(1) / (np.arange(1, length + 1) ** 2).sum()
    apart = own * each + (1 - own) * each.mean(1, keepdims=True)
    weights = np.exp(-sharpness * apart)
    return np.einsum("dn,dtn->tn", weights / weights.sum(0), known)


@pytest.mark.parametrize(("shifts", "own"), [((0,), 0.0), ((-1, 0, 1), 0.3)])
def test_similar_days_are_weighed_by_how_alike_they_were(shifts, own):
    random = np.random.default_rng(4)
    series, signal = random.normal(size=(31, 2)).astype("float32"), random.normal(size=(4, 3, 2)).astype("float32")
    layer = layers.SimilarDays(31, 2, day_steps=7, horizon=2, first=3, sharpness=(0.7,), shifts=shifts, own_share=own)
    layer.remember(series)
    steps, positions = np.array([0, 3, 6, 6], "int32"), np.array([-1, -1, 10, 29], "int32")
    found = numpy(layer(signal, keras.ops.array(steps), keras.ops.array(positions)))[:, 0]
    for row, step, position, each in zip(signal, steps, positions, found, strict=True):
        expected = similar(series, row, step - 3, position, 7, 2, 0.7, shifts, own)
        np.testing.assert_allclose(each, expected, atol=1e-4)
    alone = layers.SimilarDays(5, 2, day_steps=7, horizon=2)
    alone.remember(series[:5])
    unknown = numpy(alone(signal, keras.ops.array(steps), keras.ops.array(positions)))
    np.testing.assert_allclose(unknown[2], np.broadcast_to(series[:5].mean(0), (2, 5, 2)), atol=1e-5)


def test_days_are_left_out_in_training_only():
    layer = layers.SimilarDays(12, 1, day_steps=3, horizon=1, sharpness=(0.0,), dropout=0.5)
    layer.remember(np.repeat([1.0, 2.0, 4.0, 8.0], 3)[:, None])
    given = np.zeros((200, 1, 1), "float32"), keras.ops.zeros((200,), "int32"), keras.ops.full((200,), -1)
    assert np.allclose(numpy(layer(*given)), 15 / 4)
    found = numpy(layer(*given, training=True))[:, 0, 0, 0]
    days = [1, 2, 4, 8]
    means = {sum(part) / len(part) for n in range(1, 5) for part in itertools.combinations(days, n)}
    assert {round(float(each), 3) for each in found} == {round(each, 3) for each in means}


def test_days_that_cannot_be_looked_up_are_refused():
    for wrong, told in (
        ({"steps": 0}, "`steps` must be at least 1"),
        ({"sharpness": (-1.0,)}, "`sharpness` must name numbers of at least 0"),
        ({"own_share": 1.5}, "`own_share` must be from 0 to 1"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
    ):
        with pytest.raises(ValueError, match=told):
            layers.SimilarDays(**{"steps": 9, "nodes": 2, "day_steps": 4, "horizon": 1, **wrong})
