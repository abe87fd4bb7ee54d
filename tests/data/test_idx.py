"""Files in the IDX format."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from kerasmlsp.data import idx


def packed(array, kind=8):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()


def write_split(folder, name, images, labels):
    (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(packed(images), mtime=0))
    (folder / f"{name}-labels-idx1-ubyte").write_bytes(packed(labels))


@pytest.mark.parametrize(
    ("kind", "dtype"), [(8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_every_type_comes_back(tmp_path, kind, dtype):
    array = np.arange(-12, 12).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "a").write_bytes(packed(array, kind))
    found = idx.read_idx(tmp_path / "a")
    assert found.dtype == np.dtype(dtype) and (found == array).all()


def test_images_and_classes_of_a_folder(tmp_path):
    images, labels = np.arange(24, dtype="u1").reshape(4, 3, 2), np.array([3, 1, 0, 2], "u1")
    write_split(tmp_path, "train", images, labels)
    assert idx.holds_idx(tmp_path) and not idx.holds_idx(tmp_path, "test")
    found = idx.read_labelled_idx(tmp_path, "train")
    assert (found[0] == images).all() and (found[1] == labels).all()
    write_split(tmp_path, "t10k", images, labels[:2])
    with pytest.raises(ValueError, match="as many classes as images of test"):
        idx.read_labelled_idx(tmp_path, "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "IDX format"),
        (b"\x89PNG\r\n\x1a\n", "IDX format"),
        (b"\0\0\x07\x01\0\0\0\x01a", "IDX format"),
        (packed(np.zeros((2, 2), "u1"))[:-1], "as long as it says"),
        (packed(np.zeros((2, 2), "u1")) + b"a", "as long as it says"),
        (b"\0\0\x08\x03\0\0\0\x01", "as long as it says"),
        (gzip.compress(packed(np.zeros((40, 2), "u1")), mtime=0)[:-9], "whole gzip file"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, message):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        idx.read_idx(tmp_path / "a")


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (b"no idx" * 10, "IDX format"),
        (struct.pack(">BBBBI", 0, 0, 8, 1, 5), "as long as it says"),
        (struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**31] * 3), "as long as it says"),
    ],
)
def test_a_file_is_not_inflated_beyond_what_its_head_says(tmp_path, head, message):
    with gzip.open(tmp_path / "a.gz", "wb", compresslevel=1) as file:
        file.write(head)
        for _ in range(100):
            file.write(bytes(1_000_000))
    tracemalloc.start()
    with pytest.raises(ValueError, match=message):
        idx.read_idx(tmp_path / "a.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte"):
        idx.read_labelled_idx(tmp_path, "train")
