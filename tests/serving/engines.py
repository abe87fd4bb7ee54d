"""Models for the tests of the engine: folders of NumPy functions, and tiny saved models of TensorFlow."""

import asyncio
import json
import os
import sys
import threading
from pathlib import Path

import numpy as np

from kerasmlsp.serving.engine import Engine, EngineSettings

NUMPY_WORKER = (sys.executable, str(Path(__file__).with_name("numpy_worker.py")))


class Models:
    """A folder of models for `numpy_worker.py`."""

    def __init__(self, path):
        self.path = path

    def write(self, name="numbers", version=1, **facts):
        """Makes a version, or changes what is said of it; returns its folder."""
        folder = self.path / name / str(version)
        if folder.exists():
            (folder / "model.json").write_text(json.dumps(facts))
            return folder
        folder.parent.mkdir(exist_ok=True)
        hidden = folder.with_name(f".{version}")
        hidden.mkdir()
        (hidden / "model.json").write_text(json.dumps(facts))
        return hidden.rename(folder)

    def settings(self, **changes):
        quick = {"poll_seconds": 0.02, "linger_seconds": 0.05, "retry_seconds": 60.0, "command": NUMPY_WORKER}
        where = {} if "config_file" in changes else {"models": (self.path,)}
        return EngineSettings(**{**quick, **where, **changes})


def x(*values):
    return {"x": np.array(values, np.int32)}


def run(settings, test):
    """Runs an asynchronous function of an engine that has everything loaded."""

    async def main():
        engine = Engine(settings)
        try:
            async with asyncio.timeout(60):
                await engine.start()
                await until(lambda: all(engine.ready().values()))
                return await test(engine)
        finally:
            await engine.stop(grace=0)

    return asyncio.run(main())


def is_running(pid):
    """Whether a process is there and not only waits to be asked how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def export(folder, number=1, warm_up=()):
    """Writes a saved model whose signatures do what the tests of the worker need."""
    import tensorflow as tf

    class Tiny(tf.Module):
        def __init__(self):
            self.factor = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def texts(self, text):
            length = tf.strings.length(text)
            ok = tf.debugging.assert_greater(length, 0, "`text` must not be empty.")
            with tf.control_dependencies([ok]):
                return {"length": length, "upper": tf.strings.upper(text), "half": tf.cast(length, tf.float32) / 2}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def letters(self, text):
            return {"letters": tf.strings.unicode_split(text, "UTF-8").to_tensor()}

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, 2], tf.float32, "points"),
                tf.TensorSpec([], tf.float32, "scale"),
                tf.TensorSpec([None], tf.int32, "added"),
            ]
        )
        def scaled(self, points, scale, added):
            added = tf.cast(added, tf.float32)[:, None]
            return {"points": points * scale * self.factor + added, "big": tf.reduce_sum(points, -1) > 1}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "Steps")])
        def slow(self, Steps):
            value = tf.while_loop(
                lambda i, _: i < tf.reduce_max(Steps), lambda i, v: (i + 1, tf.sin(v) + 1), [0, tf.zeros([])]
            )[1]
            return {"value": tf.fill(tf.shape(Steps), value)}

    tiny, path = Tiny(), folder / str(number)
    tf.saved_model.save(
        tiny,
        str(path),
        {"serving_default": tiny.texts, "letters": tiny.letters, "scaled": tiny.scaled, "slow": tiny.slow},
    )
    card = {"title": "Tiny", "endpoints": {"scaled": {"inputs": {"scale": {"default": 3.0}, "added": {"default": 0}}}}}
    (path / "card.json").write_text(json.dumps(card))
    if warm_up:
        (path / "assets.extra").mkdir()
        write_warm_up(path / "assets.extra" / "tf_serving_warmup_requests", warm_up)
    return path


def write_warm_up(file, requests):
    """Writes requests as TensorFlow Serving's `PredictionLog`s: pairs of a signature and arrays."""
    import tensorflow as tf

    from kerasmlsp.serving import graphs
    from kerasmlsp.serving.protos import message_classes

    classes = message_classes(graphs._MESSAGES)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, arrays in requests:
            log = classes["PredictionLog"]()
            log.predict_log.request.model_spec.signature_name = signature
            for key, array in arrays.items():
                log.predict_log.request.inputs.add(key=key, value=tf.make_tensor_proto(array).SerializeToString())
            writer.write(log.SerializeToString())


class Served:
    """An engine in a thread with a loop of its own."""

    def __init__(self, settings):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.engine = Engine(settings)

    def __call__(self, coroutine, seconds=120):
        """Runs a coroutine there and returns its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(seconds)

    def stop(self):
        self(self.engine.stop(grace=0))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def text(*values):
    return {"text": np.array([each.encode() for each in values], object)}


def environment():
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


async def until(condition, seconds=60):
    """Waits for what a function says, and returns it."""
    async with asyncio.timeout(seconds):
        while not (found := condition()):
            await asyncio.sleep(0.01)
        return found
