"""What models are asked: TensorFlow Serving's interface, the Open Inference Protocol, and streams."""

import asyncio
import contextlib
import logging
import re
import sys
import time
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import orjson

from kerasmlsp.serving import bodies, completions, examples, inference, parsing, requests, rest, streaming, uploads
from kerasmlsp.serving.bodies import Reader
from kerasmlsp.serving.errors import ServingError, invalid, late
from kerasmlsp.serving.requests import Answer, Request, Store, decoded
from kerasmlsp.serving.tensors import Signature

if TYPE_CHECKING:
    from kerasmlsp.serving.engine import Engine
    from kerasmlsp.serving.front import FrontSettings

# As tensorflow_serving/model_servers/http_rest_api_handler.cc has them.
_POST = re.compile(rb"(?i)/v1/models/([^/:]+)(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?:(classify|regress|predict)")
_GET = re.compile(rb"(?i)/v1/models(?:/([^/:]+))?(?:(?:/versions/(\d+))|(?:/labels/([^/:]+)))?(?:\/(metadata))?")
_V2 = re.compile(rb"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/(ready|infer))?")
_Send = Callable[[Any], Awaitable[None]]
log = logging.getLogger("kerasmlsp.serving")
_LARGEST_VERSION = 2**63 - 1
_EVENTS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the pieces
)


