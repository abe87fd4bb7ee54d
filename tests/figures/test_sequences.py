"""The numbers of the figures of sequences, in their quick forms, and what the whole ones show."""

import json

import keras
import numpy as np
import pytest

from kerasmlsp import figures
from kerasmlsp.figures import _made, _sequences, sequences_generation, sequences_gradients, sequences_memory
from kerasmlsp.layers import LSTM, GatedConvolutions


def quick(name, **options):
    return getattr(figures, name)(**{**figures.QUICK.get(name, {}), **options})


def test_bptt():
    _, numbers = quick("bptt")
    left = {name: row[-1] for name, row in numbers["gradient"].items()}
    assert left["RNN, weights x 0.5"] < 1e-5 and left["RNN, weights x 2"] > 3
    assert left["residual recurrence"] == pytest.approx(1, rel=0.5)
    for name in ("LSTM, forget bias", "GRU, update bias"):
        shares = [value for label, value in left.items() if label.startswith(name)]
        assert shares == sorted(shares) and shares[-1] > 1e3 * shares[0]


def test_the_slope_through_a_linear_recurrence_is_the_power_of_its_weight():
    """Sri Rama Murty, (Deep) Neural Networks (2021), "Issues with RNNs": a product of as many factors as steps."""
    signal = np.full((1, 6, 1), 1e-4, "float32")
    keras.utils.set_random_seed(0)
    slopes = sequences_gradients._slope_by_lag(keras.layers.SimpleRNN, 1, signal, "RNN", 0.5)
    np.testing.assert_allclose(slopes, 0.5 ** np.arange(6), rtol=1e-3)


def test_adding_problem():
    figure, numbers = quick("adding_problem")
    assert numbers["steps"] == [0, 2, 4] and numbers["guess"] == pytest.approx(1 / 6, rel=0.2)
    np.testing.assert_array_equal(figure.axes[0].get_lines()[1].get_ydata(), numbers["error"]["LSTM"])
    inputs, sums = sequences_gradients._marked(9, 6, 0)
    assert (inputs[..., 1].reshape(9, 2, 3).sum(-1) == 1).all()
    np.testing.assert_allclose((inputs[..., 0] * inputs[..., 1]).sum(1), sums[:, 0], rtol=1e-6)


def test_clipping():
    _, numbers = quick("clipping")
    jumps = {name: np.linalg.norm(np.diff(path, axis=0), axis=1).max() for name, path in numbers["paths"].items()}
    assert jumps["with clipping"] <= 0.3 * 0.5 + 1e-6 < 1 < jumps["without clipping"]
    assert numbers["errors"]["with clipping"][-1] < 1e-2 < numbers["errors"]["without clipping"][-1]


def test_the_slopes_at_the_cliff_are_those_of_a_layer_of_the_library():
    import tensorflow as tf

    weight, bias = tf.Variable(5.3), tf.Variable(-2.7)
    with tf.GradientTape() as tape:
        state = tf.constant(0.0)
        for _ in range(50):
            state = tf.sigmoid(weight * state + bias)
        error = (state - 0.7) ** 2
    found, slopes = sequences_gradients._cliff(np.array([5.3, -2.7]), 50)
    assert found == pytest.approx(float(error), rel=1e-4)
    np.testing.assert_allclose(slopes, [float(each) for each in tape.gradient(error, [weight, bias])], rtol=1e-3)


def test_truncation():
    _, numbers = quick("truncation")
    assert list(numbers["accuracy"]) == [1, 2] and all(0.3 < each <= 1 for each in numbers["accuracy"].values())
    bits, answers = sequences_memory._delayed(3, 9, 2, 0)
    np.testing.assert_array_equal(answers[:, 2:] > 0, bits[:, :-2] > 0)


def test_gates_over_time():
    _, numbers = quick("gates_over_time")
    assert numbers["off"] < 1e-5 and 0.3 < numbers["accuracy"] <= 1
    signal, held = sequences_memory._latched(5, 9, 0.3, 0)
    for row, wanted in zip(signal, held, strict=True):
        latest = [row[: step + 1, 0][row[: step + 1, 1] > 0][-1] for step in range(9)]
        np.testing.assert_array_equal(np.array(latest) > 0, wanted > 0)
    layer = LSTM(3, return_sequences=True)
    layer.build(signal.shape)
    np.testing.assert_allclose(sequences_memory._gates(layer, signal)["state"], layer(signal), atol=1e-5)


@pytest.mark.slow
def test_the_forget_gate_closes_at_marks():
    _, numbers = figures.gates_over_time()
    assert numbers["accuracy"] > 0.98 and abs(numbers["correlation"]) > 0.7
    assert numbers["forget"]["at marks"] < numbers["forget"]["between"] / 2


def test_alignment():
    _, numbers = quick("alignment")
    assert numbers["source"][-1] == "end" and numbers["attention"].shape == (len(numbers["target"]), 8)
    np.testing.assert_allclose(numbers["attention"].sum(1), 1, rtol=1e-4)


