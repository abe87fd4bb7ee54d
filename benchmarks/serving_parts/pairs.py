"""Our server beside others, in turns: requests per second, processor time, and latency."""

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.load import Server, ask, closed_loop
from benchmarks.ratios import compare, in_turns
from benchmarks.serving_parts.servers import (
    CLIENTS,
    PREDICT,
    ROOT,
    SENTIMENT,
    body,
    link,
    newest,
    ours,
    pictures,
    started,
    texts,
    unbatched,
)


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
        return ours(CLIENTS, output.parents[2], *unbatched(folder)), environment
    python = options.python.get(peer, sys.executable)
    if subprocess.run([python, "-c", f"import {peer}"], capture_output=True).returncode:
        raise FileNotFoundError(f"{python} does not have it: name one that has with --python {peer}=PATH.")
    return [python, *module, "--port", "{port}"], environment
