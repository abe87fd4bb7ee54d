"""The front: an ASGI application that routes requests and checks who asks; what models are asked is in `calls`.

It matches the path as it was sent, and names in it are only looked up: no file's path is made of them.
"""

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import logging
import re
import time
import urllib.parse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from kerasmlsp.serving import openapi, pages, requests
from kerasmlsp.serving.access_log import AccessLog
from kerasmlsp.serving.calls import Calls
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.requests import HTML, JSON, TEXT, Answer, Request

if TYPE_CHECKING:
    from kerasmlsp.serving.engine import Engine

log = logging.getLogger("kerasmlsp.serving")

METRICS = b"/monitoring/prometheus/metrics"
_NOT_FOUND = Answer(b"<html><head><title>404 Not Found</title></head><body>404 Not Found</body></html>", 404, HTML)
# What needs no token. The pages and `/docs` say nothing of the models without it.
_OPEN = frozenset((b"/", b"/demo", b"/docs", b"/healthz", b"/readyz", b"/v2/health/live", b"/v2/health/ready"))
_OPEN_BELOW = (b"/demo/", b"/readyz/")
_INTERFACES = (b"/v1/", b"/v2/", b"/streams/", b"/cards/")


@dataclasses.dataclass(frozen=True)
class FrontSettings:
    """What the front allows.

    Args:
        token: What clients send as `Authorization: Bearer TOKEN`; None for no such check.
        origins: Web pages that browsers let use the server (CORS), as `https://example.org`, or `*` for all.
        demo: Whether the pages at `/demo/` are served.
        timeout: Seconds that a request may take from when its body is there; of a stream, each step.
        max_body: Bytes of a body, also once it is inflated.
        max_bodies: Bytes of the large bodies in memory at the same time.
        large_body: Bytes beyond which a body is read in a process of its own, as others would wait meanwhile; those of
            streams may not have more.
        max_pixels: Width times height of an encoded picture.
        max_seconds: Length of an encoded recording.
        access_log: Whether a line for each request is written to stdout.

    Example:
        >>> FrontSettings(timeout=5).max_body
        67108864
    """

    token: str | None = None
    origins: Sequence[str] = ()
    demo: bool = False
    timeout: float = 30.0
    max_body: int = 64 << 20
    max_bodies: int = 512 << 20
    large_body: int = 1 << 20
    max_pixels: int = 64_000_000
    max_seconds: float = 600.0
    access_log: bool = False


def build(engine: "Engine", settings: FrontSettings) -> "Front":
    """Returns the ASGI application that answers with an engine.

    Example:
        >>> build(None, FrontSettings()).draining
        False
    """
    return Front(engine, settings)


