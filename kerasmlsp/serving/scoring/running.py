"""Does a job: part by part, each written when it is whole, and goes on with one that was stopped."""

import contextlib
import errno
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from kerasmlsp import files
from kerasmlsp.serving.scoring import answering, planning, reading, writing
from kerasmlsp.serving.scoring.planning import Job
from kerasmlsp.serving.scoring.reading import Unit

Told = Callable[[int, bool], Any]
"""Told of rows that are over, and whether that was now or before the job was interrupted."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


def score(job: Job, work: Callable[[list[Unit]], Iterable[dict]], told: Told = lambda rows, now: None) -> dict:
    """Does a job, or the rest of it.

    Args:
        job: Of `plan`.
        work: Does units, several at a time or one after the other, and yields what `do` returns for each.
        told: Told of units that were done before.

    Returns:
        `rows` that were read, how many of them were `rejected`, `files not read to their end`, the `seconds` of this
        time, how many of them were `seconds to start`, as for loading the model, `rows per second` in the others, and
        the folder `output`.

    Raises:
        ValueError: The folder holds something else, or a job of another model, other settings or other files; or
            another process works on it.
        OSError: A file cannot be read or written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from kerasmlsp import exporting
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "reviews.csv").write_text("text\\nA fine film.\\nTwo dull hours.\\n")
        >>> job = planning.plan(
        ...     exporting.find("sentiment"), [f"{folder}/*.csv"], folder / "scored", planning.Options()
        ... )
        >>> score(job, here(job, lambda: exporting.load(job.model)))["rows"]
        2
        >>> print((folder / "scored/part-000000-0000000000.csv").read_text().splitlines()[2].split(",")[3])
        "neg"
    """
    began = time.monotonic()
    with _opened(job):
        manifest = _manifest(job)
        if manifest["finished"]:
            return _finished(job, manifest["finished"])
        units = list(reading.units(job.files, job.options.part_rows))
        done = {each.name: _read_done(job, each) for each in units}
        before = [each for each in done.values() if each]
        for each in before:
            told(each["rows"], False)
        now = list(work([each for each in units if not done[each.name]]))
        summary = _summary(job, [*before, *now])
        _gather(job)
        files.write_json(job.output / "_manifest.json", {**manifest, "finished": summary})
        shutil.rmtree(job.output / ".unfinished")
    rows, start = (sum(each.get(key, 0) for each in now) for key in ("scored now", "seconds to start"))
    return {**summary, **_speed(time.monotonic() - began, start, rows), "output": str(job.output)}


def _speed(seconds, start, rows):
    per_second = rows / (seconds - start) if rows else 0.0
    return {"seconds": seconds, "seconds to start": start, "rows per second": per_second}


def here(
    job: Job, load: Callable[[], Any], *, workers: int = 1, told: Told = lambda rows, now: None
) -> Callable[[list[Unit]], Iterator[dict]]:
    """Returns the `work` of `score` that this process does.

    Args:
        job: The job.
        load: Loads the saved model, once there is something to do.
        workers: Batches that are answered at the same time.
        told: Told of the rows of every batch.

    Example:
        >>> from pathlib import Path
        >>> job = Job(Path("m/1"), Path("scored"), ("a.csv",), "serving_default", {"text": "text"}, {}, {})
        >>> list(here(job, load=print)([]))  # of no units
        []
    """

    def work(units):
        began = time.monotonic()
        model = load() if units else None
        start = time.monotonic() - began
        with ThreadPoolExecutor(workers) as pool:
            try:
                for each in units:
                    yield {**do(job, each, model, pool, told), "seconds to start": start}
                    start = 0.0
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    return work


def do(job: Job, unit: Unit, model: Any, pool: Executor, told: Told = lambda rows, now: None) -> dict:
    """Does one unit of a job: answers and writes those of its parts that are not there yet.

    Args:
        job: The job.
        unit: The unit.
        model: The loaded saved model, `kerasmlsp.exporting.SavedModel`.
        pool: Where batches are answered.
        told: Told of the rows of every batch.

    Returns:
        Counts: `rows`, `rejected`, `not read` (1 where the table is damaged further on), `parts`, and the rows that
        were `scored now`.

    Example:
        >>> # Not tested here: `score` calls it.
        >>> do(job, Unit("000000", ("a.csv",)), model, pool)  # doctest: +SKIP
        {'rows': 2, 'rejected': 0, 'not read': 0, 'parts': 1, 'scored now': 2}
    """
    counts = {"rows": 0, "rejected": 0, "not read": 0, "parts": 0, "scored now": 0}
    parts = reading.parts(unit, job.columns, job.options.part_rows, job.options.encoding)
    for part in _ahead(parts):
        if isinstance(part, Exception):
            counts["not read"] = 1
            row = {"input_file": unit.paths[0], "input_row": unit.first + counts["rows"]}
            name = f"{unit.name.split('-')[0]}-{row['input_row']:010d}-not-read"
            writing.write_rows([{**row, "reason": f"From here on: {part}"}], _side(job, name))
            break
        rejected = _rejected_before(job, unit, part)
        if rejected is None:
            rejected = _do(job, unit, part, model, pool, told)
            counts["scored now"] += len(part)
        else:
            told(len(part), False)
        counts["parts"] += 1
        counts["rows"] += len(part)
        counts["rejected"] += rejected
    files.write_json(_done_path(job, unit), counts)
    return counts


def _ahead(parts: Iterator) -> Iterator:
    """Reads the next part while one is answered, and gives an error of the file as the last."""

    def following():
        try:
            return next(parts, None)
        except OSError as error:
            if error.errno in _FULL:
                raise
            return error
        except ValueError as error:
            return error

    with ThreadPoolExecutor(1) as reader:
        waiting = reader.submit(following)
        while (part := waiting.result()) is not None:
            if not isinstance(part, Exception):
                waiting = reader.submit(following)
            yield part
            if isinstance(part, Exception):
                return


def _do(job, unit, part, model, pool, told):
    def call(**inputs):
        return model.call(job.endpoint, **inputs)

    fed = answering.values(part, job.fed, job.inputs, job.options.encoding)
    answers, refused = answering.answer(
        fed, len(part), call, batch_size=job.options.batch_size, pool=pool, done=lambda rows: told(rows, True)
    )
    reasons = [{**writing.source(unit, part, row), "reason": refused[row]} for row in sorted(refused)]
    # First, since the part is there for good once it has its name.
    writing.write_rows(reasons, _side(job, _name(unit, part)))
    table = writing.scored(unit, part, job.options.keep, answers, job.outputs)
    path = _part_path(job, unit, part)
    hidden = job.output / ".unfinished" / path.name
    writing.write(table, hidden, job.options.format)
    hidden.replace(path)
    return len(refused)


def _rejected_before(job, unit, part):
    """How many rows of a part were refused when it was written; None if it is not there."""
    if not _part_path(job, unit, part).exists():
        return None
    with open(_side(job, _name(unit, part)), "rb") as lines:
        return sum(1 for _ in lines)


def _name(unit, part):
    # Row groups of a table are in the order of their rows.
    number = unit.name.split("-")[0]
    return f"{number}-{part.first:010d}" if unit.is_table else number


def _part_path(job, unit, part):
    return job.output / f"part-{_name(unit, part)}.{job.options.format}"


def _side(job, name):
    return job.output / ".unfinished" / f"rejected-{name}.jsonl"


def _done_path(job, unit):
    return job.output / ".unfinished" / f"done-{unit.name}.json"


def _read_done(job, unit):
    path = _done_path(job, unit)
    return files.read_json(path) if path.exists() else None


@contextlib.contextmanager
def _opened(job):
    """Keeps others away from the folder, which is made if it is not there."""
    output = job.output
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is a file", str(output))
    output.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(output, f"`output` must be a folder that no other job writes to. Received: {output}"):
        output.mkdir(exist_ok=True)
        files.remove_leftovers(output / "_manifest.json", output / "_rejected.jsonl")
        yield


def _manifest(job):
    """That of the folder, if it is of this job, or a new one."""
    path = job.output / "_manifest.json"
    before = files.read_json(path) if path.exists() else None
    if before is None and (other := next(job.output.iterdir(), None)):
        raise ValueError(
            f"`output` must be a new folder, an empty one or that of an interrupted job. Received: {job.output}, "
            f"which holds {other.name}"
        )
    told = _identity(job, {each["file"]: each for each in before["inputs"]} if before else {})
    if before:
        _check_same(job, before, told)
    manifest = {**told, "finished": before["finished"] if before else None}
    files.write_json(path, manifest)
    (job.output / ".unfinished").mkdir(exist_ok=True)
    return manifest


def _identity(job, known):
    options = job.options
    return {
        "model": {"app": job.model.parent.name, "version": job.model.name, "sha256": planning.model_digest(job.model)},
        "settings": {
            "endpoint": job.endpoint,
            "column": dict(job.fed),
            "keep": None if options.keep is None else list(options.keep),
            "format": options.format,
            "encoding": options.encoding,
            "batch-size": options.batch_size,
            "part-rows": options.part_rows,
        },
        "inputs": planning.fingerprints(job.files, known),
    }


def _check_same(job, before, now):
    """Refuses to mix the answers of two jobs in one folder."""
    advice = f"give another folder than {job.output}, or delete it"
    then, model = before["model"], now["model"]
    if then != model:
        names = [f"{each['app']}/{each['version']} ({each['sha256'][:8]})" for each in (then, model)]
        raise ValueError(f"The job in `output` is of the model {names[0]}, not of {names[1]}: {advice}.")
    for name, value in now["settings"].items():
        if before["settings"].get(name) != value:
            raise ValueError(
                f"The job in `output` has `--{name}` {_shown(before['settings'].get(name))}, not {_shown(value)}: "
                f"take the same, or {advice}."
            )
    digests, digests_now = ({each["file"]: each["sha256"] for each in told["inputs"]} for told in (before, now))
    changed = [name for name in digests | digests_now if digests.get(name) != digests_now.get(name)]
    if changed or list(digests) != list(digests_now):
        what = f"{changed[0]} was changed, added or taken away" if changed else "they are in another order"
        raise ValueError(f"The job in `output` is of other files ({what}): restore them, or {advice}.")


def _shown(value):
    return value if isinstance(value, str) else json.dumps(value)


def _summary(job, done):
    rows, rejected, lost, parts = (sum(each[key] for each in done) for key in ("rows", "rejected", "not read", "parts"))
    return _whole(job, {"rows": rows, "rejected": rejected, "files not read to their end": lost, "parts": parts})


def _whole(job, summary):
    if sum(1 for _ in job.output.glob(f"part-*.{job.options.format}")) != summary["parts"]:
        raise ValueError(
            f"`output` lacks some of the {summary['parts']} parts that were written: delete the folder {job.output}, "
            "and score again."
        )
    return summary


def _gather(job):
    """Puts the rows that were refused into one file, in the order of the parts."""
    sides = sorted(job.output.glob(".unfinished/rejected-*.jsonl"))
    if not any(each.stat().st_size for each in sides):
        return

    def write(place):
        with open(place, "wb") as file:
            for each in sides:
                with open(each, "rb") as side:
                    shutil.copyfileobj(side, file)

    files.write_atomically(job.output / "_rejected.jsonl", write)


def _finished(job, summary):
    _whole(job, summary)
    shutil.rmtree(job.output / ".unfinished", ignore_errors=True)
    return {**summary, **_speed(0.0, 0.0, 0), "output": str(job.output)}
