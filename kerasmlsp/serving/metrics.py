"""What a server counts, in the text format of Prometheus: TensorFlow Serving's names, and seconds under our own.

No label comes from a client: series exist for served models only, so that no request can make memory grow.
"""

import bisect
import contextlib
import itertools
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence


def exponential(scale: float, factor: float, count: int) -> tuple[float, ...]:
    """Returns the upper bounds of a histogram's buckets, each `factor` times the one before.

    Example:
        >>> exponential(1, 2, 4)
        (1, 2, 4, 8)
    """
    return tuple(scale * factor**power for power in range(count))


# As tensorflow_serving/servables/tensorflow/util.cc and batching_session.cc, in microseconds or examples.
_LATENCY = exponential(10, 1.8, 33)
_QUEUING = exponential(100, 1.2, 52)
_EXAMPLES = exponential(1, 2, 15)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Values:
    """A counter or a gauge: one number for each combination of labels.

    Args:
        name: Name of the metric.
        labels: Names of its labels.
        kind: `"counter"` or `"gauge"`.

    Example:
        >>> requests = Values("requests_total", ["model"])
        >>> requests.add("sentiment")
        >>> print(*requests.lines(), sep="\\n")
        # TYPE requests_total counter
        requests_total{model="sentiment"} 1
    """

    def __init__(self, name: str, labels: Sequence[str] = (), kind: str = "counter"):
        self.name, self.labels, self.kind = name, tuple(labels), kind
        self.series: dict[tuple[str, ...], float] = {}

    def add(self, *labels: str, by: float = 1) -> None:
        """Adds to the number of these labels' values."""
        self.series[labels] = self.series.get(labels, 0) + by

    def lines(self) -> Iterator[str]:
        """Yields the lines of the text, sorted by the values of the labels."""
        if self.series:
            yield f"# TYPE {self.name} {self.kind}"
        for labels, value in sorted(self.series.items()):
            yield f"{self.name}{_braces(zip(self.labels, labels, strict=True))} {_number(value)}"


