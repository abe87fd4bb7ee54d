"""Models of music in four voices: token ids as in `kerasmlsp.targets.chorale_tokens` in, logits of the next token out.

Each is a chain of layers that `kerasmlsp.generation.stepwise` can run one token at a time.
"""

import keras
from keras import layers

from kerasmlsp.layers import VoiceEmbedding, VoiceState, VoiceTransformer
from kerasmlsp.models import _text
from kerasmlsp.targets.chorale_tokens import VOCABULARY


def chorale_transformer(
    *,
    features: int = 192,
    num_layers: int = 4,
    num_heads: int = 4,
    window: int = 129,
    dropout: float = 0.1,
    name: str = "chorale_transformer",
) -> keras.Model:
    """Builds a Transformer over steps of a sixteenth that writes the four voices of each one after the other.

    It reads what the voices are doing off the tokens (`VoiceState`) and predicts pitches also as degrees of the key and
    as intervals (`VoiceTransformer`), so that what it learns in one key holds in all.

    Reference: Ganapathy, MLSP 2025, "Transformers"; Huang et al. 2019, "Music Transformer"; Peracha 2019, "Improving
    Polyphonic Music Models with Feature-Rich Encoding" (features beside the tokens, and the order of the voices).

    Args:
        features: Size of the vectors, divisible by `2 * num_heads`.
        num_layers: Blocks.
        num_heads: Heads of the attention.
        window: Steps that a step sees, itself and the preface included.
        dropout: Drop probability, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)` to logits `(batch, length, VOCABULARY)`, float32.

    Raises:
        ValueError: A size is too small, or `num_heads` does not divide `features` into even parts.

    Example:
        >>> model = chorale_transformer(features=16, num_layers=1, num_heads=2, window=9)
        >>> model.output_shape == (None, None, VOCABULARY)
        True
    """
    _text.check_sizes(features=features, num_layers=num_layers, num_heads=num_heads, window=window)
    ids = _text.token_ids()
    states = VoiceState(name="voice_state")(ids)
    logits = VoiceTransformer(features, num_layers, num_heads, window, dropout, name="logits")(states)
    return keras.Model(ids, logits, name=name)


def tonicnet(
    *,
    units: int = 256,
    num_layers: int = 3,
    dropout: float = 0.3,
    name: str = "tonicnet",
) -> keras.Model:
    """Builds gated recurrent units over the tokens, which are told how long each note has been held.

    As in the paper: the order of the voices, three layers of 256 units, the counter of repetitions, dropout that is the
    same at every step. Other than there: no tokens for chords, and held notes have a token of their own, so that the
    pitch that is held is told beside it.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Gated Recurrent Unit (GRU)"; Peracha 2019, "Improving
    Polyphonic Music Models with Feature-Rich Encoding" (TonicNet).

    Args:
        units: Size of the states and of a token's vector.
        num_layers: Recurrent layers.
        dropout: Drop probability before, between and after the recurrent layers, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from token ids `(batch, length)` to logits `(batch, length, VOCABULARY)`, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = tonicnet(units=8, num_layers=2)
        >>> [model.get_layer(f"recurrent_{i}").count_params() for i in (1, 2)]  # 3 * 8 * (8 + 8 + 2)
        [432, 432]
    """
    _text.check_sizes(units=units, num_layers=num_layers)
    ids = _text.token_ids()
    states = VoiceState(name="voice_state")(ids)
    states = VoiceEmbedding(units, names=("token", "pitches", "ages"), name="embedding")(states)
    same = (None, 1, None)  # at every step
    for i in range(1, num_layers + 1):
        states = layers.Dropout(dropout, noise_shape=same, name=f"dropout_{i}")(states)
        states = layers.GRU(units, return_sequences=True, name=f"recurrent_{i}")(states)
    states = layers.Dropout(dropout, noise_shape=same, name="dropout")(states)
    return keras.Model(ids, layers.Dense(VOCABULARY, dtype="float32", name="logits")(states), name=name)
