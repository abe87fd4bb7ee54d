"""Training in several processes and on several devices, on JAX: who is who, whose rows are which, and who writes.

`start` comes before any training; `kerasmlsp.training.fit` then shares every batch, and process 0 alone writes. Where
nothing was started there is one process, which leads, and JAX is not imported.
"""

import contextlib
import contextvars
import dataclasses
import logging
import math
import os
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

HEARTBEAT = 12
"""Seconds after which the others take a process for dead, and which they wait at the end for one that does not come."""
AXES = ("batch", "model")
"""Names of the axes of a mesh."""
_COUNT, _NUMBER = "KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID"
_ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"


@dataclasses.dataclass(frozen=True)
class _Job:
    """What was started: this process's number, how many there are, parts of a batch, and Keras's distribution."""

    number: int
    count: int
    replicas: int
    keras: Any


_job: _Job | None = None
_own_rows: contextvars.ContextVar[bool] = contextvars.ContextVar("own_rows", default=False)


def announced() -> bool:
    """Whether the environment says that this process is one of several, or shall use all devices, before `start`.

    It does by `KERAS_DISTRIBUTION_NUM_PROCESSES`, which may be 1, and with `KERAS_BACKEND=jax` by the variables of
    SLURM's `srun`, Open MPI's `mpirun` and TPU pods.

    Example:
        >>> announced()
        False
    """
    if _job is not None:
        return False
    if os.environ.get(_COUNT):
        return True
    counts = [int(os.environ.get(name) or 1) for name in ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")]
    hosts = os.environ.get("TPU_WORKER_HOSTNAMES", "").split(",")
    return os.environ.get("KERAS_BACKEND") == "jax" and max(*counts, len(hosts)) > 1


def start(
    job_addresses: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    mesh: Sequence[int] | None = None,
    layout: Mapping[str, tuple[str | None, ...]] | None = None,
) -> None:
    """Joins the other processes, if there are any, and has `training.fit` share every batch among all devices.

    What is not given is taken from `KERAS_DISTRIBUTION_JOB_ADDRESSES`, `_NUM_PROCESSES` and `_PROCESS_ID`, else from
    what JAX knows of SLURM, Open MPI and TPU pods. Where another program has joined the processes, they stay so. A
    process that dies ends the others within half a minute.

    Args:
        job_addresses: `HOST:PORT` of process 0, as of `keras.distribution.initialize`.
        num_processes: How many processes there are.
        process_id: Number of this one, from 0.
        mesh: Parts of a batch, and parts of a model: as many in all as there are devices. None for whole models.
        layout: With `mesh`, the axes of variables by regular expressions of their paths, as
            `{".*/kernel": (None, "model")}`; what is not named is whole on every device.

    Raises:
        ValueError: Keras's backend is not JAX, the mesh does not fit the devices, or the environment says nonsense.
        RuntimeError: The other processes did not come within five minutes.

    Example:
        >>> start("localhost:1234", num_processes=2, process_id=0)  # with KERAS_BACKEND=tensorflow
        Traceback (most recent call last):
        ValueError: `KERAS_BACKEND` must be jax for several processes or devices. Received: tensorflow
    """
    global _job
    import keras

    if keras.backend.backend() != "jax":
        raise ValueError(
            f"`KERAS_BACKEND` must be jax for several processes or devices. Received: {keras.backend.backend()}"
        )
    import jax

    if not jax.distributed.is_initialized():
        _join(job_addresses, num_processes, process_id)
    # In the order of the processes, so that the rows of each are a block.
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    keras_own: Any
    if mesh is None:
        keras_own = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False)
    else:
        _check_mesh(mesh, len(devices), jax.local_device_count())
        known = keras.distribution.LayoutMap(keras.distribution.DeviceMesh(tuple(mesh), AXES, devices))
        known.update(layout or {})
        keras_own = _model_parallel(known)
    _job = _Job(jax.process_index(), jax.process_count(), mesh[0] if mesh else len(devices), keras_own)
    if not leads():
        logging.getLogger("kerasmlsp").setLevel(logging.WARNING)


