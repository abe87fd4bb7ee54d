"""The catalogue of data-augmentation layers; all are off at inference, seeded and serialisable."""

from kerasmlsp.augment.image import CutMix, ImageAugmentation, MixUp, RandAugment, RandomAffine
from kerasmlsp.augment.text import TokenDropout

__all__ = ["CutMix", "ImageAugmentation", "MixUp", "RandAugment", "RandomAffine", "TokenDropout"]