class Calls:
    """Answers requests by what an engine says.

    Args:
        engine: What knows the models.
        settings: What is allowed.
        draining: Whether the server is about to stop.

    Example:
        >>> Calls(None, type("Settings", (), {"max_bodies": 1, "large_body": 1}), bool).store.free
        1
    """

    def __init__(self, engine: "Engine", settings: "FrontSettings", draining: Callable[[], bool]):
        self.engine, self.settings, self._draining = engine, settings, draining
        self.store, self.reader = Store(settings.max_bodies), Reader(settings.large_body)
        # By servable, as it never changes and takes half a millisecond to write.
        self._metadata: weakref.WeakKeyDictionary[Any, bytes] = weakref.WeakKeyDictionary()

    def done(self, request: Request) -> None:
        """Gives back the room that the body of a request had.

        Example:
            >>> Calls.done.__name__
            'done'
        """
        if request.held:
            self.store.take(-request.held)

    def newest(self) -> list[Any]:
        """Returns the version of each model that answers by default, of those that are there, by name.

        Example:
            >>> Calls.newest.__name__
            'newest'
        """
        found = []
        for name in sorted(self.engine.names()):
            with contextlib.suppress(ServingError):
                found.append(self.engine.servable(name))
        return found

    def card(self, request: Request) -> Answer:
        """Answers GET /cards/NAME.

        Example:
            >>> Calls.card.__name__
            'card'
        """
        name = _name(request.path.removeprefix(b"/cards/"))
        return Answer(orjson.dumps(self.engine.servable(name).card))

    # TensorFlow Serving's interface

    async def v1(self, request: Request) -> Answer:
        """Answers what is below /v1/.

        Raises:
            ServingError: What is wrong with the request, or with the model.

        Example:
            >>> Calls.v1.__name__
            'v1'
        """
        if request.method == "POST":
            found = _POST.fullmatch(request.path)
            # A verb in capitals matches, as upstream, and then is none.
            if found is not None and found[4] in (b"predict", b"classify", b"regress"):
                name, version, label = _model(found)
                body = await self._body(request)
                verb = found[4].decode()
                with self._counted(name, verb.capitalize()):
                    if verb == "predict":
                        return await self._predict(body, name, version, label)
                    return await self._examples(body, verb, name, version, label)
        elif request.method == "GET":
            found = _GET.fullmatch(request.path)
            if found is not None:
                return self._read(found)
        raise invalid(f"Malformed request: {request.method} {request.shown}")

    def _read(self, found) -> Answer:
        if found[1] is None:
            if found[0].lower() == b"/v1/models":
                return Answer(rest.models(sorted(self.engine.names())))
            raise invalid("Missing model name in request.")
        name, version, label = _model(found)
        if found[4] is None:
            return Answer(rest.status(self.engine.status(name, version)))
        servable = self.engine.servable(name, version, label)
        if (told := self._metadata.get(servable)) is None:
            told = self._metadata[servable] = rest.metadata(servable.name, servable.version, servable.signatures)
        return Answer(told)

    async def _predict(self, body, *place) -> Answer:
        if len(body) <= self.reader.large:
            servable, signature_name, inputs, row = bodies.predict(body, self.engine.servable, *place)
        else:
            servable, signature_name, inputs, row = await self._read_body(bodies.predict, body, *place)
        outputs = await self._asked(servable, signature_name, inputs)
        return Answer(rest.write_predict(outputs, row))

    async def _examples(self, body, verb, *place) -> Answer:
        read = bodies.classify if verb == "classify" else bodies.regress
        servable, signature_name, inputs, count = await self._read_body(read, body, *place)
        outputs = await self._asked(servable, signature_name, inputs)
        self.engine.metrics.examples(servable.name, count)
        return Answer(examples.write_results(outputs, count, verb))

    async def _read_body(self, kind, body, *place):
        """What a body asks for; a large one is read beside the loop."""
        if len(body) <= self.reader.large:
            return kind(body, self.engine.servable, *place)
        async with self._in_time():
            return await self.reader.read(kind, body, self.engine.servable, *place)

    async def _asked(self, servable, signature_name, inputs):
        if signature_name == "serving_bytes":
            pixels, seconds = self.settings.max_pixels, self.settings.max_seconds
            for array in inputs.values():
                if array.dtype.kind == "O":
                    uploads.check(array, most_pixels=pixels, most_seconds=seconds)
        return await servable.predict(signature_name, inputs, self.settings.timeout)

    # The Open Inference Protocol

    async def v2(self, request: Request) -> Answer:
        """Answers /v2 and what is below it.

        Raises:
            ServingError: What is wrong with the request, or with the model.

        Example:
            >>> Calls.v2.__name__
            'v2'
        """
        if (told := self._of_server(request.path)) is not None:
            requests.only(request, "GET", "HEAD")
            return told
        found = _V2.fullmatch(request.path)
        if found is None:
            raise ServingError("NOT_FOUND", f"There is no {request.shown}")
        name, version, verb = _name(found[1]), _number(found[2]), found[3]
        if verb == b"infer":
            requests.only(request, "POST")
            if b"inference-header-content-length" in request.headers:
                raise invalid(inference.BINARY)
            body = await self._body(request)
            with self._counted(name, "Predict", "V2"):
                return await self._infer(body, name, version)
        requests.only(request, "GET", "HEAD")
        return self._model_ready(name, version) if verb else self._model_metadata(name, version)

    def _of_server(self, path) -> Answer | None:
        if path in (b"/v2", b"/v2/"):
            return Answer(inference.server())
        if path == b"/v2/health/live":
            return Answer(inference.live())
        if path == b"/v2/health/ready":
            ready = all(self.engine.ready().values()) and not self._draining()
            return Answer(inference.ready(ready), 200 if ready else 503)
        return None

    def _model_ready(self, name, version):
        states = [each["state"] for each in self.engine.status(name, version)]
        ready = "AVAILABLE" in states
        return Answer(inference.model_ready(name, ready), 200 if ready else 503)

    def _model_metadata(self, name, version):
        servable = self.engine.servable(name, version)
        signatures = {key: each for key, each in servable.signatures.items() if each.inputs}
        signature = signatures.get(rest.DEFAULT_SIGNATURE) or next(iter(signatures.values()), Signature({}, {}))
        versions = [each["version"] for each in self.engine.status(name) if each["state"] == "AVAILABLE"]
        return Answer(inference.metadata(name, versions, signature))

    async def _infer(self, body, name, version):
        servable, signature_name, inputs, (wanted, identifier) = await self._read_body(
            bodies.infer, body, name, version
        )
        outputs = await self._asked(servable, signature_name, inputs)
        return Answer(inference.write_infer(outputs, wanted, name, servable.version, identifier))

    # Streams

    async def stream(self, request: Request, send: _Send) -> Answer | None:
        """Answers POST /streams/NAME with server-sent events.

        Raises:
            ServingError: As of `v1`, before the first event; later ones are events.

        Example:
            >>> Calls.stream.__name__
            'stream'
        """
        name = _name(request.path.removeprefix(b"/streams/"))
        fields = parsing.parse(await self._body(request, self.reader.large))
        writing = streaming.read(fields, self.engine.servable(name))
        with self._counted(name, "Stream"):
            texts = streaming.texts(writing, self.settings.timeout)
            await _send_events(request, send, ({"text": text} async for text in texts))
        return None

    async def completions(self, request: Request, send: _Send) -> Answer | None:
        """Answers POST /v1/completions as OpenAI does.

        Raises:
            ServingError: As of `stream`.

        Example:
            >>> Calls.completions.__name__
            'completions'
        """
        fields = parsing.parse(await self._body(request, self.reader.large))
        name, stream = fields.get("model"), fields.get("stream")
        if type(name) is not str or type(stream) not in (bool, type(None)):
            raise invalid("`model` must be the name of a model, and `stream` true or false")
        asked = completions.read_request(fields, self.engine.servable(name))
        completion = completions.Completion(asked, self.settings.timeout)
        with self._counted(name, "Stream"):
            if stream:
                await _send_events(request, send, completion.pieces())
                return None
            # A stream may take as long as it likes, since its client sees that it goes on.
            async with self._in_time():
                return Answer(orjson.dumps(await completion.whole()))

    async def _body(self, request, most=sys.maxsize):
        return await request.body(min(self.settings.max_body, most), self.store)

    @contextlib.asynccontextmanager
    async def _in_time(self):
        try:
            async with asyncio.timeout(self.settings.timeout):
                yield
        except TimeoutError:
            raise late(self.settings.timeout) from None

    @contextlib.contextmanager
    def _counted(self, name, api, entrypoint="REST"):
        began, code = time.perf_counter(), "INTERNAL"
        try:
            yield
            code = "OK"
        except ServingError as error:
            code = error.code
            raise
        except asyncio.CancelledError:
            code = "CANCELLED"
            raise
        finally:
            self.engine.metrics.answered(name, api, code, time.perf_counter() - began, entrypoint)


