"""Speech: which command a recording holds, and when commands are spoken in a long one.

Lecture: Pilanci, EE269 lecture 16 (2020), "Speech Commands Dataset" and "Training and Validation"; Ganapathy, MLSP
2025, "Attention in LSTM networks".

    kerasmlsp speech predict yes.wav
    kerasmlsp speech listen meeting.wav --figure heard.png
    kerasmlsp speech train --data speech_commands --group-pattern "([0-9a-f]{8})_nohash_" --run mine
    kerasmlsp speech evaluate --run mine --folds 5
    kerasmlsp speech export --run mine

Data: a folder with one subfolder of recordings (WAV, FLAC, OGG, MP3, AIFF) per class; a table with the columns `path`
and `label`; or a data set of TensorFlow Datasets with audio and labels, such as speech_commands. Classes whose names
begin with `_` hold no command: `_silence_` holds background noise, `_unknown_` other words. What to expect is in the
README's table.
"""
