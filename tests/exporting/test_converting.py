"""Nets as ONNX and LiteRT files: each answers as the net, or is refused and leaves nothing."""

import sys

import numpy as np
import pytest

from kerasmlsp import exporting
from kerasmlsp.exporting import converting


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def nets():
    import keras

    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    words = keras.layers.Embedding(20, 4, mask_zero=True)(tokens)
    steps = keras.layers.Conv1D(4, 3, padding="same")(keras.layers.Embedding(20, 4)(tokens))
    pools = {"conv": keras.layers.GlobalMaxPooling1D()(steps)}
    pools["lstm"] = keras.layers.Bidirectional(keras.layers.LSTM(3))(words)
    head = keras.layers.Dense(2, activation="softmax", name="probabilities")
    other = keras.layers.Dense(2, activation="softmax", name="probabilities")
    return {
        "conv": keras.Model(tokens, head(pools["conv"])),
        "lstm": keras.Model(tokens, other(pools["lstm"])),
    }


def test_names_in_converted_files():
    import keras

    one, two = keras.Input((4,), name="one"), keras.Input((None, 2), name="two")
    pooled = keras.layers.Concatenate()([one, keras.layers.GlobalMaxPooling1D()(two)])
    pair = keras.Model([one, two], {"score": keras.layers.Dense(1)(pooled), "copy": keras.layers.Dense(2)(one)})
    named = converting._with_names(pair)
    assert sorted(named.input) == ["one", "two"] and sorted(named.output) == ["copy", "score"]
    chain = converting._with_names(keras.Sequential([keras.Input((3,), name="frame"), keras.layers.Dense(2, name="d")]))
    assert sorted(chain.input) == ["frame"] and sorted(chain.output) == ["d"]


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_missing_converter_names_the_extra(nets, tmp_path, monkeypatch, format):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(ValueError, match=rf"pip install -e '\.\[{format}\]'"):
        exporting.convert(nets["conv"], tmp_path / "net", format, examples=[[1, 2, 3], [4, 5, 0]])
    assert tree(tmp_path) == []


@pytest.mark.parametrize("net", ["conv", "lstm"])
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_conversion(nets, tmp_path, format, net):
    for package in converting._CONVERTERS[format][1]:
        pytest.importorskip(package)
    path = exporting.convert(nets[net], tmp_path / "net", format, examples=[[1, 2, 3, 4, 5], [6, 7, 0, 0, 0]])
    assert path == tmp_path / "net" and tree(tmp_path) == ["net"]
    answer = converting._CONVERTERS[format][3](path)({"tokens": np.array([[1, 2, 3, 4, 5, 6, 7, 8]], "int32")})
    assert list(answer) == ["probabilities"]
    expected = nets[net](np.array([[1, 2, 3, 4, 5, 6, 7, 8]]))
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)


