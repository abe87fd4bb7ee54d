"""`kerasmlsp serve`: saved models behind TensorFlow Serving's REST interface and the Open Inference Protocol."""

import asyncio
import contextlib
import json
import logging
import math
import os
import re
import shlex
from pathlib import Path

import click

from kerasmlsp.apps import messages, options

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_TOKEN = "KERASMLSP_TOKEN"
_SAMPLE = "To be, or not to be"
_LINE = 200
"""Characters of a request that fits into a line, and numbers of an answer that does."""
_MOST_LOGGED = 10_000
"""Lines of the log that may wait for whoever reads stderr."""
_SOON, _LOOK = 10.0, 0.1
"""Seconds in which a model is waited for that makes a better example, and between two looks whether it is there."""
_MOST_FILES = 65_536
_SPARE_FILES = 128
"""Files that the front opens besides connections: workers, pages, folders of models."""


@click.command(cls=messages.Command)
@click.option(
    "--models",
    type=_FOLDER,
    metavar="DIR",
    help="Folder of saved models, as DIR/NAME/1; default ./saved_models, and the shipped ones for what it lacks.",
)
@click.option(
    "--model-config-file",
    type=_FILE,
    metavar="FILE",
    help="TensorFlow Serving's file of models, with policies of versions and labels, in place of `--models`.",
)
@click.option(
    "--model-config-poll-seconds",
    type=options.FiniteRange(min=0),
    default=0,
    show_default=True,
    metavar="S",
    help="How often that file is read again; 0 for never.",
)
@click.option(
    "--poll-seconds",
    type=options.FiniteRange(min=0.01),
    default=1,
    show_default=True,
    metavar="S",
    help="How often the folders are looked through for new versions and models.",
)
@click.option("--early-labels", is_flag=True, help="Let labels name versions that are not available yet.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8501, show_default=True, help="Port; 0 for one that is free."
)
@click.option("--unix-socket", type=_FILE, metavar="PATH", help="Listen on this Unix socket, not on `--port`.")
@click.option(
    "--isolate",
    is_flag=True,
    help="A worker process for each model. By default one holds all, and loads all again if one makes it crash.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Batches that a worker runs at a time, each on one core; default 2, or 1 on one core.",
)
@click.option(
    "--batching-parameters-file",
    type=_FILE,
    metavar="FILE",
    help="TensorFlow Serving's file of batching parameters; `batch_timeout_micros` is not needed and not used.",
)
@click.option(
    "--per-model-batching", is_flag=True, help="Take `batching_params.pbtxt` in the folder of a version, if there."
)
@click.option(
    "--queue",
    type=click.IntRange(min=1),
    metavar="N",
    help="Requests that may wait for a model, beyond which 503 is answered; default 4096.",
)
@click.option(
    "--timeout",
    type=options.FiniteRange(min=0, min_open=True),
    default=30,
    show_default=True,
    metavar="S",
    help="Seconds for a request, or a step of a stream, beyond which 504 is answered.",
)
@click.option(
    "--max-body",
    type=click.IntRange(1, 2048),
    default=64,
    show_default=True,
    metavar="MIB",
    help="Size of a body, beyond which 413 is answered.",
)
@click.option(
    "--idle-timeout",
    type=options.FiniteRange(min=0, min_open=True),
    default=75,
    show_default=True,
    metavar="S",
    help="Seconds for which a connection stays open between two requests.",
)
@click.option(
    "--drain-seconds",
    type=options.FiniteRange(min=0),
    default=1,
    show_default=True,
    metavar="S",
    help="Seconds for which it still listens after SIGTERM while /readyz says that it stops.",
)
@click.option(
    "--token",
    metavar="TEXT",
    help=f"What clients must send as `Authorization: Bearer TEXT`. Who lists processes sees it: rather give it in "
    f"the environment variable {_TOKEN}, or by `--token-file`.",
)
@click.option("--token-file", type=_FILE, metavar="FILE", help="File that holds the token in its one line.")
@click.option("--tls-cert", type=_FILE, metavar="PEM", help="Certificate, and those above it, for HTTPS.")
@click.option("--tls-key", type=_FILE, metavar="PEM", help="Its private key, without a password.")
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Web page that may ask from a browser, as https://example.org, or * for all. Can be given several times.",
)
@click.option("--demo", is_flag=True, help="Show the demo pages at /demo/.")
@click.option(
    "--access-log/--no-access-log", default=True, show_default=True, help="Write a line for each request to stdout."
)
def serve(**given):
    """Serve saved models over HTTP until SIGTERM or Ctrl-C.

    \b
    kerasmlsp serve --demo
    kerasmlsp serve --models results/saved_models --host 0.0.0.0 --token-file token
    curl -d '{"inputs": ["A fine film."]}' http://127.0.0.1:8501/v1/models/sentiment:predict

    It answers as TensorFlow Serving does, and by the Open Inference Protocol, on one port. /docs tells what there is,
    /healthz and /readyz how it is. A new version in the folder of a model takes over without a pause. A first signal
    lets it answer what it was asked, a second ends it at once.
    """
    from kerasmlsp.serving.engine import Engine
    from kerasmlsp.serving.front import FrontSettings, build

    tls = _tls(given["tls_cert"], given["tls_key"])
    settings = FrontSettings(
        token=_token(given["token"], given["token_file"]),
        origins=_origins(given["cors"]),
        demo=given["demo"],
        timeout=given["timeout"],
        max_body=given["max_body"] << 20,
        max_bodies=max(512, 2 * given["max_body"]) << 20,
        access_log=given["access_log"],
    )
    engine = Engine(_engine_settings(given))
    front = build(engine, settings)
    sockets = _listen(given)
    try:
        with _logs_beside():
            asyncio.run(_run(engine, front, sockets, tls, given))
    finally:
        for each in sockets:
            each.close()
        if given["unix_socket"] is not None:
            given["unix_socket"].unlink(missing_ok=True)


