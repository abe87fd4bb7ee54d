"""Run folders: what a start that fails leaves, and what is overwritten."""

import json

import pytest

from kerasmlsp.training import Run, Settings
from kerasmlsp.training.checkpoint import CHECKPOINT


def started(run, *, fails=None, checkpoint=False, **flags):
    """What a training does to its folder."""
    with run.claimed(**flags):
        run.start(Settings(), {"app": "sentiment"})
        run.write("net/vocabulary.json", [])
        if checkpoint:
            (run / "net" / CHECKPOINT).touch()
        if fails:
            raise fails


def contents(run):
    return {str(path.relative_to(run)) for path in run.folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "runs/mine")


@pytest.fixture
def old(run):
    started(run, checkpoint=True)
    (run / "mine.txt").write_text("old")
    return run


def test_a_start_that_fails_frees_the_name(run):
    with pytest.raises(ValueError, match="no such column"):
        started(run, fails=ValueError("no such column"))
    assert not run.folder.exists()
    started(run)


def test_a_name_that_is_taken_is_told_before_anything_is_read(run):
    run.check_free()
    started(run)
    before = contents(run)
    with pytest.raises(ValueError, match=r"holds a run already.*--resume.*--overwrite"):
        run.check_free()
    assert contents(run) == before


def test_a_start_that_fails_deletes_what_it_made_and_nothing_else(run):
    (run / "net").mkdir(parents=True)
    (run / "net/notes.txt").touch()
    with pytest.raises(MemoryError):
        started(run, fails=MemoryError())
    assert contents(run) == {"net/notes.txt"}


@pytest.mark.parametrize(("checkpoint", "error"), [(True, ValueError), (False, KeyboardInterrupt)])
def test_what_can_be_gone_on_with_stays(run, checkpoint, error):
    with pytest.raises(error):
        started(run, fails=error(), checkpoint=checkpoint)
    assert "config.json" in contents(run)
    with pytest.raises(ValueError, match=r"holds a run already.*--resume.*--overwrite"):
        started(run)
    with run.claimed(resume=True):
        pass


def test_a_resumed_run_that_fails_stays(run):
    started(run)
    with pytest.raises(ValueError, match="gone"), run.claimed(resume=True):
        raise ValueError("gone")
    assert "config.json" in contents(run)


def test_overwriting_starts_anew(old):
    started(old, checkpoint=True, overwrite=True)
    assert contents(old) == {"config.json", "net/vocabulary.json", f"net/{CHECKPOINT}"}
    assert [path.name for path in old.folder.parent.iterdir()] == ["mine"]


def test_a_run_is_kept_where_the_one_in_its_place_fails_to_start(old):
    before = contents(old)
    with pytest.raises(ValueError, match="bad"), old.claimed(overwrite=True):
        raise ValueError("bad data")
    assert contents(old) == before
    with pytest.raises(ValueError, match="bad"):
        started(old, fails=ValueError("bad net"), overwrite=True)
    assert contents(old) == before
    assert [path.name for path in old.folder.parent.iterdir()] == ["mine"]


def test_nothing_is_begun_where_ctrl_c_comes_before_the_old_run_is_replaced(old):
    before = contents(old)
    with pytest.raises(KeyboardInterrupt, match="Nothing was begun"), old.claimed(overwrite=True):
        raise KeyboardInterrupt
    assert contents(old) == before


def test_a_run_stopped_in_the_place_of_another_is_gone_on_with(old):
    with pytest.raises(KeyboardInterrupt):
        started(old, fails=KeyboardInterrupt(), overwrite=True)
    with old.claimed(resume=True):
        assert "mine.txt" not in contents(old)
        (old / CHECKPOINT).touch()
    assert [path.name for path in old.folder.parent.iterdir()] == ["mine"]


def test_a_run_comes_back_where_the_process_that_replaced_it_was_killed(old):
    old.folder.rename(old._replaced)
    old.folder.mkdir()
    (old / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="holds a run already"), old.claimed():
        pass
    assert "mine.txt" in contents(old)


@pytest.mark.parametrize("text", ["{}", "[1]", "not JSON", None])
def test_only_runs_are_overwritten(run, text):
    run.folder.mkdir(parents=True)
    (run / "thesis.txt").touch()
    if text is not None:
        (run / "config.json").write_text(text)
    before = contents(run)
    with pytest.raises(ValueError, match="replaces runs only"):
        started(run, overwrite=True)
    assert contents(run) == before


def test_there_need_be_nothing_to_overwrite(run):
    started(run, overwrite=True)
    assert json.loads((run / "config.json").read_text())["app"] == "sentiment"


def test_a_linked_run_is_overwritten_where_it_lies(old, tmp_path):
    place = tmp_path / "disk"
    old.folder.rename(place)
    old.folder.symlink_to(place)
    started(old, checkpoint=True, overwrite=True)
    assert old.folder.is_symlink() and not (place / "mine.txt").exists() and (place / "config.json").exists()
