"""Routes, tokens, limits and pages of the front, over real sockets, with functions for models."""

import base64
import contextlib
import gzip
import io
import itertools
import json
import os
import signal
import threading
import time
import urllib.parse

import fake_engine
import httpx
import numpy as np
import orjson
import pytest
from PIL import Image
from running import answer, connect, request, running

from kerasmlsp.serving import bodies, openapi
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.front import Front, FrontSettings
from kerasmlsp.serving.metrics import Metrics
from kerasmlsp.serving.tensors import Signature, TensorInfo

MALFORMED = "Malformed request: "


@contextlib.contextmanager
def served(*loading, **settings):
    """A server with a fake engine, and a client of it."""
    engine = fake_engine.Engine(*loading)
    front = Front(engine, FrontSettings(**settings))
    with running(front, drain=front.drain, refused=front.refused) as server:
        client = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=20)
        client.engine, client.front, client.server, client.port = engine, front, server, server.port
        with client:
            yield client
    front.close()


@pytest.fixture(scope="module")
def plain():
    with served() as client:
        yield client


@pytest.fixture
def client(plain):
    """The server without any settings, as new."""
    plain.engine.calls.clear()
    plain.engine.metrics.__init__()
    plain.engine.seconds, plain.engine.error = 0.0, None
    plain.engine.cancelled.clear()
    return plain


def raw(client, method, path, body=b"", headers=()):
    """Status, headers and body of a request whose path goes as it is."""
    with connect(client.port) as connection:
        connection.sendall(request(path, method, body, headers))
        return answer(connection)


# TensorFlow Serving's routes; the numbers are those of docs/serving-conformance.md.


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/double:predict",
        "/V1/Models/double:predict",
        "/v1/models/double/versions/1:predict",
        "/v1/MODELS/double/VERSIONS/0001:predict",
        "/v1/models/double:predict?x=/y:z",
        "/v1/models/d%6Fuble:predict",
    ],
)
def test_a_model_is_asked(client, path):
    status, headers, body = raw(client, "POST", path, b'{"instances": [1, 2.5]}')
    assert (status, json.loads(body)) == (200, {"predictions": [2.0, 5.0]})
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("name", ["odd%2Fn%C3%A4me", "odd%2fn%c3%a4me"])
def test_a_name_is_decoded_after_the_path_was_matched(client, name):
    assert raw(client, "POST", f"/v1/models/{name}:predict", b'{"inputs": [1]}')[0] == 200
    assert json.loads(raw(client, "GET", f"/v1/models/{name}")[2])["model_version_status"][0]["state"] == "AVAILABLE"
    assert raw(client, "GET", f"/v2/models/{name}/ready")[0] == 200
    assert raw(client, "GET", f"/cards/{name}")[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *itertools.product(("PUT", "DELETE", "PATCH"), ("/v1/models/double:predict", "/v1/models/double")),
        ("GET", "/v1/models/double:predict"),
        ("POST", "/v1/models/double"),
        ("POST", "/v1/models/double:PREDICT"),
        ("POST", "/v1/models/double:explain"),
        ("POST", "/v1/models/double:predict/"),
        ("POST", "/v1/models/double/versions/-1:predict"),
        ("POST", "/v1/models/double/versions/x:predict"),
        ("POST", "/v1/models/double/versions/1/labels/new:predict"),
        ("POST", "/v1/models/:predict"),
        ("POST", "/v1/models/odd/name:predict"),
        ("GET", "/v1/models/double/"),
        ("GET", "/v1/models/double/versions/1/x"),
        ("GET", "/v1/"),
        ("GET", "/v1/else"),
        ("GET", "/v1/completions"),
    ],
)
def test_what_matches_no_route_below_v1_is_malformed(client, method, path):
    status, headers, body = raw(client, method, path)
    assert (status, json.loads(body)) == (400, {"error": f"{MALFORMED}{method} {path}"})
    assert headers["content-type"] == "application/json"