async def _run(engine, front, sockets, tls, given):
    from kerasmlsp.serving import server
    from kerasmlsp.serving.http import Limits

    await engine.start()
    try:
        running = server.Server(
            front,
            sockets,
            limits=Limits(idle_seconds=given["idle_timeout"], connections=_most_connections()),
            tls=tls,
            drain=front.drain,
            drain_seconds=given["drain_seconds"],
            grace_seconds=given["timeout"] + 5,
            refused=front.refused,
        )
        url, curl = _address(sockets, given)
        if front.settings.token is not None:
            curl += f' -H "Authorization: Bearer ${_TOKEN}"'
        _tell(engine, url, front.settings, given)
        telling = asyncio.create_task(_tell_example(engine, url, curl))
        await running.serve()
        telling.cancel()
    finally:
        front.close()
        await engine.stop(grace=1.0)


@contextlib.contextmanager
def _logs_beside():
    """Has a thread write what is logged while the server runs."""
    from kerasmlsp.serving.writing import Writer

    logs = Writer("stderr", _MOST_LOGGED)

    def write(line):
        if logs.waiting() < logs.most:
            logs.put([f"{line}\n"])

    try:
        with messages.logs_written_by(write):
            yield
    finally:
        logs.close()


def _engine_settings(given):
    import dataclasses

    from kerasmlsp.exporting import loading
    from kerasmlsp.serving import configuring

    folder, file = given["models"], given["model_config_file"]
    if folder is not None and file is not None:
        raise click.UsageError("Give either `--models` or `--model-config-file`.")
    folders = (folder,) if folder is not None else (Path("saved_models"), loading.shipped())
    limits = configuring.Limits()
    if given["batching_parameters_file"] is not None:
        limits = configuring.read_limits(given["batching_parameters_file"])
    if given["queue"] is not None:
        limits = dataclasses.replace(limits, queue=given["queue"])
    return configuring.EngineSettings(
        models=() if file else tuple(each for each in folders if folder is not None or each.is_dir()),
        config_file=file,
        isolate=given["isolate"],
        threads=given["threads"] or min(2, os.cpu_count() or 1),
        poll_seconds=given["poll_seconds"],
        config_poll_seconds=given["model_config_poll_seconds"],
        early_labels=given["early_labels"],
        limits=limits,
        limits_by_version=given["per_model_batching"],
    )


def _tls(certificate, key):
    if certificate is None and key is None:
        return None
    from kerasmlsp.files import existing
    from kerasmlsp.serving import server

    if certificate is not None:
        existing(certificate, "tls_cert")
    if key is not None:
        existing(key, "tls_key")
    if certificate is None:
        raise click.UsageError("`--tls-key` is the key of a certificate: give `--tls-cert`, too.")
    if key is None:
        raise click.UsageError("`--tls-cert` needs the certificate's private key: give `--tls-key`, too.")
    return server.tls(certificate, key)


