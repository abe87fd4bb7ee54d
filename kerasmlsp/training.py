"""Training that can be killed at any moment and ends the same."""

import contextlib
import csv
import dataclasses
import hashlib
import inspect
import json
import logging
import math
import re
import sys
import time
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

import kerasmlsp
from kerasmlsp import batching, optimizers
from kerasmlsp.files import locked, read_json, remove_leftovers, write_atomically
from kerasmlsp.layers.recurrent import Stateful, unfuse

log = logging.getLogger("kerasmlsp")

CHECKPOINT, MODEL, HISTORY, CONFIG = "checkpoint.npz", "model.keras", "history.csv", "config.json"
CURVES = "curves.png"
JIT = {"auto": "auto", "on": True, "off": False}
"""What `fit` takes as `jit`, by the words of the command line."""


def fit(
    build,
    batches,
    *,
    run,
    epochs,
    validation=None,
    monitor="val_loss",
    mode="auto",
    patience=None,
    seed=0,
    deterministic=False,
    precision="auto",
    jit="auto",
    steps_per_execution=1,
    class_weight=None,
    checkpoint_seconds=30.0,
    resume=False,
    callbacks=(),
):
    """Trains a model into a run folder, from the start or from where an earlier process was stopped.

    A checkpoint holds the model's and the optimizers' variables, the states of its random generators, the running
    metrics, the log rows, the state of the callbacks, and what model selection and early stopping remember. Since the
    order of examples follows from seed and epoch, a run that was killed and resumed ends in the same weights, rows and
    stopping epoch as one that was not; with `deterministic`, bit for bit. States that layers carry from batch to batch
    (`kerasmlsp.layers.Stateful`) start every epoch from zeros.

    The folder gets `checkpoint.npz`, `history.csv`, `curves.png`, `tensorboard/` and, at the end, `model.keras`
    with the weights of the best epoch. On a terminal there is a progress bar, in a log one line an epoch. One process
    at a time trains into a folder. A metric with several values, one for each class, is logged as their mean.

    `precision="auto"` means `mixed_bfloat16` on GPUs and TPUs and float32 on CPUs. On CPUs with bfloat16
    instructions a Transformer trains faster in `mixed_bfloat16`, embeddings and recurrent nets do not.
    `jit="auto"` leaves GPUs, TPUs and the JAX backend to Keras and uses no XLA on CPUs, where it makes convolutions
    and the gradients of gathers slower by whole factors; `python -m benchmarks.sentiment_speed --part policy`
    measures both.

    Args:
        build: Called without arguments after seed and precision are set; returns a compiled model.
        batches: What to train on: `kerasmlsp.batching.Batches`; or a `keras.utils.PyDataset`, made anew for this call,
            each of whose epochs follows from how often `on_epoch_end` was called, and each batch from its number (as
            of `kerasmlsp.word2vec.TrainingBatches`); or any object whose `dataset(position)` is like that of `Batches`:
            a `tf.data.Dataset` of known size, which in every pass calls `position` for the epoch and the number of
            batches of it that are done, and yields the rest.
        run: The run folder, made where missing.
        epochs: Most epochs.
        validation: `tf.data.Dataset` of `(inputs, targets)`, for `monitor`.
        monitor: Column of the log that selects the best epoch. A callback may add the column to the log; an epoch
            without it, after the first, is not selected and does not count for `patience`. Without `validation` there
            is no column `val_...`, and the last epoch is the best.
        mode: "min" or "max", whether the lowest or the highest `monitor` is the best. "auto" takes the direction that
            the compiled metric has in Keras; where there is none, that of the measure in the column's name (as error
            and distance, or accuracy, bleu and reward).
        patience: Epochs without a better `monitor` after which training stops; None to run all epochs.
        seed: Seed of weights, dropout and everything random in Keras and TensorFlow.
        deterministic: Uses only operations that repeat bit for bit; slower.
        precision: "auto", "float32" or "mixed_bfloat16".
        jit: "auto", True or False: whether to compile the training step with XLA.
        steps_per_execution: Batches that one call of the compiled step works off, at least 1.
        class_weight: Dict of class number, for every class from 0, to weight of its examples in the loss.
        checkpoint_seconds: Least time between checkpoints inside an epoch; each epoch ends with one anyway.
        resume: Takes up the run in the folder; a folder without checkpoint is started from the beginning.
        callbacks: More Keras callbacks, which may stop the training. Of each, the checkpoint keeps the attributes that
            have changed since training began, are no arguments of its class, and are numbers, strings, None, NumPy
            arrays, or lists, tuples and dicts of them. They come back, after `on_train_begin`, to the callback of the
            same place and class. An epoch that was broken off calls `on_epoch_begin` once more.

    Returns:
        The model, with the weights of the best epoch.

    Raises:
        ValueError: An option has an unknown value, `monitor` is no column or has no known direction, `class_weight`
            lacks a class, another process trains into the folder, the folder holds a run already and `resume` is
            False, or its checkpoint is damaged or of another model.
    """
    run = Path(run)
    run.mkdir(parents=True, exist_ok=True)
    with locked(run / CHECKPOINT, _in_use(run)):
        remove_leftovers(*(run / name for name in (CHECKPOINT, MODEL, HISTORY, CURVES)))
        if (run / CHECKPOINT).exists() and not resume:
            raise ValueError(
                f"The folder {run} holds a run already: go on with it (`resume`), name another, or delete it first."
            )
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'`mode` must be "auto", "min" or "max". Received: mode={mode!r}')
        source, callbacks = batching.source(batches), list(callbacks)
        model = _built(build, seed, deterministic, precision, jit)
        model.steps_per_execution = steps_per_execution
        _check_class_weight(model, class_weight)
        selects = validation is not None or not monitor.startswith("val_")
        if selects:
            _check_monitor(model, source, monitor, mode, validation is not None, bool(callbacks))
        keeper = _Keeper(run, monitor if selects else None, mode, patience, checkpoint_seconds, callbacks)
        if (run / CHECKPOINT).exists():
            keeper.load(model, source)
        progress = _Progress(keeper, epochs)
        while not keeper.finished(epochs):
            # Keras takes the length of the first epoch for that of all, so a broken-off one gets a call of its own.
            rest_of_epoch = keeper.step > 0
            model.fit(
                source.dataset(lambda: (keeper.epoch, keeper.step)),
                validation_data=validation,
                initial_epoch=keeper.epoch,
                epochs=keeper.epoch + 1 if rest_of_epoch else epochs,
                class_weight=class_weight,
                shuffle=False,
                verbose=0,
                callbacks=[*callbacks, _Numbers(), _tensorboard(run), progress, keeper],
            )
            if rest_of_epoch:
                # fit() ends by overwriting the weights with their moving averages.
                keeper.load(model, source)
            if model.stop_training:
                # The keeper or one of the caller's callbacks said so.
                break
        keeper.restore_best(model)
        write_atomically(run / MODEL, lambda path: model.save(path))
        keeper.draw()
        return model


