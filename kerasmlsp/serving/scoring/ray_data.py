"""Jobs on a cluster with Ray Data: actors that hold the model do the units of a job.

It is for what one machine takes too long for; on one machine it gains nothing over its threads. All nodes must reach
the input and the output by the same paths, as on a shared drive, and have kerasmlsp installed.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from kerasmlsp.extras import required
from kerasmlsp.serving.scoring import running
from kerasmlsp.serving.scoring.planning import Job
from kerasmlsp.serving.scoring.reading import Unit

# Of more units than that, each task does several.
_MOST_BLOCKS = 1000


class Actor:
    """Holds the model of a job in a process of its own, and does units.

    Args:
        job: The job.
        units: Units by number.
        folder: The working folder of the process that runs the job, from which its paths start.

    Example:
        >>> # Not tested here, since it loads the model of a job.
        >>> actor = Actor(job, units, "/shared/work")  # doctest: +SKIP
        >>> actor({"unit": np.array([0])})["rows"]  # doctest: +SKIP
        array([4096])
    """

    def __init__(self, job: Job, units: list[Unit], folder: str):
        from kerasmlsp.exporting import loading

        os.chdir(folder)
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        loading.prefer_whole_calls()
        self.job, self.units = job, units
        self.model = loading.load(job.model)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with ThreadPoolExecutor(1) as pool:
            done = [running.do(self.job, self.units[number], self.model, pool) for number in batch["unit"]]
        return {name: np.array([each[name] for each in done]) for name in done[0]}


def on_ray(
    job: Job,
    address: str | None,
    *,
    workers: int | None = None,
    gpus: float = 0.0,
    told: running.Told = lambda rows, now: None,
) -> Callable[[list[Unit]], Iterator[dict]]:
    """Returns the `work` of `kerasmlsp.serving.scoring.score` that a Ray cluster does.

    Ray sends no usage statistics, unless the environment has RAY_USAGE_STATS_ENABLED=1.

    Args:
        job: The job; its paths must be the same on all nodes.
        address: Of the cluster, such as `"auto"`; None for that of RAY_ADDRESS, or a new one on this machine.
        workers: Actors; None for one a core of the cluster.
        gpus: GPUs of each actor.
        told: Told of the rows of every unit.

    Raises:
        ModuleNotFoundError: Ray, the extra `ray`, is not installed.

    Example:
        >>> from pathlib import Path
        >>> job = Job(Path("m/1"), Path("scored"), ("a.csv",), "serving_default", {"text": "text"}, {}, {})
        >>> # Not tested here, since it needs the extra `ray`.
        >>> work = on_ray(job, None, workers=2)  # doctest: +SKIP
    """
    ray = required("ray")

    def work(units):
        if not units:
            return
        began = time.monotonic()
        connect(ray, address, workers)
        try:
            count = min(len(units), workers or int(ray.cluster_resources().get("CPU", 1)))
            start = time.monotonic() - began  # the actors load the model beside each other, in the time of the work
            for done in _results(ray, job, units, count, gpus):
                told(done["rows"], True)
                yield {**done, "seconds to start": start}
                start = 0.0
        finally:
            ray.shutdown()

    return work


def connect(ray: Any, address: str | None, workers: int | None, **options: Any) -> None:
    """Connects to a Ray cluster, without usage statistics.

    Args:
        ray: The module.
        address: Of the cluster; None for that of RAY_ADDRESS, or a new one on this machine.
        workers: Workers that a new one has room for.
        **options: Further arguments of `ray.init`.

    Raises:
        ValueError: There is no such cluster, or none can be started.

    Example:
        >>> # Not tested here, since it needs the extra `ray`.
        >>> connect(ray, "auto", None)  # doctest: +SKIP
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what fails is raised here
    own: dict[str, Any] = {} if address or os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
    if own:
        # By default Ray's workers yield to all else: beside another program on all cores they hardly move.
        os.environ.setdefault("RAY_worker_niceness", "0")
        if workers:
            own["num_cpus"] = max(workers, os.cpu_count() or 1)
    try:
        _check_reachable(address or os.environ.get("RAY_ADDRESS", ""))
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own, **options)
    except Exception as error:  # Ray has no common one
        told = " ".join(str(error).split())[:200]
        if own:
            raise ValueError(f"Ray does not start on this machine: run again, or without --ray ({told}).") from error
        raise ValueError(
            f"`address` (--ray) must be that of a Ray cluster that runs, as auto on one of its nodes. "
            f"Received: {address or os.environ['RAY_ADDRESS']} ({told})"
        ) from error


def _check_reachable(address):
    """Refuses an address where nothing listens, to which Ray itself tries to connect for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


def _results(ray, job, units, workers, gpus):
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    numbers = ray.data.from_items(
        [{"unit": number} for number in range(len(units))], override_num_blocks=min(len(units), _MOST_BLOCKS)
    )
    done = numbers.map_batches(
        Actor,
        fn_constructor_kwargs={"job": job, "units": units, "folder": os.getcwd()},
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=1,
        num_gpus=gpus or None,
    )
    try:
        yield from done.iter_rows()
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, ValueError | OSError):
            raise cause from error
        raise ValueError(f"A worker on Ray failed: {' '.join(str(cause or error).split())[-400:]}") from error
