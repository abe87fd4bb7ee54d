"""What a traffic run is made with."""

import dataclasses

from kerasmlsp.training.settings import Settings, encoding, option, same, share

ARCHITECTURES = ("graph-mlp", "graph-lstm", "convlstm")
CONVERTS = (
    "a forecast looks up known days, which are part of the saved model and not of the net. Export without `--format`."
)
"""Why nets are no files of other formats."""
RECIPES = {
    "graph-mlp": {"epochs": 15, "learning_rate": 2e-3, "weight_decay": 0.05},
    "graph-lstm": {"epochs": 18, "learning_rate": 2e-3, "weight_decay": 0.05},
    "convlstm": {"epochs": 12, "learning_rate": 2e-3, "weight_decay": 0.01},
}
"""How a net is trained where the configuration does not say."""
OF_ARCHITECTURE = {
    **dict.fromkeys(("features", "num_blocks", "rank", "dropout"), "graph-mlp"),
    **dict.fromkeys(("order", "speed_limit", "free_flow_steps"), "graph-lstm"),
    **dict.fromkeys(("filters", "kernel_size"), "convlstm"),
}
"""Settings that one architecture alone has."""
DAY = 1440


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "traffic"
    data: str | None = option(
        None, "Table of speeds, a column for each road and a row for each step.", place="file", unset=""
    )
    graph: str | None = option(
        None,
        "Table of the network: a square matrix of weights or distances, or the columns from, to and distance.",
        place="file",
        unset="",
    )
    time_column: str | None = option(
        None, "Column of the time stamps.", unset="timestamp, time, datetime or date, where there is one"
    )
    first_time: str = option("00:00", "Time of the day of the first row, where there are no time stamps.")
    step_minutes: int = option(5, "Minutes from row to row; they divide a day.", least=1, most=DAY // 2)
    zeros_missing: bool = option(True, "Take a speed of 0 for one that was not measured.")
    encoding: str = encoding()
    horizons: str = option("15,30,45,60", "Minutes ahead that are measured; the last is how far forecasts go.")
    length: int = option(12, "Steps that the net sees.", least=2)
    test_share: float = option(0.2, "End of the series that is left for `evaluate`.", above=0, below=1)
    validation_share: float = option(
        0.1, "Share of the series, before the test, that selects the epoch.", above=0, below=1
    )
    refit: bool = option(
        True, "Train anew, on the validation part too, for as many epochs as were best for the first net."
    )
    architecture: str = option("graph-mlp", "Net to train.", choices=ARCHITECTURES)
    members: int = option(1, "Nets of other seeds whose mean forecasts.", least=1)
    similarity: float = option(
        0.4, "How unlike now a known day may be before it counts little: part of the variance.", above=0
    )
    shift_minutes: int = option(
        30, "Minutes by which known days are looked up earlier and later, too.", least=0, most=DAY // 4
    )
    memory_days: int = option(28, "Known days that forecasts look up, the last ones.", least=2)
    day_dropout: float = share(0.4, "Probability that a known day is left out in training.")
    patterns: int = option(10, "Patterns of the network that known days are made of.", least=1)
    features: int = option(64, "Features of a road in graph-mlp.", least=1)
    num_blocks: int = option(2, "Residual blocks of graph-mlp.", least=1)
    rank: int = option(10, "Rank of the graph that graph-mlp learns.", least=1)
    dropout: float = share(0.1, "Drop probability in graph-mlp.", searched=(0.0, 0.6))
    order: int = option(3, "Steps on the graph that a road sees in graph-lstm.", least=1)
    speed_limit: float | None = option(
        None, "Speed at free flow, in units of the distances an hour, which bounds what a road sees.", above=0
    )
    free_flow_steps: int = option(3, "Steps of driving at `speed_limit` within which a road sees others.", least=1)
    filters: int = option(16, "Filters of each convolutional LSTM.", least=1, searched=2)
    kernel_size: int = option(5, "Roads, in a row of neighbours, that a convolution sees.", least=1)
    batch_size: int = same("batch_size", 32)
    ema: float | None = same("ema", 0.99)

    def __post_init__(self) -> None:
        super().__post_init__()
        if DAY % self.step_minutes:
            raise ValueError(f"`step_minutes` must divide the {DAY} minutes of a day. Received: {self.step_minutes}")
        if self.test_share + self.validation_share >= 1:
            raise ValueError(
                "`test_share` and `validation_share` must leave a part to train on. Received: "
                f"{self.test_share} and {self.validation_share}"
            )
        self.ahead()

    def ahead(self) -> tuple[int, ...]:
        """Returns the horizons in steps, rising.

        Raises:
            ValueError: They are no minutes, or no multiples of a step.
        """
        try:
            minutes = sorted({int(text) for text in self.horizons.split(",")})
        except ValueError:
            minutes = [0]
        if minutes[0] < 1 or any(each % self.step_minutes for each in minutes) or minutes[-1] > DAY // 2:
            raise ValueError(
                f"`horizons` must be minutes, such as 15,30, up to {DAY // 2}, and multiples of the "
                f"{self.step_minutes} of a step. Received: {self.horizons!r}"
            )
        return tuple(each // self.step_minutes for each in minutes)

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        return self.filled(RECIPES[self.architecture])
