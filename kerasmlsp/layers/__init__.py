"""The catalogue of layers that Keras lacks."""

from kerasmlsp.layers.attention import (
    AttentionPooling,
    KerasMultiHeadAttention,
    MultiHeadAttention,
    ScaledDotProductAttention,
)
from kerasmlsp.layers.autoregressive import GatedConvolutions, MaskedConv2D
from kerasmlsp.layers.calibration import LengthCalibration
from kerasmlsp.layers.chorales import VoiceEmbedding, VoiceState
from kerasmlsp.layers.convolutional import TemporalBlock
from kerasmlsp.layers.decoders import AttentionRNN, MultiplicativeAttention
from kerasmlsp.layers.embeddings import WordVectors
from kerasmlsp.layers.encoder_decoder import TransformerDecoderBlock
from kerasmlsp.layers.energy import RBM, Hopfield, ModernHopfield
from kerasmlsp.layers.graph import AdaptiveGraphConvolution, GraphConvolutionLSTMCell
from kerasmlsp.layers.kernels import PolynomialFeatures, RandomFourierFeatures
from kerasmlsp.layers.lstm_variants import LSTMVariantCell
from kerasmlsp.layers.motion import GravityAlignment
from kerasmlsp.layers.ngrams import HashedNgrams, NaiveBayesNgrams
from kerasmlsp.layers.normalization import BatchNormalization, SubSpectralNormalization
from kerasmlsp.layers.position import LearnedPosition, SinusoidalPosition
from kerasmlsp.layers.raster import LevelFeatures, RasterConv2D
from kerasmlsp.layers.recall import Beside, Recall, SimilarDays
from kerasmlsp.layers.recurrent import LSTM, FreeRunning, ResidualRecurrence, Stateful
from kerasmlsp.layers.regularization import ActivityPenalty
from kerasmlsp.layers.self_supervised import ClassToken, ContrastiveFrames, MaskedFrames, ProductQuantizer
from kerasmlsp.layers.spectral import LogMelSpectrogram, Scalogram, ShortTimeFourierTransform
from kerasmlsp.layers.transformer import DecoderBlock
from kerasmlsp.layers.voices import VoiceTransformer

__all__ = [
    "LSTM",
    "RBM",
    "ActivityPenalty",
    "AdaptiveGraphConvolution",
    "AttentionPooling",
    "AttentionRNN",
    "BatchNormalization",
    "Beside",
    "ClassToken",
    "ContrastiveFrames",
    "DecoderBlock",
    "FreeRunning",
    "GatedConvolutions",
    "GraphConvolutionLSTMCell",
    "GravityAlignment",
    "HashedNgrams",
    "Hopfield",
    "KerasMultiHeadAttention",
    "LSTMVariantCell",
    "LearnedPosition",
    "LengthCalibration",
    "LevelFeatures",
    "LogMelSpectrogram",
    "MaskedConv2D",
    "MaskedFrames",
    "ModernHopfield",
    "MultiHeadAttention",
    "MultiplicativeAttention",
    "NaiveBayesNgrams",
    "PolynomialFeatures",
    "ProductQuantizer",
    "RandomFourierFeatures",
    "RasterConv2D",
    "Recall",
    "ResidualRecurrence",
    "ScaledDotProductAttention",
    "Scalogram",
    "ShortTimeFourierTransform",
    "SimilarDays",
    "SinusoidalPosition",
    "Stateful",
    "SubSpectralNormalization",
    "TemporalBlock",
    "TransformerDecoderBlock",
    "VoiceEmbedding",
    "VoiceState",
    "VoiceTransformer",
    "WordVectors",
]
