"""What networks for pictures look at, what their layers hold, and how they are fooled.

    $ kerasmlsp interpret saliency photo.jpg --method smooth
    $ kerasmlsp interpret maps photo.jpg --layer block_3_add
    $ kerasmlsp interpret fool photos --method deepfool

Lectures: Pilanci, EE269 lecture 16 (2020), "Alexnet Filter Weights" and "Which input images activate a particular
neuron?"; Sri Rama Murty, IIT Hyderabad (2021), "Sensitivity of Error to Changes in Input", "Feature Selection /
Adversarial Examples" and "Deep Fool".

`--model` is `imagenet` (EfficientNet-Lite0, the extra `imagenet`), a finished run of gesture, or a `.keras` file.
Nothing is trained here.
"""