def test_head_is_malformed_and_has_no_body(client):
    status, headers, _ = raw(client, "HEAD", "/v1/models/double", headers=["Connection: close"])
    assert (status, headers["content-type"]) == (400, "application/json")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/v1/models/none", 404, "Could not find any versions of model none"),
        ("/v1/models/%00", 404, "Could not find any versions of model \0"),
        ("/v1/models/..%2F..%2Fetc%2Fpasswd", 404, "Could not find any versions of model ../../etc/passwd"),
        ("/v1/models/%FF", 404, "Could not find any versions of model \ufffd"),
        ("/v1/models/double/versions/2", 404, "Could not find version 2 of model double"),
        ("/v1/models/none/metadata", 404, "Servable not found for request: Latest(none)"),
        ("/v1/models/double/versions/9/metadata", 404, "Servable not found for request: Specific(double, 9)"),
        ("/v1/models/double/labels/new/metadata", 400, "Unrecognized servable version label: new"),
        ("/v1/models/double%2", 400, "Failed to decode model name: double%2"),
        ("/v1/models/double%zz/metadata", 400, "Failed to decode model name: double%zz"),
        ("/v1/models/versions/1", 400, "Missing model name in request."),
        ("/v1/models/labels/new", 400, "Missing model name in request."),
        (
            f"/v1/models/double/versions/{2**63}",
            400,
            f"Failed to convert version: {2**63} to numeric.",
        ),
        ("/v1/models/double/versions/" + "9" * 5000, 400, f"Failed to convert version: {'9' * 256} to numeric."),
    ],
)
def test_what_is_not_there_is_told(client, path, status, text):
    found, headers, body = raw(client, "GET", path)
    assert (found, json.loads(body)) == (status, {"error": text})
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("label", ["new", "1", "..%2F1", "%00", "%25", "a%3Apredict"])
def test_a_label_is_only_looked_up(client, label):
    told = raw(client, "POST", f"/v1/models/double/labels/{label}:predict", b'{"inputs": [1]}')
    text = f"Unrecognized servable version label: {urllib.parse.unquote(label)}"
    assert (told[0], json.loads(told[2])) == (400, {"error": text})
    assert raw(client, "POST", "/v1/models/double/labels/%:predict", b'{"inputs": [1]}')[0] == 400


def test_a_status_is_answered_where_no_version_is(client):
    """Also while a model is loaded; readiness is asked for elsewhere."""
    with served("echo") as loading:
        told = loading.get("/v1/models/echo")
        assert (told.status_code, told.json()["model_version_status"][0]["state"]) == (200, "LOADING")
        assert loading.post("/v1/models/echo:predict", json={"inputs": ["x"]}).status_code == 404


