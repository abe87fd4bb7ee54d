"""The callbacks of a training, told of each batch without a wait for the device."""

import time
from collections.abc import Iterable
from typing import Any

import keras

_SECONDS = 0.1


class Callbacks(keras.callbacks.CallbackList):
    """A `keras.callbacks.CallbackList` that reads the metrics of a batch at most ten times a second.

    Keras makes numbers of them after every batch, and so waits for a GPU that could have its next batch already. In
    between, callbacks get those that were read last. The numbers of an epoch's end are always its own.

    Args:
        callbacks: All callbacks, in their order.
        reading: Those of them that get the numbers of each batch; if one has a method for the end of a batch, each
            batch is waited for.
        model: The model that is trained.
        **params: What Keras tells callbacks, as `epochs` and `steps`.

    Example:
        >>> stop = keras.callbacks.TerminateOnNaN()  # looks at each batch
        >>> Callbacks([stop], reading=[], steps=9).waits, Callbacks([stop], reading=[stop], steps=9).waits
        (False, True)
    """

    def __init__(
        self,
        callbacks: list[keras.callbacks.Callback],
        *,
        reading: Iterable[keras.callbacks.Callback],
        model: keras.Model | None = None,
        **params: Any,
    ):
        super().__init__(callbacks, add_history=True, model=model, verbose=0, **params)
        own = keras.callbacks.Callback
        self.waits = any(
            getattr(type(each), name) is not getattr(own, name)
            for each in reading
            for name in ("on_batch_end", "on_train_batch_end")
        )
        self.read = 0.0
        self.last: dict | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.last = None
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        now = time.monotonic()
        if self.waits or self.last is None or now - self.read >= _SECONDS:
            self.read, self.last = now, logs
        super().on_train_batch_end(batch, self.last)
