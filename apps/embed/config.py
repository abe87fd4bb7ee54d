"""What an embed run is made with."""

import dataclasses

from kerasmlsp.training.settings import OWN, Settings, dataset, encoding, manual_dir, option, same

ARCHITECTURES = ("skip-gram", "cbow")
RECIPES = {
    "skip-gram": {"epochs": 5, "learning_rate": 0.03, "block": 32, "shared": 32, "batch_size": 16},
    "cbow": {"epochs": 5, "learning_rate": 0.1, "block": 240, "shared": 64, "batch_size": 4},
}
"""How vectors are trained where the configuration does not say."""
WEIGHTS = ("float32", "float16")
"""How a saved model may keep its vectors."""
_PLAIN = ("momentum", "weight_decay", "clip_norm", "ema")


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "embed"
    data: str | None = option(
        None,
        "Text file, folder of .txt files, or table (CSV, TSV, Excel, JSON Lines or Parquet).",
        place="any",
        unset="",
    )
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    text_column: str = option("text", "Column that holds the text.")
    encoding: str = encoding()
    architecture: str = option(
        "skip-gram", "What is told from what: a word's neighbours, or the word.", choices=ARCHITECTURES
    )
    embedding_dim: int = option(100, "Size of a vector.", least=1)
    window: int = option(5, "Most words on either side; how many of them is drawn for each word.", least=1, most=20)
    negatives: float = option(5.0, "Random words that each pair is told from.", above=0)
    threshold: float = option(
        1e-3, "Share of the text above which words are left out at times; 0 for never.", least=0, most=1
    )
    min_count: int = option(5, "Leave out words that occur less often.", least=1)
    vocabulary_size: int = option(1_000_000, "Words known, most frequent first.", least=2)
    block: int | None = option(None, "Words in a row of text, which share their random words.", least=1, unset=OWN)
    shared: int | None = option(None, "Random words of a row.", least=1, unset=OWN)
    batch_size: int | None = same("batch_size", None, help="Most rows that are learned from the same vectors.")
    groups: int = option(32, "Batches that one call of the training step works off.", least=1)
    optimizer: str = same("optimizer", "sgd", choices=("sgd",))
    schedule: str = same("schedule", "linear")
    warmup: float = same("warmup", 0.0)
    final_rate: float = same("final_rate", 0.004)
    momentum: float = same("momentum", 0.0)
    weight_decay: float = same("weight_decay", 0.0)
    clip_norm: float = same("clip_norm", 0.0)
    monitor: str = same("monitor", "loss")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in _PLAIN:
            if getattr(self, name):
                raise ValueError(
                    f"`{name}` must be 0: only plain descent leaves the vectors of other words alone. Received: "
                    f"{getattr(self, name)}"
                )

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        return self.filled(RECIPES[self.architecture])

    @property
    def columns(self) -> dict[str, str]:
        """By field, the columns that a table must have."""
        return {"text_column": self.text_column}