def test_answers_are_not_compressed(client):
    told = client.post("/v1/models/echo:predict", json={"inputs": ["x" * 10_000]}, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in told.headers and int(told.headers["content-length"]) > 10_000


def test_a_label_is_passed_over_in_a_status(client):
    assert client.get("/v1/models/double/labels/none").json() == client.get("/v1/models/double").json()


def test_models_are_listed(client):
    listed = client.get("/v1/models")
    assert listed.json() == {"models": sorted(fake_engine.SIGNATURES)}


def test_metadata_tell_the_signatures(client):
    found = client.get("/v1/models/echo/metadata").json()
    assert found["model_spec"] == {"name": "echo", "signature_name": "", "version": "1"}
    inputs = found["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
    assert inputs["text"]["dtype"] == "DT_STRING"


@pytest.mark.parametrize(
    ("model", "body", "status", "text"),
    [
        # In this order: the syntax, the model, the signature, the values.
        ("none", b"", 400, "JSON Parse error: The document is empty"),
        ("none", b"[1]", 400, "Is not object"),
        ("none", b'{"signature_name": 1}', 400, "'signature_name' key must be a string value."),
        ("none", b'{"signature_name": "none"}', 404, "Servable not found for request: Latest(none)"),
        ("double", b'{"signature_name": "none"}', 400, 'Serving signature name: "none" not found in signature def'),
        ("double", b"{}", 400, "Missing 'inputs' or 'instances' key"),
        ("double", b'{"instances": "x"}', 400, "Expecting 'instances' to be an list/array"),
        ("double", b'{"instances": ["x"]}', 400, "is not of expected type: float"),
        ("double", b'{"instances": [[1], [1, 2]]}', 400, "Expecting tensor size: 1 but got: 2"),
        ("double", b'{"instances": [1], "instances": [2}', 400, "JSON Parse error: "),
        ("double", b'{"instances": ' + b"[" * 100_000, 400, "JSON Parse error: "),
        ("double", b'{"a":' * 100_000, 400, "JSON Parse error: "),
        ("echo", b'{"instances": [{"b64": "%"}]}', 400, "Unable to base64 decode"),
        ("echo", b'{"signature_name": "' + b"\xff" * 9 + b'", "inputs": []}', 400, ""),
    ],
)
def test_a_body_that_is_wrong_is_told_in_the_order_of_upstream(client, model, body, status, text):
    found, _, told = raw(client, "POST", f"/v1/models/{model}:predict", body)
    assert found == status
    assert list(json.loads(told)) == ["error"] and text in json.loads(told)["error"]
    assert not client.engine.calls


def test_values_that_only_upstream_takes_reach_the_model(client):
    # NaN and Inf, the first of two equal keys, and what follows the end.
    body = b'{"inputs": [NaN, -Infinity, Inf, 1], "inputs": [7]} and more'
    assert raw(client, "POST", "/v1/models/double:predict", body)[2] == b'{"outputs":[NaN,-Infinity,Infinity,2.0]}'
    assert client.post("/v1/models/double:predict", content=b'{"inputs": []}').json() == {"outputs": []}
    assert client.post("/v1/models/files:predict", content=b'{"inputs": []}').json() == {"outputs": []}


def test_the_type_of_the_body_is_not_looked_at(client):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/v1/models/double:predict", content='{"inputs": [1]}', headers=form).status_code == 200


@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_examples_are_read_before_the_model_is_looked_for(client, verb):
    told = client.post(f"/v1/models/none:{verb}", content=b"{}")
    assert told.status_code == 400 and "key 'examples' is expected" in told.json()["error"]
    examples = b'{"examples": [{"x": 1}]}'
    assert client.post(f"/v1/models/none:{verb}", content=examples).status_code == 404
    told = client.post(f"/v1/models/double:{verb}", content=examples)
    assert told.status_code == 400 and "inputs found in SignatureDef" in told.json()["error"]


@pytest.mark.parametrize("path", ["/else", "/v3/models", "/v1", "/v11/models", "/..%2Fv1/models", "/demo/", "/docs/"])
def test_outside_there_is_a_plain_404(client, path):
    status, headers, body = raw(client, "GET", path)
    assert (status, headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert body.startswith(b"<html>")


def test_preflights_are_answered_without_a_body(client):
    for headers, status in (["Origin: https://page"], 200), (["Origin: page"], 400), ([], 400):
        assert raw(client, "OPTIONS", "/v1/models/double:predict", headers=headers)[::2] == (status, b"")


# The Open Inference Protocol


def infer(client, model="double", **more):
    given = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}
    return client.post(f"/v2/models/{model}/infer", json={"inputs": [given], **more})


def test_the_open_inference_protocol_is_answered(client):
    assert client.get("/v2").json()["extensions"] == []
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": True}
    assert client.get("/v2/models/double/versions/1/ready").json() == {"name": "double", "ready": True}
    told = client.get("/v2/models/double").json()
    assert told["versions"] == ["1"] and told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1]}]
    output = {"name": "y", "shape": [2], "datatype": "FP32", "data": [2.0, 4.0]}
    expected = {"model_name": "double", "model_version": "1", "id": "7", "outputs": [output]}
    assert infer(client, id="7").json() == expected
    assert infer(client, "double/versions/1").json()["outputs"] == [output]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/none", 404),
        ("GET", "/v2/models/none/ready", 404),
        ("GET", "/v2/models/double/versions/2", 404),
        ("GET", "/v2/models/double/versions/2/ready", 404),
        ("GET", "/v2/models/double/versions/x", 400),
        ("GET", f"/v2/models/double/versions/{2**63}", 400),
        ("GET", "/v2/models/double/infer", 405),
        ("POST", "/v2/models/double/ready", 405),
        ("DELETE", "/v2", 405),
        ("GET", "/v2/else", 404),
        ("GET", "/v2/models/%2F", 404),
        ("GET", "/v2/models/%", 400),
        ("POST", "/v2/models/none/infer", 400),
    ],
)
def test_what_is_wrong_in_the_open_inference_protocol_is_json(client, method, path, status):
    found, headers, body = raw(client, method, path)
    assert (found, headers["content-type"]) == (status, "application/json")
    assert list(json.loads(body)) == ["error"]


def test_binary_tensors_are_refused(client):
    told = client.post("/v2/models/double/infer", content=b"{}", headers={"Inference-Header-Content-Length": "2"})
    assert told.status_code == 400 and "binary" in told.json()["error"]


# Health, metrics, cards


def test_readiness_follows_the_models_and_the_end_of_the_server():
    with served("echo") as client:
        assert client.get("/healthz").status_code == 200
        told = client.get("/readyz")
        assert told.status_code == 503 and told.json()["models"]["echo"] is False
        assert client.get("/readyz/double").status_code == client.get("/readyz?model=double").status_code == 200
        assert client.get("/readyz/echo").status_code == client.get("/readyz?model=echo").status_code == 503
        assert client.get("/readyz/odd%2Fn%C3%A4me").status_code == 200
        assert client.get("/readyz?model=odd%2Fn%C3%A4me").status_code == 200
        assert client.get("/readyz/none").status_code == client.get("/readyz?model=none").status_code == 404
        assert client.get("/v2/health/ready").status_code == client.get("/v2/models/echo/ready").status_code == 503
        client.engine.loading = ()
        assert client.get("/readyz").status_code == client.get("/v2/health/ready").status_code == 200
        assert client.head("/readyz").status_code == 200
        client.front.drain()
        assert client.get("/readyz").status_code == client.get("/readyz/double").status_code == 503
        assert client.get("/v2/health/ready").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_metrics_have_a_path_of_their_own(client):
    told = client.get("/monitoring/prometheus/metrics")
    assert told.text == "# TYPE requests counter\n" and told.headers["content-type"].startswith("text/plain")
    wrong = client.get("/monitoring/prometheus/metrics/x")
    assert wrong.status_code == 400 and "Should be: /monitoring/prometheus/metrics" in wrong.text
    assert client.post("/monitoring/prometheus/metrics").status_code == 405


