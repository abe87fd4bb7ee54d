"""Servers as processes on cores of their own, and load for them: wrk's closed loops, and requests at a fixed rate."""

import array
import asyncio
import bisect
import contextlib
import dataclasses
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

# Lines of a file are bodies, sent in turn; an empty file stands for GET.
_WRK = """
local requests, place = {}, 0
wrk.headers["Content-Type"] = "application/json"
function init(arguments)
  for line in io.lines(arguments[1]) do requests[#requests + 1] = wrk.format("POST", nil, nil, line) end
  if #requests == 0 then requests[1] = wrk.format("GET") end
end
function request()
  place = place % #requests + 1
  return requests[place]
end
function done(summary, latency)
  local e = summary.errors
  print(string.format("RESULT %d %d %d %f %f", summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclasses.dataclass(frozen=True)
class Load:
    """What a server made of some seconds of load.

    Args:
        rate: Answers per second.
        median: Milliseconds from request to answer.
        p99: The same, of the slowest hundredth.
        cpu: Milliseconds of processor time per answer, of all of the server's processes.
        front: The same, of the process that was started.
    """

    rate: float
    median: float
    p99: float
    cpu: float
    front: float


class Server:
    """A server that was started, and the processes that it has started.

    Args:
        command: Its words; `{port}` in them becomes the port.
        cores: Numbers of the cores that it may use.
        environment: Variables besides those of this process.

    Raises:
        RuntimeError: From `wait`: the server has ended, or takes too long.
    """

    def __init__(self, command, cores, environment=None):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = os.memfd_create("log")
        words = [str(word).replace("{port}", str(self.port)) for word in command]
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            # It ends with this process, however that ends.
            ["setpriv", "--pdeathsig", "TERM", "taskset", "-c", ",".join(map(str, cores)), *words],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._process.pid

    def wait(self, path, body=None, *, seconds=300, pause=0.05):
        """Waits for status 200 and returns for how many seconds the server has been running then."""
        while time.monotonic() < self.started + seconds:
            with contextlib.suppress(OSError):
                if ask(self.url + path, body)[0] == 200:
                    return time.monotonic() - self.started
            if self._process.poll() is not None:
                raise RuntimeError(f"the server has ended: {self.log()[-500:].strip()}")
            time.sleep(pause)
        raise RuntimeError(f"{path} did not answer with 200 within {seconds} s: {self.log()[-500:].strip()}")

    def log(self):
        """Returns what it has written."""
        return os.pread(self._log, 1 << 24, 0).decode(errors="replace")

    def terminate(self):
        """Sends SIGTERM."""
        self._process.terminate()

    def join(self, seconds=60):
        """Returns the exit status, once it has ended."""
        return self._process.wait(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        family = _family(self.pid)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        for pid in family:
            # Those that have other parents by now, such as workers of Ray.
            if _stat(pid) and _stat(pid)[-1] == family[pid][-1]:
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._log)


def _stat(pid):
    """Parent, seconds of processor time, and start of a process; None if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] == b"Z":
        return None
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(fields[19])


def _family(pid):
    """What `_stat` says of a process and all those below it."""
    every = {int(name): _stat(name) for name in os.listdir("/proc") if name.isdigit()}
    found = {pid: every[pid]} if every.get(pid) else {}
    while more := {each: it for each, it in every.items() if it and it[0] in found and each not in found}:
        found.update(more)
    return found


def cpu_seconds(pid):
    """Returns the processor time of a process, and of it and all those below it."""
    family = _family(pid)
    return family[pid][1], sum(each[1] for each in family.values())


def resident_megabytes(pid):
    """Returns the memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def ask(url, body=None, timeout=60):
    """Returns status and body of an answer."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def closed_loop(server, path, bodies, clients, seconds):
    """Has wrk's clients ask one request after another each.

    Args:
        server: The `Server`.
        path: What is asked.
        bodies: Bodies to send in turn; none for GET.
        clients: Connections.
        seconds: How long.

    Raises:
        FileNotFoundError: wrk is not there.
        RuntimeError: A request failed.
    """
    if shutil.which("wrk") is None:
        raise FileNotFoundError("wrk is not there: apt install wrk.")
    with tempfile.TemporaryDirectory() as folder:
        script, lines = Path(folder, "wrk.lua"), Path(folder, "bodies")
        script.write_text(_WRK)
        lines.write_bytes(b"".join(body + b"\n" for body in random.Random(0).sample(bodies, len(bodies))))
        words = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "60s", "-s", script, server.url + path]
        before = cpu_seconds(server.pid)
        done = subprocess.run([*words, "--", lines], capture_output=True, text=True, check=True).stdout
        used = [after - start for start, after in zip(before, cpu_seconds(server.pid), strict=True)]
    count, microseconds, failed, median, p99 = map(float, done.rpartition("RESULT")[2].split())
    if failed or not count:
        raise RuntimeError(f"{failed:.0f} requests to {path} failed, {count:.0f} were answered")
    return Load(1e6 * count / microseconds, median / 1e3, p99 / 1e3, 1e3 * used[1] / count, 1e3 * used[0] / count)


def post(path, body):
    """Returns a request as it is sent."""
    return b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (path.encode(), len(body)) + body


