"""Sentences, music and sounds that the figures of sequences learn from, made from a seed."""

from collections.abc import Sequence

import numpy as np

# Ids 0 and 1 are for padding and unknown words, as everywhere.
START, END = 2, 3
_SPECIAL = ("", "?", "<s>", "</s>")
_NOUNS = {"dog": "chien", "cat": "chat", "horse": "cheval", "boy": "garçon", "rabbit": "lapin", "king": "roi"}
_COLOURS = {"black": "noir", "white": "blanc", "red": "rouge", "green": "vert"}
_VERBS = {"sees": "voit", "follows": "suit", "finds": "trouve"}
_SMALL = {"the": "le", "a": "un", "and": "et", "with": "avec"}
_BOTH = _SMALL | _NOUNS | _COLOURS | _VERBS
ENGLISH, FRENCH = (*_SPECIAL, *_BOTH), (*_SPECIAL, *_BOTH.values())

# Who, the verb that goes with it, and whether there are several.
_WHO = {"I": ("am", False), "you": ("are", False), "he": ("is", False), "she": ("is", False)}
_WHO |= {"we": ("are", True), "they": ("are", True)}
_TRADES = ("student", "teacher", "doctor", "singer", "writer", "driver")
HIDDEN = "[MASK]"
AGREEING = ("", "?", *_WHO, "am", "are", "is", "a", "not", "here", "today", *_TRADES, *(f"{each}s" for each in _TRADES))


def numbered(sentences: Sequence[Sequence[str]], words: Sequence[str], length: int) -> np.ndarray:
    """Ids of words, int32 `(sentences, length)`, 0 behind the end."""
    places = {word: place for place, word in enumerate(words)}
    ids = np.zeros((len(sentences), length), "int32")
    for row, sentence in zip(ids, sentences, strict=True):
        row[: len(sentence)] = [places.get(word, 1) for word in sentence]
    return ids


def translations(count: int, seed: int, phrases: Sequence[int] = (2, 3)) -> tuple[list[list[str]], list[list[str]]]:
    """English sentences of so many noun phrases, and their French, where the colour follows the noun."""
    random, english, french = np.random.default_rng(seed), [], []
    for _ in range(count):
        first, second = _phrase(random)
        for number in range(int(random.choice(phrases)) - 1):
            link = str(random.choice(["and", "with"] if number else list(_VERBS)))
            more, plus = _phrase(random)
            first, second = [*first, link, *more], [*second, _BOTH[link], *plus]
        english.append(first)
        french.append(second)
    return english, french


def _phrase(random):
    small, colour, noun = (str(random.choice(each)) for each in (["the", "a"], list(_COLOURS), list(_NOUNS)))
    if random.random() < 0.5:
        return [small, colour, noun], [_BOTH[small], _BOTH[noun], _BOTH[colour]]
    return [small, noun], [_BOTH[small], _BOTH[noun]]


def agreeing(count: int, seed: int) -> list[list[str]]:
    """Sentences such as "I am a student" and "they are not singers today": verb and noun agree with who it is."""
    random, sentences = np.random.default_rng(seed), []
    for _ in range(count):
        who, trade = str(random.choice(list(_WHO))), str(random.choice(_TRADES))
        verb, several = _WHO[who]
        noun = [f"{trade}s"] if several else ["a", trade]
        no = ["not"] if random.random() < 0.2 else []
        when = [str(random.choice(["here", "today"]))] if random.random() < 0.4 else []
        sentences.append([who, verb, *no, *noun, *when])
    return sentences


# Degrees that may follow a degree of the scale, from 0.
_NEXT = {0: (3, 4, 5, 1), 1: (4,), 3: (4, 0, 1), 4: (0, 0, 5), 5: (1, 3)}
_SCALE = np.array([0, 2, 4, 5, 7, 9, 11])


def progressions(count: int, length: int, seed: int) -> np.ndarray:
    """Music of four voices in triads of any major key: frames of 88 keys, `(count, length, 88)`, 0 or 1."""
    random, rolls = np.random.default_rng(seed), np.zeros((count, length, 88), "float32")
    for roll in rolls:
        tonic, degree, upper = int(random.integers(12)), 0, np.array([55, 60, 67])
        step = 0
        while step < length:
            classes = (tonic + _SCALE[(degree + np.array([0, 2, 4])) % 7]) % 12
            # Each voice goes to the nearest tone of its own in the chord.
            upper = np.array([_nearest(voice, each) for voice, each in zip(upper, np.roll(classes, 1), strict=True)])
            lasts = int(random.integers(1, 4))
            roll[step : step + lasts, np.array([_nearest(43, classes[0]), *upper]) - 21] = 1
            step, degree = step + lasts, int(random.choice(_NEXT[degree]))
    return rolls


def _nearest(pitch, wanted):
    return int(pitch + (wanted - pitch + 6) % 12 - 6)


# Two resonances of each vowel, in Hz.
VOWELS = {"a": (730, 1090), "e": (530, 1840), "i": (270, 2290), "o": (570, 840), "u": (300, 870)}
RATE = 8000


def vowels(count: int, seed: int, *, sounds: int = 5, samples: int = 800) -> tuple[np.ndarray, np.ndarray]:
    """Waveforms of several vowels in a row at 8 kHz, `(count, sounds * samples)`, and their numbers for each sample.

    Waveforms have mean 0 and variance 1.
    """
    random, time = np.random.default_rng(seed), np.arange(samples) / RATE
    names = np.stack([random.permutation(len(VOWELS)) for _ in range(count)])[:, :sounds]
    waves = np.zeros((count, sounds, samples))
    for place in np.ndindex(count, sounds):
        resonances = list(VOWELS.values())[names[place]]
        pitch = random.uniform(90, 180)
        partials = pitch * np.arange(1, int(3800 / pitch))
        strength = sum(1 / (1 + ((partials - each) / 80) ** 2) for each in resonances)
        phases = random.uniform(0, 2 * np.pi, len(partials))
        waves[place] = strength @ np.sin(2 * np.pi * partials[:, None] * time + phases[:, None])
        waves[place] /= waves[place].std()
    waves = random.normal(waves.reshape(count, -1), 0.1)
    waves = (waves - waves.mean(1, keepdims=True)) / waves.std(1, keepdims=True)
    return waves.astype("float32"), np.repeat(names, samples, axis=1)
