"""The decoders that Transformers share."""

from keras import layers

from kerasmlsp.layers import DecoderBlock, SinusoidalPosition, TransformerDecoderBlock


def transformer_decoder(words, memory, *, num_layers, dropout, **block):
    """Blocks that normalise first, over vectors of tokens and a memory.

    Args:
        words: `(batch, length, features)`, which weigh as much as the positions.
        memory: `(batch, memory, features)` and, where some of it is padding, its mask `(batch, memory)`.
        num_layers: Blocks.
        dropout: Drop probability of the input and inside the blocks.
        **block: Other arguments of `TransformerDecoderBlock`.

    Returns:
        States `(batch, length, features)`, and the weights of the last block's attention to the memory, from a
        layer named "attention".
    """
    states = SinusoidalPosition(name="position")(words)
    states = layers.Dropout(dropout, name="dropout")(states)
    for i in range(1, num_layers + 1):
        layer = TransformerDecoderBlock(dropout=dropout, normalize_first=True, name=f"decoder_{i}", **block)
        states, weights = layer(states, *memory)
    states = layers.LayerNormalization(name="norm")(states)
    return states, layers.Identity(dtype="float32", name="attention")(weights)


def rotary_decoder(states, features, num_layers, num_heads, window, dropout):
    """`DecoderBlock`s over vectors `(batch, length, ...)`; states `(batch, length, features)`."""
    states = layers.Dense(features, name="embedding")(states)
    for i in range(num_layers):
        states = DecoderBlock(num_heads, window, expansion=2, dropout=dropout, name=f"block_{i + 1}")(states)
    states = layers.RMSNormalization(name="norm")(states)
    return layers.Dropout(dropout, name="dropout")(states)
