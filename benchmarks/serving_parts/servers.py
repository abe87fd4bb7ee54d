"""Servers and what they are asked."""

import base64
import csv
import json
import random
import sys
from pathlib import Path

from benchmarks.load import Server

ROOT = Path(__file__).parents[2]
CLIENTS = 64
PREDICT = "/v1/models/{}:predict"
SENTIMENT = PREDICT.format("sentiment")
UNBATCHED = "max_batch_size { value: 1 } max_enqueued_batches { value: 1024 }\n"


def body(value, **others):
    """Returns the body of a request for one row."""
    return json.dumps({"instances": [value], **others}).encode()


def texts(path, count):
    """Returns bodies of requests for `count` texts, from all of a CSV file with a column text."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: name the folder of IMDB's reviews with --reviews.")
    with open(path, newline="", encoding="utf-8") as file:
        found = [row["text"] for row in csv.DictReader(file)]
    return [body(text) for text in found[:: max(1, len(found) // count)][:count]]


def pictures(folder, count):
    """Returns bodies of requests for `count` files of a folder and those below it, drawn at random."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not found:
        raise FileNotFoundError(f"{folder} holds no JPEG or PNG files: name a folder of hands with --pictures.")
    chosen = random.Random(0).sample(found, min(count, len(found)))
    encoded = [base64.b64encode(path.read_bytes()).decode() for path in chosen]
    return [body({"b64": each}, signature_name="serving_bytes") for each in encoded]


def link(options, folder, *names):
    """Makes a folder of models that holds only those of these names."""
    for name in names:
        source = options.models / name
        if not source.is_dir():
            raise FileNotFoundError(f"{source} is not there: name the folder of saved models with --models.")
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(source.resolve())
    return folder


def ours(threads, models, *settings):
    """Returns the command of our server."""
    program = Path(sys.executable).with_name("kerasmlsp")
    words = [program, "serve", "--models", models, "--port", "{port}", "--no-access-log"]
    return [*words, "--threads", threads, *settings]


def started(stack, options, command, environment=None):
    """Starts a server that ends with the stack."""
    return stack.enter_context(Server(command, options.server_cores, environment))


def unbatched(folder):
    """Returns the settings of a server that runs each row by itself."""
    file = folder / "unbatched.pbtxt"
    file.write_text(UNBATCHED)
    return "--batching-parameters-file", file


def newest(model):
    """Returns the folder of a model's highest version."""
    return max((each for each in model.iterdir() if each.name.isdigit()), key=lambda each: int(each.name))
