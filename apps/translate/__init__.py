"""Translation: sentences of one language in another, with where the net looked for each word.

Lecture: Ganapathy, MLSP 2025, "Sequence to Sequence Mapping Networks", "Encoder - Decoder Networks with Attention",
"Neural Machine Translation Example".

    kerasmlsp translate train --data multi30k/ --source en --target de --run mine
    kerasmlsp translate evaluate --run mine
    kerasmlsp translate export --run mine
    kerasmlsp translate predict "A dog runs through the snow." --figure alignment.png

Data: a folder of files that go line by line with each other, as `train.en` and `train.de` (plain or `.gz`); two such
files; a table (TSV, CSV, Excel, JSON Lines, Parquet) with a column for each language and, if wanted, `split`; a `.txt`
file with a pair in a line and a tab between; or a data set of TensorFlow Datasets such as ted_hrlr_translate/pt_to_en.
What to expect is in the README.
"""
