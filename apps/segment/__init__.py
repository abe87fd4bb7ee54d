"""Segment: what each pixel of a picture shows.

Lecture: Hota, BITS F464 (2024), "Other types of Convolutional Networks: FCN, SSMD".

    kerasmlsp segment train --data pictures --masks masks --run mine
    kerasmlsp segment evaluate --run mine
    kerasmlsp segment export --run mine
    kerasmlsp segment predict street.jpg --output found

Data: a folder of pictures, and a folder of masks of the same names, whose pixels hold class numbers: palette PNG or
grey PNG. What to expect is in docs/results.md.
"""
