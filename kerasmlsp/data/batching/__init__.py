"""The order in which training sees examples: a function of seed and epoch alone, to be taken up anywhere."""

from kerasmlsp.data.batching.batches import Batches, source
from kerasmlsp.data.batching.orders import bucketed, by_tokens, shuffled, sorted_by_length, streams, uniform, windows

__all__ = [
    "Batches",
    "bucketed",
    "by_tokens",
    "shuffled",
    "sorted_by_length",
    "source",
    "streams",
    "uniform",
    "windows",
]
