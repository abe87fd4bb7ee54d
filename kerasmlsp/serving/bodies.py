"""What the body of a request asks for, read here or, where it is large, in a process of its own.

    python -m kerasmlsp.serving.bodies DESCRIPTOR

A body of 60 MB takes a second to read, in which nothing else would be answered: parsers and NumPy do not let other
threads go on while they make Python's objects. So a process reads it: DESCRIPTOR is its end of a Unix socket pair, over
which bodies come and arrays go back. It ends when the front closes its end, or when there was nothing to read for a
while, since it keeps the memory that a large body took.
"""

import asyncio
import contextlib
import select
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from kerasmlsp.serving import examples, inference, parsing, protocol, rest
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.tensors import Signature

_IDLE = 30.0
"""Seconds without a body after which the process ends."""
_MOMENT = 5.0
"""Seconds after which it has ended then."""
_GONE = "The process that reads large requests has ended: try again later"


# What `find` returned, the name of the signature, array by input, and what else there is to know for the answer.
Asked = tuple[Any, str, dict[str, np.ndarray], Any]


def predict(body: bytes, find: Callable[..., Any], *place: Any) -> Asked:
    """Reads a predict request; what else there is to know is whether it was in row format.

    Args:
        body: As it was sent.
        find: Returns the servable that is asked; called once the syntax is known to be right, as upstream does.
        *place: What `find` is called with.

    Raises:
        ServingError: What is wrong with it, or what `find` raises.

    Example:
        >>> predict(b"{}", print)
        Traceback (most recent call last):
        AttributeError: 'NoneType' object has no attribute 'signatures'
    """
    fields = parsing.parse(body)
    name = rest.signature_name(fields)
    servable = find(*place)
    inputs, row = rest.read_predict(fields, rest.find_signature(servable.signatures, name))
    return servable, name, inputs, row


def classify(body: bytes, find: Callable[..., Any], *place: Any, verb: str = "classify") -> Asked:
    """Reads a classify request; what else there is to know is the number of examples.

    Raises:
        ServingError: As of `predict`.

    Example:
        >>> classify(b'{"examples": []}', print)
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: JSON Value: {...
    """
    fields = parsing.parse(body)
    # Upstream reads them before it looks for the model.
    name, given = rest.signature_name(fields), examples.read_examples(fields)
    servable = find(*place)
    signature = examples.find_signature(servable.signatures, name)
    return servable, name, examples.inputs(given, signature, verb), len(given)


def regress(body: bytes, find: Callable[..., Any], *place: Any) -> Asked:
    """Reads a regress request; what else there is to know is the number of examples.

    Raises:
        ServingError: As of `predict`.

    Example:
        >>> regress(b'{"examples": []}', print)
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: JSON Value: {...
    """
    return classify(body, find, *place, verb="regress")


def infer(body: bytes, find: Callable[..., Any], *place: Any) -> Asked:
    """Reads an inference request; what else there is to know are the names of the outputs that are wanted, None for
    all, and its id.

    Raises:
        ServingError: As of `predict`.

    Example:
        >>> infer(b'{"id": 1}', print)
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: The id of a request must be a string. Received: 1
    """
    fields = parsing.parse(body)
    name, identifier = inference.signature_name(fields), inference.request_id(fields)
    servable = find(*place)
    inputs, wanted = inference.read_infer(fields, inference.find_signature(servable.signatures, name))
    return servable, name, inputs, (wanted, identifier)


_KINDS = {each.__name__: each for each in (predict, classify, regress, infer)}


