"""What `kerasmlsp serve` bears, beside the same without batching and beside other servers, in pairs in one run.

    python -m benchmarks.serving
    python -m benchmarks.serving --what sentences front --quick
    python -m benchmarks.serving --what peers --python litserve=litvenv/bin/python ray=rayvenv/bin/python
    python -m benchmarks.serving --what soak --minutes 30
    python -m benchmarks.serving --what fuzz --cases 10000 --python schemathesis=fuzzvenv/bin/python

Parts:
  sentences  one-sentence reviews of 64 clients, beside the same server with one row in each batch
  reviews    whole reviews likewise; `--reviews` holds test.csv with a column text
  gestures   photographs as bytes likewise; `--pictures` holds them, in folders or not
  front      requests that need no model: what the front costs
  alone      one client alone, beside the bare signature
  start      seconds from the start of the process to the first /healthz, and to /readyz with all models
  peers      sentences beside TensorFlow's batch function, LitServe and Ray Serve in HAProxy mode
  stop       SIGTERM under load: answers that are lost
  soak       steady load at 70 % of the capacity, while a new version is published each minute
  fuzz       schemathesis over the server's own description of both interfaces
Without `--what`, all but the last two. A target is met where the median of the ratios, one for each pair measured one
after the other, is on its right side. Servers stay on `--server-cores`, clients on `--client-cores`. It needs Linux,
and wrk for closed loops; a part that lacks something is skipped and says so.
"""

import argparse
import asyncio
import base64
import contextlib
import csv
import dataclasses
import json
import os
import random
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
from benchmarks.ratios import Row, compare, in_turns, table

ROOT = Path(__file__).parents[1]
CLIENTS = 64
PREDICT = "/v1/models/{}:predict"
SENTIMENT = PREDICT.format("sentiment")
# Hypothesis takes minutes for one example of inputs of a large fixed size, such as frames of all roads.
FUZZED = "sentiment", "chargen", "gan", "music", "speech"
UNBATCHED = "max_batch_size { value: 1 } max_enqueued_batches { value: 1024 }\n"


def body(value, **others):
    """Returns the body of a request for one row."""
    return json.dumps({"instances": [value], **others}).encode()


def texts(path, count):
    """Returns bodies of requests for `count` texts, from all of a CSV file with a column text."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: name the folder of IMDB's reviews with --reviews.")
    with open(path, newline="", encoding="utf-8") as file:
        found = [row["text"] for row in csv.DictReader(file)]
    return [body(text) for text in found[:: max(1, len(found) // count)][:count]]


def pictures(folder, count):
    """Returns bodies of requests for `count` files of a folder and those below it, drawn at random."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not found:
        raise FileNotFoundError(f"{folder} holds no JPEG or PNG files: name a folder of hands with --pictures.")
    chosen = random.Random(0).sample(found, min(count, len(found)))
    encoded = [base64.b64encode(path.read_bytes()).decode() for path in chosen]
    return [body({"b64": each}, signature_name="serving_bytes") for each in encoded]


def link(options, folder, *names):
    """Makes a folder of models that holds only those of these names."""
    for name in names:
        source = options.models / name
        if not source.is_dir():
            raise FileNotFoundError(f"{source} is not there: name the folder of saved models with --models.")
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(source.resolve())
    return folder


def ours(threads, models, *settings):
    """Returns the command of our server."""
    program = Path(sys.executable).with_name("kerasmlsp")
    words = [program, "serve", "--models", models, "--port", "{port}", "--no-access-log"]
    return [*words, "--threads", threads, *settings]


def started(stack, options, command, environment=None):
    """Starts a server that ends with the stack."""
    return stack.enter_context(Server(command, options.server_cores, environment))


def unbatched(folder):
    """Returns the settings of a server that runs each row by itself."""
    file = folder / "unbatched.pbtxt"
    file.write_text(UNBATCHED)
    return "--batching-parameters-file", file


def in_pairs(options, what, pair, path, bodies, targets):
    """Measures two servers in turns: requests per second, processor time, and latency.

    Args:
        options: Those of the command.
        what: Beginning of the rows.
        pair: Ours and the other `Server`.
        path: What is asked.
        bodies: Bodies to send.
        targets: Those of rate, CPU and p99.
    """
    answers = [[ask(each.url + path, body) for body in bodies[:8]] for each in pair]
    if not all(map(same, *answers)):
        raise RuntimeError(f"they do not answer alike: {answers[0][0]}, {answers[1][0]}")
    jobs = {
        name: lambda server=server: closed_loop(server, path, bodies, CLIENTS, options.seconds)
        for name, server in zip(("ours", "peer"), pair, strict=True)
    }
    in_turns(jobs, 1)
    values = in_turns(jobs, options.rounds)
    kinds = {"rate": "requests/s", "cpu": "CPU ms a request", "p99": "p99, ms", "median": "median, ms"}
    targets = dict(zip(kinds, (*targets, None), strict=True))
    return [
        compare(
            f"{what}: {kind}",
            *([getattr(each, name) for each in values[who]] for who in ("ours", "peer")),
            targets[name],
        )
        for name, kind in kinds.items()
    ]