@pytest.fixture(scope="module")
def calculator():
    """A net of what tf2onnx lacks or has wrong: GELU, whole numbers divided, and a value that is put in its place."""
    import keras

    @keras.saving.register_keras_serializable("tests")
    class Calculator(keras.layers.Layer):
        def call(self, numbers):
            places = keras.ops.slice_update(numbers, (0, 1), numbers[:, :1] * 7)
            return [keras.ops.mod(numbers, 4), keras.ops.mod(numbers, -4), numbers // 4, numbers // -4, places]

        def compute_output_spec(self, numbers):
            return [keras.KerasTensor(numbers.shape, "int32") for _ in range(5)]

    numbers, reals = keras.Input((None,), dtype="int32", name="numbers"), keras.Input((3,), name="reals")
    names = ("mod", "mod_of_minus", "quotient", "quotient_of_minus", "places")
    outputs = dict(zip(names, Calculator()(numbers), strict=True))
    outputs["gelu"] = keras.layers.Activation("gelu")(reals)
    outputs["remainder"] = keras.ops.mod(reals, 0.7)
    # Beyond the 24 bits of a float.
    outputs["order"] = keras.ops.sort(numbers + 2**30, axis=1)
    return keras.Model([numbers, reals], outputs)


def test_operations_that_tf2onnx_lacks_or_has_wrong(calculator, tmp_path):
    pytest.importorskip("tf2onnx")
    numbers = np.array([[-9, -8, -1, 0, 3, 9], [5, 4, -5, -4, 1, 2]], "int32")
    reals = np.array([[-3, -0.5, 0], [0.2, 1, 6]], "float32")
    path = exporting.convert(
        calculator, tmp_path / "net.onnx", "onnx", examples={"numbers": numbers, "reals": reals}, tolerance=1e-6
    )
    found = converting._open_onnx(path)({"numbers": numbers, "reals": reals})
    np.testing.assert_array_equal(found["mod"], numbers % 4)
    np.testing.assert_array_equal(found["mod_of_minus"], numbers % -4)
    np.testing.assert_array_equal(found["quotient"], numbers // 4)
    np.testing.assert_array_equal(found["quotient_of_minus"], numbers // -4)
    np.testing.assert_array_equal(found["places"][:, :2], numbers[:, :1] * [1, 7])
    np.testing.assert_array_equal(found["places"][:, 2:], numbers[:, 2:])
    np.testing.assert_array_equal(found["order"], np.sort(numbers, axis=1) + 2**30)
    np.testing.assert_allclose(found["remainder"], np.mod(reals, np.float32(0.7)), atol=1e-6)
    # x times the normal distribution's share below x.
    gelu = [-0.00404969, -0.15426877, 0, 0.11585194, 0.84134475, 6]
    np.testing.assert_allclose(found["gelu"].ravel(), gelu, atol=1e-6)


def test_inputs_of_tied_lengths_are_cut_by_the_same_share():
    import keras

    frames, samples = keras.Input((None, 2), name="frames"), keras.Input((None,), name="samples")
    model = keras.Model([frames, samples], {"frames": frames, "samples": samples})

    def lengths(**sizes):
        short = converting._shortened(
            {"frames": np.ones((1, sizes["frames"], 2)), "samples": np.ones((1, sizes["samples"]))}, model
        )
        return short["frames"].shape, short["samples"].shape

    assert lengths(frames=3, samples=9) == ((1, 2, 2), (1, 6))
    assert lengths(frames=8, samples=8) == ((1, 6, 2), (1, 6))
    assert lengths(frames=7, samples=5) == ((1, 6, 2), (1, 4))
    assert lengths(frames=1, samples=1) == ((1, 1, 2), (1, 1))


def test_operations_that_a_format_lacks_are_named(tmp_path, capfd):
    import keras

    x = keras.Input((4,), name="x")
    model = keras.Model(x, {"y": keras.ops.erfinv(x)})
    for format, package in (("onnx", "tf2onnx"), ("litert", "ai_edge_litert")):
        pytest.importorskip(package)
        said = f"`model` cannot be converted to {format}: it has no operation for Erfinv of these types"
        with pytest.raises(ValueError, match=said):
            exporting.convert(model, tmp_path / "net", format, examples=np.full((2, 4), 0.5))
    assert tree(tmp_path) == []
    assert "Erfinv" not in capfd.readouterr().err


def test_conversions_that_fail_leave_nothing(nets, tmp_path, monkeypatch):
    examples = np.ones((2, 4), "int32")
    (tmp_path / "net").write_text("earlier")

    def refused(match, converter, format="onnx", model=nets["conv"], examples=examples):
        monkeypatch.setitem(converting._CONVERTERS, "onnx", converter)
        with pytest.raises(ValueError, match=match):
            exporting.convert(model, tmp_path / "net", format, examples=examples)
        assert tree(tmp_path) == ["net"] and (tmp_path / "net").read_text() == "earlier"

    def write(model, file):
        file.write_text("converted")

    def fail(model, file):
        write(model, file)
        raise TypeError("Unsupported\nmore")

    def wrong(file):
        return lambda feed: {"probabilities": np.full((len(feed["tokens"]), 2), 2.0)}

    refused('`format` must be "onnx" or "litert"', (".onnx", (), write, wrong), "tflite")
    refused("`model` must be a functional", (".onnx", (), write, wrong), model="net")
    refused("`examples` must have the inputs", (".onnx", (), write, wrong), examples={"words": examples})
    refused(
        "^`model` cannot be converted to onnx: the converter fails. Received: Unsupported$", (".onnx", (), fail, wrong)
    )

    def broken(file):
        raise RuntimeError("operation not known")

    refused(
        "cannot be converted to onnx: its file does not run. Received: operation not known",
        (".onnx", (), write, broken),
    )
    refused("Output `probabilities` of the onnx file differs by 1", (".onnx", (), write, wrong))
