"""Which column of the log selects the best epoch, and whether a low or a high value of it is good."""

import re
from collections.abc import Iterable
from typing import Any

import keras

from kerasmlsp.training.settings import Settings

# Words of the names of measures, for columns that no compiled metric answers for.
_HIGHER = {"acc", "accuracy", "auc", "bleu", "cider", "correlation", "dice", "f1", "iou", "map", "meteor", "precision"}
_HIGHER |= {"psnr", "r2", "recall", "reward", "rouge", "ssim"}
_LOWER = {"cer", "distance", "error", "loss", "mae", "mse", "nats", "nll", "perplexity", "rmse", "wer"}


def direction(model: keras.Model, monitor: str, mode: str) -> int | None:
    """1 where a higher `monitor` is better, -1 where a lower one is, None where that is not known.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> [direction(model, name, "auto") for name in ("val_loss", "val_bleu", "val_novelty")]
        [-1, 1, None]
    """
    if mode != "auto":
        return 1 if mode == "max" else -1
    name = monitor.removeprefix("val_")
    compiled = [metric for each in model.metrics for metric in getattr(each, "metrics", [each])]
    # Keras puts the output before the name of a metric and a number behind it, where several have the same.
    own = [each for each in compiled if re.fullmatch(rf"(.+_)?{re.escape(each.name)}(_\d+)?", name)]
    own = max(own, key=lambda each: len(each.name), default=None)
    if own is not None and hasattr(own, "_direction"):
        return 1 if own._direction == "up" else -1
    words = set(re.split(r"[^a-z0-9]+", name.lower())) | set(re.split(r"[^a-z]+", name.lower()))
    higher, lower = bool(words & _HIGHER), bool(words & _LOWER)
    return None if higher == lower else 1 if higher else -1


def known_direction(model: keras.Model, monitor: str, mode: str) -> int:
    """As `direction`, which must be known.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> known_direction(model, "val_novelty", "max")
        1
    """
    found = direction(model, monitor, mode)
    if found is None:
        raise ValueError(
            f'`mode` must be "min" or "max" for a `monitor` whose direction is not known. Received: '
            f"monitor={monitor!r}, mode={mode!r}"
        )
    return found


def check_monitor(model: keras.Model, source: Any, settings: Settings, validated: bool, called_back: bool) -> None:
    """Refuses, before the first epoch, a column that cannot come or has no direction.

    Example:
        >>> import tensorflow as tf
        >>> from kerasmlsp.data.batching import Batches, shuffled
        >>> from kerasmlsp.training import Settings
        >>> batches = Batches(shuffled(4, 2), lambda indices, key: (tf.zeros((2, 3)), tf.zeros((2, 1))))
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> check_monitor(model, batches, Settings(monitor="val_f1"), validated=True, called_back=False)
        Traceback (most recent call last):
        ValueError: `monitor` must be one of loss, val_loss. Received: monitor='val_f1'
    """
    columns = _columns(model, source)
    if columns is None:
        return
    columns += [f"val_{name}" for name in columns] * validated
    if settings.monitor not in columns and not called_back:
        raise unknown(settings.monitor, columns)
    known_direction(model, settings.monitor, settings.mode)


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


def unknown(monitor: str, columns: Iterable[str]) -> ValueError:
    """The error of a `monitor` that is no column.

    Example:
        >>> print(unknown("f1", ["val_loss", "loss"]))
        `monitor` must be one of loss, val_loss. Received: monitor='f1'
    """
    return ValueError(f"`monitor` must be one of {', '.join(sorted(columns))}. Received: monitor={monitor!r}")
