"""What a chargen run is made with."""

import dataclasses

ARCHITECTURES = ("gpt", "lstm", "gru", "simple-rnn")
WEIGHTS = ("float32", "int8")
"""How a finished net may keep its weights."""


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of a run, kept in its `config.json`.

    Args:
        app: Name of the application, which tells its runs from those of others.
        data: Text file or folder of them; None where `dataset` is given.
        dataset: Name in TensorFlow Datasets; None where `data` is given.
        manual_dir: Folder with the original files of `dataset`.
        architecture: One of `ARCHITECTURES`.
        units: Size of a recurrent state or of GPT's vectors; None for the architecture's own.
        num_layers: Layers; None for the architecture's own.
        dropout: Drop probability; None for the architecture's own.
        window: Characters in a row of a batch, and those that GPT sees; recurrent states are carried from one to the
            next.
        seed: Decides every random choice.
        epochs: Passes over the training text; None for the architecture's own.
        batch_size: Rows of a batch; None for the architecture's own.
        learning_rate: Peak learning rate; None for the architecture's own.
        schedule: "cosine" or "constant".
        warmup: Share of the steps in which the rate rises.
        clip_norm: Largest norm of all gradients together; 0 for any.
        weight_decay: Decoupled weight decay.
        ema: Momentum of the moving average of the weights; None for no average.
        patience: Epochs without a better validation loss before training stops; None for never.
        held_out_share: Share of the text, at its end, that only `evaluate` reads.
        validation_share: Share of the text, at its beginning, that selects the epoch.
        max_characters: Characters known, the most frequent; others are left out of the text.
        precision: "auto", "float32" or "mixed_bfloat16".
        jit: "auto", "on" or "off".
        deterministic: Whether to use only operations that repeat bit for bit.
    """

    app: str = "chargen"
    data: str | None = None
    dataset: str | None = None
    manual_dir: str | None = None
    architecture: str = "gpt"
    units: int | None = None
    num_layers: int | None = None
    dropout: float | None = None
    window: int = 128
    seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    schedule: str = "cosine"
    warmup: float = 0.02
    clip_norm: float = 1.0
    weight_decay: float = 0.1
    ema: float | None = None
    patience: int | None = None
    held_out_share: float = 0.1
    validation_share: float = 0.05
    max_characters: int = 256
    precision: str = "auto"
    jit: str = "auto"
    deterministic: bool = False

    def __post_init__(self):
        if self.architecture not in ARCHITECTURES:
            allowed = ", ".join(ARCHITECTURES)
            raise ValueError(f"`architecture` must be one of {allowed}. Received: {self.architecture!r}")
        for name in ("held_out_share", "validation_share"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"`{name}` must be between 0 and 0.5. Received: {getattr(self, name)}")
        if self.max_characters < 2:
            raise ValueError(f"`max_characters` must be at least 2. Received: {self.max_characters}")
