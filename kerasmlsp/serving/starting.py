"""Starts a worker so that what it imports takes no more of the processor than others leave, where others are served.

    python -m kerasmlsp.serving.starting DESCRIPTOR THREADS [gently]

Only the standard library is imported here, before the niceness is set; the rest is as `kerasmlsp.serving.worker` says.
"""

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

GENTLE = 10
"""The niceness of threads that load beside what is served: a tenth of what the others get, and all that they leave."""


def started(gently: bool, function: Callable[..., None], *arguments: Any) -> threading.Thread:
    """Starts and returns a thread that does what others are not to wait for.

    A thread that has become nice cannot go back, and hands its niceness on to those that it starts.

    Args:
        gently: Whether it is to take no more of the processor than others leave, on Linux.
        function: What it does.
        *arguments: Those of the function.

    Example:
        >>> started(False, print, "loaded").join()
        loaded
    """

    def work():
        if gently and sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GENTLE)
        function(*arguments)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _import():
    with contextlib.suppress(Exception):  # the same import below says what is wrong
        importlib.import_module("kerasmlsp.serving.worker")


if __name__ == "__main__":
    started("gently" in sys.argv[3:], _import).join()
    from kerasmlsp.serving import worker

    worker.main()
