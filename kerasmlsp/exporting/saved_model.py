"""Writes saved models and has them verified before they get their name."""

import contextlib
import errno
import logging
import os
import pathlib
import platform
import re
import shutil
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import kerasmlsp
from kerasmlsp.exporting import inputs as described
from kerasmlsp.exporting import model_cards, verifying
from kerasmlsp.exporting._arrays import to_array
from kerasmlsp.exporting.inputs import Input
from kerasmlsp.exporting.loading import reason, versions
from kerasmlsp.extras import install

_APP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DEFAULT_NAME = re.compile(r"keras_tensor(_\d+)?|(input|output|args|identity)_\d+", re.IGNORECASE)
_NO_WARMUP = (
    f"No warm-up file for TensorFlow Serving was written; {install('tensorflow_serving')} and export again for it."
)

logger = logging.getLogger(__name__)


def export(
    directory: str | os.PathLike,
    app: str,
    endpoints: dict,
    *,
    track: Iterable[Any],
    inputs: Mapping[str, Input],
    examples: dict,
    card: dict,
    outputs: Mapping[str, str] | None = None,
    tolerance: float = 1e-4,
    time_limit: float = 1800,
) -> pathlib.Path:
    """Writes the next version of an application's saved model, once it is shown to work on its own.

    The model is written beside its final place, loaded in a fresh process where only TensorFlow can be imported, and
    run there on `examples`, as one batch and row by row. Both must agree with what the functions return here: strings
    and integers exactly, floats to `tolerance` (absolute below 1, relative above). Where an output is longer for the
    batch than for a row alone, the rest must be padding (0 or ""). No rows must be answered with no rows. Then come
    model card and warm-up file, and the folder gets its name. Whatever fails before that, earlier versions stay as
    they were and nothing is left behind.

    In the saved model every endpoint refuses inputs of another shape or beyond their range, and says which.

    Args:
        directory: Folder of all saved models; the result is `directory/app/<version>/`, counted from 1.
        app: Name of the application: letters, digits, `_`, `-` and `.`.
        endpoints: Endpoint name to `(function, specs)`, `serving_default` first. The function takes tensors by keyword
            and returns a dict of named tensors whose first axis is the batch. `specs` maps input names to
            `tf.TensorSpec` with a first axis of None (or scalars, shared by all rows).
        track: Models, layers and tables that the functions use; lookup layers are missing in the result otherwise.
        inputs: Input name to `Input`: what it means, its range and its default. An input has the same meaning in all
            endpoints that have it.
        examples: Endpoint name to input name to list or array of at least two rows.
        card: Model card, see `kerasmlsp.exporting.model_cards`. Endpoints, size, latency and versions are added.
        outputs: Output name to what it means, a sentence, for the card; where the name says it, there need be none.
        tolerance: Largest difference allowed between floats.
        time_limit: Seconds that the fresh process may take.

    Returns:
        The folder of the new version.

    Raises:
        ValueError: If an argument does not fit, or the saved model does not answer as the functions do.
        OSError: If the folder cannot be written.

    Example:
        >>> import keras
        >>> import tensorflow as tf
        >>> net = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> endpoints = {"serving_default": (lambda x: {"y": net(x)}, {"x": tf.TensorSpec([None, 2])})}
        >>> card = {"title": "Mine", "data": "None.", "licence": "CC0", "metrics": {"loss": 0.3}, "limits": "A test."}
        >>> examples, inputs = {"serving_default": {"x": np.eye(2)}}, {"x": Input("Two numbers.")}
        >>> # Not tested here, since the fresh process takes seconds.
        >>> export(
        ...     "models", "mine", endpoints, track=[net], inputs=inputs, examples=examples, card=card
        ... )  # doctest: +SKIP
        PosixPath('models/mine/1')
    """
    import keras

    if not _APP.fullmatch(app):
        raise ValueError(f"`app` must be made of letters, digits, `_`, `-` and `.`. Received: {app!r}")
    if keras.config.backend() != "tensorflow":
        raise ValueError(f"`export` needs the environment KERAS_BACKEND=tensorflow. Received: {keras.config.backend()}")
    model_cards.check(card)
    described.check((specs for _, specs in endpoints.values()), inputs)
    batches = {name: _example_batch(name, specs, examples) for name, (_, specs) in endpoints.items()}
    with _working_folder(pathlib.Path(directory) / app) as folder:
        with _portable_kernels(track):
            _write_saved_model(folder, endpoints, track, inputs)
            expected = {name: _call_here(endpoints[name][0], batch) for name, batch in batches.items()}
        facts = verifying.replay(folder, batches, time_limit=time_limit)
        for name in endpoints:
            verifying.check_names(name, batches[name], expected[name], facts["endpoints"][name])
            verifying.check_answers(name, expected[name], facts["answers"][name], tolerance)
            for each, known in facts["endpoints"][name]["inputs"].items():
                known |= inputs[each].facts()
            for each, known in facts["endpoints"][name]["outputs"].items():
                known |= {"meaning": outputs[each]} if outputs and each in outputs else {}
        warmed = _write_warmup(folder, app, batches)
        model_cards.write(folder, {**card, **_card_facts(folder, app, facts, warmed)})
        return _publish(folder)


