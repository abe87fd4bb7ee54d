"""Lines written to stdout or stderr by a thread: whoever reads them may pause, and a full pipe holds up who writes."""

import os
import queue
import sys
import threading
import time

_PATIENCE = 1.0
"""Seconds that the last lines may take to be written."""
_AGAIN = 0.25


class Writer:
    """Writes lines to a stream of the process.

    Args:
        stream: `"stdout"` or `"stderr"`.
        most: Lines that may wait.

    Example:
        >>> writer = Writer("stdout", most=2)
        >>> writer.put(["One line\\n", "another\\n"]), writer.close()
        One line
        another
        (None, None)
    """

    def __init__(self, stream: str, most: int):
        self._stream, self.most = stream, most
        self._given = self._written = 0  # lines; each is counted by one thread only
        self._queue: queue.SimpleQueue[list[str] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def waiting(self) -> int:
        """Returns how many lines have not been written yet.

        Example:
            >>> Writer("stdout", most=2).waiting()
            0
        """
        return self._given - self._written

    def put(self, lines: list[str]) -> None:
        """Has lines written, however many wait; to be called by one thread only.

        Example:
            >>> Writer("stdout", most=2).put([])
        """
        if not lines:
            return
        self._given += len(lines)
        self._queue.put(lines)
        if self._thread is None:
            # A daemon: the process does not wait for lines that nobody reads.
            self._thread = threading.Thread(target=self._write, name=self._stream, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Waits until all is written, but not for long.

        Example:
            >>> Writer("stdout", most=2).close()
        """
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(_PATIENCE)

    def _write(self):
        while (lines := self._queue.get()) is not None:
            _put("".join(lines), getattr(sys, self._stream))
            self._written += len(lines)


def _put(text, stream):
    """Writes past the stream's buffer, whose lock Python waits for at its end."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, AttributeError):  # no file, as in a notebook
        stream.write(text)
        return
    data = text.encode(errors="backslashreplace")
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            time.sleep(_AGAIN)
        except OSError:  # nobody reads it any more
            return
