"""Pretrain: learns from data without labels, and then from few labels.

Lecture: Ganapathy, MLSP 2025, "Self supervision - pre-text task", "Self-supervision as a task", "Self-supervision in
audio - wav2vec" and "Self-supervision in images - Vision Transformer"; Sri Rama Murty, (Deep) Neural Networks (2021),
"Unsupervised Pretraining" and "Pretraining using Autoencoders".

    kerasmlsp pretrain train --task simclr --data photos --run mine
    kerasmlsp pretrain evaluate --run mine
    kerasmlsp pretrain finetune --run mine --data labelled --labels 0.01,0.1,1
    kerasmlsp pretrain export --run mine
    kerasmlsp pretrain predict photo.jpg

Data without labels: a folder of pictures or the files of Fashion-MNIST; texts, as a folder of `.txt` files, a file with
one text in a line or a column of a table; a folder of recordings. Labelled data are those that gesture, sentiment and
speech take. What to expect is on the application's page.
"""
