"""Files that are never half written, and errors that name the file."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
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


def test_two_threads_that_write_one_file_do_not_meet(tmp_path):
    """Both have begun before either has ended, so that a name they share would be written by both."""
    path, begun = tmp_path / "a.txt", threading.Barrier(2, timeout=20)

    def write(place, letter):
        place.write_text(letter * 500)
        begun.wait()
        return place.read_text()

    read = {}
    threads = [
        threading.Thread(
            target=lambda each=each: read.update({each: files.write_atomically(path, lambda p: write(p, each))})
        )
        for each in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == {"a": "a" * 500, "b": "b" * 500}
    assert path.read_text() in read.values() and list(tmp_path.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, done = tmp_path / "a.txt", []
    sync = os.fsync

    def fsync(descriptor):
        done.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")), path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    files.write_atomically(path, lambda place: place.write_text("new"))
    (first, before), (second, after) = done
    assert first.name.startswith(".a.") and not before and second == tmp_path and after


def test_leftovers_of_killed_processes_go_and_nothing_else(tmp_path):
    killed = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import os, signal, sys\nfrom kerasmlsp import files\n"
            "write = lambda place: (place.write_text('half'), os.kill(os.getpid(), signal.SIGKILL))\n"
            "files.write_atomically(sys.argv[1], write)",
            str(tmp_path / "a.npz"),
        ]
    )
    assert killed.returncode == -signal.SIGKILL and len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".a.4711.npz").touch()
    others = {"a.npz", ".b.4711.npz", ".a.4711.csv", ".a.b.npz", "a.4711.npz"}
    for name in others:
        (tmp_path / name).touch()
    files.remove_leftovers(tmp_path / "a.npz")
    assert {each.name for each in tmp_path.iterdir()} == others


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `file` until it is killed."""
    code = (
        "import sys, time\nfrom kerasmlsp import files\n"
        "with files.locked(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_lets_one_process_in_and_ends_with_it(tmp_path, holder):
    with pytest.raises(ValueError, match="Another one writes"), files.locked(tmp_path / "file", "Another one writes."):
        pytest.fail("two at a time")
    with files.locked(tmp_path / "other", "Another one writes."):
        pass
    threading.Timer(0.3, holder.kill).start()
    begun = time.monotonic()
    with files.locked(tmp_path / "file"):  # waits
        assert time.monotonic() - begun > 0.2
    assert not list(tmp_path.iterdir())


def test_a_lock_lets_one_thread_in(tmp_path):
    """Each holder deletes the file that others already wait for."""
    inside, most = [], []

    def work():
        for _ in range(50):
            with files.locked(tmp_path / "file"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 200 and max(most) == 1 and not list(tmp_path.iterdir())


def test_an_error_in_the_block_passes_and_releases(tmp_path):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), files.locked(tmp_path / "file", "held"):
            1 / 0  # noqa: B018
    again = files.locked(tmp_path / "file", "held")
    with files.locked(tmp_path / "file", "held"), pytest.raises(ValueError, match="held"), again:
        pytest.fail("twice")
