"""A worker: a process that holds saved models and runs the batches that the front sends it.

    python -m kerasmlsp.serving.starting DESCRIPTOR THREADS [gently]

DESCRIPTOR is its end of a Unix socket pair. Messages of the front, by their `op`:

- `load` (`model`, an integer that names it from now on; `path`; `gently`, whether others are served meanwhile):
  answered by `loaded` (`signatures`, `card`, `sizes`, `seconds`, `records` of the warm-up) or `failed` (`code`,
  `message`). While one version is warmed up, the next is loaded.
- `run` (`id`, `model`, `signature`, arrays): answered by `outputs` (`id`, arrays) or `failed` (`id`, `code`,
  `message`). The front never has more than THREADS of them on the way.
- `unload` (`model`): not answered.

The process ends when the front closes its end, and so when the front itself ends, however it does.
"""

import contextlib
import ctypes
import os
import pathlib
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerasmlsp.exporting import loading, reasons
from kerasmlsp.serving import graphs, protocol
from kerasmlsp.serving.starting import GENTLE, started

# In the order of the numbers of gRPC, which TensorFlow's errors have.
_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
_CODE_OF = {
    FileNotFoundError: "NOT_FOUND",
    PermissionError: "PERMISSION_DENIED",
    MemoryError: "RESOURCE_EXHAUSTED",
    ValueError: "INVALID_ARGUMENT",
    TypeError: "INVALID_ARGUMENT",
    ConnectionError: "UNAVAILABLE",
}
# PR_SET_PDEATHSIG of Linux.
_SIGNAL_AT_PARENTS_DEATH = 1


class Worker:
    """Serves one connection until the other side closes it.

    Args:
        connection: A socket of the type that `socket.socketpair` makes.
        threads: Runs at the same time.
        load: Makes a model of a folder: what has `signatures`, `card`, `sizes`, `run` and `warm_up` as
            `graphs.Graph` has.
        imports: Imports what `load` needs, which may take seconds; called before the first load.
        prepare: Called then; the threads that it starts run models.

    Example:
        >>> def load(path):
        ...     raise FileNotFoundError(f"There is no folder {path}.")
        >>> here, there = socket.socketpair()
        >>> worker = threading.Thread(target=Worker(there, threads=1, load=load).serve)
        >>> worker.start()
        >>> protocol.send(here, protocol.encode({"op": "load", "model": 1, "path": "no/such/folder"}))
        >>> protocol.decode(protocol.receive(here))[0]["message"]
        'There is no folder no/such/folder.'
        >>> here.close(), worker.join(), there.close()
        (None, None, None)
    """

    def __init__(
        self,
        connection: socket.socket,
        threads: int,
        load: Callable[[pathlib.Path], Any],
        imports: Callable[[], None] = lambda: None,
        prepare: Callable[[], None] = lambda: None,
    ):
        self._connection, self._threads, self._load = connection, threads, load
        self._imports, self._prepare, self._prepared = imports, prepare, False
        self._models: dict[int, Any] = {}
        self._orders: queue.SimpleQueue = queue.SimpleQueue()
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._over = threading.Event()

    def serve(self) -> None:
        """Answers until the connection ends; what runs then is left to the threads, which nobody waits for."""
        # One more than there are runs, so that orders and the end of the connection are always seen.
        for work in [self._follow_orders, *[self._take_turns] * (self._threads + 1)]:
            threading.Thread(target=work, daemon=True).start()
        self._over.wait()
        self._orders.put(None)

    def _take_turns(self):
        """Whoever holds the lock reads the next frame and runs it: no thread has to be woken to hand it on."""
        while True:
            with self._reading:
                frame = None if self._over.is_set() else protocol.receive(self._connection)
                if frame is None:
                    self._over.set()
                    return
            message, arrays = protocol.decode(frame)
            if message["op"] == "run":
                self._run(message, arrays)
            else:
                self._orders.put(message)

    def _run(self, message, arrays):
        identity, model = message["id"], self._models.get(message["model"])
        try:
            if model is None:
                raise ConnectionError("The model has been unloaded.")
            outputs = model.run(message["signature"], arrays)
        except Exception as error:  # of any kind, as any saved model may be served
            self._send({"op": "failed", "id": identity, **describe(error, arrays)})
        else:
            self._send({"op": "outputs", "id": identity}, outputs)

    def _follow_orders(self):
        while (order := self._orders.get()) is not None:
            if order["op"] == "load":
                self._load_one(order["model"], pathlib.Path(order["path"]), order.get("gently", False))
            elif order["op"] == "unload":
                self._models.pop(order["model"], None)

    def _load_one(self, number, path, gently):
        aside = gently and not self._models
        if aside:
            _share(GENTLE)
        if not self._prepared:
            started(gently, _quietly, self._imports).join()
            _quietly(self._prepare)
            self._prepared = True
        made: list = []
        started(gently, self._read, number, path, made).join()
        if made:
            # What XLA compiles then may take a minute.
            started(gently, self._warm_up, number, *made, aside)

    def _read(self, number, path, made):
        try:
            made.append(self._load(path))
        except Exception as error:  # a damaged file may raise anything
            self._send({"op": "failed", "model": number, **describe(error)})

    def _warm_up(self, number, model, aside):
        begun = time.monotonic()
        try:
            records = model.warm_up()
        except Exception as error:
            self._send({"op": "failed", "model": number, **describe(error)})
            return
        finally:
            if aside:
                _share(0)
        self._models[number] = model
        answer = {
            "signatures": {name: signature.to_json() for name, signature in model.signatures.items()},
            "card": model.card,
            "sizes": model.sizes,
            "seconds": time.monotonic() - begun,
            "records": records,
        }
        self._send({"op": "loaded", "model": number, **answer})

    def _send(self, message, arrays=None):
        parts = protocol.encode(message, arrays)
        # Where the front is gone, the next read ends the worker.
        with self._writing, contextlib.suppress(OSError):
            protocol.send(self._connection, parts)