def test_requests_are_counted_by_what_became_of_them(client):
    client.post("/v1/models/double:predict", content=b'{"inputs": [1]}')
    client.post("/v1/models/double:predict", content=b"{")
    infer(client)
    client.engine.error = ServingError("UNAVAILABLE", "Full", retry_after=3)
    full = client.post("/v1/models/double:predict", content=b'{"inputs": [1]}')
    assert (full.status_code, full.headers["retry-after"], full.json()) == (503, "3", {"error": "Full"})
    assert client.engine.metrics.requests == [
        ("double", "Predict", "OK", "REST"),
        ("double", "Predict", "INVALID_ARGUMENT", "REST"),
        ("double", "Predict", "OK", "V2"),
        ("double", "Predict", "UNAVAILABLE", "REST"),
    ]


def test_names_that_are_not_served_make_no_series(client):
    metrics = Metrics()
    metrics.know(*client.engine.names())
    client.engine.metrics, kept = metrics, client.engine.metrics
    for i in range(3):
        for path in (
            f"/v1/models/x{i}:predict",
            f"/v1/models/x{i}%0A%22:predict",
            f"/v1/models/x{i}/versions/1:predict",
        ):
            raw(client, "POST", path, b'{"inputs": [1]}')
        raw(client, "POST", f"/v2/models/x{i}/infer", b'{"inputs": []}')
        raw(client, "POST", f"/streams/x{i}", b'{"prompt": ""}')
        raw(client, "POST", "/v1/completions", f'{{"model": "x{i}"}}'.encode())
        raw(client, "GET", f"/v1/models/x{i}")
        raw(client, "POST", f"/v1/models/double/labels/x{i}:predict", b'{"inputs": [1]}')
        raw(client, "POST", f"/v1/x{i}")
    client.engine.metrics = kept
    lines = metrics.text().splitlines()
    assert not [line for line in lines if "x0" in line or "x1" in line or "\\" in line]
    assert [line for line in lines if line.startswith(":tensorflow:serving:request_count{")] == [
        ':tensorflow:serving:request_count{model_name="double",status="INVALID_ARGUMENT"} 3'
    ]


def test_a_fault_of_the_server_tells_no_secrets(client, caplog):
    client.engine.error = KeyError("secret")
    told = client.post("/v1/models/double:predict", content=b'{"inputs": [1]}')
    assert told.status_code == 500 and "secret" not in told.text
    assert "secret" in caplog.text
    assert client.engine.metrics.requests == [("double", "Predict", "INTERNAL", "REST")]


def test_cards_are_told(client):
    assert client.get("/cards/echo").json()["title"] == "The model echo"
    assert client.get("/cards/none").status_code == 404
    assert client.get("/cards/..%2Fecho").status_code == 404
    assert client.post("/cards/echo").status_code == 405
    assert client.post("/cards/echo").headers["allow"] == "GET, HEAD"


def test_a_client_that_is_gone_withdraws_its_request(client):
    client.engine.seconds = 5
    with connect(client.port) as connection:
        connection.sendall(request("/v1/models/double:predict", "POST", b'{"inputs": [1]}'))
        time.sleep(0.1)
    assert client.engine.cancelled.wait(20)
    client.engine.seconds = 0
    assert client.post("/v1/models/double:predict", content=b'{"inputs": [1]}').status_code == 200
    assert client.engine.metrics.requests[0] == ("double", "Predict", "CANCELLED", "REST")


def test_a_request_that_takes_too_long_is_told():
    with served(timeout=0.1) as client:
        client.engine.seconds = 5
        told = client.post("/v1/models/double:predict", content=b'{"inputs": [1]}')
        assert (told.status_code, list(told.json())) == (504, ["error"])


# Limits


@pytest.fixture(scope="module")
def small():
    with served(max_body=1 << 20, max_bodies=2 << 20, max_pixels=10_000, max_seconds=1) as client:
        yield client


def predict(client, content, **headers):
    return client.post("/v1/models/echo:predict", content=content, headers=headers)


def of_size(count):
    return b'{"instances": ["' + b"x" * (count - 19) + b'"]}'


def test_a_large_body_is_refused_before_it_is_read(small):
    assert predict(small, of_size(1 << 20)).status_code == 200
    told = predict(small, of_size((1 << 20) + 1))
    assert told.status_code == 413 and told.json() == {"error": "The body has more than 1,048,576 bytes"}
    with connect(small.port) as connection:
        head = request("/v1/models/echo:predict", "POST", headers=["Content-Length: 100000000", "Expect: 100-continue"])
        connection.sendall(head)
        status, headers, _ = answer(connection)
        assert (status, headers["connection"]) == (413, "close")


