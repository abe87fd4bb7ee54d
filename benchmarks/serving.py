"""What `kerasmlsp serve` bears, beside the same without batching and beside other servers, in pairs in one run.

    python -m benchmarks.serving
    python -m benchmarks.serving --what sentences front --quick
    python -m benchmarks.serving --what peers --python litserve=litvenv/bin/python ray=rayvenv/bin/python
    python -m benchmarks.serving --what soak --minutes 30
    python -m benchmarks.serving --what fuzz --cases 10000 --python schemathesis=fuzzvenv/bin/python

Parts:
  sentences  one-sentence reviews of 64 clients, beside the same server with one row in each batch
  reviews    whole reviews likewise; `--reviews` holds test.csv with a column text
  gestures   photographs as bytes likewise; `--pictures` holds them, in folders or not
  front      requests that need no model: what the front costs
  alone      one client alone, beside the bare signature
  start      seconds from the start of the process to the first /healthz, and to /readyz with all models
  peers      sentences beside TensorFlow's batch function, LitServe and Ray Serve in HAProxy mode
  stop       SIGTERM under load: answers that are lost
  soak       steady load at 70 % of the capacity, while a new version is published each minute
  fuzz       schemathesis over the server's own description of both interfaces
Without `--what`, all but the last two. A target is met where the median of the ratios, one for each pair measured one
after the other, is on its right side. Servers stay on `--server-cores`, clients on `--client-cores`. It needs Linux,
and wrk for closed loops; a part that lacks something is skipped and says so.
"""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

from benchmarks.ratios import Row, table
from benchmarks.serving_parts.alone import measure_front, measure_fuzz, measure_soak, measure_start, measure_stop
from benchmarks.serving_parts.pairs import (
    measure_alone,
    measure_gestures,
    measure_peers,
    measure_reviews,
    measure_sentences,
)
from benchmarks.serving_parts.servers import ROOT

MEASURES = {
    "sentences": measure_sentences,
    "reviews": measure_reviews,
    "gestures": measure_gestures,
    "front": measure_front,
    "alone": measure_alone,
    "start": measure_start,
    "peers": measure_peers,
    "stop": measure_stop,
    "soak": measure_soak,
    "fuzz": measure_fuzz,
}
PARTS = [part for part in MEASURES if part not in ("soak", "fuzz")]


def measured(options):
    """Measures the parts one after the other, and returns their rows and how many failed.

    Parts that `--results` already holds are taken from there.
    """
    results = json.loads(options.results.read_text()) if options.results and options.results.is_file() else {}
    rows, failed = [], 0
    for part in options.what:
        if part not in results:
            try:
                results[part] = [dataclasses.asdict(row) for row in MEASURES[part](options)]
            except FileNotFoundError as error:
                print(f"Skipped: {part}: {error}", file=sys.stderr)
                continue
            except RuntimeError as error:
                print(f"Failed: {part}: {error}", file=sys.stderr)
                failed += 1
                continue
            if options.results:
                beside = options.results.with_name(f"{options.results.name}.new")
                beside.write_text(json.dumps(results, indent=1))
                beside.replace(options.results)
        rows += [Row(**row) for row in results[part]]
    return rows, failed


def cores(text):
    """Returns the numbers in a list such as 0,2-3."""
    pairs = [each.partition("-") for each in text.split(",")]
    return sorted({number for low, _, high in pairs for number in range(int(low), int(high or low) + 1)})


def named(text):
    """Returns the two sides of NAME=PATH."""
    name, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=PATH. Received: {text}")
    return name, Path(path).absolute()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", nargs="+", choices=list(MEASURES), default=PARTS, metavar="PART", help="only these")
    parser.add_argument("--models", type=Path, default=ROOT / "saved_models", help="folder of saved models")
    parser.add_argument("--reviews", type=Path, default=Path("~/.cache/kerasmlsp/data/imdb"), help="folder of test.csv")
    parser.add_argument("--pictures", type=Path, default=Path("~/.cache/kerasmlsp/data/sign_digits"), help="folder")
    parser.add_argument("--rounds", type=int, default=3, help="pairs to measure (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=15, help="length of each measurement (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of our workers (default: %(default)s)")
    parser.add_argument("--server-cores", type=cores, metavar="LIST", help="as 0,2-3; default the first two")
    parser.add_argument("--client-cores", type=cores, metavar="LIST", help="default all others; of two, the same")
    parser.add_argument("--minutes", type=float, default=30, help="length of soak (default: %(default)s)")
    parser.add_argument("--publish-seconds", type=float, default=60, help="between versions (default: %(default)s)")
    parser.add_argument("--cases", type=int, default=10_000, help="cases of fuzz (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=200, help="the most for each operation, in one go of fuzz")
    parser.add_argument(
        "--python", nargs="+", type=named, default=[], metavar="NAME=PATH", help="Python that has litserve, ray, ..."
    )
    parser.add_argument("--results", type=Path, help="JSON file of the parts that are done, which are not done again")
    parser.add_argument(
        "--quick", action="store_true", help="one round of 2 s, half a minute, 300 cases: does it work?"
    )
    options = parser.parse_args(arguments)
    options.python = dict(options.python)
    options.reviews, options.pictures = options.reviews.expanduser(), options.pictures.expanduser()
    if options.quick:
        options.rounds, options.seconds, options.minutes, options.publish_seconds = 1, 2, 0.5, 15
        options.cases, options.examples = 300, 10
    return options


def main(arguments=None):
    options = parse(arguments)
    there = sorted(os.sched_getaffinity(0))
    options.server_cores = options.server_cores or there[:2]
    options.client_cores = options.client_cores or there[2:] or there
    os.sched_setaffinity(0, options.client_cores)
    try:
        rows, failed = measured(options)
    finally:
        os.sched_setaffinity(0, there)
    if rows:
        print(table(rows))
    shared = set(options.server_cores) & set(options.client_cores)
    print(
        f"\nServers on cores {options.server_cores}, clients on {options.client_cores}{', shared' if shared else ''}; "
        f"medians of {options.rounds} rounds of {options.seconds} s; load average {os.getloadavg()[1]:.1f}."
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
