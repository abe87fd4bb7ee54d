"""Every next-frame model: shapes, names, sizes, training, saving, causality, and the same one frame at a time."""

import functools
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasmlsp import generation, losses, models
from kerasmlsp.models import frames

KEYS = 5
CALM = {"input_dropout": 0.0, "dropout": 0.0}
RECURRENT = {"units": 6, "num_layers": 2, **CALM}
TCN = {"filters": 6, "num_blocks": 2, "kernel_size": 3, **CALM}
TRANSFORMER = {"features": 8, "num_layers": 2, "num_heads": 2, "window": 20, **CALM}
RECALL = {"span": 3, "window": 20}


def recurrent_size(gates, extra_bias=0):
    def layer(inputs):
        return gates * 6 * (inputs + 6 + 1 + extra_bias)

    return layer(5) + layer(6) + (6 + 1) * 5


# Direction, gain and bias of each convolution; the first residual is projected.
TCN_SIZE = (3 * 5 + 3 * 3 * 6 + 4 * 2 + 5 + 1) * 6 + (6 + 1) * 5
# Two scales of norms; query, key and value; output; the feed-forward net there and back.
BLOCK = 2 * 8 + 8 * 24 + 8 * 8 + 2 * 8 * 16
# Two heads: what they compare, and "nothing like this". They widen 5 keys to 5 + 2 * (5 + 1).
LOOKED_UP, WIDE = 2 * (3 + 1), 17
CASES = {
    "frame_rnn": (RECURRENT, recurrent_size(1)),
    "frame_lstm": (RECURRENT, recurrent_size(4)),
    "frame_gru": (RECURRENT, recurrent_size(3, extra_bias=1)),
    "frame_tcn": (TCN, TCN_SIZE),
    "frame_transformer": (TRANSFORMER, (5 + 1) * 8 + 2 * BLOCK + 8 + (8 + 1) * 5),
    "frame_recall_lstm": (
        {"units": 6, "num_heads": 2, **RECALL, **CALM},
        LOOKED_UP + 4 * 6 * (WIDE + 6 + 1) + (WIDE + 6 + 1) * 5,
    ),
    "frame_recall_transformer": (
        {**TRANSFORMER, **RECALL},
        LOOKED_UP + (WIDE + 1) * 8 + 2 * BLOCK + 8 + (8 + 1) * 5,
    ),
}
EACH = pytest.mark.parametrize("name", CASES)


def make(builder, **changes):
    keras.utils.set_random_seed(0)
    return getattr(models, builder)(KEYS, **{**CASES[builder][0], **changes})


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def pieces(rows=8, length=10, seed=0):
    return (np.random.default_rng(seed).random((rows, length, KEYS)) < 0.4).astype("float32")


@functools.cache
def trained(name):
    """A wider model that learned eight pieces, and the weights that the first step left as they were."""
    (width,) = CASES[name][0].keys() & {"units", "filters", "features"}
    model, rolls = make(name, **{width: 24}), pieces()
    model.compile(keras.optimizers.Adam(0.01), losses.FrameNats(), jit_compile=keras.backend.backend() == "jax")
    before = [numpy(weight) for weight in model.trainable_weights]
    model.fit(rolls[:, :-1], rolls[:, 1:], verbose=0)
    pairs = zip(model.trainable_weights, before, strict=True)
    unmoved = [weight.path for weight, old in pairs if np.array_equal(numpy(weight), old)]
    model.fit(np.tile(rolls[:, :-1], (300, 1, 1)), np.tile(rolls[:, 1:], (300, 1, 1)), batch_size=8, verbose=0)
    return model, unmoved


def test_every_frame_model_has_a_case():
    assert set(CASES) == {name for name in models.__all__ if getattr(models, name).__module__ == frames.__name__}


@EACH
def test_a_model_has_the_shapes_names_and_parameters_of_its_table(name):
    model = make(name)
    assert model.name == name and not model.compiled and make(name, name="mine").name == "mine"
    assert model.inputs[0].name == "frames" and model.inputs[0].shape == (None, None, KEYS)
    assert model.output_names == ["logits"] and model.output_shape == (None, None, KEYS)
    assert model.output.dtype == "float32" and model.count_params() == CASES[name][1]
    # Few keys sound at first; a roll may be of booleans.
    assert numpy(model(pieces() > 0)).mean() < -1