def test_a_hundred_megabytes_are_refused_and_the_client_reads_why(small):
    """Who sends on and on without looking reads the answer too: the connection is not reset."""
    part = bytes(1 << 20)
    with connect(small.port) as connection:
        connection.sendall(request("/v1/models/echo:predict", "POST", headers=["Content-Length: 104857600"]))
        for _ in range(100):
            connection.sendall(part)
        assert answer(connection)[0] == 413
        connection.sendall(request("/healthz"))
        assert answer(connection)[0] == 200


def test_a_body_without_a_length_is_refused_while_it_is_read(small):
    def parts(count):
        yield from (b'{"instances": ["', *[b"x" * 1000] * count, b'"]}')

    assert predict(small, parts(1000)).status_code == 200
    assert predict(small, parts(1100)).status_code == 413


def test_bodies_are_inflated_up_to_the_limit(small):
    packed = gzip.compress(b'{"instances": ["one"]}')
    assert predict(small, packed, **{"Content-Encoding": "gzip"}).status_code == 200
    halves = gzip.compress(b'{"instances": ') + gzip.compress(b'["one"]}')
    assert predict(small, halves, **{"Content-Encoding": "gzip"}).status_code == 200
    for bomb in (gzip.compress(bytes(50 << 20)), gzip.compress(bytes(1 << 20)) * 20):
        assert predict(small, bomb, **{"Content-Encoding": "gzip"}).status_code == 413
    for damaged in (packed[:-4], packed[:5], b"no gzip", packed + b"more"):
        told = predict(small, damaged, **{"Content-Encoding": "gzip"})
        assert told.status_code == 400 and told.json()["error"].startswith("The body is no gzip")
    assert predict(small, packed, **{"Content-Encoding": "br"}).status_code == 415
    # All room has been given back.
    assert small.front._calls.store.free == 2 << 20


def test_large_bodies_find_room_one_after_another(small):
    """Three bodies that are not whole take the room of two."""
    waiting = []
    for _ in range(3):
        connection = connect(small.port)
        connection.sendall(request("/v1/models/echo:predict", "POST", headers=["Content-Length: 1000000"]))
        connection.sendall(of_size(1_000_000)[:-3])
        waiting.append(connection)
        time.sleep(0.2)
    status, headers, _ = answer(waiting[-1])
    assert (status, headers["retry-after"]) == (503, "1")
    for connection in waiting[:2]:
        connection.sendall(of_size(1_000_000)[-3:])
        assert answer(connection)[0] == 200
    for connection in waiting:
        connection.close()


def picture(size):
    stream = io.BytesIO()
    Image.new("RGB", (size, size)).save(stream, "PNG")
    return {"b64": base64.b64encode(stream.getvalue()).decode()}


@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 413)])
def test_pictures_are_refused_by_their_pixels_where_files_are_taken(small, size, status):
    body = {"signature_name": "serving_bytes", "instances": [picture(10), picture(size)]}
    told = small.post("/v1/models/files:predict", json=body)
    assert told.status_code == status
    if status == 413:
        assert told.json()["error"].startswith("row 1: A picture has 0.0102 million pixels; at most 0.01")
    given = {"name": "encoded", "shape": [1], "datatype": "BYTES", "data": [picture(size)["b64"]]}
    given["parameters"] = {"content_type": "base64"}
    body = {"inputs": [given], "parameters": {"signature_name": "serving_bytes"}}
    assert small.post("/v2/models/files/infer", json=body).status_code == status
    # Elsewhere bytes are bytes.
    assert small.post("/v1/models/echo:predict", json={"instances": [picture(size)]}).status_code == 200


# Large bodies


