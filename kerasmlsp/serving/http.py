"""HTTP/1.1 with limits on what a client may send and how long it may take: a subclass of uvicorn's protocol."""

import asyncio
import dataclasses
import json
from collections.abc import Callable

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

# What of the newest request of a connection has been read.
_NOTHING, _HEADERS, _BODY, _ALL, _REFUSED = range(5)
_LINGER = 2.0
"""Seconds in which a client that was refused may read why: closing at once would reset the connection."""
_FAREWELL = 0.5
"""Seconds that an idle connection stays open while the server stops, for a request that is on its way."""
_PARTING = 2.0
"""Seconds in which a client has to answer that TLS ends, while the server stops; asyncio waits for half a minute."""
_LONGEST_URL = 8192


REASONS = ("connections", "headers", "syntax", "time")
"""Why a request may be refused before the application sees it."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a connection is allowed.

    Args:
        header_count: Header lines of a request, trailers included.
        header_bytes: Bytes of all header lines, and of any part of a request that is no body.
        header_seconds: From the first byte of a request, or from connecting, to the end of its headers.
        body_seconds: From the end of the headers to the end of the body.
        idle_seconds: Between two requests; also how long a client may leave an answer unread.
        connections: Open at the same time; a further one is told 503.

    Example:
        >>> Limits(idle_seconds=5).header_count
        100
    """

    header_count: int = 100
    header_bytes: int = 65_536
    header_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 75.0
    connections: int = 16_384


class State(ServerState):
    """What the connections of a server share.

    Args:
        limits: See `Limits`.
        refused: Called with a word, of `REASONS`, for each request that does not reach the application.

    Example:
        >>> State(Limits(), refused=print).draining
        False
    """

    connections: set["Protocol"]  # type: ignore[assignment]

    def __init__(self, limits: Limits, refused: Callable[[str], None]):
        super().__init__()
        self.limits, self.refused = limits, refused
        self.arriving: dict[Protocol, float] = {}  # accepted when, but not there yet, as before TLS has agreed
        self.draining = False  # whether connections end with the request at hand


