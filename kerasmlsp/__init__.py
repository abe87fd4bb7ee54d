"""Neural networks for signals: Keras model builders, training, generation and export.

    >>> from kerasmlsp import models
    >>> model = models.attention_lstm(20_000, 2)

`kerasmlsp.layers`, `kerasmlsp.models`, `kerasmlsp.training` and `kerasmlsp.exporting` are imported by name;
this package itself imports nothing, so that the command line starts at once.
"""

__version__ = "0.1.0"
