"""Records of PhysioNet: a header `.hea` and the samples beside it, in the formats 16 and 212."""

import re
from pathlib import Path

import numpy as np

from kerasmlsp.files import existing


def read_record(path: str | Path) -> tuple[float, list[str], np.ndarray]:
    """Reads all signals of a record, in their physical units.

    Reference: Moody et al., "WFDB Applications Guide", header(5) and signal(5).

    Args:
        path: The header, `.hea`.

    Returns:
        Samples per second, the names of the signals, and float64 `(samples, signals)`; NaN where a sample is marked as
        not valid.

    Raises:
        FileNotFoundError: The header or a file of samples is not there.
        ValueError: The header is damaged, the samples are in another format, or fewer than it says.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = folder.joinpath("a.hea").write_text("a 1 360 2\\na.dat 16 200 11 1024 0 0 0 MLII\\n")
        >>> _ = folder.joinpath("a.dat").write_bytes(np.array([1024, 1224], "<i2").tobytes())
        >>> read_record(folder / "a.hea")
        (360.0, ['MLII'], array([[0.],
               [1.]]))
    """
    path = existing(path)
    lines = [line.split() for line in path.read_text("latin-1").splitlines() if line.strip() and line[0] != "#"]
    try:
        rate, signals = float(lines[0][2].split("/")[0]), [_signal(line) for line in lines[1 : 1 + int(lines[0][1])]]
    except (IndexError, ValueError) as error:
        raise ValueError(f"`path` must be a header of a record as PhysioNet has them. Received: {path}") from error
    files = {name: (form, skipped) for name, form, skipped, *_ in signals}
    columns: dict[str, list] = {}
    for name, (form, skipped) in files.items():
        count = sum(each[0] == name for each in signals)
        raw = _samples(existing(path.parent / name), form, skipped, path)
        columns[name] = list(raw[: len(raw) // count * count].reshape(-1, count).T)
    found = [(columns[name].pop(0), gain, baseline) for name, _, _, gain, baseline, _ in signals]
    values = np.stack([np.where(raw <= -(2**15), np.nan, (raw - zero) / gain) for raw, gain, zero in found], 1)
    wanted = int(lines[0][3]) if len(lines[0]) > 3 else len(values)
    if len(values) < wanted:
        raise ValueError(f"the record must have {wanted} samples as its header says: fetch it again. Received: {path}")
    return rate, [signal[-1] for signal in signals], values[: wanted or None]


def _signal(line):
    """File, format, bytes before the samples, gain, zero and name of a signal."""
    form, _, skipped = line[1].partition("+")
    gain = re.match(r"([\d.e+-]+)(?:\(([-\d]+)\))?", line[2]) if len(line) > 2 else None
    zero = int(gain[2]) if gain and gain[2] else int(line[4]) if len(line) > 4 else 0
    name = " ".join(line[8:]) or line[0]
    return line[0], form, int(skipped or 0), (float(gain[1]) if gain else 0) or 200.0, zero, name


def _samples(file, form, skipped, path):
    raw = np.frombuffer(file.read_bytes()[skipped:], np.uint8)
    if form == "16":
        return raw[: len(raw) // 2 * 2].view("<i2").astype("float64")
    if form != "212":
        raise ValueError(f"the samples must be in the format 16 or 212. Received: {form} in {path}")
    # Two samples of 12 bits in three bytes.
    low, middle, high = raw[: len(raw) // 3 * 3].reshape(-1, 3).T.astype(np.int32)
    pairs = np.stack([low + ((middle & 15) << 8), high + ((middle >> 4) << 8)], 1)
    return np.where(pairs > 2047, pairs - 4096, pairs).reshape(-1).astype("float64")
