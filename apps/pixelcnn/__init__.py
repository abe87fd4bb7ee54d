"""PixelCNN: images that are drawn pixel after pixel, or completed from their upper part, on request of a given class.

Lecture: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; Hota, BITS F464 (2024),
"Autoregressive Models".

    kerasmlsp pixelcnn train --data photos/ --size 16 --run photos
    kerasmlsp pixelcnn evaluate --run photos
    kerasmlsp pixelcnn export --run photos
    kerasmlsp pixelcnn generate --num 16 --grid samples.png
    kerasmlsp pixelcnn complete --primer top.png --num 4 --grid completed.png

Data: a folder of images, with a subfolder for each class where there are classes, the folder with the four files of
Fashion-MNIST or MNIST, or an image data set of TensorFlow Datasets. What to expect is in docs/results.md.
"""
