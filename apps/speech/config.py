"""What a speech run is made with."""

import dataclasses

from kerasmlsp.training.settings import (
    OWN,
    Settings,
    dataset,
    encoding,
    group_pattern,
    manual_dir,
    min_count,
    option,
    same,
    share,
)

ARCHITECTURES = ("resnet", "cnn", "attention-lstm")
CONVERTS = dict.fromkeys(("onnx", "litert"), ARCHITECTURES)
"""Architectures whose nets can be files of a format; see `docs/conversion.md`."""
BANDS = 40
"""Bands of the spectrograms, as in the lecture."""
_MODERN = {
    **{"optimizer": "adamw", "learning_rate": 3e-3, "weight_decay": 0.05, "clip_norm": 1.0, "ema": 0.995},
    **{"schedule": "cosine", "warmup": 0.05, "class_weights": False, "label_smoothing": 0.1},
    **{"shift": 0.1, "stretch": 0.15, "gain": 10.0, "noise": 0.8, "time_mask": 20, "band_mask": 6},
}
RECIPES = {
    "resnet": {"epochs": 80, "batch_size": 64, **_MODERN},
    "attention-lstm": {"epochs": 60, "batch_size": 64, **_MODERN},
    # The lecture's own: Adam at 3e-4, a tenth of it after 20 of 25 epochs, batches of 128, weighted classes.
    "cnn": {
        **{"epochs": 25, "batch_size": 128, "optimizer": "adam", "learning_rate": 3e-4, "weight_decay": 0.0},
        **{"clip_norm": 0.0, "ema": 0.0, "schedule": "step", "warmup": 0.0, "class_weights": True},
        **{"label_smoothing": 0.0, "shift": 0.1, "stretch": 0.2, "gain": 0.0, "noise": 0.0},
        **{"time_mask": 0, "band_mask": 0},
    },
}
"""How a net is trained where the configuration does not say."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "speech"
    data: str | None = option(
        None, "Folder with one subfolder of recordings per class, or table of paths and labels.", place="any", unset=""
    )
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    path_column: str = option("path", "Column of a table that holds the paths.")
    label_column: str = option("label", "Column that holds the label.")
    encoding: str = encoding()
    architecture: str = option("resnet", "Net to train; cnn is the lecture's.", choices=ARCHITECTURES)
    group_pattern: str | None = group_pattern()
    rate: int = option(16_000, "Samples per second to which recordings are brought.", least=4000, most=96_000)
    seconds: float = option(1.0, "Length of what the net hears, in seconds.", least=0.1, most=30)
    min_count: int = min_count()
    class_weights: bool | None = option(None, "Let all classes count the same, however rare.", unset=OWN)
    validation_share: float = share(0.1, "Share held out to select the epoch; 0 to train on all and keep the last.")
    label_smoothing: float | None = share(None, "Share of the target that all classes get alike.", unset=OWN)
    silence: str = option("_silence_", "Class without speech, of any length, which is mixed into the others as noise.")
    noise: float | None = option(None, "Probability that noise is mixed in.", least=0, most=1, unset=OWN)
    min_snr: float = option(0.0, "Smallest ratio of signal and noise that is mixed in, in dB.", least=-20, most=60)
    max_snr: float = option(30.0, "Largest such ratio, in dB.", least=-20, most=60)
    shift: float | None = option(None, "Shift by up to so many seconds.", least=0, unset=OWN)
    stretch: float | None = share(None, "Play faster or slower by up to about this share, with the pitch.", unset=OWN)
    gain: float | None = option(None, "Make louder or softer by up to so many dB.", least=0, most=40, unset=OWN)
    time_mask: int | None = option(None, "Most frames of 10 ms that are hidden, twice.", least=0, unset=OWN)
    band_mask: int | None = option(None, "Most bands that are hidden, twice.", least=0, most=BANDS, unset=OWN)
    answered: float = share(0.95, "Share of the held-out recordings that the saved model is sure of.")
    # The architecture's recipe fills these.
    batch_size: int | None = same("batch_size", None)
    optimizer: str | None = same("optimizer", None, unset=OWN)  # type: ignore[assignment]
    schedule: str | None = same("schedule", None, unset=OWN)  # type: ignore[assignment]
    warmup: float | None = same("warmup", None, unset=OWN)  # type: ignore[assignment]
    clip_norm: float | None = same("clip_norm", None, unset=OWN)  # type: ignore[assignment]
    ema: float | None = same("ema", None, unset=OWN)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_snr < self.min_snr:
            raise ValueError(f"`max_snr` must be at least `min_snr`, {self.min_snr:g}. Received: {self.max_snr:g}")

    @property
    def length(self) -> int:
        """Samples that the net hears, a multiple of 10 ms."""
        step = max(1, self.rate // 100)
        return round(self.seconds * self.rate / step) * step

    @property
    def columns(self) -> dict[str, str]:
        """By field, the columns that a table must have."""
        return {"path_column": self.path_column, "label_column": self.label_column}

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        return self.filled(RECIPES[self.architecture])
