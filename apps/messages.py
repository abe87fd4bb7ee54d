"""What commands say: logs, and every failure as one sentence that names the options of the command.

Nothing heavy is imported here: every `--help` passes through this file.
"""

import contextlib
import errno
import functools
import json
import logging
import math
import os
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from kerasmlsp.extras import install

# Of TensorFlow's types of numbers; 4 of those that are not named.
_BYTES = {"double": 8, "int64": 8, "complex64": 8, "half": 2, "bfloat16": 2, "int8": 1, "uint8": 1, "bool": 1}


def by_options(text: str, context: click.Context | None = None) -> str:
    """Names in a message the options of a command, where the library names its arguments.

    An argument is the option of its name. The argument `path` is the option whose value the message names, "the path
    in" the option whose folder holds what it names, else "the path"; what stands behind an argument in brackets, as
    (--folds), is the option itself.

    Args:
        text: The message.
        context: That of the command; by default of the one that runs.
    """
    context = context or click.get_current_context(silent=True)
    if context is None or isinstance(context.command, click.Group):
        return text
    parameters = context.command.params
    options = {each.name: each.opts[0] for each in parameters if isinstance(each, click.Option)}
    options |= {flag.strip("-").replace("-", "_"): flag for flag in options.values()}
    text = re.sub(r"`\w+` \((--[\w-]+)(?:, --[\w-]+)*\)", r"`\1`", text)
    # With a value, as (--encoding cp1252 for such files).
    text = re.sub(r"`\w+` \((--[\w-]+ [\w-]+)\)", r"`\1`", text)
    text = re.sub(r"`\w+` \((--[\w-]+ [\w-]+) (.+?)\)", r"`\1` (\2)", text)
    text = re.sub(r"`(\w+)`", lambda found: f"`{options[found[1]]}`" if found[1] in options else found[0], text)
    if "`path`" in text:
        arguments = {each.name: each.human_readable_name for each in parameters if isinstance(each, click.Argument)}
        told = _told_of_path(text, context.params, {**arguments, **options})
        text = re.sub(r"(?:^|(?<=\. ))`path`", lambda _: told[0].upper() + told[1:], text).replace("`path`", told)
    return text


def _told_of_path(text: str, values: dict, shown: dict) -> str:
    """What to call the path in a message, which names it behind: by the parameter whose value it is or lies in."""
    text = text[text.index("`path`") :]
    found = {(0, 0): "the path"}
    given = [(shown[name], value) for name, value in values.items() if name in shown and isinstance(value, Path)]
    for option, path in ((option, str(form)) for option, value in given for form in (value, value.absolute())):
        for whole, end, told in ((1, r"(?![\w/-])", f"`{option}`"), (0, "/", f"the path in `{option}`")):
            if re.search(rf"(?<![\w./-]){re.escape(path)}{end}", text):
                found[len(path), whole] = told
    return found[max(found)]


class _EchoHandler(logging.Handler):
    """Writes records as plain lines to the stderr of the moment, which tests and notebooks replace."""

    write = staticmethod(functools.partial(click.echo, err=True))

    def emit(self, record):
        self.write(by_options(self.format(record)))


def set_up_logs(context: click.Context, debug: bool) -> None:
    """Sends the logs of kerasmlsp, and only errors of other packages, to stderr until the command ends.

    TensorFlow reads its own level once, while it is imported: so this comes before.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if debug else "3")
    logger, handler = logging.getLogger("kerasmlsp"), _EchoHandler()
    others = logging.WARNING if debug else logging.ERROR
    handler.addFilter(lambda record: record.name.split(".")[0] == "kerasmlsp" or record.levelno >= others)
    level_before = logger.level
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    logging.getLogger().addHandler(handler)
    context.call_on_close(lambda: logging.getLogger().removeHandler(handler))
    context.call_on_close(lambda: logger.setLevel(level_before))


@contextlib.contextmanager
def logs_written_by(write: Callable[[str], Any]) -> Iterator[None]:
    """Gives each line of the logs to a function in place of stderr."""
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, _EchoHandler)]
    for each in handlers:
        each.write = write  # type: ignore[method-assign]
    try:
        yield
    finally:
        for each in handlers:
            del each.write


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Keeps what TensorFlow's libraries write to stderr while they are imported away from the terminal.

    They write it before they read TF_CPP_MIN_LOG_LEVEL (seen with TensorFlow 2.21), past `sys.stderr`, so the file
    descriptor itself is turned away. Errors are Python exceptions and pass; `--debug` turns nothing away.
    """
    context = click.get_current_context(silent=True)
    if context is not None and context.find_root().params.get("debug"):
        yield
        return
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Command(click.Command):
    """A command that its root knows when it has failed, so that messages can name its options."""

    def invoke(self, ctx: click.Context) -> Any:
        ctx.meta[__name__] = ctx
        return super().invoke(ctx)


class Group(click.Group):
    """A group of an application, whose commands are `Command`s."""

    command_class = Command