@pytest.mark.slow
def test_the_translator_looks_at_the_noun_first_and_then_at_its_colour():
    _, numbers = figures.alignment()
    assert numbers["target"] == ["le", "chien", "noir", "suit", "un", "chat", "blanc", "end"]
    looks = numbers["attention"].argmax(1).tolist()
    assert looks[1:3] == [2, 1] and looks[5:7] == [6, 5]


def test_made_sentences_are_translated_word_by_word_but_for_the_order():
    english, french = _made.translations(20, 0, (2, 3))
    for one, other in zip(english, french, strict=True):
        assert sorted(_made._BOTH[word] for word in one) == sorted(other)
    assert any([_made._BOTH[word] for word in one] != other for one, other in zip(english, french, strict=True))


def test_self_attention():
    _, numbers = quick("self_attention")
    scaled = np.exp(numbers["scores"] / np.sqrt(8))
    np.testing.assert_allclose(numbers["weights"], scaled / scaled.sum(1, keepdims=True), rtol=1e-3)
    # Without the root of the size the shares are less even.
    assert numbers["entropy"]["without"] < numbers["entropy"]["weights"] <= np.log(4)


@pytest.mark.slow
def test_the_verb_looks_at_who_it_is():
    _, numbers = figures.self_attention()
    assert numbers["weights"].argmax(1).tolist() == [1, 0, 3, 2]


def test_the_attention_of_a_block_is_that_of_its_layer():
    net = _sequences.filler(features=8, heads=2, steps=1, seed=0, batch=2)
    ids = np.array([[2, 8, 11, 0]])
    found, encoder = _sequences.attention_of(net, ids), net.get_layer("encoder")
    inputs = keras.ops.convert_to_tensor(found["inputs"])
    mask = (ids != 0)[:, None]
    _, weights = encoder.get_layer("block_1_attention")(
        inputs, inputs, attention_mask=mask, return_attention_scores=True
    )
    np.testing.assert_allclose(found["weights"], weights, atol=1e-5)


def test_attention_heads():
    _, numbers = quick("attention_heads")
    np.testing.assert_allclose(numbers["weights"].sum(-1), 1, rtol=1e-4)
    assert numbers["accuracy"] < 1 and len(numbers["after"]) == 2


@pytest.mark.slow
def test_heads_share_the_work():
    _, numbers = figures.attention_heads()
    assert numbers["accuracy"] > 0.98
    assert {int(np.argmax(numbers["before"])), int(np.argmax(numbers["after"]))} == {0, 1}
    assert max(numbers["before"]) > 0.6 and max(numbers["after"]) > 0.6


def test_word_map():
    _, numbers = quick("word_map")
    assert numbers["cosine"]["within"] > numbers["cosine"]["between"] + 0.2
    assert numbers["places"].shape == (len(numbers["words"]), 2) and 0.2 < numbers["variance"] < 1


def test_translation_quality():
    figure, numbers = quick("translation_quality")
    assert numbers["words"][0] < numbers["words"][1] and all(max(row) <= 100 for row in numbers["chrF"].values())
    np.testing.assert_array_equal(figure.axes[0].get_lines()[1].get_ydata(), numbers["chrF"]["additive attention"])


def test_lstm_variants():
    _, numbers = quick("lstm_variants")
    parameters, vanilla = numbers["parameters"], numbers["parameters"]["vanilla"]
    # Of 4 units: a gate has 4 (88 + 4 + 1) weights and 4 peepholes.
    assert vanilla - parameters["no forget gate"] == vanilla - parameters["coupled gates"] == 4 * 93 + 4
    assert vanilla - parameters["no peepholes"] == 12 and parameters["full gate recurrence"] - vanilla == 12**2
    assert all(len(each) == 1 and 0 < each[0] < 88 for each in numbers["nats"].values())


def test_variants_learn_music_of_a_file(tmp_path):
    chords = [[48, 64, 67, 72], [50, 65, 69, 74], [48, 64, 67, 72], [43, 62, 67, 71]]
    (tmp_path / "tiny.json").write_text(json.dumps({"train": [chords] * 3, "test": [chords[::-1]]}))
    train, test = sequences_generation._music(tmp_path / "tiny.json", 9, 4)
    assert train.shape == (3, 4, 88) and test.shape == (1, 4, 88)
    assert np.flatnonzero(train[0, 0]).tolist() == np.flatnonzero(test[0, 1]).tolist() == [27, 43, 46, 51]
    with pytest.raises(ValueError, match="`data` must hold pieces of 13 frames"):
        quick("lstm_variants", data=tmp_path / "tiny.json", length=12)


def test_wavenet_dilations():
    _, numbers = quick("wavenet_dilations")
    assert numbers["reach"] == {"dilated": [2, 4, 8, 16], "plain": [2, 3, 4, 5]}
    layer = GatedConvolutions(8, (1, 2, 4, 8))
    layer.build((None, 16, 8))
    assert numbers["parameters"] == {"dilated": layer.count_params(), "plain": layer.count_params()}


def test_ar_speed():
    _, numbers = quick("ar_speed")
    assert numbers["share"] == 1 and [len(each) for each in numbers["seconds"].values()] == [1, 1, 1]
    judged, anew, kept = (each[-1] for each in numbers["seconds"].values())
    assert judged < anew and kept > 0
