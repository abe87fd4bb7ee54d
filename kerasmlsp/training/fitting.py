"""Training that can be killed at any moment and ends the same."""

import contextlib
import contextvars
import dataclasses
import importlib
import logging
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras

from kerasmlsp import distribution
from kerasmlsp.data import batching
from kerasmlsp.files import locked, remove_leftovers
from kerasmlsp.layers.devices import on_cpu
from kerasmlsp.layers.recurrent import unfuse
from kerasmlsp.training import memory, precision, selection, sharing
from kerasmlsp.training._states import optimizers_of, to_numbers
from kerasmlsp.training.allocation import keep_freed
from kerasmlsp.training.callback_list import Callbacks
from kerasmlsp.training.checkpoint import CURVES, HISTORY, Keeper
from kerasmlsp.training.runs import CHECKPOINT, MODEL, Run, in_use
from kerasmlsp.training.settings import Settings

log = logging.getLogger("kerasmlsp")


watchers: contextvars.ContextVar[tuple[keras.callbacks.Callback, ...]] = contextvars.ContextVar("watchers", default=())
"""Callbacks of every `fit` in this context, behind its own, as a search has them.

No checkpoint keeps them. Each gets the `settings` of the training, and as `sign` the direction of their `monitor`: 1 or
-1, None where nothing is monitored; also where a run that is gone on with has no epoch left."""


