"""The options of a training: each once, with its help, type and range.

Only the standard library is imported here, since the command line reads this for every `--help`.
"""

import dataclasses
import math
import re
import typing
from collections.abc import Mapping

OWN = "the architecture's own"
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
OPTIMIZERS = ("adamw", "adam", "rmsprop", "sgd")
SCHEDULES = ("constant", "cosine", "linear", "step")
MODES = ("auto", "min", "max")
JIT = ("auto", "on", "off")
ENCODINGS = "an encoding of text, such as utf-8, cp1252, latin-1 or utf-16"


@dataclasses.dataclass(frozen=True)
class Option:
    """What is known of a field besides its name, type and default.

    Args:
        help: One sentence for `--help`.
        choices: The words that are allowed; none for any.
        least: Smallest number that is allowed.
        most: Largest number that is allowed.
        above: Bound that a number must be above.
        below: Bound that a number must be below.
        unset: What `--help` says of the default None; "" for nothing.
        place: "file", "folder" or "any" for a path that is read, "new" for a folder that is made, None for no path.
        encoding: Whether it is the name of an encoding of text.
        pattern: Whether it is a regular expression.
        searched: What a search tries: lowest and highest value, or the factor by which a value is multiplied or divided
            at most; None for a field that keeps its value.

    Example:
        >>> Option("Examples in a batch.", least=1).check("batch_size", int, 0)
        Traceback (most recent call last):
        ValueError: `batch_size` must be a whole number at least 1. Received: 0
    """

    help: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    unset: str = "off"
    place: str | None = None
    encoding: bool = False
    pattern: bool = False
    searched: tuple[float, float] | float | None = None

    def check(self, name: str, kind: type, value: object) -> None:
        """Raises a `ValueError` unless `value`, of the field `name` of type `kind`, is allowed."""
        if not self._fits(kind, value):
            raise ValueError(f"`{name}` must be {self._allowed(kind)}. Received: {value!r}")

    def _fits(self, kind, value):
        if self.encoding:
            return is_encoding(value)
        if self.pattern:
            return _is_pattern(value)
        if kind not in (int, float):
            return isinstance(value, kind) and (not self.choices or value in self.choices)
        number = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(value) and self._within(value)

    def _within(self, value):
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def _allowed(self, kind):
        if self.encoding:
            return ENCODINGS
        if self.pattern:
            return "a regular expression"
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}[kind]
        limits = {"at least": self.least, "at most": self.most, "above": self.above, "below": self.below}
        said = [f"{word} {limit}" for word, limit in limits.items() if limit is not None]
        return f"{words} {' and '.join(said)}".strip()


def option(default: typing.Any, help: str, **details: typing.Any) -> typing.Any:
    """Returns a dataclass field with a default and the `Option` that says the rest.

    Args:
        default: Value of the field where none is given.
        help: One sentence for `--help`.
        **details: More of the arguments of `Option`.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Config(Settings):
        ...     units: int = option(64, "Units of the LSTM.", least=1)
        >>> Config().units
        64
    """
    return dataclasses.field(default=default, metadata={"option": Option(help, **details)})


def same(name: str, default: typing.Any, **changes: typing.Any) -> typing.Any:
    """Returns the field `name` of `Settings` with another default.

    Args:
        name: Name of the field.
        default: Value of the field where none is given.
        **changes: Arguments of `Option` that differ.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Config(Settings):
        ...     epochs: int | None = same("epochs", 5)
        >>> Config().epochs
        5
    """
    known = Settings.__dataclass_fields__[name].metadata["option"]
    return dataclasses.field(default=default, metadata={"option": dataclasses.replace(known, **changes)})


def share(default: float | None, help: str, **details: typing.Any) -> typing.Any:
    """Returns a field for a part of a whole, from 0 to below 1.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Config(Settings):
        ...     dropout: float = share(0.5, "Share of the units that are dropped.")
        >>> Config(dropout=1.0)
        Traceback (most recent call last):
        ValueError: `dropout` must be a number at least 0 and below 1. Received: 1.0
    """
    return option(default, help, **{"least": 0, "below": 1, **details})


def dataset() -> typing.Any:
    """Returns the field for the name of a data set in TensorFlow Datasets.

    Example:
        >>> dataset().metadata["option"].help
        'Data set of TensorFlow Datasets, as imdb_reviews.'
    """
    return option(None, "Data set of TensorFlow Datasets, as imdb_reviews.", unset="")


def manual_dir() -> typing.Any:
    """Returns the field for the folder with the original files of a data set.

    Example:
        >>> manual_dir().metadata["option"].place
        'folder'
    """
    text = "Folder with the original files of --dataset, needed where there is no network."
    return option(None, text, place="folder", unset="")


def encoding() -> typing.Any:
    """Returns the field for the encoding of tables and texts.

    Example:
        >>> encoding().default
        'utf-8'
    """
    return option("utf-8", "Encoding of text and tables, as cp1252 for old files of Windows.", encoding=True)


