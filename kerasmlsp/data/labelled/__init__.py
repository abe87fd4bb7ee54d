"""Labelled texts and files from tables and folders, and what tells data apart.

Everything here returns plain Python or NumPy values; pandas is imported where it is used, so that importing this module
costs nothing.
"""

from kerasmlsp.data.labelled.classes import (
    IMBALANCE,
    MOST_FRACTIONS,
    check_classes,
    check_read,
    frequent,
    of_known,
    tell_imbalance,
)
from kerasmlsp.data.labelled.fingerprints import fingerprint
from kerasmlsp.data.labelled.reading import class_folders, list_files, read_labelled_texts

__all__ = [
    "IMBALANCE",
    "MOST_FRACTIONS",
    "check_classes",
    "check_read",
    "class_folders",
    "fingerprint",
    "frequent",
    "list_files",
    "of_known",
    "read_labelled_texts",
    "tell_imbalance",
]
