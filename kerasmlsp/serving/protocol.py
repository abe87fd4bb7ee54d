"""Frames between the front and a worker: a JSON message and the arrays that go with it.

A frame is a prefix (length of the header, 4 bytes, length of the body, 8 bytes, both little-endian), the header
(JSON, padded with spaces) and the body (the buffers of the arrays one after another, each padded to 8 bytes). An
array of strings is a buffer of lengths (uint32) and one of the bytes.
"""

import itertools
import socket
import struct
from collections.abc import Iterator, Mapping

import numpy as np
import orjson

_PREFIX = struct.Struct("<IQ")
# Together with the prefix and the header, so that arrays start where the processor likes it.
_ALIGNED = 8
_PADDING = [b"\0" * count for count in range(_ALIGNED)]


def encode(message: dict, arrays: Mapping[str, np.ndarray] | None = None) -> list[bytes | memoryview]:
    """Returns a frame, as the parts to write one after another.

    Args:
        message: What JSON can hold; the key `arrays` is taken.
        arrays: Arrays of numbers, or object arrays of `bytes`, by name.

    Example:
        >>> message, arrays = decode(b"".join(encode({"id": 7}, {"text": np.array([b"a", b"bc"], object)})))
        >>> message, arrays["text"].tolist()
        ({'id': 7}, [b'a', b'bc'])
    """
    described, parts, total = [], [], 0
    for name, array in (arrays or {}).items():
        if array.dtype.kind == "O":
            texts = array.ravel().tolist()
            lengths = np.fromiter(map(len, texts), np.uint32, len(texts))
            buffers, kind = [lengths.tobytes(), b"".join(texts)], "O"
        else:
            # A view of the bytes: `memoryview.cast` refuses empty arrays and types of extensions, such as bfloat16.
            flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            buffers, kind = [flat.data if flat.size else b""], array.dtype.str
        sizes = list(map(len, buffers))
        described.append((name, kind, array.shape, sizes))
        for buffer, size in zip(buffers, sizes, strict=True):
            padding = -size % _ALIGNED
            parts += (buffer, _PADDING[padding]) if padding else (buffer,)
            total += size + padding
    header = orjson.dumps({**message, "arrays": described} if described else message)
    header += b" " * (-(len(header) + _PREFIX.size) % _ALIGNED)
    return [_PREFIX.pack(len(header), total) + header, *parts]


def decode(frame: bytes | bytearray | memoryview) -> tuple[dict, dict[str, np.ndarray]]:
    """Returns the message and the arrays of one whole frame. The arrays of numbers share its memory.

    Example:
        >>> decode(b"".join(encode({"id": 7}, {"x": np.arange(3)})))
        ({'id': 7}, {'x': array([0, 1, 2])})
    """
    length, _ = _PREFIX.unpack_from(frame)
    place = _PREFIX.size + length
    message = orjson.loads(memoryview(frame)[_PREFIX.size : place])
    arrays = {}
    for name, kind, shape, sizes in message.pop("arrays", ()):
        if kind == "O":
            lengths = np.frombuffer(frame, np.uint32, sizes[0] // 4, place).tolist()
            place += sizes[0] + -sizes[0] % _ALIGNED
            arrays[name] = _strings(bytes(memoryview(frame)[place : place + sizes[1]]), lengths, shape)
        else:
            dtype = np.dtype(kind)
            arrays[name] = np.frombuffer(frame, dtype, sizes[0] // dtype.itemsize, place).reshape(shape)
        place += sizes[-1] + -sizes[-1] % _ALIGNED
    return message, arrays


def _strings(joined, lengths, shape):
    array = np.empty(len(lengths), object)
    ends = itertools.accumulate(lengths, initial=0)
    array[:] = [joined[begin:end] for begin, end in itertools.pairwise(ends)]
    return array.reshape(shape)


class Frames:
    """Cuts a stream of bytes, as it arrives, into frames.

    Example:
        >>> stream, frames = b"".join(encode({"id": 1}) + encode({"id": 2})), Frames()
        >>> [message["id"] for part in (stream[:9], stream[9:]) for message, _ in frames.feed(part)]
        [1, 2]
    """

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._wanted = _PREFIX.size

    def feed(self, data: bytes) -> Iterator[tuple[dict, dict[str, np.ndarray]]]:
        """Yields message and arrays of each frame that `data` completes."""
        if self._waiting:
            self._waiting += data
            if len(self._waiting) < self._wanted:
                return
            data, self._waiting = bytes(self._waiting), bytearray()
        place = 0
        while (end := place + self._size(data, place)) <= len(data):
            yield decode(data if end - place == len(data) else memoryview(data)[place:end])
            place = end
        self._wanted = end - place
        self._waiting += memoryview(data)[place:]

    @staticmethod
    def _size(data, place):
        if len(data) - place < _PREFIX.size:
            return _PREFIX.size
        length, total = _PREFIX.unpack_from(data, place)
        return _PREFIX.size + length + total


def receive(connection: socket.socket) -> bytearray | None:
    """Waits for one whole frame; None when the other side has closed the connection.

    Example:
        >>> here, there = socket.socketpair()
        >>> send(here, encode({"id": 7}))
        >>> decode(receive(there))
        ({'id': 7}, {})
        >>> here.close()
        >>> receive(there)
        >>> there.close()
    """
    prefix = bytearray(_PREFIX.size)
    if not _fill(connection, memoryview(prefix)):
        return None
    frame = bytearray(_PREFIX.size + sum(_PREFIX.unpack(prefix)))
    frame[: len(prefix)] = prefix
    return frame if _fill(connection, memoryview(frame)[len(prefix) :]) else None


def _fill(connection, buffer):
    while buffer:
        try:
            count = connection.recv_into(buffer)
        except ConnectionError:
            return False
        if not count:
            return False
        buffer = buffer[count:]
    return True


def send(connection: socket.socket, parts: list[bytes | memoryview]) -> None:
    """Writes the parts of a frame, small ones with one call of the system.

    Raises:
        OSError: If the other side is gone.

    Example:
        >>> here, there = socket.socketpair()
        >>> send(here, encode({"op": "unload"}))
        >>> decode(receive(there))[0]
        {'op': 'unload'}
        >>> here.close(), there.close()
        (None, None)
    """
    if len(parts) < 64 and sum(map(len, parts)) < 65536:
        connection.sendall(b"".join(parts))
    else:
        for part in parts:
            connection.sendall(part)
