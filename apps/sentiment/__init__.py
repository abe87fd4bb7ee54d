"""Sentiment: which class is a text of, such as whether a review is good or bad.

Lecture: Hota, BITS F464 (2024), "RNN Architectures"; Sri Rama Murty, (Deep) Neural Networks (2021), "RNN Application -
Sentiment Classification"; Ganapathy, MLSP 2025, "Attention in LSTM networks".

    kerasmlsp sentiment predict "This film was excellent!"
    kerasmlsp sentiment train --data reviews.csv --run mine
    kerasmlsp sentiment evaluate --run mine --data test.csv
    kerasmlsp sentiment export --run mine

Data: a table (CSV, TSV, Excel, JSON Lines, Parquet; plain or compressed) with the columns `text` and `label`, any
number of classes; a folder with one subfolder of `.txt` files per class, or the folder aclImdb; or a data set of
TensorFlow Datasets, such as imdb_reviews. What to expect is in the README's table.
"""
