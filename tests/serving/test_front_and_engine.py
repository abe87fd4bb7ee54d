"""The front with the engine and workers behind it, by HTTP: what a client sees when something happens to them."""

import asyncio
import json
import os
import signal
import threading
import time

import httpx
import pytest
from engines import Served, until
from running import connect, request, running

from kerasmlsp.serving.configuring import Limits
from kerasmlsp.serving.front import Front, FrontSettings


class Whole:
    """A front on an engine, each in a loop of its own, and a client."""

    def __init__(self, settings, **front):
        self.behind = Served(settings)
        self.engine = self.behind.engine
        self.behind(self.engine.start())
        self.behind(until(lambda: all(self.engine.ready().values())))
        self.front = Front(_Here(self.behind), FrontSettings(**front))
        self.serving = running(self.front, drain=self.front.drain, refused=self.front.refused)
        self.port = self.serving.__enter__().port
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def stop(self):
        self.client.close()
        self.serving.__exit__(None, None, None)
        self.front.close()
        self.behind.stop()

    def predict(self, signature="serving_default", **inputs):
        body = {"signature_name": signature, "inputs": inputs}
        return self.client.post("/v1/models/numbers:predict", json=body)


class _Here:
    """The engine as the front's loop sees it: what is awaited runs in the loop of the engine."""

    def __init__(self, behind):
        self.behind, self.metrics = behind, behind.engine.metrics

    def __getattr__(self, name):
        return getattr(self.behind.engine, name)

    def servable(self, *asked):
        found = self.behind.engine.servable(*asked)

        class There:
            name, version, signatures, card = found.name, found.version, found.signatures, found.card

            @staticmethod
            async def predict(*given):
                there = asyncio.run_coroutine_threadsafe(found.predict(*given), self.behind.loop)
                return await asyncio.wrap_future(there)

        return There()


@pytest.fixture
def whole(numbers):
    numbers.write()
    whole = Whole(numbers.settings(threads=1, limits=Limits(queue=3)))
    yield whole
    whole.stop()


def test_what_clients_see_that_are_many_or_gone(whole, numbers):
    """A full queue, and requests of clients that are gone, which never run."""
    calls = numbers.path / "numbers" / "calls"
    busy = threading.Thread(target=whole.predict, args=["slow"], kwargs={"x": [3000]})
    busy.start()
    while not (numbers.path / "numbers" / "running").exists():
        time.sleep(0.01)
    # The thread of this worker is busy: these wait.
    body = json.dumps({"signature_name": "lengths", "inputs": {"text": ["gone"]}}).encode()
    waiting = [connect(whole.port) for _ in range(3)]
    for connection in waiting:
        connection.sendall(request("/v1/models/numbers:predict", "POST", body))
    time.sleep(0.5)
    full = whole.predict("lengths", text=["late"])
    assert (full.status_code, full.headers.get("retry-after")) == (503, "1")
    assert "The queue of model numbers is full" in full.json()["error"]
    for connection in waiting:
        connection.close()
    time.sleep(0.5)
    assert whole.predict("lengths", text=["stays"]).json() == {"outputs": [5]}
    busy.join()
    assert [json.loads(line) for line in calls.read_text().splitlines()] == [[5]]
    counted = whole.client.get("/monitoring/prometheus/metrics").text
    assert 'kerasmlsp_rejected_total{reason="queue"} 1' in counted
    assert ':tensorflow:serving:request_count{model_name="numbers",status="CANCELLED"} 3' in counted


def test_a_worker_that_is_killed_costs_no_connection(whole):
    """Who asked it is told to come again; the front stays, and the model comes back."""
    (pid,) = whole.engine.pids().values()
    asked = [threading.Thread(target=lambda: told.append(whole.predict("slow", x=[9000]))) for _ in range(3)]
    told = []
    for thread in asked:
        thread.start()
    time.sleep(0.6)
    os.kill(pid, signal.SIGKILL)
    for thread in asked:
        thread.join()
    assert [(each.status_code, each.headers.get("retry-after")) for each in told] == [(503, "1")] * 3
    assert whole.client.get("/healthz").status_code == 200
    until_then = time.monotonic() + 60
    # The engine may see a moment later than the clients that the worker has ended.
    while pid in whole.engine.pids().values() or whole.client.get("/readyz").status_code != 200:
        assert time.monotonic() < until_then
        time.sleep(0.05)
    assert whole.predict(x=[2]).json() == {"outputs": [4]}


def test_a_new_version_takes_over_without_a_failed_request(whole, numbers):
    told, stop = [], threading.Event()

    def ask():
        with httpx.Client(base_url=f"http://127.0.0.1:{whole.port}", timeout=30) as client:
            while not stop.is_set():
                told.append(client.post("/v1/models/numbers:predict", json={"inputs": [1]}))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    numbers.write(version=2, adds=10)
    until_then = time.monotonic() + 60
    while not told or told[-1].json() != {"outputs": [12]}:
        assert time.monotonic() < until_then
        time.sleep(0.02)
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert {each.text for each in told} == {'{"outputs":[2]}', '{"outputs":[12]}'}
    states = whole.client.get("/v1/models/numbers").json()["model_version_status"]
    assert (states[0]["version"], states[0]["state"]) == ("2", "AVAILABLE")
    assert whole.client.get("/v2/models/numbers").json()["versions"] == ["2"]


def test_a_damaged_version_leaves_the_one_before(whole, numbers):
    numbers.write(version=3, fails="The folder is damaged")
    until_then = time.monotonic() + 60
    while True:
        found = whole.client.get("/v1/models/numbers").json()["model_version_status"]
        if found[0]["version"] == "3" and found[0]["state"] == "END":
            break
        assert time.monotonic() < until_then
        time.sleep(0.02)
    assert "The folder is damaged" in found[0]["status"]["error_message"]
    assert found[0]["status"]["error_code"] != "OK" and found[1]["state"] == "AVAILABLE"
    assert whole.predict(x=[2]).json() == {"outputs": [4]}
    told = whole.client.post("/v1/models/numbers/versions/3:predict", json={"inputs": [1]})
    assert told.status_code == 404 and told.json()["error"] == "Servable not found for request: Specific(numbers, 3)"
