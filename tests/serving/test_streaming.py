"""Texts that come piece by piece: as events, as OpenAI has them, and the same as in one call."""

import asyncio
import json
import time

import fake_engine
import numpy as np
import pytest
from running import answer, connect, request
from test_front import served

from kerasmlsp.serving import streaming
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.tensors import Signature, TensorInfo


@pytest.fixture(scope="module")
def plain():
    with served() as client:
        yield client


def settled(client):
    """What was counted once no request is under way; an answer can be read before that."""
    while client.server.state.tasks:
        time.sleep(0.01)
    return client.engine.metrics.requests


@pytest.fixture
def client(plain):
    settled(plain)
    plain.engine.calls.clear()
    plain.engine.metrics.__init__()
    plain.engine.seconds, plain.engine.error = 0.0, None
    plain.engine.cancelled.clear()
    return plain


def events(told):
    assert told.headers["content-type"].startswith("text/event-stream"), told.text
    *found, rest = told.text.split("\n\n")
    assert rest == ""
    assert all(each.startswith("data: ") for each in found)
    return [each.removeprefix("data: ") for each in found]


@pytest.mark.parametrize(("length", "seed"), [(0, 0), (1, 0), (8, 0), (9, 0), (100, 0), (117, 1), (300, 0)])
def test_pieces_joined_are_the_text(client, length, seed):
    *pieces, done = events(client.post("/streams/writer", json={"prompt": "", "length": length, "seed": seed}))
    assert done == "[DONE]"
    texts = [json.loads(each)["text"] for each in pieces]
    # Of bytes that stop within a character, as a step may, none is lost; the rest at the end is one that is not whole.
    whole = fake_engine.TEXT if seed == 0 else ("ä€🎵".encode() * 20)[:length].decode("utf-8", "replace")
    assert "".join(texts) == whole[:length]
    assert all(texts)
    lengths = [int(inputs["length"][0]) for _, name, inputs in client.engine.calls if name == "step"]
    # It stops where the model does.
    assert sum(lengths) >= min(length, len(fake_engine.TEXT)) and set(lengths[1:-1]) <= {streaming.PIECE}
    assert settled(client) == [("writer", "Stream", "OK", "REST")]