@pytest.fixture(scope="module")
def beside():
    """A server that reads all but the smallest bodies in a process of its own."""
    with served(large_body=20) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/double:predict", {"instances": [1, 2.5, float("nan")]}),
        ("/v1/models/double:predict", {"inputs": {"x": [1, float("-inf")]}}),
        ("/v1/models/double:predict", {"inputs": [], "more": "than twenty bytes"}),
        ("/v1/models/files:predict", {"inputs": [[[1, 2], [3, 4]]]}),
        ("/v1/models/files:predict", {"signature_name": "serving_bytes", "instances": [{"b64": "/9j/"}, "text"]}),
        ("/v1/models/echo:predict", {"instances": [{"text": "ä\u0000\U0001f3b5"}, {"text": ""}]}),
        ("/v1/models/echo:predict", {"instances": ["a", 1], "more": "than twenty bytes"}),
        ("/v1/models/double:predict", {"instances": "no list, and long enough"}),
        ("/v1/models/double:predict", {"signature_name": "none", "inputs": [1]}),
        ("/v1/models/none:predict", {"inputs": [1], "more": "than twenty bytes"}),
        ("/v1/models/none:predict", {"signature_name": 1, "inputs": [1]}),
        ("/v1/models/none:classify", {"examples": [{"x": 1.5}]}),
        ("/v1/models/none:classify", {"examples": "wrong before the model"}),
        ("/v1/models/double:regress", {"examples": [{"x": 1.5}]}),
        ("/v2/models/double/infer", {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [3]}]}),
        (
            "/v2/models/double/infer",
            {
                "id": "7",
                "inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [3, 4]}],
                "outputs": [{"name": "y"}],
            },
        ),
        ("/v2/models/double/infer", {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [3]}]}),
        ("/v2/models/none/infer", {"inputs": [], "id": "more than twenty bytes"}),
    ],
)
def test_a_large_body_is_answered_as_a_small_one(client, beside, path, body):
    content = json.dumps(body).encode()
    assert len(content) > 20
    small, large = (each.post(path, content=content) for each in (client, beside))
    assert (large.status_code, large.content) == (small.status_code, small.content)
    assert {key: each for key, each in large.headers.items() if key != "date"} == {
        key: each for key, each in small.headers.items() if key != "date"
    }
    assert beside.front._calls.reader._process is not None and client.front._calls.reader._process is None


def test_others_are_answered_while_a_large_body_is_read(client):
    numbers = np.random.default_rng(0).normal(size=3_000_000).astype("float32")
    body = orjson.dumps({"inputs": numbers}, option=orjson.OPT_SERIALIZE_NUMPY)
    waits, told = [], []

    def ask():
        began = time.monotonic()
        told.append(client.post("/v1/models/double:predict", content=body, timeout=60))
        told.append(time.monotonic() - began)

    asking = threading.Thread(target=ask)
    with httpx.Client(base_url=client.base_url) as other:
        other.get("/healthz")
        asking.start()
        while asking.is_alive():
            began = time.monotonic()
            assert other.get("/healthz").status_code == 200
            waits.append(time.monotonic() - began)
            time.sleep(0.005)
    answer, seconds = told
    assert answer.status_code == 200 and client.engine.calls[-1][2]["x"].size == len(numbers)
    np.testing.assert_array_equal(client.engine.calls[-1][2]["x"], numbers)
    assert len(waits) > 4 and np.median(waits) < seconds / 4


def test_a_process_that_is_lost_costs_no_more_than_what_it_read(beside):
    reader, body = beside.front._calls.reader, {"inputs": [1, 2, 3, 4, 5, 6, 7]}
    assert beside.post("/v1/models/double:predict", json=body).status_code == 200
    os.kill(reader._process.pid, signal.SIGKILL)  # nobody was asking
    reader._process.wait()
    assert beside.post("/v1/models/double:predict", json=body).status_code == 200
    os.kill(reader._process.pid, signal.SIGSTOP)
    told = []
    asking = threading.Thread(target=lambda: told.append(beside.post("/v1/models/double:predict", json=body)))
    asking.start()
    time.sleep(0.2)
    os.kill(reader._process.pid, signal.SIGKILL)
    asking.join()
    assert told[0].json() == {"outputs": [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]}  # by the next process


def test_a_process_that_has_ended_is_not_left_as_a_zombie(beside, monkeypatch):
    monkeypatch.setattr(bodies, "_IDLE", 2 - bodies._MOMENT)
    assert beside.post("/v1/models/double:predict", json={"inputs": [1, 2, 3, 4, 5, 6, 7]}).status_code == 200
    process = beside.front._calls.reader._process
    os.kill(process.pid, signal.SIGKILL)
    until = time.monotonic() + 30
    while process.returncode is None:  # which is known once somebody has asked
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_large_body_is_waited_for_no_longer_than_others():
    with served(large_body=20, timeout=0.5) as client:
        body = {"inputs": [1, 2, 3, 4, 5, 6, 7]}
        while client.post("/v1/models/double:predict", json=body).status_code != 200:
            pass  # until the process has started
        os.kill(client.front._calls.reader._process.pid, signal.SIGSTOP)
        told = client.post("/v1/models/double:predict", json=body)
        assert (told.status_code, told.json()) == (504, {"error": "The answer took longer than 0.5 s"})


def test_what_is_written_on_from_may_not_be_large(beside):
    for path in ("/streams/writer", "/v1/completions"):
        assert beside.post(path, json={"model": "writer", "prompt": "x" * 20}).status_code == 413


# Who may ask


