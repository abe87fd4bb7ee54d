"""Character generation: a net that reads text character by character and writes on in the same manner.

Lecture: Hota, BITS F464 (2024), "RNN Architectures: One-to-Many"; Ganapathy, MLSP 2025, "Transformers".

    kerasmlsp chargen generate --prompt "ROMEO:" --length 300
    kerasmlsp chargen train --data plays.txt --run plays
    kerasmlsp chargen evaluate --run plays
    kerasmlsp chargen export --run plays

Data: a text file, a folder of `.txt` files (read in the order of their paths), or a data set of TensorFlow Datasets
with a text feature, such as tiny_shakespeare. The last part of the text is held out. What to expect is in the README.
"""
