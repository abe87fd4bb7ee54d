"""Captioning: a sentence about what a picture shows, with where the net looked for each word.

Lecture: Sri Rama Murty, (Deep) Neural Networks (2021), "Image Captioning", "Neural Image Caption Generator"; Ganapathy,
MLSP 2025, "Encoder - Decoder Networks with Attention", "Transformer decoder".

    kerasmlsp caption train --data captions.csv --images photos/ --run mine
    kerasmlsp caption evaluate --run mine
    kerasmlsp caption export --run mine
    kerasmlsp caption predict dog.jpg --figure attention.png

Data: a table (CSV, TSV, Excel, JSON Lines, Parquet) with the columns `image` (name of a file in a folder of pictures),
`caption` and, if wanted, `split` (train, val, test), a row for each caption; Kaggle's `captions.txt` or
`Flickr8k.token.txt`, or a folder with one of these; or a data set of TensorFlow Datasets such as coco_captions. What to
expect is in the README.
"""