class Steady:
    """Requests at a fixed rate, however long the answers take: latency counts from when a request was due.

    Args:
        port: Where the server listens.
        requests: What is sent in turn, as from `post`.
        rate: Requests per second.

    Attributes:
        due: When each answered request was due, in seconds of `time.monotonic`; in the order of the answers.
        latency: How long its answer took, in milliseconds.
        failed: Reasons of those that had no answer or another status than 200, and how many there were of each.
    """

    def __init__(self, port, requests, rate):
        self._port, self._requests, self._rate = port, requests, rate
        self._free: list[_Connection] = []
        self._under_way = 0
        self._again_until = 0.0
        self.due, self.latency = array.array("d"), array.array("d")
        self.failed: dict[str, int] = {}

    async def run(self, seconds, patience=40):
        """Sends for some seconds, then waits for answers that are due, each at most `patience` seconds."""
        loop, began = asyncio.get_running_loop(), time.monotonic()
        for number in range(int(seconds * self._rate)):
            due = began + number / self._rate
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            self._under_way += 1
            request = self._requests[number % len(self._requests)]
            if self._free:
                self._free.pop().send(due, request)
            else:
                loop.create_task(self._connect(due, request))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._under_way:
                    await asyncio.sleep(0.05)
        if self._under_way:
            self.failed["no answer"] = self.failed.get("no answer", 0) + self._under_way
        for connection in self._free:
            connection.transport.close()

    async def capacity(self, clients, seconds):
        """Returns the answers a second where each of some connections asks again at once."""
        self._again_until = time.monotonic() + seconds
        self._under_way += clients
        for number in range(clients):
            await self._connect(time.monotonic(), self._requests[number % len(self._requests)])
        while self._under_way:
            await asyncio.sleep(0.05)
        for connection in self._free:
            connection.transport.close()
        self._free.clear()
        return len(self.due) / seconds

    async def _connect(self, due, request):
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        except OSError as error:
            self.fail(type(error).__name__)
        else:
            connection.send(due, request)

    def fail(self, reason):
        """Counts a request that failed."""
        self.failed[reason] = self.failed.get(reason, 0) + 1
        self._under_way -= 1

    def answered(self, connection, due, head):
        """Counts an answer, and keeps its connection for another request."""
        status = head[9:12].decode()
        if status == "200":
            self.due.append(due)
            self.latency.append(1e3 * (time.monotonic() - due))
            self._under_way -= 1
        else:
            self.fail(f"status {status}")
        if b"connection: close" in head:
            connection.transport.close()
        elif time.monotonic() < self._again_until:
            self._under_way += 1
            connection.send(time.monotonic(), self._requests[len(self.due) % len(self._requests)])
        else:
            self._free.append(connection)

    def gone(self, connection, due):
        """Counts what a closed connection has not answered."""
        if due is not None:
            self.fail("connection lost")
        elif connection in self._free:
            self._free.remove(connection)


class _Connection(asyncio.Protocol):
    """A connection that has one request under way at most."""

    def __init__(self, owner):
        self._owner, self._due, self._received = owner, None, b""

    def connection_made(self, transport):
        self.transport = transport

    def send(self, due, request):
        self._due = due
        self.transport.write(request)

    def data_received(self, data):
        self._received = received = self._received + data
        end = received.find(b"\r\n\r\n") + 4
        if end < 4:
            return
        head = received[:end].lower()
        if len(received) >= end + int(head.partition(b"content-length:")[2].partition(b"\r")[0]):
            due, self._due, self._received = self._due, None, b""
            self._owner.answered(self, due, head)

    def connection_lost(self, _):
        self._owner.gone(self, self._due)


async def stopped(server, request, clients, seconds):
    """Has clients ask one request after another each, and tells the server to stop meanwhile.

    Args:
        server: The `Server`.
        request: As from `post`.
        clients: How many.
        seconds: When SIGTERM is sent.

    Returns:
        How many answers there were before and after SIGTERM, answers of other status than 200, and requests that were
        sent and had no whole answer.
    """
    counts = {"before": 0, "after": 0, "refused": 0, "lost": 0}
    told = False

    async def ask_on():
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except OSError:
                return
            with contextlib.closing(writer):
                while True:
                    writer.write(request)
                    try:
                        head = (await reader.readuntil(b"\r\n\r\n")).lower()
                        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r")[0]))
                    except (asyncio.IncompleteReadError, ConnectionError):
                        counts["lost"] += 1
                        return
                    counts["refused" if head[9:12] != b"200" else "after" if told else "before"] += 1
                    if b"connection: close" in head:
                        break

    tasks = [asyncio.create_task(ask_on()) for _ in range(clients)]
    await asyncio.sleep(seconds)
    server.terminate()
    told = True
    _, waiting = await asyncio.wait(tasks, timeout=60)
    counts["lost"] += len(waiting)
    for task in waiting:
        task.cancel()
    return counts


def percentile(values, share):
    """Returns the value below which a share (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def within(times, windows):
    """Returns for each time whether it lies in one of the windows, pairs that rise and do not overlap."""
    bounds = [bound for window in windows for bound in window]
    return [bisect.bisect_right(bounds, each) % 2 == 1 for each in times]
