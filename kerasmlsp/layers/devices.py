"""What a layer asks about the machine that it runs on."""

import keras


def on_cpu() -> bool:
    """Whether there is nothing but CPUs for Keras to compute on, so that what is faster there is worth its place.

    Example:
        >>> on_cpu() == all(device.startswith("cpu") for device in keras.distribution.list_devices())
        True
    """
    try:
        return all(device.lower().startswith("cpu") for device in keras.distribution.list_devices())
    except (AttributeError, RuntimeError):  # a backend that has no such list, or whose device does not start
        return True
