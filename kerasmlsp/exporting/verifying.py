"""Proofs that an exported model answers as the model it was made from."""

import inspect
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile

import numpy as np


def _run_examples(folder, requests, answers):
    """Runs a saved model on pickled examples; its source is sent to a fresh process, hence the imports inside."""
    import os
    import pickle
    import statistics
    import sys
    import time

    sys.modules["kerasmlsp"] = None  # type: ignore[assignment]
    import tensorflow as tf

    def describe(specs):
        # By name: TensorFlow gives them in another order each time.
        return {name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()} for name, spec in sorted(specs.items())}

    def seconds(signature, feed):
        began = time.perf_counter()
        signature(**feed)
        return time.perf_counter() - began

    with open(requests, "rb") as file:
        batches = pickle.load(file)
    loaded = tf.saved_model.load(folder)
    facts: dict = {"answers": {}, "endpoints": {}, "latency": {"cores": os.cpu_count(), "median_ms": {}}}
    for name, batch in batches.items():
        signature = loaded.signatures[name]
        inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
        facts["endpoints"][name] = {"inputs": describe(inputs), "outputs": describe(outputs)}
        rows = max(len(array) for array in batch.values() if array.ndim)
        feeds = []
        for take in (slice(None), *(slice(row, row + 1) for row in range(rows))):
            feeds.append({key: tf.constant(array[take] if array.ndim else array) for key, array in batch.items()})
        answers_here = [{key: value.numpy() for key, value in signature(**feed).items()} for feed in feeds]
        nothing = signature(**{key: tf.constant(array[:0] if array.ndim else array) for key, array in batch.items()})
        empty = {key: value.numpy() for key, value in nothing.items()}
        facts["answers"][name] = {"batch": answers_here[0], "rows": answers_here[1:], "empty": empty}
        times = []
        while len(times) < 50 and sum(times) < 0.5:
            times.append(seconds(signature, feeds[1]))
        facts["latency"]["median_ms"][name] = statistics.median(times) * 1e3
    with open(answers, "wb") as file:
        pickle.dump(facts, file)


def replay(folder: pathlib.Path, batches: dict, *, time_limit: float = 1800) -> dict:
    """Runs the endpoints of a saved model in a fresh process that can import TensorFlow, but not kerasmlsp.

    Args:
        folder: The saved model.
        batches: Endpoint name to input name to array; arrays without axes are shared by all rows.
        time_limit: Seconds that the process may take.

    Returns:
        `answers`: endpoint name to `{"batch": outputs, "rows": [outputs of each row alone], "empty": outputs of no
        rows}`; `endpoints`: data type and shape of inputs and outputs; `latency`: median milliseconds of one example on
        the CPU, and its cores.

    Raises:
        ValueError: If the process fails or takes too long.

    Example:
        >>> from kerasmlsp import exporting
        >>> batches = {"serving_default": {"text": np.array(["A fine film.", "Two dull hours."], object)}}
        >>> # Not tested here, since the fresh process takes seconds.
        >>> facts = replay(exporting.find("sentiment"), batches)  # doctest: +SKIP
        >>> facts["answers"]["serving_default"]["batch"]["label"]  # doctest: +SKIP
        array([b'pos', b'neg'], dtype=object)
    """
    script = f"{inspect.getsource(_run_examples)}\n_run_examples({str(folder.resolve())!r}, 'requests', 'answers')"
    # A GPU may be filled by this process, and a saved model has to work without one.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    with tempfile.TemporaryDirectory() as scratch:
        pathlib.Path(scratch, "requests").write_bytes(pickle.dumps(batches))
        done = _run(script, cwd=scratch, env=environment, timeout=time_limit)
        if done.returncode:
            # A negative status is the signal that ended it, as when memory runs out.
            last = done.stderr.strip().splitlines()[-1:] if done.returncode > 0 else []
            reason = last[0] if last else f"exit status {done.returncode}"
            raise ValueError(f"The saved model does not run on its own in a fresh process: {reason}")
        return pickle.loads(pathlib.Path(scratch, "answers").read_bytes())


def _run(script, timeout, **settings):
    try:
        command = [sys.executable, "-P", "-c", script]
        return subprocess.run(command, timeout=timeout, capture_output=True, text=True, **settings)
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"The saved model did not answer within {timeout:g} seconds in a fresh process: export smaller examples, "
            "or with a larger `time_limit`."
        ) from None


