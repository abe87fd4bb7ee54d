"""Music in four voices as one token after the other: what each voice is doing, worked out from the tokens.

A piece on the grid of sixteenths is `START, key, metre, phase`, then four tokens a step in the order soprano, bass,
tenor, alto, then `STOP`. The token of a voice is `HOLD`, `REST`, or the pitch of a note that begins.
"""

from collections.abc import Iterable
from typing import Any

import keras
from keras import ops

from kerasmlsp.targets.chorale_tokens import (
    BARS,
    HOLD,
    KEY,
    LOWEST,
    METRE,
    PHASE,
    PITCH,
    PITCHES,
    PREFACE,
    REST,
    VOCABULARY,
)

_AGES, _LEAP, _APART = 16, 12, (-12, 36)
HELD = 1 + _LEAP
"""What `VoiceState` tells of the motion of a voice that stays where it is."""

_PAIRS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
COLUMNS = {
    "token": (VOCABULARY,),
    "voice": (4,),
    "phase": (1 + max(BARS),),
    "metre": (1 + 2 * len(BARS),),
    "key": (25,),
    "pitches": (1 + PITCHES,) * 4,
    "ages": (1 + _AGES,) * 4,
    "degrees": (25,) * 4,
    "motions": (2 + 2 * _LEAP,) * 4,
    "intervals": (2 + _APART[1] - _APART[0],) * len(_PAIRS),
}
"""What `VoiceState` tells, and into how many values each number of it falls."""

SIZES = tuple(size for sizes in COLUMNS.values() for size in sizes)


def columns(name: str) -> list[int]:
    """Returns the places of the numbers called `name` in the output of `VoiceState`.

    Example:
        >>> columns("pitches")  # after token, voice, phase, metre and key
        [5, 6, 7, 8]
    """
    names = [each for each, sizes in COLUMNS.items() for _ in sizes]
    return [place for place, each in enumerate(names) if each == name]