class Histogram:
    """Counts of observations by size, for each combination of labels.

    Args:
        name: Name of the metric.
        labels: Names of its labels.
        bounds: Upper bounds of the buckets, rising; a last one without a bound is added.

    Example:
        >>> sizes = Histogram("batch_rows", [], [1, 32])
        >>> sizes.observe(20)
        >>> list(sizes.lines())[2:]
        ['batch_rows_bucket{le="32"} 1', 'batch_rows_bucket{le="+Inf"} 1', 'batch_rows_sum 20', 'batch_rows_count 1']
    """

    def __init__(self, name: str, labels: Sequence[str], bounds: Sequence[float]):
        self.name, self.labels, self.bounds = name, tuple(labels), tuple(bounds)
        self.series: dict[tuple[str, ...], list] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Counts one observation under these values of the labels."""
        series = self.series.get(labels)
        if series is None:
            series = self.series[labels] = [[0] * (len(self.bounds) + 1), 0]
        series[0][bisect.bisect_left(self.bounds, value)] += 1
        series[1] += value

    def lines(self) -> Iterator[str]:
        """Yields the lines of the text, sorted by the values of the labels."""
        if self.series:
            yield f"# TYPE {self.name} histogram"
        bounds = [*(f"{bound:.6g}" for bound in self.bounds), "+Inf"]
        for labels, (counts, total) in sorted(self.series.items(), key=lambda each: each[0]):
            pairs = list(zip(self.labels, labels, strict=True))
            for bound, count in zip(bounds, itertools.accumulate(counts), strict=True):
                yield f"{self.name}_bucket{_braces([*pairs, ('le', bound)])} {count}"
            yield f"{self.name}_sum{_braces(pairs)} {_number(total)}"
            yield f"{self.name}_count{_braces(pairs)} {sum(counts)}"


def _braces(pairs):
    # As TensorFlow Serving escapes, and line ends as Prometheus wants.
    escaped = ((name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for name, value in pairs)
    text = ",".join(f'{name}="{value}"' for name, value in escaped)
    return f"{{{text}}}" if text else ""


def _number(value):
    return repr(int(value) if value == int(value) else float(value))


class Metrics:
    """All that one server counts.

    Example:
        >>> metrics = Metrics()
        >>> metrics.know("sentiment")
        >>> metrics.answered("sentiment", "Predict", "OK", 0.002)
        >>> metrics.answered("a client's invention", "Predict", "NOT_FOUND", 0.002)
        >>> [line for line in metrics.text().splitlines() if line.startswith(":tensorflow:serving:request_count")]
        [':tensorflow:serving:request_count{model_name="sentiment",status="OK"} 1']
    """

    def __init__(self) -> None:
        self._models: set[str] = set()
        self._started = time.time()
        self._gauges: list[Callable[[], Iterable[tuple[str, dict[str, str], float]]]] = []
        serving = ":tensorflow:serving:"
        self._requests = Values(f"{serving}request_count", ["model_name", "status"])
        self._latency = Histogram(f"{serving}request_latency", ["model_name", "API", "entrypoint"], _LATENCY)
        self._runtime = Histogram(f"{serving}runtime_latency", ["model_name", "API", "runtime"], _LATENCY)
        self._example_counts = Histogram(f"{serving}request_example_counts", ["model"], _EXAMPLES)
        self._examples = Values(f"{serving}request_example_count_total", ["model"])
        self._queuing = Histogram(f"{serving}batching_session:queuing_latency", ["thread_pool_name"], _QUEUING)
        self._batches = Values(f"{serving}batching_session:wrapped_run_count")
        self._warm_up = Histogram(f"{serving}model_warmup_latency", ["model_path", "status"], _LATENCY)
        self._warm_up_records = Values(f"{serving}model_warmup_records_read", ["model_path", "status"])
        self._loads = Values(":tensorflow:cc:saved_model:load_attempt_count", ["model_path", "status"])
        self._runs = Values(":tensorflow:core:graph_runs")
        self._seconds = Histogram("kerasmlsp_request_seconds", ["model", "api"], _SECONDS)
        self._batch_size = Histogram("kerasmlsp_batch_size", ["model"], _EXAMPLES[:10])
        self._padding = Histogram("kerasmlsp_batch_padding_share", ["model"], [0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
        self._rejected = Values("kerasmlsp_rejected_total", ["reason"])
        self._restarts = Values("kerasmlsp_worker_restarts_total")
        self._dropped = Values("kerasmlsp_access_log_dropped_total")

    def know(self, *models: str) -> None:
        """Lets these models have series."""
        self._models.update(models)

    def answered(self, model: str, api: str, status: str, seconds: float, entrypoint: str = "REST") -> None:
        """Counts one request as the front saw it.

        Args:
            model: Name as the client gave it; one that is not served is not counted.
            api: `"Predict"`, `"Classify"`, `"Regress"`, ...
            status: Name of the gRPC code.
            seconds: From the whole body to the whole answer.
            entrypoint: `"REST"`, or `"V2"` for the Open Inference Protocol.
        """
        if model in self._models:
            self._requests.add(model, status)
            self._latency.observe(seconds * 1e6, model, api, entrypoint)
            self._seconds.observe(seconds, model, api)

    def examples(self, model: str, count: int) -> None:
        """Counts the examples of one request to classify or regress."""
        if model in self._models:
            self._example_counts.observe(count, model)
            self._examples.add(model, by=count)

    def rejected(self, reason: str) -> None:
        """Counts a request that was refused before a model saw it; `reason` is a fixed word, such as `"body_size"`."""
        self._rejected.add(reason)

    def queued(self, model: str, seconds: float) -> None:
        """Counts how long the first rows of a batch waited."""
        self._queuing.observe(seconds * 1e6, model)

    def ran(self, model: str, rows: int, padding: float, seconds: float) -> None:
        """Counts one batch: its rows, the share of padding among its text (0 to 1), and how long the worker took."""
        self._batches.add()
        self._runs.add()
        self._runtime.observe(seconds * 1e6, model, "Predict", "TF1")
        self._batch_size.observe(rows, model)
        self._padding.observe(padding, model)

    def loaded(self, path: str, status: str, warm_up_seconds: float | None = None, records: int = 0) -> None:
        """Counts one attempt to load a version, and its warm-up if it came to that."""
        self._loads.add(path, status)
        if warm_up_seconds is not None:
            self._warm_up.observe(warm_up_seconds * 1e6, path, status)
            self._warm_up_records.add(path, status, by=records)

    def forget(self, path: str) -> None:
        """Drops the series of a version's folder, since there is a new one with each version."""
        for each in (self._loads, self._warm_up, self._warm_up_records):
            for labels in [labels for labels in each.series if labels[0] == path]:
                del each.series[labels]

    def restarted(self) -> None:
        """Counts a worker process that ended and is started again."""
        self._restarts.add()

    def dropped(self) -> None:
        """Counts a line of the access log that was not written, since nobody read those before it."""
        self._dropped.add()

    def gauge(self, read: Callable[[], Iterable[tuple[str, dict[str, str], float]]]) -> None:
        """Has `read` asked at each `text` for name, labels and value of what can be read off, such as the queue."""
        self._gauges.append(read)

    def text(self) -> str:
        """Returns all metrics in the text format of Prometheus."""
        gauges: dict[str, list[str]] = {}
        for read in [*self._gauges, self._process]:
            for name, labels, value in read():
                gauges.setdefault(name, []).append(f"{name}{_braces(labels.items())} {_number(value)}")
        lines = [line for each in vars(self).values() if isinstance(each, Values | Histogram) for line in each.lines()]
        for name, series in gauges.items():
            lines += [f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}", *series]
        return "\n".join(lines) + "\n"

    def _process(self):
        yield "process_start_time_seconds", {}, int(self._started)
        yield "process_cpu_seconds_total", {}, time.process_time()
        if (size := resident_bytes(os.getpid())) is not None:
            yield "process_resident_memory_bytes", {}, size
        with contextlib.suppress(OSError):
            yield "process_open_fds", {}, len(os.listdir("/proc/self/fd"))


def resident_bytes(pid: int) -> int | None:
    """Returns the memory of a process in bytes; None where it is gone or the system does not tell.

    Example:
        >>> (resident_bytes(os.getpid()) or 10**7) > 10**6
        True
    """
    try:
        pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
