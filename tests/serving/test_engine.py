"""The engine with real worker processes whose models are NumPy functions: they start at once, and die as told."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from engines import environment, is_running, run, until, x

from kerasmlsp.serving import versions
from kerasmlsp.serving.configuring import Limits
from kerasmlsp.serving.engine import Engine, EngineSettings
from kerasmlsp.serving.errors import ServingError


async def ask(engine, *values, name="numbers", signature="serving_default", version=None, timeout=20.0):
    outputs = await engine.servable(name, version).predict(signature, x(*values), timeout)
    return next(iter(outputs.values())).tolist()


async def refusal(awaitable):
    with pytest.raises(ServingError) as error:
        await awaitable
    return error.value.code, str(error.value)


def states(engine, name="numbers"):
    return {each["version"]: each["state"] for each in engine.status(name)}


def refused(function, *arguments, **named):
    with pytest.raises(ServingError) as error:
        function(*arguments, **named)
    return error.value.status, str(error.value)


def count(engine, metric):
    """The value of a line of the metrics."""
    found = re.search(rf"^{re.escape(metric)} (\S+)$", engine.metrics.text(), re.MULTILINE)
    return float(found[1]) if found else 0


def test_the_front_does_not_import_tensorflow():
    code = "import sys, kerasmlsp.serving.engine as e; print([n for n in ('tensorflow', 'keras') if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert found.stdout == "[]\n"


def test_many_clients_have_each_their_answer(numbers):
    numbers.write(adds=1)
    generator = np.random.default_rng(0)
    sizes = [1, 1, 1, 2, 5, 40, 100, 0]

    async def test(engine):
        async def client():
            for _ in range(10):
                values = generator.integers(0, 1000, generator.choice(sizes)).tolist()
                assert await ask(engine, *values) == [2 * each + 1 for each in values]

        async def bad():
            for number in range(10):
                wanted = ("INVALID_ARGUMENT", f"row 1: `x` must not be negative. Received: {-1 - number}")
                assert await refusal(ask(engine, 3, -1 - number)) == wanted

        await asyncio.gather(*(client() for _ in range(30)), bad(), bad())
        size = engine.metrics.text()
        batches, rows = (
            float(re.search(rf'kerasmlsp_batch_size_{what}{{model="numbers"}} (\S+)', size)[1])
            for what in ("count", "sum")
        )
        assert rows > 3 * batches
        assert count(engine, 'kerasmlsp_version_info{model="numbers",version="1",state="AVAILABLE"}') == 1
        assert count(engine, 'kerasmlsp_queue_depth{model="numbers"}') == 0
        assert count(engine, 'kerasmlsp_worker_resident_memory_bytes{worker="shared"}') > 1e6

    run(numbers.settings(), test)


def test_it_answers_before_anything_is_loaded_and_loads_small_models_first(numbers):
    (numbers.write("large", seconds=4.0) / "weights").write_bytes(b"0" * 1000)
    numbers.write("small")

    async def main():
        engine = Engine(numbers.settings())
        begun = time.monotonic()
        await engine.start()
        assert time.monotonic() - begun < 3
        try:
            assert engine.names() == ["large", "small"] and engine.ready() == {"large": False, "small": False}
            assert states(engine, "small") == {1: "START"}
            assert refused(engine.servable, "small") == (503, "Model small is being loaded, ask again later")
            await until(lambda: engine.ready()["small"])
            assert states(engine, "large") in ({1: "START"}, {1: "LOADING"})
            # Loading does not stop others.
            while not engine.ready()["large"]:
                assert await ask(engine, 1, name="small", timeout=3.0) == [2]
        finally:
            await engine.stop(grace=0)

    asyncio.run(main())


def graph(folder, operations, compiled=False):
    """Bytes that have as many operations as a graph."""
    attribute = versions._COMPILED if compiled else b""
    (folder / "saved_model.pb").write_bytes(versions._OPERATION * operations + attribute)


def test_what_is_compiled_is_loaded_last_and_large_weights_do_not_count(numbers):
    graph(numbers.write("compiled"), 3, compiled=True)
    graph(numbers.write("long"), 2000)
    graph(folder := numbers.write("short"), 20)
    (folder / "weights").write_bytes(b"0" * 1_000_000)
    order = []

    async def main():
        engine = Engine(numbers.settings())
        engine._hosts.load = lambda version, now: order.append(version.model)
        await engine.start()
        await until(lambda: len(order) >= 3)
        await engine.stop(grace=0)

    asyncio.run(main())
    assert order[:3] == ["short", "long", "compiled"]


def test_a_worker_that_is_killed_in_a_batch(numbers):
    for name in ("numbers", "other"):
        numbers.write(name)

    async def test(engine):
        pids, handle = engine.pids(), engine.servable("numbers")
        running = [asyncio.ensure_future(ask(engine, 20_000, signature="slow")) for _ in range(3)]
        await until((numbers.path / "numbers" / "running").exists)
        os.kill(pids["numbers"], signal.SIGKILL)
        gone = ("UNAVAILABLE", "The worker process has ended and is started again")
        assert [await refusal(each) for each in running] == [gone] * 3
        assert await refusal(handle.predict("serving_default", x(1), 1.0)) == gone
        await until(lambda: engine.status("numbers")[0]["error_code"] == "UNAVAILABLE")
        assert engine.status("numbers")[0]["error_message"] == "The worker process has ended by signal SIGKILL"
        assert engine.ready() == {"numbers": False, "other": True}
        assert refused(engine.servable, "numbers")[0] == 503
        # The others go on.
        assert await ask(engine, 2, name="other") == [4]
        await until(lambda: engine.ready()["numbers"])
        assert engine.status("numbers")[0]["error_code"] == "OK"
        assert await ask(engine, 2) == [4]
        assert engine.pids()["other"] == pids["other"] and engine.pids()["numbers"] != pids["numbers"]
        assert not is_running(pids["numbers"])
        assert count(engine, "kerasmlsp_worker_restarts_total") == 1

    run(numbers.settings(isolate=True), test)


def test_a_worker_that_dies_again_and_again_is_started_less_and_less_often(numbers):
    numbers.write()

    async def test(engine):
        waits = []
        for _ in range(3):
            begun = time.monotonic()
            os.kill(engine.pids()["shared"], signal.SIGKILL)
            await until(lambda: not engine.pids())
            await until(engine.pids)
            waits.append(time.monotonic() - begun)
            await until(lambda: engine.ready()["numbers"])
        assert all(wait > least for wait, least in zip(waits, (0.5, 1.0, 2.0), strict=True))
        assert await ask(engine, 1) == [2]

    run(numbers.settings(), test)


def test_a_version_that_kills_its_worker_does_not_take_the_others_with_it_for_long(numbers):
    numbers.write("good")
    (numbers.write("poison", dies=True) / "weights").write_bytes(b"0" * 1000)

    async def main():
        engine = Engine(numbers.settings(load_retries=1))
        await engine.start()
        try:
            await until(lambda: engine.status("poison")[0]["error_code"] == "UNAVAILABLE")
            await until(lambda: count(engine, "kerasmlsp_worker_restarts_total") and engine.ready()["good"])
            # Together as before, or alone if it was being loaded itself.
            pids = {name: pid for name, pid in engine.pids().items() if "poison" not in name}
            await until(lambda: count(engine, _attempts(numbers, "poison", "fail")) == 2)
            assert len(pids) == 1 and engine.pids() == pids and await ask(engine, 1, name="good") == [2]
            numbers.write("poison")
            await until(lambda: engine.ready()["poison"])
        finally:
            await engine.stop(grace=0)

    asyncio.run(main())


def _attempts(numbers, name, status, version=1):
    path = numbers.path / name / str(version)
    return f':tensorflow:cc:saved_model:load_attempt_count{{model_path="{path}",status="{status}"}}'


def test_a_new_version_is_available_before_the_old_one_goes(numbers):
    numbers.write(version=1, adds=1)

    async def test(engine):
        old, pids = engine.servable("numbers"), engine.pids()
        running = asyncio.ensure_future(ask(engine, 400, signature="slow"))
        numbers.write(version=2, adds=2, seconds=0.2)
        answers = set()
        while 2 not in engine.status("numbers")[0].values() or states(engine)[2] != "AVAILABLE":
            answers.add((await ask(engine, 0))[0])
            await asyncio.sleep(0.01)
        assert answers == {1} and await ask(engine, 0) == [2]
        assert states(engine) in ({2: "AVAILABLE", 1: "AVAILABLE"}, {2: "AVAILABLE", 1: "UNLOADING"})
        # Handles of the old one are good as long as they are used, and requests end.
        for _ in range(5):
            await asyncio.sleep(0.01)
            assert (await old.predict("serving_default", x(0), 1.0))["y"] == [1]
        assert await running == [400]
        await until(lambda: states(engine) == {2: "AVAILABLE", 1: "END"})
        assert refused(engine.servable, "numbers", 1) == (404, "Servable not found for request: Specific(numbers, 1)")
        # In a process of its own; the old one gave its memory back.
        await until(lambda: not is_running(pids["shared"]))
        assert list(engine.pids()) == ["numbers:2"]
        assert (await refusal(old.predict("serving_default", x(0), 1.0)))[0] == "UNAVAILABLE"

    run(numbers.settings(), test)


@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux has the niceness of a thread.")
def test_what_is_loaded_beside_what_is_served_takes_no_more_than_is_left(numbers):
    names = [f"other_{number}" for number in range(4)]
    for name in ("numbers", *names):
        numbers.write(name)

    async def test(engine):
        before = os.getpriority(os.PRIO_PROCESS, 0)
        # Nobody is to ask before all are loaded: none of them waits for what is left of a busy machine.
        for name in ("numbers", *names):
            [first] = await ask(engine, 1, name=name, signature="niceness")
            assert first == [before] * 3
        numbers.write(version=2)
        await until(lambda: states(engine) == {2: "AVAILABLE", 1: "END"})
        [second] = await ask(engine, 1, signature="niceness")
        assert second[0] == second[1] > before and second[2] == before

    run(numbers.settings(), test)


def test_a_version_of_a_shared_worker_goes_alone(numbers):
    numbers.write("numbers")
    numbers.write("other")

    async def test(engine):
        pid = engine.pids()["shared"]
        numbers.write("numbers", 2, adds=5)
        await until(lambda: states(engine) == {2: "AVAILABLE", 1: "END"})
        assert set(engine.pids()) == {"shared", "numbers:2"} and engine.pids()["shared"] == pid
        assert await ask(engine, 1, name="other") == [2] and await ask(engine, 1) == [7]
        shutil.rmtree(numbers.path / "numbers" / "2")
        await until(lambda: states(engine) == {2: "END", 1: "AVAILABLE"})
        assert await ask(engine, 1) == [2]

    run(numbers.settings(), test)


def test_a_load_that_fails_leaves_the_old_version_and_is_tried_again(numbers):
    numbers.write(version=1)

    async def test(engine):
        numbers.write(version=2, fails="The graph is damaged.")
        await until(lambda: count(engine, _attempts(numbers, "numbers", "fail", 2)) == 3)
        await asyncio.sleep(0.1)
        assert count(engine, _attempts(numbers, "numbers", "fail", 2)) == 3
        assert engine.status("numbers")[0] == {
            "version": 2,
            "state": "END",
            "error_code": "INVALID_ARGUMENT",
            "error_message": "The graph is damaged.",
        }
        assert engine.servable("numbers").version == 1 and await ask(engine, 1) == [2]
        await until(lambda: list(engine.pids()) == ["shared"])
        # As soon as the files change, whatever the tries.
        numbers.write(version=2, adds=3)
        await until(lambda: states(engine) == {2: "AVAILABLE", 1: "END"})
        assert await ask(engine, 1) == [5]

    run(numbers.settings(load_retries=2, retry_seconds=0.05), test)


def test_a_folder_that_vanishes_while_it_is_loaded(numbers):
    numbers.write(version=1)

    async def test(engine):
        numbers.write(version=2, seconds=0.3)
        await until(lambda: states(engine) == {2: "LOADING", 1: "AVAILABLE"})
        shutil.rmtree(numbers.path / "numbers" / "2")
        await until(lambda: states(engine).get(2) == "END" and states(engine)[1] == "AVAILABLE")
        assert await ask(engine, 1) == [2]
        # And one that is gone before its files are read.
        numbers.write(version=3, seconds=0.3)
        (numbers.path / "numbers" / "3" / "model.json").unlink()
        await until(lambda: states(engine).get(3) == "END")
        assert engine.status("numbers")[0]["error_code"] == "NOT_FOUND"
        assert await ask(engine, 1) == [2]

    run(numbers.settings(), test)


def test_models_come_and_go_with_their_folders(numbers):
    numbers.write("numbers")

    async def test(engine):
        numbers.write("late", adds=1)
        await until(lambda: engine.ready().get("late"))
        assert await ask(engine, 1, name="late") == [3]
        shutil.rmtree(numbers.path / "late")
        await until(lambda: engine.names() == ["numbers"] and "late:1" not in engine.pids())
        await until(lambda: "late" not in engine._models)
        assert refused(engine.status, "late") == (404, "Could not find any versions of model late")
        # A folder that cannot be looked into for a while says nothing.
        hidden = numbers.path.rename(numbers.path.with_name("away"))
        await asyncio.sleep(0.1)
        assert engine.ready() == {"numbers": True} and await ask(engine, 1) == [2]
        hidden.rename(numbers.path)
        await asyncio.sleep(0.1)
        assert await ask(engine, 1) == [2]

    run(numbers.settings(), test)


def config(numbers, text):
    file = numbers.path.parent / "models.config"
    hidden = file.with_suffix(".new")
    hidden.write_text(f'model_config_list {{ config {{ name: "numbers" base_path: "models/numbers" {text} }} }}')
    return hidden.rename(file)


def test_a_configuration_file_is_read_again(numbers):
    for version in (1, 2, 3):
        numbers.write(version=version, adds=version)
    file = config(numbers, "model_version_policy { specific { versions: 1 } } version_labels { key: 'old' value: 1 }")

    async def test(engine):
        def labelled(label):
            return engine.servable("numbers", label=label).version

        assert states(engine) == {1: "AVAILABLE"} and labelled("old") == 1
        assert refused(engine.servable, "numbers", label="new") == (400, "Unrecognized servable version label: new")
        assert refused(engine.servable, "none", label="new") == (400, "Unrecognized servable version label: new")
        both = "Both model version (1) and model version label (old) cannot be supplied."
        assert refused(engine.servable, "numbers", 1, "old") == (400, both)
        config(
            numbers,
            "model_version_policy { specific { versions: 1 versions: 2 } }"
            "version_labels { key: 'old' value: 1 } version_labels { key: 'new' value: 2 }",
        )
        await until(lambda: states(engine) == {2: "AVAILABLE", 1: "AVAILABLE"})
        assert (
            labelled("new") == 2
            and labelled("old") == 1
            and await ask(engine, 0) == [2]
            and await ask(engine, 0, version=1) == [1]
        )
        # What is wrong, or not written yet, changes nothing.
        for text in ("", "model_config_list {"):
            file.write_text(text)
            await asyncio.sleep(0.1)
            assert states(engine) == {2: "AVAILABLE", 1: "AVAILABLE"}
        config(numbers, "model_version_policy { all {} }")
        await until(lambda: states(engine) == {3: "AVAILABLE", 2: "AVAILABLE", 1: "AVAILABLE"})
        file.write_text("model_config_list {}")
        await until(lambda: engine.names() == [] and not engine.pids())

    run(numbers.settings(config_file=file, config_poll_seconds=0.02), test)


def test_deadlines_withdrawals_and_a_full_queue(numbers):
    folder = numbers.write()

    async def test(engine):
        servable = engine.servable("numbers")

        def sent(*texts):
            return servable.predict("lengths", {"text": np.array(texts, object)}, 20.0)

        busy = [asyncio.ensure_future(ask(engine, 1500, signature="slow"))]
        await until((folder.parent / "running").exists)
        late = asyncio.ensure_future(ask(engine, 1, timeout=0.05))
        gone = asyncio.ensure_future(sent(b"gone"))
        await asyncio.sleep(0.01)
        gone.cancel()
        assert await refusal(late) == ("DEADLINE_EXCEEDED", "The answer took longer than 0.05 s")
        stays = [asyncio.ensure_future(sent(b"a" * length)) for length in (7, 5)]
        full = ("UNAVAILABLE", "The queue of model numbers is full, ask again later")
        await asyncio.sleep(0.01)
        assert await refusal(sent(b"too many")) == full
        assert [(await each)["length"].item() for each in stays] == [7, 5]
        assert await busy[0] == [1500]
        assert (folder.parent / "calls").read_text() == "[7, 5]\n"

    run(numbers.settings(threads=1, limits=Limits(queue=2)), test)


def test_slow_runs_do_not_hold_up_quick_ones(numbers):
    numbers.write()

    async def test(engine):
        await ask(engine, 250, signature="slow")
        running = [asyncio.ensure_future(ask(engine, 2000, signature="slow")) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert await ask(engine, 4, timeout=1.8) == [8]
        assert await asyncio.gather(*running) == [[2000]] * 2

    run(numbers.settings(threads=1), test)


def test_limits_of_a_version_and_of_what_xla_compiles(numbers):
    folder = numbers.write(version=1)
    (folder / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    numbers.write("compiled", sizes=[2, 4])

    async def rows(engine, name, count):
        texts = {"text": np.array([b"a"] * count, object)}
        await engine.servable(name).predict("lengths", texts, 20.0)
        calls = (numbers.path / name / "calls").read_text().splitlines()
        return sorted(len(line.split()) for line in calls)

    async def test(engine):
        assert await rows(engine, "numbers", 4) == [2, 2]
        assert await rows(engine, "compiled", 7) == [4, 4]
        (numbers.write(version=2) / "batching_params.pbtxt").write_text("max_batch_size { value: 0 }")
        await until(lambda: states(engine).get(2) == "END" and engine.status("numbers")[0]["error_message"])
        assert engine.status("numbers")[0]["error_code"] == "INVALID_ARGUMENT"
        assert "`max_batch_size` must be 1 or more" in engine.status("numbers")[0]["error_message"]

    run(numbers.settings(limits_by_version=True), test)


def test_stopping_waits_for_what_is_under_way_and_ends_the_workers(numbers):
    numbers.write()

    async def main(grace, seconds):
        engine = Engine(numbers.settings())
        await engine.start()
        await until(lambda: engine.ready()["numbers"])
        (pid,) = engine.pids().values()
        request = asyncio.ensure_future(ask(engine, int(1000 * seconds), signature="slow"))
        await asyncio.sleep(0.05)
        begun = time.monotonic()
        await engine.stop(grace)
        assert not is_running(pid)
        return request, time.monotonic() - begun

    async def waits():
        request, took = await main(grace=10, seconds=0.3)
        assert await request == [300] and took < 15

    async def does_not_wait():
        request, took = await main(grace=0.1, seconds=20)
        assert await refusal(request) == ("UNAVAILABLE", "The server is stopping") and took < 15

    asyncio.run(waits())
    asyncio.run(does_not_wait())


PARENT = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from engines import Models, until
from kerasmlsp.serving.engine import Engine
from pathlib import Path

async def main():
    engine = Engine(Models(Path(sys.argv[2])).settings())
    await engine.start()
    await until(lambda: all(engine.ready().values()))
    running = asyncio.ensure_future(engine.servable("numbers").predict("slow", X, 100.0))
    print(*engine.pids().values(), flush=True)
    await running

import numpy
X = {"x": numpy.array([60_000], "int32")}
asyncio.run(main())
"""