@pytest.mark.usefixtures("written")
def test_a_token_is_wanted_everywhere_but_for_health():
    with served(token="a-long-secret", demo=True) as client:
        for path in ("/healthz", "/readyz", "/readyz/double", "/v2/health/live", "/v2/health/ready", "/docs"):
            assert client.get(path).status_code == 200, path
        closed = ("/v1/models", "/V1/models", "/v1/models/double", "/v2", "/v2/models/double", "/cards/echo")
        for path in (*closed, "/openapi.json", "/monitoring/prometheus/metrics", "/else"):
            told = client.get(path)
            assert (told.status_code, told.headers["www-authenticate"]) == (401, "Bearer"), path
        for path in ("/v1/models/double:predict", "/v2/models/double/infer", "/streams/writer", "/v1/completions"):
            assert client.post(path, content=b"{}").status_code == 401, path
        for wrong in ("Bearer a-long-secre", "Bearer a-long-secret2", "Basic a-long-secret", "a-long-secret", "Bearer"):
            assert client.get("/v1/models", headers={"Authorization": wrong}).status_code == 401
        for right in ("Bearer a-long-secret", "bearer  a-long-secret"):
            assert client.get("/v1/models", headers={"Authorization": right}).status_code == 200
        # The page of the interface names no model without it.
        assert "/v1/models/echo:predict" not in client.get("/docs").text
        allowed = client.get("/docs", headers={"Authorization": "Bearer a-long-secret"}).text
        assert "/v1/models/echo:predict" in allowed
        assert "curl -H &quot;Authorization: Bearer $KERASMLSP_TOKEN&quot; -d" in allowed
        assert client.engine.metrics.reasons["token"] > 10
        assert client.options("/v1/models", headers={"Origin": "https://page"}).status_code == 200


def test_other_pages_may_ask_where_that_was_allowed(client):
    page = {"Origin": "https://page"}
    assert not [name for name in client.get("/v1/models", headers=page).headers if name.startswith("access-control")]
    with served(origins=["*"]) as open_client:
        for path in ("/v1/models", "/v1/models/none", "/v2"):
            told = open_client.get(path, headers=page).headers
            assert told["access-control-allow-origin"] == "*"
            assert told["access-control-allow-methods"] == "POST, GET"
            assert told["access-control-allow-headers"] == "Content-Type"
    with served(origins=["https://page"], token="secret") as some:
        told = some.options("/v1/models", headers=page).headers
        assert (told["access-control-allow-origin"], told["vary"]) == ("https://page", "Origin")
        assert told["access-control-allow-headers"] == "Content-Type, Authorization"
        other = some.options("/v1/models", headers={"Origin": "https://other"}).headers
        assert "access-control-allow-origin" not in other and other["vary"] == "Origin"


# Pages


@pytest.mark.usefixtures("written")
def test_the_root_leads_to_what_there_is(client):
    assert client.get("/").headers["location"] == "/docs"
    with served(demo=True) as other:
        assert other.get("/").headers["location"] == "/demo/"


