"""A worker that holds a saved model of TensorFlow: the same values as a call of the signature, and what it refuses."""

import asyncio
import json
import shutil
import struct

import numpy as np
import pytest
from engines import export, text, until, write_warm_up

from kerasmlsp.exporting import loading
from kerasmlsp.serving import graphs
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.tensors import TensorInfo


def predict(served, signature, inputs, name="tiny", timeout=30.0):
    return served(served.engine.servable(name).predict(signature, inputs, timeout))


def refusal(served, *arguments, **named):
    with pytest.raises(ServingError) as error:
        predict(served, *arguments, **named)
    return error.value.code, str(error.value)


def test_signatures_are_those_of_the_file_with_the_defaults_of_the_card(served):
    servable = served.engine.servable("tiny")
    assert sorted(servable.signatures) == ["__saved_model_init_op", "letters", "scaled", "serving_default", "slow"]
    assert servable.card["title"] == "Tiny" and servable.version == 1
    signature = servable.signatures["serving_default"]
    assert signature.inputs == {"text": TensorInfo("serving_default_text:0", "DT_STRING", (-1,))}
    assert {name: (each.dtype, each.shape) for name, each in signature.outputs.items()} == {
        "length": ("DT_INT32", (-1,)),
        "upper": ("DT_STRING", (-1,)),
        "half": ("DT_FLOAT", (-1,)),
    }
    assert signature.method_name == "tensorflow/serving/predict" and signature.defaults == {}
    assert servable.signatures["scaled"].defaults == {"scale": 3.0, "added": 0}
    assert servable.signatures["scaled"].inputs["scale"].shape == ()
    first = servable.signatures["__saved_model_init_op"]
    assert first.inputs == {} and first.outputs == {"__saved_model_init_op": TensorInfo("NoOp", "DT_INVALID", None)}
    code, message = refusal(served, "__saved_model_init_op", {})
    assert code == "INVALID_ARGUMENT" and "not found in signature def" in message


def test_values_are_those_of_the_signature(served):
    found = predict(served, "serving_default", text("ä", "one two"))
    assert found["length"].tolist() == [2, 7] and found["length"].dtype == np.int32
    assert found["upper"].tolist() == ["ä".encode(), b"ONE TWO"]
    assert found["half"].tolist() == [1.0, 3.5]
    points = np.array([[0.1, 0.2], [3, 4]], np.float32)
    inputs = {"points": points, "scale": np.array(0.5, np.float32), "added": np.array([0, 7], np.int32)}
    scaled = predict(served, "scaled", inputs)
    np.testing.assert_array_equal(scaled["points"], points + np.array([[0], [7]]))
    assert scaled["big"].tolist() == [False, True]
    np.testing.assert_array_equal(predict(served, "scaled", {"points": points})["points"], 6 * points)


def test_many_at_once_each_have_their_own(served):
    words = [f"{'word ' * (number % 40)}{number}" for number in range(300)]

    async def main():
        servable = served.engine.servable("tiny")
        return await asyncio.gather(*(servable.predict("serving_default", text(each), 30.0) for each in words))

    assert [each["length"].tolist() for each in served(main())] == [[len(each)] for each in words]
    large = predict(served, "serving_default", text(*words))
    assert large["upper"].tolist() == [each.upper().encode() for each in words]


def test_rows_of_their_own_width_run_alone(served):
    async def main():
        servable = served.engine.servable("tiny")
        return await asyncio.gather(*(servable.predict("letters", text("a" * size), 30.0) for size in (1, 5, 3)))

    assert [each["letters"].shape for each in served(main())] == [(1, 1), (1, 5), (1, 3)]


def test_zero_rows(served):
    found = predict(served, "serving_default", text())
    assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
        "length": ((0,), np.int32),
        "upper": ((0,), object),
        "half": ((0,), np.float32),
    }
    # Only the model knows how wide nothing is.
    assert predict(served, "letters", text())["letters"].shape == (0, 0)


def test_a_bad_row_fails_alone_and_in_one_line(served):
    async def main():
        servable = served.engine.servable("tiny")
        asked = [servable.predict("serving_default", text(each), 30.0) for each in ("a", "", "bb", "", "ccc")]
        return await asyncio.gather(*asked, return_exceptions=True)

    found = served(main())
    assert [each["length"].item() for each in found if isinstance(each, dict)] == [1, 2, 3]
    bad = [each for each in found if isinstance(each, ServingError)]
    assert len(bad) == 2 and {each.status for each in bad} == {400}
    assert str(bad[0]).startswith("`text` must not be empty.") and "\n" not in str(bad[0])


