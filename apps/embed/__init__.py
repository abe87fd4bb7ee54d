"""Embed: vectors of words, learned from running text, in which words that are used alike come close.

Lecture: Ganapathy, MLSP 2025, "word2vec models as text representations", "word2vec representations" and "word2vec
visualization".

    kerasmlsp embed train --data reviews.csv --run reviews
    kerasmlsp embed evaluate --run reviews --similarity wordsim353.tsv --analogies questions-words.txt
    kerasmlsp embed export --run reviews
    kerasmlsp embed similar king
    kerasmlsp embed analogy man king woman
    kerasmlsp embed map --group animals=cat,dog,horse --group colours=red,green,blue --figure map.png

Data: a text file of any size, a folder of `.txt` files, the column `text` of a table (CSV, TSV, Excel, JSON Lines,
Parquet; plain or compressed), or the split "train" of a data set of TensorFlow Datasets with a text feature. What to
expect is in docs/results.md.
"""
