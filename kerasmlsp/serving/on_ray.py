"""Saved models on Ray Serve: each an application of its own, scaled by itself, with the same interfaces.

`kerasmlsp deploy ray` writes a configuration that imports `build` from here. A model is reached below the route of its
application: `http://HOST:8000/sentiment/v1/models/sentiment:predict`. Each replica is the front and one worker of
`kerasmlsp serve`, so that requests share batches there as they do in that server.
"""

import asyncio
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasmlsp.extras import required
from kerasmlsp.serving.engine import Engine, EngineSettings
from kerasmlsp.serving.front import FrontSettings
from kerasmlsp.serving.front import build as build_front

# Seconds that a replica takes to load a model at most, and that its last requests may take.
_LOADING, _GRACE = 600.0, 30.0


def build(arguments: Mapping[str, Any]) -> Any:
    """Returns the application of a model, for `import_path: kerasmlsp.serving.on_ray:build` in Ray Serve's
    configuration.

    Args:
        arguments: `model`, its name; `models`, the folder that holds it on every node, in which `~` and `$NAME` are
            the node's own; optionally `threads` of a replica (1) and the `timeout` of a request in seconds (30). The
            deployment is called like the model.

    Returns:
        A `ray.serve.Application`.

    Raises:
        ModuleNotFoundError: Ray, the extra `ray`, is not installed.
        ValueError: An argument is missing or unknown, or there is no such model.

    Example:
        >>> # Not tested here, since it needs the extra `ray`.
        >>> build({"model": "sentiment", "models": "/models"})  # doctest: +SKIP
    """
    chosen = {"threads": 1, "timeout": 30.0, **arguments}
    if chosen.keys() != {"model", "models", "threads", "timeout"}:
        raise ValueError(f"`arguments` must be model, models, threads and timeout. Received: {sorted(arguments)}")
    serve = required("ray.serve")

    def application():
        return Replica(Path(chosen["models"]), chosen["model"], int(chosen["threads"]), float(chosen["timeout"]))

    class Model:
        """The deployment; requests go to the ASGI application."""

    return serve.deployment(name=chosen["model"])(serve.ingress(application)(Model)).bind()


class Replica:
    """The ASGI application of a replica: starts when Ray starts it, and answers once its model is loaded.

    Args:
        models: Folder that holds the model, as `models/sentiment/1`; `~` and variables, as `$HOME`, are read.
        model: Name of the model.
        threads: Batches that are answered at a time.
        timeout: Seconds that a request may take.

    Raises:
        ValueError: There is no such model.

    Example:
        >>> from kerasmlsp.exporting import loading
        >>> Replica(loading.shipped(), "sentiment", threads=1, timeout=30).model
        'sentiment'
    """

    def __init__(self, models: Path, model: str, threads: int, timeout: float):
        from kerasmlsp.exporting import loading

        base = Path(os.path.expandvars(models)).expanduser().resolve() / model
        if not loading.versions(base):
            raise ValueError(f"`models` must hold {model} as {model}/1 on this node. Received: {models}")
        self.model, self.settings = model, FrontSettings(timeout=timeout)
        file, name = tempfile.mkstemp(suffix=".config", text=True)
        with open(file, "w", encoding="utf-8") as config:
            config.write(f'model_config_list {{ config {{ name: "{model}" base_path: "{_quoted(base)}" }} }}\n')
        self._config = Path(name)
        self._engine_settings = EngineSettings(config_file=self._config, threads=threads)
        self._engine: Engine | None = None
        self._front: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        # The front routes by the path as it was sent, which Ray hands on with the route of the application before it.
        prefix = scope.get("root_path", "").encode()
        path = scope.get("raw_path") or scope["path"].encode()
        inner = path[len(prefix) :] if path.startswith(prefix) else path
        await self._front({**scope, "root_path": "", "raw_path": inner, "path": inner.decode("latin-1")}, receive, send)

    async def _live(self, receive, send):
        await receive()
        try:
            await self._start()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        assert self._engine is not None
        await self._engine.stop(_GRACE)
        self._front.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        self._engine = Engine(self._engine_settings)
        await self._engine.start()
        self._config.unlink()  # read once
        self._front = build_front(self._engine, self.settings)
        async with asyncio.timeout(_LOADING):
            while not self._engine.ready()[self.model]:
                failed = [each for each in self._engine.status(self.model) if each["error_message"]]
                if failed:
                    await self._engine.stop(0)
                    raise ValueError(f"The model {self.model} cannot be loaded: {failed[0]['error_message']}")
                await asyncio.sleep(0.1)


def _quoted(path):
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
