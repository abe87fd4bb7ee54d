"""What the table of cases knows of a model builder."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class Case:
    """A builder with tiny arguments, eight examples, and what must be true of the model."""

    make: Callable[..., keras.Model]
    """Builds the tiny model; takes changes of its arguments by keyword."""
    inputs: Callable[[], dict[str, np.ndarray]]
    """Eight examples by the name of the input, the same at every call."""
    outputs: dict[str, tuple]
    """Shape by the name of the output, None for what is open."""
    parameters: int
    """All weights, trained or not, worked out by hand or published."""
    targets: Callable[[], np.ndarray | dict | None] = lambda: None
    """What the examples should give; None for a model that brings its own loss."""
    loss: object = "sparse_categorical_crossentropy"
    compile: Callable[[keras.Model], None] | None = None
    """Compiles a model with a training step of its own, in place of Adam at `rate` and `loss`."""
    rate: float = 0.02
    steps: int = 100
    """Steps of training on the eight examples."""
    reaches: float | None = 0.1
    """Loss that this training goes below; None, with a reason beside it, where a loss says nothing."""
    unmoved: tuple[str, ...] = ()
    """Ends of the paths of weights that one step leaves as they are, with the reason beside them."""
    causal: bool | str = False
    """Whether output t (axis 1) depends on inputs up to t only; for a model with several, the name of the one."""
    padded: bool = False
    """Whether zeros after the inputs (axis 1) leave the answers as they were."""
    wrong: tuple[tuple[dict, str], ...] = ()
    """Changes of arguments that are refused, and a pattern of the error."""
    tolerance: float = 1e-4
    """Largest difference between two backends."""
