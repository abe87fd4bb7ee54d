"""How fast `kerasmlsp score` answers the rows of a table, beside loops over the same saved model, in turns in one run.

    python -m benchmarks.score reviews.parquet
    python -m benchmarks.score reviews.parquet --rounds 5 --workers 4

The table has a column `text`; the model is the newest sentiment model. Each round answers all rows one a call, 32 a
call in their order, and by a job. On a machine that does other work, CPU milliseconds say more than rows per second.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from benchmarks.ratios import compare, table

BATCH = 32


def main():
    """Prints the table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reviews", type=Path, help="Parquet with the column text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="calls of the job at a time")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    ways = _ways(arguments.reviews, arguments.workers)
    measured = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            measured[name].append(_cost(way))
    rows, ours = [], measured.pop("score")
    for name, peer in measured.items():
        for what, place in (("rows per second", 0), ("CPU ms a row", 1)):
            rows.append(
                compare(f"{what}, beside {name}", [cost[place] for cost in ours], [cost[place] for cost in peer])
            )
    print(table(rows))


def _ways(path, workers):
    """Each answers all rows, and returns how many there are."""
    import pyarrow.parquet as pq

    from kerasmlsp import exporting
    from kerasmlsp.exporting import loading
    from kerasmlsp.serving import scoring

    loading.prefer_whole_calls()
    model = exporting.load(exporting.find("sentiment"))
    texts = pq.read_table(path)["text"].to_pylist()
    model(text=texts[:BATCH])

    def loop(size):
        for begin in range(0, len(texts), size):
            model(text=texts[begin : begin + size])
        return len(texts)

    def job():
        with tempfile.TemporaryDirectory() as folder:
            plan = scoring.plan(model.path, [str(path)], Path(folder, "out"), scoring.Options(batch_size=BATCH))
            return scoring.score(plan, scoring.here(plan, lambda: model, workers=workers))["rows"]

    return {"one row a call": lambda: loop(1), f"{BATCH} rows a call": lambda: loop(BATCH), "score": job}


def _cost(way):
    """Rows per second, and CPU milliseconds a row of this process."""
    cpu, began = time.process_time(), time.perf_counter()
    rows = way()
    return rows / (time.perf_counter() - began), 1e3 * (time.process_time() - cpu) / rows


if __name__ == "__main__":
    main()
