"""Models on Ray Serve: the replica as an ASGI application, and on Ray itself where it is installed."""

import asyncio
import dataclasses
import json
import shutil
import sys
from pathlib import Path

import pytest

from kerasmlsp import exporting
from kerasmlsp.serving import Client, on_ray

NUMPY_WORKER = (sys.executable, str(Path(__file__).with_name("numpy_worker.py")))


@pytest.fixture
def models(tmp_path):
    """A folder whose name has to be quoted, with a model of `numpy_worker.py`."""
    folder = tmp_path / 'mo"dels/numbers/1'
    folder.mkdir(parents=True)
    (folder / "model.json").write_text("{}")
    return tmp_path / 'mo"dels'


def replica_of(models):
    replica = on_ray.Replica(models, "numbers", threads=1, timeout=30)
    replica._engine_settings = dataclasses.replace(replica._engine_settings, command=NUMPY_WORKER)
    return replica


async def asked(replica, method, path, body=b"", prefix="/numbers"):
    """Status and JSON of a request as Ray hands it on."""
    sent = []
    scope = {
        "type": "http",
        "method": method,
        "root_path": prefix,
        "raw_path": (prefix + path).encode(),
        "path": prefix + path,
        "query_string": b"",
        "headers": [],
    }

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    await replica(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(each.get("body", b"") for each in sent[1:]))


def test_a_replica_loads_its_model_answers_below_its_route_and_ends(models):
    async def live():
        replica, told, messages = replica_of(models), asyncio.Queue(), asyncio.Queue()
        lifespan = asyncio.create_task(replica({"type": "lifespan"}, messages.get, told.put))
        await messages.put({"type": "lifespan.startup"})
        assert (await asyncio.wait_for(told.get(), 120))["type"] == "lifespan.startup.complete"
        assert await asked(replica, "GET", "/v1/models") == (200, {"models": ["numbers"]})
        answer = await asked(replica, "POST", "/v1/models/numbers:predict", b'{"inputs": [1, 2]}')
        assert answer == (200, {"outputs": [2, 4]})
        assert (await asked(replica, "GET", "/v1/models/a%2Fb"))[1]["error"].endswith("model a/b")
        assert (await asked(replica, "GET", "/readyz", prefix=""))[0] == 200
        await messages.put({"type": "lifespan.shutdown"})
        assert (await asyncio.wait_for(told.get(), 60))["type"] == "lifespan.shutdown.complete"
        await lifespan
        assert not replica._config.exists()

    asyncio.run(live())


def test_the_folder_of_a_node_may_be_in_its_environment(models, monkeypatch):
    monkeypatch.setenv("PLACE_OF_MODELS", str(models.parent))
    monkeypatch.setenv("HOME", str(models.parent))
    for place in ("$PLACE_OF_MODELS", "${PLACE_OF_MODELS}", "~"):
        assert replica_of(Path(place, models.name))._config.read_text().count("numbers") == 2
    with pytest.raises(ValueError, match=r"Received: \$NO_SUCH_PLACE"):
        replica_of(Path("$NO_SUCH_PLACE"))


def test_what_is_wrong_is_said_when_the_replica_starts(models):
    with pytest.raises(ValueError, match=r"`models` must hold none as none/1 on this node"):
        on_ray.Replica(models, "none", threads=1, timeout=30)
    with pytest.raises(ValueError, match=r"`arguments` must be model, models, threads and timeout\. Received: \['mo"):
        on_ray.build({"model": "numbers"})
    (models / "numbers/1/model.json").write_text('{"fails": "The file is damaged."}')

    async def failing():
        replica, told, messages = replica_of(models), asyncio.Queue(), asyncio.Queue()
        await messages.put({"type": "lifespan.startup"})
        await replica({"type": "lifespan"}, messages.get, told.put)
        return await told.get()

    said = asyncio.run(failing())
    assert said["type"] == "lifespan.startup.failed" and "The file is damaged." in said["message"]


@pytest.mark.slow
def test_serve_run_on_this_machine(tmp_path):
    pytest.importorskip("ray.serve", reason="needs the extra `ray`")
    shutil.copytree(exporting.find("lenet_features").parent, tmp_path / "lenet_features")
    import ray
    from ray import serve

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": 8765})
        application = on_ray.build({"model": "lenet_features", "models": str(tmp_path)})
        serve.run(application, name="lenet", route_prefix="/numbers")
        with Client("http://127.0.0.1:8765/lenet") as client:
            answer = client.predict("lenet_features", image=[[[[0]] * 28] * 28] * 2)
            assert answer["probabilities"].shape == (2, 10) and client.ready()
    finally:
        serve.shutdown()
        ray.shutdown()
