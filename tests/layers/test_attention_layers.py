"""Layers of attention against NumPy, against Keras's own, and step by step."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasmlsp import layers
from kerasmlsp.layers import transformer

RANDOM = np.random.default_rng(0)
STATES = RANDOM.normal(size=(2, 5, 8)).astype("float32")
MEMORY = RANDOM.normal(size=(2, 4, 6)).astype("float32")
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)
CALLS = pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])


def numpy(value):
    return ops.convert_to_numpy(value)


def softmax(scores):
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def shaken(layer):
    """Gives a layer weights unlike those at the start, where biases are 0."""
    layer.set_weights([w + 0.3 * np.cos(np.arange(w.size)).reshape(w.shape) for w in layer.get_weights()])
    return layer


def weights_of(layer):
    """The layer's weights by the end of their path."""
    return {"/".join(weight.path.split("/")[1:]): numpy(weight) for weight in layer.weights}


def stepped(layer, memory, mask):
    """The answers of a layer to STATES one step at a time."""
    state, found = layer.initial_state(2, *memory, *([] if mask is None else [mask])), []
    for position in range(5):
        answer, state = layer.step(STATES[:, position], state, ops.convert_to_tensor(position, "int32"))
        found.append(numpy(answer))
    return np.stack(found, 1)


# ---- scaled dot products -------------------------------------------------------------------------------------------


@CALLS
def test_scaled_dot_product_attention_is_its_formula(mask):
    query, key, value = (RANDOM.normal(size=shape).astype("float32") for shape in ((2, 3, 6), (2, 4, 6), (2, 4, 5)))
    seen = None if mask is None else mask[:, None]
    outputs, weights = layers.ScaledDotProductAttention()(query, key, value, attention_mask=seen)
    scores = np.einsum("bqd,bkd->bqk", query, key) / np.sqrt(6)
    expected = softmax(scores if mask is None else np.where(mask[:, None], scores, -np.inf))
    np.testing.assert_allclose(numpy(weights), expected, atol=1e-6)
    np.testing.assert_allclose(numpy(outputs), expected @ value, atol=1e-5)


def test_a_query_that_sees_nothing_averages():
    blind = np.zeros((2, 1, 4), bool)
    outputs, _ = layers.ScaledDotProductAttention()(MEMORY, MEMORY, MEMORY, attention_mask=blind)
    np.testing.assert_allclose(numpy(outputs)[:, 0], MEMORY.mean(1), atol=1e-5)


