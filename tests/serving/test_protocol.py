"""Frames between front and worker: arrays of every type, cut anywhere."""

import socket
import threading

import numpy as np
import pytest

from kerasmlsp.serving import protocol

ARRAYS = {
    "floats": np.array([[1.5, np.nan], [-np.inf, 0]], np.float32),
    "scalar": np.array(7, np.int64),
    "none": np.empty((0, 3), np.float32),
    "flags": np.array([True, False, True]),
    "halves": np.array([0.5], np.float16),
    "turned": np.arange(6, dtype=np.uint8).reshape(2, 3).T,
    "texts": np.array([[b"", b"a\0b"], [b"\xff", "ä".encode()]], object),
    "text": np.array(b"one", object).reshape(()),
    "no text": np.empty(0, object),
}


def frame(message=None, arrays=None):
    return b"".join(protocol.encode(message or {}, arrays))


def assert_same(found, wanted):
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


def test_arrays_come_back():
    message, arrays = protocol.decode(frame({"id": 3, "text": "ä"}, ARRAYS))
    assert message == {"id": 3, "text": "ä"}
    assert_same(arrays, ARRAYS)


def test_types_that_numpy_lacks_keep_their_bytes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([1, 2, 3], ml_dtypes.bfloat16)
    found = protocol.decode(frame({}, {"x": array}))[1]["x"]
    assert found.shape == (3,) and found.tobytes() == array.tobytes()


@pytest.mark.parametrize("size", [1, 7, 16, 17, 100, 10_000])
def test_frames_may_be_cut_anywhere(size):
    stream = frame({"id": 1}, ARRAYS) + frame({"id": 2}) + frame({"id": 3}, {"x": np.arange(1000)})
    frames = protocol.Frames()
    parts = [stream[place : place + size] for place in range(0, len(stream), size)]
    found = [each for part in parts for each in frames.feed(part)]
    assert [message["id"] for message, _ in found] == [1, 2, 3]
    assert_same(found[0][1], ARRAYS)
    assert_same(found[2][1], {"x": np.arange(1000)})


def test_frames_pass_a_socket_that_holds_less_than_one():
    arrays = {"x": np.arange(2_000_000), "texts": np.array([b"a" * 3_000_000, b""], object)}
    here, there = socket.socketpair()
    with here, there:
        thread = threading.Thread(target=protocol.send, args=(here, protocol.encode({"id": 1}, arrays)))
        thread.start()
        assert_same(protocol.decode(protocol.receive(there))[1], arrays)
        thread.join()


def test_the_end_of_the_connection_within_a_frame_is_the_end():
    here, there = socket.socketpair()
    with there:
        here.sendall(frame({"id": 1})[:-3])
        here.close()
        assert protocol.receive(there) is None
