"""Generative adversarial networks: images like those of a folder, drawn from noise, on request of a given class.

With the architecture pix2pix, images are made of masks.

Lecture: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)".

    kerasmlsp gan generate --num 64 --grid samples.png
    kerasmlsp gan interpolate --grid path.gif
    kerasmlsp gan train --data photos/ --architecture dcgan --size 32 --run photos
    kerasmlsp gan evaluate --run photos
    kerasmlsp gan export --run photos
    kerasmlsp gan train --data photos/ --masks masks/ --architecture pix2pix --run streets
    kerasmlsp gan translate masks/ --output images/

Data: a folder of images, with a subfolder for each class where there are classes, the folder with the four files of
Fashion-MNIST or MNIST, or an image data set of TensorFlow Datasets; for pix2pix also a folder with a mask for
each image, of the same name. What to expect is in the README.
"""