def _join(addresses, count, number):
    addresses = addresses or os.environ.get(_ADDRESSES)
    given = [
        _whole_number(name, least) if value is None else value
        for name, value, least in ((_COUNT, count, 1), (_NUMBER, number, 0))
    ]
    if given[0] == 1 or not (addresses or given[0] or announced()):
        return
    if None not in given and given[1] >= given[0]:
        raise ValueError(f"`{_NUMBER}` must be less than the number of processes, {given[0]}. Received: {given[1]}")
    if addresses and not re.fullmatch(r".+:\d+", addresses.split(",")[0]):
        raise ValueError(f"`{_ADDRESSES}` must be the `HOST:PORT` of process 0. Received: {addresses!r}")

    import jax

    # JAX would catch SIGTERM to tell of a preemption; a checkpoint is there at any time, and the signal shall end it.
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        addresses and addresses.split(",")[0],
        *given,
        heartbeat_timeout_seconds=HEARTBEAT,
        shutdown_timeout_seconds=HEARTBEAT,
    )


def _whole_number(name, least):
    value = os.environ.get(name)
    if not value:
        return None
    if not value.isdecimal() or int(value) < least:
        raise ValueError(f"`{name}` must be a whole number from {least}. Received: {value!r}")
    return int(value)


def _model_parallel(layouts):
    import keras

    class ModelParallel(keras.distribution.ModelParallel):
        """Keras's own, where a variable whose size cannot be parted evenly is whole on every device."""

        def get_variable_layout(self, variable):
            layout = super().get_variable_layout(variable)
            sizes = dict(zip(AXES, self.device_mesh.shape, strict=True))
            if all(size % sizes.get(axis, 1) == 0 for size, axis in zip(variable.shape, layout.axes, strict=True)):
                return layout
            return keras.distribution.TensorLayout([None] * len(variable.shape), self.device_mesh)

    return ModelParallel(layout_map=layouts, batch_dim_name=AXES[0], auto_shard_dataset=False)


def _check_mesh(mesh, devices, local):
    shown = "x".join(map(str, mesh))
    if len(mesh) != 2 or min(mesh) < 1 or math.prod(mesh) != devices:
        raise ValueError(
            f"`mesh` must be the parts of a batch and of the model, as 2x2, in all the number of devices, {devices}. "
            f"Received: {shown}"
        )
    if local % mesh[1]:
        raise ValueError(f"`mesh` must keep the parts of a model within one process of {local}. Received: {shown}")


def place() -> tuple[int, int]:
    """Returns this process's number and how many there are.

    Example:
        >>> place()
        (0, 1)
    """
    return (_job.number, _job.count) if _job else (0, 1)


def parts() -> int:
    """Returns into how many parts every batch is shared: the number of devices, but for those that part a model.

    Example:
        >>> parts()
        1
    """
    return _job.replicas if _job else 1


def leads() -> bool:
    """Whether this is process 0, which writes files.

    Example:
        >>> leads()
        True
    """
    return place()[0] == 0


def from_leader(make: Callable[[], Any]) -> Any:
    """Calls a function in process 0, and returns what it returned, or raises what it raised, in all processes.

    All processes must call it, and so it makes them wait for process 0, too.

    Args:
        make: Takes nothing; what it returns can be pickled.

    Example:
        >>> from_leader(lambda: 3)
        3
    """
    number, count = place()
    if count == 1:
        return make()
    found: Any = (None, None)
    if number == 0:
        try:
            found = (make(), None)
        except Exception as error:
            found = (None, error)
    value, error = pickle.loads(_broadcast(_pickled(found)))
    if error is not None:
        raise found[1] or error
    return value


