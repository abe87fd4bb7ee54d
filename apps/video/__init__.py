"""Video: which class a clip is of, by its frames and how they follow each other, and what its next frames will be.

Lecture: Hota, BITS F464 (2024), "Convolution + LSTM: genre of a movie by seeing the trailer" and "ConvLSTM".

    kerasmlsp video train --data clips --run mine
    kerasmlsp video evaluate --run mine --data test
    kerasmlsp video export --run mine
    kerasmlsp video predict clip.mp4
    kerasmlsp video train --data fashion_mnist --architecture forecast --run next
    kerasmlsp video export --run next
    kerasmlsp video forecast clip.mp4 --steps 4 --figure next.png

Data: a folder with one subfolder of clips (MP4, AVI, WebM, GIF and others) per class; a table with the columns `path`
and `label`; or images, of which clips are made that move in one of eight directions: the four files of Fashion-MNIST or
MNIST, or a data set of TensorFlow Datasets. What to expect is in docs/results.md.
"""
