"""Versions in workers: loaded, replaced, and loaded again when a worker has ended."""

import asyncio
import dataclasses
import functools
import itertools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerasmlsp.serving import configuring
from kerasmlsp.serving.configuring import EngineSettings, Limits
from kerasmlsp.serving.errors import ServingError, invalid
from kerasmlsp.serving.metrics import Metrics
from kerasmlsp.serving.pieces import Load, Plan
from kerasmlsp.serving.processes import Process
from kerasmlsp.serving.tensors import Signature
from kerasmlsp.serving.versions import Version

# Seconds until a worker that has ended is started again, doubled each time up to the second; it starts from the first
# again after a worker has lived for the third.
_BACK_OFF, _LONGEST_BACK_OFF, _LONG_LIFE = 0.5, 30.0, 60.0
# One is warmed up, one is read.
_LOADS = 2
logger = logging.getLogger(__name__)


class Servable:
    """One loaded version of a model, to be asked. `Engine.servable` returns it.

    A handle stays good for requests until the version has been idle for a moment after it was replaced.

    Attributes:
        name: Name of the model.
        version: Number of the version.
        signatures: All signatures in the file, by name; `__saved_model_init_op`, too, which cannot be called.
        card: The model card; empty if there is none.

    Example:
        >>> Servable("a", 1, None, {"signatures": {}, "card": {"title": "A"}}, Limits(), 1).card["title"]
        'A'
    """

    def __init__(self, name: str, version: int, batcher: Any, answer: Mapping, limits: Limits, number: int):
        self.name, self.version, self.card = name, version, answer["card"]
        self.signatures = {key: Signature.from_json(each) for key, each in answer["signatures"].items()}
        self.number, self.load = number, Load()
        self._batcher, self._used = batcher, 0.0
        self._plans = {
            key: Plan(name, number, key, each, limits, self.load)
            for key, each in self.signatures.items()
            if not key.startswith("__")
        }

    async def predict(
        self, signature_name: str, inputs: dict[str, np.ndarray], timeout: float
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of one request. Cancelling the task that awaits it withdraws the request.

        Args:
            signature_name: Name of the signature.
            inputs: Array by input, of the types in `tensors.NUMPY`; strings are object arrays of bytes. An input that
                has a default may be left out.
            timeout: Seconds that the answer may take.

        Returns:
            Array by output; those of numbers may be read-only.

        Raises:
            ServingError: `INVALID_ARGUMENT` if there is no such signature, inputs do not fit it or the model refuses
                them; `UNAVAILABLE` if too many requests wait, or the worker is or gets lost, both with `retry_after`;
                `DEADLINE_EXCEEDED` if it takes too long; another code if the model answers with one.
        """
        plan = self._plans.get(signature_name)
        if plan is None:
            message = f'Serving signature name: "{signature_name}" not found in signature def'
            raise ServingError("INVALID_ARGUMENT", message)
        self.load.pending += 1
        try:
            return await self._batcher.run(plan, inputs, timeout)
        finally:
            self.load.pending -= 1
            self._used = asyncio.get_running_loop().time()

    async def idle(self, linger: float) -> None:
        """Waits until no request is under way, and none has been for `linger` seconds."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        while self.load.pending or loop.time() - max(self._used, since) < linger:
            await asyncio.sleep(0.02)


class _Host:
    """A worker and the versions that it holds, across restarts."""

    def __init__(self, name: str):
        self.name = name
        self.process: Process | None = None
        self.versions: set[Version] = set()
        self.loading = 0
        self.deaths = 0
        self.started = self.not_before = 0.0

    def takes_loads(self):
        """Whether it may load one more: not while it starts, nor when it has ended and nobody has seen to it yet."""
        if self.process is None:
            return not self.loading
        return self.loading < _LOADS and not self.process.is_gone()


class Hosts:
    """The workers, and which version is in which.

    Args:
        settings: How many threads a worker has, how often a load is tried again, and so on.
        metrics: Where loads, batches and restarts are counted.
        changed: Called when there may be something to do: a load has ended, a worker has ended, a time has come.

    Example:
        >>> from pathlib import Path
        >>> hosts = Hosts(EngineSettings(models=(Path("saved_models"),)), Metrics(), print)
        >>> version = Version("sentiment", 1, Path("saved_models/sentiment/1"))
        >>> hosts.place(version, "shared")
        >>> hosts.pids()
        {}
    """

    def __init__(self, settings: EngineSettings, metrics: Metrics, changed: Callable[[], None]):
        self._settings, self._metrics, self._changed = settings, metrics, changed
        self._hosts: dict[str, _Host] = {}
        self._host_of: dict[Version, _Host] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task] = set()
        # Those that have not ended.
        self._processes: set[Process] = set()
        self._is_up = False

    def place(self, version: Version, name: str) -> None:
        """Has a version loaded into the worker of this name. Others get a worker of their own, "model:version"."""
        self._host_of[version] = self._hosts.setdefault(name, _Host(name))

    def keep(self, versions: set[Version]) -> None:
        """Forgets all versions but these."""
        self._host_of = {version: host for version, host in self._host_of.items() if version in versions}

    def pids(self) -> dict[str, int]:
        """Returns the numbers of the processes by the names of the workers."""
        running = {name: host.process.pid for name, host in self._hosts.items() if host.process}
        return {name: pid for name, pid in running.items() if pid}

    def load(self, version: Version, now: float) -> None:
        """Begins to load a version, unless its worker has enough to load or waits to be started again."""
        if version not in self._host_of:
            self.place(version, f"{version.model}:{version.number}")
        host = self._host_of[version]
        if host.takes_loads() and now >= host.not_before:
            host.loading += 1
            version.move("LOADING")
            self._do(self._load(host, version))

    def unload(self, version: Version) -> None:
        """Begins to unload a version, which goes when nobody has asked it for a moment."""
        version.move("UNLOADING")
        self._do(self._unload(version))

    async def stop(self, grace: float) -> None:
        """Ends all workers once no request is under way, or after `grace` seconds."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        loop = asyncio.get_running_loop()
        end = loop.time() + grace
        servables = [version.servable for version in self._host_of if version.servable]
        while any(each.load.pending for each in servables) and loop.time() < end:
            await asyncio.sleep(0.02)
        await asyncio.gather(*(process.end(grace=1.0) for process in self._processes))

    def _do(self, coroutine):
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _load(self, host, version):
        try:
            if host.process is None:
                await self._start(host)
            limits = await asyncio.to_thread(self._limits, version.path)
            number = next(self._numbers)
            answer = await host.process.load(number, version.path, gently=self._serves())
        except Exception as error:  # whatever it is, it must not stop the others
            self._failed(host, version, error)
        else:
            if answer["sizes"] and not limits.sizes:
                sizes = tuple(answer["sizes"])
                limits = dataclasses.replace(limits, sizes=sizes, piece=sizes[-1])
            version.servable = Servable(version.model, version.number, host.process.batcher, answer, limits, number)
            version.failures = 0
            version.move("AVAILABLE")
            host.versions.add(version)
            self._metrics.loaded(str(version.path), "success", answer["seconds"], answer["records"])
            logger.info("Version %d of model %s is available.", version.number, version.model)
        finally:
            self._is_up |= all(each.state not in ("START", "LOADING") for each in self._host_of)
            host.loading -= 1
            await self._end_if_empty(host)
            self._changed()

    async def _start(self, host):
        host.process = Process(self._settings.threads, self._metrics, functools.partial(self._lost, host))
        host.started = asyncio.get_running_loop().time()
        self._processes.add(host.process)
        await host.process.start(self._settings.command, gently=self._serves())
        self._changed()

    def _serves(self):
        """Whether requests are to be expected: not before all versions have been loaded for the first time."""
        return self._is_up and any(each.servable for each in self._host_of)

    def _limits(self, path):
        file = path / "batching_params.pbtxt"
        if not self._settings.limits_by_version or not file.is_file():
            return self._settings.limits
        try:
            return configuring.read_limits(file, self._settings.limits)
        except ValueError as error:
            raise invalid(str(error)) from error

    def _failed(self, host, version, error):
        loop = asyncio.get_running_loop()
        code = error.code if isinstance(error, ServingError) else "INTERNAL"
        wait = self._settings.retry_seconds
        if host.process is None or host.process.is_gone():
            # It may have been this version: it is tried again by itself, so as not to take others with it.
            self._host_of.pop(version, None)
            wait = min(wait, _back_off(version.failures + 1))
        version.failed(code, str(error), loop.time() + wait if version.failures < self._settings.load_retries else None)
        self._metrics.loaded(str(version.path), "fail")
        logger.error("Version %d of model %s cannot be loaded: %s", version.number, version.model, error)
        if version.retry_at is not None:
            loop.call_at(version.retry_at, self._changed)

    async def _unload(self, version):
        await version.servable.idle(self._settings.linger_seconds)
        host = self._host_of.pop(version)
        number, version.servable = version.servable.number, None
        host.versions.discard(version)
        version.move("END")
        if host.process and (host.versions or host.loading):
            host.process.unload(number)
        await self._end_if_empty(host)
        logger.info("Version %d of model %s is unloaded.", version.number, version.model)
        self._changed()

    async def _end_if_empty(self, host):
        """Ends a worker without versions: the system has all its memory back."""
        if host.process and not host.versions and not host.loading:
            process, host.process = host.process, None
            if host not in self._host_of.values():
                self._hosts.pop(host.name, None)
            await process.end(grace=1.0)
            self._processes.discard(process)

    def _lost(self, host, process, how):
        """Has the versions of a worker that has ended loaded again, after a while that grows."""
        self._processes.discard(process)
        self._metrics.restarted()
        if host.process is not process:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        host.process = None
        host.deaths = 1 if now - host.started > _LONG_LIFE else host.deaths + 1
        host.not_before = now + _back_off(host.deaths)
        message = f"The worker process has ended {how}"
        logger.error("%s. What it held is loaded again: %s", message, sorted(each.model for each in host.versions))
        for version in host.versions:
            if version.state == "AVAILABLE":
                version.servable = None
                version.move("START", "UNAVAILABLE", message)
        host.versions.clear()
        loop.call_at(host.not_before, self._changed)
        self._changed()


def _back_off(times):
    return min(_LONGEST_BACK_OFF, _BACK_OFF * 2 ** (times - 1))