@EACH
def test_a_model_learns_eight_pieces_with_every_weight(name):
    model, unmoved = trained(name)
    assert not unmoved
    rolls = pieces()
    # The first frames are not enough to tell the pieces apart everywhere, those after them are.
    right = (numpy(model(rolls[:, :-1])) > 0) == (rolls[:, 1:] > 0)
    assert right[:, 2:].mean() > 0.95


@EACH
def test_a_model_does_not_see_what_comes(name):
    model, rolls = trained(name)[0], pieces(2)
    changed = rolls.copy()
    changed[:, 6:] = 1 - changed[:, 6:]
    before, after = numpy(model(rolls)), numpy(model(changed))
    np.testing.assert_allclose(before[:, :6], after[:, :6], atol=1e-4)
    assert np.abs(before[:, 6:] - after[:, 6:]).max() > 1e-2


@EACH
def test_one_frame_at_a_time_gives_the_same_logits(name):
    changes = {"window": 4} if "window" in CASES[name][0] else {}
    model = make(name, **changes)
    # Other weights than those at the start, where biases are 0 and heads alike.
    model.set_weights(
        [weight + 0.1 * np.cos(np.arange(weight.size)).reshape(weight.shape) for weight in model.get_weights()]
    )
    rolls, decoder = pieces(3, 12), generation.stepwise(model)
    whole, state = numpy(model(rolls)), decoder.initial_state(3)
    for position in range(12):
        logits, state = decoder.step(rolls[:, position], state, keras.ops.convert_to_tensor(position, "int32"))
        np.testing.assert_allclose(numpy(logits), whole[:, position], atol=1e-4, err_msg=str(position))


@EACH
def test_logits_stay_in_float32_at_mixed_precision(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = make(name)
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.output.dtype == "float32" and np.isfinite(numpy(model(pieces()))).all()


def test_models_come_back_from_files_in_a_fresh_process(tmp_path):
    for name in CASES:
        trained(name)[0].save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", numpy(trained(name)[0](pieces())))
    np.save(tmp_path / "rolls.npy", pieces())
    script = """
import sys
import numpy as np
from pathlib import Path
from kerasmlsp import training
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.keras")):
    answer = training.load_model(path)(np.load(folder / "rolls.npy"), training=False)
    np.testing.assert_allclose(answer, np.load(path.with_suffix(".npy")), atol=1e-4, err_msg=path.stem)
    print(path.stem)
"""
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.split() == sorted(CASES)


SIZES = ("num_keys", "units", "num_layers", "filters", "num_blocks", "features", "num_heads", "window", "span")


@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name in CASES for size in SIZES if size in ("num_keys", *CASES[name][0])]
)
def test_sizes_that_are_none_are_refused(name, size):
    arguments = {"num_keys": KEYS, **CASES[name][0], size: 0}
    with pytest.raises(ValueError, match=f"`{size}` must be at least 1. Received: {size}=0"):
        getattr(models, name)(**arguments)


def test_recall_finds_what_followed_in_a_piece_that_repeats():
    """Half a piece at random, then the same again: a state is too small for it, looking it up is not."""
    rolls = np.tile(pieces(64, 16, seed=1), (1, 2, 1))
    model = make("frame_recall_lstm", units=2, window=40)
    model.compile(keras.optimizers.Adam(0.02), losses.FrameNats(), jit_compile=keras.backend.backend() == "jax")
    model.fit(np.tile(rolls[:, :-1], (10, 1, 1)), np.tile(rolls[:, 1:], (10, 1, 1)), epochs=5, verbose=0)
    fresh = np.tile(pieces(32, 16, seed=2), (1, 2, 1))
    right = (numpy(model(fresh[:, :-1])) > 0) == (fresh[:, 1:] > 0)
    assert right[:, 18:].mean() > 0.9 > 0.75 > right[:, :12].mean()
