"""Training that can be killed at any moment and ends the same."""

import csv
import dataclasses
import json
import logging
import math
import sys
import time
import zipfile
from importlib import metadata
from pathlib import Path

import keras
import numpy as np

from kerasmlsp import optimizers
from kerasmlsp.files import read_json, write_atomically
from kerasmlsp.layers.recurrent import unfuse

log = logging.getLogger("kerasmlsp")

CHECKPOINT, MODEL, HISTORY, CONFIG = "checkpoint.npz", "model.keras", "history.csv", "config.json"
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
    metrics, the log rows, and what model selection and early stopping remember. Since the order of examples follows
    from seed and epoch, a run that was killed and resumed ends in the same weights, rows and stopping epoch as one
    that was not; with `deterministic`, bit for bit.

    The folder gets `checkpoint.npz`, `history.csv`, `curves.png`, `tensorboard/` and, at the end, `model.keras`
    with the weights of the best epoch. On a terminal there is a progress bar, in a log one line an epoch.

    `precision="auto"` means `mixed_bfloat16` on GPUs and TPUs and float32 on CPUs. On CPUs with bfloat16
    instructions a Transformer trains faster in `mixed_bfloat16`, embeddings and recurrent nets do not.
    `jit="auto"` leaves GPUs, TPUs and the JAX backend to Keras and uses no XLA on CPUs, where it makes convolutions
    and the gradients of gathers slower by whole factors; `python -m benchmarks.sentiment_speed --part policy`
    measures both.

    Args:
        build: Called without arguments after seed and precision are set; returns a compiled model.
        batches: `kerasmlsp.batching.Batches` to train on.
        run: The run folder, made where missing.
        epochs: Most epochs.
        validation: `tf.data.Dataset` of `(inputs, targets)`, for `monitor`.
        monitor: Column of the log that selects the best epoch; higher is better where it ends in `accuracy`,
            `auc`, `f1` or `reward`, lower otherwise. A callback may add the column to the log. Without `validation`
            there is no column `val_...`, and the last epoch is the best.
        patience: Epochs without a better `monitor` after which training stops; None to run all epochs.
        seed: Seed of weights, dropout and everything random in Keras and TensorFlow.
        deterministic: Uses only operations that repeat bit for bit; slower.
        precision: "auto", "float32" or "mixed_bfloat16".
        jit: "auto", True or False: whether to compile the training step with XLA.
        steps_per_execution: Batches that one call of the compiled step works off, at least 1.
        class_weight: Dict of class number to weight of its examples in the loss.
        checkpoint_seconds: Least time between checkpoints inside an epoch; each epoch ends with one anyway.
        resume: Takes up the run in the folder; a folder without checkpoint is started from the beginning.
        callbacks: More Keras callbacks, which may stop the training. Their state is not part of the checkpoint.

    Returns:
        The model, with the weights of the best epoch.

    Raises:
        ValueError: An option has an unknown value, the folder holds a run already and `resume` is False, or its
            checkpoint is damaged or of another model.
    """
    run = Path(run)
    run.mkdir(parents=True, exist_ok=True)
    if (run / CHECKPOINT).exists() and not resume:
        raise ValueError(
            f"The folder {run} holds a run already: go on with it (`resume`), name another, or delete it first."
        )
    model = _built(build, seed, deterministic, precision, jit)
    model.steps_per_execution = steps_per_execution
    selects = validation is not None or not monitor.startswith("val_")
    keeper = _Keeper(run, monitor if selects else None, patience, checkpoint_seconds)
    if (run / CHECKPOINT).exists():
        keeper.load(model, batches)
    progress = _Progress(keeper, batches, epochs)
    while not keeper.finished(epochs):
        # Keras takes the length of the first epoch for that of all, so a broken-off one gets a call of its own.
        rest_of_epoch = keeper.step > 0
        model.fit(
            batches.dataset(lambda: (keeper.epoch, keeper.step)),
            validation_data=validation,
            initial_epoch=keeper.epoch,
            epochs=keeper.epoch + 1 if rest_of_epoch else epochs,
            class_weight=class_weight,
            shuffle=False,
            verbose=0,
            callbacks=[*callbacks, _tensorboard(run), progress, keeper],
        )
        if rest_of_epoch:
            # fit() ends by overwriting the weights with their moving averages.
            keeper.load(model, batches)
        if model.stop_training:
            # The keeper or one of the caller's callbacks said so.
            break
    keeper.draw()
    keeper.restore_best(model)
    write_atomically(run / MODEL, lambda path: model.save(path))
    return model


def optimizer(
    learning_rate=1e-3, *, schedule="constant", steps=None, warmup=0.0, weight_decay=0.0, clip_norm=None, ema=None
):
    """Makes an AdamW optimizer with a schedule.

    Args:
        learning_rate: The peak rate, above 0.
        schedule: "constant", or "cosine" to fall to 0 over `steps`.
        steps: Training steps in all; needed for a schedule or a warm-up.
        warmup: Share of the steps in which the rate rises linearly from 0, in `[0, 1)`.
        weight_decay: Decoupled weight decay, at least 0.
        clip_norm: Largest norm of all gradients together, above 0, or None.
        ema: Momentum, between 0 and 1, of the exponential moving average of the weights that is validated and kept,
            or None.

    Raises:
        ValueError: A value is out of range.
    """
    if schedule not in ("constant", "cosine"):
        raise ValueError(f'`schedule` must be "constant" or "cosine". Received: schedule={schedule!r}')
    if learning_rate <= 0:
        raise ValueError(f"`learning_rate` must be above 0. Received: learning_rate={learning_rate}")
    if not 0 <= warmup < 1:
        raise ValueError(f"`warmup` must be in [0, 1). Received: warmup={warmup}")
    if weight_decay < 0:
        raise ValueError(f"`weight_decay` must be at least 0. Received: weight_decay={weight_decay}")
    if clip_norm is not None and clip_norm <= 0:
        raise ValueError(f"`clip_norm` must be above 0 or None. Received: clip_norm={clip_norm}")
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"`ema` must be between 0 and 1 or None. Received: ema={ema}")
    rate = learning_rate
    if schedule == "cosine" or warmup:
        if not steps:
            raise ValueError(f"`steps` must be given for a schedule or a warm-up. Received: steps={steps}")
        rising = int(warmup * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if rising else learning_rate,
            decay_steps=max(1, steps - rising),
            alpha=1.0 if schedule == "constant" else 0.0,
            warmup_target=learning_rate if rising else None,
            warmup_steps=rising,
        )
    return optimizers.AdamW(
        rate, weight_decay=weight_decay, global_clipnorm=clip_norm, use_ema=ema is not None, ema_momentum=ema or 0.99
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


def refuse_other(run, resume):
    """Raises a ValueError where the folder holds a run already that is not to be gone on with."""
    if (Path(run) / CONFIG).exists() and not resume:
        raise ValueError(f"The folder {run} holds a run already: go on with `--resume`, or name another `--run`.")


def load_model(path):
    """Loads a `.keras` file of a run for prediction.

    Raises:
        FileNotFoundError: The run is not finished.
        ValueError: The file is damaged.
    """
    # These register what the file may name.
    from kerasmlsp import augment, layers  # noqa: F401
    from kerasmlsp.models import gan  # noqa: F401

    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: the run is not finished. Go on with it by `--resume`.")
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:
        # What a broken archive raises depends on where it breaks.
        raise ValueError(
            f"The model {path} is damaged ({type(error).__name__}): run the training again with `--resume`."
        ) from error


def best_row(run):
    """Returns the row of `history.csv` of the epoch whose weights were kept."""
    with np.load(Path(run) / CHECKPOINT) as file:
        state = json.loads(str(file["state"]))
    return next(row for row in state["rows"] if row["epoch"] == state["best_epoch"])


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


class _Keeper(keras.callbacks.Callback):
    """Selects the best epoch, stops early, and writes log and checkpoint.

    `epoch` and `step` say how much of the run is done, `rows` is the log, and `best_values` are the variables of the
    best epoch, averaged where the optimizer averages.
    """

    STATE = ("epoch", "step", "rows", "best", "best_epoch", "waited", "stopped")

    def __init__(self, run, monitor, patience, seconds):
        super().__init__()
        self.run, self.monitor, self.patience, self.seconds = run, monitor, patience, seconds
        self.epoch = self.step = self.waited = self.resumed_step = 0
        self.rows, self.best, self.best_epoch, self.stopped = [], None, None, False
        self.best_values, self.metric_values, self.written = None, None, time.monotonic()

    def finished(self, epochs):
        return self.stopped or self.epoch >= epochs

    def on_epoch_begin(self, epoch, logs=None):
        self.resumed_step = self.step
        # fit() resets the metrics before this call, so this is where those of a broken-off epoch come back.
        if self.metric_values is not None:
            _assign(self.model.metrics_variables, self.metric_values, self.run)
            self.metric_values = None

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
        logs = {name: float(value) for name, value in (logs or {}).items()}
        if bad := next((name for name, value in logs.items() if not math.isfinite(value)), None):
            raise ValueError(
                f"Training diverged in epoch {epoch + 1}: {bad} is {logs[bad]}. Try a smaller learning rate or "
                "gradient clipping."
            )
        rate = float(_value(self.model.optimizer.learning_rate))
        self.rows.append({"epoch": epoch + 1, **logs, "learning_rate": rate})
        self._select(epoch, logs)
        self.epoch, self.step = epoch + 1, 0
        write_atomically(self.run / HISTORY, self._write_rows)
        self.save()

    def draw(self):
        from kerasmlsp import plotting

        if self.rows:
            write_atomically(self.run / "curves.png", lambda path: plotting.curves(self.rows, path))

    def restore_best(self, model):
        if self.best_values is not None:
            _assign(model.variables, self.best_values, self.run)

    def save(self, metrics=()):
        """Writes the checkpoint; `metrics` are the running ones of an epoch that is not over."""
        groups = {**_groups(self.model), "best": self.best_values or (), "metrics": metrics}
        arrays = {f"{name}.{i}": _value(value) for name, values in groups.items() for i, value in enumerate(values)}
        arrays["state"] = np.array(json.dumps({name: getattr(self, name) for name in self.STATE}))
        # Uncompressed: compressing float weights costs seconds and saves a tenth.
        write_atomically(self.run / CHECKPOINT, lambda path: np.savez(path, **arrays))
        self.written = time.monotonic()

    def load(self, model, batches):
        """Takes up the checkpoint in the run folder."""
        path = self.run / CHECKPOINT
        try:
            # Opened here, since np.load leaves open what is no archive.
            with open(path, "rb") as opened, np.load(opened) as file:
                arrays = dict(file)
            state = json.loads(str(arrays.pop("state")))
            state = {name: state[name] for name in self.STATE}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"The checkpoint {path} is damaged: delete the run's folder and start again.") from error
        for name, value in state.items():
            setattr(self, name, value)
        stored = {}
        for key, value in arrays.items():
            stored.setdefault(key.split(".")[0], []).append(value)
        self.best_values, self.metric_values = stored.get("best"), stored.get("metrics")
        if self.metric_values and len(model.metrics_variables) != len(self.metric_values):
            # Keras makes the variables of compiled metrics with the first batch. Before the states come back, since
            # a batch may draw random numbers.
            rest = batches.dataset(lambda: (self.epoch, self.step))
            model.test_on_batch(*next(rest.as_numpy_iterator()))
        for group, variables in _groups(model).items():
            _assign(variables, stored.get(group, []), self.run)
        log.info("Going on with %s after epoch %d, batch %d.", self.run, self.epoch, self.step)

    def _select(self, epoch, logs):
        if self.monitor and self.monitor not in logs:
            raise ValueError(f"`monitor` must be one of {', '.join(sorted(logs))}. Received: monitor={self.monitor!r}")
        value = logs[self.monitor] if self.monitor else float(epoch)
        sign = 1 if not self.monitor or self.monitor.endswith(("accuracy", "auc", "f1", "reward")) else -1
        if self.best is None or sign * value > sign * self.best:
            self.best, self.best_epoch, self.waited = value, epoch + 1, 0
            averages = {id(variable): _value(average) for variable, average in _averages(self.model)}
            self.best_values = [averages[id(v)] if id(v) in averages else _value(v) for v in self.model.variables]
        else:
            self.waited += 1
            self.stopped = self.patience is not None and self.waited >= self.patience
            # Another callback's wish to stop is left as it is.
            self.model.stop_training = self.model.stop_training or self.stopped

    def _write_rows(self, path):
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, self.rows[0])
            writer.writeheader()
            writer.writerows(self.rows)


class _Progress(keras.callbacks.Callback):
    """A progress bar on a terminal, one line an epoch in a log."""

    def __init__(self, keeper, batches, epochs):
        super().__init__()
        self.keeper, self.batches, self.epochs, self.bar = keeper, batches, epochs, None

    def on_epoch_begin(self, epoch, logs=None):
        from tqdm import tqdm

        self.started, self.bar = time.monotonic(), None
        if sys.stderr.isatty():
            steps, done = len(self.batches.order(epoch)), self.keeper.step
            title = f"Epoch {epoch + 1}/{self.epochs}"
            self.bar = tqdm(total=steps, initial=done, desc=title, file=sys.stderr, leave=False, unit="batch")

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
