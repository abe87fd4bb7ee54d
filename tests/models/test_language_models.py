"""Language models, beyond what the table of cases holds of every model: state, window, one token at a time."""

import keras
import numpy as np
import pytest
from cases_language import CASES, LOSS, VOCABULARY

from kerasmlsp import generation, layers, models

STATEFUL = ("simple_rnn_language_model", "lstm_language_model", "gru_language_model")


def make(name, **changes):
    keras.utils.set_random_seed(0)
    return CASES[name].make(**changes)


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def texts(rows=4, length=9, seed=0):
    return np.random.default_rng(seed).integers(0, VOCABULARY, (rows, length)).astype("int32")


def test_gpt_sees_no_more_than_its_window():
    model, ids = make("gpt", num_layers=1), texts(1)
    changed = ids.copy()
    changed[:, 0] = (changed[:, 0] + 1) % VOCABULARY
    different = np.abs(numpy(model(ids)) - numpy(model(changed))).max((0, 2)) > 1e-6
    assert different.tolist() == [True] * 5 + [False] * 4


@pytest.mark.parametrize("name", [*STATEFUL, "gpt", "gpt1", "gpt2"])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_one_token_at_a_time_gives_the_same_logits(name, precision):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = make(name)
    finally:
        keras.config.set_dtype_policy(policy)
    ids, decoder = texts(3, 7), generation.stepwise(model)  # beyond the window
    whole, state = numpy(model(ids)), decoder.initial_state(3)
    for position in range(7):
        logits, state = decoder.step(ids[:, position], state, position)
        np.testing.assert_allclose(
            numpy(logits), whole[:, position], atol=1e-4 if precision == "float32" else 0.05, err_msg=str(position)
        )


@pytest.mark.parametrize("name", STATEFUL)
def test_a_stateful_model_goes_on_where_the_batch_before_ended(name):
    model, plain = make(name, stateful_batch=4), make(name)
    plain.set_weights([numpy(weight) for weight in model.trainable_weights])
    ids = texts(4, 12)
    pieces = [numpy(model(ids[:, begin : begin + 4], training=True)) for begin in (0, 4, 8)]
    np.testing.assert_allclose(np.concatenate(pieces, 1), numpy(plain(ids)), atol=1e-5)
    np.testing.assert_allclose(numpy(model(ids)), numpy(plain(ids)), atol=1e-5, err_msg="outside training from zeros")
    assert generation.stepwise(model).vocabulary_size == VOCABULARY


def test_a_stateful_model_carries_no_gradient():
    model = make("lstm_language_model", stateful_batch=4)
    model.compile("adam", LOSS, jit_compile=keras.backend.backend() == "jax")
    ids = texts()
    states = [numpy(weight) for weight in model.non_trainable_weights]
    model.fit(ids[:, :-1], ids[:, 1:], batch_size=4, verbose=0)
    assert all(
        np.abs(numpy(weight) - old).max() > 0 for weight, old in zip(model.non_trainable_weights, states, strict=True)
    )


def test_stateful_layers_need_states_to_carry():
    with pytest.raises(ValueError, match="`layer` must be an RNN layer"):
        layers.Stateful(keras.layers.GRU(3, return_sequences=True), 4)
    with pytest.raises(ValueError, match="`layer` must be an RNN layer"):
        layers.Stateful(keras.layers.Dense(3), 4)


@pytest.mark.parametrize("name", STATEFUL)
def test_a_stateful_model_comes_back_from_its_file(name, tmp_path):
    model, ids = make(name, stateful_batch=4), texts()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(loaded(ids)), numpy(model(ids)), atol=1e-5)


def test_gpt1_has_the_size_of_the_paper():
    # Counted without the weights being made; the words' vectors are the output matrix too.
    with keras.StatelessScope(initialize_variables=False):
        model = models.gpt1()
    words, places = 40_478 * 768, 512 * 768
    attention, feed_forward = 4 * 768 * (768 + 1), (768 + 1) * 3072 + (3072 + 1) * 768
    assert model.count_params() == words + places + 12 * (attention + feed_forward + 4 * 768) == 116_534_784


@pytest.mark.parametrize(
    ("sizes", "parameters"),
    [
        ((12, 768, 12), 124_439_808),
        ((24, 1024, 16), 354_823_168),
        ((36, 1280, 20), 774_030_080),
        ((48, 1600, 25), 1_557_611_200),
    ],
)
def test_gpt2_has_the_published_sizes(sizes, parameters):
    num_layers, features, num_heads = sizes
    with keras.StatelessScope(initialize_variables=False):
        model = models.gpt2(num_layers=num_layers, features=features, num_heads=num_heads)
    block = 4 * features * (features + 1) + (features + 1) * 4 * features + (4 * features + 1) * features + 4 * features
    assert model.count_params() == (50_257 + 1_024) * features + num_layers * block + 2 * features == parameters
