"""Anomaly: where a signal is unlike the normal ones that a net has learned from, by rows of a file or in a stream.

Lecture: Hota, BITS F464 (2024), "A Correlation-Based Anomaly Detection Model for Wireless Body Area Networks Using
Convolutional Long Short-Term Memory Neural Network".

    kerasmlsp anomaly predict beats.ts --figure where.png
    kerasmlsp anomaly train --data train.ts --normal-label 1 --run beats
    kerasmlsp anomaly train --data sensor.csv --normal-share 0.3 --run sensor
    kerasmlsp anomaly evaluate --run beats --data test.ts
    kerasmlsp anomaly export --run beats
    tail -f sensor.csv | kerasmlsp anomaly predict -

Data: a file with one series in each row (`.ts`, or the layout of the UCR archive: the label, then the values), of which
the normal rows are trained on; or streams, CSV with one or several channels and with or without time stamps, also a
folder of them and records of PhysioNet (`.hea`), whose first part is taken for normal. What to expect is in the
README's table.
"""