class Front:
    """The ASGI application.

    Args:
        engine: What knows the models.
        settings: What is allowed.

    Example:
        >>> Front(None, FrontSettings()).draining
        False
    """

    def __init__(self, engine: "Engine", settings: FrontSettings):
        self.engine, self.settings = engine, settings
        self.draining = False
        self._token = None if settings.token is None else settings.token.encode()
        self._calls = Calls(engine, settings, lambda: self.draining)
        self._pages = pages.Pages() if settings.demo else None
        self._log = AccessLog(lambda: self.engine.metrics.dropped()) if settings.access_log else None
        self._plain: dict[bytes, Callable[[Request], Answer | None]] = {
            b"/": lambda _: pages.to(b"/docs" if self._pages is None else b"/demo/"),
            b"/healthz": lambda _: Answer(b'{"status":"ok"}'),
            b"/readyz": self._ready,
            b"/docs": self._docs,
            b"/openapi.json": lambda _: Answer(orjson.dumps(self._description(self._calls.newest()))),
            METRICS: lambda _: Answer(self.engine.metrics.text().encode(), kind=TEXT),
        }

    def drain(self) -> None:
        """Tells from now on that the server is not ready, though it still answers.

        Example:
            >>> front = Front(None, FrontSettings())
            >>> front.drain()
            >>> front.draining
            True
        """
        self.draining = True

    def close(self) -> None:
        """Writes what is left of the log, and ends the process that reads large bodies.

        Example:
            >>> Front(None, FrontSettings()).close()
        """
        self._calls.reader.close()
        if self._log is not None:
            self._log.close()

    def refused(self, reason: str) -> None:
        """Counts a request that did not come as far as here.

        Example:
            >>> Front.refused.__name__
            'refused'
        """
        self.engine.metrics.rejected(reason)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        began = time.perf_counter()
        request, gone = Request(scope, receive), False
        if self.settings.origins:
            request.extra = self._cors(request)
        try:
            answer = await self._route(request, send)
        except ServingError as error:
            answer = self._refusal(request, error)
        except asyncio.CancelledError:  # the client is gone, or the server's grace is over
            answer, gone = None if request.sent else Answer(requests.error("The server stops"), 503), True
        except Exception:
            log.exception("A request to %s failed", request.shown)
            answer = Answer(requests.error("The server failed; its log says why"), 500)
        finally:
            self._calls.done(request)
        if answer is not None:
            await requests.respond(request, answer, send)
        if self._log is not None:
            request.status = 499 if gone else request.status
            self._log.write(request, time.perf_counter() - began)

    async def _route(self, request: Request, send) -> Answer | None:
        path, post = request.path, request.method == "POST"
        first = path[:4].lower()
        if request.method == "OPTIONS" and (first == b"/v1/" or path.startswith(_INTERFACES)):
            return _preflight(request)
        if self._token is not None and path not in _OPEN and not path.startswith(_OPEN_BELOW):
            self._check_token(request)
        if first == b"/v1/":
            if post and path == b"/v1/completions":
                return await self._calls.completions(request, send)
            return await self._calls.v1(request)
        if path == b"/v2" or first == b"/v2/":
            return await self._calls.v2(request)
        if path.startswith(b"/streams/"):
            requests.only(request, "POST")
            return await self._calls.stream(request, send)
        answer = self._plain.get(path) or self._below(path)
        if answer is None:
            return _NOT_FOUND
        requests.only(request, "GET", "HEAD")
        return answer(request) or _NOT_FOUND

    def _below(self, path) -> Callable[[Request], Answer | None] | None:
        if path.startswith(b"/readyz/"):
            return self._ready
        if path.startswith(b"/cards/"):
            return self._calls.card
        if path.startswith(b"/demo") and self._pages is not None:
            return self._pages.answer
        if path.startswith(METRICS):
            text = f"Unexpected path: {path.decode()}. Should be: {METRICS.decode()}"
            return lambda _: Answer(text.encode(), 400, TEXT)
        return None

    # Who asks

    def _check_token(self, request):
        scheme, _, given = request.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
            self.engine.metrics.rejected("token")
            raise ServingError("UNAUTHENTICATED", "A valid `Authorization: Bearer TOKEN` is wanted")

    def _cors(self, request):
        """What tells a browser whether the page of another server may read the answer."""
        origin = request.headers.get(b"origin", b"")
        every = "*" in self.settings.origins
        if not every and origin.decode("latin-1") not in self.settings.origins:
            return ((b"vary", b"Origin"),)
        return (
            (b"access-control-allow-origin", b"*" if every else origin),
            (b"access-control-allow-methods", b"POST, GET"),
            (b"access-control-allow-headers", b"Content-Type" + (b", Authorization" if self._token else b"")),
            *([] if every else [(b"vary", b"Origin")]),
        )

    def _refusal(self, request, error: ServingError) -> Answer:
        headers = []
        if error.retry_after is not None:
            headers.append((b"retry-after", b"%d" % error.retry_after))
        if error.code == "UNAUTHENTICATED":
            headers.append((b"www-authenticate", b"Bearer"))
        if error.status == 413 and b"expect" in request.headers:
            headers.append((b"connection", b"close"))  # the client has not sent the body, and will not
        if error.status == 413:
            self.engine.metrics.rejected("size")
        body = requests.error(error.message)
        if request.path == b"/v1/completions" and request.method == "POST":
            kind = "invalid_request_error" if error.status < 500 else "server_error"
            told = {"message": orjson.loads(body)["error"], "type": kind, "param": None, "code": None}
            body = orjson.dumps({"error": told})
        return Answer(body, error.status, JSON, tuple(headers))

    # What is told of the server

    def _ready(self, request: Request) -> Answer:
        ready = self.engine.ready()
        name = None
        if request.path.startswith(b"/readyz/"):
            name = requests.decoded(request.path.removeprefix(b"/readyz/"))
        elif b"model=" in request.query:
            name = urllib.parse.parse_qs(request.query.decode("latin-1"), encoding="utf-8").get("model", [""])[0]
        if name is not None:
            if name not in ready:
                raise ServingError("NOT_FOUND", f"Could not find any versions of model {name}")
            ready = {name: ready[name]}
        whole = all(ready.values()) and not self.draining
        body = {"ready": whole, "draining": self.draining, "models": ready}
        return Answer(orjson.dumps(body), 200 if whole else 503)

    def _description(self, servables):
        return openapi.document(servables, token=self._token is not None)

    def _docs(self, request: Request) -> Answer:
        try:
            if self._token is not None:
                self._check_token(request)
            servables = self._calls.newest()
        except ServingError:
            servables = []  # the interface is no secret, the models may be
        text, style = openapi.page(self._description(servables), servables, _url(request))
        allowed = base64.b64encode(hashlib.sha256(style.encode()).digest())
        policy = b"default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; frame-ancestors 'none'" % allowed
        return Answer(text.encode(), kind=HTML, headers=(*pages.SAFE, (b"content-security-policy", policy)))


def _url(request):
    """Where the client says that it has reached the server."""
    host = request.headers.get(b"host", b"")
    known = host if re.fullmatch(rb"[\w.:\[\]-]+", host) else b"localhost:8501"
    return f"{request.scope.get('scheme', 'http')}://{known.decode()}"


def _preflight(request):
    """As upstream: an answer without a body, by whether the request comes from a page."""
    origin = request.headers.get(b"origin", b"")
    return Answer(b"", 200 if origin.startswith((b"http://", b"https://")) else 400)
