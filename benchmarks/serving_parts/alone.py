"""Our server by itself: its front, its start and its end, and what it bears for long."""

import asyncio
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks import load
from benchmarks.load import Server, ask, closed_loop
from benchmarks.ratios import compare
from benchmarks.serving_parts.servers import CLIENTS, ROOT, SENTIMENT, body, link, newest, ours, started, texts

# Hypothesis takes minutes for one example of inputs of a large fixed size, such as frames of all roads.
FUZZED = "sentiment", "chargen", "gan", "music", "speech"


def measure_front(options):
    """Requests that the front answers by itself, the last of them through all of reading and writing JSON."""
    routes = {
        "/healthz": [],
        "/v1/models/sentiment": [],
        "/v1/models/sentiment/metadata": [],
        f"{SENTIMENT} of no rows": [b'{"inputs": []}'],
    }
    rows = []
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        server = started(stack, options, ours(options.threads, link(options, Path(name, "models"), "sentiment")))
        server.wait("/readyz")
        for route, bodies in routes.items():
            path = route.partition(" ")[0]
            loads = [closed_loop(server, path, bodies, CLIENTS, options.seconds) for _ in range(options.rounds)]
            rows.append(compare(f"front, {route}: CPU ms a request", [each.front for each in loads], None, "<= 0.1"))
            rows.append(compare(f"front, {route}: requests/s", [each.rate for each in loads]))
    return rows


def measure_start(options):
    seconds = {"/healthz": [], "/readyz": []}
    for _ in range(options.rounds):
        with Server(ours(options.threads, options.models), options.server_cores) as server:
            for path, values in seconds.items():
                values.append(server.wait(path, pause=0.01))
    count = sum(1 for each in options.models.iterdir() if each.is_dir() and not each.name.startswith("_"))
    return [
        compare("start to the first /healthz, s", seconds["/healthz"], None, "<= 2"),
        compare(f"start to /readyz of {count} models, s", seconds["/readyz"]),
    ]


def measure_stop(options):
    """SIGTERM under load, each time to another server."""
    counts = []
    request = load.post(SENTIMENT, body("A fine film."))
    with tempfile.TemporaryDirectory() as name:
        models = link(options, Path(name, "models"), "sentiment")
        for _ in range(options.rounds):
            with Server(ours(options.threads, models), options.server_cores) as server:
                server.wait("/readyz")
                counts.append(asyncio.run(load.stopped(server, request, CLIENTS, 2)))
                if status := server.join():
                    raise RuntimeError(f"the server ended with status {status}")
    total = {name: sum(each[name] for each in counts) for name in counts[0]}
    return [
        compare(f"SIGTERM under load, {len(counts)} times: answers lost", [total["lost"]], None, "<= 0"),
        compare("the same: requests refused", [total["refused"]]),
        compare("the same: answers after SIGTERM", [total["after"]]),
    ]


def measure_soak(options):
    """Steady load while new versions are published, and what becomes of latency and memory."""
    bodies = texts(ROOT / "benchmarks/one_sentence_reviews.csv", 80)
    with tempfile.TemporaryDirectory() as name:
        base = Path(name, "models/sentiment")
        source = newest(options.models / "sentiment")
        shutil.copytree(source, base / "1")
        with Server(ours(options.threads, base.parent), options.server_cores) as server:
            server.wait("/readyz")
            requests = [load.post(SENTIMENT, each) for each in bodies]
            # By the client of the soak: where it shares the server's cores, what it takes is no capacity.
            found = [
                asyncio.run(load.Steady(server.port, requests, 0).capacity(CLIENTS, options.seconds))
                for _ in range(options.rounds)
            ]
            rate = 0.7 * statistics.median(found)
            steady = load.Steady(server.port, requests, rate)
            publisher = Publisher(server, base, source, options.minutes * 60, options.publish_seconds, steady)
            before = load.cpu_seconds(server.pid)[1]
            publisher.start()
            asyncio.run(steady.run(options.minutes * 60))
            publisher.join()
            used = load.cpu_seconds(server.pid)[1] - before
    return soak_rows(options, rate, steady, publisher, used)


