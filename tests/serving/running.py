"""A server in a thread, and raw HTTP for clients that do as no library would."""

import asyncio
import contextlib
import socket
import threading

from kerasmlsp.serving import server as serving_server


@contextlib.contextmanager
def running(app, sockets=None, **options):
    """Runs an ASGI application until the block ends, by default on a free port. Gives the server, with its `port`."""
    sockets = sockets or serving_server.listen(port=0)
    port = sockets[0].getsockname()[1]
    started, failed = threading.Event(), []

    async def serve():
        server = serving_server.Server(app, sockets, **options)
        server.port, server.loop = port, asyncio.get_running_loop()
        found.append(server)
        asyncio.get_running_loop().call_soon(started.set)
        await server.serve()

    def run():
        try:
            asyncio.run(serve())
        except BaseException as error:  # told to the test below
            failed.append(error)
            started.set()

    found = []
    thread = threading.Thread(target=run)
    thread.start()
    started.wait(10)
    try:
        yield found[0]
    finally:
        with contextlib.suppress(RuntimeError):  # stopped already
            found[0].loop.call_soon_threadsafe(found[0].stop)
        thread.join(20)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def request(path="/", method="GET", body=b"", headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: here", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(connection):
    """Reads one answer: status, headers by lower-case name, and body."""
    file = connection.makefile("rb")
    status = int(file.readline().split()[1])
    headers = {}
    while line := file.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
    else:
        body = file.read(int(headers.get("content-length", 0)))
    return status, headers, body


def until_closed(connection):
    """All that is sent until the other side closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)
