"""Music into files: MIDI, WAV and a picture. `musicxml.py` writes sheet music.

pretty_midi, an extra, and matplotlib are imported where they are used, so that importing this module costs nothing.
"""

import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.extras import required
from kerasmlsp.files import write_atomically
from kerasmlsp.music.pieces import KEYS, LOWEST, REST, VOICES, begins

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people who are colour-blind tell apart, too; from dark to light in the order of voices.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#E69F00")
_OVERTONES = (1.0, 0.5, 0.25, 0.12)


def write_midi(
    path: str | Path,
    music: ArrayLike,
    onsets: ArrayLike | None = None,
    *,
    steps_per_quarter: int = 4,
    tempo: float = 90,
    program: int = 0,
    key: tuple[int, str] | None = None,
) -> None:
    """Writes a MIDI file: one track a voice, or one for a piano roll.

    Args:
        path: File to write, .mid or .midi.
        music: MIDI pitches of voices, integers `(steps, voices)` or `(steps,)`, 0 for a rest; or a piano roll, bool
            `(steps, 88)`.
        onsets: Where notes begin, bool, of the same shape; None to hold a pitch as long as it does not change.
        steps_per_quarter: Steps in a quarter note.
        tempo: Quarter notes per minute, above 0.
        program: Instrument of General MIDI, 0 (piano) to 127; 19 is a church organ, 52 a choir.
        key: Tonic (0 for C to 11) and "major" or "minor", for the key signature; None for none.

    Raises:
        ModuleNotFoundError: pretty_midi is not installed: `pip install -e '.[music]'`.
        ValueError: The ending or the shape is wrong, or there are no notes.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> from kerasmlsp.music import read_melody
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_midi(f"{folder}/scale.mid", np.repeat([60, 62, 64], 2))
        ...     melody = read_melody(f"{folder}/scale.mid")
        >>> melody.pitches.tolist()
        [60, 60, 62, 62, 64, 64]
    """
    path = _ending(path, ".mid", ".midi")
    midi = _midi(music, onsets, steps_per_quarter, tempo, program)
    if key is not None:
        number = key[0] + 12 * (key[1] == "minor")
        midi.key_signature_changes.append(required("pretty_midi").KeySignature(number, 0))
    write_atomically(path, lambda temporary: midi.write(str(temporary)))


def write_wav(
    path: str | Path,
    music: ArrayLike,
    onsets: ArrayLike | None = None,
    *,
    steps_per_quarter: int = 4,
    tempo: float = 90,
    sample_rate: int = 22_050,
) -> None:
    """Writes what `write_midi` would, played by pretty_midi's synthesiser: mono, 16 bits, peak at 0.9 of full scale.

    Args:
        path: File to write, .wav.
        music: As in `write_midi`.
        onsets: As in `write_midi`.
        steps_per_quarter: Steps in a quarter note.
        tempo: Quarter notes per minute, above 0.
        sample_rate: In hertz, commonly 22,050 or 44,100.

    Raises:
        ModuleNotFoundError: pretty_midi is not installed: `pip install -e '.[music]'`.
        ValueError: The ending or the shape is wrong, or there are no notes.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_wav(f"{folder}/chord.wav", np.array([[60, 64]] * 4), tempo=60, sample_rate=8000)
        ...     with wave.open(f"{folder}/chord.wav") as file:
        ...         seconds = file.getnframes() / file.getframerate()
        >>> seconds >= 1  # four sixteenths at 60 quarters per minute
        True
    """
    path = _ending(path, ".wav")
    if sample_rate < 8000:
        raise ValueError(f"`sample_rate` must be at least 8000 Hz. Received: {sample_rate!r}")
    sound = _midi(music, onsets, steps_per_quarter, tempo, 0).synthesize(fs=sample_rate, wave=_organ)
    samples = np.round(sound * (0.9 * 32767 / np.abs(sound).max())).astype("<i2")

    def write(temporary):
        with wave.open(str(temporary), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(samples.tobytes())

    write_atomically(path, write)


def write_piano_roll(
    path: str | Path,
    music: ArrayLike,
    onsets: ArrayLike | None = None,
    *,
    bar: int | None = 16,
    pickup: int = 0,
    title: str | None = None,
) -> None:
    """Draws time in bars against pitch, voices in four colours.

    Args:
        path: File to write, .png.
        music: As in `write_midi`.
        onsets: As in `write_midi`.
        bar: Length of a bar in steps; None to draw no bars but number the steps.
        pickup: Length of the incomplete first bar in steps.
        title: Text above the figure.

    Raises:
        ValueError: The ending or the shape is wrong, or there are no notes.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_piano_roll(f"{folder}/scale.png", np.repeat([60, 62, 64, 65], 4))
        ...     Path(folder, "scale.png").read_bytes()[1:4]
        b'PNG'
    """
    path = _ending(path, ".png")
    figure = piano_roll_figure(music, onsets, bar=bar, pickup=pickup, title=title)
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=120))