def check_names(endpoint: str, batch: dict, expected: dict, signature: dict) -> None:
    """Raises a `ValueError` unless a signature has the input names of `batch` and the output names of `expected`.

    Example:
        >>> check_names("score", {"x": [1.0]}, {"y": [2.0]}, {"inputs": {"x": {}}, "outputs": {"z": {}}})
        Traceback (most recent call last):
        ValueError: ...endpoint `score` must have the inputs ['x'] and outputs ['y']. Received: ['x'] and ['z']
    """
    if signature["inputs"].keys() != batch.keys() or signature["outputs"].keys() != expected.keys():
        raise ValueError(
            f"The saved model's endpoint `{endpoint}` must have the inputs {sorted(batch)} and outputs "
            f"{sorted(expected)}. Received: {sorted(signature['inputs'])} and {sorted(signature['outputs'])}"
        )


def check_answers(endpoint: str, expected: dict, answer: dict, tolerance: float) -> None:
    """Raises a `ValueError` unless an answer of `replay` equals the `expected` outputs, as a batch and row by row.

    No rows must be answered with no rows.

    Example:
        >>> batch, rows = np.array([[1.0], [2.0]]), [np.array([[1.0]]), np.array([[2.5]])]
        >>> answer = {"batch": {"y": batch}, "rows": [{"y": row} for row in rows], "empty": {"y": batch[:0]}}
        >>> check_answers("score", {"y": batch}, answer, tolerance=1e-4)
        Traceback (most recent call last):
        ValueError: Output `y` of endpoint `score` for example 1 alone differs by 0.25, more than `tolerance` 0.0001.
    """
    for name, here in expected.items():
        there, where = answer["batch"][name], f"Output `{name}` of endpoint `{endpoint}`"
        if here.shape[:1] != (len(answer["rows"]),):
            raise ValueError(f"{where} must have one row per example. Received: shape {here.shape}")
        check_equal(f"{where} in the saved model", here, there, tolerance)
        _check_empty(where, answer["empty"][name], there)
        for index, row in enumerate(answer["rows"]):
            check_equal(
                f"{where} for example {index} alone", *_without_padding(there[index : index + 1], row[name]), tolerance
            )


def _check_empty(where, empty, batch):
    # Sizes that an example decides are 0 where there is none.
    fits = empty.ndim == batch.ndim and all(
        size in (0, other) for size, other in zip(empty.shape, batch.shape, strict=True)
    )
    if not fits or len(empty) or empty.dtype != batch.dtype:
        raise ValueError(
            f"{where} must be empty for no rows, of the type {batch.dtype} and {batch.ndim} axes. "
            f"Received: shape {empty.shape}, {empty.dtype}"
        )


def _without_padding(batch: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Alone, a short example is not padded to the longest of its batch.
    if batch.ndim != row.ndim:
        return batch, row
    shared = tuple(slice(min(sizes)) for sizes in zip(batch.shape, row.shape, strict=True))
    rest = np.ones(batch.shape, bool)
    rest[shared] = False
    return (batch[shared], row) if not batch[rest].any() else (batch, row)


def check_equal(what: str, expected: np.ndarray, received: np.ndarray, tolerance: float) -> None:
    """Raises a `ValueError` that begins with `what` unless two arrays are equal, floats to `tolerance`.

    Example:
        >>> check_equal("The output", np.array([1.0, 2.0]), np.array([1.0, 2.00001]), tolerance=1e-4)
        >>> check_equal("The output", np.array([1.0, 2.0]), np.array([1.5, 2.0]), tolerance=1e-4)
        Traceback (most recent call last):
        ValueError: The output differs by 0.5, more than `tolerance` 0.0001.
    """
    if expected.shape != received.shape:
        raise ValueError(f"{what} must have shape {expected.shape}. Received: {received.shape}")
    if expected.dtype.kind in "OSUbiu":
        if wrong := int(np.sum(expected != received)):
            raise ValueError(f"{what} differs in {wrong} of {expected.size} values.")
        return
    wide = "complex128" if expected.dtype.kind == "c" else "float64"
    expected, received = expected.astype(wide), received.astype(wide)
    if np.isnan(expected).any() or np.isnan(received).any():
        raise ValueError(f"{what} must be numbers. Received: NaN")
    finite = np.isfinite(expected) & np.isfinite(received)
    if wrong := int(np.sum(expected[~finite] != received[~finite])):
        raise ValueError(f"{what} is infinite here or there only, or with another sign, in {wrong} of {expected.size}.")
    expected, received = expected[finite], received[finite]
    with np.errstate(over="ignore"):  # the largest numbers of both signs are infinitely far apart
        distance = (np.abs(expected - received) / np.maximum(1, np.abs(expected))).max(initial=0)
    if not distance <= tolerance:
        raise ValueError(f"{what} differs by {distance:.3g}, more than `tolerance` {tolerance:g}.")
