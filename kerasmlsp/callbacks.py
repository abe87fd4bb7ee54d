"""Keras callbacks that look on while a model learns."""

import csv
import functools
from pathlib import Path

import keras
import numpy as np
from keras import ops

from kerasmlsp import distribution
from kerasmlsp.files import write_atomically


class UpdateNorms(keras.callbacks.Callback):
    """Writes how large the gradient and the update of every layer are: they show where gradients vanish or explode.

    Both are taken inside the training step, from the gradients and weights that the optimizer has at hand, before it
    clips the gradients; so no extra passes are made, and training goes as it would without. A row is the mean over the
    steps since the row before of the Euclidean norm over all weights of a layer.

    The file has the columns `epoch` and `step` (both from 1; the last of those meant over, counted within the call of
    `fit`), `layer`, `gradient` and `update`. An epoch that starts anew, as after resuming a run, replaces its rows and
    those of later epochs. `kerasmlsp.plotting.update_norms` draws them. The TensorFlow and JAX backends are supported,
    without a distribution strategy of TensorFlow; of two such callbacks in one `fit` the last counts.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Vanishing Gradients"; Glorot and Bengio 2010,
    "Understanding the Difficulty of Training Deep Feedforward Neural Networks".

    Args:
        path: The CSV file to write.
        every: Steps of a row, at least 1; None for one row an epoch, which otherwise ends with a row of its rest.

    Raises:
        ValueError: `every` is less than 1.

    Example:
        >>> import tempfile
        >>> dense = keras.layers.Dense(1, kernel_initializer="zeros", name="dense")
        >>> model = keras.Sequential([keras.Input((1,)), dense], name="net")
        >>> model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=True)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "norms.csv")
        ...     _ = model.fit(np.ones((1, 1)), np.ones((1, 1)), callbacks=[UpdateNorms(path)], verbose=0)
        ...     rows = path.read_text().split()
        >>> rows[0]
        'epoch,step,layer,gradient,update'
        >>> *_, layer, gradient, update = rows[1].split(",")
        >>> layer, round(float(gradient), 3), round(float(update), 3)  # weight and bias: -2 each
        ('net/dense', 2.828, 1.414)
    """

    COLUMNS = ("epoch", "step", "layer", "gradient", "update")

    def __init__(self, path: str | Path, every: int | None = None):
        super().__init__()
        if every is not None and every < 1:
            raise ValueError(f"`every` must be at least 1 or None. Received: every={every}")
        self.path, self.every = Path(path), every
        self.rows: list[dict] = []
        self.totals: dict = {}
        self.epoch, self.step, self.recorded = 0, 0, 0

    def set_model(self, model):
        super().set_model(model)
        self.totals.clear()
        for optimizer in _optimizers(model):
            # Into the instance's dictionary: Keras's setter would track it as a part of the optimizer.
            vars(optimizer).pop("apply", None)
            vars(optimizer)["apply"] = functools.partial(self._apply, optimizer, optimizer.apply)
        # A step that was compiled earlier does not call the new method.
        model.train_function = None

    def on_train_begin(self, logs=None):
        if not self.rows and self.path.exists():
            with open(self.path, newline="") as file:
                numbers = {"epoch": int, "step": int, "layer": str, "gradient": float, "update": float}
                self.rows = [{name: kind(row[name]) for name, kind in numbers.items()} for row in csv.DictReader(file)]

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.recorded = epoch, 0
        self.rows = [row for row in self.rows if row["epoch"] <= epoch]

    def on_train_batch_end(self, batch, logs=None):
        # Where several steps are one call, Keras counts the last call of an epoch as if it were whole.
        self.step = min(batch + 1, self.params.get("steps") or batch + 1)
        if self.every and self.step - self.recorded >= self.every:
            self._record()

    def on_epoch_end(self, epoch, logs=None):
        self._record()

    def on_train_end(self, logs=None):
        for optimizer in _optimizers(self.model):
            vars(optimizer).pop("apply", None)
        self.model.train_function = None
        self.totals.clear()

    def _apply(self, optimizer, apply, grads, trainable_variables=None):
        """Takes the place of the optimizer's `apply` while its step is traced, or run."""
        variables = optimizer._trainable_variables if trainable_variables is None else list(trainable_variables)
        pairs = [pair for pair in zip(grads, variables, strict=True) if pair[0] is not None]
        before = [ops.copy(variable) for _, variable in pairs]
        apply(grads, trainable_variables)
        squares = {}
        for (gradient, variable), old in zip(pairs, before, strict=True):
            layer = squares.setdefault(variable.path.rpartition("/")[0] or variable.path, [0.0, 0.0])
            layer[0] += _square(gradient) / (optimizer.loss_scale_factor or 1.0) ** 2
            layer[1] += _square(variable - old)
        norms = [ops.stack([ops.sqrt(gradient), ops.sqrt(update), 1.0]) for gradient, update in squares.values()]
        self._add(tuple(squares), ops.stack(norms))

    def _add(self, layers, norms):
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            with tf.init_scope():
                if layers not in self.totals:
                    self.totals[layers] = tf.Variable(tf.zeros(norms.shape), trainable=False)
            self.totals[layers].assign_add(norms)
        else:
            import jax

            jax.debug.callback(functools.partial(self._receive, layers), norms)

    def _receive(self, layers, norms):
        self.totals[layers] = self.totals.get(layers, 0.0) + np.asarray(norms)

    def _record(self):
        if keras.backend.backend() == "jax":
            import jax

            jax.effects_barrier()
        for layers, total in self.totals.items():
            values = total if isinstance(total, np.ndarray) else total.numpy()
            # Not times 0, since gradients that exploded are no numbers.
            empty = np.zeros(values.shape, "float32")
            if values is total:
                self.totals[layers] = empty
            else:
                total.assign(empty)
            for layer, (gradient, update, count) in zip(layers, values.tolist(), strict=True):
                if count:
                    numbers = (self.epoch + 1, self.step, layer, gradient / count, update / count)
                    self.rows.append(dict(zip(self.COLUMNS, numbers, strict=True)))
        self.recorded = self.step
        if distribution.leads():
            write_atomically(self.path, self._write)

    def _write(self, path):
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, self.COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)


def _optimizers(model):
    """All optimizers of a model; one with its own `train_step` may keep several as attributes."""
    found = [model.optimizer, *vars(model).values()]
    # What scales the loss against underflow hands true gradients to the one inside.
    found = [getattr(each, "inner_optimizer", each) for each in found if isinstance(each, keras.optimizers.Optimizer)]
    return list({id(each): each for each in found}.values())


def _square(values):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # The gradient of an embedding is a list of rows, some of which may be of the same token.
        values = tf.convert_to_tensor(values)
    return ops.sum(ops.square(ops.cast(values, "float32")))
