"""Gesture: which hand sign a picture shows, or landmarks of a hand, or the path of a finger tip.

Lecture: Hota, BITS F464 (2024), "Mini-Project on hand gesture recognition using CNNs" and "Regularization: Data
Augmentation".

    kerasmlsp gesture predict hand.jpg
    kerasmlsp gesture predict hand.jpg --explain --figure why.png
    kerasmlsp gesture train --data photos --run mine
    kerasmlsp gesture evaluate --run mine --folds 5
    kerasmlsp gesture export --run mine

Data: a folder with one subfolder of pictures per class; a table with the columns `path` and `label`; a data set of
TensorFlow Datasets with images and labels, such as rock_paper_scissors; or a CSV of numbers without a header, in each
row the class and 21 landmarks of one hand (42 numbers, x before y) or a path of 16 points (32 numbers). What to expect
is in the README's table.
"""