class OneSentenceErrors(click.Group):
    """A group whose commands end in one sentence on stderr, whatever goes wrong in them.

    Exit codes: 1 for failures, 2 for wrong usage, 130 for Ctrl-C; the parameter `debug` also prints the traceback. A
    command tells how to go on after Ctrl-C by raising `KeyboardInterrupt("...")`.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException, BrokenPipeError):
            raise  # click answers these itself, a closed pipe (`| head`) with silence
        except KeyboardInterrupt as error:
            raise _failure(ctx, f"Stopped. {error}".strip(), _Stopped) from error
        except Exception as error:
            raise _failure(ctx, by_options(sentence(error), ctx.meta.get(__name__))) from error


class _Stopped(click.ClickException):
    """Ctrl-C was pressed."""

    exit_code = 130


def _failure(
    context: click.Context, message: str, kind: type[click.ClickException] = click.ClickException
) -> click.ClickException:
    if context.params.get("debug"):
        click.echo(traceback.format_exc(), err=True)
    return kind(message)


def sentence(error: Exception) -> str:
    """Returns what to tell somebody at the command line: what failed, where, and the next step."""
    text = _first_paragraph(error)
    modules = {kind.__module__ for kind in type(error).__mro__}
    if any(module.startswith("tensorflow.python.framework.errors") for module in modules):
        return _tensorflow_sentence(error)
    if isinstance(error, MemoryError):
        return _memory_sentence(text)
    if isinstance(error, OSError):
        return _file_sentence(error)
    if isinstance(error, ImportError):
        return _import_sentence(error)
    if any(module.split(".")[0] in ("pandas", "pyarrow") for module in modules):
        return f"The table cannot be read: check that the file is whole and of the kind its ending says ({text})."
    if isinstance(error, UnicodeError):
        return (
            "A text is not UTF-8: name its encoding, as `--encoding cp1252`, where the command has that option, or "
            f"save it as UTF-8 ({text})."
        )
    if isinstance(error, json.JSONDecodeError):
        return f"A JSON file is damaged: restore it, or train or export again ({text})."
    if "No space left on device" in text:  # said by TensorFlow or HDF5, and passed on in a ValueError or RuntimeError
        path = re.search(r"(\S+); No space left", text)
        return _no_space_sentence(path[1] if path else Path.cwd())
    if isinstance(error, ValueError) and text:
        return text
    return (
        f"{type(error).__name__}: {text or 'no message'}. This looks like a fault of kerasmlsp: "
        f"run again with --debug, as in `kerasmlsp --debug COMMAND`, and report what it prints."
    )


def _first_paragraph(error: Exception) -> str:
    paragraph = " ".join(re.split(r"\n\s*\n", str(error).strip())[0].split())
    return paragraph if len(paragraph) <= 600 else paragraph[:600] + " ..."


def _memory_sentence(text: str) -> str:
    tensor = re.search(r"tensor with shape\[([\d,]*)\] and type (\w+)", text)
    told = re.search(r"llocate ([\d.]+ ?[KMGTPE]?i?(?:B|bytes))\b(?: for an array with shape \(([^)]*)\))?", text)
    if tensor:
        sizes = [int(size) for size in tensor[1].split(",") if size]
        asked = f"{_bytes(math.prod(sizes) * _BYTES.get(tensor[2], 4))} for {' x '.join(map(str, sizes))} numbers"
    elif told:
        asked = told[1] + (f" for {told[2].strip(',').replace(', ', ' x ')} numbers" if told[2] else "")
    else:
        asked = text or "how much was asked for is not told"
    return (
        f"Out of memory ({asked}): take a smaller `--batch-size`, shorter texts (`--max-tokens`, `--window`), smaller "
        "pictures (`--image-size`) or a smaller net, as far as the command has these, or give it fewer data at once."
    )


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"


def _no_space_sentence(path) -> str:
    return f"No space left on the device of {path}: free some space there or choose another folder, then run again."


def _file_sentence(error: OSError) -> str:
    path = error.filename2 or error.filename
    if error.errno == errno.ENOSPC:
        return _no_space_sentence(path or Path.cwd())
    if path is None:
        return _first_paragraph(error) or f"{type(error).__name__}: run again with --debug to see where."
    reasons: dict[int | None, str] = {
        errno.ENOENT: "is not there: check its spelling, and the folder that you are in",
        errno.EACCES: "may not be read or written: change its permissions or choose another place",
        errno.EPERM: "may not be read or written: change its permissions or choose another place",
        errno.EROFS: "is on a read-only file system: choose another folder to write to",
        errno.EISDIR: "is a folder: give a file",
        errno.ENOTDIR: "is a file: give a folder",
        errno.EEXIST: "is already there: move it away or choose another name",
        errno.ENOTEMPTY: "is a folder that is not empty: move it away or choose another name",
    }
    return f"{path} {reasons.get(error.errno, f'cannot be used ({error.strerror}): check the path and the device')}."


def _import_sentence(error: ImportError) -> str:
    text, package = _first_paragraph(error), (error.name or "").split(".")[0]
    if "pip install" in text or not package:
        return text or "A package cannot be imported: `kerasmlsp doctor` tells which."
    if package == "kerasmlsp":
        return f"The installation is not whole ({text}): install kerasmlsp again."
    return f"This needs the package {package}, which cannot be imported ({text}): {install(package)}."


def _tensorflow_sentence(error: Exception) -> str:
    from kerasmlsp.exporting.loading import reason

    text = " ".join(reason(error).split())[:400]
    path = re.search(r"(\S+); ", text)
    if "No space left" in text:
        return _no_space_sentence(path[1] if path else Path.cwd())
    if type(error).__name__ == "ResourceExhaustedError":
        return _memory_sentence(text)
    steps = {
        "NotFoundError": "check the path",
        "PermissionDeniedError": "change the permissions or choose another folder",
        "FailedPreconditionError": "check that the folder is there and may be written to",
        "DataLossError": "the file is damaged, so restore it or make it again",
        "InvalidArgumentError": "check the input",
    }
    return f"TensorFlow stopped ({text}): {steps.get(type(error).__name__, 'run again with --debug to see where')}."