def test_a_front_that_is_killed_leaves_no_worker_behind(numbers):
    folder = numbers.write()
    here = os.path.dirname(__file__)
    command = [sys.executable, "-c", PARENT, here, str(numbers.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as front:
        worker = int(front.stdout.readline())
        asyncio.run(until((folder.parent / "running").exists))
        assert is_running(worker)
        front.kill()
    asyncio.run(until(lambda: not is_running(worker), seconds=30))


def test_a_worker_minds_no_signal_to_the_whole_group(numbers):
    numbers.write()

    async def test(engine):
        pid = engine.pids()["shared"]
        for each in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, each)
        await asyncio.sleep(0.1)
        assert await ask(engine, 1) == [2] and engine.pids() == {"shared": pid}

    run(numbers.settings(), test)


def test_unknown_names(numbers):
    numbers.write()

    async def test(engine):
        assert refused(engine.servable, "none") == (404, "Servable not found for request: Latest(none)")
        assert refused(engine.servable, "none", 3) == (404, "Servable not found for request: Specific(none, 3)")
        assert refused(engine.servable, "numbers", 3) == (404, "Servable not found for request: Specific(numbers, 3)")
        assert refused(engine.status, "none") == (404, "Could not find any versions of model none")
        assert refused(engine.status, "numbers", 3) == (404, "Could not find version 3 of model numbers")
        unknown = 'Serving signature name: "none" not found in signature def'
        assert await refusal(ask(engine, 1, signature="none")) == ("INVALID_ARGUMENT", unknown)

    run(numbers.settings(), test)


def test_what_cannot_be_served_is_said_at_the_start(numbers, tmp_path):
    def start(settings):
        asyncio.run(Engine(settings).start())

    with pytest.raises(ValueError, match=r"There must be one or more models. Received: .*models, which has no folder"):
        start(numbers.settings())
    with pytest.raises(FileNotFoundError):
        start(numbers.settings(config_file=tmp_path / "none.config"))
    with pytest.raises(ValueError, match=r"One of `models` and `config_file` must be given. Received: neither"):
        EngineSettings()
    with pytest.raises(ValueError, match=r"`threads` must be 1 or more. Received: 0"):
        numbers.settings(threads=0)


def test_a_program_that_is_not_there_fails_the_load(numbers):
    numbers.write()

    async def main():
        engine = Engine(numbers.settings(command=("no-such-program",)))
        await engine.start()
        try:
            await until(lambda: states(engine) == {1: "END"})
            assert "no-such-program" in engine.status("numbers")[0]["error_message"]
        finally:
            await engine.stop(grace=0)

    asyncio.run(main())
