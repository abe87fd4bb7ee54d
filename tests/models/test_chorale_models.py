"""Models of four-voice music and their layers: features against plain Python, sizes, causality, one token at a time."""

import keras
import numpy as np
import pytest
from cases_language import CASES

from kerasmlsp import generation, layers
from kerasmlsp.layers import chorales
from kerasmlsp.targets import chorale_tokens as c

EACH = pytest.mark.parametrize("name", ["chorale_transformer", "tonicnet"])


def make(name):
    keras.utils.set_random_seed(0)
    return CASES[name].make()


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
    assert found.shape == (4, 84, len(chorales.SIZES)) and found.dtype == np.int32
    for row, tokens in zip(found.tolist(), ids.tolist(), strict=True):
        for place in range(len(tokens)):
            assert row[place] == told(tokens, place), place
    assert (found >= 0).all() and (found < np.array(chorales.SIZES)).all()


def test_the_embedding_sums_a_vector_for_each_number():
    state = numpy(layers.VoiceState()(pieces()))
    layer = layers.VoiceEmbedding(3, names=("voice", "degrees"))
    found, kernel = numpy(layer(state)), numpy(layer.kernel)
    expected, begin = np.zeros((*state.shape[:2], 3)), 0
    for place in (*chorales.columns("voice"), *chorales.columns("degrees")):
        expected += kernel[begin + state[..., place]]
        begin += chorales.SIZES[place]
    assert begin == len(kernel)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(ValueError, match="`names` must be among"):
        layers.VoiceEmbedding(3, names=("colour",))


@EACH
def test_no_token_depends_on_later_ones(name):
    model, ids = make(name), pieces()
    whole = numpy(model(ids))
    for length in (1, 2, 3, 4, 5, 6, 7, 21):
        np.testing.assert_allclose(numpy(model(ids[:, :length])), whole[:, :length], atol=1e-4)


@EACH
def test_one_token_at_a_time_is_the_same(name):
    model, ids = make(name), pieces(steps=4)
    decoder = generation.stepwise(model)
    state, whole = decoder.initial_state(len(ids)), numpy(model(ids))
    for place in range(ids.shape[1]):
        logits, state = decoder.step(ids[:, place], state, keras.ops.convert_to_tensor(place, "int32"))
        np.testing.assert_allclose(numpy(logits), whole[:, place], atol=1e-4)


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
    sounding, moves = (
        state[..., chorales.columns(name)[0] : chorales.columns(name)[-1] + 1] for name in ("pitches", "motions")
    )
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
