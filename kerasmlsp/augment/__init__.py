"""The catalogue of data-augmentation layers; all are off at inference, seeded and serialisable."""

from kerasmlsp.augment.audio import AdditiveNoise, RandomGain, RandomTimeShift, SpecAugment
from kerasmlsp.augment.motion import RandomAxisRotation, RandomScaling, TimeWarp
from kerasmlsp.augment.text import TokenDropout

__all__ = [
    "AdditiveNoise",
    "RandomAxisRotation",
    "RandomGain",
    "RandomScaling",
    "RandomTimeShift",
    "SpecAugment",
    "TimeWarp",
    "TokenDropout",
]
