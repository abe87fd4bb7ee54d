"""The catalogue of layers that Keras lacks."""

from kerasmlsp.layers.attention import AttentionPooling
from kerasmlsp.layers.calibration import LengthCalibration
from kerasmlsp.layers.chorales import VoiceEmbedding, VoiceState
from kerasmlsp.layers.convolutional import TemporalBlock
from kerasmlsp.layers.embeddings import WordVectors
from kerasmlsp.layers.ngrams import HashedNgrams, NaiveBayesNgrams
from kerasmlsp.layers.position import LearnedPosition, SinusoidalPosition
from kerasmlsp.layers.recall import Beside, Recall
from kerasmlsp.layers.recurrent import LSTM, Stateful
from kerasmlsp.layers.self_supervised import ClassToken, ContrastiveFrames, MaskedFrames, ProductQuantizer
from kerasmlsp.layers.transformer import DecoderBlock
from kerasmlsp.layers.voices import VoiceTransformer

__all__ = [
    "LSTM",
    "AttentionPooling",
    "Beside",
    "ClassToken",
    "ContrastiveFrames",
    "DecoderBlock",
    "HashedNgrams",
    "LearnedPosition",
    "LengthCalibration",
    "MaskedFrames",
    "NaiveBayesNgrams",
    "ProductQuantizer",
    "Recall",
    "SinusoidalPosition",
    "Stateful",
    "TemporalBlock",
    "VoiceEmbedding",
    "VoiceState",
    "VoiceTransformer",
    "WordVectors",
]