def same(one, other):
    """Whether two answers, each a status and a body, have the same label and nearly the same probabilities."""
    (mine,), (theirs,) = (json.loads(text)["predictions"] for _, text in (one, other))
    pairs = zip(mine["probabilities"], theirs["probabilities"], strict=True)
    return mine["label"] == theirs["label"] and all(abs(a - b) < 1e-3 for a, b in pairs)


def beside_unbatched(options, what, model, bodies, targets):
    """Measures ours beside the same server without batching."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        models = link(options, folder / "models", model)
        settings = ((), unbatched(folder))
        pair = [started(stack, options, ours(options.threads, models, *each)) for each in settings]
        for each in pair:
            each.wait("/readyz")
        return in_pairs(options, f"{what}, beside unbatched", pair, PREDICT.format(model), bodies, targets)


def measure_sentences(options):
    bodies = texts(ROOT / "benchmarks/one_sentence_reviews.csv", 80)
    return beside_unbatched(options, "one-sentence reviews", "sentiment", bodies, (">= 4", "<= 0.2", "<= 1"))


def measure_reviews(options):
    bodies = texts(options.reviews / "test.csv", 2000)
    return beside_unbatched(options, "whole reviews", "sentiment", bodies, (">= 1.8", "<= 0.45", "<= 0.5"))


def measure_gestures(options):
    bodies = pictures(options.pictures, 400)
    return beside_unbatched(options, "gesture bytes", "gesture", bodies, (">= 1.5", "<= 0.5", None))


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


def measure_alone(options):
    """One client alone beside the bare signature in a process without a server."""
    from benchmarks.sentiment_speed import SENTENCE

    cores = ",".join(map(str, options.server_cores))
    words = ["taskset", "-c", cores, sys.executable, "-m", "benchmarks.serving_peers", "bare"]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        server = started(stack, options, ours(options.threads, link(options, Path(name, "models"), "sentiment")))
        process = stack.enter_context(
            subprocess.Popen(
                [*words, newest(options.models / "sentiment")],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
        server.wait("/readyz")
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the signature cannot be called")

        def call():
            process.stdin.write(f"{options.seconds}\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        jobs = {
            "ours": lambda: closed_loop(server, SENTIMENT, [body(SENTENCE)], 1, options.seconds),
            "peer": call,
        }
        in_turns(jobs, 1)
        values = in_turns(jobs, options.rounds)
    return [
        compare(
            f"one client alone, beside the bare signature: {kind}",
            [getattr(each, name) for each in values["ours"]],
            [each[name] for each in values["peer"]],
            target,
        )
        for name, kind, target in (("median", "median, ms", "<= 1.5"), ("cpu", "CPU ms a request", None))
    ]


def newest(model):
    """Returns the folder of a model's highest version."""
    return max((each for each in model.iterdir() if each.name.isdigit()), key=lambda each: int(each.name))


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


def measure_peers(options):
    """Sentences beside other servers, of which one at a time runs."""
    bodies = texts(ROOT / "benchmarks/one_sentence_reviews.csv", 80)
    model = newest(options.models / "sentiment")
    rows = []
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        server = started(stack, options, ours(options.threads, link(options, folder / "models", "sentiment")))
        server.wait("/readyz")
        peers = {
            "batch": ("TensorFlow's batch function behind the same front", ">= 2"),
            "litserve": ("LitServe", ">= 3"),
            "ray": ("Ray Serve in HAProxy mode", ">= 2"),
        }
        for peer, (title, target) in peers.items():
            try:
                command, environment = peer_command(options, peer, model, folder)
            except FileNotFoundError as error:
                print(f"Skipped: {title}: {error}", file=sys.stderr)
                continue
            with Server(command, options.server_cores, environment) as other:
                other.wait(SENTIMENT, bodies[0])
                targets = (target, None, None)
                rows += in_pairs(options, f"sentences, beside {title}", (server, other), SENTIMENT, bodies, targets)
    return rows


def peer_command(options, peer, model, folder):
    """Returns the command that starts a peer, and its environment.

    Raises:
        FileNotFoundError: There is no Python that has it.
    """
    module = "-m", "benchmarks.serving_peers", peer, model
    # Ray's workers are nice otherwise, and the cores may be busy.
    environment = {"PYTHONPATH": str(ROOT), "RAY_SERVE_ENABLE_HA_PROXY": "1", "RAY_worker_niceness": "0"}
    if peer == "batch":
        output = folder / "batched/sentiment/1"
        subprocess.run([sys.executable, *module, "--output", output], cwd=ROOT, check=True, capture_output=True)
        # Its requests meet inside TensorFlow, each in a thread.
        return ours(CLIENTS, output.parents[1], *unbatched(folder)), environment
    python = options.python.get(peer, sys.executable)
    if subprocess.run([python, "-c", f"import {peer}"], capture_output=True).returncode:
        raise FileNotFoundError(f"{python} does not have it: name one that has with --python {peer}=PATH.")
    return [python, *module, "--port", "{port}"], environment


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
    words += ["--request-timeout", "150", "--generation-database", "none", "--report", "json"]
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


