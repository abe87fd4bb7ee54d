"""Where the time of a training goes: the steps of the net, and all that is around them.

    python -m benchmarks.profiles sentiment --data imdb/train.csv --architecture lstm --epochs 2
    python -m benchmarks.profiles gan --data fashion_mnist --epochs 2

Takes what `kerasmlsp APP train` takes, trains in a folder that is thrown away, and prints seconds of wall time, each
also as a share of what epochs take:

  before      what comes before the first epoch: imports, reading and splitting of the data, building of the net
  graph       the first step of each training, in which TensorFlow makes the graph
  steps       the others at the pace of the same batches when they lie in memory
  data        what steps took beyond that: waiting for batches, and the share of the cores that making them takes
  callbacks   before the first step of an epoch and between steps: start of the data, bar, logs, checkpoints
  validation  held-out data after each epoch
  ends        after the last step of each epoch, without validation: checkpoint, log, TensorBoard
  after       what comes after the last epoch: saving, figures, calibration
"""

import argparse
import contextlib
import itertools
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.ratios import markdown, seconds

OF_EPOCHS = ("graph", "steps", "data", "callbacks", "validation", "ends")
_KEPT = 8
"""Batches that are kept for the pace of steps alone."""


def watcher():
    """A callback for `kerasmlsp.training.fitting.watchers` whose `parts` are the seconds of each part."""
    import keras
    import tensorflow as tf

    now = time.perf_counter

    class Watcher(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.parts = dict.fromkeys(OF_EPOCHS, 0.0)
            self.first = self.last = None

        def on_train_begin(self, logs=None):
            self.function, self.batches, self.took = self.model.train_function, [], []
            self.model.train_function = self._step

        def _step(self, iterator):
            entered = now()
            if len(self.took) < _KEPT:
                # What is kept is also trained on: no batch is left out.
                own = list(itertools.islice(iterator, self.model.steps_per_execution))
                self.batches += own
                self.spec = iterator.element_spec
                iterator = self._iterator(own)
            started = now()
            logs = self.function(iterator)
            self.done = now()
            self.took.append(self.done - started)
            self.within += self.done - entered
            return logs

        def on_epoch_begin(self, epoch, logs=None):
            self.began = self.done = now()
            self.within = self.tested = 0.0
            self.first = self.first or self.began

        def on_test_begin(self, logs=None):
            self.testing = now()

        def on_test_end(self, logs=None):
            self.tested += now() - self.testing

        def on_epoch_end(self, epoch, logs=None):
            self.last = now()
            self.parts["callbacks"] += self.done - self.began - self.within
            self.parts["validation"] += self.tested
            self.parts["ends"] += self.last - self.done - self.tested

        def on_train_end(self, logs=None):
            self.model.train_function = self.function
            pace = self._pace()
            self.parts["graph"] += self.took[0] - pace
            self.parts["steps"] += pace * len(self.took)
            self.parts["data"] += sum(each - pace for each in self.took[_KEPT:])
            self.measuring = now() - self.last

        def _iterator(self, batches):
            return iter(tf.data.Dataset.from_generator(lambda: batches, output_signature=self.spec).cache().repeat())

        def _pace(self):
            """Seconds of a step on the batches that were kept."""
            iterator, calls = self._iterator(self.batches), min(_KEPT, len(self.took))
            took = [seconds(self.function, iterator) for _ in range(4 * calls)]
            return statistics.mean(took[calls:])

    return Watcher()


def measure(app, arguments):
    """Trains, and returns the seconds of each part by name."""
    started = time.perf_counter()
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `train` does, before TensorFlow is imported here
    from kerasmlsp.apps import cli
    from kerasmlsp.training import fitting

    watching = watcher()
    token = fitting.watchers.set((watching,))
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place), contextlib.redirect_stdout(sys.stderr):
        try:
            cli.root([app, "train", "--run", "profile", *arguments], standalone_mode=False)
        finally:
            fitting.watchers.reset(token)
    after = time.perf_counter() - watching.last - watching.measuring
    return {"before": watching.first - started, **watching.parts, "after": after}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("app", help="application")
    options, others = parser.parse_known_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Files are named from where the command was given.
    others = [str(Path(each).resolve()) if Path(each).exists() else each for each in others]
    parts = measure(options.app, others)
    whole = sum(parts[name] for name in OF_EPOCHS)
    shares = [(name, taken, taken / whole if name in OF_EPOCHS else None) for name, taken in parts.items()]
    rows = [{"part": name, "seconds": taken, "of_epochs": share} for name, taken, share in shares]
    print(markdown(rows, ".2f", of_epochs=".1%"))


if __name__ == "__main__":
    main()
