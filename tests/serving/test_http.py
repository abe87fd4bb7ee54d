"""What a connection may send and how long it may take, by clients that do as no library would."""

import asyncio
import os
import socket
import threading
import time

import pytest
from running import answer, connect, request, running, until_closed

from kerasmlsp.serving import server as serving_server
from kerasmlsp.serving.http import Limits

QUICK = Limits(header_count=100, header_seconds=0.5, body_seconds=0.5, idle_seconds=0.5)


async def echo(scope, receive, send):
    """Answers with the body, or after as many seconds as the path says."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    wait = scope["raw_path"][1:]
    if wait:
        try:
            await asyncio.sleep(float(wait))
        except asyncio.CancelledError:
            echo.cancelled.append(wait)
            return
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


echo.cancelled = []


@pytest.fixture(scope="module")
def quick():
    refused = []
    with running(echo, limits=QUICK, refused=refused.append) as server:
        server.refused = refused
        yield server


def ended(port, sent):
    """What a client reads that sends this and then nothing more, and the seconds until it is closed."""
    with connect(port) as connection:
        connection.sendall(sent)
        began = time.monotonic()
        return until_closed(connection), time.monotonic() - began


def test_requests_follow_each_other_and_overtake_nothing(quick):
    with connect(quick.port) as connection:
        connection.sendall(request(method="POST", body=b"one"))
        assert answer(connection)[::2] == (200, b"one")
        # Three at once: the second takes longest.
        parts = [request("/", "POST", b"a"), request("/0.2", "POST", b"b"), request("/", "POST", b"c")]
        connection.sendall(b"".join(parts))
        file = connection.makefile("rb")
        time.sleep(1.5)
        read = connection.recv(4096)
        assert [read.index(b"\r\n\r\n" + each) for each in (b"a", b"b", b"c")] == sorted(
            read.index(b"\r\n\r\n" + each) for each in (b"a", b"b", b"c")
        )
        file.close()


def test_bodies_come_in_chunks_and_the_connection_stays_open(quick):
    with connect(quick.port) as connection:
        for body in (b"first", b"second"):
            connection.sendall(request("/", "POST", headers=["Transfer-Encoding: chunked"]))
            for byte in body:
                connection.sendall(b"1\r\n%c\r\n" % byte)
            connection.sendall(b"0\r\n\r\n")
            assert answer(connection)[::2] == (200, body)


def test_small_answers_are_not_held_back():
    # By Nagle's algorithm, which asyncio turns off only for sockets that name their protocol.
    (listening,) = serving_server.listen(port=0)
    with listening, connect(listening.getsockname()[1]), listening.accept()[0] as accepted:
        assert accepted.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"408"),
        (b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc", b"408"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"408"),
        (b"", b""),
        (b"\r\n\r\n", b""),
    ],
)
def test_a_slow_client_is_let_go(quick, sent, status):
    read, seconds = ended(quick.port, sent)
    assert read.partition(b"\r\n")[0] == (b"HTTP/1.1 408 Request Timeout" if status else b"")
    assert 0.4 < seconds < 8


def test_dripping_does_not_prolong_the_time(quick):
    with connect(quick.port) as connection:
        began = time.monotonic()
        read = b""
        for byte in b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"x" * 200:
            connection.sendall(bytes([byte]))
            connection.settimeout(0.05)
            try:
                read = connection.recv(4096)
                break
            except TimeoutError:
                continue
        assert read.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 8


def test_an_idle_connection_is_closed_after_its_answer(quick):
    with connect(quick.port) as connection:
        connection.sendall(request())
        assert answer(connection)[0] == 200
        began = time.monotonic()
        assert until_closed(connection) == b""
        assert 0.4 < time.monotonic() - began < 8


def test_an_answer_in_work_is_waited_for_though_it_takes_longer_than_all_limits(quick):
    with connect(quick.port) as connection:
        connection.sendall(request("/1.2", "POST", b"late"))
        assert answer(connection)[::2] == (200, b"late")


def test_who_does_not_read_is_let_go():
    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
        except asyncio.CancelledError:
            gone.set()

    gone = threading.Event()
    with running(endless, limits=QUICK) as server, connect(server.port) as connection:
        connection.sendall(request())
        assert gone.wait(3)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(headers=[f"X-{i}: y" for i in range(20_000)]), 431),
        (request(headers=["X: " + "y" * 70_000]), 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 500_000, 431),
        (request("/" + "a" * 9000), 414),
        (b"GET /" + b"a" * 100_000, 414),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000, 431),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT there:443 HTTP/1.1\r\nHost: there:443\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ],
)
def test_what_is_too_much_or_no_http_is_refused_with_a_reason(quick, sent, status):
    before = len(quick.refused)
    read, seconds = ended(quick.port, sent)
    head, _, body = read.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"content-type: application/json" in head and b"connection: close" in head and b'{"error": "' in body
    assert seconds < 1
    assert len(quick.refused) == before + 1


def test_a_hundred_headers_pass(quick):
    with connect(quick.port) as connection:
        connection.sendall(request(headers=[f"X-{i}: y" for i in range(98)]))
        assert answer(connection)[0] == 200


def test_an_answer_in_work_is_not_mixed_with_what_is_wrong_with_the_next_request(quick):
    read, _ = ended(quick.port, request("/0.2", "POST", b"first") + b"nonsense\r\n\r\n")
    assert read.count(b"HTTP/1.1") == 1
    assert read.endswith(b"\r\n\r\nfirst")


def test_the_work_of_a_client_that_is_gone_is_cancelled(quick):
    echo.cancelled.clear()
    for size in (1, 200_000):  # reading pauses where a body is large
        with connect(quick.port) as connection:
            connection.sendall(request("/30", "POST", b"x" * size))
            time.sleep(0.3)
    for _ in range(400):
        if len(echo.cancelled) == 2:
            break
        time.sleep(0.05)
    assert echo.cancelled == [b"30", b"30"]


def test_an_offer_of_another_protocol_is_passed_over_and_the_body_read(quick):
    offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAA"]
    with connect(quick.port) as connection:
        sent = request("/", "POST", b"whole", offer)
        connection.sendall(sent[:-2])
        time.sleep(0.05)
        connection.sendall(sent[-2:])
        assert answer(connection)[::2] == (200, b"whole")
        connection.sendall(request("/", "POST", b"next"))
        assert answer(connection)[::2] == (200, b"next")


def test_more_connections_than_allowed_are_told_so():
    with running(echo, limits=Limits(connections=2)) as server:
        kept = [connect(server.port) for _ in range(2)]
        for each in kept:
            each.sendall(request("/", "POST", b"in"))
            assert answer(each)[0] == 200
        with connect(server.port) as further:
            assert until_closed(further).startswith(b"HTTP/1.1 503 ")
        for each in kept:
            each.close()
        time.sleep(0.5)
        with connect(server.port) as later:
            later.sendall(request("/", "POST", b"again"))
            assert answer(later)[::2] == (200, b"again")


def test_a_server_that_stops_answers_what_it_was_asked():
    """Also over connections that are idle at that moment, and over those that wait to be accepted."""
    with running(echo, drain=lambda: drained.append(True)) as server:
        drained = []
        busy, idle = connect(server.port), connect(server.port)
        idle.sendall(request("/", "POST", b"before"))
        assert answer(idle)[0] == 200
        busy.sendall(request("/2.5", "POST", b"busy"))
        time.sleep(0.3)
        waiting = connect(server.port)
        waiting.sendall(request("/", "POST", b"waiting"))
        server.loop.call_soon_threadsafe(server.stop)
        time.sleep(0.5)
        assert drained == [True]
        with pytest.raises(OSError):
            connect(server.port)
        idle.sendall(request("/", "POST", b"idle"))
        for connection, body in ((idle, b"idle"), (waiting, b"waiting"), (busy, b"busy")):
            status, headers, found = answer(connection)
            assert (status, found) == (200, body)
            assert headers.get("connection") == "close" or body == b"waiting"
            connection.close()


@pytest.mark.parametrize("time_of_stop", [0.2, 0.21, 0.22])
def test_whoever_is_let_in_while_the_server_stops_is_answered(time_of_stop):
    """Of clients that connect anew for each request none is reset: they are answered, or refused at the door."""
    answered, lost = [], []

    def ask(port):
        while True:
            try:
                connection = connect(port)
            except ConnectionRefusedError:
                return
            with connection:
                try:
                    connection.sendall(request("/0.001", "POST", b"in"))
                    answered.append(answer(connection)[::2])
                except Exception as error:
                    lost.append(repr(error))
                    return

    with running(echo) as server:
        threads = [threading.Thread(target=ask, args=[server.port]) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(time_of_stop)
    for thread in threads:
        thread.join()
    assert not lost
    assert set(answered) == {(200, b"in")}


def test_work_that_outlasts_the_grace_is_cancelled():
    echo.cancelled.clear()
    with running(echo, grace_seconds=0.2) as server:
        connection = connect(server.port)
        connection.sendall(request("/30", "POST", b"x"))
        time.sleep(0.4)
        began = time.monotonic()
    assert echo.cancelled == [b"30"]
    assert time.monotonic() - began < 20
    connection.close()


def test_addresses_that_cannot_be_listened_on_are_told_in_a_sentence(tmp_path):
    (taken,) = serving_server.listen(port=0)
    with taken, pytest.raises(ValueError, match=r"^`port` must be free; another process listens on it"):
        serving_server.listen(port=taken.getsockname()[1])
    with pytest.raises(ValueError, match=r"^`host` must be a name or an address of this machine"):
        serving_server.listen("203.0.113.1", 0)
    with pytest.raises(ValueError, match=r"^`host` must be a name or an address of this machine"):
        serving_server.listen("no such host", 0)


def test_a_unix_socket_takes_the_place_of_a_dead_one_and_of_nothing_else(tmp_path):
    path = tmp_path / "socket"
    first = serving_server.listen_unix(path)
    assert os.stat(path).st_mode & 0o777 == 0o600
    with pytest.raises(ValueError, match="another process listens on it"):
        serving_server.listen_unix(path)
    first.close()
    serving_server.listen_unix(path).close()
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(ValueError, match=r"^`unix_socket` must be a path where nothing is yet"):
        serving_server.listen_unix(file)
    assert file.read_text() == "kept"
    with pytest.raises(ValueError, match=r"^`unix_socket` must be a short path"):
        serving_server.listen_unix(tmp_path / ("x" * 200))
