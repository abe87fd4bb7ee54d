"""Saved models: `export` writes and verifies them, `find` and `load` read them, `convert` makes ONNX and LiteRT files.

TensorFlow and Keras are imported inside the functions, so that looking for a saved model costs nothing.
"""

from kerasmlsp.exporting.converting import convert
from kerasmlsp.exporting.inputs import PICTURES, Input, example_pictures, picture_examples, sampling
from kerasmlsp.exporting.loading import SavedModel, find, load
from kerasmlsp.exporting.saved_model import export, with_half_weights

__all__ = [
    "PICTURES",
    "Input",
    "SavedModel",
    "convert",
    "example_pictures",
    "export",
    "find",
    "load",
    "picture_examples",
    "sampling",
    "with_half_weights",
]
