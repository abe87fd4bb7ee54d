"""Next-frame models, beyond what the table of cases holds of every model: one frame at a time, recall."""

import keras
import numpy as np
import pytest
from cases_frames import CASES, KEYS

from kerasmlsp import generation, losses

EACH = pytest.mark.parametrize("name", CASES)


def make(name, **changes):
    keras.utils.set_random_seed(0)
    return CASES[name].make(**changes)


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def pieces(rows=8, length=10, seed=0):
    return (np.random.default_rng(seed).random((rows, length, KEYS)) < 0.4).astype("float32")


@EACH
def test_one_frame_at_a_time_gives_the_same_logits(name):
    changes = {"window": 4} if "recall" in name or "transformer" in name else {}
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


def test_recall_finds_what_followed_in_a_piece_that_repeats():
    """Half a piece at random, then the same again: a state is too small for it, looking it up is not."""
    rolls = np.tile(pieces(64, 16, seed=1), (1, 2, 1))
    model = make("frame_recall_lstm", units=2, window=40)
    model.compile(keras.optimizers.Adam(0.02), losses.FrameNats(), jit_compile=keras.backend.backend() == "jax")
    model.fit(np.tile(rolls[:, :-1], (10, 1, 1)), np.tile(rolls[:, 1:], (10, 1, 1)), epochs=5, verbose=0)
    fresh = np.tile(pieces(32, 16, seed=2), (1, 2, 1))
    right = (numpy(model(fresh[:, :-1])) > 0) == (fresh[:, 1:] > 0)
    assert right[:, 18:].mean() > 0.9 > 0.75 > right[:, :12].mean()


@EACH
def test_few_keys_sound_at_first(name):
    # A roll may be of booleans.
    assert numpy(make(name)(pieces() > 0)).mean() < -1
