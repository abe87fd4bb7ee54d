"""What a sentiment run is made with."""

import dataclasses

ARCHITECTURES = ("ensemble", "ngrams", "lstm", "attention-lstm", "cnn", "transformer")


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of a run, kept in its `config.json`.

    Args:
        app: Name of the application, which tells its runs from those of others.
        data: File or folder of labelled texts; None where `dataset` is given.
        dataset: Name in TensorFlow Datasets; None where `data` is given.
        manual_dir: Folder with the original files of `dataset`.
        text_column: Column or feature that holds the text.
        label_column: Column or feature that holds the label.
        exclude: File or folder of labelled texts that must not be trained on: those of the test.
        architecture: One of `ARCHITECTURES`.
        seed: Decides every random choice.
        epochs: Epochs of each net; None for the architecture's own.
        batch_size: Texts in a batch.
        learning_rate: Peak learning rate; None for the architecture's own.
        schedule: "cosine" or "constant".
        warmup: Share of the steps in which the rate rises.
        clip_norm: Largest norm of all gradients together; 0 for any.
        ema: Momentum of the moving average of the weights; None for no average.
        patience: Epochs without a better validation loss before training stops; None for never.
        class_weights: Whether rare classes weigh more, so that all count the same.
        validation_share: Share of the texts that is held out to select and calibrate, between 0 and 1.
        holdout_blocks: Runs of neighbouring texts of which the held-out part of a class is made, for files in which
            neighbours belong together (reviews of one film); 0 to draw texts one by one.
        vocabulary_size: Token ids, with padding and unknown.
        max_tokens: Longest text in tokens; of longer ones the middle is left out.
        short_words: Words to which held-out texts are cut, to calibrate for short ones too; 0 for not.
        precision: "auto", "float32" or "mixed_bfloat16".
        jit: "auto", "on" or "off".
        steps_per_execution: Batches worked off by one call of the compiled step.
        deterministic: Whether to use only operations that repeat bit for bit.
    """

    app: str = "sentiment"
    data: str | None = None
    dataset: str | None = None
    manual_dir: str | None = None
    text_column: str = "text"
    label_column: str = "label"
    exclude: str | None = None
    architecture: str = "ensemble"
    seed: int = 0
    epochs: int | None = None
    batch_size: int = 64
    learning_rate: float | None = None
    schedule: str = "cosine"
    warmup: float = 0.05
    clip_norm: float = 1.0
    ema: float | None = None
    patience: int | None = None
    class_weights: bool = False
    validation_share: float = 0.1
    holdout_blocks: int = 0
    vocabulary_size: int = 80_000
    max_tokens: int = 512
    short_words: int = 20
    precision: str = "auto"
    jit: str = "auto"
    steps_per_execution: int = 1
    deterministic: bool = False

    def __post_init__(self):
        if self.architecture not in ARCHITECTURES:
            allowed = ", ".join(ARCHITECTURES)
            raise ValueError(f"`architecture` must be one of {allowed}. Received: {self.architecture!r}")
        if not 0 < self.validation_share < 1:
            raise ValueError(f"`validation_share` must be between 0 and 1. Received: {self.validation_share}")
        if self.max_tokens < 2:
            raise ValueError(f"`max_tokens` must be at least 2. Received: {self.max_tokens}")
