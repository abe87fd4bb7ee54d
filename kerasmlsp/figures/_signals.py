"""Signals of the figures, made from a seed: a spoken word, and what a phone in a pocket measures."""

from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp.data import audio

RATE = 16_000
# Seconds of the sounds in `word`.
SOUNDS = {"s": (0.14, 0.32), "t": (0.37, 0.39), "o": (0.40, 0.64), "p": (0.72, 0.75)}
# Resonances of the throat and mouth in an open "o": hertz, how wide they are, and how strong.
_FORMANTS = ((620, 90, 1.0), (1000, 110, 0.6), (2500, 200, 0.1))

# Activities by gravity along the axes, steps a second, and swing in m/s^2.
ACTIVITIES = {
    "walking": ((0.0, 1.0, 0.1), 1.9, 3.0),
    "jogging": ((0.1, 1.0, 0.0), 2.7, 8.0),
    "upstairs": ((0.2, 0.95, 0.1), 1.6, 2.4),
    "downstairs": ((0.1, 0.97, 0.0), 1.85, 3.6),
    "sitting": ((0.2, 0.2, 0.95), 0.0, 0.0),
    "standing": ((0.0, 1.0, 0.1), 0.0, 0.0),
}
MOTION_RATE, MOTION_STEPS = 20, 80


def word(seed: int) -> np.ndarray:
    """A second of what sounds like "stop": noises, and a voice through three resonances; zeros before and after."""
    random, time = np.random.default_rng(seed), np.arange(RATE) / RATE
    # Differences take the low frequencies out of noise.
    hiss, breath = (np.diff(random.normal(size=RATE + 2), order)[:RATE] for order in (2, 1))
    pitch = 130 - 40 * time
    phase, voice = 2 * np.pi * np.cumsum(pitch) / RATE, np.zeros(RATE)
    for harmonic in range(1, 50):
        gain = sum(height / (1 + ((harmonic * pitch - middle) / width) ** 2) for middle, width, height in _FORMANTS)
        voice += gain * np.sin(harmonic * phase)
    loudness = {"s": 0.06 * hiss, "t": 0.12 * breath, "o": 0.25 * voice, "p": 0.05 * breath}
    samples = sum(sound * _faded(time, *SOUNDS[name]) for name, sound in loudness.items())
    hum = 5e-4 * random.normal(size=RATE) * _faded(time, 0.1, 0.9)
    return np.asarray(samples + hum, "float32")


def _faded(time, begin, end, edge=0.004):
    """1 between two times and 0 outside, with soft edges; exactly 0 further out."""
    ramp = np.clip(np.minimum(time - begin, end - time) / edge + 0.5, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def recording(data: str | Path | None, seed: int) -> np.ndarray:
    """The first second of a file of one's own, with zeros behind where it is shorter; without one, `word`."""
    if data is None:
        return word(seed)
    samples = audio.read_waveform(data, RATE)[:RATE]
    return np.pad(samples, (0, RATE - len(samples)))


def motion(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows of 4 s at 20 Hz, `(count, 80, 3)` in m/s^2, and the numbers of their activities."""
    random, labels = np.random.default_rng(seed), np.arange(count) % len(ACTIVITIES)
    time = np.arange(MOTION_STEPS) / MOTION_RATE
    kinds = list(ACTIVITIES.values())
    windows = np.zeros((count, MOTION_STEPS, 3))
    for window, label in zip(windows, labels, strict=True):
        gravity, steps, swing = kinds[label]
        down = np.array(gravity) + random.normal(0, 0.12, 3)
        turns = 2 * np.pi * (steps * random.normal(1, 0.08) * time + random.random())
        # A step is a short push: twice and three times its frequency are in it.
        push: Any = (
            sum(np.cos(k * turns + random.normal(0, 0.4)) / k for k in (1, 2, 3)) * swing * random.normal(1, 0.2)
        )
        window += 9.81 * down / np.linalg.norm(down) + push[:, None] * np.array([0.35, 1.0, 0.5])
    windows += random.normal(0, 0.3, windows.shape)
    return windows.astype("float32"), labels
