"""A real worker whose models are NumPy functions: it starts at once, and does what the folder of a version says.

The folder of a version holds `model.json`: `{}`, or any of `fails` (a load fails with this text), `seconds` (a load
takes so long), `dies` (the process is killed while it loads), `adds` (what is added to the answers) and `sizes`.
"""

import json
import os
import pathlib
import signal
import threading
import time

import numpy as np

from kerasmlsp.serving import worker
from kerasmlsp.serving.tensors import Signature, TensorInfo

NUMBERS = TensorInfo("x:0", "DT_INT32", (-1,))
TEXTS = TensorInfo("text:0", "DT_STRING", (-1,))


class Model:
    """What `worker.Worker` asks of a model."""

    def __init__(self, path):
        self.folder = path.parent
        self.facts = json.loads((path / "model.json").read_text())
        time.sleep(self.facts.get("seconds", 0))
        if "fails" in self.facts:
            raise ValueError(self.facts["fails"])
        if self.facts.get("dies"):
            os.kill(os.getpid(), signal.SIGKILL)
        self.card = {"title": "Numbers"}
        self.sizes = self.facts.get("sizes", [])
        self.signatures = {
            # Refuses negative numbers.
            "serving_default": Signature({"x": NUMBERS}, {"y": NUMBERS}, "tensorflow/serving/predict"),
            # Takes so many milliseconds.
            "slow": Signature({"x": NUMBERS}, {"y": NUMBERS}, "tensorflow/serving/predict"),
            # Says that it has a row for each row, and has one for all.
            "sum": Signature({"x": NUMBERS}, {"y": NUMBERS}, "tensorflow/serving/predict"),
            "ragged": Signature({"text": TEXTS}, {"bytes": TensorInfo("b:0", "DT_INT32", (-1, -1))}, ""),
            # Writes how many rows ran together, and their lengths, into the file `calls` beside the versions.
            "lengths": Signature({"text": TEXTS}, {"length": NUMBERS}, ""),
            "pid": Signature({"x": NUMBERS}, {"pid": NUMBERS}, ""),
            # How nice the threads were that loaded and warmed it up, and the one that runs it.
            "niceness": Signature({"x": NUMBERS}, {"niceness": TensorInfo("n:0", "DT_INT32", (-1, 3))}, ""),
        }

        self.niceness = [niceness()]

    def warm_up(self):
        self.niceness.append(niceness())
        return 0

    def run(self, name, arrays):
        return getattr(self, f"_{name}")(**arrays)

    def _serving_default(self, x):
        if (x < 0).any():
            raise ValueError(f"`x` must not be negative. Received: {x.min()}")
        return {"y": 2 * x + np.int32(self.facts.get("adds", 0))}

    def _slow(self, x):
        (self.folder / "running").touch()
        time.sleep(x.max() / 1000)
        return {"y": x}

    def _sum(self, x):
        return {"y": x.sum(keepdims=True)}

    def _ragged(self, text):
        width = max(map(len, text))
        return {"bytes": np.array([list(each.ljust(width, b"\0")) for each in text], np.int32)}

    def _lengths(self, text):
        with LOCK, open(self.folder / "calls", "a") as file:
            file.write(json.dumps([len(each) for each in text]) + "\n")
        time.sleep(0.02)
        return {"length": np.array([len(each) for each in text], np.int32)}

    def _pid(self, x):
        return {"pid": np.full_like(x, os.getpid())}

    def _niceness(self, x):
        return {"niceness": np.tile(np.array([*self.niceness, niceness()], np.int32), (len(x), 1))}


def niceness():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


LOCK = threading.Lock()

if __name__ == "__main__":
    worker.main(load=lambda path: Model(pathlib.Path(path)), imports=lambda: None, prepare=lambda: None)
