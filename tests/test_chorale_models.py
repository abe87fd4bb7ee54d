"""Models of four-voice music and their layers: features against plain Python, sizes, causality, one token at a time."""

import functools

import keras
import numpy as np
import pytest

from kerasmlsp import generation, layers, models
from kerasmlsp.layers import chorales as c
from kerasmlsp.models import chorales

FEATURES = sum(c.SIZES)
# Two scales of norms; query, key and value; output; the feed-forward net there and back.
BLOCK = 2 * 8 + 8 * 24 + 8 * 8 + 2 * 8 * 32
OUTPUTS = 4 + 61 + 12 + 121 + 12
CHOSEN = 121 + 4 * 62 + 4 * 17
CASES = {
    "chorale_transformer": (
        {"features": 8, "num_layers": 2, "num_heads": 2, "window": 5, "dropout": 0.0},
        FEATURES * (8 + 16) + 2 * BLOCK + 8 + 8 * 16 + (16 + 1) * 8 + (8 + 1) * OUTPUTS + 2,
    ),
    "tonicnet": (
        {"units": 16, "num_layers": 1, "dropout": 0.0},
        CHOSEN * 16 + 3 * 16 * (16 + 16 + 2) + (16 + 1) * c.VOCABULARY,
    ),
}
EACH = pytest.mark.parametrize("name", CASES)


def make(builder, **changes):
    keras.utils.set_random_seed(0)
    return getattr(models, builder)(**{**CASES[builder][0], **changes})


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def pieces(rows=4, steps=9, seed=0):
    """Token ids of pieces whose voices mostly hold, sometimes rest."""
    random = np.random.default_rng(seed)
    notes = random.integers(c.PITCH, c.KEY, (rows, 4 * steps))
    music = np.where(
        random.random(notes.shape) < 0.5, c.HOLD, np.where(random.random(notes.shape) < 0.1, c.REST, notes)
    )
    preface = [random.integers(low, high, rows) for low, high in ((c.KEY, c.METRE), (c.METRE, c.PHASE))]
    phase = random.integers(c.PHASE, c.VOCABULARY, rows)
    return np.column_stack([np.zeros(rows, int), *preface, phase, music]).astype("int32")


def told(tokens, place):
    """What `VoiceState` tells of one row after the token at `place`, in plain Python."""
    if place >= 3:
        key, metre, phase = tokens[1] - c.KEY, tokens[2] - c.METRE, tokens[3] - c.PHASE
        ahead = (place + 1 - 4) // 4
        facts = [1 + (phase + ahead) % c.BARS[metre % 4], 1 + metre, 1 + key]
    else:
        facts = [0, 0, 0]
    now, ages, before = [0] * 4, [0] * 4, [0] * 4
    had = [False] * 4
    for at in range(place + 1):
        voice = at % 4
        if voice == 0:
            before, had = list(now), [False] * 4
        had[voice] = True
        if at >= 4:
            token = tokens[at]
            ages[voice] = min(ages[voice] + 1, 16) if token == c.HOLD else 0
            if token != c.HOLD:
                now[voice] = token - c.PITCH + 1 if c.PITCH <= token < c.KEY else 0
    tonic, minor = (facts[2] - 1) % 12, facts[2] > 12
    degrees = [1 + (each - 1 + c.LOWEST - tonic) % 12 + 12 * minor if each and facts[2] else 0 for each in now]
    motions = [13 + min(12, max(-12, now[v] - before[v])) if had[v] and now[v] and before[v] else 0 for v in range(4)]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    apart = [13 + min(36, max(-12, now[a] - now[b])) if now[a] and now[b] else 0 for a, b in pairs]
    return [tokens[place], (place + 1) % 4, *facts, *now, *ages, *degrees, *motions, *apart]


def test_the_state_of_the_voices_is_that_of_plain_python():
    ids = pieces(steps=20)
    found = numpy(layers.VoiceState()(ids))
    assert found.shape == (4, 84, len(c.SIZES)) and found.dtype == np.int32
    for row, tokens in zip(found.tolist(), ids.tolist(), strict=True):
        for place in range(len(tokens)):
            assert row[place] == told(tokens, place), place
    assert (found >= 0).all() and (found < np.array(c.SIZES)).all()


def test_the_embedding_sums_a_vector_for_each_number():
    state = numpy(layers.VoiceState()(pieces()))
    layer = layers.VoiceEmbedding(3, names=("voice", "degrees"))
    found, kernel = numpy(layer(state)), numpy(layer.kernel)
    expected, begin = np.zeros((*state.shape[:2], 3)), 0
    for place in (*c.columns("voice"), *c.columns("degrees")):
        expected += kernel[begin + state[..., place]]
        begin += c.SIZES[place]
    assert begin == len(kernel)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(ValueError, match="`names` must be among"):
        layers.VoiceEmbedding(3, names=("colour",))


def test_every_model_of_chorales_has_a_case():
    assert set(CASES) == {name for name in models.__all__ if getattr(models, name).__module__ == chorales.__name__}


