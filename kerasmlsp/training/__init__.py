"""Training that can be killed at any moment and ends the same: `Settings`, `fit` and the `Run` that it writes.

`fit` imports Keras, which the command line does without until it trains: it is imported when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING

from kerasmlsp.training.runs import Run
from kerasmlsp.training.settings import Settings

if TYPE_CHECKING:
    from kerasmlsp.training.fitting import built, fit
    from kerasmlsp.training.precision import has_fast_bfloat16, precision_for

__all__ = ["Run", "Settings", "built", "fit", "has_fast_bfloat16", "precision_for"]


def __getattr__(name: str) -> object:
    if name in __all__:
        place = "precision" if name in ("has_fast_bfloat16", "precision_for") else "fitting"
        return getattr(importlib.import_module(f"kerasmlsp.training.{place}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