def fit(
    build: Callable[[], keras.Model],
    batches: object,
    run: Run | str | Path,
    settings: Settings | None = None,
    *,
    validation: Iterable | None = None,
    class_weight: dict[int, float] | None = None,
    checkpoint_seconds: float = 30.0,
    resume: bool = False,
    callbacks: Iterable[keras.callbacks.Callback] = (),
    **changes: Any,
) -> keras.Model:
    """Trains a model into a run folder, from the start or from where an earlier process was stopped.

    A checkpoint holds the model's and the optimizers' variables, the states of its random generators, the running
    metrics, the log rows, the state of the callbacks, and what model selection and early stopping remember. Since the
    order of examples follows from seed and epoch, a run that was killed and resumed ends in the same weights, rows and
    stopping epoch as one that was not; with `deterministic`, bit for bit. States that layers carry from batch to batch
    (`kerasmlsp.layers.Stateful`) start every epoch from zeros.

    The folder gets `checkpoint.npz`, `history.csv`, `curves.png`, `tensorboard/` (with TensorFlow) and, at the end,
    `model.keras` with the weights of the best epoch. On a terminal there is a progress bar, in a log one line an epoch.
    One process at a time trains into a folder. A metric with several values, one for each class, is logged as their
    mean.

    After `kerasmlsp.distribution.start`, all processes call `fit` and share each batch; process 0 alone writes. With
    any number of them the losses are the same but for rounding. Callbacks run in each. Every process gets a model of
    its own in the end.

    `monitor` selects the best epoch. A callback may add the column to the log; an epoch without it, after the first,
    is not selected and does not count for `patience`. Without `validation` there is no column `val_...`, and the last
    epoch is the best. `mode="auto"` takes the direction that the compiled metric has in Keras; where there is none,
    that of the measure in the column's name (as error and distance, or accuracy, bleu and reward).

    `precision="auto"` means `mixed_bfloat16` on TPUs and on GPUs that have it (`has_fast_bfloat16`), unless the net has
    recurrent layers, for which it is built a second time; and float32 elsewhere. On CPUs with bfloat16
    instructions a Transformer trains faster in `mixed_bfloat16`, embeddings and recurrent nets do not.
    `jit="auto"` leaves GPUs, TPUs and the JAX backend to Keras and uses no XLA on CPUs, where it makes convolutions
    and the gradients of gathers slower by whole factors; `python -m benchmarks.sentiment_speed --part policy`
    measures both.

    Args:
        build: Called without arguments after seed and precision are set; returns a compiled model.
        batches: What to train on: `kerasmlsp.data.batching.Batches`; or a `keras.utils.PyDataset`, made anew for this
            call, each of whose epochs follows from how often `on_epoch_end` was called, and each batch from its number
            (as of `kerasmlsp.targets.word2vec.TrainingBatches`); or any object whose `dataset(position)` is like that
            of `Batches`: a `tf.data.Dataset` of known size, which in every pass calls `position` for the epoch and the
            number of batches of it that are done, and yields the rest.
        run: The run folder, made where missing.
        settings: How to train; the defaults of `Settings` where there are none. Its `epochs` must be given, here or in
            `changes`; what belongs to the optimizer is for `build` (see `kerasmlsp.optimizers.build`).
        validation: `tf.data.Dataset` of `(inputs, targets)`, for `monitor`.
        class_weight: Dict of class number, for every class from 0, to weight of its examples in the loss.
        checkpoint_seconds: Least time between checkpoints inside an epoch; each epoch ends with one anyway.
        resume: Takes up the run in the folder; a folder without checkpoint is started from the beginning.
        callbacks: More Keras callbacks, which may stop the training. Of each, the checkpoint keeps the attributes that
            have changed since training began, are no arguments of its class, and are numbers, strings, None, NumPy
            arrays, or lists, tuples and dicts of them. They come back, after `on_train_begin`, to the callback of the
            same place and class. An epoch that was broken off calls `on_epoch_begin` once more.
        **changes: Fields of `settings` that differ, as `epochs=3`.

    Returns:
        The model, with the weights of the best epoch.

    Raises:
        ValueError: A setting is not allowed, the net is too large for the machine's memory, `monitor` is no column or
            has no known direction, `class_weight` lacks a class, another process trains into the folder, the folder
            holds a run already and `resume` is False, its checkpoint is damaged or of another model, or a batch cannot
            be shared among the processes and devices.

    Example:
        >>> import tempfile
        >>> import tensorflow as tf
        >>> x = tf.constant([[-2.0], [-1.0], [1.0], [2.0]])
        >>> order = batching.shuffled(4, batch_size=2)
        >>> batches = batching.Batches(order, lambda indices, key: (tf.gather(x, indices), 3 * tf.gather(x, indices)))
        >>> def build():
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        ...     model.compile(keras.optimizers.SGD(0.1), "mse")
        ...     return model
        >>> model = fit(build, batches, tempfile.mkdtemp(), epochs=6)
        >>> round(float(model.layers[0].kernel[0, 0]), 1)
        3.0
    """
    settings = dataclasses.replace(settings or Settings(), **changes)
    if settings.epochs is None:
        raise ValueError("`epochs` must be given. Received: epochs=None")
    run = run if isinstance(run, Run) else Run(run)
    keep_freed()
    with contextlib.ExitStack() as held:
        begun = distribution.from_leader(lambda: _opened(run, resume, held))
        source, callbacks = batching.source(batches), list(callbacks)
        with distribution.shared() as several:
            model = built(build, settings)
            _check_class_weight(model, class_weight)
            monitored = validation is not None or not settings.monitor.startswith("val_")
            if monitored:
                selection.check_monitor(model, source, settings, validation is not None, bool(callbacks))
            keeper = Keeper(run, settings, monitored, checkpoint_seconds, callbacks)
            sign = selection.direction(model, settings.monitor, settings.mode) if monitored else None
            for watcher in watchers.get():
                watcher.settings, watcher.sign = settings, sign  # type: ignore[attr-defined]
            if begun:
                keeper.load(model, source)
            _train(model, source, keeper, validation, class_weight, several)
            keeper.restore_best(model)
        if several:
            sharing.release(model, optimizers_of(model))
        run.save(model)
        if distribution.leads():
            keeper.draw()
        return model


def _opened(run, resume, held):
    """Locks the folder of a run for as long as the stack `held`; tells whether there is a checkpoint to go on with."""
    run.folder.mkdir(parents=True, exist_ok=True)
    held.enter_context(locked(run / CHECKPOINT, in_use(run)))
    remove_leftovers(*(run / name for name in (CHECKPOINT, MODEL, HISTORY, CURVES)))
    if (run / CHECKPOINT).exists() and not resume:
        raise ValueError(
            f"The folder {run} holds a run already: continue it (`resume`), name another, or delete it first."
        )
    return (run / CHECKPOINT).exists()