def soak_rows(options, rate, steady, publisher, used):
    count, failed = len(steady.due), sum(steady.failed.values())
    inside = load.within(steady.due, publisher.swaps)
    during = [value for value, swap in zip(steady.latency, inside, strict=True) if swap]
    otherwise = [value for value, swap in zip(steady.latency, inside, strict=True) if not swap]
    memory = publisher.memory
    fifth = max(1, len(memory) // 5)
    what = f"{options.minutes:g} min at {rate:.0f} requests/s"
    if steady.failed:
        print(f"Failed: {steady.failed}", file=sys.stderr)
    rows = [
        compare(f"{what}: failed of {count + failed:,} requests", [failed], None, "<= 0"),
        compare(
            f"{what}: versions that did not take over, of {publisher.count}", [publisher.count - len(publisher.swaps)]
        ),
        compare(
            f"{what}: front's memory, MB, last fifth beside the second",
            [statistics.median(memory[-fifth:])],
            [statistics.median(memory[fifth : 2 * fifth] or memory)],
            "<= 1.05",
        ),
        compare(f"{what}: CPU ms a request, loading included", [1e3 * used / max(1, count)]),
    ]
    if during and otherwise:
        p99 = [load.percentile(each, 0.99) for each in (during, otherwise)]
        rows.append(compare(f"{what}: p99 during swaps, ms, beside otherwise", [p99[0]], [p99[1]], "<= 2"))
    return rows


class Publisher(threading.Thread):
    """Publishes a version at intervals, and notes when each has taken over and what memory the front holds.

    Attributes:
        count: Versions published.
        swaps: When each that took over was published, and when the one before it had gone.
        memory: Megabytes, every second.
    """

    def __init__(self, server, base, source, seconds, interval, steady):
        super().__init__(daemon=True)
        self._server, self._base, self._source, self._steady = server, base, source, steady
        self._interval, self._end = interval, time.monotonic() + seconds
        self.count, self.swaps, self.memory = 0, [], []

    def run(self):
        publish_at, since = time.monotonic() + self._interval / 2, None
        while (now := time.monotonic()) < self._end or since:
            if since and self._is_over():
                self.swaps.append((since, now))
                since = None
            elif since and now > since + self._interval * 2:
                since = None  # it has not taken over: not among the swaps
            if not since and publish_at <= now < self._end - self._interval / 3:
                since, publish_at = now, publish_at + self._interval
                self._publish()
            self.memory.append(load.resident_megabytes(self._server.pid))
            time.sleep(0.25)

    def _publish(self):
        self.count += 1
        number = self.count + 1
        shutil.copytree(self._source, self._base / f"{number}.new")
        (self._base / f"{number}.new").rename(self._base / str(number))
        if number > 3:
            shutil.rmtree(self._base / str(number - 3))
        done, failed = len(self._steady.latency), sum(self._steady.failed.values())
        report = f"version {number}: {done:,} answers, {failed} failed, front {self.memory[-1]:.1f} MB"
        print(report, file=sys.stderr, flush=True)

    def _is_over(self):
        status, text = ask(f"{self._server.url}/v1/models/sentiment")
        if status != 200:
            print(f"Status {status}: {text.decode()}", file=sys.stderr)
            return False
        states = {each["version"]: each["state"] for each in json.loads(text)["model_version_status"]}
        return {each for each, state in states.items() if state != "END"} == {str(self.count + 1)} and (
            states[str(self.count + 1)] == "AVAILABLE"
        )


def measure_fuzz(options):
    """Requests that schemathesis makes of the server's own description, right and wrong ones."""
    program = Path(options.python.get("schemathesis", sys.executable)).with_name("schemathesis")
    if not program.is_file():
        raise FileNotFoundError(f"{program} is not there: pip install schemathesis, --python schemathesis=PATH.")
    words = [program, "run", "--no-color", "--checks", "not_a_server_error", "--phases", "coverage,fuzzing"]
    words += ["--request-timeout", "150", "--workers", "4", "--generation-database", "none", "--report", "json"]
    cases = failures = 0
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        models = link(options, Path(name, "models"), *FUZZED)
        # How long a song takes is not the question here.
        server = started(stack, options, ours(options.threads, models, "--timeout", "120"))
        server.wait("/readyz")
        report = Path(name, "report.json")
        for seed in range(1000):
            words_now = [*words, "--seed", str(seed), "--report-json-path", report, "-n", str(options.examples)]
            done = subprocess.run([*words_now, f"{server.url}/openapi.json"], cwd=name, capture_output=True, text=True)
            if not report.is_file():
                raise RuntimeError(f"schemathesis has failed: {done.stdout[-500:]}{done.stderr[-500:]}")
            told = json.loads(report.read_text())
            cases += told["test_cases"]["generated"]
            failures += len(told["failures"]) + len(told["errors"])
            if done.returncode:
                print(done.stdout[done.stdout.find("\n====") :], file=sys.stderr)
            print(f"{cases:,} cases, {failures} failures", file=sys.stderr, flush=True)
            if cases >= options.cases:
                break
            report.unlink()
        if ask(f"{server.url}/readyz")[0] != 200:
            raise RuntimeError("the server is not ready any more")
        restarts = server.log().count("The worker process has ended")
    what = f"schemathesis, {cases:,} cases"
    return [
        compare(f"{what}: answers of 500 and above, or none within 150 s", [failures], None, "<= 0"),
        compare(f"{what}: workers that died", [restarts], None, "<= 0"),
    ]
