"""Files that must be there, files that are never half written, and files that one process at a time may write."""

from kerasmlsp.files.listing import (
    as_file,
    drawn_name,
    existing,
    given,
    listed,
    named,
    reasons,
    safe_name,
    side_by_side,
    visible_files,
    visible_folders,
)
from kerasmlsp.files.locking import locked
from kerasmlsp.files.writing import read_json, remove_leftovers, write_atomically, write_json

__all__ = [
    "as_file",
    "drawn_name",
    "existing",
    "given",
    "listed",
    "locked",
    "named",
    "read_json",
    "reasons",
    "remove_leftovers",
    "safe_name",
    "side_by_side",
    "visible_files",
    "visible_folders",
    "write_atomically",
    "write_json",
]
