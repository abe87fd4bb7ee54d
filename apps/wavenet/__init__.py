"""WaveNet: sounds that are made sample after sample, or that go on after a beginning, on request of a given class.

Lecture: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; Hota, BITS F464 (2024),
"Autoregressive Models".

    kerasmlsp wavenet train --data recordings --run mine
    kerasmlsp wavenet evaluate --run mine
    kerasmlsp wavenet export --run mine
    kerasmlsp wavenet generate --label yes --seconds 1 --output yes.wav
    kerasmlsp wavenet complete --primer beginning.wav --seconds 1 --output whole.wav

Data: a recording, or a folder of such (WAV, FLAC, OGG, MP3, AIFF), with a subfolder for each class where there are
classes. What to expect is in docs/results.md.
"""
