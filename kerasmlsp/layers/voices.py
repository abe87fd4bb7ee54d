"""A Transformer over the steps of four-voice music that writes the four voices of a step one after the other."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.chorales import HELD, VoiceEmbedding, columns
from kerasmlsp.layers.composite import Composite
from kerasmlsp.layers.transformer import DecoderBlock
from kerasmlsp.targets import chorale_tokens
from kerasmlsp.targets.chorale_tokens import KEY, LOWEST, PITCH, PITCHES, VOCABULARY

_NEVER = -1e9
# Where in the raw outputs the pitches end, the degrees, the intervals; then comes what is above the bass.
_ENDS = (PITCH, PITCH + PITCHES, PITCH + PITCHES + 12, PITCH + 3 * PITCHES + 11)


@keras.saving.register_keras_serializable("kerasmlsp")
class VoiceTransformer(Composite):
    """Predicts the next token of four voices from `VoiceState`.

    The blocks see one vector a step, a quarter of the tokens. Their output joins the vector of the latest token, which
    tells what the voices did in this step so far, in a feed-forward net. The logit of a pitch is the sum of those of
    the pitch itself, its degree in the key, its interval from the note before in its voice and its pitch class above
    the bass; and of a learned number for each parallel fifth or octave that it would make with voices that have moved
    in this step. Tokens that cannot come are ruled out: those of the preface, and `STOP` but in the soprano's turn.

    Args:
        features: Size of the vectors, divisible by `2 * num_heads`.
        num_layers: Blocks.
        num_heads: Heads of the attention.
        window: Steps that a step sees, itself included.
        dropout: Drop probability in the blocks, of their input and of the feed-forward net, in `[0, 1)`.

    Call arguments:
        inputs: Int `(batch, length, 27)`, as from `VoiceState`.
        training: Whether to drop.

    Returns:
        Logits of the token that follows each, `(batch, length, VOCABULARY)`, float32.

    Example:
        >>> from kerasmlsp.layers import VoiceState
        >>> layer = VoiceTransformer(features=8, num_layers=1, num_heads=2, window=4)
        >>> preface = keras.ops.array([[chorale_tokens.START, KEY, chorale_tokens.METRE, chorale_tokens.PHASE]])
        >>> logits = layer(VoiceState()(preface))
        >>> tuple(logits.shape) == (1, 4, VOCABULARY)
        True
        >>> float(logits[0, 3, KEY])  # no second key
        -1000000000.0
    """

    def __init__(
        self, features: int, num_layers: int, num_heads: int, window: int, dropout: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.features, self.num_layers, self.num_heads = features, num_layers, num_heads
        self.window, self.dropout = window, dropout

    def build(self, input_shape):
        policy, features = self.dtype_policy, self.features
        self.whole = VoiceEmbedding(features, name="whole", dtype=policy)
        self.latest = VoiceEmbedding(2 * features, name="latest", dtype=policy)
        options = {"dropout": self.dropout, "dtype": policy}
        self.blocks = [
            DecoderBlock(self.num_heads, self.window, name=f"block_{i + 1}", **options) for i in range(self.num_layers)
        ]
        self.norm = keras.layers.RMSNormalization(name="norm", dtype=policy)
        self.join = keras.layers.Dense(2 * features, use_bias=False, name="join", dtype=policy)
        self.hidden = keras.layers.Dense(features, activation="relu", name="hidden", dtype=policy)
        self.drop = keras.layers.Dropout(self.dropout, name="drop", dtype=policy)
        self.logits = keras.layers.Dense(_ENDS[-1] + 12, name="logits", dtype="float32")
        # From the rule on: numbers that stand alone are not moved far in a short training.
        rule = keras.initializers.Constant(-2.5)
        self.parallels = self.add_weight(
            name="parallels", shape=(2,), initializer=rule, dtype="float32", autocast=False
        )
        for layer in (self.whole, self.latest):
            layer.build(input_shape)
        for layer in (*self.blocks, self.norm, self.join):
            layer.build((*input_shape[:-1], features))
        self.hidden.build((*input_shape[:-1], 2 * features))
        self.logits.build((*input_shape[:-1], features))

    def call(self, inputs, training=False):
        length = ops.shape(inputs)[1]
        steps = self.drop(self.whole(inputs[:, 3::4]), training=training)
        for block in self.blocks:
            steps = block(steps, training=training)
        steps = ops.repeat(self.join(self.norm(steps)), 4, axis=1)
        # What a step says counts from its last token on, when it is whole, to the third of the next.
        steps = ops.pad(steps, ((0, 0), (3, 3), (0, 0)))[:, :length]
        return self._head(inputs, steps, training)

    def initial_state(self, batch_size: int) -> list:
        """What the latest whole step says, `(batch, 2 * features)`, and the states of the blocks."""
        said = ops.zeros((batch_size, 2 * self.features), self.compute_dtype)
        return [said, [block.initial_state(batch_size) for block in self.blocks]]

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one token of every row, see `DecoderBlock.step`."""

        def whole():
            vectors, after = self.whole(inputs), []
            for block, before in zip(self.blocks, state[1], strict=True):
                vectors, kept = block.step(vectors, before, position // 4)
                after.append(kept)
            return [self.join(self.norm(vectors)), after]

        state = ops.cond(ops.mod(position, 4) == 3, whole, lambda: state)
        return self._head(inputs, state[0], False), state

    def _head(self, inputs, steps, training):
        joined = self.drop(ops.square(ops.relu(self.latest(inputs) + steps)), training=training)
        raw = self.logits(self.drop(self.hidden(joined), training=training))
        plain, pitch, degree, interval, above = ops.split(raw, _ENDS, axis=-1)
        voice, key = (inputs[..., columns(name)[0]][..., None] for name in ("voice", "key"))
        sounding = inputs[..., columns("pitches")[0] : columns("pitches")[-1] + 1]
        turn = ops.cast(ops.arange(4) == voice, "int32")
        before, bass = ops.sum(sounding * turn, axis=-1, keepdims=True), sounding[..., 1:2]
        pitches = 1 + ops.arange(PITCHES)
        pitch = pitch + _looked_up(degree, ops.mod(pitches - 1 + LOWEST - (key - 1), 12), key > 0)
        pitch = pitch + _looked_up(interval, ops.clip(pitches - before + PITCHES - 1, 0, 2 * PITCHES - 2), before > 0)
        pitch = pitch + _looked_up(above, ops.mod(pitches - bass, 12), bass > 0)
        moves = inputs[..., columns("motions")[0] : columns("motions")[-1] + 1]
        for kind, apart in enumerate((7, 0)):
            counts = _parallels(apart, pitches, before, voice, sounding, moves)
            pitch = pitch + self.parallels[kind] * ops.cast(counts, "float32")
        stop = ops.where(voice == 0, plain[..., chorale_tokens.STOP : chorale_tokens.STOP + 1], _NEVER)
        never = ops.full_like(stop, _NEVER)
        rest = ops.repeat(never, VOCABULARY - KEY, axis=-1)
        return ops.concatenate([never, stop, plain[..., chorale_tokens.HOLD :], pitch, rest], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], VOCABULARY)

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), "float32")

    def get_config(self):
        return {
            **super().get_config(),
            "features": self.features,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "window": self.window,
            "dropout": self.dropout,
        }


def _looked_up(values, places, known):
    return ops.where(known, ops.take_along_axis(values, places, axis=-1), 0.0)


def _parallels(apart, pitches, before, voice, sounding, moves):
    """How many parallels at an interval of `apart` modulo 12 each of `pitches` would make: int `(..., PITCHES)`."""
    own = pitches - before
    count = 0
    for other in range(3):  # the alto comes last
        now, code = sounding[..., other, None], moves[..., other, None]
        move = code - HELD
        along = ops.logical_and(own * move > 0, ops.logical_and(code > 0, before > 0))
        was = ops.mod(ops.abs(now - move - before), 12) == apart
        stays = ops.logical_and(was, ops.mod(ops.abs(now - pitches), 12) == apart)
        mine = ops.logical_and(along, ops.logical_and(stays, voice > other))
        count = count + ops.cast(mine, "int32")
    return count
