"""What the front reads of an HTTP request, and what it answers."""

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import orjson

from kerasmlsp.serving.errors import ServingError, invalid

JSON, HTML, TEXT = b"application/json", b"text/html; charset=utf-8", b"text/plain; charset=utf-8"
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Answer(NamedTuple):
    """What is sent back.

    Args:
        body: As it is sent.
        status: HTTP status.
        kind: Content type.
        headers: Further headers, with names in lower case.

    Example:
        >>> Answer(b"{}").status
        200
    """

    body: bytes
    status: int = 200
    kind: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Store:
    """Room for the bodies that are in memory at the same time.

    Args:
        most: Bytes.

    Example:
        >>> store = Store(100)
        >>> store.take(80)
        >>> store.take(80)
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: The server holds as many large requests as it can: try again later
    """

    def __init__(self, most: int):
        self.free = most

    def take(self, count: int) -> None:
        """Takes bytes, or raises a `ServingError` with status 503. Who takes gives back, by a number below 0.

        Example:
            >>> Store(100).take(100)
        """
        if count > self.free:
            text = "The server holds as many large requests as it can: try again later"
            raise ServingError("UNAVAILABLE", text, retry_after=1)
        self.free -= count


class Request:
    """A request whose body has not been read yet.

    Args:
        scope: Of ASGI, with `raw_path`.
        receive: Of ASGI.

    Example:
        >>> scope = {"method": "GET", "raw_path": b"/healthz", "headers": [(b"host", b"here")], "query_string": b""}
        >>> Request(scope, None).headers
        {b'host': b'here'}
    """

    __slots__ = ("extra", "headers", "held", "method", "path", "query", "receive", "scope", "sent", "status")

    def __init__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]]):
        self.scope, self.receive = scope, receive
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.held = 0  # bytes taken from the store
        self.extra: tuple[tuple[bytes, bytes], ...] = ()  # headers of whatever is answered
        self.status, self.sent = 499, 0  # of the answer, once there is one

    @property
    def shown(self) -> str:
        """The path for logs and errors, at most 256 characters of it."""
        return self.path[:256].decode("ascii", "backslashreplace")

    async def body(self, most: int, store: Store) -> bytes:
        """Returns the body, inflated where it is gzip.

        Args:
            most: Bytes that it may have, before and after that.
            store: Where large bodies find room; given back by whoever answers, as `held` says.

        Raises:
            ServingError: It is larger (413), in another encoding (415) or damaged (400), or `store` is full.
            asyncio.CancelledError: The client is gone.

        Example:
            >>> async def receive():
            ...     return {"type": "http.request", "body": b"{}", "more_body": False}
            >>> scope = {"method": "POST", "raw_path": b"/", "headers": [], "query_string": b""}
            >>> asyncio.run(Request(scope, receive).body(1000, Store(1000)))
            b'{}'
        """
        length = self.headers.get(b"content-length")
        if length is not None and int(length) > most:
            raise _too_large(most)
        encoding = self.headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in (b"identity", b"gzip", b"x-gzip"):
            raise ServingError("INVALID_ARGUMENT", "The Content-Encoding of a body must be gzip, or none", status=415)
        message = await self.receive()
        if message["type"] != "http.request":
            raise asyncio.CancelledError
        found = message["body"]
        if message["more_body"]:
            found = await self._rest(found, most, store)
        if encoding != b"identity" and found:
            # zlib lets other requests go on.
            found = await asyncio.to_thread(_inflated, found, most)
            self._hold(len(found), store)
        return found

    async def _rest(self, found, most, store):
        parts, count = [found], len(found)
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise asyncio.CancelledError
            part = message["body"]
            count += len(part)
            if count > most:
                raise _too_large(most)
            self._hold(len(part), store)
            parts.append(part)
            if not message["more_body"]:
                return b"".join(parts)

    def _hold(self, count, store):
        store.take(count)
        self.held += count


async def respond(request: Request, answer: Answer, send: Callable[[Any], Awaitable[None]]) -> None:
    """Sends an answer.

    Args:
        request: What is answered.
        answer: With what.
        send: Of ASGI.

    Example:
        >>> async def send(message):
        ...     print(message["type"])
        >>> scope = {"method": "GET", "raw_path": b"/", "headers": [], "query_string": b""}
        >>> asyncio.run(respond(Request(scope, None), Answer(b"{}"), send))
        http.response.start
        http.response.body
    """
    headers = [*answer.headers, *request.extra]
    if answer.status != 304:
        headers += ((b"content-type", answer.kind), (b"content-length", b"%d" % len(answer.body)))
    request.status, request.sent = answer.status, len(answer.body)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def only(request: Request, *methods: str) -> None:
    """Raises a `ServingError` with status 405 unless the request has one of the methods.

    Example:
        >>> scope = {"method": "PUT", "raw_path": b"/", "headers": [], "query_string": b""}
        >>> only(Request(scope, None), "GET", "HEAD")
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: The method of this path is GET or HEAD, not PUT
    """
    if request.method not in methods:
        request.extra = (*request.extra, (b"allow", ", ".join(methods).encode()))
        text = f"The method of this path is {' or '.join(methods)}, not {request.method}"
        raise ServingError("INVALID_ARGUMENT", text, status=405)


def _too_large(most):
    return ServingError("INVALID_ARGUMENT", f"The body has more than {most:,} bytes", status=413)


def _inflated(packed: bytes, most: int) -> bytes:
    parts, left = [], most
    while packed:
        stream = zlib.decompressobj(31)
        try:
            part = stream.decompress(packed, left + 1)
        except zlib.error as error:
            raise invalid(f"The body is no gzip: {error}") from error
        left -= len(part)
        if left < 0:
            raise _too_large(most)
        if not stream.eof:
            raise invalid("The body is no gzip: it ends too early")
        parts.append(part)
        packed = stream.unused_data
    return b"".join(parts)


def decoded(name: bytes) -> str | None:
    """Returns a name in a URL with what is escaped by % turned into characters; None if an escape is damaged.

    Example:
        >>> decoded(b"a%2Fb"), decoded(b"a%2")
        ('a/b', None)
    """
    if b"%" not in name:
        return name.decode("ascii")
    if _ESCAPE.search(name):
        return None
    return unquote_to_bytes(name).decode("utf-8", "replace")


def error(text: str) -> bytes:
    """Returns the body that tells what was wrong.

    Example:
        >>> error("Not there")
        b'{"error":"Not there"}'
    """
    return orjson.dumps({"error": text.encode("utf-8", "replace").decode("utf-8", "replace")})
