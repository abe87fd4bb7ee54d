"""A line for each request on stdout, written a few times a second."""

import asyncio
import time
from collections.abc import Callable

from kerasmlsp.serving.requests import Request
from kerasmlsp.serving.writing import Writer

_SECONDS = 0.25


class AccessLog:
    """Keeps lines for a moment, so that a busy server writes many at once. Bodies and queries are not in them.

    Only so many lines wait to be written; what comes then is dropped and counted, and a line says so where they are
    missing.

    Args:
        dropped: Called for each line that is dropped.
        most: Lines that may wait.

    Example:
        >>> AccessLog().lines
        []
    """

    def __init__(self, dropped: Callable[[], None] = lambda: None, most: int = 20_000):
        self.lines: list[str] = []
        self.writer = Writer("stdout", most)
        self._dropped, self._missing, self._room = dropped, 0, 0  # the room is counted anew when there is none

    def write(self, request: Request, seconds: float) -> None:
        """Adds the line of a request that has been answered, or whose client is gone (499).

        Args:
            request: The request.
            seconds: How long it took.

        Example:
            >>> AccessLog.write.__name__
            'write'
        """
        if self._room <= 0 and not self._has_room():
            self._missing += 1
            self._dropped()
            return
        self._room -= 1
        if not self.lines:
            asyncio.get_running_loop().call_later(_SECONDS, self.flush)
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        if self._missing:
            self.lines.append(f"{now} {self._missing} lines are missing here, as this was not read fast enough\n")
            self._missing = 0
        client = request.scope.get("client")
        self.lines.append(
            f'{now} {client[0] if client else "-"} "{request.method} {request.shown}" '
            f"{request.status} {request.sent} {seconds * 1e3:.1f} ms\n"
        )

    def _has_room(self):
        self._room = self.writer.most - self.writer.waiting() - len(self.lines)
        return self._room > 0

    def flush(self) -> None:
        """Has written what is there.

        Example:
            >>> AccessLog().flush()  # nothing
        """
        lines, self.lines = self.lines, []
        self.writer.put(lines)

    def close(self) -> None:
        """Writes what is there, and waits for it, but not for long.

        Example:
            >>> log = AccessLog()
            >>> log.lines.append("One line")
            >>> log.close()
            One line
        """
        self.flush()
        self.writer.close()
