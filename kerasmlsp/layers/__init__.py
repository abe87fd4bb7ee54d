"""The catalogue of layers that Keras lacks."""

from kerasmlsp.layers.attention import AttentionPooling
from kerasmlsp.layers.calibration import LengthCalibration
from kerasmlsp.layers.ngrams import HashedNgrams, NaiveBayesNgrams
from kerasmlsp.layers.position import SinusoidalPosition

__all__ = ["AttentionPooling", "HashedNgrams", "LengthCalibration", "NaiveBayesNgrams", "SinusoidalPosition"]
