"""Motion: what a person does, by the sensors of a phone or a watch.

Lecture: Pilanci, EE269 lecture 16 (2020), "Activity Recognition Performance" and "1D Convolutional Nets".

    kerasmlsp motion predict walk.csv
    kerasmlsp motion train --data recordings --subject-pattern "^(s..)" --run mine
    kerasmlsp motion evaluate --run mine --folds 5
    kerasmlsp motion export --run mine

Data: a table per recording (CSV, TSV, Parquet) with a row a sample: a column of time stamps, one for each channel of
the sensors, and one with the activity; or a folder of such tables, WISDM's `WISDM_ar_v1.1_raw.txt`, the folder
`UCI HAR Dataset`, or `.ts` files. What to expect is in the README's table.
"""
