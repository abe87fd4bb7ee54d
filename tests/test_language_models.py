"""Every language model: shapes, names, sizes, training, saving, causality, and the same one token at a time."""

import functools
import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasmlsp import generation, layers, models
from kerasmlsp.models import language

VOCABULARY = 11
RECURRENT = {"units": 6, "num_layers": 2, "embedding_dim": 4, "dropout": 0.0}
GPT = {"features": 8, "num_layers": 2, "num_heads": 2, "window": 5, "dropout": 0.0}


def recurrent_size(gates, extra_bias=0):
    def layer(inputs):
        return gates * 6 * (inputs + 6 + 1 + extra_bias)

    return 11 * 4 + layer(4) + layer(6) + (6 + 1) * 11


# Two scales of norms; query, key and value; output; the feed-forward net there and back.
BLOCK = 2 * 8 + 8 * 24 + 8 * 8 + 2 * 8 * 32


def gpt1_size(vocabulary, features, num_layers, window):
    """Tokens and places; query, key, value and output; the feed-forward net there and back; two norms."""
    attention = 4 * features * (features + 1)
    feed_forward = (features + 1) * 4 * features + (4 * features + 1) * features
    return (vocabulary + window) * features + num_layers * (attention + feed_forward + 2 * 2 * features)


CASES = {
    "simple_rnn_language_model": (RECURRENT, recurrent_size(1)),
    "lstm_language_model": (RECURRENT, recurrent_size(4)),
    "gru_language_model": (RECURRENT, recurrent_size(3, extra_bias=1)),
    "gpt": (GPT, 11 * 8 + 2 * BLOCK + 8 + (8 + 1) * 11),
    "gpt1": ({**GPT, "window": 12}, gpt1_size(11, 8, 2, 12)),
}
EACH = pytest.mark.parametrize("name", CASES)
STATEFUL = [name for name in CASES if "gpt" not in name]


def make(builder, **changes):
    keras.utils.set_random_seed(0)
    return getattr(models, builder)(VOCABULARY, **{**CASES[builder][0], **changes})


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def texts(rows=4, length=9, seed=0):
    return np.random.default_rng(seed).integers(0, VOCABULARY, (rows, length)).astype("int32")


def compiled(model, rate=0.02):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss, jit_compile=keras.backend.backend() == "jax")
    return model


@functools.cache
def trained(name):
    """A model that learned four texts, and the weights that the first step left as they were."""
    model, ids = compiled(make(name)), texts()
    before = [numpy(weight) for weight in model.trainable_weights]
    model.fit(ids[:, :-1], ids[:, 1:], verbose=0)
    pairs = zip(model.trainable_weights, before, strict=True)
    unmoved = [weight.path for weight, old in pairs if np.array_equal(numpy(weight), old)]
    model.fit(np.tile(ids[:, :-1], (300, 1)), np.tile(ids[:, 1:], (300, 1)), batch_size=4, shuffle=False, verbose=0)
    return model, unmoved


def test_every_language_model_has_a_case():
    assert set(CASES) == {name for name in models.__all__ if getattr(models, name).__module__ == language.__name__}


@EACH
def test_a_model_has_the_shapes_names_and_parameters_of_its_table(name):
    model = make(name)
    assert model.name == name and not model.compiled and make(name, name="mine").name == "mine"
    assert model.inputs[0].name == "token_ids" and model.inputs[0].shape == (None, None)
    assert model.output_names == ["logits"] and model.output_shape == (None, None, VOCABULARY)
    assert model.output.dtype == "float32" and model.count_params() == CASES[name][1]


def test_gpt1_has_the_size_of_the_paper():
    # The formula counts small models rightly, above and here, and the full one without its weights being made.
    sizes = {"features": 12, "num_layers": 3, "num_heads": 3, "window": 7}
    assert models.gpt1(17, **sizes).count_params() == gpt1_size(17, 12, 3, 7)
    assert gpt1_size(40_478, 768, 12, 512) == 116_534_784
    defaults = {name: value.default for name, value in inspect.signature(models.gpt1).parameters.items()}
    full = {"vocabulary_size": 40_478, "features": 768, "num_layers": 12, "num_heads": 12, "window": 512}
    assert full.items() <= defaults.items()


@EACH
def test_a_model_learns_four_texts_with_every_weight(name):
    model, unmoved = trained(name)
    # The bias of a key adds the same to all scores of a query, which changes no weight.
    assert [path for path in unmoved if not path.endswith("key/bias")] == []
    ids = texts()
    # The first token is not enough to tell the texts apart everywhere, those after it are.
    assert (numpy(model(ids)).argmax(-1)[:, 2:-1] == ids[:, 3:]).mean() > 0.95


@EACH
def test_a_model_does_not_see_what_comes(name):
    model, ids = make(name), texts(1)
    changed = ids.copy()
    changed[:, 5:] = (changed[:, 5:] + 1) % VOCABULARY
    before, after = numpy(model(ids)), numpy(model(changed))
    np.testing.assert_allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert np.abs(before[:, 5:] - after[:, 5:]).max() > 1e-4


def test_gpt_sees_no_more_than_its_window():
    model, ids = make("gpt", num_layers=1), texts(1)
    changed = ids.copy()
    changed[:, 0] = (changed[:, 0] + 1) % VOCABULARY
    different = np.abs(numpy(model(ids)) - numpy(model(changed))).max((0, 2)) > 1e-6
    assert different.tolist() == [True] * 5 + [False] * 4


@EACH
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_one_token_at_a_time_gives_the_same_logits(name, precision):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = make(name)
    finally:
        keras.config.set_dtype_policy(policy)
    ids, decoder = texts(3, 12), generation.stepwise(model)
    whole, state = numpy(model(ids)), decoder.initial_state(3)
    for position in range(12):
        logits, state = decoder.step(ids[:, position], state, position)
        np.testing.assert_allclose(
            numpy(logits), whole[:, position], atol=1e-4 if precision == "float32" else 0.02, err_msg=str(position)
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
    model = compiled(make("lstm_language_model", stateful_batch=4))
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


def test_models_come_back_from_files_in_a_fresh_process(tmp_path):
    ids = texts()
    for name in CASES:
        model = make(name, **({"stateful_batch": 4} if name in STATEFUL else {}))
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", numpy(model(ids)))
    np.save(tmp_path / "ids.npy", ids)
    script = """
import sys
import numpy as np
from pathlib import Path
from kerasmlsp import training
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.keras")):
    answer = training.load_model(path)(np.load(folder / "ids.npy"), training=False)
    np.testing.assert_allclose(answer, np.load(path.with_suffix(".npy")), atol=1e-5, err_msg=path.stem)
    print(path.stem)
"""
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.split() == sorted(CASES)


@pytest.mark.parametrize(
    ("name", "size"),
    [(name, size) for name, (sizes, _) in CASES.items() for size in sizes if size != "dropout"],
)
def test_sizes_that_are_none_are_refused(name, size):
    with pytest.raises(ValueError, match=f"`{size}` must be at least 1. Received: {size}=0"):
        make(name, **{size: 0})


def test_heads_must_divide_the_features():
    with pytest.raises(ValueError, match="`num_heads` must divide the 6 features into even parts"):
        make("gpt", features=6)