def test_defaults_are_those_of_the_model(client):
    events(client.post("/streams/writer", json={"prompt": "x", "length": None}))
    ((_, _, first), (_, _, second), *_) = client.engine.calls
    assert first["prompt"].tolist() == [b"x"]
    assert second["temperature"].tolist() == [np.float32(0.8)] and second["seed"].tolist() == [0]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "`prompt` must be given"),
        ({"prompt": 1}, "`prompt` must be of type string. Received: 1"),
        ({"prompt": ["a", "b"]}, "`prompt` must be one value"),
        ({"prompt": "a", "length": -1}, "`length` must be from 0 to 100,000. Received: -1"),
        ({"prompt": "a", "length": 100_001}, "`length` must be from 0 to 100,000"),
        ({"prompt": "a", "length": 2**40}, "`length` must be of type int32"),
        ({"prompt": "a", "length": 1.5}, "`length` must be of type int32. Received: 1.5"),
        ({"prompt": "a", "seed": True}, "`seed` must be of type int32. Received: true"),
        ({"prompt": "a", "place": 1}, "`place` must be one of length, prompt, seed, temperature"),
        ({"prompt": "a", "x" * 500: 1}, "must be one of length, prompt, seed, temperature"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_stream(client, body, text):
    told = client.post("/streams/writer", json=body)
    assert told.status_code == 400 and text in told.json()["error"] and len(told.text) < 600
    assert not client.engine.calls


def test_only_models_with_start_and_step_stream(client):
    told = client.post("/streams/echo", json={"prompt": "x"})
    assert told.status_code == 400 and "does not stream" in told.json()["error"]
    assert client.post("/streams/none", json={"prompt": "x"}).status_code == 404
    assert client.get("/streams/writer").status_code == 405
    number, text = TensorInfo("", "DT_INT32", (-1,)), TensorInfo("", "DT_STRING", (-1,))
    start, step = Signature({"prompt": text}, {"state": number}), {"state": number, "length": number}
    assert streaming.is_offered({"start": start, "step": Signature(step, {"state": number, "text": text})})
    assert not streaming.is_offered({"start": start, "step": Signature(step, {"text": text})})
    assert not streaming.is_offered({"start": start})


def test_what_goes_wrong_is_an_answer_before_the_first_piece_and_an_event_after_it(client):
    client.engine.error = ServingError("UNAVAILABLE", "Full", retry_after=1)
    told = client.post("/streams/writer", json={"prompt": "x"})
    assert (told.status_code, told.headers["retry-after"]) == (503, "1")
    client.engine.error = None
    client.engine.seconds = 0.05
    with client.stream("POST", "/streams/writer", json={"prompt": "x"}) as told:
        lines = told.iter_lines()
        assert json.loads(next(lines).removeprefix("data: "))["text"]
        client.engine.error = ServingError("UNAVAILABLE", "The worker is lost")
        rest = [line for line in lines if line]
    assert rest[-1] == 'data: {"error":"The worker is lost"}'
    client.engine.error = None
    with client.stream("POST", "/streams/writer", json={"prompt": "x"}) as told:
        lines = told.iter_lines()
        next(lines)
        client.engine.error = KeyError("secret")
        assert "secret" not in "".join(lines)


def test_a_stream_ends_when_its_client_is_gone(client):
    client.engine.seconds = 0.3
    with connect(client.port) as connection:
        connection.sendall(request("/streams/writer", "POST", b'{"prompt": "x", "length": 200}'))
        assert b'data: {"text"' in connection.recv(4096) + connection.recv(4096)
    assert client.engine.cancelled.wait(20)
    asked = len(client.engine.calls)
    time.sleep(0.7)
    assert len(client.engine.calls) == asked < 12
    assert settled(client) == [("writer", "Stream", "CANCELLED", "REST")]


def test_a_stream_ends_with_the_server():
    with served() as client:
        client.engine.seconds = 0.5
        connection = connect(client.port)
        connection.sendall(request("/streams/writer", "POST", b'{"prompt": "x", "length": 16}'))
        time.sleep(0.4)
    # `served` has stopped the server meanwhile, which let it write on to the end.
    status, _, body = answer(connection)
    assert status == 200 and body.endswith(b"data: [DONE]\n\n")
    connection.close()


# OpenAI's interface


def complete(client, **body):
    return client.post("/v1/completions", json={"model": "writer", **body})


def test_completions_are_as_openai_has_them(client):
    told = complete(client, prompt="ab", max_tokens=20, seed=0)
    assert told.status_code == 200 and told.headers["content-type"] == "application/json"
    answer = told.json()
    assert answer["object"] == "text_completion" and answer["model"] == "writer" and answer["id"].startswith("cmpl-")
    assert answer["choices"] == [
        {"index": 0, "text": fake_engine.TEXT[2:22], "logprobs": None, "finish_reason": "length"}
    ]
    assert answer["usage"] == {"prompt_tokens": 2, "completion_tokens": 20, "total_tokens": 22}
    assert complete(client, prompt=[""], max_tokens=300, seed=0).json()["choices"][0]["finish_reason"] == "stop"
    plain = complete(client, prompt="", n=1, echo=False, stop=None, logprobs=None, user="me").json()
    assert plain["usage"]["completion_tokens"] == 16
    # Drawn anew each time, unless a seed is given.
    step = [inputs for _, name, inputs in client.engine.calls if name == "step"]
    assert step[-1]["temperature"].tolist() == [1.0] and step[-1]["seed"].tolist() != [0]


def test_what_nobody_sees_before_it_is_whole_is_written_in_ever_longer_steps(client):
    complete(client, prompt="", max_tokens=200, seed=1)
    assert [int(each["length"][0]) for _, name, each in client.engine.calls if name == "step"] == [8, 32, 64, 96]


def test_completions_stream(client):
    *pieces, done = events(complete(client, prompt="", max_tokens=50, seed=0, stream=True))
    assert done == "[DONE]"
    choices = [json.loads(each)["choices"][0] for each in pieces]
    assert "".join(each["text"] for each in choices) == fake_engine.TEXT[:50]
    assert [each["finish_reason"] for each in choices] == [None] * (len(choices) - 1) + ["length"]
    assert len({json.loads(each)["id"] for each in pieces}) == 1


def streamed(client, **body):
    """Texts, reasons and the number of pieces of each choice, and what was wrong."""
    *pieces, last = events(complete(client, stream=True, **body))
    found = {}
    for each in map(json.loads, pieces):
        (choice,) = each["choices"]
        parts, reasons = found.setdefault(choice["index"], ([], []))
        parts.append(choice["text"])
        reasons.append(choice["finish_reason"])
    assert all(not any(reasons[:-1]) for _, reasons in found.values())
    return [("".join(found[each][0]), found[each][1][-1]) for each in sorted(found)], last


def both(client, **body):
    """Texts and reasons of the choices, streamed and not, which are the same."""
    whole = complete(client, **body)
    assert whole.status_code == 200, whole.text
    choices = whole.json()["choices"]
    assert [each["index"] for each in choices] == list(range(body.get("n") or 1))
    found = [(each["text"], each["finish_reason"]) for each in choices]
    assert streamed(client, **body) == (found, "[DONE]")
    return found


@pytest.mark.parametrize(
    ("stop", "length", "text", "reason"),
    [
        ("hij", 50, "abcdefg", "stop"),  # over the end of the first piece
        (["q", "d", "zz"], 50, "abc", "stop"),  # the first in the text, not in the list
        ("a", 50, "", "stop"),
        ("ghz", 8, "abcdefgh", "length"),  # one that only begins
        (["fgh", "fghi"], 8, "abcde", "stop"),
        (["xyz", "yz"], 300, "abcdefghijklmnopqrstuvw", "stop"),
        ("none", 300, None, "stop"),  # the model itself ends
        (["ab", "za"], 52, "", "stop"),
        ([], 9, "abcdefghi", "length"),
        ("", 9, "abcdefghi", "length"),
        (None, 9, "abcdefghi", "length"),
    ],
)
def test_a_text_ends_before_what_is_to_stop_it(client, stop, length, text, reason):
    text = fake_engine.TEXT if text is None else text
    assert both(client, prompt="", stop=stop, max_tokens=length, seed=0) == [(text, reason)]
    answer = complete(client, prompt="", stop=stop, max_tokens=length, seed=0).json()
    assert answer["usage"] == {"prompt_tokens": 0, "completion_tokens": len(text), "total_tokens": len(text)}


def test_a_text_that_was_stopped_is_not_written_on(client):
    assert both(client, prompt="", stop="d", max_tokens=250, seed=0) == [("abc", "stop")]
    assert [name for _, name, _ in client.engine.calls] == ["start", "step"] * 2
    assert settled(client)[-1] == ("writer", "Stream", "OK", "REST")


def test_several_texts_are_drawn_with_seeds_that_follow_each_other(client):
    alphabet, odd = fake_engine.TEXT[:20], ("ä€🎵".encode() * 20)[:20].decode("utf-8", "replace")
    assert both(client, prompt="", n=3, best_of=3, max_tokens=20, seed=0) == [
        (alphabet, "length"),
        (odd, "length" if len(odd) >= 20 else "stop"),
        (alphabet, "length"),
    ]
    seeds = [inputs["seed"].tolist() for _, name, inputs in client.engine.calls if name == "step"]
    assert seeds[:3] == [[0], [1], [2]]
    usage = complete(client, prompt="xy", n=2, max_tokens=5, seed=2**31 - 1).json()["usage"]
    assert usage == {"prompt_tokens": 2, "completion_tokens": 10, "total_tokens": 12}
    assert [inputs["seed"].tolist() for _, name, inputs in client.engine.calls if name == "step"][-2:] == [
        [2**31 - 1],
        [-(2**31)],
    ]


def test_some_of_several_texts_may_stop_earlier(client):
    found = both(client, prompt="", n=2, stop=["€"], max_tokens=60, seed=0)
    assert found == [(fake_engine.TEXT[:60], "length"), ("ä", "stop")]


def test_the_prompt_is_repeated_where_that_is_asked_for(client):
    assert both(client, prompt="ab", echo=True, max_tokens=4, seed=0) == [("abcdef", "length")]
    assert both(client, prompt=["xyz"], echo=True, max_tokens=0, n=2) == [("xyz", "length")] * 2
    # What ends a text is not looked for in the prompt.
    assert both(client, prompt="ab", echo=True, stop=["b", "e"], max_tokens=20, seed=0) == [("abcd", "stop")]
    told = complete(client, prompt="ab", echo=True, max_tokens=4, seed=0).json()
    assert told["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}


def test_of_several_texts_none_is_written_on_when_one_fails_or_the_client_is_gone(client):
    client.engine.error = ServingError("UNAVAILABLE", "Full", retry_after=2)
    told = complete(client, prompt="a", n=3, echo=True, stream=True)
    assert (told.status_code, told.headers["retry-after"]) == (503, "2")  # no event before
    client.engine.error, client.engine.seconds = None, 0.3
    body = json.dumps({"model": "writer", "prompt": "", "max_tokens": 200, "n": 3, "stream": True}).encode()
    with connect(client.port) as connection:
        connection.sendall(request("/v1/completions", "POST", body))
        assert b'"index":' in connection.recv(4096) + connection.recv(4096)
    time.sleep(0.5)
    assert settled(client)[-1] == ("writer", "Stream", "CANCELLED", "REST")
    asked = len(client.engine.calls)
    time.sleep(0.7)
    assert len(client.engine.calls) == asked <= 36


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"model": "none", "prompt": ""}, 404, "Servable not found"),
        ({"model": None}, 400, "`model` must be the name of a model"),
        ({"stream": {}}, 400, "`stream` true or false"),
        ({"stream": "yes"}, 400, "`stream` true or false"),
        ({"model": "echo"}, 400, "does not stream"),
        ({"n": 0}, 400, "`n` must be from 1 to 8. Received: 0"),
        ({"n": 9}, 400, "`n` must be from 1 to 8. Received: 9"),
        ({"n": True}, 400, "`n` must be from 1 to 8. Received: true"),
        ({"n": 2, "best_of": 3}, 400, "`best_of` is not offered. Received: 3"),
        ({"stop": 1}, 400, "`stop` must be a text or up to 4, of up to 1,000 characters each. Received: 1"),
        ({"stop": 0}, 400, "`stop` must be a text"),
        ({"stop": ["a", 1]}, 400, "`stop` must be a text"),
        ({"stop": ["a", ""]}, 400, "`stop` must be a text"),
        ({"stop": ["a", "b", "c", "d", "e"]}, 400, "`stop` must be a text or up to 4"),
        ({"stop": "x" * 1001}, 400, "`stop` must be a text"),
        ({"echo": 1}, 400, "`echo` must be true or false. Received: 1"),
        ({"logprobs": 0}, 400, "`logprobs` is not offered. Received: 0"),
        ({"suffix": "end"}, 400, "`suffix` is not offered"),
        ({"prompt": [1, 2]}, 400, "`prompt` must be one string"),
        ({"prompt": ["a", "b"]}, 400, "`prompt` must be one string"),
        ({"max_tokens": -1}, 400, "`max_tokens` must be from 0"),
        ({"temperature": "hot"}, 400, "`temperature` must be of type float"),
    ],
)
def test_errors_of_completions_are_as_openai_has_them(client, body, status, text):
    told = complete(client, **body)
    assert told.status_code == status
    assert text in told.json()["error"]["message"] and told.json()["error"]["type"] == "invalid_request_error"
    assert not client.engine.calls


