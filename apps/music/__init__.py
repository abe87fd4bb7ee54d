"""Music: chorales in four voices, written anew, from a beginning on, or below a melody.

Lecture: Ganapathy, MLSP 2025, "Transformers"; Hota, BITS F464 (2024), "RNN Architectures: One-to-Many".

    kerasmlsp music generate --key "G major" --bars 8
    kerasmlsp music generate --primer bars.mid --bars 4
    kerasmlsp music generate --melody tune.mid
    kerasmlsp music train --run bach
    kerasmlsp music evaluate --run bach
    kerasmlsp music export --run bach

Data: MIDI, ABC, MusicXML or JSON in the format of the JSB chorales, with four voices; by default the chorales by Bach
in the corpus of music21, which needs no network. `pip install -e '.[music]'` brings what reads that, MIDI and
MusicXML, and writes MIDI, WAV and MusicXML. What to expect is in the model card of the saved model.
"""