async def _send_events(request, send, events: AsyncGenerator[Any, None]):
    """Sends values as they come. What goes wrong before the first is raised, later it is an event."""
    last = streaming.DONE
    async with contextlib.aclosing(events):
        first = await anext(events, None)
        request.status = 200
        await send({"type": "http.response.start", "status": 200, "headers": [*_EVENTS, *request.extra]})
        try:
            if first is not None:
                await _send_event(request, send, streaming.event(first))
            async for each in events:
                await _send_event(request, send, streaming.event(each))
        except ServingError as error:
            last = streaming.event({"error": error.message})
        except asyncio.CancelledError:  # nobody reads this if the client is gone
            await _send_event(request, send, streaming.event({"error": "The server stops"}), more=False)
            raise
        except Exception:
            log.exception("A stream at %s failed", request.shown)
            last = streaming.event({"error": "The server failed; its log says why"})
    await _send_event(request, send, last, more=False)


async def _send_event(request, send, body, more=True):
    request.sent += len(body)
    await send({"type": "http.response.body", "body": body, "more_body": more})


def _name(raw):
    name = decoded(raw)
    if name is None:
        raise invalid(f"Failed to decode model name: {raw[:256].decode()}")
    return name


def _model(found):
    """Name, version and label of the model in a path."""
    label = None if found[3] is None else decoded(found[3])
    if found[3] is not None and label is None:
        raise invalid(f"Failed to decode model version label: {found[3][:256].decode()}")
    return _name(found[1]), _version(found[2]), label


def _version(raw):
    if raw is None:
        return None
    if len(raw.lstrip(b"0")) > 19 or int(raw) > _LARGEST_VERSION:
        raise invalid(f"Failed to convert version: {raw[:256].decode()} to numeric.")
    return int(raw)


def _number(raw):
    if raw is not None and not raw.isdigit():
        raise invalid(f"Failed to convert version: {raw[:256].decode()} to numeric.")
    return _version(raw)
