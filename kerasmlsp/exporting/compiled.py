"""First answers of saved models without delay: what XLA compiles is kept on disk, and graphs run as they are."""

import hashlib
import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

FOLDER = Path("~/.cache/kerasmlsp/compiled")
_MOST, _ROOM = 100, 2**28  # files; bytes of the disk that must be free


def keep_compiled(folder: str | Path | None = None) -> Path | None:
    """Has TensorFlow keep on disk what XLA compiles, so that a process that comes later need not compile it again.

    It belongs before the import of TensorFlow, and holds for the process and those that it starts. What is kept is for
    one version of TensorFlow and one kind of processor, which have a folder each; of many files the oldest go.

    Args:
        folder: Where to keep it; None for `FOLDER`. What is in it is run: nobody else may write there.

    Returns:
        The folder that is used; None where TensorFlow is imported already, `TF_XLA_FLAGS` names one, or there is none
        that can be written to.

    Example:
        >>> import tensorflow
        >>> print(keep_compiled())  # too late
        None
    """
    flags = os.environ.get("TF_XLA_FLAGS", "")
    if "tensorflow" in sys.modules or "persistent_cache_directory" in flags:
        return None
    place = Path(folder or FOLDER).expanduser() / _machine()
    try:
        place.mkdir(0o700, parents=True, exist_ok=True)
        # TensorFlow fails where it cannot write, and parts its flags at spaces.
        if " " in str(place) or not _own(place) or shutil.disk_usage(place).free < _ROOM:
            return None
        for old in sorted(place.iterdir(), key=os.path.getmtime)[:-_MOST]:
            old.unlink(missing_ok=True)
    except OSError:
        return None
    os.environ["TF_XLA_FLAGS"] = f"{flags} --tf_xla_persistent_cache_directory={place}".strip()
    return place


def prefer_first_answers() -> None:
    """Has TensorFlow run graphs without optimising them first, which for a few calls takes longer than it saves.

    It holds for the process. What XLA compiles is optimised by itself.

    Example:
        >>> import tensorflow as tf
        >>> before = tf.config.optimizer.get_experimental_options()
        >>> prefer_first_answers()
        >>> tf.config.optimizer.get_experimental_options()["disable_meta_optimizer"]
        True
        >>> tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **before})
    """
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _own(place):
    """Whether this user alone can write to a folder."""
    facts = place.stat()
    owner = not hasattr(os, "getuid") or facts.st_uid == os.getuid()
    return owner and os.access(place, os.W_OK) and not facts.st_mode & 0o022


def _machine():
    """16 hexadecimal digits that tell the version of TensorFlow and the processor."""
    told = [metadata.version("tensorflow"), platform.machine(), platform.processor()]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        told += sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    except OSError:
        pass
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
