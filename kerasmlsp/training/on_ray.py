"""Training on a Ray cluster with Ray Train: a process a worker, which share each batch by `kerasmlsp.distribution`.

All nodes must reach data and runs by the same paths, as on a shared drive, and have kerasmlsp and JAX installed.
"""

import contextlib
import io
import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasmlsp.extras import required

_RESTARTS = 3
"""How often Ray starts the workers again where one was lost; they go on from the last checkpoint."""


def train(
    job: Callable[..., dict[str, Any]],
    config: Any,
    run: str | Path,
    *,
    workers: int,
    address: str | None = None,
    gpus: bool = False,
) -> dict[str, Any]:
    """Trains a run on the workers of a Ray cluster, from the start or from where it was stopped.

    Where a worker is lost, Ray starts all of them again, and they go on from the last checkpoint. What the training
    itself refuses is raised here. Ray sends no usage statistics, unless the environment has RAY_USAGE_STATS_ENABLED=1.
    Its nodes trust each other: keep the cluster in a private network.

    Args:
        job: As `train` of an application: from configuration, run folder and `resume` to results.
        config: The configuration.
        run: The run folder.
        workers: How many processes there shall be, at least 1.
        address: Of the cluster, such as `"auto"`; None for that of RAY_ADDRESS, or a new one on this machine.
        gpus: Whether each worker takes a GPU.

    Returns:
        The results of `job`, as JSON holds them.

    Raises:
        ModuleNotFoundError: Ray, the extra `ray`, or JAX is not installed.
        ValueError: There is no such cluster, it has too few CPUs or GPUs, or the training failed.

    Example:
        >>> # Not tested here, since it needs the extra `ray`.
        >>> train(app.train, config, "runs/chargen/plays", workers=2)["run"]  # doctest: +SKIP
        'runs/chargen/plays'
    """
    # Ray Train for JAX is in its second version alone, which older Rays take by this name.
    os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")
    ray = required("ray")
    required("jax")
    from ray import train as ray_train
    from ray.train.v2.jax import JaxTrainer

    from kerasmlsp.serving.scoring.ray_data import connect

    passed = {name: value for name, value in os.environ.items() if name.startswith(("JAX_", "XLA_", "TF_CPP_"))}
    environment = {**passed, "KERAS_BACKEND": "jax", "RAY_TRAIN_V2_ENABLED": "1"}
    connect(ray, address, workers, runtime_env={"env_vars": environment})
    try:
        _check_room(ray.cluster_resources(), workers, gpus)
        with tempfile.TemporaryDirectory() as folder, _printed() as said:
            trainer = JaxTrainer(
                _work,
                train_loop_config={
                    "job": job,
                    "config": config,
                    "run": str(run),
                    "folder": os.getcwd(),
                    "said": said,
                },
                scaling_config=ray_train.ScalingConfig(num_workers=workers, use_gpu=gpus),
                run_config=ray_train.RunConfig(
                    storage_path=folder, failure_config=ray_train.FailureConfig(max_failures=_RESTARTS)
                ),
            )
            return json.loads(trainer.fit().return_value)
    except ray_train.TrainingFailedError as error:
        raise _reason(error) from error
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _printed():
    """A queue of texts, printed as they come; what Ray itself would print of its workers drowns what they say."""
    from ray.util.queue import Queue

    queue = Queue(actor_options={"num_cpus": 0})

    def follow():
        while (text := queue.get()) is not None:
            print(text, end="", file=sys.stderr, flush=True)

    printing = threading.Thread(target=follow, daemon=True)
    printing.start()
    try:
        yield queue
    finally:
        queue.put(None)
        printing.join()


class _Sent(io.TextIOBase):
    """A stream whose texts go to a queue."""

    def __init__(self, queue):
        self._queue = queue

    def write(self, text):
        self._queue.put(text)
        return len(text)


def _check_room(resources, workers, gpus):
    for name, wanted in (("CPU", workers), ("GPU", workers * gpus)):
        if resources.get(name, 0) < wanted:
            raise ValueError(
                f"`workers` must be at most the {name}s of the Ray cluster, {resources.get(name, 0):.0f}. "
                f"Received: {workers}"
            )


def _reason(error):
    """What a worker refused, or that one failed."""
    for failure in getattr(error, "worker_failures", {}).values():
        cause = getattr(failure, "cause", None) or failure
        if isinstance(cause, ValueError | OSError):
            return cause
    return ValueError(f"A worker on Ray failed: {' '.join(str(error).split())[-400:]}")


def _work(arguments):
    """What each worker does."""
    from ray import train as ray_train
    from ray.train.collective import broadcast_from_rank_zero

    from kerasmlsp import distribution

    os.chdir(arguments["folder"])
    context = ray_train.get_context()
    # Ray's own `JaxConfig` joins the processes of TPUs and GPUs alone, and takes a dead one for alive for 100 s.
    address = broadcast_from_rank_zero(_address() if context.get_world_rank() == 0 else None)
    distribution.start(address, context.get_world_size(), context.get_world_rank())
    # Another attempt than the first goes on; one without a checkpoint begins.
    with contextlib.redirect_stderr(_Sent(arguments["said"])):
        found = arguments["job"](arguments["config"], Path(arguments["run"]), resume=True)
    return json.dumps(found, default=float)


def _address():
    import ray

    with socket.socket() as free:
        free.bind(("", 0))
        return f"{ray.util.get_node_ip_address()}:{free.getsockname()[1]}"
