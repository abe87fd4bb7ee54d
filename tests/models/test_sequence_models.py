"""What networks for sequences do: the same step by step, windows, directions, frames by themselves."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from kerasmlsp import generation, layers, models

RANDOM = np.random.default_rng(0)
SIGNAL = RANDOM.normal(size=(3, 9, 4)).astype("float32")
IDS = RANDOM.integers(2, 7, (3, 9)).astype("int32")
SOURCE = np.array([[3, 4, 5, 2, 6], [5, 6, 0, 0, 0], [2, 0, 0, 0, 0]], "int32")
WORDS = {"source_vocabulary_size": 7, "target_vocabulary_size": 7}
BLOCKS = {"num_heads": 2, "num_layers": 2}
FRAMES = {"num_features": 4, "num_outputs": 2, "features": 8, **BLOCKS}
VARIANT = functools.partial(layers.LSTMVariantCell, peepholes=True, gate_recurrence=True)
SPEAKERS = {
    "additive_attention_encoder_decoder": {**WORDS, "embedding_dim": 8, "units": 6, "attention_units": 5},
    "multiplicative_attention_encoder_decoder": {**WORDS, "embedding_dim": 8, "units": 6, "num_layers": 2},
    "text_encoder_decoder": {**WORDS, "embedding_dim": 8, "units": 6, "num_layers": 2},
    "transformer_translator": {**WORDS, **BLOCKS, "feed_forward_dim": 9, "window": 4},
}
FOLLOWERS = {
    "windowed_transformer": {**FRAMES, "window": 4},
    "learned_position_transformer": {**FRAMES, "window": 4, "max_length": 6},
    "recurrent_tagger": {"num_features": 4, "num_classes": 3, "units": 5, "num_layers": 2},
    "graph_lstm": {"adjacency": np.tri(4), "order": 2},
}


def numpy(value):
    return ops.convert_to_numpy(value)


def make(name, **changes):
    keras.utils.set_random_seed(0)
    model = getattr(models, name)(**{**{**SPEAKERS, **FOLLOWERS}.get(name, {}), **changes})
    # Other weights than those at the start, where biases are 0 and attention is even.
    model.set_weights([w + 0.2 * np.cos(np.arange(w.size)).reshape(w.shape) for w in model.get_weights()])
    return model


def logits_of(model):
    outputs = model({"source_ids": SOURCE, "target_ids": IDS})
    return numpy(outputs["logits"] if isinstance(outputs, dict) else outputs)


@pytest.mark.parametrize("name", [*SPEAKERS, *FOLLOWERS])
def test_one_step_at_a_time_gives_the_same_answers(name):
    model, given, inputs = make(name), None, SIGNAL
    if name in SPEAKERS:
        given, inputs = {"source_ids": SOURCE}, IDS
        whole = logits_of(model)
    else:
        whole = numpy(model(SIGNAL))
    decoder = generation.stepwise(model, given)
    state = decoder.initial_state(3)
    for position in range(7):  # beyond the windows
        found, state = decoder.step(inputs[:, position], state, ops.convert_to_tensor(position, "int32"))
        np.testing.assert_allclose(numpy(found), whole[:, position], atol=1e-4, err_msg=str(position))
    assert whole.std(axis=1).max() > 0.01


@pytest.mark.parametrize("name", SPEAKERS)
def test_rows_may_share_what_they_look_at(name):
    """The beams of a sentence: the memory is kept once, and the answers are those of rows of their own."""
    model = make(name)
    shared = generation.stepwise(model, {"source_ids": SOURCE}, length=9)
    rows = np.repeat(np.arange(3, dtype="int32"), 2)
    state = shared.take(shared.initial_state(3), ops.convert_to_tensor(rows), 3)
    single = generation.stepwise(model, {"source_ids": SOURCE[rows]})
    apart = single.initial_state(6)
    if name != "text_encoder_decoder":
        assert shapes(state, 3) and not shapes(apart, 3)
    ids = np.concatenate([IDS, IDS[:, ::-1]])
    order = ops.convert_to_tensor([1, 0, 3, 2, 4, 4])  # as beams change places within their sentence
    for position in range(4):
        place = ops.convert_to_tensor(position, "int32")
        found, state = shared.step(ids[:, position], state, place)
        expected, apart = single.step(ids[:, position], apart, place)
        np.testing.assert_allclose(numpy(found), numpy(expected), atol=1e-4)
        state, apart = shared.take(state, order, 6), generation.take_rows(apart, order, 6)


def shapes(state, rows):
    """Tensors of a state with so many rows."""
    return [each for each in keras.tree.flatten(state) if each.shape[0] == rows]


@pytest.mark.parametrize("name", SPEAKERS)
def test_one_table_serves_source_target_and_logits(name):
    sizes = {"features": 8} if name == "transformer_translator" else {"embedding_dim": 6, "units": 6}
    model = make(name, share_embeddings=True, **sizes)
    table = model.get_layer("embedding").embeddings
    assert [weight.path for weight in model.weights if 7 in weight.shape] == [table.path]
    before = logits_of(model)
    assert before.shape == (3, 9, 7) and before.dtype == "float32"
    # A unit that is nowhere in the inputs changes its own logits alone.
    absent = next(number for number in range(7) if number not in IDS and number not in SOURCE)
    table.assign(numpy(table) * (1 + (np.arange(7) == absent))[:, None])
    after = logits_of(model)
    np.testing.assert_allclose(after[..., absent], 2 * before[..., absent], atol=1e-4)
    np.testing.assert_allclose(np.delete(after, absent, -1), np.delete(before, absent, -1), atol=1e-5)
    decoder = generation.stepwise(model, {"source_ids": SOURCE})
    found, _ = decoder.step(IDS[:, 0], decoder.initial_state(3), ops.convert_to_tensor(0, "int32"))
    np.testing.assert_allclose(numpy(found), after[:, 0], atol=1e-4)
    with pytest.raises(ValueError, match="`share_embeddings` needs one vocabulary"):
        make(name, share_embeddings=True, **sizes, target_vocabulary_size=8)


@pytest.mark.parametrize("name", ["text_encoder_decoder", "multiplicative_attention_encoder_decoder"])
def test_states_that_become_logits_by_a_shared_table_have_its_size(name):
    with pytest.raises(ValueError, match="Received: embedding_dim=8, units=6"):
        make(name, share_embeddings=True)


@pytest.mark.parametrize("name", [name for name in SPEAKERS if name != "text_encoder_decoder"])
def test_attention_looks_at_the_source_and_not_at_its_padding(name):
    weights = numpy(make(name)({"source_ids": SOURCE, "target_ids": IDS})["attention"])
    assert weights.shape == (3, 9, 5)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    assert ((weights > 0) == (SOURCE > 0)[:, None]).all()


@pytest.mark.parametrize("name", ["windowed_transformer", "learned_position_transformer"])
@pytest.mark.parametrize(("num_layers", "reach"), [(1, 4), (2, 7)])
def test_a_frame_reaches_as_far_as_the_windows(name, num_layers, reach):
    model, changed = make(name, num_layers=num_layers), SIGNAL.copy()
    changed[:, 0] += 1
    different = np.abs(numpy(model(changed)) - numpy(model(SIGNAL))).max((0, 2)) > 1e-6
    assert different.tolist() == [True] * reach + [False] * (9 - reach)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.SimpleRNN,
        keras.layers.GRU,
        layers.LSTM,
        lambda units, **options: keras.layers.RNN(VARIANT(units), **options),
    ],
    ids=["simple", "gru", "lstm", "variant"],
)
def test_every_recurrent_layer_fits_the_builders(layer):
    sizes = {"units": 5, "num_layers": 2, "layer": layer}
    for builder in (models.recurrent_classifier, models.bidirectional_classifier):
        assert numpy(builder(4, 3, **sizes)(SIGNAL)).sum(1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert models.recurrent_encoder_decoder(4, 2, 6, **sizes)(SIGNAL).shape == (3, 6, 2)
    assert models.one_to_many(4, 2, 6, **sizes)(SIGNAL[:, 0]).shape == (3, 6, 2)


def directions(model):
    return [model.get_layer(f"recurrent_1_{way}").get_weights() for way in ("forward", "backward")]


def test_both_directions_are_those_of_keras():
    model = make("bidirectional_tagger", num_features=4, num_classes=3, layer=keras.layers.SimpleRNN, units=5)
    both = keras.layers.Bidirectional(keras.layers.SimpleRNN(5, return_sequences=True))
    both.build(SIGNAL.shape)
    both.set_weights(directions(model)[0] + directions(model)[1])
    inner = keras.Model(model.input, model.get_layer("states_1").output)
    np.testing.assert_allclose(numpy(inner(SIGNAL)), numpy(both(SIGNAL)), atol=1e-5)


def test_the_classifier_sees_both_ends_of_a_signal():
    model = make("bidirectional_classifier", num_features=4, num_classes=3, layer=keras.layers.SimpleRNN, units=5)
    forward, backward = directions(model)
    kernel, bias = model.get_layer("probabilities").get_weights()
    padded = SIGNAL * (np.arange(9) < np.array([[9], [4], [1]]))[..., None]
    expected = []
    for row, length in zip(SIGNAL, (9, 4, 1), strict=True):
        ends = []
        for steps, (w, r, b) in ((row[:length], forward), (row[:length][::-1], backward)):
            state = np.zeros(5)
            for x in steps:
                state = np.tanh(x @ w + state @ r + b)
            ends.append(state)
        scores = np.exp(np.concatenate(ends) @ kernel + bias)
        expected.append(scores / scores.sum())
    np.testing.assert_allclose(numpy(model(padded)), expected, atol=1e-5)


def test_a_decoder_goes_on_from_the_state_of_its_encoder():
    model = make("recurrent_encoder_decoder", num_features=4, num_outputs=2, length=3, layer=keras.layers.SimpleRNN)
    *cells, kernel, bias = model.get_weights()
    state, found = np.zeros((3, 64)), []
    for t in range(9):
        state = np.tanh(SIGNAL[:, t] @ cells[0] + state @ cells[1] + cells[2])
    last = state
    for _ in range(3):
        state = np.tanh(last @ cells[3] + state @ cells[4] + cells[5])
        found.append(state @ kernel + bias)
    np.testing.assert_allclose(numpy(model(SIGNAL)), np.stack(found, 1), atol=1e-3)


def test_a_video_classifier_sees_every_frame_by_itself():
    model = make("video_classifier", height=8, width=8, channels=1, num_classes=3, filters=(2, 3), units=4)
    maps = keras.Model(model.input, model.get_layer("pool_2").output)
    clip = RANDOM.random((2, 3, 8, 8, 1)).astype("float32")
    alone = [numpy(maps(clip[:, t : t + 1])) for t in range(3)]
    np.testing.assert_allclose(numpy(maps(clip)), np.concatenate(alone, 1), atol=1e-5)


def test_a_video_classifier_with_a_grid_knows_where_something_is():
    """A point that goes round and one that stays are alike in the mean over all pixels, and unlike in the cells."""
    options = {"height": 16, "width": 16, "channels": 1, "num_classes": 2, "filters": (2,), "units": 4}
    clips = np.zeros((2, 3, 16, 16, 1), "float32")
    clips[0, :, 4, 4] = 1
    for step, place in enumerate((4, 8, 12)):
        clips[1, step, place, place] = 1
    told = {}
    for grid in (1, 4):
        model = make("video_classifier", **options, grid=grid)
        told[grid] = numpy(keras.Model(model.input, model.get_layer("lstm").input)(clips))
    assert told[1].shape == (2, 3, 2) and told[4].shape == (2, 3, 4 * 4 * 2)
    np.testing.assert_allclose(told[1][0], told[1][1], atol=1e-6)
    assert np.abs(told[4][0] - told[4][1]).max() > 0.01
    # The mean over the cells is that over all pixels.
    np.testing.assert_allclose(told[4].reshape(2, 3, 16, 2).mean(2), told[1], atol=1e-6)


@pytest.mark.parametrize("name", ["convlstm_classifier", "convlstm_forecaster"])
def test_convolutional_lstms_see_frames_that_were_halved(name):
    sizes = {"height": 8, "width": 12, "channels": 1, "filters": (3,), "halvings": 2}
    model = make(name, **sizes, **({"num_classes": 2} if name == "convlstm_classifier" else {}))
    assert model.get_layer("convlstm_1").output.shape == (None, None, 2, 3, 3)
    extra = (9 + 1) * 3 + (9 * 3 + 1) * 3
    if name == "convlstm_forecaster":
        assert model.output_shape == (None, None, 8, 12, 1)
        extra += 2 * (9 * 3 + 1) * 3
    plain = make(name, **{**sizes, "halvings": 0}, **({"num_classes": 2} if name == "convlstm_classifier" else {}))
    # The gates see three maps in place of one channel.
    assert model.count_params() == plain.count_params() + extra + 4 * 9 * 3 * (3 - 1)
    with pytest.raises(ValueError, match=r"`width` must be a multiple of 4\. Received: width=10"):
        make(name, **{**sizes, "width": 10}, **({"num_classes": 2} if name == "convlstm_classifier" else {}))