def with_half_weights(functions: dict, models: list) -> dict:
    """Returns functions for `export` whose weights take half the room: kept in float16, and computed with in float32.

    A weight changes by at most one part in 2,048, and below 2**-14 (6e-5), where float16 has fewer digits, by at most
    2**-25 (3e-8), so that those below 2**-25 become 0. An array that is all below 2**-14 stays in float32.

    Args:
        functions: Endpoint name to `(function, specs)`, as `export` takes it.
        models: All Keras models and layers that they use.

    Raises:
        ValueError: A weight is beyond what float16 holds, 65,504.

    Example:
        >>> import keras
        >>> import tensorflow as tf
        >>> tenth = keras.initializers.Constant(0.1)
        >>> net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer=tenth)])
        >>> functions = {"serving_default": (lambda x: {"y": net(x)}, {"x": tf.TensorSpec([None, 1])})}
        >>> halved, _ = with_half_weights(functions, [net])["serving_default"]
        >>> float(halved(x=tf.ones((1, 1)))["y"][0, 0])  # the number of float16 that is next to 0.1
        0.0999755859375
    """
    import keras
    import tensorflow as tf

    pairs = []
    for each in (weight for model in models for weight in model.weights if weight.dtype == "float32"):
        half = tf.cast(each.value, tf.float16)
        if not np.isfinite(half).all():
            raise ValueError(f"`models` must hold weights up to 65,504. Received: {each.path}")
        if 0 < np.abs(each.numpy()).max(initial=0) < np.finfo(np.float16).smallest_normal:
            continue
        pairs.append((each, tf.Variable(half, trainable=False, name=each.name)))

    def halved(function):
        def compute(**inputs):
            with keras.StatelessScope([(weight, tf.cast(half, tf.float32)) for weight, half in pairs]):
                return function(**inputs)

        return compute

    return {name: (halved(function), specs) for name, (function, specs) in functions.items()}


@contextlib.contextmanager
def _working_folder(parent):
    folder = parent / f".{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True)
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            parent.rmdir()  # only goes if it is empty
        raise


def _publish(folder):
    while True:
        target = folder.parent / str(1 + max(versions(folder.parent), default=0))
        try:
            folder.rename(target)
            return target
        except OSError as error:
            # Another export took this number meanwhile: count on.
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


@contextlib.contextmanager
def _portable_kernels(track):
    # On a machine with a GPU, Keras puts cuDNN's kernels for LSTM and GRU into the graph, which no CPU can run.
    import keras

    roots = [each for each in track if isinstance(each, keras.Layer)]
    recurrent = [layer for root in roots for layer in root._flatten_layers() if hasattr(layer, "use_cudnn")]
    before = [layer.use_cudnn for layer in recurrent]
    try:
        for layer in recurrent:
            layer.use_cudnn = False
        yield
    finally:
        for layer, value in zip(recurrent, before, strict=True):
            layer.use_cudnn = value


def _write_saved_model(folder, endpoints, track, inputs):
    import keras

    archive = keras.export.ExportArchive()
    traced = {name: _trace(name, function, specs, inputs) for name, (function, specs) in endpoints.items()}
    # Lookup layers are built by their first call, and only built ones can be tracked: trace first.
    for each in track:
        _track_tables(archive, each)
    for name, function in traced.items():
        archive.add_endpoint(name, function)
    try:
        with _disk_errors(folder):
            archive.write_out(str(folder), verbose=False)
    except AssertionError as error:
        raise ValueError(
            "`track` must hold every model, lookup layer and table that `endpoints` use. "
            f"Received: {list(track)}, which lack what this names: {str(error).splitlines()[0]}"
        ) from error