def optimizer(
    learning_rate=1e-3,
    *,
    algorithm="adamw",
    momentum=0.9,
    schedule="constant",
    steps=None,
    warmup=0.0,
    drops=(0.5, 0.75),
    weight_decay=0.0,
    clip_norm=None,
    ema=None,
):
    """Makes an optimizer with a schedule of its rate.

    Args:
        learning_rate: The peak rate, above 0.
        algorithm: "adamw", "adam", "rmsprop" or "sgd".
        momentum: Of "sgd", in `[0, 1)`.
        schedule: "constant"; "cosine" or "linear" to fall to 0 over `steps`; or "step" to be divided by 10 at each of
            `drops`.
        steps: Training steps in all; needed for a schedule or a warm-up.
        warmup: Share of the steps in which the rate rises linearly from 0, in `[0, 1)`.
        drops: Shares of `steps`, between `warmup` and 1, in rising order: `(30 / 90, 60 / 90)` divides the rate after
            30 and 60 of 90 epochs.
        weight_decay: Decoupled weight decay, at least 0.
        clip_norm: Largest norm of all gradients together, above 0, or None.
        ema: Momentum, between 0 and 1, of the exponential moving average of the weights that is validated and kept,
            or None.

    Returns:
        A `keras.optimizers.Optimizer`; under a global `mixed_float16` within an `optimizers.LossScaleOptimizer`.

    Raises:
        ValueError: A value is unknown or out of range.
    """
    kinds = {"adamw": optimizers.AdamW, "adam": optimizers.Adam, "rmsprop": optimizers.RMSprop, "sgd": optimizers.SGD}
    if algorithm not in kinds:
        raise ValueError(f"`algorithm` must be one of {', '.join(map(repr, kinds))}. Received: algorithm={algorithm!r}")
    if not 0 <= momentum < 1:
        raise ValueError(f"`momentum` must be in [0, 1). Received: momentum={momentum}")
    if weight_decay < 0:
        raise ValueError(f"`weight_decay` must be at least 0. Received: weight_decay={weight_decay}")
    if clip_norm is not None and clip_norm <= 0:
        raise ValueError(f"`clip_norm` must be above 0 or None. Received: clip_norm={clip_norm}")
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"`ema` must be between 0 and 1 or None. Received: ema={ema}")
    made = kinds[algorithm](
        _rate(learning_rate, schedule, steps, warmup, drops),
        # Keras goes over all weights for a decay of 0; AdamW takes no None.
        weight_decay=weight_decay if weight_decay or algorithm == "adamw" else None,
        global_clipnorm=clip_norm,
        use_ema=ema is not None,
        ema_momentum=ema or 0.99,
        **({"momentum": momentum} if algorithm == "sgd" else {}),
    )
    half = keras.config.dtype_policy().name == "mixed_float16"
    return optimizers.LossScaleOptimizer(made) if half else made


