"""The client against the front, over real sockets, with functions for models."""

import math
import threading
import time

import fake_engine
import numpy as np
import pytest
from fake_engine import info
from running import running

from kerasmlsp.serving import Client, ServingError
from kerasmlsp.serving import client as client_module
from kerasmlsp.serving.front import Front, FrontSettings
from kerasmlsp.serving.tensors import Signature

KINDS = {name: f"DT_{name.upper()}" for name in ("float", "double", "int8", "uint8", "int64", "uint64", "bool")}


@pytest.fixture(scope="module")
def server():
    engine = fake_engine.Engine("files")
    front = Front(engine, FrontSettings(token="secret"))
    with running(front, drain=front.drain, refused=front.refused) as running_server:
        yield engine, f"http://127.0.0.1:{running_server.port}"


@pytest.fixture
def engine(server):
    engine, _ = server
    engine.calls.clear()
    engine.seconds, engine.error = 0.0, None
    engine.cancelled.clear()
    return engine


@pytest.fixture
def client(server, engine):
    with Client(server[1], token="secret") as made:
        yield made


def serve(monkeypatch, function, inputs, outputs, name="own"):
    signature = Signature(inputs, outputs)
    monkeypatch.setitem(fake_engine.SIGNATURES, name, {"serving_default": (function, signature)})


def test_what_there_is(client):
    assert "odd/näme" in client.models()
    assert client.card("odd/näme")["title"] == "The model odd/näme"
    assert client.metadata("double")["serving_default"].inputs["x"].shape == (-1,)
    assert client.ready("double") and not client.ready("files") and not client.ready()
    with pytest.raises(ServingError, match="Could not find any versions of model none") as error:
        client.ready("none")
    assert (error.value.status, error.value.code) == (404, "NOT_FOUND")


def test_arrays_and_texts_go_there_and_back(client):
    answer = client.predict("echo", text=["ä fine film", "", b"bytes"])
    assert answer["text"].tolist() == ["ä fine film", "", "bytes"] and answer["text"].dtype == object
    assert answer["length"].tolist() == [12, 0, 5] and answer["length"].dtype == np.int32
    found = client.predict("odd/näme", x=np.array([0.1, 1e-8], "float64"), version=1)["y"]
    np.testing.assert_array_equal(found, np.float32(2) * np.array([0.1, 1e-8], "float32"))


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind_come_back_as_they_went(client, monkeypatch, kind):
    wanted = np.dtype("float32" if kind == "float" else kind if kind != "double" else "float64")
    signature = {"x": info(KINDS[kind].removeprefix("DT_"), -1, 2)}
    serve(monkeypatch, lambda x: {"y": x}, signature, {"y": next(iter(signature.values()))})
    draw = np.random.default_rng(0)
    if wanted.kind == "f":
        values = draw.normal(size=(9, 2)).astype(wanted)
    elif wanted.kind == "b":
        values = draw.integers(0, 2, (9, 2)).astype(bool)
    else:
        limits = np.iinfo(wanted)
        values = np.array([[limits.min, limits.max], [0, 1]], wanted)
    for given in (values, values.tolist(), values[:1]):
        answer = client.predict("own", x=given)["y"]
        assert answer.dtype == wanted and answer.shape == (len(given), 2)
        np.testing.assert_array_equal(answer, values[: len(given)])


def test_nan_infinity_scalars_and_bytes(client, monkeypatch, tmp_path):
    def own(x, steps, encoded):
        return {"y": x * steps, "raw_bytes": encoded}

    inputs = {"x": info("FLOAT", -1), "steps": info("FLOAT"), "encoded": info("STRING", -1)}
    serve(monkeypatch, own, inputs, {"y": info("FLOAT", -1), "raw_bytes": info("STRING", -1)})
    (tmp_path / "file").write_bytes(b"\xff\x00")
    given = [math.nan, math.inf, 1.0]
    answer = client.predict("own", x=given, steps=2, encoded=[tmp_path / "file", b"\xfe", "text"])
    np.testing.assert_array_equal(answer["y"], np.array([math.nan, math.inf, 2], "float32"))
    assert answer["raw_bytes"].tolist() == [b"\xff\x00", b"\xfe", b"text"]
    answer = client.predict("own", x=[1.0], steps=math.nan, encoded=[b""])
    assert math.isnan(answer["y"][0])


@pytest.mark.parametrize("given", [[], np.empty((0, 2, 2), "uint8"), np.array([])])
def test_no_rows_are_answered_with_no_rows(client, engine, monkeypatch, given):
    """Though JSON has no shape for them, for which TensorFlow Serving refuses them."""
    monkeypatch.setattr(engine, "loading", ())
    answer = client.predict("files", images=given)
    assert {name: (each.shape, each.dtype) for name, each in answer.items()} == {"y": ((0, 2, 2), np.uint8)}
    assert client.predict("files", endpoint="serving_bytes", encoded=[])["size"].shape == (0,)
    assert client.predict("echo", text=[])["text"].tolist() == [] and not engine.calls
    # One empty text is a row.
    assert client.predict("echo", text=[""])["length"].tolist() == [0]
    with pytest.raises(ServingError, match="none"):
        client.predict("none", x=given)


