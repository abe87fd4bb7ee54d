"""Traffic: how fast the roads of a network will be within the next hour.

Lecture: Hota, BITS F464 (2024), "Traffic Graph Convolutional Recurrent Neural Network".

    kerasmlsp traffic predict speeds.csv --output next_hour.csv
    kerasmlsp traffic train --data speeds.csv --graph adjacency.csv --run mine
    kerasmlsp traffic evaluate --run mine
    kerasmlsp traffic export --run mine

Data: a table of speeds with a column for each road and a row for each step, with or without time stamps; and a table
of the network: a square matrix of weights or distances, or a list with the columns `from`, `to` and `distance`. The
beginning is trained on, the last fifth is for `evaluate`. What to expect is in the README's table.
"""