def _rate(learning_rate, schedule, steps, warmup, drops):
    """The rate, or its schedule."""
    if schedule not in ("constant", "cosine", "linear", "step"):
        raise ValueError(
            f'`schedule` must be "constant", "cosine", "linear" or "step". Received: schedule={schedule!r}'
        )
    if learning_rate <= 0:
        raise ValueError(f"`learning_rate` must be above 0. Received: learning_rate={learning_rate}")
    if not 0 <= warmup < 1:
        raise ValueError(f"`warmup` must be in [0, 1). Received: warmup={warmup}")
    if schedule == "constant" and not warmup:
        return learning_rate
    if not steps:
        raise ValueError(f"`steps` must be given for a schedule or a warm-up. Received: steps={steps}")
    rising = int(warmup * steps)
    falling = max(1, steps - rising)
    rate = learning_rate
    if schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, falling)
    if schedule == "linear":
        rate = keras.optimizers.schedules.PolynomialDecay(learning_rate, falling, 0.0)
    if schedule == "step":
        rate = _stepped(learning_rate, [round(share * steps) - rising for share in drops], warmup, drops)
    return optimizers.WarmUp(rate, learning_rate, rising) if rising else rate


def _stepped(learning_rate, after, warmup, drops):
    if not drops or list(drops) != sorted(set(drops)) or not warmup < drops[0] or not drops[-1] < 1:
        raise ValueError(f"`drops` must rise between `warmup` and 1. Received: drops={drops}, warmup={warmup}")
    # Keras's boundary is the last step of the rate before.
    boundaries = [max(0, step - 1) for step in after]
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        boundaries, [learning_rate / 10**number for number in range(len(drops) + 1)]
    )


def write_config(run, config, *, resume=False):
    """Writes `config.json`: the configuration with the versions of the packages that made the run.

    Args:
        run: The run folder, made where missing.
        config: JSON-able dict, which should hold the application's name and a fingerprint of the data.
        resume: Whether the folder may hold a configuration already, which must then be the same.

    Raises:
        ValueError: The folder's configuration differs; the message names the first keys that do.
    """
    path = Path(run) / CONFIG
    path.parent.mkdir(parents=True, exist_ok=True)
    config = json.loads(json.dumps(config))
    if resume and path.exists():
        before = read_json(path)
        different = [key for key in config if config[key] != before.get(key)]
        if different:
            pairs = ", ".join(f"{key} was {before.get(key)!r}, now {config[key]!r}" for key in different[:3])
            raise ValueError(f"The run in {run} was started with another configuration: {pairs}.")
        return
    packages = ("kerasmlsp", "tensorflow", "keras", "numpy", "pandas")
    versions = {"python": sys.version.split()[0], **{name: metadata.version(name) for name in packages}}
    text = json.dumps({**config, "versions": versions}, indent=2) + "\n"
    write_atomically(path, lambda target: Path(target).write_text(text))


