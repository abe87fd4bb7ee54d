"""The states of optimizers, metrics and callbacks as arrays, and back."""

import contextlib
import hashlib
import inspect
from typing import Any

import keras
import numpy as np

from kerasmlsp import distribution
from kerasmlsp.layers.recurrent import Stateful


def to_numbers(logs: dict[str, Any] | None) -> None:
    """Turns the values of a log into numbers, those of several into their mean.

    Example:
        >>> logs = {"f1": np.array([0.5, 1.0])}  # of two classes
        >>> to_numbers(logs)
        >>> logs
        {'f1': 0.75}
    """
    logs = {} if logs is None else logs
    for name, value in logs.items():
        if not isinstance(value, float):
            logs[name] = float(np.mean(keras.ops.convert_to_numpy(value)))


def _attributes(callback, arrays):
    """What can be stored of a callback: its attributes in JSON, with the arrays in them added to `arrays` by name."""
    # Keras turns the sign of a setting, `min_delta`, and `params` are of one call of fit.
    kinds = type(callback).__mro__
    settings = {"params", *(name for kind in kinds for name in inspect.signature(kind.__init__).parameters)}  # type: ignore[misc]
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


def _synchronise(model):
    # On JAX the trainer keeps the state to itself until it is asked for.
    if hasattr(model, "jax_state_sync"):
        model.jax_state_sync()


def _averages(model):
    """Pairs of a variable and its moving average, for optimizers that keep one."""
    return [
        pair
        for each in optimizers_of(model)
        if each.use_ema
        for pair in zip(each._trainable_variables, each._model_variables_moving_average, strict=True)
    ]


def _groups(model):
    optimizers = [variable for each in optimizers_of(model) for variable in each.variables]
    return {"model": model.variables, "optimizer": optimizers}


def optimizers_of(model: keras.Model) -> list[keras.optimizers.Optimizer]:
    """All optimizers of a model; one with its own `train_step` may keep several as attributes.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> [type(each).__name__ for each in optimizers_of(model)]
        ['Adam']
    """
    found = [model.optimizer, *(value for value in vars(model).values())]
    unique = {id(each): each for each in found if isinstance(each, keras.optimizers.Optimizer)}
    return list(unique.values())


_value = distribution.whole


def _assign(variables, values, run):
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in values]:
        raise ValueError(f"The checkpoint in {run} is of another model: its variables have other shapes.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