def _token(token, file):
    if token is not None and file is not None:
        raise click.UsageError("Give either `--token` or `--token-file`.")
    if file is not None:
        try:
            token = file.read_text(encoding="ascii").strip()
        except UnicodeDecodeError:
            token = ""
        source = f"`token_file` must hold a token in its one line: letters, digits and -._~+/=. Received: {file}"
    elif token is not None:
        source = "`token` must be of letters, digits and -._~+/=. Received: other characters, or none"
    elif (token := os.environ.get(_TOKEN)) is not None:
        source = f"{_TOKEN} must be of letters, digits and -._~+/=. Received: other characters, or none"
    # As RFC 6750 has it, section 2.1.
    if token is not None and not (
        token and all(each.isascii() and (each.isalnum() or each in "-._~+/=") for each in token)
    ):
        raise ValueError(source)
    return token


def _origins(given):
    for each in given:
        if each != "*" and not re.fullmatch(r"https?://[^/\s]+", each):
            raise ValueError(f"`cors` must be as https://example.org, without a path, or *. Received: {each}")
    return tuple(given)


def _listen(given):
    from kerasmlsp.serving import server

    if given["unix_socket"] is not None:
        return [server.listen_unix(given["unix_socket"])]
    return server.listen(given["host"], given["port"])


def _most_connections():
    """As many as the system lets the process have files, which is asked to be more.

    They are four times the requests that may wait: to refuse a request is cheap, to refuse a connection, which is made
    anew at once, is not.
    """
    import resource

    from kerasmlsp.serving.http import Limits

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    most = Limits().connections
    return most if soft == resource.RLIM_INFINITY else max(16, min(most, soft - _SPARE_FILES))


def _address(sockets, given):
    """The URL of the server, and curl with what it takes to reach it."""
    curl = "curl"
    if given["unix_socket"] is not None:
        return "http://localhost", f"{curl} --unix-socket {shlex.quote(str(given['unix_socket']))}"
    host, port = given["host"], sockets[0].getsockname()[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    if given["tls_cert"] is not None:
        return f"https://{host}:{port}", f"{curl} --cacert {shlex.quote(str(given['tls_cert']))}"
    return f"http://{host}:{port}", curl


def _tell(engine, url, settings, given):
    """Says on stderr what is served where."""
    if (
        settings.token is None
        and given["unix_socket"] is None
        and given["host"] not in ("127.0.0.1", "localhost", "::1")
    ):
        click.echo("Without a token, everybody who reaches this machine may ask: see `--token-file`.", err=True)
    place = f"the Unix socket {given['unix_socket']}" if given["unix_socket"] is not None else url
    click.echo(f"Listening on {place}, loading {', '.join(engine.names())}.", err=True)
    click.echo(f"More at {url}/docs{f' and {url}/demo/' if settings.demo else ''}.", err=True)


async def _tell_example(engine, url, curl):
    """Says how to ask, once there is a model to ask: one that is asked and answers in a line, if one comes soon."""
    until = None
    while True:
        ready = engine.ready()
        now = asyncio.get_running_loop().time()
        if any(ready.values()):
            until = until or now + _SOON
            rank, words = min(_asked(engine.servable(name), url) for name, there in ready.items() if there)
            if not rank or now > until or all(ready.values()):
                logging.getLogger("kerasmlsp.serving").info("%s %s", curl, words)
                return
        await asyncio.sleep(_LOOK)


def _asked(servable, url):
    """How well a model does for an example, the lowest number best, and what stands behind curl to ask it."""
    from urllib.parse import quote

    from kerasmlsp.serving import openapi

    place = f"{url}/v1/models/{quote(servable.name, safe='')}"
    signature = servable.signatures.get("serving_default")
    body = json.dumps(signature and openapi.example(signature, _SAMPLE))
    if body == "null" or len(body) > _LINE:
        return 2, f"{place}/metadata"
    asked, answered = ([each.shape or () for each in infos.values()] for infos in (signature.inputs, signature.outputs))
    told = all(len(shape) == 1 for shape in asked)  # one value by row, such as a text
    is_short = all(-1 not in shape[1:] and math.prod(shape[1:]) < _LINE for shape in answered)
    return int(not (told and is_short)), f"-d {shlex.quote(body)} {place}:predict"
