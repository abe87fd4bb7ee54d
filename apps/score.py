"""The command `kerasmlsp score`: a saved model answers every row of tables, or every file of folders.

    $ kerasmlsp score --model sentiment --input 'reviews/*.parquet' --output scored
    $ kerasmlsp score --model gesture --input 'hands/**/*.jpg' --output scored

Nothing heavy is imported here: `--help` passes through this file.
"""

import contextlib
import functools
import os
import sys
import time

import click

from kerasmlsp.apps import messages, options, printing

FORMATS = ("parquet", "csv", "jsonl")
# Seconds between two lines in a log.
_EVERY = 15.0


def _mapped(context, parameter, pairs):
    found = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise click.BadParameter(f"must be INPUT=COLUMN. Received: {pair!r}")
        found[name] = column
    return found


@click.command(cls=messages.Command)
@click.option("--model", required=True, metavar="NAME", help="Name of the saved model, as sentiment.")
@click.option(
    "--input",
    "inputs",
    required=True,
    multiple=True,
    metavar="PATTERN",
    help="Files to read, as 'DIR/*.parquet' or 'DIR/**/*.jpg', or a folder; may be given again.",
)
@click.option(
    "--output",
    required=True,
    type=options.Folder(".csv", ".jsonl", ".parquet"),
    metavar="DIR",
    help="Folder to write to; one that holds an interrupted job is gone on with.",
)
@click.option("--endpoint", metavar="NAME", help="Default serving_default; for files serving_bytes, if there is one.")
@click.option(
    "--column",
    "columns",
    multiple=True,
    callback=_mapped,
    metavar="INPUT=COLUMN",
    help="Column that feeds an input; default the one of its name. May be given again.",
)
@click.option("--keep", multiple=True, metavar="COLUMN", help="Column to write beside the answers; may be given again.")
@click.option("--keep-all", is_flag=True, help="Write all columns of the input beside the answers.")
@click.option("--format", type=click.Choice(FORMATS), help="Format of the output; default that of the input.")
@click.option("--encoding", type=options.Encoding(), default="utf-8", show_default=True, help="That of text files.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=32, show_default=True, help="Rows answered in one call."
)
@click.option(
    "--part-rows",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    help="Rows in a file of the output at most.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Calls, or Ray's actors, at a time; default one a core.")
@click.option(
    "--ray",
    "address",
    is_flag=False,
    flag_value="",
    metavar="[ADDRESS]",
    help="Work on the Ray cluster at ADDRESS, as auto; without it on one of this machine.",
)
@click.option("--gpus", type=options.FiniteRange(min=0), help="GPUs of each of Ray's actors; may be a part of one.")
@options.model_options
@options.json_option
def score(model, inputs, output, columns, keep_all, workers, address, gpus, as_json, **values):
    """Answer every row of tables, or every file of folders.

    A job that was stopped goes on by the same command. Rows that the model refuses stand in _rejected.jsonl.

    \b
    kerasmlsp score --model sentiment --input 'reviews/*.parquet' --output scored
    kerasmlsp score --model sentiment --input reviews.csv --column text=review --keep id --output scored
    kerasmlsp score --model gesture --input 'hands/**/*.jpg' --output scored
    """
    if address is None:
        options.refuse("It is for `--ray`", "gpus")
    if keep_all:
        options.refuse("`--keep-all` keeps every column", "keep")
    chosen = {name: values.pop(name) for name in ("models", "shipped", "version")}
    keep = None if keep_all else values.pop("keep")
    values.pop("keep", None)
    folder = options.find_model(model, **chosen)
    from kerasmlsp.serving import scoring

    job = scoring.plan(folder, inputs, output, scoring.Options(columns=columns, keep=keep, **values))
    progress = _Progress(job)
    try:
        if address is None:
            load = functools.partial(options.load_model, folder, whole_calls=True)
            work = scoring.here(job, load, workers=workers or _cores(), told=progress)
        else:
            from kerasmlsp.serving.scoring import ray_data

            work = ray_data.on_ray(job, address or None, workers=workers, gpus=gpus or 0.0, told=progress)
        summary = scoring.score(job, work, progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Go on by the same command.") from None
    finally:
        progress.close()
    printing.print_results(_report(summary), as_json)
    _exit(summary, output)


def _report(summary):
    if not summary["seconds"]:
        del summary["seconds to start"]
        return {**summary, "seconds": "finished before"}
    return {key: round(each, 1) if isinstance(each, float) else each for key, each in summary.items()}


def _exit(summary, output):
    """Ends with 1 where rows are lost that the model could not be asked, or none was answered."""
    if summary["rejected"] or summary["files not read to their end"]:
        click.echo(f"Why rows were left out is in {output / '_rejected.jsonl'}.", err=True)
    if summary["files not read to their end"] or (summary["rows"] and summary["rows"] == summary["rejected"]):
        click.get_current_context().exit(1)


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _total(job):
    """How many rows there are, where it is known before they are read."""
    from kerasmlsp.serving.scoring import reading

    rows = [each.rows for each in reading.units(job.files, job.options.part_rows)]
    return None if None in rows else sum(rows)


class _Progress:
    """A bar on a terminal, a line from time to time in a log."""

    def __init__(self, job):
        self.rows, self.now, self.bar = 0, 0, None
        self.began = self.said = time.monotonic()
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=_total(job), desc="Scored", unit=" rows", file=sys.stderr, leave=False)

    def __call__(self, rows, now):
        self.rows += rows
        self.now += rows * now
        if self.bar is not None:
            self.bar.update(rows)
        elif time.monotonic() - self.said > _EVERY:
            self.said = time.monotonic()
            click.echo(f"{self.rows:,} rows, {self.now / (self.said - self.began):,.1f} rows/s", err=True)

    def close(self):
        if self.bar is not None:
            with contextlib.suppress(OSError):
                self.bar.close()
