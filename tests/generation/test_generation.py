"""Decoding against the plain meaning of it: loops in NumPy, brute force."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerasmlsp import generation, layers, models
from kerasmlsp.generation import FREE
from kerasmlsp.generation.decoding import sampling

SIZE = 6


def numpy(value):
    return ops.convert_to_numpy(value)


@pytest.fixture(scope="module", params=["lstm", "gpt"])
def model(request):
    keras.utils.set_random_seed(3)
    if request.param == "lstm":
        net = models.lstm_language_model(SIZE, units=8, embedding_dim=4)
    else:
        net = models.gpt(SIZE, features=8, num_layers=2, num_heads=2, window=4)
    # An untrained LSTM is nearly indifferent.
    net.get_layer("logits").kernel.assign(net.get_layer("logits").kernel * (6 if request.param == "lstm" else 0.7))
    return net


@pytest.fixture(scope="module")
def decoder(model):
    return generation.stepwise(model)


def fill(decoder, template, **options):
    tokens, scores, _ = generation.fill(decoder, np.array(template, "int32"), **{"seeds": _seeds(template), **options})
    return numpy(tokens), numpy(scores)


def _seeds(template):
    return np.arange(len(template), dtype="int32")


def log_softmax(logits):
    return (
        logits
        - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - logits.max(-1, keepdims=True)
    )


# ---- templates -----------------------------------------------------------------------------------------------------


def test_a_template_is_prompts_and_free_places():
    prompts = np.array([[4, 5, 3], [2, 0, 0]])
    rows = numpy(generation.template(prompts, np.array([3, 1]), 2))
    assert rows.tolist() == [[4, 5, 3, FREE, FREE], [2, FREE, FREE, 0, 0]]
    rows = numpy(generation.template(prompts, np.array([3, 1]), np.array([0, 3])))
    assert rows.tolist() == [[4, 5, 3, 0, 0, 0], [2, FREE, FREE, FREE, 0, 0]]


def test_given_tokens_stay_and_are_scored(model, decoder):
    ids = np.array([[3, 1, 4, 1, 5, 2], [2, 0, 2, 1, 1, 3]], "int32")
    tokens, scores = fill(decoder, ids[:, 1:], start=ids[:, 0])
    assert (tokens == ids[:, 1:]).all()
    expected = numpy(generation.log_probabilities(model(ids[:, :-1]), ids[:, 1:]))
    np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_given_tokens_between_free_ones_are_kept(decoder):
    tokens, _ = fill(decoder, [[FREE, 3, FREE, FREE, 1]])
    assert tokens[0, 1] == 3 and tokens[0, 4] == 1 and (tokens >= 0).all()


# ---- drawing -------------------------------------------------------------------------------------------------------


def test_greedy_takes_the_likeliest_each_time(model, decoder):
    tokens, scores = fill(decoder, [[2, FREE, FREE, FREE, FREE, FREE]], temperature=0.0)
    text = [0, 2]
    for _ in range(5):
        text.append(int(numpy(model(np.array([text])))[0, -1].argmax()))
    assert tokens[0].tolist() == text[1:]
    assert scores[0, 1:].sum() < 0


def test_a_row_is_the_same_alone_in_any_batch_and_in_pieces(decoder):
    template = np.full((3, 7), FREE, "int32")  # beyond the window of the net, as each step takes long here
    template[:, :2] = [[1, 2], [3, 4], [5, 0]]
    options = {"temperature": 0.9, "top_k": 4, "top_p": 0.95}
    together, _ = fill(decoder, template, **options)
    for row in range(3):
        alone, _ = fill(decoder, template[row : row + 1], seeds=np.array([row], "int32"), **options)
        assert alone[0].tolist() == together[row].tolist()
    seeds, carry, pieces = _seeds(template), None, []
    for begin in (0, 3, 6):
        tokens, _, carry = generation.fill(decoder, template[:, begin : begin + 3], seeds=seeds, carry=carry, **options)
        pieces.append(numpy(tokens))
    assert (np.concatenate(pieces, 1) == together).all()
    # What was written stays the same where it is given back as a prompt.
    template[:, :5] = together[:, :5]
    assert (fill(decoder, template, **options)[0] == together).all()


def test_rows_of_a_state_go_on_as_their_texts_do(decoder):
    texts = np.array([[1, 2, 3], [4, 5, 0], [2, 2, 1]], "int32")
    kept = np.array([2, 0, 0, 1])

    def after(texts):
        state = decoder.initial_state(len(texts))
        for position, tokens in enumerate(texts.T):
            _, state = decoder.step(tokens, state, position)
        return state

    following = np.array([3, 1, 4, 2], "int32")
    picked = decoder.step(following, generation.take_rows(after(texts), kept, 3), 3)[0]
    np.testing.assert_allclose(numpy(picked), numpy(decoder.step(following, after(texts[kept]), 3)[0]), atol=1e-5)


def test_another_seed_writes_another_text(decoder):
    template = np.full((40, 6), FREE, "int32")
    texts = {tuple(row) for row in fill(decoder, template)[0].tolist()}
    assert len(texts) > 30
    assert (fill(decoder, template)[0] == fill(decoder, template)[0]).all()


def test_draws_follow_the_net(model, decoder):
    count = 20_000
    tokens, _ = fill(decoder, np.full((count, 2), FREE, "int32"), temperature=1.5)
    first = np.exp(log_softmax(numpy(model(np.array([[0]])))[0, 0] / 1.5))
    shares = np.bincount(tokens[:, 0], minlength=SIZE) / count
    np.testing.assert_allclose(shares, first, atol=5 * np.sqrt(0.25 / count))
    # The second draw is independent of the first, given its token.
    token = int(first.argmax())
    second = np.exp(log_softmax(numpy(model(np.array([[0, token]])))[0, 1] / 1.5))
    chosen = tokens[tokens[:, 0] == token, 1]
    np.testing.assert_allclose(
        np.bincount(chosen, minlength=SIZE) / len(chosen), second, atol=5 * np.sqrt(0.25 / len(chosen))
    )


LOGITS = np.log(np.array([0.05, 0.4, 0.1, 0.3, 0.15], "float32"))


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [
        (0, 1.0, {0, 1, 2, 3, 4}),
        (1, 1.0, {1}),
        (3, 1.0, {1, 3, 4}),
        (9, 1.0, {0, 1, 2, 3, 4}),
        (0, 0.35, {1}),
        (0, 0.45, {1, 3}),
        (0, 0.8, {1, 3, 4}),
        (2, 0.8, {1, 3}),
        (0, 1e-9, {1}),
    ],
)
def test_top_k_and_top_p_keep_the_likeliest(top_k, top_p, kept):
    places = np.linspace(0, 1, 2001, dtype="float32")[:-1, None]
    rows = len(places)
    drawn = numpy(
        generation.draw(
            np.tile(LOGITS, (rows, 1)),
            places,
            np.ones((rows, 1), "float32"),
            np.full((rows, 1), top_k, "int32"),
            np.full((rows, 1), top_p, "float32"),
        )
    )
    assert set(drawn.tolist()) == kept
    shares = np.exp(LOGITS)[sorted(kept)] / np.exp(LOGITS)[sorted(kept)].sum()
    np.testing.assert_allclose([np.mean(drawn == token) for token in sorted(kept)], shares, atol=2e-3)


def kept(logits, temperature=1.0, top_k=0, top_p=1.0, count=2000):
    """The tokens that are drawn, each with its share, with the random numbers spread evenly."""
    places = ((np.arange(count) + 0.5) / count).astype("float32")[:, None]
    logits = np.tile(np.asarray(logits, "float32"), (count, 1))
    settings = ((temperature, "float32"), (top_k, "int32"), (top_p, "float32"))
    columns = [np.full((count, 1), value, dtype) for value, dtype in settings]
    drawn = numpy(generation.draw(logits, places, *columns))
    return {int(token): float(np.mean(drawn == token)) for token in np.unique(drawn)}


@pytest.mark.parametrize(
    ("logits", "options", "tokens"),
    [
        (np.ones(50), {"top_k": 1}, [0]),
        (np.ones(50), {"top_k": 7}, range(7)),
        (np.ones(50), {"top_p": 0.5}, range(25)),
        (np.zeros(10), {"top_p": 0.3}, range(3)),
        (np.zeros(8), {"top_p": 0.51}, range(5)),
        ([0, 2, 1, 2, 1, 1], {"top_k": 2}, [1, 3]),
        ([0, 2, 1, 2, 1, 1], {"top_k": 4}, [1, 2, 3, 4]),
        ([0, 2, 1, 2, 1, 1], {"top_k": 1}, [1]),
        ([0, 0, 0, 9, 9, 9], {"top_p": 0.6}, [3, 4]),
        (np.zeros(8), {"top_k": 3, "top_p": 0.9}, range(3)),
        (np.zeros(8), {"top_k": 5, "top_p": 0.25}, range(2)),
        (np.zeros(8), {"top_k": -2}, range(8)),
        (np.zeros(8), {"top_k": 99}, range(8)),
        ([-np.inf, 1, 1, -np.inf], {"top_k": 3, "top_p": 0.9}, [1, 2]),
    ],
)
def test_of_equally_likely_tokens_exactly_as_many_are_kept(logits, options, tokens):
    shares = kept(logits, **options)
    expected = np.exp(np.asarray(logits, float)[list(tokens)])
    assert list(shares) == list(tokens)
    np.testing.assert_allclose(list(shares.values()), expected / expected.sum(), atol=2e-3)


@pytest.mark.parametrize("temperature", [0.0, -1.0, 1e-3, 1e-20, 1e-37, 2e-39, 1e-42, np.nan])
def test_a_temperature_of_nearly_nothing_is_greedy(temperature):
    logits = [2.0, 1.0, -np.inf, 3.0, -3.0]
    assert kept(logits, temperature, count=50) == {3: 1.0}
    assert kept(logits, temperature, top_k=3, top_p=0.9, count=50) == {3: 1.0}


def test_filters_of_other_rows_change_nothing(decoder):
    # A row that keeps all tokens is worked off with the filters as soon as another one has them.
    random = np.random.default_rng(0)
    logits = random.normal(0, 6, (500, 300)).astype("float32")
    places = np.linspace(0.999, 1, 501, dtype="float32")[:-1, None]
    ones, none = np.ones((500, 1), "float32"), np.zeros((500, 1), "int32")
    alone = numpy(generation.draw(logits, places, ones, none, ones))
    filtered = none.copy()
    filtered[0] = 3
    assert (numpy(generation.draw(logits, places, ones, filtered, ones))[1:] == alone[1:]).all()


def test_seeds_are_taken_modulo_two_to_the_32():
    for seed, same in ((-1, 2**32 - 1), (-(2**31), 2**31), (2**40 + 5, 5)):
        found = [numpy(sampling._uniform(np.array([each]), 3)) for each in (seed, same)]
        assert found[0] == found[1] and 0 <= found[0] < 1


def test_every_row_may_have_settings_of_its_own(decoder):
    template = np.full((3, 8), FREE, "int32")
    seeds = np.zeros(3, "int32")
    tokens, _ = fill(decoder, template, seeds=seeds, temperature=np.array([0.0, 1.0, 1.0], "float32"), top_k=[0, 0, 1])
    assert (tokens[0] == tokens[2]).all() and (tokens[0] != tokens[1]).any()


# ---- the end -------------------------------------------------------------------------------------------------------


def test_after_the_stop_token_comes_nothing_else(decoder):
    tokens, scores = fill(decoder, np.full((200, 9), FREE, "int32"), stop=2)
    ended = 0
    for row, score in zip(tokens, scores, strict=True):
        if 2 in row.tolist():
            place = row.tolist().index(2)
            ended += place < 8
            assert (row[place:] == 2).all() and (score[place + 1 :] == 0).all() and score[place] < 0
    assert ended > 10


def test_the_stop_token_waits_for_its_place(decoder):
    tokens, _ = fill(decoder, np.full((200, 5), FREE, "int32"), stop=2, stop_from=3)
    assert not (tokens[:, :3] == 2).any() and (tokens[:, 3] == 2).any()


# ---- beams ---------------------------------------------------------------------------------------------------------


def scored(model, sequences, first, penalty):
    """Scores of sequences of one length."""
    tokens = np.array(sequences)
    logs = log_softmax(numpy(model(np.pad(tokens[:, :-1], ((0, 0), (1, 0)), constant_values=first))))
    sums = np.take_along_axis(logs, tokens[..., None], axis=2).sum((1, 2))
    return sums / ((5 + tokens.shape[1]) / 6) ** penalty


def ranking(model, first, length, stop, penalty):
    """Every sequence with its score, best first."""
    pairs = []
    for _, group in itertools.groupby(sorted(every_sequence(length, stop), key=len), key=len):
        sequences = list(group)
        pairs += zip(scored(model, sequences, first, penalty).tolist(), sequences, strict=True)
    return sorted(pairs, reverse=True)


def every_sequence(length, stop):
    others = [token for token in range(SIZE) if token != stop]
    for n in range(length):
        for head in itertools.product(others, repeat=n):
            yield (*head, stop)
    yield from itertools.product(others, repeat=length)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
def test_beam_search_finds_the_true_best(penalty):
    keras.utils.set_random_seed(8)
    model = models.gru_language_model(SIZE, units=8, embedding_dim=4)
    model.get_layer("logits").kernel.assign(model.get_layer("logits").kernel * 4)
    decoder, length, stop = generation.stepwise(model), 3, 2
    tokens, scores = generation.beam_search(
        decoder,
        decoder.initial_state(2),
        np.array([0, 4]),
        beams=3,
        length=length,
        stop=stop,
        length_penalty=penalty,
    )
    for row, first in enumerate((0, 4)):
        score, best = ranking(model, first, length, stop, penalty)[0]
        found = numpy(tokens)[row, 0].tolist()
        assert found == [*best, *[stop] * (length - len(best))]
        assert numpy(scores)[row, 0] == pytest.approx(score, abs=1e-4)
        assert (np.diff(numpy(scores)[row]) <= 0).all()


def test_beams_of_rows_with_lengths_of_their_own_are_those_alone(model, decoder):
    first, limits, options = np.array([0, 3, 4]), np.array([2, 6, 1]), {"beams": 2, "stop": SIZE - 1}
    tokens, scores = generation.beam_search(decoder, decoder.initial_state(3), first, length=limits, **options)
    assert tokens.shape == (3, 2, 6)
    for row, limit in enumerate(limits.tolist()):
        alone = generation.beam_search(decoder, decoder.initial_state(1), first[row : row + 1], length=limit, **options)
        assert numpy(tokens)[row, :, :limit].tolist() == numpy(alone[0])[0].tolist()
        assert (numpy(tokens)[row, :, limit:] == SIZE - 1).all()
        np.testing.assert_allclose(numpy(scores)[row], numpy(alone[1])[0], atol=1e-5)


def test_beams_find_no_worse_than_greedy(model, decoder):
    _, scores = generation.beam_search(
        decoder, decoder.initial_state(1), np.array([0]), beams=1, length=6, stop=SIZE - 1, length_penalty=0.0
    )
    _, greedy = fill(decoder, np.full((1, 6), FREE, "int32"), temperature=0.0, stop=SIZE - 1)
    assert numpy(scores)[0, 0] >= greedy.sum() - 1e-4


@pytest.mark.parametrize(
    ("options", "named"), [({"beams": 0}, "`beams`"), ({"beams": 4}, "`beams`"), ({"length": 0}, "`length`")]
)
def test_beams_out_of_range_are_refused(decoder, options, named):
    with pytest.raises(ValueError, match=named):
        generation.beam_search(
            decoder, decoder.initial_state(1), np.array([0]), **{"beams": 1, "length": 3, "stop": 1, **options}
        )


# ---- taking apart --------------------------------------------------------------------------------------------------


def test_what_is_no_causal_chain_is_refused():
    ids = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(5, 4)(ids)
    both = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True), name="both")(vectors)
    with pytest.raises(ValueError, match="Received: Bidirectional 'both'"):
        generation.stepwise(keras.Model(ids, keras.layers.Dense(5)(both)))
    branch = keras.layers.Add(name="around")([vectors, keras.layers.Dense(4)(vectors)])
    with pytest.raises(ValueError, match="`model` must be a chain of layers with one input"):
        generation.stepwise(keras.Model(ids, keras.layers.Dense(5)(branch)))
    backwards = keras.layers.GRU(3, return_sequences=True, go_backwards=True, name="back")(vectors)
    with pytest.raises(ValueError, match="Received: GRU 'back'"):
        generation.stepwise(keras.Model(ids, keras.layers.Dense(5)(backwards)))


def test_layers_in_between_are_part_of_the_chain():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(5, 4),
            keras.layers.LayerNormalization(),
            layers.LSTM(4, return_sequences=True),
            keras.layers.Activation("relu"),
            keras.layers.SimpleRNN(3, return_sequences=True),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(5),
        ]
    )
    ids = np.array([[1, 4, 2, 0, 3, 3]], "int32")
    _, scores = fill(generation.stepwise(model), ids[:, 1:], start=ids[:, 0])
    expected = numpy(generation.log_probabilities(model(ids[:, :-1]), ids[:, 1:]))
    np.testing.assert_allclose(scores, expected, atol=1e-5)


# ---- numbers in place of tensors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (2, 1.0), (0, 0.6), (3, 0.8)])
def test_settings_that_are_numbers_give_what_tensors_give(decoder, top_k, top_p):
    template = [[FREE] * 6, [2, FREE, FREE, 1, FREE, FREE]]
    plain = fill(decoder, template, top_k=top_k, top_p=top_p)
    options = {"top_k": ops.convert_to_tensor(top_k), "top_p": ops.convert_to_tensor(top_p)}
    general = fill(decoder, template, **options, count=ops.convert_to_tensor(6))
    np.testing.assert_array_equal(plain[0], general[0])
    np.testing.assert_allclose(plain[1], general[1], atol=1e-5)
