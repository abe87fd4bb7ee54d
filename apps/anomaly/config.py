"""What an anomaly run is made with."""

import dataclasses

from kerasmlsp.training.settings import Settings, encoding, option, same

TASKS = ("segments", "stream")
ARCHITECTURES = ("dense", "lstm", "convlstm")
CONVERTS = {"onnx": ARCHITECTURES, "litert": ARCHITECTURES}
"""Architectures whose nets can be files of a format; see `docs/conversion.md`."""
SCORES = ("error", "neighbour", "both")
METHODS = ("quantile", "extreme")
RECIPES = {
    "dense": {"epochs": 150, "learning_rate": 3e-3, "weight_decay": 1e-4},
    "lstm": {"epochs": 100, "learning_rate": 5e-3, "weight_decay": 1e-4},
    "convlstm": {"epochs": 60, "learning_rate": 5e-3, "weight_decay": 1e-4},
}
"""How a net is trained where the configuration does not say."""
OF_TASK = {
    "segments": {"width": 4.0, "folds": 5, "score": "both", "false_alarms": 0.02},
    "stream": {"width": 0.0, "folds": 1, "score": "error", "false_alarms": 0.001, "epochs": 60},
}
"""What a task takes where the configuration does not say."""
OF_STREAMS = ("time_column", "channels", "label_column", "normal_share", "window", "memory", "rest")
OF_SEGMENTS = ("normal_label", "labels")


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "anomaly"
    data: str | None = option(
        None, "File of one series a row, or CSV, record (.hea) or folder of streams.", place="any", unset=""
    )
    task: str = option(
        "auto", "Whether rows are series or a file is a stream; auto asks the file.", choices=("auto", *TASKS)
    )
    labels: str = option("first", "Where rows of series without a header have their label.", choices=("first", "none"))
    normal_label: str | None = option(None, "Label of the normal rows; others are not trained on.", unset="")
    channels: str | None = option(None, "Columns of a stream, between commas.", unset="all of numbers")
    time_column: str | None = option(None, "Column of a stream that holds the time.", unset="found by its name")
    label_column: str | None = option(
        None, "Column of a stream that tells what is abnormal, by any label but 0; it is no channel.", unset=""
    )
    normal_share: float = option(
        0.15, "Part of each stream, from its beginning, that is normal and is trained on.", above=0, most=1
    )
    encoding: str = encoding()
    architecture: str = option("dense", "Autoencoder to train.", choices=ARCHITECTURES)
    window: int = option(32, "Steps of a stream that the net sees.", least=4)
    code: int = option(8, "Size of the code.", least=1)
    units: int = option(64, "Units of a layer of the dense net and of the LSTMs, both directions.", least=2, searched=2)
    noise: float = option(0.3, "Standard deviation of the noise in training, of 1 for the signal's.", above=0)
    width: float | None = option(
        None, "Smoothing of the slopes of which errors are taken, in steps; 0 for the errors themselves.",
        least=0, unset="4 for series, 0 for streams",
    )  # fmt: skip
    folds: int | None = option(
        None, "Nets, each trained without a part of the normal, which sets the threshold.",
        least=1, unset="5 for series, 1 for streams",
    )  # fmt: skip
    validation_share: float = option(0.2, "Part of the normal that a single net is not trained on.", above=0, below=1)
    score: str | None = option(
        None, "What an answer goes by: the error, the distance to the nearest normal, or both.",
        choices=SCORES, unset="both for series, error for streams",
    )  # fmt: skip
    false_alarms: float | None = option(
        None, "Part of the normal that may reach the threshold.",
        above=0, below=1, unset="0.02 for series, 0.001 for streams",
    )  # fmt: skip
    method: str = option(
        "extreme", "Threshold from the scores of the normal: their quantile, or a fit to the highest.", choices=METHODS
    )
    memory: int = option(3000, "Rows of a stream over which its usual error is followed.", least=10)
    rest: int = option(200, "Rows of a stream after which an alarm is given again where none was higher.", least=0)
    batch_size: int = same("batch_size", 32)

    def complete(self, task: str) -> "Config":
        """Returns the configuration for a task, with its and the architecture's own values where it has none."""
        return self.filled({**RECIPES[self.architecture], **OF_TASK[task]})

    def refuse_for(self, task: str) -> None:
        """Raises a ValueError where settings of the other task were changed."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        others, kind = (OF_STREAMS, "streams") if task == "segments" else (OF_SEGMENTS, "series in rows")
        if task == "stream" and self.score not in (None, "error"):
            raise ValueError(f"`score` must be error for a stream. Received: {self.score!r}")
        changed = [f"--{name.replace('_', '-')}" for name in others if getattr(self, name) != defaults[name]]
        if changed:
            raise ValueError(f"These options are for {kind}, and the data are {task}: leave {', '.join(changed)} out.")
