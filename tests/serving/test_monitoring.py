"""Metrics: Prometheus's text format, TensorFlow Serving's names and buckets, and no series that a client makes."""

import re

from kerasmlsp.serving.metrics import Metrics

LINE = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{[a-zA-Z_]\w*="([^"\\]|\\.)*"(,[a-zA-Z_]\w*="([^"\\]|\\.)*")*\})? \S+')


def lines(metrics, name):
    return [line for line in metrics.text().splitlines() if line.startswith(name)]


def test_every_line_has_the_format_and_every_type_is_given_once():
    metrics = Metrics()
    metrics.know('odd "name\\')
    metrics.answered('odd "name\\', "Predict", "OK", 0.01)
    metrics.ran('odd "name\\', 16, 0.25, 0.002)
    metrics.queued('odd "name\\', 0.002)
    metrics.loaded("/models/a/1", "success", 0.5, 3)
    metrics.rejected("queue")
    metrics.gauge(lambda: [("kerasmlsp_queue_depth", {"model": "a"}, 3)])
    text = metrics.text()
    assert text.endswith("\n")
    kinds = [line for line in text.splitlines() if line.startswith("#")]
    assert len(kinds) == len(set(kinds)) and all(line.startswith("# TYPE ") for line in kinds)
    assert all(LINE.fullmatch(line) for line in text.splitlines() if not line.startswith("#"))
    assert 'model_name="odd \\"name\\\\"' in text


def test_latency_has_the_buckets_of_tensorflow_serving():
    metrics = Metrics()
    metrics.know("a")
    for seconds in (5e-6, 12e-6, 3600):
        metrics.answered("a", "Predict", "OK", seconds)
    found = lines(metrics, ":tensorflow:serving:request_latency")
    labels = 'model_name="a",API="Predict",entrypoint="REST"'
    bounds = [re.search('le="(.*?)"', line)[1] for line in found if "_bucket" in line]
    assert bounds[:3] == ["10", "18", "32.4"] and len(bounds) == 34 and bounds[-1] == "+Inf"
    counts = [line.split()[-1] for line in found]
    assert counts[:3] == ["1", "2", "2"] and counts[32:34] == ["2", "3"]
    assert found[-2] == f":tensorflow:serving:request_latency_sum{{{labels}}} 3600000017"
    assert found[-1] == f":tensorflow:serving:request_latency_count{{{labels}}} 3"


def test_an_unknown_name_makes_no_series():
    metrics = Metrics()
    metrics.know("a")
    before = metrics.text().count("\n")
    for number in range(100):
        metrics.answered(f"invented {number}", "Predict", "NOT_FOUND", 0.001)
        metrics.examples(f"invented {number}", 3)
    assert metrics.text().count("\n") == before


def test_series_of_a_version_that_is_dropped_go():
    metrics = Metrics()
    for number in range(100):
        metrics.loaded(f"/models/a/{number}", "success", 0.1, 1)
        metrics.forget(f"/models/a/{number - 1}")
    assert lines(metrics, ":tensorflow:cc") == [
        ':tensorflow:cc:saved_model:load_attempt_count{model_path="/models/a/99",status="success"} 1'
    ]
    assert len(lines(metrics, ":tensorflow:serving:model_warmup_latency_count")) == 1


def test_examples_are_counted_by_request():
    metrics = Metrics()
    metrics.know("a")
    metrics.examples("a", 3)
    metrics.examples("a", 5)
    assert lines(metrics, ":tensorflow:serving:request_example_count_total")[0].endswith(" 8")
    assert lines(metrics, ":tensorflow:serving:request_example_counts_count")[0].endswith(" 2")