@EACH
def test_a_model_has_the_shapes_names_and_parameters_of_its_table(name):
    model = make(name)
    assert model.name == name and not model.compiled and make(name, name="mine").name == "mine"
    assert model.inputs[0].name == "token_ids" and model.inputs[0].shape == (None, None)
    assert model.output_names == ["logits"] and model.output_shape == (None, None, c.VOCABULARY)
    assert model.output.dtype == "float32" and model.count_params() == CASES[name][1]


@EACH
def test_sizes_are_checked(name):
    with pytest.raises(ValueError, match="`num_layers` must be at least 1"):
        make(name, num_layers=0)


@EACH
def test_no_token_depends_on_later_ones(name):
    model, ids = make(name), pieces()
    whole = numpy(model(ids))
    for length in (1, 2, 3, 4, 5, 6, 7, 21):
        np.testing.assert_allclose(numpy(model(ids[:, :length])), whole[:, :length], atol=1e-4)


@EACH
def test_one_token_at_a_time_is_the_same(name):
    model, ids = make(name), pieces()
    decoder = generation.stepwise(model)
    state, whole = decoder.initial_state(len(ids)), numpy(model(ids))
    for place in range(ids.shape[1]):
        logits, state = decoder.step(ids[:, place], state, keras.ops.convert_to_tensor(place, "int32"))
        np.testing.assert_allclose(numpy(logits), whole[:, place], atol=1e-4)


@functools.cache
def trained(name):
    """A model that learned four pieces, and the weights that the first step left as they were."""
    model, ids = make(name), pieces()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=keras.backend.backend() == "jax")
    counted = np.broadcast_to(np.arange(ids.shape[1] - 1) >= 3, (len(ids), ids.shape[1] - 1)).astype("float32")
    before = [numpy(weight) for weight in model.trainable_weights]
    model.fit(ids[:, :-1], ids[:, 1:], sample_weight=counted, verbose=0)
    pairs = zip(model.trainable_weights, before, strict=True)
    unmoved = [weight.path for weight, old in pairs if np.array_equal(numpy(weight), old)]
    many = [np.tile(each, (300, 1)) for each in (ids[:, :-1], ids[:, 1:], counted)]
    model.fit(*many[:2], sample_weight=many[2], batch_size=4, shuffle=False, verbose=0)
    return model, unmoved


@EACH
def test_one_step_changes_every_weight_and_many_learn_by_heart(name):
    model, unmoved = trained(name)
    assert not unmoved
    ids = pieces()
    scores = numpy(generation.log_probabilities(model(ids[:, :-1]), ids[:, 1:]))[:, 3:]
    # The first tokens of a piece cannot be foretold.
    assert scores[:, 8:].mean() > -0.3


@EACH
def test_a_model_comes_back_from_its_file(name, tmp_path):
    model, ids = make(name), pieces()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(numpy(loaded(ids)), numpy(model(ids)), atol=1e-5)


def test_the_transformer_rules_out_what_cannot_come():
    logits = numpy(make("chorale_transformer")(pieces()))
    assert (logits[..., c.START] < -1e8).all() and (logits[..., c.KEY :] < -1e8).all()
    turn = (np.arange(logits.shape[1]) + 1) % 4
    assert (logits[:, turn != 0, c.STOP] < -1e8).all() and (logits[:, turn == 0, c.STOP] > -1e3).all()
    assert (logits[..., c.HOLD : c.KEY] > -1e3).all()


def test_the_transformer_counts_the_parallels_that_a_pitch_would_make():
    from kerasmlsp import music
    from kerasmlsp.layers import voices

    ids = pieces(rows=20, steps=12, seed=3)
    state = layers.VoiceState()(ids)
    sounding, moves = (state[..., c.columns(name)[0] : c.columns(name)[-1] + 1] for name in ("pitches", "motions"))
    sung, steps = numpy(sounding).astype(int), ids.shape[1] // 4
    for place in range(4, 4 * steps - 1):
        voice = (place + 1) % 4
        if not voice:
            continue
        row = place % 20
        before, now = sung[row, place // 4 * 4 - 1], sung[row, place]
        facts = (keras.ops.convert_to_tensor([each]) for each in (now[voice], voice))
        before_tensor, turn = facts
        found = [
            numpy(
                voices._parallels(kind, 1 + np.arange(61), before_tensor, turn, sounding[row, place], moves[row, place])
            )
            for kind in (7, 0)
        ]
        for pitch in range(1, 62):
            pair = np.zeros((2, 4), int)
            pair[:, :voice] = [before[:voice], now[:voice]]
            pair[:, voice] = before[voice], pitch if before[voice] else 0
            alone = pair.copy()
            alone[:, voice] = 0
            leaps = np.abs(np.diff(pair, axis=0))[0, :voice]
            if (leaps > 12).any():
                continue  # `VoiceState` tells no wider ones
            pair[pair > 0] += 27
            alone[alone > 0] += 27
            for kind, counts in zip((7, 0), found, strict=True):
                made = music.harmony.parallels(pair, kind) - music.harmony.parallels(alone, kind)
                assert counts[pitch - 1] == made, (place, pitch, kind)


@EACH
def test_a_model_trains_in_mixed_precision(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, ids = make(name), pieces()
    finally:
        keras.config.set_dtype_policy(policy)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    assert np.isfinite(model.train_on_batch(ids[:, 4:-1], ids[:, 5:]))
    assert model.output.dtype == "float32"