@contextlib.contextmanager
def _disk_errors(folder):
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise OSError(f"Could not write the saved model in {folder}: {reason(error)}") from error


def _track_tables(archive, resource):
    # The archive finds variables by itself; a layer tracked for its tables has each variable stored a second time.
    import keras

    if not isinstance(resource, keras.Layer):
        archive.track(resource)
        return
    for layer in resource._flatten_layers():
        if layer.built and not layer.variables:
            archive.track(layer)


def _trace(endpoint, function, specs, inputs):
    import tensorflow as tf

    for name, spec in specs.items():
        _check_name(endpoint, name)
        if spec.shape.rank and spec.shape[0] is not None:
            raise ValueError(
                f"Input `{name}` of endpoint `{endpoint}` must have a batch axis of None. Received: {spec}"
            )
    # By position and with a signature: keyword arguments would make Keras trace, and store, the function twice.
    named = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()]
    traced = tf.function(
        lambda *tensors: function(**dict(zip(specs, tensors, strict=True))), input_signature=named, autograph=False
    ).get_concrete_function()
    outputs = traced.structured_outputs
    if not isinstance(outputs, dict):
        raise ValueError(f"Endpoint `{endpoint}` must return a dict of named tensors. Received: {outputs}")
    for name in outputs:
        _check_name(endpoint, name)
    guarded = tf.function(described.guarded(traced, outputs, specs, inputs), input_signature=named, autograph=False)
    guarded = guarded.get_concrete_function()
    # What the archive gets is stored twice, so that it is no more than a call.
    called = tf.function(lambda *tensors: guarded(*tensors), input_signature=named, autograph=False)
    called.get_concrete_function()
    return called


def _check_name(endpoint, name):
    if not (isinstance(name, str) and name.isidentifier()) or _DEFAULT_NAME.fullmatch(name):
        raise ValueError(
            f"Inputs and outputs of endpoint `{endpoint}` must have names that say what they are, of letters, digits "
            f"and `_`. Received: {name!r}"
        )


def _example_batch(endpoint, specs, examples):
    inputs = examples.get(endpoint, {})
    if inputs.keys() != specs.keys():
        raise ValueError(f"`examples` must have {sorted(specs)} for endpoint `{endpoint}`. Received: {sorted(inputs)}")
    batch = {name: to_array(name, inputs[name], spec) for name, spec in specs.items()}
    counts = {name: len(array) for name, array in batch.items() if array.ndim}
    if len(set(counts.values())) != 1 or min(counts.values()) < 2:
        raise ValueError(f"`examples` of endpoint `{endpoint}` must have two or more rows each. Received: {counts}")
    return batch


def _call_here(function, batch):
    import tensorflow as tf

    # Called eagerly, so that values which tracing froze into the graph by accident show up as differences; on the CPU,
    # as GPUs round differently.
    with tf.device("CPU:0"):
        outputs = function(**{name: tf.constant(array) for name, array in batch.items()})
        return {name: tf.convert_to_tensor(value).numpy() for name, value in outputs.items()}


def _write_warmup(folder, app, batches):
    import tensorflow as tf

    try:
        from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2
    except ImportError:
        logger.warning(_NO_WARMUP)
        return False
    (folder / "assets.extra").mkdir()
    file = str(folder / "assets.extra" / "tf_serving_warmup_requests")
    with _disk_errors(folder), tf.io.TFRecordWriter(file) as writer:
        for name, batch in batches.items():
            request = predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(name=app, signature_name=name))
            for key, array in batch.items():
                # One row, as most requests have: what is compiled for it is compiled then, and states are large.
                request.inputs[key].CopyFrom(tf.make_tensor_proto(array[:1] if array.ndim else array))
            log = prediction_log_pb2.PredictLog(request=request)
            writer.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())
    return True


def _card_facts(folder, app, facts, warmed):
    import keras
    import tensorflow as tf

    libraries = {"TensorFlow": tf.__version__, "Keras": keras.__version__, "kerasmlsp": kerasmlsp.__version__}
    return {
        "app": app,
        "endpoints": facts["endpoints"],
        "latency": facts["latency"],
        "size_bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        "versions": {**libraries, "Python": platform.python_version()},
        "warmup_requests": warmed,
        **({} if warmed else {"warmup_note": _NO_WARMUP}),
    }
