"""The catalogue of data-augmentation layers; all are off at inference, seeded and serialisable."""

from kerasmlsp.augment.text import TokenDropout

__all__ = ["TokenDropout"]
