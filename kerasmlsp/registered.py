"""Makes every layer, loss, optimizer and model of this package known to Keras, so that `.keras` files can name them.

    import keras
    import kerasmlsp.registered

    model = keras.saving.load_model("model.keras")

`kerasmlsp.load_model` does both, and says what is wrong with a file that cannot be loaded.
"""

from kerasmlsp import augment, layers, losses, models, optimizers
from kerasmlsp.models import word_blocks
from kerasmlsp.targets import boxes

__all__ = ["augment", "boxes", "layers", "losses", "models", "optimizers", "word_blocks"]
