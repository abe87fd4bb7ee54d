"""Models that several processes and devices train together: measured together, and given back to each process."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from kerasmlsp import distribution


def release(model: keras.Model, optimizers: Iterable[keras.optimizers.Optimizer]) -> None:
    """Makes a model that all processes trained one of this process, which predicts and is saved without the others.

    Args:
        model: The model.
        optimizers: All of its optimizers.

    Example:
        >>> release(keras.Sequential([keras.layers.Dense(1)]), [])
    """
    of_optimizers = [variable for each in optimizers for variable in each.variables]
    for variable in [*model.variables, *model.metrics_variables, *of_optimizers]:
        value = distribution.whole(variable)
        variable._layout = None
        variable.assign(value)
    model.train_function = model.test_function = model.predict_function = None


class Validation(keras.callbacks.Callback):
    """Measures validation data by all processes and devices at the end of every epoch, before others read the log.

    Args:
        batches: As of `evaluate`.
        callbacks: Those that want to know when a test begins and ends.

    Example:
        >>> Validation([], callbacks=[]).batches
        []
    """

    def __init__(self, batches: Iterable[Any], callbacks: Sequence[keras.callbacks.Callback]):
        super().__init__()
        self.batches, self.callbacks = batches, callbacks

    def on_epoch_end(self, epoch, logs=None):
        for callback in self.callbacks:
            callback.on_test_begin()
        found = evaluate(self.model, self.batches)
        for callback in self.callbacks:
            callback.on_test_end(found)
        logs.update({f"val_{name}": value for name, value in found.items()})


def evaluate(model: keras.Model, batches: Iterable[Any]) -> dict[str, Any]:
    """Measures a model as `keras.Model.evaluate` does, every batch by all processes and devices.

    Both this and the making of the model belong into `distribution.shared`.

    The rows of a batch are shared where that goes evenly. Else, as the last batch mostly, every device works off the
    whole batch: padded rows would count in metrics that take no weights.

    Args:
        model: A compiled model.
        batches: Batches of NumPy arrays or tensors, the same in every process.

    Returns:
        Dict of metrics.

    Raises:
        ValueError: There is no batch.

    Example:
        >>> evaluate(None, [])
        Traceback (most recent call last):
        ValueError: `batches` must hold a batch at least. Received: none
    """
    logs, state = {}, None
    for batch in batches:
        batch = _laid(batch)
        if state is None:
            model._symbolic_build(data_batch=batch)
            model.make_test_function()
            model.reset_metrics()
            state = model._get_jax_state(trainable_variables=True, non_trainable_variables=True, metrics_variables=True)
        logs, state = model.test_function(state, iter([batch]))
    if state is None:
        raise ValueError("`batches` must hold a batch at least. Received: none")
    names = ("trainable_variables", "non_trainable_variables", "metrics_variables")
    model._jax_state, model._jax_state_synced = dict(zip(names, state, strict=True)), False
    model.jax_state_sync()
    model._jax_state = None
    return dict(model._get_metrics_result_or_logs(logs))


def _laid(batch):
    """Lays a batch, which every process holds whole, onto the devices."""
    import jax

    known: Any = keras.distribution.distribution()
    evenly = all(len(values) % known.num_model_replicas == 0 for values in keras.tree.flatten(batch))

    def laid(values):
        values = np.asarray(values)
        layout = known.get_data_layout(values.shape)
        if not evenly:
            layout = keras.distribution.TensorLayout([None] * values.ndim, layout.device_mesh)
        return jax.make_array_from_callback(values.shape, layout.backend_layout, lambda index: values[index])

    return keras.tree.map_structure(laid, batch)