def test_the_interface_is_described(client):
    document = client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    paths = document["paths"]
    body = paths["/v1/models/double:predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"] == {"inputs": {"x": [0.5]}}
    assert client.post("/v1/models/double:predict", json=body["example"]).status_code == 200
    assert "/v2/models/odd%2Fn%C3%A4me/infer" in paths
    stream = paths["/streams/writer"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert stream["required"] == ["prompt"] and "place" not in stream["properties"]
    assert "/streams/writer" in paths and "/streams/echo" not in paths and "/v1/completions" in paths
    page = client.get("/docs")
    assert "<b>Told & sold</b>" not in page.text and "&lt;b&gt;Told &amp; sold&lt;/b&gt;" in page.text
    asked = f"-d &#x27;{{&quot;inputs&quot;: {{&quot;x&quot;: [0.5]}}}}&#x27; http://127.0.0.1:{client.port}/v1/models/double"
    assert f"<pre>curl {asked}:predict</pre>" in page.text
    assert "http://localhost:8501/v1/models/double:predict" in client.get("/docs", headers={"Host": "<b>"}).text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "<script" not in page.text


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Other pages than those of the package."""
    page = tmp_path / "serving" / "page"
    (page / "music").mkdir(parents=True)
    (page / "index.html").write_text("<title>All")
    (page / "music" / "index.html").write_text("<title>Music")
    (page / "music" / "play.js").write_text("play()")
    (page / ".secret.html").write_text("no")
    (page / "notes.md").write_text("no")
    (tmp_path / "outside.html").write_text("no")
    monkeypatch.setattr("importlib.resources.files", lambda name: tmp_path / "serving")


@pytest.mark.usefixtures("written")
def test_pages_are_served_from_a_list():
    with served(demo=True) as client:
        first = client.get("/demo/")
        assert first.text == "<title>All" and first.headers["content-type"] == "text/html; charset=utf-8"
        policy = first.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'") and "unsafe" not in policy
        assert first.headers["x-content-type-options"] == "nosniff"
        again = client.get("/demo/", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        script = client.get("/demo/music/play.js")
        assert script.text == "play()" and script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert client.head("/demo/music/").status_code == 200
        assert client.get("/demo/music").headers["location"] == "/demo/music/"
        assert client.get("/demo").headers["location"] == "/demo/"
        assert client.post("/demo/").status_code == 405
        for path in (
            ".secret.html",
            "notes.md",
            "..%2Foutside.html",
            "../outside.html",
            "music/none.js",
            "%00",
            "none",
        ):
            assert raw(client, "GET", f"/demo/{path}")[0] == 404, path


def test_the_access_log_has_no_bodies_and_no_queries(capfd):
    with served(access_log=True) as client:
        client.post("/v1/models/double:predict?key=secret", content=b'{"inputs": [4321]}')
        raw(client, "GET", "/none/%0Aforged")
        client.engine.seconds = 5
        with connect(client.port) as connection:
            connection.sendall(request("/v1/models/echo:predict", "POST", b'{"inputs": ["secret"]}'))
            time.sleep(0.1)
        time.sleep(0.5)
    lines = capfd.readouterr().out.splitlines()
    assert ' "POST /v1/models/double:predict" 200 20 ' in lines[0]
    assert ' "GET /none/%0Aforged" 404 ' in lines[1]
    assert ' "POST /v1/models/echo:predict" 499 ' in lines[2]
    assert len(lines) == 3 and "secret" not in "".join(lines) and "4321" not in "".join(lines)


def test_who_reads_the_log_and_pauses_holds_up_nobody(monkeypatch):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * 1000)
    os.set_blocking(writing, True)
    text = []

    def read():
        while part := os.read(reading, 65536):
            text.append(part)

    with os.fdopen(writing, "w") as stdout, served(access_log=True) as client:
        monkeypatch.setattr("sys.stdout", stdout)
        client.front._log.writer.most = 20
        for number in range(50):
            assert client.get(f"/v1/models/{number}").status_code == 404
        time.sleep(0.5)  # until they are to be written
        assert client.get("/healthz", timeout=5).status_code == 200
        assert client.engine.metrics.reasons["log"] == 31
        reader = threading.Thread(target=read)
        reader.start()
        until = time.monotonic() + 10
        while client.front._log.writer._written < 20:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert client.get("/v1/models/last").status_code == 404
        while client.front._log.writer._written < 22:
            assert time.monotonic() < until
            time.sleep(0.01)
        monkeypatch.undo()
    reader.join()
    os.close(reading)
    lines = b"".join(text).decode().lstrip(".").splitlines()
    assert [line.split('"')[1] for line in lines[:20]] == [f"GET /v1/models/{number}" for number in range(20)]
    assert "31 lines are missing here" in lines[20] and "/v1/models/last" in lines[21] and len(lines) == 22


def test_a_log_that_nobody_reads_is_given_up_at_the_end(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stdout, served(access_log=True) as client:
        monkeypatch.setattr("sys.stdout", stdout)
        for _ in range(400):
            client.get("/v1/models/" + "x" * 200)
        began = time.monotonic()
        client.front.close()
        assert time.monotonic() - began < 20
        os.close(reading)  # and a reader that is gone is no fault
        client.front._log.writer._thread.join(5)
        assert not client.front._log.writer._thread.is_alive()
        monkeypatch.undo()


def test_arrays_go_to_the_model_as_they_are(client):
    client.post("/v1/models/files:predict", json={"instances": np.full((2, 2, 2), 7).tolist()})
    ((model, signature, inputs),) = client.engine.calls
    assert (model, signature, inputs["images"].dtype, inputs["images"].shape) == (
        "files",
        "serving_default",
        np.uint8,
        (2, 2, 2),
    )


def test_an_example_of_a_request_has_whole_shapes_and_leaves_defaults_out():
    infos = {
        "signals": TensorInfo("signals:0", "DT_FLOAT", (-1, 3, 2)),
        "label": TensorInfo("label:0", "DT_STRING", (-1,)),
        "steps": TensorInfo("steps:0", "DT_INT32", ()),
    }
    of = openapi.example
    needed = {"signals": [[[0.5, 0.5]] * 3]}
    assert of(Signature(infos, {}, defaults={"label": "Coat", "steps": 7})) == {"inputs": needed}
    defaults = {"signals": [[0.0, 1.0]] * 3, "label": "Coat", "steps": 7}
    assert of(Signature(infos, {}, defaults=defaults)) == {
        "inputs": {"signals": [[[0.0, 1.0]] * 3], "label": ["Coat"], "steps": 7}
    }
    assert of(Signature({"x": TensorInfo("x:0", "DT_FLOAT", (-1, 75, 6))}, {})) is None