@CALLS
@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_multi_head_attention_is_that_of_keras_with_the_same_weights(num_heads, mask):
    ours = layers.MultiHeadAttention(num_heads)
    theirs = keras.layers.MultiHeadAttention(num_heads, 8 // num_heads)
    ours.build(STATES.shape, MEMORY.shape)
    theirs.build(STATES.shape, MEMORY.shape)
    shaken(ours)
    for name, other in zip(("query", "key", "value"), ("_query_dense", "_key_dense", "_value_dense"), strict=True):
        kernel, bias = (numpy(weight) for weight in getattr(ours, name).weights)
        split = (num_heads, 8 // num_heads)
        getattr(theirs, other).set_weights([kernel.reshape(-1, *split), bias.reshape(split)])
    kernel, bias = (numpy(weight) for weight in ours.output_projection.weights)
    theirs._output_dense.set_weights([kernel.reshape(num_heads, -1, 8), bias])
    outputs, weights = ours(STATES, MEMORY, attention_mask=None if mask is None else mask[:, None, None])
    seen = None if mask is None else np.broadcast_to(mask[:, None], (2, 5, 4))
    expected, scores = theirs(STATES, MEMORY, attention_mask=seen, return_attention_scores=True)
    np.testing.assert_allclose(numpy(outputs), numpy(expected), atol=1e-5)
    np.testing.assert_allclose(numpy(weights), numpy(scores), atol=1e-5)
    assert ours.count_params() == theirs.count_params()


def test_heads_must_divide_the_features():
    with pytest.raises(ValueError, match="`num_heads` must divide the 8 features"):
        layers.MultiHeadAttention(3)(STATES, MEMORY)


# ---- decoders that look at a memory --------------------------------------------------------------------------------


def additive(weights, mask, gated, cell):
    """Bahdanau's attention by loops; `cell` maps input and states to states."""
    seen = np.ones((2, 4), bool) if mask is None else mask
    mean = (MEMORY * seen[..., None]).sum(1) / seen.sum(1, keepdims=True)
    states = [np.tanh(mean @ weights[f"start_{i}/kernel"] + weights[f"start_{i}/bias"]) for i in range(2)]
    outputs, shares = [], []
    for t in range(5):
        query = states[0] @ weights["query/kernel"]
        keys = MEMORY @ weights["key/kernel"] + weights["key/bias"]
        scores = (np.tanh(query[:, None] + keys) @ weights["score/kernel"])[..., 0]
        share = softmax(np.where(seen, scores, -np.inf))
        context = np.einsum("bm,bmf->bf", share, MEMORY)
        if gated:
            context = context * sigmoid(states[0] @ weights["gate/kernel"] + weights["gate/bias"])
        states = cell(np.concatenate([STATES[:, t], context], 1), states)
        outputs.append(np.concatenate([STATES[:, t], states[0], context], 1))
        shares.append(share)
    return np.stack(outputs, 1), np.stack(shares, 1)


def lstm(layer):
    kernel, recurrent, bias = (numpy(weight) for weight in layer.weights)

    def cell(inputs, states):
        i, f, c, o = np.split(inputs @ kernel + states[0] @ recurrent + bias, 4, axis=1)
        memory = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(c)
        return [sigmoid(o) * np.tanh(memory), memory]

    return cell


@CALLS
@pytest.mark.parametrize("gated", [False, True])
def test_an_attention_rnn_is_its_formula_at_once_and_step_by_step(mask, gated):
    layer = layers.AttentionRNN(keras.layers.LSTMCell(3), 5, gated=gated)
    given = [MEMORY] if mask is None else [MEMORY, mask]
    layer(STATES, *given)
    shaken(layer)
    outputs, weights = layer(STATES, *given)
    expected, shares = additive(weights_of(layer), mask, gated, lstm(layer.cell))
    np.testing.assert_allclose(numpy(weights), shares, atol=1e-5)
    np.testing.assert_allclose(numpy(outputs), expected, atol=1e-4)
    np.testing.assert_allclose(stepped(layer, [MEMORY], mask), expected, atol=1e-4)
    assert layer.compute_output_shape(STATES.shape, MEMORY.shape) == (outputs.shape, weights.shape)


@pytest.mark.parametrize("cell", [keras.layers.GRUCell, keras.layers.LSTMCell])
def test_an_attention_rnn_trains_with_xla(cell):
    layer = layers.AttentionRNN(cell(3), 5)
    inputs = [keras.Input((None, each.shape[-1])) for each in (STATES, MEMORY)]
    model = keras.Model(inputs, layer(*inputs)[0])
    before, found = model.get_weights(), []
    for jit in (True, False):
        model.set_weights(before)
        model.compile("sgd", "mse", jit_compile=jit)
        model.train_on_batch([STATES, MEMORY], np.ones(model([STATES, MEMORY]).shape, "float32"))
        found.append(model.get_weights())
    for first, with_xla, without in zip(before, *found, strict=True):
        np.testing.assert_allclose(with_xla, without, atol=1e-5)
        assert not np.array_equal(first, with_xla)


def test_an_attention_rnn_steps_with_a_cell_of_another_type():
    layer = layers.AttentionRNN(keras.layers.GRUCell(3, dtype="float32"), 5, dtype="mixed_bfloat16")
    whole = layer(STATES, MEMORY)[0]
    state, steps = layer.initial_state(len(STATES), MEMORY), []
    for position in range(STATES.shape[1]):
        output, state = layer.step(STATES[:, position], state, position)
        steps.append(numpy(keras.ops.cast(output, "float32")))
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    np.testing.assert_allclose(np.stack(steps, 1), numpy(keras.ops.cast(whole, "float32")), atol=0.02)


def test_an_attention_rnn_keeps_its_arguments():
    layer = layers.AttentionRNN(keras.layers.GRUCell(3), 5, gated=True, name="mine")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config() and copy.cell.units == 3 and copy.gated and copy.name == "mine"
    with pytest.raises(ValueError, match="`attention_units` must be at least 1"):
        layers.AttentionRNN(keras.layers.GRUCell(3), 0)


@CALLS
def test_multiplicative_attention_is_its_formula_at_once_and_step_by_step(mask):
    layer = layers.MultiplicativeAttention(3)
    outputs, weights = layer(STATES, *([MEMORY] if mask is None else [MEMORY, mask]))
    score, combine = (numpy(weight) for weight in layer.weights)
    scores = np.einsum("btf,fg,bmg->btm", STATES, score, MEMORY)
    shares = softmax(scores if mask is None else np.where(mask[:, None], scores, -np.inf))
    expected = np.tanh(np.concatenate([shares @ MEMORY, STATES], -1) @ combine)
    np.testing.assert_allclose(numpy(weights), shares, atol=1e-5)
    np.testing.assert_allclose(numpy(outputs), expected, atol=1e-5)
    np.testing.assert_allclose(stepped(layer, [MEMORY], mask), expected, atol=1e-5)
    assert layer.compute_output_shape(STATES.shape, MEMORY.shape) == (outputs.shape, weights.shape)


# ---- the classic block ---------------------------------------------------------------------------------------------


def norm(x, weights, name):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def attended(x, memory, seen, weights, name):
    """Two heads of four features."""

    def project(values, part):
        found = values @ weights[f"{name}/{part}/kernel"] + weights[f"{name}/{part}/bias"]
        return found.reshape(*found.shape[:2], 2, 4)

    query, key, value = project(x, "query"), project(memory, "key"), project(memory, "value")
    scores = np.einsum("bqhd,bkhd->bhqk", query, key) / 2
    shares = softmax(np.where(seen, scores, -np.inf))
    found = np.einsum("bhqk,bkhd->bqhd", shares, value).reshape(x.shape)
    return found @ weights[f"{name}/output/kernel"] + weights[f"{name}/output/bias"], shares.mean(1)


def block(weights, window, first, memory, mask):
    """The block written out."""
    distance = np.arange(5)[:, None] - np.arange(5)
    shares, states = None, STATES
    parts = [("attention_norm", lambda x: attended(x, x, (distance >= 0) & (distance < window), weights, "attention"))]
    if memory is not None:
        seen = np.ones((2, 1, 1, 4), bool) if mask is None else mask[:, None, None]
        parts.append(("memory_norm", lambda x: attended(x, memory, seen, weights, "memory_attention")))

    def feed_forward(x):
        hidden = np.maximum(x @ weights["widen/kernel"] + weights["widen/bias"], 0)
        return hidden @ weights["narrow/kernel"] + weights["narrow/bias"], None

    for name, part in [*parts, ("norm", feed_forward)]:
        answer, found = part(norm(states, weights, name) if first else states)
        states = states + answer if first else norm(states + answer, weights, name)
        shares = found if name == "memory_norm" else shares
    return states, shares


@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
@pytest.mark.parametrize("window", [5, 2])
@pytest.mark.parametrize(("memory", "mask"), [(None, None), (MEMORY, None), (MEMORY, MASK)])
def test_a_decoder_block_is_its_formula_at_once_and_step_by_step(first, window, memory, mask):
    layer = layers.TransformerDecoderBlock(2, 7, window, normalize_first=first)
    given = [each for each in (memory, mask) if each is not None]
    layer(STATES, *given)
    shaken(layer)
    answer = layer(STATES, *given)
    expected, shares = block(weights_of(layer), window, first, memory, mask)
    if memory is not None:
        np.testing.assert_allclose(numpy(answer[1]), shares, atol=1e-5)
        answer = answer[0]
    np.testing.assert_allclose(numpy(answer), expected, atol=1e-4)
    np.testing.assert_allclose(stepped(layer, given[:1], mask), expected, atol=1e-4)


@pytest.mark.parametrize("window", [5, 2])
def test_a_causal_block_is_its_formula_at_once_and_step_by_step(window):
    layer = layers.DecoderBlock(2, window, expansion=3)
    layer(STATES)
    shaken(layer)
    weights, distance = weights_of(layer), np.arange(5)[:, None] - np.arange(5)
    normed = (STATES - STATES.mean(-1, keepdims=True)) / np.sqrt(STATES.var(-1, keepdims=True) + 1e-3)
    parts = normed * weights["attention_norm/gamma"] @ weights["query_key_value/kernel"]
    query, key, value = (part.reshape(2, 5, 2, 4) for part in np.split(parts, 3, axis=-1))
    # Pairs of features are complex numbers here, turned by one angle a place.
    turns = np.exp(1j * np.arange(5)[:, None] * 10_000.0 ** (-np.arange(2) / 2))[:, None]
    query, key = ((part[..., :2] + 1j * part[..., 2:]) * turns for part in (query, key))
    scores = np.einsum("bqhd,bkhd->bhqk", query, key.conj()).real / 2
    shares = softmax(np.where((distance >= 0) & (distance < window), scores, -np.inf))
    states = STATES + np.einsum("bhqk,bkhd->bqhd", shares, value).reshape(2, 5, 8) @ weights["output/kernel"]
    normed = states / np.sqrt((states**2).mean(-1, keepdims=True) + 1e-6) * weights["norm/scale"]
    expected = states + np.maximum(normed @ weights["widen/kernel"], 0) ** 2 @ weights["narrow/kernel"]
    np.testing.assert_allclose(numpy(layer(STATES)), expected, atol=1e-4)
    np.testing.assert_allclose(stepped(layer, [], None), expected, atol=1e-4)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_product_of_two_cores_is_that_of_other_devices(batch, monkeypatch):
    layer = layers.DecoderBlock(2, 5)
    layer(STATES[:batch])
    shaken(layer)
    found = []
    for cpu in (True, False):
        monkeypatch.setattr(transformer, "on_cpu", lambda cpu=cpu: cpu)
        found.append(numpy(layer.step(STATES[:batch, 0], layer.initial_state(batch), 0)[0]))
    np.testing.assert_allclose(*found, atol=1e-5)


# ---- positions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [layers.SinusoidalPosition(), layers.LearnedPosition(3)], ids=["waves", "learned"])
def test_positions_are_the_same_step_by_step(layer):
    expected = numpy(layer(STATES))
    np.testing.assert_allclose(stepped(layer, [], None), expected, atol=1e-6)


def test_the_mask_of_a_memory_of_words_is_its_own():
    ids = np.array([[3, 4, 5, 6], [3, 4, 0, 0]])
    memory = keras.layers.Embedding(9, 6, mask_zero=True)(ids)
    for layer in (layers.AttentionRNN(keras.layers.GRUCell(3), 5), layers.MultiplicativeAttention(3)):
        weights = numpy(layer(STATES, memory)[1])
        assert (weights[0] > 0).all() and (weights[1, :, :2] > 0).all() and not weights[1, :, 2:].any()


def test_learned_positions_are_their_vectors_and_then_the_last():
    layer = layers.LearnedPosition(3)
    found = numpy(layer(STATES)) - STATES
    vectors = numpy(layer.vectors)
    np.testing.assert_allclose(found, np.broadcast_to(vectors[[0, 1, 2, 2, 2]], found.shape), atol=1e-6)
    assert len(np.unique(vectors)) == 24
