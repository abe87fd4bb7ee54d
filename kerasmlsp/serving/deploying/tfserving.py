"""For TensorFlow Serving: the models, their configuration, batching, monitoring, and a Compose file."""

from collections.abc import Sequence
from pathlib import Path

from kerasmlsp.serving.deploying import folders
from kerasmlsp.serving.deploying.folders import Model

TAG = "2.20.0"
"""The newest release that is known here; the saved models are exported with TensorFlow 2.21."""
_THREADS, _ROWS, _QUEUE, _WAIT = 4, 32, 64, 1000
"""Batches at a time, rows of a batch, batches that may wait, and microseconds for which a batch waits to be full."""

_COMPOSE = """\
# docker compose --profile cpu up, or --profile gpu with NVIDIA's container toolkit. TAG=... chooses another release.
x-serving: &serving
  volumes:
    - ./models:/models:ro
    - ./config:/config:ro
  ports:
    - "127.0.0.1:8501:8501"  # REST
    - "127.0.0.1:8500:8500"  # gRPC
  command:
    - --model_config_file=/config/models.config
    - --model_config_file_poll_wait_seconds=60
    - --monitoring_config_file=/config/monitoring.config
    - --enable_batching=true
    - --batching_parameters_file=/config/batching.config
    - --enable_per_model_batching_parameters=true
    - --rest_api_timeout_in_ms=30000
  restart: unless-stopped
services:
  serving:
    <<: *serving
    profiles: [cpu]
    image: tensorflow/serving:${{TAG:-{tag}}}
  serving-gpu:
    <<: *serving
    profiles: [gpu]
    image: tensorflow/serving:${{TAG:-{tag}}}-gpu
    environment:
      TF_FORCE_GPU_ALLOW_GROWTH: "true"
    deploy:
      resources:
        reservations:
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
"""
_README = """\
# {models} on TensorFlow Serving

    docker compose --profile cpu up
    docker compose --profile gpu up
    {example}

REST is on port 8501, gRPC on 8500, metrics are at `/monitoring/prometheus/metrics`. Both ports are open to this machine
alone; change `compose.yaml` for more, behind something that checks who asks.

- `models/`: the saved models. A higher version beside one replaces it while the server runs. Those with a warm-up file,
  `assets.extra/tf_serving_warmup_requests`, are warm before they are asked: {warm}.
- `config/models.config`: names and folders, read again every minute.
- `config/batching.config`: the threads that run batches, for all models.
- `models/NAME/VERSION/batching_params.pbtxt`: for models whose requests share batches: {batched}. Outputs of open
  length, as those of `explain`, come padded to the longest of their batch.{unbatched}
- `config/monitoring.config`: turns the metrics on.

## What was not run

No container was started by what wrote this folder. The tests of kerasmlsp parse the configuration by the messages of
TensorFlow Serving, and the Compose file as YAML with the keys that it has to have.

The saved models are exported with TensorFlow 2.21, and the newest TensorFlow Serving that is known here is {tag}. An
older TensorFlow reads a newer model only where it has all of its operations. The shipped models were loaded and asked
with TensorFlow 2.20, and gave the same answers; models of your own may differ. `TAG=2.21.0 docker compose ...` takes a
newer release once there is one.
"""


def tfserving(path: Path, models: Sequence[Model], *, force: bool = False) -> dict:
    """Writes a folder for TensorFlow Serving.

    Args:
        path: The folder to make.
        models: What to serve, of `chosen`.
        force: Whether a folder that was written here before is replaced.

    Returns:
        `folder` and `models`, in words.

    Raises:
        ValueError: `path` holds files that are not to be replaced.
        OSError: It cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "deployed")
        >>> tfserving(path, folders.chosen(["lenet_features"], None))["models"]
        'lenet_features/1'
        >>> print((path / "config/models.config").read_text())
        model_config_list {
          config { name: "lenet_features" base_path: "/models/lenet_features" model_platform: "tensorflow" }
        }
        <BLANKLINE>
    """
    with folders.written(path, "tfserving", models, force=force) as folder:
        folders.copy(models, folder / "models")
        (folder / "config").mkdir()
        (folder / "config/models.config").write_text(_models(models), encoding="utf-8")
        (folder / "config/batching.config").write_text(f"num_batch_threads {{ value: {_THREADS} }}\n")
        monitoring = 'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }\n'
        (folder / "config/monitoring.config").write_text(monitoring)
        for model in filter(shares_batches, models):
            (folder / "models" / model.name / model.version / "batching_params.pbtxt").write_text(
                f"max_batch_size {{ value: {_ROWS} }}\n"
                f"batch_timeout_micros {{ value: {_WAIT} }}\n"
                f"max_enqueued_batches {{ value: {_QUEUE} }}\n"
            )
        (folder / "compose.yaml").write_text(_COMPOSE.format(tag=TAG))
        (folder / "README.md").write_text(_readme(models), encoding="utf-8")
    return {"folder": str(path), "models": folders.listed(models)}


def _models(models):
    lines = [
        f'  config {{ name: "{model.name}" base_path: "/models/{model.name}" model_platform: "tensorflow" }}\n'
        for model in models
    ]
    return f"model_config_list {{\n{''.join(lines)}}}\n"


def shares_batches(model: Model) -> bool:
    """Whether TensorFlow Serving can join the requests to all endpoints of a model.

    It joins inputs along their first axis, and fails requests whose other axes differ or that have a scalar.

    Example:
        >>> models = folders.chosen(["music", "sentiment", "speech"], None)
        >>> [shares_batches(model) for model in models]
        [False, True, False]
    """
    shapes = [known["shape"] for each in model.endpoints.values() for known in each["inputs"].values()]
    return all(shape and None not in shape[1:] for shape in shapes)


def _readme(models):
    alone = [model for model in models if not shares_batches(model)]
    told = f" Alone, since their inputs are of any size or one for all rows: {folders.listed(alone)}." if alone else ""
    warm = [model for model in models if (model.path / "assets.extra/tf_serving_warmup_requests").is_file()]
    return _README.format(
        models=folders.listed(models),
        example=folders.example(models[0], "http://127.0.0.1:8501"),
        warm=folders.listed(warm) or "none",
        batched=folders.listed([model for model in models if shares_batches(model)]) or "none",
        unbatched=told,
        tag=TAG,
    )