def piano_roll_figure(
    music: ArrayLike,
    onsets: ArrayLike | None = None,
    *,
    bar: int | None = 16,
    pickup: int = 0,
    title: str | None = None,
) -> "Figure":
    """Returns what `write_piano_roll` writes as a `matplotlib.figure.Figure`, which needs no display.

    Example:
        >>> figure = piano_roll_figure(np.repeat([60, 62, 64, 65], 4))
        >>> len(figure.axes[0].patches), figure.axes[0].get_xlabel()  # four notes
        (4, 'bar')
    """
    from matplotlib.figure import Figure

    tracks = _tracks(music, onsets)
    steps = len(np.asarray(music))
    figure = Figure(figsize=(float(np.clip(steps / 16, 5, 40)), 4.2), layout="constrained")
    axes = figure.subplots()
    for number, (name, notes) in enumerate(tracks):
        first, end, pitch = notes.T
        height = 0.9 - 0.13 * (number % 4)  # so that each is seen where voices are in unison
        axes.barh(pitch, end - first - 0.15, left=first, height=height, color=_COLOURS[number % 4], label=name)
    _draw_pitches(axes, np.concatenate([notes[:, 2] for _, notes in tracks]))
    axes.set_axisbelow(True)
    axes.set(xlim=(0, steps), xlabel="bar" if bar else "step", ylabel="pitch", title=title)
    if bar:
        _draw_bars(axes, steps, bar, pickup)
    if len(tracks) > 1:
        figure.legend(loc="outside right upper", frameon=False)
    return figure


def _draw_pitches(axes, pitches: np.ndarray):
    named = {0: "C", 4: "E", 7: "G"} if np.ptp(pitches) < 48 else {0: "C"}
    ticks = [pitch for pitch in range(pitches.min() - 3, pitches.max() + 4) if pitch % 12 in named]
    axes.set_yticks(ticks, [f"{named[pitch % 12]}{pitch // 12 - 1}" for pitch in ticks])
    axes.grid(axis="y", alpha=0.3)


def _draw_bars(axes, steps: int, bar: int, pickup: int):
    lines = list(range(pickup, steps, bar))
    every = 1 + len(lines) // 40  # so many numbers fit beside each other
    axes.set_xticks(lines[::every], range(1, 1 + len(lines), every))
    axes.grid(axis="x", color="grey", alpha=0.4)


def _ending(path, *endings: str) -> Path:
    path = Path(path).expanduser()
    if path.suffix.lower() not in endings:
        raise ValueError(f"`path` must end in {' or '.join(endings)}. Received: {path}")
    return path


def _tracks(music, onsets) -> list[tuple[str, np.ndarray]]:
    """Returns name and notes of each track: int `(notes, 3)`, first step, step after the last, MIDI pitch."""
    music = np.asarray(music)
    if onsets is not None and np.shape(onsets) != music.shape:
        raise ValueError(f"`onsets` must have the shape of `music`, {music.shape}. Received: {np.shape(onsets)}")
    if music.dtype == bool:
        tracks = [("piano", _notes(_keyed(music), onsets))]
    else:
        pitches = _checked(music[:, None] if music.ndim == 1 else music)
        starts = begins(pitches, None if onsets is None else np.reshape(onsets, pitches.shape))
        names = VOICES if pitches.shape[1] == 4 else [f"voice {1 + voice}" for voice in range(pitches.shape[1])]
        tracks = [(name, _notes(pitches[:, [voice]], starts[:, [voice]])) for voice, name in enumerate(names)]
    if not any(len(notes) for _, notes in tracks):
        raise ValueError("`music` must hold notes. Received: rests only")
    return tracks


def _keyed(roll: np.ndarray) -> np.ndarray:
    """Puts its MIDI pitch where a key sounds, and 0 elsewhere."""
    if roll.ndim != 2 or roll.shape[1] != KEYS:
        raise ValueError(f"`music` must be `(steps, 88)` where it is a piano roll. Received: {roll.shape}")
    return roll * (np.arange(KEYS) + LOWEST)


def _checked(pitches: np.ndarray) -> np.ndarray:
    if pitches.ndim != 2 or not np.issubdtype(pitches.dtype, np.integer):
        received = f"{pitches.dtype} {pitches.shape}"
        raise ValueError(f"`music` must be integers `(steps, voices)` or bool `(steps, 88)`. Received: {received}")
    if pitches.size and not 0 <= pitches.min() <= pitches.max() <= 127:
        raise ValueError(f"`music` must hold MIDI pitches, 0 to 127. Received: {pitches.min()} to {pitches.max()}")
    return pitches


def _notes(pitches: np.ndarray, onsets) -> np.ndarray:
    """Joins the steps of each column into notes, `(notes, 3)`, sorted by start and pitch."""
    starts = begins(pitches, onsets)
    # A note ends where its column begins another or rests; after the last step all rest.
    stops = np.vstack([starts | (pitches == REST), np.ones((1, pitches.shape[1]), bool)])
    first, column = np.nonzero(starts)
    ends = [step + 1 + int(np.argmax(stops[step + 1 :, voice])) for step, voice in zip(first, column, strict=True)]
    return np.column_stack([first, np.array(ends, int), pitches[first, column]]).astype(int)


def _midi(music, onsets, steps_per_quarter: int, tempo: float, program: int):
    pretty_midi = required("pretty_midi")
    for name, value in (("steps_per_quarter", steps_per_quarter), ("tempo", tempo)):
        if not value > 0:
            raise ValueError(f"`{name}` must be above 0. Received: {value!r}")
    midi = pretty_midi.PrettyMIDI(initial_tempo=tempo, resolution=steps_per_quarter * 60)
    seconds = 60 / tempo / steps_per_quarter
    for name, notes in _tracks(music, onsets):
        track = pretty_midi.Instrument(program, name=name)
        track.notes = [
            pretty_midi.Note(velocity=80, pitch=int(pitch), start=first * seconds, end=end * seconds)
            for first, end, pitch in notes
        ]
        midi.instruments.append(track)
    return midi


def _organ(phase: np.ndarray) -> np.ndarray:
    """A pipe's tone; a sine alone is hard to hear in the bass."""
    return sum(strength * np.sin((1 + number) * phase) for number, strength in enumerate(_OVERTONES))
