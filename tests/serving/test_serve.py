"""`kerasmlsp serve` as users run it: a front process, a worker process, and what becomes of both."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from engines import NUMPY_WORKER
from running import running
from test_http import echo

from kerasmlsp.apps import cli
from kerasmlsp.serving import server as serving_server

LONG = 120
"""Seconds that a busy machine may take to start a worker."""


# `kerasmlsp`, and the same with workers that need no TensorFlow.
PLAIN = (sys.executable, "-m", "kerasmlsp.apps.cli")
PROGRAM = (
    "import functools; from kerasmlsp.apps import cli; from kerasmlsp.serving import configuring; "
    f"configuring.EngineSettings = functools.partial(configuring.EngineSettings, command={NUMPY_WORKER}); "
    "cli.main()"
)
QUICK = (sys.executable, "-c", PROGRAM)


class Serving:
    """A running `kerasmlsp serve`, ready to answer."""

    def __init__(self, *words, program=QUICK, verify=True):
        self.verify = verify
        command = [*program, "serve", "--port", "0", *map(str, words)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.told, self.logged, self.readers = [], [], []

    def listen(self):
        """Waits until it listens."""
        while not self.told or not self.told[-1].startswith("More at "):
            self.told.append(self.process.stderr.readline())
            assert self.told[-1], self.told
        # All is read at once, so that the process never waits for it.
        pipes = ((self.told, self.process.stderr), (self.logged, self.process.stdout))
        self.readers = [threading.Thread(target=kept.extend, args=[pipe], daemon=True) for kept, pipe in pipes]
        for reader in self.readers:
            reader.start()
        self.url = re.search(r"https?://[\d.]+:\d+", "".join(self.told))[0]
        assert self.get("/healthz").status_code == 200

    def get(self, path):
        return httpx.get(f"{self.url}{path}", verify=self.verify)

    def wait(self):
        """Waits until it is ready."""
        self.listen()
        until = time.monotonic() + LONG
        while self.get("/readyz").status_code != 200:
            assert time.monotonic() < until, self.told
            time.sleep(0.1)

    def example(self):
        """The line that says how to ask a model, which comes when there is one to ask."""
        until = time.monotonic() + LONG
        while not (found := [line for line in self.told if line.startswith("curl ")]):
            assert time.monotonic() < until, self.told
            time.sleep(0.05)
        (line,) = found
        return line

    def workers(self):
        """Numbers of the child processes."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return [int(number) for task in tasks.iterdir() for number in (task / "children").read_text().split()]

    def close(self):
        """Ends it if it has not ended, and reads what it told to the end."""
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join(LONG)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def start():
    """Starts servers that do not outlive the test."""
    started = []

    def start(*words, **options):
        started.append(Serving(*words, **options))
        started[-1].wait()
        return started[-1]

    yield start
    for each in started:
        each.close()


