"""Sockets to listen on, and the server that answers on them until it is told to stop."""

import asyncio
import contextlib
import ctypes
import errno
import os
import signal
import socket
import ssl
import stat
import struct
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from email.utils import formatdate
from pathlib import Path
from typing import Any

import uvicorn

from kerasmlsp.serving.http import Limits, Protocol, State

_TICK = 0.25
"""Seconds between two looks at the deadlines of all connections."""
_BACKLOG = 2048
_LAST, _LAST_TLS = 0.1, 0.5
"""Seconds between the last connection that the kernel takes and the end of listening, in which all are accepted."""
_HANDSHAKE = 2.0
"""Seconds that a handshake of TLS may take when the server stops."""
_SO_ATTACH_FILTER = 26
_LIMITS = Limits()


def listen(host: str = "127.0.0.1", port: int = 8501) -> list[socket.socket]:
    """Opens the sockets of an address: as many as the name stands for, such as two for "localhost".

    Args:
        host: Name or address of this machine; "0.0.0.0" for all of IPv4, "::" for all.
        port: TCP port; 0 for one that is free.

    Raises:
        ValueError: The address is not of this machine, or the port is taken or needs rights.

    Example:
        >>> (listening,) = listen(port=0)
        >>> listening.getsockname()[0]
        '127.0.0.1'
        >>> listening.close()
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"`host` must be a name or an address of this machine. Received: {host}") from error
    sockets: list[socket.socket] = []
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    for family, address in addresses:
        if sockets and not port:  # the same port for all
            address = (address[0], sockets[0].getsockname()[1], *address[2:])
        # With the protocol named, else asyncio leaves Nagle's algorithm on: 40 ms for many an answer.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(len(addresses) > 1))
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError as error:
            listening.close()
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and address is not addresses[-1][1]:
                continue  # a name that also stands for an address of a protocol that is off here
            for each in sockets:
                each.close()
            raise ValueError(_unopened(error, host, port)) from error
        sockets.append(listening)
    return sockets


def _unopened(error, host, port):
    if error.errno == errno.EADDRINUSE:
        return f"`port` must be free; another process listens on it, so choose another. Received: {port}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"`port` must be one that you may open, as a rule 1024 or higher. Received: {port}"
    return f"`host` must be a name or an address of this machine ({error.strerror}). Received: {host}"


def listen_unix(path: str | os.PathLike) -> socket.socket:
    """Opens a Unix socket, in place of one that nobody listens on any more. Only its owner may write to it.

    Args:
        path: Where it is to be.

    Raises:
        ValueError: Something else is there, or a server that is running, or the path is too long for a socket.

    Example:
        >>> import tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "socket")
        >>> listening = listen_unix(path)
        >>> listening.getsockname() == path
        True
        >>> listening.close()
    """
    path = Path(path)
    if path.exists() or path.is_symlink():
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ValueError(f"`unix_socket` must be a path where nothing is yet. Received: {path}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
            if trial.connect_ex(str(path)) == 0:
                raise ValueError(f"`unix_socket` must be free; another process listens on it. Received: {path}")
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise ValueError(f"`unix_socket` must be a short path in a folder that is there. Received: {path}") from error
    finally:
        os.umask(before)
    return listening


def tls(certificate: str | os.PathLike, key: str | os.PathLike) -> ssl.SSLContext:
    """Returns what a server needs for HTTPS.

    Args:
        certificate: PEM file with the certificate, and those between it and its root.
        key: PEM file with its private key, without a password.

    Raises:
        ValueError: The files do not hold a certificate and its key.
        OSError: A file cannot be read.

    Example:
        >>> tls(os.devnull, os.devnull)
        Traceback (most recent call last):
        ValueError: `tls_cert` must be a PEM file of a certificate, and those above it. Received: /dev/null
    """
    if b" CERTIFICATE-----" not in Path(certificate).read_bytes():
        raise ValueError(f"`tls_cert` must be a PEM file of a certificate, and those above it. Received: {certificate}")
    if b"PRIVATE KEY-----" not in (text := Path(key).read_bytes()) or b"ENCRYPTED" in text:
        raise ValueError(f"`tls_key` must be a PEM file of a private key without a password. Received: {key}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A key with a password would else ask for it at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise ValueError(f"`tls_key` must be the key of the certificate {certificate}. Received: {key}") from error
        raise ValueError(
            f"`tls_cert` and `tls_key` must be whole PEM files ({getattr(error, 'reason', None) or error}). "
            f"Received: {certificate}, {key}"
        ) from error
    return context


def _take_no_more(listening):
    """Has the kernel let nobody in any more, while those whom it has let in can still be accepted.

    Linux drops the first packet of a connection by a filter; the client sends it again after a second, when nobody
    listens, and is refused. A short queue, as elsewhere, lets one in at a time to the last moment.
    """
    if sys.platform == "linux" and listening.family != socket.AF_UNIX:
        # Of the flags of TCP, in byte 13, SYN without ACK: else all bytes are kept. Each is a `struct sock_filter`.
        program = (0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF)
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
        with contextlib.suppress(OSError):
            listening.setsockopt(
                socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code))
            )
            return
    listening.listen(0)


class Server:
    """Answers until SIGTERM, Ctrl-C or `stop`, and then to the end what has been asked. A second signal ends at once.

    Args:
        app: ASGI callable for HTTP.
        sockets: What to listen on, as from `listen`; closed at the end.
        limits: Of each connection.
        tls: As from `tls`; None for plain HTTP.
        drain: Called when the server is told to stop, before it stops listening.
        drain_seconds: How long it still listens after SIGTERM, so that balancers see that it is not ready any more.
        grace_seconds: How long what is being answered then may take.
        refused: As in `State`.

    Example:
        >>> async def app(scope, receive, send):
        ...     await send({"type": "http.response.start", "status": 204, "headers": []})
        ...     await send({"type": "http.response.body"})
        >>> server = Server(app, listen(port=0))
        >>> async def briefly():
        ...     asyncio.get_running_loop().call_later(0.1, server.stop)
        ...     await server.serve()
        >>> asyncio.run(briefly())
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        sockets: Sequence[socket.socket],
        *,
        limits: Limits = _LIMITS,
        tls: ssl.SSLContext | None = None,
        drain: Callable[[], Any] = bool,
        drain_seconds: float = 0.0,
        grace_seconds: float = 30.0,
        refused: Callable[[str], Any] = str,
    ):
        self._config = uvicorn.Config(
            app, interface="asgi3", lifespan="off", ws="none", log_config=None, access_log=False, proxy_headers=False
        )
        self._sockets, self._tls, self._drain = sockets, tls, drain
        self._drain_seconds, self._grace_seconds = drain_seconds, grace_seconds
        self.state = State(limits, refused)
        self._stopping = asyncio.Event()

    async def serve(self) -> None:
        """Returns when the server was told to stop and all that was asked is answered, or the grace is over."""
        loop, limits = asyncio.get_running_loop(), self.state.limits
        with self._signals(loop):
            handshake = limits.header_seconds if self._tls else None
            servers = [
                await loop.create_server(
                    lambda: Protocol(self._config, self.state, loop),
                    sock=each,
                    ssl=self._tls,
                    ssl_handshake_timeout=handshake,
                    backlog=_BACKLOG,
                )
                for each in self._sockets
            ]
            ticking = asyncio.create_task(self._tick(loop))
            try:
                await self._stopping.wait()
                await self._end(servers)
            finally:
                ticking.cancel()

    def stop(self, drain: bool = False) -> None:
        """Makes `serve` end; to be called in its thread.

        Args:
            drain: Whether to listen for `drain_seconds` more.
        """
        if not drain:
            self._drain_seconds = 0.0
        self._stopping.set()

    async def _end(self, servers):
        self._drain()
        self.state.draining = True
        await asyncio.sleep(self._drain_seconds)
        for each in self._sockets:
            _take_no_more(each)
        # Whom the kernel has let in is accepted meanwhile: a socket that is closed before resets them.
        await asyncio.sleep(_LAST_TLS if self._tls else _LAST)
        for server in servers:
            server.close()
        until, quiet = time.monotonic() + self._grace_seconds, 0
        # More than one look, as a task may end a moment before the next begins.
        while quiet < 3 and time.monotonic() < until:
            for connection in list(self.state.connections):
                connection.shutdown()
            quiet = 0 if self.state.connections or self.state.tasks or self._arrives() else quiet + 1
            await asyncio.sleep(0.02)
        for task in list(self.state.tasks):
            task.cancel()
        if self.state.tasks:
            await asyncio.wait(self.state.tasks, timeout=1.0)
        for connection in list(self.state.connections):
            connection.transport.abort()

    def _arrives(self):
        """Whether a client was accepted that may still come to ask."""
        now = asyncio.get_running_loop().time()
        return any(now - accepted < _HANDSHAKE for accepted in self.state.arriving.values())

    async def _tick(self, loop):
        while True:
            self.state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
            now = loop.time()
            for connection in list(self.state.connections):
                connection.expire(now)
            # Of a handshake that has failed nothing is heard.
            late = [each for each, accepted in self.state.arriving.items() if now - accepted > 2 * _HANDSHAKE]
            for each in late:
                del self.state.arriving[each]
            await asyncio.sleep(_TICK)

    @contextlib.contextmanager
    def _signals(self, loop):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
        for each in before:
            loop.add_signal_handler(each, self._told, each, loop)
        try:
            yield
        finally:
            for each, handler in before.items():
                loop.remove_signal_handler(each)
                signal.signal(each, handler)

    def _told(self, number, loop):
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
            # Not by way of the loop, which may be busy.
            signal.signal(each, lambda number, frame: os._exit(128 + number))
        self.stop(drain=number == signal.SIGTERM)
