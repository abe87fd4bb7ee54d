"""An engine whose models are functions of NumPy, with the methods that the front calls."""

import asyncio
import collections
import threading

import numpy as np

from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.tensors import Signature, TensorInfo


def info(dtype, *shape):
    return TensorInfo("x:0", f"DT_{dtype}", shape)


TEXT = "abcdefghijklmnopqrstuvwxyz" * 10


def double(**inputs):
    return {"y": 2 * next(iter(inputs.values()))}


def echo(text):
    return {"text": text, "length": np.array([len(each) for each in text], np.int32)}


def size(encoded):
    return {"size": np.array([len(each) for each in encoded], np.int32)}


def start(prompt):
    return {"place": np.array([len(each) for each in prompt], np.int32), "ended": np.zeros((len(prompt), 1), bool)}


def step(place, ended, length, seed, temperature):
    """Goes on in the alphabet, in bytes that may end within a character where the seed is 1."""
    text = TEXT.encode() if seed.tolist() != [1] else "ä€🎵".encode() * 20
    begin, end = place.sum(), place.sum() + length.sum()
    return {
        "text": np.array([text[begin:end]], object),
        "place": place + length,
        "ended": place[:1] + length[:1] >= len(text),
    }


STATE = {"place": info("INT32", -1), "ended": info("BOOL", -1, 1)}
SIGNATURES = {
    "double": {"serving_default": (double, Signature({"x": info("FLOAT", -1)}, {"y": info("FLOAT", -1)}))},
    "echo": {
        "serving_default": (
            echo,
            Signature({"text": info("STRING", -1)}, {"text": info("STRING", -1), "length": info("INT32", -1)}),
        )
    },
    "files": {
        "serving_bytes": (size, Signature({"encoded": info("STRING", -1)}, {"size": info("INT32", -1)})),
        "serving_default": (double, Signature({"images": info("UINT8", -1, 2, 2)}, {"y": info("UINT8", -1, 2, 2)})),
    },
    "writer": {
        "start": (start, Signature({"prompt": info("STRING", -1)}, STATE)),
        "step": (
            step,
            Signature(
                {**STATE, "length": info("INT32", -1), "seed": info("INT32", -1), "temperature": info("FLOAT", -1)},
                {**STATE, "text": info("STRING", -1)},
                defaults={"length": 200, "seed": 0, "temperature": 0.8},
            ),
        ),
    },
    "odd/näme": {"serving_default": (double, Signature({"x": info("FLOAT", -1)}, {"y": info("FLOAT", -1)}))},
}


class Metrics:
    """Keeps what it is told."""

    def __init__(self):
        self.requests, self.reasons = [], collections.Counter()

    def answered(self, model, api, status, seconds, entrypoint="REST"):
        self.requests.append((model, api, status, entrypoint))

    def rejected(self, reason):
        self.reasons[reason] += 1

    def dropped(self):
        self.reasons["log"] += 1

    def examples(self, model, count):
        self.requests.append((model, count))

    def text(self):
        return "# TYPE requests counter\n"


class Servable:
    def __init__(self, engine, name, version=1):
        self.engine, self.name, self.version = engine, name, version
        self.signatures = {key: signature for key, (_, signature) in SIGNATURES[name].items()}
        self.card = {"title": f"The model {name}", "description": "<b>Told & sold</b>"}

    async def predict(self, signature_name, inputs, timeout):
        self.engine.calls.append((self.name, signature_name, inputs))
        if self.engine.error is not None:
            raise self.engine.error
        try:
            if self.engine.seconds:
                await asyncio.wait_for(asyncio.sleep(self.engine.seconds), timeout)
        except TimeoutError:
            raise ServingError("DEADLINE_EXCEEDED", "It took too long") from None
        except asyncio.CancelledError:
            self.engine.cancelled.set()
            raise
        return SIGNATURES[self.name][signature_name][0](**inputs)


class Engine:
    """The models of `SIGNATURES` in version 1; those in `loading` are not ready."""

    def __init__(self, *loading):
        self.loading, self.metrics = loading, Metrics()
        self.calls, self.seconds, self.error, self.cancelled = [], 0.0, None, threading.Event()

    def names(self):
        return list(SIGNATURES)

    def status(self, name, version=None):
        if name not in SIGNATURES:
            raise ServingError("NOT_FOUND", f"Could not find any versions of model {name}")
        if version not in (None, 1):
            raise ServingError("NOT_FOUND", f"Could not find version {version} of model {name}")
        return [{"version": 1, "state": "LOADING" if name in self.loading else "AVAILABLE"}]

    def servable(self, name, version=None, label=None):
        if label is not None:
            raise ServingError("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
        if name not in SIGNATURES or version not in (None, 1) or name in self.loading:
            asked = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError("NOT_FOUND", f"Servable not found for request: {asked}")
        return Servable(self, name)

    def ready(self):
        return {name: name not in self.loading for name in SIGNATURES}
