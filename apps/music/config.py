"""What a music run is made with."""

import dataclasses

ARCHITECTURES = ("chorale-transformer", "tonicnet", "transformer")


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of a run, kept in its `config.json`.

    Args:
        app: Name of the application, which tells its runs from those of others.
        data: File or folder of chorales; None for Bach's in the corpus of music21.
        json_steps_per_quarter: Steps in a quarter note of JSON: 1, 2 or 4.
        architecture: One of `ARCHITECTURES`.
        units: Size of the vectors or states; None for the architecture's own.
        num_layers: Layers; None for the architecture's own.
        seed: Decides every random choice but the split.
        split_seed: Decides which pieces are held out, where the file does not say.
        epochs: Epochs; None for the architecture's own.
        batch_size: Windows in a batch.
        window: Steps of a sixteenth in a window, a multiple of 8.
        learning_rate: Peak learning rate; None for the architecture's own.
        schedule: "cosine" or "constant".
        warmup: Share of the steps in which the rate rises.
        clip_norm: Largest norm of all gradients together; 0 for any.
        ema: Momentum of the moving average of the weights; None for no average.
        patience: Epochs without a better validation loss before training stops; None for never.
        weight_decay: Decoupled weight decay; None for the architecture's own.
        dropout: Drop probability; None for the architecture's own.
        transpose: Whether pieces are moved to other keys while training, as far as the voices reach.
        test_share: Share of the pieces that is held out to evaluate, between 0 and 1.
        validation_share: Share of the pieces that is held out to select the best epoch, between 0 and 1.
        precision: "auto", "float32" or "mixed_bfloat16".
        jit: "auto", "on" or "off".
        steps_per_execution: Batches worked off by one call of the compiled step.
        deterministic: Whether to use only operations that repeat bit for bit.
    """

    app: str = "music"
    data: str | None = None
    json_steps_per_quarter: int = 4
    architecture: str = "chorale-transformer"
    units: int | None = None
    num_layers: int | None = None
    seed: int = 0
    split_seed: int = 0
    epochs: int | None = None
    batch_size: int = 16
    window: int = 128
    learning_rate: float | None = None
    schedule: str = "cosine"
    warmup: float = 0.05
    clip_norm: float = 1.0
    ema: float | None = 0.98
    patience: int | None = None
    weight_decay: float | None = None
    dropout: float | None = None
    transpose: bool = True
    test_share: float = 0.1
    validation_share: float = 0.1
    precision: str = "auto"
    jit: str = "auto"
    steps_per_execution: int = 1
    deterministic: bool = False

    def __post_init__(self):
        if self.architecture not in ARCHITECTURES:
            allowed = ", ".join(ARCHITECTURES)
            raise ValueError(f"`architecture` must be one of {allowed}. Received: {self.architecture!r}")
        if self.window < 8 or self.window % 8:
            raise ValueError(f"`window` must be a multiple of 8. Received: {self.window}")
        if self.json_steps_per_quarter not in (1, 2, 4):
            raise ValueError(f"`json_steps_per_quarter` must be 1, 2 or 4. Received: {self.json_steps_per_quarter}")
        for name in ("test_share", "validation_share"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"`{name}` must be between 0 and 0.5. Received: {getattr(self, name)}")
