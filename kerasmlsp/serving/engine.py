"""What stands behind the front: models found, loaded in workers, kept up to date, and asked.

Importing it imports neither TensorFlow nor Keras.
"""

import asyncio
import contextlib
import logging
from typing import Any

from kerasmlsp.serving import configuring
from kerasmlsp.serving.configuring import EngineSettings, ModelConfig
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.hosting import Hosts, Servable
from kerasmlsp.serving.metrics import Metrics, resident_bytes
from kerasmlsp.serving.versions import Model, cost, not_found, stamp

logger = logging.getLogger(__name__)


class Engine:
    """Finds models, keeps them loaded in workers, and hands out `Servable`s.

    All methods are to be called in the thread of one event loop.

    Args:
        settings: What to serve and how.

    Attributes:
        metrics: What is counted; the front counts its requests there, too.

    Example:
        >>> from kerasmlsp.exporting import loading
        >>> async def main():
        ...     engine = Engine(EngineSettings(models=(loading.shipped(),)))
        ...     await engine.start()
        ...     states = engine.status("sentiment")
        ...     await engine.stop(grace=0)
        ...     return states
        >>> asyncio.run(main())
        [{'version': 1, 'state': 'START', 'error_code': 'OK', 'error_message': ''}]
    """

    def __init__(self, settings: EngineSettings):
        self.settings = settings
        self.metrics = Metrics()
        self.metrics.gauge(self._gauges)
        self._models: dict[str, Model] = {}
        self._configs: dict[str, ModelConfig] = {}
        self._changed = asyncio.Event()
        self._hosts = Hosts(settings, self.metrics, self._changed.set)
        self._read_config_at = 0.0
        self._watching: asyncio.Task | None = None

    async def start(self) -> None:
        """Finds the models and returns; they are loaded in the background, quick ones first.

        Raises:
            OSError: If a folder of models or the configuration file cannot be read.
            ValueError: If the configuration file is wrong, or there is no model at all.
        """
        configs = await asyncio.to_thread(self._read_configs)
        if not configs:
            place = self.settings.config_file or ", ".join(map(str, self.settings.models))
            wanted = "`config` in `model_config_list`" if self.settings.config_file else "folder as MODEL/1"
            raise ValueError(f"There must be one or more models. Received: {place}, which has no {wanted}")
        self._configure(configs)
        await self._find()
        for version in self._versions():
            self._hosts.place(version, version.model if self.settings.isolate else "shared")
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self, grace: float) -> None:
        """Ends the workers once nothing is under way, or after `grace` seconds; what still runs is refused then."""
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._hosts.stop(grace)

    def names(self) -> list[str]:
        """Returns the names of all models that are configured, whether available or not, sorted."""
        return sorted(self._configs)

    def status(self, name: str, version: int | None = None) -> list[dict[str, Any]]:
        """Returns `version`, `state`, `error_code` and `error_message` of each version, the highest first.

        Args:
            name: Name of the model.
            version: Number of the only version to tell of; None for all.

        Raises:
            ServingError: `NOT_FOUND`, "Could not find any versions of model NAME" or "Could not find version V of model
                NAME".
        """
        model = self._models.get(name)
        if model is None:
            raise ServingError("NOT_FOUND", f"Could not find any versions of model {name}")
        return model.status(version)

    def servable(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """Returns what answers requests to a version, by default to the highest that is available.

        Raises:
            ServingError: `NOT_FOUND`, "Servable not found for request: Latest(NAME)" or "Specific(NAME, V)";
                `INVALID_ARGUMENT`, "Unrecognized servable version label: L" or if both version and label are given;
                `UNAVAILABLE` with `retry_after` if it is still being loaded, or again after its worker was lost.
        """
        if version is not None and label is not None:
            both = f"Both model version ({version}) and model version label ({label}) cannot be supplied."
            raise ServingError("INVALID_ARGUMENT", both)
        model = self._models.get(name)
        if model is not None:
            return model.servable(version, label)
        if label is not None:
            raise ServingError("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
        raise not_found(name, version)

    def ready(self) -> dict[str, bool]:
        """Returns by name of each model that is configured whether it has an available version."""
        return {name: self._models[name].is_ready() for name in self.names()}

    def pids(self) -> dict[str, int]:
        """Returns the numbers of the worker processes by what they hold: a model, model:version, or "shared"."""
        return self._hosts.pids()

    def _versions(self):
        return [version for model in self._models.values() for version in model.versions.values()]

    async def _watch(self):
        """Looks for changes at intervals, and does what there is to do then and whenever something has happened."""
        loop = asyncio.get_running_loop()
        look_at = loop.time() + self.settings.poll_seconds
        while True:
            self._changed.clear()
            self._step(loop.time())
            # Not `wait_for`, which may lose a cancellation in Python 3.11.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._changed.wait()
            if loop.time() >= look_at:
                try:
                    await self._look()
                except Exception:  # what is served is served on, and looked after again
                    logger.exception("The folders of the models could not be looked through.")
                look_at = loop.time() + self.settings.poll_seconds

    async def _look(self):
        now = asyncio.get_running_loop().time()
        if not self.settings.config_file or 0 < self.settings.config_poll_seconds <= now - self._read_config_at:
            try:
                self._configure(await asyncio.to_thread(self._read_configs))
            except (OSError, ValueError) as error:
                logger.error("What is served stays as it is: %s", error)
        await self._find()

    def _read_configs(self):
        if self.settings.config_file:
            return configuring.read_models(self.settings.config_file)
        return configuring.find_models(self.settings.models)

    def _configure(self, configs):
        self._read_config_at = asyncio.get_running_loop().time()
        self._configs = configs
        self.metrics.know(*configs)
        for name, config in configs.items():
            if name not in self._models:
                self._models[name] = Model(config, self.settings.kept_versions, self.settings.early_labels)
            self._models[name].config = config

    async def _find(self):
        """Looks which versions there are, and whether files of those that failed have changed."""
        bases = {name: config.base_path for name, config in self._configs.items()}
        found = await asyncio.to_thread(lambda: {name: _find_versions(base) for name, base in bases.items()})
        for name, model in self._models.items():
            # A folder that cannot be read now says nothing about its versions.
            if (folders := found.get(name, {})) is not None:
                model.found(folders)
        fresh = [each for each in self._versions() if each.state == "START"]
        failed = [each for model in self._models.values() for each in model.failures()]
        stamps = await asyncio.to_thread(lambda: [stamp(each.path) for each in (*fresh, *failed)])
        for version, now in zip((*fresh, *failed), stamps, strict=True):
            version.seen(now)
        new = [each for each in fresh if not any(each.cost)]
        costs = await asyncio.to_thread(lambda: [cost(each.path) for each in new])
        for version, found in zip(new, costs, strict=True):
            version.cost = found

    def _step(self, now):
        """Begins what there is to do: unloads, then a load in each worker that loads nothing."""
        for name, model in list(self._models.items()):
            for version in model.settle():
                self.metrics.forget(str(version.path))
            for version in model.to_unload():
                self._hosts.unload(version)
            if name not in self._configs and model.is_over():
                del self._models[name]
        self._hosts.keep(set(self._versions()))
        due = [version for model in self._models.values() for version in model.to_load(now)]
        for version in sorted(due, key=lambda each: (each.cost, each.stamp[1])):
            self._hosts.load(version, now)

    def _gauges(self):
        for version in self._versions():
            labels = {"model": version.model, "version": str(version.number), "state": version.state}
            yield "kerasmlsp_version_info", labels, 1
        for name, model in self._models.items():
            servables = [each.servable for each in model.versions.values() if each.servable]
            yield "kerasmlsp_queue_depth", {"model": name}, sum(each.load.waiting for each in servables)
        for name, pid in self.pids().items():
            yield "kerasmlsp_worker_resident_memory_bytes", {"worker": name}, resident_bytes(pid) or 0


def _find_versions(base):
    try:
        return configuring.find_versions(base)
    except OSError as error:
        logger.error("%s", error)
        return None