def _train(model, source, keeper, validation, class_weight, several):
    progress, epochs, first = _Progress(keeper), keeper.settings.epochs, []
    if several and validation is not None:
        first, validation = [sharing.Validation(validation, [*keeper.callbacks, _Numbers(), keeper])], None
    while not keeper.finished():
        # Keras takes the length of the first epoch for that of all, so a broken-off one gets a call of its own.
        rest_of_epoch = keeper.step > 0
        dataset = source.dataset(lambda: (keeper.epoch, keeper.step))
        steps = dataset.num_batches if isinstance(dataset, keras.utils.PyDataset) else len(dataset)
        shown = [*_tensorboard(keeper.run), progress] if distribution.leads() else []
        given = [*keeper.callbacks, *watchers.get()]
        callbacks = [*first, *keeper.callbacks, _Numbers(), *shown, keeper, *watchers.get()]
        model.fit(
            dataset,
            validation_data=validation,
            initial_epoch=keeper.epoch,
            epochs=keeper.epoch + 1 if rest_of_epoch else epochs,
            class_weight=class_weight,
            shuffle=False,
            verbose=0,
            callbacks=Callbacks(callbacks, reading=given, model=model, epochs=epochs, steps=steps),
        )
        if rest_of_epoch:
            # fit() ends by overwriting the weights with their moving averages.
            keeper.load(model, source)
        if model.stop_training:
            # The keeper or one of the caller's callbacks said so.
            break


def built(build: Callable[[], keras.Model], settings: Settings) -> keras.Model:
    """Builds a model as `fit` does: with seed, precision, XLA and steps of an execution as the settings say.

    Example:
        >>> def build():
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> models = [built(build, Settings(seed=seed)) for seed in (1, 1, 2)]
        >>> first, second, third = (float(model.layers[0].kernel[0, 0]) for model in models)
        >>> first == second, first == third
        (True, False)
    """
    if settings.deterministic:
        precision.check_deterministic()
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_op_determinism()
    for policy in precision.policies(settings.precision):
        model = _build_in(policy, build, settings)
        if not any(isinstance(layer, keras.layers.RNN) for layer in model._flatten_layers()):
            break
    if settings.jit != "auto":
        if settings.jit == "on":
            unfuse(model)
        model.jit_compile = settings.jit == "on"
    elif on_cpu() and keras.backend.backend() == "tensorflow":
        # Without XLA, TensorFlow still has its graphs, while JAX would work off one operation after the other.
        model.jit_compile = False
    model.steps_per_execution = settings.steps_per_execution
    for each in optimizers_of(model):
        if not each.built:
            each.build(model.trainable_variables)
    return model


def _build_in(policy, build, settings):
    keras.utils.set_random_seed(settings.seed)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        # A net on a GPU or TPU takes their memory, and they refuse at once what they cannot hold.
        with memory.checked(settings) if on_cpu() else contextlib.nullcontext():
            return build()
    finally:
        keras.config.set_dtype_policy(before)


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


def _tensorboard(run):
    # It writes by TensorFlow, which Keras does without on JAX.
    with contextlib.suppress(ImportError):
        importlib.import_module("tensorflow")
        return [keras.callbacks.TensorBoard(str(run / "tensorboard"), write_graph=False)]
    return []


class _Numbers(keras.callbacks.Callback):
    """Turns metrics of several values, which neither the log nor TensorBoard take, into their mean."""

    def on_train_batch_end(self, batch, logs=None):
        to_numbers(logs)

    def on_epoch_end(self, epoch, logs=None):
        to_numbers(logs)

    def on_test_end(self, logs=None):
        to_numbers(logs)


class _Progress(keras.callbacks.Callback):
    """A progress bar on a terminal, one line an epoch in a log."""

    def __init__(self, keeper):
        super().__init__()
        self.keeper, self.epochs, self.bar = keeper, keeper.settings.epochs, None

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
                # A loss of one of the last batches: see `Callbacks`.
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