def test_a_completion_has_the_time_of_one_request():
    with served(timeout=0.5) as client:
        client.engine.seconds = 0.2
        told = complete(client, prompt="x", max_tokens=300)
        assert told.status_code == 504 and "longer than 0.5 s" in told.json()["error"]["message"]
        # A stream goes on for as long as its steps are in time.
        client.engine.seconds = 0.05
        assert complete(client, prompt="x", max_tokens=300, stream=True).text.endswith("data: [DONE]\n\n")
        asked = len(client.engine.calls)
        assert asked > 5


# The shipped model


def of_shipped(model):
    """A servable that calls a loaded saved model."""
    infos = {
        name: Signature(
            {key: _info(each) for key, each in endpoint["inputs"].items()},
            {key: _info(each) for key, each in endpoint["outputs"].items()},
            defaults={key: each["default"] for key, each in endpoint["inputs"].items() if each["default"] is not None},
        )
        for name, endpoint in model.card["endpoints"].items()
    }

    class Shipped:
        name, version, signatures = "chargen", 1, infos

        async def predict(self, signature, inputs, timeout):
            return {name: np.asarray(each) for name, each in model.call(signature, **inputs).items()}

    return Shipped()


def _info(described):
    kinds = {"float32": "FLOAT", "int32": "INT32", "string": "STRING", "bool": "BOOL"}
    shape = tuple(-1 if size is None else size for size in described["shape"])
    return TensorInfo("", f"DT_{kinds[described['dtype']]}", shape)


def test_the_shipped_model_streams_what_it_writes_in_one_call():
    from kerasmlsp.exporting import loading

    model = loading.load(loading.find("chargen", models=loading.shipped()))
    servable = of_shipped(model)

    async def streamed(fields):
        return [text async for text in streaming.texts(streaming.read(fields, servable), timeout=60)]

    cases = [
        {"prompt": "ROMEO:\nWhat light", "length": 75, "temperature": 0.8, "seed": 3},
        {"prompt": "A", "length": 41, "temperature": 0.0},
        {"prompt": "", "length": 72, "temperature": 1.5, "top_k": 5, "seed": 2**31 - 1},
        {"prompt": "And so ", "length": 8, "temperature": 1.0, "top_p": 0.5, "seed": -7},
    ]
    for fields in cases:
        whole = model.call("generate", **{name: [each] for name, each in fields.items()})["text"][0].decode()
        pieces = asyncio.run(streamed(fields))
        assert "".join(pieces) == whole, fields
        assert len(whole) == fields["length"] and len(pieces) == 1 + -(-(fields["length"] - 8) // streaming.PIECE)