def read_config(run, app):
    """Returns the configuration of a run of the application `app`.

    Raises:
        FileNotFoundError: There is no run in the folder.
        ValueError: The run is of another application, or its configuration is damaged.
    """
    path = Path(run) / CONFIG
    if not path.exists():
        raise FileNotFoundError(f"There is no run in {run}: train one first, or name another with `--run`.")
    config = read_json(path)
    if not isinstance(config, dict) or "app" not in config:
        raise ValueError(f"The configuration {path} is damaged: delete the run's folder and train again.")
    if config["app"] != app:
        raise ValueError(f"The run in {run} is of the application {config['app']!r}. Received: app={app!r}")
    return config


def configuration(run, kind):
    """Returns the configuration of a run as the dataclass `kind`, whose `app` names the application, and all of it.

    Raises:
        FileNotFoundError: There is no run in the folder.
        ValueError: The run is of another application, or its configuration is damaged.
    """
    stored = read_config(run, kind.app)
    fields = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in stored.items() if name in fields}), stored


@contextlib.contextmanager
def claimed(run, *, resume: bool = False) -> Iterator[None]:
    """Keeps other trainings out of a run folder while a `with` block is at work on it.

    Args:
        run: The run folder, which need not be there.
        resume: Whether it may hold a run already.

    Raises:
        ValueError: Another process trains the run, or the folder holds a run that is not to be gone on with.
    """
    run = Path(run)
    run.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder: `fit` has a lock of its own inside.
    with locked(run, _in_use(run)):
        if (run / CONFIG).exists() and not resume:
            raise ValueError(f"The folder {run} holds a run already: go on with `--resume`, or name another `--run`.")
        yield


def _in_use(run):
    return f"Another process trains the run {run}: wait until it has ended, or name another run."