def _pickled(found):
    try:
        content = pickle.dumps(found)
        pickle.loads(content)  # which some exceptions refuse
    except Exception:
        if found[1] is None:
            raise
        return pickle.dumps((None, RuntimeError(str(found[1]))))
    return content


def _broadcast(content: bytes) -> bytes:
    import numpy as np
    from jax.experimental import multihost_utils

    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(content))))
    # A program is compiled for each length, so that lengths are few.
    room = max(1024, 1 << (size - 1).bit_length())
    values = np.frombuffer(content[:size].ljust(room, b"\0"), np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(values)).tobytes()[:size]


def share(indices: "np.ndarray") -> "np.ndarray":
    """Returns this process's rows of a batch: a block, as JAX puts the blocks together in the order of the processes.

    Raises:
        ValueError: The batch cannot be shared.

    Example:
        >>> import numpy as np
        >>> share(np.array([4, 7, 1])).tolist()  # of one process
        [4, 7, 1]
    """
    number, count = place()
    check([len(indices)])
    rows = len(indices) // count
    return indices[number * rows : (number + 1) * rows]


def check(sizes: Iterable[int]) -> None:
    """Refuses batches whose rows cannot be shared evenly.

    Args:
        sizes: Rows of each batch.

    Raises:
        ValueError: One cannot be.

    Example:
        >>> check([32, 7])
    """
    count = parts()
    for size in sizes:
        if size % count:
            raise ValueError(
                f"Every batch must have a multiple of {count} rows, to be shared among {count} devices: give another "
                f"batch size, or leave out what does not fill a batch (`drop_remainder`). Received: a batch of {size}"
            )


@contextlib.contextmanager
def own_rows() -> Iterator[None]:
    """In the `with` block, `drawn` draws for this process's rows of a batch.

    Example:
        >>> with own_rows():
        ...     drawn(lambda shape: shape, [8])
        [8]
    """
    token = _own_rows.set(True)
    try:
        yield
    finally:
        _own_rows.reset(token)


def drawn(draw: Callable[[list], Any], shape: Sequence[Any], axis: int = 0) -> Any:
    """Draws random numbers for a batch; of one that is shared, what its rows get where one process draws for all.

    Loaders of `kerasmlsp.data.batching.Batches` draw by it, so that the number of processes changes nothing.

    Args:
        draw: Takes a shape, as `lambda shape: tf.random.stateless_uniform(shape, seed)`.
        shape: Of the numbers for this process's rows; may hold scalar tensors.
        axis: That of the rows.

    Example:
        >>> import numpy as np
        >>> drawn(np.zeros, [2, 3]).shape
        (2, 3)
    """
    number, count = place()
    if count == 1 or not _own_rows.get():
        return draw(list(shape))
    rows = shape[axis]
    whole = draw([*shape[:axis], count * rows, *shape[axis + 1 :]])
    return whole[(slice(None),) * axis + (slice(number * rows, (number + 1) * rows),)]


@contextlib.contextmanager
def shared() -> Iterator[bool]:
    """In the `with` block, models are made for all processes and devices; tells whether `start` was called.

    Example:
        >>> with shared() as several:
        ...     several
        False
    """
    if _job is None:
        yield False
        return
    with _job.keras.scope():
        yield True


def whole(variable: Any) -> "np.ndarray":
    """Returns a copy of a variable's value, put together from the parts on this process's devices.

    Example:
        >>> import keras
        >>> whole(keras.Variable([1.0, 2.0])).tolist()
        [1.0, 2.0]
    """
    import keras
    import numpy as np

    value = getattr(variable, "value", variable)
    if getattr(value, "is_fully_addressable", True) or value.is_fully_replicated:
        # A copy: on JAX the array may be a view of memory that the next step writes to.
        return np.array(keras.ops.convert_to_numpy(variable))
    found = np.empty(value.shape, value.dtype)
    for part in value.addressable_shards:
        found[part.index] = part.data
    return found
