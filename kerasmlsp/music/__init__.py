"""Music: files in and out, four-voice chorales, and rules of harmony.

Importing this package is cheap: music21, pretty_midi and matplotlib are imported by the functions that need them. The
first two come with `pip install -e '.[music]'`: MIDI, WAV, MusicXML and Bach's chorales need them; ABC, JSON and
pictures do not.
"""

from kerasmlsp.music.chorales import read_chorales
from kerasmlsp.music.harmony import divergences, jensen_shannon, rules
from kerasmlsp.music.musicxml import write_musicxml
from kerasmlsp.music.pieces import Chorale, Melody, Tune
from kerasmlsp.music.reading import read_melody, read_rolls
from kerasmlsp.music.transposing import compass, transpose, transpositions
from kerasmlsp.music.writing import piano_roll_figure, write_midi, write_piano_roll, write_wav

__all__ = [
    "Chorale",
    "Melody",
    "Tune",
    "compass",
    "divergences",
    "jensen_shannon",
    "piano_roll_figure",
    "read_chorales",
    "read_melody",
    "read_rolls",
    "rules",
    "transpose",
    "transpositions",
    "write_midi",
    "write_musicxml",
    "write_piano_roll",
    "write_wav",
]
