"""For Ray Serve: an application for each model, so that each is scaled by itself."""

import json
from collections.abc import Sequence
from pathlib import Path

from kerasmlsp.serving.deploying import folders
from kerasmlsp.serving.deploying.folders import Model

_HEAD = """\
proxy_location: EveryNode
http_options:
  host: 127.0.0.1
  port: 8000
  request_timeout_s: 60
applications:
"""
# The first application names the folder, the others refer to it, so that it stands in one place.
_PLACE = """\
      # Where the folder of the models is on every node. This is the only place to change where it is moved; ~ and
      # variables of the node's environment are read, as $HOME/models. Ray does not tell from where the file comes, so
      # that a path must not begin in its folder.
"""
# Names are in quotes, as YAML takes one such as no or 1 for something else. The front joins up to 64 requests into
# batches, so that a replica has to have more than a few.
_APPLICATION = """\
  - name: "{name}"
    route_prefix: "/{name}"
    import_path: kerasmlsp.serving.on_ray:build
    args:
      model: "{name}"
{models}
      threads: 1
      timeout: 30
    deployments:
      - name: "{name}"
        max_ongoing_requests: 64
        max_queued_requests: 256
        graceful_shutdown_timeout_s: 30
        autoscaling_config:
          min_replicas: 1
          max_replicas: 4
          target_ongoing_requests: 32
        ray_actor_options:
          num_cpus: 1
"""
_README = """\
# {models} on Ray Serve

    export RAY_USAGE_STATS_ENABLED=0
    RAY_SERVE_ENABLE_HA_PROXY=1 serve run {config}

`serve run` starts Ray on this machine; on a cluster it is `serve deploy`. With `RAY_SERVE_ENABLE_HA_PROXY=1`, to be set
where Ray is started, requests go from HAProxy to the replicas and not through Python; without it all works the same,
slower. Each model is below its own route, where it speaks TensorFlow Serving's REST interface and the Open Inference
Protocol:

    {example}

- `models/`: the saved models. They must be at `{place}` on every node, as on a shared drive, and kerasmlsp must be
  installed there with its extra `ray`. Where they are elsewhere, change the one line `models: &models` of the
  configuration, which may hold variables of the nodes, as `$HOME/models`. A replica loads a version that is added later
  and takes the highest.
- `serve_config.yaml`: an application for each model, of 1 to 4 replicas with one core each. A replica is added where
  more than 32 requests a replica are under way. It takes 64 at a time; of further ones 256 wait, the rest gets 503. It
  listens on this machine alone: set `http_options.host` to 0.0.0.0 for more, behind something that checks who asks.
  For a GPU, add `num_gpus: 1` to `ray_actor_options`.

{count} need as many cores at least.

## What was run

The tests of kerasmlsp check the configuration by Ray's own schema. `serve run` was run with Ray 2.60, with and without
HAProxy, on one machine, not on a cluster and not on a GPU.
"""


def ray(path: Path, models: Sequence[Model], *, force: bool = False) -> dict:
    """Writes a folder for Ray Serve.

    Args:
        path: The folder to make; the configuration names it by its absolute path, in one line.
        models: What to serve, of `chosen`.
        force: Whether a folder that was written here before is replaced.

    Returns:
        `folder`, `models` in words, and the command that starts it as `start`.

    Raises:
        ValueError: `path` holds files that are not to be replaced.
        OSError: It cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "deployed")
        >>> ray(path, folders.chosen(["lenet_features"], None))["models"]
        'lenet_features/1'
    """
    place = Path(path).resolve() / "models"
    with folders.written(path, "ray", models, force=force) as folder:
        folders.copy(models, folder / "models")
        places = [f"{_PLACE}      models: &models {json.dumps(str(place))}", *["      models: *models"] * len(models)]
        applications = [
            _APPLICATION.format(name=model.name, models=where) for model, where in zip(models, places, strict=False)
        ]
        (folder / "serve_config.yaml").write_text(_HEAD + "".join(applications), encoding="utf-8")
        first = models[0]
        readme = _README.format(
            models=folders.listed(models),
            config=Path(path) / "serve_config.yaml",
            example=folders.example(first, f"http://127.0.0.1:8000/{first.name}"),
            place=place,
            count=f"{len(models)} applications" if len(models) > 1 else "The application and Ray itself",
        )
        (folder / "README.md").write_text(readme, encoding="utf-8")
    start = f"serve run {Path(path) / 'serve_config.yaml'}"
    return {"folder": str(path), "models": folders.listed(models), "start": start}