class Protocol(HttpToolsProtocol):
    """One connection. The task of the application is cancelled when its client is gone.

    Args:
        config: Holds the application, an ASGI callable.
        state: Shared with the other connections.
        loop: The running loop.

    Example:
        >>> loop = asyncio.new_event_loop()
        >>> config = uvicorn.Config(print, interface="asgi3", lifespan="off", log_config=None)
        >>> Protocol(config, State(Limits(), refused=print), loop).running  # nothing yet
        >>> loop.close()
    """

    server_state: State

    def __init__(self, config: uvicorn.Config, state: State, loop: asyncio.AbstractEventLoop):
        super().__init__(config, state, {}, loop)
        state.arriving[self] = loop.time()
        self.limits = state.limits
        self.phase = _NOTHING
        self.deadline: float | None = None
        self.stalled: float | None = None  # until when the client has to read on
        self.unparsed = self.header_bytes = 0
        self.problem: tuple[int, str] | None = None
        self.parting: float | None = None  # since when all is sent and TLS ends
        self.running: RequestResponseCycle | None = None
        self.task: asyncio.Task[None] | None = None

    # Of the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.server_state.arriving.pop(self, None)
        self.deadline = self.loop.time() + self.limits.header_seconds
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "Too many connections: try again later", "connections")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.pipeline.clear()
        self._abandon()

    def data_received(self, data: bytes) -> None:
        if self.phase == _REFUSED:
            return
        self.unparsed += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(*(self.problem or (400, "The request is no valid HTTP/1.1")), "syntax")
        else:
            if self.unparsed > self.limits.header_bytes:
                self._refuse(431, f"A header has more than {self.limits.header_bytes} bytes", "headers")

    def pause_writing(self) -> None:
        super().pause_writing()
        self.stalled = self.loop.time() + self.limits.idle_seconds

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stalled = None

    # Of the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.phase, self.header_bytes = _HEADERS, 0
        self.deadline = self.loop.time() + self.limits.header_seconds

    def on_url(self, url: bytes) -> None:
        self.unparsed = 0
        super().on_url(url)
        if len(self.url) > _LONGEST_URL:
            self._fail(414, f"The URL has more than {_LONGEST_URL} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.unparsed = 0
        self.header_bytes += len(name) + len(value)
        super().on_header(name, value)
        if len(self.headers) > self.limits.header_count:
            self._fail(431, f"The request has more than {self.limits.header_count} headers")
        if self.header_bytes > self.limits.header_bytes:
            self._fail(431, f"The headers have more than {self.limits.header_bytes} bytes")

    def on_headers_complete(self) -> None:
        self.unparsed = 0
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self.phase, self.deadline = _BODY, self.loop.time() + self.limits.body_seconds
        if self.server_state.draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self.unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.unparsed = 0
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        if self.cycle.response_complete:
            self.phase, self.deadline = _NOTHING, self.loop.time() + self.limits.idle_seconds
        else:
            self.phase, self.deadline = _ALL, None
            if not self.pipeline:
                self.flow.resume_reading()  # else it would go unseen that the client is gone

    def _fail(self, status, text):
        self.problem = status, text
        raise ValueError(text)

    def _go_on_without_upgrade(self, rest):
        """Takes a request that offers another protocol, as Java's client does with HTTP/2, for one that does not.

        The parser ends such a request behind its headers, so a new one gets them without the offer, and then the body.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(400, "CONNECT is not offered", "syntax")
            return
        kept = [each for each in self.headers if each[0] not in (b"connection", b"upgrade", b"http2-settings")]
        lines = [method + b" " + self.url + b" HTTP/1.1", *(name + b": " + value for name, value in kept), b"", rest]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines))

    # Of the application

    def _start_asgi_task(self, cycle, app):
        self.running = cycle
        self.task = self.loop.create_task(cycle.run_asgi(app))
        self.tasks.add(self.task)
        self.task.add_done_callback(self.tasks.discard)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        now = self.loop.time()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            self.deadline = now + self.limits.body_seconds if self.phase == _BODY else None
        elif self.phase == _ALL:
            self.phase, self.deadline = _NOTHING, now + self.limits.idle_seconds
        elif self.phase == _HEADERS:
            self.deadline = now + self.limits.header_seconds

    # Of the server

    def shutdown(self) -> None:
        """Ends the connection after the request at hand, which stays open a moment if there is none."""
        for cycle in (self.running, self.cycle):
            if cycle is not None:
                cycle.keep_alive = False
        now = self.loop.time()
        if self.phase == _NOTHING:
            self.deadline = min(self.deadline or 0.0, now + _FAREWELL)
        if self.transport.is_closing() and not self._unsent():
            self.parting = self.parting or now
            if now - self.parting > _PARTING:
                self.transport.abort()

    def expire(self, now: float) -> None:
        """Ends the connection if its client has kept the server waiting for too long.

        Args:
            now: Time of the loop.
        """
        if self.stalled is not None and now > self.stalled:
            self.transport.abort()
        if self.deadline is None or now < self.deadline:
            return
        if self.phase == _NOTHING:
            self.transport.close()
        elif self.phase == _REFUSED:
            self.transport.abort()
        elif self._answers_another():
            self.deadline = None  # which is set anew when that is answered
        else:
            part = "headers" if self.phase == _HEADERS else "body"
            self._refuse(408, f"The {part} of the request took too long", "time")

    def _unsent(self):
        """Bytes that the client has not taken, also those behind TLS."""
        inner = getattr(getattr(self.transport, "_ssl_protocol", None), "_transport", None)
        return sum(each.get_write_buffer_size() for each in (self.transport, inner) if each is not None)

    def _answers_another(self):
        """Whether a request is being answered that came before the newest."""
        busy = self.running is not None and not self.running.response_complete
        return busy and (self.running is not self.cycle or self.phase == _HEADERS)

    def _refuse(self, status, text, reason):
        """Answers instead of the application, and ends the connection."""
        self.server_state.refused(reason)
        if self.running is not None and self._answers_another():
            self.running.keep_alive = False
            self.pipeline.clear()
            self.phase, self.deadline = _REFUSED, None
            return
        of_body, cycle = self.phase == _BODY, self.running
        self.phase, self.deadline = _REFUSED, self.loop.time() + _LINGER
        if of_body and cycle is not None and cycle.response_started:
            self.transport.close()
            return
        self._abandon()
        body = json.dumps({"error": text}).encode()
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _abandon(self):
        """Tells the application that nobody waits for its answer."""
        if self.running is not None and not self.running.response_complete and self.task is not None:
            self.running.disconnected = True
            self.task.cancel()
