"""What a motion run is made with."""

import dataclasses
import re

from kerasmlsp.training.settings import OWN, Settings, min_count, option, same, share

ARCHITECTURES = ("tcn", "cnn", "deepconvlstm", "dense")
PER_SAMPLE = ("tcn",)
"""Architectures that tell a class of every sample; the class of a window is that of their mean."""
CONVERTS = {"onnx": ARCHITECTURES, "litert": ARCHITECTURES}
"""Architectures whose nets can be files of a format; see `docs/conversion.md`."""
RECIPES = {
    "tcn": {"epochs": 10, "learning_rate": 3e-3, "weight_decay": 0.05, "context": 1.0},
    "cnn": {"epochs": 20, "learning_rate": 1e-3, "weight_decay": 0.0, "context": 0.0},
    "deepconvlstm": {"epochs": 12, "learning_rate": 1e-3, "weight_decay": 0.01, "context": 0.0},
    "dense": {"epochs": 20, "learning_rate": 1e-3, "weight_decay": 0.0, "context": 0.0},
}
"""How a net is trained where the configuration does not say."""
AUGMENTATION = ("shift", "speed", "reorder", "half_turns", "rotation", "scaling", "jitter", "warp")
"""Settings of the random changes of windows."""
READING = ("channels", "time_column", "label_column", "subject_column", "subject_pattern", "name_pattern")
"""Settings that say how files are read."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "motion"
    data: str | None = option(
        None,
        "Recordings: a table, a folder of tables, WISDM's text, the folder of UCI HAR, or .ts files.",
        place="any",
        unset="",
    )
    rate: float = option(25.0, "Samples per second to which recordings are brought.", above=0)
    channels: str | None = option(None, "Columns of the signals, with commas between.", unset="all that hold numbers")
    time_column: str = option("timestamp", "Column of the time stamps.")
    label_column: str = option("label", "Column of the activities.")
    subject_column: str | None = option(None, "Column that names the person.", unset="")
    subject_pattern: str | None = option(
        None, "Regular expression whose first group in a file's path names the person.", unset=""
    )
    name_pattern: str | None = option(
        None, "Regular expression that the path of a file must have, as _sp for GeoTec's phones.", unset=""
    )
    max_gap: float = option(0.5, "Seconds without a sample after which another recording begins.", above=0)
    window: float = option(1.0, "Seconds of a window.", above=0)
    hop: float = option(0.5, "Seconds from one window to the next.", above=0)
    context: float | None = option(
        None, "Seconds before and after a window that the net sees, too.", least=0, unset=OWN
    )
    architecture: str = option("tcn", "Net to train.", choices=ARCHITECTURES)
    min_count: int = min_count()
    class_weights: bool = option(False, "Let all classes count the same, however rare.")
    validation_share: float = share(
        0.15, "Share held out, by person, to select the epoch; 0 to train on all and keep the last."
    )
    label_smoothing: float = share(0.05, "Share of the target that all classes get alike.")
    shift: bool = option(True, "Begin windows anywhere in each epoch, not only at every hop.")
    speed: float = share(0.1, "Play windows faster or slower by up to this share.")
    reorder: float = share(
        0.5, "Probability that the activities of a recording come in another order, so that none is told by the last."
    )
    half_turns: bool = option(True, "Turn the device by 180 degrees about one of its axes in three of four windows.")
    rotation: float = option(25.0, "Turn the axes of the sensors by up to so many degrees.", least=0, most=180)
    scaling: float = option(0.1, "Standard deviation of the factor of each channel.", least=0)
    jitter: float = option(0.0, "Standard deviation of noise, in units of the standardised channels.", least=0)
    warp: float = option(0.0, "Standard deviation of the speed within a window.", least=0)
    answered: float = share(0.95, "Share of the held-out windows that the saved model is sure of.")
    gravity: bool = option(
        True, "Add signals along gravity and across it, of sensors with three axes each, the accelerometer first."
    )
    batch_size: int = same("batch_size", 32)
    ema: float | None = same("ema", 0.98)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("subject_pattern", "name_pattern"):
            try:
                re.compile(getattr(self, name) or "")
            except re.error as error:
                raise ValueError(
                    f"`{name}` must be a regular expression ({error}). Received: {getattr(self, name)!r}"
                ) from error
        if self.length < 2:
            raise ValueError(f"`window` must hold at least two samples at this `rate`. Received: {self.window}")

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        return self.filled(RECIPES[self.architecture])

    @property
    def length(self) -> int:
        """Samples of a window."""
        return round(self.window * self.rate)

    @property
    def around(self) -> int:
        """Samples of context before and after a window."""
        return round((self.context or 0) * self.rate)

    @property
    def step(self) -> int:
        """Samples from one window to the next."""
        return max(1, round(self.hop * self.rate))

    @property
    def per_sample(self) -> bool:
        """Whether the net tells a class of every sample."""
        return self.architecture in PER_SAMPLE

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the signals; none where they are all that hold numbers."""
        return tuple(each.strip() for each in self.channels.split(",")) if self.channels else ()