def load_model(path):
    """Loads a `.keras` file of a run for prediction.

    Raises:
        FileNotFoundError: The run is not finished.
        ValueError: The file is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: the run is not finished. Go on with it by `--resume`.")
    return kerasmlsp.load_model(path)


def best_row(run):
    """Returns the row of `history.csv` of the epoch whose weights were kept.

    Raises:
        FileNotFoundError: There is no run in the folder.
        ValueError: The run has no whole epoch yet, or its checkpoint is damaged.
    """
    path = Path(run) / CHECKPOINT
    if not path.exists():
        raise FileNotFoundError(f"There is no checkpoint in {run}: train a run first, or name another with `--run`.")
    state, _ = _read_checkpoint(path)
    if not state["rows"]:
        raise ValueError(f"The run {run} was stopped in its first epoch: go on with it by `--resume`.")
    return next(row for row in state["rows"] if row["epoch"] == state["best_epoch"])


def _read_checkpoint(path):
    """Returns the state and the arrays of a checkpoint."""
    try:
        # Opened here, since np.load leaves open what is no archive.
        with open(path, "rb") as opened, np.load(opened) as file:
            arrays = dict(file)
        state = {"callbacks": [], **json.loads(str(arrays.pop("state")))}
        return {name: state[name] for name in ("callbacks", *_Keeper.STATE)}, arrays
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"The checkpoint {path} is damaged: delete the run's folder and start again.") from error


def _built(build, seed, deterministic, precision, jit):
    if precision not in ("auto", "float32", "mixed_bfloat16"):
        raise ValueError(
            f'`precision` must be "auto", "float32" or "mixed_bfloat16". Received: precision={precision!r}'
        )
    if jit not in ("auto", True, False):
        raise ValueError(f'`jit` must be "auto", True or False. Received: jit={jit!r}')
    accelerated = _accelerated()
    keras.utils.set_random_seed(seed)
    if deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    if precision == "auto":
        precision = "mixed_bfloat16" if accelerated else "float32"
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = build()
    finally:
        keras.config.set_dtype_policy(policy)
    if jit != "auto":
        if jit:
            unfuse(model)
        model.jit_compile = jit
    elif not accelerated and keras.backend.backend() == "tensorflow":
        # Without XLA, TensorFlow still has its graphs, while JAX would work off one operation after the other.
        model.jit_compile = False
    for each in _optimizers(model):
        if not each.built:
            each.build(model.trainable_variables)
    return model


def option(recipes, config, name):
    """Returns a value of a configuration, or where that is None the one of its architecture.

    Args:
        recipes: Dict of architecture to what holds its values as attributes.
        config: The configuration, with the field `architecture`.
        name: Of the value.
    """
    value = getattr(config, name)
    return getattr(recipes[config.architecture], name) if value is None else value


def precision_for(precision, *, products):
    """Returns what `fit` takes as `precision`: for "auto", bfloat16 where that is known to be faster.

    Args:
        precision: "auto", "float32" or "mixed_bfloat16".
        products: Whether most of the net's work is products of matrices or convolutions, as in Transformers and
            residual nets. Recurrent nets gain nothing, since their sequence is one operation in float32 only, and
            depthwise convolutions lose.
    """
    return "mixed_bfloat16" if precision == "auto" and products and has_fast_bfloat16() else precision


def has_fast_bfloat16():
    """Whether this machine multiplies bfloat16 matrices faster than float32 ones: a GPU, a TPU, or a CPU with AMX.

    With AMX, products of the sizes of small Transformers took between a half and a sixth of the time here.
    """
    flags = Path("/proc/cpuinfo")
    return _accelerated() or (flags.exists() and "amx_bf16" in flags.read_text().split())


def _accelerated():
    try:
        return any(not device.lower().startswith("cpu") for device in keras.distribution.list_devices())
    except RuntimeError:
        return False


def _optimizers(model):
    """All optimizers of a model; one with its own `train_step` may keep several as attributes."""
    found = [model.optimizer, *(value for value in vars(model).values())]
    unique = {id(each): each for each in found if isinstance(each, keras.optimizers.Optimizer)}
    return list(unique.values())


def _tensorboard(run):
    return keras.callbacks.TensorBoard(str(run / "tensorboard"), write_graph=False)


# Words of the names of measures, for columns that no compiled metric answers for.
_HIGHER = {"acc", "accuracy", "auc", "bleu", "cider", "correlation", "dice", "f1", "iou", "map", "meteor", "precision"}
_HIGHER |= {"psnr", "r2", "recall", "reward", "rouge", "ssim"}
_LOWER = {"cer", "distance", "error", "loss", "mae", "mse", "nats", "nll", "perplexity", "rmse", "wer"}


def _direction(model, monitor, mode):
    """1 where a higher `monitor` is better, -1 where a lower one is, None where that is not known."""
    if mode != "auto":
        return 1 if mode == "max" else -1
    name = monitor.removeprefix("val_")
    compiled = [metric for each in model.metrics for metric in getattr(each, "metrics", [each])]
    # Keras puts the output before the name of a metric and a number behind it, where several have the same.
    own = [each for each in compiled if re.fullmatch(rf"(.+_)?{re.escape(each.name)}(_\d+)?", name)]
    own = max(own, key=lambda each: len(each.name), default=None)
    if hasattr(own, "_direction"):
        return 1 if own._direction == "up" else -1
    words = set(re.split(r"[^a-z0-9]+", name.lower())) | set(re.split(r"[^a-z]+", name.lower()))
    higher, lower = bool(words & _HIGHER), bool(words & _LOWER)
    return None if higher == lower else 1 if higher else -1


def _known_direction(model, monitor, mode):
    direction = _direction(model, monitor, mode)
    if direction is None:
        raise ValueError(
            f'`mode` must be "min" or "max" for a `monitor` whose direction is not known. Received: '
            f"monitor={monitor!r}, mode={mode!r}"
        )
    return direction


def _check_monitor(model, source, monitor, mode, validated, called_back):
    """Refuses, before the first epoch, a column that cannot come or has no direction."""
    columns = _columns(model, source)
    if columns is None:
        return
    columns += [f"val_{name}" for name in columns] * validated
    if monitor not in columns and not called_back:
        raise _unknown(monitor, columns)
    _known_direction(model, monitor, mode)


def _columns(model, source):
    """Names of what a training step logs; None where only the first step will tell."""
    kind = type(model)
    if kind.train_step is not keras.Model.train_step or kind.test_step is not keras.Model.test_step:
        return None
    data = source.dataset(lambda: (0, 0))
    like = data[0] if isinstance(data, keras.utils.PyDataset) else data.element_spec
    try:
        # Keras names the metrics only once they are built; this runs nothing.
        model._symbolic_build(data_batch=keras.tree.map_structure(_symbolic, like))
    except Exception:
        # A model of free Python may need real data; if it fails with those, too, fit says so better.
        return None
    return list(model.get_metrics_result())


def _symbolic(value):
    return keras.KerasTensor(tuple(value.shape), keras.backend.standardize_dtype(value.dtype))


def _unknown(monitor, columns):
    return ValueError(f"`monitor` must be one of {', '.join(sorted(columns))}. Received: monitor={monitor!r}")


def _check_class_weight(model, class_weight):
    """Refuses weights without one of the classes, whose labels would end in an error of the graph."""
    shape = getattr(model, "output_shape", None) if class_weight else None
    if not isinstance(shape, tuple) or not shape or not isinstance(shape[-1], int):
        return
    lacking = sorted(set(range(max(2, shape[-1]))) - set(class_weight))
    if lacking:
        raise ValueError(
            f"`class_weight` must have a weight for every class from 0 to {max(2, shape[-1]) - 1}. Received: none for "
            f"{', '.join(map(str, lacking))}"
        )


class _Numbers(keras.callbacks.Callback):
    """Turns metrics of several values, which neither the log nor TensorBoard take, into their mean."""

    def on_train_batch_end(self, batch, logs=None):
        _to_numbers(logs)

    def on_epoch_end(self, epoch, logs=None):
        _to_numbers(logs)

    def on_test_end(self, logs=None):
        _to_numbers(logs)


def _to_numbers(logs):
    for name, value in (logs or {}).items():
        if not isinstance(value, float):
            logs[name] = float(np.mean(keras.ops.convert_to_numpy(value)))


class _Keeper(keras.callbacks.Callback):
    """Selects the best epoch, stops early, and writes log and checkpoint.

    `epoch` and `step` say how much of the run is done, `rows` is the log, and `best_values` are the variables of the
    best epoch, averaged where the optimizer averages.
    """

    STATE = ("epoch", "step", "rows", "best", "best_epoch", "waited", "stopped")

    def __init__(self, run, monitor, mode, patience, seconds, callbacks):
        super().__init__()
        self.run, self.monitor, self.mode, self.patience, self.seconds = run, monitor, mode, patience, seconds
        self.epoch = self.step = self.waited = self.resumed_step = 0
        self.rows, self.best, self.best_epoch, self.stopped = [], None, None, False
        self.best_values, self.metric_values, self.written = None, None, time.monotonic()
        # The caller's callbacks, what they were when training began, and what they become again.
        self.callbacks, self.begun, self.restored = callbacks, None, ()

    def finished(self, epochs):
        return self.stopped or self.epoch >= epochs

    def on_train_begin(self, logs=None):
        if self.begun is None:
            self.begun = [_attributes(each, {}) for each in self.callbacks]
        for callback, attributes in zip(self.callbacks, self.restored, strict=False):
            for name, value in attributes.items():
                setattr(callback, name, value)
        self.restored = ()

    def on_epoch_begin(self, epoch, logs=None):
        self.resumed_step = self.step
        # fit() resets the metrics before this call, so this is where those of a broken-off epoch come back.
        if self.metric_values is not None:
            _assign(self.model.metrics_variables, self.metric_values, self.run)
            self.metric_values = None
        if not self.step:
            _forget(self.model)

    def on_train_batch_end(self, batch, logs=None):
        self.step = self.resumed_step + batch + 1
        # After the last batch there would be nothing to go on with; the checkpoint of the whole epoch follows.
        more = batch + 1 < self.params["steps"]
        if more and time.monotonic() - self.written >= self.seconds:
            _synchronise(self.model)
            self.save(metrics=self.model.metrics_variables)

    def on_test_begin(self, logs=None):
        _synchronise(self.model)
        self.raw = [(variable, _value(variable)) for variable, _ in _averages(self.model)]
        for variable, average in _averages(self.model):
            # By way of NumPy: on JAX both would share an array, which the compiled step takes for its own.
            variable.assign(_value(average))

    def on_test_end(self, logs=None):
        _synchronise(self.model)
        for variable, value in self.raw:
            variable.assign(value)

    def on_epoch_end(self, epoch, logs=None):
        _synchronise(self.model)
        _to_numbers(logs)
        logs = dict(logs or {})
        if bad := next((name for name, value in logs.items() if not math.isfinite(value)), None):
            raise ValueError(
                f"Training diverged in epoch {epoch + 1}: {bad} is {logs[bad]}. Try a smaller learning rate or "
                "gradient clipping."
            )
        rate = float(_value(self.model.optimizer.learning_rate))
        self.rows.append({"epoch": epoch + 1, **logs, "learning_rate": rate})
        self._select(epoch, logs)
        # The wish of another callback to stop is kept, too: a resumed run stops where one never killed does.
        self.stopped = self.model.stop_training = self.stopped or bool(self.model.stop_training)
        self.epoch, self.step = epoch + 1, 0
        write_atomically(self.run / HISTORY, self._write_rows)
        self.save()

    def draw(self):
        """Draws the log; a figure that fails is no reason to lose a training."""
        from kerasmlsp import plotting

        if not self.rows:
            return
        try:
            write_atomically(self.run / CURVES, lambda path: plotting.curves(self.rows, path))
        except Exception as error:
            log.warning("%s was not drawn (%s: %s).", self.run / CURVES, type(error).__name__, error)

    def restore_best(self, model):
        if self.best_values is not None:
            _assign(model.variables, self.best_values, self.run)

    def save(self, metrics=()):
        """Writes the checkpoint; `metrics` are the running ones of an epoch that is not over."""
        groups = {**_groups(self.model), "best": self.best_values or (), "metrics": metrics}
        arrays = {f"{name}.{i}": _value(value) for name, values in groups.items() for i, value in enumerate(values)}
        state = {name: getattr(self, name) for name in self.STATE}
        arrays["state"] = np.array(json.dumps({**state, "callbacks": self._changed(arrays)}))
        # Uncompressed: compressing float weights costs seconds and saves a tenth.
        write_atomically(self.run / CHECKPOINT, lambda path: np.savez(path, **arrays))
        self.written = time.monotonic()

    def _changed(self, arrays):
        """What the callbacks have become since training began."""
        entries = []
        for callback, begun in zip(self.callbacks, self.begun, strict=True):
            kept = {}
            now = _attributes(callback, kept)
            now = {name: value for name, value in now.items() if name not in begun or begun[name] != value}
            entries.append({"class": type(callback).__name__, "attributes": now})
            text = json.dumps(now)
            arrays.update({f"callbacks.{name}": array for name, array in kept.items() if name in text})
        return entries

    def _restore_callbacks(self, entries, stored):
        kinds = [type(each).__name__ for each in self.callbacks]
        if entries and kinds != [entry["class"] for entry in entries]:
            log.warning("The callbacks are others than when %s was stopped: those that differ begin anew.", self.run)
        self.restored = [
            {name: _unpacked(value, stored) for name, value in entry["attributes"].items()}
            if kind == entry["class"]
            else {}
            for kind, entry in zip(kinds, entries, strict=False)
        ]

    def load(self, model, source):
        """Takes up the checkpoint in the run folder."""
        state, arrays = _read_checkpoint(self.run / CHECKPOINT)
        entries, stored = state.pop("callbacks"), {}
        for name, value in state.items():
            setattr(self, name, value)
        for key, value in arrays.items():
            group, _, place = key.partition(".")
            stored.setdefault(group, {})[place] = value
        self._restore_callbacks(entries, stored.pop("callbacks", {}))
        stored = {group: list(values.values()) for group, values in stored.items()}
        self.best_values, self.metric_values = stored.get("best"), stored.get("metrics")
        if self.metric_values and len(model.metrics_variables) != len(self.metric_values):
            # Keras makes the variables of compiled metrics with the first batch. Before the states come back, since
            # a batch may draw random numbers.
            rest = source.dataset(lambda: (self.epoch, self.step))
            first = rest[0] if isinstance(rest, keras.utils.PyDataset) else next(rest.as_numpy_iterator())
            model.test_on_batch(*keras.utils.unpack_x_y_sample_weight(first))
        for group, variables in _groups(model).items():
            _assign(variables, stored.get(group, []), self.run)
        log.info("Going on with %s after epoch %d, batch %d.", self.run, self.epoch, self.step)

    def _select(self, epoch, logs):
        if self.monitor and self.monitor not in logs:
            if self.best is None:
                raise _unknown(self.monitor, logs)
            return  # a callback may measure in some epochs only
        value = logs[self.monitor] if self.monitor else float(epoch)
        sign = _known_direction(self.model, self.monitor, self.mode) if self.monitor else 1
        if self.best is None or sign * value > sign * self.best:
            self.best, self.best_epoch, self.waited = value, epoch + 1, 0
            averages = {id(variable): _value(average) for variable, average in _averages(self.model)}
            self.best_values = [averages[id(v)] if id(v) in averages else _value(v) for v in self.model.variables]
        else:
            self.waited += 1
            self.stopped = self.patience is not None and self.waited >= self.patience

    def _write_rows(self, path):
        columns = dict.fromkeys(name for row in self.rows for name in row)
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)


def _attributes(callback, arrays):
    """What can be stored of a callback: its attributes in JSON, with the arrays in them added to `arrays` by name."""
    # Keras turns the sign of a setting, `min_delta`, and `params` are of one call of fit.
    kinds = type(callback).__mro__
    settings = {"params", *(name for kind in kinds for name in inspect.signature(kind.__init__).parameters)}
    found = {}
    for name, value in vars(callback).items():
        with contextlib.suppress(TypeError):
            if name not in settings:
                found[name] = _packed(value, arrays)
    return found


def _packed(value, arrays):
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        content = f"{value.dtype}{value.shape}".encode() + value.tobytes()
        name = hashlib.sha256(content).hexdigest()
        arrays[name] = np.array(value)
        return {"array": name}
    if isinstance(value, list | tuple):
        items = [_packed(each, arrays) for each in value]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _packed(each, arrays) for key, each in value.items()}}
    raise TypeError(f"A {type(value).__name__} is no state that can be stored.")


def _unpacked(value, arrays):
    if isinstance(value, list):
        return [_unpacked(each, arrays) for each in value]
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    if kind == "array":
        return arrays[content][()]
    if kind == "tuple":
        return tuple(_unpacked(content, arrays))
    return {key: _unpacked(each, arrays) for key, each in content.items()}


def _forget(model):
    """Sets what layers carry from batch to batch to zero, since another epoch's streams start elsewhere."""
    layers = [each for each in model._flatten_layers() if isinstance(each, Stateful | keras.layers.RNN)]
    carrying = [each for each in layers if getattr(each, "stateful", True)]
    if carrying:
        _synchronise(model)
    for layer in carrying:
        layer.reset_state()


