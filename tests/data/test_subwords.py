"""Subword units: the segmentation in the graph is that of sentencepiece."""

import numpy as np
import pytest
import tensorflow as tf

from kerasmlsp.data import subwords
from kerasmlsp.data.subwords import CONTROLS, SPACE, Subwords

sentencepiece = pytest.importorskip("sentencepiece")

TEXTS = [
    "Two young, White males are outside near many bushes.",
    "Mehrere Männer mit Schutzhelmen bedienen ein Antriebsradsystem.",
    "Ein kleines Mädchen klettert in ein Spielhaus aus Holz.",
    "A man in a blue shirt is standing on a ladder cleaning a window.",
    "Deux jeunes hommes blancs sont dehors près de buissons.",
    "Мужчина в синей рубашке стоит на лестнице и моет окно.",
    "男人站在梯子上擦窗户。两个男人在说话",
    "นักเรียนสองคนกำลังอ่านหนังสือ",
    "لعب الأطفال في الحديقة",
    "नीली कमीज़ में एक आदमी सीढ़ी पर खड़ा है",
    "aaaa aaab abab baba bbbb abcabc cabcab",
]


@pytest.fixture(scope="module")
def pieces():
    # Words of chance, of which units are made that can be joined in several orders.
    random = np.random.default_rng(0)
    made = ["".join(random.choice(list("abcde"), random.integers(1, 9))) for _ in range(2000)]
    lines = [" ".join(made[start : start + 8]) for start in range(0, len(made), 8)]
    return subwords.learn([*TEXTS * 3, *lines], 600)


@pytest.fixture(scope="module")
def model(pieces, tmp_path_factory):
    """The same units in sentencepiece itself."""
    from sentencepiece import sentencepiece_model_pb2 as proto

    found = proto.ModelProto()
    kinds = {"<pad>": 3, "<unk>": 2, "<s>": 3, "</s>": 3}
    for number, piece in enumerate(pieces):
        found.pieces.add(piece=piece, score=-float(number), type=kinds.get(piece, 1))
    found.trainer_spec.model_type = 2
    found.trainer_spec.pad_id, found.trainer_spec.unk_id = 0, 1
    found.trainer_spec.bos_id, found.trainer_spec.eos_id = 2, 3
    found.normalizer_spec.name = "identity"
    found.normalizer_spec.add_dummy_prefix = found.normalizer_spec.remove_extra_whitespaces = True
    found.normalizer_spec.escape_whitespaces = True
    return sentencepiece.SentencePieceProcessor(model_proto=found.SerializeToString())


def sentences():
    """Sentences of several scripts, of words that are not known, and of letters of chance."""
    random = np.random.default_rng(1)
    letters = list("abcdeabcdeabcdexyzäñ é.,!? ?男窗户моет окнอนักक़ل\u2581")
    drawn = ["".join(random.choice(letters, random.integers(1, 60))) for _ in range(400)]
    words = [word for text in TEXTS for word in text.split()]
    mixed = [" ".join(random.permutation(words)[: random.integers(1, 12)]) for _ in range(200)]
    odd = [
        "",
        " ",
        "a",
        "\u2581",
        "\u2581\u2581 a",
        "😀",
        "😀😀 a😀b",
        "ab" * 150,
        "男" * 80,
        "x" * 40,
        "<s> </s> <unk> <pad>",
    ]
    return [*TEXTS, *drawn, *mixed, *odd]


def test_units_are_those_of_sentencepiece(pieces, model):
    texts = [" ".join(text.replace(SPACE, " ").split()) for text in sentences()]
    assert len(pieces) == model.get_piece_size() and len(set(pieces)) == len(pieces) > 500
    found = Subwords(pieces).encode(tf.constant(texts)).to_list()
    for text, ids in zip(texts, found, strict=True):
        assert ids == model.encode(text), text
    # Single texts, and none.
    one = Subwords(pieces).encode
    assert [one(tf.constant([text])).to_list()[0] for text in texts[:20]] == found[:20]
    assert one(tf.constant([], tf.string)).to_list() == []
    assert one(tf.constant(["", " "])).to_list() == [[], []]


def test_texts_come_back_from_their_units(pieces, model):
    texts = [" ".join(text.replace(SPACE, " ").split()) for text in sentences()]
    units = Subwords(pieces)
    ids = units.encode(tf.constant(texts))
    written = [line.decode() for line in units.decode(ids).numpy()]
    known = [i for i, row in enumerate(ids.to_list()) if subwords.UNKNOWN not in row]
    assert len(known) > 100
    for i in known:
        assert written[i] == texts[i] == model.decode(ids[i].numpy().tolist())
    # Padded rows, with start and stop.
    padded = tf.concat([tf.fill([len(texts), 1], subwords.START), ids.to_tensor(subwords.STOP)], 1)
    assert [line.decode() for line in units.decode(padded).numpy()] == written
    assert units.decode(tf.constant([[1, 0]])).numpy()[0].decode() == "\u2047"


def test_white_space_of_any_kind_is_one_space(pieces):
    units = Subwords(pieces)
    odd = ["a  b\tc\n\x0bd\u00a0\u2581e\u3000 ", " a b c d e"]
    first, second = units.encode(tf.constant(odd)).to_list()
    assert first == second and first


def test_it_runs_inside_a_graph(pieces):
    units = Subwords(pieces)
    function = tf.function(
        lambda texts: units.decode(units.encode(texts)), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    assert [line.decode() for line in function(tf.constant(TEXTS[:4])).numpy()] == TEXTS[:4]


def test_the_same_texts_give_the_same_units(pieces):
    assert subwords.learn(TEXTS * 3, 300) == subwords.learn(TEXTS * 3, 300)
    assert tuple(pieces[:4]) == CONTROLS and all(len(piece) > 1 for piece in pieces[4:300])


def test_small_texts_give_as_many_units_as_they_have():
    assert len(subwords.learn(["ab ab"], 1000)) < 12
    with pytest.raises(ValueError, match="`vocabulary_size` must be enough for all characters"):
        subwords.learn(TEXTS, 20)
    with pytest.raises(ValueError, match="at least one text with characters"):
        subwords.learn(["", " "], 100)


def test_pieces_that_are_no_list_of_units_are_refused():
    with pytest.raises(ValueError, match="`pieces` must begin with <pad>"):
        Subwords(["a", "b"])
