"""The catalogue of layers that Keras lacks."""

from kerasmlsp.layers.attention import AttentionPooling, MultiHeadAttention, ScaledDotProductAttention
from kerasmlsp.layers.calibration import LengthCalibration
from kerasmlsp.layers.chorales import VoiceEmbedding, VoiceState
from kerasmlsp.layers.convolutional import TemporalBlock
from kerasmlsp.layers.decoders import AttentionRNN, MultiplicativeAttention
from kerasmlsp.layers.ngrams import HashedNgrams, NaiveBayesNgrams
from kerasmlsp.layers.position import LearnedPosition, SinusoidalPosition
from kerasmlsp.layers.recall import Beside, Recall
from kerasmlsp.layers.recurrent import LSTM, Stateful
from kerasmlsp.layers.transformer import DecoderBlock, TransformerDecoderBlock
from kerasmlsp.layers.voices import VoiceTransformer

__all__ = [
    "LSTM",
    "AttentionPooling",
    "AttentionRNN",
    "Beside",
    "DecoderBlock",
    "HashedNgrams",
    "LearnedPosition",
    "LengthCalibration",
    "MultiHeadAttention",
    "MultiplicativeAttention",
    "NaiveBayesNgrams",
    "Recall",
    "ScaledDotProductAttention",
    "SinusoidalPosition",
    "Stateful",
    "TemporalBlock",
    "TransformerDecoderBlock",
    "VoiceEmbedding",
    "VoiceState",
    "VoiceTransformer",
]