def min_count() -> typing.Any:
    """Returns the field for the examples that a class must have.

    Example:
        >>> min_count().default
        1
    """
    return option(1, "Leave out classes of fewer examples.", least=1)


def group_pattern(what: str = "the person") -> typing.Any:
    """Returns the field for the regular expression that tells persons apart, or what else examples belong to.

    Example:
        >>> group_pattern().metadata["option"].pattern
        True
    """
    text = f"Regular expression whose first group in a file's path names {what}."
    return option(None, text, pattern=True)


def holdout_pattern() -> typing.Any:
    """Returns the field for the regular expression that tells which files are held out.

    Example:
        >>> holdout_pattern().metadata["option"].pattern
        True
    """
    text = "Regular expression: files whose path it matches are held out, and no others."
    return option(None, text, pattern=True)


def is_encoding(name: object) -> bool:
    """Whether Python knows an encoding of text by this name.

    Example:
        >>> is_encoding("cp1252"), is_encoding("windows"), is_encoding("base64")
        (True, False, False)
    """
    try:
        "".encode(str(name))
    except (LookupError, ValueError):
        return False
    return True


def _is_pattern(value: typing.Any) -> bool:
    try:
        re.compile(value)
    except (re.error, TypeError):
        return False
    return True


def fields(config: typing.Any) -> list[tuple[dataclasses.Field, type, bool, Option]]:
    """Returns the options of a configuration: an application's own first, then those of every training.

    Args:
        config: A dataclass.

    Returns:
        For each field that has an `Option`: the field, its type without None, whether None is allowed, and the option.

    Example:
        >>> [(field.name, kind.__name__, optional) for field, kind, optional, known in fields(Settings)][:2]
        [('seed', 'int', False), ('epochs', 'int', True)]
    """
    shared = {field.name for field in dataclasses.fields(Settings)}
    own = sorted(dataclasses.fields(config), key=lambda field: field.name in shared)
    hints = typing.get_type_hints(config)
    found = []
    for field in own:
        if known := field.metadata.get("option"):
            kinds = typing.get_args(hints[field.name]) or (hints[field.name],)
            found.append((field, kinds[0], type(None) in kinds, known))
    return found


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a net is trained. The configuration of an application extends this by fields of its own.

    Fields that are None have no value yet: `filled` gives them that of a recipe.

    Raises:
        ValueError: A value is not allowed; the message names the field and what is.

    Example:
        >>> settings = Settings(epochs=3, learning_rate=1e-3, schedule="linear")
        >>> settings.filled({"epochs": 10, "batch_size": 32}).epochs
        3
    """

    seed: int = option(0, "Decides every random choice.", least=0, most=2**31 - 1)
    epochs: int | None = option(None, "Passes over the training data.", least=1, unset=OWN)
    batch_size: int | None = option(None, "Examples in a batch.", least=1, unset=OWN, searched=2)
    optimizer: str = option("adamw", "Optimizer.", choices=OPTIMIZERS)
    momentum: float = share(0.9, "Momentum of SGD.")
    learning_rate: float | None = option(None, "Peak learning rate.", above=0, unset=OWN, searched=5)
    schedule: str = option("cosine", "How the learning rate falls after its peak.", choices=SCHEDULES)
    warmup: float = share(0.05, "Share of the steps in which the learning rate rises.")
    final_rate: float = option(0.0, "Share of the peak rate at which the schedule ends.", least=0, most=1)
    step_epochs: int = option(20, "Epochs after which the schedule `step` divides the rate by 10.", least=1)
    weight_decay: float | None = option(None, "Decoupled weight decay.", least=0, unset=OWN, searched=10)
    clip_norm: float = option(1.0, "Largest norm of all gradients together; 0 for any.", least=0)
    ema: float | None = share(None, "Momentum of a moving average of the weights; 0 for no average.")
    patience: int | None = option(None, "Epochs without a better `monitor` before training stops.", least=1)
    monitor: str = option("val_loss", "Column of the log that selects the best epoch.")
    mode: str = option("auto", "Whether a low or a high `monitor` is good; auto asks the metric.", choices=MODES)
    precision: str = option("auto", "Precision of the computation.", choices=PRECISIONS)
    jit: str = option("auto", "Whether XLA compiles the training step.", choices=JIT)
    steps_per_execution: int = option(1, "Batches worked off by one call of the compiled step.", least=1)
    deterministic: bool = option(
        False, "Repeat bit for bit; slower, and on GPUs with JAX only where XLA_FLAGS asks for it."
    )

    def __post_init__(self) -> None:
        for field, kind, optional, known in fields(type(self)):
            value = getattr(self, field.name)
            if not (optional and value is None):
                known.check(field.name, kind, value)

    def filled(self, recipe: Mapping[str, typing.Any]) -> typing.Self:
        """Returns a copy in which fields that are None have the values of a recipe, a dict by name."""
        return dataclasses.replace(self, **{k: v for k, v in recipe.items() if getattr(self, k) is None})
