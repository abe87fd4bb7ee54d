"""Recordings of sensors that people carry: from files to signals at an even rate, and to windows.

pandas is imported where it is used, so that importing this module costs nothing.
"""

from kerasmlsp.data.motion.recordings import HAR_CHANNELS, Recording, read_recordings
from kerasmlsp.data.motion.windowing import Windows, shuffled_order, windows

__all__ = [
    "HAR_CHANNELS",
    "Recording",
    "Windows",
    "read_recordings",
    "shuffled_order",
    "windows",
]
