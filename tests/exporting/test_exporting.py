"""Saved models: written whole or not at all, verified, found, called, converted."""

import errno
import importlib
import importlib.util
import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import forked
import numpy as np
import pandas
import pytest

from kerasmlsp import exporting
from kerasmlsp.exporting import loading, model_cards, saved_model, verifying

TEXTS = ["a good film", "bad", "a very good plot and a bad film"]
CARD = {
    "title": "Tiny sentiment",
    "description": "For tests.",
    "data": "Three sentences.",
    "licence": "CC0",
    "split": {"train": 3},
    "metrics": {"accuracy": {"value": 0.9, "low": 0.85, "high": 0.94}, "loss": 0.3},
    "limits": ["English only", "Not for use"],
    "sample": {"text": TEXTS[:1], "label": ["positive"]},
}


@pytest.fixture(scope="module")
def parts():
    """Endpoints, tracked layers and examples of a classifier from strings to labels."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    words = keras.layers.TextVectorization(max_tokens=50)
    words.adapt(TEXTS)
    labels = keras.layers.StringLookup(vocabulary=["negative", "positive"], num_oov_indices=0, invert=True)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    states = keras.layers.Embedding(50, 8, mask_zero=True)(tokens)
    states = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))(states)
    pooled = keras.layers.GlobalAveragePooling1D()(states)
    net = keras.Model(tokens, keras.layers.Dense(2, activation="softmax", name="probabilities")(pooled))

    def classify(text):
        ids = words(text)
        probabilities = net(ids)
        return {"probabilities": probabilities, "label": labels(tf.argmax(probabilities, -1)), "tokens": ids}

    def score(*, tokens, temperature):
        return {"probabilities": net(tokens) / temperature}

    endpoints = {
        "serving_default": (classify, {"text": tf.TensorSpec([None], tf.string)}),
        "score": (score, {"tokens": tf.TensorSpec([None, None], tf.int32), "temperature": tf.TensorSpec([])}),
    }
    examples = {
        "serving_default": {"text": TEXTS},
        "score": {"tokens": [[2, 3, 0], [4, 0, 0]], "temperature": 2.0},
    }
    inputs = {
        "text": exporting.Input("A review.", range="UTF-8", longest=500),
        "tokens": exporting.Input("Ids of words."),
        "temperature": exporting.Input("What the probabilities are divided by.", above=0, default=1.0),
    }
    track = [net, words, labels]
    told = {"probabilities": "Of negative and positive.", "label": "The likelier of them."}
    return {
        "endpoints": endpoints,
        "track": track,
        "inputs": inputs,
        "outputs": told,
        "examples": examples,
        "card": CARD,
    }


@pytest.fixture(scope="module")
def models(parts, tmp_path_factory):
    directory = tmp_path_factory.mktemp("models")
    figure = directory / "curve.png"
    figure.write_bytes(b"picture")
    card = {**CARD, "figures": {"learning curve": figure}}
    assert exporting.export(directory, "tiny", **{**parts, "card": card}) == directory / "tiny" / "1"
    return directory


@pytest.fixture(scope="module")
def model(models):
    return exporting.load(models / "tiny" / "1")


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def only_serving(parts, function=None, **changes):
    function = function or parts["endpoints"]["serving_default"][0]
    endpoints = {"serving_default": (function, parts["endpoints"]["serving_default"][1])}
    return {**parts, "endpoints": endpoints, "examples": {"serving_default": {"text": TEXTS}}, **changes}


def test_answers_are_those_of_the_functions(parts, model):
    import tensorflow as tf

    expected = parts["endpoints"]["serving_default"][0](tf.constant(TEXTS))
    answer = model(text=TEXTS)
    assert sorted(answer) == ["label", "probabilities", "tokens"]
    np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=1e-6)
    assert answer["label"].tolist() == expected["label"].numpy().tolist()
    halves = model.call("score", tokens=[[2, 3]], temperature=2)["probabilities"]
    np.testing.assert_allclose(halves.sum(), 0.5, atol=1e-6)
    inputs = model.endpoints["serving_default"]["inputs"]
    assert list(inputs) == ["text"] and inputs["text"].shape.as_list() == [None]


def test_a_saved_model_needs_tensorflow_alone(models):
    code = (
        "import sys; sys.modules['kerasmlsp'] = None; import tensorflow as tf\n"
        f"model = tf.saved_model.load({str(models / 'tiny' / '1')!r})\n"
        "print(model.signatures['serving_default'](text=tf.constant(['bad']))['label'].numpy()[0].decode())"
    )
    done = forked.run(forked.execute, code)
    assert done.stdout.strip() in ("negative", "positive"), done.stderr


def test_every_variable_is_stored_once(parts, models):
    import tensorflow as tf

    stored = dict(tf.train.list_variables(str(models / "tiny" / "1" / "variables" / "variables")))
    numbers = [int(np.prod(shape)) for name, shape in stored.items() if "_variables" in name]
    assert sum(numbers) == parts["track"][0].count_params()


def test_card_says_what_was_measured(models, model):
    card = model.card
    assert card["metrics"] == CARD["metrics"] and card["app"] == "tiny"
    described = {"meaning": "A review.", "range": "UTF-8, at most 500 characters", "default": None}
    assert card["endpoints"]["serving_default"]["inputs"] == {"text": {"dtype": "string", "shape": [None], **described}}
    told = {"dtype": "float32", "shape": [None, 2], "meaning": "Of negative and positive."}
    assert card["endpoints"]["score"]["outputs"] == {"probabilities": told}
    assert "meaning" not in card["endpoints"]["serving_default"]["outputs"]["tokens"]
    assert set(card["latency"]["median_ms"]) == {"serving_default", "score"}
    assert 0 < card["latency"]["median_ms"]["score"] < 1000 and card["latency"]["cores"] >= 1
    assert card["size_bytes"] > 10_000
    assert set(card["versions"]) == {"TensorFlow", "Keras", "kerasmlsp", "Python"}
    assert (models / "tiny" / "1" / card["figures"]["learning curve"]).read_bytes() == b"picture"
    text = (models / "tiny" / "1" / "README.md").read_text()
    assert text.startswith("# Tiny sentiment\n\nFor tests.\n")
    assert "| accuracy | 0.9 | 0.85 to 0.94 |" in text and "- English only" in text
    assert "![learning curve](figures/learning_curve.png)" in text and "`text` string (None,)" in text
    assert "| `text` | A review. | UTF-8, at most 500 characters | has to be given |" in text
    assert text.count("| Of negative and positive. |") == 1 and "| `tokens` |" in text.partition("## Outputs")[0]
    assert "| `temperature` | What the probabilities are divided by. | above 0 | 1.0 |" in text


def test_warmup_requests(models, model):
    folder = models / "tiny" / "1"
    assert model.card["warmup_requests"] == (folder / "assets.extra").is_dir()
    if importlib.util.find_spec("tensorflow_serving") is None:
        assert "`pip install -e '.[serving]'` in the clone" in model.card["warmup_note"]
        pytest.skip("tensorflow-serving-api is not installed")
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    records = tf.data.TFRecordDataset(str(folder / "assets.extra" / "tf_serving_warmup_requests"))
    logs = [prediction_log_pb2.PredictionLog.FromString(each.numpy()).predict_log.request for each in records]
    assert [each.model_spec.signature_name for each in logs] == ["serving_default", "score"]
    assert tf.make_ndarray(logs[0].inputs["text"]).tolist() == [TEXTS[0].encode()]
    assert tf.make_ndarray(logs[1].inputs["temperature"]) == 2


def test_missing_serving_package_is_said(parts, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with caplog.at_level(logging.WARNING):
        assert not saved_model._write_warmup(tmp_path, "tiny", {})
    assert "pip install -e '.[serving]'" in caplog.text and not list(tmp_path.iterdir())


def test_versions_count_up_past_gaps_and_other_folders(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(verifying, "_run", forked.run_script)
    for name in ("1", "9", "notes", "10.old"):
        (tmp_path / "tiny" / name).mkdir(parents=True)
    assert exporting.export(tmp_path, "tiny", **only_serving(parts)).name == "10"
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == ["1", "10", "10.old", "9", "notes"]


def test_exports_at_once_take_different_versions(tmp_path):
    folders = [tmp_path / f".{index}" for index in range(20)]
    for folder in folders:
        (folder / "variables").mkdir(parents=True)
    threads = [threading.Thread(target=saved_model._publish, args=[folder]) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == list(range(1, 21))
    assert all((path / "variables").is_dir() for path in tmp_path.iterdir())


def test_a_model_that_answers_differently_is_refused(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(verifying, "_run", forked.run_script)
    calls = []

    def counting(text):
        import tensorflow as tf

        calls.append(1)
        return {"calls": tf.zeros(tf.shape(text)) + len(calls)}

    with pytest.raises(ValueError, match=r"Output `calls` of endpoint `serving_default` .* differs by 0\.[0-9]+,"):
        exporting.export(tmp_path, "tiny", **only_serving(parts, counting))
    assert tree(tmp_path) == []


def test_a_disk_that_is_full_leaves_nothing(parts, tmp_path):
    (tmp_path / "tiny" / "1").mkdir(parents=True)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, limits[1]))
    try:
        with pytest.raises(OSError, match=r"Could not write|too large"):
            exporting.export(tmp_path, "tiny", **only_serving(parts))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tree(tmp_path) == ["tiny", "tiny/1"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_whatever_stops_an_export_leaves_nothing(parts, tmp_path, monkeypatch, error):
    def stop(folder, batches, **settings):
        assert (folder / "saved_model.pb").is_file()
        raise error

    monkeypatch.setattr(verifying, "replay", stop)
    with pytest.raises(type(error)):
        exporting.export(tmp_path, "tiny", **only_serving(parts))
    assert tree(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_an_oserror(parts, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        exporting.export(tmp_path / "file", "tiny", **only_serving(parts))


def test_arguments_that_do_not_fit(parts, tmp_path):
    import tensorflow as tf

    def refused(match, function=None, **changes):
        with pytest.raises(ValueError, match=match):
            exporting.export(tmp_path, changes.pop("app", "tiny"), **only_serving(parts, function, **changes))
        assert tree(tmp_path) == []

    refused("`app` must be", app="../tiny")
    refused("`card` must say .*; licence is missing", card={**CARD, "licence": ""})
    refused("Metric `accuracy` must", card={**CARD, "metrics": {"accuracy": {"value": 1}}})
    nothing = {"value": float("nan"), "low": None, "high": None}
    refused("Metric `auc` must hold finite numbers only: evaluate again", card={**CARD, "metrics": {"auc": nothing}})
    refused("`card` must hold what JSON can", card={**CARD, "training": {"loss": float("nan")}})
    refused("Figure `f` of `card`", card={**CARD, "figures": {"f": tmp_path / "none.png"}})
    refused("two or more rows", examples={"serving_default": {"text": TEXTS[:1]}})
    refused(r"must have \['text'\]", examples={"serving_default": {"texts": TEXTS}})
    refused("row 1 is missing", examples={"serving_default": {"text": ["a", None]}})
    refused("`inputs` must describe every input .*; text is missing", inputs={})
    refused("`track` must hold every", track=parts["track"][:1])
    refused("must return a dict", lambda text: tf.strings.length(text))
    refused("names that say what they are.*'output_0'", lambda text: {"output_0": tf.strings.length(text)})
    refused("names that say what they are.*'keras_tensor_5'", lambda text: {"keras_tensor_5": tf.strings.length(text)})


def test_graphs_made_beside_a_gpu_run_without_one(parts, monkeypatch):
    rnn = importlib.import_module("keras.src.backend.tensorflow.rnn")
    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    with saved_model._portable_kernels(parts["track"]):
        traced = saved_model._trace("score", *parts["endpoints"]["score"], parts["inputs"])
    graph = traced.get_concrete_function().graph.as_graph_def()
    assert "MatMul" in str(graph) and "CudnnRNN" not in str(graph)
    assert parts["track"][0].layers[2].forward_layer.use_cudnn == "auto"


@pytest.mark.parametrize(("code", "said"), [("raise KeyError('op')", "KeyError: 'op'"), ("os.abort()", "status -6")])
def test_a_model_that_fails_in_a_fresh_process_is_refused(tmp_path, monkeypatch, code, said):
    monkeypatch.setattr(verifying.inspect, "getsource", lambda function: f"import os\n{code}")
    with pytest.raises(ValueError, match=f"does not run on its own in a fresh process: .*{said}"):
        verifying.replay(tmp_path, {})


def test_a_model_that_does_not_end_in_a_fresh_process_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(verifying.inspect, "getsource", lambda function: "import time\ntime.sleep(60)")
    began = time.monotonic()
    with pytest.raises(ValueError, match=r"did not answer within 0.5 seconds in a fresh process: .* `time_limit`"):
        verifying.replay(tmp_path, {}, time_limit=0.5)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "complex64"])
def test_infinities_must_be_equal_and_hide_nothing(kind):
    inf, check = np.inf, verifying.check_equal
    check("y", np.array([inf, -inf, 2.0], kind), np.array([inf, -inf, 2.0], kind), 1e-4)
    for expected, received in ([inf, 5.0], [5.0, inf], [inf, -inf], [-inf, 0.0]):
        with pytest.raises(ValueError, match=r"y is infinite .* in 1 of 2"):
            check("y", np.array([expected, 1], kind), np.array([received, 1], kind), 1e-4)
    with pytest.raises(ValueError, match=r"y differs by 0\.5"):
        check("y", np.array([inf, 2.0], kind), np.array([inf, 3.0], kind), 1e-4)


def test_far_and_imaginary_differences_are_seen():
    with pytest.raises(ValueError, match="differs by inf"):
        verifying.check_equal("y", np.array([-1e308]), np.array([1e308]), 1e-4)
    with pytest.raises(ValueError, match="differs by 1"):
        verifying.check_equal("y", np.array([1 + 0j]), np.array([1 + 1j]), 1e-4)


def test_comparison_of_rows():
    def check(batch, rows, empty=None):
        arrays = [{"ids": np.array(row)} for row in rows]
        whole = np.array(batch)
        answer = {"batch": {"ids": whole}, "rows": arrays, "empty": {"ids": whole[:0] if empty is None else empty}}
        verifying.check_answers("e", {"ids": whole}, answer, 1e-4)

    check([[1, 2], [3, 0]], [[[1, 2]], [[3]]])
    check([[1.0, np.inf], [3.0, -np.inf]], [[[1.00009, np.inf]], [[3.0, -np.inf]]])
    with pytest.raises(ValueError, match=r"for example 1 alone must have shape \(1, 2\)"):
        check([[1, 2], [3, 4]], [[[1, 2]], [[3]]])
    with pytest.raises(ValueError, match=r"for example 0 alone differs in 1 of 2"):
        check([[1, 2], [3, 4]], [[[1, 3]], [[3, 4]]])
    with pytest.raises(ValueError, match="one row per example"):
        check([[1, 2], [3, 4]], [[[1, 2]]])
    check([[1, 2], [3, 0]], [[[1, 2]], [[3]]], empty=np.zeros((0, 0), int))
    for empty in (np.zeros((1, 2), int), np.zeros((0, 3), int), np.zeros(0, int), np.zeros((0, 2))):
        with pytest.raises(ValueError, match="must be empty for no rows"):
            check([[1, 2], [3, 4]], [[[1, 2]], [[3, 4]]], empty=empty)
    with pytest.raises(ValueError, match="Received: NaN"):
        check([[np.nan], [3.0]], [[[np.nan]], [[3.0]]])


@pytest.mark.parametrize(
    "texts",
    [
        pandas.Series(TEXTS, dtype="str"),
        pandas.Series(TEXTS, dtype="object", index=[7, 8, 9]),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.char.encode(TEXTS),
        tuple(TEXTS),
    ],
    ids=["pandas-str", "pandas-object", "numpy-str", "numpy-object", "numpy-bytes", "tuple"],
)
def test_strings_of_every_kind(model, texts):
    assert model(text=texts)["tokens"].tolist() == model(text=TEXTS)["tokens"].tolist()


@pytest.mark.parametrize("missing", [None, float("nan"), pandas.NA])
def test_missing_text_names_the_row(model, missing):
    with pytest.raises(ValueError, match="`text` must be text in every row; row 1 is missing"):
        model(text=["good", missing])
    with pytest.raises(ValueError, match="row 1 is missing"):
        model(text=pandas.Series(["good", missing], dtype="str"))


def test_calls_that_do_not_fit(model):
    def refused(match, endpoint="serving_default", **inputs):
        with pytest.raises(ValueError, match=match):
            model.call(endpoint, **inputs)

    refused(r"`endpoint` must be one of \['score', 'serving_default'\]", "generate", text=TEXTS)
    refused(r"takes the inputs \['text'\]. Received: \['words'\]", words=TEXTS)
    refused("`text` must be a list or array of rows", text="one sentence")
    refused("`text` must have at most 500 characters. Received: 501", text=["ä" * 500, "", "ä" * 501])
    refused("`temperature` must be above 0. Received: -1", "score", tokens=[[1]], temperature=-1)
    refused("row 0 is missing or no text. Received: 3", text=[3])
    refused("`tokens` must be int32 in every row.*not whole", "score", tokens=[[1.5]], temperature=1)
    refused("`tokens` must be int32 in every row.*out of range", "score", tokens=[[2**40]], temperature=1)
    refused("`tokens` must be int32 in every row.*text", "score", tokens=[["1"]], temperature=1)
    refused("`tokens` must be a list or array of rows", "score", tokens=[1], temperature=1)
    refused("row 1 is missing", "score", tokens=[[1], [None]], temperature=1)
    refused("row 2 is missing", "score", tokens=[[1, 2], [3, 4], [5, pandas.NA]], temperature=1)
    refused("`tokens` must be int32.*out of range", "score", tokens=[[float("inf")]], temperature=1)
    refused(
        r"must be numbers of at most 3\.4e\+38 \(float32\); row 0 is beyond\. Received: 1e\+300",
        "score",
        tokens=[[1]],
        temperature=1e300,
    )
    refused(
        "`temperature` must be float32 in every row. Received: complex128", "score", tokens=[[1]], temperature=1 + 2j
    )
    refused("row 0 is missing", "score", tokens=[[1]], temperature=float("nan"))
    refused("`tokens` must be int32.*text", "score", tokens=pandas.DataFrame({"a": ["1"]}), temperature=1)
    refused("row 0 is missing or no text. Received: 3", text=3)
    refused("`tokens` must have rows of one shape", "score", tokens=[[1], [1, 2]], temperature=1)
    refused("refuses its inputs: `tokens` must be 0 to 49. Received: 1000", "score", tokens=[[1000]], temperature=1)


def test_find_prefers_the_users_models(models, tmp_path, monkeypatch):
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    for path in (
        shipped / "a/1",
        shipped / "a/3",
        shipped / "b/2",
        own / "a/1",
        own / "a/2",
        own / "c/.x",
        own / "d/1",
    ):
        path.mkdir(parents=True)
        (path / "saved_model.pb").touch()
    (own / "d/1/saved_model.pb").unlink()
    monkeypatch.setattr(loading.importlib.resources, "files", lambda package: shipped)
    monkeypatch.chdir(tmp_path)
    os.symlink(own, "saved_models")
    default = Path("saved_models")
    assert exporting.find("a") == default / "a/2" and exporting.find("a", 1) == default / "a/1"
    assert exporting.find("a", "3") == shipped / "a/3" and exporting.find("b") == shipped / "b/2"
    with pytest.raises(FileNotFoundError, match=r"no version 7 .* Take one of: 1, 2, 3"):
        exporting.find("a", 7)
    with pytest.raises(FileNotFoundError, match=r"no saved model of 'c' .*\(a, b, d\). Train and export"):
        exporting.find("c")
    with pytest.raises(ValueError, match="is not a saved model or is damaged"):
        exporting.find("d")
    # A folder that is named is the only one looked in.
    assert exporting.find("a", models=loading.shipped()) == shipped / "a/3"
    assert exporting.find("tiny", models=models) == models / "tiny" / "1"
    for app, version, place, told in (
        ("a", 3, own, r"no version 3 .* Take one of: 1, 2\."),
        ("b", None, own, "`models` must be a folder that holds a saved model of b, as b/1/.* holds a, d"),
        ("b", None, own / "a", "holds 1, 2"),
        ("b", None, tmp_path / "nowhere", "nowhere, which is not there"),
        ("b", None, own / "a/1/saved_model.pb", "saved_model.pb, which is no folder"),
    ):
        with pytest.raises(FileNotFoundError, match=told):
            exporting.find(app, version, place)


def test_find_is_cheap():
    code = (
        "import sys; from kerasmlsp import exporting\n"
        "try: exporting.find('nothing', models='nowhere')\n"
        "except FileNotFoundError: print(sorted({'tensorflow', 'keras', 'pandas', 'click'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
@pytest.mark.parametrize(
    "file", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_damaged_files_are_said_to_be_damaged(models, tmp_path, file, share):
    folder = shutil.copytree(models / "tiny" / "1", tmp_path / "1")
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match="is not a saved model or is damaged") as caught:
        exporting.load(folder)
    assert "\n" not in str(caught.value)


def test_the_line_of_an_error_that_tells():
    graph = "Graph execution error:\n\nDetected at node A\n<stack traces unavailable>\nToo long\n\t [[{{node A}}]]"
    assert loading.reason(ValueError(graph)) == "Too long"
    assert loading.reason(ValueError("{{function_node x}} Disk full\nmore")) == "Disk full"
    converter = (
        "<unknown>:0: error: loc(callsite(fused[\"A:\"])): 'tf.A' op is unknown\n<unknown>:0: note: loc(x): called"
    )
    assert loading.reason(ValueError(converter)) == "'tf.A' op is unknown"
    assert loading.reason(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_loading_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        exporting.load(tmp_path / "none")
    with pytest.raises(ValueError, match=r"it has no saved_model\.pb"):
        exporting.load(tmp_path)


def test_a_damaged_card_is_said_to_be_damaged(models, tmp_path):
    folder = shutil.copytree(models / "tiny" / "1", tmp_path / "1")
    (folder / "card.json").write_text("{")
    with pytest.raises(ValueError, match=r"card\.json is damaged"):
        _ = exporting.load(folder).card
    (folder / "card.json").unlink()
    assert exporting.load(folder).card == {}


def test_a_card_of_numpy_numbers_is_plain_json(tmp_path):
    card = {**CARD, "metrics": {"f1": np.float32(0.5)}, "training": {"seeds": np.arange(2)}}
    model_cards.check(card)
    model_cards.write(tmp_path, card)
    written = json.loads((tmp_path / "card.json").read_text())
    assert written["metrics"] == {"f1": 0.5} and written["training"] == {"seeds": [0, 1]}


def test_half_weights_are_all_that_is_kept():
    import keras
    import tensorflow as tf

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5), keras.layers.BatchNormalization()])
    specs = {"x": tf.TensorSpec([None, 3], tf.float32, name="x")}
    functions = {"serving_default": (lambda x: {"y": model(x, training=False)}, specs)}
    function, same = exporting.with_half_weights(functions, [model])["serving_default"]
    assert same is specs
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    found, before = function(x=tf.constant(x))["y"], model(x)
    model.set_weights([weight.astype("float16").astype("float32") for weight in model.get_weights()])
    np.testing.assert_allclose(found, model(x), atol=1e-6)
    assert 0 < np.abs(found - before).max() < 0.01
    graph = tf.function(function).get_concrete_function(**specs)
    assert len(graph.variables) == 6 and {variable.dtype for variable in graph.variables} == {tf.float16}
    model.set_weights([weight + 1e5 for weight in model.get_weights()])
    with pytest.raises(ValueError, match="65,504"):
        exporting.with_half_weights(functions, [model])


def test_half_weights_lose_no_more_than_they_say():
    import keras
    import tensorflow as tf

    dense = keras.layers.Dense(5000, name="dense")
    model = keras.Sequential([keras.Input((1,)), dense])
    specs = {"x": tf.TensorSpec([None, 1], tf.float32, name="x")}
    functions = {"serving_default": (lambda x: {"y": model(x)}, specs)}

    def kept(weights):
        dense.set_weights([weights[None], np.zeros(5000, "float32")])
        return exporting.with_half_weights(functions, [model])["serving_default"][0](x=tf.ones((1, 1)))["y"].numpy()[0]

    random = np.random.default_rng(0)
    sizes = (10.0 ** random.uniform(-9, 4, 5000)).astype("float32")
    lost = np.abs(kept(sizes) - sizes)
    assert (lost <= np.maximum(sizes / 2048, 2.0**-25)).all() and lost[sizes < 2.0**-14].max() > 2.0**-27
    np.testing.assert_array_equal(kept(sizes * 1e-9), sizes * np.float32(1e-9))  # all below 2**-14
    np.testing.assert_array_equal(kept(np.full(5000, 1e-8, "float32")), np.full(5000, 1e-8, "float32"))
