"""MIDI files that break a rule where no note depends on it: mended for pretty_midi, which refuses them."""

import struct
from collections.abc import Iterator

_METRE, _TEMPO, _TEXT, _END = 0x58, 0x51, 0x01, 0x2F
_SYSTEM_EXCLUSIVE, _META = (0xF0, 0xF7), 0xFF
_SIZES = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}  # data bytes, by the upper half of the status byte


def mended(content: bytes) -> tuple[bytes, int]:
    """Clips data bytes above 127, and turns meta events that make no sense into text, which no reader minds.

    A pitch above 127, or events that do not lead to the end of their track, are signs of a damaged file: then the track
    stays as it is, for the reader to refuse.

    Args:
        content: Of the file.

    Returns:
        Content of the same length, and how many events were mended.

    Example:
        >>> track = bytes([0, 0xFF, 0x59, 2, 9, 0, 0, 0xFF, 0x2F, 0])  # a key of nine sharps, and the end
        >>> content, count = mended(b"MTrk" + len(track).to_bytes(4, "big") + track)
        >>> count, content[10]  # it is a text now
        (1, 1)
    """
    data, count, place = bytearray(content), 0, 0
    while place + 8 <= len(data):
        name, size = struct.unpack_from(">4sI", data, place)
        place += 8
        if name == b"MTrk":
            track = data[place : place + size]
            count += _mend(track)
            data[place : place + len(track)] = track
        place += size
    return bytes(data), count


def _mend(track: bytearray) -> int:
    """Mends the events of a track in place, and counts those."""
    try:
        events = list(_events(track))
    except (IndexError, KeyError):
        return 0
    whole = bool(events) and events[-1][0] == _META and track[events[-1][1]] == _END and events[-1][2] == len(track)
    if not whole or any(0x80 <= status < 0xA0 and track[start] > 127 for status, start, _ in events):
        return 0
    return sum(_mend_meta(track, *places) if status == _META else _clip(track, *places) for status, *places in events)


def _events(track: bytearray) -> Iterator[tuple[int, int, int]]:
    """Status of each event, and where its data begin and end; those of a meta event begin with its kind.

    Raises:
        IndexError, KeyError: The track ends within an event, or holds one of no known size.
    """
    place, running = 0, 0
    while place < len(track):
        _, place = _number(track, place)
        status = track[place] if track[place] > 127 else running
        start = place + (track[place] > 127)
        if status == _META:
            size, place = _number(track, start + 1)
        else:
            running = status
            size, start = _number(track, start) if status in _SYSTEM_EXCLUSIVE else (_SIZES[status >> 4], start)
            place = start
        place += size
        if place > len(track):
            raise IndexError
        # The mark at the end of a system-exclusive message is none of its data.
        yield status, start, place - (status in _SYSTEM_EXCLUSIVE and track[place - 1] == 0xF7)


def _number(track: bytearray, place: int) -> tuple[int, int]:
    """Reads a number of variable length, and returns the place behind it, too."""
    number = 0
    while track[place] > 127:
        number, place = number << 7 | track[place] & 127, place + 1
    return number << 7 | track[place], place + 1


def _clip(track: bytearray, start: int, end: int) -> bool:
    high = [place for place in range(start, end) if track[place] > 127]
    for place in high:
        track[place] = 127
    return bool(high)


def _mend_meta(track: bytearray, start: int, end: int) -> bool:
    first = _number(track, start + 1)[1]
    nonsense = _nonsense(track[start], track[first:end])
    if nonsense:
        track[start] = _TEXT
    return nonsense


def _nonsense(kind: int, data: bytearray) -> bool:
    from mido.midifiles.meta import build_meta_message

    if (kind == _METRE and data[:1] == b"\0") or (kind == _TEMPO and data[:3] == b"\0\0\0"):
        return True
    try:
        build_meta_message(kind, data)
    except Exception:  # mido meets what it cannot read with whatever exception this leads to
        return True
    return False