@pytest.mark.parametrize(
    ("name", "inputs", "told"),
    [
        ("double", {"x": ["1"]}, r"`x` must be float32 in every row, of one shape\. Received: <U1"),
        ("double", {"z": [1.0]}, r"takes the inputs \['x'\]\. Received: \['z'\]"),
        ("echo", {"text": [1]}, r"`text` must be text, bytes or a path in every row\. Received: 1"),
        ("files", {"images": [[[0.5] * 2] * 2]}, r"`images` must be whole numbers of uint8\. Received: 0\.5 to 0\.5"),
        ("double", {"endpoint": "other", "x": [1.0]}, r"`endpoint` must be one of \['serving_default'\]"),
    ],
)
def test_what_the_client_can_tell_is_not_sent(client, engine, monkeypatch, name, inputs, told):
    monkeypatch.setattr(engine, "loading", ())
    with pytest.raises(ValueError, match=told):
        client.predict(name, **inputs)
    assert not engine.calls


def test_errors_have_the_sentence_of_the_server(client, server, engine):
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(none\)") as error:
        client.predict("none", x=[1.0])
    assert error.value.status == 404
    engine.error = ServingError("INVALID_ARGUMENT", "`x` must be small. Received: 1")
    with pytest.raises(ServingError, match=r"`x` must be small\. Received: 1"):
        client.predict("double", x=[1.0])
    assert len(engine.calls) == 1  # the signature is as it was: no second try
    with pytest.raises(ServingError, match="Bearer TOKEN") as error, Client(server[1]) as stranger:
        stranger.models()
    assert (error.value.status, error.value.code) == (401, "UNAUTHENTICATED")
    with Client("http://127.0.0.1:9") as nobody:
        assert not nobody.ready()
        with pytest.raises(ServingError, match=r"http://127\.0\.0\.1:9 cannot be reached") as error:
            nobody.models()
    assert error.value.code == "UNAVAILABLE"


def test_a_full_queue_is_asked_again_after_the_time_that_it_tells(client, server, engine, monkeypatch):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        if len(waits) == 2:
            engine.error = None

    monkeypatch.setattr(client_module.time, "sleep", sleep)
    engine.error = ServingError("UNAVAILABLE", "The queue is full.", retry_after=7)
    assert client.predict("double", x=[1.0])["y"] == [2]
    assert waits == [7, 7]
    engine.error = ServingError("UNAVAILABLE", "The queue is full.", retry_after=7)
    with (
        pytest.raises(ServingError, match="The queue is full") as error,
        Client(server[1], token="secret", retries=0) as once,
    ):
        once.predict("double", x=[1.0])
    assert error.value.retry_after == 7 and len(waits) == 2


def test_a_server_that_takes_too_long_is_given_up(server, engine):
    engine.seconds = 30
    began = time.monotonic()
    hasty = Client(server[1], token="secret", timeout=0.3)
    with hasty, pytest.raises(ServingError, match="did not answer in time") as error:
        hasty.predict("double", x=[1.0])
    assert error.value.code == "DEADLINE_EXCEEDED" and time.monotonic() - began < 20
    assert engine.cancelled.wait(20)  # and the server no longer works for it


def test_a_new_version_with_other_names_is_found_out(client, monkeypatch):
    number = info("FLOAT", -1)
    for names in (("y", "z"), ("score", "label"), ("score",)):
        serve(
            monkeypatch,
            lambda x, names=names: dict.fromkeys(names, x),
            {"x": number},
            dict.fromkeys(names, number),
        )
        assert client.predict("own", x=[1.0]).keys() == set(names)


def test_a_stream_comes_piece_by_piece_and_ends_when_nobody_reads_on(client, engine):
    pieces = list(client.stream("writer", "abc", length=60, seed=0))
    assert len(pieces) > 1 and "".join(pieces) == fake_engine.TEXT[3:63]
    assert "".join(client.stream("writer", "", length=14, seed=1)) == "ä€🎵ä€"
    with pytest.raises(ServingError, match="double"):
        list(client.stream("double", "abc"))
    engine.seconds = 0.2
    stream = client.stream("writer", "abc", length=200)
    assert next(stream)
    stream.close()
    assert engine.cancelled.wait(20)


def test_threads_share_a_client(client):
    found = {}

    def ask(number):
        found[number] = client.predict("double", x=[float(number)])["y"].tolist()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [2.0 * number] for number in range(8)}


def test_a_path_in_the_url_stands_before_those_of_the_interface():
    with Client("http://127.0.0.1:8000/sentiment/") as client:
        assert client._http.build_request("GET", "/cards/double").url.path == "/sentiment/cards/double"
