"""What photographs show, by EfficientNet-Lite0 and its 1000 classes of ImageNet.

    $ kerasmlsp imagenet classify photo.jpg
    $ kerasmlsp imagenet classify photos --explain --figure why.png --output labels.csv

Lecture: Pilanci, EE269 lecture 16 (2020), "ImageNet Challenge".

The weights come with the extra `imagenet`. Nothing is trained here.
"""
