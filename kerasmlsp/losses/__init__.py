"""Losses that Keras lacks, and their metrics."""

from kerasmlsp.losses.contrastive import NegativeSampling, NTXent
from kerasmlsp.losses.crossentropy import SmoothedCrossentropy
from kerasmlsp.losses.errors import KnownSquaredError, SlopeError, slope_matrix
from kerasmlsp.losses.frames import FrameNats, NatsPerFrame, frame_nats
from kerasmlsp.losses.mixtures import BitsPerDimension, LogisticMixture, logistic_mixture_nats

__all__ = [
    "BitsPerDimension",
    "FrameNats",
    "KnownSquaredError",
    "LogisticMixture",
    "NTXent",
    "NatsPerFrame",
    "NegativeSampling",
    "SlopeError",
    "SmoothedCrossentropy",
    "frame_nats",
    "logistic_mixture_nats",
    "slope_matrix",
]
