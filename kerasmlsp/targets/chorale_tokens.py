"""The tokens of music in four voices, one after the other.

A piece on the grid of sixteenths is `START, key, metre, phase`, then four tokens a step in the order soprano, bass,
tenor, alto, then `STOP`. The token of a voice is `HOLD`, `REST`, or the pitch of a note that begins.
"""

START, STOP, HOLD, REST, PITCH = range(5)
"""Token ids; a note of MIDI pitch `m` is `PITCH + m - LOWEST`."""

LOWEST, PITCHES = 28, 61
KEY = PITCH + PITCHES  # + tonic, + 12 in minor
METRE = KEY + 24  # + place in `BARS`, + len(BARS) where the piece has begun before
BARS = (16, 12, 24, 8)
"""Lengths of a bar in steps."""

PHASE = METRE + 2 * len(BARS)  # + place of the first step in its bar
VOCABULARY = PHASE + max(BARS)
PREFACE = 4
