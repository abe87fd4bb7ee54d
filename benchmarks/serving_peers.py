"""What `benchmarks.serving` measures beside ours: other servers of the same saved model, and the model without any.

    python -m benchmarks.serving_peers bare saved_models/sentiment/1
    python -m benchmarks.serving_peers batch saved_models/sentiment/1 --output models/sentiment/1
    python -m benchmarks.serving_peers litserve saved_models/sentiment/1 --port 8000
    RAY_SERVE_ENABLE_HA_PROXY=1 python -m benchmarks.serving_peers ray saved_models/sentiment/1 --port 8000

Each is run with the Python of the environment that has it. The servers take `{"instances": [TEXT]}` and answer with
`{"predictions": [{...}]}`, at every path that `benchmarks.serving` asks them at.
  bare      calls the signature with one text for as many seconds as a line of stdin says, and prints what a call takes
  batch     writes the model again, with TensorFlow's batch function around its signature
  litserve  LitServe, which puts requests together by its own batching
  ray       Ray Serve with `@serve.batch`
"""

import argparse
import json
import statistics
import sys
import time

try:
    from litserve import LitAPI
except ImportError:
    LitAPI = object

PATH = "/v1/models/sentiment:predict"
ROWS = 32


def loaded(model):
    """Returns the signature, with one core for each operation as ours has it."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    restored = tf.saved_model.load(model)
    call = restored.signatures["serving_default"]
    call.keep = restored
    return call


def rows(call, texts):
    """Returns the answers to a batch as a list of one dict each, of what JSON can hold."""
    import tensorflow as tf

    outputs = call(text=tf.constant(texts))
    values = {name: value.numpy().tolist() for name, value in outputs.items()}
    values["label"] = [label.decode() for label in values["label"]]
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def bare(model, _):
    """Calls the signature without a server."""
    import tensorflow as tf

    from benchmarks.sentiment_speed import SENTENCE

    restored = tf.saved_model.load(model)
    call, text = restored.signatures["serving_default"], tf.constant([SENTENCE])
    for _ in range(20):
        call(text=text)
    print("ready", flush=True)
    for line in sys.stdin:
        begun, used, taken = time.perf_counter(), time.process_time(), []
        while time.perf_counter() < begun + float(line):
            started = time.perf_counter()
            call(text=text)["label"].numpy()
            taken.append(time.perf_counter() - started)
        cpu = (time.process_time() - used) / len(taken)
        print(json.dumps({"median": 1e3 * statistics.median(taken), "cpu": 1e3 * cpu}), flush=True)


def batch(model, options):
    """Writes the model with TensorFlow's batch function around its signature."""
    import tensorflow as tf

    restored = tf.saved_model.load(model)
    signature = restored.signatures["serving_default"]
    names = sorted(signature.structured_outputs)

    @tf.nondifferentiable_batch_function(
        num_batch_threads=2, max_batch_size=ROWS, batch_timeout_micros=int(1e3 * options.wait), max_enqueued_batches=64
    )
    def together(text):
        outputs = signature(text=text)
        return [outputs[name] for name in names]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def serve(text):
        values = together(text)
        for name, value in zip(names, values, strict=True):
            value.set_shape(signature.structured_outputs[name].shape)
        return dict(zip(names, values, strict=True))

    module = tf.Module()
    module.restored, module.serve = restored, serve
    tf.saved_model.save(module, options.output, signatures=serve)


class Sentiment(LitAPI):
    """The model as LitServe calls it, in processes that import this file."""

    def __init__(self, model, **settings):
        super().__init__(**settings)
        self._model = model

    def setup(self, device):
        self._call = loaded(self._model)

    def decode_request(self, request):
        return request["instances"][0]

    def batch(self, texts):
        return texts

    def predict(self, texts):
        return rows(self._call, texts)

    def unbatch(self, answers):
        return answers

    def encode_response(self, answer):
        return {"predictions": [answer]}


def litserve(model, options):
    """Serves the model by LitServe."""
    import litserve

    api = Sentiment(model, max_batch_size=ROWS, batch_timeout=options.wait / 1e3, api_path=PATH)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=options.workers)
    server.run(host="127.0.0.1", port=options.port, num_api_servers=1, log_level="warning", generate_client_file=False)


def ray(model, options):
    """Serves the model by Ray Serve."""
    import asyncio

    import ray
    from ray import serve

    ray.init(num_cpus=max(2, options.workers), include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": options.port})

    @serve.deployment(num_replicas=options.workers, max_ongoing_requests=256)
    class Sentiment:
        def __init__(self):
            self.call = loaded(model)

        @serve.batch(max_batch_size=ROWS, batch_wait_timeout_s=options.wait / 1e3, max_concurrent_batches=2)
        async def answers(self, texts):
            return await asyncio.to_thread(rows, self.call, texts)

        async def __call__(self, request):
            text = (await request.json())["instances"][0]
            return {"predictions": [await self.answers(text)]}

    serve.run(Sentiment.bind(), route_prefix="/")
    while True:
        time.sleep(60)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=["bare", "batch", "litserve", "ray"])
    parser.add_argument("model", help="folder of the version")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that hold the model (default: %(default)s)")
    parser.add_argument("--wait", type=float, default=2, help="ms to wait for a full batch (default: %(default)s)")
    parser.add_argument("--output", help="where `batch` writes")
    options = parser.parse_args(arguments)
    {"bare": bare, "batch": batch, "litserve": litserve, "ray": ray}[options.peer](options.model, options)


if __name__ == "__main__":
    main()