def test_a_new_version_is_loaded_while_the_old_one_answers_and_warmed_before_it_does(served, saved_models, tmp_path):
    export(tmp_path / "tiny", 2, warm_up=[("serving_default", {"text": [b""]})])
    new = (tmp_path / "tiny" / "2").rename(saved_models / "tiny" / "2")

    async def main():
        servable = served.engine.servable("tiny")
        await until(lambda: served.engine.status("tiny")[0]["error_message"], 100)
        # The warm-up fails, since its text is empty, and the load with it.
        assert served.engine.servable("tiny") is servable
        assert (await servable.predict("serving_default", text("a"), 30.0))["length"] == [1]
        return served.engine.status("tiny")

    try:
        first, second = served(main())
        assert (first["version"], first["error_code"]) == (2, "INVALID_ARGUMENT")
        assert first["state"] in ("END", "LOADING") and first["error_message"].startswith("`text` must not be empty.")
        assert (second["version"], second["state"]) == (1, "AVAILABLE")
    finally:
        shutil.rmtree(new)
    served(until(lambda: list(served.engine.pids()) == ["shared"]))


def damage_graph(path):
    (path / "saved_model.pb").write_bytes(b"\xff" * 100)


def damage_variables(path):
    for file in (path / "variables").iterdir():
        file.write_bytes(file.read_bytes()[:10])


def lose_variables(path):
    shutil.rmtree(path / "variables")


def lose_graph(path):
    (path / "saved_model.pb").unlink()


@pytest.mark.parametrize("damage", [damage_graph, damage_variables, lose_variables, lose_graph])
def test_a_damaged_folder_is_said_in_one_line(saved_models, tmp_path, damage):
    path = shutil.copytree(saved_models / "tiny" / "1", tmp_path / "1")
    damage(path)
    with pytest.raises(ValueError, match="is not a saved model or is damaged") as error:
        graphs.Graph(path)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def graph(saved_models):
    return graphs.Graph(saved_models / "tiny" / "1")


def test_warm_up_runs_every_request(graph):
    assert graph.warm_up() == 2


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        ([("none", {"text": [b"a"]})], "must name one of .* Received: 'none'"),
        ([("serving_default", {})], "must hold requests to predict. Received: one of another kind"),
        ([("serving_default", {"text": [b"a"]})] * 1001, "at most 1000 requests"),
        ([("serving_default", {"text": [1]})], "string"),
    ],
)
def test_a_warm_up_that_fails(graph, tmp_path, monkeypatch, requests, said):
    (tmp_path / "assets.extra").mkdir()
    write_warm_up(tmp_path / "assets.extra" / "tf_serving_warmup_requests", requests)
    monkeypatch.setattr(graph, "path", tmp_path)
    with pytest.raises(Exception, match=said):
        graph.warm_up()


def test_a_damaged_warm_up_file_fails(graph, tmp_path, monkeypatch):
    folder = tmp_path / "assets.extra"
    folder.mkdir()
    (folder / "tf_serving_warmup_requests").write_bytes(struct.pack("<QI", 5, 0) + b"abcdefghi")
    monkeypatch.setattr(graph, "path", tmp_path)
    with pytest.raises(Exception, match="corrupted record"):
        graph.warm_up()


def test_a_damaged_card_does_not_keep_a_model_from_serving(saved_models, tmp_path, caplog):
    path = shutil.copytree(saved_models / "tiny" / "1", tmp_path / "1")
    (path / "card.json").write_text("{")
    graph = graphs.Graph(path)
    assert graph.card == {} and graph.signatures["scaled"].defaults == {}
    assert "card.json is damaged" in caplog.text


def is_quick(graph, name):
    """Whether the arguments of a signature are bound by us."""
    return "captured" in graph._calls[name].__code__.co_freevars


def test_calls_past_the_binding_of_arguments_have_the_same_values(graph):
    import tensorflow as tf

    signature = graph._loaded.signatures["scaled"]
    tensors = {"points": tf.constant([[1.0, 2.0]]), "scale": tf.constant(2.0), "added": tf.constant([1])}
    slow, quick = signature(**tensors), graph._calls["scaled"](tensors)
    assert is_quick(graph, "scaled") and slow.keys() == quick.keys()
    for name, value in slow.items():
        np.testing.assert_array_equal(value, quick[name])
    # TensorFlow writes the name of this one's input otherwise, so that the order cannot be told.
    assert not is_quick(graph, "slow")
    assert graph.run("slow", {"Steps": np.array([1], np.int32)})["value"] == [1.0]


def test_what_xla_compiles_runs_row_by_row(tmp_path):
    import tensorflow as tf

    class Compiled(tf.Module):
        @tf.function(jit_compile=True)
        def double(self, x):
            return 2 * x

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
        def call(self, x):
            return {"y": self.double(x)}

    module = Compiled()
    tf.saved_model.save(module, str(tmp_path / "1"), {"serving_default": module.call})
    assert graphs.Graph(tmp_path / "1").sizes == [1]


def test_nothing_is_compiled_and_the_card_is_json(graph):
    assert graph.sizes == [] and json.dumps(graph.card)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(loading.shipped().glob("*/1")), ids=lambda path: path.parent.name)
def test_every_shipped_model_loads_and_warms_up(path):
    graph = graphs.Graph(path)
    assert graph.warm_up() == len(graph.signatures) - 1
    assert graph.sizes == ([1] if path.parent.name == "chargen" else [])
    assert all(is_quick(graph, name) for name in graph._calls)
