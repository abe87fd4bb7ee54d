"""The catalogue of data-augmentation layers; all are off at inference, seeded and serialisable."""

from kerasmlsp.augment.audio import AdditiveNoise, RandomGain, RandomTimeShift, SpecAugment
from kerasmlsp.augment.elastic import RandomElasticDeformation
from kerasmlsp.augment.image import ImageAugmentation, RandomAffine
from kerasmlsp.augment.mixing import CutMix, MixUp
from kerasmlsp.augment.motion import RandomAxisRotation, RandomHalfTurn, RandomScaling, TimeWarp
from kerasmlsp.augment.rand_augment import RandAugment
from kerasmlsp.augment.text import TokenDropout

__all__ = [
    "AdditiveNoise",
    "CutMix",
    "ImageAugmentation",
    "MixUp",
    "RandAugment",
    "RandomAffine",
    "RandomAxisRotation",
    "RandomElasticDeformation",
    "RandomGain",
    "RandomHalfTurn",
    "RandomScaling",
    "RandomTimeShift",
    "SpecAugment",
    "TimeWarp",
    "TokenDropout",
]
