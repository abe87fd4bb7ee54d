"""Detect: where things are in a picture, and what they are.

Lecture: Hota, BITS F464 (2024), "Other types of Convolutional Networks: FCN, SSMD".

    kerasmlsp detect train --data blood --split train --run cells
    kerasmlsp detect evaluate --run cells --data blood --split val
    kerasmlsp detect export --run cells
    kerasmlsp detect predict blood.jpg --figure boxes.png

Data: a folder with the XML files of Pascal VOC, a JSON file of COCO, or a table with a row for each box. What to expect
is in docs/results.md.
"""
