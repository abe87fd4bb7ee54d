"""Files that are never half written, and errors that name the file."""

import errno
import re
from pathlib import Path

import pytest

from kerasmlsp import files


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def write(place):
        assert place.suffix == ".csv" and place.parent == tmp_path
        place.write_text("new")
        assert path.read_text() == "old"
        return 3

    assert files.write_atomically(path, write) == 3
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["temporary", None])
def test_a_full_disk_leaves_the_old_file_and_names_it(tmp_path, name):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def write(place):
        place.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device", *([str(place)] if name else []))

    with pytest.raises(OSError, match=re.escape(f"'{path}'")):
        files.write_atomically(path, write)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_folder_is_told_by_the_name_of_the_file(tmp_path, monkeypatch):
    def refuse(place, **_):
        raise OSError(errno.EROFS, "Read-only file system", str(place))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match=re.escape(f"'{tmp_path / 'a.csv'}'")):
        files.write_atomically(tmp_path / "a.csv", refuse)


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(f"'{tmp_path / 'no'}'")):
        files.write_atomically(tmp_path / "no" / "a.csv", pytest.fail)
    with pytest.raises(IsADirectoryError, match=re.escape(f"'{tmp_path}'")):
        files.write_atomically(tmp_path, pytest.fail)


def test_damaged_json_is_named(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('["é"]', encoding="utf-8")
    assert files.read_json(path) == ["é"]
    for content in (b'["a",', b"\xff"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(f"{path} is damaged: restore it")):
            files.read_json(path)


def test_existing(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.existing("~") == tmp_path
    with pytest.raises(FileNotFoundError, match="`manual_dir` must be there already"):
        files.existing(tmp_path / "no", "manual_dir")