@keras.saving.register_keras_serializable("kerasmlsp")
class VoiceState(keras.layers.Layer):
    """Tells after each token where the bar and the four voices are.

    The numbers are, in the order of `COLUMNS`: the token itself; the voice whose token comes next; the place in the bar
    of that token, the metre and the key, all counted from 1 and 0 before they are known; then for each voice, soprano,
    bass, tenor, alto, its pitch (1 + MIDI pitch - `LOWEST`, 0 for none), the steps since it began (at most 16), its
    pitch above the tonic (1 to 12 in major, 13 to 24 in minor, 0 for none), by how much it has moved in this step (13
    for a repetition or a held note, at most an octave, 0 while it has not had its token); then for each pair of voices
    its interval. Each depends on the tokens so far only.

    Call arguments:
        inputs: Token ids `(batch, length)`.

    Returns:
        Int32 `(batch, length, 27)`.

    Example:
        >>> from kerasmlsp.targets.chorale_tokens import START
        >>> tokens = keras.ops.array([[START, KEY, METRE, PHASE, PITCH + 60 - LOWEST]])  # C major, C4 in the soprano
        >>> told = keras.ops.convert_to_numpy(VoiceState()(tokens))
        >>> told.shape
        (1, 5, 27)
        >>> told[0, -1, columns("pitches")].tolist(), told[0, -1, columns("degrees")].tolist()
        ([33, 0, 0, 0], [1, 0, 0, 0])
    """

    def call(self, inputs):
        tokens = ops.cast(inputs, "int32")
        batch, length = ops.shape(tokens)
        missing = -length % 4
        # Whole steps, cut again at the end: behind a token none of its features is looked at.
        whole = ops.concatenate([tokens, ops.full((batch, missing), HOLD, "int32")], axis=1)
        steps = ops.reshape(whole, (batch, -1, 4))
        place = ops.arange(ops.shape(steps)[1], dtype="int32")[:, None]
        events = ops.where(place > 0, steps, REST)
        # The latest event: the places of all in order, of which as many are reached as have been counted.
        is_event = events != HOLD
        places = ops.sort(ops.where(is_event, place, ops.shape(steps)[1]), axis=1)
        last = ops.take_along_axis(places, ops.cumsum(ops.cast(is_event, "int32"), axis=1) - 1, axis=1)
        pitches = _pitch(ops.take_along_axis(events, last, axis=1))
        ages = ops.minimum(place - last, _AGES)
        before, ages_before = (ops.pad(each, ((0, 0), (1, 0), (0, 0)))[:, :-1] for each in (pitches, ages))
        # `(batch, steps, turn, voice)`: a voice whose turn is to come is still as in the step before.
        had = ops.arange(4)[:, None] >= ops.arange(4)
        now = ops.where(had, pitches[:, :, None], before[:, :, None])
        ages = ops.where(had, ages[:, :, None], ages_before[:, :, None])
        now, before, ages = (
            ops.reshape(each + ops.zeros_like(now), (batch, -1, 4))[:, :length]
            for each in (now, before[:, :, None], ages)
        )
        position = ops.arange(length, dtype="int32")
        # A text shorter than the preface has no features of it, but shapes must fit.
        preface = ops.pad(tokens[:, :PREFACE], ((0, 0), (0, PREFACE)))[:, None, :PREFACE]
        return _features(tokens, position, preface, now, before, ages)

    def initial_state(self, batch_size: int) -> list:
        """The preface, and pitches now, at the step before and ages of the voices, int32 `(batch, 4)` each."""
        return [ops.zeros((batch_size, 4), "int32") for _ in range(4)]

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one token of every row, see `DecoderBlock.step`."""
        token = ops.cast(inputs, "int32")
        preface, now, before, ages = state
        place = ops.arange(4)
        preface = ops.where(place == position, token[:, None], preface)
        turn = ops.mod(position, 4)
        before = ops.where(turn == 0, now, before)
        turns = ops.logical_and(place == turn, position >= PREFACE)
        begins = ops.logical_and(turns, token[:, None] != HOLD)
        now = ops.where(begins, _pitch(token)[:, None], now)
        ages = ops.where(begins, 0, ops.where(turns, ops.minimum(ages + 1, _AGES), ages))
        return _features(token, position, preface, now, before, ages), [preface, now, before, ages]

    def compute_output_shape(self, input_shape):
        return (*input_shape, len(SIZES))

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), "int32")


def _pitch(tokens):
    """1 for the lowest pitch, 0 for no note."""
    sung = ops.logical_and(tokens >= PITCH, tokens < KEY)
    return ops.where(sung, tokens - (PITCH - 1), 0)


def _features(token, position, preface, now, before, ages):
    """The numbers of tokens `(...)` at `position`; `preface`, `now`, `before` and `ages` are `(..., 4)`."""
    known = position >= PREFACE - 1
    ahead = ops.maximum(position + 1 - PREFACE, 0) // 4
    key, metre, phase = (ops.maximum(preface[..., i] - base, 0) for i, base in ((1, KEY), (2, METRE), (3, PHASE)))
    bar = ops.take(ops.convert_to_tensor(BARS, "int32"), ops.mod(metre, len(BARS)))
    single = [
        token,
        ops.mod(position + 1, 4) + ops.zeros_like(token),
        ops.where(known, 1 + ops.mod(phase + ahead, bar), 0),
        ops.where(known, 1 + ops.minimum(metre, 2 * len(BARS) - 1), 0),
        ops.where(known, 1 + ops.minimum(key, 23), 0),
    ]
    key = single[-1][..., None]
    sung, had = now > 0, ops.arange(4) <= ops.mod(position, 4)[..., None]
    above = ops.mod(now - 1 + LOWEST - (key - 1), 12) + 12 * ops.cast(key > 12, "int32")
    degrees = ops.where(ops.logical_and(sung, key > 0), 1 + above, 0)
    moved = ops.logical_and(had, ops.logical_and(sung, before > 0))
    motions = ops.where(moved, HELD + ops.clip(now - before, -_LEAP, _LEAP), 0)
    parts = [each[..., None] for each in single] + [now, ages, degrees, motions]
    for upper, lower in _PAIRS:
        both = ops.logical_and(sung[..., upper], sung[..., lower])
        apart = ops.clip(now[..., upper] - now[..., lower], *_APART)
        parts.append(ops.where(both, 1 + apart - _APART[0], 0)[..., None])
    return ops.concatenate([ops.cast(part, "int32") for part in parts], axis=-1)


@keras.saving.register_keras_serializable("kerasmlsp")
class VoiceEmbedding(keras.layers.Layer):
    """Sums one learned vector for each number of `VoiceState`.

    Args:
        units: Size of the vectors.
        names: Names of the numbers that are used, among `COLUMNS`; None for all.

    Call arguments:
        inputs: Int `(..., 27)`.

    Returns:
        `(..., units)`.

    Raises:
        ValueError: A name is unknown.

    Example:
        >>> layer = VoiceEmbedding(units=8, names=["voice", "pitches"])
        >>> tuple(layer(keras.ops.zeros((1, 5, 27), "int32")).shape)
        (1, 5, 8)
        >>> tuple(layer.kernel.shape)  # vectors of 4 voices, and of 62 values of the pitch of each
        (252, 8)
    """

    def __init__(self, units: int, names: Iterable[str] | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        if unknown := [name for name in names or () if name not in COLUMNS]:
            raise ValueError(f"`names` must be among {', '.join(COLUMNS)}. Received: names={unknown}")
        self.units, self.names = units, None if names is None else list(names)
        self.used = [place for name in self.names or COLUMNS for place in columns(name)]

    def build(self, input_shape):
        count = sum(SIZES[place] for place in self.used)
        start = keras.initializers.RandomNormal(stddev=0.1)
        self.kernel = self.add_weight(name="kernel", shape=(count, self.units), initializer=start)

    def call(self, inputs):
        # A product with ones and zeros, since the gradient of a gather is slower by far on CPUs.
        hot = [ops.one_hot(inputs[..., place], SIZES[place], dtype=self.compute_dtype) for place in self.used]
        return ops.matmul(ops.concatenate(hot, axis=-1), ops.cast(self.kernel, self.compute_dtype))

    def initial_state(self, batch_size: int) -> list:
        return []

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        return self(inputs), state

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "names": self.names}
