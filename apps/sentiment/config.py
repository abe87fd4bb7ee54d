"""What a sentiment run is made with."""

import dataclasses

from kerasmlsp.training.settings import Settings, dataset, encoding, manual_dir, min_count, option, same, share

ARCHITECTURES = ("ensemble", "ngrams", "lstm", "attention-lstm", "cnn", "transformer")
MEMBERS = {"ensemble": ("ngrams", "attention-lstm")}
"""The nets of an architecture that has several."""
CONVERTS = {"onnx": ARCHITECTURES, "litert": ("lstm", "attention-lstm", "cnn", "transformer")}
"""Architectures whose nets can be files of a format; see `docs/conversion.md`."""
RECIPES = {
    "ngrams": {"epochs": 2, "learning_rate": 5e-2, "weight_decay": 0.0},
    "lstm": {"epochs": 6, "learning_rate": 2e-3, "weight_decay": 0.0},
    "attention-lstm": {"epochs": 2, "learning_rate": 2e-3, "weight_decay": 0.01},
    "cnn": {"epochs": 6, "learning_rate": 1e-3, "weight_decay": 0.01},
    "transformer": {"epochs": 6, "learning_rate": 1e-3, "weight_decay": 0.01},
}
"""How a net is trained where the configuration does not say."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "sentiment"
    data: str | None = option(
        None,
        "Table (CSV, TSV, Excel, JSON Lines or Parquet) of texts and labels, or folder with one subfolder per class.",
        place="any",
        unset="",
    )
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    text_column: str = option("text", "Column that holds the text.")
    label_column: str = option("label", "Column that holds the label.")
    encoding: str = encoding()
    exclude: str | None = option(None, "Texts never to train on: the test set.", place="any", unset="")
    architecture: str = option("ensemble", "Net to train.", choices=ARCHITECTURES)
    min_count: int = min_count()
    class_weights: bool = option(False, "Let all classes count the same, however rare.")
    validation_share: float = option(
        0.1, "Share of the texts held out to select the epoch and to calibrate.", above=0, below=1
    )
    holdout_blocks: int = option(
        0,
        "Hold out so many runs of neighbours per class, where neighbours belong together; 0 for single texts.",
        least=0,
    )
    vocabulary_size: int = option(80_000, "Words known, most frequent first.", least=3)
    max_tokens: int = option(512, "Longest text; the middle of longer ones is left out.", least=2)
    short_words: int = option(20, "Calibrate also for texts cut to so few words; 0 for not.", least=0)
    answered: float = share(0.95, "Share of the held-out texts, whole and short, that the saved model is sure of.")
    batch_size: int = same("batch_size", 64)

    @property
    def columns(self) -> dict[str, str]:
        """By field, the columns that a table must have."""
        return {"text_column": self.text_column, "label_column": self.label_column}