MEASURES = {
    "sentences": measure_sentences,
    "reviews": measure_reviews,
    "gestures": measure_gestures,
    "front": measure_front,
    "alone": measure_alone,
    "start": measure_start,
    "peers": measure_peers,
    "stop": measure_stop,
    "soak": measure_soak,
    "fuzz": measure_fuzz,
}
PARTS = [part for part in MEASURES if part not in ("soak", "fuzz")]


def measured(options):
    """Measures the parts one after the other, and returns their rows and how many failed.

    Parts that `--results` already holds are taken from there.
    """
    results = json.loads(options.results.read_text()) if options.results and options.results.is_file() else {}
    rows, failed = [], 0
    for part in options.what:
        if part not in results:
            try:
                results[part] = [dataclasses.asdict(row) for row in MEASURES[part](options)]
            except FileNotFoundError as error:
                print(f"Skipped: {part}: {error}", file=sys.stderr)
                continue
            except RuntimeError as error:
                print(f"Failed: {part}: {error}", file=sys.stderr)
                failed += 1
                continue
            if options.results:
                beside = options.results.with_name(f"{options.results.name}.new")
                beside.write_text(json.dumps(results, indent=1))
                beside.replace(options.results)
        rows += [Row(**row) for row in results[part]]
    return rows, failed


def cores(text):
    """Returns the numbers in a list such as 0,2-3."""
    pairs = [each.partition("-") for each in text.split(",")]
    return sorted({number for low, _, high in pairs for number in range(int(low), int(high or low) + 1)})


def named(text):
    """Returns the two sides of NAME=PATH."""
    name, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=PATH. Received: {text}")
    return name, Path(path).absolute()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", nargs="+", choices=list(MEASURES), default=PARTS, metavar="PART", help="only these")
    parser.add_argument("--models", type=Path, default=ROOT / "saved_models", help="folder of saved models")
    parser.add_argument("--reviews", type=Path, default=Path("~/.cache/kerasmlsp/data/imdb"), help="folder of test.csv")
    parser.add_argument("--pictures", type=Path, default=Path("~/.cache/kerasmlsp/data/sign_digits"), help="folder")
    parser.add_argument("--rounds", type=int, default=3, help="pairs to measure (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=15, help="length of each measurement (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of our workers (default: %(default)s)")
    parser.add_argument("--server-cores", type=cores, metavar="LIST", help="as 0,2-3; default the first two")
    parser.add_argument("--client-cores", type=cores, metavar="LIST", help="default all others; of two, the same")
    parser.add_argument("--minutes", type=float, default=30, help="length of soak (default: %(default)s)")
    parser.add_argument("--publish-seconds", type=float, default=60, help="between versions (default: %(default)s)")
    parser.add_argument("--cases", type=int, default=10_000, help="cases of fuzz (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=200, help="the most for each operation, in one go of fuzz")
    parser.add_argument(
        "--python", nargs="+", type=named, default=[], metavar="NAME=PATH", help="Python that has litserve, ray, ..."
    )
    parser.add_argument("--results", type=Path, help="JSON file of the parts that are done, which are not done again")
    parser.add_argument(
        "--quick", action="store_true", help="one round of 2 s, half a minute, 300 cases: does it work?"
    )
    options = parser.parse_args(arguments)
    options.python = dict(options.python)
    options.reviews, options.pictures = options.reviews.expanduser(), options.pictures.expanduser()
    if options.quick:
        options.rounds, options.seconds, options.minutes, options.publish_seconds = 1, 2, 0.5, 15
        options.cases, options.examples = 300, 10
    return options


def main(arguments=None):
    options = parse(arguments)
    there = sorted(os.sched_getaffinity(0))
    options.server_cores = options.server_cores or there[:2]
    options.client_cores = options.client_cores or there[2:] or there
    os.sched_setaffinity(0, options.client_cores)
    try:
        rows, failed = measured(options)
    finally:
        os.sched_setaffinity(0, there)
    if rows:
        print(table(rows))
    shared = set(options.server_cores) & set(options.client_cores)
    print(
        f"\nServers on cores {options.server_cores}, clients on {options.client_cores}{', shared' if shared else ''}; "
        f"medians of {options.rounds} rounds of {options.seconds} s; load average {os.getloadavg()[1]:.1f}."
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