class Reader:
    """Reads bodies, those of more than some size in a process that starts with the first of them.

    Args:
        large: Bytes beyond which a body is large.

    Example:
        >>> from kerasmlsp.serving.tensors import TensorInfo
        >>> signatures = {"serving_default": Signature({"x": TensorInfo("x:0", "DT_FLOAT", (-1,))}, {})}
        >>> model, reader = types.SimpleNamespace(signatures=signatures), Reader(large=10)
        >>> asyncio.run(reader.read(predict, b'{"inputs": [1, 2.5]}', lambda: model))[2]["x"].tolist()
        [1.0, 2.5]
        >>> reader.close()
    """

    def __init__(self, large: int):
        self.large = large
        self._closed = False
        self._thread: ThreadPoolExecutor | None = None
        self._process: subprocess.Popen | None = None
        self._connection: socket.socket | None = None

    async def read(self, kind: Callable[..., Asked], body: bytes, find: Callable[..., Any], *place: Any) -> Asked:
        """Reads a body in the process.

        Args:
            kind: `predict` or one of its like.
            body: As it was sent.
            find: As of `predict`.
            *place: As of `predict`.

        Raises:
            ServingError: As of `predict`; `UNAVAILABLE` with `retry_after` if the process is lost, as for lack of
                memory.
        """
        servable, refused = None, None
        try:
            servable = find(*place)
        except ServingError as error:  # which is told only if nothing is wrong before
            refused = error
        signatures = servable and {name: each.to_json() for name, each in servable.signatures.items()}
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "large-bodies")
        message = {"kind": kind.__name__, "signatures": signatures}
        loop = asyncio.get_running_loop()
        answer, inputs = await loop.run_in_executor(self._thread, self._ask, message, body)
        loop.call_later(_IDLE + _MOMENT, self._reap)
        if answer["op"] == "failed":
            raise ServingError(answer["code"], answer["message"], status=answer["status"])
        if refused is not None:
            raise refused
        return servable, answer["signature"], inputs, answer["known"]

    def close(self) -> None:
        """Ends the process, whatever it reads."""
        self._closed = True
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
        self._end()

    def _reap(self):
        """Asks how the process ended, if it has: the system keeps it in its list until then."""
        if (process := self._process) is not None:
            process.poll()

    def _ask(self, message, body):
        """What the process answers; asked again if it had ended before."""
        parts = protocol.encode(message, {"body": np.frombuffer(body, np.uint8)})
        while True:
            is_new = self._process is None
            if is_new:
                self._start()
            assert self._connection is not None
            try:
                protocol.send(self._connection, parts)
                frame = protocol.receive(self._connection)
            except OSError:
                frame = None
            if frame is not None:
                return protocol.decode(frame)
            self._end()
            if is_new or self._closed:
                raise ServingError("UNAVAILABLE", _GONE, retry_after=1)

    def _start(self):
        self._connection, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _end(self):
        process, connection, self._process, self._connection = self._process, self._connection, None, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.wait()


class _Unknown(Exception):
    """The model is not there; the front knows what to say of it."""


def answer(message: Mapping[str, Any], body: bytes) -> list[bytes | memoryview]:
    """Returns the frame with which the process answers.

    Example:
        >>> protocol.decode(b"".join(answer({"kind": "predict", "signatures": {}}, b"[]")))[0]["code"]
        'INVALID_ARGUMENT'
    """

    def find():
        if message["signatures"] is None:
            raise _Unknown
        signatures = {name: Signature.from_json(each) for name, each in message["signatures"].items()}
        return types.SimpleNamespace(signatures=signatures)

    try:
        _, name, inputs, known = _KINDS[message["kind"]](body, find)
    except _Unknown:
        return protocol.encode({"op": "unknown"})
    except ServingError as error:
        told = {"code": error.code, "message": error.message, "status": error.status}
        return protocol.encode({"op": "failed", **told})
    return protocol.encode({"op": "read", "signature": name, "known": known}, inputs)


def serve(connection: socket.socket) -> None:
    """Answers until the other side closes the connection, or sends nothing for a while.

    Example:
        >>> here, there = socket.socketpair()
        >>> here.close()
        >>> serve(there)
    """
    while select.select([connection], [], [], _IDLE)[0] and (frame := protocol.receive(connection)) is not None:
        message, arrays = protocol.decode(frame)
        parts = answer(message, arrays["body"].tobytes())
        try:
            protocol.send(connection, parts)
        except OSError:  # the front is gone
            break
        del frame, arrays, parts
    connection.close()


if __name__ == "__main__":
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    serve(socket.socket(fileno=int(sys.argv[1])))