def is_gone(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"  # ended; its new parent has not looked yet


def all_gone(pids, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until and not all(map(is_gone, pids)):
        time.sleep(0.05)
    return all(map(is_gone, pids))


def test_a_saved_model_is_served(saved_models, start):
    serving = start("--models", saved_models, "--drain-seconds", "0", program=PLAIN)
    body = '{"inputs": {"text": ["To be, or not to be"]}}'
    assert serving.example() == f"curl -d '{body}' {serving.url}/v1/models/tiny:predict\n"
    told = httpx.post(f"{serving.url}/v1/models/tiny:predict", content=body).json()
    assert told["outputs"]["upper"] == ["TO BE, OR NOT TO BE"]
    asked = {"inputs": {"points": [[1, 2]]}, "signature_name": "scaled"}
    assert httpx.post(f"{serving.url}/v1/models/tiny:predict", json=asked).json()["outputs"]["points"] == [[6.0, 12.0]]
    serving.process.send_signal(signal.SIGINT)
    assert serving.process.wait(LONG) == 0
    serving.close()
    assert not [line for line in serving.told if "Traceback" in line]


def test_the_example_is_of_a_model_that_can_be_asked(numbers, start):
    """Not of one that is loaded for long; it is told when it can be asked, and not before."""
    (numbers.write("a-late-one", seconds=6) / "weights").write_bytes(b"0" * 1000)
    numbers.write("early", seconds=1)
    serving = Serving("--models", numbers.path)
    try:
        serving.listen()
        assert not [line for line in serving.told if line.startswith("curl ")]
        curl = serving.example()
        assert curl.startswith("curl -d ") and "/v1/models/early:predict" in curl
        asked = subprocess.run(["sh", "-c", f"{curl.strip()} -s"], capture_output=True, text=True, check=True)
        assert json.loads(asked.stdout) == {"outputs": [2]}
        assert httpx.get(f"{serving.url}/readyz/a-late-one").status_code == 503
    finally:
        serving.close()


def test_a_reader_of_stdout_and_stderr_that_pauses_stops_nothing(numbers, tmp_path):
    """As `kerasmlsp serve 2>&1 | less` does."""
    numbers.write()
    reading, writing = os.pipe()
    command = [*QUICK, "serve", "--port", "0", "--models", str(numbers.path), "--drain-seconds", "0"]
    with subprocess.Popen(command, stdout=writing, stderr=writing) as process, os.fdopen(reading, "rb") as pipe:
        os.close(writing)
        try:
            url = re.search(rb"Listening on (\S+),", pipe.readline())[1].decode()
            with httpx.Client(base_url=url, timeout=10) as client:
                while client.get("/readyz").status_code != 200:
                    time.sleep(0.1)
                for _ in range(400):  # the pipe holds 64 KB
                    assert client.get("/v1/models/" + "x" * 240).status_code == 404
                numbers.write(version=2, fails="Damaged " * 50)  # which is logged
                until = time.monotonic() + LONG
                while "Damaged" not in client.get("/v1/models/numbers").text:
                    assert time.monotonic() < until
                assert client.post("/v1/models/numbers:predict", json={"inputs": [2]}).json() == {"outputs": [4]}
            process.send_signal(signal.SIGTERM)
            assert process.wait(LONG) == 0
        finally:
            process.kill()


def test_sigterm_under_load_loses_no_answer(numbers, start):
    numbers.write()
    serving = start("--models", numbers.path, "--drain-seconds", "2")
    workers = serving.workers()
    assert workers
    answered, refused, lost = [], [], []

    def ask(number):
        with httpx.Client(base_url=serving.url, timeout=LONG) as client:
            while True:
                try:
                    told = client.post("/v1/models/numbers:predict", content=f'{{"instances": [{number}]}}')
                except httpx.ConnectError:
                    refused.append(number)
                    return
                except httpx.HTTPError as error:
                    lost.append(repr(error))
                    return
                (answered if told.json() == {"predictions": [2 * number]} else lost).append(told.text)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(16)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + LONG
    while len(answered) < 50 and time.monotonic() < until:
        time.sleep(0.05)
    before = len(answered)
    serving.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    readiness = httpx.get(f"{serving.url}/readyz").status_code
    for thread in threads:
        thread.join(LONG)
    assert not lost
    assert readiness == 503
    assert len(answered) > before >= 50 and len(refused) == 16
    assert serving.process.wait(LONG) == 0
    serving.close()
    assert sum('"POST /v1/models/numbers:predict" 200' in line for line in serving.logged) == len(answered)
    assert all_gone(workers, 30)


def test_workers_end_with_a_front_that_is_killed(numbers, start):
    numbers.write()
    serving = start("--models", numbers.path, "--no-access-log")
    workers = serving.workers()
    assert workers and not any(map(is_gone, workers))
    serving.process.kill()
    serving.process.wait(LONG)
    assert all_gone(workers, 30)
    serving.close()


def test_a_second_signal_ends_at_once():
    """In the way of a test that needs no model: the application is one that sleeps."""
    program = (
        "import asyncio, sys\n"
        "from kerasmlsp.serving import server\n"
        "async def app(scope, receive, send):\n"
        "    print('asked', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "sockets = server.listen(port=0)\n"
        "print(sockets[0].getsockname()[1], flush=True)\n"
        "asyncio.run(server.Server(app, sockets).serve())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None  # it waits for the answer
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 128 + signal.SIGTERM
    process.stdout.close()


def test_the_front_imports_nothing_heavy():
    heavy = "tensorflow", "keras", "pandas", "matplotlib", "PIL"
    program = (
        "import sys, kerasmlsp.apps.cli\n"
        "from kerasmlsp.serving import engine, front, http, server\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def refused(*words, code=1, **environment):
    """What a command says that does not come to serve anything."""
    result = CliRunner(env=environment).invoke(cli.root, ["serve", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output.strip().splitlines()[-1]


def test_what_cannot_be_served_is_told_in_a_sentence(numbers, tmp_path, monkeypatch):
    numbers.write()
    models = numbers.path
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("subprocess.Popen", lambda *_: pytest.fail("A worker was started."))
    (taken,) = serving_server.listen(port=0)
    with taken:
        told = refused("--models", models, "--port", taken.getsockname()[1])
    assert told.startswith("Error: `--port` must be free; another process listens on it")
    assert refused("--models", models, "--host", "203.0.113.1").startswith("Error: `--host` must be a name or an add")
    assert "no/such is not there" in refused("--models", "no/such", "--port", 0)
    (tmp_path / "empty").mkdir()
    assert "There must be one or more models" in refused("--models", "empty", "--port", 0)
    assert "bad.config cannot be read as TensorFlow Serving's configuration" in refused(
        "--model-config-file", written(tmp_path / "bad.config", "model {"), "--port", 0
    )
    assert "Give either" in refused("--models", models, "--model-config-file", "x", code=2)


def written(path, text):
    path.write_text(text)
    return path


def test_tokens_and_certificates_are_checked_at_the_start(numbers, tmp_path):
    numbers.write()
    listen = "--models", numbers.path, "--port", 0
    must = "must hold a token in its one line"
    for wrong in ("", "\n\n", "two\nlines", "a b", "tokén"):
        told = refused(*listen, "--token-file", written(tmp_path / "token", wrong))
        assert must in told and told.startswith("Error: `--token-file`")
    assert "token is not there" in refused(*listen, "--token-file", tmp_path / "no" / "token")
    assert "`--token` must be of letters" in refused(*listen, "--token", "a b")
    assert "KERASMLSP_TOKEN must be of letters" in refused(*listen, KERASMLSP_TOKEN="")
    assert "Give either" in refused(*listen, "--token", "a", "--token-file", tmp_path / "token", code=2)
    for wrong in ("https://example.org/page", "https://", "example.org"):
        assert "`--cors` must be as https://example.org" in refused(*listen, "--cors", wrong)


def test_of_certificates_each_mistake_has_its_sentence(numbers, tmp_path):
    numbers.write()
    listen = "--models", numbers.path, "--port", 0
    text, none = written(tmp_path / "text", "no PEM"), tmp_path / "none.pem"
    there = "must be there already: check its spelling. Received: "
    assert refused(*listen, "--tls-cert", none) == f"Error: `--tls-cert` {there}{none}"
    assert refused(*listen, "--tls-key", none) == f"Error: `--tls-key` {there}{none}"
    assert refused(*listen, "--tls-cert", text, "--tls-key", none) == f"Error: `--tls-key` {there}{none}"
    assert refused(*listen, "--tls-cert", text, code=2).endswith("private key: give `--tls-key`, too.")
    assert refused(*listen, "--tls-key", text, code=2).endswith("certificate: give `--tls-cert`, too.")
    told = refused(*listen, "--tls-cert", text, "--tls-key", text)
    assert told == f"Error: `--tls-cert` must be a PEM file of a certificate, and those above it. Received: {text}"
    head = written(tmp_path / "head", "-----BEGIN CERTIFICATE-----\n")
    told = refused(*listen, "--tls-cert", head, "--tls-key", text)
    assert told == f"Error: `--tls-key` must be a PEM file of a private key without a password. Received: {text}"
    key = written(tmp_path / "key", "-----BEGIN PRIVATE KEY-----\n")
    assert refused(*listen, "--tls-cert", head, "--tls-key", key).startswith(
        "Error: `--tls-cert` and `--tls-key` must be whole PEM files"
    )


def certified(folder):
    """A certificate of this machine and its key."""
    folder.mkdir(exist_ok=True)
    key, certificate = folder / "key.pem", folder / "cert.pem"
    made = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=localhost"
    subprocess.run(
        [*made.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    return certificate, key


NEEDS_OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


@NEEDS_OPENSSL
def test_a_key_of_another_certificate_is_told(tmp_path):
    (certificate, key), (_, other) = certified(tmp_path / "a"), certified(tmp_path / "b")
    assert serving_server.tls(certificate, key)
    with pytest.raises(ValueError, match=r"^`tls_key` must be the key of the certificate .*cert\.pem"):
        serving_server.tls(certificate, other)
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key, "-out", other, "-passout", "pass:x"], check=True)
    with pytest.raises(ValueError, match=r"^`tls_key` must be a PEM file of a private key without a password"):
        serving_server.tls(certificate, other)


@NEEDS_OPENSSL
def test_https_is_spoken_with_a_certificate(tmp_path):
    certificate, key = certified(tmp_path)
    trusted = ssl.create_default_context(cafile=certificate)
    with running(echo, tls=serving_server.tls(certificate, key)) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert httpx.post(url, content=b"whole" * 50_000, verify=trusted).content == b"whole" * 50_000
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)  # the certificate is not one that is known
        with pytest.raises(httpx.HTTPError):
            httpx.get(url.replace("https", "http"))


class Handshake:
    """A client that shakes hands step by step."""

    def __init__(self, port):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.inner = context.wrap_bio(self.coming, self.going)
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.inner.do_handshake()
        self.connection.sendall(self.going.read())

    def does(self, function, *words):
        """Calls a function of the inner side until it has all that it needs."""
        while True:
            try:
                found = function(*words)
                self.connection.sendall(self.going.read())
                return found
            except ssl.SSLWantReadError:
                self.connection.sendall(self.going.read())
                self.coming.write(self.connection.recv(65536))


@NEEDS_OPENSSL
def test_a_server_that_stops_lets_a_handshake_end_and_waits_for_none_that_does_not(tmp_path):
    tls = serving_server.tls(*certified(tmp_path))
    with running(echo, tls=tls) as server:
        silent = socket.create_connection(("127.0.0.1", server.port))
        slow = Handshake(server.port)
        time.sleep(0.1)
        began = time.monotonic()
        server.loop.call_soon_threadsafe(server.stop)
        time.sleep(1.0)  # longer than the server would else wait
        slow.does(slow.inner.do_handshake)
        slow.does(slow.inner.write, b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\nin")
        answer = b""
        while not answer.endswith(b"\r\n\r\nin"):
            answer += slow.does(slow.inner.read, 4096)
    seconds = time.monotonic() - began
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert seconds < 20  # though neither client closes its connection
    assert silent.recv(10) == b""
    silent.close()
    slow.connection.close()


@NEEDS_OPENSSL
def test_sigterm_ends_a_server_with_handshakes_that_never_end(numbers, start, tmp_path):
    numbers.write()
    certificate, key = certified(tmp_path / "tls")
    trusted = ssl.create_default_context(cafile=certificate)
    serving = start(
        *("--models", numbers.path, "--tls-cert", certificate, "--tls-key", key, "--drain-seconds", "0"), verify=trusted
    )
    port = int(serving.url.rpartition(":")[2])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    began = time.monotonic()
    serving.process.send_signal(signal.SIGTERM)
    assert serving.process.wait(LONG) == 0
    assert time.monotonic() - began < 20
    serving.close()
    assert not [line for line in serving.told if "Traceback" in line or "Error" in line]
    for each in silent:
        each.close()


def test_a_unix_socket_is_answered_on(tmp_path):
    path = tmp_path / "socket"
    client = httpx.Client(transport=httpx.HTTPTransport(uds=str(path)))
    with running(echo, sockets=[serving_server.listen_unix(path)]), client:
        assert client.post("http://here/", content=b"in").content == b"in"
    assert os.stat(path).st_mode & 0o777 == 0o600
