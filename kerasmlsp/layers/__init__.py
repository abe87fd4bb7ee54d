"""The catalogue of layers that Keras lacks."""

from kerasmlsp.layers.attention import AttentionPooling
from kerasmlsp.layers.autoregressive import GatedConvolutions, MaskedConv2D
from kerasmlsp.layers.calibration import LengthCalibration
from kerasmlsp.layers.chorales import VoiceEmbedding, VoiceState
from kerasmlsp.layers.convolutional import TemporalBlock
from kerasmlsp.layers.energy import RBM, Hopfield, ModernHopfield
from kerasmlsp.layers.ngrams import HashedNgrams, NaiveBayesNgrams
from kerasmlsp.layers.position import SinusoidalPosition
from kerasmlsp.layers.recall import Beside, Recall
from kerasmlsp.layers.recurrent import LSTM, Stateful
from kerasmlsp.layers.transformer import DecoderBlock
from kerasmlsp.layers.voices import VoiceTransformer

__all__ = [
    "LSTM",
    "RBM",
    "AttentionPooling",
    "Beside",
    "DecoderBlock",
    "GatedConvolutions",
    "HashedNgrams",
    "Hopfield",
    "LengthCalibration",
    "MaskedConv2D",
    "ModernHopfield",
    "NaiveBayesNgrams",
    "Recall",
    "SinusoidalPosition",
    "Stateful",
    "TemporalBlock",
    "VoiceEmbedding",
    "VoiceState",
    "VoiceTransformer",
]
