"""The front's side of a worker: its process, the connection to it, and what becomes of both."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kerasmlsp.serving import protocol
from kerasmlsp.serving.batching import Batcher
from kerasmlsp.serving.configuring import COMMAND
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.metrics import Metrics

# Bytes on their way in either direction before a write has to wait.
_BUFFER = 1 << 20
# Seconds in which a process whose connection has ended is gone, too.
_MOMENT = 1.0


class Process(asyncio.Protocol):
    """A worker process and the connection to it.

    Args:
        threads: Pieces that it runs at a time, and as many of signatures whose runs take long.
        metrics: Where batches are counted.
        lost: Called with this object and how the worker has ended, in words, when nobody asked it to.

    Attributes:
        batcher: Puts the requests to the worker together.

    Example:
        >>> async def main():
        ...     process = Process(1, Metrics(), lost=print)
        ...     await process.start()
        ...     await process.end(grace=0)
        >>> asyncio.run(main())
    """

    def __init__(self, threads: int, metrics: Metrics, lost: Callable[["Process", str], None]):
        self.batcher = Batcher(self._send, threads, metrics)
        self._threads, self._lost = threads, lost
        self._frames = protocol.Frames()
        self._loads: dict[int, asyncio.Future] = {}
        self._transport: Any = None
        self._ending = False
        self._reaping: asyncio.Future | None = None
        self._popen: subprocess.Popen | None = None

    async def start(self, command: Sequence[str] = COMMAND, *, gently: bool = False) -> None:
        """Starts the process; it imports TensorFlow when it loads the first version.

        Args:
            command: Its words.
            gently: As in `load`.

        Raises:
            OSError: If there is no memory, or no such program.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                ours.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
                theirs.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
            # TensorFlow's log tells about its build. A group of its own, so that Ctrl+C reaches the front alone.
            self._popen = subprocess.Popen(
                [*command, str(theirs.fileno()), str(2 * self._threads), *(["gently"] if gently else [])],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ},
                start_new_session=True,
            )
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_unix_connection(lambda: self, sock=ours.dup())

    @property
    def pid(self) -> int | None:
        """Number of the process; None before it has started."""
        return self._popen.pid if self._popen else None

    def is_gone(self) -> bool:
        """Whether the connection has ended."""
        return self._transport is None or self._transport.is_closing()

    async def load(self, number: int, path: Path, *, gently: bool = False) -> dict:
        """Has a version loaded and warmed up.

        Args:
            number: What the worker is to call it.
            path: Its folder.
            gently: Whether that is to take no more of the processor than others leave, on Linux.

        Returns:
            What the worker answers: `signatures` (as JSON), `card`, `sizes`, `seconds` and `records` of the warm-up.

        Raises:
            ServingError: If it cannot be loaded, with the code and the reason; `UNAVAILABLE` if the worker is lost.
        """
        answer = self._loads[number] = asyncio.get_running_loop().create_future()
        self._send({"op": "load", "model": number, "path": str(path), "gently": gently})
        return await answer

    def unload(self, number: int) -> None:
        """Has a version dropped."""
        self._send({"op": "unload", "model": number})

    async def end(self, grace: float) -> None:
        """Ends the process: it is asked to, and killed after `grace` seconds. Requests in flight are refused."""
        self._ending = True
        if self._transport:
            self._transport.abort()
        self.batcher.fail(ServingError("UNAVAILABLE", "The server is stopping"))
        if self._popen:
            await self._reaped(grace)

    def data_received(self, data: bytes) -> None:
        """Takes what the worker has sent."""
        for message, arrays in self._frames.feed(data):
            if "id" in message:
                self.batcher.answer(message, arrays)
                continue
            answer = self._loads.pop(message["model"])
            if answer.done():
                continue
            if message["op"] == "failed":
                answer.set_exception(ServingError(message["code"], message["message"]))
            else:
                answer.set_result(message)

    def connection_lost(self, error: Exception | None) -> None:
        """Refuses what was under way, and says that the worker is lost unless it was to end."""
        gone = ServingError("UNAVAILABLE", "The worker process has ended and is started again", retry_after=1)
        self.batcher.fail(gone)
        for answer in self._loads.values():
            if not answer.done():
                answer.set_exception(gone)
        self._loads.clear()
        if not self._ending:
            self._burial = asyncio.get_running_loop().create_task(self._bury())

    async def _bury(self):
        self._lost(self, await self._reaped(_MOMENT))

    async def _reaped(self, grace):
        """Waits for the end of the process, once, whoever waits for it and gives up waiting."""
        if self._reaping is None:
            self._reaping = asyncio.ensure_future(asyncio.to_thread(_reap, self._popen, grace))
        return await asyncio.shield(self._reaping)

    def _send(self, message, arrays=None):
        if not self._transport.is_closing():
            self._transport.write(b"".join(protocol.encode(message, arrays)))


def _reap(process, grace):
    """Waits for the end of a process, for `grace` seconds only, and returns in words how it ended."""
    try:
        process.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    code = process.returncode
    return f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