def _share(niceness):
    """Sets the niceness of the whole session, where Linux shares the processor among sessions and not processes."""
    with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as file:
        file.write(str(niceness))


def _quietly(function):
    with contextlib.suppress(Exception):  # the load meets the same, and says so
        function()


def describe(error: BaseException, inputs: Mapping[str, np.ndarray] | None = None) -> dict[str, str]:
    """Returns the `code` and the `message` of an error: TensorFlow's own code, or what fits Python's.

    Args:
        error: The error.
        inputs: What a model was called with that raised it, if it was.

    Example:
        >>> describe(ValueError("`rows` must be positive. Received: 0"))
        {'code': 'INVALID_ARGUMENT', 'message': '`rows` must be positive. Received: 0'}
    """
    number = getattr(error, "error_code", None)
    by_type = next((code for kind, code in _CODE_OF.items() if isinstance(error, kind)), "INTERNAL")
    code = _CODES[number] if isinstance(number, int) and 0 < number < len(_CODES) else by_type
    return {"code": code, "message": reasons.of_inputs(loading.reason(error), inputs or {})}


def main(
    arguments: list[str] | None = None,
    load: Callable[[pathlib.Path], Any] = graphs.Graph,
    imports: Callable[[], None] = graphs.import_tensorflow,
    prepare: Callable[[], None] = graphs.configure,
) -> None:
    """Runs a worker in this process and ends the process with it.

    Args:
        arguments: Descriptor and threads, by default those of the command line.
        load: As that of `Worker`, as the others.
        imports: Imports what it needs.
        prepare: Called then.

    Example:
        >>> main(["no number", "2"])
        Traceback (most recent call last):
        ValueError: invalid literal for int() with base 10: 'no number'
    """
    descriptor, threads = map(int, sys.argv[1:3] if arguments is None else arguments)
    # The front says when to end: those who stop a server send it to the whole group of processes.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_DEATH, signal.SIGKILL)
    Worker(socket.socket(fileno=descriptor), threads, load, imports, prepare).serve()
    # At once, whatever still runs: nobody waits for it.
    os._exit(0)