class _Progress(keras.callbacks.Callback):
    """A progress bar on a terminal, one line an epoch in a log."""

    def __init__(self, keeper, epochs):
        super().__init__()
        self.keeper, self.epochs, self.bar = keeper, epochs, None

    def on_epoch_begin(self, epoch, logs=None):
        from tqdm import tqdm

        self.started, self.bar = time.monotonic(), None
        if sys.stderr.isatty():
            done, title = self.keeper.step, f"Epoch {epoch + 1}/{self.epochs}"
            total = done + self.params["steps"]
            self.bar = tqdm(total=total, initial=done, desc=title, file=sys.stderr, leave=False, unit="batch")

    def on_train_batch_end(self, batch, logs=None):
        if self.bar is not None:
            self.bar.update(self.keeper.resumed_step + batch + 1 - self.bar.n)
            if logs:
                self.bar.set_postfix({"loss": f"{float(logs['loss']):.4f}"} if "loss" in logs else {}, refresh=False)

    def on_epoch_end(self, epoch, logs=None):
        self.close()
        values = ", ".join(f"{name} {float(value):.4f}" for name, value in (logs or {}).items())
        log.info("Epoch %d/%d: %s (%.0f s)", epoch + 1, self.epochs, values, time.monotonic() - self.started)

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        if self.bar is not None:
            self.bar.close()


def _synchronise(model):
    # On JAX the trainer keeps the state to itself until it is asked for.
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def _averages(model):
    """Pairs of a variable and its moving average, for optimizers that keep one."""
    return [
        pair
        for each in _optimizers(model)
        if each.use_ema
        for pair in zip(each._trainable_variables, each._model_variables_moving_average, strict=True)
    ]


def _groups(model):
    optimizers = [variable for each in _optimizers(model) for variable in each.variables]
    return {"model": model.variables, "optimizer": optimizers}


def _value(variable):
    # A copy: on JAX the array may be a view of memory that the next step writes to.
    return np.array(keras.ops.convert_to_numpy(variable))


def _assign(variables, values, run):
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise ValueError(f"The checkpoint in {run} is of another model: its variables have other shapes.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
